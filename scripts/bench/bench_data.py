"""How fast batches come, changed or not, beside how fast a recipe's model learns; needs the [train] extra.

All is measured in one process in turns, as time on the clock, and the best of some rounds counts. Speeds are hours of
audio a second, before augmentation makes it longer; the ratio says how many times as fast as the model learns the
batches come. On few cores the workers take theirs from the model, and then the ratio should be well above 1.
"""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import lightning
import numpy as np
import soundfile
import torch
import yaml
from lightning.fabric.utilities.warnings import PossibleUserWarning
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation.augmenter import AugmentationSettings, Augmenter
from asr.data.augmentation.impulses import simulated
from asr.data.batches.batching import BatchSettings, plan_epoch
from asr.data.batches.dataset import Batch, Changes, SpeechDataset
from asr.data.batches.targets import TargetMaker
from asr.data.batches.waves import Waves
from asr.data.manifests.manifest import read_manifest
from asr.data.synthetic import pronunciation
from asr.errors import AsrError
from asr.model.settings import ModelSettings
from asr.text.tokenizer import Tokenizer
from asr.training.module import SpeechModule
from asr.training.settings import OptimiserSettings

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "commands"
PIECES = 300
DEFAULT = AugmentationSettings(ramp_epochs=0)
# Which settings make a change; the others of each stay as they are by default.
SWITCHES = {
    "speed": "speed",
    "edges": "edge_seconds",
    "reverberation": "reverb_probability",
    "noise": "noise_probability",
    "narrow band": "narrow_probability",
    "telephone": "telephone_probability",
    "clipping": "clipping_probability",
    "gain": "gain_db",
    "hiss": "hiss",
}
OFF = replace(DEFAULT, **dict.fromkeys(SWITCHES.values(), 0.0))
CHANGES = {
    "none": OFF,
    **{name: replace(OFF, **{field: getattr(DEFAULT, field)}) for name, field in SWITCHES.items()},
    "all of these": DEFAULT,
    "tempo": replace(OFF, tempo=0.1),
}


@dataclass(frozen=True)
class Given:
    """What the batches are made of: a dataset that changes nothing, and what changes need."""

    tokenizer: Tokenizer
    with_phonemes: bool
    plain: SpeechDataset
    rooms: list[NDArray[np.float32]]

    def changed(self, settings: AugmentationSettings) -> SpeechDataset:
        """The same batches, changed at full strength."""
        changes = Changes(Augmenter(settings, self.plain.noises, self.rooms), 1.0)
        return SpeechDataset(
            self.plain.waves, self.plain.targets, self.plain.plan, noises=self.plain.noises, changes=changes
        )


class Handed(lightning.LightningDataModule):
    """Batches that are there already, as a run's data."""

    def __init__(self, given: Given, batches: Sequence[Batch]) -> None:
        super().__init__()
        self.tokenizer, self.with_phonemes, self.batches = given.tokenizer, given.with_phonemes, batches

    def train_dataloader(self) -> DataLoader[Batch]:
        """Once through."""
        return DataLoader(self.batches, batch_size=None)


class Watch(lightning.Callback):
    """The time spent on updates, the first of which warms up."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """An update is done, on a GPU too."""
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        self.marks.append(perf_counter())


def noise_corpus(folder: Path, minutes: float, lines: Sequence[str]) -> Path:
    """A manifest of noises as long as somebody takes to say a line."""
    rng = np.random.default_rng(0)
    rows, left = ["path\tspeaker\ttext"], minutes * 60 * SAMPLE_RATE
    for text in cycle(lines):
        if left <= 0:
            break
        samples = int((0.5 + 0.4 * len(text.split())) * SAMPLE_RATE)
        left -= samples
        name = f"{len(rows)}.wav"
        soundfile.write(folder / name, rng.normal(0, 0.1, samples), SAMPLE_RATE)
        rows.append(f"{name}\tnobody\t{text}")
    (folder / "all.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "all.tsv"


def gathered(manifests: Sequence[Path], settings: BatchSettings, count: int) -> Given:
    """So many batches of the manifests' utterances, which are held in memory."""
    lines = (RECIPE / "commands.txt").read_text(encoding="utf-8").splitlines()
    tokenizer, with_phonemes = Tokenizer.train(lines, PIECES), pronunciation.available()
    with tempfile.TemporaryDirectory() as folder:
        paths = manifests or [noise_corpus(Path(folder), 1.5 * count * settings.seconds / 60, lines)]
        utterances = [utterance for path in paths for utterance in read_manifest(path)]
        waves = Waves(utterances, float(sys.maxsize))
    speller = TargetMaker(tokenizer, with_phonemes)
    speller.learn(utterances)
    plan = plan_epoch(
        waves.lengths, [0] * len(waves), [1.0], settings, 0, 0, heard=Changes(Augmenter(DEFAULT), 1.0).heard
    )
    rng = np.random.default_rng(1)
    noises = [rng.normal(0, 0.1, seconds * SAMPLE_RATE).astype(np.float32) for seconds in (2, 5, 5, 30, 60)]
    plain = SpeechDataset(waves, [speller(u) for u in utterances], list(islice(cycle(plan), count)), noises=noises)
    return Given(tokenizer, with_phonemes, plain, simulated(8, 0))


def loading(dataset: SpeechDataset, seconds: Sequence[float], workers: int) -> float:
    """Seconds of audio a second, as they come when nobody else wants the cores; starting up does not count."""
    loader = DataLoader(
        dataset, batch_size=None, num_workers=workers, multiprocessing_context="fork" if workers else None
    )
    marks = [perf_counter() for _ in loader]
    warm = max(1, workers)
    return sum(seconds[warm:]) / (marks[-1] - marks[warm - 1])


def learning(given: Given, batches: Sequence[Batch], seconds: Sequence[float], model: ModelSettings) -> float:
    """Seconds of audio a second that the model takes in: forward, backward and update."""
    watch = Watch()
    trainer = lightning.Trainer(
        max_epochs=1,
        logger=False,
        callbacks=[watch],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.model"
        path.write_bytes(given.tokenizer.model)
        module = SpeechModule(path, model=model, optimiser=OptimiserSettings(total_updates=1000))
    trainer.fit(module, datamodule=Handed(given, batches))
    return sum(seconds[1:]) / (watch.marks[-1] - watch.marks[0])


def changing(plain: Sequence[Batch], seconds: Sequence[float], changes: Changes) -> float:
    """Seconds of audio a second that are changed on the GPU, where the batches lie already."""
    there = [batch._replace(waves=batch.waves.cuda(), wave_lengths=batch.wave_lengths.cuda()) for batch in plain]
    there_changes = replace(changes, augmenter=changes.augmenter.to("cuda"))
    there_changes(there[0])
    torch.cuda.synchronize()
    begin = perf_counter()
    for batch in there:
        there_changes(batch)
    torch.cuda.synchronize()
    return sum(seconds) / (perf_counter() - begin)


def report(given: Given, model: ModelSettings, rounds: int, workers: Sequence[int]) -> str:
    """The table, under lines that say what it was measured on."""
    plain = [given.plain[number] for number in range(len(given.plain))]
    seconds = [float(batch.wave_lengths.sum()) / SAMPLE_RATE for batch in plain]
    datasets = {name: given.changed(settings) for name, settings in CHANGES.items()}
    learnt = [datasets["all of these"][number] for number in range(len(given.plain))]
    works: dict[tuple[str, str], Callable[[], float]] = {("model", ""): lambda: learning(given, learnt, seconds, model)}
    for name, dataset in datasets.items():
        for number in workers:
            works[name, f"{number} workers"] = lambda d=dataset, n=number: loading(d, seconds, n)
        if torch.cuda.is_available():
            works[name, "on the GPU"] = lambda d=dataset: changing(plain, seconds, d.changes)
    best: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        for key, work in works.items():
            best[key] = max(best.get(key, 0.0), work())
    pace = best["model", ""]
    columns = list(dict.fromkeys(where for _, where in works if where))
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"CPU, torch on {torch.get_num_threads()} of {os.cpu_count()} threads"
    )
    lines = [
        f"{date.today()}, {device}; torch {torch.__version__}; {len(plain)} batches, {sum(seconds):.0f} s; "
        f"best of {rounds} rounds.",
        f"The model learns {pace / 3600:.3g} hours of audio a second; in brackets, how many times as fast it comes.",
        "",
        f"| change | {' | '.join(columns)} |",
        f"| --- |{' --- |' * len(columns)}",
    ]
    for name in datasets:
        cells = [f"{best[name, where] / 3600:.3g} ({best[name, where] / pace:.1f})" for where in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="*", type=Path, help="recordings; noise by default")
    parser.add_argument("--config", type=Path, default=RECIPE / "train.yaml", help="of the model and its batches")
    parser.add_argument("--batches", type=int, default=20, choices=range(4, 1001), metavar="N", help="in a round")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 1001), metavar="N")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], choices=range(4), metavar="N")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=PossibleUserWarning)
    warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)  # torch's, of what Lightning does
    try:
        config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
        given = gathered(options.manifests, BatchSettings(**config["data"]["batches"]), options.batches)
        print(report(given, ModelSettings(**config["model"]["model"]), options.rounds, options.workers))
    except AsrError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
