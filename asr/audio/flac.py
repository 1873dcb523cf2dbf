"""The FLACs in a file, each with its right number of samples.

A FLAC says in its head how many samples it has, or 0 where it was written into a pipe, and decoders stop at that
number. Its last frame says where it lies, so the number is looked up there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from asr.audio.pieces import Piece

_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # the name, and the head of its first block, always 34 bytes
_TOTAL, _TOTAL_END = 21, 26  # the bytes that hold the number of samples, and four bits of something else
_CHUNK = 2**20
_LAST_BYTES = 2**19  # at the end of the file, where its last frames are looked for
_FRAME = re.compile(rb"\xff[\xf8\xf9]")


@dataclass(frozen=True)
class Flac:
    """One FLAC in a file."""

    contents: tuple[Piece, ...]
    """What a decoder shall see."""
    samples: int
    """Of each channel; 0 where their number is not to be found."""
    slack: int
    """Samples that may be missing at the end: the last block, where nothing was promised."""


def flacs_in(file: BinaryIO, size: int) -> list[Flac]:
    """The FLACs that a file consists of, one behind the other."""
    starts = [0, *(place for place in _starts(file, size) if place)]
    return [_flac(file, start, end) for start, end in zip(starts, [*starts[1:], size], strict=True)]


def _starts(file: BinaryIO, size: int) -> Iterator[int]:
    place = 0
    while place < size:
        file.seek(place)
        data = file.read(_CHUNK)
        # the bytes at the end of a chunk are looked at again with the next
        yield from (place + found.start() for found in _START.finditer(data) if found.start() < _CHUNK - 8)
        place += _CHUNK - 8


def _flac(file: BinaryIO, start: int, end: int) -> Flac:
    file.seek(start)
    head = file.read(_TOTAL_END)
    if len(head) < _TOTAL_END:
        return Flac(((start, end),), 0, 0)
    promised = int.from_bytes(head[_TOTAL:], "big") & (2**36 - 1)
    file.seek(max(start, end - _LAST_BYTES))
    there = _samples_in(file.read(end - max(start, end - _LAST_BYTES)), int.from_bytes(head[8:10], "big"))
    if there <= promised:
        return Flac(((start, end),), promised, 0)
    patch = (head[_TOTAL] & 0xF0).to_bytes(1, "big") + b"\0" * 4
    total = (int.from_bytes(patch, "big") | there).to_bytes(5, "big")
    return Flac(((start, start + _TOTAL), total, (start + _TOTAL_END, end)), there, 2**16)


def _samples_in(data: bytes, block: int) -> int:
    """Where the last frame of some bytes ends, in samples from the start of the recording; 0 if there is none."""
    ends = {0}  # of the frames so far
    last = 0
    for found in _FRAME.finditer(data):
        frame = _read_frame(data[found.start() : found.start() + 16], block)
        if frame is None:
            continue
        begins, length = frame
        if begins in ends:  # chance makes heads of frames too, but not one that goes on from another
            last = begins + length
        ends.add(begins + length)
    return last


def _read_frame(head: bytes, block: int) -> tuple[int, int] | None:
    """Where a frame begins, in samples, and how many it has; None for what is no head of a frame."""
    if len(head) < 6 or head[3] & 1 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] >> 4 > 10:
        return None
    ones = next((bit for bit in range(8) if not head[4] & 0x80 >> bit), 8)
    if ones in (1, 8):
        return None
    more = max(0, ones - 1)
    number = head[4] & (0x7F >> ones)
    for byte in head[5 : 5 + more]:
        if byte >> 6 != 2:
            return None
        number = number << 6 | byte & 0x3F
    at = 5 + more
    code = head[2] >> 4
    if code == 1:
        length = 192
    elif code <= 5:
        length = 576 << code - 2
    elif code >= 8:
        length = 256 << code - 8
    else:
        length = int.from_bytes(head[at : at + code - 5], "big") + 1
        at += code - 5
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if at >= len(head) or _checksum(head[:at]) != head[at]:
        return None
    return (number if head[1] & 1 else number * block), length


def _checksum(data: bytes) -> int:
    """CRC-8 with the polynomial x^8 + x^2 + x + 1."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
    return value
