"""How numbers, times and dates are said: every way of saying a value, and the value it stands for.

All texts are in the form of the normaliser, and what it writes for "105", "3.5" or "7:05" is always among the ways.
American and British speech are both covered: "and" after hundreds or not, "march third" and "the third of march".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from asr.text.normaliser import Normaliser

if TYPE_CHECKING:
    from asr.commands.grammar.grammar import DateRange, NumberRange, TimeRange

MINUTES_A_DAY: Final = 24 * 60

_NOON: Final = MINUTES_A_DAY // 2
_LONGEST_NUMBER: Final = 15  # digits; the normaliser reads longer ones digit by digit
_MOST_NUMBERS: Final = 3  # in one text: with more of them the ways multiply

_FRACTIONS: Final = {
    Decimal("0.5"): ("a half", "half", "one half"),
    Decimal("0.25"): ("a quarter", "quarter", "one quarter"),
    Decimal("0.75"): ("three quarters",),
}
_TENTHS: Final = {"halves": (5,), "tenths": tuple(range(1, 10))}
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
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
_VULGAR: Final = re.compile(r"(?:(?P<whole>\d+)\s*)?(?:(?P<sign>[½¼¾])|(?<!\d)(?P<over>1/2|1/4|3/4))")
_SIGNS: Final = {"½": "0.5", "¼": "0.25", "¾": "0.75", "1/2": "0.5", "1/4": "0.25", "3/4": "0.75"}
_CLOCK: Final = re.compile(r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)")
_HALF_DAY: Final = re.compile(r"(?P<hour>0?[1-9]|1[0-2])(?::(?P<minute>[0-5]\d))?\s*(?P<half>[ap])\.?\s*m\b\.?", re.I)
_O_CLOCK: Final = re.compile(r"(?P<hour>[1-9]|1[0-2])\s*o['’]\s*clock", re.I)
_ISO: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)")
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" if len(month) > 3 else month for month in _MONTHS)
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
        return _whole_ways(whole)
    digits = format(number, "f").partition(".")[2]
    if not digits:
        return _whole_ways(whole)
    wholes = _whole_ways(whole) if whole else ("zero", "nought", "oh", "")
    ways = [f"{way} point {said}" for said in _digit_ways(digits) for way in wholes]
    part = number - whole
    if not part:
        ways += _whole_ways(whole)
    for said in _FRACTIONS.get(part.normalize(), ()):
        if not whole:
            ways.append(said)
        elif said[:2] in ("a ", "th"):
            ways += [f"{way} and {said}" for way in _whole_ways(whole)]
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
        yield from (Spoken(way, value) for way in _time_ways(minute, bare=bare))


def dates(_: "DateRange") -> Iterator[Spoken]:
    """Every way of saying a day: weekdays, today and its like, and each day of each month.

    Values are "monday" ("this monday" too), "next monday", "today", "tomorrow" and so on, and "05-03" for the third
    of May.
    """
    for name in _WEEKDAYS:
        yield from (Spoken(text, name) for text in (name, f"this {name}"))
        yield Spoken(f"next {name}", f"next {name}")
    for value, texts in _RELATIVE_DAYS.items():
        yield from (Spoken(text, value) for text in texts)
    for month, days in enumerate(_DAYS, start=1):
        for day in range(1, days + 1):
            yield from (Spoken(text, f"{month:02}-{day:02}") for text in _day_ways(month, day))


def written(text: str) -> tuple[Spoken, ...] | None:
    """The ways of saying a text that is written with figures, and what it stands for; None for plain words.

    "50%" is 50, "3.5" is 3.5, "1,005" is 1005, "2½" is 2.5, "7:30" and "7:30 am" are "07:30", "3rd of May" is "05-03",
    "December 24, 2026" and "2026-12-24" are "2026-12-24". In any other text with figures ("channel 105") every number
    is said in all its ways, and the value is the text as it is written. A time that says no half of the day is of 24
    hours: "7:30" is said with "a m" too, "19:30" with "p m" only.
    """
    text = text.strip()
    if not any(char.isdigit() or char in _SIGNS for char in text):
        return None
    for known in (_written_number, _written_time, _written_date, _written_words):
        spoken = known(text)
        if spoken:
            return spoken
    return None


def _written_number(text: str) -> tuple[Spoken, ...] | None:
    if match := _VULGAR.fullmatch(text):
        mixed = Decimal(match["whole"] or 0) + Decimal(_SIGNS[match["sign"] or match["over"]])
        return _all(number_ways(mixed), _plain(mixed))
    match = _PLAIN.fullmatch(text)
    if not match or not (match["number"] or match["part"]):
        return None
    whole = (match["number"] or "0").replace(",", "")
    if len(whole) > _LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0"):
        # Numbers of cards and of agents: their zeros belong to them.
        return _all(_digit_ways(whole), text) if whole == text else None
    number: int | Decimal = Decimal(whole + match["part"]) if match["part"] else int(whole)
    ways = number_ways(number)
    if match["sign"] == "+":
        ways = tuple(f"plus {way}" for way in ways) + ways
    elif match["sign"]:
        number = -number
        ways = number_ways(number)
    if match["unit"]:
        units = {"%": ("percent",), "°": ("degrees", "degree") if abs(number) == 1 else ("degrees",)}[match["unit"]]
        ways = tuple(f"{way} {unit}" for way in ways for unit in units)
    return _all(ways, _plain(number))


def _written_time(text: str) -> tuple[Spoken, ...] | None:
    if match := _CLOCK.fullmatch(text):
        minute = int(match["hour"]) * 60 + int(match["minute"])
        return _all(_time_ways(minute, bare=60 <= minute < _NOON + 60), _clock_value(minute))
    if match := _HALF_DAY.fullmatch(text):
        hour = int(match["hour"]) % 12 + (12 if match["half"] in "pP" else 0)
        minute = hour * 60 + int(match["minute"] or 0)
        return _all(_half_day_ways(minute), _clock_value(minute))
    if match := _O_CLOCK.fullmatch(text):
        minute = int(match["hour"]) * 60
        return _all(_time_ways(minute, bare=True), _clock_value(minute))
    return None


def _written_date(text: str) -> tuple[Spoken, ...] | None:
    match = _ISO.fullmatch(text) or _DAY_FIRST.fullmatch(text) or _MONTH_FIRST.fullmatch(text)
    if not match:
        return None
    name, day = match["month"].lower(), int(match["day"])
    month = int(name) if name.isdigit() else next(at for at, m in enumerate(_MONTHS, 1) if m.startswith(name[:3]))
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month - 1]:
        return None
    ways, value = _day_ways(month, day), f"{month:02}-{day:02}"
    if match["year"] is None:
        return _all(ways, value)
    years = number_ways(int(match["year"]))
    return _all([f"{way} {year}" for way in ways for year in years], f"{match['year']}-{value}")


def _written_words(text: str) -> tuple[Spoken, ...] | None:
    """Words with numbers between them, wherever the normaliser reads each number alone as it reads it in the text."""
    normaliser = Normaliser()
    found = [(word, _written_number(word)) for word in text.split()]
    if sum(spoken is not None for _, spoken in found) > _MOST_NUMBERS:
        return None
    ways = [[normaliser(word)] if spoken is None else [way.text for way in spoken] for word, spoken in found]
    said = _distinct(" ".join(filter(None, words)) for words in product(*ways))
    normal = normaliser(text)
    return _all(said, text) if normal and normal in said else None


def _all(ways: Iterable[str], value: Any) -> tuple[Spoken, ...]:
    return tuple(Spoken(way, value) for way in _distinct(ways))


def _distinct(ways: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(way.split()) for way in ways))


def _plain(number: int | Decimal) -> int | float:
    return int(number) if number == int(number) else float(number)


@lru_cache(maxsize=4096)
def _whole_ways(number: int) -> tuple[str, ...]:
    if number == 0:
        return ("zero", "nought")
    if number >= 10**_LONGEST_NUMBER:
        return _digit_ways(str(number))
    ways = [_cardinal(number)]
    if number >= 1100 and number // 100 % 10 and number < 10_000:
        ways.append(_and(f"{_cardinal(number // 100)} hundred", number % 100))
    ways += [f"a{way.removeprefix('one')}" for way in ways if re.match("one (?:[a-z]+illion|thousand|hundred)", way)]
    ways += [way.replace(" and ", " ") for way in ways]
    if 1000 <= number < 10_000 and number % 100:
        oh = "oh " if number % 100 < 10 else ""
        ways.append(f"{_cardinal(number // 100)} {oh}{_cardinal(number % 100)}")
    return _distinct(ways)


def _and(words: str, rest: int) -> str:
    return f"{words} and {_cardinal(rest)}" if rest else words


@lru_cache(maxsize=4096)
def _cardinal(number: int) -> str:
    """As the normaliser writes it."""
    from num2words import num2words  # here, because a grammar without numbers is read faster without

    return Normaliser()(str(num2words(number)))


@lru_cache(maxsize=31)
def _ordinal(number: int) -> str:
    from num2words import num2words

    return Normaliser()(str(num2words(number, to="ordinal")))


def _digit_ways(digits: str) -> tuple[str, ...]:
    said = " ".join(_cardinal(int(digit)) for digit in digits)
    return _distinct([said, re.sub(r"\bzero\b", "oh", said)])


def _clock_value(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _time_ways(minute: int, *, bare: bool) -> tuple[str, ...]:
    """All ways to say a minute of the day; those of both halves of the day only where ``bare``."""
    hour, past = divmod(minute, 60)
    ways = [*(_half_past_ways(minute) if bare else ()), *_half_day_ways(minute)]
    if not 1 <= hour <= 12:
        ways.append(_figures(hour, past))
        if not past:
            ways.append(f"{_cardinal(hour)} hundred")
    return _distinct(ways)


def _half_past_ways(minute: int) -> list[str]:
    """What both halves of the day have: "seven thirty", "half past seven", "ten to eight"."""
    hour, past = divmod(minute, 60)
    here, following = ((at - 1) % 12 + 1 for at in (hour, hour + 1))
    plain = _figures(here, past)
    if not past:
        return [plain, f"{plain} o'clock"]
    ways = [plain, *_around(past, _cardinal(here), _cardinal(following))]
    return [*ways, f"half {_cardinal(here)}"] if past == 30 else ways


def _around(past: int, here: str, following: str) -> list[str]:
    """Minutes from one named hour or to the next."""
    if past == 30:
        return [f"half past {here}"]
    count, links, name = (past, ("past", "after"), here) if past < 30 else (60 - past, ("to", "till"), following)
    if count == 15:
        counts = ["quarter", "a quarter"]
    else:
        minutes = "minute" if count == 1 else "minutes"
        counts = [f"{_cardinal(count)} {minutes}", *([] if count % 5 else [_cardinal(count)])]
    return [f"{count} {link} {name}" for count in counts for link in links]


def _half_day_ways(minute: int) -> list[str]:
    """What only one half of the day has: "seven thirty a m", "half past seven in the morning", "noon"."""
    hour, past = divmod(minute, 60)
    ways = [f"{way} {half}" for way in _half_past_ways(minute) for half in _halves(hour)]
    names = {0: ("midnight", "twelve midnight"), 12: ("noon", "midday", "twelve noon")}
    if not past:
        ways += names.get(hour, ())
    else:
        named = hour if past <= 30 else (hour + 1) % 24
        ways += [way for name in names.get(named, ())[: named // 12 + 1] for way in _around(past, name, name)]
    return ways


def _halves(hour: int) -> tuple[str, ...]:
    if hour < 12:
        return ("a m", "am", "in the morning", *(["at night"] if hour < 5 else []))
    parts = [(12, 17, "in the afternoon"), (17, 23, "in the evening"), (20, 23, "at night")]
    return ("p m", "pm", *(part for first, last, part in parts if first <= hour <= last))


def _figures(hour: int, past: int) -> str:
    """As the normaliser reads 7:05."""
    return f"{_cardinal(hour)} {'oh ' if past < 10 else ''}{_cardinal(past)}" if past else _cardinal(hour)


def _day_ways(month: int, day: int) -> list[str]:
    name, ordinal, cardinal = _MONTHS[month - 1], _ordinal(day), _cardinal(day)
    return [
        f"the {ordinal} of {name}",
        f"{ordinal} of {name}",
        f"{name} {ordinal}",
        f"{name} the {ordinal}",
        f"{name} {cardinal}",
        f"{ordinal} {name}",
        f"{cardinal} {name}",
    ]
