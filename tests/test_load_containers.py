"""What only ffmpeg reads: joined, cut short and damaged; what it says is ours to say."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings import by_ffmpeg, heard, needs_ffmpeg, refusal, seconds_heard, tones

from asr.audio import ffmpeg
from asr.audio.load import AUDIO_EXTENSIONS, load_audio
from asr.errors import AudioError

pytestmark = needs_ffmpeg

JOINED = [
    ("a.oga", ["-c:a", "flac"]),
    ("a.spx", ["-c:a", "libspeex"]),
    ("a.opus", ["-c:a", "libopus"]),
    ("a.mka", ["-c:a", "aac"]),
    ("a.webm", ["-c:a", "libopus"]),
    ("a.m4a", ["-c:a", "aac"]),
    ("a.aac", ["-c:a", "aac"]),
    ("a.wma", ["-c:a", "wmav2"]),
    ("a.tta", []),
    ("a.wv", []),
    ("a.ts", ["-c:a", "mp2"]),
]


@needs_ffmpeg
@pytest.mark.parametrize(("name", "arguments"), JOINED, ids=[name for name, _ in JOINED])
def test_joined_files_that_ffmpeg_reads(tmp_path: Path, name: str, arguments: list[str]) -> None:
    parts = [by_ffmpeg(tmp_path, name, tones(seconds), *arguments) for seconds in (2.0, 3.0)]
    assert seconds_heard(b"".join(parts)) == pytest.approx(5, abs=0.2)
    assert seconds_heard(b"".join(parts)) == pytest.approx(sum(map(seconds_heard, parts)), abs=0.1)


PROMISES = [  # these say how long they are
    ("a.mka", ["-c:a", "aac"]),
    ("a.mkv", ["-c:a", "flac"]),
    ("a.webm", ["-c:a", "libopus"]),
    ("fast.m4a", ["-c:a", "aac", "-movflags", "+faststart"]),
    ("alac.m4a", ["-c:a", "alac", "-movflags", "+faststart"]),
    ("parts.mp4", ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "500000"]),
    ("a.wma", ["-c:a", "wmav2"]),
    ("a.avi", ["-c:a", "mp3"]),
    ("a.tta", []),
    ("a.wv", []),
]


@pytest.mark.parametrize(("name", "arguments"), PROMISES, ids=[name for name, _ in PROMISES])
def test_a_container_cut_short_is_refused_with_how_much_of_how_much(
    tmp_path: Path, name: str, arguments: list[str]
) -> None:
    whole = by_ffmpeg(tmp_path, name, tones(8.0), *arguments)
    assert seconds_heard(whole) == pytest.approx(8, abs=0.2)
    # WavPack has blocks of seconds, and of the first none would be whole
    for share in (0.7,) if name == "a.wv" else (0.3, 0.7):
        line = refusal(whole[: int(share * len(whole))])
        assert "cut short or damaged: found " in line
        found = float(line.partition("found ")[2].split(" s ")[0])
        wanted = float(line.partition("wanted the ")[2].split(" s ")[0])
        assert found < share * 8 + 1 < wanted + 1


@pytest.mark.parametrize(("name", "arguments"), PROMISES[:4], ids=[name for name, _ in PROMISES[:4]])
def test_a_container_with_a_hole_is_refused_or_heard_around_it(tmp_path: Path, name: str, arguments: list[str]) -> None:
    whole = by_ffmpeg(tmp_path, name, tones(8.0), *arguments)
    third = len(whole) // 3
    for damaged in (whole[:third] + bytes(4000) + whole[third + 4000 :], whole[:third] + whole[third + 4000 :]):
        try:
            assert seconds_heard(damaged) > 7.5
        except AudioError as error:
            assert "cut short or damaged: found " in str(error)  # noqa: PT017


def test_an_m4a_without_its_index_says_that_it_was_cut(tmp_path: Path) -> None:
    whole = by_ffmpeg(tmp_path, "a.m4a", tones(2.0), "-c:a", "aac")
    assert "index is missing, as in a file cut short" in refusal(whole[: len(whole) // 2])


@pytest.mark.parametrize(("name", "arguments"), [("a.aac", []), ("a.ac3", []), ("a.ts", ["-c:a", "mp2"])])
def test_what_promises_nothing_is_heard_as_far_as_it_goes(tmp_path: Path, name: str, arguments: list[str]) -> None:
    whole = by_ffmpeg(tmp_path, name, tones(4.0), *arguments)
    assert seconds_heard(whole[: len(whole) // 2]) == pytest.approx(2, abs=0.2)


def test_a_live_webm_has_no_length_and_is_heard_to_its_end(tmp_path: Path) -> None:
    whole = by_ffmpeg(tmp_path, "a.webm", tones(4.0), "-c:a", "libopus", "-live", "1", "-f", "webm")
    assert seconds_heard(whole) == pytest.approx(4, abs=0.1)
    assert seconds_heard(whole[: len(whole) // 2]) == pytest.approx(2, abs=0.2)


def test_a_film_may_be_longer_than_its_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tones(2.0), 16_000)
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=4:s=32x32:r=5", "-i", str(tmp_path / "a.wav")]
    for name in ("a.mp4", "a.mkv"):
        subprocess.run([*command, "-c:v", "mpeg4", "-c:a", "aac", str(tmp_path / name)], check=True)
        assert len(load_audio(tmp_path / name)) / 16_000 == pytest.approx(2, abs=0.2)
    whole = (tmp_path / "a.mkv").read_bytes()
    assert "cut short" in refusal(whole[: len(whole) // 3])


def test_ffmpegs_words_are_ours(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(20_000)
    for name in ("x.raw", "x.pcm", "x.PCM", "x.m4a", "x"):
        (tmp_path / name).write_bytes(noise)
        with pytest.raises(AudioError) as caught:
            load_audio(tmp_path / name)
        line = str(caught.value)
        assert "[" not in line.replace(str(tmp_path), "")
        assert "whitelist" not in line
        assert ("-f s16le -ar 16000 -ac 1 -i x.raw x.wav" in line) == (name.lower()[-4:] in (".raw", ".pcm"))


def test_ffmpeg_that_fails_behind_its_first_samples_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = by_ffmpeg(tmp_path, "a.aac", tones(2.0))
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\n{shutil.which("ffmpeg")} "$@"\nexit 69\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "found 2.1" in refusal(whole)


def test_ffmpeg_is_stopped_where_it_works_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "_MOST_SECONDS", 1)
    whole = by_ffmpeg(tmp_path, "a.mka", np.zeros(60 * 16_000, np.float32), "-c:a", "flac")
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ffmpeg")} -stream_loop 1000000 "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "more than 1 s of processor time" in refusal(whole)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="files by their number are a thing of Unix")
def test_a_file_that_has_a_name_in_this_process_only(tmp_path: Path) -> None:
    by_ffmpeg(tmp_path, "a.mka", tones(1.0), "-c:a", "aac")
    with (tmp_path / "a.mka").open("rb") as file:
        wave = load_audio(f"/dev/fd/{file.fileno()}")
    np.testing.assert_array_equal(wave, load_audio(tmp_path / "a.mka"))


def test_musepack_is_a_recording() -> None:
    assert "mpc" in AUDIO_EXTENSIONS
    listed = subprocess.run(["ffmpeg", "-hide_banner", "-demuxers"], capture_output=True, text=True, check=True).stdout
    known = {name for line in listed.splitlines() if line.startswith(" D") for name in line.split()[1].split(",")}
    wanted = {"mpc", "mpc8"} & known
    assert wanted <= set(ffmpeg.FORMATS.split(","))


def test_nothing_is_left_of_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = by_ffmpeg(tmp_path, "a.mka", tones(1.0), "-c:a", "aac")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    seen = []
    real = ffmpeg.blocks
    monkeypatch.setattr(
        ffmpeg, "blocks", lambda *args: seen.append(list((tmp_path / "scratch").iterdir())) or real(*args)
    )
    assert len(heard(whole + whole))
    assert seen == [[], []]
