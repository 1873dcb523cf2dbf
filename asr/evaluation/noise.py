"""Speech in noise at a ratio that is asked for, the same at each run.

The ratio is that of the training's own noise: mean square of the utterance over mean square of the noise under it, both
over the whole length of the utterance, the silence at its ends included. Which noise an utterance gets, and from where
in it, is drawn from the utterance's id alone: at every ratio it is the same noise, only louder, and what else is in
the list changes nothing.
"""

import functools
import math
import random
from collections.abc import Sequence
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import AUDIO_EXTENSIONS, SAMPLE_RATE, find_audio
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.utterance import NOBODY, Utterance
from asr.errors import AudioError, SettingsError
from asr.evaluation.attempts import Gather, gather_silently, outcomes_of
from asr.settings import shown

RATIOS = (24.0, 18.0, 12.0, 6.0)
"""Decibels at which noise is mixed in unless others are asked for: from a quiet room to one where people raise their
voices."""

PIECE_SECONDS = 10.0
"""A noise that is listened to alone is cut into pieces no longer than this: as long as a command may be waited for."""

_KEPT_AT_ONCE = 8  # recordings held in memory


def find_noises(path: Path) -> list[Utterance]:
    """The recordings of noise at a path: those of a manifest, those below a folder, or a single one.

    Raises:
        AudioError: there is nothing at the path, or no recording below the folder.
        ManifestError: the path is a list that cannot be read.
    """
    if path.is_file() and path.suffix.removeprefix(".").lower() not in AUDIO_EXTENSIONS:
        return read_manifest(path)
    return [
        Utterance(file.relative_to(path).as_posix() if path.is_dir() else file.name, file, NOBODY, "")
        for file in find_audio(path)
    ]


def usable_noises(path: Path, gather: Gather = gather_silently) -> tuple[list[Utterance], dict[str, str]]:
    """The recordings of ``find_noises`` that can be read and hold sound, and what is wrong with the others, by id.

    Raises:
        AudioError: there is none; and as ``find_noises``.
    """

    def check(recording: Utterance) -> None:
        if not read_utterance(recording).any():
            raise AudioError(f"{recording.path}: found nothing but zeros, wanted noise; take it out")

    found = find_noises(path)
    usable, failures = gather(found, outcomes_of(found, check), "Reading noise")
    if not usable:
        raise AudioError(f"{path}: none of its {len(found)} recordings can be used as noise")
    return [recording for recording in found if recording.id in usable], failures


def check_ratios(ratios: Sequence[float]) -> None:
    """Raises SettingsError for what are no ratios in dB, each given once."""
    several = isinstance(ratios, Sequence) and not isinstance(ratios, str)
    if not several or not all(isinstance(each, Real) and not isinstance(each, bool) for each in ratios):
        raise SettingsError(f"snr is {shown(ratios)}; wanted decibels, as in (24, 18, 12, 6)")
    if not ratios or not all(map(math.isfinite, ratios)):
        raise SettingsError("wanted decibels separated by commas, as in 24,18,12,6")
    if len(set(ratios)) < len(ratios):
        raise SettingsError("the same ratio stands there twice; give each once")


def mix(wave: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float) -> NDArray[np.float32]:
    """The wave (N,) with noise (N,) added ``snr_db`` decibels below it, both by their mean square.

    Where the sum leaves [-1, 1] all of it is turned down, for clipping would be another fault than noise. A wave or a
    noise of nothing but zeros has no ratio, and the wave comes back as it is.
    """
    wanted = np.sqrt(np.mean(np.square(wave, dtype=np.float64))) * 10 ** (-snr_db / 20)
    loudness = np.sqrt(np.mean(np.square(noise, dtype=np.float64)))
    if not (wanted and loudness):
        return wave
    mixed = wave + noise * (wanted / loudness)
    turned_down: NDArray[np.float32] = (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)
    return turned_down


def looped(noise: NDArray[np.float32], start: int, length: int) -> NDArray[np.float32]:
    """``length`` samples of a noise (N,) from ``start`` on; one too short for it starts over."""
    return np.take(noise, np.arange(start, start + length), mode="wrap")


def pieces(wave: NDArray[np.float32], seconds: float = PIECE_SECONDS) -> list[NDArray[np.float32]]:
    """A wave (N,) at 16 kHz in as few equally long pieces as are none longer than ``seconds``."""
    return np.array_split(wave, max(1, math.ceil(len(wave) / (seconds * SAMPLE_RATE))))


class Noises:
    """Recordings of noise that utterances are mixed with; each must hold sound. They are read as they are wanted."""

    def __init__(self, recordings: Sequence[Utterance]) -> None:
        self._recordings = tuple(recordings)
        self._read = functools.lru_cache(_KEPT_AT_ONCE)(read_utterance)

    def __reduce__(self) -> tuple[type["Noises"], tuple[tuple[Utterance, ...]]]:
        """To another process go the names of the recordings, not what was read of them."""
        return Noises, (self._recordings,)

    def under(self, wave: NDArray[np.float32], id: str, snr_db: float) -> NDArray[np.float32]:
        """The utterance ``id``, whose wave is (N,), in noise; see ``mix``.

        Raises:
            AudioError: a recording can no longer be read.
        """
        return mix(wave, self.excerpt(id, len(wave)), snr_db)

    def excerpt(self, id: str, length: int) -> NDArray[np.float32]:
        """The noise (``length``,) that the utterance ``id`` gets; a recording too short for it starts over."""
        # A string seeds it with its SHA-512, so it does not depend on the process.
        drawn = random.Random(id)
        noise = self._read(self._recordings[drawn.randrange(len(self._recordings))])
        taken = looped(noise, int(drawn.random() * len(noise)), length)
        if not taken.any():  # a pause as digital silence, which could not be made louder
            taken = looped(noise, int(np.flatnonzero(noise)[0]), length)
        return taken
