"""What the model is given of a recording: its speech, found by ``asr.audio.speech``, an utterance at a time.

Around the speech of an utterance stand ``MARGIN_SECONDS`` of the recording's own sound, for the first and the last of
speech is often quiet (or silence, where the recording ends), and around these the silence that the bundle's model
wants. All of it lies at fixed distances from the speech: what else is in the recording is not heard.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.audio.speech import MARGIN_SECONDS, excerpt, find_pieces, find_speech
from asr.runtime.endpoint import split_at_pauses

LONGEST_SECONDS = 20.0
"""Longer speech is cut at its pauses: the model has not met longer utterances in training."""

_MARGIN = round(MARGIN_SECONDS * SAMPLE_RATE)


@dataclass(frozen=True, eq=False)
class SpeechPart:
    """A part of a recording as the model hears it."""

    wave: NDArray[np.float32]
    """Samples (N,) at 16 kHz: speech with its margins of sound and of silence."""
    seconds: float
    """Of that, speech and sound: how much text there may be."""


def find_utterance(wave: NDArray[np.float32], silence_seconds: float) -> SpeechPart | None:
    """All that is said in a wave (N,) at 16 kHz, in silence, as one utterance; None where nobody speaks."""
    found = find_speech(wave)
    return None if found is None else _utterance(wave, found[0] - _MARGIN, found[1] + _MARGIN, silence_seconds)


def find_utterances(wave: NDArray[np.float32], silence_seconds: float) -> Iterator[SpeechPart]:
    """The same in utterances, in order, with at most ``LONGEST_SECONDS`` of speech and sound in each.

    Longer speech is parted at its longest pause until no part is longer, and where it has no pause at the quietest
    points.
    """
    pieces = find_pieces(wave)
    waiting = [(0, len(pieces))] if pieces else []
    while waiting:
        first, end = waiting.pop()
        start, stop = pieces[first][0], pieces[end - 1][1]
        before = pieces[first - 1][1] if first else start - _MARGIN
        after = pieces[end][0] if end < len(pieces) else stop + _MARGIN
        if stop - start + 2 * _MARGIN <= LONGEST_SECONDS * SAMPLE_RATE:
            begin, finish = max(before, start - _MARGIN), min(after, stop + _MARGIN)
            yield _utterance(wave, begin, finish, silence_seconds)
        elif end - first > 1:
            pauses = [pieces[place][0] - pieces[place - 1][1] for place in range(first + 1, end)]
            longest = first + 1 + int(np.argmax(pauses))
            waiting += [(longest, end), (first, longest)]
        else:
            for begin, finish in split_at_pauses(excerpt(wave, start, stop), LONGEST_SECONDS):
                yield _utterance(wave, start + begin, start + finish, silence_seconds)


def _utterance(wave: NDArray[np.float32], start: int, end: int, silence_seconds: float) -> SpeechPart:
    silence = round(silence_seconds * SAMPLE_RATE)
    return SpeechPart(np.pad(excerpt(wave, start, end), silence), (end - start) / SAMPLE_RATE)
