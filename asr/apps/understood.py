"""What became of a command: in a line for people, and in keys for programs."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.runtime.commander import Understanding


def command_keys(understanding: "Understanding") -> dict[str, Any]:
    """The keys that --json adds with --commands.

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


def command_text(understanding: "Understanding") -> str:
    """The command and its slots, or that it was not understood and what was heard instead, with the confidence."""
    if understanding.understood and understanding.reading is not None:
        reading = understanding.reading
        return f"{' '.join([reading.command, *slot_texts(reading.slots)])}  ({understanding.confidence:.2f})"
    heard = understanding.transcript.text
    return f"not understood: {heard or 'nothing heard'}  ({understanding.confidence:.2f})"


def slot_texts(slots: Mapping[str, Any]) -> list[str]:
    """Each slot as ``name=value``; the value as JSON, but plain text without quotes."""
    return [
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for name, value in slots.items()
    ]
