"""Texts to learn from must not hold the sentences that the result is measured on."""

from collections import defaultdict
from collections.abc import Iterable

FEWEST_WORDS = 4
"""A shorter sentence is anybody's, as a command is."""


def without_sentences(texts: Iterable[str], held_out: Iterable[str]) -> list[str]:
    """The ``texts`` in which no sentence of ``held_out`` with at least ``FEWEST_WORDS`` words stands.

    All are normalised. The time is in proportion to the length of the texts, unless many sentences begin alike.
    """
    by_start: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for sentence in held_out:
        words = sentence.split()
        if len(words) >= FEWEST_WORDS:
            by_start[tuple(words[:FEWEST_WORDS])].add(sentence)
    return [text for text in texts if not _holds(text, by_start)]


def _holds(text: str, by_start: dict[tuple[str, ...], set[str]]) -> bool:
    words = text.split()
    starts = zip(*(words[place:] for place in range(FEWEST_WORDS)), strict=False)
    return any(f" {sentence} " in f" {text} " for start in starts for sentence in by_start.get(start, ()))
