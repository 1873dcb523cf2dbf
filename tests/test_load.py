"""Loading recordings: every form of the same sound gives the same wave, and every bad file one clear line."""

import io
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio import load, soundfiles
from asr.audio.load import AUDIO_EXTENSIONS, SAMPLE_RATE, find_audio, load_audio
from asr.errors import AudioError

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def chirp(rate: int = SAMPLE_RATE, seconds: float = 1.0) -> np.ndarray:
    """A tone that climbs from 200 to 3,000 Hz, the same sound at every rate."""
    time = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 * time + 1400 * time**2 / seconds))).astype(np.float32)


class Pipe(io.RawIOBase):
    """Bytes that can be read once, as from a pipe."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:  # noqa: D102
        return True

    def readinto(self, buffer: memoryview) -> int:  # noqa: D102
        # a pipe gives less than was asked for
        return self._data.readinto(memoryview(buffer)[:1000])


def complaint(source: Path | Pipe, **more: str) -> str:
    with pytest.raises(AudioError) as caught:
        load_audio(source, **more)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(source) if isinstance(source, Path) else "standard input")
    return message


FORMATS = [
    ("wav", "PCM_U8", 0.01),
    ("wav", "PCM_16", 1e-4),
    ("wav", "PCM_24", 1e-6),
    ("wav", "PCM_32", 1e-6),
    ("wav", "FLOAT", 0),
    ("wav", "DOUBLE", 0),
    ("wav", "ULAW", 0.02),
    ("flac", "PCM_16", 1e-4),
    ("flac", "PCM_24", 1e-6),
    ("aiff", "PCM_16", 1e-4),
    ("mp3", None, 0.2),
    ("ogg", "VORBIS", 0.1),
    ("opus", "OPUS", 0.1),
]


@pytest.mark.parametrize(("extension", "subtype", "tolerance"), FORMATS)
def test_every_format_gives_the_same_wave(
    tmp_path: Path, extension: str, subtype: str | None, tolerance: float
) -> None:
    path = tmp_path / f"a.{extension}"
    soundfile.write(path, chirp(), SAMPLE_RATE, subtype=subtype, format="OGG" if extension == "opus" else None)
    wave = load_audio(path)
    assert wave.dtype == np.float32
    assert wave.shape == chirp().shape
    # lossy codecs smear the abrupt ends
    np.testing.assert_allclose(wave[500:-500], chirp()[500:-500], atol=tolerance)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_gives_the_same_sound(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", chirp(rate), rate, subtype="FLOAT")
    wave = load_audio(tmp_path / "a.wav")
    assert wave.shape == (SAMPLE_RATE,)
    np.testing.assert_allclose(wave[500:-500], chirp()[500:-500], atol=2e-3)


def test_reading_in_blocks_equals_resampling_at_once(tmp_path: Path) -> None:
    sound = chirp(44_100, seconds=8.0)
    assert len(sound) > 2 * soundfiles.BLOCK_SAMPLES
    soundfile.write(tmp_path / "a.wav", sound, 44_100, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(tmp_path / "a.wav"), soxr.resample(sound, 44_100, 16_000, quality="HQ"))


@pytest.mark.parametrize("extension", ["flac", "mp3", "ogg"])
def test_reading_in_blocks_equals_decoding_at_once(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    soundfile.write(path, chirp(seconds=15), SAMPLE_RATE)
    np.testing.assert_allclose(load_audio(path), soundfile.read(path, dtype="float32")[0], atol=1e-6)


def test_channels_are_averaged(tmp_path: Path) -> None:
    channels = np.stack([chirp() * weight for weight in (1, 0, 0, -0.5, 0, 0.25, 0, 0)], axis=1)
    soundfile.write(tmp_path / "a.wav", channels, SAMPLE_RATE, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), chirp() * 0.75 / 8, atol=1e-6)


def test_eight_channels_at_192_khz(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.repeat(chirp(192_000)[:, None], 8, axis=1), 192_000, subtype="PCM_24")
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav")[500:-500], chirp()[500:-500], atol=2e-3)


def test_samples_stay_within_one(tmp_path: Path) -> None:
    square = np.sign(chirp(48_000)).astype(np.float32)  # overshoots when it is resampled
    soundfile.write(tmp_path / "a.wav", square * 1.5, 48_000, subtype="FLOAT")
    assert np.abs(load_audio(tmp_path / "a.wav")).max() == 1.0


def test_digital_silence_is_a_recording(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000), SAMPLE_RATE)
    assert not load_audio(tmp_path / "a.wav").any()


def test_an_hour(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 8_000, 1, "PCM_U8") as file:
        for _ in range(60):
            file.write(chirp(8_000, seconds=60))
    assert load_audio(tmp_path / "a.wav").shape == (3600 * SAMPLE_RATE,)


def test_real_recordings(corpora: Path) -> None:
    for path in find_audio(corpora / "speech_commands"):
        wave = load_audio(path)
        assert 0.1 < len(wave) / SAMPLE_RATE < 3
        assert 0.001 < np.abs(wave).max() <= 1


# Streams


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3", "ogg"])
def test_a_pipe_equals_the_file(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    soundfile.write(path, chirp(44_100), 44_100)
    np.testing.assert_array_equal(load_audio(Pipe(path.read_bytes())), load_audio(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a thing of Unix")
def test_a_named_pipe_equals_the_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", chirp(), SAMPLE_RATE)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes((tmp_path / "a.wav").read_bytes()))
    writer.start()
    np.testing.assert_array_equal(load_audio(tmp_path / "pipe"), load_audio(tmp_path / "a.wav"))
    writer.join()


@pytest.mark.parametrize("size", [0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
def test_a_wav_written_into_a_pipe_has_no_length_and_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    soundfile.write(tmp_path / "a.wav", chirp(), SAMPLE_RATE)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[4:8] = data[40:44] = size.to_bytes(4, "little")
    np.testing.assert_array_equal(load_audio(Pipe(bytes(data))), load_audio(tmp_path / "a.wav"))


def test_an_endless_pipe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MAX_STREAM_BYTES", 5_000)
    assert "more than 5000 bytes" in complaint(Pipe(bytes(6_000)))


# ffmpeg


@needs_ffmpeg
@pytest.mark.parametrize("arguments", [["a.m4a", "-c:a", "alac"], ["a.mka", "-c:a", "pcm_f32le"], ["b.flac"]])
def test_ffmpeg_gives_the_same_wave_as_soundfile(tmp_path: Path, arguments: list[str]) -> None:
    stereo = np.stack([chirp(44_100), -0.25 * chirp(44_100)], axis=1)
    soundfile.write(tmp_path / "a.flac", stereo, 44_100)
    name, *codec = arguments
    convert = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(tmp_path / "a.flac"), *codec]
    if name == "b.flac":  # into a pipe, so that its header has no length
        (tmp_path / name).write_bytes(subprocess.run([*convert, "-f", "flac", "-"], capture_output=True).stdout)
    else:
        subprocess.run([*convert, str(tmp_path / name)], check=True)
    expected = load_audio(tmp_path / "a.flac")
    np.testing.assert_array_equal(load_audio(tmp_path / name), expected)
    np.testing.assert_array_equal(load_audio(Pipe((tmp_path / name).read_bytes())), expected)


@needs_ffmpeg
def test_ffmpeg_reads_compressed_stereo_without_gain(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([chirp(44_100)] * 2, axis=1), 44_100)
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "a.aac"], check=True)
    assert np.abs(load_audio(tmp_path / "a.aac")).max() == pytest.approx(0.5, abs=0.1)


@needs_ffmpeg
def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "secret.wav", chirp(), SAMPLE_RATE)
    for text in ("ffconcat version 1.0\nfile secret.wav\n", "#EXTM3U\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n"):
        # the leading bytes keep it from being refused as plain text
        (tmp_path / "list.m4a").write_bytes(text.encode() + b"\0")
        assert "found nothing that ffmpeg can decode" in complaint(tmp_path / "list.m4a")


@needs_ffmpeg
def test_a_name_that_looks_like_an_option_or_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", chirp(), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    for name in ("-y.m4a", "http:b.m4a"):
        command = ["ffmpeg", "-v", "error", "-i", "a.wav", "-c:a", "alac", "-f", "ipod", f"file:{name}"]
        subprocess.run(command, check=True)
        assert len(load_audio(Path(name))) == SAMPLE_RATE


def test_without_ffmpeg_the_message_says_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x1cftypM4A " + bytes(100))
    assert "install ffmpeg" in complaint(tmp_path / "a.m4a")


@needs_ffmpeg
def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=0.2:s=32x32:r=10", "-c:v", "mpeg4"]
    subprocess.run([*command, tmp_path / "a.mp4"], check=True)
    assert "no sound in it" in complaint(tmp_path / "a.mp4")


# Bad files


def _write(path: Path, data: np.ndarray, rate: int = SAMPLE_RATE, **more: str) -> None:
    soundfile.write(path, data, rate, **more)


def _cut(path: Path, data: np.ndarray, share: float = 0.5) -> None:
    soundfile.write(path, data, SAMPLE_RATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])


BAD: list[tuple[str, Callable[[Path], object], str]] = [
    ("missing.wav", lambda path: None, "no such file"),
    ("folder.wav", lambda path: path.mkdir(), "found a folder"),
    ("empty.wav", lambda path: path.touch(), "0 bytes"),
    ("no-samples.wav", lambda path: _write(path, np.zeros(0)), "no samples"),
    ("no-samples.ogg", lambda path: _write(path, np.zeros(0)), "no samples"),
    ("text.wav", lambda path: path.write_text("Überhaupt kein Ton.\n" * 100, encoding="utf-8"), "found text"),
    ("noise.wav", lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)), "ffmpeg"),
    ("nan.wav", lambda path: _write(path, np.r_[chirp(), np.nan], subtype="FLOAT"), "not a number or is infinite at 1"),
    ("inf.wav", lambda path: _write(path, np.r_[chirp(), -np.inf], subtype="DOUBLE"), "infinite at 1.000 s"),
    ("cut.wav", lambda path: _cut(path, chirp()), "found 0.50 s that can be read, wanted the 1.00 s"),
    ("cut.aiff", lambda path: _cut(path, chirp()), "found 0.50 s that can be read, wanted the 1.00 s"),
    ("cut.flac", lambda path: _cut(path, chirp(seconds=3)), "cut short"),
    ("start.flac", lambda path: _cut(path, chirp(seconds=3), 0.02), "cut short"),
    ("header.wav", lambda path: _cut(path, chirp(), 44 / (44 + 2 * SAMPLE_RATE)), "found a header and no samples"),
    ("half-header.wav", lambda path: _cut(path, chirp(), 0.001), "ffmpeg"),
    ("page.ogg", lambda path: _cut(path, chirp(), 0.02), "ffmpeg"),
    ("slow.wav", lambda path: _write(path, chirp(), 10), "10 Hz"),
    ("fast.wav", lambda path: _write(path, chirp(), 10_000_000), "10000000 Hz"),
]


@pytest.mark.parametrize(("name", "make", "expected"), BAD, ids=[each[0] for each in BAD])
def test_a_bad_file_gives_one_clear_line(
    tmp_path: Path, name: str, make: Callable[[Path], object], expected: str
) -> None:
    make(tmp_path / name)
    message = complaint(tmp_path / name)
    assert expected in message
    assert "wanted" in message
    assert ";" in message  # what to do


def test_a_device_is_refused() -> None:
    assert "device" in complaint(Path("/dev/null" if Path("/dev/null").exists() else "NUL"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_forbidden_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch(mode=0)
    assert "permissions" in complaint(tmp_path / "a.wav")


def test_too_long_is_refused_by_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((4 * 3600 + 1) * 4_000, np.int16), 4_000, subtype="PCM_U8")
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("decoded a sample"))
    assert "4.0 hours of sound, wanted at most 4 hours" in complaint(tmp_path / "a.wav")


@needs_ffmpeg
def test_too_long_is_refused_while_ffmpeg_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", chirp(seconds=10), SAMPLE_RATE)
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "a.m4a"], check=True)
    monkeypatch.setattr(load, "MAX_SECONDS", 5)
    assert "wanted at most" in complaint(tmp_path / "a.m4a")


def test_a_message_uses_the_name_that_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"^interview: "):
        load_audio(tmp_path / "missing.wav", name="interview")
    with pytest.raises(AudioError, match=r"^upload: "):
        load_audio(io.BytesIO(), name="upload")


@settings(max_examples=150)
@given(
    flips=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=6),
    keep=st.integers(0, 4_000),
    form=st.sampled_from(["WAV", "FLAC", "OGG", "AIFF", "MP3", "W64", "CAF", "AU"]),
)
def test_damage_gives_a_sound_wave_or_an_audio_error(flips: list[tuple[int, int]], keep: int, form: str) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, chirp(8_000, 0.2), 8_000, format=form)
    data = bytearray(buffer.getvalue())
    for place, value in flips:
        data[place % len(data)] = value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "which", lambda _: None)  # a process for each example would take minutes
        try:
            wave = load_audio(io.BytesIO(data[:keep]))
        except AudioError:
            return
    assert len(wave)
    assert np.abs(wave).max() <= 1


# Folders


def test_a_file_is_its_own_list(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert find_audio(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]


def test_a_folder_gives_its_recordings_sorted(tmp_path: Path) -> None:
    wanted = ["a.wav", "b/C.FLAC", "b/c/d.e.ogg", "z.m4a"]
    for name in [*wanted, "a.txt", ".hidden.wav", ".git/a.wav", "wav", "b/.wav"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_audio(tmp_path) == [tmp_path / name for name in wanted]


def test_every_extension_is_found(tmp_path: Path) -> None:
    assert {"wav", "flac", "mp3", "ogg", "opus", "sph", "m4a"} <= AUDIO_EXTENSIONS
    for extension in AUDIO_EXTENSIONS:
        (tmp_path / f"a.{extension}").touch()
    assert len(find_audio(tmp_path)) == len(AUDIO_EXTENSIONS)


def test_links_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "here" / "deep").mkdir(parents=True)
    (tmp_path / "here" / "deep" / "a.wav").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.wav").touch()
    (tmp_path / "here" / "deep" / "loop").symlink_to(tmp_path / "here", target_is_directory=True)
    (tmp_path / "here" / "self").symlink_to("self")
    (tmp_path / "here" / "other").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert find_audio(tmp_path / "here") == [
        tmp_path / "here" / "deep" / "a.wav",
        tmp_path / "here" / "other" / "b.wav",
    ]


def test_nothing_to_find_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="found no recording"):
        find_audio(tmp_path)
    with pytest.raises(AudioError, match="no such file or folder"):
        find_audio(tmp_path / "missing")
