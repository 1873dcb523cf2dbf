"""How well grammars are understood that are new: the numbers add up, and each grammar refuses what others ask."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT
from test_scripts import script

from asr.commands.grammar.form import read_grammar
from asr.commands.network.network import compile_network
from asr.text.normaliser import Normaliser

bench = script("bench_grammars")
UNSEEN = sorted((ROOT / "recipes" / "commands" / "unseen").glob("*.yaml"))


@pytest.fixture
def spoken(corpora: Path, tmp_path: Path) -> Path:
    """Two grammars, and a list of recordings of each."""
    folder = tmp_path / "spoken"
    folder.mkdir()
    words = corpora.resolve() / "speech_commands"
    recordings = dict(line.split("\t")[::2][::-1] for line in (words / "dev.tsv").read_text().splitlines()[1:])
    for name, texts in (("digits", ["one", "three"]), ("indoors", ["bed", "cat"])):
        lines = [f"{words / recordings[text]}\tsomebody\t{text}" for text in texts]
        (folder / f"{name}.tsv").write_text("\n".join(["path\tspeaker\ttext", *lines]) + "\n", encoding="utf-8")
        commands = "".join(f"  {text}: [{text}]\n" for text in texts)
        (tmp_path / f"{name}.yaml").write_text(f"language: en\ncommands:\n{commands}", encoding="utf-8")
    return folder


def run(bench: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["bench_grammars.py", *map(str, arguments)])
    status: int = bench.main()
    return status


def test_each_grammar_hears_its_commands_and_those_of_others(
    bench: ModuleType,
    spoken: Path,
    corpora: Path,
    willing_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    noise = corpora / "noise_esc10" / "all.tsv"
    options = ["--grammars", spoken.parent, "--bundle", willing_bundle, "--noise", noise, "--snr", "6"]
    assert run(bench, monkeypatch, spoken, *options) == 0
    out, _ = capsys.readouterr()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line[:1] == "|"]
    assert rows[0][4:] == ["accepted exactly", "exactly at 6 dB", "accepted wrongly", "others refused"]
    ours = {row[0]: row for row in rows[2:] if row[1] == "ours"}
    assert [(name, row[2]) for name, row in ours.items()] == [("digits", "2"), ("indoors", "2"), ("all of them", "4")]
    assert [row[-1].partition(":")[0] for row in ours.values()] == ["2", "2", "4"]
    shares = [[float(row[place].split()[0]) for row in ours.values()] for place in (4, 5, 6)]
    assert all(one + other == 2 * both for one, other, both in shares), "as many of each"
    assert all(exactly + wrongly == 100.0 for exactly, wrongly in zip(shares[0], shares[2], strict=True)), "all taken"


def test_what_is_missing_is_said(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bench, monkeypatch, tmp_path) == 1
    assert f"{tmp_path}: no recordings in it; wanted a folder or a .tsv" in capsys.readouterr().err


@pytest.mark.parametrize("path", UNSEEN, ids=lambda path: path.stem)
def test_no_text_that_trains_holds_a_command_of_these_grammars(path: Path) -> None:
    """What is measured by them is new: of three words or more, none is among the commands that are trained on."""
    assert len(UNSEEN) == 12
    network = compile_network([read_grammar(path)], Normaliser())
    normaliser = Normaliser()
    trained = [
        normaliser(line)
        for name in ("commands.txt", "founding.txt")
        for line in (ROOT / "recipes" / "commands" / name).read_text(encoding="utf-8").splitlines()
    ]
    assert not [text for text in trained if len(text.split()) > 2 and network.parse(text) is not None]
