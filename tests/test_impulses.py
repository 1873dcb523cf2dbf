"""Impulse responses: what passes for a room, and what rooms do to speech."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation.acoustics import telephone
from asr.data.augmentation.augmenter import AugmentationSettings, Augmenter
from asr.data.augmentation.impulses import Wave, measured, room, simulated
from asr.data.manifests.manifest import read_manifest

# An effect, a filter, a widened stereo picture.
NO_ROOMS = {"backslap1", "filter-telephone", "spatialized2"}


def response(delay: float = 0.01, decay: float = 0.4, seconds: float = 1.5) -> Wave:
    """A direct path after ``delay`` seconds, and noise behind it that loses 60 dB in ``decay`` seconds."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE - delay
    wave = 0.05 * np.random.default_rng(0).standard_normal(len(time)) * 10 ** (-3 * time / decay)
    wave[time < 0] = 0
    wave[round(delay * SAMPLE_RATE)] = -0.5
    return wave.astype(np.float32)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.3])
def test_a_room_begins_with_its_direct_path_and_ends_after_a_second(delay: float) -> None:
    made = room(response(delay))
    assert made.dtype == np.float32
    assert len(made) == SAMPLE_RATE
    assert made[0] == -1
    assert np.abs(made[1:]).max() < 1
    np.testing.assert_allclose(made, 2 * response(delay)[round(delay * SAMPLE_RATE) :][:SAMPLE_RATE], rtol=1e-6)


def test_a_short_response_keeps_its_length() -> None:
    assert len(room(response(0.0, seconds=0.2))) == 0.2 * SAMPLE_RATE


def with_echo() -> Wave:
    wave = response()
    wave[2000] = 0.9
    return wave


@pytest.mark.parametrize(
    ("wave", "reason"),
    [
        (np.zeros(0, np.float32), "silent"),
        (np.zeros(100, np.float32), "silent"),
        (np.full(100, np.nan, np.float32), "not finite"),
        (with_echo(), "115 ms after the first, wanted 10 ms at most"),
        (response(decay=6.0, seconds=4.0), r"\d\d% of its energy comes more than 1 s late"),
        (telephone(torch.from_numpy(response())[None])[0].numpy(), r"highs lie \d\d dB below"),
    ],
)
def test_what_is_no_room_is_refused_with_the_reason(wave: Wave, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        room(wave)


def test_recorded_rooms_pass_and_effects_are_left_out(corpora: Path, caplog: pytest.LogCaptureFixture) -> None:
    recordings = read_manifest(corpora / "rir_webaudio" / "all.tsv")
    with caplog.at_level(logging.WARNING):
        rooms = measured(recordings)
    assert {Path(str(record.args[0])).stem for record in caplog.records if record.args} == NO_ROOMS  # type: ignore[index]
    assert len(rooms) == len(recordings) - len(NO_ROOMS) == 3
    heard_in(rooms)


def heard_in(rooms: list[Wave]) -> None:
    """A click keeps its place and energy in each of the rooms, and rings."""
    settings = AugmentationSettings(
        0, 0, 0, 0, 0, 0, 0, reverb_probability=1, telephone_probability=0, clipping_probability=0, hiss=0
    )
    clicks = torch.zeros(1, 3 * SAMPLE_RATE)
    clicks[0, 8000] = 0.5
    for made in rooms:
        heard = Augmenter(settings, impulses=[made])(clicks, torch.tensor([clicks.shape[1]]), torch.tensor([0]), 1.0)[0]
        assert int(heard[0].abs().argmax()) == 8000
        assert float(heard.norm()) == pytest.approx(0.5, rel=1e-4)
        assert heard[0, 8001:].abs().max() > 0.001
        # Nothing but the rise of the direct path comes before it.
        assert heard[0, : 8000 - 160].abs().max() < 1e-6


def test_simulated_rooms_are_rooms_and_each_another() -> None:
    rooms = simulated(6, 3)
    assert len(rooms) == 6
    for made in rooms:
        assert made.dtype == np.float32
        assert 0.05 * SAMPLE_RATE < len(made) <= SAMPLE_RATE
        assert np.abs(made).max() == 1
        assert np.abs(made).argmax() <= 16
        room(made)
    assert len({made[:500].tobytes() for made in rooms}) == 6
    heard_in(rooms)


def test_a_seed_gives_the_same_rooms_and_leaves_other_draws_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    one, longer, other = simulated(1, 0), simulated(2, 0), simulated(1, 1)
    assert torch.equal(torch.rand(3), wanted)
    np.testing.assert_array_equal(one[0], longer[0])
    assert one[0].tobytes() != other[0].tobytes()
    assert simulated(0, 0) == []
