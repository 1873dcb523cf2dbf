"""How a run's checkpoints come onto the disk: whole or not at all, and between the ends of epochs too."""

import time
import warnings
from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from asr.errors import AsrError, SettingsError
from asr.files import unfinished_file

CHECKPOINTS = "checkpoints"
KEPT = 10
"""Checkpoints kept of a run, the last ones: as many as can be averaged at export."""

_LAST = "last.ckpt"
_UNFINISHED = ".unfinished"


_WANTED = "wanted one of the checkpoints of a run"
_FOR_USE = {"asr": dict, "state_dict": dict, "global_step": int}
_FOR_GOING_ON = _FOR_USE | {"optimizer_states": list, "lr_schedulers": list, "loops": dict, "epoch": int}
_OF_ASR = ("features", "model", "normaliser", "tokenizer", "margin_seconds")


def read_checkpoint(path: Path, map_location: Any = "cpu", *, to_go_on: bool = False) -> dict[str, Any]:
    """What a file that `asr train` wrote holds; nothing that it may hold besides numbers and texts is run.

    ``to_go_on``: with the optimiser's state and how far the run was. Raises SettingsError for any other file.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of old formats, which are then refused
            found = torch.load(path, map_location=map_location, weights_only=True)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror or error}); {_WANTED}") from error
    except Exception as error:
        # What torch stumbles over in a foreign or damaged file is anything; and its own words are no help, for they
        # advise to load it with weights_only=False, which runs whatever is in it.
        raise SettingsError(f"{path}: no checkpoint of `asr train`, or a damaged one; {_WANTED}") from error
    wanted = _FOR_GOING_ON if to_go_on else _FOR_USE
    lacking = [name for name, kind in wanted.items() if not isinstance(_entry(found, name), kind)]
    lacking = lacking or [f"asr.{name}" for name in _OF_ASR if name not in found["asr"]]
    if lacking:
        raise SettingsError(f"{path}: no checkpoint of `asr train`, for it has no {', '.join(lacking)}; {_WANTED}")
    return cast(dict[str, Any], found)


def _entry(found: object, name: str) -> object:
    return found.get(name) if isinstance(found, dict) else None


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and then renames it: whoever reads finds the old one or the new one.

    Lightning itself writes into the system's temporary folder and copies from there, so that a process killed while it
    copies leaves half a file where the last checkpoint was.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Raises AsrError where the disk is full; the checkpoint that was there stays."""
        place = Path(path)
        try:
            # One name for all: what a killed process left is written over by the next.
            with unfinished_file(place, _UNFINISHED, durable=True) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise AsrError(
                f"{place}: the checkpoint could not be written ({reason}); "
                "make room and go on from the one before with --ckpt_path last"
            ) from error

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        """Only what ``asr train`` wrote, whatever ``weights_only`` says. Raises SettingsError."""
        return read_checkpoint(Path(path), map_location, to_go_on=True)


class EpochCheckpoints(ModelCheckpoint):
    """``step=N.ckpt`` after each epoch, which export averages, and the same again as ``last.ckpt``."""

    def __init__(self, run: Path) -> None:
        super().__init__(
            dirpath=run / CHECKPOINTS,
            filename="{step}",
            monitor="step",
            mode="max",
            save_top_k=KEPT,
            save_last=True,
            save_on_train_epoch_end=True,  # after those without a validation, and at the end, too
            enable_version_counter=False,
        )


class RescueCheckpoint(Checkpoint):
    """Saves ``last.ckpt`` between the ends of epochs: every so many minutes or updates, whichever comes first.

    Only after an update, for gradients that wait for more batches are in no checkpoint; and not after an epoch's last
    one, when the validation and the epoch's own checkpoint follow at once. 0 switches either off. Raises SettingsError
    for what is below 0.
    """

    def __init__(self, run: Path, *, minutes: float, updates: int) -> None:
        for name, value in (("save_every_minutes", minutes), ("save_every_updates", updates)):
            if not 0 <= value < float("inf"):
                raise SettingsError(f"{name} is {value}; it is a number from 0 up, and 0 is never")
        self._path = run / CHECKPOINTS / _LAST
        self._minutes = minutes
        self._updates = updates

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from here."""
        self._seen = trainer.global_step
        self._restart(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The epoch's own checkpoint is as good."""
        self._restart(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save, if it is time."""
        updated, self._seen = trainer.global_step != self._seen, trainer.global_step
        if not updated or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return
        due = bool(self._updates) and trainer.global_step - self._saved_update >= self._updates
        if self._minutes:
            # The clocks of several processes differ, and all must save together.
            due |= bool(trainer.strategy.broadcast(time.monotonic() - self._saved_at >= 60 * self._minutes))
        if due:
            trainer.save_checkpoint(self._path)
            self._restart(trainer)

    def _restart(self, trainer: Trainer) -> None:
        self._saved_at, self._saved_update = time.monotonic(), trainer.global_step


class LoaderAgain(Callback):
    """Has the first loader made again where a checkpoint says how far it was read.

    Lightning makes it before the checkpoint is loaded, to count the schedule's updates, and then keeps it: a run that
    goes on within its first epoch would begin that epoch's data anew.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the loader if what it should know is still waiting."""
        if trainer.fit_loop._combined_loader_states_to_load:
            trainer.fit_loop._combined_loader = None


def check_checkpoint(run: Path, path: str | None, *, saving: bool) -> None:
    """Keep a new run from mixing its checkpoints with those of an older one; export would average the two.

    ``path`` is the checkpoint to go on from, or `last`; ``saving`` whether the run writes any. Raises SettingsError.
    """
    if saving and path is None and (found := sorted((run / CHECKPOINTS).glob("*.ckpt"))):
        raise SettingsError(
            f"{run}: holds the checkpoints of a run already ({found[0].name}, …); "
            "go on with --ckpt_path last, or name another folder with --run"
        )
    if path is not None and path != "last" and not Path(path).is_file():
        raise SettingsError(f"{path}: no such checkpoint; wanted a file, or `last` for the run's last one")
