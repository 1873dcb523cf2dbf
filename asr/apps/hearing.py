"""What is said in files: each by itself as it is heard, or many by several processes; and how far it has come."""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from asr.apps.listening import Listening
from asr.apps.output import is_closed
from asr.errors import AudioError
from asr.failures import Failure
from asr.workers import in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr.audio.mixing import Sound
    from asr.runtime.commander import Understanding
    from asr.runtime.transcript import Transcript, TranscriptSegment

STANDARD_INPUT: Final = "-"
LONG_WORK: Final = 20, 2**21
"""So many recordings, or so many bytes of them, are worth a bar: a minute of WAV, some of what is packed."""

Whole: TypeAlias = "tuple[Transcript, Understanding | None]"
Come: TypeAlias = Callable[[str, float], None]
"""Is told of a file how much of it has been heard, 0 to 1."""


@dataclass(frozen=True)
class Heard:
    """A file, of which one of both may be asked once. What is wrong with it is raised then."""

    whole: "Callable[[], Whole]"
    """All that is said in it."""
    segments: "Callable[[], Iterator[TranscriptSegment]]"
    """The same, each as soon as it is heard; where not commands are heard."""
    commands: bool


class Hearing:
    """Hears files in this process."""

    def __init__(self, listening: Listening, come: Come = lambda file, share: None) -> None:
        """Loads the model, and raises what that raises."""
        self._come = come
        self._commander = listening.commander() if listening.commands else None
        self._transcriber = None if listening.commands else listening.transcriber()

    def whole(self, file: str) -> "Whole":
        """All that is said in a file. Raises AudioError for one that cannot be used."""
        from asr.audio.load import open_audio
        from asr.runtime.transcript import join

        with open_audio(_source(file)) as sound:
            if self._commander is not None:
                understanding = self._commander.understand_blocks(self._blocks(file, sound))
                return understanding.transcript, understanding
            transcript = join(list(self._utterances(file, sound)))
        return replace(transcript, seconds=sound.seconds), None

    def segments(self, file: str) -> "Iterator[TranscriptSegment]":
        """What is said in it, each segment as soon as it is heard. Raises AudioError before the first of them."""
        from asr.audio.load import open_audio

        with open_audio(_source(file)) as sound:
            for transcript in self._utterances(file, sound):
                yield from transcript.segments

    def _blocks(self, file: str, sound: "Sound") -> "Iterator[NDArray[np.float32]]":
        """All of it, for commands, which nothing is said of before the end."""
        from asr.audio.load import SAMPLE_RATE

        taken = 0
        for block in sound.blocks():
            yield block
            taken += len(block)
            self._come(file, taken / (sound.seconds * SAMPLE_RATE))

    def _utterances(self, file: str, sound: "Sound") -> "Iterator[Transcript]":
        assert self._transcriber is not None
        for transcript in self._transcriber.transcribe_blocks(sound.blocks()):
            for segment in transcript.segments:
                self._come(file, segment.end / sound.seconds)
            yield transcript


def hear_all(
    listening: Listening, files: Sequence[str], jobs: int, come: Come
) -> Generator[Heard | Failure, None, None]:
    """What is heard in each file in turn, or what is wrong with it; close the iterator and the processes are gone."""
    if jobs == 1:
        hearing = Hearing(listening, come)
        yield from (
            Heard(partial(hearing.whole, file), partial(hearing.segments, file), bool(listening.commands))
            for file in files
        )
        return
    for file, found in zip(files, in_order(_begin, (listening,), files, jobs), strict=True):
        come(file, 1.0)
        yield found if isinstance(found, Failure) else _already(found)


def _begin(listening: Listening) -> "Callable[[str], Whole]":
    """What hears a file, in a process of its own."""
    return Hearing(listening).whole


def _already(whole: "Whole") -> Heard:
    return Heard(lambda: whole, lambda: iter(whole[0].segments), whole[1] is not None)


def _source(file: str) -> "Path | BinaryIO":
    if file != STANDARD_INPUT:
        return Path(file)
    if is_closed("stdin"):
        raise AudioError("standard input: is closed, wanted a recording; let a pipe or a file lead there")
    # Without a buffer each reading is one call of the system, which a signal interrupts; one that comes between the
    # several of a buffer's would be heeded only when the input ends.
    raw: BinaryIO = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    return raw


@contextmanager
def progress_of(files: Sequence[str]) -> Iterator[Come]:
    """A bar of the share of all bytes and the time left, on standard error where that is a terminal and work long."""
    sizes = dict.fromkeys(files, 0)
    for file in sizes:
        with suppress(OSError):  # which is said of the file in its turn
            sizes[file] = Path(file).stat().st_size
    many, much = LONG_WORK
    if not sys.stderr.isatty() or (len(files) < many and sum(sizes.values()) < much):
        yield lambda file, share: None
        return
    from asr.progress_bars import progress_bar

    shares: dict[str, float] = {}
    with progress_bar() as progress:
        task = progress.add_task("Transcribing", total=sum(sizes.values()))

        def come(file: str, share: float) -> None:
            progress.advance(task, (share - shares.get(file, 0.0)) * sizes[file])
            shares[file] = share

        yield come
