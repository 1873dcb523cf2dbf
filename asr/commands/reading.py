"""What a sentence means: a command, and what its slots hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reading:
    """A sentence of a grammar, understood.

    ``slots`` holds by name what JSON can hold: a number, the text of a list's value or what the list puts out for it;
    of a slot that is said several times, a list in the order of the words. ``log_prob`` is the natural logarithm of
    how likely the grammar draws this sentence with this meaning.

    Examples:
        >>> import asr
        >>> digits = asr.Commands.load("digits")
        >>> found = asr.load().understand("recipes/commands/samples/five_five.flac", digits)
        >>> found.reading.text, found.reading.slots
        ('five five', {'digit': [5, 5]})
    """

    command: str
    slots: Mapping[str, Any]
    text: str
    log_prob: float = field(default=0.0, compare=False)
