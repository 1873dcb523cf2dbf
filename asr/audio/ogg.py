"""Pages of an Ogg file: where each recording in it begins, and what is missing of it.

Ogg files may be joined end to end, and decoders are made to stop at the first end or at the first damage. So the
pages are looked through here, and a decoder is given one whole stretch of them after the other.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import BinaryIO

from asr.audio.pieces import Piece

SERIAL, SEQUENCE, CHECKSUM, SEGMENTS, HEADER = 14, 18, 22, 26, 27  # where they lie in a page (RFC 3533)

_CONTINUED, _FIRST_OF_STREAM, _LAST_OF_STREAM = 1, 2, 4
_NO_PACKET_ENDS = 2**64 - 1
LARGEST_PAGE = HEADER + 255 + 255 * 255
_CHUNK = 2**20
_SOUND = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_PADDING = 4_096  # bytes behind the last page that are no loss: tags, zeros
_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """Where a page lies, and what its head says."""

    start: int
    end: int
    flags: int
    granule: int
    serial: int
    sequence: int
    head: bytes

    @property
    def length(self) -> int:
        """In bytes."""
        return self.end - self.start

    @property
    def begins_stream(self) -> bool:
        """Whether it is the first of its stream."""
        return bool(self.flags & _FIRST_OF_STREAM)

    @property
    def continues(self) -> bool:
        """Whether it begins within a packet."""
        return bool(self.flags & _CONTINUED)

    @property
    def ends_stream(self) -> bool:
        """Whether it is the last of its stream."""
        return bool(self.flags & _LAST_OF_STREAM)

    @property
    def has_time(self) -> bool:
        """Whether sound ends in it; headers have none."""
        return self.granule not in (0, _NO_PACKET_ENDS)


@dataclass
class Link:
    """One recording of those joined: the pages of its first stream of sound."""

    sound: bytes
    pages: list[Page] = field(default_factory=list)

    def stretches(self) -> list[list[Page]]:
        """Pages without a gap, one list for each time that pages are missing or the clock goes back."""
        stretches: list[list[Page]] = []
        clock = 0
        before: Page | None = None
        for page in self.pages:
            whole = before is not None and page.sequence == (before.sequence + 1) % 2**32
            if not whole or (page.has_time and page.granule < clock):
                stretches.append([])
                clock = 0
            stretches[-1].append(page)
            before = page
            if page.has_time:
                clock = page.granule
        return stretches

    def contents(self, file: BinaryIO) -> Iterator[list[Piece]]:
        """What a decoder shall see, for each stretch with sound; the headers of the first go before the others."""
        stretches = self.stretches()
        headers = list(takewhile(lambda page: not page.has_time, stretches[0]))
        if any(page.has_time for page in stretches[0]) or len(stretches) == 1:
            yield _joined([(page.start, page.end) for page in stretches[0]])
        for stretch in stretches[1:]:
            if not any(page.has_time for page in stretch):
                continue
            pieces: list[Piece] = [(page.start, page.end) for page in headers]
            for number, page in enumerate(stretch, len(headers)):
                pieces += _renumbered(file, page, number)
            yield pieces

    def missing_ticks(self, heard: Sequence[float]) -> float:
        """How far the clock runs on where pages are missing, ``heard`` being the ticks decoded of each content."""
        clocks = [[page.granule for page in pages if page.has_time] for pages in self.stretches()]
        missing, before = 0.0, 0 if not clocks[0] else clocks[0][-1]
        with_sound = [clock for clock in clocks if clock]
        for number, (clock, ticks) in enumerate(zip(with_sound, heard, strict=False)):
            if number or not clocks[0]:
                # a page's time is that of its end
                missing += max(0, clock[0] - before - max(0, ticks - (clock[-1] - clock[0])))
            before = clock[-1]
        return missing


def links_of(file: BinaryIO, size: int) -> tuple[list[Link], int]:
    """The recordings of a file with sound in them, and how many bytes belong to nothing.

    A last page that runs beyond the end of the file is not counted: there the file was cut, as a live stream is.
    """
    links: list[Link] = []
    opening = False  # whether the pages that begin streams are being read
    serial: int | None = None
    known: set[int] = set()  # the streams of this link
    lost = place = 0
    for page in pages_of(file, size):
        lost += page.start - place
        place = page.end
        if page.begins_stream:
            if not opening:
                opening, serial = True, None
                known.clear()
            known.add(page.serial)
            if serial is None and (sound := _sound_of(file, page)):
                serial = page.serial
                links.append(Link(sound))
        else:
            opening = False
        restarts = page.serial == serial and links[-1].pages and page.sequence <= links[-1].pages[-1].sequence
        if page.serial not in known or restarts:
            lost += page.length  # of a recording whose beginning is damaged: it cannot be decoded
        elif page.serial == serial:
            links[-1].pages.append(page)
    file.seek(place)
    behind = file.read(_PADDING + 1)
    ended = links and links[-1].pages[-1].flags & _LAST_OF_STREAM
    if not behind.startswith(b"OggS") and len(behind) > _PADDING and not (ended and not any(behind)):
        lost += size - place
    return links, lost


def seal(page: bytearray) -> bytearray:
    """Give a page its checksum, and return it.

    The CRC-32 of Ogg has zlib's polynomial, but the highest bit first, begun with 0 and not inverted at the end.
    """
    page[CHECKSUM : CHECKSUM + 4] = bytes(4)
    mirrored = zlib.crc32(page.translate(_BITS_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    page[CHECKSUM : CHECKSUM + 4] = int(f"{mirrored:032b}"[::-1], 2).to_bytes(4, "little")
    return page


def pages_of(file: BinaryIO, size: int) -> Iterator[Page]:
    """The pages that are whole and undamaged."""
    start, data = 0, b""
    place = 0
    while place < size:
        if place + LARGEST_PAGE > start + len(data) and start + len(data) < size:
            file.seek(place)
            start, data = place, file.read(_CHUNK)
            if not data:
                return
        at = data.find(b"OggS", place - start)
        if at < 0:
            place = start + len(data) - 3 if start + len(data) < size else size
            continue
        if at + LARGEST_PAGE > len(data) and start + len(data) < size:
            place = start + at
            continue
        body = at + HEADER + (data[at + SEGMENTS] if len(data) >= at + HEADER else 0)
        end = body + sum(data[at + HEADER : body])
        page = data[at:end]
        if end <= len(data) and body > at + HEADER and seal(bytearray(page)) == page:
            yield Page(
                start + at,
                start + end,
                page[5],
                int.from_bytes(page[6:14], "little"),
                int.from_bytes(page[SERIAL : SERIAL + 4], "little"),
                int.from_bytes(page[SEQUENCE : SEQUENCE + 4], "little"),
                page[: body - at],
            )
            place = start + end
            continue
        place = start + at + 4


def _sound_of(file: BinaryIO, page: Page) -> bytes:
    file.seek(page.start + len(page.head))
    packet = file.read(8)
    return next((sound for sound in _SOUND if packet.startswith(sound)), b"")


def _joined(ranges: list[tuple[int, int]]) -> list[Piece]:
    joined: list[tuple[int, int]] = []
    for start, end in ranges:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return list(joined)


def _renumbered(file: BinaryIO, page: Page, number: int) -> list[Piece]:
    """A page with another number, so that a decoder sees no gap."""
    file.seek(page.start)
    whole = bytearray(file.read(page.end - page.start))
    whole[SEQUENCE : SEQUENCE + 4] = number.to_bytes(4, "little")
    return [bytes(seal(whole)[: len(page.head)]), (page.start + len(page.head), page.end)]
