"""What the heads of files of plain samples say about how much sound there is, and what there is.

WAV, RF64, Wave64, AIFF, AU, CAF and NIST say how many bytes of samples follow; AVI, WMA and MP4 how many of anything.
A file with fewer was cut; one that says 0, or the most that can be said, was written into a pipe or by a recorder that
was not stopped in order; and two that were joined say only how long the first is.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from asr.audio.pieces import Piece

_STREAMED = 0x7FFF_0000  # programs that write a WAV into a pipe put a size from here up: they cannot know it yet
_STREAMED_64 = 2**62
_PADDING = 4_096
_CHUNK = 2**20
_WAVE = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # a FLAC's name, and the head of its first block, always 34 bytes
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


@dataclass(frozen=True)
class Samples:
    """One recording in a file: bytes of samples that its head promises, and bytes of them that are there."""

    promised: int
    present: int
    contents: tuple[Piece, ...]
    """What a decoder shall see."""
    stray: int = 0
    """Bytes behind the samples that are neither samples nor anything else that the format knows."""

    @property
    def is_cut(self) -> bool:
        return self.present < self.promised


_Promise: TypeAlias = tuple[int, int, dict[int, bytes]]
"""Where the samples begin, how many bytes of them there shall be, and what is to be put right in the head."""


def recordings_in(file: BinaryIO, size: int) -> list[Samples]:
    """The recordings in a file, in order; none where its head makes no promise, or none that is understood here."""
    file.seek(0)
    start = file.read(12)
    if start[:4] in _WAVE and start[8:] == b"WAVE":
        return _waves(file, size)
    if start[:4] == b"fLaC":
        return _flacs(file, size)
    read = _mp4 if start[4:8] == b"ftyp" else _FORMATS.get(start[:4])
    promise = read(file, size) if read is not None else None
    if promise is None:
        return []
    at, promised, patches = promise
    return [Samples(promised, min(promised, size - at), _patched(size, patches))]


def _waves(file: BinaryIO, size: int) -> list[Samples]:
    """The first WAV of a file, and those joined to it."""
    found: list[Samples] = []
    start: int | None = 0
    while start is not None:
        file.seek(start)
        magic = file.read(12)
        order = ">" if magic[:4] == b"RIFX" else "<"
        place, length, long_length = start + 12, 0, 0
        head = b""
        while head[:4] != b"data":
            place += (8 + length + length % 2) if head else 0
            file.seek(place)
            head = file.read(8)
            if len(head) < 8:
                return found
            length = struct.unpack(order + "I", head[4:])[0]
            if head[:4] == b"ds64":
                long_length = int.from_bytes(file.read(16)[8:], "little")
        at, there = place + 8, size - place - 8
        if magic[:4] in (b"RF64", b"BW64") and length == 2**32 - 1:
            length, most = long_length, _STREAMED_64
        else:
            most = _STREAMED
        if length >= most:
            return [*found, Samples(there, there, ((start, size),))]
        if length == 0 and there and not _are_chunks(file, at, size, order):
            total = min(size - start - 8, 2**32 - 1)
            patches = {
                start + 4: struct.pack(order + "I", total),
                place + 4: struct.pack(order + "I", min(there, total)),
            }
            if magic[:4] in (b"RF64", b"BW64"):
                patches = {start: b"RIFF", **patches}
            return [*found, Samples(there, there, _patched(size, patches, start))]
        if length >= there:
            return [*found, Samples(length, there, ((start, size),))]
        # Samples of an odd number of bytes are followed by one more, which some forget.
        ends = [at + length + length % 2, at + length]
        following = next((end for end in ends if _begins_wave(file, end)), None)
        known = following is not None or any(_are_chunks(file, end, size, order) for end in ends)
        stray = 0 if known else there - length
        found.append(Samples(length, length, ((start, size if following is None else following),), stray))
        start = following
    return found


def _begins_wave(file: BinaryIO, place: int) -> bool:
    file.seek(place)
    magic = file.read(12)
    return magic[:4] in _WAVE and magic[8:] == b"WAVE"


def _are_chunks(file: BinaryIO, place: int, size: int, order: str) -> bool:
    """Whether nothing but chunks (or zeros too few to be heard) lie between a place and the end of the file."""
    while place < size:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or not (head[:4].isascii() and head[:4].decode().isprintable()):
            return size - place < _PADDING and not any(head)
        length = struct.unpack(order + "I", head[4:])[0]
        place += 8 + length + length % 2
    return place <= size + 1


def _flacs(file: BinaryIO, size: int) -> list[Samples]:
    """The FLACs of a file; what is missing of one is known to its decoder."""
    starts = []
    place, overlap = 0, 8
    while place < size:
        file.seek(place)
        data = file.read(_CHUNK)
        if not data:
            break
        starts += [place + found.start() for found in _FLAC.finditer(data) if place + found.start() not in starts[-1:]]
        place += max(1, len(data) - overlap) if place + len(data) < size else len(data)
    return [Samples(0, 0, ((start, end),)) for start, end in zip(starts, [*starts[1:], size], strict=True)]


def _aiff(file: BinaryIO, size: int) -> _Promise | None:
    place, patches = 12, dict[int, bytes]()
    frame = 0
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return None
        length = int.from_bytes(head[4:], "big")
        if head[:4] == b"COMM":
            channels, frames, bits = struct.unpack(">hIh", file.read(8).ljust(8, b"\0"))
            frame, count_at = channels * ((bits + 7) // 8), place + 10
        if head[:4] == b"SSND":
            at = place + 16
            there = size - at
            if length >= _STREAMED or (length <= 8 < there):
                if frame and not frames:
                    patches[count_at] = struct.pack(">I", there // frame)
                patches[place + 4] = struct.pack(">I", there + 8)
                return at, there, {4: struct.pack(">I", size - 8), **patches}
            return at, length - 8, {}
        place += 8 + length + length % 2


def _au(file: BinaryIO, size: int) -> _Promise:
    file.seek(0)
    order = ">" if file.read(4) == b".snd" else "<"
    at, length = struct.unpack(order + "2I", file.read(8).ljust(8, b"\0"))
    there = max(0, size - at)
    if length >= _STREAMED or not length:
        return at, there, {8: struct.pack(order + "I", min(there, _STREAMED - 1))}
    return at, length, {}


def _caf(file: BinaryIO, size: int) -> _Promise | None:
    place = 8
    while True:
        file.seek(place)
        head = file.read(12)
        if len(head) < 12:
            return None
        length = int.from_bytes(head[4:], "big")
        if head[:4] == b"data":
            at = place + 16  # behind the number of edits
            there = size - at
            if length >= _STREAMED_64 or (length <= 4 and there > 0):
                return at, there, {place + 4: struct.pack(">q", there + 4)}
            return at, length - 4, {}
        place += 12 + length


def _wave64(file: BinaryIO, size: int) -> _Promise | None:
    place = 40
    while True:
        file.seek(place)
        head = file.read(24)
        if len(head) < 24:
            return None
        length = int.from_bytes(head[16:], "little")
        if head[:4] == b"data":
            at = place + 24
            there = size - at
            if length >= _STREAMED_64 or (length <= 24 and there > 0):
                return at, there, {16: struct.pack("<Q", size), place + 16: struct.pack("<Q", there + 24)}
            return at, length - 24, {}
        place += max(24, (length + 7) // 8 * 8)


def _nist(file: BinaryIO, size: int) -> _Promise | None:
    file.seek(0)
    head = file.read(2**16).split(b"end_head")[0]
    found = dict(re.findall(rb"(\w+) -i (\d{1,12})\s", head))
    second = head.split(b"\n")[1].strip() if head.count(b"\n") else b""
    try:
        at = int(second)
        return at, int(found[b"sample_count"]) * int(found[b"channel_count"]) * int(found[b"sample_n_bytes"]), {}
    except (ValueError, KeyError):
        return None


def _avi(file: BinaryIO, size: int) -> _Promise | None:
    file.seek(4)
    length = int.from_bytes(file.read(4), "little")
    return (8, length, {}) if file.read(4) == b"AVI " and 0 < length < _STREAMED else None


def _asf(file: BinaryIO, size: int) -> _Promise | None:
    file.seek(0)
    head = file.read(_CHUNK)
    at = head.find(_ASF_PROPERTIES)
    length = int.from_bytes(head[at + 40 : at + 48], "little") if at >= 0 else 0
    return (0, length, {}) if 0 < length < _STREAMED_64 else None


def _mp4(file: BinaryIO, size: int) -> _Promise | None:
    """Where the last box runs beyond the end, or where something stands that is no box."""
    place = 0
    while place < size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if not any(head) or (length == 0 and place):  # zeros behind the last, or a box up to the end
            return 0, size, {}
        if length < 8 or not re.fullmatch(rb"[ -~\xa9]{4}", head[4:8]):
            return 0, size * size // max(1, place), {}  # what lies behind cannot be read
        place += length
    return 0, place, {}


_FORMATS: dict[bytes, Callable[[BinaryIO, int], _Promise | None]] = {
    b"FORM": _aiff,
    b".snd": _au,
    b"dns.": _au,
    b"caff": _caf,
    b"riff": _wave64,
    b"NIST": _nist,
    b"RIFF": _avi,
    b"\x30\x26\xb2\x75": _asf,
}


def _patched(size: int, patches: dict[int, bytes], start: int = 0) -> tuple[Piece, ...]:
    """The file from a place on, with other bytes at some places."""
    pieces: list[Piece] = []
    for place in sorted(patches):
        pieces += [(start, place), patches[place]]
        start = place + len(patches[place])
    return (*pieces, (start, size))
