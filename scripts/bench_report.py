"""What the tables of the benches share: on what they were measured, and how a number with its interval looks."""

import os
from collections.abc import Sequence
from datetime import date
from importlib import metadata

from sphinx import has_sphinx

from asr.evaluation.scoring import Rate


def heading() -> str:
    """On what it was measured."""
    beside = f"PocketSphinx {metadata.version('pocketsphinx')}" if has_sphinx() else "without PocketSphinx"
    return (
        f"{date.today()}, one thread of {os.cpu_count()}; onnxruntime {metadata.version('onnxruntime')}; {beside}. "
        "Intervals: 95 %, bootstrap over speakers or, where there is one, recordings."
    )


def table(columns: str, rows: Sequence[str]) -> str:
    """A Markdown table; columns and the cells of each row are separated by " | "."""
    return "\n".join([f"| {columns} |", "| --- " * len(columns.split(" | ")) + "|", *(f"| {row} |" for row in rows)])


def number(rate: Rate | None, digits: int) -> str:
    """A rate that is no share, with its interval; "-" where there is none."""
    if rate is None:
        return "-"
    return f"{rate.value:.{digits}f} ({rate.low:.{digits}f} to {rate.high:.{digits}f})"
