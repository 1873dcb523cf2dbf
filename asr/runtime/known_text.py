"""Where in a recording the words of a text are, which is known to be what is said in it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.errors import AsrError
from asr.runtime.timing import Spans, word_spans
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import LONGEST_SECONDS
from asr.search.alignment import align

LEAST_FIT: Final = -0.5
"""Nats a step by which the text may be less likely than whatever is likeliest: 9 % of Common Voice have less."""


def find_words(transcriber: Transcriber, wave: NDArray[np.float32], text: str) -> tuple[list[str], Spans]:
    """The words of a text and from where to where each is said, in samples of a wave (N,) at 16 kHz.

    Both are empty where the text is not to be found in the wave: nobody speaks, or for longer than ``LONGEST_SECONDS``;
    or by what the model hears the text is less likely than ``LEAST_FIT``, as one is that it cannot spell.
    """
    tokenizer = transcriber.bundle.tokenizer
    words = transcriber.bundle.normaliser(text).split()
    tokens = tokenizer.encode(" ".join(words))
    utterance = transcriber.find_utterance(wave)
    if not words or utterance is None or utterance.seconds > LONGEST_SECONDS:
        return [], []
    heard = transcriber.hear(utterance)
    try:
        aligned = align(heard.ctc_log_probs, tokens)
    except AsrError:  # more tokens than steps
        return [], []
    if np.mean(aligned.log_probs - heard.ctc_log_probs.max(axis=1)) < LEAST_FIT:
        return [], []
    spellings = [tokenizer.piece(token) for token in tokens]
    return words, word_spans(spellings, transcriber.spans(tokens, utterance, heard))
