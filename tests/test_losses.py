"""The losses by brute force and by hand, and the learning rate's way through a run."""

import itertools
import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence
from torch.nn import functional

from asr.errors import SettingsError
from asr.text.special import PAD
from asr.training.losses import LossWeights, consistency, cross_entropy, ctc
from asr.training.schedule import warmup_cosine


def random_log_probs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).log_softmax(dim=-1)


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(path) if label != PAD)


def brute_force(log_probs: torch.Tensor, target: tuple[int, ...]) -> float:
    """-log of the summed probability of all paths (S labels) that collapse to the target."""
    steps, labels = log_probs.shape
    total = sum(
        math.exp(sum(float(log_probs[t, label]) for t, label in enumerate(path)))
        for path in itertools.product(range(labels), repeat=steps)
        if collapsed(path) == target
    )
    return -math.log(total)


def one(log_probs: torch.Tensor, target: tuple[int, ...]) -> float:
    lengths = torch.tensor([len(log_probs)])
    return float(ctc(log_probs[None], lengths, torch.tensor([target]).long(), torch.tensor([len(target)])))


@pytest.mark.parametrize("target", [(1,), (1, 2), (2, 2), (1, 2, 1)])
def test_ctc_equals_the_sum_over_all_paths(target: tuple[int, ...]) -> None:
    log_probs = random_log_probs(5, 3)
    assert one(log_probs, target) == pytest.approx(brute_force(log_probs, target), rel=1e-5)


def test_ctc_equals_torchs_own_and_ignores_what_is_padded() -> None:
    log_probs = random_log_probs(3, 9, 5)
    lengths, target_lengths = torch.tensor([9, 6, 4]), torch.tensor([3, 1, 2])
    targets = torch.tensor([[1, 2, 2], [4, 0, 0], [3, 1, 0]])
    own = torch.nn.CTCLoss(blank=0, reduction="none")(log_probs.transpose(0, 1), targets, lengths, target_lengths)
    loss = ctc(log_probs, lengths, targets, target_lengths)
    torch.testing.assert_close(loss, own.sum())
    log_probs[1, 6:] = log_probs[2, 4:5]
    torch.testing.assert_close(ctc(log_probs, lengths, targets, target_lengths), loss)


@pytest.mark.parametrize("width", [0, 2])
def test_an_empty_target_asks_for_blanks_throughout(width: int) -> None:
    log_probs = random_log_probs(2, 5, 4)
    lengths, none = torch.tensor([5, 3]), torch.tensor([0, 0])
    blanks = -(log_probs[0, :, PAD].sum() + log_probs[1, :3, PAD].sum())
    loss = ctc(log_probs, lengths, torch.zeros(2, width, dtype=torch.int64), none)
    torch.testing.assert_close(loss, blanks)


def test_a_target_too_long_for_its_audio_counts_nothing() -> None:
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    log_probs = logits.log_softmax(dim=-1)
    # Two equal labels want a blank between, so three of them need five steps.
    targets, target_lengths = torch.tensor([[1, 1, 1], [2, 0, 0]]), torch.tensor([3, 1])
    loss = ctc(log_probs, torch.tensor([3, 3]), targets, target_lengths)
    assert float(loss.detach()) == pytest.approx(brute_force(log_probs[1].detach(), (2,)), rel=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0].abs().max() == 0
    assert logits.grad[1].abs().max() > 0


def test_cross_entropy_without_smoothing_is_the_sum_over_tokens_that_are_no_pads() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[4, 2, 3], [1, PAD, PAD]])
    log_probs = logits.log_softmax(dim=-1)
    wanted = -(log_probs[0, 0, 4] + log_probs[0, 1, 2] + log_probs[0, 2, 3] + log_probs[1, 0, 1])
    torch.testing.assert_close(cross_entropy(logits, targets, 0.0), wanted)
    logits[1, 1:] = 100.0
    torch.testing.assert_close(cross_entropy(logits, targets, 0.0), wanted)


def test_smoothing_moves_its_share_to_all_tokens_alike() -> None:
    logits = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[3, PAD]])
    log_probs = logits[0, 0].log_softmax(dim=-1)
    wanted = -(0.9 * log_probs[3] + 0.1 * log_probs.mean())
    torch.testing.assert_close(cross_entropy(logits, targets, 0.1), wanted)


def test_half_precision_logits_are_summed_in_single() -> None:
    logits = torch.randn(4, 8, 300, generator=torch.Generator().manual_seed(0)).bfloat16()
    targets = torch.arange(1, 33).view(4, 8)
    loss = cross_entropy(logits, targets, 0.1)
    assert loss.dtype == torch.float32
    double = logits.double().flatten(0, 1)
    wanted = functional.cross_entropy(double, targets.flatten(), label_smoothing=0.1, reduction="sum")
    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def test_two_hearings_differ_by_the_mean_of_both_divergences() -> None:
    log_probs = torch.randn(6, 5, 4, generator=torch.manual_seed(0)).double().log_softmax(dim=-1)
    lengths = torch.tensor([5, 2, 3] * 2)
    one, other = (Categorical(logits=half) for half in log_probs.chunk(2))
    each = (kl_divergence(one, other) + kl_divergence(other, one)) / 2
    wanted = each[0].sum() + each[1, :2].sum() + each[2, :3].sum()
    torch.testing.assert_close(consistency(log_probs, lengths), wanted)
    assert float(consistency(log_probs[:3].repeat(2, 1, 1), lengths)) == 0


def test_of_two_hearings_each_goes_towards_the_other_as_it_stands() -> None:
    logits = torch.randn(2, 3, 4, generator=torch.manual_seed(0)).double().requires_grad_()
    consistency(logits.log_softmax(dim=-1), torch.tensor([3, 3])).backward()
    assert logits.grad is not None
    one, other = logits.detach().softmax(dim=-1)
    # The gradient of a divergence from a fixed distribution, by the logits of the other: what it has too much.
    torch.testing.assert_close(logits.grad, torch.stack([one - other, other - one]) / 2)


def test_weights_move_in_a_straight_line_and_stop_at_the_ends() -> None:
    start, end = LossWeights(0.25, 0.5, 1.0), LossWeights(1.25, 0.0, 0.5)
    assert start.towards(end, 0.0) == start
    assert start.towards(end, 0.5) == LossWeights(0.75, 0.25, 0.75)
    assert start.towards(end, 1.0) == end
    assert start.towards(end, -1.0) == start
    assert start.towards(end, 7.0) == end


@pytest.mark.parametrize("weights", [(0.0, 0.0, 0.0), (-0.1, 1.0, 1.0), (1.0, 1.0, -1.0), (float("nan"), 1.0, 1.0)])
def test_weights_under_which_nothing_is_learnt_are_refused(weights: tuple[float, float, float]) -> None:
    with pytest.raises(SettingsError, match="loss: weights"):
        LossWeights(*weights)


@pytest.mark.parametrize(("warmup", "total"), [(10, 100), (1, 2), (0, 50), (500, 501)])
def test_the_rate_climbs_straight_peaks_once_and_falls_to_the_floor(warmup: int, total: int) -> None:
    rates = [warmup_cosine(step, warmup, total, floor=0.02) for step in range(total + 20)]
    steps = [b - a for a, b in itertools.pairwise(rates[: warmup + 1])]
    assert steps == pytest.approx([1 / (warmup + 1)] * warmup)
    assert [step for step, rate in enumerate(rates) if rate == 1.0] == [warmup]
    assert max(rates) == 1.0
    assert rates[0] > 0, "the first update learns too"
    assert all(a > b for a, b in itertools.pairwise(rates[warmup : total + 1]))
    assert rates[total:] == pytest.approx([0.02] * 20)


@pytest.mark.parametrize("hold", [1, 30, 79])
def test_a_held_rate_stays_at_the_peak_and_then_falls_as_it_would_have(hold: int) -> None:
    held = [warmup_cosine(step, 10, 100, hold=hold) for step in range(120)]
    plain = [warmup_cosine(step, 10, 100 - hold) for step in range(120)]
    assert held[: 10 + hold + 1] == plain[:10] + [1.0] * (hold + 1)
    assert held[10 + hold :] == plain[10 : 120 - hold]


def test_halfway_down_the_cosine_is_halfway_to_the_floor() -> None:
    assert warmup_cosine(60, 20, 100, floor=0.1) == pytest.approx(0.55)


def test_a_run_shorter_than_its_warmup_only_climbs() -> None:
    rates = [warmup_cosine(step, 100, 10) for step in range(10)]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(10 / 101)
