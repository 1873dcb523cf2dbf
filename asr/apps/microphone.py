"""Speech from a microphone to text or commands in the terminal, one line an utterance."""

import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from asr.apps.output import json_text
from asr.apps.understood import command_keys, command_text
from asr.audio.load import SAMPLE_RATE
from asr.audio.speech import find_speech
from asr.errors import AudioError
from asr.runtime.endpoint import Endpointer, EndpointSettings, Segment
from asr.text.printable import printable

if TYPE_CHECKING:
    from asr.runtime.commander import Understanding
    from asr.runtime.transcript import Transcript

_NUMBER = re.compile(r"[0-9]{1,9}")
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_BLOCKS_A_SECOND = 20
_QUEUE_SECONDS = 60  # of sound that may wait while an utterance is transcribed
_STALL_SECONDS = 3.0  # without a block, after which the device is taken to be gone


def text_line(transcript: "Transcript", milliseconds: float) -> str:
    """The text of an utterance and how long it took; "dim" is an ANSI code."""
    shown = printable(transcript.text) or f"{_DIM}(nothing understood){_PLAIN}"
    return f"{shown}  {_DIM}{milliseconds:.0f} ms{_PLAIN}"


def command_line(understanding: "Understanding", milliseconds: float) -> str:
    """The command in an utterance with its slots and confidence, or what was heard instead, and how long it took."""
    shown = printable(command_text(understanding))
    shown = shown if understanding.understood else f"{_DIM}{shown}{_PLAIN}"
    return f"{shown}  {_DIM}{milliseconds:.0f} ms{_PLAIN}"


def json_line(heard: "Transcript | Understanding", milliseconds: float) -> str:
    """An utterance as a JSON object: the keys of `asr transcribe --json`, without the file, and the milliseconds."""
    from asr.apps.transcribe import as_dict
    from asr.runtime.transcript import Transcript

    transcript = heard if isinstance(heard, Transcript) else heard.transcript
    keys = {name: value for name, value in as_dict("", transcript).items() if name != "file"}
    more = {} if isinstance(heard, Transcript) else command_keys(heard)
    return json_text({**keys, **more, "milliseconds": round(milliseconds)})


def listen(
    blocks: Iterable[NDArray[np.float32]],
    hear: Callable[[NDArray[np.float32]], Any],
    write: Callable[[str], None],
    settings: EndpointSettings | None = None,
    *,
    line: Callable[[Any, float], str] = text_line,
    report: Callable[[str], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Write a line for each utterance in which somebody speaks, until the blocks end or the user presses ctrl-C.

    Args:
        blocks: the sound, samples (n,) at 16 kHz; closed at the end if it can be.
        hear: wave (N,) to what is in it.
        write: takes one line.
        settings: when a sound counts as speech.
        line: makes the line of what is heard and the time from the end of the speech to its text, in milliseconds, the
            wait for the end of the utterance included.
        report: takes the line that says that it has stopped; ``write`` when left out.
        clock: seconds.

    Raises:
        AsrError: from the blocks or the transcriber.
    """
    endpointer = Endpointer(settings)
    heard = 0
    # When the stream would have begun by the arrival of each block. The earliest is the true one, the others waited
    # in the queue; only the latest few count, because the clocks of device and computer drift apart.
    beginnings: deque[float] = deque(maxlen=60 * _BLOCKS_A_SECOND)

    def answer(segment: Segment) -> None:
        if find_speech(segment.wave) is None:  # a door, a dog
            return
        heard_in_it = hear(segment.wave)
        write(line(heard_in_it, 1000 * (clock() - min(beginnings) - segment.speech_end / SAMPLE_RATE)))

    stream = iter(blocks)
    try:
        for block in stream:
            heard += len(block)
            beginnings.append(clock() - heard / SAMPLE_RATE)
            for segment in endpointer.feed(block):
                answer(segment)
        for segment in endpointer.flush():
            answer(segment)
    except KeyboardInterrupt:
        pass
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()
    (report or write)("stopped")


def show(line: str, *, stderr: bool = False) -> None:
    """Print a line of ``listen`` at once, without ANSI codes where the output is no terminal."""
    Console(highlight=False, soft_wrap=True, stderr=stderr).print(Text.from_ansi(line))


def device_named(name: str | None) -> int | str | None:
    """A device as PortAudio takes it: a few digits are its number, all else is part of its name."""
    return int(name) if name is not None and _NUMBER.fullmatch(name) else name


def microphone_blocks(
    device: int | str | None = None, *, report: Callable[[str], None]
) -> Generator[NDArray[np.float32], None, None]:
    """Sound from a microphone, without an end; the device is opened with the first block and closed with the iterator.

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
    waiting: queue.Queue[NDArray[np.float32]] = queue.Queue(_QUEUE_SECONDS * _BLOCKS_A_SECOND)
    lost = threading.Event()

    # Runs in PortAudio's thread, where the only thing to do is to copy and be gone.
    def keep(samples: NDArray[np.float32], _frames: int, _time: Any, status: Any) -> None:
        if status.input_overflow:
            lost.set()
        try:
            waiting.put_nowait(samples.copy())
        except queue.Full:
            lost.set()

    stream = None
    try:
        stream = sounddevice.InputStream(
            samplerate=rate,
            blocksize=rate // _BLOCKS_A_SECOND,
            device=device,
            channels=channels,
            dtype="float32",
            callback=keep,
        )
        stream.start()
        report(f"listening to {printable(found['name'])}; ctrl-C ends")
        resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        while True:
            block = waiting.get(timeout=_STALL_SECONDS)
            if lost.is_set():
                lost.clear()
                report("some sound was lost: the computer is too busy to keep up")
            mono = block.mean(axis=1)
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
            stream.close()


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
            "or choose one that `python -m sounddevice` lists"
        ) from error


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
