"""What a search may say at all: the one interface between the searches and a grammar of commands."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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
