"""What a search may say at all: the one interface between the searches and a grammar of commands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr.errors import AsrError


@dataclass(frozen=True, eq=False)
class Options:
    """How a text may go on: ``tokens`` (N,) in rising order, eos among them where it may end.

    ``log_probs`` (N,) are the natural logarithms of how likely each is by the constraint alone; their exponentials
    sum to 1. Without an option the text is a dead end.
    """

    tokens: NDArray[np.int64]
    log_probs: NDArray[np.float64]


class Constraint(Protocol):
    """A set of texts, walked token by token.

    A state stands for what was said so far; texts that go on alike may share one. Walking never changes the set.
    """

    def start(self) -> int:
        """The state before the first token."""
        ...

    def options(self, state: int) -> Options:
        """What may come next."""
        ...

    def follow(self, state: int, token: int) -> int:
        """The state after one of the tokens of ``options``, but eos."""
        ...


def option_log_probs(constraint: Constraint, states: Sequence[int], vocabulary: int) -> NDArray[np.float64]:
    """Log-probabilities (K, V) of every next token after the K ``states``; -inf for what is no option.

    Raises AsrError where the constraint has tokens that are outside of the ``vocabulary``.
    """
    log_probs = np.full((len(states), vocabulary), -np.inf)
    for row, state in enumerate(states):
        options = constraint.options(state)
        if len(options.tokens) and not 0 <= options.tokens[0] <= options.tokens[-1] < vocabulary:
            raise AsrError(
                f"the constraint has token {options.tokens[-1]} and the decoder knows {vocabulary} tokens: "
                "make it with the tokenizer of this model"
            )
        log_probs[row, options.tokens] = options.log_probs
    return log_probs
