"""What pictures show is what the model computes: the numbers of torch."""

import math
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from conftest import TinyModel
from numpy.typing import NDArray
from test_scripts import script

from asr.audio.cepstra import log_mel_cepstra
from asr.audio.features import FeatureSettings
from asr.audio.mfcc import Mfcc
from asr.errors import BundleError
from asr.model.seq2seq import Seq2Seq
from asr.runtime.attention import AttentionGraph, SelfAttentionGraph, softmaxes
from asr.runtime.look import Looker
from asr.runtime.transcriber import Transcriber
from asr.text.special import BOS


@pytest.mark.parametrize(
    "settings",
    [
        FeatureSettings(),
        FeatureSettings(mel_bands=40, coefficients=13, window_seconds=0.02),
        FeatureSettings(speech_range_db=15.0),
    ],
)
def test_the_numbers_of_mfcc_are_those_of_torch(settings: FeatureSettings, words: list[NDArray[np.float32]]) -> None:
    for wave in words:
        theirs, _ = Mfcc(settings)(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
        assert np.abs(log_mel_cepstra(wave, settings) - theirs[0].numpy()).max() < 1e-3


draw = script("draw")


def attention_in_torch(
    draw: ModuleType, model: Seq2Seq, features: FeatureSettings, wave: NDArray[np.float32]
) -> NDArray[np.float32]:
    with torch.no_grad():
        encoded = model.encode(Mfcc(features)(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0])
        weights = draw.cross_attention(model, encoded, torch.tensor([[BOS, 5, 9, 7]]))
    mean: NDArray[np.float32] = weights.mean(dim=0).numpy()
    return mean


def test_attention_is_that_of_torch(draw: ModuleType, tiny: TinyModel, words: list[NDArray[np.float32]]) -> None:
    transcriber = Transcriber.from_bundle(tiny.bundle)
    utterance = transcriber.find_utterance(words[0])
    assert utterance is not None
    weights = AttentionGraph(transcriber.bundle).weights(transcriber.hear(utterance), [5, 9, 7])
    assert weights.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert np.abs(weights - attention_in_torch(draw, tiny.model, tiny.features, utterance.wave)).max() < 1e-4


def test_self_attention_is_that_of_torch(
    tiny_with_convolutions: TinyModel, words: list[NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, wave = tiny_with_convolutions, words[2]
    theirs: list[NDArray[np.float32]] = []

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: None) -> torch.Tensor:
        weights = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(dim=-1)
        theirs.append(weights[0].numpy())
        return weights @ value

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
    with torch.no_grad():
        tiny.model.encode(Mfcc(tiny.features)(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0])
    weights = SelfAttentionGraph(Transcriber.from_bundle(tiny.bundle).bundle).weights(wave)
    assert weights.shape == np.stack(theirs).shape
    assert weights.sum(axis=-1) == pytest.approx(np.ones(weights.shape[:-1]), abs=1e-5)
    assert np.abs(weights - np.stack(theirs)).max() < 1e-4


def test_a_graph_without_softmax_shows_no_attention(tiny: TinyModel, tmp_path: Path) -> None:
    bundle = Transcriber.from_bundle(tiny.bundle).bundle
    graph = (tiny.bundle / "decoder.onnx").read_bytes()
    assert softmaxes(graph)
    folder = tmp_path / "bundle"
    shutil.copytree(tiny.bundle, folder)
    (folder / "decoder.onnx").write_bytes(graph.replace(b"Softmax", b"Sigmoid"))
    object.__setattr__(bundle, "folder", folder)
    with pytest.raises(BundleError, match="no attention"):
        AttentionGraph(bundle)


def test_a_look_fits_the_utterance(tiny: TinyModel, words: list[NDArray[np.float32]]) -> None:
    transcriber = Transcriber.from_bundle(tiny.bundle)
    seen = Looker(transcriber).look(words[1])
    assert seen is not None
    assert seen.attention is not None
    frames = 1 + len(seen.wave) // transcriber.bundle.features.hop_length
    assert seen.cepstra.shape == (frames, transcriber.bundle.features.coefficients)
    assert len(seen.ctc) == seen.attention.shape[1]
    assert len(seen.ctc) == math.ceil(frames * seen.frame_seconds / seen.step_seconds)
    assert len(seen.attention) == len(seen.tokens) + 1
    assert seen.n_best[0].text == transcriber.transcribe(words[1]).text
    assert len({each.text for each in seen.n_best}) == len(seen.n_best)
    others = [each.confidence for each in seen.n_best[1:]]
    assert others == sorted(others, reverse=True)


def test_nothing_is_seen_in_silence(tiny: TinyModel) -> None:
    assert Looker(Transcriber.from_bundle(tiny.bundle)).look(np.zeros(16_000, np.float32)) is None
