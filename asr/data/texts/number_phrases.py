"""Numbers, times, dates and money as people say them, and letters: words in a-z, drawn by chance.

How a thing can be said is what ``asr/text/english`` knows, as grammars have it; only what is said, and how often which
way, is drawn here.
"""

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from asr.text.english import numbers as words
from asr.text.english import written_ways
from asr.text.english.numbers import MONTHS, WEEKDAYS
from asr.text.english.times import day_ways, half_day_ways, time_ways
from asr.text.language import DAYS

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

# How often so many digits stand together: one by itself, codes of four, telephone numbers.
_DIGITS_TOGETHER: Final = {1: 8, 2: 3, 3: 4, 4: 5, 5: 3, 6: 4, 7: 2, 8: 2, 9: 1, 10: 2, 11: 2, 12: 1}

_SIGNS: Final = "$£€"
_MINUTES: Final = (0, 0, 15, 30, 30, 45, *range(0, 60, 5))

# Ways to write it: spoken, "am" is a word of its own.
_WRITTEN_ONLY: Final = frozenset(("am", "pm"))


def _one_of(ways: Sequence[str], generator: random.Random) -> str:
    """One of the ways to say a thing, of which the usual stand first: of two that are drawn, the earlier."""
    return ways[min(generator.randrange(len(ways)), generator.randrange(len(ways)))]


def _said(written: str, generator: random.Random) -> str:
    known = written_ways(written)
    assert known is not None, written
    return _one_of(tuple(known[0]), generator)


def number_in_words(number: int, generator: random.Random) -> str:
    """A number as people say it, in a-z: with or without the "and" after hundreds, "a hundred", "twelve hundred"."""
    return _one_of(words.number_ways(number), generator)


def number(generator: random.Random) -> str:
    """A whole number below a million, one of few digits as likely as one of many."""
    return number_in_words(generator.randrange(10 ** generator.randint(1, 6)), generator)


def digits(generator: random.Random, shortest: int = 1) -> str:
    """A string of up to 12 digits, one by one; zero may be called oh, and what stands twice double."""
    lengths = [length for length in _DIGITS_TOGETHER if length >= shortest]
    (length,) = generator.choices(lengths, [_DIGITS_TOGETHER[each] for each in lengths])
    drawn = "".join(generator.choices("0123456789", k=length))
    if length < 3:
        return words.digit_by_digit(drawn)
    return _one_of(words.digit_ways(drawn) if length == 3 else words.telephone_ways(drawn), generator)


def letters(generator: random.Random, shortest: int = 1) -> str:
    """The names of up to 6 letters, one by one."""
    return " ".join(generator.choices(LETTERS, k=generator.randint(shortest, 6)))


def letter(generator: random.Random) -> str:
    """One letter to stand among words: not a, which would be read as the article."""
    return generator.choice(LETTERS[1:])


def ordinal(generator: random.Random, most: int = 31) -> str:
    """First, second, and so on."""
    return words.ordinal(generator.randint(1, most))


def decimal(generator: random.Random) -> str:
    """A number with one to three digits after the point, some of which are called a half or quarters."""
    whole, places = generator.randrange(10 ** generator.randint(1, 3)), generator.randint(1, 3)
    part = "".join(generator.choices("0123456789", k=places))
    return _one_of(words.number_ways(Decimal(f"{whole}.{part}")), generator)


def percent(generator: random.Random) -> str:
    """From nothing to all; a tenth of them with a digit after the point."""
    if generator.random() < 0.1:
        return _said(f"{generator.randint(0, 99)}.{generator.randint(0, 9)}%", generator)
    return _said(f"{generator.randint(0, 100)}%", generator)


def degrees(generator: random.Random) -> str:
    """A temperature of a room or an oven."""
    value = generator.choice((generator.randint(5, 35), 10 * generator.randint(0, 25), -generator.randint(1, 20)))
    half = ".5" if generator.random() < 0.15 else ""
    return _said(f"{value}{half}°", generator)


def money(generator: random.Random) -> str:
    """A sum of money: whole ones the most often, some with cents or pence, some of these alone."""
    sign, whole = generator.choice(_SIGNS), generator.randrange(1, 10 ** generator.randint(1, 4))
    cents = f".{generator.randint(2, 99):02}"
    return _said(sign + generator.choice((*[str(whole)] * 2, *[f"{whole}{cents}"] * 2, cents)), generator)


def year(generator: random.Random) -> str:
    """A year from 1700 to 2060, those of our time the most."""
    number = generator.choice((generator.randint(1700, 1949), *(generator.randint(1950, 2060) for _ in range(3))))
    return _one_of(words.whole_ways(number) if 2000 <= number < 2010 else (words.year(number),), generator)


def date(generator: random.Random) -> str:
    """A day of a year."""
    month = generator.randint(1, len(MONTHS))
    told = _one_of(day_ways(month, generator.randint(1, DAYS[month - 1])), generator)
    if generator.random() < 0.2:
        told = f"{generator.choice(WEEKDAYS)} {told}"
    return f"{told} {year(generator)}" if generator.random() < 0.25 else told


def time(generator: random.Random) -> str:
    """A time of day, every other with the part of the day or a name such as noon."""
    past = generator.choice(_MINUTES) if generator.random() < 0.7 else generator.randrange(60)
    minute = 60 * generator.randrange(24) + past
    named = half_day_ways(minute)
    if generator.random() < 0.5:
        return _one_of([way for way in named if _WRITTEN_ONLY.isdisjoint(way.split())], generator)
    return _one_of([way for way in time_ways(minute, bare=True) if way not in named], generator)


_ANYTHING: Final[tuple[tuple[Callable[[random.Random], str], int], ...]] = (
    *((digits, 8), (number, 5), (ordinal, 2), (decimal, 1), (percent, 2), (degrees, 1)),
    *((money, 2), (year, 1), (date, 3), (time, 4), (letters, 4)),
)


def anything(generator: random.Random) -> str:
    """Digits the most often, or one of all the others."""
    (make,) = generator.choices([make for make, _ in _ANYTHING], [often for _, often in _ANYTHING])
    return make(generator)
