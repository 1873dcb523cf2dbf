"""Which of many texts sound alike."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from asr.commands.inspection.outlines import Outline
from asr.commands.inspection.sounds import Sounds, coarse, sound_distances

ALIKE_BELOW: Final = 0.2
"""Of the sounds by which two texts differ: "light" and "night" are at 0.17, "fifteen" and "fifty" at 0.13, "stop" and
"start" at 0.25, "on" and "off" at 0.5."""

_BARELY: Final = 0.5  # however short the texts: a weak sound more or less
_PLACE_SOUNDS: Final = 3  # what a list's value counts for where its place is compared with words
_MOST_PAIRS: Final = 100_000  # about a second
_MOST_TEXTS: Final = 20_000
_EDGE: Final = 1e-9


@dataclass(frozen=True)
class Phrase:
    """A text and what it means; texts that mean the same may sound as they like."""

    meaning: Hashable
    text: Outline
    place: str = ""


@dataclass(frozen=True)
class Alike:
    """Two texts of different meaning; ``difference`` is 0 where they sound the same."""

    first: Phrase
    second: Phrase
    difference: float


@dataclass(frozen=True)
class Comparison:
    """Pairs that sound alike, the nearest first, one for any two meanings; ``complete`` where all were compared."""

    pairs: tuple[Alike, ...]
    complete: bool


def find_alike(texts: Sequence[Phrase], sounds: Callable[[str], Sounds]) -> Comparison:
    """The texts that sound alike.

    Words at the beginning and at the end that two texts share do not tell them apart, so what lies between is
    compared: the cost of turning one into the other, by the sounds of the longer one. Of many texts those are compared
    that are next to each other in the order of their sounds, from the front and from the back (the sorted neighbourhood
    of Hernández and Stolfo, 1995).
    """
    compared = texts[:: -(-len(texts) // _MOST_TEXTS) or 1]
    every = len(compared) * (len(compared) - 1) // 2 <= _MOST_PAIRS
    differing: list[tuple[int, int]] = []
    parts: list[tuple[Sounds, Sounds]] = []
    for at, other in _every_pair(len(compared)) if every else _neighbours(compared, sounds):
        first, second = compared[at], compared[other]
        if first.meaning == second.meaning or first.text == second.text:
            continue
        left, right = (_sounds(part, sounds) for part in _apart(first.text, second.text))
        if abs(len(left) - len(right)) * _BARELY <= max(ALIKE_BELOW * max(len(left), len(right)), _BARELY) + _EDGE:
            differing.append((at, other))
            parts.append((left, right))
    nearest: dict[frozenset[Hashable], Alike] = {}
    for (at, other), (left, right), cost in zip(differing, parts, sound_distances(parts), strict=True):
        difference = float(cost) / max(len(left), len(right), 1)
        if difference > ALIKE_BELOW + _EDGE and cost > _BARELY:
            continue
        pair = Alike(compared[at], compared[other], difference)
        key = frozenset((pair.first.meaning, pair.second.meaning))
        if key not in nearest or difference < nearest[key].difference:
            nearest[key] = pair
    pairs = sorted(nearest.values(), key=lambda pair: (pair.difference, pair.first.text, pair.second.text))
    return Comparison(tuple(pairs), every and len(compared) == len(texts))


def _every_pair(count: int) -> Iterator[tuple[int, int]]:
    return ((at, other) for other in range(count) for at in range(other))


def _neighbours(texts: Sequence[Phrase], sounds: Callable[[str], Sounds]) -> Iterator[tuple[int, int]]:
    """Each pair of texts that are near each other in one of two orders, once."""
    window = max(2, _MOST_PAIRS // (2 * len(texts)))
    heard = [coarse(_sounds(said.text, sounds)) for said in texts]
    seen: set[tuple[int, int]] = set()
    for direction in (1, -1):
        keys = [each[::direction] for each in heard]
        order = sorted(range(len(texts)), key=keys.__getitem__)
        for rank, at in enumerate(order):
            for other in order[rank + 1 : rank + 1 + window]:
                pair = min(at, other), max(at, other)
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def _apart(first: Outline, second: Outline) -> tuple[Outline, Outline]:
    """Two texts without the words that both begin and both end with."""
    begin = 0
    while begin < min(len(first), len(second)) and first[begin] == second[begin]:
        begin += 1
    end = 0
    while end < min(len(first), len(second)) - begin and first[-1 - end] == second[-1 - end]:
        end += 1
    return first[begin : len(first) - end], second[begin : len(second) - end]


def _sounds(text: Outline, sounds: Callable[[str], Sounds]) -> Sounds:
    return tuple(
        sound for word in text for sound in ((word,) * _PLACE_SOUNDS if word.startswith("{") else sounds(word))
    )
