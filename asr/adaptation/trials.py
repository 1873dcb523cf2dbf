"""Commands, and what a careless ear would take for commands: the trials by which a bundle learns to reject."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr.commands.grammar.grammar import Grammar
    from asr.commands.rejection import Trial
    from asr.runtime.commander import Listener

_LARGEST_SET: Final = 300
_MOST_WORDS: Final = 40
"""Strings are of digits, letters and the like; of some hundred words they are free speech, which all is near."""
_LONGEST_STRING: Final = 6
_LONGEST_PAUSE: Final = 0.3
_SHORTEST_PART: Final = 0.2
_LONGEST: Final = 19.0


@dataclass(frozen=True)
class LabelledWave:
    """A recording in memory: its wave (N,) at 16 kHz, its text in normal form, and whose it is."""

    wave: "NDArray[np.float32]"
    text: str
    speaker: str


def trial(listener: "Listener", said: LabelledWave, kind: str | None = None) -> "Trial":
    """What a grammar makes of a recording; ``kind`` is found from its text unless given.

    A recording of another ``kind`` than "command" is never read rightly, whatever its text.
    """
    from asr.commands.rejection import COMMAND, Trial

    expected = listener.network.parse(said.text) if said.text and kind in (None, COMMAND) else None
    if kind is None:
        kind = COMMAND if expected is not None else "other speech" if said.text else "noise"
    heard = listener.hear([said.wave])
    right = (
        expected is not None
        and heard.reading is not None
        and (heard.reading.command, heard.reading.slots) == (expected.command, expected.slots)
    )
    return Trial(heard.evidence, right, kind, said.speaker)


def in_longer_speech(said: LabelledWave, other: LabelledWave, generator: random.Random) -> LabelledWave | None:
    """A command right after or before other speech; None where that would be longer than an utterance."""
    import numpy as np

    from asr.audio.load import SAMPLE_RATE

    pause = np.zeros(int(generator.uniform(0, _LONGEST_PAUSE) * SAMPLE_RATE), np.float32)
    first, second = (said, other) if generator.random() < 0.5 else (other, said)
    wave = np.concatenate([first.wave, pause, second.wave])
    if len(wave) > _LONGEST * SAMPLE_RATE:
        return None
    return LabelledWave(wave, f"{first.text} {second.text}", said.speaker)


def half_of(said: LabelledWave, generator: random.Random) -> LabelledWave | None:
    """The first or the second half of a command's sound; None for one of a single word, or hardly a sound."""
    import numpy as np

    from asr.audio.load import SAMPLE_RATE

    words = said.text.split()
    loud = np.flatnonzero(np.abs(said.wave) > 0.1 * np.abs(said.wave).max(initial=0.0))
    if len(words) < 2 or len(loud) < _SHORTEST_PART * SAMPLE_RATE:
        return None
    middle = int(loud[0] + loud[-1]) // 2
    if generator.random() < 0.5:
        return LabelledWave(said.wave[:middle], " ".join(words[: len(words) // 2]), said.speaker)
    return LabelledWave(said.wave[middle:], " ".join(words[len(words) // 2 :]), said.speaker)


def sets_of_sentences(texts: Sequence[str], generator: random.Random) -> "Iterator[Grammar]":
    """Without end, grammars of some of the texts: from two of them to some hundred, small ones as often as large."""
    from asr.commands.grammar.grammar import Grammar, Template
    from asr.commands.grammar.syntax import Text

    most = min(len(texts) * 2 // 3, _LARGEST_SET)
    while True:
        chosen = generator.sample(texts, _log_uniform(2, max(2, most), generator))
        yield Grammar("sentences", {text: (Template("drawn", Text(text), {}, {}, {}),) for text in sorted(chosen)}, ())


def strings_of_words(texts: Sequence[str], generator: random.Random) -> "Iterator[Grammar]":
    """Without end, grammars of all strings of up to six of some words, two to some forty of those in the texts."""
    from asr.commands.grammar.grammar import Grammar, Template, Value, WordList
    from asr.commands.grammar.syntax import Text
    from asr.commands.grammar.templates import parse

    up_to_six = parse("{word} [" * (_LONGEST_STRING - 1) + "{word}" + "]" * (_LONGEST_STRING - 1))
    words = sorted({word for text in texts for word in text.split()})
    short = [text for text in texts if len(text.split()) <= _LONGEST_STRING]
    while True:
        count = _log_uniform(2, max(2, min(len(words) // 2, _MOST_WORDS)), generator)
        known: set[str] = set()
        # Some texts whole, so that there is something to understand, and other words for the rest.
        for text in generator.sample(short, len(short)):
            if len(known) >= count / 2:
                break
            known |= set(text.split())
        known |= set(generator.sample(words, max(0, count - len(known))))
        words_list = WordList(tuple(Value("drawn", Text(word)) for word in sorted(known)))
        yield Grammar("words", {"words": (Template("drawn", up_to_six, {"word": words_list}, {}, {}),)}, ())


KINDS_OF_GRAMMAR: Final[tuple[Callable[[Sequence[str], random.Random], "Iterator[Grammar]"], ...]] = (
    sets_of_sentences,
    strings_of_words,
)


def _log_uniform(low: int, high: int, generator: random.Random) -> int:
    drawn: float = low * (high / low) ** generator.random()
    return round(drawn)
