"""What there is to be known of how a recording was heard, as plain values."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asr.runtime.commander import Understanding
from asr.runtime.transcript import Transcript, Word

Floats = NDArray[np.float32]
Times = tuple[float, float]
"""From when to when, in seconds from the beginning of the recording."""


@dataclass(frozen=True)
class Candidate:
    """A token that may come next, and how likely the decoder finds it (0 to 1)."""

    token: str
    probability: float


@dataclass(frozen=True, eq=False)
class DecoderStep:
    """The decoder as it writes one token of the text, or its end."""

    token: str
    probability: float
    likeliest: tuple[Candidate, ...]
    attention: Floats
    """(H, S), where each head of the last cross-attention looks; each row sums to 1."""
    said: Times | None
    """When the token is said, by the alignment with CTC; None for the end."""


@dataclass(frozen=True)
class Branch:
    """A beginning of a text in the tree of a search, or a text that ended.

    ``parent`` is its place among the branches, None at the root; ``step`` counts tokens from 1. ``score`` is the
    search's, and ``decoder``, ``ctc`` and ``language_model`` are the log-probabilities that it is made of, None where
    one had no part in it or the branch was not kept. ``best`` says that the best text goes through it. ``said`` is when
    the token is said, None for the end: of the best text each token's own time, and of others about where CTC hears it
    after what stands before it.
    """

    parent: int | None
    step: int
    token: str
    text: str
    score: float
    fate: Literal["kept", "ended", "dropped"]
    best: bool
    decoder: float | None
    ctc: float | None
    language_model: float | None
    said: Times | None


@dataclass(frozen=True)
class ScoreWeights:
    """How a search makes one score of a branch's log-probabilities.

    Their sum, each times its weight, is divided by ((5 + n) / 6) ** ``length_penalty``, of n tokens, the end included.
    """

    decoder: float
    ctc: float
    language_model: float
    length_penalty: float


@dataclass(frozen=True)
class Search:
    """What a search found and how.

    ``words`` are those of its text; ``options`` is how many tokens it might take at each step of it. ``width`` is how
    many beginnings it kept at a step. Of a step the ``branches`` are those that lead to others, and then the best, 16
    or one more; ``left_out`` counts those that are not among them.
    """

    text: str
    words: tuple[Word, ...]
    branches: tuple[Branch, ...]
    left_out: int
    options: tuple[int, ...]
    width: int
    weights: ScoreWeights


@dataclass(frozen=True)
class Measure:
    """A measure of evidence: ``points`` is its weight times how it is weighed, log(1 + value).

    ``where`` is when what it tells of is said, and ``word`` the word that it tells of, where it is one place or word.
    """

    name: str
    value: float
    weight: float
    points: float
    where: Times | None = None
    word: str | None = None


@dataclass(frozen=True, eq=False)
class Stages:
    """What the parts of the model make of an utterance.

    S steps of the encoder, ``step_seconds`` apart, each of ``stack`` frames of T, ``frame_seconds`` apart; the first
    frame is centred on the first sample. Attention and ``decoder`` are None where a bundle's graphs do not show them.
    """

    start: float
    """Where the wave begins, in seconds of the recording; below 0 where the silence around it reaches out."""
    wave: Floats
    """(N,) at 16 kHz, with the silence that stands around speech."""
    mel: Floats
    """(T, bands), natural logarithm of the power."""
    hertz: Floats
    """(bands,), the frequency to which each listens most."""
    cepstra: Floats
    """(T, C), normalised, without deltas: mean 0 and deviation 1 over the frames that count."""
    speech_range_db: float
    """How much fainter than the loud frames those are, about, that count; 0 where all do."""
    stacked: Floats
    """(S, stack · C)."""
    positions: Floats
    """(S, D)."""
    self_attention: Floats | None
    """(L, H, S, S), of the encoder: each row sums to 1."""
    ctc: Floats
    """(S, V), probabilities."""
    pieces: tuple[str, ...]
    """(V,), the tokens; a leading underscore says that one begins a word."""
    decoder: tuple[DecoderStep, ...] | None
    free: Search
    constrained: Search | None
    frame_seconds: float
    step_seconds: float
    margin_seconds: float
    """Of silence that was put around the speech, on each side."""


@dataclass(frozen=True, eq=False)
class Account:
    """How a recording was heard.

    ``stages`` is None where nobody speaks. ``transcript`` is that of free transcription; with commands there are their
    names, the ``understanding``, the confidence from which a reading is taken, and where there is a reading its
    ``evidence``, to whose points ``intercept`` is added.
    """

    name: str
    seconds: float
    wave: Floats
    transcript: Transcript
    stages: Stages | None
    commands: tuple[str, ...] = ()
    understanding: Understanding | None = None
    threshold: float | None = None
    evidence: tuple[Measure, ...] = ()
    intercept: float = 0.0
