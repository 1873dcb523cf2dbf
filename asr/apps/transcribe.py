"""`asr transcribe` and `asr demo`: the words of recordings."""

import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from asr.apps.failures import Failure, complain, failure_of
from asr.apps.listening import Listening
from asr.apps.options import (
    Beam,
    BundleFolder,
    Commands,
    FalseAccepts,
    Greedy,
    Jobs,
    Threads,
    check_false_accepts,
    chosen_width,
)
from asr.apps.output import is_closed, json_text, need_output, put, say, say_json, show
from asr.apps.understood import command_keys, command_text
from asr.apps.workers import chosen_jobs, in_order
from asr.errors import AsrError, AudioError, SettingsError
from asr.files import write_whole
from asr.printable import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr.runtime.commander import Understanding
    from asr.runtime.transcript import Transcript

Result = TypeVar("Result")


class TranscriptFormat(StrEnum):
    """How what is heard is written."""

    text = "text"
    json = "json"
    srt = "srt"
    vtt = "vtt"
    tsv = "tsv"
    textgrid = "textgrid"


SUFFIXES = {"text": "txt", "json": "json", "srt": "srt", "vtt": "vtt", "tsv": "tsv", "textgrid": "TextGrid"}
"""The ends of the names of files, by format."""
STANDARD_INPUT = "-"
SAMPLES = Path("recipes/commands/samples")


def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, folders of recordings, or - for standard input."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json: one object a line.")] = False,
    form: Annotated[
        TranscriptFormat | None,
        typer.Option("--format", help="What is written of each recording; text is also the default."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a file for each recording there, under its name, instead of printing."),
    ] = None,
    commands: Commands = None,
    false_accepts: FalseAccepts = None,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
    jobs: Jobs = None,
    threads: Threads = 1,
) -> None:
    """Print what is said in recordings, one line a file.

    A line is the file's name and the text, separated by a tab, also where there is one file only; on a terminal the
    texts stand in a column. A folder means every recording below it. Whatever soundfile reads will do, and anything
    else that ffmpeg reads where it is installed.

    With --json an object has the keys file, text, confidence (0 to 1), seconds (of sound), tokens, words (each with
    word, confidence, start and end) and segments (utterances, each with text, confidence, start and end); start and end
    are seconds from the beginning of the recording.

    srt and vtt are subtitles, tsv a table of the segments in milliseconds, textgrid tiers of segments and words for
    Praat. Of several recordings they want --out, where each gets a file of its own name, whole or not at all; one that
    is there already is replaced.

    With --commands each recording is one command of the grammars or is refused: a line has the command, its slots and
    the confidence, or that it was not understood and what was heard. With --json there are the keys understood, command
    and slots (none where it was refused) and command_confidence (0 to 1) too, and text is the command's words, or where
    it was refused what was heard freely.

    A file that cannot be used gets one line on standard error, the others are transcribed, and the exit status is 1.

    Many recordings are heard by several processes at a time. What is printed is the same, and in the same order,
    however many there are; where standard input is among them, one hears all.
    """
    if as_json and form not in (None, TranscriptFormat.json):
        raise typer.BadParameter(f"--json and --format {form.value} exclude each other; give one of them")
    form = TranscriptFormat.json if as_json else form or TranscriptFormat.text
    if out is None:
        need_output()
    check_false_accepts(false_accepts, commands)
    listening = Listening(bundle, tuple(commands or ()), chosen_width(beam, greedy), threads, false_accepts)
    found = list(_find(files))
    known = [file for file in found if file is not None]
    column = max((len(printable(file)) for file in known), default=0) if sys.stdout.isatty() else 0
    failed = len(known) < len(found)
    targets = None if out is None else _targets(known, out, form)
    if out is None and form not in (TranscriptFormat.text, TranscriptFormat.json) and len(known) > 1:
        raise typer.BadParameter(f"--format {form.value} of {len(known)} recordings: each wants a file; give --out DIR")
    with closing(_hear_all(listening, known, chosen_jobs(jobs, len(known)))) as all_heard:
        for file, heard in zip(known, all_heard, strict=True):
            if isinstance(heard, Failure):
                heard.tell()
                failed = True
                continue
            try:
                if targets is not None:
                    write_whole(targets[file], _content(file, *heard, form=form).encode())
                elif form in (TranscriptFormat.text, TranscriptFormat.json):
                    _print(file, *heard, as_json=form is TranscriptFormat.json, column=column)
                else:
                    put(_content(file, *heard, form=form).removesuffix("\n"))
            except OSError:  # nothing more can be printed or written
                raise
            except Exception as error:
                complain(error)
                failed = True
    if failed:
        raise typer.Exit(1)


def _targets(files: Sequence[str], out: Path, form: TranscriptFormat) -> dict[str, Path]:
    """The file for each recording. Raises SettingsError where two would have the same, or where none can be made."""
    if out.exists() and not out.is_dir():
        raise SettingsError(f"--out {out}: found a file, wanted a folder; name another")
    targets: dict[str, Path] = {}
    taken: dict[str, str] = {}  # by names as they are where capitals make no difference
    for file in files:
        name = f"{'standard_input' if file == STANDARD_INPUT else Path(file).stem}.{SUFFIXES[form.value]}"
        other = taken.setdefault(name.casefold(), file)
        if file in targets or other != file:
            raise SettingsError(
                f"{file}: would be written to {out / name}, as would {other}; give them other names, or run them apart"
            )
        targets[file] = out / name
    return targets


def _content(
    file: str, transcript: "Transcript", understanding: "Understanding | None", *, form: TranscriptFormat
) -> str:
    """What a file holds of a recording, in UTF-8."""
    from asr.runtime.formats import FORMATS

    if form is TranscriptFormat.json:
        keys = {} if understanding is None else command_keys(understanding)
        return f"{json_text({**as_dict(file, transcript), **keys})}\n"
    if form is TranscriptFormat.text:
        return f"{printable(transcript.text if understanding is None else command_text(understanding))}\n"
    return FORMATS[form.value](transcript)


def _hear_all(
    listening: Listening, files: Sequence[str], jobs: int
) -> "Generator[tuple[Transcript, Understanding | None] | Failure, None, None]":
    """What is heard in each file in turn, or what is wrong with it."""
    if jobs > 1 and STANDARD_INPUT not in files:
        yield from in_order(_begin, (listening,), files, jobs)
        return
    hear = _begin(listening)
    for file in files:
        try:
            heard = hear(file)
        except Exception as error:  # nothing about one file ends the batch
            yield failure_of(error)
        else:
            yield heard


def _begin(listening: Listening) -> "Callable[[str], tuple[Transcript, Understanding | None]]":
    """What hears a file."""
    hear = listening.begin()
    return lambda file: hear(_load(file))


def _print(
    file: str, transcript: "Transcript", understanding: "Understanding | None", *, as_json: bool, column: int
) -> None:
    if as_json:
        keys = {} if understanding is None else command_keys(understanding)
        say_json({**as_dict(file, transcript), **keys})
        return
    text = printable(transcript.text if understanding is None else command_text(understanding))
    # The tab that parts them is the only one in the line.
    put(f"{printable(file):{column}}  {text}" if column else f"{printable(file)}\t{text}")


def demo(
    folder: Annotated[Path, typer.Argument(help="A folder of recordings.")] = SAMPLES,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
) -> None:
    """Transcribe a folder, and show how sure and fast that was."""
    from rich.table import Table
    from rich.text import Text

    from asr.audio.load import find_audio
    from asr.runtime.transcriber import Transcriber

    need_output()
    begun = time.perf_counter()
    transcriber = Transcriber.from_bundle(bundle, width=chosen_width(beam, greedy))
    loaded = time.perf_counter() - begun

    paths = find_audio(folder)
    table = Table("file", "transcript", box=None, pad_edge=False)
    for heading in ("confidence", "sound", "taken"):
        table.add_column(heading, justify="right")
    sound = taken = 0.0
    for path in paths:
        begun = time.perf_counter()
        transcript = _attempt(transcriber.transcribe, str(path))
        if transcript is None:
            continue
        seconds = time.perf_counter() - begun
        sound += transcript.seconds
        taken += seconds
        name = path.relative_to(folder) if path != folder else path
        table.add_row(
            Text(printable(str(name))),
            Text(printable(transcript.text) or "(nothing heard)"),
            f"{transcript.confidence:.2f}",
            f"{transcript.seconds:.2f} s",
            f"{seconds:.2f} s",
        )
    heard = table.row_count
    if heard:
        table.add_section()
        table.add_row("in all", f"{heard} recordings", "", f"{sound:.2f} s", f"{taken:.2f} s")
        show(table)
        say(
            "",
            f"real-time factor {taken / sound:.3f} (seconds taken for a second of sound); "
            f"the model was loaded in {loaded:.2f} s",
        )
    if heard < len(paths):
        raise typer.Exit(1)


def as_dict(file: str, transcript: "Transcript") -> dict[str, object]:
    """What --json prints of one file."""
    return {
        "file": file,
        "text": transcript.text,
        "confidence": round(transcript.confidence, 4),
        "seconds": round(transcript.seconds, 3),
        "tokens": list(transcript.tokens),
        "words": [
            {
                "word": word.text,
                "confidence": round(word.confidence, 4),
                "start": round(word.start, 3),
                "end": round(word.end, 3),
            }
            for word in transcript.words
        ],
        "segments": [
            {
                "text": segment.text,
                "confidence": round(segment.confidence, 4),
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
            }
            for segment in transcript.segments
        ],
    }


def _find(arguments: Sequence[str]) -> Iterator[str | None]:
    """The recordings that are meant, None for an argument that means none."""
    from asr.audio.load import find_audio

    for argument in arguments:
        if argument == STANDARD_INPUT:
            yield argument
            continue
        try:
            yield from map(str, find_audio(Path(argument)))
        except (AsrError, OSError) as error:
            complain(error)
            yield None


def _attempt(hear: "Callable[[NDArray[np.float32]], Result]", file: str) -> Result | None:
    """What is heard in a file, or None after a line on standard error: nothing about one file ends the batch."""
    try:
        return hear(_load(file))
    except Exception as error:
        complain(error)
        return None


def _load(file: str) -> "NDArray[np.float32]":
    from asr.audio.load import load_audio

    if file != STANDARD_INPUT:
        return load_audio(Path(file))
    if is_closed("stdin"):
        raise AudioError("standard input: is closed, wanted a recording; let a pipe or a file lead there")
    # Without a buffer each reading is one call of the system, which a signal interrupts; one that comes between the
    # several of a buffer's would be heeded only when the input ends.
    return load_audio(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
