"""Sentences that come close to a grammar's and are not among them, for learning what to reject."""

import difflib
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from asr.errors import SettingsError

if TYPE_CHECKING:
    from asr.commands.network.network import Network

SHARES: Final[Mapping[str, float]] = {
    "alike": 0.25,
    "exchanged": 0.10,
    "dropped": 0.10,
    "added": 0.10,
    "half": 0.15,
    "inside": 0.15,
    "joined": 0.05,
    "shuffled": 0.10,
}
"""How often each way of missing a sentence is tried first.

``alike``: a word is exchanged for one that is spelled, and so mostly sounds, much like it; ``exchanged``: for any
other; ``dropped``: a word is missing; ``added``: there is one too many; ``half``: only the beginning or the end is
said; ``inside``: the command stands in a longer sentence; ``joined``: two commands are said in one breath;
``shuffled``: words of the grammar in random order.
"""

_TRIES = 40
"""How often a sentence is drawn anew that the grammar has or that was there before."""

_ALIKE = 0.5  # of difflib's similarity of the letters
_MOST_ALIKE = 6
_LONGEST_SHUFFLED = 6

Words = list[str]


def near_misses(network: "Network", vocabulary: Sequence[str], count: int, seed: int) -> list[str]:
    """Up to ``count`` different sentences in normal form that miss one of the network's, the same for the same seed.

    Words that are not the grammar's come from ``vocabulary``, in normal form. None of them is a sentence of the
    network; where it takes nearly anything, as with a wildcard, there may be fewer than asked for. Raises SettingsError
    where there is no vocabulary.
    """
    if not vocabulary:
        raise SettingsError("near misses: there are no words to exchange others for; wanted at least 1")
    generator = random.Random(seed)
    ways = _ways(network, vocabulary, generator)
    found: dict[str, None] = {}
    for _ in range(count):
        for _ in range(_TRIES):
            (way,) = generator.choices(list(SHARES), list(SHARES.values()))
            sentence = " ".join(ways[way](network.draw(generator).split()))
            if sentence and sentence not in found and network.parse(sentence) is None:
                found[sentence] = None
                break
        else:
            break  # the others would be as hard to find
    return list(found)


def _ways(
    network: "Network", vocabulary: Sequence[str], generator: random.Random
) -> dict[str, Callable[[Words], Words]]:
    own = sorted(network.words()) or list(vocabulary)
    known = sorted({*own, *vocabulary})

    @cache
    def like(word: str) -> list[str]:
        near = difflib.get_close_matches(word, known, n=_MOST_ALIKE + 1, cutoff=_ALIKE)
        return [other for other in near if other != word] or known

    def some(least: int, most: int) -> Words:
        return generator.choices(vocabulary, k=generator.randint(least, most))

    def exchanged(words: Words, others: Callable[[str], Sequence[str]]) -> Words:
        place = generator.randrange(len(words))
        return [*words[:place], generator.choice(others(words[place])), *words[place + 1 :]]

    def dropped(words: Words) -> Words:
        place = generator.randrange(len(words))
        return words[:place] + words[place + 1 :]

    def added(words: Words) -> Words:
        place = generator.randint(0, len(words))
        return [*words[:place], generator.choice(known), *words[place:]]

    def half(words: Words) -> Words:
        cut = generator.randint(1, max(1, len(words) - 1))
        return words[:cut] if generator.random() < 0.7 else words[cut:]

    def inside(words: Words) -> Words:
        before = some(0, 3)
        return [*before, *words, *some(0 if before else 1, 3)]

    def joined(words: Words) -> Words:
        between = generator.choice(([], ["and"], ["then"], ["and", "then"]))
        return [*words, *between, *network.draw(generator).split()]

    def shuffled(_: Words) -> Words:
        return generator.choices(own, k=generator.randint(1, _LONGEST_SHUFFLED))

    return {
        "alike": lambda words: exchanged(words, like),
        "exchanged": lambda words: exchanged(words, lambda _: known),
        "dropped": dropped,
        "added": added,
        "half": half,
        "inside": inside,
        "joined": joined,
        "shuffled": shuffled,
    }
