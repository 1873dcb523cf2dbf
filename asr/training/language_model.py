"""Estimates a backoff n-gram model of the tokens from texts: interpolated, modified Kneser-Ney, pruned to a size.

Sources: Chen and Goodman 1999, "An Empirical Study of Smoothing Techniques for Language Modeling" (modified
Kneser-Ney), and Seymore and Rosenfeld 1996, "Scalable Backoff Language Models" (which n-grams are kept).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.errors import SettingsError
from asr.search.language_model import LONGEST, STEP, LanguageModel
from asr.search.stepper import NEVER_EMITTED
from asr.text.special import BOS, EOS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_USUAL_DISCOUNTS = (0.5, 0.75, 0.9)
"""For texts too few or too even to say how many n-grams of a count are chance."""
_SMALLEST = 1e-6
"""What is left for backing off at the least, so that its logarithm is a number."""


@dataclass(frozen=True)
class Ngrams:
    """N-grams of one length as numbers in base V, in rising order, and the probability of each one's last token."""

    keys: Ints
    probabilities: Floats


def estimate(texts: Sequence[Sequence[int]], vocabulary: int, *, order: int, most: int) -> LanguageModel:
    """The model of texts in tokens without bos and eos, of n-grams of at most ``order`` tokens.

    It keeps about ``most`` n-grams of two and more tokens: those without which the texts would be the least likely, and
    all that they go on from. Memory and time are in proportion to the length of the texts times the order; ten million
    tokens take some minutes and 2 GB at the order 5. Raises SettingsError for an order that it cannot have, or no text.
    """
    if not 1 <= order <= LONGEST or vocabulary**order > np.iinfo(np.int64).max:
        raise SettingsError(
            f"language model: an order of {order} for {vocabulary} tokens; wanted from 1 to {LONGEST}, and n-grams "
            "that can be numbered with 64 bits"
        )
    if not texts:
        raise SettingsError("language model: found no text; wanted at least one sentence")
    counts = count_ngrams(texts, vocabulary, order)
    levels = kneser_ney(counts, vocabulary)
    return _quantised(_pruned(levels, [each for _, each in counts], vocabulary, most), vocabulary)


def count_ngrams(texts: Sequence[Sequence[int]], vocabulary: int, order: int) -> list[tuple[Ints, Ints]]:
    """For each length the n-grams that are there, and how often; bos is only a beginning."""
    lengths = np.array([len(text) + 2 for text in texts])
    stream = np.fromiter((token for text in texts for token in (BOS, *text, EOS)), np.int64, lengths.sum())
    place = np.arange(len(stream)) - np.repeat(lengths.cumsum() - lengths, lengths)  # 0 is that of bos
    counts = []
    keys, power = np.zeros_like(stream), 1
    for length in range(1, order + 1):
        keys[length - 1 :] += stream[: len(stream) - length + 1] * power
        power *= vocabulary
        counts.append(np.unique(keys[place >= max(length - 1, 1)], return_counts=True))
    return counts


def kneser_ney(counts: Sequence[tuple[Ints, Ints]], vocabulary: int) -> list[Ngrams]:
    """Interpolated probabilities for each length, from the shortest, of the n-grams of ``count_ngrams``.

    But for the longest n-grams and those that begin a text, it counts how many different tokens stand before one.
    Every token that can be said has a share of a uniform distribution, also one that the texts lack.
    """
    possible = np.setdiff1d(np.arange(vocabulary), NEVER_EMITTED)
    levels = [Ngrams(possible, np.full(len(possible), 1 / len(possible)))]
    for length, (keys, times) in enumerate(counts, 1):
        if length < len(counts):
            ends, before = np.unique(counts[length][0] % vocabulary**length, return_counts=True)
            times = times.copy()
            times[np.searchsorted(keys, ends)] = before  # those that begin a text have nothing before them
        discount = _discounts(times)[np.minimum(times, 3)]
        _, start, of = np.unique(keys // vocabulary, return_index=True, return_inverse=True)
        total = np.add.reduceat(times, start)
        own, rest = (times - discount) / total[of], np.add.reduceat(discount, start) / total
        if length == 1:
            whole = levels[0].probabilities * rest[0]
            whole[np.searchsorted(possible, keys)] += own
            levels[0] = Ngrams(possible, whole)
        else:
            lower = levels[-1].probabilities[np.searchsorted(levels[-1].keys, keys % vocabulary ** (length - 1))]
            levels.append(Ngrams(keys, own + rest[of] * lower))
    return levels


def _discounts(times: Ints) -> Floats:
    """What is taken from counts of 0, 1, 2, and 3 or more (4,), by how many n-grams have each count from 1 to 4."""
    n = np.bincount(np.minimum(times, 5), minlength=6)[1:5]
    if not n.all():
        return np.array([0.0, *_USUAL_DISCOUNTS])
    y = n[0] / (n[0] + 2 * n[1])
    found = [count - (count + 1) * y * n[count] / n[count - 1] for count in (1, 2, 3)]
    return np.array([0.0, *(min(max(each, 0.05), count) for count, each in enumerate(found, 1))])


def _pruned(levels: Sequence[Ngrams], times: Sequence[Ints], vocabulary: int, most: int) -> list[Ngrams]:
    """About ``most`` of the n-grams of two and more tokens, and all of one.

    Of each it is weighed how much less likely the texts would be if its last token were backed off to.
    """
    gains = []
    for length, (lower, ngrams) in enumerate(pairwise(levels), 1):
        without = lower.probabilities[np.searchsorted(lower.keys, ngrams.keys % vocabulary**length)]
        backoff = _backoffs(ngrams, without, vocabulary)
        gains.append(times[length] * np.log(ngrams.probabilities / (without * backoff)))
    together = np.concatenate([*gains, np.empty(0)])
    least = np.partition(together, -most)[-most] if 0 < most < len(together) else -np.inf
    kept: list[Ngrams] = []
    wanted = np.empty(0, np.int64)  # what longer ones go on from
    for ngrams, gain in zip(levels[:0:-1], gains[::-1], strict=True):
        chosen = gain >= least
        chosen[np.searchsorted(ngrams.keys, wanted)] = True
        kept.append(Ngrams(ngrams.keys[chosen], ngrams.probabilities[chosen]))
        wanted = np.unique(kept[-1].keys // vocabulary)
    return [levels[0], *reversed(kept)]


def _backoffs(ngrams: Ngrams, lower: Floats, vocabulary: int) -> Floats:
    """For each n-gram what its context leaves to backing off, by what that is worth there: a factor.

    ``lower`` are the probabilities of the last tokens after one token less.
    """
    _, start, of = np.unique(ngrams.keys // vocabulary, return_index=True, return_inverse=True)
    left = 1 - np.add.reduceat(ngrams.probabilities, start)
    worth = 1 - np.add.reduceat(lower, start)
    factor: Floats = (np.maximum(left, _SMALLEST) / np.maximum(worth, _SMALLEST))[of]
    return factor


def _quantised(levels: Sequence[Ngrams], vocabulary: int) -> LanguageModel:
    """The tensors of ``asr.search.language_model``.

    Backing off takes what the n-grams that are kept leave over.
    """
    every = np.zeros(vocabulary)
    every[levels[0].keys] = levels[0].probabilities
    levels = [Ngrams(np.arange(vocabulary), every), *levels[1:]]
    factors: list[Floats] = []
    tensors: dict[str, NDArray[Any]] = {}
    for length, ngrams in enumerate(levels, 1):
        logs = np.full(len(ngrams.keys), -np.inf)
        np.log(ngrams.probabilities, out=logs, where=ngrams.probabilities > 0)
        tensors[f"{length}.log_probs"] = np.clip(np.rint(-logs / STEP), 0, 255).astype(np.uint8)
        if length == 1:
            continue
        above = levels[length - 2].keys
        lower = _backed_off(levels, factors, ngrams.keys % vocabulary ** (length - 1), length - 1, vocabulary)
        contexts, first, children = np.unique(ngrams.keys // vocabulary, return_index=True, return_counts=True)
        place = np.searchsorted(above, contexts)
        factors.append(np.ones(len(above)))
        factors[-1][place] = _backoffs(ngrams, lower, vocabulary)[first]
        tensors[f"{length}.tokens"] = (ngrams.keys % vocabulary).astype(np.uint16)
        tensors[f"{length - 1}.children"] = np.zeros(len(above), np.uint16)
        tensors[f"{length - 1}.children"][place] = children
        tensors[f"{length - 1}.backoffs"] = np.clip(np.rint(np.log(factors[-1]) / STEP), -128, 127).astype(np.int8)
    return LanguageModel(tensors, vocabulary)


def _backed_off(
    levels: Sequence[Ngrams], factors: Sequence[Floats], keys: Ints, length: int, vocabulary: int
) -> Floats:
    """Probabilities of the last tokens of n-grams ``keys`` of ``length`` tokens, by those that are kept."""
    if length == 1:
        return levels[0].probabilities[keys]
    found, place = _places(levels[length - 1].keys, keys)
    probabilities = levels[length - 1].probabilities[place]
    others = keys[~found]
    shorter = _backed_off(levels, factors, others % vocabulary ** (length - 1), length - 1, vocabulary)
    known, context = _places(levels[length - 2].keys, others // vocabulary)
    probabilities[~found] = np.where(known, factors[length - 2][context], 1.0) * shorter
    return probabilities


def _places(keys: Ints, wanted: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """Which of the ``wanted`` are among the ``keys``, and where."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[place] == wanted, place
