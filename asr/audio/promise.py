"""What the head of a recording promises, and how heads are read."""

from dataclasses import dataclass, field
from typing import BinaryIO


@dataclass(frozen=True)
class Promise:
    """What the head of a recording says, counted from its first byte."""

    start: int
    """Where the samples begin."""
    length: int
    """Bytes of them."""
    end: int
    """Where another recording may begin."""
    patches: dict[int, bytes] = field(default_factory=dict)
    """What is to be put right in the head."""
    stray: int = 0
    """Bytes behind the end that are nothing known, unless they are another recording."""


def read_at(file: BinaryIO, place: int, count: int, size: int) -> bytes:
    """Bytes at a place, which a damaged head may have put anywhere."""
    if place >= size:
        return b""
    file.seek(place)
    return file.read(count)
