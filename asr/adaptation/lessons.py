"""What is spoken to a model that is to learn a person's commands: the commands, and what is to be rejected."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from asr.data.texts.near_misses import near_misses
from asr.data.texts.sentence_templates import ready_templates
from asr.data.texts.sentences import sentences
from asr.text.english.numbers import DIGITS

if TYPE_CHECKING:
    from asr.commands.network.network import Network

NEAR_SHARE: Final = 0.6
"""The share of near misses among what is to be rejected; the rest are sentences of other domains, words and numbers."""

_DRAWN_FOR_ONE = 20
"""How many sentences are drawn at most for each that is taken, in search of what has not been said."""

_OTHERS_FOR_ONE = 4


@dataclass(frozen=True)
class Lesson:
    """Texts in normal form: ``commands`` are sentences of the grammar, ``others`` are not."""

    commands: tuple[str, ...]
    others: tuple[str, ...]


def lesson(network: "Network", vocabulary: Sequence[str], commands: int, others: int, seed: int) -> Lesson:
    """So many commands, and up to so many other sentences, the same for the same seed.

    ``NEAR_SHARE`` of the others are near misses, for which ``vocabulary`` gives words besides the ordinary ones; see
    ``near_misses`` for when there are fewer.
    """
    words = sorted({*ordinary_words(), *vocabulary})
    near = near_misses(network, words, round(NEAR_SHARE * others), seed)
    return Lesson(
        tuple(covering(network, commands, seed)), tuple(near + other_domains(network, words, others - len(near), seed))
    )


def covering(network: "Network", count: int, seed: int) -> list[str]:
    """``count`` sentences of the network in random order, the same for the same seed; they may repeat.

    Sentences that bring two neighbouring words which none brought before are preferred, so that what a list or an
    alternative holds is said before anything is said again, as far as ``count`` and chance allow. Half of the draws are
    of each command in turn, half as likely as the grammar makes them.
    """
    generator = random.Random(seed)
    seen: set[tuple[str, str]] = set()
    fresh: list[str] = []
    rest: list[str] = []
    for number in range(_DRAWN_FOR_ONE * count):
        turn = network.commands[number // 2 % len(network.commands)]
        sentence = network.draw(generator, turn if number % 2 else None)
        neighbours = set(pairwise(["", *sentence.split(), ""]))
        if neighbours - seen:
            seen |= neighbours
            fresh.append(sentence)
        elif len(rest) < count:
            rest.append(sentence)
        if len(fresh) == count:
            break
    chosen = (fresh + rest)[:count]
    generator.shuffle(chosen)
    return chosen


def other_domains(network: "Network", vocabulary: Sequence[str], count: int, seed: int) -> list[str]:
    """Up to ``count`` different sentences outside the network: templates, random words, numbers, changed commands."""
    generator = random.Random(seed)
    commands = sorted({network.draw(generator) for _ in range(max(1, count))})
    found: dict[str, None] = {}
    for sentence in sentences(seed, _OTHERS_FOR_ONE * count, vocabulary, commands):
        if len(found) == count:
            break
        if network.parse(sentence) is None:
            found[sentence] = None
    return list(found)


def ordinary_words() -> list[str]:
    """The words of the templates by which varied text is made, and of what their lists hold."""
    return sorted({*ready_templates().words(), *DIGITS})
