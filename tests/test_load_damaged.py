"""Recordings cut short and damaged: heard around the damage where it is small, or refused with how much of how much."""

import os
import shutil
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings import encoded, frames_of, heard, refusal, seconds_heard, tones, variable_mp3, with_count, without_count

from asr.audio import recording
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.errors import AudioError


@pytest.fixture(params=["with ffmpeg", "without ffmpeg"], autouse=True)
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without ffmpeg":
        monkeypatch.setattr(shutil, "which", lambda _: None)


def amounts(line: str) -> tuple[float, float]:
    """Of the line with which a recording is refused, the seconds found and the seconds wanted."""
    assert "cut short or damaged: found " in line
    return float(line.partition("found ")[2].split(" s ")[0]), float(line.partition("wanted the ")[2].split(" s ")[0])


def damaged(data: bytes, at: float, length: int, how: str) -> bytes:
    start = int(at * len(data))
    other = {"zeros": bytes(length), "noise": np.random.default_rng(1).bytes(length), "missing": b""}[how]
    return data[:start] + other + data[start + length :]


@pytest.mark.parametrize("how", ["zeros", "noise", "missing"])
@pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
def test_an_mp3_is_heard_around_a_small_hole(how: str, at: float) -> None:
    for mp3 in (without_count(variable_mp3(20)), encoded(tones(20.0), "MP3")):
        length = len(mp3) // 50  # 0.4 s
        wave = heard(damaged(mp3, at, length, how))
        assert 19.2 < len(wave) / SAMPLE_RATE < 20.2
        # the end is there
        shift = np.argmax(np.correlate(wave[-8_000:], tones(20.0)[-6_000:-2_000], "valid"))
        np.testing.assert_allclose(wave[-8_000:][shift : shift + 4_000], tones(20.0)[-6_000:-2_000], atol=0.2)


@pytest.mark.parametrize("how", ["zeros", "noise"])
def test_an_mp3_with_a_large_hole_is_refused(how: str) -> None:
    mp3 = without_count(variable_mp3(20))
    found, wanted = amounts(refusal(damaged(mp3, 0.3, len(mp3) // 5, how)))
    assert 15 < found < 17
    assert wanted == pytest.approx(20, abs=1.5)


def test_an_mp3_whose_second_half_never_came_is_refused() -> None:
    mp3 = without_count(variable_mp3(20))
    found, wanted = amounts(refusal(mp3[: len(mp3) // 2] + bytes(len(mp3) // 2)))
    assert found < 14
    assert wanted > 17


@pytest.mark.parametrize("share", [0.2, 0.7, 0.95])
def test_an_mp3_that_was_cut_is_refused_if_it_says_how_long_it_was(share: float) -> None:
    mp3 = variable_mp3(20)
    found, wanted = amounts(refusal(mp3[: int(share * len(mp3))]))
    assert found < 20 * share + 2
    assert wanted == pytest.approx(20.1, abs=0.1)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_of_a_cut_mp3_or_ogg_that_promises_nothing_the_whole_frames_are_used(share: float) -> None:
    mp3 = without_count(encoded(tones(20.0), "MP3", bitrate_mode="CONSTANT"))
    assert seconds_heard(mp3[: int(share * len(mp3))]) == pytest.approx(20 * share, abs=0.3)
    for form in ("OGG", "OPUS"):
        whole = encoded(tones(20.0), form)
        assert 20 * share - 4 < seconds_heard(whole[: int(share * len(whole))]) < 20 * share + 2


def test_an_mp3_that_counts_too_many_frames_and_has_all_its_bytes_is_heard() -> None:
    mp3 = variable_mp3(5)
    assert seconds_heard(with_count(mp3, 10_000)) == pytest.approx(5.1, abs=0.1)


def test_zeros_and_tags_at_the_ends_of_an_mp3_are_no_damage() -> None:
    mp3 = without_count(variable_mp3(3))
    np.testing.assert_array_equal(heard(mp3 + bytes(4_000)), heard(mp3))
    np.testing.assert_array_equal(heard(variable_mp3(3) + bytes(100_000)), heard(variable_mp3(3)))


@pytest.mark.parametrize("how", ["zeros", "noise", "missing"])
@pytest.mark.parametrize("form", ["OGG", "OPUS"])
def test_an_ogg_is_heard_around_a_small_hole(form: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # libsndfile writes pages of a second and more, and one is lost
    monkeypatch.setattr(recording, "MOST_LOST_SECONDS", 3.0)
    monkeypatch.setattr(recording, "MOST_LOST_SHARE", 0.2)
    whole = encoded(tones(20.0), form)
    wave = heard(damaged(whole, 0.5, 500, how))
    assert 17 < len(wave) / SAMPLE_RATE < 20
    assert np.abs(wave[-8_000:]).max() > 0.2


@pytest.mark.parametrize("how", ["zeros", "noise", "missing"])
@pytest.mark.parametrize("form", ["OGG", "OPUS"])
def test_an_ogg_with_a_large_hole_is_refused(form: str, how: str) -> None:
    whole = encoded(tones(20.0), form)
    found, wanted = amounts(refusal(damaged(whole, 0.4, len(whole) // 4, how)))
    assert 8 < found < 16.5
    assert wanted == pytest.approx(20, abs=1.5)


@pytest.mark.parametrize("form", ["OGG", "OPUS"])
def test_a_second_ogg_without_its_beginning_is_missed(form: str) -> None:
    part = encoded(tones(4.0), form)
    found, wanted = amounts(refusal(part + damaged(encoded(tones(4.0, seed=1), form), 0, 60, "zeros")))
    assert found == pytest.approx(4, abs=0.1)
    assert wanted > 6


@pytest.mark.parametrize("how", ["zeros", "noise", "missing"])
def test_a_damaged_flac_is_refused(how: str) -> None:
    flac = encoded(tones(10.0), "FLAC")
    found, wanted = amounts(refusal(damaged(flac, 0.4, 2000, how)))
    assert found < 6
    assert wanted == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("form", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_what_says_how_long_it_is_and_holds_less_is_refused(form: str, share: float) -> None:
    whole = encoded(tones(10.0), form)
    cut = whole[: int(share * len(whole))]
    if form == "CAF" and shutil.which("ffmpeg") is None:  # which libsndfile does not open
        assert "install ffmpeg" in refusal(cut)
        return
    found, wanted = amounts(refusal(cut))
    assert found == pytest.approx(10 * share, abs=0.7)
    assert wanted == pytest.approx(10, abs=0.05)


def test_the_last_part_of_a_joined_file_may_be_cut_too() -> None:
    for form in ("WAV", "FLAC", "AIFF", "MP3"):
        part = encoded(tones(4.0), form)
        amounts(refusal(part + part[: len(part) // 2]))


def test_a_line_names_file_amounts_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(tones(2.0), "WAV")[:32_044])
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: cut short or damaged: found 1.00 s that can be read, wanted the 2.00 s ")
    assert "; copy or record it again, or convert what is left to wav (ffmpeg -i FILE rest.wav)" in line


LOUD = {
    "empty tags": (b"ID3\4\0\0" + bytes(4)) * 5_000,
    "tags before an mp3": (b"ID3\4\0\0" + bytes(4)) * 5_000 + variable_mp3(2),
    "a page of the web": b"<!DOCTYPE html><html><body>" + b"<p>Not found</p>" * 200,
    "a playlist": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.mp3\n",
    "text of two bytes a letter": "Kein Ton. ".encode("utf-16") * 300,
    "noise": b"ID3\3\0\0\0\0\0\0" + np.random.default_rng(0).bytes(30_000),
    "noise behind sync": b"\xff\xfb\x90\x44" + np.random.default_rng(0).bytes(30_000),
    "broken frames": b"".join(
        frame[:8] + np.random.default_rng(number).bytes(len(frame) - 8) if number % 3 else frame
        for number, frame in enumerate(frames_of(variable_mp3(3)))
    ),
    "a hole": damaged(without_count(variable_mp3(10)), 0.5, 300, "zeros"),
}


@pytest.mark.parametrize("what", LOUD)
def test_no_decoder_writes_to_the_terminal(tmp_path: Path, what: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.mp3").write_bytes(LOUD[what])
    with suppress(AudioError):
        load_audio(tmp_path / "a.mp3")
    assert capfd.readouterr() == ("", "")


def test_what_others_write_meanwhile_is_not_lost(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = soundfile.SoundFile.read

    def say(self: soundfile.SoundFile, *args: object, **more: object) -> np.ndarray:
        os.write(2, b"[src/libmpg123/layer3.c:1] error: gone\nsaid by another thread\n")
        return read(self, *args, **more)

    monkeypatch.setattr(soundfile.SoundFile, "read", say)
    heard(variable_mp3(1))
    said = capfd.readouterr().err.splitlines()
    assert said
    assert set(said) == {"said by another thread"}


def test_heads_that_point_anywhere_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for form, at, size in (("CAF", 12, 8), ("W64", 56, 8), ("AIFF", 16, 4), ("WAV", 16, 4), ("AU", 4, 4)):
        for number in (2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1, 1):
            data = bytearray(encoded(tones(0.2), form))
            data[at : at + size] = struct.pack(">Q", number)[-size:]
            with suppress(AudioError):
                assert len(heard(bytes(data)))
