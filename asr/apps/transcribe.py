"""`asr transcribe` and `asr demo`: the words of recordings."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asr.apps.failures import complain
from asr.apps.hearing import STANDARD_INPUT, Heard, hear_all, progress_of
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
from asr.apps.output import command_text, json_text, need_output, put_part, say, show
from asr.errors import AsrError, SettingsError
from asr.failures import Failure, Told
from asr.files import write_whole
from asr.printable import printable
from asr.workers import chosen_jobs


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
SAMPLES = Path("recipes/commands/samples")


def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, folders of recordings, or - for standard input."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json: one object a line.")] = False,
    form: Annotated[
        TranscriptFormat | None,
        typer.Option("--format", help="How to write what is heard. [default: text]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write a file for each recording into this folder, under its name, instead of printing."
        ),
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

    A line is the file's name and the text, separated by a tab, also where there is only one file; on a terminal the
    texts stand in a column, a line for each segment. A folder means every recording below it. All formats that
    soundfile reads will do, and where ffmpeg is installed all that it reads.

    With --json an object has the keys file, text, confidence (0 to 1), seconds (of sound), tokens, words (each with
    word, confidence, start and end) and segments (utterances, each with text, confidence, start and end); start and end
    are seconds from the beginning of the recording.

    --format srt and vtt are subtitles, tsv is a table of the segments in milliseconds, textgrid has tiers of segments
    and words for Praat. For several recordings these want --out. A file that is there already is replaced, and only
    when the new one is whole. With --commands too, these formats hold the words, not the command.

    With --commands each recording is either accepted as one command of the grammars or rejected; with more than 20 s of
    speech it is always rejected. A line has the command, its slots and the confidence, or says that nothing was
    understood, and what was heard. With --json there are also the keys understood, command, slots, command_start and
    command_end (seconds), which are empty or null where it was rejected, and command_confidence (0 to 1); text has the
    words of the command, or where it was rejected what was heard without the grammar.

    A recording may last for hours: only some minutes of it are held in memory, and text is printed as soon as it is
    heard (except JSON and textgrid, which are printed at the end). On a terminal a bar shows how much time is left.

    A file that cannot be used gets one line on standard error, the others are transcribed, and the exit status is 1.

    Many recordings are heard by several processes at a time. How many makes no difference to what is printed, nor to
    its order. With standard input among the files there is one process.
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
    jobs = 1 if STANDARD_INPUT in known else chosen_jobs(jobs, len(known))
    with progress_of(known) as come, closing(hear_all(listening, known, jobs, come)) as all_heard:
        for file, heard in zip(known, all_heard, strict=True):
            printed = ""
            try:
                if isinstance(heard, Failure):
                    raise Told(heard)
                if targets is not None:
                    write_whole(targets[file], _content(file, heard, form).encode())
                else:
                    for printed in _lines(file, heard, form, column):
                        put_part(printed)
            except OSError:  # nothing more can be printed or written
                raise
            except Exception as error:  # nothing about one file ends the batch
                if printed and not printed.endswith("\n"):
                    put_part("\n")
                complain(error)
                failed = True
            come(file, 1.0)
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
        if file in targets:
            raise SettingsError(f"{file}: found it twice, wanted each recording once; leave one out")
        if other != file:
            raise SettingsError(
                f"{file}: would be written to {out / name}, as would {other}; give them other names, or run them apart"
            )
        targets[file] = out / name
    return targets


def _content(file: str, heard: Heard, form: TranscriptFormat) -> str:
    """What a file holds of a recording, in UTF-8."""
    from asr.runtime.formats import content
    from asr.runtime.keys import heard_keys

    transcript, understanding = heard.whole()
    if form is TranscriptFormat.json:
        return f"{json_text({'file': file, **heard_keys(transcript, understanding)})}\n"
    if form is TranscriptFormat.text:
        return f"{printable(transcript.text if understanding is None else command_text(understanding))}\n"
    return content(form.value, transcript)


def _lines(file: str, heard: Heard, form: TranscriptFormat, column: int) -> Iterator[str]:
    """What is printed of a recording, in parts as it is heard; ``column`` is the width of names on a terminal, or 0."""
    from asr.runtime.formats import AS_HEARD

    if form.value in AS_HEARD and not heard.commands:
        yield from AS_HEARD[form.value](heard.segments())
    elif form is not TranscriptFormat.text:
        yield _content(file, heard, form)
    elif heard.commands:
        text = _content(file, heard, form)
        yield f"{printable(file):{column}}  {text}" if column else f"{printable(file)}\t{text}"
    elif column:
        name = printable(file)
        for segment in heard.segments():
            yield f"{name:{column}}  {printable(segment.text)}\n"
            name = ""
        if name:
            yield f"{name}\n"
    else:
        # The tab between them is the only one in the line.
        between = f"{printable(file)}\t"
        for segment in heard.segments():
            yield f"{between}{printable(segment.text)}"
            between = " "
        yield "\n" if between == " " else f"{between}\n"


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of recordings.")] = SAMPLES,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
) -> None:
    """Transcribe a folder, with confidence and speed."""
    from rich.table import Table
    from rich.text import Text

    from asr.audio.load import find_audio, load_audio
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
        try:
            transcript = transcriber.transcribe(load_audio(path))
        except Exception as error:
            complain(error)
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
