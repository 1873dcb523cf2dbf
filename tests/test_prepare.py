"""`asr prepare`: whole corpora with some damage in them, killed runs, full disks, and what is said about it all."""

import errno
import gzip
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from lhotse import CutSet
from test_corpora import TREES, speech_commands_tree

from asr.apps.cli import app, run
from asr.data.corpora import CORPORA, preparation
from asr.data.corpora.corpus import CorpusSplits
from asr.data.corpora.preparation import JOURNAL, LEFT_OUT, prepare_corpus
from asr.data.manifests.manifest import read_manifest
from asr.data.manifests.utterance import Utterance
from asr.errors import AsrError, ManifestError

RATE = 16_000
ASR = [sys.executable, "-m", "asr"]
Prepare = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def prepare(capsys: pytest.CaptureFixture[str]) -> Prepare:
    """Runs `asr prepare` in this process; gives the exit status, what was printed, and the complaints."""

    def ended(*arguments: str | Path) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        status = run(app, ["prepare", *map(str, arguments)], "asr")
        out, error = capsys.readouterr()
        return status, out, error.splitlines()

    return ended


def sound(path: Path, seconds: float = 0.2, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(len(path.name)).uniform(-0.3, 0.3, round(seconds * rate)), rate)
    return path


def lists(folder: Path, train: int = 30, dev: int = 4) -> Path:
    """A corpus of one's own: wav files in a folder for each split, and the lists."""
    for split, count in (("train", train), ("dev", dev)):
        rows = ["path\tspeaker\ttext"]
        for number in range(count):
            name = f"{split}/{number:03}.wav"
            sound(folder / name, 0.2 + number / 100, 8_000 if number == 1 else RATE)
            rows.append(f"{name}\t{split}{number % 3}\tsay {number}")
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    return folder


def texts(cuts: Path) -> list[str]:
    return [utterance.text for utterance in read_manifest(cuts)]


def contents(folder: Path) -> dict[str, object]:
    """What each file of a folder holds; cut sets as text, because gzip notes the time."""
    found: dict[str, object] = {}
    for path in folder.iterdir():
        found[path.name] = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return found


def test_all_that_a_training_needs_is_written(prepare: Prepare, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, printed, complaints = prepare("tsv", lists(tmp_path / "corpus"), out)
    assert (status, complaints) == (0, [])
    names = ["cuts_train.jsonl.gz", "cuts_dev.jsonl.gz", LEFT_OUT, "data_sheet.json", "data_sheet.md"]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    rows = [line.split() for line in printed.splitlines()]
    assert rows[:3] == [
        ["split", "utterances", "hours", "speakers"],
        ["train", "30", "0.00", "3"],
        ["dev", "4", "0.00", "3"],
    ]
    assert printed.splitlines()[-1] == f"written: {', '.join(names)} in {out}"
    assert texts(out / "cuts_train.jsonl.gz") == [f"say {number}" for number in range(30)]
    assert len(list(CutSet.from_file(out / "cuts_dev.jsonl.gz"))) == 4
    assert (out / LEFT_OUT).read_text() == ""


def test_data_sheet_counts_what_is_there(tmp_path: Path) -> None:
    made = prepare_corpus(CORPORA["tsv"], lists(tmp_path / "corpus", train=10), tmp_path / "out")
    sheet = json.loads((tmp_path / "out" / "data_sheet.json").read_text())
    assert sheet == json.loads(json.dumps(made.sheet.to_dict()))
    assert sheet["whole"]["utterances"] == 14
    assert sheet["splits"]["train"]["utterances"] == 10
    assert sheet["splits"]["train"]["speakers"] == 3
    assert sheet["whole"]["sample_rates"] == {"8000": 2, "16000": 12}
    seconds = sum(0.2 + number / 100 for number in range(10)) + sum(0.2 + number / 100 for number in range(4))
    assert sheet["whole"]["hours"] * 3600 == pytest.approx(seconds, abs=0.01)
    assert sheet["licence"] == CORPORA["tsv"].licence
    assert re.fullmatch("sha256:[0-9a-f]{64} over ids, texts and SHA-256 of the audio files", sheet["digest"])
    assert (tmp_path / "out" / "data_sheet.md").read_text() == made.sheet.markdown()


@pytest.mark.parametrize("headers_only", [False, True])
def test_digest_tells_data_apart(headers_only: bool, tmp_path: Path) -> None:
    folder = lists(tmp_path / "corpus", train=3)

    def digest() -> str:
        return prepare_corpus(CORPORA["tsv"], folder, tmp_path / "out", headers_only=headers_only).sheet.digest

    digests = [digest()]
    assert digest() == digests[0]
    moved = folder.rename(tmp_path / "elsewhere")
    folder = moved
    assert digest() == digests[0], "where it lies does not matter"
    listing = folder / "train.tsv"
    listing.write_text(listing.read_text().replace("say 2", "say two"))
    digests.append(digest())
    sound(folder / "train" / "002.wav", 0.5)
    digests.append(digest())
    assert len(set(digests)) == 3


# What cannot be used


def damage(folder: Path) -> dict[str, str]:
    """Six recordings of train that cannot be used, and a part of what is said of each."""
    train = folder / "train"
    (train / "003.wav").write_bytes(b"")
    (train / "004.wav").write_text("this is not audio\n" * 20)
    whole = (train / "005.wav").read_bytes()
    (train / "005.wav").write_bytes(whole[: len(whole) // 3])
    soundfile.write(train / "006.wav", np.zeros(0), RATE)
    soundfile.write(train / "007.wav", np.zeros(3000), RATE)
    (train / "008.wav").write_bytes(np.random.default_rng(0).bytes(5000))
    return {
        "003.wav": "an empty file",
        "004.wav": "cannot be read as audio (Format not recognised.)",
        "005.wav": "cut short",
        "006.wav": "no samples",
        "007.wav": "nothing but zeros",
        "008.wav": "cannot be read as audio",
    }


def test_damaged_recordings_are_left_out_and_listed(prepare: Prepare, tmp_path: Path) -> None:
    folder, out = lists(tmp_path / "corpus", train=120), tmp_path / "out"
    expected = damage(folder)
    status, printed, complaints = prepare("tsv", folder, out)
    assert status == 1
    assert ["train", "114", "0.03", "3"] in [line.split() for line in printed.splitlines()]
    assert len(complaints) == 1
    assert "6 of 124 utterances left out" in complaints[0]
    assert str(out / LEFT_OUT) in complaints[0]
    assert "and 3 more" in complaints[0]
    listed = (out / LEFT_OUT).read_text().splitlines()
    assert len(listed) == len(expected)
    for line, (name, said) in zip(listed, expected.items(), strict=True):
        assert line.startswith(f"{folder / 'train' / name}: ")
        assert said in line
        assert line.count(str(folder)) == 1
    assert "say 5" not in texts(out / "cuts_train.jsonl.gz")
    assert json.loads((out / "data_sheet.json").read_text())["whole"]["utterances"] == 118


def test_a_path_that_is_not_there_is_left_out_and_listed(prepare: Prepare, tmp_path: Path) -> None:
    folder = lists(tmp_path / "own", train=2, dev=2)
    (folder / "train" / "000.wav").unlink()
    (folder / "dev" / "001.wav").unlink()
    (folder / "dev" / "001.wav").mkdir()
    status, out, complaints = prepare("tsv", folder, tmp_path / "out")
    assert status == 1
    assert "cuts_train.jsonl.gz" in out
    assert texts(tmp_path / "out" / "cuts_train.jsonl.gz") == ["say 1"]
    assert texts(tmp_path / "out" / "cuts_dev.jsonl.gz") == ["say 0"]
    assert (tmp_path / "out" / LEFT_OUT).read_text().splitlines() == [
        "train.tsv: found no such file for train/000.wav",
        "dev.tsv: found no regular file for dev/001.wav",
    ]
    (complaint,) = complaints
    assert "2 utterances left out, their recordings are missing: train.tsv: " in complaint


def test_lists_of_which_nothing_is_there_are_refused(prepare: Prepare, tmp_path: Path) -> None:
    folder = lists(tmp_path / "own", train=2, dev=1)
    shutil.rmtree(folder / "train")
    shutil.rmtree(folder / "dev")
    status, _, (complaint,) = prepare("tsv", folder, tmp_path / "out")
    assert status == 1
    assert "3 of 3 recordings are missing: train.tsv: found no such file for train/000.wav; " in complaint
    assert not (tmp_path / "out").exists()


def test_a_journal_that_was_damaged_is_not_believed(tmp_path: Path) -> None:
    folder, out = lists(tmp_path / "own", train=2, dev=1), tmp_path / "out"
    out.mkdir()
    status = (folder / "train" / "000.wav").stat()
    good = {"path": str(folder / "train" / "000.wav"), "size": status.st_size, "mtime": status.st_mtime_ns}
    lines = [{**good, "sha256": "x", "seconds": "1"}, {**good, "sha256": "x", "fault": 5}, {**good, "path": []}, [], 5]
    (out / JOURNAL).write_text("".join(f"{json.dumps(each)}\n" for each in lines) + "[" * 100_000 + "\n")
    assert prepare_corpus(CORPORA["tsv"], folder, out).sheet.whole.utterances == 3


def test_headers_alone_miss_what_lies_behind_them(prepare: Prepare, tmp_path: Path) -> None:
    folder, out = lists(tmp_path / "corpus", train=120), tmp_path / "out"
    expected = damage(folder)
    status, _, _ = prepare("tsv", folder, out, "--headers-only")
    assert status == 1
    listed = [Path(line.partition(": ")[0]).name for line in (out / LEFT_OUT).read_text().splitlines()]
    assert listed == [name for name in expected if name not in ("005.wav", "007.wav")]
    assert "sizes of the audio files" in json.loads((out / "data_sheet.json").read_text())["digest"]


def test_too_much_damage_stops_and_writes_nothing(prepare: Prepare, tmp_path: Path) -> None:
    folder, out = lists(tmp_path / "corpus", train=30), tmp_path / "out"
    damage(folder)
    status, printed, complaints = prepare("tsv", folder, out)
    assert (status, printed, len(complaints)) == (1, "", 1)
    assert "6 of 34 utterances cannot be used, wanted at most a share of 0.05" in complaints[0]
    assert "003.wav" in complaints[0]
    assert "--bad-share" in complaints[0]
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    assert prepare("tsv", folder, out)[0] == 1
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    status, _, complaints = prepare("tsv", folder, out, "--bad-share", "0.2")
    assert (status, len(complaints)) == (1, 1)
    assert (out / "cuts_train.jsonl.gz").exists()


def test_nothing_left_to_use_stops_whatever_the_share(prepare: Prepare, tmp_path: Path) -> None:
    folder = lists(tmp_path / "corpus", train=2, dev=1)
    for path in folder.rglob("*.wav"):
        path.write_bytes(b"x")
    status, _, complaints = prepare("tsv", folder, tmp_path / "out", "--bad-share", "1")
    assert (status, len(complaints)) == (1, 1)
    assert not (tmp_path / "out").exists()


def test_a_partial_copy_is_no_failure(prepare: Prepare, tmp_path: Path) -> None:
    folder, out = tmp_path / "corpus", tmp_path / "out"
    TREES["speechocean762"](folder)
    shutil.rmtree(folder / "WAVE" / "SPEAKER0006")
    status, _, complaints = prepare("speechocean762", folder, out)
    assert status == 0
    assert len(complaints) == 1
    assert "5 files or transcripts left out" in complaints[0]
    assert len((out / LEFT_OUT).read_text().splitlines()) == 5


def reading(corpus: str, splits: dict[str, Sequence[Utterance]]) -> Callable[[Path], CorpusSplits]:
    return lambda folder: CorpusSplits(splits)


def test_recordings_shorter_than_their_utterances(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav", 2.0)
    good = [Utterance(f"good{n}", path, "a", "yes", n / 20, 0.5) for n in range(20)]
    padded = Utterance("padded", path, "a", "yes", 1.0, 1.05)
    bad = [Utterance("beyond", path, "a", "yes", 1.5, 0.7), Utterance("after", path, "a", "yes", 2.0)]
    corpus = replace(CORPORA["tsv"], read=reading("tsv", {"train": [*good, padded, *bad]}))
    made = prepare_corpus(corpus, tmp_path, tmp_path / "out", bad_share=0.1)
    assert [line.partition("its utterance ")[2].split()[0] for line in made.unusable] == ["beyond", "after"]
    assert made.sheet.whole.utterances == 21
    assert read_manifest(tmp_path / "out" / "cuts_train.jsonl.gz")[-1] == padded


def test_silence_may_be_digital_where_nothing_is_said(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(3000), RATE)
    spoken, silent = Utterance("a", tmp_path / "a.wav", "a", "yes"), Utterance("b", tmp_path / "a.wav", "-", "")
    corpus = replace(CORPORA["tsv"], read=reading("tsv", {"train": [spoken, silent]}))
    made = prepare_corpus(corpus, tmp_path, tmp_path / "out", bad_share=0.5)
    assert [u.id for u in read_manifest(tmp_path / "out" / "cuts_train.jsonl.gz")] == ["b"]
    assert len(made.unusable) == 1


# What contradicts itself


def test_shared_speakers_are_refused(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav")
    splits = {"train": [Utterance("1", path, "ann", "yes")], "test": [Utterance("2", path, "ann", "no")]}
    with pytest.raises(ManifestError, match=rf"{tmp_path}: train and test: .*same speakers.*ann"):
        prepare_corpus(replace(CORPORA["tsv"], read=reading("tsv", splits)), tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    nobody = {split: [replace(u, speaker="-") for u in each] for split, each in splits.items()}
    prepare_corpus(replace(CORPORA["tsv"], read=reading("tsv", nobody)), tmp_path, tmp_path / "out")


@pytest.mark.parametrize("other", ["train", "dev"])
def test_an_id_that_comes_twice_is_refused(other: str, tmp_path: Path) -> None:
    first, second = sound(tmp_path / "a.wav"), sound(tmp_path / "b.wav")
    splits: dict[str, list[Utterance]] = {"train": [Utterance("same", first, "ann", "yes")], "dev": []}
    splits[other].append(Utterance("same", second, "ben", "no"))
    with pytest.raises(ManifestError, match=rf"id 'same' for .*a\.wav in train and for .*b\.wav in {other}; wanted"):
        prepare_corpus(replace(CORPORA["tsv"], read=reading("tsv", splits)), tmp_path, tmp_path / "out")


def test_a_list_in_another_encoding_is_named(prepare: Prepare, tmp_path: Path) -> None:
    folder = lists(tmp_path / "corpus")
    (folder / "dev.tsv").write_bytes("path\tspeaker\ttext\ndev/000.wav\tben\tcaf\xe9\n".encode("latin-1"))
    status, _, complaints = prepare("tsv", folder, tmp_path / "out")
    assert (status, len(complaints)) == (1, 1)
    assert "dev.tsv" in complaints[0]
    assert "UTF-8" in complaints[0]


def test_an_unknown_corpus_is_asked_back(prepare: Prepare, tmp_path: Path) -> None:
    status, _, complaints = prepare("speech_command", tmp_path, tmp_path / "out")
    assert status == 1
    assert "did you mean speech_commands" in complaints[0]


# Runs that end early


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle; the next run checks only the rest and writes what a straight run writes."""
    folder = lists(tmp_path / "corpus", train=60)
    damage(folder)
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import sys, time\n"
        "from asr.data.corpora import preparation\n"
        "look = preparation.load_audio\n"
        "def slowly(path):\n"
        "    time.sleep(0.2)\n"
        "    return look(path)\n"
        "preparation.load_audio = slowly\n"
        "from asr.apps.main import main\n"
        "main()\n"
    )
    arguments = ["prepare", "tsv", str(folder), str(tmp_path / "out"), "--bad-share", "0.5"]
    killed = subprocess.Popen([sys.executable, str(slow), *arguments], cwd=ROOT, stderr=subprocess.PIPE)
    journal = tmp_path / "out" / JOURNAL
    ends = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 10:
        assert killed.poll() is None, killed.stderr.read() if killed.stderr else ""
        assert time.monotonic() < ends
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(10) == -signal.SIGKILL
    if killed.stderr:
        killed.stderr.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [JOURNAL]
    noted = journal.read_bytes().count(b"\n")
    assert 10 <= noted < 64
    journal.write_bytes(journal.read_bytes() + b'{"path": "torn o')

    seen = []

    def watched(path: Path) -> preparation.RecordingInfo:
        seen.append(path)
        return decoded(path)

    decoded = preparation._decoded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "_decoded", watched)
        prepare_corpus(CORPORA["tsv"], folder, tmp_path / "out", bad_share=0.5)
    assert len(seen) == 64 - noted
    prepare_corpus(CORPORA["tsv"], folder, tmp_path / "straight", bad_share=0.5)
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")


def test_what_changed_since_is_checked_again(tmp_path: Path) -> None:
    folder, out = lists(tmp_path / "corpus", train=6, dev=1), tmp_path / "out"
    out.mkdir()

    def full(*_: object) -> None:
        raise ManifestError("no room")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "write_cuts", full)
        with pytest.raises(ManifestError, match="no room"):
            prepare_corpus(CORPORA["tsv"], folder, out)
    assert (out / JOURNAL).exists()
    (folder / "train" / "002.wav").write_bytes(b"broken")
    made = prepare_corpus(CORPORA["tsv"], folder, out, bad_share=0.5)
    assert [line.partition(": ")[0] for line in made.unusable] == [str(folder / "train" / "002.wav")]
    assert not (out / JOURNAL).exists()


def test_headers_do_not_stand_for_a_check(tmp_path: Path) -> None:
    """What a killed run with --headers-only noted is not believed by one that decodes."""
    folder, out = lists(tmp_path / "corpus", train=20), tmp_path / "out"
    whole = (folder / "train" / "005.wav").read_bytes()
    (folder / "train" / "005.wav").write_bytes(whole[: len(whole) // 3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "_write_whole", lambda *_: (_ for _ in ()).throw(AsrError("no room")))
        with pytest.raises(AsrError, match="no room"):
            prepare_corpus(CORPORA["tsv"], folder, out, headers_only=True)
    assert len(prepare_corpus(CORPORA["tsv"], folder, out).unusable) == 1


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """The journal of what was checked is the first to need room."""
    folder, out = lists(tmp_path / "corpus", train=8, dev=2), tmp_path / "out"
    done = subprocess.run(
        [*ASR, "prepare", "tsv", str(folder), str(out)],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700)),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=120,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"{out / JOURNAL}: cannot be written (File too large); make room" in done.stderr
    assert [path.name for path in out.iterdir()] == [JOURNAL]
    prepare_corpus(CORPORA["tsv"], folder, out)
    prepare_corpus(CORPORA["tsv"], folder, tmp_path / "straight")
    assert contents(out) == contents(tmp_path / "straight")


@pytest.mark.parametrize("full_at", ["left_out.txt", "data_sheet.json", "cuts_train.jsonl.gz", "cuts_dev.jsonl.gz"])
def test_no_file_is_half_written(
    full_at: str, prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = lists(tmp_path / "corpus", train=8, dev=2), tmp_path / "out"
    opened = Path.open

    def filling(path: Path, mode: str = "r", *given: Any, **more: Any) -> Any:
        if full_at in path.name and "w" in mode:
            with opened(path, mode) as file:
                file.write(b"half of ")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, *given, **more)

    monkeypatch.setattr(Path, "open", filling)
    status, _, complaints = prepare("tsv", folder, out)
    assert (status, len(complaints)) == (1, 1)
    assert full_at in complaints[0]
    assert "No space left on device" in complaints[0]
    monkeypatch.undo()
    whole = tmp_path / "whole"
    prepare_corpus(CORPORA["tsv"], folder, whole)
    for name, content in contents(out).items():
        assert name == JOURNAL or content == contents(whole)[name]
    assert full_at not in contents(out)
    prepare_corpus(CORPORA["tsv"], folder, out)
    assert contents(out) == contents(whole)


def test_memory_and_threads_do_not_change_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lists(tmp_path / "corpus", train=20)
    prepare_corpus(CORPORA["tsv"], folder, tmp_path / "one")
    monkeypatch.setattr(preparation, "_AT_A_TIME", 3)
    prepare_corpus(CORPORA["tsv"], folder, tmp_path / "other")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


# Together with the readers


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_every_corpus_can_be_prepared(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path / "corpus")
    made = prepare_corpus(CORPORA[name], tmp_path / "corpus", tmp_path / "out")
    assert not made.unusable
    for split in made.sheet.splits:
        assert read_manifest(tmp_path / "out" / f"cuts_{split}.jsonl.gz")
    assert set(made.written) == {path.name for path in (tmp_path / "out").iterdir()}
    assert (tmp_path / "out" / LEFT_OUT).read_text().splitlines() == list(made.unpaired)


def test_download_comes_first(prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.data.corpora.download.fetch", lambda corpus, folder: speech_commands_tree(folder))
    status, printed, _ = prepare("speech_commands", tmp_path / "corpus", tmp_path / "out", "--download")
    assert status == 0
    assert "cuts_noise.jsonl.gz" in printed
    status, _, complaints = prepare("speech_commands", tmp_path / "nothing", tmp_path / "out")
    assert (status, len(complaints)) == (1, 1)
