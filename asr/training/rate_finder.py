"""Which peak rate to train with: the range test of Smith (2017), by Lightning's tuner."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.tuner.tuning import Tuner

from asr.errors import SettingsError
from asr.training.data_module import SpeechData
from asr.training.module import SpeechModule
from asr.training.probe import ProbeData

PICTURE = "rate_finder.png"
_LOWEST, _HIGHEST = 1e-6, 1.0
_UPDATES = 100


@dataclass(frozen=True)
class FoundRate:
    """The suggested peak rate, and the picture of the loss over the rates that were tried."""

    rate: float
    picture: Path


def find_rate(module: SpeechModule, data: SpeechData, run: Path, trainer_with: Callable[..., Trainer]) -> FoundRate:
    """Train for a hundred updates with ever higher rates; the one where the loss falls fastest is suggested.

    Warm-up and decay play no part in it, the batches are those the run begins with. ``trainer_with`` makes a trainer
    from settings. The picture goes into the run's folder; nothing else stays. Raises SettingsError where the loss never
    fell.
    """
    from matplotlib.figure import Figure

    # Lightning keeps the model's first state in a file, which it leaves behind when something fails.
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_with(max_epochs=-1, max_steps=_UPDATES, default_root_dir=folder)
        finder = Tuner(trainer).lr_find(
            module,
            datamodule=ProbeData(data),
            min_lr=_LOWEST,
            max_lr=_HIGHEST,
            num_training=_UPDATES,
            update_attr=False,
        )
    rate = finder.suggestion() if finder else None
    if finder is None or rate is None:
        raise SettingsError("find_rate: the loss was no number from the start; lower model.loss or look at the data")
    rates, losses = finder.results["lr"], finder.results["loss"]
    figure = Figure((8, 5), layout="constrained")
    axis = figure.subplots()
    axis.semilogx(rates, losses)
    axis.semilogx([rate], [losses[rates.index(rate)]], "o", color="#D55E00", label=f"falls fastest at {rate:.2g}")
    axis.set(xlabel="rate", ylabel="loss, smoothed", ylim=(0, 2 * max(losses[: len(losses) // 2])))
    axis.legend()
    run.mkdir(parents=True, exist_ok=True)
    figure.savefig(run / PICTURE)
    return FoundRate(rate, run / PICTURE)
