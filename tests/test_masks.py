"""What an utterance goes without in training: which places are hidden, and how many."""

import pytest
import torch

from asr.audio.features import FeatureSettings
from asr.audio.mfcc import Mfcc
from asr.training.masks import hide, stretches
from asr.training.settings import SpecAugmentSettings


def hidden(lengths: list[int], size: int, **settings: int | float) -> torch.Tensor:
    return hide(torch.ones(len(lengths), size, 40), torch.tensor(lengths), SpecAugmentSettings(**settings)) == 0


def test_masks_differ_by_row_and_hold_to_their_size() -> None:
    torch.manual_seed(0)
    gone = hidden([100] * 64, 100, coefficient_masks=1, coefficients=15, time_masks=1, frames=20)
    coefficients, frames = gone.all(dim=1).sum(dim=1), gone.all(dim=2).sum(dim=1)
    assert len(set(coefficients.tolist())) > 5
    assert len(set(frames.tolist())) > 5
    assert 10 <= coefficients.max() <= 15
    assert 12 <= frames.max() <= 20
    wanted = coefficients * 100 + frames * 40 - coefficients * frames
    assert torch.equal(gone.sum(dim=(1, 2)), wanted), "all of a frame or coefficient"


def test_no_utterance_loses_more_time_than_its_share() -> None:
    torch.manual_seed(0)
    lengths = [40, 100, 300, 1000] * 64
    gone = hidden(lengths, 1000, coefficient_masks=0, time_masks=10, frames=50, time_share=0.3).all(dim=2)
    for row, length in zip(gone, lengths, strict=True):
        assert int(row.sum()) <= 0.3 * length
        assert not row[length:].any(), "nothing is hidden where nothing is"
    mean = gone.sum(dim=1).view(-1, 4).double().mean(dim=0) / torch.tensor([40, 100, 300, 1000])
    assert (mean > 0.1).all(), "short and long ones alike lose a good part of it"
    runs = (gone[:, 1:] & ~gone[:, :-1]).sum(dim=1).view(-1, 4).max(dim=0).values
    assert runs[0] == 1, "a short one in one piece"
    assert runs[3] >= 4, "a long one in several"


@pytest.mark.parametrize("names", [("coefficient_masks", "time_masks"), ("coefficients", "frames"), ("time_share",)])
def test_masks_have_their_switches(names: tuple[str, ...]) -> None:
    if names == ("time_share",):
        assert not hidden([100] * 8, 100, coefficient_masks=0, time_share=0).any()
    else:
        assert not hidden([100] * 8, 100, **dict.fromkeys(names, 0)).any()


def test_a_stretch_is_at_most_half_of_its_row_and_may_lie_anywhere() -> None:
    torch.manual_seed(0)
    covered = stretches(torch.full((2000,), 10), 10, 1, 30)
    assert covered.sum(dim=1).max() == 5
    assert covered.any(dim=0).all()
    assert set(covered.sum(dim=1).tolist()) == set(range(6))


def test_what_sounds_in_a_hidden_band_is_not_heard() -> None:
    """A tone that comes and goes changes the features, and with its bands hidden it does not."""
    mfcc = Mfcc(FeatureSettings())
    generator = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(2, 16_000, generator=generator)
    lengths = torch.tensor([16_000, 12_000])
    waves[1, 12_000:] = 0
    time = torch.arange(16_000) / 16_000
    tone = 0.5 * torch.sin(2 * torch.pi * 3000 * time) * torch.hann_window(6_000).repeat(3)[:16_000]
    tone[12_000:] = 0
    bands = torch.zeros(2, 80, dtype=torch.bool)
    bands[:, 46:66] = True

    def apart(hidden: torch.Tensor | None) -> float:
        with_tone, without = (mfcc(wave, lengths, None, hidden)[0] for wave in (waves + tone, waves))
        return float((with_tone - without).square().mean())

    assert apart(bands) < 1e-3 * apart(None)
    assert torch.equal(mfcc(waves, lengths, None, torch.zeros_like(bands))[0], mfcc(waves, lengths)[0])
    alone = mfcc(waves[1:, :12_000], lengths[1:], None, bands[1:])[0]
    torch.testing.assert_close(mfcc(waves, lengths, None, bands)[0][1:, : alone.shape[1]], alone)
