"""What a run would take: size, updates, hours of audio, time and memory, without a trace on the disk."""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import mean, median
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from asr.audio.load import SAMPLE_RATE
from asr.data.batches.dataset import Batch, SpeechDataset
from asr.training.data_module import SpeechData, limited
from asr.training.module import SpeechModule
from asr.training.progress import SetUpFirst

_OF_A_KIND = 3  # batches that are measured, of the largest and of the middling
_PLANNING_SECONDS = 20.0
_STREAMED = 24  # batches of a stream that are looked at
_ADAM_COPIES = 4  # weights, gradients and two moments


@dataclass(frozen=True)
class TrainingPlan:
    """How much there is to do. ``epochs``, ``batches`` and ``updates`` of the whole run are None if it has no end.

    Batches and updates are those of each process. ``exact``: every epoch was planned; else the later ones are taken to
    be like the first.
    """

    first_batches: int
    first_updates: int
    epochs: int | None
    batches: int | None
    updates: int | None
    exact: bool


@dataclass(frozen=True)
class Measured:
    """Seconds that a batch takes to learn from (the mean over an epoch) and a worker to load; that a dev set takes.

    ``hours`` are those of an epoch's audio, before augmentation where it is held, of all processes. ``memory`` is the
    most that was in use, in bytes: on the GPU, or else of this process; None where the system does not tell.
    """

    learning: float
    loading: float
    validation: float
    hours: float
    memory: int | None
    on_gpu: bool


@dataclass(frozen=True)
class Estimate:
    """What a run would take. ``parameters`` are counted by part, ``size`` is theirs in bytes."""

    parameters: dict[str, int]
    size: int
    plan: TrainingPlan
    measured: Measured
    workers: int
    dev_size: int
    validations: int

    @property
    def seconds(self) -> float | None:
        """Of the whole run; None if it has no end. With workers, a batch is learnt from while others are loaded."""
        if self.plan.batches is None:
            return None
        learning, loading = self.measured.learning, self.measured.loading
        each = max(learning, loading / self.workers) if self.workers else learning + loading
        return self.plan.batches * each + self.validations * self.measured.validation

    def lines(self) -> list[str]:
        """For a person to read."""
        plan, took, size = self.plan, self.measured, self.size / 1e6
        parts = ", ".join(f"{name} {count:,}" for name, count in self.parameters.items())
        about = "" if plan.exact else "about "
        whole = f"{about}{plan.updates:,} updates, {about}{plan.batches:,} batches, {plan.epochs} epochs"
        lines = [
            f"parameters: {sum(self.parameters.values()):,} ({parts})",
            f"model: {size:.1f} MB, with gradients and the optimiser {_ADAM_COPIES * size:.1f} MB",
            f"first epoch: {plan.first_updates:,} updates, {plan.first_batches:,} batches, {took.hours:.3g} h of audio",
            f"run: {whole if plan.updates is not None else 'has no end'}",
            f"a batch: {took.learning:.3g} s to learn from, {took.loading:.3g} s to load; data.workers {self.workers}",
            f"validation: about {_spoken(took.validation)} for {self.dev_size:,} utterances",
        ]
        if self.workers and took.loading > took.learning * self.workers:
            lines.append(f"loading is slower than learning: {math.ceil(took.loading / took.learning)} workers keep up")
        if self.seconds is not None:
            lines.append(f"time: about {_spoken(self.seconds)}")
        if took.memory is not None:
            owner = "the GPU" if took.on_gpu else "this process, with the recordings it holds"
            lines.append(f"memory: {took.memory / 1e9:.2f} GB of {owner}")
        return lines


def estimate(
    module: SpeechModule, data: SpeechData, trainer: Trainer, trainer_with: Callable[..., Trainer]
) -> Estimate:
    """Plan the epochs that ``trainer`` would run, and learn from a few batches of the first, the largest among them.

    ``trainer_with`` makes a trainer from settings, on the same hardware, that writes nothing. The module is another
    afterwards. Raises what the run itself would.
    """
    data.trainer = trainer
    data.setup("fit")
    if trainer.max_epochs == -1:
        module.trainer = trainer
        module.configure_optimizers()  # refuses a schedule that would need an end
    plan = _planned(data, trainer)
    measured = _measured(module, data, trainer, trainer_with)
    parameters: Counter[str] = Counter()
    for name, parameter in module.named_parameters():
        part, _, rest = name.removeprefix("model.").partition(".")
        parameters[part if rest else name] += parameter.numel()
    return Estimate(
        parameters=dict(parameters),
        size=sum(parameter.numel() * parameter.element_size() for parameter in module.parameters()),
        plan=plan,
        measured=measured,
        workers=data.workers,
        dev_size=data.dev_size,
        validations=_validations(trainer, plan),
    )


def _planned(data: SpeechData, trainer: Trainer) -> TrainingPlan:
    """Count the batches of every epoch, as long as that does not take too long."""
    begun = time.monotonic()
    batches: list[int] = []
    updates = 0
    every = trainer.accumulate_grad_batches
    most = math.inf if trainer.max_steps == -1 else trainer.max_steps
    epochs = math.inf if trainer.max_epochs in (None, -1) else float(trainer.max_epochs or 0)
    endless = epochs == most == math.inf
    progress: Any = trainer.fit_loop.epoch_progress.current
    while len(batches) < epochs and updates < most and time.monotonic() - begun < _PLANNING_SECONDS:
        progress.completed = len(batches)
        loader = data.train_dataloader()
        batches.append(limited(len(loader), trainer.limit_train_batches))
        updates += math.ceil(batches[-1] / every)
        if endless:
            break
    progress.completed = 0
    first = math.ceil(batches[0] / every)
    exact = len(batches) >= epochs or updates >= most
    if not exact and not endless:
        each = updates / len(batches)
        total = int(min(most, each * epochs))
        return TrainingPlan(batches[0], first, math.ceil(total / each), round(total * every), total, False)
    # The last epoch ends where the updates do.
    over = max(0, updates - most) * every
    if endless:
        return TrainingPlan(batches[0], first, None, None, None, False)
    return TrainingPlan(batches[0], first, len(batches), int(sum(batches) - over), int(min(updates, most)), exact)


def _validations(trainer: Trainer, plan: TrainingPlan) -> int:
    """How often the dev set would be read."""
    if plan.epochs is None or plan.batches is None or trainer.limit_val_batches == 0:
        return 0
    if isinstance(trainer.val_check_interval, int):
        return plan.batches // trainer.val_check_interval
    return plan.epochs // (trainer.check_val_every_n_epoch or 1) * int(1 / trainer.val_check_interval)


def _measured(
    module: SpeechModule, data: SpeechData, trainer: Trainer, trainer_with: Callable[..., Trainer]
) -> Measured:
    sample = _sample(data, trainer)
    dev = next(iter(data.val_dataloader()))
    watch = _Stopwatch()
    probing = trainer_with(
        callbacks=[SetUpFirst(), watch],
        max_epochs=1,
        max_steps=-1,
        limit_train_batches=1.0,
        limit_val_batches=1.0,
        val_check_interval=1.0,
        check_val_every_n_epoch=1,
        overfit_batches=0.0,
        accumulate_grad_batches=1,
    )
    # The first warms up, and shows at once if the largest does not fit.
    probing.fit(module, datamodule=_GivenBatches(data, [sample.large[0], *sample.large, *sample.middling], [dev]))
    device = probing.strategy.root_device
    on_gpu = device.type == "cuda"
    great, small = watch.training[1 : 1 + len(sample.large)], watch.training[1 + len(sample.large) :]
    return Measured(
        learning=_at(sample.mean_size, (sample.middling_size, median(small)), (sample.large_size, median(great))),
        loading=sample.loading,
        validation=watch.validation * data.dev_size / len(dev.ids),
        hours=sample.hours,
        memory=torch.cuda.max_memory_allocated(device) if on_gpu else _peak_memory(),
        on_gpu=on_gpu,
    )


class _GivenBatches(SpeechData):
    """The same data, with ``train`` in place of its epochs and ``dev`` in place of its dev set."""

    def __init__(self, data: SpeechData, train: Sequence[Batch], dev: Sequence[Batch]) -> None:
        # It is the other in all but its loaders: what was read and decoded is not read and decoded again.
        self.__dict__.update(data.__dict__)
        self._given = train, dev

    def train_dataloader(self) -> Any:
        return DataLoader(self._given[0], batch_size=None)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(self._given[1], batch_size=None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _DrawnBatches:
    """Batches of the first epoch, the largest and middling ones; sizes are seconds of audio with its padding."""

    large: list[Batch]
    middling: list[Batch]
    large_size: float
    middling_size: float
    mean_size: float
    loading: float
    hours: float


def _sample(data: SpeechData, trainer: Trainer) -> _DrawnBatches:
    """Of a plan, all sizes are known before augmentation; a stream is read for a while."""
    loader = data.train_dataloader()
    dataset = loader.dataset
    if isinstance(dataset, SpeechDataset):
        sizes = [len(batch) * max(example.duration for example in batch) for batch in dataset.plan]
        seconds = sum(example.duration for batch in dataset.plan for example in batch)
        get = dataset.__getitem__
        begun = time.perf_counter()
    else:
        begun = time.perf_counter()
        read = list(islice(iter(dataset), _STREAMED))
        sizes = [batch.waves.numel() / SAMPLE_RATE for batch in read]
        seconds = sum(int(batch.wave_lengths.sum()) for batch in read) / SAMPLE_RATE
        seconds *= len(loader) / len(read) * trainer.world_size
        get = read.__getitem__
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    middle = max(0, (len(order) - _OF_A_KIND) // 2)
    large, middling = order[-_OF_A_KIND:], order[middle : middle + _OF_A_KIND]
    chosen = [get(number) for number in [*large, *middling]]
    loaded = len(chosen) if isinstance(dataset, SpeechDataset) else len(sizes)
    return _DrawnBatches(
        chosen[: len(large)],
        chosen[len(large) :],
        mean(sizes[number] for number in large),
        mean(sizes[number] for number in middling),
        mean(sizes),
        (time.perf_counter() - begun) / loaded,
        seconds / 3600,
    )


def _at(size: float, small: tuple[float, float], great: tuple[float, float]) -> float:
    """The time of a batch of this size, on the line through two others; theirs, if they are too much alike."""
    if great[0] < 1.1 * small[0] or great[1] < small[1]:
        return (small[1] + great[1]) / 2
    slope = (great[1] - small[1]) / (great[0] - small[0])
    return max(small[1] + slope * (size - small[0]), small[1] / 2)


def _peak_memory() -> int | None:
    """The most that this process has used so far, in bytes."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _spoken(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s"


class _Stopwatch(Callback):
    """Seconds of each training batch, and of all validation batches together."""

    def __init__(self) -> None:
        self.training: list[float] = []
        self.validation = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        self._begun = _now(pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.training.append(_now(pl_module) - self._begun)

    def on_validation_batch_start(self, *_: Any, **__: Any) -> None:
        self._begun = time.perf_counter()

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        self.validation += _now(pl_module) - self._begun


def _now(module: LightningModule) -> float:
    """The clock, once the GPU has done what it was told."""
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)
    return time.perf_counter()
