"""Fixtures shared by the tests."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from asr.audio.features import FeatureSettings
from asr.model.seq2seq import Seq2Seq
from asr.model.settings import ModelSettings
from asr.text.normaliser import Normaliser
from asr.text.tokenizer import Tokenizer
from asr.training.export import export_run

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real recordings that lies beside a developer's checkout; tests skip where it is absent."""
    folder = ROOT.parent / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"real recordings are not at hand: {folder} is absent")
    return folder


@dataclass(frozen=True)
class TinyModel:
    """A model with random weights, the run that could have made it, and the bundle exported from that."""

    model: Seq2Seq
    features: FeatureSettings
    tokenizer: Tokenizer
    run: Path
    bundle: Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """An untrained model of the right form, exported as a trained one is."""
    folder = tmp_path_factory.mktemp("tiny")
    features = FeatureSettings()
    settings = ModelSettings(d_model=32, heads=2, feedforward=48, encoder_layers=2, decoder_layers=2)
    text = (ROOT / "recipes" / "commands" / "commands.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = Tokenizer.train(text, 120)
    torch.manual_seed(0)
    model = Seq2Seq(settings, features.dimension, tokenizer.vocabulary).eval()
    # Rounded as the export rounds, so that torch and the graphs hold the same numbers.
    model.load_state_dict({name: weight.half().float() for name, weight in model.state_dict().items()})
    run = folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    checkpoint = {
        "state_dict": {f"model.{name}": weight for name, weight in model.state_dict().items()},
        "global_step": 1,
        "asr": {
            "features": features.to_dict(),
            "model": settings.to_dict(),
            "normaliser": Normaliser().to_dict(),
            "tokenizer": tokenizer.model,
            "margin_seconds": 0.25,
        },
    }
    torch.save(checkpoint, run / "checkpoints" / "step=1.ckpt")
    return TinyModel(model, features, tokenizer, run, export_run(run, folder / "bundle"))


@pytest.fixture(scope="session")
def tiny_bundle(tiny: TinyModel) -> Path:
    """The folder of the untrained model's bundle."""
    return tiny.bundle
