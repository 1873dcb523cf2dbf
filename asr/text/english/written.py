"""What is written in figures in English: all ways of saying it, and what it stands for."""

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from typing import Final

from asr.text.english import numbers
from asr.text.english.reading import TELEPHONE, spelled
from asr.text.english.times import day_ways, half_day_ways, time_ways
from asr.text.language import DAYS, MINUTES_A_DAY, Written, clock_value, plain_value
from asr.text.numbers import LONGEST_NUMBER

_NOON: Final = MINUTES_A_DAY // 2
_LONGEST_DIGITS: Final = 40

_NUMBER = r"(?P<sign>[-−+]?)(?P<number>\d{1,3}(?:,\d{3})+|\d+)?(?P<part>\.\d+)?"
_PLAIN: Final = re.compile(rf"{_NUMBER}\s*(?P<unit>[%°]?)")
_FRACTION: Final = re.compile(
    r"(?P<sign>[-−+]?)(?:(?P<whole>\d{1,15})(?:\s*-?(?=[^\d\s])|(?:\s+|-)))?"
    r"(?:(?P<over>\d{1,4})[/⁄](?P<under>\d{1,4})|(?P<vulgar>[^\d\s]))(?P<unit>\s*%)?"
)
_MONEY: Final = re.compile(r"(?P<sign>[$£€])\s?(?P<whole>\d{1,3}(?:,\d{3})+|\d{0,15})(?:\.(?P<part>\d\d))?")
_DECADE: Final = re.compile(r"(?P<century>1\d|20)(?P<ten>\d)0['’]?s")
_BLANKS: Final = re.compile(r"\d{1,3}(?:[\u00a0\u2007\u2009\u202f]\d{3})+|[1-9]\d{0,2}(?: \d{3})*(?: 000)")
_CLOCK: Final = re.compile(r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)")
_HALF_DAY: Final = re.compile(
    r"(?P<hour>0?[1-9]|1[0-2])(?:[:.](?P<minute>[0-5]\d))?\s*(?P<half>[ap])\.?\s*m\b\.?", re.I
)
_O_CLOCK: Final = re.compile(r"(?P<hour>[1-9]|1[0-2])\s*o['’]\s*clock", re.I)
_ISO: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)")
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" if len(month) > 3 else month for month in numbers.MONTHS)
_YEAR = r"(?:,?\s+(?P<year>[12]\d{3}))?"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_DAY_FIRST: Final = re.compile(rf"(?:the\s+)?{_DAY}\s+(?:of\s+)?(?P<month>{_MONTH})\.?{_YEAR}", re.I)
_MONTH_FIRST: Final = re.compile(rf"(?P<month>{_MONTH})\.?\s+(?:the\s+)?{_DAY}{_YEAR}", re.I)


def written_ways(text: str) -> Written | None:
    """All ways to say a text, and its value; see `Language`."""
    for known in _KNOWN:
        if found := known(text):
            return found
    return None


def _written_fraction(text: str) -> Written | None:
    match = _FRACTION.fullmatch(text)
    if not match:
        return None
    if match["vulgar"]:
        over, _, under = unicodedata.normalize("NFKC", match["vulgar"]).partition("⁄")
        if not (over.isdecimal() and under.isdecimal()):
            return None
    else:
        over, under = match["over"], match["under"]
        if "/" in text and not numbers.is_fraction(int(over), int(under)):
            return None
    if not 2 <= int(under) <= numbers.MOST_PARTS:
        return None
    part = Fraction(int(over), int(under))
    if match["whole"] is None:
        ways = [*numbers.fraction_ways(int(over), int(under))]
    else:
        ways = [*numbers.mixed_ways(int(match["whole"]), int(over), int(under))]
    number = int(match["whole"] or 0) + part
    if 1000 % number.denominator == 0:  # as a decimal, such as "two point five"
        ways += numbers.number_ways((Decimal(number.numerator) / Decimal(number.denominator)).normalize())
    negative = match["sign"] in ("-", "−") and bool(match["sign"])
    if match["sign"]:
        signs = ("minus", "negative") if negative else ("plus", "")
        ways = [f"{sign} {way}" for sign in signs for way in ways]
    if match["unit"]:
        ways = [f"{way} percent" for way in ways]
    value = -number if negative else number
    return ways, int(value) if value.denominator == 1 else float(value)


def _written_number(text: str) -> Written | None:
    if _BLANKS.fullmatch(text):
        text = re.sub(r"\s", "", text)
    match = _PLAIN.fullmatch(text)
    if not match or not (match["number"] or match["part"]):
        return None
    whole = (match["number"] or "0").replace(",", "")
    if len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0"):
        # Numbers of cards and of agents: their zeros belong to them.
        return (numbers.figure_ways(whole), text) if whole == text and len(whole) <= _LONGEST_DIGITS else None
    if len(match["part"] or "") > LONGEST_NUMBER:
        return None
    number: int | Decimal = Decimal(whole + match["part"]) if match["part"] else int(whole)
    ways = numbers.number_ways(number)
    if match["sign"] in ("", "+") and not match["part"] and not match["unit"] and whole == match["number"]:
        ways = numbers.figure_ways(whole)
    if match["sign"] == "+":
        ways = tuple(f"plus {way}" for way in ways) + ways
    elif match["sign"]:
        number = -number
        ways = tuple(f"{sign} {way}" for sign in ("minus", "negative") for way in ways)
    if match["unit"]:
        units = {"%": ("percent",), "°": ("degrees", "degree") if abs(number) == 1 else ("degrees",)}[match["unit"]]
        ways = tuple(f"{way} {unit}" for way in ways for unit in units)
    return ways, plain_value(Decimal(number))


def _written_money(text: str) -> Written | None:
    match = _MONEY.fullmatch(text)
    if not match or not (match["whole"] or match["part"]):
        return None
    (one, many), (coin, coins) = numbers.CURRENCIES[match["sign"]], numbers.CENTS[match["sign"]]
    whole, part = int(match["whole"].replace(",", "") or 0), int(match["part"] or 0)
    said = [f"{way} {one if whole == 1 else many}" for way in numbers.whole_ways(whole)]
    small = [f"{way} {coin if part == 1 else coins}" for way in numbers.whole_ways(part)] if part else []
    if whole and part:
        whole_way = numbers.whole_ways(whole)
        ways = [f"{way} {numbers.cardinal(part)}" for way in said]
        ways += [f"{way} and {cents}" for way in said for cents in small] + [f"{s} {c}" for s in said for c in small]
        ways += [f"{way} {numbers.minutes(part)}" for way in whole_way]
        ways += [f"{way} point {digits} {many}" for way in whole_way for digits in numbers.digit_ways(match["part"])]
    else:
        ways = small or said
    if part == 50 and not whole:
        ways = [*ways, f"half a {one}"]
    return ways, text


def _written_telephone(text: str) -> Written | None:
    if not TELEPHONE.fullmatch(text):
        return None
    ways = numbers.telephone_ways("".join(filter(str.isdigit, text)))
    return [f"plus {way}" for way in ways] if text[0] == "+" else ways, text


def _written_decade(text: str) -> Written | None:
    match = _DECADE.fullmatch(text)
    if not match:
        return None
    century, ten = int(match["century"]), int(match["ten"])
    ways = [numbers.decade(century, ten)]
    if ten > 1:
        ways.append(numbers.decade(None, ten))
    return ways, text


def _written_time(text: str) -> Written | None:
    if match := _CLOCK.fullmatch(text):
        minute = int(match["hour"]) * 60 + int(match["minute"])
        if minute > MINUTES_A_DAY:
            return None
        if minute == MINUTES_A_DAY:  # the end of the day
            return ["twenty four", "twenty four hundred", *half_day_ways(0)], clock_value(0)
        return time_ways(minute, bare=60 <= minute < _NOON + 60), clock_value(minute)
    if match := _HALF_DAY.fullmatch(text):
        hour = int(match["hour"]) % 12 + (12 if match["half"] in "pP" else 0)
        minute = hour * 60 + int(match["minute"] or 0)
        return half_day_ways(minute), clock_value(minute)
    if match := _O_CLOCK.fullmatch(text):
        minute = int(match["hour"]) * 60
        return time_ways(minute, bare=True), clock_value(minute)
    return None


def _written_date(text: str) -> Written | None:
    match = _ISO.fullmatch(text) or _DAY_FIRST.fullmatch(text) or _MONTH_FIRST.fullmatch(text)
    if not match:
        return None
    name, day = match["month"].lower(), int(match["day"])
    month = int(name) if name.isdigit() else 1 + [full[:3] for full in numbers.MONTHS].index(name[:3])
    if not 1 <= month <= 12 or not 1 <= day <= DAYS[month - 1]:
        return None
    ways, value = day_ways(month, day), f"{month:02}-{day:02}"
    if re.search(r"\b(?:of|the)\b", text, re.I):  # "the 3 of May", "the 3rd May", as they stand
        full = numbers.MONTHS[month - 1]
        said = numbers.ordinal(day) if re.search(r"\d[a-z]", text, re.I) else numbers.cardinal(day)
        ways += [f"the {said} of {full}", f"{said} of {full}", f"the {said} {full}", f"{full} the {said}"]
    if match["year"] is None:
        return ways, value
    years = numbers.number_ways(int(match["year"]))
    ways = [f"{way} {year}" for way in ways for year in years]
    if name.isdigit():  # figure by figure
        ways.append(" ".join(spelled(text).replace("-", " ").split()))
    return ways, f"{match['year']}-{value}"


_KNOWN: Final = (
    *(_written_fraction, _written_number, _written_money, _written_telephone, _written_decade, _written_time),
    _written_date,
)
