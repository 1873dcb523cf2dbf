"""How many bytes there should be in files that ffmpeg reads, and where another is joined to one."""

import re
from typing import BinaryIO

from asr.audio.promise import Promise, read_at

_STREAMED = 2**31 - 2**16
_CHUNK = 2**20
_OVERLAP = 64  # no head is longer
_WITH_BIT_3 = b"[" + b"".join(re.escape(bytes([byte])) for byte in range(256) if byte & 8) + b"]"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def avi(file: BinaryIO, size: int) -> Promise | None:
    """As its head says, unless it was written into a pipe."""
    head = read_at(file, 0, 12, size)
    length = int.from_bytes(head[4:8], "little")
    return Promise(8, length, 8 + length) if head[8:] == b"AVI " and 0 < length < _STREAMED else None


def asf(file: BinaryIO, size: int) -> Promise | None:
    """As its head says (the container of WMA), unless it is a broadcast."""
    head = read_at(file, 0, 2**16, size)
    at = head.find(_ASF_PROPERTIES)
    length = int.from_bytes(head[at + 40 : at + 48], "little") if at >= 0 else 0
    # a broadcast says nothing that is true
    live = at >= 0 and head[at + 88 : at + 89] and head[at + 88] & 1
    return Promise(0, length, length) if 0 < length < 2**62 and not live else None


def mp4(file: BinaryIO, size: int) -> Promise | None:
    """Up to where the last box reaches, which may be beyond the end, or up to another file."""
    place = 0
    while place < size:
        head = read_at(file, place, 16, size)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if place and head[4:8] == b"ftyp":
            return Promise(0, place, place)
        if not any(head) or length == 0:  # zeros behind the last box, or one up to the end
            return Promise(0, size, size)
        if length < 8 or not re.fullmatch(rb"[ -~\xa9]{4}", head[4:8]):
            return Promise(0, size * size // max(1, place), size)  # what lies behind cannot be read
        place += length
    return Promise(0, place, size)


def tta(file: BinaryIO, size: int) -> Promise | None:
    """Up to the next head: the name, and a format that is 1 or 2."""
    return _up_to(file, size, rb"TTA1[\x01\x02]\0")


def matroska(file: BinaryIO, size: int) -> Promise | None:
    """Up to the next head: the first element, with the type of the document in it."""
    return _up_to(file, size, rb"\x1a\x45\xdf\xa3(?=[\0-\xff]{1,40}(?:matroska|webm))")


def amr(file: BinaryIO, size: int) -> Promise | None:
    """Up to the next head."""
    return _up_to(file, size, rb"#!AMR")


def wavpack(file: BinaryIO, size: int) -> Promise | None:
    """Up to the next block that is the first of a recording: at sample 0, and first of its channels by a flag."""
    return _up_to(file, size, rb"wvpk[\0-\xff]{12}\0{4}[\0-\xff]{5}" + _WITH_BIT_3)


def _up_to(file: BinaryIO, size: int, head: bytes) -> Promise:
    """Up to where another head stands."""
    place = 8
    while place < size:
        data = read_at(file, place, _CHUNK, size)
        if found := re.search(head, data):
            place += found.start()
            break
        place += max(1, len(data) - _OVERLAP) if place + len(data) < size else max(1, len(data))
    place = min(place, size)
    return Promise(0, place, place)
