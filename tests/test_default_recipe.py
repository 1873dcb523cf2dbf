"""The recipe of the default model: what run.sh asks for, whichever of the corpora are there, and again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

# Takes note of what it is asked, and leaves what would be made. Paths of lists that are given to be read must be there.
ASR = f"""#!{sys.executable}
import sys
from pathlib import Path
command, *rest = sys.argv[1:]
with open("asked", "a") as notes:
    print(command, *rest, file=notes)
def made(path):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a\\n")
if command == "prepare":
    layout, source, out = rest[:3]
    for split in ("train", "dev", "all"):
        if (Path(source) / f"{{split}}.tsv").exists() or (layout != "tsv" and split != "all"):
            made(f"{{out}}/cuts_{{split}}.jsonl.gz")
elif command == "data":
    assert Path(rest[1]).exists(), rest
    made(rest[2])
elif command == "synthesize":
    made(f"{{rest[1]}}/cuts.000000.jsonl.gz")
elif command == "sentences":
    made(rest[1])
elif command == "tokenizer":
    made(rest[0])
elif command == "train":
    made("runs/commands/checkpoints/last.ckpt")
elif command == "export":
    Path(rest[1]).mkdir(exist_ok=True)
if command in ("calibrate", "evaluate", "language-model", "tokenizer"):
    for given in rest:
        assert not given.startswith("data/") or Path(given).exists(), f"{{given}} is not there"
"""
PUBLISHED = (
    "mini_librispeech",
    "common_voice",
    "common_voice_1",
    "an4",
    "speechocean762",
    "ljspeech",
    "speech_commands",
)
LISTED = {
    "kathleen": ["train"],
    "precise": ["train"],
    "english_ccc": ["train"],
    "speech_commands_more": ["train", "dev"],
    "librispeech_dev": ["dev"],
    **{name: ["all"] for name in ("noise_esc10", "noise_ccc_maskers", "noise_mycroft", "noise_speechbrain")},
    "rir_webaudio": ["all"],
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The recipe in a folder of its own, with programs that make its texts at once, and `asr` as above."""
    recipe = tmp_path / "recipes" / "commands"
    shutil.copytree(ROOT / "recipes" / "commands", recipe, ignore=shutil.ignore_patterns("samples", "unseen"))
    (recipe / "english.sh").write_text(
        '#!/bin/sh\nmkdir -p "$1"; for n in words names sentences; do echo a >"$1/$n.txt"; done\n'
    )
    (recipe / "prose.sh").write_text('#!/bin/sh\nmkdir -p "$1"; echo a >"$1/prose.txt"\n')
    for name in ("everyday.py", "readings.py"):
        (recipe / name).write_text("import sys, pathlib\npathlib.Path(sys.argv[1]).write_text('a')\n")
    program = tmp_path / "bin" / "asr"
    program.parent.mkdir()
    program.write_text(ASR)
    program.chmod(0o755)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def asked(checkout: Path, corpora: Path) -> list[list[str]]:
    (checkout / "asked").unlink(missing_ok=True)
    path = f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["sh", "recipes/commands/run.sh", str(corpora)],
        cwd=checkout,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return [line.split() for line in (checkout / "asked").read_text().splitlines()]


def folders(at: Path, names: list[str]) -> Path:
    for name in names:
        (at / name).mkdir(parents=True)
        for split in LISTED.get(name, ()):
            (at / name / f"{split}.tsv").write_text("path\tspeaker\ttext\n")
    return at


@pytest.mark.parametrize(
    "names",
    [[*PUBLISHED, *LISTED], ["mini_librispeech"], ["an4", "common_voice", "noise_esc10", "librispeech_dev"]],
    ids=["all", "one", "some"],
)
def test_what_is_not_there_is_left_out(names: list[str], checkout: Path) -> None:
    commands = asked(checkout, folders(checkout / "corpora", names))
    prepared = {rest[2].removeprefix("data/") for command, *rest in commands if command == "prepare"}
    assert prepared == set(names)
    divided = [rest[1] for command, *rest in commands if command == "data"]
    whole = {f"data/{name}/cuts_train.jsonl.gz" for name in names}
    assert set(divided) <= whole
    config = yaml.safe_load((checkout / "data/commands/train.yaml").read_text())["data"]
    base = yaml.safe_load((ROOT / "recipes/commands/train.yaml").read_text())["data"]
    for kept, known in (
        ([each["manifest"] for each in config["train"]], [each["manifest"] for each in base["train"]]),
        *((config[kind] or [], base[kind]) for kind in ("dev", "noise", "impulses")),
    ):
        assert kept == [name for name in known if (checkout / name).exists()]
        made = [name for name in known if name.startswith("data/synthetic/")]
        assert [name for name in kept if name.startswith("data/synthetic/")] == made
    assert len([each for each in config["train"] if "phrases" in each["manifest"]]) == len(divided)
    if len(names) > 10:
        assert config == base
        assert len(divided) == 6
    (calibrated,) = ([*rest] for command, *rest in commands if command == "calibrate")
    noises = [calibrated[at + 1] for at, word in enumerate(calibrated) if word == "--noise"]
    assert noises == (config["noise"] or [])
    held_out = [
        word for command, *rest in commands if command == "language-model" for word in rest if "cuts_dev" in word
    ]
    assert held_out == sorted(str(path.relative_to(checkout)) for path in checkout.glob("data/*/cuts_dev.jsonl.gz"))


def test_a_second_time_only_the_training_goes_on(checkout: Path) -> None:
    corpora = folders(checkout / "corpora", [*PUBLISHED, *LISTED])
    first = asked(checkout, corpora)
    again = asked(checkout, corpora)
    # What speaks and trains goes on by itself, where it was.
    assert {each[0] for each in first} - {each[0] for each in again} == {"prepare", "data"}
    assert not any("--ckpt_path" in each for each in first)
    assert [each[-2:] for each in again if each[0] == "train"] == [["--ckpt_path", "last"]]
