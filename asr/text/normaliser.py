"""One text form for training targets, hypotheses and references.

A recogniser can only be trained and scored fairly when all three agree on what a word is. Here a word is letters, a to
z and those of its language, with apostrophes inside it; a text is words with one space between.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Final, Self

from asr.errors import SettingsError
from asr.text.folding import fold
from asr.text.languages import LANGUAGES, find_language

LANGUAGE: Final = "en"
# Raised whenever a model that was trained on the words of before would say other words than are wanted now. What was
# misread and is read right now leaves it: the models of before are as good for that.
VERSION: Final = 1


@dataclass(frozen=True)
class Normaliser:
    """Turns any Unicode text into lower-case words of a language: letters, apostrophes inside words, single spaces.

    Case and diacritics are folded, hyphens part words, other punctuation is dropped, and so are letters of other
    scripts. The letters are a to z; German has ä, ö, ü and ß too, and says in `asr.text.german` how it reads figures.
    English numbers are spelled the British way ("one hundred and five"), each in one way:

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
        if self.language not in LANGUAGES:
            raise SettingsError(
                f"text normaliser: language {self.language!r} is not known; there are {', '.join(LANGUAGES)}"
            )
        if type(self.version) is not int or self.version != VERSION:
            raise SettingsError(
                f"text normaliser: version {self.version!r} is not known; this program has version {VERSION}; "
                "use the program that made the model, or train the model again"
            )

    def __call__(self, text: str) -> str:
        """The words of ``text``; an empty string where it has none."""
        language = find_language(self.language)
        words = _not_a_word(language.LETTERS).sub(" ", language.spelled(fold(text, language.LETTERS))).split()
        return " ".join(language.ABBREVIATIONS.get(word, word) for word in words)

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


@cache
def _not_a_word(letters: str) -> re.Pattern[str]:
    """What parts words that are spelled with a to z and these letters."""
    letter = f"[a-z{letters}]"
    return re.compile(rf"[^a-z{letters}']+|(?<!{letter})'+|'+(?!{letter})")
