"""Who gives the log-probabilities: the one interface between the searches and a model, and what they ask of it.

Torch, ONNX and a toy table in a test all serve the same searches through it.
"""

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from asr.errors import AsrError
from asr.text.special import BOS, EOS, PAD, UNK

NEVER_EMITTED = (PAD, UNK, BOS)
# Rounding in a float32 log-softmax may lift a certain token a little above zero; logits go far beyond this.
_ROUNDING = 1e-3

State = TypeVar("State")


class Stepper(Protocol[State]):
    """Next-token log-probabilities for one utterance.

    A state holds what the model remembers of a number of hypotheses, one a row; only the stepper looks inside.
    A row's log-probabilities must not depend on the other rows.
    """

    def start(self) -> State:
        """State of a single empty hypothesis, to which BOS is fed first."""
        ...

    def step(
        self, state: State, tokens: NDArray[np.int64], parents: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], State]:
        """Feed ``tokens[k]`` to the hypothesis in row ``parents[k]`` of ``state``.

        ``tokens`` and ``parents`` are (K,); a row may be the parent of several hypotheses, or of none.
        Returns the log-probabilities of the next token (K, V), natural logarithm, and the state of the K rows.
        """
        ...


def checked_log_probs(log_probs: NDArray[np.floating], source: str) -> NDArray[np.float64]:
    """``log_probs`` in float64 with rounding above zero removed; ``-inf`` (impossible) is allowed.

    Raises AsrError, which names ``source``, where there is a NaN or a number that is no log-probability.
    """
    if np.isnan(log_probs).any():
        raise AsrError(
            f"{source} gave NaN where log-probabilities are wanted: its input or its weights are damaged; "
            "try another recording, and if that fails too, export the bundle again"
        )
    highest = float(log_probs.max(initial=-np.inf))
    if highest > _ROUNDING:
        raise AsrError(
            f"{source} gave {highest:.4g} where log-probabilities (at most 0) are wanted: "
            "apply log-softmax to its logits"
        )
    return np.minimum(log_probs.astype(np.float64), 0.0)


def next_log_probs(
    stepper: Stepper[State], state: State, tokens: list[int], parents: list[int]
) -> tuple[NDArray[np.float64], State]:
    """One checked step of K rows: log-probabilities (K, V) with pad, unk and bos impossible, and the new state.

    Raises AsrError where the stepper gives NaN, numbers above zero or another shape.
    """
    log_probs, state = stepper.step(state, np.array(tokens, np.int64), np.array(parents, np.int64))
    if log_probs.ndim != 2 or log_probs.shape[0] != len(tokens) or log_probs.shape[1] <= EOS:
        raise AsrError(
            f"the decoder gave log-probabilities of shape {log_probs.shape}, wanted ({len(tokens)}, vocabulary) "
            f"with a vocabulary of more than {EOS} tokens"
        )
    checked = checked_log_probs(log_probs, "the decoder")
    checked[:, NEVER_EMITTED] = -np.inf
    return checked, state
