"""Constrained search in two passes: CTC alone finds the likely texts in a wide beam, the decoder then ranks those.

A constraint makes a narrow beam go wrong: what begins likeliest is often not what can end likely, and all that begins
otherwise is lost by then. CTC costs little a row, so its beam can be wide.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asr.search.beam import beam
from asr.search.constraint import Constraint, Options
from asr.search.hypothesis import Hypothesis
from asr.search.stepper import State, Stepper
from asr.text.special import EOS


def two_pass(
    stepper: Stepper[State],
    *,
    width: int,
    keep: int,
    max_tokens: int,
    length_penalty: float,
    ctc_log_probs: NDArray[np.floating],
    ctc_weight: float,
    constraint: Constraint,
    constraint_weight: float = 0.0,
    n_best: int = 1,
) -> list[Hypothesis]:
    """The best texts of ``constraint`` for an utterance, best first: between 1 and ``n_best`` of them.

    The first pass is ``beam`` with this ``width`` and without the decoder (a CTC weight of 1). Its ``keep`` best are
    scored as ``beam`` scores, all of them: nothing is lost in the second pass, and the decoder runs for ``keep`` rows
    at most. Raises what ``beam`` raises; ``keep`` is its n_best, so from 1 to ``width``, and ``n_best`` at most that.
    """
    found = beam(
        _Unheard(ctc_log_probs.shape[-1]),
        width=width,
        max_tokens=max_tokens,
        length_penalty=length_penalty,
        ctc_log_probs=ctc_log_probs,
        ctc_weight=1.0,
        constraint=constraint,
        constraint_weight=constraint_weight,
        n_best=keep,
    )
    return beam(
        stepper,
        # Each row that lives or ends is the beginning of a text of its own.
        width=keep,
        max_tokens=max_tokens,
        length_penalty=length_penalty,
        ctc_log_probs=ctc_log_probs,
        ctc_weight=ctc_weight,
        constraint=_Among(found, constraint),
        constraint_weight=constraint_weight,
        n_best=n_best,
    )


class _Unheard:
    """A Stepper that finds all tokens equally likely and remembers nothing."""

    def __init__(self, vocabulary: int) -> None:
        self._row = np.full((1, vocabulary), -np.log(vocabulary), np.float32)

    def start(self) -> None:
        """Nothing to remember."""

    def step(
        self, state: None, tokens: NDArray[np.int64], parents: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], None]:
        """The same for every row."""
        return self._row.repeat(len(tokens), axis=0), None


class _Among:
    """The texts of a constraint that were found, as likely as there: options that none of them takes are left out."""

    def __init__(self, found: Sequence[Hypothesis], constraint: Constraint) -> None:
        self._constraint = constraint
        self._states = [constraint.start()]
        self._following: list[dict[int, int]] = [{}]
        self._ends: set[int] = set()
        for hypothesis in found:
            place = 0
            for token in hypothesis.tokens:
                if token not in self._following[place]:
                    self._following[place][token] = len(self._states)
                    self._states.append(constraint.follow(self._states[place], token))
                    self._following.append({})
                place = self._following[place][token]
            if hypothesis.ended:
                self._ends.add(place)

    def start(self) -> int:
        """The beginning of all texts."""
        return 0

    def options(self, state: int) -> Options:
        """Those of the constraint that lead on to a text that was found."""
        options = self._constraint.options(self._states[state])
        wanted = [*self._following[state], *([EOS] if state in self._ends else [])]
        among = np.isin(options.tokens, wanted)
        return Options(options.tokens[among], options.log_probs[among])

    def follow(self, state: int, token: int) -> int:
        """The longer beginning."""
        return self._following[state][token]
