"""The recordings of a training set, decoded once and held in memory."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from asr.audio.encoding import to_int16
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import SettingsError

_FULL_SCALE = np.float32(32_768)  # as whoever decodes 16 bits has it, so that training hears what transcription hears


class Waves:
    """Waves by index. Decoding costs more than the features do, so what fits is kept as 16-bit samples.

    An hour takes 115 MB; the utterances beyond ``hold_hours`` are read from their files whenever they are asked for.
    ``what`` names them in the progress bar, shown on a terminal. Raises AudioError for a recording that cannot be read,
    ManifestError for one that is shorter than its utterance.
    """

    def __init__(self, utterances: Sequence[Utterance], hold_hours: float, what: str) -> None:
        if not 0 <= hold_hours < float("inf"):
            raise SettingsError(f"data: hold_hours is {hold_hours}; it must not be below 0")
        self.utterances = utterances
        self._held: list[NDArray[np.int16] | None] = []
        self.lengths: list[int] = []
        budget = int(hold_hours * 3600 * SAMPLE_RATE)
        with ThreadPoolExecutor() as pool:
            waves = pool.map(_read_int16, utterances)
            console = Console(stderr=True)
            quiet = not console.is_terminal
            title = f"Reading {what}"
            for wave in track(waves, title, len(utterances), console=console, transient=True, disable=quiet):
                self.lengths.append(len(wave))
                budget -= len(wave)
                self._held.append(wave if budget >= 0 else None)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.utterances)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Wave (N,), float32 in [-1, 1] at 16 kHz."""
        held = self._held[index]
        samples = _read_int16(self.utterances[index]) if held is None else held
        return samples.astype(np.float32) / _FULL_SCALE


def _read_int16(utterance: Utterance) -> NDArray[np.int16]:
    return to_int16(read_utterance(utterance))
