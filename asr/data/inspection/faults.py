"""What looks wrong with an utterance: measured in its wave, and read from its text."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.features import FeatureSettings
from asr.audio.load import SAMPLE_RATE
from asr.model.settings import ModelSettings
from asr.text.normaliser import Normaliser
from asr.text.special import UNK
from asr.text.tokenizer import Tokenizer

FULL_SCALE: Final = 0.999
"""A sample of this size or more, of 1, is at full scale; the rest is left to rounding."""

MOST_CLIPPED: Final = 0.001
"""Share of samples at full scale above which a wave counts as clipped."""

SILENT_DB: Final = -50.0
"""Level in dBFS that the loudest tenth of a second of speech should reach."""

MOST_OFFSET: Final = 0.01
"""Mean of a wave, of full scale 1, above which it has an offset."""

FASTEST: Final = 30.0
"""Characters a second that nobody speaks: quick readers come to 25."""

SLOWEST: Final = 1.0
"""Characters a second below which something is said that the text leaves out, or nothing is said for long."""

LONG: Final = 5.0
"""Seconds from which ``SLOWEST`` is asked for: in less, a short word has room for the silence around it."""

_FAINTEST: Final = 1e-6  # -120 dBFS, so that digital silence has a level too
_BLOCK: Final = SAMPLE_RATE // 10
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '’,.?!;:-\"“”()")
_MARK: Final = re.compile(
    r"\[[^\[\]]*\]|<[^\s<>][^<>]*>|\{[^{}]*\}|\(\([^()]*\)\)|\([^()]*\)|(?<!\w)\*[^\s*](?:[^*]*[^\s*])?\*(?!\w)"
    r"|\+\+[^\s+]+\+\+|[♪♫]+"
)
# What stands between single round brackets is often spoken; of what is not, these are the beginnings of the words.
_NOT_SPOKEN: Final = re.compile(
    r"\b(?:laugh|giggl|chuckl|cough|sneez|sniff|sigh|gasp|groan|grunt|yawn|snor|sob|cry|cries|scream|whisper|breath"
    r"|inhal|exhal|hiccup|burp|lip|smack|throat|nois|music|appla|clap|cheer|cross.?talk|overlap|background|beep|buzz"
    r"|static|click|bark|knock|slam|creak|ring(?:s|ing)\b|paus|silen|sil\b|blank|unintel|inaud|indistinct|unclear"
    r"|incompr|illegible|mumbl|foreign|speaks|speaking|unk\b|unknown|spn\b|nsn\b|uh\b|um\b)",
    re.IGNORECASE,
)
_MARKS_NAMED: Final = 5
_READ_ALOUD: Final = "@#*/\\"  # Unicode has them as punctuation, but they are spoken
_SILENTLY_DROPPED: Final = ("P", "Z", "M", "Cf")


@dataclass(frozen=True)
class Kind:
    """One way to be wrong: its heading, what it means, and what to do."""

    title: str
    meaning: str


KINDS: Final[Mapping[str, Kind]] = {
    "unreadable": Kind(
        "Unreadable", "The audio cannot be read. Fetch or convert it again, or take it out of the list."
    ),
    "clipped": Kind(
        "Clipped",
        f"More than {MOST_CLIPPED:.1%} of the samples are at full scale: the recorder was set too high, and the "
        "waveform's tops are cut off. A few do no harm; recordings that are mostly so are better left out.",
    ),
    "silent": Kind(
        "Silent",
        f"There is a text, but the loudest tenth of a second stays below {SILENT_DB:g} dBFS. A model learns from such "
        "to write words that nobody said.",
    ),
    "short": Kind(
        "Too short for its text",
        "The encoder gives fewer steps than CTC needs for the tokens (one for each, and one more between two that are "
        f"equal), so that its loss is infinite; or more than {FASTEST:g} characters a second would have been spoken. "
        "The audio is cut, or the text belongs elsewhere.",
    ),
    "long": Kind(
        "Too long for its text",
        f"It lasts {LONG:g} s or more with fewer than {SLOWEST:g} character a second. Words are missing from the text, "
        "or there is much silence.",
    ),
    "characters": Kind(
        "Characters outside the tokenizer",
        "The text normaliser drops them, or the tokenizer has no token for them, so that the model never learns to "
        "write what is said there. Spell them as they are spoken.",
    ),
    "marks": Kind(
        "Non-speech marks",
        "Words between brackets or asterisks, such as [noise], (laughs), <unk> or *cough*, are how transcribers write "
        "down what is not speech; here they are taken for words that somebody said. Take them out of the text.",
    ),
    "offset": Kind(
        "DC offset",
        f"The wave's mean is more than {MOST_OFFSET:.0%} of full scale away from zero: a fault of the recorder. A "
        "high-pass filter mends it.",
    ),
}
"""What is looked for, by the name that a ``Fault`` bears."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What of a wave at 16 kHz is needed to judge it, once the wave itself is gone.

    ``clipped`` is the share of samples at full scale, ``level`` the loudest tenth of a second in dBFS without the
    offset, ``offset`` the mean.
    """

    samples: int
    clipped: float
    level: float
    offset: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.samples / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Fault:
    """One of ``KINDS``, the number (or words) that shows it, and how bad it is among its kind: more is worse."""

    kind: str
    number: str
    badness: float


def measure(wave: NDArray[np.float32]) -> Measures:
    """Measure a wave (N,), float32 in [-1, 1] at 16 kHz."""
    if not len(wave):
        return Measures(0, 0.0, 20 * math.log10(_FAINTEST), 0.0)
    offset = float(wave.mean(dtype=np.float64))
    power = np.square(wave - np.float32(offset))
    whole = len(wave) // _BLOCK * _BLOCK
    blocks = power[:whole].reshape(-1, _BLOCK) if whole else power[None]
    loudest = math.sqrt(float(blocks.mean(axis=1).max()))
    return Measures(
        samples=len(wave),
        clipped=float((np.abs(wave) >= FULL_SCALE).mean()),
        level=20 * math.log10(max(loudest, _FAINTEST)),
        offset=offset,
    )


class Judge:
    """Tells what looks wrong, for a model with these features, dimensions, tokens and text form."""

    def __init__(
        self, tokenizer: Tokenizer, features: FeatureSettings, model: ModelSettings, normaliser: Normaliser
    ) -> None:
        self.tokenizer = tokenizer
        self.features = features
        self.model = model
        self.normaliser = normaliser

    def faults(self, measures: Measures, text: str) -> list[Fault]:
        """Everything that looks wrong with an utterance that could be read."""
        found = []
        if measures.clipped > MOST_CLIPPED:
            found.append(Fault("clipped", f"{measures.clipped:.2%} of samples at full scale", measures.clipped))
        spoken = self.normaliser(text)
        if spoken and measures.level < SILENT_DB:
            found.append(Fault("silent", f"{measures.level:.1f} dBFS at its loudest", -measures.level))
        if abs(measures.offset) > MOST_OFFSET:
            found.append(Fault("offset", f"mean {measures.offset:+.4f} of full scale", abs(measures.offset)))
        if marks := non_speech_marks(text):
            named = list(dict.fromkeys(marks))
            more = f" and {len(named) - _MARKS_NAMED} more" if len(named) > _MARKS_NAMED else ""
            found.append(Fault("marks", " ".join(named[:_MARKS_NAMED]) + more, len(marks)))
        return [*found, *self._against_text(measures, spoken), *self._characters(text, spoken)]

    def _against_text(self, measures: Measures, spoken: str) -> list[Fault]:
        if not spoken:
            return []
        steps = self.model.steps(self.features.frames(measures.samples))
        needed = ctc_steps(self.tokenizer.encode(spoken))
        rate = len(spoken) / measures.seconds if measures.samples else math.inf
        pace = f"{rate:.1f} characters a second"
        if needed > steps:
            return [Fault("short", f"{steps} steps for {needed} needed, {pace}", 1 + needed / steps)]
        if rate > FASTEST:
            return [Fault("short", pace, 1 - FASTEST / rate)]
        if rate < SLOWEST and measures.seconds >= LONG:
            return [Fault("long", f"{pace} in {measures.seconds:.1f} s", 1 / rate)]
        return []

    def _characters(self, text: str, spoken: str) -> list[Fault]:
        lost = dropped_characters(_MARK.sub(_blank, text), self.normaliser)
        unknown = self.tokenizer.encode(spoken).count(UNK) if spoken else 0
        if not spoken and text.strip() and not lost:
            return [Fault("characters", "nothing of the text is left", math.inf)]
        said = []
        if lost:
            said.append(f"dropped: {' '.join(f'{char} (U+{ord(char):04X})' for char in lost)}")
        if unknown:
            said.append(f"tokens that are unknown: {unknown}")
        return [Fault("characters", "; ".join(said), len(lost) + unknown)] if said else []


def ctc_steps(tokens: Sequence[int]) -> int:
    """The fewest steps in which CTC can spell the tokens: one each, and a blank between two that are equal."""
    return len(tokens) + sum(first == second for first, second in pairwise(tokens))


def non_speech_marks(text: str) -> list[str]:
    """What in a text says that something is heard which is not speech, as transcribers write it, in its order."""
    return [mark for mark in _MARK.findall(text) if _is_mark(mark)]


def _is_mark(found: str) -> bool:
    return not found.startswith("(") or found.startswith("((") or bool(_NOT_SPOKEN.search(found))


def _blank(found: re.Match[str]) -> str:
    return " " if _is_mark(found[0]) else found[0]


def dropped_characters(text: str, normaliser: Normaliser) -> list[str]:
    """The distinct letters, digits, signs and control characters of a text without which it would be the same.

    Punctuation, spaces and marks may go unsaid and do not count.
    """
    strange = dict.fromkeys(char for char in text if char not in _PLAIN and _is_said(char))
    whole = normaliser(text) if strange else ""
    return [char for char in strange if normaliser(text.replace(char, " ")) == whole]


def _is_said(char: str) -> bool:
    return char in _READ_ALOUD or not (char.isspace() or unicodedata.category(char).startswith(_SILENTLY_DROPPED))
