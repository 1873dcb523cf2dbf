"""Speech from a microphone to text or commands in the terminal, as it is spoken."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.options import (
    Beam,
    BundleFolder,
    Commands,
    Device,
    FalseAccepts,
    Greedy,
    Threads,
    check_false_accepts,
    chosen_width,
)
from asr.apps.output import need_output, say
from asr.printable import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr.runtime.live import Event, LiveSession

    Blocks = Generator[NDArray[np.float32], None, None]

_BEHIND_SECONDS = 0.5  # of sound that waits, from which on there are no partial results


def mic(
    device: Device = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="List the microphones and exit.")] = False,
    commands: Commands = None,
    on_command: Annotated[
        str | None,
        typer.Option(
            "--on-command",
            metavar="CMD",
            help="Run this program, with arguments but without a shell, for each command that is accepted. Its "
            "environment has ASR_COMMAND, ASR_TEXT, ASR_CONFIDENCE, ASR_SLOTS (JSON), and for each slot ASR_SLOT_ "
            "and its name in capitals.",
        ),
    ] = None,
    wav_out: Annotated[
        Path | None, typer.Option("--wav-out", metavar="FILE", help="Save the sound into this WAV file.")
    ] = None,
    false_accepts: FalseAccepts = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each event as one line of JSON, and everything else on standard error."),
    ] = False,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
    threads: Threads = 1,
) -> None:
    """Print what is said into a microphone, as it is said.

    With --commands it prints which command each utterance is, or that it is none. Ctrl-C ends it, after what is being
    said. Each line says how many milliseconds after the end of speech it came. If the microphone is lost, it is waited
    for.

    With --json an event has one of these types: started; partial (text so far, and stable, the part of it that will not
    change); final (the keys of `asr transcribe --json` without file, and milliseconds); dropped (there were no words
    after all). start, end and the times of words are seconds since listening began, as in the file of --wav-out.
    """
    need_output()
    if list_devices:
        say(*device_lines())
        return
    if on_command is not None and not commands:
        raise typer.BadParameter("--on-command runs a program for commands; give some with --commands")
    check_false_accepts(false_accepts, commands)
    from asr.apps.listening import Listening
    from asr.apps.mic_views import view_for
    from asr.apps.on_command import CommandRunner
    from asr.audio.microphone import device_named, lasting_blocks
    from asr.runtime.live import Final

    runner = None if on_command is None else CommandRunner(on_command)
    session = Listening(bundle, tuple(commands or ()), chosen_width(beam, greedy), threads, false_accepts).session()
    with view_for(as_json=as_json) as view:

        def tell(event: "Event", milliseconds: float) -> None:
            view.event(event, milliseconds)
            if runner is not None and isinstance(event, Final) and event.understanding is not None:
                runner.run(event.understanding)

        def seen(block: "NDArray[np.float32]") -> None:
            view.block(block)
            for line in runner.lines() if runner is not None else ():
                view.note(line)

        blocks = lasting_blocks(device_named(device), report=view.note)
        summary = listen(blocks if wav_out is None else kept(blocks, wav_out), session, tell, seen)
        for line in runner.close() if runner is not None else ():
            view.note(line)
        if wav_out is not None and summary.seconds:
            view.note(f"written: {wav_out}")
    view.note(summary.line(commands=bool(commands)))


@dataclass
class Summary:
    """What came of listening."""

    seconds: float = 0.0
    utterances: int = 0
    """With words in them."""
    understood: int = 0

    def line(self, *, commands: bool) -> str:
        """For the end."""
        heard = f"{self.utterances} utterance{'' if self.utterances == 1 else 's'}"
        understood = f", {self.understood} of them understood" if commands else ""
        return f"stopped after {self.seconds:.0f} s: {heard}{understood}"


def listen(
    blocks: "Iterable[NDArray[np.float32]]",
    session: "LiveSession",
    tell: "Callable[[Event, float], None]",
    seen: "Callable[[NDArray[np.float32]], None]" = lambda block: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Summary:
    """Tell what happens in a stream until its blocks end or the user presses ctrl-C, what is being said then included.

    Args:
        blocks: the sound, samples (n,) at 16 kHz; closed at the end if it can be.
        session: hears it.
        tell: takes each event, and the milliseconds from the end of the sound it is about to now: for a final result
            from the end of speech, the wait for the end of the utterance included.
        seen: takes each block before it is heard.
        clock: seconds.

    Raises:
        AsrError: from the blocks or the session.
    """
    from asr.audio.load import SAMPLE_RATE
    from asr.audio.microphone import BLOCKS_A_SECOND
    from asr.runtime.live import Dropped, Final

    summary = Summary()
    # When the stream would have begun by the arrival of each block. The earliest is the true one, the others waited
    # in the queue; only the latest few count, because the clocks of device and computer drift apart.
    beginnings: deque[float] = deque(maxlen=60 * BLOCKS_A_SECOND)

    def told(events: "Iterable[Event]") -> None:
        for event in events:
            if isinstance(event, Final):
                summary.utterances += 1
                summary.understood += event.understanding is not None and event.understanding.understood
            about = event.end if isinstance(event, Final | Dropped) else summary.seconds
            tell(event, 1000 * (clock() - min(beginnings) - about))

    stream = iter(blocks)
    heard = 0
    try:
        for block in stream:
            seen(block)
            heard += len(block)
            summary.seconds = heard / SAMPLE_RATE
            beginnings.append(clock() - summary.seconds)
            behind = beginnings[-1] - min(beginnings) > _BEHIND_SECONDS
            told(session.feed(block, partials=not behind))
        told(session.flush())
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):  # whoever presses it again does not wait for the last utterance
            told(session.flush())
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()
    return summary


def kept(blocks: "Blocks", path: Path) -> "Blocks":
    """The same blocks, which are also written into a WAV file; it has its name when the iterator has been closed.

    Where no block comes there is no file. Raises OSError for what cannot be written.
    """
    import soundfile

    from asr.audio.encoding import to_int16
    from asr.audio.load import SAMPLE_RATE

    # Not asr.files.unfinished_file: what was heard up to an error is kept, and nothing heard is no file.
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    heard = False
    try:
        with (
            closing(blocks),
            unfinished.open("wb") as file,
            soundfile.SoundFile(file, "w", SAMPLE_RATE, 1, format="WAV", subtype="PCM_16") as writer,
        ):
            for block in blocks:
                writer.write(to_int16(block))
                heard = True
                yield block
    finally:
        if heard:
            unfinished.replace(path)
        else:
            unfinished.unlink(missing_ok=True)


def device_lines() -> Iterator[str]:
    """A line for each microphone; its number or a part of its name is what --device takes."""
    from asr.audio.microphone import microphones
    from asr.errors import AudioError

    found = microphones()
    if not found:
        raise AudioError("found no microphone, wanted one; plug it in")
    for each in found:
        channels = f"{each.channels} channel{'' if each.channels == 1 else 's'}"
        default = ", the default" if each.default else ""
        yield f"{each.number:>3}  {printable(each.name)} ({channels}, {each.rate} Hz{default})"
