"""The keys by which JSON says what was heard: in `asr transcribe --json` and over every protocol of the service."""

from typing import Any

from asr.runtime.commander import Understanding
from asr.runtime.transcript import Transcript, TranscriptSegment, Word


def heard_keys(transcript: Transcript, understanding: Understanding | None = None) -> dict[str, Any]:
    """What JSON says of a recording or an utterance: ``transcript_keys``, and with commands ``command_keys`` too."""
    return {**transcript_keys(transcript), **({} if understanding is None else command_keys(understanding))}


def transcript_keys(transcript: Transcript) -> dict[str, Any]:
    """``text``, ``confidence`` (0 to 1), ``seconds`` of sound, ``tokens``, ``words`` and ``segments``.

    Times are in seconds from the beginning of the sound that was heard: of a recording, of a microphone's utterance.
    """
    return {
        "text": transcript.text,
        "confidence": round(transcript.confidence, 4),
        "seconds": round(transcript.seconds, 3),
        "tokens": list(transcript.tokens),
        "words": [_part_keys("word", word) for word in transcript.words],
        "segments": [_part_keys("text", segment) for segment in transcript.segments],
    }


def _part_keys(name: str, part: Word | TranscriptSegment) -> dict[str, Any]:
    return {
        name: part.text,
        "confidence": round(part.confidence, 4),
        "start": round(part.start, 3),
        "end": round(part.end, 3),
    }


def command_keys(understanding: Understanding) -> dict[str, Any]:
    """The keys that come with commands.

    ``understood``; ``command`` (None) and ``slots`` ({}), which hold nothing of a reading that was refused, so that no
    program acts on it by mistake; and ``command_confidence``, that of the best reading also where it was refused.
    """
    reading = understanding.reading if understanding.understood else None
    return {
        "understood": understanding.understood,
        "command": None if reading is None else reading.command,
        "slots": {} if reading is None else dict(reading.slots),
        "command_confidence": round(understanding.confidence, 4),
    }
