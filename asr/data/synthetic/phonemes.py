"""How a text is pronounced, by espeak-ng, in the symbols that neural voices were trained on.

espeak-ng runs anew for each text: what its library says of a text depends a little on what it was given before.
"""

import re
import shutil
import unicodedata
from collections.abc import Callable
from itertools import zip_longest
from typing import Final

from asr.data.synthetic.engines import run_engine

BRITISH, AMERICAN = "gmw/en", "gmw/en-US"
"""Names of espeak-ng's voices, each in the file from which it takes the accent."""

_PAUSE = re.compile(r"([,;:.!?]+)(?=\s|$)")

# Kokoro was trained on the symbols of the dictionary misaki, where diphthongs are single capitals and affricates single
# letters. It took from espeak-ng what it did not hold, by these replacements (Apache-2.0), in this order. The tie tells
# the a^ɪ of "high" from an a before an ɪ.
_TIE: Final = "^"
_BOTH: Final = (
    *(("a^ɪ", "I"), ("a^ʊ", "W"), ("e^ɪ", "A"), ("ɔ^ɪ", "Y"), ("ə^l", "ᵊl")),
    *(("d^ʒ", "ʤ"), ("t^ʃ", "ʧ")),
)
_AMERICAN: Final = (
    *(("o^ʊ", "O"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪ^ə", "iə"), ("ɪə", "iə"), ("ɚɹ", "əɹ"), ("ɚ", "əɹ")),
    *(("e", "A"), ("ɐ", "ə"), ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ʲ", ""), ("ː", ""), (_TIE, "")),
)
_BRITISH: Final = (
    *(("ə^ʊ", "Q"), ("e^ə", "ɛː"), ("i^ə", "ɪə"), ("iə", "ɪə"), ("ɚ", "ə")),
    *(("ɐ", "ə"), ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ʲ", ""), (_TIE, "")),
)
_SYLLABIC = re.compile("(\\S)\N{COMBINING VERTICAL LINE BELOW}")


def available() -> bool:
    """Whether espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


def kokoro_symbols(text: str, *, british: bool) -> str:
    """A text in Kokoro's symbols, with ``,;:.!?`` where it has them before a blank or at its end.

    Raises SettingsError where espeak-ng is not installed, AudioError if it fails.
    """

    def spoken(part: str) -> str:
        symbols = _SYLLABIC.sub(r"ᵊ\1", _ipa(part, BRITISH if british else AMERICAN, f"--tie={_TIE}"))
        for found, symbol in (*_BOTH, *(_BRITISH if british else _AMERICAN)):
            symbols = symbols.replace(found, symbol)
        return symbols

    return _by_pauses(text, spoken)


def piper_symbols(text: str, voice: str) -> str:
    """A text in the IPA of an espeak-ng voice, decomposed (NFD), with ``,;:.!?`` as in ``kokoro_symbols``.

    Raises SettingsError where espeak-ng is not installed, AudioError if it fails or has no such voice.
    """
    return _by_pauses(text, lambda part: unicodedata.normalize("NFD", _ipa(part, voice)))


def _by_pauses(text: str, spoken: Callable[[str], str]) -> str:
    """What is said, part by part, with the marks between them as they are: espeak-ng gives none back."""
    parts = _PAUSE.split(text)
    made = [part if place % 2 else (spoken(part) if part.strip() else "") for place, part in enumerate(parts)]
    return " ".join(said + mark for said, mark in zip_longest(made[::2], made[1::2], fillvalue="") if said + mark)


def _ipa(text: str, voice: str, *options: str) -> str:
    return " ".join(run_engine(["espeak-ng", "-q", "--ipa", "-v", voice, *options, "--", text]).decode().split())
