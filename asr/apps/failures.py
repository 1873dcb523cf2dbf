"""What the commands say when something goes wrong: one line on standard error, the traceback only on demand."""

import sys
import traceback
from typing import Final

from asr.apps.torch_pair import unloadable_pair
from asr.errors import AsrError, SourceError

EXTRAS: Final = {
    "train": "torch torchaudio lightning jsonargparse lhotse fsspec librosa jiwer tensorboard onnx onnxscript "
    "safetensors matplotlib jinja2",
    "mic": "sounddevice",
}
"""The packages that each extra brings; a core install is without them."""

_show_tracebacks = False


def show_tracebacks(on: bool) -> None:
    """Whether ``complain`` prints tracebacks, for the whole process."""
    global _show_tracebacks
    _show_tracebacks = on


def complain(error: BaseException) -> None:
    """Print one line on standard error, after the traceback if ``--debug`` asks for it."""
    if _show_tracebacks:
        traceback.print_exception(error)
    print(f"asr: {describe(error)}", file=sys.stderr, flush=True)


def describe(error: BaseException) -> str:
    """One line that a person can act on; what is wrong in a file that a person wrote is shown on two lines more."""
    package = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
    for extra, packages in EXTRAS.items():
        if package in packages.split():
            return f"this command needs {package}, which is not installed; pip install 'asr[{extra}]'"
    if pair := unloadable_pair(error):
        return printable(pair)
    if isinstance(error, SourceError):
        return "\n".join(map(printable, str(error).split("\n")))
    if isinstance(error, AsrError):
        message = str(error)
    elif isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        message = reason if error.filename is None else f"{error.filename}: {reason}"
    elif isinstance(error, MemoryError):
        message = "out of memory; close other programs, or give less at a time"
    else:
        message = f"unexpected {type(error).__name__}: {error}; this is a fault of asr, --debug shows where"
    return printable(" ".join(message.split("\n")))


def printable(text: str) -> str:
    """The text with control characters and undecodable bytes escaped: names of files may hold anything."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
