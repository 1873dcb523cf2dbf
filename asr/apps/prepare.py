"""`asr prepare`: a published corpus to the cut sets that a training reads."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.output import say, show
from asr.errors import SettingsError
from asr.printable import printable

if TYPE_CHECKING:
    from asr.data.inspection.sheet import Part


def prepare(
    name: Annotated[
        str, typer.Argument(help="How the corpus is laid out: its name, such as digits, or tsv for lists of its own.")
    ],
    source: Annotated[Path, typer.Argument(help="The folder of the corpus, as it is published, whole or in part.")],
    out: Annotated[
        Path,
        typer.Argument(help="Folder for cuts_<split>.jsonl.gz, data_sheet.md, data_sheet.json and left_out.txt."),
    ],
    download: Annotated[
        bool, typer.Option("--download", help="First fetch it into SOURCE from its publisher, where that is allowed.")
    ] = False,
    headers_only: Annotated[
        bool,
        typer.Option("--headers-only", help="Read only headers: for very large corpora; misses damage behind them."),
    ] = False,
    bad_share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of utterances whose audio may be unusable before it stops."),
    ] = 0.05,
) -> None:
    """List a published corpus as Lhotse cut sets, split by speaker.

    Every recording is decoded once. What cannot be used is left out, counted and listed in left_out.txt; an interrupted
    run goes on where it was. Exit status: 0 when all recordings that were found can be used, even if some transcripts
    lack theirs, as in a partial copy; 1 when some are damaged, empty or too short, or missing although a list of your
    own names them, or when it had to stop.
    """
    from asr.data.corpora import CORPORA
    from asr.data.corpora.preparation import LEFT_OUT, prepare_corpus
    from asr.data.manifests.utterance import some_lines

    if name not in CORPORA:
        near = difflib.get_close_matches(name, CORPORA, n=1)
        advice = f"did you mean {near[0]}?" if near else f"wanted one of {', '.join(sorted(CORPORA))}"
        raise SettingsError(f"corpus {name!r} is not known; {advice}")
    corpus = CORPORA[name]
    if download:
        from asr.data.corpora.download import fetch

        fetch(corpus, source)
    made = prepare_corpus(corpus, source, out, headers_only=headers_only, bad_share=bad_share)
    _print_table(made.sheet.splits)
    say(f"written: {', '.join(made.written)} in {out}")
    listed = f"all are listed in {out / LEFT_OUT}"
    if made.unpaired:
        _say(
            f"{len(made.unpaired)} files or transcripts left out for want of the other: "
            f"{some_lines(made.unpaired)}; {listed}"
        )
    if made.missing:
        _say(
            f"{len(made.missing)} utterances left out, their recordings are missing: "
            f"{some_lines(made.missing)}; {listed}"
        )
    if made.unusable:
        total = made.sheet.whole.utterances + len(made.unusable)
        _say(
            f"{len(made.unusable)} of {total} utterances left out, their recordings cannot be used: "
            f"{some_lines(made.unusable)}; {listed}"
        )
    if made.missing or made.unusable:
        raise typer.Exit(1)


def _say(line: str) -> None:
    say(f"asr: {line}", error=True)


def _print_table(splits: "Mapping[str, Part]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("split", box=None, pad_edge=False)
    for heading in ("utterances", "hours", "speakers"):
        table.add_column(heading, justify="right")
    for split, part in splits.items():
        table.add_row(Text(printable(split)), str(part.utterances), f"{part.hours:.2f}", str(part.speakers))
    show(table)
