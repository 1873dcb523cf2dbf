"""How much two pieces of speech sound alike: an edit distance between their sounds, of which some are near each other.

The costs are a plain scale by how sounds are made (voice, place, manner; the openness and place of vowels), in the
order in which people confuse them (Miller and Nicely, 1955), not learnt from data.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Sounds = tuple[str, ...]

_VOICE, _PLACE, _MANNER, _NEAR_MANNER = 0.25, 0.25, 0.5, 0.25
# They come and go in quick speech; after a nasal that is not said the vowel is still nasal.
_WEAK: Final = {"ə": 0.5, "h": 0.5, "m": 0.75, "n": 0.75, "ŋ": 0.75}
_LONGEST: Final = 60  # sounds; what comes after is not compared
_AT_ONCE: Final = 4096  # pairs, for the sake of memory

# The manner, the place and whether there is voice.
_CONSONANTS: Final = {
    "p": ("stop", "lips", False),
    "b": ("stop", "lips", True),
    "t": ("stop", "ridge", False),
    "d": ("stop", "ridge", True),
    "k": ("stop", "back", False),
    "ɡ": ("stop", "back", True),
    "tʃ": ("affricate", "palate", False),
    "dʒ": ("affricate", "palate", True),
    "f": ("fricative", "lips", False),
    "v": ("fricative", "lips", True),
    "θ": ("fricative", "teeth", False),
    "ð": ("fricative", "teeth", True),
    "s": ("fricative", "ridge", False),
    "z": ("fricative", "ridge", True),
    "ʃ": ("fricative", "palate", False),
    "ʒ": ("fricative", "palate", True),
    "h": ("fricative", "throat", False),
    "m": ("nasal", "lips", True),
    "n": ("nasal", "ridge", True),
    "ŋ": ("nasal", "back", True),
    "l": ("liquid", "ridge", True),
    "ɹ": ("liquid", "palate", True),
    "w": ("glide", "lips", True),
    "j": ("glide", "palate", True),
}
_NEAR_MANNERS: Final = ({"fricative", "affricate"}, {"stop", "affricate"}, {"liquid", "glide"})

# Where the tongue is when the vowel begins and when it ends: from close (0) to open (1), from front (0) to back (1).
_VOWELS: Final = {
    "i": ((0.0, 0.0), (0.0, 0.0)),
    "ɪ": ((0.25, 0.15), (0.25, 0.15)),
    "ɛ": ((0.6, 0.1), (0.6, 0.1)),
    "æ": ((0.9, 0.1), (0.9, 0.1)),
    "ʌ": ((0.65, 0.6), (0.65, 0.6)),
    "ɑː": ((1.0, 0.8), (1.0, 0.8)),
    "ɔː": ((0.75, 1.0), (0.75, 1.0)),
    "ʊ": ((0.25, 0.85), (0.25, 0.85)),
    "uː": ((0.0, 1.0), (0.0, 1.0)),
    "ə": ((0.5, 0.5), (0.5, 0.5)),
    "ɚ": ((0.5, 0.55), (0.4, 0.6)),
    "ɜː": ((0.5, 0.5), (0.4, 0.6)),
    "eɪ": ((0.5, 0.1), (0.1, 0.1)),
    "aɪ": ((1.0, 0.4), (0.2, 0.15)),
    "ɔɪ": ((0.75, 1.0), (0.2, 0.15)),
    "oʊ": ((0.5, 0.9), (0.25, 0.85)),
    "aʊ": ((1.0, 0.5), (0.25, 0.85)),
}
_ALMOST_VOWELS: Final = {frozenset(("j", "i")), frozenset(("w", "uː")), frozenset(("ɹ", "ɚ")), frozenset(("ɹ", "ɜː"))}

# What letters mostly stand for, for want of a pronunciation; longer spellings come first.
_SPELLINGS: Final = {
    "igh": "aɪ", "tch": "tʃ", "dge": "dʒ", "ch": "tʃ", "sh": "ʃ", "ph": "f", "th": "θ", "ck": "k", "ng": "ŋ", "kn": "n",
    "wr": "ɹ", "wh": "w", "gh": "", "qu": "k w", "ee": "i", "ea": "i", "oo": "uː", "ou": "aʊ", "ow": "oʊ", "oa": "oʊ",
    "ai": "eɪ", "ay": "eɪ", "oi": "ɔɪ", "oy": "ɔɪ", "au": "ɔː", "aw": "ɔː", "er": "ɚ", "ir": "ɜː", "ur": "ɜː",
    "ce": "s ɛ", "ci": "s ɪ", "cy": "s i", "a": "æ", "b": "b", "c": "k", "d": "d", "e": "ɛ", "f": "f", "g": "ɡ",
    "h": "h", "i": "ɪ", "j": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n", "o": "ɑː", "p": "p", "q": "k", "r": "ɹ",
    "s": "s", "t": "t", "u": "ʌ", "v": "v", "w": "w", "x": "k s", "y": "i", "z": "z", "'": "",
}  # fmt: skip
_LONG: Final = {"a": "ay", "i": "igh", "o": "oa", "u": "oo"}  # before one consonant and an e that ends the word
_SPELLING: Final = re.compile("|".join(sorted(_SPELLINGS, key=len, reverse=True)))


def spelled_sounds(word: str) -> Sounds:
    """What a normalised word may sound like by its letters alone: a rough guess, where no pronunciation is at hand."""
    letters = re.sub(r"([a-z])\1", lambda match: match[0] if match[1] in "eo" else match[1], word)
    letters = re.sub(r"([aiou])([b-df-hj-np-tvwxz])e$", lambda match: f"{_LONG[match[1]]}{match[2]}", letters)
    if letters.startswith("y"):
        return ("j", *_spelled(letters[1:]))
    return _spelled(letters)


def sound_distances(pairs: Sequence[tuple[Sounds, Sounds]]) -> NDArray[np.float64]:
    """The cheapest way to turn one of each pair into the other, (N,).

    A sound that is added or left out costs 1, a weak one 0.5 or 0.75; one put for another costs from 0 (the same)
    by 0.25 (another voice, or another place) to 1. What is no sound of English is only like itself.
    """
    order = sorted(range(len(pairs)), key=lambda at: (len(pairs[at][0]), len(pairs[at][1])))
    result = np.zeros(len(pairs))
    for start in range(0, len(order), _AT_ONCE):
        chosen = order[start : start + _AT_ONCE]
        result[chosen] = _distances([pairs[at] for at in chosen])
    return result


def coarse(sounds: Sounds) -> Sounds:
    """The sounds with those that are near each other made one: for an order in which they come together."""
    return tuple(_coarse(sound) for sound in sounds)


def _coarse(sound: str) -> str:
    if sound in _VOWELS:
        return "vowel"
    manner, place, _ = _CONSONANTS.get(sound, (sound, "", False))
    return f"sonorant {place}" if manner in ("nasal", "liquid", "glide") else f"{place or manner}"


def _distances(pairs: Sequence[tuple[Sounds, Sounds]]) -> NDArray[np.float64]:
    names = [*_costs()[0], *sorted({sound for pair in pairs for side in pair for sound in side} - set(_costs()[0]))]
    number = {name: at for at, name in enumerate(names)}
    change, single = _table(len(names))
    (left, left_lengths), (right, right_lengths) = (_columns([pair[side] for pair in pairs], number) for side in (0, 1))
    # The pairs come last, as what lies side by side in memory is added fastest.
    table = np.zeros((len(left) + 1, len(right) + 1, len(pairs)))
    table[1:, 0] = np.cumsum(single[left], axis=0)
    table[0, 1:] = np.cumsum(single[right], axis=0)
    for row, one in enumerate(left):
        for column, other in enumerate(right):
            changed = table[row, column] + change[one, other]
            added = table[row + 1, column] + single[other]
            gone = table[row, column + 1] + single[one]
            table[row + 1, column + 1] = np.minimum(np.minimum(changed, added), gone)
    found: NDArray[np.float64] = table[left_lengths, right_lengths, np.arange(len(pairs))]
    return found


def _columns(texts: Sequence[Sounds], number: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the sounds (longest, N), and how many each text has (N,)."""
    lengths = np.array([min(len(text), _LONGEST) for text in texts], dtype=np.int64)
    columns = np.zeros((int(lengths.max(initial=0)), len(texts)), dtype=np.int64)
    for at, (text, length) in enumerate(zip(texts, lengths, strict=True)):
        columns[:length, at] = [number[sound] for sound in text[:length]]
    return columns, lengths


def _table(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What it costs to put one sound for another (N, N) and to add one (N,); those that are unknown come last."""
    _, known, weak = _costs()
    change = np.ones((size, size))
    np.fill_diagonal(change, 0)
    change[: len(known), : len(known)] = known
    single = np.ones(size)
    single[: len(weak)] = weak
    return change, single


@cache
def _costs() -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    names = (*_CONSONANTS, *_VOWELS)
    change = np.array([[_cost(one, other) for other in names] for one in names])
    return names, change, np.array([_WEAK.get(name, 1.0) for name in names])


def _cost(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if one in _VOWELS and other in _VOWELS:
        apart = np.linalg.norm(np.array(_VOWELS[one]) - np.array(_VOWELS[other]), axis=1).mean()
        return float(min(0.15 + 0.65 * apart, 0.8))
    if one in _VOWELS or other in _VOWELS:
        return 0.5 if frozenset((one, other)) in _ALMOST_VOWELS else 1.0
    (manner, place, voice), (other_manner, other_place, other_voice) = _CONSONANTS[one], _CONSONANTS[other]
    cost = _VOICE * (voice != other_voice) + _PLACE * (place != other_place)
    if manner != other_manner:
        cost += _NEAR_MANNER if {manner, other_manner} in _NEAR_MANNERS else _MANNER
    return cost


def _spelled(letters: str) -> Sounds:
    return tuple(sound for part in _SPELLING.findall(letters) for sound in _SPELLINGS[part].split())
