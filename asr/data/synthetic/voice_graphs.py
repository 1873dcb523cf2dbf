"""What neural voices share: their graphs in onnxruntime, and what becomes of the sound that these give."""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from asr.errors import SettingsError

if TYPE_CHECKING:
    import onnxruntime

Sound = tuple[NDArray[np.int16], int]
"""Samples and how many of them there are in a second."""

_LOUD: Final = 0.01
_BEFORE, _AFTER = 0.1, 0.15
"""Seconds of silence that stay at the ends; the networks make up to a second of it."""


def load_graph(path: Path, change: Callable[[bytes], bytes] | None = None) -> "onnxruntime.InferenceSession":
    """A graph, changed or as it is, that runs on one thread, for as many processes speak as there are cores.

    Raises SettingsError for a file that is none.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # of weights that no node uses there are warnings
    try:
        graph = change(path.read_bytes()) if change else path
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own have no class in common
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path}: found no graph for onnxruntime ({reason}); get the file anew") from error


def runtime_version() -> str:
    """What a network computes depends, in the last digits, on what computes it."""
    return f"onnxruntime {version('onnxruntime')}"


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sound_of(wave: NDArray[np.float32], sample_rate: int) -> Sound:
    """A wave (N,) in 16 bits, with little silence left at the ends; what is louder than 1 is clipped."""
    loud = np.flatnonzero(np.abs(wave) > _LOUD)
    if loud.size:
        start, end = int(loud[0]) - round(_BEFORE * sample_rate), int(loud[-1]) + round(_AFTER * sample_rate)
        wave = wave[max(0, start) : end]
    return np.rint(wave.clip(-1, 1) * np.float32(32767)).astype(np.int16), sample_rate
