"""What the model makes of an utterance on the way from sound to text, for pictures; and what else it may have been."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.audio.cepstra import log_mel_cepstra
from asr.audio.load import SAMPLE_RATE
from asr.errors import BundleError
from asr.runtime.attention import AttentionGraph
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import LONGEST_SECONDS
from asr.text.tokenizer import WORD_START

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Alternative:
    """A text that the search kept, with its confidence (0 to 1, that of a transcript)."""

    text: str
    confidence: float


@dataclass(frozen=True, eq=False)
class Look:
    """What the parts of the model say of an utterance.

    ``start`` is where its wave begins, in seconds of the recording; below 0 where the silence around it reaches out.
    """

    start: float
    wave: Floats
    """(N,) at 16 kHz, with the silence that stands around speech."""
    cepstra: Floats
    """(T, C), every ``frame_seconds``, each coefficient with mean 0 and variance 1 over the frames that count."""
    ctc: Floats
    """(S, V), probabilities, every ``step_seconds``."""
    attention: Floats | None
    """(U + 1, S), of each token of the text and of its end; None where the graph does not show it."""
    tokens: tuple[str, ...]
    """(U,), of the likeliest text; a leading underscore says that a token begins a word."""
    pieces: tuple[str, ...]
    """(V,), all tokens that there are."""
    n_best: tuple[Alternative, ...]
    """Different texts, as many as the search keeps, at most: the one that it chose, and the others by confidence."""
    frame_seconds: float
    step_seconds: float


class Looker:
    """Looks at what a transcriber hears."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        try:
            self._graph: AttentionGraph | None = AttentionGraph(transcriber.bundle)
        except BundleError:
            self._graph = None

    def look(self, wave: Floats) -> Look | None:
        """What is made of a wave (N,), float32 in [-1, 1] at 16 kHz, as one utterance.

        None where nobody speaks, or for longer than an utterance lasts.
        """
        transcriber, bundle = self._transcriber, self._transcriber.bundle
        utterance = transcriber.find_utterance(wave)
        if utterance is None or utterance.seconds > LONGEST_SECONDS:
            return None
        heard = transcriber.hear(utterance)
        found = transcriber.decode(heard, utterance.seconds, n_best=transcriber.decoding.width)
        texts: dict[str, float] = {}
        for each in found:
            confidence = math.exp(each.log_prob / max(len(each.token_log_probs), 1))
            texts.setdefault(bundle.tokenizer.decode(each.tokens).strip(), confidence)
        first, *others = (Alternative(text, confidence) for text, confidence in texts.items())
        tokens = found[0].tokens
        attention = None
        if self._graph is not None:
            try:
                attention = self._graph.weights(heard, tokens)
            except BundleError:
                self._graph = None
        pieces = tuple(
            bundle.tokenizer.piece(token).replace(WORD_START, "_") for token in range(bundle.tokenizer.vocabulary)
        )
        frame_seconds = bundle.features.hop_length / SAMPLE_RATE
        return Look(
            utterance.start / SAMPLE_RATE,
            utterance.wave,
            log_mel_cepstra(utterance.wave, bundle.features),
            np.exp(heard.ctc_log_probs),
            attention,
            tuple(pieces[token] for token in tokens),
            pieces,
            (first, *sorted(others, key=lambda other: -other.confidence)),
            frame_seconds,
            frame_seconds * int(bundle.model["stack"]),
        )
