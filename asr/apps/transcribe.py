"""`asr transcribe` and `asr demo`: the words of recordings."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from asr.apps.failures import complain, printable
from asr.apps.options import Beam, BundleFolder, Commands, Greedy, chosen_width
from asr.apps.understood import command_keys, command_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr.runtime.commander import Understanding
    from asr.runtime.transcript import Transcript

Heard = TypeVar("Heard")

STANDARD_INPUT = "-"
SAMPLES = Path("recipes/commands/samples")


def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, folders of recordings, or - for standard input."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    commands: Commands = None,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
) -> None:
    """Print what is said in recordings, one line a file.

    A line is the file's name and the text, parted by a tab, also where there is one file only; on a terminal the
    texts stand in a column. A folder means every recording below it. Whatever soundfile reads will do, and anything
    else that ffmpeg reads where it is installed.

    With --json an object has the keys file, text, confidence (0 to 1), seconds (of sound), tokens, and words (each with
    word and confidence).

    With --commands each recording is one command of the grammars or is refused: a line has the command, its slots and
    the confidence, or that it was not understood and what was heard. With --json there are the keys understood, command
    and slots (none where it was refused) and command_confidence (0 to 1) too, and text is the command's words, or where
    it was refused what was heard freely.

    A file that cannot be used gets one line on standard error, the others are transcribed, and the exit status is 1.
    """
    hear = _listener(commands, bundle, chosen_width(beam, greedy))
    found = list(_find(files))
    names = [printable(name) for name in found if name is not None]
    column = max(map(len, names), default=0) if sys.stdout.isatty() else 0
    failed = None in found
    for file in found:
        if file is None:
            continue
        heard = _attempt(hear, file)
        if heard is None:
            failed = True
            continue
        transcript, understanding = heard
        keys = {} if understanding is None else command_keys(understanding)
        text = transcript.text if understanding is None else command_text(understanding)
        if as_json:
            print(json.dumps({**as_dict(file, transcript), **keys}, allow_nan=False), flush=True)
        elif column:
            print(f"{printable(file):{column}}  {text}", flush=True)
        else:
            print(f"{printable(file)}\t{text}", flush=True)
    if failed:
        raise typer.Exit(1)


def _listener(
    commands: Sequence[str] | None, bundle: Path | None, width: int | None
) -> "Callable[[NDArray[np.float32]], tuple[Transcript, Understanding | None]]":
    """What hears a wave, as any speech or as a command."""
    if not commands:
        from asr.runtime.transcriber import Transcriber

        transcriber = Transcriber.from_bundle(bundle, width=width)
        return lambda wave: (transcriber.transcribe(wave), None)
    from asr.runtime.commander import Commander

    commander = Commander.from_bundle(bundle, commands, width=width)

    def understand(wave: "NDArray[np.float32]") -> "tuple[Transcript, Understanding | None]":
        understanding = commander.understand(wave)
        return understanding.transcript, understanding

    return understand


def demo(
    folder: Annotated[Path, typer.Argument(help="A folder of recordings.")] = SAMPLES,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
) -> None:
    """Transcribe a folder, and show how sure and fast that was."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from asr.audio.load import find_audio
    from asr.runtime.transcriber import Transcriber

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
            transcript.text or "(nothing heard)",
            f"{transcript.confidence:.2f}",
            f"{transcript.seconds:.2f} s",
            f"{seconds:.2f} s",
        )
    heard = table.row_count
    if heard:
        table.add_section()
        table.add_row("in all", f"{heard} recordings", "", f"{sound:.2f} s", f"{taken:.2f} s")
        Console(highlight=False).print(table)
        print(
            f"\nreal-time factor {taken / sound:.3f} (seconds taken for a second of sound); "
            f"the model was loaded in {loaded:.2f} s"
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
        "words": [{"word": word.text, "confidence": round(word.confidence, 4)} for word in transcript.words],
    }


def _find(arguments: Sequence[str]) -> Iterator[str | None]:
    """The recordings that are meant, None for an argument that means none."""
    from asr.audio.load import find_audio
    from asr.errors import AsrError

    for argument in arguments:
        if argument == STANDARD_INPUT:
            yield argument
            continue
        try:
            yield from map(str, find_audio(Path(argument)))
        except (AsrError, OSError) as error:
            complain(error)
            yield None


def _attempt(hear: "Callable[[NDArray[np.float32]], Heard]", file: str) -> Heard | None:
    """What is heard in a file, or None after a line on standard error: nothing about one file ends the batch."""
    from asr.audio.load import load_audio

    try:
        return hear(load_audio(sys.stdin.buffer if file == STANDARD_INPUT else Path(file)))
    except Exception as error:
        complain(error)
        return None
