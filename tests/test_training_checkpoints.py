"""Checkpoints of others, damaged ones and hostile ones are refused in one line, and nothing in them is run."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TinyModel
from torch import nn

from asr.errors import AsrError, BundleError, SettingsError
from asr.training.checkpoints import AtomicCheckpoints, read_checkpoint
from asr.training.export import export_run

GOING_ON = {"optimizer_states": [], "lr_schedulers": [], "loops": {}, "epoch": 0}


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return open, (str(self.place), "w")


def _pickled(path: Path, saved: dict[str, Any]) -> None:
    path.write_bytes(pickle.dumps(Hostile(path.with_name("run"))))


def _hostile(path: Path, saved: dict[str, Any]) -> None:
    torch.save({**saved, "more": Hostile(path.with_name("run"))}, path)


def _hostile_of_old(path: Path, saved: dict[str, Any]) -> None:
    torch.save(Hostile(path.with_name("run")), path, _use_new_zipfile_serialization=False)


def _truncated(path: Path, saved: dict[str, Any]) -> None:
    torch.save(saved, path)
    path.write_bytes(path.read_bytes()[:-500])


def _zip(path: Path, saved: dict[str, Any]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "b")


DAMAGED = "no checkpoint of `asr train`, or a damaged one"
FOREIGN: dict[str, tuple[Callable[[Path, dict[str, Any]], Any], str]] = {
    "pickle": (_pickled, DAMAGED),
    "hostile": (_hostile, DAMAGED),
    "hostile, old format": (_hostile_of_old, DAMAGED),
    "module": (lambda path, _: torch.save(nn.Linear(2, 2), path), DAMAGED),
    "script": (lambda path, _: torch.jit.save(torch.jit.trace(nn.ReLU(), torch.zeros(1)), path), DAMAGED),
    "text": (lambda path, _: path.write_text("no tensors here\n"), DAMAGED),
    "empty": (lambda path, _: path.write_bytes(b""), DAMAGED),
    "zeros": (lambda path, _: path.write_bytes(bytes(5000)), DAMAGED),
    "truncated": (_truncated, DAMAGED),
    "zip": (_zip, DAMAGED),
    "tensor": (lambda path, _: torch.save(torch.zeros(3), path), "has no asr, state_dict, global_step"),
    "weights alone": (lambda path, saved: torch.save(saved["state_dict"], path), "has no asr, state_dict"),
    "of another program": (lambda path, saved: torch.save({**saved, "asr": None}, path), "has no asr;"),
    "half": (lambda path, saved: torch.save({**saved, "asr": {"model": {}}}, path), "has no asr.features, asr.norm"),
    "list of weights": (lambda path, saved: torch.save({**saved, "state_dict": []}, path), "has no state_dict"),
    "folder": (lambda path, _: path.mkdir(), "cannot be read"),
    "absent": (lambda path, _: None, "cannot be read"),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_checkpoint_is_refused_in_one_line(kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    saved = torch.load(tiny.run / "checkpoints" / "step=1.ckpt", weights_only=True) | GOING_ON
    make, words = FOREIGN[kind]
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    path = run / "checkpoints" / "step=1.ckpt"
    make(path, saved)
    refusals: list[tuple[type[AsrError], Callable[[], Any]]] = [
        (SettingsError, lambda: read_checkpoint(path)),
        # Even where whoever calls it would have everything run.
        (SettingsError, lambda: AtomicCheckpoints().load_checkpoint(path, weights_only=False)),
    ]
    if path.exists():
        refusals.append((BundleError, lambda: export_run(run, tmp_path / "bundle")))
    for error, refuse in refusals:
        with pytest.raises(error, match=words) as refused:
            refuse()
        said = str(refused.value)
        assert said.startswith(str(path))
        assert "\n" not in said
        assert "weights_only" not in said
        assert len(said) < len(str(path)) + 200
    assert not path.with_name("run").exists(), "nothing in it was run"
    assert not (tmp_path / "bundle").exists()


def test_only_a_whole_checkpoint_can_be_gone_on_from(tiny: TinyModel) -> None:
    path = tiny.run / "checkpoints" / "step=1.ckpt"
    assert read_checkpoint(path)["global_step"] == 1
    with pytest.raises(SettingsError, match="has no optimizer_states, lr_schedulers, loops, epoch; wanted"):
        AtomicCheckpoints().load_checkpoint(path)


def test_weights_that_do_not_fit_are_refused_at_export(tiny: TinyModel, tmp_path: Path) -> None:
    saved = torch.load(tiny.run / "checkpoints" / "step=1.ckpt", weights_only=True)
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    saved["state_dict"]["model.ctc.bias"] = torch.zeros(3)
    torch.save(saved, folder / "step=1.ckpt")
    with pytest.raises(BundleError, match=r"step=1\.ckpt: its weights do not fit.*ctc\.bias") as refused:
        export_run(tmp_path / "run", tmp_path / "bundle")
    assert "\n" not in str(refused.value)
    torch.save({**saved, "state_dict": {"model.other": torch.zeros(3)}}, folder / "step=2.ckpt")
    with pytest.raises(BundleError, match="of different models"):
        export_run(tmp_path / "run", tmp_path / "bundle", average=2)
