"""One text form for training targets, hypotheses and references.

A recogniser can only be trained and scored fairly when all three agree on what a word is. Here a word is letters
a to z with apostrophes inside it; a text is words with one space between.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final, Self

from asr.errors import SettingsError
from asr.text import numbers

LANGUAGE: Final = "en"
# Raised whenever a model that was trained on the words of before would say other words than are wanted now. What was
# misread and is read right now leaves it: the models of before are as good for that.
VERSION: Final = 1

# Apostrophes as typed by keyboards, phones and word processors; U+00B4 and the like would otherwise fall apart in NFKC.
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("’‘‛ʼʻʹ′`´ꞌ", "'"))
# NFKC would glue these to the word before them as the letters TM and SM; the zero-width space is one between words.
_MARKS: Final = str.maketrans(dict.fromkeys("™℠\u200b", " "))
_HYPHENS: Final = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
# Letters that have no decomposition into a base letter and a diacritic (ß is taken apart by case folding).
_LETTERS: Final = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_SIGNS: Final = str.maketrans({"&": " and ", "%": " percent ", "+": " plus ", "°": " degrees "})
_WORDS: Final = {"mr": "mister", "mrs": "missus", "dr": "doctor"}
_CURRENCIES: Final = {
    "$": ("dollar", "dollars"),
    "£": ("pound", "pounds"),
    "€": ("euro", "euros"),
    "¥": ("yen", "yen"),
    "₹": ("rupee", "rupees"),
}

_CENTS: Final = {"$": ("cent", "cents"), "£": ("penny", "pence"), "€": ("cent", "cents"), "₹": ("paisa", "paise")}
_MAGNITUDES: Final = {
    **dict.fromkeys(("k",), "thousand"),
    **dict.fromkeys(("m", "mn", "mm", "mio"), "million"),
    **dict.fromkeys(("b", "bn", "bln"), "billion"),
    **dict.fromkeys(("t", "tn", "trn"), "trillion"),
}

# Every expression takes time in proportion to the text: it begins at few places and gives nothing back (*+, ++), or
# what it looks at is bounded. A line of a million figures is a line, not an hour.
_SIGN = "[" + re.escape("".join(_CURRENCIES)) + "]"
_NUMBER = r"(?:[0-9]++(?:\.[0-9]++)*+)"
_AMOUNT = rf"(?:{_NUMBER}|\.[0-9]++)"
_WORDS_OF_SIZE = "hundred|thousand|million|billion|trillion|bn|mn|mio|trn"
_MAGNITUDE = rf"(?:( ?(?:{_WORDS_OF_SIZE})|(?:{'|'.join(_MAGNITUDES)}))(?![a-z0-9]))?+"
_BEFORE = r"(?<![0-9])(?<![0-9][.,:/⁄])"
_AFTER = r"(?![.,:/⁄]?[0-9])"
_WIDE = r"[\u00a0\u2007\u2009\u202f]"  # blanks that hold together what they stand between
_BLANKS: Final = re.compile(r"(?<![0-9])(?<![0-9][,. ])[1-9][0-9]{0,2}(?: [0-9]{3})*+(?<= 000)(?![., ]?[0-9])")
_WIDE_BLANKS: Final = re.compile(rf"(?<![0-9])(?<![0-9]{_WIDE})[1-9][0-9]{{0,2}}(?:{_WIDE}[0-9]{{3}})++(?![0-9])")
_THOUSANDS: Final = re.compile(r"(?<![0-9])(?<![0-9][,.])[0-9]{1,3}(?:,[0-9]{3})++(?!,?[0-9])")
_TELEPHONE: Final = re.compile(
    r"(?<![0-9a-z])(?<![0-9][.,:/⁄-])(?:"
    r"\+[0-9]{1,3}(?:[ .-]?\(?[0-9]{2,4}\)?){2,5}"
    r"|(?:1[ .-])?(?:\([0-9]{3}\) ?|[0-9]{3}-)[0-9]{3}[ .-][0-9]{4}"
    r"|(?:1[.])?[0-9]{3}\.[0-9]{3}\.[0-9]{4}"
    r"|[2-9][0-9]{2}-[0-9]{4}(?<!00)"  # 500-1000 is a range
    rf")(?![a-z])(?!-[0-9]){_AFTER}"
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
_POINT: Final = re.compile(r"(?<![0-9a-z.])\.(?=[0-9])")
_PLAIN: Final = re.compile(_NUMBER)
_NOT_A_WORD: Final = re.compile(r"[^a-z']+|(?<![a-z])'+|'+(?![a-z])")


@dataclass(frozen=True)
class Normaliser:
    """Turns any Unicode text into lower-case English words: a to z, apostrophes inside words, single spaces.

    Case and diacritics are folded, hyphens part words, other punctuation is dropped, and so are letters of other
    scripts. Numbers are spelled the British way ("one hundred and five"), each in one way:

    * cardinals, years too (1984 is "one thousand nine hundred and eighty four"), ordinals (1st), decimals (3.5 is
      "three point five"); thousands may stand apart by commas, and by blanks where the last are 000 (10 000);
    * decades (1990s is "nineteen nineties", '60s and 60s are "sixties");
    * times (7:30 is "seven thirty", 7:05 "seven oh five", 7:00 "seven", 12:00:05 "twelve oh oh oh five"; 7:30pm and
      7.30 p.m. are "seven thirty p m");
    * sums of money ($5 is "five dollars", $.50 "fifty cents", $3k "three thousand dollars");
    * fractions (½ is "half", ¾ and 3/4 "three quarters", 2½ and 2 1/2 "two and a half"). 1/2 is the fraction and no
      date; what is no usual fraction in lowest terms is two numbers (24/7 is "twenty four seven");
    * telephone numbers as they are written in groups (555-1234), and whatever begins with a zero or has more than 15
      digits, digit by digit.

    Applying it to its own output changes nothing.

    Raises:
        SettingsError: the language or version is not one that this program knows.
    """

    language: str = LANGUAGE
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.language != LANGUAGE:
            raise SettingsError(
                f"text normaliser: language {self.language!r} is not known; use {LANGUAGE!r}, the only one there is"
            )
        if type(self.version) is not int or self.version != VERSION:
            raise SettingsError(
                f"text normaliser: version {self.version!r} is not known; this program has version {VERSION}; "
                "use the program that made the model, or train the model again"
            )

    def __call__(self, text: str) -> str:
        """The words of ``text``; an empty string where it has none."""
        text = _spell_numbers(_fold(text)).translate(_SIGNS)
        return " ".join(_WORDS.get(word, word) for word in _NOT_A_WORD.sub(" ", text).split())

    def to_dict(self) -> dict[str, object]:
        """The settings as a bundle keeps them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, object]) -> Self:
        """The normaliser that ``to_dict`` described.

        Raises:
            SettingsError: a key is missing or unknown, or a value is not one that this program knows.
        """
        wanted = [field.name for field in fields(cls)]
        if set(settings) != set(wanted):
            raise SettingsError(
                f"text normaliser: found the settings {sorted(map(str, settings))}, wanted exactly {sorted(wanted)}"
            )
        return cls(**settings)  # type: ignore[arg-type]  # the values are checked on construction


def _fold(text: str) -> str:
    """Compatible, undecorated, lower-case characters; digits of every script as 0 to 9."""
    if text.isascii():  # which has nothing to fold but these; most texts are, and lists of commands are long
        return text.translate(_APOSTROPHES).lower()
    text = _WIDE_BLANKS.sub(lambda match: re.sub(r"\s", "", match[0]), text)
    text = text.translate(_APOSTROPHES).translate(_MARKS)
    kept = []
    before = ""
    for char in text:
        # Combining marks go first: to sort a long row of them takes NFKC time that grows with its square.
        if unicodedata.category(char) in ("Mn", "Me") or unicodedata.combining(char):
            continue
        kept.append(_number_sign(char, before) if unicodedata.category(char) == "No" else char)
        before = char
    text = unicodedata.normalize("NFKC", "".join(kept)).casefold()
    text = unicodedata.normalize("NFKD", text)
    folded = []
    for char in text:
        category = unicodedata.category(char)
        if category == "Nd":
            folded.append(str(unicodedata.decimal(char)))
        elif category not in (
            "Mn",
            "Me",
            "Cf",
        ):  # Cf: soft hyphens, joiners and marks of direction, which part no words
            folded.append(char)
    return "".join(folded).translate(_APOSTROPHES).translate(_HYPHENS).translate(_LETTERS)


def _number_sign(char: str, before: str) -> str:
    """² and ½ must not join the digits before them; a fraction may be one with the whole number there."""
    plain = unicodedata.normalize("NFKC", char)
    if "⁄" not in plain:
        return f" {char} "
    return f" {plain}" if before.isnumeric() else plain


def _spell_numbers(text: str) -> str:
    if not any(char.isdigit() for char in text):
        return text
    text = _BLANKS.sub(lambda match: match[0].replace(" ", ""), text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _TELEPHONE.sub(lambda match: _apart(match, _telephone(match[0])), text)
    text = _MINUS.sub(" minus ", text)
    text = _FRACTION.sub(_fraction, text)
    text = _HALF_DAY.sub(lambda match: _apart(match, f"{_time(match[1], match[2] or '00')} {match[3]} m"), text)
    text = _TIME.sub(lambda match: _apart(match, _time(match[1], match[2], match[3])), text)
    text = _MONEY.sub(_money_before, text)
    text = _MONEY_AFTER.sub(lambda match: _apart(match, _money(match[3], match[1], match[2])), text)
    text = _CENT.sub(lambda match: _apart(match, f"{_number(match[1])} {_CENTS['$'][match[1] != '1']}"), text)
    text = _DECADE.sub(_decade, text)
    text = _DEGREE.sub("1 degree ", text)
    text = _ORDINAL.sub(lambda match: _apart(match, numbers.ordinal(int(match[1]))), text)
    text = _POINT.sub(" point ", text)
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
        said += f" {_CURRENCIES[sign][1]}"
    elif sign:
        said += f" {'a' if said == 'half' else 'of a'} {_CURRENCIES[sign][0]}"
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
    one, many = _CURRENCIES[sign]
    whole, _, part = number.partition(".")
    magnitude = (magnitude or "").strip()
    if magnitude or (part and len(part) != 2) or not (part.isdigit() or number == whole):
        said = f"{_number(number)} {_MAGNITUDES.get(magnitude, magnitude)}".strip()
        return f"{said} {one if said == 'one' else many}"
    cents = int(part or 0)
    if cents and not whole.strip("0") and sign in _CENTS:
        return f"{numbers.cardinal(cents)} {_CENTS[sign][cents != 1]}"
    dollars = f"{numbers.figures(whole or '0')} {one if whole == '1' else many}"
    return f"{dollars} {numbers.cardinal(cents)}" if cents else dollars


def _number(number: str) -> str:
    """A whole number, a decimal, or a version number such as 1.2.3."""
    whole, *parts = number.split(".")
    return " point ".join([*([numbers.figures(whole)] if whole else [""]), *map(numbers.digit_by_digit, parts)]).strip()
