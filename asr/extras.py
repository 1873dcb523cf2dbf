"""Packages that only some of what asr does wants, and what to say where one of them is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from asr.errors import AsrError

EXTRAS: Final = {
    "train": "torch torchaudio lightning jsonargparse lhotse fsspec librosa jiwer tensorboard onnx onnxscript "
    "safetensors matplotlib jinja2",
    "check": "railroad",
    "mic": "sounddevice",
    "voices": "hibari onnx",
    "hub": "huggingface_hub",
    "serve": "fastapi starlette uvicorn h11 websockets python_multipart prometheus_client wyoming railroad",
}
"""The packages that each extra brings; a core install is without them."""


def missing(error: BaseException) -> str | None:
    """The package that an ImportError looked for and how to get it; None for any other error."""
    package = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
    for extra, packages in EXTRAS.items():
        if package in packages.split():
            return f"needs {package}, which is not installed; pip install 'asr[{extra}]'"
    return None


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raises AsrError, one line that begins with ``what``, for a package of an extra that is not installed."""
    try:
        yield
    except ImportError as error:
        if line := missing(error):
            raise AsrError(f"{what} {line}") from error
        raise
