"""What the model is given of a recording: its speech, found by ``asr.audio.speech``, an utterance at a time.

Around the speech of an utterance stand ``MARGIN_SECONDS`` of the recording's own sound, for the first and the last of
speech is often quiet (or silence, where the recording ends), and around these the silence that the bundle's model
wants. All of it lies at fixed distances from the speech: what else is in the recording is not heard.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.audio.speech import MARGIN_SECONDS, excerpt, find_pieces
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
    start: int
    """Sample of the recording at which the wave begins; below 0 where its margins reach out of the recording."""
    own: tuple[int, int]
    """(first sample, sample after the last) of the recording that are this part's alone: its speech with the margins of
    sound, in a pause between two parts up to the middle. Its words lie here."""
    pieces: tuple[tuple[int, int], ...]
    """(first sample, sample after the last) of the recording of each stretch of speech in it, in order, with pauses
    between; within ``own``."""


def find_utterance(wave: NDArray[np.float32], silence_seconds: float) -> SpeechPart | None:
    """All that is said in a wave (N,) at 16 kHz, in silence, as one utterance; None where nobody speaks."""
    pieces = find_pieces(wave)
    if not pieces:
        return None
    heard = pieces[0][0] - _MARGIN, pieces[-1][1] + _MARGIN
    return _utterance(wave, heard, heard, pieces, silence_seconds)


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
        before = pieces[first - 1][1] if first else start - 2 * _MARGIN
        after = pieces[end][0] if end < len(pieces) else stop + 2 * _MARGIN
        if stop - start + 2 * _MARGIN <= LONGEST_SECONDS * SAMPLE_RATE:
            heard = max(before, start - _MARGIN), min(after, stop + _MARGIN)
            # In a pause that is shorter than two margins both parts hear the same sound.
            own = max((before + start) // 2, start - _MARGIN), min((stop + after) // 2, stop + _MARGIN)
            yield _utterance(wave, heard, own, pieces[first:end], silence_seconds)
        elif end - first > 1:
            pauses = [pieces[place][0] - pieces[place - 1][1] for place in range(first + 1, end)]
            longest = first + 1 + int(np.argmax(pauses))
            waiting += [(longest, end), (first, longest)]
        else:
            for begin, finish in split_at_pauses(excerpt(wave, start, stop), LONGEST_SECONDS):
                part = start + begin, start + finish
                yield _utterance(wave, part, part, [part], silence_seconds)


def _utterance(
    wave: NDArray[np.float32],
    heard: tuple[int, int],
    own: tuple[int, int],
    pieces: Sequence[tuple[int, int]],
    silence_seconds: float,
) -> SpeechPart:
    silence = round(silence_seconds * SAMPLE_RATE)
    start, end = heard
    first, last = max(own[0], 0), min(own[1], len(wave))
    return SpeechPart(
        np.pad(excerpt(wave, start, end), silence),
        (end - start) / SAMPLE_RATE,
        start - silence,
        (first, last),
        tuple((max(begin, first), min(finish, last)) for begin, finish in pieces),
    )
