"""Recipes of the corpora with readers of our own, on miniatures: the commands of run.sh, two updates of training."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT
from test_corpora import TREES
from test_lhotse_corpora import TINY, commands

from asr.apps.cli import app, run
from asr.data.manifests.manifest import read_manifest
from asr.training.checkpoints import CHECKPOINTS
from asr.training.command import train

# The corpus, what run.sh is given after its folder, and the lists that are scored at its end.
RUNS = {
    "an4": ("an4", [], ["dev", "test"]),
    "english_ccc": ("english_ccc", [], ["dev"]),
    "speech_commands": ("speech_commands", [], ["dev", "test"]),
    "speech_commands_12": ("speech_commands", ["speech_commands_12"], ["dev", "test"]),
    "speechocean762": ("speechocean762", [], ["dev", "test"]),
}


def test_every_config_of_these_recipes_is_run_here() -> None:
    recipes = {recipe for recipe, _, _ in RUNS.values()}
    assert sum(len(list((ROOT / "recipes" / recipe).glob("*.yaml"))) for recipe in recipes) == len(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_recipe_gets_from_a_corpus_to_a_training(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, more, scored = RUNS[name]
    TREES[name](tmp_path / "corpus")
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.chdir(tmp_path)
    config = ""
    for command, *rest in commands(recipe, ["corpus", *more], tmp_path):
        if command == "prepare":
            assert run(app, [command, *rest], "asr") == 0
        elif command == "tokenizer":
            assert run(app, [command, *rest[:-1], "40"], "asr") == 0
        elif command == "train":
            config = rest[1]
            train([*rest, *TINY])
        else:
            assert command in ("export", "evaluate")
    folder = Path(yaml.safe_load(Path(config).read_text())["run"])
    assert torch.load(folder / CHECKPOINTS / "last.ckpt", weights_only=True)["global_step"] == 2

    # A second time, nothing is prepared again, the training goes on, and what there is is scored.
    again = commands(recipe, ["corpus", *more], tmp_path)
    assert {command for command, *_ in again} == {"tokenizer", "train", "export", "evaluate"}
    assert ["train", "--config", config, "--ckpt_path", "last"] in again
    assert [rest[0] for command, *rest in again if command == "evaluate"] == [
        f"data/{name}/cuts_{split}.jsonl.gz" for split in scored
    ]
    assert all(read_manifest(Path(f"data/{name}/cuts_{split}.jsonl.gz")) for split in scored)


def test_recipe_goes_on_past_damaged_recordings(tmp_path: Path) -> None:
    """`asr prepare` ends with 1 when it left some out, and with 1 and no lists when it gave up."""
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "asr"
    for lists, asked in (("", ["prepare"]), ("mkdir -p data/an4 && touch data/an4/cuts_train.jsonl.gz", None)):
        program.write_text(
            f'#!/bin/sh\necho $1 >>"{tmp_path}/asked"\nif [ $1 = prepare ]; then {lists or ":"}; exit 1; fi\n'
        )
        program.chmod(0o755)
        (tmp_path / "asked").unlink(missing_ok=True)
        done = subprocess.run(
            ["sh", "recipes/an4/run.sh", "corpus"],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"},
            check=False,
        )
        found = (tmp_path / "asked").read_text().split()
        assert (done.returncode != 0) == (asked is not None)
        assert found == (asked or ["prepare", "tokenizer", "train", "export"])


@pytest.mark.parametrize(
    ("recipe", "arguments"), [("an4", []), ("speech_commands", []), ("common_voice", ["small"])], ids=lambda each: each
)
def test_recipe_takes_lists_of_ones_own_and_passes_options_on(
    recipe: str, arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.tsv").write_text("path\tspeaker\ttext\n")
    options = ["--trainer.max_epochs", "3"]
    first, *others = commands(recipe, ["mine", *arguments, *options], tmp_path)
    assert first == ["prepare", "tsv", "mine", f"data/{recipe}"]
    assert [rest[-2:] for command, *rest in others if command == "train"] == [options]


def test_recipe_of_twelve_classes_refuses_lists_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").touch()
    script = ["sh", "recipes/speech_commands/run.sh", str(tmp_path), "speech_commands_12"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path}: lists of your own have no twelve classes\n"
