"""What was heard, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asr.audio.load import SAMPLE_RATE
from asr.search.hypothesis import Hypothesis
from asr.text.tokenizer import WORD_START, Tokenizer


@dataclass(frozen=True)
class Word:
    """A word, its confidence (0 to 1), and from when to when it is said, in seconds from the recording's beginning.

    Examples:
        >>> import asr
        >>> first, *_ = asr.load().transcribe("recipes/commands/samples/find_my_files.flac").words
        >>> first.text, 0 < first.confidence <= 1, first.start < first.end
        ('find', True, True)
    """

    text: str
    confidence: float
    start: float
    end: float


@dataclass(frozen=True)
class TranscriptSegment:
    """What is said in one go: a part of a transcript, with its confidence, its words, and when it is said.

    ``start`` and ``end`` are seconds from the recording's beginning, those of its first and its last word.

    Examples:
        >>> import asr
        >>> (segment,) = asr.load().transcribe("recipes/commands/samples/five_five.flac").segments
        >>> segment.text, segment.start == segment.words[0].start
        ('five five', True)
    """

    text: str
    confidence: float
    start: float
    end: float
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Transcript:
    """What was heard in ``seconds`` of audio; an empty text is the right answer to silence. It may be pickled.

    A word's confidence is the least probability of its tokens, for one wrong piece makes a wrong word; that of the
    transcript is the geometric mean over all tokens, the end included. Neither is calibrated.

    Words and segments are in the order of their times, which do not overlap and lie within the recording. A segment is
    an utterance as the model heard it, up to 20 s of speech; one in which nothing was understood is none.

    Examples:
        >>> import asr
        >>> heard = asr.load().transcribe("recipes/commands/samples/five_five.flac")
        >>> heard.text, heard.tokens, len(heard.words), 0 < heard.confidence <= 1
        ('five five', ('▁five', '▁five'), 2, True)
    """

    text: str
    confidence: float
    seconds: float
    tokens: tuple[str, ...]
    words: tuple[Word, ...]
    segments: tuple[TranscriptSegment, ...]

    def after(self, seconds: float) -> "Transcript":
        """The same of sound that begins so many seconds later."""
        segments = tuple(
            replace(each, start=each.start + seconds, end=each.end + seconds, words=tuple(_later(each.words, seconds)))
            for each in self.segments
        )
        return replace(self, words=tuple(_later(self.words, seconds)), segments=segments)


def _later(words: Sequence[Word], seconds: float) -> list[Word]:
    return [replace(word, start=word.start + seconds, end=word.end + seconds) for word in words]


def transcript_of(
    hypothesis: Hypothesis, tokenizer: Tokenizer, spans: Sequence[tuple[int, int]], seconds: float
) -> Transcript:
    """Pieces joined into words, log-probabilities into confidences, samples into seconds: one segment, if any word.

    ``spans`` are (first sample, sample after the last) of the recording for each token.
    """
    pieces = tuple(tokenizer.piece(token) for token in hypothesis.tokens)
    groups: list[tuple[list[str], list[float], list[int]]] = []
    for piece, log_prob, span in zip(pieces, hypothesis.token_log_probs, spans, strict=False):
        if piece.startswith(WORD_START) or not groups:
            groups.append(([], [], []))
        spelled, log_probs, edges = groups[-1]
        spelled.append(piece)
        log_probs.append(log_prob)
        edges += span
    words = [
        Word(
            "".join(spelled).replace(WORD_START, ""),
            math.exp(min(log_probs)),
            edges[0] / SAMPLE_RATE,
            edges[-1] / SAMPLE_RATE,
        )
        for spelled, log_probs, edges in groups
    ]
    words = [word for word in words if word.text]
    count = len(hypothesis.token_log_probs)
    confidence = math.exp(hypothesis.log_prob / count) if count else 0.0
    text = " ".join(word.text for word in words)
    segments = (TranscriptSegment(text, confidence, words[0].start, words[-1].end, tuple(words)),) if words else ()
    return Transcript(text, confidence, seconds, pieces, tuple(words), segments)


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
        segments=tuple(segment for part in parts for segment in part.segments),
    )
