"""What the model is given of a recording: its speech, found by ``asr.audio.speech``, an utterance at a time.

A recording in which people speak for no longer than ``LONGEST_SECONDS`` is one utterance: who reads word by word is
better understood so. In a longer one a pause of ``PAUSE_SECONDS`` ends an utterance, and what lies beyond it has no
part in how the utterance is heard: where it begins and ends is found again in it alone. So sentences are heard in a
long recording as they are each by itself, and of hours of sound no more than ``WINDOW_SECONDS`` are held.

Around the speech of an utterance stand ``MARGIN_SECONDS`` of the recording's own sound, for the first and the last of
speech is often quiet (or silence, where the recording ends), and around these the silence that the bundle's model
wants. All of it lies at fixed distances from the speech: what else is in the recording is not heard.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.audio.speech import MARGIN_SECONDS, PAUSE_SECONDS, ROOM_SECONDS, excerpt, find_phrases, find_pieces
from asr.runtime.endpoint import split_at_pauses

LONGEST_SECONDS: Final = 20.0
"""Longer speech is cut at its pauses, however short: the model has not met longer utterances in training."""
WINDOW_SECONDS: Final = 120.0
"""Of sound that is looked at together."""

_MARGIN = round(MARGIN_SECONDS * SAMPLE_RATE)
_LONGEST = round(LONGEST_SECONDS * SAMPLE_RATE)
_PAUSE = round(PAUSE_SECONDS * SAMPLE_RATE)
_WINDOW = round(WINDOW_SECONDS * SAMPLE_RATE)
_AROUND = round(ROOM_SECONDS * SAMPLE_RATE)  # before and after speech, which say how loud it must be
_NEAR = SAMPLE_RATE  # of a pause, in which the ends of speech are found again

_Span = tuple[int, int]
"""(first sample, sample after the last)."""


@dataclass(frozen=True, eq=False)
class SpeechPart:
    """A part of a recording as the model hears it."""

    wave: NDArray[np.float32]
    """Samples (N,) at 16 kHz: speech with its margins of sound and of silence."""
    seconds: float
    """Of that, speech and sound: how much text there may be."""
    start: int
    """Sample of the recording at which the wave begins; below 0 where its margins reach out of the recording."""
    own: _Span
    """(first sample, sample after the last) of the recording that are this part's alone: its speech with the margins of
    sound, in a pause between two parts up to the middle. Its words lie here."""
    pieces: tuple[_Span, ...]
    """(first sample, sample after the last) of the recording of each stretch of speech in it, in order, with pauses
    between; within ``own``."""


class _Cut(NamedTuple):
    """Where an utterance lies in a wave: what is heard, what of it is its own, its pieces of speech."""

    heard: _Span
    own: _Span
    pieces: Sequence[_Span]


class _Phrase(NamedTuple):
    """Speech without a long pause: roughly where, what is its alone, and where others end before it and begin after."""

    span: _Span
    own: _Span
    around: _Span


def find_utterance(wave: NDArray[np.float32], silence_seconds: float) -> SpeechPart | None:
    """All that is said in a wave (N,) at 16 kHz, in silence, as one utterance; None where nobody speaks."""
    pieces = find_pieces(wave)
    if not pieces:
        return None
    heard = pieces[0][0] - _MARGIN, pieces[-1][1] + _MARGIN
    return _utterance(wave, _Cut(heard, heard, pieces), 0, silence_seconds)


def find_utterances(blocks: Iterable[NDArray[np.float32]], silence_seconds: float) -> Iterator[SpeechPart]:
    """The same in utterances, in order, with at most ``LONGEST_SECONDS`` of speech and sound in each.

    Where there is more, an utterance ends where nobody speaks for ``PAUSE_SECONDS``. Longer speech is cut at its
    longest pause until no part is longer, and where it has no pause at the quietest points.

    Args:
        blocks: the sound, samples (n,) at 16 kHz, of any n: how it is cut into blocks makes no difference.
        silence_seconds: put around each utterance.
    """
    sound = _Samples(blocks)
    wave, start = sound.read(_WINDOW), 0
    done, spoken = 0, -_AROUND
    while True:
        last = len(wave) < _WINDOW
        cuts, done, spoken = _cuts_in(wave, done, spoken, first=start == 0, last=last)
        for cut in cuts:
            yield _utterance(wave, cut, start, silence_seconds)
        if last:
            return
        passed = max(done - _AROUND, 0)
        wave = np.concatenate([wave[passed:], sound.read(passed)])
        start, done, spoken = start + passed, done - passed, spoken - passed


class _Samples:
    """Blocks, to be read by numbers of samples."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self._blocks = iter(blocks)
        self._rest = np.zeros(0, np.float32)

    def read(self, count: int) -> NDArray[np.float32]:
        """The next samples (count,), fewer where the blocks end."""
        taken, missing = [self._rest[:0]], count
        while missing:
            if not len(self._rest):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._rest = block
            taken.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(taken[-1])
        return np.concatenate(taken)


def _cuts_in(
    wave: NDArray[np.float32], done: int, spoken: int, *, first: bool, last: bool
) -> tuple[list[_Cut], int, int]:
    """The utterances that end in a window of a recording.

    Args:
        wave: the window (N,).
        done: sample up to which everything has been heard.
        spoken: sample up to which somebody spoke in that.
        first: whether the recording begins with the window.
        last: whether it ends with it.

    Returns:
        the utterances behind ``done``, and both samples for what follows them.
    """
    if first and last:
        whole = _Phrase((0, len(wave)), (0, len(wave)), (-_AROUND, len(wave) + _AROUND))
        pieces = find_pieces(wave)
        short = pieces and pieces[-1][1] - pieces[0][0] + 2 * _MARGIN <= _LONGEST
        return list((_cuts if short else _separated)(wave, whole, pieces)), len(wave), len(wave)
    limit = len(wave) if last else len(wave) - _AROUND
    phrases = [(max(begin, done), end) for begin, end in find_phrases(wave) if end > done]
    cuts: list[_Cut] = []
    for phrase in _beside(phrases, (done, len(wave)), (spoken, len(wave) + _AROUND)):
        begin, end = phrase.span
        if last or end <= limit:
            cuts += _heard(wave, phrase)
            done, spoken = min(end + _MARGIN, phrase.own[1]), end
        elif limit - begin < _WINDOW // 2:  # its end is still to come
            return cuts, max(phrase.own[0], begin - _NEAR), phrase.around[0]
        else:  # nobody waits for its end: all is heard but the utterance that is open
            *ended, opened = _heard(wave, phrase._replace(span=(begin, limit), own=(phrase.own[0], limit)))
            return [*cuts, *ended], opened.own[0], ended[-1].pieces[-1][1]
    return cuts, max(limit, done), spoken


def _heard(wave: NDArray[np.float32], phrase: _Phrase) -> Iterator[_Cut]:
    """The utterances of a phrase, as it is found where nothing else is heard: several phrases, perhaps."""
    begin, end = _reach(wave, phrase)
    yield from _separated(wave, phrase, [(begin + start, begin + stop) for start, stop in find_pieces(wave[begin:end])])


def _separated(wave: NDArray[np.float32], phrase: _Phrase, pieces: Sequence[_Span]) -> Iterator[_Cut]:
    """The utterances of a phrase with these pieces of speech; a long pause between them makes several phrases of it."""
    if any(after[0] - before[1] >= _PAUSE for before, after in pairwise(pieces)):
        begin, end = _reach(wave, phrase)
        spans = [(begin + start, begin + stop) for start, stop in find_phrases(wave[begin:end])]
        if len(spans) > 1:
            for each in _beside(spans, phrase.own, phrase.around):
                yield from _heard(wave, each)
            return
    if pieces:
        yield from _cuts(wave, phrase, pieces)


def _reach(wave: NDArray[np.float32], phrase: _Phrase) -> _Span:
    """Where a phrase is looked for."""
    return max(phrase.own[0], phrase.span[0] - _NEAR, 0), min(phrase.own[1], phrase.span[1] + _NEAR, len(wave))


def _beside(spans: Sequence[_Span], own: _Span, around: _Span) -> Iterator[_Phrase]:
    """Phrases that follow one another, which share what is their ``own``."""
    for place, (begin, end) in enumerate(spans):
        before, low = around[0], own[0]
        if place:
            before = spans[place - 1][1]
            low = (before + begin) // 2
        after, high = around[1], own[1]
        if place + 1 < len(spans):
            after = spans[place + 1][0]
            high = (end + after) // 2
        yield _Phrase((begin, end), (low, high), (before, after))


def _cuts(wave: NDArray[np.float32], phrase: _Phrase, pieces: Sequence[_Span]) -> Iterator[_Cut]:
    """The pieces of a phrase in utterances."""
    waiting = [(0, len(pieces))]
    while waiting:
        first, end = waiting.pop()
        start, stop = pieces[first][0], pieces[end - 1][1]
        before, low = phrase.around[0], phrase.own[0]
        if first:
            before = pieces[first - 1][1]
            low = (before + start) // 2
        after, high = phrase.around[1], phrase.own[1]
        if end < len(pieces):
            after = pieces[end][0]
            high = (stop + after) // 2
        if stop - start + 2 * _MARGIN <= _LONGEST:
            # In a pause that is shorter than two margins both parts hear the same sound.
            heard = max(before, start - _MARGIN), min(after, stop + _MARGIN)
            yield _Cut(heard, (max(low, start - _MARGIN), min(high, stop + _MARGIN)), pieces[first:end])
        elif end - first > 1:
            lengths = [pieces[place][0] - pieces[place - 1][1] for place in range(first + 1, end)]
            longest = first + 1 + int(np.argmax(lengths))
            waiting += [(longest, end), (first, longest)]
        else:
            for begin, finish in split_at_pauses(excerpt(wave, start, stop), LONGEST_SECONDS):
                part = start + begin, start + finish
                yield _Cut(part, part, [part])


def _utterance(wave: NDArray[np.float32], cut: _Cut, offset: int, silence_seconds: float) -> SpeechPart:
    """What is cut from a wave that begins at the sample ``offset`` of the recording."""
    silence = round(silence_seconds * SAMPLE_RATE)
    start, end = cut.heard
    first, last = max(cut.own[0], 0), min(cut.own[1], len(wave))
    return SpeechPart(
        np.pad(excerpt(wave, start, end), silence),
        (end - start) / SAMPLE_RATE,
        offset + start - silence,
        (offset + first, offset + last),
        tuple((offset + max(begin, first), offset + min(finish, last)) for begin, finish in cut.pieces),
    )
