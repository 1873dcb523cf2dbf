"""Which frames say which token: the likeliest CTC alignment of a known text (Viterbi; Graves et al. 2006)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import AsrError
from asr.search.ctc import checked_ctc, with_blanks


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
