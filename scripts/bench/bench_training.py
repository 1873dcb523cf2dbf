"""How fast a config's model learns, against what this processor multiplies; wants the `train` extra and no data.

A step is features, losses, gradients, clipping and AdamW on a batch of noise with tokens drawn for it, of rows of each
of several lengths. The limit is the step's own products of matrices, counted by torch, at the rate of one large product
in single precision measured in the same run: by torch itself, which leaves it to MKL, or by oneDNN, whichever is faster
(docs/training.md says where they differ). Steps and products take turns, and the least time of each counts, since other
work can only lengthen one. `--set` compares a changed model with the config's.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import torch
import yaml
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from asr.audio.load import SAMPLE_RATE
from asr.data.batches.dataset import Batch
from asr.data.synthetic.pronunciation import PHONEMES
from asr.model.settings import ModelSettings
from asr.training.module import FeatureSettings, SpeechModule
from asr.training.settings import SpecAugmentSettings

ROOT = Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / "asr" / "bundles" / "default" / "tokenizer.model"
TOKENS_PER_SECOND, PHONEMES_PER_SECOND = 4, 12  # of read speech


class Step:
    """One update on one batch, again and again."""

    def __init__(self, features: FeatureSettings, model: ModelSettings, seconds: float, row: float) -> None:
        self.module = SpeechModule(
            TOKENIZER, features=features, model=model, spec_augment=SpecAugmentSettings(tract=0.1)
        )
        self.module.phoneme_head = nn.Linear(model.d_model, 1 + len(PHONEMES))
        self.optimiser = torch.optim.AdamW(self.module.parameters(), lr=1e-4, fused=True)
        count = max(1, round(seconds / row))
        self.seconds = count * row
        self.batch = noise(count, row, self.module.tokenizer.vocabulary)

    def __call__(self) -> None:
        """Learn from it once."""
        features, lengths = self.module._features(self.batch, drawn=True)
        losses = self.module._losses(self.batch, features, lengths, 0.1)[1]
        torch.stack([loss.each for loss in losses.values()]).sum().backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()

    def flops(self) -> int:
        """Of its products of matrices, forwards and backwards; convolutions and attention among them."""
        with FlopCounterMode(display=False) as counter:
            self()
        return counter.get_total_flops()


def noise(count: int, row: float, vocabulary: int) -> Batch:
    """A batch of so many rows of so many seconds."""
    generator = torch.Generator().manual_seed(0)

    def drawn(high: int, rate: int) -> tuple[Tensor, Tensor]:
        length = max(1, round(rate * row))
        return torch.randint(4, high, (count, length), generator=generator), torch.full((count,), length)

    samples = round(row * SAMPLE_RATE)
    waves = 0.1 * torch.randn(count, samples, generator=generator)
    tokens, phonemes = drawn(vocabulary, TOKENS_PER_SECOND), drawn(len(PHONEMES), PHONEMES_PER_SECOND)
    lengths = torch.full((count,), samples)
    return Batch([""] * count, [""] * count, waves, lengths, *tokens, *phonemes, torch.zeros(count, dtype=torch.int64))


def product_rates(size: int = 1024) -> dict[str, float]:
    """FLOP/s of one product of square matrices in single precision, by what multiplies it."""
    one, other = torch.randn(size, size), torch.randn(size, size)
    pairs = {"torch": (one, other), "oneDNN": (one.to_mkldnn(), other.to_mkldnn())}
    found = {}
    with torch.no_grad():
        for name, (left, right) in pairs.items():
            begun = perf_counter()
            nn.functional.linear(left, right)
            found[name] = 2 * size**3 / (perf_counter() - begun)
    return found


def changed(model: ModelSettings, setting: str) -> ModelSettings:
    """The model with ``name=number``, several separated by commas, in place of its own."""
    pairs = [pair.split("=") for pair in setting.split(",")]
    return replace(model, **{name: type(getattr(model, name))(value) for name, value in pairs})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "recipes" / "commands" / "train.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="d_model=192,stack=4", help="may be repeated")
    parser.add_argument("--rows", type=float, nargs="+", default=[2, 5, 12], metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=50, help="of a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    settings = yaml.safe_load(given.config.read_text(encoding="utf-8"))["model"]
    model, features = ModelSettings(**settings["model"]), FeatureSettings(**settings.get("features", {}))
    models = {"the config's": model, **{setting: changed(model, setting) for setting in given.set}}
    steps = {
        (name, row): Step(features, each, given.seconds, row) for name, each in models.items() for row in given.rows
    }
    flops = {key: step.flops() for key, step in steps.items()}
    least = dict.fromkeys(steps, float("inf"))
    rates: dict[str, float] = {}
    for _ in range(given.rounds):
        for name, found in (pair for _ in range(5) for pair in product_rates().items()):
            rates[name] = max(rates.get(name, 0.0), found)
        for key, step in steps.items():
            begun = perf_counter()
            step()
            least[key] = min(least[key], perf_counter() - begun)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    products = ", ".join(f"{found / 1e9:.0f} GFLOP/s by {name}" for name, found in rates.items())
    print(f"{given.threads} threads of {os.cpu_count()} cores{load}; one large product: {products}")
    print("\n| model | weights | seconds a row | times real time | at the limit | share of the limit |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for (name, row), step in steps.items():
        weights = sum(weight.numel() for weight in step.module.parameters()) / 1e6
        reached, limit = step.seconds / least[name, row], step.seconds * max(rates.values()) / flops[name, row]
        print(f"| {name} | {weights:.1f} M | {row:g} | {reached:.0f} | {limit:.0f} | {reached / limit:.0%} |")


if __name__ == "__main__":
    main()
