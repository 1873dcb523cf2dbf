"""What all lists of speech hold: a stretch of a recording, who speaks in it, and what is said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asr.errors import ManifestError

NOBODY: Final = "-"
"""The speaker of noise, or one who is not named; it never counts as a person shared by two lists."""

_NAMED_AT_MOST: Final = 5
_LONGEST_NAME: Final = 200
_LINES_AT_MOST: Final = 3


@dataclass(frozen=True)
class Utterance:
    """A stretch of a recording and what is said in it.

    ``start`` and ``duration`` are in seconds; without a duration it goes on to the recording's end. ``seconds`` is how
    long it lasts by its list, where that says so: for plans, it cuts nothing. An empty ``text`` means that nothing is
    said. ``speaker`` is ``-`` where there is none or the name is not known. ``packed`` is the offset and the size in
    bytes of the recording's file inside the tar ``path``, where it is kept in one.

    Raises:
        ManifestError: the id or speaker is empty, the start negative, the duration or the packed size not positive.
    """

    id: str
    path: Path
    speaker: str
    text: str
    start: float = 0.0
    duration: float | None = None
    seconds: float | None = field(default=None, compare=False)
    packed: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ManifestError(
                f"{self.path}: its id, in a list its path, is empty; give each utterance one of its own"
            )
        if not self.speaker:
            raise ManifestError(f"{self.id}: its speaker is empty; write {NOBODY} where there is none")
        if not (math.isfinite(self.start) and self.start >= 0):
            raise ManifestError(f"{self.id}: it starts at {self.start} s; wanted 0 or more")
        if self.duration is not None and not (math.isfinite(self.duration) and self.duration > 0):
            raise ManifestError(f"{self.id}: it lasts {self.duration} s; wanted more than 0")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ManifestError(f"{self.id}: its list says that it lasts {self.seconds} s; wanted 0 or more")
        if self.packed is not None and not (self.packed[0] >= 0 and self.packed[1] > 0):
            raise ManifestError(
                f"{self.id}: it is packed as {self.packed[1]} bytes at {self.packed[0]}; wanted some bytes from 0 up"
            )


def some_lines(lines: Sequence[str]) -> str:
    """The first few lines of a list of complaints in one, and how many more there are."""
    more = len(lines) - _LINES_AT_MOST
    return "; ".join(lines[:_LINES_AT_MOST]) + (f"; and {more} more" if more > 0 else "")


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _NAMED_AT_MOST
    named = (name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in names[:_NAMED_AT_MOST])
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
