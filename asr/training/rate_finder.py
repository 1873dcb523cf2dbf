"""Which peak rate to train with: the range test of Smith (2017), by Lightning's tuner."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lightning import Trainer
from lightning.pytorch.tuner.tuning import Tuner

from asr.errors import SettingsError
from asr.training.data_module import SpeechData
from asr.training.module import SpeechModule

PICTURE = "rate_finder.png"
_LOWEST, _HIGHEST = 1e-6, 1.0
_UPDATES = 100
_SKIPPED = 10  # until the running mean of the loss means something
_AVERAGED = 9  # neighbours, an odd number


@dataclass(frozen=True)
class FoundRate:
    """The suggested peak rate, and the picture of the loss over the rates that were tried."""

    rate: float
    picture: Path


def find_rate(module: SpeechModule, data: SpeechData, run: Path, trainer_with: Callable[..., Trainer]) -> FoundRate:
    """Train for a hundred updates with ever higher rates; the one where the loss falls fastest is suggested.

    Warm-up and decay play no part in it, the batches are those the run begins with. ``trainer_with`` makes a trainer
    from settings. The picture goes into the run's folder; nothing else stays. The module has learnt nothing afterwards.
    Raises SettingsError where the loss did not fall.
    """
    from matplotlib.figure import Figure

    # Lightning keeps the model's first state in a file, which it leaves behind when something fails.
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_with(
            max_epochs=-1,
            max_steps=_UPDATES,
            default_root_dir=folder,
            # The finder switches validation on; it would be most of the time in a small set's many epochs.
            val_check_interval=1.0,
            check_val_every_n_epoch=10**9,
        )
        finder = Tuner(trainer).lr_find(
            module, datamodule=data, min_lr=_LOWEST, max_lr=_HIGHEST, num_training=_UPDATES, update_attr=False
        )
    assert finder is not None
    rates, losses = finder.results["lr"], finder.results["loss"]
    best = steepest(rates, losses)
    if best is None:
        raise SettingsError(f"find_rate: the loss fell with no rate from {_LOWEST:g} to {_HIGHEST:g}; look at the data")
    figure = Figure((8, 5), layout="constrained")
    axis = figure.subplots()
    axis.semilogx(rates[_SKIPPED:], losses[_SKIPPED:])
    axis.semilogx([rates[best]], [losses[best]], "o", color="#D55E00", label=f"falls fastest at {rates[best]:.2g}")
    axis.set(xlabel="rate", ylabel="loss, running mean", ylim=(0, 1.5 * losses[_SKIPPED]))
    axis.legend()
    run.mkdir(parents=True, exist_ok=True)
    picture, unfinished = run / PICTURE, run / f".{PICTURE}"
    figure.savefig(unfinished, format="png")
    unfinished.replace(picture)
    return FoundRate(rates[best], picture)


def steepest(rates: Sequence[float], losses: Sequence[float]) -> int | None:
    """Where the loss falls most for a rate that grows by a given factor; None where it falls nowhere.

    Lightning's own suggestion takes the slope over the rate itself, not its logarithm; between the lowest rates, which
    lie a millionth apart, the noise of the batches is then steeper than any fall.
    """
    kept = [number for number in range(_SKIPPED, len(losses)) if np.isfinite(losses[number])]
    if len(kept) < 2 * _AVERAGED:
        return None
    around = np.lib.stride_tricks.sliding_window_view(np.array(losses)[kept], _AVERAGED).mean(axis=1)
    inner = kept[_AVERAGED // 2 : -(_AVERAGED // 2)]
    slopes = np.gradient(around, np.log(np.array(rates)[inner]))
    best = int(slopes.argmin())
    return inner[best] if slopes[best] < 0 else None
