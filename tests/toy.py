"""A toy model for the searches: a table of next-token log-probabilities, one row for every prefix."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

FIRST_TOKEN = 4
BOS, EOS = 2, 3


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    return (logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).astype(np.float32)


class TableStepper:
    """Next-token distributions drawn from a seed and the whole prefix, so that every history matters.

    The state is the list of the rows' prefixes. ``eos_bonus`` is added to the logit of eos; with ``ties`` the logits
    are whole numbers, so that equals are common.
    """

    def __init__(
        self, seed: int, vocabulary: int = 6, spread: float = 2.0, eos_bonus: float = 0.0, ties: bool = False
    ) -> None:
        self.seed, self.vocabulary, self.spread, self.eos_bonus, self.ties = seed, vocabulary, spread, eos_bonus, ties
        self.steps = 0

    def row(self, prefix: tuple[int, ...]) -> NDArray[np.float32]:
        """Log-probabilities (V,) of the token after ``prefix``, which begins with bos."""
        logits = np.random.default_rng([self.seed, *prefix]).normal(0, self.spread, self.vocabulary)
        logits[EOS] += self.eos_bonus
        return log_softmax(np.round(logits) if self.ties else logits)

    def start(self) -> list[tuple[int, ...]]:
        """One row: nothing was fed yet."""
        return [()]

    def step(
        self, state: list[tuple[int, ...]], tokens: NDArray[np.int64], parents: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], list[tuple[int, ...]]]:
        """Extend the parents' prefixes, and refuse what a search must never feed."""
        self.steps += 1
        assert tokens.dtype == parents.dtype == np.int64
        assert tokens.shape == parents.shape
        grown = []
        for token, parent in zip(tokens.tolist(), parents.tolist(), strict=True):
            assert token == BOS if state == [()] else FIRST_TOKEN <= token < self.vocabulary
            grown.append((*state[parent], token))
        return np.stack([self.row(prefix) for prefix in grown]), grown

    def token_log_probs(self, tokens: tuple[int, ...], *, ended: bool) -> list[float]:
        """Teacher forcing: what the table says of each token, and of eos after them."""
        heard = (*tokens, EOS) if ended else tokens
        return [float(self.row((BOS, *heard[:n]))[token]) for n, token in enumerate(heard)]

    def transcripts(self, max_tokens: int) -> Iterator[tuple[int, ...]]:
        """Every transcript of at most ``max_tokens`` tokens."""
        for length in range(max_tokens + 1):
            yield from product(range(FIRST_TOKEN, self.vocabulary), repeat=length)


def random_ctc(seed: int, frames: int, vocabulary: int = 6, impossible: float = 0.0) -> NDArray[np.float32]:
    """CTC log-probabilities (frames, vocabulary); a share ``impossible`` of the entries, no blanks, is -inf."""
    random = np.random.default_rng([seed, 99])
    logits = random.normal(0, 2, (frames, vocabulary))
    logits[:, 1:][random.random((frames, vocabulary - 1)) < impossible] = -np.inf
    return log_softmax(logits)


def ctc_by_alignments(log_probs: NDArray[np.floating]) -> dict[tuple[int, ...], float]:
    """Probability of every transcript, summed over all alignments one by one."""
    frames, vocabulary = log_probs.shape
    probs = np.exp(log_probs.astype(np.float64))
    totals: dict[tuple[int, ...], float] = {}
    for path in product(range(vocabulary), repeat=frames):
        tokens = tuple(label for n, label in enumerate(path) if label != 0 and (n == 0 or label != path[n - 1]))
        totals[tokens] = totals.get(tokens, 0.0) + float(np.prod(probs[range(frames), path]))
    return totals
