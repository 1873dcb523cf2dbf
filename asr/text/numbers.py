"""Numbers in words, of any language: the one place that asks num2words."""

from functools import lru_cache
from typing import Final, Literal

LONGEST_NUMBER: Final = 15
"""Digits of a number; longer ones are those of cards and telephones, which are read digit by digit."""


@lru_cache(maxsize=8192)
def in_words(number: int, language: str, kind: Literal["cardinal", "ordinal", "year"] = "cardinal") -> str:
    """A number of 0 to ``LONGEST_NUMBER`` digits in lower-case words, without hyphens and commas.

    ``language`` is the code by which num2words knows it: 21 is "twenty one" in en and "einundzwanzig" in de.
    """
    from num2words import num2words  # here, because most texts hold no number and a program starts faster without

    return str(num2words(number, lang=language, to=kind)).lower().replace("-", " ").replace(",", "")
