"""Recordings for the tests of loading: sounds, and files of them that are joined, streamed, cut and damaged."""

import io
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.errors import AudioError

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def tones(seconds: float, *, rate: int = SAMPLE_RATE, seed: int = 0) -> np.ndarray:
    """Tones of 0.1 s with rests between them, another row of them for each seed: a variable bitrate varies."""
    draw = np.random.default_rng(seed)
    time = np.arange(round(rate * seconds)) / rate
    row = draw.uniform(200, 3_000, len(time) // (rate // 10) + 1)[np.floor(time * 10).astype(int)]
    silent = np.floor(time * 10) % 3 == 2
    return np.where(silent, 0, 0.4 * np.sin(2 * np.pi * row * time)).astype(np.float32)


def encoded(wave: np.ndarray, form: str, *, rate: int = SAMPLE_RATE, **more: object) -> bytes:
    """A file of a wave, written by libsndfile."""
    file = io.BytesIO()
    subtype = more.pop("subtype", {"OPUS": "OPUS"}.get(form))
    soundfile.write(file, wave, rate, format="OGG" if form == "OPUS" else form, subtype=subtype, **more)
    return file.getvalue()


def variable_mp3(seconds: float, seed: int = 0) -> bytes:
    """An MP3 whose frames are of many lengths, and which begins with a frame that says how many there are."""
    return encoded(tones(seconds, seed=seed), "MP3", bitrate_mode="VARIABLE", compression_level=0.3)


def frames_of(mp3: bytes) -> list[bytes]:
    """The frames of an MP3 of MPEG 2 at 16 kHz, which is what libsndfile makes of our waves."""
    kilobits = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    frames, place = [], 0
    while place < len(mp3):
        assert mp3[place] == 0xFF
        assert mp3[place + 1] & 0xFE == 0xF2
        length = 72 * kilobits[mp3[place + 2] >> 4] * 1000 // SAMPLE_RATE + (mp3[place + 2] >> 1 & 1)
        frames.append(mp3[place : place + length])
        place += length
    return frames


def without_count(mp3: bytes) -> bytes:
    """The MP3 as a pipe takes it: the first frame, which says how many there are, has not been written."""
    first, *others = frames_of(mp3)
    assert b"Xing" in first or b"Info" in first
    return b"".join(others)


def with_count(mp3: bytes, count: int) -> bytes:
    """The MP3 with another number of frames in its first."""
    at = max(mp3.find(b"Xing", 0, 200), mp3.find(b"Info", 0, 200))
    assert at > 0
    assert mp3[at + 7] & 1
    return mp3[: at + 8] + struct.pack(">I", count) + mp3[at + 12 :]


def heard(data: bytes) -> np.ndarray:
    return load_audio(io.BytesIO(data))


def seconds_heard(data: bytes) -> float:
    return len(heard(data)) / SAMPLE_RATE


def refusal(data: bytes) -> str:
    """The one line that a recording is refused with."""
    with pytest.raises(AudioError) as caught:
        heard(data)
    message = str(caught.value)
    assert "\n" not in message
    assert "wanted" in message
    assert ";" in message  # what to do
    return message


def by_ffmpeg(folder: Path, name: str, wave: np.ndarray, *arguments: str) -> bytes:
    """A file that ffmpeg makes of a wave."""
    soundfile.write(folder / "source.wav", wave, SAMPLE_RATE)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(folder / "source.wav"), *arguments]
    subprocess.run([*command, str(folder / name)], check=True)
    return (folder / name).read_bytes()
