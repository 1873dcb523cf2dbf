"""How written English is read: figures, money, times and signs as the one form of words that the normaliser gives."""

import re
from typing import Final

from asr.text.english import numbers

_SIGNS: Final = str.maketrans({"&": " and ", "%": " percent ", "+": " plus ", "°": " degrees "})
ABBREVIATIONS: Final = {"mr": "mister", "mrs": "missus", "dr": "doctor"}
_MAGNITUDES: Final = {
    **dict.fromkeys(("k",), "thousand"),
    **dict.fromkeys(("m", "mn", "mm", "mio"), "million"),
    **dict.fromkeys(("b", "bn", "bln"), "billion"),
    **dict.fromkeys(("t", "tn", "trn"), "trillion"),
}

# Every expression takes time in proportion to the text: it begins at few places and gives nothing back (*+, ++), or
# what it looks at is bounded. A line of a million figures is a line, not an hour.
_SIGN = "[" + re.escape("".join(numbers.CURRENCIES)) + "]"
_NUMBER = r"(?:[0-9]++(?:\.[0-9]++)*+)"
_AMOUNT = rf"(?:{_NUMBER}|\.[0-9]++)"
_WORDS_OF_SIZE = "hundred|thousand|million|billion|trillion|bn|mn|mio|trn"
_MAGNITUDE = rf"(?:( ?(?:{_WORDS_OF_SIZE})|(?:{'|'.join(_MAGNITUDES)}))(?![a-z0-9]))?+"
_BEFORE = r"(?<![0-9])(?<![0-9][.,:/⁄])"
_AFTER = r"(?![.,:/⁄]?[0-9])"
_BLANKS: Final = re.compile(r"(?<![0-9])(?<![0-9][,. ])[1-9][0-9]{0,2}(?: [0-9]{3})*+(?<= 000)(?![., ]?[0-9])")
_THOUSANDS: Final = re.compile(r"(?<![0-9])(?<![0-9][,.])[0-9]{1,3}(?:,[0-9]{3})++(?!,?[0-9])")
TELEPHONE: Final = re.compile(
    r"(?<![0-9a-z])(?<![0-9][.,:/⁄-])(?:"
    r"\+[0-9]{1,3}(?:[ .-]?\(?[0-9]{2,4}\)?){2,5}"
    r"|(?:1[ .-])?(?:\([0-9]{3}\) ?|[0-9]{3}-)[0-9]{3}[ .-][0-9]{4}"
    r"|(?:1[.])?[0-9]{3}\.[0-9]{3}\.[0-9]{4}"
    r"|[2-9][0-9]{2}-[0-9]{4}(?<!00)"  # 500-1000 is a range
    rf")(?![a-z])(?! ?[%°])(?!-[0-9]){_AFTER}"
)
_MONTHS: Final = {month[:3]: month for month in numbers.MONTHS} | {"sept": "september"}
_SHORT_MONTH = rf"({'|'.join(_MONTHS)})(?:\.|(?![a-z']))"
_MONTH: Final = re.compile(  # beside a day only: Jan, mar and sep are words too
    rf"(?:(?<=[0-9] )|(?<=[0-9] of )|(?<=[0-9](?:st|nd|rd|th) )|(?<=[0-9](?:st|nd|rd|th) of )){_SHORT_MONTH}"
    rf"|(?<![a-z']){_SHORT_MONTH}(?= [0-3]?[0-9](?![0-9]))"
)
_MINUS: Final = re.compile(rf"(?<![^\s(])-(?={_SIGN}?\.?[0-9])")
_FRACTION: Final = re.compile(
    rf"{_BEFORE}(?<![0-9a-z]\.)(?:({_SIGN}) ?)?"
    rf"(?:([0-9]{{1,15}})(?: {{1,2}}|-))?(?<![.,:/⁄])([0-9]{{1,4}})([/⁄])([0-9]{{1,4}}){_AFTER}"
)
_HALF_DAY: Final = re.compile(
    r"(?<![0-9.,:/])(0?[1-9]|1[0-9]|2[0-3])(?:[:.]([0-5][0-9]))? ?([ap])(?:\.? ?m\.?)(?![a-z0-9'])"
)
_TIME: Final = re.compile(r"(?<![0-9:.])([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?(?![0-9:])")
_MONEY: Final = re.compile(rf"({_SIGN}) ?(-?)({_AMOUNT}){_MAGNITUDE}")
_MONEY_AFTER: Final = re.compile(rf"(?<![0-9.])({_AMOUNT})(?: ?({_WORDS_OF_SIZE}|{'|'.join(_MAGNITUDES)}))? ?({_SIGN})")
_CENT: Final = re.compile(rf"(?<![0-9.])({_AMOUNT}) ?¢")
_DECADE: Final = re.compile(r"(?<![0-9a-z.,:/-])(?:'?([2-9])|'1|(1[0-9]|20)([0-9]))0'?s(?![a-z'])")
_DEGREE: Final = re.compile(r"(?<![0-9.,])1 ?°")
_ORDINAL: Final = re.compile(r"(?<![0-9.])([0-9]{1,15})(?:st|nd|rd|th)(?![a-z])")
_POINT: Final = re.compile(r"(?<![0-9a-z.])(?:\.[0-9]++)++")
_PLAIN: Final = re.compile(_NUMBER)


def spelled(text: str) -> str:
    """A folded text with its figures and signs in words."""
    return _spell_numbers(text).translate(_SIGNS)


def _spell_numbers(text: str) -> str:
    if not any(char.isdigit() for char in text):
        return text
    text = TELEPHONE.sub(lambda match: _apart(match, _telephone(match[0])), text)
    text = _BLANKS.sub(lambda match: match[0].replace(" ", ""), text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _MONTH.sub(lambda match: _MONTHS[match[1] or match[2]], text)
    text = _MINUS.sub(" minus ", text)
    text = _FRACTION.sub(_fraction, text)
    text = _HALF_DAY.sub(lambda match: _apart(match, f"{_time(match[1], match[2] or '00')} {match[3]} m"), text)
    text = _TIME.sub(lambda match: _apart(match, _time(match[1], match[2], match[3])), text)
    text = _MONEY.sub(_money_before, text)
    text = _MONEY_AFTER.sub(lambda match: _apart(match, _money(match[3], match[1], match[2])), text)
    text = _CENT.sub(lambda match: _apart(match, f"{_number(match[1])} {numbers.CENTS['$'][match[1] != '1']}"), text)
    text = _DECADE.sub(_decade, text)
    text = _DEGREE.sub("1 degree ", text)
    text = _ORDINAL.sub(lambda match: _apart(match, numbers.ordinal(int(match[1]))), text)
    text = _POINT.sub(lambda match: _apart(match, _number(match[0])), text)
    return _PLAIN.sub(lambda match: _apart(match, _number(match[0])), text)


def _apart(match: re.Match[str], words: str) -> str:
    """The words with a space on each side, but not before an apostrophe: 90's is "ninety's"."""
    return f" {words}" if match.string[match.end() : match.end() + 1] == "'" else f" {words} "


def _telephone(written: str) -> str:
    plus = "plus " if written[0] == "+" else ""
    return plus + numbers.digit_by_digit("".join(filter(str.isdigit, written)))


def _fraction(match: re.Match[str]) -> str:
    sign, whole, over, slash, under = match[1], match[2], int(match[3]), match[4], int(match[5])
    # A slash parts dates and other pairs too; U+2044, in ½ and its like, stands in fractions only.
    if not (numbers.is_fraction(over, under) if slash == "/" else 2 <= under <= numbers.MOST_PARTS):
        return match[0].replace(slash, " ")
    if whole and whole[0] == "0" and len(whole) > 1:
        return f"{sign or ''}{whole} {_apart(match, numbers.fraction(None, over, under))}"
    said = numbers.fraction(int(whole) if whole else None, over, under)
    if sign and whole:
        said += f" {numbers.CURRENCIES[sign][1]}"
    elif sign:
        said += f" {'a' if said == 'half' else 'of a'} {numbers.CURRENCIES[sign][0]}"
    return _apart(match, said)


def _decade(match: re.Match[str]) -> str:
    century = int(match[2]) if match[2] else None
    return _apart(match, numbers.decade(century, int(match[1] or match[3] or 1)))


def _time(hour: str, minute: str, second: str | None = None) -> str:
    """24:00 is as good as 23:59; of later minutes nobody speaks, and they are read as they stand."""
    words = [numbers.cardinal(int(hour))]
    for each in (minute, second):
        if each is not None and (each != "00" or second is not None):
            words.append("oh oh" if each == "00" else numbers.minutes(int(each)))
    return " ".join(words)


def _money_before(match: re.Match[str]) -> str:
    return _apart(match, ("minus " if match[2] else "") + _money(match[1], match[3], match[4]))


def _money(sign: str, number: str, magnitude: str | None) -> str:
    one, many = numbers.CURRENCIES[sign]
    whole, _, part = number.partition(".")
    magnitude = (magnitude or "").strip()
    if magnitude or (part and len(part) != 2) or not (part.isdigit() or number == whole):
        said = f"{_number(number)} {_MAGNITUDES.get(magnitude, magnitude)}".strip()
        return f"{said} {one if said == 'one' else many}"
    cents = int(part or 0)
    if cents and not whole.strip("0") and sign in numbers.CENTS:
        return f"{numbers.cardinal(cents)} {numbers.CENTS[sign][cents != 1]}"
    dollars = f"{numbers.figures(whole or '0')} {one if whole == '1' else many}"
    return f"{dollars} {numbers.cardinal(cents)}" if cents else dollars


def _number(number: str) -> str:
    """A whole number, a decimal, or a version number such as 1.2.3."""
    whole, *parts = number.split(".")
    return " point ".join([*([numbers.figures(whole)] if whole else [""]), *map(numbers.digit_by_digit, parts)]).strip()
