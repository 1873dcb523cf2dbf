"""What is known of a language: the letters of its words, and how its figures are read and said.

A language is one module that has what ``Language`` asks for, and a line in ``asr.text.languages``.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

MINUTES_A_DAY: Final = 24 * 60

DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of the months."""

Written = tuple[Sequence[str], Any]
"""All ways to say what is written, and what it stands for."""


class Language(Protocol):
    """A language. All words are in the form of its normaliser, and the ways are without repetitions."""

    @property
    def __name__(self) -> str:
        """The module."""

    @property
    def NAME(self) -> str:
        """What the language is called in English."""

    @property
    def LETTERS(self) -> str:
        """The lower-case letters that words have besides a to z, such as "äöüß"."""

    @property
    def ABBREVIATIONS(self) -> Mapping[str, str]:
        """Words that are said otherwise than they are written: "dr" is "doctor"."""

    def spelled(self, text: str, /) -> str:
        """A text of `asr.text.folding.fold` with its figures and signs in words, each in one way."""

    def number_ways(self, number: int | Decimal, /) -> tuple[str, ...]:
        """All ways to say a number, the one that is ``spelled`` first."""

    def time_ways(self, minute: int, /, *, bare: bool) -> tuple[str, ...]:
        """All ways to say a minute of the day (0 is midnight); those of both halves of the day only where ``bare``."""

    def date_ways(self) -> Iterable[tuple[str, str]]:
        """Every way to say a day, and the value that it stands for, which is the same in every language.

        Values are "monday" and so on, "next monday", "today", "tonight", "tomorrow", "yesterday", "day after
        tomorrow", "day before yesterday", and "05-03" for the third of May.
        """

    def written_ways(self, text: str, /) -> Written | None:
        """All ways to say a text that is one number, time, day, sum of money or the like, and what it stands for.

        None for any other text. What is ``spelled`` for the text is among the ways. A number is an int or a float, a
        time "07:30", a day "05-03" or "2026-05-03"; whatever else is written stands for itself.
        """


def plain_value(number: Decimal) -> int | float:
    """What a number stands for: an int where nothing is behind the point."""
    return int(number) if number == int(number) else float(number)


def clock_value(minute: int) -> str:
    """What a minute of the day stands for: "07:30"."""
    return f"{minute // 60:02}:{minute % 60:02}"
