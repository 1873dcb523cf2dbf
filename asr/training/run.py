"""`asr.train`: a training from a program, and what came of it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import SettingsError
from asr.extras import explained
from asr.settings import check_path, shown


@dataclass(frozen=True)
class Trained:
    """What came of a training: the ``folder`` of the run, with its checkpoints, logs and ``curves.png``, and the
    optimiser's ``updates`` in all, those before an interruption too.
    """

    folder: Path
    updates: int

    def export(self, out: str | os.PathLike[str], *, average: int = 5) -> Path:
        """Write the bundle of the run's last ``average`` checkpoints, their weights averaged, to the folder ``out``.

        A bundle that is there is replaced. Returns its folder, for ``asr.load``.

        Raises BundleError for a run without checkpoints, fewer than 1 to average, or a folder that is no bundle.
        """
        from asr.training.export import export_run

        return export_run(self.folder, Path(out), average=average)


def train(config: str | os.PathLike[str], settings: Mapping[str, Any] | None = None) -> Trained:
    """Train a model on a config, as `asr train --config` does, with the same lines of progress.

    Examples:
        >>> import asr
        >>> trained = asr.train("recipes/digits/train.yaml", {"trainer.max_epochs": 5})  # doctest: +SKIP
        >>> model = asr.load(trained.export("runs/digits/bundle"))  # doctest: +SKIP

    Args:
        config: a YAML file of settings; it is code, and imports and calls what it names.
        settings: others in place of the config's, by their dotted names: ``run`` is the folder (runs/default where
            nothing says another), ``{"ckpt_path": "last"}`` goes on with an interrupted run. With ``dry_run`` it prints
            what the training would be, and makes no update.

    On several devices Lightning starts the calling program once for each of them.

    Raises:
        SettingsError: a setting that is not known, or whose value cannot be used.
        ManifestError, AudioError, BundleError: data, or a tokenizer, that cannot be used.
        AsrError: a package of the extra ``train`` is not installed.
        KeyboardInterrupt: ctrl-C; the run is saved before.
    """
    check_path("train", "config", config, "the path of a YAML file of settings")
    if settings is not None and not isinstance(settings, Mapping):
        raise SettingsError(f"train: settings is {shown(settings)}; it must be a dict of values by their dotted names")
    with explained("asr.train"):
        from asr.training.command import train as carry_out
    command = carry_out(
        [f"--config={os.fspath(config)}", *(f"--{name}={_typed(value)}" for name, value in (settings or {}).items())]
    )
    return Trained(Path(command.config["run"]), command.trainer.global_step)


def _typed(value: Any) -> str:
    """A value as it is typed on the command line."""
    return os.fspath(value) if isinstance(value, str | os.PathLike) else json.dumps(value, default=os.fspath)
