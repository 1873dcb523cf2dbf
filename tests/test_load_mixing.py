"""Many channels to one, and how much of a recording is decoded at most."""

import io
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings import encoded, heard, refusal, tones

from asr.audio import mixing, soundfiles
from asr.audio.load import SAMPLE_RATE, load_audio


def noise(level: float, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(2 * SAMPLE_RATE)).astype(np.float32)


def stacked(*channels: np.ndarray) -> bytes:
    return encoded(np.stack(channels, axis=1), "WAV", subtype="FLOAT")


SOUND = tones(2.0)
ZERO = np.zeros_like(SOUND)


@pytest.mark.parametrize(
    "channels",
    [
        (SOUND, -SOUND),
        (-0.8 * SOUND, SOUND),
        (SOUND, -SOUND + noise(0.003)),
        (SOUND, -SOUND, ZERO),
        (0.5 * SOUND, -SOUND, 0.5 * SOUND, ZERO),
        (SOUND, -SOUND, SOUND, -SOUND, SOUND, -SOUND),
    ],
    ids=["opposite", "one softer", "a little noise", "three", "four", "six"],
)
def test_channels_that_cancel_each_other_leave_the_loudest(channels: tuple[np.ndarray, ...]) -> None:
    loudest = max(channels, key=lambda channel: float(np.square(channel).sum()))
    np.testing.assert_array_equal(heard(stacked(*channels)), loudest)


@pytest.mark.parametrize(
    "channels",
    [
        (SOUND, SOUND),
        (SOUND, ZERO),
        (SOUND, -0.5 * SOUND),
        (SOUND, tones(2.0, seed=1)),
        (noise(0.1), noise(0.1, 1), noise(0.1, 2), noise(0.1, 3)),
        (SOUND, *[ZERO] * 15),
        (ZERO, ZERO),
    ],
    ids=["equal", "one silent", "half opposite", "different", "noise", "one of sixteen", "silence"],
)
def test_channels_that_do_not_are_averaged(channels: tuple[np.ndarray, ...]) -> None:
    np.testing.assert_allclose(heard(stacked(*channels)), np.mean(channels, axis=0), atol=1e-6)


def test_it_is_the_whole_recording_that_decides() -> None:
    # a moment of opposite phase, as in music, is not a microphone wired wrongly
    later = np.r_[-SOUND[:8_000], SOUND[8_000:]]
    np.testing.assert_allclose(heard(stacked(SOUND, later)), (SOUND + later) / 2, atol=1e-6)


def test_opposite_channels_in_compressed_and_joined_files() -> None:
    both = np.stack([SOUND, -SOUND], axis=1)
    for form in ("FLAC", "OGG", "MP3"):
        assert np.abs(heard(encoded(both, form))).max() > 0.3
    np.testing.assert_allclose(
        heard(encoded(SOUND, "FLAC") + encoded(both, "FLAC")), np.concatenate([SOUND, SOUND]), atol=1e-4
    )


def test_the_second_look_holds_no_more_than_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = np.tile(np.stack([SOUND, -SOUND] * 4, axis=1), (30, 1))
    soundfile.write(tmp_path / "a.flac", long, SAMPLE_RATE)
    wave = 4 * len(long)
    tracemalloc.start()
    load_audio(tmp_path / "a.flac")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * wave + 20 * 4 * soundfiles.BLOCK_SAMPLES


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [3e38, -3e38, 1e20, 1e11])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_beyond_all_sound_are_refused(value: float, channels: int) -> None:
    wave = np.repeat(np.r_[SOUND, np.float32(value)][:, None], channels, axis=1)
    line = refusal(encoded(wave, "WAV", subtype="FLOAT"))
    assert f"found a sample of {np.float32(value):.3g} at 2.000 s" in line


def test_floats_in_the_range_of_integers_are_clipped() -> None:
    assert np.abs(heard(encoded(SOUND * 32_768, "WAV", subtype="FLOAT"))).max() == 1


def test_a_small_file_of_very_many_samples_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    flac = encoded(np.zeros((768_000, 8), np.int16), "FLAC", rate=192_000)
    assert len(flac) < 20_000
    assert len(heard(flac)) == 4 * SAMPLE_RATE
    monkeypatch.setattr(mixing, "MAX_SAMPLES", 6_000_000)
    began = time.process_time()
    line = refusal(flac)
    assert "found 6144000 samples of all channels, wanted at most 6000000" in line
    assert time.process_time() - began < 0.5  # by its head


def test_it_is_refused_on_the_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixing, "MAX_SAMPLES", 50_000)
    assert "samples of all channels" in refusal(encoded(np.stack([SOUND, SOUND], axis=1), "OGG"))


def test_blocks_of_many_channels_are_no_larger() -> None:
    recording = soundfiles.ForwardSoundFile
    with recording(io.BytesIO(encoded(np.zeros((4_000, 100)), "WAV"))) as opened:
        sizes = {block.size for _, block in soundfiles.blocks(opened)}
    assert max(sizes) <= soundfiles.BLOCK_SAMPLES


@pytest.mark.parametrize("source", [None, 3, [0.0], b"RIFF", np.zeros(3), io.StringIO("a")])
def test_what_is_neither_path_nor_binary_stream_is_refused(source: object) -> None:
    with pytest.raises(Exception, match="wanted a path or a binary stream"):
        load_audio(source)  # type: ignore[arg-type]
