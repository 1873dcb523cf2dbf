"""When each token of an utterance is said.

CTC gives a token one step or a few, somewhere within its sound, so the likeliest alignment says about where it is and
little about where it begins and ends. What lies between the steps of two tokens is shared out: a pause belongs to
neither, and where there is none the longer spelling gets the larger share, for it takes longer to say; but never more
than ``ONSET_SECONDS`` of it go to the later token, for however slowly somebody speaks, a token is named soon after it
begins. (LOG.md has what that is worth beside another aligner, and against the word ends that a synthesiser knows.)
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.errors import AsrError
from asr.runtime.utterances import SpeechPart
from asr.search.alignment import align
from asr.text.tokenizer import WORD_START

PAUSE_SECONDS: Final = 0.2
"""A quiet stretch of this length is a pause; shorter ones are the closures of consonants, which belong to words."""
ONSET_SECONDS: Final = 0.07
"""A token begins at most so long before the step that names it, where no pause lies between."""
REACH_SECONDS: Final = 0.5
"""Sound further than this from a token's steps is not taken for its own: the model may have missed what was said."""

_PAUSE = round(PAUSE_SECONDS * SAMPLE_RATE)
_ONSET = round(ONSET_SECONDS * SAMPLE_RATE)
_REACH = round(REACH_SECONDS * SAMPLE_RATE)

Spans = list[tuple[int, int]]


def token_spans(
    utterance: SpeechPart,
    ctc_log_probs: NDArray[np.floating],
    tokens: Sequence[int],
    spellings: Sequence[str],
    step: int,
) -> Spans:
    """From where to where each token is said.

    Args:
        utterance: what the encoder heard.
        ctc_log_probs: what it made of it (S, V).
        tokens: the text (U,), no bos or eos.
        spellings: how each is spelled (U,), as the tokenizer's pieces.
        step: samples from one step of the encoder to the next.

    Returns:
        (first sample, sample after the last) of the recording for each token, in order, none overlapping the next and
        all within ``utterance.own``. Tokens that no alignment allows, as a search without CTC may give, are spread
        evenly over the speech.
    """
    steps = _steps(utterance, ctc_log_probs, tokens, step)
    if not steps:
        return []
    letters = [max(len(each.replace(WORD_START, "")), 1) for each in spellings]
    starts, ends = [start for start, _ in steps], [end for _, end in steps]
    starts[0] = min(starts[0], max(utterance.pieces[0][0], starts[0] - _REACH))
    ends[-1] = max(ends[-1], min(utterance.pieces[-1][1], ends[-1] + _REACH))
    for before in range(len(steps) - 1):
        quiet_from, quiet_to = _between(utterance, steps[before][1], steps[before + 1][0], letters[before : before + 2])
        ends[before] = min(quiet_from, ends[before] + _REACH)
        starts[before + 1] = max(quiet_to, starts[before + 1] - _REACH)
    return list(zip(starts, ends, strict=True))


def word_spans(spellings: Sequence[str], spans: Sequence[tuple[int, int]]) -> Spans:
    """From where to where each word is said, from the same of its tokens and how these are spelled."""
    words: Spans = []
    for spelling, (start, end) in zip(spellings, spans, strict=True):
        if spelling.startswith(WORD_START) or not words:
            words.append((start, end))
        else:
            words[-1] = words[-1][0], end
    return words


def _steps(utterance: SpeechPart, ctc_log_probs: NDArray[np.floating], tokens: Sequence[int], step: int) -> Spans:
    """The steps that the likeliest alignment gives each token, as samples of the recording."""
    first, last = utterance.own
    middles = utterance.start + (np.arange(len(ctc_log_probs)) + 0.5) * step
    own = np.flatnonzero((middles >= first) & (middles < last))
    try:
        aligned = align(ctc_log_probs[own], tokens).spans
    except AsrError:
        edges = np.linspace(utterance.pieces[0][0], utterance.pieces[-1][1], len(tokens) + 1).round().astype(int)
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    begin = utterance.start + (int(own[0]) if len(own) else 0) * step
    return [
        (min(max(begin + start * step, first), last), min(max(begin + end * step, first), last))
        for start, end in aligned
    ]


def _between(utterance: SpeechPart, start: int, end: int, letters: Sequence[int]) -> tuple[int, int]:
    """The samples between two tokens that are neither's: a pause, or where there is none the border between them."""
    quiet = [
        (max(before[1], start), min(after[0], end))
        for before, after in zip(utterance.pieces, utterance.pieces[1:], strict=False)
    ]
    pause = max(quiet, key=lambda each: each[1] - each[0], default=(0, 0))
    if pause[1] - pause[0] >= _PAUSE:
        return pause
    border = end - min((end - start) * letters[1] // sum(letters), _ONSET)
    return border, border
