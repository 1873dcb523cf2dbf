"""torch and torchaudio, of which only some pairs load each other's libraries; what to say where they do not."""

import re
from importlib import metadata
from types import TracebackType

PAIR = ("torch", "torchaudio")


def unloadable_pair(error: BaseException) -> str | None:
    """One line if the error is that torchaudio does not load with the torch that is installed; else None.

    torchaudio's own words for it are those of a linker (OSError, ImportError), or of a check of versions of CUDA
    (RuntimeError), and come from whichever library imports it first.
    """
    package = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if package in PAIR or not isinstance(error, ImportError | OSError | RuntimeError):
        return None
    if not _imports_torchaudio(error.__traceback__):
        return None
    found = " and ".join(f"{name} {_version(name)}" for name in PAIR)
    wanted = [f"{name}=={version}" for name, version in _tried().items()]
    return (
        f"found {found}, which do not load together; wanted {' and '.join(wanted).replace('==', ' ')}; "
        f"pip install {' '.join(wanted)}"
    )


def _imports_torchaudio(trace: TracebackType | None) -> bool:
    """Whether the error came while torchaudio itself was being imported, not while it was used."""
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "<module>" and str(frame.f_globals.get("__name__")).split(".")[0] == "torchaudio":
            return True
        trace = trace.tb_next
    return False


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of no known version"


def _tried() -> dict[str, str]:
    """The pair that this package asks for, as its own metadata say."""
    asked = (re.match(r"(torch|torchaudio)==([\w.]*\w)", each) for each in metadata.requires("asr") or ())
    return {each[1]: each[2] for each in asked if each}
