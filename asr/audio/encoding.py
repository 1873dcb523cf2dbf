"""Waves to the bytes of an audio file, the same bytes for the same wave."""

import base64
import io
from typing import Final, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.audio import ogg
from asr.audio.load import SAMPLE_RATE

Form = Literal["flac", "opus"]
"""flac keeps every bit of 16; opus, about 30 kbit/s of speech, what is heard."""

FORMS: Final[tuple[Form, ...]] = ("flac", "opus")

_BLOCK_FRAMES = 65_536


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


def playable(wave: NDArray[np.float32]) -> str:
    """A wave (N,) as the data URI of a 16-bit WAV: unlike Ogg, every browser plays it, and clipping is heard as it is.

    A second has 43,000 characters.
    """
    file = io.BytesIO()
    soundfile.write(file, to_int16(wave), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"


def _without_chance(file: bytes) -> bytes:
    """The same Ogg stream with the number 0, where libsndfile had drawn one by the clock."""
    pages = bytearray(file)
    start = 0
    while start < len(pages):
        segments = pages[start + ogg.SEGMENTS]
        body = start + ogg.HEADER + segments
        end = body + sum(pages[start + ogg.HEADER : body])
        pages[start + ogg.SERIAL : start + ogg.SERIAL + 4] = bytes(4)
        pages[start:end] = ogg.seal(pages[start:end])
        start = end
    return bytes(pages)
