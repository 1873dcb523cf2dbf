"""What the benchmarks print: Markdown, which may go between two comments of a file; the rest of it is a person's."""

import os
from collections.abc import Sequence
from datetime import date
from importlib import metadata
from pathlib import Path

from sphinx import has_sphinx

from asr.errors import SettingsError
from asr.evaluation.intervals import Rate
from asr.evaluation.report import interval
from asr.files import write_whole


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
    return f"{rate.value:.{digits}f} ({interval(rate, form=f'.{digits}f')})"


def between_marks(path: Path, name: str) -> tuple[str, str]:
    """What of a file comes before the part ``name`` and what after it, its marks included.

    Raises SettingsError for a file that cannot be read, or that has not each mark once and in order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    try:
        text = path.read_bytes().decode()  # bytes, so that line ends stay as they are
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}; wanted a Markdown file to write into") from None
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    if (text.count(begin), text.count(end), rest.count(end)) != (1, 1, 1):
        raise SettingsError(
            f"{path}: found {text.count(begin)} times {begin} and {text.count(end)} times {end}, wanted each once and "
            "in this order, on lines of their own; put them where the tables shall stand"
        )
    return before + begin, end + after


def write_between(path: Path, name: str, text: str) -> None:
    """Put the text in the place of the part ``name``, the file whole or not at all.

    Raises SettingsError as ``between_marks`` does, or where it cannot be written.
    """
    before, after = between_marks(path, name)
    try:
        write_whole(path, f"{before}\n\n{text}\n\n{after}".encode())
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error}") from None
