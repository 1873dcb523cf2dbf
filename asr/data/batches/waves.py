"""The recordings of a data set: each decoded when it is first wanted, and held in memory from then on."""

import mmap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.audio.encoding import to_int16
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import SettingsError

_FULL_SCALE = np.float32(32_768)  # as whoever decodes 16 bits has it, so that training hears what transcription hears
_SPARE = SAMPLE_RATE // 10  # samples by which a recording may be longer than its list or its header says


class Waves:
    """Waves by index. Decoding costs more than the features do, so what fits is kept as 16-bit samples.

    Nothing is decoded before it is asked for, so that a training begins at once: ``lengths``, in samples, are those
    that the list states, or else the header of the file. ``hold_hours`` of the utterances, in their order, stay in
    memory, 115 MB an hour, which forked processes share, so that what one of them decodes all of them have; a pickled
    copy holds none. The others are read from their files whenever they are asked for. Raises SettingsError for hours
    that are no amount, or more than there is memory for, AudioError for a file without a header whose list states no
    length and that cannot be read either.
    """

    def __init__(self, utterances: Sequence[Utterance], hold_hours: float) -> None:
        if not 0 <= hold_hours < float("inf"):
            raise SettingsError(f"data: hold_hours is {hold_hours}; it must not be below 0")
        self.utterances = utterances
        with ThreadPoolExecutor() as pool:
            self.lengths: list[int] = list(pool.map(_length, utterances))
        ends = np.cumsum(self.lengths, dtype=np.int64)
        held = int(np.searchsorted(ends, hold_hours * 3600 * SAMPLE_RATE, side="right"))
        self._places = np.concatenate([[0], np.cumsum(np.array(self.lengths[:held], np.int64) + _SPARE)])
        try:
            self._samples: NDArray[np.int16] = np.frombuffer(_shared(2 * int(self._places[-1])), np.int16)
            self._counts: NDArray[np.int64] = np.frombuffer(_shared(8 * held), np.int64)[:held]
        except OSError as error:
            hours = ends[held - 1] / SAMPLE_RATE / 3600
            raise SettingsError(
                f"data: there is no memory for {hours:.1f} hours of recordings ({error.strerror}); lower hold_hours"
            ) from error
        self._counts[:] = -1

    def __len__(self) -> int:
        """How many there are."""
        return len(self.utterances)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Wave (N,), float32 in [-1, 1] at 16 kHz.

        Raises AudioError for a recording that cannot be read, ManifestError for one shorter than its utterance.
        """
        if index < len(self._counts) and (count := int(self._counts[index])) >= 0:
            samples = self._samples[self._places[index] :][:count]
        else:
            samples = to_int16(read_utterance(self.utterances[index]))
            self._keep(index, samples)
        return samples.astype(np.float32) / _FULL_SCALE

    def __getstate__(self) -> dict[str, Any]:
        """Without what is held: the memory is shared by forks, not by copies."""
        kept = self.__dict__.copy()
        return kept | {"_samples": self._samples[:0], "_counts": self._counts[:0]}

    def _keep(self, index: int, samples: NDArray[np.int16]) -> None:
        if index < len(self._counts):
            place, end = self._places[index : index + 2]
            if place + len(samples) <= end:
                self._samples[place : place + len(samples)] = samples
                self._counts[index] = len(samples)  # last: who sees it sees the samples


def _shared(size: int) -> mmap.mmap:
    """Memory that forks have in common; pages that are never written take none."""
    return mmap.mmap(-1, max(size, 8))


def _length(utterance: Utterance) -> int:
    """Samples at 16 kHz, as far as they can be known without decoding."""
    seconds = utterance.duration if utterance.seconds is None else utterance.seconds
    if seconds is None and utterance.packed is None:
        try:
            info = soundfile.info(utterance.path)
        except (soundfile.SoundFileError, OSError):
            pass
        else:
            seconds = max(0.0, info.frames / info.samplerate - utterance.start)
    return len(read_utterance(utterance)) if seconds is None else round(seconds * SAMPLE_RATE)
