"""Recordings whose own count of frames is not the truth: joined, written into a pipe, or counted wrongly."""

import io
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings import (
    encoded,
    frames_of,
    heard,
    refusal,
    seconds_heard,
    tones,
    variable_mp3,
    with_count,
    without_count,
)

from asr.audio.load import SAMPLE_RATE, load_audio

ID3_IN_FRONT = b"ID3\4\0\0" + bytes((0, 0, 7, 104)) + b"TIT2" + bytes(996)
ID3_BEHIND = b"TAG" + b"a title".ljust(125, b"\0")
APE_BEHIND = b"APETAGEX" + struct.pack("<4I", 2000, 52, 1, 0xA000_0000) + bytes(8 + 20) + b"APETAGEX" + bytes(24)


@pytest.fixture(params=["with ffmpeg", "without ffmpeg"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without ffmpeg":
        monkeypatch.setattr(shutil, "which", lambda _: None)


pytestmark = pytest.mark.usefixtures("_either_way")


@pytest.mark.parametrize("seed", range(3))
def test_an_mp3_from_a_pipe_is_heard_to_its_end(seed: int) -> None:
    mp3 = variable_mp3(12, seed)
    assert len({len(frame) for frame in frames_of(mp3)}) > 3
    wave = heard(without_count(mp3))
    assert 12 <= len(wave) / SAMPLE_RATE < 12.2
    # the same sound, but for what the encoder added in front, which that frame says how to leave out
    shift = int(np.argmax(np.correlate(wave[: 2 * SAMPLE_RATE], heard(mp3)[:SAMPLE_RATE], "valid")))
    np.testing.assert_allclose(wave[shift : shift + 11 * SAMPLE_RATE], heard(mp3)[: 11 * SAMPLE_RATE], atol=1e-3)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_an_mp3_that_counts_too_few_frames_is_heard_to_its_end(share: float) -> None:
    mp3 = variable_mp3(12)
    assert 12 <= seconds_heard(with_count(mp3, int(share * len(frames_of(mp3))))) < 12.2


def test_an_mp3_that_counts_too_few_frames_by_fraunhofers_way() -> None:
    mp3 = variable_mp3(12)
    first = frames_of(encoded(tones(1), "MP3", bitrate_mode="CONSTANT", compression_level=0))[0]
    assert len(first) > 60
    vbri = first[:4] + bytes(32) + b"VBRI" + struct.pack(">HHHII", 1, 0, 50, 1000, 30)
    wave = heard(vbri.ljust(len(first), b"\0") + without_count(mp3))
    assert 12 <= len(wave) / SAMPLE_RATE < 12.2


@pytest.mark.parametrize("between", [b"", ID3_BEHIND, ID3_IN_FRONT, ID3_BEHIND + ID3_IN_FRONT, APE_BEHIND + ID3_BEHIND])
@pytest.mark.parametrize("counted", [True, False])
def test_joined_mp3_are_heard_one_after_the_other(between: bytes, counted: bool) -> None:
    parts = [variable_mp3(5, 1), variable_mp3(3, 2), encoded(tones(4, seed=3), "MP3")]
    if not counted:
        parts = [without_count(part) for part in parts]
    wave = heard(ID3_IN_FRONT + between.join(parts) + ID3_BEHIND)
    assert 12 <= len(wave) / SAMPLE_RATE < 12.3
    if counted:
        np.testing.assert_array_equal(wave, np.concatenate([heard(part) for part in parts]))


def test_joined_mp3_of_other_rates_and_channels() -> None:
    stereo = encoded(np.stack([tones(3, rate=44_100)] * 2, axis=1), "MP3", rate=44_100)
    assert seconds_heard(variable_mp3(5) + stereo + variable_mp3(4)) == pytest.approx(12, abs=0.01)


def test_an_mp3_of_one_frame_is_heard() -> None:
    assert 0 < seconds_heard(frames_of(variable_mp3(1))[5]) < 0.04


@pytest.mark.parametrize("form", ["OGG", "OPUS", "FLAC", "WAV", "RF64", "W64", "AIFF", "AU", "CAF", "NIST"])
def test_joined_files_are_heard_one_after_the_other(form: str) -> None:
    parts = [encoded(tones(seconds, seed=seed), form) for seed, seconds in enumerate([2.0, 3.0, 1.5])]
    np.testing.assert_array_equal(heard(b"".join(parts)), np.concatenate([heard(part) for part in parts]))


@pytest.mark.parametrize("form", ["OGG", "OPUS"])
def test_joined_ogg_of_equal_serials(form: str) -> None:
    part = encoded(tones(2.0), form)
    np.testing.assert_array_equal(heard(part + part), np.tile(heard(part), 2))


def test_joined_ogg_of_other_rates_channels_and_codecs() -> None:
    parts = [
        encoded(tones(2.0), "OGG"),
        encoded(np.stack([tones(1.0, rate=48_000)] * 2, axis=1), "OPUS", rate=48_000),
        encoded(tones(1.0, rate=44_100), "OGG", rate=44_100),
    ]
    assert seconds_heard(b"".join(parts)) == pytest.approx(4.0, abs=0.01)


def test_a_wav_with_size_0_is_heard_to_its_end() -> None:
    wav = encoded(tones(2.0), "WAV")
    assert wav[36:40] == b"data"
    for riff in (0, 36, 38, len(wav) - 8, 0xFFFF_FFFF):
        patched = wav[:4] + struct.pack("<I", riff) + wav[8:40] + bytes(4) + wav[44:]
        for data in (patched, patched + b"\1"):  # the last sample may be half there
            np.testing.assert_array_equal(heard(data), heard(wav))


def test_a_wav_of_size_0_with_nothing_but_a_comment_behind_it_is_empty() -> None:
    wav = encoded(np.zeros(0), "WAV")
    assert "no samples" in refusal(wav + b"LIST" + struct.pack("<I", 12) + b"INFOIART\0\0\0\0")


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_other_forms_that_were_written_into_a_pipe(size: int) -> None:
    wave = tones(2.0)
    au = encoded(wave, "AU")
    np.testing.assert_array_equal(heard(au[:8] + struct.pack(">I", size) + au[12:]), heard(au))
    aiff = encoded(wave, "AIFF")
    at = aiff.index(b"SSND") + 4
    data = bytearray(aiff)
    data[at : at + 4] = data[4:8] = struct.pack(">I", size)
    if not size:
        frames = data.index(b"COMM") + 10
        data[frames : frames + 4] = bytes(4)
    np.testing.assert_array_equal(heard(bytes(data)), heard(aiff))
    for form, magic, number in (("W64", b"data\xf3\xac", "<q"), ("CAF", b"data", ">q")):
        file = bytearray(encoded(wave, form))
        at = file.index(magic) + (16 if form == "W64" else 4)
        file[at : at + 8] = struct.pack(number, 0 if not size else 2**63 - 1 if form == "W64" else -1)
        np.testing.assert_array_equal(heard(bytes(file)), heard(encoded(wave, form)))


@pytest.mark.parametrize("total", [0, 1_000, 40_000])
def test_a_flac_that_counts_no_samples_or_too_few_is_heard_to_its_end(total: int) -> None:
    flac = encoded(tones(5.0), "FLAC")
    data = bytearray(flac)
    data[21] &= 0xF0
    data[22:26] = struct.pack(">I", total)
    np.testing.assert_array_equal(heard(bytes(data)), heard(flac))
    np.testing.assert_array_equal(heard(bytes(data) + flac), np.tile(heard(flac), 2))


def test_a_wav_that_counts_too_few_samples_is_refused() -> None:
    wav = encoded(tones(5.0), "WAV")
    line = refusal(wav[:40] + struct.pack("<I", 32_000) + wav[44:])
    assert "found 1.00 s" in line
    assert "5.00 s" in line


def test_comments_behind_the_samples_are_no_damage() -> None:
    wav = encoded(tones(1.0)[:15_001], "WAV", subtype="PCM_U8")
    comment = b"LIST" + struct.pack("<I", 12) + b"INFOIART\0\0\0\0"
    for behind in (comment, b"\0" + comment, comment * 3, bytes(512)):
        assert len(heard(wav[: 44 + 15_001] + behind)) == 15_001


def test_paths_of_every_kind_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tones(1.0), SAMPLE_RATE)

    class Named:
        def __fspath__(self) -> str:
            return str(path)

    expected = load_audio(path)
    for source in (str(path), Named(), path.open("rb"), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(load_audio(source), expected)
        if isinstance(source, io.BufferedReader):
            source.close()
    assert os.fspath(Named()) == str(path)
