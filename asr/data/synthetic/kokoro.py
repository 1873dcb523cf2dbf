"""Kokoro: 82 million parameters that sound like people, and 54 voices, each a vector, so that two of them mixed are a
third.

Kokoro-82M, weights and voices, is Apache-2.0. Its graph takes the symbols of a text, a style and a speed, and gives the
same wave each time. 28 of the voices speak English, the others speak it with the accent of their language.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from asr.data.synthetic import phonemes
from asr.data.synthetic.engines import engine_version
from asr.data.synthetic.voice_graphs import Sound, load_graph, runtime_version, sha256_of, sound_of
from asr.data.synthetic.voice_store import kokoro_folder
from asr.errors import AudioError, SettingsError

if TYPE_CHECKING:
    import onnxruntime

MODEL: Final = "kokoro-v1.0.int8.onnx"
SAMPLE_RATE: Final = 24_000
FETCH: Final = "asr voices fetch kokoro"

LONGEST: Final = 510
"""Symbols of a text: a voice has a style for each length up to it."""

_WIDTH: Final = 256  # of a style

_MIXTURE = re.compile(r"(\w+)\+(\w+)@(0\.\d{1,2})")


@dataclass(frozen=True)
class Pins:
    """What Kokoro consists of: the SHA-256 of each file by its name, and the number of each symbol."""

    sha256: dict[str, str]
    symbols: dict[str, int]

    @property
    def voices(self) -> tuple[str, ...]:
        """The names of the voices."""
        return tuple(Path(name).stem for name in self.sha256 if name != MODEL)


@cache
def pins() -> Pins:
    """The version that this program speaks with."""
    return Pins(**json.loads((files("asr.data.synthetic") / "kokoro.json").read_text(encoding="utf-8")))


def names() -> tuple[str, ...]:
    """The voices, if all that they need is there; mixtures are not listed."""
    return () if missing() else pins().voices


def missing() -> str:
    """What is wanted before it can speak, and how to get it; nothing where it can."""
    absent = [name for name in pins().sha256 if not (kokoro_folder() / name).is_file()]
    if absent:
        return f"{len(absent)} of {len(pins().sha256)} files are not in {kokoro_folder()}: {FETCH}"
    return "" if phonemes.available() else "espeak-ng, which tells how words are pronounced: apt-get install espeak-ng"


def version() -> str:
    """The graph's, and those of what it depends on."""
    return f"{MODEL}, espeak-ng {engine_version('espeak-ng')}, {runtime_version()}"


def parts_of(name: str) -> tuple[str, ...]:
    """The voices that a name stands for: itself, or the two that are mixed."""
    found = _MIXTURE.fullmatch(name)
    return (found[1], found[2]) if found else (name,)


def mixture(one: str, other: str, share: float) -> str:
    """The name of a voice that is ``one`` by its ``share`` and ``other`` by the rest; it has the accent of ``one``."""
    return f"{one}+{other}@{share:.2f}"


def is_english(name: str) -> bool:
    """Whether the voice, or the first of a mixture, is of a speaker of English."""
    return name[0] in "ab"


def speak(text: str, name: str, rate: float, pitch: float) -> Sound:
    """The text by a voice or a mixture; ``rate`` is 1 for its own speed, and so is ``pitch``, which cannot be moved.

    Raises SettingsError where a file is missing or another than it should be, AudioError for a text without words or
    too long.
    """
    known = pins().symbols
    british = name.startswith("b")  # voices of other languages colour the American way of speaking
    symbols = [symbol for symbol in phonemes.kokoro_symbols(text, british=british) if symbol in known]
    if not any(map(str.isalpha, symbols)):
        return np.zeros(0, np.int16), SAMPLE_RATE
    if len(symbols) > LONGEST:
        raise AudioError(f"kokoro: found {len(symbols)} sounds in {text[:40]!r}..., wanted at most {LONGEST}; cut it")
    style = _style(name)[len(symbols) - 1]
    inputs = {
        "tokens": np.array([[0, *(known[symbol] for symbol in symbols), 0]], np.int64),
        "style": style[None],
        "speed": np.array([rate], np.float32),
    }
    (wave,) = _graph(kokoro_folder()).run(None, inputs)
    return sound_of(np.ravel(wave), SAMPLE_RATE)


@cache
def _graph(folder: Path) -> "onnxruntime.InferenceSession":
    return load_graph(_checked(folder / MODEL))


def _style(name: str) -> NDArray[np.float32]:
    """(510, 256): a style for each length of text."""
    found = _MIXTURE.fullmatch(name)
    if not found:
        return _styles(kokoro_folder(), name)
    share = np.float32(found[3])
    return share * _styles(kokoro_folder(), found[1]) + (1 - share) * _styles(kokoro_folder(), found[2])


@cache
def _styles(folder: Path, name: str) -> NDArray[np.float32]:
    return np.fromfile(_checked(folder / f"{name}.bin"), "<f4").reshape(LONGEST, _WIDTH)


def _checked(path: Path) -> Path:
    """A file that is what it should be; looked at once in each process."""
    try:
        found = sha256_of(path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror or error}); get it: {FETCH}") from error
    if found != pins().sha256[path.name]:
        raise SettingsError(f"{path}: found the SHA-256 {found}, wanted {pins().sha256[path.name]}; get it: {FETCH}")
    return path
