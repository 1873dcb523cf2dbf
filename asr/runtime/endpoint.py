"""Where speech begins and ends in a stream, and where a long recording can be cut.

A frame of 10 ms is loud when its energy stands out from a noise floor, the 10th percentile of the last seconds. Speech
begins with a few loud frames in a row and has ended after a while without any. Energy is measured after pre-emphasis,
so that hum counts for less and the hiss of an "s" for more.

This tells sound from a steady background, not speech from other sounds: a dog's bark is an utterance too, and people
who talk behind the speaker run into what is said. What was said, if anything, is for the recogniser to say.
"""

from collections import deque
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from asr.audio.levels import frame_powers
from asr.audio.load import SAMPLE_RATE
from asr.errors import SettingsError

FRAME = SAMPLE_RATE // 100
_FLOOR_EVERY = 10  # frames between two estimates of the noise floor
_PAUSE_FRAMES = 20  # a cut is made in the middle of the quietest 0.2 s


@dataclass(frozen=True)
class EndpointSettings:
    """When a sound counts as speech, and how much is kept around it.

    Raises:
        SettingsError: a value is out of range, or two contradict each other.
    """

    start_db: float = 10.0
    """Decibels above the noise floor at which speech begins."""
    end_db: float = 6.0
    """Decibels above the noise floor below which it may have ended."""
    lowest_floor_db: float = -70.0
    """The noise floor is never taken to be below this (dB of full scale), so that a hiss after digital silence is not
    speech."""
    floor_seconds: float = 3.0
    """The span that the noise floor is estimated from."""
    onset_seconds: float = 0.03
    """Loud time in a row that begins speech; a shorter click does not."""
    hangover_seconds: float = 0.6
    """Quiet time that ends an utterance; shorter pauses belong to it."""
    pre_roll_seconds: float = 0.3
    """Kept before the first loud frame: the first sound is often a quiet one."""
    post_roll_seconds: float = 0.3
    """Kept after the last loud frame."""
    min_speech_seconds: float = 0.1
    """An utterance with less loud time than this is dropped."""
    max_seconds: float = 20.0
    """A longer utterance is cut at its quietest point."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not np.isfinite(value):
                raise SettingsError(f"{field.name}: found {value}, wanted a finite number")
        for name, low, high in [
            ("start_db", 0.0, 60.0),
            ("end_db", 0.0, self.start_db),
            ("lowest_floor_db", -120.0, 0.0),
            ("floor_seconds", 0.5, 60.0),
            ("onset_seconds", 0.01, 1.0),
            ("hangover_seconds", 0.05, 10.0),
            ("pre_roll_seconds", 0.0, 2.0),
            ("post_roll_seconds", 0.0, self.hangover_seconds),
            ("min_speech_seconds", 0.0, 2.0),
            ("max_seconds", 2 * (self.pre_roll_seconds + self.onset_seconds) + 1.0, 600.0),
        ]:
            if not low <= getattr(self, name) <= high:
                raise SettingsError(
                    f"{name}: found {getattr(self, name):g}, wanted {low:g} to {high:g}; change it or its neighbours"
                )


@dataclass(frozen=True, eq=False)
class Segment:
    """One utterance of a stream."""

    start: int
    """Sample of the stream at which the wave begins."""
    wave: NDArray[np.float32]
    """Samples (N,), pre-roll and post-roll included."""
    speech_end: int
    """Sample of the stream just after the last loud frame."""


class Endpointer:
    """Finds utterances in a stream of blocks; how the stream is cut into blocks makes no difference.

    Utterances come out in order and do not overlap. One that had to be cut at ``max_seconds`` is continued by the next,
    without a gap where the sound goes on.
    """

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        self._settings = settings or EndpointSettings()
        self._reset()

    def _reset(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._recent: deque[float] = deque(maxlen=_frames(self._settings.floor_seconds))
        self._floor = 0.0
        self._taken = 0  # frames of the stream so far
        # Frames that are kept, the last of them the newest of the stream: what precedes speech, or an utterance.
        self._kept: list[NDArray[np.float32]] = []
        self._levels: list[float] = []
        self._loud: list[bool] = []
        self._speaking = False
        self._continued = False

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and not ended yet."""
        return self._speaking

    def feed(self, block: NDArray[np.float32]) -> list[Segment]:
        """Take the next samples of the stream.

        Args:
            block: samples (n,), float32 at 16 kHz; any n, 0 included.

        Returns:
            the utterances that have ended in it, most often none.

        Raises:
            ValueError: the block is not one-dimensional.
        """
        if block.ndim != 1:
            raise ValueError(f"found a block of shape {block.shape}, wanted (n,)")
        samples = np.concatenate([self._rest, block.astype(np.float32, copy=False)])
        whole = len(samples) // FRAME
        self._rest = samples[whole * FRAME :]
        frames = samples[: whole * FRAME].reshape(whole, FRAME)
        found = [self._take(frame, level) for frame, level in zip(frames, _decibels(frames), strict=True)]
        return [segment for segment in found if segment is not None]

    def flush(self) -> list[Segment]:
        """End the stream; returns the utterance that was still open, if any. The next block begins a new stream."""
        found = self._close() if self._speaking else None
        self._reset()
        return [] if found is None else [found]

    def _take(self, frame: NDArray[np.float32], level: float) -> Segment | None:
        settings = self._settings
        self._recent.append(level)
        if self._taken % _FLOOR_EVERY == 0:
            self._floor = max(float(np.percentile(self._recent, 10)), settings.lowest_floor_db)
        self._taken += 1
        self._kept.append(frame)
        self._levels.append(level)
        self._loud.append(level > self._floor + (settings.end_db if self._speaking else settings.start_db))
        if self._speaking:
            if not any(self._loud[-_frames(settings.hangover_seconds) :]):
                return self._close()
            if len(self._kept) >= _frames(settings.max_seconds):
                return self._cut()
        else:
            onset = _frames(settings.onset_seconds)
            self._forget(len(self._kept) - _frames(settings.pre_roll_seconds) - onset)
            self._speaking = len(self._loud) >= onset and all(self._loud[-onset:])
        return None

    def _close(self) -> Segment | None:
        """End the utterance at its last loud frame."""
        settings = self._settings
        enough = 1 if self._continued else _frames(settings.min_speech_seconds)
        segment = None
        if sum(self._loud) >= enough:
            spoken = len(self._loud) - self._loud[::-1].index(True)
            segment = self._segment(min(spoken + _frames(settings.post_roll_seconds), len(self._kept)), spoken)
            # The end of a stream need not fall on the end of a frame.
            if segment.start + len(segment.wave) == self._taken * FRAME and len(self._rest):
                segment = Segment(segment.start, np.concatenate([segment.wave, self._rest]), segment.speech_end)
        self._forget(len(self._kept) - _frames(settings.pre_roll_seconds) - _frames(settings.onset_seconds))
        self._speaking = self._continued = False
        return segment

    def _cut(self) -> Segment:
        """End the utterance at the quietest point of its second half, and go on with what follows."""
        half = len(self._kept) // 2
        cut = half + _quietest(10 ** (np.array(self._levels[half:]) / 10))
        segment = self._segment(cut, cut)
        self._continued = True
        return segment

    def _segment(self, length: int, spoken: int) -> Segment:
        """The first frames that are kept, as an utterance; they are kept no longer."""
        start = self._taken - len(self._kept)
        wave = np.concatenate(self._kept[:length])
        self._forget(length)
        return Segment(start * FRAME, wave, (start + spoken) * FRAME)

    def _forget(self, count: int) -> None:
        for kept in (self._kept, self._levels, self._loud):
            del kept[: max(count, 0)]


def frame_levels(wave: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level (T,) in dB of each whole frame of 10 ms of a wave (N,) at 16 kHz, measured as the end-pointer does."""
    return np.array(_decibels(wave[: len(wave) // FRAME * FRAME].reshape(-1, FRAME)))


def split_at_pauses(wave: NDArray[np.float32], max_seconds: float = 20.0) -> list[tuple[int, int]]:
    """Cut a long recording into pieces at its quietest points.

    Args:
        wave: samples (N,) at 16 kHz.
        max_seconds: the longest piece, at least 1.

    Returns:
        (first sample, sample after the last) of each piece. The pieces follow one another without a gap from 0 to N;
        none is longer than ``max_seconds``, and unless the recording is, none is shorter than a quarter of it. A
        recording without samples has no piece.

    Raises:
        SettingsError: ``max_seconds`` is below 1.
    """
    if not max_seconds >= 1:
        raise SettingsError(f"max_seconds: found {max_seconds:g}, wanted 1 or more")
    limit = int(min(max_seconds * SAMPLE_RATE, len(wave) + 1))
    pieces = []
    start = 0
    while len(wave) - start > limit:
        # What is left behind the cut shall not be a scrap.
        low, high = start + limit // 2, min(start + limit, len(wave) - limit // 4)
        frames = wave[low : low + (high - low) // FRAME * FRAME].reshape(-1, FRAME)
        cut = low + _quietest(frame_powers(frames)) * FRAME
        pieces.append((start, cut))
        start = cut
    if start < len(wave):
        pieces.append((start, len(wave)))
    return pieces


def _frames(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE / FRAME)


def _decibels(frames: NDArray[np.float32]) -> list[float]:
    levels: list[float] = (10 * np.log10(frame_powers(frames) + 1e-12)).tolist()
    return levels


def _quietest(powers: NDArray[np.float64]) -> int:
    """Frame in the middle of the quietest 0.2 s; of several equally quiet ones, the last."""
    width = min(_PAUSE_FRAMES, len(powers))
    sums = np.convolve(powers, np.ones(width), mode="valid")
    return len(sums) - 1 - int(np.argmin(sums[::-1])) + width // 2
