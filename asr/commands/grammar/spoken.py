"""How numbers, times and dates are said: every way of saying a value, and the value it stands for.

All texts are in the form of the normaliser of the language, and what it writes for a text with figures is always among
the ways. Of English, American and British speech are both covered: "and" after hundreds or not, "march third" and "the
third of march".
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from asr.text.language import MINUTES_A_DAY, Language, clock_value, plain_value
from asr.text.languages import find_language
from asr.text.normaliser import LANGUAGE, Normaliser

if TYPE_CHECKING:
    from asr.commands.grammar.grammar import DateRange, NumberRange, TimeRange

_NOON: Final = MINUTES_A_DAY // 2
_MOST_NUMBERS: Final = 3  # in one text: with more of them the ways multiply
_MOST_WAYS: Final = 24  # of one text with several words: the usual ones, of each number fewer where there are more
_LONGEST_TEXT: Final = 200  # characters; in a longer one the normaliser alone reads the figures
_LONGEST_PIECE: Final = 5  # words: "the 24th of december, 2026"

_TENTHS: Final = {"halves": (5,), "tenths": tuple(range(1, 10))}


@dataclass(frozen=True)
class Spoken:
    """One way of saying a value: ``text`` in the form of the normaliser, ``value`` as a slot holds it."""

    text: str
    value: Any


def numbers(range_: "NumberRange", language: str = LANGUAGE) -> Iterator[Spoken]:
    """Every way of saying every number of the range, in its order; the value is multiplied by its multiplier.

    Fractions follow each whole number, the last one too; a value without a part behind the point is an int, any other
    a float.
    """
    ways_of = find_language(language).number_ways
    factor = Decimal(1) if range_.multiplier is None else Decimal(str(range_.multiplier))
    tenths = _TENTHS[range_.fractions] if range_.fractions else ()
    for whole in range(range_.start, range_.stop + 1, range_.step):
        several: list[int | Decimal] = [whole, *(whole + Decimal(part) / 10 for part in tenths)]
        for number in several:
            value = plain_value(number * factor)
            yield from (Spoken(way, value) for way in ways_of(number))


def times(range_: "TimeRange", language: str = LANGUAGE) -> Iterator[Spoken]:
    """Every way of saying every time of the range, in its order; values are "07:30", of 24 hours.

    A time that says no half of the day, such as "seven thirty", is the one of the morning ("twelve" is noon), and
    that of the other half where only that one is in the range.
    """
    ways_of = find_language(language).time_ways
    minutes = range(range_.start, range_.stop + 1, range_.step)
    for minute in minutes:
        value = clock_value(minute)
        is_first = 60 <= minute < _NOON + 60
        bare = is_first or (minute + _NOON) % MINUTES_A_DAY not in minutes
        yield from (Spoken(way, value) for way in ways_of(minute, bare=bare))


def dates(_: "DateRange", language: str = LANGUAGE) -> Iterator[Spoken]:
    """Every way of saying a day: weekdays, today and its like, and each day of each month.

    Values are "monday" ("this monday" too), "next monday", "today", "tomorrow" and so on, and "05-03" for the third
    of May.
    """
    yield from (Spoken(text, value) for text, value in find_language(language).date_ways())


def number_ways(number: int | Decimal, language: str = LANGUAGE) -> tuple[str, ...]:
    """All the ways to say a number, the normaliser's first."""
    return find_language(language).number_ways(number)


def written(text: str, language: str = LANGUAGE) -> tuple[Spoken, ...] | None:
    """The ways of saying a text that is written with figures, and what it stands for; None for plain words.

    "50%" is 50, "3.5" is 3.5, "1,005" is 1005, "2½" is 2.5, "7:30" and "7:30 am" are "07:30", "3rd of May" is "05-03",
    "December 24, 2026" and "2026-12-24" are "2026-12-24". In any other text with figures ("channel 105") every number
    is said in its usual ways, and the value is the text as it is written. Figures are said as a number and, from three
    on, digit by digit and in twos ("nine one one", "one oh five"). A time that says no half of the day is of 24 hours:
    "7:30" is said with "a m" too, "19:30" with "p m" only.
    """
    text = text.strip()
    if len(text) > _LONGEST_TEXT or not any(char.isnumeric() for char in text):
        return None
    normaliser, known = Normaliser(language), find_language(language)
    return _written_value(text, known) or _written_words(text, normaliser, known)


def _written_value(text: str, language: Language) -> tuple[Spoken, ...] | None:
    found = language.written_ways(text)
    return _all(*found) if found else None


def _written_words(text: str, normaliser: Normaliser, language: Language) -> tuple[Spoken, ...] | None:
    """Words with numbers between them, wherever the normaliser reads each number alone as it reads it in the text."""
    pieces = text.split()
    ways: list[tuple[str, ...]] = []
    found = at = 0
    while at < len(pieces):
        known, after = _longest(pieces, at, language)
        found += bool(known)
        if found > _MOST_NUMBERS:
            return None
        part = normaliser(" ".join(pieces[at:after]))
        ways.append(_distinct([part, *(way.text for way in known)]) if known else (part,))
        at = after
    said = _distinct(" ".join(filter(None, each)) for each in product(*_fewer(ways)))
    return _all(said, text) if said[0] and said[0] == normaliser(text) else None


def _longest(pieces: Sequence[str], at: int, language: Language) -> tuple[tuple[Spoken, ...], int]:
    """The longest number, time or date that begins at a piece, and the piece after it."""
    for after in range(min(len(pieces), at + _LONGEST_PIECE), at, -1):
        part = " ".join(pieces[at:after])
        spoken = _written_value(part, language) if any(char.isnumeric() for char in part) else None
        if spoken:
            return spoken, after
    return (), at + 1


def _fewer(ways: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The first ways of each, so many that all together are no more than ``_MOST_WAYS``."""
    kept = [len(each) for each in ways]
    while math.prod(kept) > _MOST_WAYS:
        kept[kept.index(max(kept))] -= 1
    return [each[:most] for each, most in zip(ways, kept, strict=True)]


def _all(ways: Iterable[str], value: Any) -> tuple[Spoken, ...]:
    return tuple(Spoken(way, value) for way in _distinct(ways))


def _distinct(ways: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(way.split()) for way in ways))
