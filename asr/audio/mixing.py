"""Blocks of any rate and number of channels to one mono wave, a block at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.errors import AudioError

Block: TypeAlias = tuple[int, NDArray[np.float32]]
"""A sampling rate in Hz and samples (n, channels)."""

Decode: TypeAlias = Callable[[], Iterator[Block]]
"""Begins a recording anew and gives its blocks; what is wrong with it is raised on the way or behind the last."""

MIN_RATE, MAX_RATE = 4_000, 768_000
"""Sampling rates outside this range are taken for a damaged header."""

_MOST_A_SECOND = 48_000 * 8
MAX_SAMPLES = 4 * 3600 * _MOST_A_SECOND
"""The most samples, of all channels together, that are decoded: 4 hours of 8 channels at 48 kHz, some 40 s of work.

A few kilobytes can hold hours of 8 channels at 768 kHz, which would keep a processor busy for ten minutes. Where less
than 4 hours are wanted, it is less in proportion.
"""

_LOUDEST = 2.0**32
"""Samples beyond this are no sound: full scale is 1, or 2^31 where somebody stored integers as floats."""

_CANCELLED = 0.04
"""The mean is given up below this share (-14 dB) of the power that the loudest channel alone would leave in it.

Of two channels that is where the mean lies 20 dB below the louder one.
"""


@dataclass
class _Stretch:
    """Consecutive blocks of one rate and number of channels, and the power (summed squares) in them."""

    rate: int
    channels: int
    mean: float
    each: NDArray[np.float64]

    def better_channel(self) -> int | None:
        """The loudest channel, where the others take away what is in it; None where the mean is good."""
        loudest = int(np.argmax(self.each))
        # In the mean a channel has 1/channels of its amplitude.
        cancelled = self.mean < _CANCELLED * self.each[loudest] / self.channels**2
        return loudest if cancelled else None


def to_mono(decode: Decode, rate: int, most_seconds: float, name: str) -> NDArray[np.float32]:
    """A recording as a mono wave (N,) at a rate, in [-1, 1].

    The channels are averaged. Where they cancel each other over a whole recording, as on a microphone wired in opposite
    phase, it is decoded a second time and the loudest is taken.

    Raises:
        AudioError: it is longer than ``most_seconds``, has more than ``MAX_SAMPLES`` samples, none, some that are not
            finite, or a sampling rate outside ``MIN_RATE``..``MAX_RATE``; and what ``decode`` raises.
    """
    # Grows in place, where a list of blocks would need twice the memory to be joined.
    collected = bytearray()
    stretches: list[_Stretch] = []
    for block in _resampled(decode(), rate, most_seconds, name, stretches):
        collected += block.tobytes()
    channels = _better_channels(stretches, len(collected), name)
    if any(channel is not None for channel in channels):
        collected.clear()
        for block in _resampled(decode(), rate, most_seconds, name, [], channels):
            collected += block.tobytes()
    wave = np.frombuffer(collected, dtype=np.float32)
    return np.clip(wave, -1.0, 1.0, out=wave)


@dataclass(frozen=True)
class Sound:
    """A recording that has been decoded to its end once, so that all of it is known to be there."""

    seconds: float
    """How long it is, above 0."""
    blocks: Callable[[], Iterator[NDArray[np.float32]]]
    """Begins it anew, and gives it as ``to_mono`` does, a block (n,) at a time."""


def examine(decode: Decode, rate: int, most_seconds: float, name: str, *, keep_seconds: float) -> Sound:
    """A recording to be heard block by block; one longer than ``keep_seconds`` is not held, but decoded again.

    Raises AudioError as ``to_mono`` does.
    """
    kept: list[NDArray[np.float32]] = []
    stretches: list[_Stretch] = []
    samples = 0
    for block in _resampled(decode(), rate, most_seconds, name, stretches):
        samples += len(block)
        if samples <= keep_seconds * rate:
            kept.append(block)
        else:
            kept.clear()
    channels = _better_channels(stretches, samples, name)
    again = samples > keep_seconds * rate or any(channel is not None for channel in channels)

    def blocks() -> Iterator[NDArray[np.float32]]:
        for block in _resampled(decode(), rate, most_seconds, name, [], channels) if again else kept:
            yield np.clip(block, -1.0, 1.0)

    return Sound(samples / rate, blocks)


def _better_channels(stretches: Sequence[_Stretch], samples: int, name: str) -> tuple[int | None, ...]:
    """What to hear of each stretch (``_Stretch.better_channel``). Raises AudioError where there are no samples."""
    if not samples:
        raise AudioError(f"{name}: found no samples (0 s of sound), wanted a recording; record it again")
    return tuple(stretch.better_channel() for stretch in stretches)


def check_rate(rate: int, name: str) -> None:
    """Raises AudioError for a sampling rate that no recording has."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"{name}: found a sampling rate of {rate} Hz, wanted {MIN_RATE} to {MAX_RATE}; "
            "the header is damaged: write the file again from its source"
        )


def check_length(seconds: float, samples: int, most_seconds: float, name: str) -> None:
    """Raises AudioError for a recording (or the part of it that has been decoded) that is too long.

    ``samples`` are those of all channels.
    """
    if seconds > most_seconds:
        found, wanted = f"{seconds / 3600:.1f} hours", f"{most_seconds / 3600:g} hours"
        if most_seconds < 3600:
            found, wanted = f"{seconds:.1f} s", f"{most_seconds:g} s"
        raise AudioError(f"{name}: found {found} of sound, wanted at most {wanted}; split it")
    most_samples = min(MAX_SAMPLES, most_seconds * _MOST_A_SECOND)
    if samples > most_samples:
        raise AudioError(
            f"{name}: found {samples} samples of all channels, wanted at most {most_samples:.0f}; "
            "convert it to one channel at 16000 Hz, or split it"
        )


def _resampled(
    blocks: Iterator[Block],
    to_rate: int,
    most_seconds: float,
    name: str,
    stretches: list[_Stretch],
    channels: Sequence[int | None] = (),
) -> Iterator[NDArray[np.float32]]:
    """Mono blocks (n,); ``stretches`` are filled, ``channels`` is one for each, None for the mean, or empty."""
    resampler = None
    seconds, frames, samples = 0.0, 0, 0  # before this stretch; in it; in all
    nothing = np.zeros(0, np.float32)
    for rate, block in blocks:
        if not stretches or (rate, block.shape[1]) != (stretches[-1].rate, stretches[-1].channels):
            check_rate(rate, name)
            if resampler is not None and rate != stretches[-1].rate:
                yield resampler.resample_chunk(nothing, last=True)
                resampler = None
            if stretches:
                seconds += frames / stretches[-1].rate
                frames = 0
            stretches.append(_Stretch(rate, block.shape[1], 0.0, np.zeros(block.shape[1])))
        if resampler is None:
            resampler = soxr.ResampleStream(rate, to_rate, 1, dtype="float32", quality="HQ")
        channel = channels[len(stretches) - 1] if channels else None
        mono = _mix(block, channel, stretches[-1])
        # written so that it is true of what is not a number
        absurd = ~(np.abs(mono) <= _LOUDEST)
        if absurd.any():
            at = int(np.argmax(absurd))
            worst = block[at][np.argmax(np.abs(block[at]))]
            found = f"of {worst:.3g}" if np.isfinite(block[at]).all() else "that is not a number or is infinite"
            raise AudioError(
                f"{name}: found a sample {found} at {seconds + (frames + at) / rate:.3f} s, "
                "wanted finite samples, full scale being 1; write the file again from its source"
            )
        frames += len(mono)
        samples += block.size
        check_length(seconds + frames / rate, samples, most_seconds, name)
        yield resampler.resample_chunk(mono)
    if resampler is not None:
        yield resampler.resample_chunk(nothing, last=True)


def _mix(block: NDArray[np.float32], channel: int | None, stretch: _Stretch) -> NDArray[np.float32]:
    if stretch.channels == 1:
        return np.ascontiguousarray(block[:, 0])
    if channel is not None:
        return np.ascontiguousarray(block[:, channel])
    with np.errstate(over="ignore", invalid="ignore"):
        mono: NDArray[np.float32] = block.mean(axis=1)
        stretch.mean += float(np.dot(mono, mono))
        stretch.each += np.einsum("ij,ij->j", block, block)
    return mono
