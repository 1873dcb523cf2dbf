"""What the heads of files of plain samples say about how much sound there is, and what there is.

WAV, RF64, Wave64, AIFF, AU, CAF and NIST say how many bytes of samples follow, AVI, WMA, MP4 and others (see
``containers``) how many of anything. A file with fewer was cut; one that says 0, or the most that can be said, was
written into a pipe or by a recorder that was not stopped in order; and two that were joined say only how long the first
is.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

from asr.audio import containers
from asr.audio.pieces import Piece, Pieces
from asr.audio.promise import Promise, read_at

_STREAMED = 0x7FFF_0000  # programs that write a WAV into a pipe put a size from here up: they cannot know it yet
_STREAMED_64 = 2**62
_PADDING = 4_096
_WAVE = (b"RIFF", b"RIFX", b"RF64", b"BW64")


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
        """Whether some of them are missing."""
        return self.present < self.promised


def recordings_in(file: BinaryIO, size: int) -> list[Samples]:
    """The recordings in a file, in order; none where its head makes no promise, or none that is understood here."""
    magic = read_at(file, 0, 12, size)
    if magic[:4] in _WAVE and magic[8:] == b"WAVE":
        return _waves(file, size)
    read = _FORMATS.get(b"ftyp" if magic[4:8] == b"ftyp" else magic[:4])
    found: list[Samples] = []
    start = 0
    while read is not None and start < size:
        view = cast(BinaryIO, Pieces(file, [(start, size)]))
        promise = read(view, size - start)
        if promise is None:
            break
        ends = (start + promise.end, start + promise.end + 1)  # some pad to an even number of bytes
        following = next((end for end in ends if _begins_like(read_at(file, end, 12, size), magic)), None)
        end = size if following is None else following
        pieces = _patched(end, {start + place: patch for place, patch in promise.patches.items()}, start)
        present = min(promise.length, end - start - promise.start)
        found.append(Samples(promise.length, max(0, present), pieces, 0 if following else promise.stray))
        start = end
    return found


def _begins_like(magic: bytes, first: bytes) -> bool:
    if first[4:8] == b"ftyp":
        return magic[4:8] == b"ftyp"
    return magic[:4] == first[:4] and (first[:4] != b"RIFF" or magic[8:12] == first[8:12])


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
            head = read_at(file, place, 8, size)
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
        following = next((end for end in ends if _begins_wave(file, end, size)), None)
        known = following is not None or any(_are_chunks(file, end, size, order) for end in ends)
        stray = 0 if known else there - length
        found.append(Samples(length, length, ((start, size if following is None else following),), stray))
        start = following
    return found


def _begins_wave(file: BinaryIO, place: int, size: int) -> bool:
    magic = read_at(file, place, 12, size)
    return magic[:4] in _WAVE and magic[8:] == b"WAVE"


def _are_chunks(file: BinaryIO, place: int, size: int, order: str) -> bool:
    """Whether nothing but chunks (or zeros too few to be heard) lie between a place and the end of the file."""
    while place < size:
        head = read_at(file, place, 8, size)
        if len(head) < 8 or not (head[:4].isascii() and head[:4].decode().isprintable()):
            return size - place < _PADDING and not any(head)
        length = struct.unpack(order + "I", head[4:])[0]
        place += 8 + length + length % 2
    return place <= size + 1


def _aiff(file: BinaryIO, size: int) -> Promise | None:
    form = 8 + int.from_bytes(read_at(file, 4, 4, size), "big")
    place, patches = 12, dict[int, bytes]()
    frame = frames = count_at = 0
    while len(head := read_at(file, place, 18, size)) >= 16:
        length = int.from_bytes(head[4:8], "big")
        if head[:4] == b"COMM" and len(head) == 18:
            channels, frames, bits = struct.unpack(">HIH", head[8:16])
            frame, count_at = channels * ((bits + 7) // 8), place + 10
        if head[:4] == b"SSND":
            at = place + 16
            there = size - at
            if length >= _STREAMED or length <= 8 < there:
                if frame and not frames:
                    patches[count_at] = struct.pack(">I", there // frame)
                total = min(size - 8, _STREAMED)
                patches |= {4: struct.pack(">I", total), place + 4: struct.pack(">I", min(there + 8, total))}
                return Promise(at, there, size, patches)
            end = max(form, at + length - 8)
            known = any(_are_chunks(file, each, size, ">") for each in (end, end + end % 2, at + length - 8))
            return Promise(at, length - 8, end, stray=0 if known else max(0, size - end))
        place += 8 + length + length % 2
    return None


def _au(file: BinaryIO, size: int) -> Promise | None:
    head = read_at(file, 0, 12, size)
    if len(head) < 12:
        return None
    order = ">" if head[:4] == b".snd" else "<"
    at, length = struct.unpack(order + "2I", head[4:])
    there = max(0, size - at)
    if length >= _STREAMED or not length:
        return Promise(at, there, size, {8: struct.pack(order + "I", min(there, _STREAMED - 1))})
    stray = there - length
    return Promise(at, length, at + length, stray=stray if stray > _PADDING else 0)


def _caf(file: BinaryIO, size: int) -> Promise | None:
    place = 8
    while len(head := read_at(file, place, 12, size)) == 12:
        length = int.from_bytes(head[4:], "big")
        if head[:4] == b"data":
            at = place + 16  # behind the number of edits
            there = size - at
            if length >= _STREAMED_64 or length <= 4 < there:
                return Promise(at, there, size, {place + 4: struct.pack(">q", there + 4)})
            return Promise(at, length - 4, at + length - 4)
        place += 12 + length
    return None


def _wave64(file: BinaryIO, size: int) -> Promise | None:
    end = int.from_bytes(read_at(file, 16, 8, size), "little")
    place = 40
    while len(head := read_at(file, place, 24, size)) == 24:
        length = int.from_bytes(head[16:], "little")
        if head[:4] == b"data":
            at = place + 24
            there = size - at
            if length >= _STREAMED_64 or length <= 24 < there:
                patches = {16: struct.pack("<Q", size), place + 16: struct.pack("<Q", there + 24)}
                return Promise(at, there, size, patches)
            return Promise(at, length - 24, end)
        place += max(24, (length + 7) // 8 * 8)
    return None


def _nist(file: BinaryIO, size: int) -> Promise | None:
    head = read_at(file, 0, 2**16, size).split(b"end_head")[0]
    found = dict(re.findall(rb"(\w+) -i (\d{1,12})\s", head))
    lines = head.split(b"\n")
    try:
        at = int(lines[1])
        length = int(found[b"sample_count"]) * int(found[b"channel_count"]) * int(found[b"sample_n_bytes"])
        return Promise(at, length, at + length)
    except (ValueError, KeyError, IndexError):
        return None


_FORMATS: dict[bytes, Callable[[BinaryIO, int], Promise | None]] = {
    b"FORM": _aiff,
    b".snd": _au,
    b"dns.": _au,
    b"caff": _caf,
    b"riff": _wave64,
    b"NIST": _nist,
    b"RIFF": containers.avi,
    b"\x30\x26\xb2\x75": containers.asf,
    b"ftyp": containers.mp4,
    b"TTA1": containers.tta,
    b"wvpk": containers.wavpack,
    b"\x1a\x45\xdf\xa3": containers.matroska,
    b"#!AM": containers.amr,
}


def _patched(size: int, patches: dict[int, bytes], start: int = 0) -> tuple[Piece, ...]:
    """The file from a place on, with other bytes at some places."""
    pieces: list[Piece] = []
    for place in sorted(patches):
        pieces += [(start, place), patches[place]]
        start = place + len(patches[place])
    return (*pieces, (start, size))
