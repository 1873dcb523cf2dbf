"""How numbers, times and dates are said: every way of saying a value, and the value it stands for.

All texts are in the form of the normaliser, and what it writes for a text with figures is always among the ways.
American and British speech are both covered: "and" after hundreds or not, "march third" and "the third of march".
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from asr.text import numbers as words
from asr.text.normaliser import Normaliser
from asr.text.times import day_ways, half_day_ways, time_ways

if TYPE_CHECKING:
    from asr.commands.grammar.grammar import DateRange, NumberRange, TimeRange

MINUTES_A_DAY: Final = 24 * 60

_NOON: Final = MINUTES_A_DAY // 2
_MOST_NUMBERS: Final = 3  # in one text: with more of them the ways multiply
_MOST_WAYS: Final = 24  # of one text with several words: the usual ones, of each number fewer where there are more
_LONGEST_TEXT: Final = 200  # characters; in a longer one the normaliser alone reads the figures
_LONGEST_DIGITS: Final = 40
_LONGEST_PIECE: Final = 5  # words: "the 24th of december, 2026"

_FRACTIONS: Final = {
    Decimal("0.5"): ("a half", "half", "one half"),
    Decimal("0.25"): ("a quarter", "quarter", "one quarter"),
    Decimal("0.75"): ("three quarters",),
}
_TENTHS: Final = {"halves": (5,), "tenths": tuple(range(1, 10))}
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_RELATIVE_DAYS: Final = {
    "today": ("today",),
    "tonight": ("tonight",),
    "tomorrow": ("tomorrow",),
    "yesterday": ("yesterday",),
    "day after tomorrow": ("the day after tomorrow", "day after tomorrow"),
    "day before yesterday": ("the day before yesterday", "day before yesterday"),
}

_NUMBER = r"(?P<sign>[-−+]?)(?P<number>\d{1,3}(?:,\d{3})+|\d+)?(?P<part>\.\d+)?"
_PLAIN: Final = re.compile(rf"{_NUMBER}\s*(?P<unit>[%°]?)")
_FRACTION: Final = re.compile(
    r"(?P<sign>[-−+]?)(?:(?P<whole>\d{1,15})(?:\s*-?(?=[^\d\s])|(?:\s+|-)))?"
    r"(?:(?P<over>\d{1,4})[/⁄](?P<under>\d{1,4})|(?P<vulgar>[^\d\s]))(?P<unit>\s*%)?"
)
_MONEY: Final = re.compile(r"(?P<sign>[$£€])\s?(?P<whole>\d{1,3}(?:,\d{3})+|\d{0,15})(?:\.(?P<part>\d\d))?")
_COINS: Final = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}
_DECADE: Final = re.compile(r"(?P<century>1\d|20)(?P<ten>\d)0['’]?s")
_BLANKS: Final = re.compile(r"\d{1,3}(?:[\u00a0\u2007\u2009\u202f]\d{3})+|[1-9]\d{0,2}(?: \d{3})*(?: 000)")
_CLOCK: Final = re.compile(r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)")
_HALF_DAY: Final = re.compile(
    r"(?P<hour>0?[1-9]|1[0-2])(?:[:.](?P<minute>[0-5]\d))?\s*(?P<half>[ap])\.?\s*m\b\.?", re.I
)
_O_CLOCK: Final = re.compile(r"(?P<hour>[1-9]|1[0-2])\s*o['’]\s*clock", re.I)
_ISO: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)")
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" if len(month) > 3 else month for month in words.MONTHS)
_YEAR = r"(?:,?\s+(?P<year>[12]\d{3}))?"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_DAY_FIRST: Final = re.compile(rf"(?:the\s+)?{_DAY}\s+(?:of\s+)?(?P<month>{_MONTH})\.?{_YEAR}", re.I)
_MONTH_FIRST: Final = re.compile(rf"(?P<month>{_MONTH})\.?\s+(?:the\s+)?{_DAY}{_YEAR}", re.I)


@dataclass(frozen=True)
class Spoken:
    """One way of saying a value: ``text`` in the form of the normaliser, ``value`` as a slot holds it."""

    text: str
    value: Any


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
        return words.whole_ways(whole)
    digits = format(number, "f").partition(".")[2]
    if not digits:
        return words.whole_ways(whole)
    wholes = words.whole_ways(whole) if whole else ("zero", "nought", "oh", "")
    ways = [f"{way} point {said}" for said in words.digit_ways(digits) for way in wholes]
    part = number - whole
    if not part:
        ways += words.whole_ways(whole)
    for said in _FRACTIONS.get(part.normalize(), ()):
        if not whole:
            ways.append(said)
        elif said[:2] in ("a ", "th"):
            ways += [f"{way} and {said}" for way in words.whole_ways(whole)]
    return _distinct(ways)


def numbers(range_: "NumberRange") -> Iterator[Spoken]:
    """Every way of saying every number of the range, in its order; the value is multiplied by its multiplier.

    Fractions follow each whole number, the last one too; a value without a part behind the point is an int, any other
    a float.
    """
    factor = Decimal(1) if range_.multiplier is None else Decimal(str(range_.multiplier))
    tenths = _TENTHS[range_.fractions] if range_.fractions else ()
    for whole in range(range_.start, range_.stop + 1, range_.step):
        several: list[int | Decimal] = [whole, *(whole + Decimal(part) / 10 for part in tenths)]
        for number in several:
            value = _plain(number * factor)
            yield from (Spoken(way, value) for way in number_ways(number))


def times(range_: "TimeRange") -> Iterator[Spoken]:
    """Every way of saying every time of the range, in its order; values are "07:30", of 24 hours.

    A time that says no half of the day, such as "seven thirty", is the one of the morning ("twelve" is noon), and
    that of the other half where only that one is in the range.
    """
    minutes = range(range_.start, range_.stop + 1, range_.step)
    for minute in minutes:
        value = _clock_value(minute)
        is_first = 60 <= minute < _NOON + 60
        bare = is_first or (minute + _NOON) % MINUTES_A_DAY not in minutes
        yield from (Spoken(way, value) for way in time_ways(minute, bare=bare))


def dates(_: "DateRange") -> Iterator[Spoken]:
    """Every way of saying a day: weekdays, today and its like, and each day of each month.

    Values are "monday" ("this monday" too), "next monday", "today", "tomorrow" and so on, and "05-03" for the third
    of May.
    """
    for name in words.WEEKDAYS:
        yield from (Spoken(text, name) for text in (name, f"this {name}"))
        yield Spoken(f"next {name}", f"next {name}")
    for value, texts in _RELATIVE_DAYS.items():
        yield from (Spoken(text, value) for text in texts)
    for month, days in enumerate(_DAYS, start=1):
        for day in range(1, days + 1):
            yield from (Spoken(text, f"{month:02}-{day:02}") for text in day_ways(month, day))


def written(text: str) -> tuple[Spoken, ...] | None:
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
    spoken = _written_value(text) or _written_words(text)
    if not spoken:
        return None
    normal = Normaliser()(text)
    if normal and normal not in (way.text for way in spoken):  # "2026-12-24", figure by figure
        spoken = (*spoken, Spoken(normal, spoken[0].value))
    return spoken


def _written_value(text: str) -> tuple[Spoken, ...] | None:
    for known in (_written_fraction, _written_number, _written_money, _written_decade, _written_time, _written_date):
        spoken = known(text)
        if spoken:
            return spoken
    return None


def _written_fraction(text: str) -> tuple[Spoken, ...] | None:
    match = _FRACTION.fullmatch(text)
    if not match:
        return None
    if match["vulgar"]:
        over, _, under = unicodedata.normalize("NFKC", match["vulgar"]).partition("⁄")
        if not (over.isdecimal() and under.isdecimal()):
            return None
    else:
        over, under = match["over"], match["under"]
        if "/" in text and not words.is_fraction(int(over), int(under)):
            return None
    if not 2 <= int(under) <= words.MOST_PARTS:
        return None
    part = Fraction(int(over), int(under))
    if match["whole"] is None:
        ways = [*words.fraction_ways(int(over), int(under))]
    else:
        ways = [*words.mixed_ways(int(match["whole"]), int(over), int(under))]
    number = int(match["whole"] or 0) + part
    if 1000 % number.denominator == 0:  # as a decimal, such as "two point five"
        ways += number_ways((Decimal(number.numerator) / Decimal(number.denominator)).normalize())
    negative = match["sign"] in ("-", "−") and bool(match["sign"])
    if match["sign"]:
        signs = ("minus", "negative") if negative else ("plus", "")
        ways = [f"{sign} {way}" for sign in signs for way in ways]
    if match["unit"]:
        ways = [f"{way} percent" for way in ways]
    value = -number if negative else number
    return _all(ways, int(value) if value.denominator == 1 else float(value))


def _written_number(text: str) -> tuple[Spoken, ...] | None:
    if _BLANKS.fullmatch(text):
        text = re.sub(r"\s", "", text)
    match = _PLAIN.fullmatch(text)
    if not match or not (match["number"] or match["part"]):
        return None
    whole = (match["number"] or "0").replace(",", "")
    if len(whole) > words.LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0"):
        # Numbers of cards and of agents: their zeros belong to them.
        return _all(words.figure_ways(whole), text) if whole == text and len(whole) <= _LONGEST_DIGITS else None
    if len(match["part"] or "") > words.LONGEST_NUMBER:
        return None
    number: int | Decimal = Decimal(whole + match["part"]) if match["part"] else int(whole)
    ways = number_ways(number)
    if match["sign"] == "+":
        ways = tuple(f"plus {way}" for way in ways) + ways
    elif match["sign"]:
        number = -number
        ways = number_ways(number)
    elif not match["part"] and not match["unit"] and whole == match["number"]:
        ways = words.figure_ways(whole)
    if match["unit"]:
        units = {"%": ("percent",), "°": ("degrees", "degree") if abs(number) == 1 else ("degrees",)}[match["unit"]]
        ways = tuple(f"{way} {unit}" for way in ways for unit in units)
    return _all(ways, _plain(number))


def _written_money(text: str) -> tuple[Spoken, ...] | None:
    match = _MONEY.fullmatch(text)
    if not match or not (match["whole"] or match["part"]):
        return None
    one, many, coin, coins = _COINS[match["sign"]]
    whole, part = int(match["whole"].replace(",", "") or 0), int(match["part"] or 0)
    said = [f"{way} {one if whole == 1 else many}" for way in words.whole_ways(whole)]
    small = [f"{way} {coin if part == 1 else coins}" for way in words.whole_ways(part)] if part else []
    if whole and part:
        whole_way = words.whole_ways(whole)
        ways = [f"{way} {words.cardinal(part)}" for way in said]
        ways += [f"{way} and {cents}" for way in said for cents in small] + [f"{s} {c}" for s in said for c in small]
        ways += [f"{way} {words.minutes(part)}" for way in whole_way]
        ways += [f"{way} point {digits} {many}" for way in whole_way for digits in words.digit_ways(match["part"])]
    else:
        ways = small or said
    if part == 50 and not whole:
        ways = [*ways, f"half a {one}"]
    return _all(ways, text)


def _written_decade(text: str) -> tuple[Spoken, ...] | None:
    match = _DECADE.fullmatch(text)
    if not match:
        return None
    century, ten = int(match["century"]), int(match["ten"])
    ways = [words.decade(century, ten)]
    if ten > 1:
        ways.append(words.decade(None, ten))
    return _all(ways, text)


def _written_time(text: str) -> tuple[Spoken, ...] | None:
    if match := _CLOCK.fullmatch(text):
        minute = int(match["hour"]) * 60 + int(match["minute"])
        if minute > MINUTES_A_DAY:
            return None
        if minute == MINUTES_A_DAY:  # the end of the day
            return _all(["twenty four", "twenty four hundred", *half_day_ways(0)], _clock_value(0))
        return _all(time_ways(minute, bare=60 <= minute < _NOON + 60), _clock_value(minute))
    if match := _HALF_DAY.fullmatch(text):
        hour = int(match["hour"]) % 12 + (12 if match["half"] in "pP" else 0)
        minute = hour * 60 + int(match["minute"] or 0)
        return _all(half_day_ways(minute), _clock_value(minute))
    if match := _O_CLOCK.fullmatch(text):
        minute = int(match["hour"]) * 60
        return _all(time_ways(minute, bare=True), _clock_value(minute))
    return None


def _written_date(text: str) -> tuple[Spoken, ...] | None:
    match = _ISO.fullmatch(text) or _DAY_FIRST.fullmatch(text) or _MONTH_FIRST.fullmatch(text)
    if not match:
        return None
    name, day = match["month"].lower(), int(match["day"])
    month = int(name) if name.isdigit() else next(at for at, m in enumerate(words.MONTHS, 1) if m.startswith(name[:3]))
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month - 1]:
        return None
    ways, value = day_ways(month, day), f"{month:02}-{day:02}"
    if match["year"] is None:
        return _all(ways, value)
    years = number_ways(int(match["year"]))
    return _all([f"{way} {year}" for way in ways for year in years], f"{match['year']}-{value}")


def _written_words(text: str) -> tuple[Spoken, ...] | None:
    """Words with numbers between them, wherever the normaliser reads each number alone as it reads it in the text."""
    normaliser = Normaliser()
    pieces = text.split()
    ways: list[tuple[str, ...]] = []
    found = at = 0
    while at < len(pieces):
        known, after = _longest(pieces, at)
        found += bool(known)
        if found > _MOST_NUMBERS:
            return None
        part = normaliser(" ".join(pieces[at:after]))
        ways.append(_distinct([part, *(way.text for way in known)]) if known else (part,))
        at = after
    said = _distinct(" ".join(filter(None, each)) for each in product(*_fewer(ways)))
    return _all(said, text) if said[0] and said[0] == normaliser(text) else None


def _longest(pieces: Sequence[str], at: int) -> tuple[tuple[Spoken, ...], int]:
    """The longest number, time or date that begins at a piece, and the piece after it."""
    for after in range(min(len(pieces), at + _LONGEST_PIECE), at, -1):
        part = " ".join(pieces[at:after])
        spoken = _written_value(part) if any(char.isnumeric() for char in part) else None
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


def _plain(number: int | Decimal) -> int | float:
    return int(number) if number == int(number) else float(number)


def _clock_value(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
