"""`asr train`: LightningCLI with the run's folder, its logs, its checkpoints and the precision of the hardware."""

import difflib
import inspect
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from jsonargparse import set_parsing_settings
from lightning import Trainer
from lightning.fabric.plugins import CheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import LearningRateMonitor, TQDMProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from asr.errors import SettingsError
from asr.training.attention import AttentionPicture
from asr.training.checkpoints import (
    AtomicCheckpoints,
    EpochCheckpoints,
    LoaderAgain,
    RescueCheckpoint,
    check_checkpoint,
)
from asr.training.data_module import SpeechData
from asr.training.dry_run import estimate
from asr.training.module import SpeechModule
from asr.training.progress import Curves, LeftOut, Remaining, SetUpFirst, Throughput

_DESCRIPTION = (
    "Train a model with the settings of a YAML file, --config FILE, such as recipes/digits/train.yaml. Every setting "
    "below is a key of that file too, and what is given here comes before what the file says."
)
_OWN = ("logger", "barebones", "reload_dataloaders_every_n_epochs", "use_distributed_sampler")
"""Settings of Lightning's trainer that are the command's to choose, so others are refused."""


def best_precision(accelerator: str = "auto") -> str:
    """bf16 on a GPU that multiplies it itself, single precision on all else.

    On processors too: without instructions for bf16 it has a seventieth of the speed, and with them (AMX) the default
    model still learnt at 89 times real time against 133 in single precision, for its products are too small to win back
    what the conversions cost. Who knows better says `--trainer.precision bf16-mixed`.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "32-true"


class _Parser(LightningArgumentParser):
    """Says what an unknown setting was probably meant to be."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A name cut short is a slip of the hand, and would be another setting once one more begins so.
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise SettingsError with the message in one line."""
        message = " ".join(message.split())
        if absent := _NO_CONFIG.search(message):
            message = f"{absent[2]}: found no such file, wanted a YAML file of settings; see recipes/ for examples"
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


_NO_CONFIG = re.compile(r"""key "config": .*does not exist: (['"]?)(.+)\1""")
_NOT_A_SETTING = "is not a setting"
_UNKNOWN = re.compile(
    r"Group '([\w.]+)' does not accept option '([\w.]+)'|Option '([\w.]+)' is not accepted"
    r"|[Uu]nrecognized arguments: -*([\w.-]+)"
)


class TrainCommand(LightningCLI):
    """Wires the parts of a run together; every setting of trainer, model and data is a key of the config."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The run's folder, what there is to do besides training, and settings that two parts share."""
        parser.add_argument("--run", type=Path, default=Path("runs/default"), help="Folder for logs and checkpoints.")
        parser.add_argument(
            "--ckpt_path", type=str | None, default=None, help="Checkpoint to continue from, or `last`."
        )
        parser.add_argument(
            "--save_every_minutes",
            type=float,
            default=5.0,
            help="Minutes between saves of last.ckpt within an epoch; 0 is never.",
        )
        parser.add_argument(
            "--save_every_updates", type=int, default=0, help="Updates between saves of last.ckpt, besides; 0 is never."
        )
        parser.add_argument(
            "--dry_run", type=bool, default=False, help="Print the config, sizes, time and memory, and train nothing."
        )
        parser.link_arguments("model.tokenizer", "data.tokenizer")
        parser.link_arguments("model.seed", "data.seed")
        parser.link_arguments("model.margin_seconds", "data.margin_seconds")

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
        callbacks = [
            SetUpFirst(),
            LoaderAgain(),
            *_listed(chosen["callbacks"]),
            LearningRateMonitor(logging_interval="step"),
        ]
        rescue = RescueCheckpoint(
            run,
            minutes=self._get(self.config, "save_every_minutes"),
            updates=self._get(self.config, "save_every_updates"),
        )
        if chosen["enable_checkpointing"] is not False and not chosen["fast_dev_run"]:
            callbacks += [EpochCheckpoints(run), rescue]
        callbacks += [Throughput(), Curves(run), LeftOut(run), AttentionPicture()]
        if chosen["enable_progress_bar"] is not False:
            callbacks += [Remaining(), TQDMProgressBar(refresh_rate=1 if sys.stderr.isatty() else 50)]
        return super().instantiate_trainer(
            callbacks=callbacks,
            logger=[TensorBoardLogger(run, name="tensorboard"), CSVLogger(run, name="csv")],
            default_root_dir=chosen["default_root_dir"] or run,
            num_sanity_val_steps=chosen["num_sanity_val_steps"] or 0,
            **self._common(),
        )

    def probing_trainer(self, **settings: Any) -> Trainer:
        """A trainer on the same hardware that writes nothing."""
        silent: dict[str, Any] = {
            "callbacks": [SetUpFirst()],
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "fast_dev_run": False,
            "profiler": None,
            "max_time": None,
            "min_epochs": None,
            "min_steps": None,
        }
        return Trainer(**{**self._get(self.config_init, "trainer"), **silent, **self._common(), **settings})

    def _common(self) -> dict[str, Any]:
        """What every trainer needs."""
        chosen = self._get(self.config_init, "trainer")
        plugins = _listed(chosen["plugins"])
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins.append(AtomicCheckpoints())
        return {
            "plugins": plugins,
            "precision": chosen["precision"] or best_precision(chosen["accelerator"]),
            # The plan of an epoch depends on its number.
            "reload_dataloaders_every_n_epochs": 1,
            # Each process takes its share of the plan.
            "use_distributed_sampler": False,
        }


def train(arguments: Sequence[str], tell: Callable[[str], object] = print) -> TrainCommand:
    """Run a training from the command line's arguments, `--config FILE` first of all, and return its parts.

    With `--dry_run`, ``tell`` what it finds instead, line by line. Raises SettingsError, ManifestError, BundleError
    (the tokenizer) or AudioError for what cannot be used, and KeyboardInterrupt at ctrl-C.
    """
    with quiet_lightning():
        try:
            command = make_command(arguments)
            if command.config["dry_run"]:
                _dry_run(command, tell)
            else:
                path, run = command.config["ckpt_path"], Path(command.config["run"])
                check_checkpoint(run, path, saving=command.trainer.checkpoint_callback is not None)
                command.trainer.fit(command.model, command.datamodule, ckpt_path=path, weights_only=True)
        except MisconfigurationException as error:
            raise SettingsError(f"trainer: {' '.join(str(error).split())}") from error
    return command


def make_command(arguments: Sequence[str]) -> TrainCommand:
    """The parts of a run, made from the arguments of `asr train` and ready to go. Raises SettingsError."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)  # they are the help of the settings
    return TrainCommand(
        SpeechModule,
        SpeechData,
        args=_with_values(arguments),
        seed_everything_default=0,
        # The model has an optimiser and a schedule of its own, with settings under model.optimiser.
        auto_configure_optimizers=False,
        parser_kwargs={"prog": "asr train", "description": _DESCRIPTION},
        save_config_kwargs={"overwrite": True},
        parser_class=_Parser,
        run=False,
    )


def _dry_run(command: TrainCommand, tell: Callable[[str], object]) -> None:
    """Print the config as it would run, and below it, as comments, what it would take."""
    found = estimate(command.model, command.datamodule, command.trainer, command.probing_trainer)
    if command.trainer.is_global_zero:
        command.config["dry_run"] = False
        for line in command.parser.dump(command.config, skip_none=False).rstrip().split("\n"):
            tell(line)
        for line in found.lines():
            tell(f"# {line}")


def _with_values(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `true` after a bare --dry-run."""
    given = []
    for argument, following in zip(arguments, [*arguments[1:], "--"], strict=True):
        name, equals, value = argument.partition("=")
        if name in ("--dry_run", "--dry-run"):
            bare = not equals and following.startswith("-")
            given.append("--dry_run=true" if bare else f"--dry_run{equals}{value}")
        else:
            given.append(argument)
    return given


def _listed(given: Any) -> list[Any]:
    """What may be written as nothing, one or several."""
    return list(given) if isinstance(given, list | tuple) else [] if given is None else [given]


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without the lines that Lightning says to everyone and that ask nothing of a person who trains.

    Raises KeyboardInterrupt at ctrl-C, as all else does.
    """
    for name in _TALKERS:
        logging.getLogger(name).addFilter(_worth_saying)
    try:
        with warnings.catch_warnings():
            # How many workers there are is a setting here, and the dev set needs none.
            warnings.filterwarnings("ignore", message=".*does not have many workers")
            # Mixed precision keeps the weights in 32 bits, as the summary then takes them to be.
            warnings.filterwarnings("ignore", message="Precision .* is not supported by the model summary")
            # Each worker reads a part of its own of the shards.
            warnings.filterwarnings("ignore", message="Your `IterableDataset` has `__len__` defined")
            # Going on with a run writes to its folder again.
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty")
            # Lightning 2.6 calls what torch 2.11 and jsonargparse are about to rename.
            for kind in (DeprecationWarning, FutureWarning):
                warnings.filterwarnings("ignore", category=kind, module=r"lightning\.")
            yield
    except SystemExit as end:
        # Lightning tidies up after ctrl-C and then ends with the status of a failure.
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from end
        raise
    finally:
        for name in _TALKERS:
            logging.getLogger(name).removeFilter(_worth_saying)


_TALKERS = ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.trainer.connectors.checkpoint_connector")


def _worth_saying(record: logging.LogRecord) -> bool:
    """No advertisements, not at every checkpoint that it is saved whole, and not that a default is what it is."""
    return not any(
        words in record.getMessage() for words in ("Tip:", "`weights_only` was not set", "was configured so")
    )
