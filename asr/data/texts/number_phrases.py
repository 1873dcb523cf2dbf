"""Numbers, times, dates and money as people say them, and letters: words in a-z, drawn by chance."""

import random
from collections.abc import Callable
from typing import Final

from asr.text.english import numbers as words
from asr.text.english.numbers import DIGITS, MONTHS, WEEKDAYS

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

# How often so many digits stand together: one by itself, codes of four, telephone numbers.
_DIGITS_TOGETHER: Final = {1: 8, 2: 3, 3: 4, 4: 5, 5: 3, 6: 4, 7: 2, 8: 2, 9: 1, 10: 2, 11: 2, 12: 1}

_MONEY: Final = (("dollar", "cent"), ("pound", "pence"), ("euro", "cent"), ("pound", "penny"))


def number_in_words(number: int, generator: random.Random) -> str:
    """A number as people say it, in a-z: with or without the "and" after hundreds."""
    told = f"minus {words.cardinal(-number)}" if number < 0 else words.cardinal(number)
    return told.replace(" and ", " ") if generator.random() < 0.5 else told


def number(generator: random.Random) -> str:
    """A whole number below a million, one of few digits as likely as one of many."""
    return number_in_words(generator.randrange(10 ** generator.randint(1, 6)), generator)


def digits(generator: random.Random, shortest: int = 1) -> str:
    """A string of up to 12 digits, one by one; zero may be called oh, and what stands twice double."""
    lengths = [length for length in _DIGITS_TOGETHER if length >= shortest]
    (length,) = generator.choices(lengths, [_DIGITS_TOGETHER[each] for each in lengths])
    said = generator.choices(DIGITS, k=length)
    if length > 2 and generator.random() < 0.15:
        said = ["oh" if word == "zero" else word for word in said]
    if length > 3 and generator.random() < 0.1:
        place = generator.randrange(length - 1)
        said[place : place + 2] = ["double", said[place]]
    return " ".join(said)


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
    """A number with one to three digits after the point."""
    whole = number_in_words(generator.randrange(10 ** generator.randint(1, 3)), generator)
    return f"{whole} point {' '.join(generator.choices(DIGITS, k=generator.randint(1, 3)))}"


def percent(generator: random.Random) -> str:
    """From nothing to all; a tenth of them with a digit after the point."""
    if generator.random() < 0.1:
        return f"{number_in_words(generator.randint(0, 99), generator)} point {generator.choice(DIGITS)} percent"
    return f"{number_in_words(generator.randint(0, 100), generator)} percent"


def degrees(generator: random.Random) -> str:
    """A temperature of a room or an oven."""
    value = generator.choice((generator.randint(5, 35), 10 * generator.randint(0, 25), -generator.randint(1, 20)))
    half = generator.choice((" and a half", " point five")) if generator.random() < 0.15 else ""
    return f"{number_in_words(value, generator)}{half} degree{'' if value == 1 and not half else 's'}"


def money(generator: random.Random) -> str:
    """A sum of money."""
    whole, part = generator.choice(_MONEY)
    many = part if part == "pence" else "pennies" if part == "penny" else f"{part}s"
    amount = generator.randrange(1, 10 ** generator.randint(1, 4))
    told = f"{number_in_words(amount, generator)} {whole}{'' if amount == 1 else 's'}"
    small = number_in_words(generator.randint(2, 99), generator)
    return generator.choice((told, told, f"{told} {small}", f"{told} and {small} {many}", f"{small} {many}"))


def year(generator: random.Random) -> str:
    """A year from 1700 to 2060, those of our time the most."""
    number = generator.choice((generator.randint(1700, 1949), *(generator.randint(1950, 2060) for _ in range(3))))
    told = words.year(number)
    return told.replace(" and ", " ") if generator.random() < 0.5 else told


def date(generator: random.Random) -> str:
    """A day of a year."""
    month, day = generator.choice(MONTHS), ordinal(generator)
    told = generator.choice((f"the {day} of {month}", f"{month} {day}", f"{month} the {day}", f"{day} of {month}"))
    if generator.random() < 0.2:
        told = f"{generator.choice(WEEKDAYS)} {told}"
    return f"{told} {year(generator)}" if generator.random() < 0.25 else told


def time(generator: random.Random) -> str:
    """A time of day."""
    hour = number_in_words(generator.randint(1, 12), generator)
    minute = generator.randint(1, 59)
    written = ("oh " if minute < 10 else "") + number_in_words(minute, generator)
    part = generator.choice(("in the morning", "in the afternoon", "in the evening", "at night", "a m", "p m", "sharp"))
    return generator.choice(
        (
            hour,
            f"{hour} o'clock",
            f"{hour} {written}",
            f"{hour} {written}",
            f"{hour} thirty",
            f"half past {hour}",
            f"quarter {generator.choice(('to', 'past'))} {hour}",
            f"{number_in_words(generator.randint(1, 29), generator)} {generator.choice(('to', 'past'))} {hour}",
            f"{hour} {part}",
            f"{hour} {written} {part}",
            f"{number_in_words(generator.randint(13, 23), generator)} {written}",
            generator.choice(("noon", "midnight")),
        )
    )


_ANYTHING: Final[tuple[tuple[Callable[[random.Random], str], int], ...]] = (
    *((digits, 8), (number, 5), (ordinal, 2), (decimal, 1), (percent, 2), (degrees, 1)),
    *((money, 2), (year, 1), (date, 3), (time, 4), (letters, 4)),
)


def anything(generator: random.Random) -> str:
    """Digits the most often, or one of all the others."""
    (make,) = generator.choices([make for make, _ in _ANYTHING], [often for _, often in _ANYTHING])
    return make(generator)
