"""Phonemes of words, by espeak-ng: targets for an auxiliary loss in training, never needed to transcribe."""

import re
import shutil
from collections.abc import Sequence

from asr.data.synthetic.engines import INSTALL, run_engine
from asr.errors import AudioError, SettingsError
from asr.text.languages import find_language
from asr.text.normaliser import LANGUAGE

CONSONANTS = "p b t d k ɡ f v θ ð s z ʃ ʒ h tʃ dʒ m n ŋ l ɹ w j"
VOWELS = "i ɪ ɛ æ ʌ ɑː ɔː ʊ uː ə ɚ ɜː eɪ aɪ ɔɪ oʊ aʊ"

PHONEMES = (*CONSONANTS.split(), *VOWELS.split())
"""Every phoneme that ``pronounce`` can give: 41, as in the dictionaries of the field."""

WORDS_PER_CALL = 5000  # some ten seconds

# espeak-ng writes allophones and joined vowels, some of them a few times in thousands of words. They become the
# phonemes above, so that each occurs often enough to be learnt, and flapped and plain t (accents differ) are one.
_SPELLINGS: dict[str, tuple[str, ...]] = {phoneme: (phoneme,) for phoneme in PHONEMES} | {
    "iː": ("i",),
    "u": ("uː",),
    "ɑ": ("ɑː",),
    "a": ("æ",),
    "ɔ": ("ɔː",),
    "oː": ("ɔː",),
    "o": ("oʊ",),
    "e": ("ɛ",),
    "ɐ": ("ə",),
    "ᵻ": ("ɪ",),
    "n̩": ("ə", "n"),
    "ɾ": ("t",),
    "ʔ": ("t",),
    "r": ("ɹ",),
    "x": ("k",),
    "g": ("ɡ",),
}
_SOUND = re.compile("|".join(sorted(map(re.escape, _SPELLINGS), key=len, reverse=True)))

# By itself the word is spoken as the letter's name; in sentences it is nearly always the article.
_IN_SENTENCES = {"a": ("ə",)}


def available() -> bool:
    """Whether espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


def pronounce(words: Sequence[str], language: str = LANGUAGE) -> dict[str, tuple[str, ...]]:
    """The phonemes, out of ``PHONEMES`` and without stress, of normalised words, in American English.

    Sounds that English does not have are left out; of another language they stay, as espeak-ng writes them.

    Raises SettingsError for a word that is not in a-z (and the letters of its language) with apostrophes inside, and
    where espeak-ng is not installed; AudioError if it fails.
    """
    distinct = list(dict.fromkeys(words))
    spoken_in = find_language(language)
    letters = f"a-z{spoken_in.LETTERS}"
    normal = re.compile(f"[{letters}]+(?:'[{letters}]+)*")
    for word in distinct:
        if not normal.fullmatch(word):
            raise SettingsError(
                f"word {word!r}: found other letters than {letters} and apostrophes inside; normalise the text, or "
                f"where {spoken_in.__name__} spells the word so itself, fold it there or add the letters to its LETTERS"
            )
    if not available():
        raise SettingsError(f"espeak-ng, which gives pronunciations, is not installed; install it: {INSTALL}")
    spoken: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(distinct), WORDS_PER_CALL):
        spoken |= _pronounce(distinct[start : start + WORDS_PER_CALL], language)
    if language != LANGUAGE:
        return spoken
    return {word: _IN_SENTENCES.get(word, phonemes) for word, phonemes in spoken.items()}


def _pronounce(words: Sequence[str], language: str) -> dict[str, tuple[str, ...]]:
    voice = "en-us" if language == LANGUAGE else language
    output = run_engine(["espeak-ng", "-v", voice, "-q", "--ipa", "--sep=_"], text="\n".join(words) + "\n")
    lines = output.decode().splitlines()
    if len(lines) != len(words):
        raise AudioError(f"espeak-ng gave {len(lines)} pronunciations for {len(words)} words: wanted one a word")
    phonemes = _phonemes if language == LANGUAGE else _foreign_phonemes
    return {word: phonemes(line) for word, line in zip(words, lines, strict=True)}


def _foreign_phonemes(line: str) -> tuple[str, ...]:
    sounds = re.sub("[ˈˌ]", "", line).split("_")
    return tuple(phoneme for sound in sounds for phoneme in _SPELLINGS.get(sound, (sound,)))


def _phonemes(line: str) -> tuple[str, ...]:
    sounds = re.sub("[ˈˌ]", "", line).split("_")
    return tuple(phoneme for sound in sounds for found in _SOUND.findall(sound) for phoneme in _SPELLINGS[found])
