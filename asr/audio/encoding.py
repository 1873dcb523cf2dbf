"""Waves to the bytes of an audio file, the same bytes for the same wave."""

import io
import zlib
from typing import Final, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE

Form = Literal["flac", "opus"]
"""flac keeps every bit of 16; opus, about 30 kbit/s of speech, what is heard."""

FORMS: Final[tuple[Form, ...]] = ("flac", "opus")

_BLOCK_FRAMES = 65_536
_SERIAL, _CHECKSUM, _SEGMENTS, _HEADER = 14, 22, 26, 27  # where they lie in an Ogg page (RFC 3533)
_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def to_int16(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    """Wave (N,) in [-1, 1] to the nearest 16-bit samples; what was read from 16-bit samples comes back exactly.

    Left to itself, libsndfile scales by 32,767 as it writes and by 32,768 as it reads.
    """
    samples: NDArray[np.int16] = np.clip(np.rint(wave * np.float32(32_768)), -32_768, 32_767).astype(np.int16)
    return samples


def encode(wave: NDArray[np.float32], form: Form) -> bytes:
    """A mono file at 16 kHz with the samples of wave (N,), float32 in [-1, 1], N > 0."""
    file = io.BytesIO()
    kind, subtype = ("FLAC", "PCM_16") if form == "flac" else ("OGG", "OPUS")
    with soundfile.SoundFile(file, "w", SAMPLE_RATE, 1, format=kind, subtype=subtype) as writer:
        samples = to_int16(wave)
        for start in range(0, len(samples), _BLOCK_FRAMES):
            writer.write(samples[start : start + _BLOCK_FRAMES])
    return file.getvalue() if form == "flac" else _without_chance(file.getvalue())


def _without_chance(ogg: bytes) -> bytes:
    """The same Ogg stream with the number 0, where libsndfile had drawn one by the clock."""
    pages = bytearray(ogg)
    start = 0
    while start < len(pages):
        segments = pages[start + _SEGMENTS]
        body = start + _HEADER + segments
        end = body + sum(pages[start + _HEADER : body])
        pages[start + _SERIAL : start + _SERIAL + 4] = bytes(4)
        pages[start + _CHECKSUM : start + _CHECKSUM + 4] = bytes(4)
        pages[start + _CHECKSUM : start + _CHECKSUM + 4] = _ogg_checksum(pages[start:end])
        start = end
    return bytes(pages)


def _ogg_checksum(page: bytes | bytearray) -> bytes:
    """The CRC-32 of Ogg: zlib's polynomial, but the highest bit first, begun with 0 and not inverted at the end."""
    mirrored = zlib.crc32(page.translate(_BITS_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{mirrored:032b}"[::-1], 2).to_bytes(4, "little")
