"""A deeper encoder says what the shallower one said, and learns with every layer."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from asr.model.seq2seq import Encoded, Seq2Seq
from asr.model.settings import ModelSettings
from asr.training.growth import deepened

SETTINGS = ModelSettings(
    d_model=16, heads=2, feedforward=24, encoder_layers=3, decoder_layers=1, stack=2, convolution_kernel=3
)


def model_of(settings: ModelSettings) -> Seq2Seq:
    torch.manual_seed(7)
    return Seq2Seq(settings, 5, 11).eval()


def grown(model: Seq2Seq, layers: int) -> Seq2Seq:
    deeper = model_of(replace(model.settings, encoder_layers=layers))
    deeper.load_state_dict(deepened(model.state_dict(), model.settings.encoder_layers, layers))
    return deeper


def said(model: Seq2Seq) -> tuple[Tensor, Encoded]:
    torch.manual_seed(3)
    features, tokens = torch.randn(3, 20, 5), torch.randint(3, 11, (3, 4))
    logits, encoded = model(features, torch.tensor([20, 13, 4]), tokens)
    return logits, encoded


@pytest.mark.parametrize("kernel", [0, 3])
@pytest.mark.parametrize("layers", [3, 4, 5, 6, 7, 11])
def test_a_deeper_encoder_says_the_same(layers: int, kernel: int) -> None:
    model = model_of(replace(SETTINGS, convolution_kernel=kernel))
    (logits, encoded), (wanted, before) = said(grown(model, layers)), said(model)
    assert torch.equal(logits, wanted)
    assert torch.equal(encoded.ctc_log_probs, before.ctc_log_probs)


@pytest.mark.parametrize("layers", [4, 5, 7])
def test_every_layer_learns_from_the_first_update(layers: int) -> None:
    deeper = grown(model_of(SETTINGS), layers)
    logits, encoded = said(deeper)
    (logits.square().mean() + encoded.ctc_log_probs.square().mean()).backward()
    for layer in deeper.encoder.layers:
        for part in ("attention.output", "convolution.output", "feedforward.2"):
            weight = layer.get_submodule(part).weight
            assert isinstance(weight, Tensor)
            assert weight.grad is not None
            assert weight.grad.abs().max() > 0, part


def test_new_layers_lie_evenly_between_the_old_ones_and_keep_what_the_one_before_looks_at() -> None:
    weights = grown(model_of(replace(SETTINGS, encoder_layers=4)), 6).state_dict()
    adds = [bool(weights[f"encoder.layers.{layer}.attention.output.weight"].any()) for layer in range(6)]
    assert adds == [True, True, False, True, True, False]
    for new, old in ((2, 1), (5, 4)):
        for part in ("attention.query.weight", "convolution.gated.bias", "feedforward.0.weight", "attention_norm.bias"):
            pair = [weights[f"encoder.layers.{layer}.{part}"] for layer in (new, old)]
            assert torch.equal(*pair)
