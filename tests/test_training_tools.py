"""What makes training easier, on tiny real runs: dry run, range test, averaging, checkpoints in mid-epoch, curves."""

import errno
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.tuner import Tuner
from PIL import Image
from test_training import config, data, last, logged, written

from asr.audio.load import SAMPLE_RATE
from asr.data.batches.dataset import Batch
from asr.data.synthetic import pronunciation
from asr.errors import AsrError, SettingsError
from asr.training import command, progress
from asr.training.checkpoints import CHECKPOINTS, AtomicCheckpoints
from asr.training.command import make_command, quiet_lightning, train
from asr.training.curves import CURVES, draw_training
from asr.training.dry_run import Estimate, Measured, TrainingPlan
from asr.training.export import average_weights, last_checkpoints
from asr.training.module import SpeechModule
from asr.training.progress import Throughput

__all__ = ["data"]  # the fixture

Weights = dict[str, torch.Tensor]
DECAY = 0.6
EMA = {
    "class_path": "lightning.pytorch.callbacks.EMAWeightAveraging",
    "init_args": {"decay": DECAY, "update_every_n_steps": 1},
}


@pytest.fixture
def settings(data: Path, tmp_path: Path) -> dict[str, Any]:
    """A tiny run's config of two epochs of five batches or so, to be changed."""
    made = config(data, tmp_path / "run")
    made["data"]["batches"]["seconds"] = 3.0
    made["data"]["join_ramp_epochs"] = 0
    made["trainer"]["max_epochs"] = 2
    return made


def put(name: str, value: Any, patch: pytest.MonkeyPatch) -> list[Any]:
    """Replace a method of the module by one that keeps what ``value`` makes of its arguments, and then goes on."""
    kept: list[Any] = []
    method = getattr(SpeechModule, name)

    def noting(self: SpeechModule, *arguments: Any) -> Any:
        kept.append(value(self, *arguments))
        return method(self, *arguments)

    patch.setattr(SpeechModule, name, noting)
    return kept


def weights_of(module: SpeechModule, *_: Any) -> Weights:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def same(one: Any, other: Any) -> bool:
    """Whether two states are the same to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


# Dry run


def test_a_dry_run_counts_what_the_run_does_and_leaves_nothing(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings["trainer"] |= {"accumulate_grad_batches": 2, "max_epochs": 3}
    settings["data"]["train"][0]["weight"] = 1.7  # so that the epochs differ
    arguments = ["--config", written(settings, tmp_path)]
    before = sorted(tmp_path.rglob("*"))
    train([*arguments, "--dry-run"])
    printed = capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("lightning_logs").exists()

    said = printed.partition("\n# ")[2]
    for line in ("model: ", "a batch: ", "validation: ", "time: about ", "memory: "):
        assert f"# {line}" in printed, line
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(printed)
    assert yaml.safe_load(printed)["data"]["batches"]["join_most"] == 5, "defaults are written out"
    train(["--config", str(resolved)])
    run = Path(settings["run"])
    updates, batches = re.findall(r"^# run: (\d+) updates, (\d+) batches, 3 epochs$", printed, re.MULTILINE)[0]
    assert int(updates) == last(run)["global_step"]
    assert int(batches) == last(run)["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"]
    trained = [state["exp_avg"].numel() for state in last(run)["optimizer_states"][0]["state"].values()]
    parts = re.findall(r"[\w.]+ ([\d,]+)[,)]", said.partition("(")[2].partition("\n")[0])
    assert f"parameters: {sum(trained):,} (" in printed
    assert sum(int(part.replace(",", "")) for part in parts) == sum(trained)


@pytest.mark.parametrize(
    ("trainer", "wanted"),
    [
        ({"max_steps": 3}, (3, 3, 1)),
        ({"max_epochs": 2, "limit_train_batches": 3, "accumulate_grad_batches": 2}, (4, 6, 2)),
        ({"max_epochs": -1, "max_steps": 7, "limit_train_batches": 2}, (7, 7, 4)),
    ],
)
def test_a_dry_run_knows_the_limits(
    trainer: dict[str, Any],
    wanted: tuple[int, int, int],
    settings: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = Measured(1.0, 0.5, 2.0, 0.1, None, False)
    monkeypatch.setattr("asr.training.dry_run._measured", lambda *_: measured)
    settings["trainer"] |= trainer
    train(["--config", written(settings, tmp_path), "--dry_run", "true"])
    assert "# run: {} updates, {} batches, {} epochs\n".format(*wanted) in capsys.readouterr().out


def test_a_dry_run_refuses_what_the_run_would(settings: dict[str, Any], tmp_path: Path) -> None:
    arguments = ["--config", written(settings, tmp_path), "--dry-run"]
    with pytest.raises(SettingsError, match="has no end"):
        train([*arguments, "--trainer.max_epochs=-1"])


def test_the_time_of_a_run() -> None:
    """Workers load while the model learns; the slower of both counts."""
    plan = TrainingPlan(50, 50, 2, 100, 100, True)

    def seconds(workers: int, loading: float) -> float | None:
        return Estimate({}, 0, plan, Measured(2.0, loading, 30.0, 1.0, None, False), workers, 9, 2).seconds

    assert seconds(0, 1.0) == 100 * 3 + 60
    assert seconds(1, 1.0) == 100 * 2 + 60
    assert seconds(2, 5.0) == 100 * 2.5 + 60
    slow = Estimate({"a": 1}, 4, plan, Measured(2.0, 5.0, 30.0, 1.0, None, False), 1, 9, 2)
    assert "loading is slower than learning: 3 workers keep up" in slow.lines()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--dry-run"], ["--dry_run=true"]),
        (["--dry_run", "--run=x"], ["--dry_run=true", "--run=x"]),
        (["--dry_run", "true"], ["--dry_run", "true"]),
        (["--dry-run=false"], ["--dry_run=false"]),
        (["--run", "a-b", "--dry-run"], ["--run", "a-b", "--dry_run=true"]),
        (["--dryrun"], ["--dryrun"]),
    ],
)
def test_flags_may_stand_alone(given: list[str], meant: list[str]) -> None:
    assert command._with_values(given) == meant


def test_lightnings_range_test_of_rates(settings: dict[str, Any], tmp_path: Path) -> None:
    """As the README has it; the learner is as it was before."""
    settings["trainer"]["max_epochs"] = 9
    with quiet_lightning():
        run = make_command(["--config", written(settings, tmp_path)])
        before = {name: value.clone() for name, value in run.model.state_dict().items()}
        found = Tuner(run.trainer).lr_find(run.model, run.datamodule, update_attr=False, num_training=20)
    assert found is not None
    rates = found.results["lr"]
    assert len(rates) == len(found.results["loss"]) > 5
    assert rates == sorted(rates)
    assert before
    assert all(torch.equal(value, run.model.state_dict()[name]) for name, value in before.items())


# Averaging, early stopping


@pytest.fixture
def phonemes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phonemes without espeak-ng."""
    first = pronunciation.PHONEMES[:2]
    monkeypatch.setattr(pronunciation, "available", lambda: True)
    monkeypatch.setattr(pronunciation, "pronounce", lambda words: dict.fromkeys(words, first))


@pytest.mark.usefixtures("phonemes")
def test_averaged_weights_are_validated_saved_exported_and_resumed(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the phoneme head, which is made in the module's setup."""
    settings["data"]["phonemes"] = "on"
    settings["trainer"] |= {"callbacks": [EMA], "accumulate_grad_batches": 2}
    settings["save_every_updates"] = 1
    arguments = ["--config", written(settings, tmp_path)]
    with monkeypatch.context() as patch:
        stepped = put("on_before_zero_grad", lambda module, _: (module.global_step, weights_of(module)), patch)
        validated = put("validation_step", lambda module, *_: (module.global_step, weights_of(module)), patch)
        train(arguments)
    run = Path(settings["run"])
    saved = last(run)
    now = {name: saved["current_model_state"][name] for name in stepped[0][1]}
    # The weights before an update are those after the one before.
    after = [weights for step, weights in dict(stepped).items() if step] + [now]
    assert len(after) == saved["global_step"] >= 4
    averages = [after[0]]
    for weights in after[1:]:
        averages.append({name: DECAY * averages[-1][name] + (1 - DECAY) * weights[name] for name in weights})
    for step, weights in validated:
        for name, weight in averages[step - 1].items():
            torch.testing.assert_close(weights[name], weight, msg=name)
    assert any(name.startswith("phoneme_head") for name in now)
    for name, weight in averages[-1].items():
        torch.testing.assert_close(saved["state_dict"][name], weight)
    assert not same(saved["state_dict"]["phoneme_head.weight"], now["phoneme_head.weight"])
    exported = average_weights([torch.load(last_checkpoints(run, 1)[0], weights_only=True)["state_dict"]])
    for name, weight in exported.items():
        if f"model.{name}" in averages[-1]:
            torch.testing.assert_close(weight, averages[-1][f"model.{name}"])

    resumed = resume(arguments, tmp_path / "resumed", (1, 3), monkeypatch)
    for part in ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers"):
        assert same(resumed[part], saved[part]), part


def resume(
    arguments: list[str], run: Path, killed_at: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The last checkpoint of a run that was killed before a batch of an epoch, and then resumed."""
    begin = SpeechModule.on_train_batch_start

    def killed(self: SpeechModule, batch: Batch, batch_idx: int) -> None:
        if (self.current_epoch, batch_idx) == killed_at:
            raise OSError("power cut")
        begin(self, batch, batch_idx)

    arguments = [*arguments, f"--run={run}"]
    with monkeypatch.context() as patch:
        patch.setattr(SpeechModule, "on_train_batch_start", killed)
        with pytest.raises(OSError, match="power cut"):
            train(arguments)
    assert (run / CURVES).is_file(), "drawn as far as it went"
    assert last(run)["epoch"] == killed_at[0]
    torch.manual_seed(12345)  # nothing may hang on what the process drew before
    train([*arguments, "--ckpt_path=last"])
    return last(run)


@pytest.mark.parametrize(("every", "killed_at"), [(1, (0, 2)), (3, (1, 4))])
def test_a_run_killed_in_mid_epoch_goes_on_from_there(
    every: int, killed_at: tuple[int, int], settings: dict[str, Any], straight: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings["save_every_updates"] = 1
    settings["trainer"]["accumulate_grad_batches"] = every
    arguments = ["--config", written(settings, tmp_path)]
    if every == 1:
        wanted = last(straight)
    else:
        train(arguments)
        wanted = last(Path(settings["run"]))
    resumed = resume(arguments, tmp_path / "resumed", killed_at, monkeypatch)
    for part in ("global_step", "state_dict", "optimizer_states", "lr_schedulers"):
        assert same(resumed[part], wanted[part]), part


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("straight")
    made = config(data, folder / "run")
    made["data"]["batches"]["seconds"] = 3.0
    made["data"]["join_ramp_epochs"] = 0
    made["trainer"]["max_epochs"] = 2
    train(["--config", written(made, folder)])
    return folder / "run"


def test_a_run_that_gets_no_better_stops(settings: dict[str, Any], tmp_path: Path) -> None:
    stopping = {"monitor": "dev/decoder", "min_delta": 1000.0, "patience": 1}
    settings["trainer"] |= {
        "max_epochs": 5,
        "callbacks": [{"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": stopping}],
    }
    train(["--config", written(settings, tmp_path)])
    assert len(logged(Path(settings["run"]), "dev/decoder")) == 2


# Checkpoints


class Killed(BaseException):
    """The end of the process: nothing after it is done."""


def test_a_checkpoint_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / CHECKPOINTS / "last.ckpt"
    writer, save = AtomicCheckpoints(), torch.save
    writer.save_checkpoint({"number": 1}, place)

    def half(checkpoint: Any, file: Any) -> None:
        save(checkpoint, file)
        file.truncate(file.tell() // 2)
        raise Killed

    def full(checkpoint: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Killed):
        writer.save_checkpoint({"number": 2}, place)
    assert torch.load(place) == {"number": 1}
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(AsrError, match=r"last\.ckpt: .*No space left on device.*--ckpt_path last") as refused:
        writer.save_checkpoint({"number": 3}, place)
    assert "\n" not in str(refused.value)
    assert [path.name for path in place.parent.iterdir()] == ["last.ckpt"]
    monkeypatch.setattr(torch, "save", save)
    writer.save_checkpoint({"number": 4}, place)
    assert torch.load(place) == {"number": 4}
    assert [path.name for path in place.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize(
    ("minutes", "updates", "wanted"),
    [(0, 0, []), (1e-9, 0, [1, 2, 3]), (5, 2, [2])],
)
def test_the_last_checkpoint_is_renewed_as_often_as_wanted(
    minutes: float,
    updates: int,
    wanted: list[int],
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Never with gradients that wait for their update, nor just before the epoch's own."""
    saved: list[tuple[str, int]] = []
    save = AtomicCheckpoints.save_checkpoint

    def noting(self: AtomicCheckpoints, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        saved.append((Path(path).name, checkpoint["global_step"]))
        save(self, checkpoint, path, storage_options)

    monkeypatch.setattr(AtomicCheckpoints, "save_checkpoint", noting)
    settings |= {"save_every_minutes": minutes, "save_every_updates": updates}
    settings["trainer"] |= {"max_epochs": 1, "accumulate_grad_batches": 2, "limit_train_batches": 7}
    settings["data"]["train"][0]["weight"] = 4
    train(["--config", written(settings, tmp_path)])
    assert saved == [
        *(("last.ckpt", step) for step in wanted),
        ("step=4.ckpt", 4),
        ("last.ckpt", 4),
    ]


@pytest.mark.parametrize("end", [{"max_epochs": 3}, {"max_epochs": 9, "max_steps": 5}])
def test_every_epoch_is_saved_and_so_is_the_end_without_a_validation(
    end: dict[str, int], settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["save_every_minutes"] = 0
    settings["trainer"] |= {"check_val_every_n_epoch": 2, "limit_train_batches": 2, **end}
    train(["--config", written(settings, tmp_path)])
    run, steps = Path(settings["run"]), [2, 4, end.get("max_steps", 6)]
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"last.ckpt", *(f"step={n}.ckpt" for n in steps)}
    assert last(run)["global_step"] == steps[-1]


@pytest.mark.parametrize("option", ["--save_every_minutes=-1", "--save_every_updates=-1"])
def test_times_before_now_are_refused(option: str, settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"save_every_\w+ is -1"):
        train(["--config", written(settings, tmp_path), option])


# What is told on the way


def test_a_run_logs_its_throughput_and_draws_its_curves(straight: Path) -> None:
    rates, waiting = logged(straight, "hours_of_audio_per_second"), logged(straight, "waiting_for_data")
    assert len(rates) == len(logged(straight, "loss"))
    assert all(rate > 0 for rate in rates.values())
    assert all(0 < share < 1 for share in waiting.values())
    assert not logged(straight, "gpu_memory_gb")
    with Image.open(straight / CURVES) as picture:
        assert picture.size[0] == 1000
        assert picture.info["Description"] == "training run"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that passes when it is told to."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    return now


def test_throughput_is_audio_over_training_time(clock: SimpleNamespace) -> None:
    """Three batches an update; validation comes between the second and the third."""
    trainer: Any = SimpleNamespace(global_step=0, log_every_n_steps=2)
    found: list[tuple[str, float]] = []
    module: Any = SimpleNamespace(
        device=torch.device("cpu"), log=lambda name, value, **_: found.append((name, float(value)))
    )
    callback = Throughput()
    callback.on_train_start(trainer, module)
    callback.on_train_epoch_start(trainer, module)
    for number in range(6):
        batch: Any = SimpleNamespace(wave_lengths=torch.tensor([SAMPLE_RATE, 2 * SAMPLE_RATE]))
        clock.seconds += 1.0
        callback.on_train_batch_start(trainer, module, batch, number)
        clock.seconds += 3.0
        trainer.global_step += number % 3 == 2
        callback.on_train_batch_end(trainer, module, None, batch, number)
        if number == 1:
            clock.seconds += 1000.0
            callback.on_validation_end(trainer, module)
    audio, spent = 6 * 3.0, 6 * 4.0
    assert dict(found) == {
        "hours_of_audio_per_second": pytest.approx(audio / 3600 / spent),
        "times_real_time": round(audio / spent),
        "waiting_for_data": pytest.approx(0.25),
    }
    assert len(found) == 3


def test_throughput_is_drawn_where_it_was_logged() -> None:
    metrics = {"train/ctc": {9: 2.5}, "hours_of_audio_per_second": {9: 0.1}, "waiting_for_data": {9: 0.2, 19: 0.4}}
    axes = draw_training(metrics).axes
    assert [len(axis.lines) for axis in axes] == [1, 0, 0, 1]
    assert "30%" in axes[-1].get_title(loc="left") + axes[-1].get_title()


def test_a_picture_that_cannot_be_drawn_ends_no_run(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("asr.training.curves.draw_training", full)
    train(["--config", written(settings, tmp_path), "--trainer.max_epochs=1"])
    run = Path(settings["run"])
    assert last(run)["global_step"]
    assert not (run / CURVES).exists()
