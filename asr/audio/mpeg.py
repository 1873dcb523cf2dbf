"""The frames of an MP3 (and of MPEG layers I and II): how many there are, where each stream begins, what is damaged.

An MP3 says how long it is in an extra first frame (Xing, Info or VBRI), or not at all. One that was written into a
pipe, or joined to another, says something wrong, and decoders that believe it stop early. So the frames are counted
here, and a decoder is given streams whose count is right.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from asr.audio.pieces import Piece

_BITRATES = {  # kbit/s, by (of MPEG 1, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}  # by bits of the version

_CHUNK = 2**20
_LONGEST = 4_096  # no frame has more bytes
_MAY_START = re.compile(rb"\xff[\xe2-\xff]|ID3[\x02-\x04]|TAG|APETAGEX|LYRICSBEGIN")
_PADDING = 4_096
"""Zeros before the first frame and behind the last, up to this many, are no loss: some writers fill a block."""


@dataclass(frozen=True)
class Header:
    """What the four bytes before a frame say; streams with different ``kind``s cannot be decoded as one."""

    length: int
    samples: int
    kind: tuple[int, int, int, bool, int]
    """Version, layer, sampling rate, whether mono; for layers I and II also the bitrate, 0 for layer III."""

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.kind[2]


@dataclass
class Stream:
    """Frames of one kind, from one encoder."""

    header: Header
    head: bytes
    pieces: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0
    info: tuple[int, int] | None = None
    """Where the frame is that says how long the stream is; it holds no sound."""
    promised: int | None = None
    """Frames that it says there are."""
    promised_bytes: int | None = None
    lost: int = 0
    """Bytes between the frames that belong to nothing."""

    def add(self, start: int, end: int) -> None:
        """Take a frame in, behind those that are there."""
        self.frames += 1
        if self.pieces and self.pieces[-1][1] == start:
            self.pieces[-1] = (self.pieces[-1][0], end)
        else:
            self.pieces.append((start, end))

    def contents(self) -> list[Piece]:
        """What a decoder shall see: the frames, with a frame before them that has their right number."""
        if self.info is not None and self.promised == self.frames and len(self.pieces) == 1:
            return [(self.info[0], self.pieces[0][1])]  # as it was written: it also says what to leave out at the ends
        if self.header.kind[1] != 3:
            return list(self.pieces)  # a decoder's estimate is right where all frames are of one bitrate
        return [_info_frame(self.head, self.header, self.frames), *self.pieces]

    @property
    def seconds(self) -> float:
        """Sound in its frames."""
        return self.frames_seconds(self.frames)

    def frames_seconds(self, frames: int) -> float:
        """How long so many of its frames are."""
        return frames * self.header.samples / self.header.rate

    @property
    def missing_seconds(self) -> float:
        """Sound that was in the stream and is not in its frames, as far as that can be known."""
        frame = self.frames_seconds(1)
        mean = sum(end - start for start, end in self.pieces) / max(1, self.frames)
        lost = self.lost / mean * frame
        if self.promised is not None and self.promised > self.frames:
            here = sum(end - start for start, end in self.pieces) + self.lost
            # where the bytes are all there, the number of frames is what is wrong
            if self.promised_bytes is None or self.promised_bytes > here + mean + self.header.length + _PADDING:
                return max(lost, (self.promised - self.frames) * frame)
        if self.promised == self.frames:
            return 0.0
        return lost


def streams_of(file: BinaryIO, size: int) -> list[Stream]:
    """The streams of a file; none where it neither begins with frames (behind tags) nor consists mostly of them."""
    found: list[Stream] = []
    junk = before = 0  # bytes since the last frame; before the first
    for start, end, data in _walk(file, size):
        if not data:
            junk += end - start
            continue
        header = read_header(data)
        assert header is not None
        info = _length_in(data, header)
        if not found or info is not None or header.kind != found[-1].header.kind:
            if found:
                found[-1].lost += junk
            stream = Stream(header, data[:4])
            if not found and junk > _PADDING:
                stream.lost = before = junk
            found.append(stream)
            if info is not None:
                stream.info = (start, end)
                stream.promised, stream.promised_bytes = info
        elif junk:
            found[-1].lost += junk
        junk = 0
        if info is None:
            found[-1].add(start, end)
    found = [stream for stream in found if stream.frames]
    if before and 2 * sum(end - start for stream in found for start, end in stream.pieces) < size:
        return []  # what looks like frames is chance
    if found and junk > _PADDING:
        found[-1].lost += junk
    return found


def read_header(data: bytes, place: int = 0) -> Header | None:
    """What the four bytes at a place say, if they can begin a frame (one of free format cannot)."""
    if len(data) < place + 4 or data[place] != 0xFF or data[place + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[place + 1] >> 3 & 3, 4 - (data[place + 1] >> 1 & 3)
    bitrate, rate = data[place + 2] >> 4, data[place + 2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    bits = _BITRATES[version == 3, layer][bitrate - 1] * 1000
    hertz = _RATES[version][rate]
    padding = data[place + 2] >> 1 & 1
    samples = 384 if layer == 1 else 1152 if layer == 2 or version == 3 else 576
    length = (12 * bits // hertz + padding) * 4 if layer == 1 else samples // 8 * bits // hertz + padding
    mono = data[place + 3] >> 6 == 3
    return Header(length, samples, (version, layer, hertz, mono, 0 if layer == 3 else bits))


def _walk(file: BinaryIO, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Start, end and bytes of each frame; no bytes for what is neither frame nor tag."""
    window = _Window(file, size)
    place, kind = 0, None
    while place < size:
        data, at = window.at(place)
        header = read_header(data, at)
        if (
            header is not None
            and place + header.length <= size
            and (header.kind == kind or _goes_on(window, place + header.length, header, size))
        ):
            kind = header.kind
            data, at = window.at(place)
            yield place, place + header.length, data[at : at + header.length]
            place += header.length
            continue
        length = _tag_length(data, at)
        if length and place + length <= size:
            place += length
            continue
        found = window.search(place + 1)
        yield place, found, b""
        place, kind = found, None


def _goes_on(window: "_Window", place: int, header: Header, size: int) -> bool:
    """Whether what follows a frame shows that it was one: another of its kind, a tag or the end."""
    data, at = window.at(place)
    following = read_header(data, at)
    if following is not None:
        return following.kind[:4] == header.kind[:4]
    return place == size or _tag_length(data, at) > 0


def _tag_length(data: bytes, at: int) -> int:
    start = data[at : at + 32]
    if start[:3] == b"ID3" and len(start) >= 10 and all(byte < 0x80 for byte in start[6:10]):
        length = start[6] << 21 | start[7] << 14 | start[8] << 7 | start[9]
        return 10 + length + (10 if start[5] & 0x10 else 0)
    if start[:3] == b"TAG":
        return 128 if start[:4] != b"TAG+" else 227
    if start[:8] == b"APETAGEX" and len(start) == 32:
        # the length has the footer in it; where this is the footer itself, nothing more follows
        return 32 + (int.from_bytes(start[12:16], "little") if start[23] & 0x20 else 0)
    if start[:11] == b"LYRICSBEGIN":
        end = re.compile(b"LYRICS200|LYRICSEND").search(data, at)
        return end.end() - at if end else 0
    return 0


def _length_in(frame: bytes, header: Header) -> tuple[int | None, int | None] | None:
    """Frames and bytes that a first frame says there are; None for a frame that holds sound."""
    _, layer, _, mono, _ = header.kind
    if layer != 3:
        return None
    beside = (17 if mono else 32) if header.samples == 1152 else (9 if mono else 17)
    for at in (4 + beside, 6 + beside):  # some count the two bytes of a checksum, most do not
        if frame[at : at + 4] in (b"Xing", b"Info") and len(frame) >= at + 8:
            flags, at = frame[at + 7], at + 8
            frames = int.from_bytes(frame[at : at + 4], "big") if flags & 1 else None
            at += 4 if flags & 1 else 0
            length = int.from_bytes(frame[at : at + 4], "big") if flags & 2 else None
            return frames or None, length or None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return int.from_bytes(frame[50:54], "big") or None, int.from_bytes(frame[46:50], "big") or None
    return None


def _info_frame(head: bytes, header: Header, frames: int) -> bytes:
    """A first frame that says how many frames follow, of the kind of those."""
    beside = (17 if header.kind[3] else 32) if header.samples == 1152 else (9 if header.kind[3] else 17)
    for bitrate in range(1, 15):
        # no checksum, no padding
        first = bytes([head[0], head[1] | 1, bitrate << 4 | head[2] & 0x0C, head[3]])
        made = read_header(first)
        if made is not None and made.length >= 4 + beside + 12:
            body = b"Xing" + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
            return (first + bytes(beside) + body).ljust(made.length, b"\0")
    raise AssertionError("a bitrate of layer III holds a frame of 48 bytes")


class _Window:
    """A file in large chunks, for reading a few bytes here and there on the way through it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._start, self._data = 0, b""

    def at(self, place: int) -> tuple[bytes, int]:
        """Bytes, and where in them the place is; behind it are as many as any frame has, or the end of the file."""
        end = self._start + len(self._data)
        if place < self._start or (place + _LONGEST > end and end < self._size):
            self._file.seek(place)
            self._start, self._data = place, self._file.read(_CHUNK)
        return self._data, max(0, place - self._start)

    def search(self, place: int) -> int:
        """The next place where a frame or a tag may begin, or the end."""
        while place < self._size:
            data, at = self.at(place)
            if found := _MAY_START.search(data, at):
                return self._start + found.start()
            place = self._start + len(data) - 11 if self._start + len(data) < self._size else self._size
            if not data:
                break
        return self._size
