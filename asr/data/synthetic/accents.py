"""English as it is said elsewhere: by people of other countries, and of other first languages.

A reader's voice says whatever sounds it is given. So a text's sounds are changed as others change them, which is told
in Wells, Accents of English (1982), for places, and in Swan and Smith, Learner English (2001), for first languages.
Only sounds are taken that a voice of American English was taught: to another it would say anything.
"""

import random
import re
from dataclasses import dataclass
from typing import Final

Rules = tuple[tuple[str, str], ...]
"""Patterns and replacements, one after the other, of IPA with stress marks ahead of the vowels."""

_END: Final = r"(?=[ ,;:.!?]|$)"
_VOWELS: Final = "aɑæɐʌɔoəɚɜɛeɪᵻiʊu"
_BEFORE_VOWEL: Final = f"(?=[ˈˌ]?[{_VOWELS}])"
_NOT_BEFORE_VOWEL: Final = f"(?![ˈˌ]?[{_VOWELS}])"

# What only Americans do, and no learner: taps, a stop in "button".
_NO_TAPS: Final[Rules] = (("ɾ", "t"), ("ʔn̩", "tən"))
_WITHOUT_R: Final[Rules] = (("ɚ", "ə"), (f"ɹ{_NOT_BEFORE_VOWEL}", ""))
_TAPPED_R: Final[Rules] = (("ɚ", "ɛɾ"), ("ɜː", "ɛɾ"), ("ɹ", "ɾ"))
_STOPS_FOR_TH: Final[Rules] = (("θ", "t"), ("ð", "d"))
_SIBILANTS_FOR_TH: Final[Rules] = (("θ", "s"), ("ð", "z"))
_V_FOR_W: Final[Rules] = (("w", "v"),)
_ONE_I_ONE_U: Final[Rules] = (("(?<![aeɔ])ɪ", "i"), ("ᵻ", "i"), ("iː", "i"), ("(?<![ao])ʊ", "u"), ("uː", "u"))
_LONG_VOWELS: Final[Rules] = (("eɪ", "eː"), ("oʊ", "oː"))
_FIVE_VOWELS: Final[Rules] = (
    *_ONE_I_ONE_U,
    *_LONG_VOWELS,
    ("æ", "a"),
    ("ʌ", "a"),
    ("ɐ", "a"),
    ("ɑː", "a"),
    ("ɔː", "o"),
)
_VOICELESS_ENDS: Final[Rules] = tuple(
    (f"{voiced}{_END}", voiceless)
    for voiced, voiceless in (("dʒ", "tʃ"), ("b", "p"), ("d", "t"), ("ɡ", "k"), ("v", "f"), ("z", "s"))
)
_OPEN_O: Final[Rules] = (("ɒ", "ɔ"),)


@dataclass(frozen=True)
class Accent:
    """``rules`` are for what espeak-ng makes of a text by ``voice``, or by the reader's own where that is empty."""

    rules: Rules
    voice: str = ""


ACCENTS: Final[dict[str, Accent]] = {
    # Places. Those of espeak-ng's that are held out are not among them (see ``voices``).
    "england": Accent(_OPEN_O, "en-gb-x-rp"),
    "britain": Accent(_OPEN_O, "en-gb"),
    "scotland": Accent(
        (("ɒ", "ɔ"), ("r", "ɾ"), ("ʉ", "u"), ("ʍ", "hw"), ("ʲ", ""), (":", "ː")),
        "en-gb-scotland",
    ),
    "ireland": Accent((*_STOPS_FOR_TH, ("ʌ", "ʊ"), ("oʊ", "oː"), ("eɪ", "eː"), (r"aɪ", "ɔɪ"))),
    "caribbean": Accent((*_OPEN_O, ("̪", "")), "en-029"),
    "new_york": Accent(_OPEN_O, "en-us-nyc"),
    "australia": Accent(
        (*_OPEN_O, ("aɪ", "ɑɪ"), ("eɪ", "aɪ"), ("iː", "əiː"), ("əʊ", "ʌʊ"), ("aʊ", "æʊ"), ("æ(?!ʊ)", "ɛ")),
        "en-gb-x-rp",
    ),
    "india": Accent(
        (*_NO_TAPS, *_STOPS_FOR_TH, *_LONG_VOWELS, *_V_FOR_W, *_TAPPED_R, ("ɔː", "ɑː"), ("ʌ", "ə"), ("æ", "ɛ"))
    ),
    "west_africa": Accent(
        (
            *_NO_TAPS,
            *_STOPS_FOR_TH,
            ("ɜː", "ɛː"),
            *_WITHOUT_R,
            *_ONE_I_ONE_U,
            *_LONG_VOWELS,
            ("ʌ", "ɔ"),
            (f"ə{_END}", "a"),
        ),
    ),
    # First languages.
    "chinese": Accent(
        (
            *(*_NO_TAPS, *_SIBILANTS_FOR_TH, *_WITHOUT_R, *_VOICELESS_ENDS, *_ONE_I_ONE_U, ("v", "w"), ("æ", "ɛ")),
            *(
                (f"l{_END}", "ʊ"),
                (f"[tdkpɡb]{_END}", ""),
                (f"[iɪ]ŋ{_END}", "in"),
                (f"n{_END}", "ŋ"),
                ("ʒ", "ʃ"),
                ("z", "s"),
            ),
        ),
    ),
    "japanese": Accent(
        (
            *(*_NO_TAPS, *_SIBILANTS_FOR_TH, ("v", "b"), ("ɜː", "aː"), ("ɚ", "aː"), (f"ɹ{_NOT_BEFORE_VOWEL}", "")),
            *(("[lɹ]", "ɾ"), ("æ", "a"), ("ʌ", "a"), ("oʊ", "oː"), ("eɪ", "eː"), ("s(?=[ˈˌ]?[iɪ])", "ʃ")),
            *(("([bfkpvɡ])(?=[bdfhkmnpstvwzɡɾ])", r"\1ʊ"),),
        ),
    ),
    "korean": Accent(
        (
            *_NO_TAPS,
            *_STOPS_FOR_TH,
            *_WITHOUT_R,
            ("v", "b"),
            ("f", "p"),
            ("z", "dʒ"),
            (f"ɹ{_BEFORE_VOWEL}", "ɾ"),
            ("ʌ", "ɔ"),
        ),
    ),
    "spanish": Accent(
        (
            *(*_NO_TAPS, *_STOPS_FOR_TH, *_TAPPED_R, *_FIVE_VOWELS, ("v", "b"), ("z", "s"), ("ʃ", "tʃ"), ("ttʃ", "tʃ")),
            *(("(^| )s(?=[bdfklmnptɡ])", r"\1ɛs"), (f"m{_END}", "n"), ("ə", "ɛ"), ("dʒ", "j")),
        ),
    ),
    "italian": Accent(
        (*_NO_TAPS, *_STOPS_FOR_TH, *_TAPPED_R, *_FIVE_VOWELS, ("h", ""), (f"([bdkptɡ]){_END}", r"\1ə")),
    ),
    "french": Accent(
        (
            *_NO_TAPS,
            *_SIBILANTS_FOR_TH,
            *_ONE_I_ONE_U,
            *_LONG_VOWELS,
            ("h", ""),
            ("dʒ", "ʒ"),
            ("tʃ", "ʃ"),
            ("ʌ", "ɜ"),
            ("[ˈˌ]", ""),
        ),
    ),
    "german": Accent(
        (*_NO_TAPS, *_SIBILANTS_FOR_TH, *_VOICELESS_ENDS, *_V_FOR_W, *_WITHOUT_R, *_LONG_VOWELS, ("æ", "ɛ"))
    ),
    "slavic": Accent(
        (
            *_NO_TAPS,
            *_SIBILANTS_FOR_TH,
            *_VOICELESS_ENDS,
            *_V_FOR_W,
            *_TAPPED_R,
            *_ONE_I_ONE_U,
            ("æ", "ɛ"),
            ("ŋ", "n"),
            ("oʊ", "o"),
        ),
    ),
    "arabic": Accent(
        (*_NO_TAPS, *_SIBILANTS_FOR_TH, *_TAPPED_R, ("p", "b"), ("v", "f"), ("ŋ", "ŋɡ"), *_LONG_VOWELS, ("ʌ", "a"))
    ),
}

STRENGTHS: Final = (0.2, 0.9)
"""Of what a rule could change it changes so much, which is drawn for each utterance: nobody has all of an accent."""


def accented(sounds: str, accent: Accent, generator: random.Random) -> str:
    """The sounds of a text with an accent, more or less of it as ``generator`` draws."""
    strength = generator.uniform(*STRENGTHS)
    for pattern, replacement in accent.rules:
        # What a voice of espeak-ng's writes otherwise than the reader's is always replaced.
        share = 1.0 if accent.voice else strength

        def changed(match: re.Match[str], replacement: str = replacement, share: float = share) -> str:
            return match.expand(replacement) if generator.random() < share else match[0]

        sounds = re.sub(pattern, changed, sounds)
    return sounds
