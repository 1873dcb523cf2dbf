"""Training in bf16, which any CPU computes: with clipping, resumed, and with single precision where it matters."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from test_training import config, data, last, logged, written
from torch import nn
from torch.nn import functional

from asr.audio.features import FeatureSettings
from asr.audio.mfcc import Mfcc
from asr.data.batches.dataset import Batch
from asr.model.seq2seq import Seq2Seq
from asr.model.settings import ModelSettings
from asr.model.torch_stepper import TorchStepper
from asr.search.greedy import greedy
from asr.text.special import BOS
from asr.training.command import train
from asr.training.losses import at_least_single, cross_entropy, ctc
from asr.training.module import SpeechModule
from asr.training.settings import LossSettings

__all__ = ["data"]  # the fixture

SMALL = ModelSettings(d_model=24, heads=3, feedforward=40, encoder_layers=2, decoder_layers=2, convolution_kernel=3)
CLIPPED = 0.25


@pytest.fixture
def bf16(data: Path, tmp_path: Path) -> dict[str, Any]:
    """A tiny run's config, of two epochs of three batches."""
    made = config(data, tmp_path / "run")
    made["data"]["batches"]["seconds"] = 3.0
    made["data"]["join_ramp_epochs"] = 0
    made["save_every_updates"] = 1
    made["trainer"] |= {
        "max_epochs": 2,
        "limit_train_batches": 3,
        "precision": "bf16-mixed",
        "gradient_clip_val": CLIPPED,
    }
    return made


def test_training_in_bf16_clips_learns_and_is_resumed(
    bf16: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def noting(self: torch.optim.AdamW, closure: Any = None) -> Any:
        def watched() -> Any:
            result = closure()
            gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
            norms.append(float(nn.utils.get_total_norm(gradients)))
            return result

        return step(self, watched)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", noting)
        train(["--config", written(bf16, tmp_path)])
    straight = last(Path(bf16["run"]))
    assert straight["global_step"] == 6
    assert max(norms) == pytest.approx(CLIPPED, rel=1e-3)
    loss = list(logged(Path(bf16["run"]), "loss").values())
    assert all(math.isfinite(each) for each in loss)
    assert loss[-1] < loss[0]
    assert all(weight.dtype == torch.float32 for weight in straight["state_dict"].values())
    assert straight["optimizer_states"][0]["param_groups"][0]["fused"] is True

    begin = SpeechModule.on_train_batch_start

    def killed(self: SpeechModule, batch: Batch, batch_idx: int) -> None:
        if (self.current_epoch, batch_idx) == (1, 1):
            raise OSError("power cut")
        begin(self, batch, batch_idx)

    arguments = ["--config", written(bf16, tmp_path), f"--run={tmp_path / 'resumed'}"]
    with monkeypatch.context() as patch:
        patch.setattr(SpeechModule, "on_train_batch_start", killed)
        with pytest.raises(OSError, match="power cut"):
            train(arguments)
    train([*arguments, "--ckpt_path=last"])
    resumed = last(tmp_path / "resumed")
    for name, weight in straight["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], weight), name


def clipped(data: Path, plugin: Precision, value: float | None, algorithm: str | None) -> tuple[Any, list[Any]]:
    """The optimiser, and gradients 3 and 4 as they were clipped."""
    module = SpeechModule(data / "tokenizer.model")
    module.trainer = SimpleNamespace(precision_plugin=plugin, estimated_stepping_batches=10)  # type: ignore[assignment]
    optimiser: Any = module.configure_optimizers()["optimizer"]  # type: ignore[index,call-overload]
    first, second = list(module.model.parameters())[:2]
    for parameter, size in ((first, 3.0), (second, 4.0)):
        parameter.grad = torch.zeros_like(parameter)
        parameter.grad.view(-1)[0] = size
    chosen = GradClipAlgorithmType(algorithm) if algorithm else None
    module.configure_gradient_clipping(optimiser, value, chosen)
    assert first.grad is not None
    assert second.grad is not None
    return optimiser, [float(first.grad.max()), float(second.grad.max())]


@pytest.mark.parametrize("plugin", [Precision(), MixedPrecision("bf16-mixed", "cpu")], ids=["32", "bf16"])
@pytest.mark.parametrize(
    ("value", "algorithm", "wanted"),
    [
        (None, None, [3, 4]),
        (0.0, "norm", [3, 4]),
        (1.0, None, [0.6, 0.8]),
        (1.0, "norm", [0.6, 0.8]),
        (3.5, "value", [3, 3.5]),
    ],
)
def test_gradients_are_clipped_as_the_settings_say(
    data: Path, plugin: Precision, value: float | None, algorithm: str | None, wanted: list[float]
) -> None:
    optimiser, gradients = clipped(data, plugin, value, algorithm)
    assert optimiser.defaults["fused"]
    assert gradients == pytest.approx(wanted, rel=1e-4)


def test_gradients_that_are_scaled_are_clipped_unscaled(data: Path) -> None:
    """A fused optimiser would take the scale out of them only after they were clipped."""
    scaling = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    optimiser, gradients = clipped(data, scaling, 1.0, "norm")
    assert not optimiser.defaults["fused"]
    assert gradients == pytest.approx([0.6, 0.8], rel=1e-4)


# What is single and what is half


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[set[torch.dtype]]:
    """The types of queries, keys and values of every attention."""
    found: list[set[torch.dtype]] = []
    attend = functional.scaled_dot_product_attention

    def noting(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **rest: Any) -> torch.Tensor:
        found.append({query.dtype, key.dtype, value.dtype})
        return attend(query, key, value, **rest)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", noting)
    return found


def test_attention_is_in_half_and_norms_and_probabilities_are_in_single(seen: list[set[torch.dtype]]) -> None:
    torch.manual_seed(0)
    model = Seq2Seq(SMALL, 5, 11).eval()
    types: dict[type, set[torch.dtype]] = {nn.Linear: set(), nn.LayerNorm: set()}
    into: set[torch.dtype] = set()
    model.encoder.input_norm.register_forward_pre_hook(lambda _, given: into.add(given[0].dtype))
    for module in model.modules():
        for kind, found in types.items():
            if isinstance(module, kind):
                module.register_forward_hook(lambda _, __, out, found=found: found.add(out.dtype))
    tokens = torch.tensor([[BOS, 5, 6], [BOS, 7, 8]])
    with torch.autocast("cpu", torch.bfloat16):
        logits, encoded = model(torch.randn(2, 16, 5), torch.tensor([16, 9]), tokens)
    assert types == {nn.Linear: {torch.bfloat16}, nn.LayerNorm: {torch.float32}}
    assert into == {torch.float32}, "positions are added in single precision"
    assert logits.dtype == torch.bfloat16
    assert encoded.memory.dtype == encoded.ctc_log_probs.dtype == torch.float32
    assert len(seen) == 2 + 2 * 2
    assert all(each == {torch.bfloat16} for each in seen)

    seen.clear()
    with torch.autocast("cpu", torch.bfloat16):
        stepper = TorchStepper(model, encoded.memory[:1])
        log_probs, state = stepper.step(stepper.start(), tokens[0, :1].numpy(), torch.tensor([0]).numpy())
        greedy(stepper, max_tokens=4)
    assert log_probs.dtype == "float32"
    assert state is not None
    assert {kept.dtype for layers in state for kept in layers} == {torch.bfloat16}
    assert all(each == {torch.bfloat16} for each in seen), "what is kept of the tokens before stays in half"


@torch.no_grad()
def test_in_double_everything_is_double() -> None:
    model = Seq2Seq(SMALL, 5, 11).eval().double()
    tokens, targets, lengths = torch.tensor([[BOS, 5]]), torch.tensor([[5, 3]]), torch.tensor([2])
    logits, encoded = model(torch.randn(1, 16, 5).double(), torch.tensor([16]), tokens)
    assert logits.dtype == encoded.ctc_log_probs.dtype == torch.float64
    assert cross_entropy(logits, targets, 0.1).dtype == torch.float64
    assert ctc(encoded.ctc_log_probs, torch.tensor([4]), targets, lengths).dtype == torch.float64


def test_losses_of_half_precision_are_summed_in_single() -> None:
    log_probs = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0)).log_softmax(dim=-1).bfloat16()
    targets, lengths = torch.tensor([[1, 2], [3, 4]]), torch.tensor([2, 2])
    with torch.autocast("cpu", torch.bfloat16):
        loss = ctc(log_probs, torch.tensor([9, 9]), targets, lengths)
        entropy = cross_entropy(log_probs[:, :2], targets, 0.1)
    assert loss.dtype == entropy.dtype == torch.float32
    torch.testing.assert_close(loss, ctc(log_probs.float(), torch.tensor([9, 9]), targets, lengths))
    assert at_least_single(log_probs.double()).dtype == torch.float64


@pytest.mark.parametrize("deltas", [0, 2])
@pytest.mark.parametrize("tract", [None, 1.1])
def test_features_are_the_same_to_the_bit_under_autocast(deltas: int, tract: float | None) -> None:
    mfcc = Mfcc(FeatureSettings(deltas=deltas))
    waves, lengths = torch.randn(2, 4000) * 0.1, torch.tensor([4000, 2500])
    tracts = None if tract is None else torch.tensor([tract, 1.0])
    with torch.autocast("cpu", torch.bfloat16):
        half, frames = mfcc(waves, lengths, tracts)
    single, _ = mfcc(waves, lengths, tracts)
    assert half.dtype == torch.float32
    assert torch.equal(half, single)
    assert frames.tolist() == [26, 16]


def test_the_loss_in_bf16_is_close_to_that_in_single(data: Path) -> None:
    """Of a module in training under Lightning's own autocast; each loss is in single precision."""
    module = SpeechModule(data / "tokenizer.model", model=SMALL, loss=LossSettings(phoneme_layer=1)).eval()
    tokens, lengths = torch.tensor([[7, 8, 9], [5, 0, 0]]), torch.tensor([3, 1])
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    waves = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    batch = Batch(
        ["", ""], ["", ""], waves, torch.tensor([8000, 6000]), tokens, lengths, nothing, 0 * lengths, 0 * lengths
    )
    single = module._losses(batch, *module._features(batch), 0.1)[1]
    with MixedPrecision("bf16-mixed", "cpu").forward_context():
        half = module._losses(batch, *module._features(batch), 0.1)[1]
    for name, loss in half.items():
        assert loss.total.dtype == torch.float32
        assert float(loss.each.detach()) == pytest.approx(float(single[name].each.detach()), rel=0.02), name
