"""What was heard as the keys of JSON, for the command line and the service; made here and nowhere else."""

from typing import Any

from asr.runtime.commander import Understanding
from asr.runtime.live import Event, Final, Partial, Started
from asr.runtime.transcript import Transcript, TranscriptSegment, Word


def event_keys(event: Event, milliseconds: float | None = None) -> dict[str, Any]:
    """What JSON says of an event of a stream: its ``type``, ``start``, and what it has besides; times in seconds.

    started: no more. partial: ``text`` and ``stable``. final: ``end``, ``milliseconds`` from the end of speech to the
    result where they are given, and ``heard_keys``. dropped: ``end``.
    """
    start = round(event.start, 3)
    if isinstance(event, Started):
        return {"type": "started", "start": start}
    if isinstance(event, Partial):
        return {"type": "partial", "start": start, "text": event.text, "stable": event.stable}
    end = round(event.end, 3)
    if not isinstance(event, Final):
        return {"type": "dropped", "start": start, "end": end}
    late = {} if milliseconds is None else {"milliseconds": round(milliseconds)}
    heard = heard_keys(event.transcript, event.understanding)
    return {"type": "final", "start": start, "end": end, **late, **heard}


def heard_keys(transcript: Transcript, understanding: Understanding | None = None) -> dict[str, Any]:
    """What JSON says of a recording or an utterance: ``transcript_keys``, and with commands ``command_keys`` too."""
    return {**transcript_keys(transcript), **({} if understanding is None else command_keys(understanding))}


def transcript_keys(transcript: Transcript) -> dict[str, Any]:
    """``text``, ``confidence`` (0 to 1), ``seconds`` of sound, ``tokens``, ``words`` and ``segments``.

    Times are in seconds from the beginning of the sound that was heard: of a recording, of a stream.
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
    """The keys that --json adds with --commands, and the service where it is asked for commands.

    ``understood``; ``command`` (None) and ``slots`` ({}), which hold nothing of a reading that was refused, so that no
    program acts on it by mistake; ``command_start`` and ``command_end``, when its first word begins and its last ends,
    in seconds as the words have them (None where it was refused); and ``command_confidence``, that of the best reading
    also where it was refused.
    """
    start, end = understanding.start, understanding.end
    return {
        "understood": understanding.understood,
        "command": understanding.command,
        "slots": dict(understanding.slots),
        "command_start": None if start is None else round(start, 3),
        "command_end": None if end is None else round(end, 3),
        "command_confidence": round(understanding.confidence, 4),
    }
