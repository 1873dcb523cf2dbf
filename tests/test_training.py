"""Real trainings of a tiny model on words of tones, through the command."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from lightning import Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import asr
from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation.augmenter import AugmentationSettings
from asr.data.batches.batching import BatchSettings
from asr.data.batches.dataset import Batch
from asr.errors import AsrError, BundleError, ManifestError, SettingsError
from asr.model.settings import ModelSettings
from asr.text.tokenizer import Tokenizer
from asr.training import command, module
from asr.training.attention import ATTENTION, READ
from asr.training.checkpoints import CHECKPOINTS
from asr.training.command import best_precision, train
from asr.training.data_module import SpeechData, TrainingSource
from asr.training.losses import LossWeights
from asr.training.module import SpeechModule
from asr.training.settings import LossSettings, OptimiserSettings, SpecAugmentSettings

ROOT = Path(__file__).resolve().parents[1]
EPOCHS = 4
# Each word is two tones, in Hz; a speaker shifts them.
WORDS = {"one": (400, 900), "two": (700, 1500), "red": (1100, 300), "go": (1800, 2600)}
SPEAKERS = {"train": {"ann": 1.0, "bob": 1.05, "cat": 0.95}, "dev": {"dan": 1.02}}


def say(word: str, shift: float, path: Path) -> None:
    time = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
    spoken = 0.3 * np.concatenate([np.sin(2 * np.pi * hertz * shift * time) for hertz in WORDS[word]])
    soundfile.write(path, np.pad(spoken, 1600), SAMPLE_RATE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.tsv, dev.tsv, noise.tsv and tokenizer.model."""
    folder = tmp_path_factory.mktemp("tones")
    for split, speakers in SPEAKERS.items():
        rows = ["path\tspeaker\ttext"]
        for speaker, shift in speakers.items():
            for word in WORDS:
                say(word, shift, folder / f"{speaker}_{word}.wav")
                rows.append(f"{speaker}_{word}.wav\t{speaker}\t{word}")
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    soundfile.write(folder / "noise.wav", np.random.default_rng(0).uniform(-0.1, 0.1, SAMPLE_RATE), SAMPLE_RATE)
    (folder / "noise.tsv").write_text("path\tspeaker\ttext\nnoise.wav\t-\t\n")
    (folder / "tokenizer.model").write_bytes(Tokenizer.train([" ".join(WORDS)] * 10, 36).model)
    return folder


def config(data: Path, run: Path) -> dict[str, Any]:
    return {
        "run": str(run),
        "model": {
            "tokenizer": str(data / "tokenizer.model"),
            "model": {"d_model": 32, "heads": 2, "feedforward": 64, "encoder_layers": 2, "decoder_layers": 1},
            "optimiser": {"peak_rate": 5e-3, "warmup_updates": 4},
            "loss": {"phoneme_layer": 1},
        },
        "data": {
            "train": [{"manifest": str(data / "train.tsv"), "weight": 2}],
            "dev": [str(data / "dev.tsv")],
            "noise": [str(data / "noise.tsv")],
            "augmentation": {"ramp_epochs": 4},
            "batches": {"seconds": 14.0},
            "phonemes": "off",
            "join_ramp_epochs": 2,
            "workers": 0,
        },
        "trainer": {
            "max_epochs": EPOCHS,
            "accelerator": "cpu",
            "devices": 1,
            "precision": "32-true",
            "gradient_clip_val": 1.0,
            "log_every_n_steps": 1,
        },
    }


def written(settings: dict[str, Any], folder: Path) -> str:
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def put(settings: dict[str, Any], key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for group in groups:
        settings = settings.setdefault(group, {})
    settings[last] = value


@pytest.fixture
def settings(data: Path, tmp_path: Path) -> dict[str, Any]:
    """A tiny run's config, to be changed."""
    return config(data, tmp_path / "run")


@pytest.fixture
def arguments(settings: dict[str, Any], tmp_path: Path) -> list[str]:
    return ["--config", written(settings, tmp_path)]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Trainer]:
    """The trainers that were about to train, and did not."""
    seen: list[Trainer] = []
    monkeypatch.setattr(Trainer, "fit", lambda self, *_, **__: seen.append(self))
    return seen


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("straight")
    train(["--config", written(config(data, folder / "run"), folder)])
    return folder / "run"


def test_a_program_trains_and_exports_as_the_command_does(
    straight: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    config = written(settings, tmp_path)
    begun = asr.train(config, {"trainer.max_epochs": 1, "run": tmp_path / "mine"})
    assert (begun.folder, begun.updates) == (tmp_path / "mine", len(logged(begun.folder, "loss")))
    trained = asr.train(Path(config), {"run": str(tmp_path / "mine"), "ckpt_path": "last"})
    assert (trained.folder, trained.updates) == (tmp_path / "mine", last(straight)["global_step"])
    for name, weight in last(straight)["state_dict"].items():
        assert torch.equal(last(trained.folder)["state_dict"][name], weight), name
    bundle = trained.export(tmp_path / "bundle", average=1)
    assert asr.load(bundle).transcriber.bundle.provenance["updates"] == trained.updates
    with pytest.raises(SettingsError, match=r"did you mean trainer\.max_epochs"):
        asr.train(config, {"trainer.max_epoch": 1})
    with pytest.raises(SettingsError, match="absent") as caught:
        asr.train(tmp_path / "absent.yaml")
    assert "\n" not in str(caught.value)


def logged(run: Path, column: str, version: int = 0) -> dict[int, float]:
    """A column of the run's CSV log by update."""
    with (run / "csv" / f"version_{version}" / "metrics.csv").open() as file:
        return {int(row["step"]): float(row[column]) for row in csv.DictReader(file) if row.get(column)}


def last(run: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(run / CHECKPOINTS / "last.ckpt", weights_only=True)
    return checkpoint


# A whole run


def test_the_run_folder_holds_checkpoints_logs_and_config(straight: Path) -> None:
    names = sorted(path.name for path in (straight / CHECKPOINTS).iterdir())
    assert len(names) == EPOCHS + 1
    assert "last.ckpt" in names
    assert list(straight.glob("tensorboard/version_0/events.out.tfevents.*"))
    kept = yaml.safe_load((straight / "tensorboard" / "version_0" / "config.yaml").read_text())
    assert kept["model"]["model"]["d_model"] == 32
    assert kept["data"]["batches"]["seconds"] == 14.0
    assert kept["data"]["batches"]["join_most"] == BatchSettings().join_most, "defaults are written out"
    for column in ("loss", "train/decoder", "train/ctc", "dev/decoder", "dev/ctc", "dev/wer", "dev/ctc_wer"):
        assert logged(straight, column), column


def test_tensorboard_shows_attention_to_the_same_utterance_after_every_epoch(straight: Path) -> None:
    events = EventAccumulator(str(straight / "tensorboard" / "version_0")).Reload()
    pictures, texts = events.Images(ATTENTION), events.Tensors(f"{READ}/text_summary")
    updates = sorted(logged(straight, "dev/wer"))
    assert [event.step for event in pictures] == [event.step for event in texts] == [step + 1 for step in updates]
    assert len(updates) == EPOCHS
    assert {(picture.width, picture.height) for picture in pictures} == {(700, pictures[0].height)}
    assert len({picture.encoded_image_string for picture in pictures}) == EPOCHS, "it learns"
    said = {event.tensor_proto.string_val[0].decode().partition(" → ")[0].strip() for event in texts}
    assert len(said) == 1
    assert said <= set(WORDS)


def test_a_damaged_recording_is_left_out_and_listed(
    data: Path, settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of training and dev set, once each; the run goes on."""
    copied = tmp_path / "data"
    shutil.copytree(data, copied)
    damaged = [copied / next(copied.glob(f"{speaker}_*.wav")).name for speaker in ("ann", "dan")]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:60])
    settings["data"] |= {
        "train": [{"manifest": str(copied / "train.tsv")}],
        "dev": [str(copied / "dev.tsv")],
        "noise": [str(copied / "noise.tsv")],
        "workers": 1,
    }
    settings["trainer"]["max_epochs"] = 2
    train(["--config", written(settings, tmp_path)])
    run = Path(settings["run"])
    listed = (run / "left_out.txt").read_text(encoding="utf-8").splitlines()
    assert len(listed) == 2
    for path in damaged:
        assert sum(str(path) in line for line in listed) == 1
        assert sum(str(path) in line for line in caplog.messages) == 1
    assert last(run)["epoch"] == 1


def test_a_checkpoint_holds_what_export_needs(straight: Path, data: Path) -> None:
    saved = last(straight)["asr"]
    assert saved["tokenizer"] == (data / "tokenizer.model").read_bytes()
    assert saved["model"]["d_model"] == 32
    assert set(saved) == {"features", "model", "normaliser", "tokenizer", "margin_seconds"}


def test_the_loss_falls_and_keeps_to_its_curve(straight: Path) -> None:
    loss = list(logged(straight, "loss").values())
    dev = list(logged(straight, "dev/decoder").values())
    assert np.mean(loss[-4:]) < 0.6 * np.mean(loss[:2])
    assert dev[-1] < dev[0]
    # Seen on 2026-11-30 with torch 2.11 on a CPU. Others round otherwise, which is far from a change of the sums.
    assert loss[0] == pytest.approx(10.1197, rel=1e-3)
    assert loss[4::4] == pytest.approx([6.102, 3.129, 2.322], rel=0.03)


def test_a_resumed_run_equals_the_straight_one(
    straight: Path,
    settings: dict[str, Any],
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    begin = SpeechModule.on_train_batch_start

    def killed(self: SpeechModule, batch: Batch, batch_idx: int) -> None:
        if (self.current_epoch, batch_idx) == (2, 1):
            raise OSError("power cut")
        begin(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(SpeechModule, "on_train_batch_start", killed)
        with pytest.raises(OSError, match="power cut"):
            train(arguments)
    run = Path(settings["run"])
    assert last(run)["epoch"] == 1
    torch.manual_seed(12345)  # nothing may hang on what the process drew before
    np.random.seed(12345)
    capsys.readouterr()
    train([*arguments, "--ckpt_path", "last"])
    shown = capsys.readouterr()

    resumed, wanted = last(run), last(straight)
    assert resumed["global_step"] == wanted["global_step"]
    assert resumed["state_dict"].keys() == wanted["state_dict"].keys()
    for name, weight in wanted["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], weight), name
    for number, state in wanted["optimizer_states"][0]["state"].items():
        for name, value in state.items():
            assert torch.equal(resumed["optimizer_states"][0]["state"][number][name], value)
    for column in ("loss", "train/ctc", "dev/decoder", "dev/wer", "lr-AdamW/pg1"):
        after = logged(run, column, version=1)
        assert after, column
        assert after == {step: value for step, value in logged(straight, column).items() if step in after}
    assert max(logged(run, "loss", version=1)) == max(logged(straight, "loss"))

    assert re.search(r"minutes_left=\d", shown.err + shown.out), "the bar estimates the whole run"
    for noise in ("litlogger", "args parameter", "LeafSpec"):
        assert noise not in shown.err + shown.out + caplog.text


def test_a_new_run_does_not_mix_with_an_older_one(straight: Path, arguments: list[str]) -> None:
    with pytest.raises(SettingsError, match="--ckpt_path last"):
        train([*arguments, f"--run={straight}"])


def test_a_checkpoint_of_another_model_is_refused(straight: Path, data: Path, arguments: list[str]) -> None:
    checkpoint = f"--ckpt_path={straight / CHECKPOINTS / 'last.ckpt'}"
    with pytest.raises(SettingsError, match="checkpoint's model"):
        train([*arguments, checkpoint, "--model.model.feedforward=128"])
    other = data / "other.model"
    other.write_bytes(Tokenizer.train(["too red ore wand gone"] * 10, 36).model)
    with pytest.raises(SettingsError, match="checkpoint's tokenizer"):
        train([*arguments, checkpoint, f"--model.tokenizer={other}"])


def test_a_run_may_go_on_with_another_dropout(data: Path) -> None:
    """It is no dimension, and how much of it a model wants shows late."""
    kept: dict[str, Any] = {}
    speech_module(data, model=ModelSettings(16, 2, 32, 4, 1, dropout=0.1)).on_save_checkpoint(kept)
    speech_module(data, model=ModelSettings(16, 2, 32, 4, 1, dropout=0.0)).on_load_checkpoint(kept)
    with pytest.raises(SettingsError, match="checkpoint's model"):
        speech_module(data, model=ModelSettings(32, 2, 32, 4, 1, dropout=0.1)).on_load_checkpoint(kept)


def test_a_missing_checkpoint_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"absent\.ckpt: no such checkpoint"):
        train([*arguments, "--ckpt_path=absent.ckpt"])


def test_every_dev_utterance_counts_and_every_batch_has_draws_of_its_own(
    data: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where two lists use the same ids, and where an update is made of several batches."""
    second = tmp_path / "second"
    second.mkdir()
    for word in WORDS:
        say(word, 1.01, second / f"dan_{word}.wav")
    (second / "dev.tsv").write_text((data / "dev.tsv").read_text())
    settings["data"]["dev"] = [str(data / "dev.tsv"), str(second / "dev.tsv")]
    settings["trainer"] |= {"max_epochs": 1, "accumulate_grad_batches": 2}
    scored: list[int] = []
    drawn: list[int] = []
    score, step = module.score, SpeechModule.training_step

    def counted(said: dict[str, str], *rest: Any, **options: Any) -> Any:
        scored.append(len(said))
        return score(said, *rest, **options)

    def noted(self: SpeechModule, batch: Batch, batch_idx: int) -> torch.Tensor:
        drawn.append(torch.initial_seed())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(module, "score", counted)
    monkeypatch.setattr(SpeechModule, "training_step", noted)
    train(["--config", written(settings, tmp_path)])
    assert scored == [8, 8]
    assert len(drawn) >= 3
    assert len(set(drawn)) == len(drawn)


def trained_apart(settings: dict[str, Any], folder: Path, first: str = "") -> subprocess.CompletedProcess[str]:
    """A training in a program of its own, which begins with the line ``first``."""
    program = folder / "program.py"
    program.write_text(f"import sys\nfrom asr.training.command import train\n{first}\ntrain(sys.argv[1:])\n")
    return subprocess.run(
        [sys.executable, str(program), "--config", written(settings, folder)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_several_processes_share_an_epoch_quietly(settings: dict[str, Any], tmp_path: Path) -> None:
    """In bf16 and with clipping, as on GPUs."""
    settings["trainer"] |= {"max_epochs": 1, "devices": 2, "strategy": "ddp", "precision": "bf16-mixed"}
    done = trained_apart(settings, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sync_dist" not in done.stderr
    assert last(Path(settings["run"]))["global_step"] > 0


@pytest.mark.slow
def test_two_processes_make_the_model_of_one_with_batches_twice_as_long(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    """Also where an update is made of two batches; in double precision, where only a fault makes a difference."""
    settings["model"]["model"]["dropout"] = 0.0
    settings["model"]["spec_augment"] = {"coefficient_masks": 0, "time_masks": 0}
    settings["trainer"] |= {"max_epochs": 3, "precision": "64-true", "accumulate_grad_batches": 2}
    kept = {}
    for processes in (1, 2):
        settings["run"] = str(tmp_path / f"run{processes}")
        settings["data"]["batches"]["seconds"] = 12.0 / processes
        settings["trainer"] |= {"devices": processes, "strategy": "ddp" if processes > 1 else "auto"}
        done = trained_apart(settings, tmp_path)
        assert done.returncode == 0, done.stderr
        kept[processes] = last(Path(settings["run"]))
    assert kept[1]["global_step"] == kept[2]["global_step"] > 4
    moved = 0
    for name, weight in kept[1]["state_dict"].items():
        torch.testing.assert_close(kept[2]["state_dict"][name], weight, rtol=1e-6, atol=1e-7, msg=name)
        moved += weight.is_floating_point()
    assert moved > 10
    dev = [logged(tmp_path / f"run{processes}", "dev/decoder") for processes in (1, 2)]
    assert dev[0] == pytest.approx(dev[1])


# Settings


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("data.batches.secnds", "data.batches.seconds"),
        ("model.model.d_modle", "model.model.d_model"),
        ("trainer.max_epoch", "trainer.max_epochs"),
        ("data.augmentation.sped", "data.augmentation.speed"),
        ("model.loss.start.decodr", "model.loss.start.decoder"),
        ("dta.workers", "data.workers"),
        ("weight_decay", "model.optimiser.weight_decay"),
        ("rum", "run"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_near_one(
    key: str, near: str, settings: dict[str, Any], arguments: list[str], tmp_path: Path, started: list[Trainer]
) -> None:
    wanted = rf"^{re.escape(key)} is not a setting, did you mean {re.escape(near)}\?$"
    with pytest.raises(SettingsError, match=wanted):
        train([*arguments, f"--{key}=3"])
    with pytest.raises(SettingsError, match=wanted):
        train([*arguments, f"--{key}", "3"])
    put(settings, key, 3)
    with pytest.raises(SettingsError, match=wanted):
        train(["--config", written(settings, tmp_path)])
    assert not started


def test_an_unknown_setting_of_a_source_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["data"]["train"][0]["wieght"] = settings["data"]["train"][0].pop("weight")
    with pytest.raises(SettingsError, match="wieght is not a setting, did you mean weight") as refused:
        train(["--config", written(settings, tmp_path)])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("argument", "kind", "words"),
    [
        ("--model.tokenizer=absent.model", BundleError, "absent.model.*asr tokenizer"),
        ("--data.dev=[absent.tsv]", ManifestError, "absent.tsv: no such file"),
        ("--data.train=[]", SettingsError, "train and dev each name"),
        ("--data.dev=[]", SettingsError, "train and dev each name"),
        ("--data.workers=-1", SettingsError, "workers is -1"),
        ("--data.join_ramp_epochs=-1", SettingsError, "join_ramp_epochs"),
        ("--data.phonemes=maybe", SettingsError, "data.phonemes"),
        ("--data.hold_hours=-1", SettingsError, "hold_hours"),
        ("--data.batches.seconds=0", SettingsError, "batches: seconds"),
        ("--data.batches.seconds=long", SettingsError, "data.batches.seconds.*long"),
        ("--data.augmentation.speed=2", SettingsError, "augmentation: speed"),
        ("--model.seed=-1", SettingsError, "seed is -1"),
        ("--model.decoded_at_most=0", SettingsError, "decoded_at_most is 0"),
        ("--model.model.heads=3", SettingsError, "3 heads"),
        ("--model.features.coefficients=99", SettingsError, "99 coefficients"),
        ("--model.loss.phoneme_layer=3", SettingsError, "layers 1 to 2"),
        ("--model.loss.label_smoothing=1", SettingsError, "label_smoothing"),
        ("--model.loss.ramp_updates=-1", SettingsError, "ramp_updates"),
        ("--model.loss.end.decoder=-1", SettingsError, "loss: weights"),
        ("--model.loss.end={decoder: 0, ctc: 0, phoneme: 1}", SettingsError, "leaves the phonemes alone"),
        ("--model.optimiser.peak_rate=0", SettingsError, "peak_rate"),
        ("--model.optimiser.warmup_updates=-1", SettingsError, "warmup_updates"),
        ("--model.optimiser.weight_decay=-1", SettingsError, "weight_decay"),
        ("--model.spec_augment.frames=-1", SettingsError, "frames is -1"),
        ("--model.spec_augment.tract=0.3", SettingsError, "tract is 0.3"),
        ("--trainer.max_epochs=-1", SettingsError, "has no end"),
        ("--trainer.logger=false", SettingsError, "trainer.logger is False"),
        ("--trainer.use_distributed_sampler=false", SettingsError, "trainer.use_distributed_sampler"),
        ("--trainer.limit_train_batches=7.5", SettingsError, "trainer: .*limit_train_batches"),
        ("--config=absent.yaml", SettingsError, "absent.yaml"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    argument: str, kind: type[AsrError], words: str, arguments: list[str]
) -> None:
    with pytest.raises(kind, match=words) as refused:
        train([*arguments, argument])
    assert "\n" not in str(refused.value)


def test_a_missing_training_list_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["data"]["train"] = [{"manifest": str(tmp_path / "absent.tsv")}]
    with pytest.raises(ManifestError, match=r"absent\.tsv: no such file"):
        train(["--config", written(settings, tmp_path)])


def test_sources_that_never_come_are_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["data"]["train"][0]["weight"] = 0
    with pytest.raises(SettingsError, match="every weight is 0"):
        train(["--config", written(settings, tmp_path)])
    settings["data"]["train"][0]["weight"] = -1
    with pytest.raises(SettingsError, match=r"weight of .* is -1"):
        train(["--config", written(settings, tmp_path)])


def test_a_balance_that_cannot_be_had_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["data"]["train"][0]["balance"] = 2
    with pytest.raises(SettingsError, match=r"balance of .* is 2"):
        train(["--config", written(settings, tmp_path)])
    settings["data"]["train"][0]["balance"] = 1
    with pytest.raises(SettingsError, match="balance wants the texts"):
        train(["--config", written(settings, tmp_path), "--data.stream=true"])


def test_a_speaker_in_train_and_dev_is_refused(data: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    settings["data"]["dev"].append(str(data / "train.tsv"))
    with pytest.raises(ManifestError, match=r"train and dev.*ann, bob, cat"):
        train(["--config", written(settings, tmp_path)])


OTHER_VALUES: dict[str, Any] = {
    "data.augmentation": AugmentationSettings(
        *(0.05, 3.0, 0.2, 1.0, 9.0, 0.3, 0.1, 2.0),
        *(0.15, 0.2, 0.4, 0.6, 0.7, 5.0, 1e-3),
    ),
    "data.batches": BatchSettings(7.0, 1.0, 2, 3.0, 0.1),
    "model.optimiser": OptimiserSettings(2e-3, 3, 40, 5, 0.05),
    "model.loss": LossSettings(LossWeights(0.1, 0.2, 0.3), LossWeights(0.4, 0.6, 0.8), 10, 0.05, 2, consistency=0.3),
    "model.spec_augment": SpecAugmentSettings(2, 3, 4, 5, 0.4, 1, 7, 6, 0.1),
}


def leaves(name: str, value: Any) -> dict[str, Any]:
    if not is_dataclass(value):
        return {name: value}
    return {k: v for f in fields(value) for k, v in leaves(f"{name}.{f.name}", getattr(value, f.name)).items()}


@pytest.mark.parametrize("group", OTHER_VALUES)
def test_every_option_is_accepted_and_printed(
    group: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = leaves(group, OTHER_VALUES[group])
    defaults = leaves(group, type(OTHER_VALUES[group])())
    assert all(options[name] != defaults[name] for name in defaults), "each is another value than the default"
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        train([*arguments, *(f"--{name}={value}" for name, value in options.items()), "--print_config"])
    assert ended.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    for name, value in options.items():
        found = printed
        for part in name.split("."):
            found = found[part]
        assert found == value, name


@pytest.mark.parametrize("phonemes", ["auto", "on", "off", True, False])
def test_phonemes_may_be_written_bare_in_yaml(
    phonemes: str | bool, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[SpeechData] = []
    monkeypatch.setattr(Trainer, "fit", lambda self, model, datamodule, **_: built.append(datamodule))
    monkeypatch.setattr("asr.data.synthetic.pronunciation.available", lambda: True)
    settings["data"]["phonemes"] = phonemes
    train(["--config", written(settings, tmp_path)])
    assert built[0].with_phonemes is (phonemes not in ("off", False))


def test_the_recipes_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    folders = [*(ROOT / "recipes").glob("*"), *(ROOT / "recipes" / "untried").glob("*")]
    # In "german" lies a grammar, and in "first" the one that is spoken.
    found = (path for folder in folders if folder.name != "german" for path in folder.glob("*.yaml"))
    recipes = sorted(path for path in found if path.name != "words.yaml")
    assert recipes
    for recipe in recipes:
        # What goes on from a bundle changes some of the recipe beside it.
        base = ["--config", str(recipe.with_name("train.yaml"))] if recipe.name == "further.yaml" else []
        with pytest.raises(SystemExit) as ended:
            train([*base, "--config", str(recipe), "--print_config"])
        assert ended.value.code == 0, recipe
        assert yaml.safe_load(capsys.readouterr().out)["data"]["train"], recipe


# Hardware


@pytest.mark.parametrize(
    ("accelerator", "cuda", "bf16", "cpu", "wanted"),
    [
        ("auto", True, True, {}, "bf16-mixed"),
        ("cuda", True, True, {}, "bf16-mixed"),
        ("gpu", True, False, {"avx512_bf16": True}, "32-true"),
        ("auto", False, True, {}, "32-true"),
        ("auto", False, True, {"avx512_bf16": True, "amx_bf16": True, "bf16": True}, "32-true"),
        ("cpu", True, True, {"amx_bf16": True}, "32-true"),
    ],
)
def test_precision_follows_the_hardware(
    accelerator: str, cuda: bool, bf16: bool, cpu: dict[str, bool], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16 or including_emulation)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu)
    assert best_precision(accelerator) == wanted


def test_precision_can_be_chosen(
    settings: dict[str, Any], tmp_path: Path, started: list[Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "best_precision", lambda accelerator: {"cpu": "bf16-mixed"}[accelerator])
    del settings["trainer"]["precision"]
    arguments = ["--config", written(settings, tmp_path)]
    train(arguments)
    train([*arguments, "--trainer.precision=32-true"])
    assert [trainer.precision for trainer in started] == ["bf16-mixed", "32-true"]


def test_the_bar_and_the_checkpoints_can_be_switched_off(arguments: list[str], started: list[Trainer]) -> None:
    train(arguments)
    train([*arguments, "--trainer.enable_progress_bar=false", "--trainer.enable_checkpointing=false"])
    with_both, without = started
    assert with_both.progress_bar_callback is not None
    assert with_both.checkpoint_callback is not None
    assert without.progress_bar_callback is None
    assert without.checkpoint_callback is None


def test_batches_have_room_for_the_margins_of_the_model(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SpeechData] = []
    monkeypatch.setattr(Trainer, "fit", lambda self, model, datamodule, **_: seen.append(datamodule))
    train([*arguments, "--model.margin_seconds=0.4"])
    assert [data.margin_seconds for data in seen] == [0.4]


# The parts


def speech_data(data: Path, **changes: Any) -> SpeechData:
    made = SpeechData(
        tokenizer=data / "tokenizer.model",
        dev=[data / "dev.tsv"],
        phonemes="off",
        **{
            "train": [TrainingSource(str(data / "train.tsv"), weight=3)],
            "workers": 0,
            "batches": BatchSettings(seconds=5.0),
            **changes,
        },
    )
    made.setup()
    return made


def same(one: Batch, other: Batch) -> bool:
    return all(a.equal(b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True))


def batches(made: SpeechData) -> Sequence[Batch]:
    return list(made.train_dataloader())


@pytest.mark.parametrize(("balance", "times"), [(0.0, 4), (1.0, 1)])
def test_texts_of_a_balanced_source_are_heard_alike(data: Path, tmp_path: Path, balance: float, times: float) -> None:
    rows = ["path\tspeaker\ttext"]
    for word in WORDS:
        for number in range(4 if word == "one" else 1):
            shutil.copy(data / f"ann_{word}.wav", tmp_path / f"{word}{number}.wav")
            rows.append(f"{word}{number}.wav\tann\t{word}")
    (tmp_path / "often.tsv").write_text("\n".join(rows) + "\n")
    made = speech_data(data, train=[TrainingSource(str(tmp_path / "often.tsv"), 20, balance)])
    count = Counter(word for batch in batches(made) for text in batch.texts for word in text.split())
    assert sum(count.values()) == pytest.approx(140, abs=6)
    others = np.mean([count[word] for word in WORDS if word != "one"])
    assert count["one"] / others == pytest.approx(times, rel=0.15)


def test_batches_do_not_depend_on_the_workers(data: Path) -> None:
    alone, helped = batches(speech_data(data)), batches(speech_data(data, workers=1))
    assert len(alone) == len(helped) > 2
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))


def trainer(epoch: int = 0, process: int = 0, processes: int = 1, device: str = "cpu") -> Any:
    """As much of Lightning's as the data looks at."""
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(
        current_epoch=epoch,
        global_rank=process,
        world_size=processes,
        strategy=strategy,
        accumulate_grad_batches=1,
        limit_train_batches=1.0,
    )


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_batches(data: Path, processes: int) -> None:
    made = speech_data(data, batches=BatchSettings(seconds=9.0 * processes))
    whole = batches(made)
    made = speech_data(data, batches=BatchSettings(seconds=9.0))
    shares = []
    for process in range(processes):
        made.trainer = trainer(process=process, processes=processes)
        shares.append(batches(made))
    assert {len(share) for share in shares} == {len(whole)}, "all make the same number of updates"
    for number, batch in enumerate(whole):
        together = [name for share in shares for name in share[number].ids]
        assert set(together) == set(batch.ids)
        assert len(together) == max(len(batch.ids), processes)


def test_an_epoch_can_be_taken_up_anywhere(data: Path) -> None:
    made = speech_data(data)
    whole = batches(made)
    for workers, done in ((0, 0), (0, 2), (1, 3), (0, len(whole))):
        made.workers = workers
        loader = made.train_dataloader()
        loader.load_state_dict({"epoch": 0, "batches": done})
        assert len(loader) == len(whole), "Lightning counts the batches that are done as well"
        rest = list(loader)
        assert len(rest) == len(whole) - done
        assert all(same(a, b) for a, b in zip(rest, whole[done:], strict=True))
    loader = made.train_dataloader()
    loader.load_state_dict({"epoch": 4, "batches": 3})
    assert len(list(loader)) == len(whole), "what was done of another epoch was done in that"


def test_each_epoch_has_its_own_batches_and_dev_stays_as_it_is(data: Path) -> None:
    made = speech_data(data)
    texts, dev = [], []
    for epoch in (0, 1):
        made.trainer = trainer(epoch)
        texts.append([batch.texts for batch in made.train_dataloader()])
        dev.append(list(made.val_dataloader()))
    assert texts[0] != texts[1]
    assert sorted(text for batch in dev[0] for text in batch.texts) == sorted(WORDS)
    assert all(same(a, b) for a, b in zip(*dev, strict=True))


def speech_module(data: Path, **changes: Any) -> SpeechModule:
    return SpeechModule(data / "tokenizer.model", **changes)


def batch_of_silence() -> Batch:
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    none = torch.zeros(2, dtype=torch.int64)
    waves = torch.zeros(2, 8000)
    return Batch(["", ""], ["", ""], waves, torch.tensor([8000, 4000]), nothing, none, nothing, none, none)


@pytest.mark.parametrize("tract", [0.0, 0.2])
def test_every_utterance_of_training_has_a_vocal_tract_of_its_own(data: Path, tract: float) -> None:
    built = speech_module(data, spec_augment=SpecAugmentSettings(tract=tract))
    built.trainer = Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)
    built.log = built.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    given: list[Any] = []
    built.mfcc.register_forward_pre_hook(lambda _, inputs: given.append(inputs[2]))
    for _ in range(200):
        built.training_step(batch_of_silence(), 0)
    built._features(batch_of_silence())
    assert given.pop() is None, "the dev set's stay as they are"
    if not tract:
        assert given == [None] * 200
        return
    drawn = torch.stack(given)
    assert drawn.shape == (200, 2)
    assert len(drawn.unique()) > 390
    assert 1 / 1.2 <= float(drawn.min()) < 0.85
    assert 1.18 < float(drawn.max()) <= 1.2
    assert float(drawn.log().mean()) == pytest.approx(0, abs=0.02)


def test_the_margins_of_training_are_drawn_for_each_end_of_each_row(data: Path) -> None:
    built = speech_module(data, margin_seconds=0.5)
    given: list[Any] = []
    built.mfcc.register_forward_pre_hook(lambda _, inputs: given.append(inputs[:2]))
    seeds = torch.from_numpy(np.random.default_rng(0).integers(2**63, size=400))
    waves, lengths = torch.ones(400, 100), torch.full((400,), 100)
    empty = torch.zeros(400, 0, dtype=torch.int64)
    rows = Batch([""] * 400, [""] * 400, waves, lengths, empty, 0 * lengths, empty, 0 * lengths, seeds)
    built._features(rows, drawn=True)
    padded, ends = given.pop()
    before, after = padded.argmax(dim=1), ends - 100 - padded.argmax(dim=1)
    assert torch.equal(padded.sum(dim=1), lengths.float()), "the row itself is all there"
    for margin in (before, after):
        assert 0 <= int(margin.min()) < 300
        assert 15_700 < int(margin.max()) <= 16_000
        assert float(margin.float().mean()) == pytest.approx(8_000, rel=0.1)
    assert abs(float(torch.corrcoef(torch.stack([before, after]).float())[0, 1])) < 0.15
    few = rows._replace(ids=rows.ids[7:9], waves=waves[7:9], wave_lengths=lengths[7:9], seeds=seeds[7:9])
    built._features(few, drawn=True)
    assert torch.equal(given.pop()[1], ends[7:9]), "whatever else is in the batch"
    built._features(few)
    assert given.pop()[1].tolist() == [16_100, 16_100], "the dev set's are as the bundle has them"


def test_a_batch_of_silence_has_finite_losses(data: Path) -> None:
    built = speech_module(data)
    batch = batch_of_silence()
    losses = built.eval()._losses(batch, *built._features(batch), 0.1)[1]
    assert all(bool(torch.isfinite(loss.each)) for loss in losses.values())
    assert float(losses["decoder"].each.detach()) > 0, "the end is to be said"


def test_the_decoder_is_asked_for_each_token_and_then_the_end(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[list[int]]] = []
    monkeypatch.setattr(
        module, "cross_entropy", lambda logits, targets, _: asked.append(targets.tolist()) or torch.zeros(())
    )
    built = speech_module(data)
    monkeypatch.setattr(built.model, "decode", lambda encoded, tokens: asked.append(tokens.tolist()))
    tokens, lengths = torch.tensor([[7, 8, 9], [5, 0, 0]]), torch.tensor([3, 1])
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    batch = Batch(
        ["", ""],
        ["", ""],
        torch.zeros(2, 8000),
        torch.tensor([8000, 8000]),
        tokens,
        lengths,
        nothing,
        0 * lengths,
        0 * lengths,
    )
    built.eval()._losses(batch, *built._features(batch), 0.1)
    assert asked == [[[2, 7, 8, 9], [2, 5, 0, 0]], [[7, 8, 9, 3], [5, 3, 0, 0]]]
