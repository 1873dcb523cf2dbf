"""`asr compare`: whether one evaluation is better than another, and where."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from asr.apps.output import say
from asr.errors import AsrError
from asr.files import write_whole
from asr.printable import printable

if TYPE_CHECKING:
    from asr.data.manifests.utterance import Utterance
    from asr.evaluation.comparison import Change, RunComparison

_WRITTEN: Final = "The results of an evaluation: the folder that `asr evaluate --out` wrote, or its report.json."


def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help=_WRITTEN)],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help=_WRITTEN)],
    show: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="How many utterances to show of those that are better, and of those that are worse.",
        ),
    ] = 10,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for a page of the comparison, compare.html.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, with all utterances that changed.")
    ] = False,
) -> None:
    """Compare two evaluations, and show where they differ.

    Both have to be of the same manifests, with --commands or without. A difference is the second's rate minus the
    first's, with a confidence interval and p from a paired bootstrap, which resamples speakers where the manifests name
    them, else utterances. --report writes a page with the differences, by manifest too, and the utterances that
    changed: each aligned with what both heard, and its sound, if the manifests still are where they were.
    """
    from asr.evaluation.comparison import compare as compare_runs
    from asr.evaluation.comparison import read_lists, read_run

    lists = read_lists(first)
    found = compare_runs(read_run(first), read_run(second), lists=lists)
    if report is not None:
        from asr.evaluation.page.render import comparison_page_of

        notes = f"first: {first}", f"second: {second}"
        page = comparison_page_of(found, _recordings(lists), f"{first.name} and {second.name}", notes)
        write_whole(report / "compare.html", page.encode())
    if as_json:
        say(json.dumps(_to_dict(found), allow_nan=False))
        return
    say(f"first:  {first}", f"second: {second}", "", *_lines(found, show))
    if report is not None:
        say(f"written: compare.html in {report}")


def _recordings(lists: Iterable[str]) -> "list[Utterance]":
    """The utterances of those lists that can still be read."""
    from asr.data.manifests.manifest import read_manifest

    found = []
    for each in lists:
        with suppress(AsrError):
            found += read_manifest(Path(each), lenient=True)
    return found


def _lines(found: "RunComparison", show: int) -> list[str]:
    from asr.evaluation.report import interval

    rows = [("", "first", "second", "difference", "p")]
    named = [("" if each.snr is None else f", {each.snr:g} dB", each) for each in found.differences]
    named += [(f", {printable(name)}", each) for name, members in found.by_list.items() for each in members]
    for of, each in named:
        rows.append(
            (
                f"{each.measure}{of}",
                f"{100 * each.first:.1f} %",
                f"{100 * each.second:.1f} %",
                f"{100 * each.difference.value:+.1f} ({interval(each.difference, 100, '+.1f')})",
                "–" if each.p is None else f"{each.p:.4f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([f"{row[0]:{widths[0]}}", *map("{:>{}}".format, row[1:], widths[1:])]).rstrip() for row in rows]
    if found.differences:
        main = found.differences[0]
        groups = f"{main.groups} {'speakers' if main.by_speaker else 'utterances'}"
        lines.append(f"intervals: 95 %, paired, from {main.bootstrap} resamplings of {groups}; differences in points")
    lines += [
        "",
        f"{len(found.changes)} of {found.attempts} are heard differently: {len(found.better)} better, "
        f"{len(found.worse)} worse, {len(found.neither)} neither",
    ]
    for name, changes in (("better", found.better), ("worse", found.worse)):
        if changes[:show]:
            lines += ["", f"{name}, the greatest change first"]
            lines += [line for each in changes[:show] for line in _change_lines(each)]
    return lines


def _change_lines(change: "Change") -> Sequence[str]:
    at = "" if change.key.snr is None else f" at {change.key.snr:g} dB"
    return (
        f"{change.key.id}{at} (errors: {change.first.errors} -> {change.second.errors})",
        f"  said:   {change.first.said}",
        f"  first:  {change.first.heard}",
        f"  second: {change.second.heard}",
    )


def _to_dict(found: "RunComparison") -> dict[str, object]:
    return {
        "differences": [asdict(each) for each in found.differences],
        "by_list": {name: [asdict(each) for each in members] for name, members in found.by_list.items()},
        "attempts": found.attempts,
        "changes": [
            {
                **each.key._asdict(),
                "said": each.first.said,
                "first": each.first.heard,
                "second": each.second.heard,
                "errors_first": each.first.errors,
                "errors_second": each.second.errors,
            }
            for each in found.changes
        ],
    }
