"""Speech as it is spoken: what has been said so far, and what was said once an utterance is over.

A session takes the blocks of one stream and gives events. It keeps no time and starts no thread: whoever feeds it is
behind for as long as a call takes, and may then do without partial results.

While somebody speaks, the utterance so far is heard again and again as if it ended there, at intervals that grow with
it, so that partial results take a bounded share of the time. Words in which two such hearings in a row agree are
``stable`` and stay as they are until the utterance is over. What else is shown is likely; a word that may not be
finished yet is not. It is the search for the final result that is used, for what a faster one says is changed more
often afterwards (LOG.md has the numbers). Partial results are free transcriptions also where commands are heard: a
sentence that is half said is none of a grammar yet, and whoever says something else sees what was heard of it.

The final result is that of the whole utterance, by the same rule as a recording of it. It is made as soon as a pause is
so long that the utterance would not be longer if it ended, and is thrown away if it goes on after all; so it is ready
when the pause has become long enough to end it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.errors import AudioError, SettingsError
from asr.runtime.commander import Commander, Understanding
from asr.runtime.endpoint import Endpointer, EndpointSettings, Segment
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import Transcript, Word

_NEW_SHARE = 1 / 6  # of the speech so far that is new to a partial result, where that is longer than the interval
_UNFINISHED_SECONDS = 0.15  # before the end of what was heard, in which a word may be the beginning of another
_LIKELY = 0.3  # confidence from which on a word is shown before it is stable


@dataclass(frozen=True)
class Started:
    """Speech began at ``start`` seconds of the stream; a Final or a Dropped of the same ``start`` follows.

    Examples:
        >>> import asr
        >>> wave = asr.read_source("recipes/commands/samples/five_five.flac")
        >>> first, *_, last = asr.load().stream([wave])
        >>> isinstance(first, asr.Started), first.start == last.start
        (True, True)
    """

    start: float


@dataclass(frozen=True)
class Partial:
    """The text so far of the utterance that began at ``start``; ``stable`` is its beginning that stays in later ones.

    The final text is heard anew from the whole utterance, and may differ even there.

    Examples:
        >>> import asr
        >>> wave = asr.read_source("recipes/commands/samples/find_my_files.flac")
        >>> heard = [each for each in asr.load().stream([wave]) if isinstance(each, asr.Partial)]
        >>> heard[0].text, all(each.text.startswith(each.stable) for each in heard)
        ('find', True)
    """

    start: float
    text: str
    stable: str


@dataclass(frozen=True)
class Final:
    """An utterance, and when its speech began and ended, in seconds of the stream, as all times in it.

    With commands ``understanding`` is what was understood, and the transcript its own. It may be pickled, as may all
    events.

    Examples:
        >>> import asr
        >>> wave = asr.read_source("recipes/commands/samples/find_my_files.flac")
        >>> *_, last = asr.load().stream([wave], asr.Commands.load("computer"))
        >>> last.transcript.text, last.understanding.command, last.start < last.end
        ('find my files', 'find', True)
    """

    start: float
    end: float
    transcript: Transcript
    understanding: Understanding | None


@dataclass(frozen=True)
class Dropped:
    """What began at ``start`` seconds of the stream, and ended at ``end``, had no words in it.

    Examples:
        >>> import asr
        >>> asr.Dropped(start=1.0, end=1.5).end
        1.5
    """

    start: float
    end: float


Event: TypeAlias = Started | Partial | Final | Dropped
"""What ``Model.stream`` gives, one after the other."""


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
        self._heard = 0  # samples of speech that the last partial result is of
        self._ready: tuple[Segment, Final | Dropped] | None = None

    def feed(self, block: NDArray[np.float32], *, partials: bool = True) -> list[Event]:
        """Take the next samples (n,) of the stream, float32 in [-1, 1] at 16 kHz, any n; what has come of them.

        With ``partials`` False no partial results are made, for who is behind.

        Raises AudioError for another block.
        """
        if not isinstance(block, np.ndarray) or block.ndim != 1 or block.dtype != np.float32:
            raise AudioError("stream: found a block that is no array (n,) of float32; wanted mono sound at 16 kHz")
        if not np.isfinite(block).all():  # the model of voices would hear nothing ever after
            raise AudioError("stream: found samples that are no finite numbers; wanted them in [-1, 1]")
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
        assert self._start is not None
        assert self._interval is not None
        spoken = self._endpointer.spoken
        if spoken - self._heard < max(self._interval, spoken * _NEW_SHARE):
            return
        self._heard = spoken
        opened = self._endpointer.opened()
        assert opened is not None
        if self._words.add(self._transcriber.transcribe(opened.wave).words, len(opened.wave) / SAMPLE_RATE):
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
        self._words: list[Word] = []
        self._stable = 0  # of them stay
        self._shown = 0

    @property
    def text(self) -> str:
        """Those that stay and those after them that are likely."""
        return _text(self._words[: self._shown])

    @property
    def stable(self) -> str:
        """Those that stay."""
        return _text(self._words[: self._stable])

    def add(self, heard: Sequence[Word], until: float) -> bool:
        """Take the words of the next hearing, which is of ``until`` seconds, with their times; whether that is new."""
        shown = self.text, self.stable
        # A later hearing may have other words where the stable ones are: what counts is what it has behind them.
        stable = self._words[: self._stable]
        end = stable[-1].end if stable else 0.0
        finished = [word for word in heard if word.end <= until - _UNFINISHED_SECONDS]
        words = [*stable, *(word for word in finished if (word.start + word.end) / 2 > end)]
        while self._stable < min(len(words), len(self._words)):
            if words[self._stable].text != self._words[self._stable].text:
                break
            self._stable += 1
        self._words = words
        self._shown = self._stable
        while self._shown < len(words) and words[self._shown].confidence >= _LIKELY:
            self._shown += 1
        return (self.text, self.stable) != shown


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
