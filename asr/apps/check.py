"""`asr commands check`: what can be said by a grammar, and what can go wrong with it."""

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from asr.apps.options import BundleFolder
from asr.apps.output import need_output, say, say_json, show
from asr.commands.grammar.budget import MANY
from asr.printable import printable

if TYPE_CHECKING:
    from rich.text import Text

    from asr.commands.inspection.checks import Check, Finding
    from asr.commands.reading import Reading

_COLOURS: Final = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_UNBOUNDED: Final = 10_000
_EXACT_BELOW: Final = 10**15  # longer counts are not read figure by figure


def check(
    grammars: Annotated[
        list[str],
        typer.Argument(metavar="GRAMMAR", help="A .yaml, a folder of them, or the name of a ready grammar."),
    ],
    bundle: BundleFolder = None,
    draw: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the grammar into this .html or .svg file (needs asr[check])."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of the examples.")] = 0,
) -> None:
    """Say what a grammar allows, and what can go wrong.

    It counts the sentences of grammars. It finds sentences that two commands share, slots that swallow each other,
    commands and values that sound alike, words that the model spells badly, lists that are too long, and commands that
    accept any words, and it prints an example of each command. espeak-ng, where it is installed, says how words sound;
    otherwise their letters do.

    The exit status is 1 where there is an error among the findings.
    """
    from asr.bundle import DEFAULT_BUNDLE, read_bundle
    from asr.commands.grammar.form import read_grammars
    from asr.commands.grammar.grammar import language_of
    from asr.commands.grammar.ready import find_grammars
    from asr.commands.inspection.checks import check as check_grammars
    from asr.commands.network.network import compile_network
    from asr.data.synthetic.pronunciation import available, pronounce
    from asr.files import write_whole
    from asr.text.normaliser import Normaliser

    if draw is not None and draw.suffix.lower() not in (".html", ".svg"):
        raise typer.BadParameter(f"--draw {draw}: wanted a name that ends in .html or .svg")
    if draw is None:
        need_output()
    else:
        from asr.commands.inspection.diagram import draw_grammars
    read = read_bundle(bundle or DEFAULT_BUNDLE)
    found = read_grammars(find_grammars(grammars))
    language = language_of(found) or read.normaliser.language
    # A grammar of another language than the bundle's is checked too, but for how the bundle spells its words.
    is_heard = language == read.normaliser.language
    normaliser = read.normaliser if is_heard else Normaliser(language)
    network = compile_network(found, normaliser)
    checked = check_grammars(
        found,
        network,
        normaliser,
        read.tokenizer if is_heard else None,
        read.features.hop_seconds * read.model["stack"],
        partial(pronounce, language=language) if available() else None,
        seed,
    )
    if draw is not None:
        write_whole(draw, draw_grammars(found, page=draw.suffix.lower() == ".html").encode())
    if as_json:
        say_json(as_dict(checked, [grammar.name for grammar in found]))
    else:
        _show(checked, [grammar.name for grammar in found])
        if draw is not None:
            say(f"written: {draw}")
    if checked.fails:
        raise typer.Exit(1)


def as_dict(checked: "Check", names: list[str]) -> dict[str, object]:
    """What --json prints; ``sentences`` are exact below 10^30, where they stop."""
    return {
        "grammars": names,
        "sentences": checked.count,
        "commands": dict(checked.counts),
        "compared_by": checked.compared_by,
        "findings": [asdict(finding) for finding in checked.findings],
        "examples": [
            {"command": example.command, "text": example.text, "slots": dict(example.slots)}
            for example in checked.examples
        ],
    }


def _show(checked: "Check", names: list[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    commands = f"{len(checked.counts)} command{'' if len(checked.counts) == 1 else 's'}"
    show(Text(f"{', '.join(map(printable, names))}: {_number(checked.count)} sentences, {commands}\n"), soft_wrap=True)
    table = Table("command", "sentences", "for example", "slots", box=None, pad_edge=False, header_style="dim")
    table.columns[1].justify = "right"
    for example in checked.examples:
        table.add_row(
            Text(printable(example.command)),
            _number(checked.counts[example.command]),
            Text(printable(example.text)),
            Text(_slots(example), style="dim"),
        )
    # In a pipe a row is a line.
    wide = None if sys.stdout.isatty() else _UNBOUNDED
    show(table, width=wide)
    for finding in checked.findings:
        show(_line(finding), soft_wrap=True)
    tally = [
        f"{count} {severity}{'' if count == 1 else 's'}"
        for severity in _COLOURS
        if (count := sum(finding.severity == severity for finding in checked.findings))
    ]
    say("", ", ".join(tally) or "nothing found that could go wrong")
    if checked.compared_by == "letters":
        say("what sounds alike was guessed from letters; install espeak-ng to compare how words are said")


def _line(finding: "Finding") -> "Text":
    from rich.text import Text

    place = f"{printable(finding.place)}: " if finding.place else ""
    return Text.assemble(
        "\n",
        (f"{finding.severity}: ", _COLOURS[finding.severity]),
        f"{place}{printable(finding.message)}",
        (f"\n  {printable(finding.advice)}", "dim"),
    )


def _slots(example: "Reading") -> str:
    return printable(
        ", ".join(
            f"{name}={json.dumps(value, allow_nan=False, ensure_ascii=False)}" for name, value in example.slots.items()
        )
    )


def _number(count: int) -> str:
    if count >= MANY:
        return "> 10^30"
    return f"{count:,}" if count < _EXACT_BELOW else f"about {count:.2e}".replace("e+", " x 10^")
