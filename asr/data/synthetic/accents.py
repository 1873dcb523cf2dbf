"""English as it is said elsewhere: by people of other countries, and of other first languages.

A reader's voice says whatever sounds it is given. So a text's sounds are changed as others change them, which is told
in Wells, Accents of English (1982), for places, and in Swan and Smith, Learner English (2001), for first languages.
Only sounds are taken that a voice of American English was taught: to another it would say anything.
"""

import random
import re
from dataclasses import dataclass
from functools import partial
from typing import Final

Rules = tuple[tuple[str, str], ...]
"""Patterns and replacements, one after the other, of IPA with stress marks ahead of the vowels."""

_VOWELS: Final = "aɑæɐʌɔoəɚɜɛeɪᵻiʊu"
_BEFORE_VOWEL: Final = f"(?=[ˈˌ]?[{_VOWELS}])"
_NOT_BEFORE_VOWEL: Final = f"(?![ˈˌ]?[{_VOWELS}])"
_END_OF_WORD: Final = "(?=[ ,;:.!?]|$)"


def _rules(written: str) -> Rules:
    """``θ>s d$>t``: s for θ, and t for d at the end of a word. What stands before ``>`` is a regular expression."""
    parted = (each.rpartition(">") for each in written.split())
    return tuple((pattern.replace("$", _END_OF_WORD), replacement) for pattern, _, replacement in parted)


# What only Americans do, and no learner: taps, a stop in "button".
_NO_TAPS: Final = _rules("ɾ>t ʔn̩>tən")
_WITHOUT_R: Final = _rules(f"ɚ>ə ɹ{_NOT_BEFORE_VOWEL}>")
_TAPPED_R: Final = _rules("ɚ>ɛɾ ɜː>ɛɾ ɹ>ɾ")
_STOPS_FOR_TH: Final = _rules("θ>t ð>d")
_SIBILANTS_FOR_TH: Final = _rules("θ>s ð>z")
_ONE_I_ONE_U: Final = _rules("(?<![aeɔ])ɪ>i ᵻ>i iː>i (?<![ao])ʊ>u uː>u")
_LONG_VOWELS: Final = _rules("eɪ>eː oʊ>oː")
_FIVE_VOWELS: Final = (*_ONE_I_ONE_U, *_LONG_VOWELS, *_rules("æ>a ʌ>a ɐ>a ɑː>a ɔː>o"))
_VOICELESS_ENDS: Final = _rules("dʒ$>tʃ b$>p d$>t ɡ$>k v$>f z$>s")


@dataclass(frozen=True)
class Accent:
    """``rules`` are for what espeak-ng makes of a text by ``voice``, or by the reader's own where that is empty."""

    rules: Rules
    voice: str = ""


_LEARNERS: Final[dict[str, Rules]] = {
    "india": (*_STOPS_FOR_TH, *_LONG_VOWELS, *_rules("w>v"), *_TAPPED_R, *_rules("ɔː>ɑː ʌ>ə æ>ɛ")),
    "west_africa": (
        *(*_STOPS_FOR_TH, *_rules("ɜː>ɛː"), *_WITHOUT_R, *_ONE_I_ONE_U, *_LONG_VOWELS, *_rules("ʌ>ɔ ə$>a")),
    ),
    "chinese": (
        *(*_SIBILANTS_FOR_TH, *_WITHOUT_R, *_VOICELESS_ENDS, *_ONE_I_ONE_U),
        *_rules("v>w æ>ɛ l$>ʊ [tdkpɡb]$> [iɪ]ŋ$>in n$>ŋ ʒ>ʃ z>s"),
    ),
    "japanese": (
        *(*_SIBILANTS_FOR_TH, *_rules(f"v>b ɜː>aː ɚ>aː ɹ{_NOT_BEFORE_VOWEL}> [lɹ]>ɾ æ>a ʌ>a"), *_LONG_VOWELS),
        *_rules(r"s(?=[ˈˌ]?[iɪ])>ʃ ([bfkpvɡ])(?=[bdfhkmnpstvwzɡɾ])>\1ʊ"),
    ),
    "korean": (*_STOPS_FOR_TH, *_WITHOUT_R, *_rules(f"v>b f>p z>dʒ ɹ{_BEFORE_VOWEL}>ɾ ʌ>ɔ")),
    "spanish": (
        *(*_STOPS_FOR_TH, *_TAPPED_R, *_FIVE_VOWELS),
        *_rules(r"v>b z>s ʃ>tʃ ttʃ>tʃ \bs(?=[bdfklmnptɡ])>ɛs m$>n ə>ɛ dʒ>j"),
    ),
    "italian": (*_STOPS_FOR_TH, *_TAPPED_R, *_FIVE_VOWELS, *_rules(r"h> ([bdkptɡ])$>\1ə")),
    "french": (*_SIBILANTS_FOR_TH, *_ONE_I_ONE_U, *_LONG_VOWELS, *_rules("h> dʒ>ʒ tʃ>ʃ ʌ>ɜ [ˈˌ]>")),
    "german": (*_SIBILANTS_FOR_TH, *_VOICELESS_ENDS, *_rules("w>v"), *_WITHOUT_R, *_LONG_VOWELS, *_rules("æ>ɛ")),
    "slavic": (
        *(*_SIBILANTS_FOR_TH, *_VOICELESS_ENDS, *_rules("w>v"), *_TAPPED_R, *_ONE_I_ONE_U, *_rules("æ>ɛ ŋ>n oʊ>o")),
    ),
    "arabic": (*_SIBILANTS_FOR_TH, *_TAPPED_R, *_rules("p>b v>f ŋ>ŋɡ"), *_LONG_VOWELS, *_rules("ʌ>a")),
}
"""By first language, or where most who speak English have another."""

ACCENTS: Final[dict[str, Accent]] = {
    # Of espeak-ng's Englishes those that are held out are not among them (see ``voices``).
    "england": Accent(_rules("ɒ>ɔ"), "en-gb-x-rp"),
    "britain": Accent(_rules("ɒ>ɔ"), "en-gb"),
    "scotland": Accent(_rules("ɒ>ɔ r>ɾ ʉ>u ʍ>hw ʲ> :>ː"), "en-gb-scotland"),
    "ireland": Accent((*_STOPS_FOR_TH, *_rules("ʌ>ʊ"), *_LONG_VOWELS, *_rules("aɪ>ɔɪ"))),
    "caribbean": Accent(_rules("ɒ>ɔ ̪>"), "en-029"),
    "new_york": Accent(_rules("ɒ>ɔ"), "en-us-nyc"),
    "australia": Accent(_rules("ɒ>ɔ aɪ>ɑɪ eɪ>aɪ iː>əiː əʊ>ʌʊ aʊ>æʊ æ(?!ʊ)>ɛ"), "en-gb-x-rp"),
    **{name: Accent((*_NO_TAPS, *rules)) for name, rules in _LEARNERS.items()},
}

STRENGTHS: Final = (0.2, 0.9)
"""Of what a rule could change it changes so much, which is drawn for each utterance: nobody has all of an accent."""


def accented(sounds: str, accent: Accent, generator: random.Random) -> str:
    """The sounds of a text with an accent, more or less of it as ``generator`` draws."""
    # What a voice of espeak-ng's writes otherwise than the reader's is always replaced.
    share = 1.0 if accent.voice else generator.uniform(*STRENGTHS)

    def changed(match: re.Match[str], replacement: str) -> str:
        return match.expand(replacement) if generator.random() < share else match[0]

    for pattern, replacement in accent.rules:
        sounds = re.sub(pattern, partial(changed, replacement=replacement), sounds)
    return sounds
