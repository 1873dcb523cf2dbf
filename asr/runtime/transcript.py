"""What was heard, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asr.search.hypothesis import Hypothesis
from asr.text.tokenizer import WORD_START, Tokenizer


@dataclass(frozen=True)
class Word:
    """A word and its confidence (0..1)."""

    text: str
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What was heard in ``seconds`` of audio; an empty text is the right answer to silence.

    A word's confidence is the least probability of its tokens, for one wrong piece makes a wrong word; that of the
    transcript is the geometric mean over all tokens, the end included. Neither is calibrated.
    """

    text: str
    confidence: float
    seconds: float
    tokens: tuple[str, ...]
    words: tuple[Word, ...]


def transcript_of(hypothesis: Hypothesis, tokenizer: Tokenizer, seconds: float) -> Transcript:
    """Pieces joined into words, log-probabilities into confidences."""
    pieces = tuple(tokenizer.piece(token) for token in hypothesis.tokens)
    groups: list[tuple[list[str], float]] = []
    for piece, log_prob in zip(pieces, hypothesis.token_log_probs, strict=False):
        if piece.startswith(WORD_START) or not groups:
            groups.append(([], 0.0))
        spelled, least = groups[-1]
        spelled.append(piece)
        groups[-1] = (spelled, min(least, log_prob))
    words = [Word("".join(spelled).replace(WORD_START, ""), math.exp(least)) for spelled, least in groups]
    words = [word for word in words if word.text]
    count = len(hypothesis.token_log_probs)
    confidence = math.exp(hypothesis.log_prob / count) if count else 0.0
    return Transcript(" ".join(word.text for word in words), confidence, seconds, pieces, tuple(words))


def join(parts: Sequence[Transcript]) -> Transcript:
    """One transcript of a recording that was heard in parts; each part counts by its tokens."""
    weights = [1 + len(part.tokens) for part in parts]
    logs = [weight * math.log(max(part.confidence, 1e-12)) for weight, part in zip(weights, parts, strict=True)]
    return Transcript(
        text=" ".join(part.text for part in parts if part.text),
        confidence=math.exp(sum(logs) / sum(weights)) if parts else 0.0,
        seconds=sum(part.seconds for part in parts),
        tokens=tuple(token for part in parts for token in part.tokens),
        words=tuple(word for part in parts for word in part.words),
    )
