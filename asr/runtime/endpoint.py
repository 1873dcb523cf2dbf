"""Where speech begins and ends in a stream, and where a long recording can be cut.

A stream is heard in chunks of 32 ms, each of which the model of voices (``asr.audio.speech``) calls a voice or not.
Speech begins with a few voiced chunks in a row and has ended after a while without any. Those that lie far below the
loudest of an utterance are somebody else's, as a radio's, and do not keep it open. What stands between is an utterance,
kept with enough sound around it that a recording of it is heard as the stream was.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from asr.audio.levels import frame_powers
from asr.audio.load import SAMPLE_RATE
from asr.audio.speech import CHUNK, EDGE, FARTHEST_DB, VOICE, SpeechStream
from asr.errors import SettingsError

FRAME = SAMPLE_RATE // 100
_PAUSE_FRAMES = 20  # a cut is made in the middle of the quietest 0.2 s
_LONGEST_ONSET = SAMPLE_RATE // CHUNK  # chunks of what may become a voice, which are kept until it does


@dataclass(frozen=True)
class EndpointSettings:
    """When an utterance begins and ends, and how much is kept around it, in seconds; all are rounded to chunks.

    Raises:
        SettingsError: a value is out of range, or two contradict each other.
    """

    onset_seconds: float = 0.1
    """Voice in a row that begins speech; a shorter blow or click does not."""
    hangover_seconds: float = 0.6
    """Time without a voice that ends an utterance; shorter pauses belong to it."""
    pre_roll_seconds: float = 0.5
    """Kept before the first voiced chunk: the first sound is often a quiet one."""
    post_roll_seconds: float = 0.5
    """Kept after the last voiced chunk."""
    max_seconds: float = 20.0
    """A longer utterance is cut at its quietest point."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not np.isfinite(value):
                raise SettingsError(f"{field.name}: found {value}, wanted a finite number")
        for name, low, high in [
            ("onset_seconds", 0.03, 1.0),
            ("hangover_seconds", 0.05, 10.0),
            ("pre_roll_seconds", 0.0, 2.0),
            ("post_roll_seconds", 0.0, self.hangover_seconds),
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
    speech_start: int
    """Sample of the stream at which the first voiced chunk begins."""
    speech_end: int
    """Sample of the stream just after the last voiced chunk."""


class Endpointer:
    """Finds utterances in a stream of blocks; how the stream is cut into blocks makes no difference.

    Utterances come out in order and do not overlap. One that had to be cut at ``max_seconds`` is continued by the next,
    without a gap where the sound goes on.
    """

    def __init__(
        self,
        settings: EndpointSettings | None = None,
        *,
        stream: Callable[[], Callable[[NDArray[np.float32]], float]] = SpeechStream,
    ) -> None:
        """``stream`` makes what says of each chunk (512,) of a stream, in turn, how likely somebody speaks in it."""
        self._settings = settings or EndpointSettings()
        self._stream = stream
        self._reset()

    def _reset(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._likelihood = self._stream()
        self._taken = 0  # chunks of the stream so far
        # Chunks that are kept, the last of them the newest of the stream: what precedes speech, or an utterance.
        self._kept: list[NDArray[np.float32]] = []
        self._run = 0  # chunks up to the newest that may be a voice
        self._sure = False  # whether one of them surely is
        self._began: int | None = None  # chunk of the stream with which the open utterance's speech begins
        self._voiced = 0  # chunk of the stream after the last voiced one
        self._loudest = 0.0  # power of the loudest voiced chunk of the open utterance

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and not ended yet."""
        return self._began is not None

    @property
    def quiet(self) -> int:
        """Samples since the last voiced chunk."""
        return (self._taken - self._voiced) * CHUNK

    @property
    def spoken(self) -> int:
        """Samples of the open utterance from its first voiced chunk to its last; 0 where none is open."""
        return 0 if self._began is None else (self._voiced - self._began) * CHUNK

    def feed(self, block: NDArray[np.float32]) -> list[Segment]:
        """Take the next samples of the stream.

        Args:
            block: samples (n,), float32 at 16 kHz; any n, 0 included.

        Returns:
            the utterances that have ended in it, most often none.

        Raises:
            ValueError: the block is not one-dimensional.
        """
        return [segment for segment in self.steps(block) if segment is not None]

    def steps(self, block: NDArray[np.float32]) -> Iterator[Segment | None]:
        """The same chunk by chunk: for each that the block completes, the utterance that has ended with it, if any."""
        if block.ndim != 1:
            raise ValueError(f"found a block of shape {block.shape}, wanted (n,)")
        samples = np.concatenate([self._rest, block.astype(np.float32, copy=False)])
        whole = len(samples) // CHUNK
        self._rest = samples[whole * CHUNK :]
        for chunk in samples[: whole * CHUNK].reshape(whole, CHUNK):
            yield self._take(chunk)

    def flush(self) -> list[Segment]:
        """End the stream; returns the utterance that was still open, if any. The next block begins a new stream."""
        found = [self._close()] if self.speaking else []
        self._reset()
        return found

    def opened(self) -> Segment | None:
        """The open utterance as it would come out if it ended now: up to ``post_roll_seconds`` after its last voice."""
        if self._began is None:
            return None
        first = self._taken - len(self._kept)
        length = min(self._voiced - first + _chunks(self._settings.post_roll_seconds), len(self._kept))
        return self._segment(length, self._voiced)

    def _take(self, chunk: NDArray[np.float32]) -> Segment | None:
        settings = self._settings
        likelihood = self._likelihood(chunk)
        self._taken += 1
        self._kept.append(chunk)
        self._run = self._run + 1 if likelihood >= EDGE else 0
        self._sure = bool(self._run) and (self._sure or likelihood >= VOICE)
        if self._began is not None:
            if self._run:
                power = float(frame_powers(chunk[None])[0])
                self._loudest = max(self._loudest, power)
                if power >= self._loudest * 10 ** (-FARTHEST_DB / 10):
                    self._voiced = self._taken
            if self._taken - self._voiced >= _chunks(settings.hangover_seconds):
                return self._close()
            if len(self._kept) >= _chunks(settings.max_seconds):
                return self._cut()
            return None
        self._forget_before_speech()
        if self._sure and self._run >= _chunks(settings.onset_seconds):
            self._voiced = self._taken
            self._began = self._taken - min(self._run, len(self._kept))
            self._loudest = 0.0
        return None

    def _close(self) -> Segment:
        """End the utterance at its last voiced chunk."""
        segment = self.opened()
        assert segment is not None
        kept = len(segment.wave) // CHUNK
        # The end of a stream need not fall on the end of a chunk.
        if kept == len(self._kept) and len(self._rest):
            segment = replace(segment, wave=np.concatenate([segment.wave, self._rest]))
        del self._kept[:kept]
        self._began = None
        self._forget_before_speech()
        return segment

    def _cut(self) -> Segment:
        """End the utterance at the quietest point of its second half, and go on with what follows."""
        half = len(self._kept) // 2
        powers = frame_powers(np.stack(self._kept[half:]))
        cut = half + _quietest(powers, _chunks(_PAUSE_FRAMES * FRAME / SAMPLE_RATE))
        place = self._taken - len(self._kept) + cut
        segment = self._segment(cut, min(self._voiced, place))
        del self._kept[:cut]
        self._began = place
        self._voiced = max(self._voiced, place)
        return segment

    def _segment(self, length: int, voiced: int) -> Segment:
        """The first chunks that are kept, as an utterance whose speech ends before the chunk ``voiced``."""
        assert self._began is not None
        start = self._taken - len(self._kept)
        wave = np.concatenate(self._kept[:length])
        return Segment(start * CHUNK, wave, self._began * CHUNK, voiced * CHUNK)

    def _forget_before_speech(self) -> None:
        onset = max(_chunks(self._settings.onset_seconds), min(self._run, _LONGEST_ONSET))
        del self._kept[: max(len(self._kept) - _chunks(self._settings.pre_roll_seconds) - onset, 0)]


def frame_levels(wave: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level (T,) in dB of each whole frame of 10 ms of a wave (N,) at 16 kHz, after pre-emphasis."""
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


def _chunks(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE / CHUNK)


def _decibels(frames: NDArray[np.float32]) -> list[float]:
    levels: list[float] = (10 * np.log10(frame_powers(frames) + 1e-12)).tolist()
    return levels


def _quietest(powers: NDArray[np.float64], width: int = _PAUSE_FRAMES) -> int:
    """Frame in the middle of the ``width`` quietest in a row; of several equally quiet ones, the last."""
    width = min(width, len(powers))
    sums = np.convolve(powers, np.ones(width), mode="valid")
    return len(sums) - 1 - int(np.argmin(sums[::-1])) + width // 2
