"""A bundle's model taught further: what it was trained with is rehearsed while it learns something new."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import yaml

from asr.bundle import TOKENIZER, Bundle
from asr.data.augmentation.augmenter import AugmentationSettings
from asr.data.batches.batching import BatchSettings
from asr.data.manifests.bounded import is_file, is_folder
from asr.data.manifests.manifest import read_manifest
from asr.errors import AsrError, ManifestError, SettingsError
from asr.files import write_whole
from asr.model.settings import ModelSettings
from asr.training.checkpoints import CHECKPOINTS
from asr.training.command import TrainCommand, make_command, quiet_lightning
from asr.training.data_module import SpeechData, TrainingSource
from asr.training.dry_run import estimate
from asr.training.settings import LossSettings, OptimiserSettings, SpecAugmentSettings

REHEARSED_SHARE: Final = 0.3
"""How many of an epoch's utterances are of the bundle's own training set, so that less is forgotten.

Rehearsal: Robins, "Catastrophic forgetting, rehearsal and pseudorehearsal", 1995.
"""

OWN_SHARE: Final = 0.15
"""How many are the person's own takes, if that repeats none more than ``OWN_MOST`` times."""

OWN_MOST: Final = 20.0

_WARMUP_SHARE = 0.1
_WARMUP_MOST = 100
_DECODED = 40  # utterances read after an epoch, only to be looked at
_HELD_HOURS = 30.0


@dataclass(frozen=True)
class TrainingSet:
    """What a bundle was trained with, as far as its lists are found from the working directory.

    ``absent`` names the others, ``unreadable`` says of those that are there what is wrong with them. ``settings`` are
    those of the training by part (``data``, ``model``), as the bundle keeps them.
    """

    train: tuple[TrainingSource, ...] = ()
    dev: tuple[Path, ...] = ()
    noise: tuple[Path, ...] = ()
    impulses: tuple[Path, ...] = ()
    absent: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def training_set(bundle: Bundle) -> TrainingSet:
    """Look for the lists of a bundle's training; an empty one where the bundle does not say.

    Raises SettingsError where what it says is no config of a training.
    """
    try:
        config = yaml.safe_load(bundle.provenance.get("config") or "") or {}
        data = config.get("data", {})
        train = [
            TrainingSource(str(each["manifest"]), float(each.get("weight", 1.0)), float(each.get("balance", 0.0)))
            for each in data.get("train") or []
        ]
        named = {name: [str(path) for path in data.get(name) or []] for name in ("dev", "noise", "impulses")}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise SettingsError(
            f"{bundle.folder}: its config of the training cannot be read ({' '.join(str(error).split())}); "
            "export the model again"
        ) from error
    every = [source.manifest for source in train] + [path for paths in named.values() for path in paths]
    # Whoever made the bundle named them: a device never ends, and a pipe waits for ever.
    absent = tuple(path for path in every if not (is_file(Path(path)) or is_folder(Path(path))))
    faults = {path: fault for path in dict.fromkeys(every) if path not in absent and (fault := _fault(Path(path)))}
    left_out = {*absent, *faults}
    return TrainingSet(
        train=tuple(source for source in train if source.manifest not in left_out),
        **{name: tuple(Path(path) for path in paths if path not in left_out) for name, paths in named.items()},
        absent=absent,
        unreadable=tuple(faults.values()),
        settings=config,
    )


def _fault(path: Path) -> str | None:
    try:
        read_manifest(path)
    except ManifestError as error:
        return str(error)
    return None


@dataclass(frozen=True)
class Material:
    """What there is to learn from: lists of recordings of the ``new``, of the person's ``own``, and what to rehearse.

    ``dev`` is only looked at while it learns.
    """

    new: tuple[Path, ...]
    dev: tuple[Path, ...]
    own: Path | None
    rehearsed: TrainingSet


def weighed(material: Material) -> list[TrainingSource]:
    """The material with how often each utterance comes in an epoch: the new once, the others by their shares."""
    new = sum(len(read_manifest(path)) for path in material.new)
    sources = [TrainingSource(str(path)) for path in material.new]
    others = 1 - (REHEARSED_SHARE if material.rehearsed.train else 0) - (OWN_SHARE if material.own else 0)
    if material.own:
        own = len(read_manifest(material.own))
        sources.append(TrainingSource(str(material.own), min(OWN_MOST, max(1.0, OWN_SHARE / others * new / own))))
    before = [(source, len(read_manifest(Path(source.manifest)))) for source in material.rehearsed.train]
    whole = sum(source.weight * count for source, count in before)
    if whole:
        share = min(1.0, REHEARSED_SHARE / others * new / whole)
        sources += [replace(source, weight=share * source.weight) for source, _ in before]
    return sources


def config_of(bundle: Bundle, material: Material, run: Path, *, peak_rate: float, seed: int) -> dict[str, Any]:
    """The config of a training that goes on from a bundle: its settings, a low rate, and no phonemes.

    The head that reads phonemes is not in a bundle. Augmentation is at full strength from the start: what the model
    can already read does not have to be made easy.
    """
    was = material.rehearsed.settings
    model, data = _part(was, "model"), _part(was, "data")
    loss = {**_known(LossSettings, _part(model, "loss"))}
    end = {**asdict(LossSettings().end), **_part(loss, "end"), "phoneme": 0.0}
    dimensions = ModelSettings.from_dict(dict(bundle.model))
    return {
        "run": str(run),
        "seed_everything": seed,
        "save_every_minutes": 1.0,
        "model": {
            "tokenizer": str(bundle.folder / TOKENIZER),
            "start_from": str(bundle.folder),
            "features": bundle.features.to_dict(),
            "model": dimensions.to_dict(),
            # However long the bundle's own training held its rate, this one begins to fall at once.
            "optimiser": {
                **_known(OptimiserSettings, _part(model, "optimiser")),
                "peak_rate": peak_rate,
                "hold_updates": 0,
            },
            "loss": {**loss, "start": end, "end": end, "phoneme_layer": dimensions.encoder_layers},
            "spec_augment": {**_known(SpecAugmentSettings, _part(model, "spec_augment")), "from_update": 0},
            "decoded_at_most": _DECODED,
            "margin_seconds": bundle.decoding.margin_seconds,
            "seed": seed,
        },
        "data": {
            "train": [asdict(source) for source in weighed(material)],
            "dev": [str(path) for path in material.dev],
            "noise": [str(path) for path in material.rehearsed.noise],
            "impulses": [str(path) for path in material.rehearsed.impulses],
            "made_noises": data.get("made_noises", 0),
            "simulated_rooms": data.get("simulated_rooms", 0),
            "augmentation": {**_known(AugmentationSettings, _part(data, "augmentation")), "ramp_epochs": 0.0},
            "batches": _known(BatchSettings, _part(data, "batches")),
            "phonemes": False,
            "hold_hours": _HELD_HOURS,
            "workers": data.get("workers", 1),
        },
        "trainer": {"gradient_clip_val": 1.0, "log_every_n_steps": 1, "enable_model_summary": False},
    }


@dataclass(frozen=True)
class Planned:
    """How many updates there is time for; ``data`` is read already."""

    updates: int
    data: SpeechData


def plan_updates(config: Mapping[str, Any], minutes: float) -> Planned:
    """Learn from a few batches to see how many updates, and readings of the dev set, go into so many minutes.

    Raises what the training itself would.
    """
    with quiet_lightning():
        command = _command({**config, "trainer": {**config["trainer"], "max_epochs": 1}})
        found = estimate(command.model, command.datamodule, command.trainer, command.probing_trainer)
    assert found.seconds, "one epoch has an end, and takes time"
    return Planned(max(1, math.floor(60 * minutes / found.seconds * found.plan.first_updates)), command.datamodule)


def fine_tune(config: Mapping[str, Any], updates: int, data: SpeechData | None = None) -> None:
    """So many updates; goes on from the run's last checkpoint where there is one, with the same result.

    ``data`` is what ``plan_updates`` has read. Raises KeyboardInterrupt at ctrl-C, and what a training raises.
    """
    run = Path(config["run"])
    model = config["model"]
    warmup = min(_WARMUP_MOST, math.ceil(_WARMUP_SHARE * updates))
    settings = {
        **config,
        "model": {**model, "optimiser": {**model["optimiser"], "warmup_updates": warmup, "total_updates": updates}},
        "trainer": {**config["trainer"], "max_epochs": -1, "max_steps": updates},
    }
    last = "last" if (run / CHECKPOINTS / "last.ckpt").is_file() else None
    with quiet_lightning():
        command = _command(settings)
        command.trainer.fit(command.model, data or command.datamodule, ckpt_path=last, weights_only=True)
    if command.trainer.global_step < updates:
        raise AsrError(f"{run}: the training ended after {command.trainer.global_step} of {updates} updates")


def _command(config: Mapping[str, Any]) -> TrainCommand:
    path = Path(config["run"]) / "config.yaml"
    # JSON is YAML, but for numbers such as 1e-05, which YAML takes for text.
    write_whole(path, yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False).encode())
    return make_command(["--config", str(path)])


def _part(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return dict(found) if isinstance(found, Mapping) else {}


def _known(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are still settings: a bundle may be older than this version."""
    names: Sequence[str] = [each.name for each in fields(kind)]
    return {name: value for name, value in values.items() if name in names}
