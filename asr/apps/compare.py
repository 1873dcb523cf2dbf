"""`asr compare`: whether one evaluation is better than another, and where."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.output import say

if TYPE_CHECKING:
    from asr.evaluation.comparison import Change, RunComparison

Results = Annotated[Path, typer.Argument(help="What `asr evaluate --out` wrote: the folder, or its report.json.")]


def compare(
    first: Results,
    second: Results,
    show: Annotated[int, typer.Option(min=0, metavar="N", help="How many utterances to show, better and worse.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with all that changed.")] = False,
) -> None:
    """Say by how much the second evaluation differs from the first, how surely, and in which utterances.

    Both are of the same list. The differences are the second less the first, with intervals and p from a paired
    bootstrap, which draws whole speakers where they are named.
    """
    from asr.evaluation.comparison import compare as compare_runs
    from asr.evaluation.comparison import read_run

    found = compare_runs(read_run(first), read_run(second))
    if as_json:
        say(json.dumps(_to_dict(found), allow_nan=False))
        return
    say(f"first:  {first}", f"second: {second}", "", *_lines(found, show))


def _lines(found: "RunComparison", show: int) -> list[str]:
    rows = [("", "first", "second", "difference", "p")]
    for each in found.differences:
        at = "" if each.snr is None else f", {each.snr:g} dB"
        gap = each.difference
        rows.append(
            (
                f"{each.measure}{at}",
                f"{100 * each.first:.1f} %",
                f"{100 * each.second:.1f} %",
                f"{100 * gap.value:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})",
                f"{each.p:.4f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([f"{row[0]:{widths[0]}}", *map("{:>{}}".format, row[1:], widths[1:])]).rstrip() for row in rows]
    if found.differences:
        main = found.differences[0]
        groups = f"{main.groups} {'speakers' if main.by_speaker else 'utterances'}"
        lines.append(f"intervals: 95 %, paired, from {main.bootstrap} resamplings of {groups}; differences in points")
    same = len(found.changes) - len(found.better) - len(found.worse)
    lines += [
        "",
        f"{len(found.changes)} of {found.attempts} are heard differently: {len(found.better)} better, "
        f"{len(found.worse)} worse, {same} neither",
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
