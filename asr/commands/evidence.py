"""What speaks for and against a reading: how nearly it explains the sound as well as free decoding does.

Free speech is recognised by the same model without the grammar; where that explains the audio much better, what was
said is not in the grammar (the likelihood ratio of keyword spotting; Rose and Paul 1990). One ratio is not enough: a
single wrong word hides in the mean over a long sentence, and a model often answers speech that it does not know with
silence, which no ratio of its own shows, so loud stretches that no token is near are looked for in the sound itself.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from asr.audio.levels import frame_powers
from asr.search.alignment import align
from asr.search.hypothesis import Hypothesis

_WINDOW_SECONDS = 0.4
_LARGEST_LEAD = 5.0
_NEAR_SECONDS = 0.4
"""Sound further than this from every token is not explained by the reading: CTC places a token within its sound."""
_FRAME_SECONDS = 0.01
_SMOOTHED = 5  # frames that a level is the mean of
_ABOVE_FLOOR_DB, _BELOW_PEAK_DB = 6.0, 25.0


@dataclass(frozen=True)
class Evidence:
    """Measures of one reading of one utterance, all from 0 up; all but ``lead`` and ``tokens`` speak against it.

    A gap is by how much the logarithm of the CTC probability falls along the reading's best alignment below that of
    the best path of all.

    Attributes:
        gap: of the whole utterance, for each token.
        worst_word: of the word that has the largest, for each of its tokens.
        silence: of the frames in which the reading says nothing.
        worst_moment: of the worst 0.4 s.
        surprise: minus the decoder's log-probability for each token, the end included.
        free: by how much free decoding scores higher, in the search's own scores.
        unexplained: seconds of the longest loud stretch that no token is near.
        lead: by how much it scores higher than the next text of the grammar, at most 5.
        tokens: how many it has.
    """

    gap: float
    worst_word: float
    silence: float
    worst_moment: float
    surprise: float
    free: float
    unexplained: float
    lead: float
    tokens: int

    def measures(self) -> NDArray[np.float64]:
        """The measures (M,) as they are weighed: logarithms, since the tenth unit more says less than the first."""
        values = np.array(astuple(self), dtype=np.float64)
        values[MEASURES.index("unexplained")] *= 10.0  # in tenths of seconds, of the size of the others
        measures: NDArray[np.float64] = np.log1p(np.maximum(values, 0.0))
        return measures


MEASURES = tuple(field.name for field in fields(Evidence))
"""The names of the measures, in their order."""


def weigh(
    ctc_log_probs: NDArray[np.floating],
    reading: Hypothesis,
    runner_up: Hypothesis | None,
    free: Hypothesis,
    *,
    word_starts: NDArray[np.bool_],
    wave: NDArray[np.float32],
    rate: int,
) -> Evidence:
    """The evidence for a reading of ``wave`` (N,), of which the encoder made ``ctc_log_probs`` (S, V).

    ``wave`` is just what the encoder heard, margins included, at ``rate`` samples a second; ``word_starts`` (U,) says
    which tokens of the reading begin a word. Raises AsrError for a reading that has no alignment.
    """
    tokens = reading.tokens
    spans, gaps = _gaps(ctc_log_probs, tokens)
    seconds = len(wave) / rate / len(gaps)
    spoken = np.zeros(len(gaps), bool)
    for first, end in spans:
        spoken[first:end] = True
    ended = len(tokens) + 1
    stretch = _unexplained(wave, rate, spans, seconds)
    lead = _LARGEST_LEAD if runner_up is None else reading.score - runner_up.score
    return Evidence(
        gap=float(gaps.sum()) / ended,
        worst_word=_worst_word(gaps, spans, word_starts)[0],
        silence=float(gaps[~spoken].sum()),
        worst_moment=float(_moments(gaps, seconds).max()),
        surprise=-reading.log_prob / ended,
        free=max(0.0, free.score - reading.score),
        unexplained=0.0 if stretch is None else (stretch[1] - stretch[0]) * _FRAME_SECONDS,
        lead=min(max(0.0, lead), _LARGEST_LEAD),
        tokens=len(tokens),
    )


@dataclass(frozen=True)
class EvidencePlaces:
    """Where some measures find what they tell.

    Attributes:
        worst_word: the number of its first token, from 0, and of the one after its last.
        worst_moment: from when to when, in seconds of the wave.
        unexplained: the same of the longest loud stretch that no token is near; None where there is none.
    """

    worst_word: tuple[int, int]
    worst_moment: tuple[float, float]
    unexplained: tuple[float, float] | None


def places(
    ctc_log_probs: NDArray[np.floating],
    tokens: Sequence[int],
    *,
    word_starts: NDArray[np.bool_],
    wave: NDArray[np.float32],
    rate: int,
) -> EvidencePlaces:
    """Where ``weigh`` finds what it tells of a reading with these tokens; the arguments are its own."""
    spans, gaps = _gaps(ctc_log_probs, tokens)
    seconds = len(wave) / rate / len(gaps)
    moments = _moments(gaps, seconds)
    first, length = int(moments.argmax()), len(gaps) - len(moments) + 1
    stretch = _unexplained(wave, rate, spans, seconds)
    return EvidencePlaces(
        _worst_word(gaps, spans, word_starts)[1],
        (first * seconds, (first + length) * seconds),
        None if stretch is None else (stretch[0] * _FRAME_SECONDS, stretch[1] * _FRAME_SECONDS),
    )


def _gaps(
    ctc_log_probs: NDArray[np.floating], tokens: Sequence[int]
) -> tuple[Sequence[tuple[int, int]], NDArray[np.float64]]:
    """The frames that say each token, and the gap at each frame (S,)."""
    alignment = align(ctc_log_probs, tokens)
    return alignment.spans, np.asarray(ctc_log_probs, np.float64).max(axis=1) - alignment.log_probs


def _moments(gaps: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """The gap of each stretch of 0.4 s, by the frame with which it begins; a frame lasts so many seconds."""
    window = min(len(gaps), max(1, round(_WINDOW_SECONDS / seconds)))
    return np.convolve(gaps, np.ones(window), "valid")


def _worst_word(
    gaps: NDArray[np.float64], spans: Sequence[tuple[int, int]], word_starts: NDArray[np.bool_]
) -> tuple[float, tuple[int, int]]:
    """The gap of the word that has the largest, for each of its tokens; and its first token and the one after it."""
    starts = [0, *np.flatnonzero(word_starts[1:]) + 1]
    numbers = [(int(start), int(end)) for start, end in zip(starts, [*starts[1:], len(spans)], strict=True)]
    words = [spans[start:end] for start, end in numbers]
    # From the end of the word before it to the beginning of the next: what it should have explained.
    edges = [0, *(word[0][0] for word in words[1:]), len(gaps)]
    befores = [0, *(word[-1][1] for word in words[:-1])]
    each = [
        float(gaps[before:end].sum()) / len(word) for before, end, word in zip(befores, edges[1:], words, strict=True)
    ]
    worst = int(np.argmax(each))
    return each[worst], numbers[worst]


def _unexplained(
    wave: NDArray[np.float32], rate: int, spans: Sequence[tuple[int, int]], seconds: float
) -> tuple[int, int] | None:
    """The longest loud stretch of a wave (N,) that is far from every token: its first frame of 10 ms, and the one after
    its last; None where there is none. A token's ``spans`` are in frames of so many ``seconds``.
    """
    frame = round(_FRAME_SECONDS * rate)
    frames = wave[: len(wave) // frame * frame].reshape(-1, frame)
    if len(frames) < _SMOOTHED:
        return None
    powers = frame_powers(frames)
    levels = 10 * np.log10(np.convolve(powers, np.full(_SMOOTHED, 1 / _SMOOTHED), "same") + 1e-12)
    # The margins of digital silence are no part of the room.
    room = levels[powers > 0]
    if not len(room):
        return None
    loud = levels > max(np.percentile(room, 10) + _ABOVE_FLOOR_DB, np.percentile(room, 98) - _BELOW_PEAK_DB)
    times = (np.arange(len(levels)) + 0.5) * _FRAME_SECONDS
    middles = np.array([(first + end) / 2 for first, end in spans]) * seconds
    far = np.abs(times[:, None] - middles[None]).min(axis=1) > _NEAR_SECONDS
    edges = np.diff(np.concatenate([[0], (loud & far).astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return None
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest])
