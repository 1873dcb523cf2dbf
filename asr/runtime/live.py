"""Speech as it is spoken: what has been said so far, and what was said once an utterance is over.

A session takes the blocks of one stream and gives events. It keeps no time and starts no thread: whoever feeds it is
behind for as long as a call takes, and may then do without partial results.

While somebody speaks, the utterance so far is heard again and again, at intervals that grow with it, so that partial
results take a bounded share of the time. Words in which two such hearings in a row agree are ``stable`` and stay as
they are until the utterance is over. Partial results are free transcriptions also where commands are heard: a sentence
that is half said is none of a grammar yet, and whoever says something else sees what was heard of it.

The final result is that of the whole utterance, by the same rule as a recording of it. It is made as soon as a pause is
so long that the utterance would not be longer if it ended, and is thrown away if it goes on after all; so it is ready
when the pause has become long enough to end it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.errors import AudioError, SettingsError
from asr.runtime.commander import Commander, Understanding
from asr.runtime.endpoint import Endpointer, EndpointSettings, Segment
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import Transcript, Word

LENGTH_SHARE: Final = 1 / 6
"""Of the utterance so far that is heard anew before the next partial result, where that is longer than the interval."""


@dataclass(frozen=True)
class Started:
    """Speech began at ``start`` seconds of the stream; a Final or a Dropped of the same ``start`` follows."""

    start: float


@dataclass(frozen=True)
class Partial:
    """The text so far of the utterance that began at ``start``; ``stable`` is its prefix that will not change."""

    start: float
    text: str
    stable: str


@dataclass(frozen=True)
class Final:
    """An utterance, and when its speech began and ended, in seconds of the stream, as all times in it.

    With commands ``understanding`` is what was understood, and the transcript its own.
    """

    start: float
    end: float
    transcript: Transcript
    understanding: Understanding | None


@dataclass(frozen=True)
class Dropped:
    """What began at ``start`` seconds of the stream had no words in it."""

    start: float
    end: float


Event: TypeAlias = Started | Partial | Final | Dropped


class LiveSession:
    """Hears one stream. How it is cut into blocks makes no difference to the events, only to when they come."""

    def __init__(
        self,
        transcriber: Transcriber,
        commander: Commander | None = None,
        *,
        settings: EndpointSettings | None = None,
        partial_seconds: float | None = 0.4,
    ) -> None:
        """Utterances are heard by the commander where there is one, else transcribed.

        ``partial_seconds`` is the shortest time between two partial results; without it there are none.

        Raises SettingsError where it is below 0.1.
        """
        if partial_seconds is not None and not partial_seconds >= 0.1:
            raise SettingsError(f"partial_seconds: found {partial_seconds:g}, wanted 0.1 or more")
        self._transcriber = transcriber
        self._commander = commander
        self._settings = settings or EndpointSettings()
        self._interval = None if partial_seconds is None else round(partial_seconds * SAMPLE_RATE)
        self._endpointer = Endpointer(self._settings)
        self._begin()

    def _begin(self) -> None:
        """Forget the utterance."""
        self._start: float | None = None
        self._words = StableWords()
        self._heard = 0  # samples of the utterance that the last partial result is of
        self._ready: tuple[Segment, Final | Dropped] | None = None

    def feed(self, block: NDArray[np.float32], *, partials: bool = True) -> list[Event]:
        """Take the next samples (n,) of the stream, float32 in [-1, 1] at 16 kHz, any n; what has come of them.

        With ``partials`` False no partial results are made, for who is behind.

        Raises AudioError for another block.
        """
        if not isinstance(block, np.ndarray) or block.ndim != 1 or block.dtype != np.float32:
            raise AudioError("stream: found a block that is no array (n,) of float32; wanted mono sound at 16 kHz")
        return list(self._events(block, partials=partials and self._interval is not None))

    def flush(self) -> list[Event]:
        """End the stream; what comes of the utterance that was still open. The next block begins a new stream."""
        return [self._end(segment) for segment in self._endpointer.flush()]

    def _events(self, block: NDArray[np.float32], *, partials: bool) -> Iterator[Event]:
        for ended in self._endpointer.steps(block):
            if ended is not None:
                yield self._end(ended)
            if not self._endpointer.speaking:
                continue
            if self._start is None:
                opened = self._endpointer.opened()
                assert opened is not None
                self._start = opened.speech_start / SAMPLE_RATE
                yield Started(self._start)
            if self._endpointer.quiet == 0:
                self._ready = None
                if partials:
                    yield from self._partial()
            elif self._ready is None and self._endpointer.quiet >= self._settings.post_roll_seconds * SAMPLE_RATE:
                opened = self._endpointer.opened()
                assert opened is not None
                self._ready = opened, self._hear(opened)

    def _partial(self) -> Iterator[Partial]:
        opened = self._endpointer.opened()
        assert opened is not None
        assert self._start is not None
        assert self._interval is not None
        length = len(opened.wave)
        if length - self._heard < max(self._interval, length * LENGTH_SHARE):
            return
        self._heard = length
        words = self._transcriber.glance(opened.wave)
        if self._words.add(words):
            yield Partial(self._start, self._words.text, self._words.stable)

    def _end(self, segment: Segment) -> Final | Dropped:
        ready = self._ready
        fits = ready is not None and (ready[0].start, len(ready[0].wave)) == (segment.start, len(segment.wave))
        event = ready[1] if ready is not None and fits else self._hear(segment)
        self._begin()
        return event

    def _hear(self, segment: Segment) -> Final | Dropped:
        """What comes of an utterance."""
        start, end = segment.speech_start / SAMPLE_RATE, segment.speech_end / SAMPLE_RATE
        understanding = None if self._commander is None else self._commander.understand(segment.wave)
        heard = self._transcriber.transcribe(segment.wave) if understanding is None else understanding.transcript
        if not heard.words:
            return Dropped(start, end)
        transcript = heard.after(segment.start / SAMPLE_RATE)
        if understanding is not None:
            understanding = replace(understanding, transcript=transcript)
        return Final(start, end, transcript, understanding)


class StableWords:
    """The words of an utterance so far, of which those in which two hearings in a row agree stay."""

    def __init__(self) -> None:
        self._stable: list[Word] = []
        self._words: list[Word] = []

    @property
    def text(self) -> str:
        """All of them."""
        return _text(self._words)

    @property
    def stable(self) -> str:
        """Those that stay."""
        return _text(self._stable)

    def add(self, heard: Sequence[Word]) -> bool:
        """Take the words of the next hearing, with their times; whether anything is new."""
        before = self.text, self.stable
        # A later hearing may have other words where the stable ones are: what counts is what it has behind them.
        end = self._stable[-1].end if self._stable else 0.0
        words = [*self._stable, *(word for word in heard if (word.start + word.end) / 2 > end)]
        agreed = len(self._stable)
        while agreed < min(len(words), len(self._words)) and words[agreed].text == self._words[agreed].text:
            agreed += 1
        self._stable, self._words = words[:agreed], words
        return (self.text, self.stable) != before


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
