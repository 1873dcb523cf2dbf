"""Which frames say which token: the likeliest CTC alignment of a known text (Viterbi; Graves et al. 2006)."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import AsrError
from asr.search.ctc import BLANK, checked_ctc, with_blanks

_LEAST = -1e4


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where each token of a text is, and how likely each frame is by it.

    ``spans`` are the first frame and the end frame (exclusive) of every token: those that give its label, so between
    two tokens there may be blank frames that belong to neither; CTC tends to give a label few frames near where its
    sound ends. ``log_probs`` (S,) are those of each frame's label. Never above the best free path's, ``max(axis=1)`` of
    the CTC output: how far they fall below says where the audio is not this text.
    """

    spans: tuple[tuple[int, int], ...]
    log_probs: NDArray[np.float64]


def align(log_probs: NDArray[np.floating], tokens: Sequence[int]) -> Alignment:
    """The likeliest alignment of ``tokens`` with ``log_probs`` (S, V).

    Of equally likely ones it is the one whose later tokens begin first.

    Raises AsrError where the tokens have no alignment at all (too few frames, or frames where nothing that is needed
    is possible), and for what ``ctc_log_prob`` refuses.
    """
    emit = checked_ctc(log_probs, tokens)
    labels, _ = with_blanks(tokens)
    places = _best_places(emit, tokens)
    firsts = np.searchsorted(places, np.arange(len(tokens)) * 2 + 1, side="left")
    ends = np.searchsorted(places, np.arange(len(tokens)) * 2 + 1, side="right")
    spans = tuple(zip(firsts.tolist(), ends.tolist(), strict=True))
    return Alignment(spans, emit[np.arange(len(emit)), labels[places]])


class TextBeginning:
    """Where the last token of a beginning of a text is said, whatever follows it.

    Begun with the probabilities and then grown by a token at a time; all that grow from one share what it found.
    """

    def __init__(self, log_probs: NDArray[np.floating]) -> None:
        """The beginning of no tokens, of CTC output (S, V)."""
        # No frame is impossible: sums go on past one that is.
        self._emit = np.maximum(np.asarray(log_probs, np.float64), _LEAST)
        self._freely = _sums(self._emit.max(axis=1))
        self._blank = _sums(self._emit[:, BLANK])
        # Of the best way over the first t frames (S + 1,): that ends with the last token, or with a blank after it.
        self._in_token = np.full(len(self._emit) + 1, -np.inf)
        self._in_blank = self._blank
        self._token = BLANK
        self.span: tuple[int, int] | None = None
        """Its frames: the first, and the one after the last."""

    def grown(self, token: int) -> "TextBeginning":
        """The beginning that has one token more, which is not blank."""
        new = copy(self)
        said = _sums(self._emit[:, token])
        before = self._in_blank if token == self._token else np.maximum(self._in_blank, self._in_token)
        entered = before - said
        new._in_token = np.concatenate([[-np.inf], said[1:] + np.maximum.accumulate(entered[:-1])])
        left = np.maximum.accumulate(new._in_token - self._blank)
        new._in_blank = np.concatenate([[-np.inf], self._blank[1:] + left[:-1]])
        new._token = token
        end = int((new._in_token - self._freely).argmax())
        new.span = (int(entered[:end].argmax()), end) if end else None
        return new


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the first t values (S + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _best_places(emit: NDArray[np.float64], tokens: Sequence[int]) -> NDArray[np.int64]:
    """Each frame's place (S,) on the likeliest way through the tokens with blanks between and around them."""
    labels, skip = with_blanks(tokens)
    gain = emit[:, labels]
    # Two places in front stand for "before the first frame", from where the first blank and the first label are near.
    best = np.full(len(labels) + 2, -np.inf)
    best[1] = 0.0
    ways = np.empty((3, len(labels)))  # to each place: from itself, from the place before, and past a blank
    moves = np.empty(gain.shape, np.int64)
    skip_cost = np.where(skip, 0.0, -np.inf)
    for frame in range(len(gain)):
        ways[0] = best[2:]
        ways[1] = best[1:-1]
        np.add(best[:-2], skip_cost, out=ways[2])
        ways.argmax(axis=0, out=moves[frame])
        np.add(ways.max(axis=0), gain[frame], out=best[2:])
        best[1] = -np.inf
    ends = best[-2:] if len(gain) else best[1:2]
    if ends.max() == -np.inf or (tokens and not len(gain)):
        raise AsrError(
            f"{len(tokens)} tokens have no alignment with the {len(gain)} frames of the CTC output: "
            "wanted at least a frame for each and one between repeats, in which its label is possible"
        )
    places = np.empty(len(gain), np.int64)
    place = len(labels) - 2 + int(ends.argmax())
    for frame in range(len(gain) - 1, -1, -1):
        places[frame] = place
        place -= moves[frame, place]
    return places
