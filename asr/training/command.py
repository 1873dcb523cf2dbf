"""`asr train`: LightningCLI with the run's folder, its logs, its checkpoints and the precision of the hardware."""

import difflib
import inspect
import logging
import math
import re
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from asr.errors import SettingsError
from asr.training.data_module import SpeechData
from asr.training.module import SpeechModule

CHECKPOINTS = "checkpoints"
KEPT = 10
"""Checkpoints kept of a run, the last ones: as many as can be averaged at export."""


_OWN = ("logger", "barebones", "reload_dataloaders_every_n_epochs", "use_distributed_sampler")
"""Settings of Lightning's trainer that are the command's to choose, so others are refused."""


def best_precision(accelerator: str = "auto") -> str:
    """bf16 where the hardware that the run is for multiplies it fast, else single precision.

    A processor without the instructions computes bf16 too, at a seventieth of the speed of single precision.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "32-true"
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
        updates = trainer.estimated_stepping_batches
        if done and updates != math.inf:
            minutes = (now - self._begun[0]) / done * max(0, updates - trainer.global_step) / 60
            module.log("minutes_left", round(minutes, 1), prog_bar=True, logger=False, batch_size=1)


class _Parser(LightningArgumentParser):
    """Says what an unknown setting was probably meant to be."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A name cut short is a slip of the hand, and would be another setting once one more begins so.
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise SettingsError with the message in one line."""
        message = " ".join(message.split())
        found = [".".join(filter(None, names)) for names in _UNKNOWN.findall(message)]
        # A list's entries have a parser of their own, which has said it already.
        if found and _NOT_A_SETTING not in message:
            message = "; ".join(f"{name} {_NOT_A_SETTING}{self._near(name)}" for name in found)
        raise SettingsError(message) from ex

    def _near(self, name: str) -> str:
        known = [action.dest for action in self._actions if action.dest not in ("help", "==SUPPRESS==")]
        by_last_part = {setting.rpartition(".")[2]: setting for setting in known}
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.7) or [
            by_last_part[last] for last in difflib.get_close_matches(name.rpartition(".")[2], by_last_part, n=1)
        ]
        return f", did you mean {near[0]}?" if near else "; --help lists them"


_NOT_A_SETTING = "is not a setting"
_UNKNOWN = re.compile(
    r"Group '([\w.]+)' does not accept option '([\w.]+)'|Option '([\w.]+)' is not accepted"
    r"|[Uu]nrecognized arguments: -*([\w.-]+)"
)


class TrainCommand(LightningCLI):
    """Wires the parts of a run together; every setting of trainer, model and data is a key of the config."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The run's folder, and settings that two parts share and are given once."""
        parser.add_argument("--run", type=Path, default=Path("runs/default"), help="folder for logs and checkpoints")
        parser.add_argument("--ckpt_path", type=str | None, default=None, help="checkpoint to go on from, or `last`")
        parser.link_arguments("model.tokenizer", "data.tokenizer")
        parser.link_arguments("model.seed", "data.seed")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Without Lightning's warning that the arguments were handed over: here they always are."""
        self.config = parser.parse_args(args)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer that logs and saves into the run's folder."""
        run = Path(self._get(self.config, "run"))
        chosen = self._get(self.config_init, "trainer")
        for name in _OWN:
            if chosen[name] != inspect.signature(Trainer).parameters[name].default:
                raise SettingsError(f"trainer.{name} is {chosen[name]}; `asr train` chooses it itself, so leave it out")
        callbacks = [*(chosen["callbacks"] or []), LearningRateMonitor(logging_interval="step")]
        if chosen["enable_checkpointing"] is not False:
            callbacks.append(
                ModelCheckpoint(
                    dirpath=run / CHECKPOINTS,
                    filename="{step}",
                    monitor="step",
                    mode="max",
                    save_top_k=KEPT,
                    save_last=True,
                    enable_version_counter=False,
                )
            )
        if chosen["enable_progress_bar"] is not False:
            callbacks += [Remaining(), TQDMProgressBar(refresh_rate=1 if sys.stderr.isatty() else 50)]
        return super().instantiate_trainer(
            callbacks=callbacks,
            logger=[TensorBoardLogger(run, name="tensorboard"), CSVLogger(run, name="csv")],
            precision=chosen["precision"] or best_precision(chosen["accelerator"]),
            default_root_dir=chosen["default_root_dir"] or run,
            # The plan of an epoch depends on its number.
            reload_dataloaders_every_n_epochs=1,
            # Each process takes its share of the plan.
            use_distributed_sampler=False,
            num_sanity_val_steps=chosen["num_sanity_val_steps"] or 0,
        )


def train(arguments: Sequence[str]) -> None:
    """Run a training from the command line's arguments, `--config FILE` first of all.

    Raises SettingsError, ManifestError, BundleError (the tokenizer) or AudioError for what cannot be used.
    """
    with _quiet_lightning():
        try:
            command = TrainCommand(
                SpeechModule,
                SpeechData,
                args=list(arguments),
                seed_everything_default=0,
                save_config_kwargs={"overwrite": True},
                parser_class=_Parser,
                run=False,
            )
            path = command.config["ckpt_path"]
            _check_checkpoint(Path(command.config["run"]), path, saving=command.trainer.checkpoint_callback is not None)
            command.trainer.fit(command.model, command.datamodule, ckpt_path=path)
        except MisconfigurationException as error:
            raise SettingsError(f"trainer: {' '.join(str(error).split())}") from error


def _check_checkpoint(run: Path, path: str | None, saving: bool) -> None:
    """Keep a new run from mixing its checkpoints with those of an older one; export would average the two."""
    if saving and path is None and (found := sorted((run / CHECKPOINTS).glob("*.ckpt"))):
        raise SettingsError(
            f"{run}: holds the checkpoints of a run already ({found[0].name}, …); "
            "go on with --ckpt_path last, or name another folder with --run"
        )
    if path is not None and path != "last" and not Path(path).is_file():
        raise SettingsError(f"{path}: no such checkpoint; wanted a file, or `last` for the run's last one")


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without the lines that Lightning says to everyone and that ask nothing of a person who trains."""
    said = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    said.addFilter(_no_advertisement)
    try:
        with warnings.catch_warnings():
            # How many workers there are is a setting here, and the dev set needs none.
            warnings.filterwarnings("ignore", message=".*does not have many workers")
            # Going on with a run writes to its folder again.
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty")
            # Lightning 2.6 calls what torch 2.11 and jsonargparse are about to rename.
            for kind in (DeprecationWarning, FutureWarning):
                warnings.filterwarnings("ignore", category=kind, module=r"lightning\.")
            yield
    finally:
        said.removeFilter(_no_advertisement)


def _no_advertisement(record: logging.LogRecord) -> bool:
    return "Tip:" not in record.getMessage()
