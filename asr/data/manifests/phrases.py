"""Phrases out of recorded utterances: runs of a few words, as utterances of their own.

Who has heard a recording often enough knows its text by heart, and hears no more. Its phrases begin and end anywhere,
and strung together (see ``asr.data.batches.batching``) they say what nobody said. Lam et al., "On-the-fly aligned data
augmentation for sequence-to-sequence ASR" (2021), exchange words by such times.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.utterance import Utterance
from asr.errors import SettingsError

AROUND_SECONDS: Final = 0.2
"""Of a pause before or after a phrase, what goes with it at most."""
NEAR_SECONDS: Final = 0.05
"""So near to where two words meet, the cut is where it is quietest."""

_AROUND = round(AROUND_SECONDS * SAMPLE_RATE)
_NEAR = round(NEAR_SECONDS * SAMPLE_RATE)
_MOMENT = SAMPLE_RATE // 100


def phrases_of(
    utterance: Utterance,
    wave: NDArray[np.float32],
    words: Sequence[str],
    spans: Sequence[tuple[int, int]],
    *,
    least: int,
    most: int,
    rng: np.random.Generator,
) -> list[Utterance]:
    """All words of an utterance in phrases of ``least`` to ``most`` words, each an utterance by the same speaker.

    Sizes are drawn evenly; where fewer than ``least`` would be left, the last phrase has them too.

    Args:
        utterance: whose recording is a file of its own, not packed in a tar.
        wave: its sound (N,) at 16 kHz.
        words: its words in order.
        spans: the first sample of each in the wave, and the one after its last; none reaches into the next.
        least: words of a phrase, from 1 up.
        most: words of a phrase, from ``least`` up.
        rng: draws the sizes.

    Raises:
        SettingsError: sizes that are none.
    """
    if not 1 <= least <= most:
        raise SettingsError(f"phrases: from {least} to {most} words; wanted from 1 up, the first not above the second")
    bounds = [0]
    while bounds[-1] < len(words):
        bound = bounds[-1] + int(rng.integers(least, most + 1))
        bounds.append(len(words) if len(words) - bound < least else bound)
    phrases = []
    for number, (first, last) in enumerate(pairwise(bounds)):
        start = max(0, spans[first][0] - _AROUND)
        if first:
            start = max(start, _cut(wave, *spans[first - 1 : first + 1]))
        end = min(len(wave), spans[last - 1][1] + _AROUND)
        if last < len(words):
            end = min(end, _cut(wave, *spans[last - 1 : last + 1]))
        phrases.append(
            replace(
                utterance,
                id=f"{utterance.id}#{number}",
                text=" ".join(words[first:last]),
                start=utterance.start + start / SAMPLE_RATE,
                duration=(end - start) / SAMPLE_RATE,
                seconds=(end - start) / SAMPLE_RATE,
            )
        )
    return phrases


def _cut(wave: NDArray[np.float32], word: tuple[int, int], following: tuple[int, int]) -> int:
    """Where to cut between a word and the next: amid the pause, or at the quietest moment near where they meet."""
    middle = (word[1] + following[0]) // 2
    if following[0] - word[1] >= 2 * _MOMENT:
        return middle
    first = max(middle - _NEAR, sum(word) // 2)
    near = wave[first : min(middle + _NEAR, sum(following) // 2)]
    moments = near[: len(near) // _MOMENT * _MOMENT].reshape(-1, _MOMENT)
    if not len(moments):
        return middle
    return first + int(np.square(moments).sum(axis=1).argmin()) * _MOMENT + _MOMENT // 2
