"""Opus that comes in pieces: the samples of the whole file, or one line that says what is wrong."""

import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asr.audio.load import load_audio
from asr.audio.ogg import pages_of, seal
from asr.audio.opus import OpusReader
from asr.errors import AudioError

RECORDING = ROOT / "recipes" / "commands" / "samples" / "check_the_battery_log.flac"


@pytest.fixture(scope="module")
def spoken() -> bytes:
    """A recording as ffmpeg streams it, with pages of a tenth of a second."""
    return encoded(RECORDING, "-page_duration", "100000")


def encoded(recording: Path, *options: str) -> bytes:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which makes Opus, is not installed")
    command = ["ffmpeg", "-loglevel", "error", "-i", str(recording), "-c:a", "libopus", "-b:a", "32k", *options]
    return subprocess.run([*command, "-f", "ogg", "-"], capture_output=True, check=True).stdout


def heard(pieces: list[bytes], most_seconds: float = 60) -> NDArray[np.float32]:
    reader = OpusReader(most_seconds)
    blocks = [block for piece in pieces for block in reader.feed(piece)]
    return np.concatenate([np.zeros(0, np.float32), *blocks, *reader.flush()])


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [50, 1000, 100_000])
def test_pieces_give_what_the_whole_file_gives(spoken: bytes, size: int) -> None:
    whole = load_audio(io.BytesIO(spoken))
    wave = heard(cut(spoken, size))
    assert len(wave) == len(whole)
    assert np.abs(wave - whole).max() < 2e-4


def test_sound_comes_as_soon_as_its_page_is_whole(spoken: bytes) -> None:
    reader = OpusReader(60)
    *_, last = pages_of(io.BytesIO(spoken), len(spoken) // 2)
    assert sum(map(len, reader.feed(spoken[: last.end]))) > (last.granule / 48_000 - 0.1) * 16_000


def test_two_streams_are_heard_one_after_the_other(spoken: bytes) -> None:
    assert len(heard(cut(spoken + spoken, 3000))) == pytest.approx(2 * len(heard([spoken])), abs=200)


@pytest.mark.parametrize("rate", ["48000", "24000"])
def test_other_rates_and_two_channels(rate: str) -> None:
    data = encoded(RECORDING, "-ar", rate, "-ac", "2", "-page_duration", "200000")
    whole = load_audio(io.BytesIO(data))
    wave = heard(cut(data, 700))
    assert abs(len(wave) - len(whole)) <= 2
    size = min(len(wave), len(whole))
    assert np.abs(wave[:size] - whole[:size]).max() < 1e-3


def test_a_cut_stream_is_refused_at_its_end(spoken: bytes) -> None:
    with pytest.raises(AudioError, match="cut short"):
        heard([spoken[:-10]])


def test_a_missing_page_is_refused(spoken: bytes) -> None:
    pages = list(pages_of(io.BytesIO(spoken), len(spoken)))
    with pytest.raises(AudioError, match="behind page"):
        heard([spoken[: pages[4].start] + spoken[pages[5].start :]])


@pytest.mark.parametrize("data", [b"RIFF" + bytes(200), b"OggS" + bytes(70_000), b"O" * 5])
def test_what_is_no_ogg_is_refused(data: bytes) -> None:
    with pytest.raises(AudioError):
        heard([data])


@pytest.mark.parametrize(
    "clock",
    [
        lambda _: 960,
        lambda at: 10**6 - 1000 * at,
        lambda at: 960 + 10 * at,
        lambda at: 48_000 * 82_800 + 960 * at,
    ],
    ids=["still", "back", "slow", "slow, a day on"],
)
def test_clocks_that_lie_lose_no_sound_without_a_word(spoken: bytes, clock: Callable[[int], int]) -> None:
    pages = [bytearray(spoken[page.start : page.end]) for page in pages_of(io.BytesIO(spoken), len(spoken))]
    for number, page in enumerate(pages[2:]):
        page[6:14] = clock(number).to_bytes(8, "little")
        seal(page)
    with pytest.raises(AudioError) as refused:
        heard(cut(b"".join(pages), 4096), most_seconds=86_400)
    assert "wanted" in str(refused.value)
    assert not re.search(r"0x|BytesIO|array", str(refused.value))


def test_more_than_is_wanted_is_refused(spoken: bytes) -> None:
    with pytest.raises(AudioError, match="wanted at most"):
        heard(cut(spoken, 500), most_seconds=1)


@settings(max_examples=60)
@given(st.data())
def test_damage_is_an_error_or_sound(spoken: bytes, data: st.DataObject) -> None:
    damaged = bytearray(spoken)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        wave = heard(cut(bytes(damaged), data.draw(st.integers(100, 5000))))
    except AudioError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert np.abs(wave).max() <= 1
