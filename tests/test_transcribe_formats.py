"""`asr transcribe --format` and `--out`: a file for each recording, whole or not at all."""

import json
import shutil
from pathlib import Path

import pytest

from asr.apps.cli import app, run
from asr.apps.transcribe import SUFFIXES

SAMPLES = Path(__file__).resolve().parents[1] / "recipes" / "commands" / "samples"
ONE = str(SAMPLES / "five_five.flac")
TWO = [ONE, str(SAMPLES / "find_my_files.flac")]


def transcribe(*arguments: str) -> int:
    return run(app, ["transcribe", "--greedy", *arguments], "asr")


@pytest.mark.parametrize("form", SUFFIXES)
def test_each_recording_gets_a_file(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made" / "here"
    old = out / f"five_five.{SUFFIXES[form]}"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    assert transcribe("--format", form, "--out", str(out), *TWO) == 0
    assert sorted(each.name for each in out.iterdir()) == [
        f"{name}.{SUFFIXES[form]}" for name in ("find_my_files", "five_five")
    ]
    content = old.read_text(encoding="utf-8")
    assert content.endswith("\n")
    assert content != "old"
    assert capsys.readouterr().out == ""
    if form in ("text", "json"):
        return
    assert transcribe("--format", form, ONE) == 0
    assert capsys.readouterr().out.rstrip("\n") == content.rstrip("\n")


def test_json_is_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for options in (["--json"], ["--format", "json"]):
        assert transcribe(*options, ONE) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    found = json.loads(printed[0])
    edges = [edge for word in found["words"] for edge in (word["start"], word["end"])]
    assert edges
    assert edges == sorted(edges)
    assert edges[-1] <= found["seconds"]


@pytest.mark.parametrize(
    "options", [["--json", "--format", "srt", ONE], ["--format", "vtt", *TWO], ["--format", "odd", ONE]]
)
def test_what_makes_no_sense_is_a_mistake_of_usage(options: list[str]) -> None:
    assert transcribe(*options) == 2


def test_two_recordings_of_one_name_are_refused_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b").mkdir()
    other = shutil.copy(ONE, tmp_path / "b" / "FIVE_five.flac")
    out = tmp_path / "out"
    for files in ([ONE, str(other)], [ONE, ONE]):
        assert transcribe("--out", str(out), *TWO[1:], *files) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "five_five" in line
        assert not out.exists()


def test_a_file_is_no_folder_to_write_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    assert transcribe("--out", str(tmp_path / "out"), ONE) == 1
    assert "wanted a folder" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_a_recording_that_cannot_be_read_leaves_no_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    out = tmp_path / "out"
    assert transcribe("--format", "srt", "--out", str(out), str(bad), ONE) == 1
    assert [each.name for each in out.iterdir()] == ["five_five.srt"]
