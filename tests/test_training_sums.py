"""Losses are sums over tokens, divided once: the dev set's, and those of an update that is made of several batches."""

import copy
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_training import WORDS, config, data, last, logged, say, speech_data, written

from asr.data.batches.dataset import Batch, SpeechDataset
from asr.data.synthetic import pronunciation
from asr.training import data_module
from asr.training.command import TrainCommand, make_command, quiet_lightning, train
from asr.training.data_module import SpeechData, limited
from asr.training.loader import with_windows
from asr.training.module import SpeechModule

__all__ = ["data"]  # the fixture

TEXTS = ["one", "go", "one red go two one red", "two two two one", "red", "go go", "one", "two red one go go one two"]


@pytest.fixture(scope="module")
def uneven(data: Path) -> Path:
    """A folder with train.tsv and dev.tsv of long and short texts; what is heard does not matter."""
    words = list(WORDS)
    for split, speaker in (("train", "eve"), ("dev", "fay")):
        rows = ["path\tspeaker\ttext"]
        for number, text in enumerate(TEXTS):
            name = f"{speaker}{number}.wav"
            say(words[number % len(words)], 1 + 0.01 * number, data / name)
            rows.append(f"{name}\t{speaker}\t{text}")
        (data / f"uneven_{split}.tsv").write_text("\n".join(rows) + "\n")
    return data


@pytest.fixture
def plain(uneven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A run's config in double precision in which nothing is drawn, with phonemes, of which each word has three."""
    each = pronunciation.PHONEMES[:3]
    monkeypatch.setattr(pronunciation, "available", lambda: True)
    monkeypatch.setattr(pronunciation, "pronounce", lambda words: {word: each[: 1 + len(word) % 3] for word in words})
    made = config(uneven, tmp_path / "run")
    made["model"]["model"]["dropout"] = 0.0
    made["model"]["margin_seconds"] = 0.0
    made["model"]["spec_augment"] = {"coefficient_masks": 0, "time_masks": 0}
    made["model"]["loss"] |= {"start": {"decoder": 1.0, "ctc": 0.5, "phoneme": 0.7}}
    made["data"] |= {
        "train": [{"manifest": str(uneven / "uneven_train.tsv")}],
        "dev": [str(uneven / "uneven_dev.tsv")],
        "noise": [],
        "batches": {"seconds": 60.0, "join_most": 1, "background_share": 0.0},
        "augmentation": {"speed": 0.0, "gain_db": 0.0, "noise_probability": 0.0, "hiss": 0.0, "edge_seconds": 0.0},
        "phonemes": "on",
        "join_ramp_epochs": 0,
    }
    made["trainer"] |= {"max_epochs": 1, "precision": "64-true", "gradient_clip_val": None}
    return made


def test_the_dev_losses_are_those_of_all_its_utterances_in_one_batch(
    plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    step = SpeechModule.validation_step

    def noting(self: SpeechModule, batch: Batch, batch_idx: int) -> None:
        sizes.append(len(batch.ids))
        step(self, batch, batch_idx)

    monkeypatch.setattr(SpeechModule, "validation_step", noting)
    found = []
    for seconds in (60.0, 1.5):
        plain["run"] = str(tmp_path / f"run{seconds}")
        plain["data"]["batches"]["seconds"] = seconds
        plain["model"]["optimiser"] = {"peak_rate": 1e-12}  # the weights stay where they are
        train(["--config", written(plain, tmp_path)])
        found.append({name: logged(Path(plain["run"]), f"dev/{name}") for name in ("decoder", "ctc", "phoneme")})
    assert sizes[0] == len(TEXTS)
    assert sum(sizes[1:]) == len(TEXTS)
    assert len(sizes) >= 5
    for name, together in found[0].items():
        (whole,), (parts,) = together.values(), found[1][name].values()
        assert parts == pytest.approx(whole, rel=1e-6), name


def gradients_of(settings: dict[str, Any], folder: Path, patch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """Those of each update of a run."""
    kept: list[dict[str, torch.Tensor]] = []

    def noting(self: SpeechModule, _: Any) -> None:
        kept.append({name: p.grad.clone() for name, p in self.named_parameters() if p.grad is not None})

    patch.setattr(SpeechModule, "on_before_optimizer_step", noting)
    train(["--config", written(settings, folder)])
    return kept


@pytest.mark.parametrize(
    ("parts", "every", "limit", "wanted"),
    [
        (3, 3, 1.0, [[0, 1, 2]]),
        (4, 3, 1.0, [[0, 1, 2], [3]]),  # the rest of an epoch is an update too
        (4, 3, 2, [[0, 1]]),  # and so is what a limit leaves
    ],
)
def test_accumulating_batches_equals_one_batch_of_all_their_rows(
    parts: int,
    every: int,
    limit: float,
    wanted: list[list[int]],
    plain: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan_epoch = data_module.plan_epoch
    groups: list[list[int]] = []

    def split(*arguments: Any, **options: Any) -> Any:
        (whole,) = plan_epoch(*arguments, **options)
        rows = sorted(whole, key=lambda example: example.parts[0])
        if len(rows) != len(TEXTS):
            return [whole]
        shares = [rows[part::parts] for part in range(parts)]
        return [[row for number in group for row in shares[number]] for group in groups]

    monkeypatch.setattr(data_module, "plan_epoch", split)
    plain["model"]["optimiser"] = {"peak_rate": 1e-12}  # the weights stay where they are
    plain["trainer"]["limit_val_batches"] = 0
    kept = []
    for name, shown in (("parts", [[number] for number in range(parts)]), ("whole", wanted)):
        groups[:] = shown
        plain["run"] = str(tmp_path / name)
        plain["trainer"] |= {
            "accumulate_grad_batches": every if name == "parts" else 1,
            "limit_train_batches": limit if name == "parts" else 1.0,
        }
        kept.append(gradients_of(plain, tmp_path, monkeypatch))
    assert len(kept[0]) == len(kept[1]) == len(wanted)
    for one, other in zip(*kept, strict=True):
        assert one.keys() == other.keys()
        assert any(name.startswith("phoneme_head") for name in one)
        for name, gradient in one.items():
            torch.testing.assert_close(gradient, other[name], rtol=1e-9, atol=1e-12, msg=name)


def command_of(settings: dict[str, Any], folder: Path) -> TrainCommand:
    """The parts of a run; jsonargparse says once per program what it thinks of Lightning."""
    with quiet_lightning():
        return make_command(["--config", written(settings, folder)])


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_without_rows_of_their_own_add_nothing_to_an_update(
    processes: int, every: int, plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch may end in batches of fewer rows than processes; the update is that of one process all the same."""
    plain["trainer"]["accumulate_grad_batches"] = every
    made = command_of(plain, tmp_path)
    module = made.model.train()
    trainer = SimpleNamespace(datamodule=made.datamodule, global_step=0, accumulate_grad_batches=every)
    monkeypatch.setattr(SpeechModule, "trainer", trainer)
    monkeypatch.setattr(module, "log_dict", lambda *_, **__: None)
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    made.datamodule.setup()
    module.setup("fit")
    module.double()
    whole = made.datamodule.train_dataloader().dataset
    assert isinstance(whole, SpeechDataset)
    rows = sorted(whole.plan[0], key=lambda example: example.parts)
    plan = [rows[:4], rows[4:5], rows[5:7], rows[7:8]][-2 * every :]

    def update(processes: int) -> dict[str, torch.Tensor]:
        own = []
        for process in range(processes):
            of = SpeechDataset(whole.waves, whole.targets, plan, process=process, processes=processes)
            batches = iter([of[number] for number in range(len(plan))])
            own.append(list(with_windows(batches, every, every) if every > 1 else batches))
        module.zero_grad()
        for at in range(len(plan)):
            together = [batches[at].learnt if every == 1 else batches[at].window for batches in own]
            monkeypatch.setattr(module, "all_gather", lambda _, found=together: torch.stack(found))
            for batches in own:
                batch = batches[at]._replace(waves=batches[at].waves.double())
                (module.training_step(batch, at) / processes / every).backward()
        return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}

    alone, shared = update(1), update(processes)
    assert any(name.startswith("phoneme_head") for name in alone)
    for name, gradient in alone.items():
        torch.testing.assert_close(shared[name], gradient, rtol=1e-9, atol=1e-12, msg=name)


def batches_of(made: SpeechData) -> Sequence[Batch]:
    return list(made.train_dataloader())


@pytest.mark.parametrize(("first", "every"), [(3, 3), (1, 3), (2, 4), (10, 10)])
def test_every_batch_knows_the_counts_of_its_update(data: Path, first: int, every: int) -> None:
    batches = batches_of(speech_data(data))[:5]
    given: list[int] = []

    def noting() -> Iterator[Batch]:
        for number, batch in enumerate(batches):
            given.append(number)
            yield batch

    found = []
    for number, batch in enumerate(with_windows(noting(), every, first)):
        assert len(given) <= number + max(first, every), "as far ahead as it must"
        found.append(batch)
    assert [batch.ids for batch in found] == [batch.ids for batch in batches]
    windows = [list(range(0, min(first, 5)))]
    windows += [list(range(at, min(at + every, 5))) for at in range(first, 5, every)]
    for window in windows:
        wanted = sum(batches[number].counts for number in window)
        for number in window:
            assert torch.equal(found[number].window, wanted)  # type: ignore[arg-type]


def test_a_run_taken_up_in_mid_epoch_has_the_windows_of_the_straight_one(data: Path) -> None:
    made = speech_data(data)
    made.trainer = command_of(config(data, data / "none"), data).trainer
    made.trainer.accumulate_grad_batches = 2
    straight = batches_of(made)
    assert len(straight) >= 4
    for done in (1, 2, 3):
        loader = made.train_dataloader()
        loader.load_state_dict({"epoch": 0, "batches": done})
        rest = list(loader)
        assert [batch.ids for batch in rest] == [batch.ids for batch in straight[done:]]
        assert torch.equal(rest[-1].window, straight[-1].window)  # type: ignore[arg-type]
        if done % 2 == 0:
            assert torch.equal(rest[0].window, straight[done].window)  # type: ignore[arg-type]


@pytest.mark.parametrize(("limit", "wanted"), [(None, 10), (1.0, 10), (0.25, 2), (3, 3), (30, 10)])
def test_limits_are_counts_or_shares(limit: float | None, wanted: int) -> None:
    assert limited(10, limit) == wanted


def test_the_shown_losses_are_of_one_batch_whatever_is_accumulated(plain: dict[str, Any], tmp_path: Path) -> None:
    plain["data"]["batches"]["seconds"] = 1.5
    plain["model"]["optimiser"] = {"peak_rate": 1e-12}
    plain["trainer"]["limit_val_batches"] = 0
    shown = []
    for every in (1, 2):
        plain["run"] = str(tmp_path / f"run{every}")
        plain["trainer"]["accumulate_grad_batches"] = every
        train(["--config", written(plain, tmp_path)])
        assert last(Path(plain["run"]))["global_step"] >= 2
        shown.append(list(logged(Path(plain["run"]), "train/decoder").values()))
    assert all(any(math.isclose(loss, one, rel_tol=1e-5) for one in shown[0]) for loss in shown[1])


def test_two_hearings_alike_teach_what_one_does(
    plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without masks, tracts and dropout nothing tells them apart; with tracts something does."""
    kept = {}
    for name, changes in {
        "one": {},
        "two": {"loss": {"consistency": 0.5}},
        "apart": {"loss": {"consistency": 0.5}, "spec_augment": {"tract": 0.2}},
    }.items():
        changed = copy.deepcopy(plain)
        changed["run"] = str(tmp_path / name)
        changed["trainer"]["limit_val_batches"] = 0
        for part, values in changes.items():
            changed["model"][part] |= values
        (kept[name],) = gradients_of(changed, tmp_path, monkeypatch)
        found = logged(tmp_path / name, "train/consistency")
        assert bool(found) == (name != "one")
        assert all((value > 1e-6) == (name == "apart") for value in found.values())
    for name, gradient in kept["one"].items():
        torch.testing.assert_close(kept["two"][name], gradient, msg=name)
    weight = "model.ctc.weight"
    assert not torch.allclose(kept["apart"][weight], kept["one"][weight], rtol=1e-3)
