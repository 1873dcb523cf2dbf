"""`asr train`: LightningCLI with the run's folder, its logs, its checkpoints and the precision of the hardware."""

import difflib
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from asr.errors import SettingsError
from asr.training.data_module import SpeechData
from asr.training.module import SpeechModule

CHECKPOINTS = "checkpoints"
KEPT = 10
"""Checkpoints kept of a run, the last ones: as many as can be averaged at export."""


def best_precision() -> str:
    """bf16 where the hardware multiplies it fast, else single precision.

    A processor without the instructions computes bf16 too, at a seventieth of the speed of single precision.
    """
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    abilities = torch.cpu.get_capabilities()
    fast = abilities.get("avx512_bf16") or abilities.get("amx_bf16") or abilities.get("bf16")
    return "bf16-mixed" if fast else "32-true"


class Remaining(Callback):
    """Adds the minutes left in the whole run to the progress bar, whose own estimate ends with the epoch."""

    def __init__(self) -> None:
        self._begun: tuple[float, int] | None = None

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Estimate from the updates since this process began."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, trainer.global_step)
            return
        done = trainer.global_step - self._begun[1]
        if done:
            left = int(trainer.estimated_stepping_batches) - trainer.global_step
            minutes = (now - self._begun[0]) / done * max(0, left) / 60
            module.log("minutes_left", round(minutes, 1), prog_bar=True, logger=False, batch_size=1)


class _Parser(LightningArgumentParser):
    """Says what an unknown setting was probably meant to be."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        known = sorted({action.dest for action in self._actions})
        unknown = re.findall(
            r"[Kk]ey '?\"?([\w.]+)'?\"? is not expected|[Uu]nrecognized arguments: --([\w.]+)", message
        )
        unknown += [(name, "") for name in re.findall(r"Option '([\w.]+)' is not accepted", message)]
        advice = ""
        for found in ("".join(pair) for pair in unknown):
            near = difflib.get_close_matches(
                found, known + [name.rpartition(".")[2] for name in known], n=1, cutoff=0.6
            )
            advice += f"; {found} is not a setting" + (f", did you mean {near[0]}?" if near else "")
        raise SettingsError(" ".join(message.split()) + advice) from ex


class TrainCommand(LightningCLI):
    """Wires the parts of a run together; every setting of trainer, model and data is a key of the config."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The run's folder, and settings that two parts share and are given once."""
        parser.add_argument("--run", type=Path, default=Path("runs/default"), help="folder for logs and checkpoints")
        parser.add_argument("--ckpt_path", type=str | None, default=None, help="checkpoint to go on from, or `last`")
        parser.link_arguments("model.tokenizer", "data.tokenizer")
        parser.link_arguments("model.seed", "data.seed")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer that logs and saves into the run's folder."""
        run = Path(self._get(self.config, "run"))
        chosen = self._get(self.config_init, "trainer")
        callbacks = [
            *(chosen["callbacks"] or []),
            ModelCheckpoint(
                dirpath=run / CHECKPOINTS,
                filename="{step}",
                monitor="step",
                mode="max",
                save_top_k=KEPT,
                save_last=True,
                enable_version_counter=False,
            ),
            LearningRateMonitor(logging_interval="step"),
            Remaining(),
            TQDMProgressBar(refresh_rate=1 if sys.stderr.isatty() else 50),
        ]
        return super().instantiate_trainer(
            callbacks=callbacks,
            logger=[TensorBoardLogger(run, name="tensorboard"), CSVLogger(run, name="csv")],
            precision=chosen["precision"] or best_precision(),
            default_root_dir=run,
            # The plan of an epoch depends on its number.
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
        )


def train(arguments: Sequence[str]) -> None:
    """Run a training from the command line's arguments, `--config FILE` first of all.

    Raises SettingsError, ManifestError or AudioError for what cannot be used.
    """
    command = TrainCommand(
        SpeechModule,
        SpeechData,
        args=list(arguments),
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},
        parser_class=_Parser,
        run=False,
    )
    command.trainer.fit(command.model, command.datamodule, ckpt_path=command.config["ckpt_path"])
