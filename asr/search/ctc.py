"""Connectionist temporal classification: scores of prefixes and of whole sequences, and the best path.

An alignment gives each of S frames a label or the blank (id 0); merging repeats and then dropping blanks gives the
tokens. Sources: Graves et al. 2006 (forward score), Graves 2008, chapter 7 (prefix probability), and Watanabe et al.
2017, "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", algorithm 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import AsrError
from asr.search.stepper import checked_log_probs
from asr.text.special import PAD

BLANK = PAD
# Sums in the linear domain below this may have lost terms to underflow, and are done again with logarithms.
_FAINT = 1e-290
# Totals further down than this would leave too few digits for differences between them.
_STEEP = -1e5


@dataclass(frozen=True)
class PrefixState:
    """For K prefixes: log mass of the alignments of the first t frames (t = 0..S) that give exactly the prefix.

    ``in_label`` and ``in_blank`` (S + 1, K) part them by how frame t - 1 ends; ``last`` (K,) is the prefix's last
    token, or -1 where it is empty.
    """

    in_label: NDArray[np.float64]
    in_blank: NDArray[np.float64]
    last: NDArray[np.int64]


class PrefixScorer:
    """CTC log-probabilities of growing prefixes over one utterance's ``log_probs`` (S, V).

    Everything is exact and for all K prefixes and V tokens at once. An extension's score needs only what its parent
    knows, so it is a matrix product over frames; the recursion over time runs for the prefixes that are kept.
    """

    def __init__(self, log_probs: NDArray[np.floating]) -> None:
        self._log_probs = _checked(log_probs)
        self._probs = np.exp(self._log_probs)
        self._possible = self._log_probs.max(axis=0, initial=-np.inf) > -np.inf

    @property
    def vocabulary(self) -> int:
        """Number of labels, the blank included."""
        return int(self._log_probs.shape[1])

    def start(self) -> PrefixState:
        """State of the empty prefix alone (K = 1)."""
        in_blank = np.concatenate([[0.0], self._log_probs[:, BLANK].cumsum()])[:, None]
        return PrefixState(np.full_like(in_blank, -np.inf), in_blank, np.array([-1]))

    def whole(self, state: PrefixState) -> NDArray[np.float64]:
        """Log-probability (K,) of each prefix as the whole transcript."""
        whole: NDArray[np.float64] = np.logaddexp(state.in_label[-1], state.in_blank[-1])
        return whole

    def extensions(self, state: PrefixState) -> NDArray[np.float64]:
        """Log-probability (K, V) that the transcript begins with the prefix and then the token; -inf for the blank."""
        before = np.logaddexp(state.in_label, state.in_blank)[:-1]  # (S, K): the prefix is read, the token comes next
        peak = before.max(axis=0, initial=-np.inf)
        alive = peak > -np.inf
        peak = np.where(alive, peak, 0.0)
        mass = np.exp(before - peak).T @ self._probs
        with np.errstate(divide="ignore"):
            scores: NDArray[np.float64] = np.log(mass) + peak[:, None]
        rows, tokens = np.nonzero((mass < _FAINT) & alive[:, None] & self._possible)
        scores[rows, tokens] = _log_sum(before[:, rows] + self._log_probs[:, tokens])
        # A token that repeats the last one needs a blank between, else the two would merge.
        (rows,) = np.nonzero(state.last >= 0)
        tokens = state.last[rows]
        scores[rows, tokens] = _log_sum(state.in_blank[:-1, rows] + self._log_probs[:, tokens])
        scores[:, BLANK] = -np.inf
        return scores

    def advance(self, state: PrefixState, tokens: NDArray[np.int64], parents: NDArray[np.int64]) -> PrefixState:
        """State of the prefixes that add ``tokens[k]`` (K,), no blank, to the prefix in row ``parents[k]`` (K,)."""
        in_blank = state.in_blank[:-1, parents]
        in_label = state.in_label[:-1, parents]
        entering = np.where(tokens == state.last[parents], in_blank, np.logaddexp(in_label, in_blank))
        label = _flow(entering, self._log_probs[:, tokens])
        return PrefixState(label, _flow(label[:-1], self._log_probs[:, [BLANK]]), tokens)


def ctc_greedy(log_probs: NDArray[np.floating]) -> list[int]:
    """Tokens of the best path: the likeliest label in each frame of ``log_probs`` (S, V), repeats merged, no blanks.

    Raises AsrError for NaN, numbers above zero or another shape.
    """
    path = _checked(log_probs).argmax(axis=1)
    starts = np.ones(len(path), bool)
    starts[1:] = path[1:] != path[:-1]
    return [int(label) for label in path[starts] if label != BLANK]


def ctc_log_prob(log_probs: NDArray[np.floating], tokens: Sequence[int]) -> float:
    """Log-probability of ``tokens`` as the whole transcript, over all alignments with ``log_probs`` (S, V).

    The forward variable of Graves et al. 2006 over the tokens with blanks between and around them. -inf where there
    are too few frames. Raises AsrError for NaN, numbers above zero, another shape, or a token outside 1..V-1.
    """
    emit = checked_ctc(log_probs, tokens)
    labels, skip = with_blanks(tokens)
    # Two places in front stand for "before the first frame", from where the first blank and the first label are near.
    forward = np.full(len(labels) + 2, -np.inf)
    forward[1] = 0.0
    for frame in emit:
        reached = np.logaddexp(forward[2:], forward[1:-1])
        reached[skip] = np.logaddexp(reached[skip], forward[:-2][skip])
        forward[2:] = reached + frame[labels]
        forward[1] = -np.inf
    # Without frames the mass still waits before the first, and only the empty transcript is possible.
    if not len(emit):
        return -np.inf if tokens else 0.0
    return float(np.logaddexp.reduce(forward[2:][-2:]))


def with_blanks(tokens: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The labels (2U + 1,) that an alignment of ``tokens`` (U,) goes through: a blank before, between and after them.

    Also where the blank in front may be left out (2U + 1,): before the first token and between two different ones.
    """
    labels = np.full(2 * len(tokens) + 1, BLANK)
    labels[1::2] = tokens
    may_skip = np.zeros(len(labels), bool)
    may_skip[1:2] = True
    may_skip[3::2] = labels[3::2] != labels[1:-2:2]
    return labels, may_skip


def checked_ctc(log_probs: NDArray[np.floating], tokens: Sequence[int]) -> NDArray[np.float64]:
    """``log_probs`` (S, V) in float64.

    Raises AsrError for NaN, numbers above zero, another shape, or a token outside 1..V-1.
    """
    emit = _checked(log_probs)
    if not all(BLANK < token < emit.shape[1] for token in tokens):
        raise AsrError(f"tokens {list(tokens)} hold an id outside 1..{emit.shape[1] - 1}, the labels that CTC knows")
    return emit


def _flow(entering: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log mass (S + 1, K) in a place that starts empty: each frame, what is there and what enters survive by gain.

    What entered before frame s and survived to the end of frame t gained the sum over s..t, a difference of two running
    totals. So the mass is one running sum of what enters, less the total before, and then the total on top.
    """
    mass = np.full((len(entering) + 1, entering.shape[1]), -np.inf)
    total = np.zeros((len(gain) + 1, gain.shape[1]))
    gain.cumsum(axis=0, out=total[1:])
    if total[-1].min() > _STEEP:
        np.logaddexp.accumulate(entering - total[:-1], axis=0, out=mass[1:])
        mass[1:] += total[1:]
        return mass
    for frame in range(len(entering)):
        np.logaddexp(mass[frame], entering[frame], out=mass[frame + 1])
        mass[frame + 1] += gain[frame]
    return mass


def _log_sum(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the summed exponentials over the first axis; -inf for no terms."""
    peak = terms.max(axis=0, initial=-np.inf)
    shift = np.where(peak > -np.inf, peak, 0.0)
    with np.errstate(divide="ignore"):
        total: NDArray[np.float64] = np.log(np.exp(terms - shift).sum(axis=0)) + shift
    return total


def _checked(log_probs: NDArray[np.floating]) -> NDArray[np.float64]:
    if log_probs.ndim != 2 or log_probs.shape[1] <= BLANK:
        raise AsrError(f"CTC log-probabilities have the shape {log_probs.shape}, wanted (frames, vocabulary)")
    return checked_log_probs(log_probs, "the CTC output")
