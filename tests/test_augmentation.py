"""What happens to waves on their way into training: each change has its effect, and its switch."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor

from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation.acoustics import (
    change_speed,
    change_tempo,
    clip,
    convolve,
    faster_length,
    narrow_band,
    resample,
    telephone,
)
from asr.data.augmentation.augmenter import AugmentationSettings, Augmenter, excerpt
from asr.data.augmentation.bank import WaveBank
from asr.errors import SettingsError

OFF = AugmentationSettings(
    speed=0.0,
    gain_db=0.0,
    noise_probability=0.0,
    narrow_probability=0.0,
    edge_seconds=0.0,
    ramp_epochs=0.0,
    reverb_probability=0.0,
    telephone_probability=0.0,
    clipping_probability=0.0,
    hiss=0.0,
)
ALL = AugmentationSettings(
    tempo=0.1,
    tempo_probability=0.5,
    noise_probability=0.5,
    narrow_probability=0.3,
    reverb_probability=0.5,
    telephone_probability=0.3,
    clipping_probability=0.3,
)
RNG = np.random.default_rng(9)
NOISES = [RNG.standard_normal(n, dtype=np.float32) * np.float32(0.1) for n in (3 * SAMPLE_RATE, 700)]
FADE = np.exp(-np.arange(4000) / 800)
IMPULSES = [(RNG.standard_normal(n) * FADE[:n] * 0.1).astype(np.float32) for n in (4000, 2500)]
for late, direct in zip(IMPULSES, (300, 20), strict=True):
    late[:direct], late[direct] = 0, -0.8
AUGMENTER = Augmenter(ALL, NOISES, IMPULSES)


def tone(hertz: float, seconds: float = 1.0, size: float = 0.1) -> Tensor:
    time = torch.arange(round(seconds * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    return (size * torch.sin(2 * torch.pi * hertz * time)).float()


def pitch(wave: Tensor) -> float:
    """The loudest frequency in Hz, to 1 Hz or so."""
    spectrum = torch.fft.rfft(wave * torch.hann_window(len(wave)), n=4 * SAMPLE_RATE).abs()
    return float(spectrum.argmax()) / 4


def decibels(wave: Tensor) -> float:
    return float(10 * wave.double().square().mean().log10())


def batch(waves: Sequence[Tensor], padding: int = 0, filler: float = 0.0) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(wave) for wave in waves])
    padded = torch.full((len(waves), int(lengths.max()) + padding), filler)
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = wave
    return padded, lengths


def apply(
    augmenter: Augmenter, waves: Sequence[Tensor], seeds: Sequence[int], strength: float = 1.0, padding: int = 0
) -> list[Tensor]:
    changed, lengths = augmenter(*batch(waves, padding), torch.tensor(seeds), strength)
    assert changed.dtype == torch.float32
    assert lengths.dtype == torch.int64
    assert changed.shape == (len(waves), int(lengths.max()))
    for row, length in zip(changed, lengths.tolist(), strict=True):
        assert not row[length:].any(), "something sounds beyond the end"
    return [row[:length] for row, length in zip(changed, lengths.tolist(), strict=True)]


def altered(wave: Tensor, settings: AugmentationSettings, rows: int = 40, strength: float = 1.0) -> list[Tensor]:
    """The same wave in as many rows, each with a seed of its own."""
    return apply(Augmenter(settings, NOISES, IMPULSES), [wave] * rows, range(rows), strength)


def voices(rows: int = 8) -> list[Tensor]:
    """Noise bursts of unlike lengths, so that any shift or leak shows."""
    rng = np.random.default_rng(1)
    return [
        torch.from_numpy(rng.standard_normal(rng.integers(3000, 16000)).astype(np.float32) * 0.1) for _ in range(rows)
    ]


def assert_same(one: Sequence[Tensor], other: Sequence[Tensor], allowed: float = 2e-6, steps: int = 0) -> None:
    """To the rounding of float32, but for the samples about ``steps`` roundings of a telephone's 8 bits."""
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        apart = (a.cpu() - b.cpu()).abs()
        assert int((apart > allowed).sum()) <= steps * 70
        assert float(apart.max()) <= (0.05 if steps else allowed)


# The codes of a telephone make a large difference of a small one now and then.
EXACT = Augmenter(replace(ALL, telephone_probability=0.0), NOISES, IMPULSES)
CODED = Augmenter(replace(OFF, telephone_probability=1.0, speed=0.1), NOISES, IMPULSES)


@pytest.mark.parametrize(("augmenter", "steps"), [(EXACT, 0), (CODED, 1)])
def test_a_row_knows_nothing_of_its_neighbours(augmenter: Augmenter, steps: int) -> None:
    waves, seeds = voices(), list(range(8))
    together = apply(augmenter, waves, seeds)
    alone = [apply(augmenter, [wave], [seed])[0] for wave, seed in zip(waves, seeds, strict=True)]
    assert_same(together, alone, steps=steps)


@pytest.mark.parametrize(("augmenter", "steps"), [(EXACT, 0), (CODED, 1)])
def test_a_row_knows_nothing_of_its_place_or_padding(augmenter: Augmenter, steps: int) -> None:
    waves, seeds = voices(), list(range(8))
    there = apply(augmenter, waves, seeds)
    assert_same(there, apply(augmenter, waves[::-1], seeds[::-1])[::-1], steps=steps)
    assert_same(there, apply(augmenter, waves, seeds, padding=5000), steps=steps)
    soiled, lengths = batch(waves, 100, filler=0.5)
    changed, ends = augmenter(soiled, lengths, torch.tensor(seeds), 1.0)
    assert_same(there, [row[:end] for row, end in zip(changed, ends.tolist(), strict=True)], steps=steps)


def test_the_same_seeds_give_the_same_waves_and_others_give_others() -> None:
    waves = voices()
    before = [wave.clone() for wave in waves]
    one, again = apply(AUGMENTER, waves, range(8)), apply(AUGMENTER, waves, range(8))
    for a, b, wave, copy in zip(one, again, waves, before, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(wave, copy), "the wave that was handed in is changed"
    assert all(len(a) != len(b) for a, b in zip(one, apply(AUGMENTER, waves, range(8, 16)), strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_waves() -> None:
    waves, lengths = batch(voices(32))
    seeds = torch.arange(32)
    here, ends = AUGMENTER(waves, lengths, seeds, 1.0)
    there, their_ends = AUGMENTER.to("cuda")(waves.cuda(), lengths.cuda(), seeds.cuda(), 1.0)
    assert there.device.type == their_ends.device.type == "cuda"
    assert their_ends.tolist() == ends.tolist()
    assert_same(here, there, allowed=1e-5, steps=20)


def test_one_switch_leaves_the_other_draws_alone() -> None:
    wave = tone(500)
    for one, other in zip(
        altered(wave, replace(OFF, hiss=1e-3)), altered(wave, replace(OFF, hiss=1e-3, gain_db=6.0)), strict=True
    ):
        gain = float((one @ other) / (one @ one))
        assert torch.allclose(one - wave, other - wave * gain, atol=2e-3)
    lengths = [len(row) for row in altered(wave, replace(OFF, speed=0.1))]
    assert lengths == [len(row) for row in altered(wave, replace(ALL, tempo=0.0, edge_seconds=0.0))]


def test_with_everything_off_nothing_happens() -> None:
    for wave, changed in zip(voices(), apply(Augmenter(OFF, NOISES, IMPULSES), voices(), range(8)), strict=True):
        assert torch.equal(wave, changed)


def test_without_noises_and_rooms_there_are_none() -> None:
    settings = replace(OFF, noise_probability=1.0, reverb_probability=1.0)
    for augmenter in (Augmenter(settings), Augmenter(settings, [np.zeros(0, np.float32)], [np.zeros(9, np.float32)])):
        assert torch.equal(apply(augmenter, [tone(500)], [0])[0], tone(500))


def test_empty_and_silent_rows_pass() -> None:
    changed = apply(AUGMENTER, [torch.zeros(0), torch.zeros(900), torch.full((1,), 0.5), tone(300)], range(4))
    assert all(torch.isfinite(row).all() for row in changed)
    assert changed[1].any(), "silence gets the hiss"
    assert not apply(Augmenter(replace(ALL, hiss=0.0), NOISES, IMPULSES), [torch.zeros(900)], [0])[0].any()


# Speed and tempo.


@pytest.mark.parametrize("percent", [75, 90, 97, 103, 110])
def test_speed_changes_length_and_pitch_by_the_factor(percent: int) -> None:
    changed = change_speed(tone(1000)[None], percent)[0]
    assert len(changed) == faster_length(SAMPLE_RATE, percent) == pytest.approx(SAMPLE_RATE * 100 / percent, abs=1)
    assert pitch(changed) == pytest.approx(1000 * percent / 100, abs=2)
    assert decibels(changed) == pytest.approx(decibels(tone(1000)), abs=0.1)


@pytest.mark.parametrize(("old", "new", "zeros"), [(9, 10, 6), (103, 100, 6), (2, 1, 16), (1, 2, 16), (160, 441, 3)])
def test_resampling_is_that_of_torchaudio(old: int, new: int, zeros: int) -> None:
    for samples in (1, 7, 159, 160, 4001):
        waves = torch.from_numpy(np.random.default_rng(samples).standard_normal((3, samples)).astype(np.float32))
        wanted = torchaudio.functional.resample(waves, old, new, lowpass_filter_width=zeros)
        torch.testing.assert_close(resample(waves, old, new, zeros=zeros), wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("percent", [75, 90, 97, 110, 125])
def test_tempo_changes_the_length_and_leaves_the_pitch(percent: int) -> None:
    changed = change_tempo(tone(1000)[None], percent)[0]
    assert len(changed) == faster_length(SAMPLE_RATE, percent)
    assert pitch(changed) == pytest.approx(1000, abs=2)
    assert decibels(changed[1000:-1000]) == pytest.approx(decibels(tone(1000)), abs=1)


@pytest.mark.parametrize("change", [change_speed, change_tempo])
@pytest.mark.parametrize("percent", [90, 97, 110])
def test_rows_of_one_speed_are_changed_as_each_alone(change: Callable[[Tensor, int], Tensor], percent: int) -> None:
    waves = voices(5)
    together = change(batch(waves)[0], percent)
    for row, wave in zip(together, waves, strict=True):
        torch.testing.assert_close(row[: faster_length(len(wave), percent)], change(wave[None], percent)[0])


def test_speed_has_its_switch() -> None:
    changed = altered(tone(1000), replace(OFF, speed=0.1))
    assert len({len(row) for row in changed}) > 10
    for row in changed:
        assert SAMPLE_RATE / 1.1 - 1 <= len(row) <= SAMPLE_RATE / 0.9 + 1
        assert pitch(row) == pytest.approx(1000 * SAMPLE_RATE / len(row), abs=2)


def test_speed_at_half_strength_goes_half_as_far() -> None:
    lengths = [len(row) for row in altered(tone(1000), replace(OFF, speed=0.1), strength=0.5)]
    assert SAMPLE_RATE / 1.05 - 1 <= min(lengths) < max(lengths) <= SAMPLE_RATE / 0.95 + 1


def test_tempo_has_its_switch() -> None:
    changed = altered(tone(1000), replace(OFF, tempo=0.2, tempo_probability=0.5))
    lengths = [len(row) for row in changed]
    assert 12 < lengths.count(SAMPLE_RATE) < 28
    assert min(lengths) < 0.9 * SAMPLE_RATE
    assert max(lengths) > 1.1 * SAMPLE_RATE
    assert all(pitch(row) == pytest.approx(1000, abs=3) for row in changed)


# Edges.


def test_edges_lengthen_and_change_nothing_inside() -> None:
    wave = tone(500)
    changed = altered(wave, replace(OFF, edge_seconds=0.4), rows=60)
    lengths = [len(row) for row in changed]
    assert 2 <= lengths.count(len(wave)) <= 15, "both ends cut close one time in nine"
    assert len(wave) + 0.4 * SAMPLE_RATE < max(lengths) <= len(wave) + 0.8 * SAMPLE_RATE
    for row in changed:
        before = int(np.correlate(row.numpy(), wave.numpy(), "valid").argmax())
        assert torch.equal(row[before : before + len(wave)], wave)
        assert not row[:before].any()
        assert not row[before + len(wave) :].any()
    starts = [int(row.nonzero()[0]) for row in changed]
    assert max(starts) > 0.3 * SAMPLE_RATE, "before"
    assert max(map(int.__sub__, lengths, starts)) > len(wave) + 0.3 * SAMPLE_RATE, "after"


# Rooms.


def test_a_convolution_is_that_of_numpy() -> None:
    rng = np.random.default_rng(3)
    for samples, taps in ((1, 1), (5000, 33), (700, 3000), (9000, 2049)):
        waves, kernels = rng.standard_normal((2, samples)), rng.standard_normal((2, taps))
        found = convolve(torch.from_numpy(waves), torch.from_numpy(kernels), samples + taps - 1).numpy()
        for row, wave, kernel in zip(found, waves, kernels, strict=True):
            np.testing.assert_allclose(row, np.convolve(wave, kernel), atol=1e-9)


def test_a_room_keeps_the_energy_and_the_onset() -> None:
    burst = torch.cat([torch.zeros(4000), voices(1)[0], torch.zeros(4000)])
    for row in altered(burst, replace(OFF, reverb_probability=1.0), rows=10):
        assert len(row) == len(burst)
        assert decibels(row) == pytest.approx(decibels(burst), abs=0.01)
        assert row[:3900].abs().max() < 1e-6
        delays = np.correlate(row.numpy(), burst[400:-400].numpy(), "valid")
        assert int(np.abs(delays).argmax()) == 400
        assert delays[400] > 0, "a microphone wired the other way round is no room"
        assert row[-3900:].abs().max() > 1e-3, "it rings"


def test_rooms_have_their_switch_and_their_strength() -> None:
    wave = voices(1)[0]

    def changed(strength: float) -> list[float]:
        rows = altered(wave, replace(OFF, reverb_probability=0.5), strength=strength)
        return [decibels(row - wave * (row @ wave) / (wave @ wave)) for row in rows if not torch.equal(row, wave)]

    whole, half = changed(1.0), changed(0.5)
    assert 12 < len(whole) < 28
    assert 3 < len(half) < 17
    assert max(half) < min(max(whole), np.mean(whole)), "fainter reflections"


# Noises.


def test_a_bank_keeps_every_recording_to_16_bits_and_starts_over() -> None:
    waves = [np.arange(1, 5, dtype=np.float32) / 4, NOISES[0][:50], np.zeros(3, np.float32), np.zeros(0, np.float32)]
    bank = WaveBank(waves)
    assert len(bank) == 3
    for number, wave in enumerate(waves[:2]):
        found = bank.excerpt((number + 0.5) / 3, 0.0, len(wave)).numpy()
        np.testing.assert_allclose(found, 32767 * wave / np.abs(wave).max(), atol=0.51)
    for length in (1, 3, 4, 11):
        for where in (0.0, 0.25, 0.99):
            found = np.rint(bank.excerpt(0.1, where, length).numpy() * (4 / 32767))
            assert len(found) == length
            assert found[0] == 1 + int(where * 4)
            assert (np.diff(found) % 4 == 1).all()
    assert not bank.excerpt(0.99, 0.5, 7).any()


def test_noise_has_its_switch_and_its_exact_range() -> None:
    wave = tone(500)
    settings = replace(OFF, noise_probability=0.5, snr_db_low=5.0, snr_db_high=15.0)
    ratios = [decibels(wave) - decibels(row - wave) for row in altered(wave, settings) if not torch.equal(row, wave)]
    assert 12 < len(ratios) < 28, "about half of the waves"
    assert min(ratios) >= 4.999
    assert max(ratios) <= 15.001
    assert max(ratios) - min(ratios) > 5


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.3, 30.0])
def test_noise_comes_at_exactly_the_ratio_asked_for(snr_db: float) -> None:
    settings = replace(OFF, noise_probability=1.0, snr_db_low=snr_db, snr_db_high=snr_db)
    waves = [0.1 * wave for wave in voices()]
    for wave, row in zip(waves, apply(Augmenter(settings, NOISES), waves, range(8)), strict=True):
        assert decibels(wave) - decibels(row - wave) == pytest.approx(snr_db, abs=0.01)


def test_noise_at_half_strength_is_rarer_and_fainter() -> None:
    wave = tone(500)
    settings = replace(OFF, noise_probability=1.0, snr_db_low=0.0, snr_db_high=20.0)
    changed = [row for row in altered(wave, settings, strength=0.5) if not torch.equal(row, wave)]
    assert 12 < len(changed) < 28
    assert min(decibels(wave) - decibels(row - wave) for row in changed) > 9.99


@pytest.mark.parametrize("size", [0.0, 1e-30])
def test_noise_leaves_silence_as_it_was(size: float) -> None:
    row = apply(Augmenter(replace(OFF, noise_probability=1.0), NOISES), [tone(500, size=size)], [0])[0]
    assert float(row.abs().max()) <= 1.001 * size


# Channels.


@pytest.mark.parametrize("channel", [narrow_band, telephone])
@pytest.mark.parametrize("samples", [1, 160, 8001, 16001])
def test_channels_keep_the_length_and_the_place(channel: Callable[[Tensor], Tensor], samples: int) -> None:
    wave = tone(1000, 2.0)[:samples]
    changed = channel(wave[None])[0]
    assert changed.shape == wave.shape
    if samples > 1000:
        apart = changed[400:-400] - wave[400:-400]
        assert decibels(apart) < decibels(wave) - 30


def test_narrow_band_removes_what_is_above_four_kilohertz() -> None:
    for hertz, left in ((200, 0.0), (1000, 0.0), (3400, 0.0)):
        assert decibels(narrow_band(tone(hertz)[None])[0][800:-800]) == pytest.approx(
            decibels(tone(hertz)) + left, abs=0.3
        )
    for hertz in (4600, 5000, 7500):
        assert decibels(narrow_band(tone(hertz)[None])[0][800:-800]) < decibels(tone(hertz)) - 50


def test_a_telephone_keeps_the_voice_band_alone() -> None:
    level = decibels(tone(1000, size=0.5))
    for hertz in (400, 1000, 3200):
        assert decibels(telephone(tone(hertz, size=0.5)[None])[0][800:-800]) == pytest.approx(level, abs=0.5)
    for hertz in (60, 150, 3800, 5000):
        assert decibels(telephone(tone(hertz, size=0.5)[None])[0][800:-800]) < level - 30


def test_the_mu_law_leaves_its_steps() -> None:
    wave = tone(1000, size=0.5)
    apart = telephone(wave[None])[0][800:-800] - wave[800:-800]
    assert decibels(wave) - 45 < decibels(apart) < decibels(wave) - 32, "about 38 dB at most levels (G.711)"


def test_clipping_cuts_the_peaks_and_keeps_the_rest() -> None:
    waves = torch.stack([tone(500, size=0.2), tone(500, size=0.01), torch.zeros(SAMPLE_RATE)])
    clipped = clip(waves, torch.tensor([6.0, 20.0, 3.0]))
    assert clipped.abs().amax(1).tolist() == pytest.approx([0.2 * 10**-0.3, 0.001, 0.0], rel=1e-3)
    low = waves[0].abs() < 0.1
    assert torch.equal(clipped[0][low], waves[0][low])


@pytest.mark.parametrize("kind", ["narrow", "telephone"])
def test_a_narrow_channel_has_its_switch(kind: str) -> None:
    wave = tone(5000)
    changed = altered(wave, replace(OFF, **{f"{kind}_probability": 0.5}))
    assert 12 < sum(torch.equal(row, wave) for row in changed) < 28
    assert all(decibels(row) < decibels(wave) - 20 for row in changed if not torch.equal(row, wave))


def test_clipping_has_its_switch() -> None:
    wave = tone(500)
    peaks = [float(row.abs().max()) for row in altered(wave, replace(OFF, clipping_probability=0.5, clipping_db=12.0))]
    assert 12 < sum(peak > 0.0999 for peak in peaks) < 28
    assert 0.1 * 10**-0.6 <= min(peaks) < 0.05
    half = altered(wave, replace(OFF, clipping_probability=1.0, clipping_db=12.0), strength=0.5)
    peaks = [float(row.abs().max()) for row in half]
    assert 12 < sum(peak > 0.0999 for peak in peaks) < 28
    assert min(peaks) >= 0.1 * 10**-0.3 - 1e-6


def test_gain_has_its_switch() -> None:
    wave = tone(500, size=0.01)
    gains = [decibels(row) - decibels(wave) for row in altered(wave, replace(OFF, gain_db=10.0))]
    assert -10.01 < min(gains) < -6
    assert 6 < max(gains) < 10.01
    halved = [decibels(row) - decibels(wave) for row in altered(wave, replace(OFF, gain_db=10.0), strength=0.5)]
    assert -5.01 < min(halved) < max(halved) < 5.01


def test_the_hiss_has_its_switch() -> None:
    levels = [decibels(row) for row in altered(torch.zeros(4000), replace(OFF, hiss=1e-3), strength=0.0)]
    assert -90.3 < min(levels) < -85
    assert -65 < max(levels) < -59.7
    one, other = altered(torch.zeros(4000), replace(OFF, hiss=1e-3), rows=2)
    assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.1


def test_the_result_stays_within_full_scale() -> None:
    peaks = [float(row.abs().max()) for row in altered(tone(500).sign(), replace(OFF, gain_db=10.0), rows=10)]
    assert max(peaks) == 1.0


def test_strength_0_leaves_only_edges_and_hiss() -> None:
    wave = tone(5000)
    every = {f"{kind}_probability": 1.0 for kind in ("noise", "narrow", "tempo", "reverb", "telephone", "clipping")}
    settings = replace(AugmentationSettings(**every), edge_seconds=0.0, tempo=0.2)
    for row in altered(wave, settings, strength=0.0):
        assert 0 < float((row - wave).abs().max()) < 0.003
    longer = altered(wave, replace(settings, edge_seconds=0.4), strength=0.0)
    assert max(map(len, longer)) > len(wave)


# Settings.


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


@pytest.mark.parametrize("kind", ["noise", "narrow", "tempo", "reverb", "telephone", "clipping"])
def test_a_probability_lies_between_0_and_1(kind: str) -> None:
    with pytest.raises(SettingsError, match=f"{kind}_probability"):
        AugmentationSettings(**{f"{kind}_probability": 1.5})


@pytest.mark.parametrize("name", ["speed", "tempo"])
def test_no_voice_is_changed_by_half(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is 0\.5"):
        AugmentationSettings(**{name: 0.5})


@pytest.mark.parametrize("length", [1, 3, 4, 11])
def test_an_excerpt_goes_on_where_the_noise_starts_over(length: int) -> None:
    noise: NDArray[np.float32] = np.arange(4, dtype=np.float32)
    found = [excerpt([noise], length, np.random.default_rng(seed)) for seed in range(12)]
    for wave in found:
        assert len(wave) == length
        assert ((np.diff(wave) % 4) == 1).all()
    assert len({float(wave[0]) for wave in found}) > 2, "it begins anywhere"
