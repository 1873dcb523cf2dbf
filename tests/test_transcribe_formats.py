"""`asr transcribe --format` and `--out`: a file for each recording, whole or not at all."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.apps.cli import app, run
from asr.apps.hearing import Hearing
from asr.apps.listening import Listening
from asr.apps.transcribe import SUFFIXES

SAMPLES = Path(__file__).resolve().parents[1] / "recipes" / "commands" / "samples"
ONE = str(SAMPLES / "five_five.flac")
TWO = [ONE, str(SAMPLES / "find_my_files.flac")]


def transcribe(*arguments: str) -> int:
    return run(app, ["transcribe", "--greedy", *arguments], "asr")


@pytest.mark.parametrize("commands", [(), ("--commands", "computer")], ids=["words", "commands"])
@pytest.mark.parametrize("form", SUFFIXES)
def test_each_recording_gets_a_file(
    form: str, commands: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "here"
    old = out / f"five_five.{SUFFIXES[form]}"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    assert transcribe("--format", form, "--out", str(out), *commands, *TWO) == 0
    assert sorted(each.name for each in out.iterdir()) == [
        f"{name}.{SUFFIXES[form]}" for name in ("find_my_files", "five_five")
    ]
    content = old.read_text(encoding="utf-8")
    assert content.endswith("\n")
    assert content != "old"
    assert capsys.readouterr().out == ""
    if form in ("text", "json"):
        return
    assert transcribe("--format", form, *commands, ONE) == 0
    assert capsys.readouterr().out.rstrip("\n") == content.rstrip("\n")


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("name", ["five_five", "find_my_files"])
def test_each_format_has_all_words_also_of_commands_and_of_what_is_no_command(
    form: str, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = name.split("_")
    for source in (str(SAMPLES / f"{name}.flac"), "-"):
        with (SAMPLES / f"{name}.flac").open("rb") as file:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
            assert transcribe("--format", form, "--commands", "computer", source) == 0
        printed = capsys.readouterr().out
        heard = json.loads(printed)["text"].split() if form == "json" else re.findall(r"[a-z]+", printed)
        if form == "text":  # and the command, or that there is none
            assert set(words) <= {*heard, "my"}
        elif form == "textgrid":
            assert [each for each in heard if each in words] == [*words, *words], "in segments, and in words"
        else:
            assert [each for each in heard if each in words] == words


def test_how_far_commands_are_heard_is_told_before_a_file_ends(tmp_path: Path) -> None:
    wave, rate = soundfile.read(ONE)
    long = str(tmp_path / "long.wav")
    soundfile.write(long, np.concatenate([wave, np.zeros(30 * rate)]), rate)
    told: list[tuple[str, float]] = []
    hearing = Hearing(Listening(None, ("computer",), 1, 1), lambda file, share: told.append((file, share)))
    transcript, _ = hearing.whole(long)
    assert transcript.words
    shares = [share for _, share in told]
    assert {file for file, _ in told} == {long}
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert 0 < shares[0] < 1
    assert shares[-1] == pytest.approx(1)


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
