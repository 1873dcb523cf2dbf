"""How numbers are called in English: for the normaliser, for grammars and for synthetic sentences.

All words are in the form of the normaliser: a to z, with single spaces. Whoever wants one word form takes ``cardinal``,
``ordinal``, ``digit_by_digit`` and ``fraction``; whoever wants all that people say takes ``number_ways``,
``figure_ways`` and ``fraction_ways``, whose first is that one form.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import Final

from asr.text.numbers import LONGEST_NUMBER, in_words

DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

MOST_PARTS: Final = 1000
"""The largest denominator that has a name."""

CURRENCIES: Final = {
    "$": ("dollar", "dollars"),
    "£": ("pound", "pounds"),
    "€": ("euro", "euros"),
    "¥": ("yen", "yen"),
    "₹": ("rupee", "rupees"),
}
CENTS: Final = {"$": ("cent", "cents"), "£": ("penny", "pence"), "€": ("cent", "cents"), "₹": ("paisa", "paise")}

_NAMES: Final = {2: ("half", "halves"), 4: ("quarter", "quarters")}
_PARTS_SAID: Final = {
    Decimal("0.5"): ("a half", "half", "one half"),
    Decimal("0.25"): ("a quarter", "quarter", "one quarter"),
    Decimal("0.75"): ("three quarters",),
}
_TENS: Final = (
    *("hundreds", "tens", "twenties", "thirties", "forties"),
    *("fifties", "sixties", "seventies", "eighties", "nineties"),
)
# What a slash parts is a fraction with these, and otherwise two numbers: 24/7, 9/11, 50/50.
_USUAL_PARTS: Final = frozenset({*range(2, 11), 12, 16, 20, 32, 64, 100, 1000})


def cardinal(number: int) -> str:
    """105 is "one hundred and five"; wanted are 0 to ``LONGEST_NUMBER`` digits."""
    return DIGITS[number] if number < 10 else in_words(number, "en")


def ordinal(number: int) -> str:
    """21 is "twenty first"; wanted are 0 to ``LONGEST_NUMBER`` digits."""
    return in_words(number, "en", "ordinal")


def year(number: int) -> str:
    """1984 is "nineteen eighty four", 2005 "two thousand and five"."""
    return in_words(number, "en", "year")


def digit_by_digit(digits: str) -> str:
    """105 is "one zero five"."""
    return " ".join([DIGITS[int(digit)] for digit in digits])


def figures(digits: str) -> str:
    """A cardinal, or digit by digit where it begins with a zero or has more than ``LONGEST_NUMBER`` digits."""
    if len(digits) > LONGEST_NUMBER or (len(digits) > 1 and digits[0] == "0"):
        return digit_by_digit(digits)
    return cardinal(int(digits))


def minutes(past: int) -> str:
    """What follows the hour: 5 is "oh five", 30 is "thirty"."""
    return f"oh {cardinal(past)}" if past < 10 else cardinal(past)


def decade(century: int | None, ten: int) -> str:
    """19 and 9 are "nineteen nineties", none and 6 "sixties", 20 and 0 "two thousands"."""
    if century is None:
        return _TENS[ten]
    if ten == 0 and century % 10 == 0:
        return f"{cardinal(century // 10)} thousands"
    return f"{cardinal(century)} {_TENS[ten]}"


@lru_cache(maxsize=4096)
def is_fraction(over: int, under: int) -> bool:
    """Whether 1/2 with a slash is a fraction: below one, in lowest terms, of parts that people use."""
    return (
        0 < over < under and under in _USUAL_PARTS and not any(over % k == under % k == 0 for k in range(2, over + 1))
    )


@lru_cache(maxsize=4096)
def fraction(whole: int | None, over: int, under: int) -> str:
    """½ is "half", ¼ "one quarter", ¾ "three quarters", 2½ "two and a half", 1⅛ "one and an eighth".

    ``under`` is 2 to ``MOST_PARTS``.
    """
    one, many = _parts(under)[0]
    if whole is not None:
        return f"{cardinal(whole)} and {f'{_article(one)} {one}' if over == 1 else f'{cardinal(over)} {many}'}"
    if (over, under) == (1, 2):
        return one
    return f"{cardinal(over)} {one if over == 1 else many}"


def fraction_ways(over: int, under: int) -> tuple[str, ...]:
    """All ways to say a fraction that stands by itself: half, a half, one half."""
    ways = [fraction(None, over, under)]
    for one, many in _parts(under):
        ways += [f"one {one}", f"{_article(one)} {one}"] if over == 1 else [f"{cardinal(over)} {many}"]
        if over == 1 and one in ("half", "quarter"):
            ways.append(one)
    return _distinct([*ways, f"{cardinal(over)} over {cardinal(under)}"])


def mixed_ways(whole: int, over: int, under: int) -> tuple[str, ...]:
    """All ways to say a whole number and a fraction: two and a half, two and one half."""
    said = [fraction(whole, over, under).partition(" and ")[2] if whole < 100 else ""]
    for one, many in _parts(under):
        said += [f"{_article(one)} {one}", f"one {one}"] if over == 1 else [f"{cardinal(over)} {many}"]
    return _distinct([f"{way} and {part}" for part in filter(None, said) for way in whole_ways(whole)])


def number_ways(number: int | Decimal) -> tuple[str, ...]:
    """All the ways to say a number, the normaliser's first.

    Whole numbers with and without "and", with "a hundred" for "one hundred", in hundreds ("twelve hundred") and in
    pairs ("nineteen eighty four"); decimals digit by digit and, where they end in one, with a half, a quarter or three
    quarters; negative ones with "minus" and "negative". Digits after the point are said as the Decimal holds them:
    Decimal("3.50") is "three point five zero".
    """
    if number < 0:
        return tuple(f"{sign} {way}" for sign in ("minus", "negative") for way in number_ways(-number))
    whole = int(number)
    if not isinstance(number, Decimal):
        return whole_ways(whole)
    digits = format(number, "f").partition(".")[2]
    if not digits:
        return whole_ways(whole)
    wholes = whole_ways(whole) if whole else ("zero", "nought", "oh", "")
    ways = [f"{way} point {said}".strip() for said in digit_ways(digits) for way in wholes]
    part = number - whole
    if not part:
        ways += whole_ways(whole)
    for said in _PARTS_SAID.get(part.normalize(), ()):
        if not whole:
            ways.append(said)
        elif said[:2] in ("a ", "th"):
            ways += [f"{way} and {said}" for way in whole_ways(whole)]
    return _distinct(ways)


@lru_cache(maxsize=4096)
def whole_ways(number: int) -> tuple[str, ...]:
    """All ways to say a whole number as a number, the normaliser's first.

    With and without "and", with "a hundred" for "one hundred", in hundreds ("twelve hundred") and in pairs ("nineteen
    eighty four").
    """
    if number == 0:
        return ("zero", "nought")
    if number >= 10**LONGEST_NUMBER:
        return digit_ways(str(number))
    ways = [cardinal(number)]
    if number >= 1100 and number // 100 % 10 and number < 10_000:
        ways.append(_and(f"{cardinal(number // 100)} hundred", number % 100))
    ways += [f"a{way.removeprefix('one')}" for way in ways if re.match("one (?:[a-z]+illion|thousand|hundred)", way)]
    ways += [way.replace(" and ", " ") for way in ways]
    if 1000 <= number < 10_000 and number % 100:
        ways.append(f"{cardinal(number // 100)} {minutes(number % 100)}")
    return _distinct(ways)


def digit_ways(digits: str) -> tuple[str, ...]:
    """Digit by digit, zero called zero or oh."""
    said = digit_by_digit(digits)
    return _distinct([said, re.sub(r"\bzero\b", "oh", said)])


def telephone_ways(digits: str) -> tuple[str, ...]:
    """Digit by digit, with what stands twice or thrice: "double oh seven", "triple nine"."""
    return _distinct([*digit_ways(digits), *_several(digits)])


def figure_ways(digits: str) -> tuple[str, ...]:
    """All ways to say the figures of a name: of a channel, a room, a year, an emergency number.

    Beside those of the number, and from three figures on: digit by digit ("nine one one"), with what stands twice or
    thrice ("double oh seven", "triple nine"), and three in two ("nine eleven", "one oh five"). The usual come first.
    """
    if len(digits) < 3:
        return digit_ways(digits) if digits[0] == "0" and len(digits) > 1 else whole_ways(int(digits))
    several = telephone_ways(digits)
    if digits[0] == "0" or len(digits) > LONGEST_NUMBER:
        return several
    first, *others = whole_ways(int(digits))
    without, pairs = first.replace(" and ", " "), []
    if len(digits) == 3 and digits[1:] != "00":
        pairs = [f"{DIGITS[int(digits[0])]} {minutes(int(digits[1:]))}"]
    elif others and len(digits) == 4:
        pairs = others[-1:]  # nineteen eighty four
    return _distinct([first, without, *pairs, *reversed(digit_ways(digits)), *others, *several])


def _several(digits: str) -> list[str]:
    runs = [(digit, len(list(same))) for digit, same in groupby(digits)]
    if not any(length in (2, 3) for _, length in runs):
        return []
    said = []
    for digit, length in runs:
        name = DIGITS[int(digit)]
        said += [{2: "double", 3: "triple"}[length], name] if length in (2, 3) else [name] * length
    words = " ".join(said)
    return [words, re.sub(r"\bzero\b", "oh", words)]


def _parts(under: int) -> list[tuple[str, str]]:
    """The names of one part and of several, the usual first."""
    named = ordinal(under)
    if under == 2:
        return [_NAMES[2]]
    return [*([_NAMES[under]] if under in _NAMES else []), (named, f"{named}s")]


def _article(noun: str) -> str:
    return "an" if noun[0] in "ei" else "a"


def _and(words: str, rest: int) -> str:
    return f"{words} and {cardinal(rest)}" if rest else words


def _distinct(ways: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ways))
