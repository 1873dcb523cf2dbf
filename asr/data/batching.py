"""Which utterances meet in which batch: a pure function of the lengths, the settings, the seed and the epoch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.audio.load import SAMPLE_RATE
from asr.errors import SettingsError

Example = tuple[int, ...]
"""Indices of the utterances that are joined into one; an empty one stands for background without speech."""


@dataclass(frozen=True)
class BatchSettings:
    """How an epoch is cut into batches.

    ``seconds`` of audio a batch, padding counted, but not what augmentation adds; utterances of at most
    ``join_below_seconds`` are joined into strings of up to ``join_most`` and ``join_seconds``, so that the model meets
    sequences and the batches are dense; ``background_share`` of the examples hold noise or silence and an empty text.
    """

    seconds: float = 60.0
    join_below_seconds: float = 2.0
    join_most: int = 5
    join_seconds: float = 8.0
    background_share: float = 0.03

    def __post_init__(self) -> None:
        """Refuse what gives no batches."""
        for name in ("seconds", "join_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingsError(f"batches: {name} is {getattr(self, name)}; it is a number above 0")
        if not 0 <= self.join_below_seconds < math.inf:
            raise SettingsError(f"batches: join_below_seconds is {self.join_below_seconds}; it is a number from 0 up")
        if self.join_most < 1:
            raise SettingsError(f"batches: join_most is {self.join_most}; it is at least 1, which joins nothing")
        if not 0 <= self.background_share < 1:
            raise SettingsError(f"batches: background_share is {self.background_share}; it is at least 0 and below 1")


def plan_epoch(
    lengths: Sequence[int],
    sources: Sequence[int],
    weights: Sequence[float],
    settings: BatchSettings,
    seed: int,
    epoch: int,
    join_strength: float = 1.0,
) -> list[list[Example]]:
    """The batches of an epoch, as lists of examples.

    ``lengths`` are samples, ``sources`` the source of each utterance, ``weights`` how often a source's utterances come
    in an epoch on average (0.5: a random half of them; 2: each twice). Only short utterances of one source are joined;
    ``join_strength`` from 0 to 1 shortens the strings, for a curriculum from single words to sequences.
    """
    rng = np.random.default_rng([seed, epoch])
    copies = np.asarray(weights, dtype=float)[np.asarray(sources, dtype=int)]
    counts = np.floor(copies).astype(int) + (rng.random(len(copies)) < copies % 1)
    drawn = rng.permutation(np.repeat(np.arange(len(lengths)), counts))
    examples = _join(drawn, lengths, sources, settings, join_strength, rng)
    share = settings.background_share
    examples += [()] * round(len(examples) * share / (1 - share))
    return _pack(examples, lengths, settings, rng)


def example_length(example: Example, lengths: Sequence[int]) -> int:
    """Samples of an example before augmentation; background has none of its own, but fills what its batch leaves it."""
    return sum(lengths[index] for index in example)


def _join(
    drawn: np.ndarray,
    lengths: Sequence[int],
    sources: Sequence[int],
    settings: BatchSettings,
    strength: float,
    rng: np.random.Generator,
) -> list[Example]:
    """Fill one string a source at a time; each string's size is drawn when it is begun."""
    short, longest = settings.join_below_seconds * SAMPLE_RATE, settings.join_seconds * SAMPLE_RATE
    most = 1 + round((settings.join_most - 1) * strength)
    examples: list[Example] = []
    begun: dict[int, tuple[int, list[int]]] = {}
    for index in (int(number) for number in drawn):
        if lengths[index] > short or most == 1:
            examples.append((index,))
            continue
        size, members = begun.get(sources[index]) or (_string_size(most, rng), [])
        if members and sum(lengths[i] for i in members) + lengths[index] > longest:
            examples.append(tuple(members))
            size, members = _string_size(most, rng), []
        members.append(index)
        begun[sources[index]] = (size, members)
        if len(members) >= size:
            examples.append(tuple(members))
            del begun[sources[index]]
    return examples + [tuple(members) for _, members in begun.values()]


def _string_size(most: int, rng: np.random.Generator) -> int:
    """Three in ten stay alone, beside those that draw it: a word by itself is the commonest command."""
    return 1 if rng.random() < 0.3 else int(rng.integers(1, most + 1))


def _pack(
    examples: list[Example], lengths: Sequence[int], settings: BatchSettings, rng: np.random.Generator
) -> list[list[Example]]:
    """Neighbours in length share a batch, then the batches are shuffled."""
    size = np.array([example_length(example, lengths) for example in examples])
    # A little noise in the order, so that the same utterances do not meet in every epoch. Background goes anywhere: a
    # batch of nothing else has no tokens to share its CTC loss, which then outweighs all others.
    size = np.where([not example for example in examples], rng.permutation(size), size)
    order = np.argsort(size * rng.uniform(0.9, 1.1, len(size)), kind="stable")
    batches: list[list[Example]] = []
    batch: list[Example] = []
    longest = 0
    for number in order:
        grown = max(longest, int(size[number]))
        if batch and grown * (len(batch) + 1) > settings.seconds * SAMPLE_RATE:
            batches.append(batch)
            batch, grown = [], int(size[number])
        batch.append(examples[number])
        longest = grown
    if batch:
        batches.append(batch)
    return [batches[number] for number in rng.permutation(len(batches))]
