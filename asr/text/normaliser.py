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

LANGUAGE: Final = "en"
VERSION: Final = 1  # raised whenever the same text would come out differently

# Apostrophes as typed by keyboards, phones and word processors; U+00B4 and the like would otherwise fall apart in NFKC.
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("’‘‛ʼʻʹ′`´ꞌ", "'"))
# NFKC would glue these to the word before them as the letters TM and SM.
_MARKS: Final = str.maketrans(dict.fromkeys("™℠", " "))
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

_SIGN = "[" + re.escape("".join(_CURRENCIES)) + "]"
_NUMBER = r"[0-9]+(?:\.[0-9]+)*"
_THOUSANDS: Final = re.compile(r"(?<![0-9])(?<![0-9][,.])[0-9]{1,3}(?:,[0-9]{3})+(?!,?[0-9])")
_MINUS: Final = re.compile(rf"(?<![^\s(])-(?={_SIGN}?\.?[0-9])")
_TIME: Final = re.compile(r"(?<![0-9:.])([01]?[0-9]|2[0-3]):([0-5][0-9])(?![0-9:])")
_MONEY: Final = re.compile(rf"({_SIGN}) ?({_NUMBER})( (?:hundred|thousand|million|billion|trillion)\b)?")
_MONEY_AFTER: Final = re.compile(rf"({_NUMBER}) ?({_SIGN})")
_ORDINAL: Final = re.compile(r"(?<![0-9.])([0-9]{1,15})(?:st|nd|rd|th)(?![a-z])")
_POINT: Final = re.compile(r"(?<![0-9a-z.])\.(?=[0-9])")
_PLAIN: Final = re.compile(_NUMBER)
_NOT_A_WORD: Final = re.compile(r"[^a-z']+|(?<![a-z])'+|'+(?![a-z])")

_LONGEST_NUMBER: Final = 15  # digits; longer ones are card and telephone numbers, which are read digit by digit


@dataclass(frozen=True)
class Normaliser:
    """Turns any Unicode text into lower-case English words: a to z, apostrophes inside words, single spaces.

    Case and diacritics are folded, hyphens part words, other punctuation is dropped, and so are letters of other
    scripts. Numbers are spelled the British way ("one hundred and five"): cardinals (years too: 1984 is "one thousand
    nine hundred and eighty four"), ordinals (1st), decimals (3.5 is "three point five"), times (7:30 is "seven
    thirty", 7:05 "seven oh five", 7:00 "seven"), sums of money ($5 is "five dollars"). A number that begins with a
    zero or has more than 15 digits is read digit by digit.

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
    text = text.translate(_APOSTROPHES).translate(_MARKS)
    # ² and ½ must not join the digits before them.
    text = "".join(f" {char} " if unicodedata.category(char) == "No" else char for char in text)
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFKD", text)
    folded = []
    for char in text:
        category = unicodedata.category(char)
        if category == "Nd":
            folded.append(str(unicodedata.decimal(char)))
        elif category not in ("Mn", "Me", "Cf"):  # Cf: soft hyphens and invisible marks, which part no words
            folded.append(char)
    return "".join(folded).translate(_APOSTROPHES).translate(_HYPHENS).translate(_LETTERS)


def _spell_numbers(text: str) -> str:
    if not any(char.isdigit() for char in text):
        return text
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _MINUS.sub(" minus ", text)
    text = _TIME.sub(lambda match: _apart(match, _time(match[1], match[2])), text)
    text = _MONEY.sub(lambda match: _apart(match, _money(match[1], match[2], match[3] or "")), text)
    text = _MONEY_AFTER.sub(lambda match: _apart(match, _money(match[2], match[1], "")), text)
    text = _ORDINAL.sub(lambda match: _apart(match, _ordinal(match[1])), text)
    text = _POINT.sub(" point ", text)
    return _PLAIN.sub(lambda match: _apart(match, _number(match[0])), text)


def _apart(match: re.Match[str], words: str) -> str:
    """The words with a space on each side, but not before an apostrophe: 90's is "ninety's"."""
    return f" {words}" if match.string[match.end() : match.end() + 1] == "'" else f" {words} "


def _time(hour: str, minute: str) -> str:
    if minute == "00":
        return _cardinal(str(int(hour)))
    return f"{_cardinal(str(int(hour)))} {'oh ' if minute[0] == '0' else ''}{_cardinal(str(int(minute)))}"


def _money(sign: str, number: str, magnitude: str) -> str:
    one, many = _CURRENCIES[sign]
    whole, _, part = number.partition(".")
    if magnitude or (part and len(part) != 2) or not part.isdigit():
        return f"{_number(number)}{magnitude} {one if number == '1' and not magnitude else many}"
    cents = "" if part == "00" else f" {_cardinal(str(int(part)))}"
    return f"{_cardinal(whole)} {one if whole == '1' else many}{cents}"


def _number(number: str) -> str:
    """A whole number, a decimal, or a version number such as 1.2.3."""
    whole, *parts = number.split(".")
    return " point ".join([_cardinal(whole), *map(_digits, parts)])


def _cardinal(digits: str) -> str:
    from num2words import num2words  # here, because most texts hold no number and a program starts faster without

    if len(digits) > _LONGEST_NUMBER or (len(digits) > 1 and digits[0] == "0"):
        return _digits(digits)
    return str(num2words(int(digits)))


def _ordinal(digits: str) -> str:
    from num2words import num2words

    return str(num2words(int(digits), to="ordinal"))


def _digits(digits: str) -> str:
    return " ".join(map(_cardinal, digits))
