"""Speech from a microphone to text or commands in the terminal, one line an utterance."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from asr.apps.output import command_text, json_text
from asr.audio.load import SAMPLE_RATE
from asr.audio.microphone import BLOCKS_A_SECOND
from asr.audio.speech import find_speech
from asr.printable import printable
from asr.runtime.endpoint import Endpointer, EndpointSettings, Segment
from asr.runtime.keys import heard_keys

if TYPE_CHECKING:
    from asr.runtime.commander import Understanding
    from asr.runtime.transcript import Transcript

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


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
    """An utterance as a JSON object: the keys of `asr transcribe --json`, without the file, and the milliseconds.

    The times of words and segments count from the beginning of the utterance, as ``seconds`` does.
    """
    from asr.runtime.transcript import Transcript

    keys = heard_keys(heard) if isinstance(heard, Transcript) else heard_keys(heard.transcript, heard)
    return json_text({**keys, "milliseconds": round(milliseconds)})


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
    beginnings: deque[float] = deque(maxlen=60 * BLOCKS_A_SECOND)

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
