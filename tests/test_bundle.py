"""What is refused as a bundle, and that writing one leaves a whole bundle or nothing."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TinyModel

from asr.bundle import FILES, read_bundle, record_score, write_bundle
from asr.errors import BundleError
from asr.training.export import average_weights, export_run, last_checkpoints


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def change(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "bundle.json"
    settings = json.loads(path.read_text())
    edit(settings)
    path.write_text(json.dumps(settings))


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name}.*missing"):
        read_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte_is_found(copy: Path, name: str) -> None:
    altered = bytearray((copy / name).read_bytes())
    altered[len(altered) // 2] ^= 1
    (copy / name).write_bytes(altered)
    with pytest.raises(BundleError, match=f"{name}.*SHA-256"):
        read_bundle(copy)


def test_a_newer_format_says_to_update(copy: Path) -> None:
    change(copy, lambda settings: settings.update(version=2))
    with pytest.raises(BundleError, match=r"version 2.*update asr"):
        read_bundle(copy)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s.update(format="zip"), "'zip'"),
        (lambda s: s.pop("features"), "features"),
        (lambda s: s["features"].update(colour=1), "colour"),
        (lambda s: s["decoding"].update(width=0), "width"),
        (lambda s: s["files"].pop("encoder.onnx"), r"lists no encoder\.onnx"),
    ],
)
def test_settings_that_do_not_fit_are_named(copy: Path, edit: Callable[[dict[str, Any]], None], message: str) -> None:
    change(copy, edit)
    with pytest.raises(BundleError, match=message):
        read_bundle(copy)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_settings_that_are_none(copy: Path, text: str) -> None:
    (copy / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        read_bundle(copy)


def test_no_folder_and_no_bundle(tmp_path: Path) -> None:
    for folder, found in ((tmp_path / "absent", "no such folder"), (tmp_path, r"no bundle\.json")):
        with pytest.raises(BundleError, match=found):
            read_bundle(folder)


def test_writing_replaces_a_bundle_keeps_its_card_and_spares_other_folders(copy: Path, tmp_path: Path) -> None:
    bundle = read_bundle(copy)
    (copy / "MODEL_CARD.md").write_text("kept")
    made = Path(shutil.copytree(copy, tmp_path / "made", ignore=shutil.ignore_patterns("*.json", "*.md")))
    write_bundle(replace(bundle, scores={"wer": 0.5}), made)
    assert read_bundle(copy).scores == {"wer": 0.5}
    assert (copy / "MODEL_CARD.md").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]

    other = tmp_path / "photos"
    other.mkdir()
    made = Path(shutil.copytree(copy, tmp_path / "made"))
    with pytest.raises(BundleError, match="left alone"):
        write_bundle(replace(bundle, folder=other), made)
    assert list(other.iterdir()) == []


def test_the_last_checkpoints_are_averaged(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for step in (9, 100, 20):
        (tmp_path / "checkpoints" / f"step={step}.ckpt").touch()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    assert [path.name for path in last_checkpoints(tmp_path, 2)] == ["step=20.ckpt", "step=100.ckpt"]
    states = [{"model.a": torch.tensor([x]), "phoneme_head.weight": torch.tensor([x])} for x in (1.0, 2.0, 6.0)]
    assert {name: w.item() for name, w in average_weights(states).items()} == {"a": 3.0}


def test_export_refuses_what_is_no_run_and_leaves_nothing(tiny: TinyModel, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no checkpoints"):
        export_run(tmp_path, tmp_path / "out")
    run = Path(shutil.copytree(tiny.run, tmp_path / "run"))
    torch.save({"state_dict": {}, "global_step": 1}, run / "checkpoints" / "step=2.ckpt")
    with pytest.raises(BundleError, match=r"step=2\.ckpt: no checkpoint of `asr train`"):
        export_run(run, tmp_path / "out", average=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_scores_are_kept_by_name_and_change_nothing_else(copy: Path) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.name != "bundle.json"}
    record_score(copy, "one dev", {"wer": 0.5})
    record_score(copy, "other", {"wer": 0.25})
    record_score(copy, "one dev", {"wer": 0.125})
    bundle = read_bundle(copy)
    assert bundle.scores == {"one dev": {"wer": 0.125}, "other": {"wer": 0.25}}
    assert {path.name: path.read_bytes() for path in copy.iterdir() if path.name != "bundle.json"} == before


def test_what_is_no_bundle_keeps_no_scores(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"found no bundle\.json"):
        record_score(tmp_path, "dev", {})
    assert not list(tmp_path.iterdir())
