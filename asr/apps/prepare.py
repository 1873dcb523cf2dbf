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
        str,
        typer.Argument(
            metavar="NAME",
            help="The corpus: an4, audiomnist, common_voice, digits, english_ccc, fluent_speech_commands, librispeech, "
            "ljspeech, mini_librispeech, speech_commands, speech_commands_12, speechocean762 or vctk; or tsv for "
            "recordings of your own, in manifests train.tsv, dev.tsv and test.tsv, or all.tsv.",
        ),
    ],
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="The folder of the corpus, as it is published, whole or in part.")
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Folder for cuts_<split>.jsonl.gz, data_sheet.md, data_sheet.json and left_out.txt.",
        ),
    ],
    download: Annotated[
        bool,
        typer.Option("--download", help="First download it into SOURCE from its publisher, where its licence allows."),
    ] = False,
    headers_only: Annotated[
        bool,
        typer.Option(
            "--headers-only", help="Read only the headers of recordings: faster, but finds no damage behind them."
        ),
    ] = False,
    bad_share: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, metavar="SHARE", help="Stop if more than this share of the utterances cannot be used."
        ),
    ] = 0.05,
) -> None:
    """Make the manifests of a published corpus.

    They are Lhotse cut sets, split by speaker. Every recording is decoded once. What cannot be used is left out,
    counted and listed in left_out.txt. An interrupted run continues where it was.

    The exit status is 0 when all recordings that were found can be used, even if some transcripts have no recording, as
    in a partial copy. It is 1 when recordings are damaged, empty or too short, when one that your own manifest names is
    missing, or when it had to stop.
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
