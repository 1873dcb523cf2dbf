"""What happens to waves on their way into training: each change has its effect, and its switch."""

from dataclasses import fields, replace

import numpy as np
import pytest

from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation import (
    AugmentationSettings,
    Wave,
    augment,
    change_speed,
    excerpt,
    fit,
    mix,
    narrow_band,
)
from asr.errors import SettingsError

OFF = AugmentationSettings(
    speed=0.0, gain_db=0.0, noise_probability=0.0, narrow_probability=0.0, edge_seconds=0.0, ramp_epochs=0.0
)
HISS = 0.003  # its peak: five deviations of the loudest
NOISES = [np.random.default_rng(9).standard_normal(3 * SAMPLE_RATE, dtype=np.float32) * np.float32(0.1)]


def tone(hertz: float, seconds: float = 1.0, size: float = 0.1) -> Wave:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (size * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def pitch(wave: Wave) -> float:
    """The loudest frequency in Hz, to 1 Hz or so."""
    return float(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * SAMPLE_RATE / len(wave))


def decibels(wave: Wave) -> float:
    return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))


def altered(wave: Wave, settings: AugmentationSettings, strength: float = 1.0, seed: int = 0) -> Wave:
    return augment(wave, NOISES, settings, strength, np.random.default_rng(seed))


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
def test_speed_changes_length_and_pitch_by_the_factor(factor: float) -> None:
    changed = change_speed(tone(1000), factor)
    assert len(changed) == pytest.approx(SAMPLE_RATE / factor, abs=1)
    assert pitch(changed) == pytest.approx(1000 * factor, abs=2)
    assert changed.dtype == np.float32


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.3, 30.0])
def test_mix_gives_exactly_the_ratio_asked_for(snr_db: float) -> None:
    speech, noise = tone(500), NOISES[0][:SAMPLE_RATE]
    added = mix(speech, noise, snr_db).astype(np.float64) - speech
    assert decibels(speech) - decibels(added) == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize(("size", "other"), [(0.0, 0.1), (0.1, 0.0), (1e-30, 0.1)])
def test_mix_without_a_ratio_to_keep_is_finite(size: float, other: float) -> None:
    wave = tone(500, size=size)
    assert np.isfinite(mix(wave, tone(700, size=other), 5.0)).all()
    if not size * other:
        np.testing.assert_array_equal(mix(wave, tone(700, size=other), 5.0), wave)


def test_mix_of_nothing_is_nothing() -> None:
    assert len(mix(tone(500, 0.0), tone(500, 0.0), 5.0)) == 0


@pytest.mark.parametrize("seconds", [0.01, 0.5, 1.00006])
def test_narrow_band_keeps_the_length(seconds: float) -> None:
    wave = tone(500, seconds)
    assert narrow_band(wave).shape == wave.shape


def test_narrow_band_removes_what_is_above_four_kilohertz() -> None:
    low, high = tone(1000), tone(5000)
    left = narrow_band(low + high)
    inner = slice(800, -800)
    assert decibels(left[inner] - low[inner]) < decibels(low) - 40
    assert decibels(narrow_band(high)[inner]) < decibels(high) - 60


def test_fit_cuts_and_fills() -> None:
    wave = np.array([1, 2, 3], dtype=np.float32)
    assert fit(wave, 2).tolist() == [1, 2]
    assert fit(wave, 5).tolist() == [1, 2, 3, 0, 0]


@pytest.mark.parametrize("length", [1, 3, 4, 11])
def test_an_excerpt_goes_on_where_the_noise_starts_over(length: int) -> None:
    noise = np.arange(4, dtype=np.float32)
    found = [excerpt([noise], length, np.random.default_rng(seed)) for seed in range(12)]
    for wave in found:
        assert len(wave) == length
        assert ((np.diff(wave) % 4) == 1).all()
    assert len({float(wave[0]) for wave in found}) > 2, "it begins anywhere"


def test_only_a_faint_hiss_is_left_with_everything_off() -> None:
    wave = tone(500)
    changed = altered(wave, OFF)
    assert 0 < np.abs(changed - wave).max() < HISS


def test_silence_gets_the_hiss_too() -> None:
    assert np.abs(altered(np.zeros(1000, dtype=np.float32), AugmentationSettings())).max() > 0


def test_speed_has_its_switch() -> None:
    lengths = {len(altered(tone(500), replace(OFF, speed=0.1), seed=seed)) for seed in range(20)}
    assert len(lengths) > 10
    assert min(lengths) >= SAMPLE_RATE / 1.1 - 1
    assert max(lengths) <= SAMPLE_RATE / 0.9 + 1


def test_gain_has_its_switch() -> None:
    wave = tone(500, size=0.01)
    gains = [decibels(altered(wave, replace(OFF, gain_db=10.0), seed=seed)) - decibels(wave) for seed in range(40)]
    assert -10.1 < min(gains) < -6
    assert 6 < max(gains) < 10.1


def test_noise_has_its_switch_and_its_range() -> None:
    wave = tone(500)
    settings = replace(OFF, noise_probability=0.5, snr_db_low=5.0, snr_db_high=15.0)
    added = [decibels(altered(wave, settings, seed=seed) - wave) for seed in range(60)]
    ratios = [decibels(wave) - level for level in added if level > -45]
    assert 15 < len(ratios) < 45, "about half of the waves"
    assert all(4.9 < ratio < 15.1 for ratio in ratios)
    assert max(ratios) - min(ratios) > 5


def test_noise_at_half_strength_is_rarer_and_fainter() -> None:
    wave = tone(500)
    settings = replace(OFF, noise_probability=1.0, snr_db_low=0.0, snr_db_high=20.0)
    added = [decibels(altered(wave, settings, strength=0.5, seed=seed) - wave) for seed in range(60)]
    ratios = [decibels(wave) - level for level in added if level > -45]
    assert 15 < len(ratios) < 45
    assert min(ratios) > 9.9


def test_without_noises_there_is_none_to_add() -> None:
    wave = tone(500)
    changed = augment(wave, [], replace(OFF, noise_probability=1.0), 1.0, np.random.default_rng(0))
    assert np.abs(changed - wave).max() < HISS


def test_the_narrow_channel_has_its_switch() -> None:
    wave = tone(5000)
    left = [decibels(altered(wave, replace(OFF, narrow_probability=0.5), seed=seed)) for seed in range(40)]
    assert 10 < sum(level < decibels(wave) - 20 for level in left) < 30


def test_edges_lengthen_and_change_nothing_inside() -> None:
    wave = tone(500)
    settings = replace(OFF, edge_seconds=0.4)
    lengths = [len(altered(wave, settings, seed=seed)) for seed in range(60)]
    assert 2 <= lengths.count(len(wave)) <= 15, "both ends cut close one time in nine"
    assert max(lengths) > len(wave) + 0.4 * SAMPLE_RATE
    for seed in range(10):
        changed = altered(wave, settings, seed=seed)
        assert len(wave) <= len(changed) <= len(wave) + 0.8 * SAMPLE_RATE
        before = int(np.correlate(changed, wave, "valid").argmax())
        assert np.abs(changed[before : before + len(wave)] - wave).max() < HISS
        assert np.abs(np.delete(changed, np.s_[before : before + len(wave)])).max(initial=0) < HISS


def test_the_result_stays_within_full_scale() -> None:
    loud = np.sign(tone(500))
    settings = replace(OFF, gain_db=10.0)
    assert {float(np.abs(altered(loud, settings, seed=seed)).max()) for seed in range(10)} >= {1.0}
    assert max(float(np.abs(altered(loud, settings, seed=seed)).max()) for seed in range(10)) == 1.0


def test_the_same_draws_give_the_same_wave() -> None:
    wave = tone(500)
    one, again, other = (altered(wave, AugmentationSettings(), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert len(one) != len(other)
    assert one.dtype == np.float32
    np.testing.assert_array_equal(wave, tone(500), err_msg="the wave that was handed in is changed")


def test_strength_0_leaves_only_edges_and_hiss() -> None:
    wave = tone(5000)
    settings = AugmentationSettings(noise_probability=1.0, narrow_probability=1.0, edge_seconds=0.0)
    for seed in range(5):
        changed = altered(wave, settings, strength=0.0, seed=seed)
        assert np.abs(changed - wave).max() < HISS
    longer = replace(settings, edge_seconds=0.4)
    assert max(len(altered(wave, longer, strength=0.0, seed=seed)) for seed in range(5)) > len(wave)


def test_strength_climbs_over_the_ramp() -> None:
    settings = AugmentationSettings(ramp_epochs=4)
    assert [settings.strength(epoch) for epoch in (0, 1, 2, 4, 9)] == [0.0, 0.25, 0.5, 1.0, 1.0]
    assert AugmentationSettings(ramp_epochs=0).strength(0) == 1.0


@pytest.mark.parametrize("name", [field.name for field in fields(AugmentationSettings)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -100.0])
def test_settings_that_cannot_be_drawn_are_refused_by_name(name: str, value: float) -> None:
    if (name, value) == ("snr_db_low", -100.0):
        AugmentationSettings(snr_db_low=value)  # louder than the speech is a choice
        return
    with pytest.raises(SettingsError, match=name):
        AugmentationSettings(**{name: value})


@pytest.mark.parametrize("name", ["noise_probability", "narrow_probability"])
def test_a_probability_lies_between_0_and_1(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        AugmentationSettings(**{name: 1.5})
    with pytest.raises(SettingsError, match=r"speed is 0\.5"):
        AugmentationSettings(speed=0.5)
