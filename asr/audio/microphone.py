"""A microphone by PortAudio: its sound in blocks at 16 kHz, and in clear words why there is none."""

import queue
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.errors import AudioError
from asr.printable import printable

BLOCKS_A_SECOND = 20
"""How many pieces the sound of a second comes in."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_QUEUE_SECONDS = 60  # of sound that may wait while an utterance is transcribed
_STALL_SECONDS = 3.0  # without a block, after which the device is taken to be gone
_RETRY_SECONDS = 1.0  # between two looks for a device that is gone
_SILENCE_SECONDS = 60  # at most at a time, for sound that was lost


@dataclass(frozen=True)
class Microphone:
    """An input device as PortAudio lists it."""

    number: int
    name: str
    channels: int
    rate: int
    """Its own, in Hz."""
    default: bool
    """Whether it is what the system takes where none is named."""


def device_named(name: str | None) -> int | str | None:
    """A device as PortAudio takes it: a few digits are its number, all else is part of its name."""
    return int(name) if name is not None and _NUMBER.fullmatch(name) else name


def microphones() -> list[Microphone]:
    """The input devices that there are. Raises AudioError where sounddevice or PortAudio is missing."""
    sounddevice = _import_sounddevice()
    try:
        default = sounddevice.query_devices(None, "input")["index"]
    except (ValueError, sounddevice.PortAudioError):  # there is none
        default = -1
    return [
        Microphone(
            number, each["name"], each["max_input_channels"], round(each["default_samplerate"]), number == default
        )
        for number, each in enumerate(sounddevice.query_devices())
        if each["max_input_channels"] > 0
    ]


def lasting_blocks(
    device: int | str | None = None, *, report: Callable[[str], None]
) -> Generator[NDArray[np.float32], None, None]:
    """The same as ``microphone_blocks`` without an end: where the device is lost once it was heard, it is waited for.

    That is said, and silence comes for as long as nothing is heard, so that the stream goes on by the clock.

    Raises AudioError as ``microphone_blocks``, until something was heard.
    """
    heard_until: float | None = None  # when the last sample so far was to be heard
    held: list[str] = []
    reports = report
    while True:
        held.clear()
        try:
            with closing(microphone_blocks(device, report=reports)) as blocks:
                for block in blocks:
                    for line in held:
                        report(line)
                    held.clear()
                    now, seconds = time.monotonic(), len(block) / SAMPLE_RATE
                    if heard_until is not None and reports is not report:
                        # To look again and to open the device has taken its time.
                        yield from _silence(now - heard_until - seconds)
                        heard_until = now
                    # A block that had to wait while an utterance was transcribed is older than it comes.
                    heard_until = now if heard_until is None else min(heard_until + seconds, now)
                    reports = report
                    yield block
        except AudioError as error:
            if heard_until is None:
                raise
            if reports is report:
                report(f"{error}; waiting for it")
        else:
            return
        # What is said of a device that gives nothing yet would come again and again.
        reports = held.append
        time.sleep(_RETRY_SECONDS)
        now = time.monotonic()
        assert heard_until is not None
        yield from _silence(now - heard_until)
        heard_until = now
        _look_again(_import_sounddevice())


def microphone_blocks(
    device: int | str | None = None, *, report: Callable[[str], None]
) -> Generator[NDArray[np.float32], None, None]:
    """Sound from a microphone, without an end; the device is opened with the first block and closed with the iterator.

    In the place of sound that was lost, because the computer was too busy, comes as much silence.

    Args:
        device: number or part of the name of a PortAudio device; the system's default when left out.
        report: takes one line when listening begins and when sound was lost.

    Yields:
        samples (n,), float32 in [-1, 1] at 16 kHz; the mean of the channels, resampled if the device has other rates.

    Raises:
        AudioError: sounddevice or PortAudio is missing, there is no such microphone, or it cannot be used.
    """
    sounddevice = _import_sounddevice()
    wanted = _wanted(device)
    found = _find(sounddevice, device)
    rate, channels = _accepted(sounddevice, device, found)
    waiting: queue.Queue[_Heard] = queue.Queue(_QUEUE_SECONDS * BLOCKS_A_SECOND)
    lost = False

    # Runs in PortAudio's thread, where the only thing to do is to copy and be gone.
    def keep(samples: NDArray[np.float32], _frames: int, _time: Any, status: Any) -> None:
        nonlocal lost
        lost = lost or bool(status.input_overflow)
        try:
            waiting.put_nowait(_Heard(samples.copy(), time.monotonic(), lost))
            lost = False
        except queue.Full:
            lost = True

    stream = None
    try:
        stream = sounddevice.InputStream(
            samplerate=rate,
            blocksize=rate // BLOCKS_A_SECOND,
            device=device,
            channels=channels,
            dtype="float32",
            callback=keep,
        )
        stream.start()
        report(f"listening to {printable(found['name'])}; ctrl-C ends")
        resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        until: float | None = None  # when the last sample so far was to be heard
        while True:
            block, came, missed = waiting.get(timeout=_STALL_SECONDS)
            seconds = len(block) / rate
            if missed:
                report("some sound was lost: the computer is too busy to keep up")
            gap = came - until - seconds if missed and until is not None else 0.0
            until = came if missed or until is None else min(until + seconds, came)
            for mono in chain(_silence(gap, rate), [block.mean(axis=1)]):
                yield mono if rate == SAMPLE_RATE else resampler.resample_chunk(mono)
    except queue.Empty:
        raise AudioError(
            f"{wanted}: found no sound for {_STALL_SECONDS:g} s, wanted a running microphone; plug it in again"
        ) from None
    except sounddevice.PortAudioError as error:
        raise AudioError(
            f"{wanted}: cannot be opened ({_one_line(error)}); close other programs that use it, or choose another"
        ) from error
    finally:
        if stream is not None:
            with suppress(sounddevice.PortAudioError):  # of a device that is gone
                stream.close()


class _Heard(NamedTuple):
    """A block as PortAudio gives it."""

    samples: NDArray[np.float32]
    """(n, channels)."""
    came: float
    """When, in seconds of ``time.monotonic``."""
    missed: bool
    """Whether sound before it was lost."""


def _silence(seconds: float, rate: int = SAMPLE_RATE) -> Iterator[NDArray[np.float32]]:
    """So many seconds of zeros, in pieces."""
    left = round(seconds * rate)
    while left > 0:
        yield np.zeros(min(left, _SILENCE_SECONDS * rate), np.float32)
        left -= _SILENCE_SECONDS * rate


def check_microphone(device: int | str | None = None) -> None:
    """Make sure, without opening it, that there is such a microphone, given as ``microphone_blocks`` takes it.

    Raises:
        AudioError: as ``microphone_blocks``.
    """
    sounddevice = _import_sounddevice()
    _accepted(sounddevice, device, _find(sounddevice, device))


def _find(sounddevice: ModuleType, device: int | str | None) -> Any:
    try:
        return sounddevice.query_devices(device, "input")
    except (ValueError, sounddevice.PortAudioError) as error:
        raise AudioError(
            f"{_wanted(device)}: found no such input device ({_one_line(error)}), wanted a microphone; plug one in, "
            "or choose one that `asr mic --list-devices` names"
        ) from error


def _look_again(sounddevice: ModuleType) -> None:
    """Let PortAudio find the devices that there are now; it does so only when it begins."""
    with suppress(sounddevice.PortAudioError):
        sounddevice._terminate()
        sounddevice._initialize()


def _wanted(device: int | str | None) -> str:
    return "the default microphone" if device is None else f"microphone {device!r}"


def _import_sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(
            "microphone: found no Python package sounddevice, wanted it to listen; pip install 'asr[mic]'"
        ) from error
    except OSError as error:
        raise AudioError(
            f"microphone: found no PortAudio ({_one_line(error)}), wanted it to listen; install it "
            "(Debian: apt install libportaudio2, macOS: brew install portaudio)"
        ) from error
    module: ModuleType = sounddevice
    return module


def _accepted(sounddevice: ModuleType, device: int | str | None, found: Any) -> tuple[int, int]:
    """Rate and channels: our own where the device takes them, else its own."""
    own = round(found["default_samplerate"])
    several = min(found["max_input_channels"], 2)
    choices = [(SAMPLE_RATE, 1), (own, 1), (SAMPLE_RATE, several), (own, several)]
    for rate, channels in choices:
        try:
            sounddevice.check_input_settings(device=device, channels=channels, dtype="float32", samplerate=rate)
        except sounddevice.PortAudioError as error:
            reason = _one_line(error)
        else:
            return rate, channels
    raise AudioError(
        f"microphone {found['name']!r}: found that it refuses {SAMPLE_RATE} and {own} Hz ({reason}), "
        "wanted either; close other programs that use it, or choose another"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
