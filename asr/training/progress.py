"""What is told of a run while it goes: minutes left, throughput, the share of time that data was waited for."""

import logging
import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from asr.audio.load import SAMPLE_RATE
from asr.data.batches.dataset import Batch
from asr.errors import AsrError
from asr.printable import printable

LEFT_OUT = "left_out.txt"
"""The file in a run's folder that lists recordings that could not be read."""

_log = logging.getLogger(__name__)

_REDRAWN_AFTER = 60.0  # seconds


class Remaining(Callback):
    """Adds the minutes left in the whole run to the progress bar, whose own estimate ends with the epoch."""

    def __init__(self) -> None:
        self._begun: tuple[float, int] | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Estimate from the updates since this process began."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, trainer.global_step)
            return
        done = trainer.global_step - self._begun[1]
        updates = trainer.estimated_stepping_batches
        if done and updates != math.inf:
            minutes = (now - self._begun[0]) / done * max(0, updates - trainer.global_step) / 60
            pl_module.log("minutes_left", round(minutes, 1), prog_bar=True, logger=False, batch_size=1)


class Throughput(Callback):
    """Logs how fast speech is learnt from, and how much of the time goes by waiting for it.

    ``hours_of_audio_per_second``: the audio of all processes' batches, padding left out, over the time that training
    took; validation is not in it. ``waiting_for_data``: the share of that time between one batch's end and the next
    one's beginning, in which the loader is waited for (and now and then a checkpoint written); far above 0 means more
    ``data.workers`` or less augmentation. ``gpu_memory_gb``: the most that tensors took so far on any GPU, in 10⁹
    bytes. Each covers the updates since the one logged before. The progress bar shows the first as ``times_real_time``.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._begin()

    def _begin(self) -> None:
        self._samples: Tensor | int = 0
        self._waited = self._worked = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; a run that goes on in mid-epoch has no beginning of an epoch."""
        self._seen, self._mark = trainer.global_step, time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What lies between two epochs is not training."""
        self._mark = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nor is validation."""
        self._mark = time.monotonic()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """The batch is there."""
        now = time.monotonic()
        self._waited += now - self._mark
        self._mark = now

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Count the batch; log with the updates that are logged."""
        now = time.monotonic()
        self._worked += now - self._mark
        self._mark = now
        # Added up where the batch is: fetching a number from a GPU would wait for it.
        self._samples = self._samples + batch.wave_lengths.sum()
        updated, self._seen = trainer.global_step != self._seen, trainer.global_step
        if not updated or trainer.global_step % cast(Any, trainer).log_every_n_steps:
            return
        spent = max(self._waited + self._worked, 1e-9)
        rate = float(self._samples) / SAMPLE_RATE / spent
        shared: dict[str, Any] = {"batch_size": 1, "sync_dist": True}
        pl_module.log("hours_of_audio_per_second", rate / 3600, reduce_fx="sum", **shared)
        pl_module.log("times_real_time", round(rate), reduce_fx="sum", prog_bar=True, logger=False, **shared)
        pl_module.log("waiting_for_data", self._waited / spent, prog_bar=True, **shared)
        if pl_module.device.type == "cuda":
            used = torch.cuda.max_memory_allocated(pl_module.device) / 1e9
            pl_module.log("gpu_memory_gb", used, reduce_fx="max", **shared)
        self._begin()


class Curves(Callback):
    """Draws the run's curves into its folder: after an epoch, at most once a minute, and when the run ends or breaks.

    A picture takes about a second, import of matplotlib not counted.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._drawn_at = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Here the numbers of the epoch before are logged."""
        if time.monotonic() - self._drawn_at > _REDRAWN_AFTER:
            self._draw(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The whole run."""
        self._draw(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """As far as it went; ctrl-C comes here too."""
        self._draw(trainer)

    def _draw(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero or not trainer.loggers:
            return
        from asr.training.curves import draw_curves

        # A picture is no reason to end a run: a full disk, nothing logged yet, a row that a killed process left torn.
        with suppress(AsrError, OSError, ValueError):
            for logger in trainer.loggers:
                logger.save()
            draw_curves(self._run)
        self._drawn_at = time.monotonic()


class LeftOut(Callback):
    """Names each recording that could not be read, once, and lists what is wrong with it in ``left_out.txt``."""

    def __init__(self, run: Path) -> None:
        self._path = run / LEFT_OUT
        self._named: set[str] = set()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Look at what the batch lacks."""
        self._note(batch)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """The same for the dev set."""
        self._note(batch)

    def _note(self, batch: Batch) -> None:
        new = [each for each in batch.left_out if each not in self._named]
        self._named.update(new)
        for reason in new:
            _log.warning(
                "%s; it is left out (%d so far, listed in %s)", printable(reason), len(self._named), self._path
            )
        if new:
            with self._path.open("a", encoding="utf-8") as file:  # by several processes, a line each at once
                file.write("".join(f"{printable(reason)}\n" for reason in new))


class SetUpFirst(Callback):
    """Has the module make all its layers before the callbacks after this one look at it.

    Lightning's averaging of weights copies the module in its own setup, which comes before the module's: without the
    layers that are made there, it would average one parameter into another.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let the module's setup come now; the second time it finds all done."""
        pl_module.setup(stage)
