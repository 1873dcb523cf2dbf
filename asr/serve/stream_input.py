"""What the service's WebSocket is sent: a first message that says what comes, then sound."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.audio.opus import OpusReader
from asr.errors import AudioError

MIN_STREAM_RATE, MAX_STREAM_RATE = 8_000, 48_000
"""Of raw samples, in Hz."""
WRONG_DATA, GARBAGE, POLICY, TOO_BIG, INTERNAL, ENDING, LATER = 1003, 1007, 1008, 1009, 1011, 1012, 1013
"""Codes with which a socket is closed (RFC 6455)."""

_LONGEST_SECONDS: Final = 24 * 3600.0
_BLOCK: Final = SAMPLE_RATE // 2


class StreamClosed(Exception):
    """The socket is to be closed: with a code, and why; ``kind`` is the reason in a word, for the log."""

    def __init__(self, code: int, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.code, self.kind = code, kind


@dataclass(frozen=True)
class StreamStart:
    """What a client says first."""

    encoding: str = "pcm_s16le"
    """Of the sound: ``pcm_s16le``, mono samples of 16 bits, or ``opus``, pages of Ogg Opus."""
    rate: int = SAMPLE_RATE
    """Of ``pcm_s16le``, in Hz."""
    commands: str | None = None
    """The name of a grammar; utterances are then accepted as its commands or rejected."""
    grammar: str | None = None
    """Instead of a name, a grammar of the client's own, in YAML."""
    partials: bool = True
    """Whether there are results while somebody speaks."""


class SoundReader(Protocol):
    """Sound from bytes that come in pieces: blocks (n,), float32 in [-1, 1] at 16 kHz."""

    def feed(self, data: bytes) -> Iterator[NDArray[np.float32]]:
        """What has become whole with these bytes. Raises AudioError for what is no sound."""

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """The last of it. Raises AudioError where something is missing."""


class PcmReader:
    """Samples of 16 bits, little-endian, at any rate."""

    def __init__(self, rate: int) -> None:
        self._resampler = None
        if rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def feed(self, data: bytes) -> Iterator[NDArray[np.float32]]:
        """Raises AudioError for half a sample."""
        if len(data) % 2:
            raise AudioError(f"sound: found a message of {len(data)} bytes, wanted whole samples of 2 bytes")
        wave: NDArray[np.float32] = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32_768)
        for at in range(0, len(wave), _BLOCK):
            block = wave[at : at + _BLOCK]
            yield block if self._resampler is None else self._resampled(block, last=False)

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """What the resampler still holds."""
        if self._resampler is not None:
            yield self._resampled(np.zeros(0, np.float32), last=True)

    def _resampled(self, block: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        assert self._resampler is not None
        resampled: NDArray[np.float32] = np.clip(self._resampler.resample_chunk(block, last=last), -1.0, 1.0)
        return resampled


def read_json(text: str) -> dict[str, Any]:
    """Raises StreamClosed for what is no JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise StreamClosed(GARBAGE, f"found the message {short(text)}, wanted a JSON object", "no_json")
    return found


def read_start(message: str | bytes) -> StreamStart:
    """Raises StreamClosed for what is no first message."""
    if isinstance(message, bytes):
        raise _bad_start('found sound, wanted {"type": "start"} before it')
    found = read_json(message)
    known = {field.name for field in fields(StreamStart)}
    if found.pop("type", None) != "start" or found.keys() - known:
        raise _bad_start(f'found {short(message)}, wanted {{"type": "start"}} with {", ".join(sorted(known))}')
    start = StreamStart(**found)
    if start.encoding not in ("pcm_s16le", "opus"):
        raise _bad_start(f"encoding: found {short(start.encoding)}, wanted pcm_s16le or opus")
    if type(start.rate) is not int or not MIN_STREAM_RATE <= start.rate <= MAX_STREAM_RATE:
        raise _bad_start(
            f"rate: found {short(start.rate)}, wanted a whole number from {MIN_STREAM_RATE} to {MAX_STREAM_RATE}"
        )
    for name in ("commands", "grammar"):
        if not isinstance(getattr(start, name), str | None):
            raise _bad_start(f"{name}: found {short(getattr(start, name))}, wanted a text or null")
    if start.commands is not None and start.grammar is not None:
        raise _bad_start("found commands and grammar, wanted one of them")
    if not isinstance(start.partials, bool):
        raise _bad_start(f"partials: found {short(start.partials)}, wanted true or false")
    return start


def _bad_start(reason: str) -> StreamClosed:
    return StreamClosed(WRONG_DATA, reason, "bad_start")


def short(value: object) -> str:
    """A value of a client's, for a message."""
    text = value if isinstance(value, str) else json.dumps(value)
    return ascii(text[:60])


def reader_of(start: StreamStart) -> SoundReader:
    """What reads the sound of a stream."""
    return OpusReader(_LONGEST_SECONDS) if start.encoding == "opus" else PcmReader(start.rate)
