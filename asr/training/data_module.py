"""The data of a run: manifests in, batches out."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import lightning
import numpy as np
from lightning.pytorch.loops.progress import _ProcessedTracker
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from asr.data.augmentation.augmenter import AugmentationSettings, Augmenter
from asr.data.augmentation.impulses import measured, simulated
from asr.data.batches.batching import BatchSettings, balanced, plan_epoch
from asr.data.batches.dataset import Batch, Changes, SpeechDataset
from asr.data.batches.streamed import StreamedEpoch
from asr.data.batches.targets import TargetMaker, Targets
from asr.data.batches.waves import Waves
from asr.data.manifests.manifest import check_disjoint, read_manifest
from asr.data.manifests.utterance import Utterance
from asr.data.shards.index import ShardFolder, open_shards
from asr.data.synthetic import pronunciation
from asr.data.synthetic.made_noise import made_noise, made_tones
from asr.errors import SettingsError
from asr.text.tokenizer import Tokenizer
from asr.training.loader import EpochLoader, Numbers

_NOISE_SECONDS = 8.0  # of each that is made


@dataclass(frozen=True)
class TrainingSource:
    """A manifest or folder of shards, and how often its utterances come in an epoch."""

    manifest: str
    """A .tsv, .jsonl or .jsonl.gz, or a folder of shards."""
    weight: float = 1.0
    """How often each utterance comes in an epoch on average."""
    balance: float = 0.0
    """Evens out texts that were recorded far more often than others: 0 leaves them as they are, with 1 every text is
    heard as often as any other. Not for shards."""

    def __post_init__(self) -> None:
        """Refuse weights that count nothing."""
        if not 0 <= self.weight < math.inf:
            raise SettingsError(f"data: the weight of {self.manifest} is {self.weight}; it is a number from 0 up")
        if not 0 <= self.balance <= 1:
            raise SettingsError(f"data: the balance of {self.manifest} is {self.balance}; it is a number from 0 to 1")


def limited(batches: int, limit: int | float | None) -> int:
    """How many of an epoch's batches a run reads under its ``limit_train_batches``: a count or a share."""
    return min(limit, batches) if isinstance(limit, int) else int(batches * (1.0 if limit is None else limit))


class SpeechData(lightning.LightningDataModule):
    """Batches from manifests.

    Recordings are decoded when they are first wanted, and one that cannot be is left out and named in the batch. Where
    several processes train together, each takes its rows of every batch, and all of them read the whole dev set. On a
    GPU the waves are changed there, otherwise by the workers.

    Args:
        tokenizer: File of the model's tokenizer.
        train: Manifests to train on, with their weights.
        dev: Manifests that choose the model; no speaker of theirs may be in train.
        noise: Manifests of recordings without speech, for mixing and as examples of nothing said.
        impulses: Manifests of recorded impulse responses of rooms, for reverberation.
        made_noises: How many more noises to compute, every other one of tones.
        simulated_rooms: How many more impulse responses to compute.
        stream: Read the training set as it goes from folders of shards, on a disk or at any URL of fsspec, instead of
            holding it.
        stream_hours: Hours of audio in an epoch of a stream, for all processes together, counted as
            ``batches.seconds`` are; with 0 as many as the shards hold.
        phonemes: Targets for the auxiliary phoneme loss: `auto` has them where espeak-ng is installed, `on` fails
            without it, `off` has none.
        join_ramp_epochs: Epochs over which joining short utterances rises from none to full.
        hold_hours: Hours of each split that are kept decoded in memory.
        workers: Processes that prepare batches.
        margin_seconds: The model's silence before and after every utterance, which batches have room for.
        seed: The model's random seed.

    Raises:
        ManifestError: a manifest that cannot be used.
        SettingsError: settings that cannot.
    """

    def __init__(
        self,
        tokenizer: Path,
        train: list[TrainingSource],
        dev: list[Path],
        noise: list[Path] | None = None,
        impulses: list[Path] | None = None,
        made_noises: int = 0,
        simulated_rooms: int = 0,
        augmentation: AugmentationSettings = AugmentationSettings(),
        batches: BatchSettings = BatchSettings(),
        stream: bool = False,
        stream_hours: float = 0.0,
        phonemes: Literal["auto", "on", "off"] | bool = "auto",
        join_ramp_epochs: float = 0.0,
        hold_hours: float = 100.0,
        workers: int = 1,
        margin_seconds: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.tokenizer = Tokenizer.load(tokenizer)
        self.sources = train
        self.dev = dev
        self.noise = noise or []
        self.impulses = impulses or []
        self.made_noises = made_noises
        self.simulated_rooms = simulated_rooms
        self.augmentation = augmentation
        self.batches = batches
        self.stream = stream
        self.stream_hours = stream_hours
        self.join_ramp_epochs = join_ramp_epochs
        self.hold_hours = hold_hours
        self.workers = workers
        self.margin_seconds = margin_seconds
        self.seed = seed
        if not (train and dev):
            raise SettingsError("data: train and dev each name at least one manifest")
        if not any(source.weight for source in train):
            raise SettingsError("data: an epoch has no batches: every weight is 0; raise one")
        if stream and any(source.balance for source in train):
            raise SettingsError("data: balance wants the texts before the epoch, which stream does not; leave out one")
        for name, given in (("join_ramp_epochs", join_ramp_epochs), ("stream_hours", stream_hours)):
            if not 0 <= given < math.inf:
                raise SettingsError(f"data: {name} is {given}; it is a number from 0 up")
        counts = {"workers": workers, "seed": seed, "made_noises": made_noises, "simulated_rooms": simulated_rooms}
        for name, count in counts.items():
            if count < 0:
                raise SettingsError(f"data: {name} is {count}; it is a number from 0 up")
        # YAML reads a bare on or off as true or false.
        self.with_phonemes = phonemes in ("on", True) or (phonemes == "auto" and pronunciation.available())
        self._ready = False

    def setup(self, stage: str | None = None) -> None:
        """Read the manifests and check them against each other."""
        if self._ready:
            return
        self._speller = TargetMaker(self.tokenizer, self.with_phonemes)
        dev = [u for path in self.dev for u in read_manifest(path)]
        self._speakers_of_dev = frozenset(u.speaker for u in dev)
        if self.stream:
            self._folders: list[ShardFolder] = [open_shards(source.manifest) for source in self.sources]
        else:
            self._hold([read_manifest(Path(source.manifest)) for source in self.sources], dev)
        self._dev_targets = self._targets(dev)
        self._dev = Waves(dev, self.hold_hours)
        noises = Waves([u for path in self.noise for u in read_manifest(path)], self.hold_hours)
        self._noises: list[NDArray[np.float32]] = [noises[i] for i in range(len(noises)) if noises.lengths[i]]
        for number in range(self.made_noises):
            make = made_tones if number % 2 else made_noise
            self._noises.append(make(_NOISE_SECONDS, np.random.default_rng([self.seed, number])))
        rooms = measured([u for path in self.impulses for u in read_manifest(path)])
        rooms += simulated(self.simulated_rooms, self.seed)
        self._augmenter = Augmenter(self.augmentation, self._noises, rooms)
        self._ready = True

    @property
    def dev_size(self) -> int:
        """Utterances of the dev set."""
        return len(self._dev)

    def train_dataloader(self) -> EpochLoader:
        """The batches of the trainer's current epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        ramp = self.join_ramp_epochs
        options: dict[str, Any] = {
            "noises": self._noises,
            "changes": None if self._on_gpu else self._changes(epoch),
            "process": self.trainer.global_rank if self.trainer else 0,
            "processes": self.trainer.world_size if self.trainer else 1,
        }
        strength = min(1.0, epoch / ramp) if ramp else 1.0
        make = self._streamed if self.stream else self._planned
        dataset = make(strength, epoch, options)
        beginning = dataset if isinstance(dataset, StreamedEpoch) else Numbers(len(dataset))
        return EpochLoader(
            dataset,
            batch_size=None,
            sampler=beginning if isinstance(beginning, Numbers) else None,
            num_workers=self.workers,
            pin_memory=self._on_gpu,
            # Forked, workers share the recordings in memory; started afresh, each would be sent a copy every epoch.
            multiprocessing_context="fork" if self.workers and sys.platform == "linux" else None,
            epoch=epoch,
            beginning=beginning,
            done=self._batches_done,
            accumulated=partial(self._accumulated, len(dataset)),
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """The dev set as it is: nothing joined, changed or added, and each utterance once."""
        as_it_is = BatchSettings(seconds=self.batches.seconds, join_most=1, background_share=0.0)
        plan = plan_epoch(self._dev.lengths, [0] * len(self._dev), [1.0], as_it_is, self.seed, 0)
        return DataLoader(SpeechDataset(self._dev, self._dev_targets, plan), batch_size=None)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """On a GPU, the changes that are made to a batch for training: there they cost next to nothing."""
        if not (self._on_gpu and self.trainer and self.trainer.training):
            return batch
        self._augmenter = self._augmenter.to(batch.waves.device)
        return self._changes(self.trainer.current_epoch)(batch)

    def _hold(self, train: Sequence[Sequence[Utterance]], dev: Sequence[Utterance]) -> None:
        together = [utterance for utterances in train for utterance in utterances]
        check_disjoint({"train": together, "dev": dev})
        self._source_of = [number for number, utterances in enumerate(train) for _ in utterances]
        self._relative = [
            share
            for source, utterances in zip(self.sources, train, strict=True)
            for share in balanced([utterance.text for utterance in utterances], source.balance)
        ]
        self._train_targets = self._targets(together)
        self._train = Waves(together, self.hold_hours)

    def _targets(self, utterances: Sequence[Utterance]) -> list[Targets]:
        self._speller.learn(utterances)
        return [self._speller(utterance) for utterance in utterances]

    def _planned(self, join_strength: float, epoch: int, options: dict[str, Any]) -> SpeechDataset:
        plan = plan_epoch(
            self._train.lengths,
            self._source_of,
            [source.weight for source in self.sources],
            self.batches,
            self.seed,
            epoch,
            relative=self._relative,
            join_strength=join_strength,
            heard=self._changes(epoch).heard,
            processes=options["processes"],
        )
        return SpeechDataset(self._train, self._train_targets, plan, **options)

    def _streamed(self, join_strength: float, epoch: int, options: dict[str, Any]) -> StreamedEpoch:
        weights = [source.weight for source in self.sources]
        whole = sum(weight * folder.seconds for weight, folder in zip(weights, self._folders, strict=True))
        seconds = self.stream_hours * 3600 or whole
        return StreamedEpoch(
            self._folders,
            weights,
            self._speller,
            self.batches,
            updates=math.ceil(seconds / (self.batches.seconds * options["processes"])),
            join_strength=join_strength,
            kept_out=self._speakers_of_dev,
            seed=self.seed,
            epoch=epoch,
            **options,
        )

    def _batches_done(self) -> int:
        """Batches of the current epoch from which the run has learnt."""
        if self.trainer is None:
            return 0
        progress = self.trainer.fit_loop.epoch_loop.batch_progress.current
        return cast(_ProcessedTracker, progress).processed

    def _accumulated(self, batches: int) -> tuple[int, int]:
        """How many batches make an update, and how many of the epoch's are read."""
        if self.trainer is None:
            return 1, batches
        limit = self.trainer.limit_train_batches
        return self.trainer.accumulate_grad_batches, limited(batches, limit)

    @property
    def _on_gpu(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"

    def _changes(self, epoch: int) -> Changes:
        return Changes(self._augmenter, self.augmentation.strength(epoch), self.margin_seconds)
