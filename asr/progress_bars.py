"""Bars on standard error that show how far long work has come, where that is a terminal."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A bar for each task, behind it ``columns`` or else the per cent, and the time that is left; gone at the end.

    Lines that are printed meanwhile stand above it, where standard output is a terminal too.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    shown = (TextColumn("{task.description}"), BarColumn(), *(columns or [TaskProgressColumn()]), TimeRemainingColumn())
    return Progress(
        *shown,
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else it would lead what goes into a pipe to the terminal
        disable=not console.is_terminal,
    )


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a bar that moves as they are taken; ``total`` is how many, where they have no length."""
    with progress_bar() as progress:
        yield from progress.track(items, total=total, description=description)
