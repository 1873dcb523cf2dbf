"""German, as `asr.text.language.Language` wants it.

Words are spelled with ä, ö, ü and ß, which stay what they are, however they are typed; letters of other languages lose
their marks (café is "cafe"). What is written in figures is read in one way, and a grammar knows the others:

* numbers as one word, as the Duden spells them: 105 is "einhundertfünf", 1.000 "eintausend", 1984
  "eintausendneunhundertvierundachtzig" ("neunzehnhundertvierundachtzig" may be said); 3,5 is "drei komma fünf";
* times of 24 hours: 7:30, 7.30 Uhr and 7 Uhr 30 are "sieben uhr dreißig" ("halb acht" may be said);
* days: 3. Mai and 3.5. are "dritter mai" and "dritter fünfter", am 3. Mai is "am dritten mai";
* other ordinals before a word: 3. Stock is "dritte stock", im 3. Stock "im dritten stock";
* money (5,50 € is "fünf euro fünfzig"), percent, degrees, decades, fractions (½ is "ein halb", 2½ "zweieinhalb");
* telephone numbers in groups, and whatever begins with a zero or has more than 15 digits, digit by digit.

Each form is a pattern and what is said for it: the normaliser reads the first way, the grammar knows all.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Final

from asr.text.folding import fold
from asr.text.language import DAYS, MINUTES_A_DAY, Written, clock_value, plain_value
from asr.text.numbers import LONGEST_NUMBER, in_words

NAME: Final = "German"
LETTERS: Final = "äöüß"
ABBREVIATIONS: Final = {"dr": "doktor", "nr": "nummer", "bzw": "beziehungsweise", "usw": "und so weiter"}

DIGITS: Final = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
MONTHS: Final = (
    *("januar", "februar", "märz", "april", "mai", "juni"),
    *("juli", "august", "september", "oktober", "november", "dezember"),
)
_SHORT_MONTHS: Final = {month[:3]: month for month in MONTHS} | {"mrz": "märz", "sept": "september", "jänner": "januar"}
_WEEKDAYS: Final = {
    "monday": ("montag",),
    "tuesday": ("dienstag",),
    "wednesday": ("mittwoch",),
    "thursday": ("donnerstag",),
    "friday": ("freitag",),
    "saturday": ("samstag", "sonnabend"),
    "sunday": ("sonntag",),
}
_RELATIVE_DAYS: Final = {
    "today": ("heute",),
    "tonight": ("heute abend", "heute nacht"),
    "tomorrow": ("morgen",),
    "yesterday": ("gestern",),
    "day after tomorrow": ("übermorgen",),
    "day before yesterday": ("vorgestern",),
}
_SIGNS: Final = str.maketrans({"&": " und ", "%": " prozent ", "+": " plus ", "°": " grad "})
_UNITS: Final = {"": "", "%": " prozent", "°": " grad", "°c": " grad celsius"}
_CURRENCIES: Final = {"€": ("euro", "cent"), "$": ("dollar", "cent"), "£": ("pfund", "pence"), "¥": ("yen", "sen")}
_USUAL_PARTS: Final = frozenset({*range(2, 11), 12, 16, 20, 32, 64, 100, 1000})
_HALF: Final = ("ein halb", "einhalb", "ein halbes", "eine halbe", "einen halben")
_NOON: Final = MINUTES_A_DAY // 2


def number_ways(number: int | Decimal) -> tuple[str, ...]:
    """All ways to say a number, the normaliser's first; "ein" and "eine" too, for what stands before a noun."""
    if number < 0:
        return tuple(f"minus {way}" for way in number_ways(-number))
    whole = int(number)
    digits = format(number, "f").partition(".")[2] if isinstance(number, Decimal) else ""
    if not digits:
        return _whole_ways(whole)
    ways = [f"{way} komma {said}" for said in _digit_ways(digits) for way in _whole_ways(whole)]
    part = Fraction(number) - whole
    if not part:
        ways += _whole_ways(whole)
    elif part.denominator in (2, 4):
        ways += _mixed_ways(whole, part)
    return _distinct(ways)


@cache
def _whole_ways(number: int) -> tuple[str, ...]:
    if number >= 10**LONGEST_NUMBER:
        return _digit_ways(str(number))
    ways = [_cardinal(number)]
    if 1100 <= number < 2000:
        ways.append(in_words(number, "de", "year"))
    ways += [way.removeprefix("ein") for way in ways if re.match("ein(?:hundert|tausend)", way)]
    return _distinct([*ways, *{1: ("ein", "eine", "einen"), 2: ("zwo",)}.get(number, ())])


def _cardinal(number: int) -> str:
    return DIGITS[number] if number < 10 else in_words(number, "de")


def _before_noun(number: int) -> str:
    """1 is "ein": ein euro, ein uhr."""
    return "ein" if number == 1 else _cardinal(number)


def _digit_ways(digits: str) -> tuple[str, ...]:
    said = " ".join(DIGITS[int(digit)] for digit in digits)
    return _distinct([said, re.sub(r"\bzwei\b", "zwo", said)])


def _figure_ways(digits: str) -> tuple[str, ...]:
    """As a number and, from three figures on, digit by digit; this alone where they begin with a zero."""
    if len(digits) > LONGEST_NUMBER or (len(digits) > 1 and digits[0] == "0"):
        return _digit_ways(digits)
    return _distinct([*_whole_ways(int(digits)), *(_digit_ways(digits) if len(digits) > 2 else ())])


def _ordinal(number: int) -> str:
    return in_words(number, "de", "ordinal")


def _fraction_ways(part: Fraction) -> tuple[str, ...]:
    """3/4 is "drei viertel" and "dreiviertel"."""
    over, under = part.numerator, part.denominator
    if (over, under) == (1, 2):
        return _HALF
    name = "halbe" if under == 2 else f"{_ordinal(under)}l"
    return tuple(f"{_before_noun(over)}{between}{name}" for between in (" ", ""))


def _mixed_ways(whole: int, part: Fraction) -> tuple[str, ...]:
    """2½ is "zweieinhalb", 2¾ "zwei drei viertel"; 1½ "anderthalb" too."""
    if not whole:
        return _fraction_ways(part)
    if part == Fraction(1, 2):
        return (f"{_before_noun(whole)}einhalb", *(("anderthalb",) if whole == 1 else ()))
    apart, together = _fraction_ways(part)
    return (f"{_cardinal(whole)} {apart}", f"{_cardinal(whole)} {together}", f"{_before_noun(whole)}{together}")


def time_ways(minute: int, *, bare: bool) -> tuple[str, ...]:
    """All ways to say a minute of the day: "neunzehn uhr dreißig", "halb acht abends", and bare "halb acht"."""
    hour, past = divmod(minute, 60)
    either = _either_half_ways(minute)
    ways = [*(either if bare else ()), *(f"{way} {part}" for way in either for part in _parts_of_day(hour))]
    if not 1 <= hour <= 12:
        ways += [_clock(hour, past), *([f"{_cardinal(hour)} {_cardinal(past)}"] if past >= 10 and hour else [])]
    ways += {0: ["mitternacht"], _NOON: ["mittag"]}.get(minute, [])
    return _distinct(ways)


def _clock(hour: int, past: int) -> str:
    """As it is read: "sieben uhr dreißig"."""
    return f"{_before_noun(hour)} uhr {_cardinal(past)}" if past else f"{_before_noun(hour)} uhr"


def _either_half_ways(minute: int) -> list[str]:
    """What both halves of the day have."""
    hour, past = divmod(minute, 60)
    here, after = ((at - 1) % 12 + 1 for at in (hour, hour + 1))
    this, following = _cardinal(here), _cardinal(after)
    ways = [_clock(here, past)]
    if not past:
        return [*ways, this]
    if past >= 10:
        ways.append(f"{this} {_cardinal(past)}")
    if past == 30:
        return [*ways, f"halb {following}"]
    ways += _around(past, "nach", this) if past < 30 else _around(60 - past, "vor", following)
    if 20 <= past <= 40:
        ways += _around(abs(past - 30), "vor" if past < 30 else "nach", f"halb {following}")
    return [*ways, *{15: [f"viertel {following}"], 45: [f"dreiviertel {following}"]}.get(past, ())]


def _around(count: int, link: str, name: str) -> list[str]:
    """Minutes before or after an hour, the number alone where it is usual."""
    minutes = "eine minute" if count == 1 else f"{_cardinal(count)} minuten"
    short = "viertel" if count == 15 else _cardinal(count)
    return [*([f"{short} {link} {name}"] if count % 5 == 0 else []), f"{minutes} {link} {name}"]


def _parts_of_day(hour: int) -> list[str]:
    parts = [
        *((0, 4, "nachts"), (1, 9, "morgens"), (4, 9, "früh"), (5, 9, "am morgen"), (6, 11, "vormittags")),
        *((6, 11, "am vormittag"), (12, 13, "mittags"), (13, 17, "nachmittags"), (13, 17, "am nachmittag")),
        *((17, 23, "abends"), (17, 23, "am abend"), (22, 23, "nachts")),
    ]
    return [part for first, last, part in parts if first <= hour <= last]


def date_ways() -> Iterator[tuple[str, str]]:
    """Every way to say a day, with its value; see `Language`."""
    for value, names in _WEEKDAYS.items():
        for name in names:
            yield from ((f"{before}{name}", value) for before in ("", "am ", "diesen "))
            nexts = ("nächsten ", "nächster ", "am nächsten ", "kommenden ", "am kommenden ")
            yield from ((f"{before}{name}", f"next {value}") for before in nexts)
    for value, texts in _RELATIVE_DAYS.items():
        yield from ((text, value) for text in texts)
    for month, days in enumerate(DAYS, start=1):
        for day in range(1, days + 1):
            yield from ((way, f"{month:02}-{day:02}") for way in _day_ways(month, day))


def _day_ways(month: int, day: int) -> list[str]:
    names = [MONTHS[month - 1], *(["jänner"] if month == 1 else [])]
    return [way for before in (None, "der", "den", "am") for way in _one_day_ways(before, day, month, names)]


def _one_day_ways(before: str | None, day: int, month: int, names: Iterable[str]) -> list[str]:
    """A day with what stands before it: "am dritten mai", "am dritten fünften"."""
    ending = {None: "r", "der": ""}.get(before, "n")
    first = f"{before} " if before else ""
    ways = [f"{first}{_ordinal(day)}{ending} {name}" for name in [*names, f"{_ordinal(month)}{ending}"]]
    return [*ways, *(_one_day_ways("", day, month, names) if before is None else [])]  # "dritten mai"


# What is written, in folded text. Every expression takes time in proportion to the text: what it looks at is bounded,
# or gives nothing back (++).

_BEGIN: Final = r"(?<![0-9a-zäöüß])(?<![0-9][.,:/⁄])"
_END: Final = r"(?![0-9a-zäöüß])(?![.,:/⁄][0-9])"
_WHOLE: Final = r"(?P<whole>[1-9][0-9]{0,2}(?:\.[0-9]{3})++|[0-9]++)"
_SIGN: Final = r"(?P<sign>(?<![^\s(])[-+])?+"
_CURRENCY: Final = "[" + re.escape("".join(_CURRENCIES)) + "]"
_PREPOSITION: Final = r"(?:(?<![a-zäöüß])(?P<before>am|der|den|dem|vom|zum|bis|ab) )?+"
_DAY: Final = rf"{_PREPOSITION}{_BEGIN}(?P<day>[0-3]?[0-9])\."
_MONTH: Final = rf"(?P<month>{'|'.join(sorted([*MONTHS, *_SHORT_MONTHS], key=len, reverse=True))})(?![a-zäöüß])\.?"


def _telephone(match: re.Match[str]) -> Written:
    plus = "plus " if match[0][0] == "+" else ""
    return [plus + way for way in _digit_ways("".join(filter(str.isdigit, match[0])))], match[0]


def _date(match: re.Match[str]) -> Written | None:
    said, day = match.groupdict(), int(match["day"])
    name = match["month"]
    month = int(name) if name.isdigit() else 1 + MONTHS.index(_SHORT_MONTHS.get(name, name))
    if not (1 <= month <= 12 and 1 <= day <= DAYS[month - 1]):
        return None
    before, year = said.get("before"), said["year"]
    ways = _one_day_ways(before, day, month, [MONTHS[month - 1]]) if before else _day_ways(month, day)
    if name.isdigit():  # as it is read: "3.5." is "dritter fünfter"
        ways.insert(0, next(way for way in ways if not way.endswith(MONTHS[month - 1])))
    value = f"{month:02}-{day:02}"
    if year is None:
        return ways, value
    return [f"{way} {said}" for way in ways for said in _whole_ways(int(year))], f"{int(year):04}-{value}"


def _time(match: re.Match[str]) -> Written | None:
    hour, past = int(match["hour"]), int(match["colon"] or match["dot"] or match["after"] or 0)
    minute = 60 * hour + past
    if minute > MINUTES_A_DAY:
        return None
    ways = time_ways(minute % MINUTES_A_DAY, bare=60 <= minute < _NOON + 60)
    return [_clock(hour, past), *ways], clock_value(minute % MINUTES_A_DAY)


def _money(match: re.Match[str]) -> Written:
    said = match.groupdict()
    one, coin = _CURRENCIES[said.get("sign") or said["after"]]
    whole, part = _figures(match["whole"]), match["part"] or ""
    if len(whole) > LONGEST_NUMBER or (part and len(part) != 2):
        return [f"{' komma '.join([_figure_ways(whole)[0], *([_digit_ways(part)[0]] if part else [])])} {one}"], match[
            0
        ]
    coins = [f"{_before_noun(int(part))} {coin}"] if int(part or 0) else []
    if coins and not int(whole):
        return coins, match[0]
    wholes = ["ein"] if int(whole) == 1 else _whole_ways(int(whole))
    if not coins:
        return [f"{way} {one}" for way in wholes], match[0]
    rests = (_cardinal(int(part)), coins[0], f"und {coins[0]}")
    return [f"{way} {one} {rest}" for rest in rests for way in wholes], match[0]


def _read_decimal(whole: str, part: str | None) -> str:
    return _figure_ways(whole)[0] + (f" komma {_digit_ways(part)[0]}" if part else "")


def _fraction(match: re.Match[str]) -> Written | None:
    over, under, whole = int(match["over"]), int(match["under"]), int(match["whole"] or 0)
    usual = over < under and under in _USUAL_PARTS and Fraction(over, under).denominator == under
    if not (over and 2 <= under <= 1000) or (match["slash"] == "/" and not usual):
        return None
    value = whole + Fraction(over, under)
    part = Fraction(over, under)
    ways = _mixed_ways(whole, part) if part < 1 else _fraction_ways(part) if not match["whole"] else None
    return None if ways is None or part.denominator != under else (ways, float(value))


def _number(match: re.Match[str]) -> Written:
    whole, part, unit = _figures(match["whole"]), match["part"], _UNITS[(match["unit"] or "").strip()]
    sign = {"-": "minus ", "+": "plus ", None: ""}[match["sign"]]
    if part is None and not unit and not sign and whole == match["whole"]:
        ways = _figure_ways(whole)
    elif len(whole) > LONGEST_NUMBER or (len(whole) > 1 and whole[0] == "0") or len(part or "") > LONGEST_NUMBER:
        ways = (_read_decimal(whole, part),)
    else:
        ways = number_ways(Decimal(f"{whole}.{part}") if part else int(whole))
    if unit and whole == "1" and not part:
        ways = ("ein",)
    exact = len(whole) <= LONGEST_NUMBER and (len(whole) == 1 or whole[0] != "0")
    number = Decimal(f"{'-' if match['sign'] == '-' else ''}{whole}.{part or 0}")
    return [f"{sign}{way}{unit}" for way in ways], plain_value(number) if exact else match[0]


def _ordinal_noun(match: re.Match[str]) -> Written:
    said = _ordinal(int(match["number"]))
    endings = {None: ("", "r", "s", "n"), "der": ("", "n"), "die": ("", "n"), "das": ("",)}.get(match["before"], ("n",))
    before = f"{match['before']} " if match["before"] else ""
    return [f"{before}{said}{ending} {match['noun']}" for ending in endings], match[0]


def _decade(match: re.Match[str]) -> Written:
    return [f"{in_words(int(match['number']), 'de', 'year')}er"], match[0]


def _points(match: re.Match[str]) -> Written:
    return [" punkt ".join(_figure_ways(digits)[0] for digits in match[0].split("."))], match[0]


def _figures(number: str) -> str:
    return number.replace(".", "")


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Written | None]], ...]] = tuple(
    (re.compile(pattern), say)
    for pattern, say in (
        (
            rf"{_BEGIN}(?:\+[0-9]{{1,3}}(?:[ /-][0-9]{{2,9}}){{2,4}}"
            rf"|0[0-9]{{2,4}}[ /-][0-9]{{3,9}}(?:[ -][0-9]{{2,9}}){{0,3}}){_END}",
            _telephone,
        ),
        (rf"{_BEGIN}(?P<year>[0-9]{{4}})-(?P<month>[01][0-9])-(?P<day>[0-3][0-9]){_END}", _date),
        (rf"{_DAY} ?{_MONTH}(?: (?P<year>[12][0-9]{{3}}){_END})?", _date),
        (rf"{_DAY} ?(?P<month>[01]?[0-9])\.(?: ?(?P<year>[12][0-9]{{3}}){_END}|(?! ?[0-9]))", _date),
        (
            rf"{_BEGIN}(?P<hour>[01]?[0-9]|2[0-4])(?::(?P<colon>[0-5][0-9])(?: ?uhr)?|\.(?P<dot>[0-5][0-9]) ?uhr"
            rf"| ?uhr(?: (?P<after>[0-5]?[0-9]))?){_END}",
            _time,
        ),
        (rf"(?P<sign>{_CURRENCY}) ?{_WHOLE}(?:,(?P<part>[0-9]++))?{_END}", _money),
        (rf"{_BEGIN}{_WHOLE}(?:,(?P<part>[0-9]++))? ?(?P<after>{_CURRENCY})", _money),
        (
            rf"{_BEGIN}(?:(?P<whole>[0-9]{{1,15}}) )?"
            rf"(?P<over>[0-9]{{1,4}})(?P<slash>[/⁄])(?P<under>[0-9]{{1,4}}){_END}",
            _fraction,
        ),
        (rf"{_BEGIN}(?P<number>[0-9]{{1,4}})er(?![a-zäöüß0-9])", _decade),
        (
            r"(?:(?<![a-zäöüß])(?P<before>der|die|das|am|im|den|dem|des|vom|zum|zur|beim) )?+"
            rf"{_BEGIN}(?P<number>[0-9]{{1,15}})\. (?P<noun>[a-zäöüß]+)",
            _ordinal_noun,
        ),
        (rf"{_SIGN}{_BEGIN}{_WHOLE}(?:,(?P<part>[0-9]++))?(?P<unit> ?(?:%|°c(?![a-zäöüß])|°))?+{_END}", _number),
        (r"(?<![0-9.])[0-9]++(?:\.[0-9]++)*+", _points),
        (r"[0-9]++", _points),
    )
)


def spelled(text: str) -> str:
    """A folded text with its figures and signs in words."""
    if any(char.isdigit() for char in text):
        for pattern, say in _FORMS:
            text = pattern.sub(lambda match, say=say: _read(match, say), text)  # type: ignore[misc]
    return text.translate(_SIGNS)


def _read(match: re.Match[str], say: Callable[[re.Match[str]], Written | None]) -> str:
    found = say(match)
    return f" {found[0][0]} " if found else match[0]


def written_ways(text: str) -> Written | None:
    """All ways to say a text, and its value; see `Language`."""
    folded = " ".join(fold(text, LETTERS).split())
    for pattern, say in _FORMS:
        if (match := pattern.fullmatch(folded)) and (found := say(match)):
            ways, value = found
            return _distinct(ways), text if value == folded else value
    return None


def _distinct(ways: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ways))
