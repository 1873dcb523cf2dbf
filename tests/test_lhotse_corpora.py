"""Readers of the corpora that Lhotse has recipes for, against those recipes, and our own recipes on miniatures."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import ROOT
from miniatures import TREES, say, write

from asr.apps.cli import app, run
from asr.data.corpora import CORPORA
from asr.data.corpora.corpus import CorpusSplits
from asr.data.corpora.vctk import split_of
from asr.data.manifests.manifest import check_disjoint, read_manifest
from asr.errors import ManifestError
from asr.training.checkpoints import CHECKPOINTS
from asr.training.command import train

# id, speaker, text
FOUND: dict[str, dict[str, list[str]]] = {
    "audiomnist": {
        "train": [
            *("1_01_0 01 one", "2_01_1 01 two", "2_02_0 02 two"),
            *("3_02_1 02 three", "6_26_0 26 six", "7_26_1 26 seven"),
        ],
        "dev": ["0_09_1 09 zero", "0_19_1 19 zero", "9_09_0 09 nine", "9_19_0 19 nine"],
        "test": ["0_10_0 10 zero", "0_60_0 60 zero", "1_10_1 10 one", "1_60_1 60 one"],
    },
    "common_voice": {
        "train": [
            *('common_voice_en_1 aa He said "stop.', "common_voice_en_2 aa Open the door."),
            *("common_voice_en_3 bb It’s late.", "common_voice_en_4 bb Go."),
        ],
        "dev": [
            *("common_voice_en_5 cc A cold wind blew.", "common_voice_en_6 cc They came back."),
            *("common_voice_en_7 dd Yes.", "common_voice_en_8 dd No."),
        ],
        "test": [
            *("common_voice_en_10 ee Turn right.", "common_voice_en_11 ff Up."),
            *("common_voice_en_12 ff Down.", "common_voice_en_9 ee Turn left."),
        ],
    },
    "fluent_speech_commands": {
        split: [
            f"wavs/speakers/{speaker}/{speaker[:2]}-{n} {speaker} {text}"
            for speaker in speakers
            for n, text in enumerate(("Turn on the lights", "Turn the heat up, please"))
        ]
        for split, speakers in {
            "train": ("2BqVo8kVB2Skwgyb", "4BrX8aDqK2cLZRYl"),
            "dev": ("2ojo7YRL7Gck83Z3", "4aGjX3AG5xcxeL7a"),
            "test": ("4BEzPgPKe8taG9OB", "5BEzPgPKe8taG9OB"),
        }.items()
    },
    "librispeech": {
        "train": [
            *("100-107-0000 100 SO IT WAS", "100-107-0001 100 THEY CAME BACK"),
            *("103-110-0000 103 HE WENT HOME", "103-110-0001 103 IT'S LATE"),
            *("1034-1041-0000 1034 IT'S LATE", "1034-1041-0001 1034 A COLD WIND BLEW"),
            *("20-27-0000 20 IT'S LATE", "20-27-0001 20 A COLD WIND BLEW"),
        ],
        "dev": [
            *("116-123-0000 116 IT'S LATE", "116-123-0001 116 A COLD WIND BLEW"),
            *("174-181-0000 174 OPEN THE DOOR", "174-181-0001 174 HE WENT HOME"),
            *("84-91-0000 84 OPEN THE DOOR", "84-91-0001 84 HE WENT HOME"),
        ],
        "test": [
            *("121-128-0000 121 HE WENT HOME", "121-128-0001 121 IT'S LATE"),
            *("367-374-0000 367 HE WENT HOME", "367-374-0001 367 IT'S LATE"),
            *("61-68-0000 61 HE WENT HOME", "61-68-0001 61 IT'S LATE"),
        ],
    },
    "ljspeech": {
        "all": [
            *("LJ001-0001 LJ Chapter one, the door", "LJ001-0002 LJ Mister Bell came home."),
            *('LJ002-0001 LJ He said, "it is late"', "LJ002-0002 LJ A cold wind blew;"),
        ],
    },
    "mini_librispeech": {
        "train": [
            *("1088-1095-0000 1088 IT'S LATE", "1088-1095-0001 1088 A COLD WIND BLEW"),
            *("1553-1560-0000 1553 THEY CAME BACK", "1553-1560-0001 1553 OPEN THE DOOR"),
            *("1737-1744-0000 1737 A COLD WIND BLEW", "1737-1744-0001 1737 SO IT WAS"),
        ],
        "dev": [
            *("174-181-0000 174 OPEN THE DOOR", "174-181-0001 174 HE WENT HOME"),
            *("84-91-0000 84 OPEN THE DOOR", "84-91-0001 84 HE WENT HOME"),
        ],
    },
    "vctk": {
        split: [
            f"{speaker}_{n:03} {speaker} {text}"
            for speaker in speakers
            for n, text in enumerate(("Please call Stella.", "Ask her to bring snow peas."), start=1)
        ]
        for split, speakers in {"train": ("p225", "p226"), "dev": ("p230", "p233"), "test": ("p259", "p276")}.items()
    },
}
Copy = Callable[[str, Path], None]
CV = "cv-corpus-99.0-2030-01-01/en"
LEFT_OUT = {
    "audiomnist": ("data/02/three.wav: found a name that does not say digit, speaker and repetition",),
    "common_voice": (
        f"{CV}/train.tsv:6: found no recording of common_voice_en_14",
        f"{CV}/clips/common_voice_en_15.mp3: found no transcript of it",
    ),
    "fluent_speech_commands": (
        "data/valid_data.csv:6: found no recording of wavs/speakers/2ojo7YRL7Gck83Z3/gone",
        "wavs/speakers/2BqVo8kVB2Skwgyb/extra.wav: found no transcript of it",
    ),
    "librispeech": (
        "train-clean-100/103/110/103-110.trans.txt:3: found no recording of 103-110-0002",
        "train-clean-100/103/110/103-110-0003.flac: found no transcript of it",
    ),
    "ljspeech": (
        "metadata.csv:5: found no recording of LJ003-0001",
        "wavs/LJ003-0002.wav: found no transcript of it",
    ),
    "mini_librispeech": (
        "dev-clean-2/84/91/84-91.trans.txt:3: found no recording of 84-91-0002",
        "dev-clean-2/84/91/84-91-0003.flac: found no transcript of it",
    ),
    "vctk": (
        "txt/p225/p225_003.txt: found no recording of p225_003",
        "wav48_silence_trimmed/p315/p315_001_mic1.flac: found no transcript of it",
    ),
}
# A list of transcripts in each miniature, and a line that may be added to it.
LISTS = {
    "common_voice": (f"{CV}/train.tsv", "zz\tcommon_voice_en_99.mp3\ts\tcaf\xe9\t2\t0\t\t\t\t\ten\t"),
    "fluent_speech_commands": ("data/train_data.csv", "9,wavs/speakers/x/y.wav,x,caf\xe9,a,b,c"),
    "librispeech": ("dev-clean/84/91/84-91.trans.txt", "84-91-0009 CAF\xc9"),
    "ljspeech": ("metadata.csv", "LJ009-0001|caf\xe9|caf\xe9"),
    "mini_librispeech": ("dev-clean-2/84/91/84-91.trans.txt", "84-91-0009 CAF\xc9"),
}


@pytest.fixture(params=sorted(TREES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each miniature in a folder of its name, not to be changed: making them takes seconds."""
    folder = tmp_path_factory.mktemp("miniatures")
    for name, tree in TREES.items():
        tree(folder / name)
    return folder


@pytest.fixture
def copy(made: Path) -> Copy:
    """Puts a miniature into a folder."""
    return lambda name, folder: shutil.copytree(made / name, folder, dirs_exist_ok=True) and None


def read(name: str, folder: Path) -> CorpusSplits:
    return CORPORA[name].read(folder)


def rows(reading: CorpusSplits) -> dict[str, list[str]]:
    return {split: [f"{u.id} {u.speaker} {u.text}" for u in found] for split, found in reading.splits.items()}


def test_miniature_is_read_as_it_was_made(copy: Copy, name: str, tmp_path: Path) -> None:
    copy(name, tmp_path)
    reading = read(name, tmp_path)
    assert rows(reading) == FOUND[name]
    assert reading.left_out == LEFT_OUT[name]
    check_disjoint(reading.splits)
    for utterances in reading.splits.values():
        assert all(
            utterance.path.is_file() and utterance.id.rpartition("/")[2] in utterance.path.name
            for utterance in utterances
        )
        assert all(utterance.duration is None for utterance in utterances)


def test_folder_above_will_do(copy: Copy, name: str, tmp_path: Path) -> None:
    if name == "common_voice":
        copy(name, tmp_path / "made")
        inside = tmp_path / "made" / CV
        assert rows(read(name, inside)) == rows(read(name, inside.parent)) == FOUND[name]
        return
    copy(name, tmp_path / "unpacked")
    (tmp_path / "notes.txt").write_text("not a folder")
    reading = read(name, tmp_path)
    assert rows(reading) == FOUND[name]
    assert reading.left_out == tuple(f"unpacked/{line}" for line in LEFT_OUT[name])
    copy(name, tmp_path / "twice")
    with pytest.raises(ManifestError, match=r"twice, unpacked.*wanted.*name one"):
        read(name, tmp_path)


def test_other_corpora_are_not_taken_for_this_one(name: str, made: Path) -> None:
    for other in TREES:
        if other != name:
            with pytest.raises(ManifestError, match=r"wanted.*name the folder"):
                read(name, made / other)


def test_folder_that_cannot_be_looked_into_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"corpus.*cannot be listed.*wanted"):
        read(name, tmp_path / ("corpus" * 100))


def test_transcripts_without_any_recording_are_refused(copy: Copy, name: str, tmp_path: Path) -> None:
    copy(name, tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".wav", ".flac", ".mp3", ".ogg", ".opus"):
            path.unlink()
    with pytest.raises(ManifestError, match=r"found 0 recordings.*wanted") as caught:
        read(name, tmp_path)
    assert "\n" not in str(caught.value)


def test_recording_that_is_there_as_two_kinds_of_file_is_refused(copy: Copy, name: str, tmp_path: Path) -> None:
    copy(name, tmp_path)
    path = next(iter(read(name, tmp_path).splits.values()))[0].path
    say(path.with_suffix(".aiff"), "again", "again")
    with pytest.raises(ManifestError, match=rf"{re.escape(path.stem)}\.aiff and .*{re.escape(path.name)}.*remove one"):
        read(name, tmp_path)


@pytest.mark.parametrize("name", sorted(LISTS))
def test_line_that_is_not_utf8_is_left_out(copy: Copy, name: str, tmp_path: Path) -> None:
    copy(name, tmp_path)
    path = tmp_path / LISTS[name][0]
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\r\n".join([*lines, b"", LISTS[name][1].encode("latin-1")]) + b"\r\n")
    reading = read(name, tmp_path)
    assert rows(reading) == FOUND[name]
    damaged = f"{LISTS[name][0]}:{len(lines) + 2}: found bytes that are not UTF-8"
    assert reading.left_out == (damaged, *LEFT_OUT[name])


@pytest.mark.parametrize("name", sorted(LISTS))
def test_list_in_another_encoding_is_refused(copy: Copy, name: str, tmp_path: Path) -> None:
    copy(name, tmp_path)
    path = tmp_path / LISTS[name][0]
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    with pytest.raises(ManifestError, match=rf"{re.escape(path.name)}: .*wanted.* UTF-8"):
        read(name, tmp_path)


@pytest.mark.parametrize("name", sorted(LISTS))
def test_byte_order_mark_is_no_part_of_the_first_line(copy: Copy, name: str, tmp_path: Path) -> None:
    copy(name, tmp_path)
    path = tmp_path / LISTS[name][0]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rows(read(name, tmp_path)) == FOUND[name]


@pytest.mark.parametrize("name", sorted(LISTS))
def test_id_that_is_listed_twice_is_refused(copy: Copy, name: str, tmp_path: Path) -> None:
    copy(name, tmp_path)
    path = tmp_path / LISTS[name][0]
    lines = path.read_text(encoding="utf-8").splitlines()
    write(path, [*lines, lines[1]])
    with pytest.raises(ManifestError, match=rf"{path.name}:2 and in .*{path.name}:{len(lines) + 1}; .*remove one"):
        read(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "line", "complaint"),
    [
        ("common_voice", "zz\tcommon_voice_en_15.mp3", "found 2 cells, wanted 12 as in the header"),
        ("common_voice", "\tcommon_voice_en_15.mp3\ts\tYes\t2\t0\t\t\t\t\ten\t", "no speaker of common_voice_en_15"),
        ("fluent_speech_commands", "9,wavs/x.wav,x", "found 3 cells, wanted 7 as in the header"),
        ("fluent_speech_commands", "9,wavs/x.wav,\rx,Yes,a,b,c", "found no row of a table"),
        ("librispeech", "84-91 NO NUMBER", "found '84-91 NO NUMBER', wanted an id"),
        ("mini_librispeech", "84-91-0003", "found no text for 84-91-0003"),
        ("ljspeech", "LJ003-0002 without bars", "found 0 bars"),
        ("ljspeech", "LJ003-0002||", "found no text for LJ003-0002"),
    ],
)
def test_line_that_says_too_little_is_left_out(
    copy: Copy, name: str, line: str, complaint: str, tmp_path: Path
) -> None:
    copy(name, tmp_path)
    path = tmp_path / LISTS[name][0]
    lines = path.read_text(encoding="utf-8").splitlines()
    write(path, [*lines, line])
    reading = read(name, tmp_path)
    assert rows(reading) == FOUND[name]
    assert any(
        found.startswith(f"{LISTS[name][0]}:{len(lines) + 1}: ") and complaint in found for found in reading.left_out
    )


@pytest.mark.parametrize("name", ["common_voice", "fluent_speech_commands"])
def test_header_without_a_column_is_refused(copy: Copy, name: str, tmp_path: Path) -> None:
    copy(name, tmp_path)
    path = tmp_path / LISTS[name][0]
    path.write_text(path.read_text(encoding="utf-8").replace("path", "file", 1), encoding="utf-8")
    with pytest.raises(ManifestError, match=rf"{path.name}: .*missing path; wanted"):
        read(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "lists"),
    [
        ("common_voice", {split: f"{CV}/{split}.tsv" for split in ("train", "dev", "test")}),
        (
            "fluent_speech_commands",
            {"train": "data/train_data.csv", "dev": "data/valid_data.csv", "test": "data/test_data.csv"},
        ),
    ],
)
@pytest.mark.parametrize("kept", ["train", "dev", "test"])
def test_partial_copy_may_have_one_list(
    copy: Copy, name: str, lists: dict[str, str], kept: str, tmp_path: Path
) -> None:
    copy(name, tmp_path)
    for split, path in lists.items():
        if split != kept:
            (tmp_path / path).unlink()
    assert rows(read(name, tmp_path)) == {kept: FOUND[name][kept]}


def test_librispeech_is_read_by_part_too(copy: Copy, tmp_path: Path) -> None:
    copy("librispeech", tmp_path)
    for part, split in (("train-clean-100", "train"), ("dev-other", "dev"), ("test-clean", "test")):
        reading = read("librispeech", tmp_path / part)
        ids = [u.id for u in reading.splits[split]]
        whole = read("librispeech", tmp_path).splits[split]
        assert ids == [u.id for u in whole if part in u.path.parts]
        assert list(reading.splits) == [split]
    assert read("librispeech", tmp_path / "train-clean-100").left_out == tuple(
        line.removeprefix("train-clean-100/") for line in LEFT_OUT["librispeech"]
    )
    with pytest.raises(ManifestError, match=r"wanted train-clean-5"):
        read("mini_librispeech", tmp_path / "train-clean-100")


def test_clips_that_another_list_names_are_not_mentioned(copy: Copy, tmp_path: Path) -> None:
    copy("common_voice", tmp_path)
    (tmp_path / CV / "other.tsv").unlink()
    assert f"{CV}/clips/common_voice_en_13.mp3: found no transcript of it" in read("common_voice", tmp_path).left_out


def test_vctk_before_the_second_microphone(copy: Copy, tmp_path: Path) -> None:
    copy("vctk", tmp_path)
    new, old = tmp_path / "wav48_silence_trimmed", tmp_path / "wav48"
    for path in sorted(new.rglob("*_mic1.*")):
        path.rename(path.with_name(path.name.replace("_mic1", "")))
    for path in sorted(new.rglob("*_mic2.*")):
        path.unlink()
    new.rename(old)
    reading = read("vctk", tmp_path)
    assert rows(reading) == FOUND["vctk"]
    assert all("wav48" in u.path.parts for utterances in reading.splits.values() for u in utterances)


def test_vctk_transcript_that_is_not_utf8_or_empty_is_left_out(copy: Copy, tmp_path: Path) -> None:
    copy("vctk", tmp_path)
    (tmp_path / "txt" / "p225" / "p225_001.txt").write_bytes(b"caf\xe9")
    (tmp_path / "txt" / "p225" / "p225_002.txt").write_bytes(b" \n")
    reading = read("vctk", tmp_path)
    assert [u.speaker for u in reading.splits["train"]] == ["p226", "p226"]
    assert "txt/p225/p225_001.txt: found bytes that are not UTF-8" in reading.left_out
    assert "txt/p225/p225_002.txt: found no text for p225_002" in reading.left_out


def test_vctk_speakers_stay_where_they_are() -> None:
    # A change would put people who were trained on into the test set.
    expected = {"p225": "train", "p230": "dev", "p233": "dev", "p259": "test", "p276": "test", "s5": "train"}
    assert {speaker: split_of(speaker) for speaker in expected} == expected
    many = [split_of(f"p{number}") for number in range(10_000)]
    assert many.count("dev") == pytest.approx(500, abs=60)
    assert many.count("test") == pytest.approx(500, abs=60)


def test_archives_are_at_their_publishers() -> None:
    assert not CORPORA["common_voice"].archives
    assert not CORPORA["fluent_speech_commands"].archives
    for name in TREES:
        assert CORPORA[name].url.startswith("https://")
        for archive in CORPORA[name].archives:
            assert re.fullmatch(r"https://[\w.]+/.*\.(tar\.gz|tar\.bz2|zip)", archive.url)
            assert re.fullmatch(r"[0-9a-f]{32}|", archive.md5)


# Lhotse's recipes as the judge, on what they can read


def of_lhotse(manifests: dict[str, Any]) -> dict[str, str]:
    """Text and speaker by id."""
    recordings = {recording.id for recording in manifests["recordings"]}
    found = {s.id: f"{s.speaker} {s.text}" for s in manifests["supervisions"]}
    assert recordings == {s.recording_id for s in manifests["supervisions"]}
    return found


def ours(reading: CorpusSplits, suffix: str, split: str | None = None) -> dict[str, str]:
    return {
        u.id: f"{u.speaker} {u.text}"
        for name, utterances in reading.splits.items()
        for u in utterances
        if u.path.suffix == suffix and split in (None, name)
    }


@pytest.mark.parametrize("name", ["librispeech", "mini_librispeech"])
def test_lhotse_reads_librispeech_so_too(copy: Copy, name: str, tmp_path: Path) -> None:
    from lhotse.recipes import prepare_librispeech

    copy(name, tmp_path)
    parts = prepare_librispeech(tmp_path)
    theirs = {key: value for manifests in parts.values() for key, value in of_lhotse(manifests).items()}
    assert theirs == ours(read(name, tmp_path), ".flac")


def test_lhotse_reads_audiomnist_so_too(copy: Copy, tmp_path: Path) -> None:
    from lhotse.recipes.audio_mnist import prepare_audio_mnist

    copy("audiomnist", tmp_path)
    (tmp_path / "data" / "02" / "three.wav").unlink()
    (tmp_path / "data" / "audioMNIST_meta.txt").write_text(json.dumps({f"{n:02}": {} for n in range(1, 61)}))
    assert of_lhotse(prepare_audio_mnist(tmp_path, None)) == ours(read("audiomnist", tmp_path), ".wav")


def test_lhotse_reads_ljspeech_so_too(copy: Copy, tmp_path: Path) -> None:
    from lhotse.recipes import prepare_ljspeech

    copy("ljspeech", tmp_path)
    theirs = prepare_ljspeech(tmp_path)["supervisions"]
    assert {s.id: f"LJ {s.custom['normalized_text']}" for s in theirs} == ours(read("ljspeech", tmp_path), ".wav")


def test_lhotse_reads_vctk_so_too(copy: Copy, tmp_path: Path) -> None:
    from lhotse.recipes import prepare_vctk

    copy("vctk", tmp_path)
    for name in ("p225_003", "p226_002"):
        next(tmp_path.glob(f"txt/*/{name}.txt")).unlink()
    theirs = of_lhotse(prepare_vctk(tmp_path, use_edinburgh_vctk_url=True, mic_id="mic1"))
    assert {key.removesuffix("_mic1"): text for key, text in theirs.items()} == ours(read("vctk", tmp_path), ".flac")


def test_lhotse_reads_common_voice_so_too(copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lhotse.recipes import commonvoice

    # New processes would each import Lhotse, which takes seconds.
    monkeypatch.setattr(commonvoice, "ProcessPoolExecutor", lambda **_: ThreadPoolExecutor(1))
    copy("common_voice", tmp_path / "corpus")
    (tmp_path / "corpus" / CV / "clips" / "common_voice_en_8.ogg").unlink()
    found = commonvoice.prepare_commonvoice((tmp_path / "corpus" / CV).parent, tmp_path / "out", ["en"])["en"]
    reading = read("common_voice", tmp_path / "corpus")
    assert set(found) == set(reading.splits)
    for split, manifests in found.items():
        assert of_lhotse(manifests) == ours(reading, ".mp3", split)


# The recipes

TINY = (
    *("--model.model.d_model", "32", "--model.model.heads", "2", "--model.model.feedforward", "48"),
    *("--model.model.encoder_layers", "1", "--model.model.decoder_layers", "1", "--model.loss.phoneme_layer", "1"),
    *("--model.decoded_at_most", "2", "--data.workers", "0", "--data.batches.seconds", "30"),
    *("--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.precision", "32-true"),
    # An epoch an update, since it is after an epoch that checkpoints are written.
    *("--trainer.max_steps", "2", "--trainer.limit_train_batches", "1"),
    *("--trainer.log_every_n_steps", "1", "--trainer.enable_progress_bar", "false"),
)
# The recipe, what run.sh is given, and the lists that are scored at its end.
RUNS = [
    ("untried/audiomnist", ["audiomnist"], ["audiomnist/cuts_dev", "audiomnist/cuts_test"]),
    *(
        ("common_voice", ["common_voice", *size], ["common_voice/cuts_dev", "common_voice/cuts_test"])
        for size in ([], ["small"])
    ),
    (
        "untried/fluent_speech_commands",
        ["fluent_speech_commands"],
        ["fluent_speech_commands/cuts_dev", "fluent_speech_commands/cuts_test"],
    ),
    *(
        (
            "untried/librispeech",
            ["librispeech", hours],
            [f"librispeech/{split}-{kind}/cuts_{split}" for split in ("dev", "test") for kind in ("clean", "other")],
        )
        for hours in ("100", "960")
    ),
    ("ljspeech", ["ljspeech", "mini_librispeech"], ["mini_librispeech/cuts_dev"]),
    ("mini_librispeech", ["mini_librispeech"], ["mini_librispeech/cuts_dev"]),
    ("untried/vctk", ["vctk"], ["vctk/cuts_dev", "vctk/cuts_test"]),
]


def commands(recipe: str, arguments: list[str], checkout: Path) -> list[list[str]]:
    """What run.sh asks of `asr`, which here only takes note of it."""
    (checkout / "bin").mkdir(exist_ok=True)
    program, notes = checkout / "bin" / "asr", checkout / "asked"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{notes}"\n')
    program.chmod(0o755)
    notes.unlink(missing_ok=True)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    script = ["sh", f"recipes/{recipe}/run.sh", *arguments]
    subprocess.run(script, cwd=checkout, env={**os.environ, "PATH": path}, check=True)
    return [line.split() for line in notes.read_text().splitlines()]


def test_every_config_of_these_recipes_is_run_here() -> None:
    configs = {path for recipe, _, _ in RUNS for path in (ROOT / "recipes" / recipe).glob("*.yaml")}
    assert len(configs) == len(RUNS) == 9


@pytest.mark.parametrize(("recipe", "arguments", "scored"), RUNS, ids=["-".join(each[1]) for each in RUNS])
def test_recipe_gets_from_a_corpus_to_a_training(
    recipe: str, arguments: list[str], scored: list[str], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.chdir(tmp_path)
    given = [str(made / argument) if argument in TREES else argument for argument in arguments]

    config = ""
    for command, *rest in commands(recipe, given, tmp_path):
        if command in ("prepare", "data"):
            assert run(app, [command, *rest], "asr") == 0
        elif command == "tokenizer":
            assert int(rest[-1]) > 60
            assert run(app, [command, *rest[:-1], "40"], "asr") == 0
        elif command == "train":
            config = rest[1]
            train([*rest, *TINY])
        else:
            assert command in ("export", "evaluate")
    folder = Path(yaml.safe_load(Path(config).read_text())["run"])
    checkpoint = torch.load(folder / CHECKPOINTS / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    for utterance_list in scored:
        assert read_manifest(Path(f"data/{utterance_list}.jsonl.gz"))

    # A second time, nothing is prepared again, the training goes on, and what there is is scored.
    again = commands(recipe, given, tmp_path)
    assert {command for command, *_ in again} - {"data"} == {"tokenizer", "train", "export", "evaluate"}
    assert ["train", "--config", config, "--ckpt_path", "last"] in again
    evaluated = [rest for command, *rest in again if command == "evaluate"]
    assert [rest[0] for rest in evaluated] == [f"data/{each}.jsonl.gz" for each in scored]
    assert all(rest[1:3] == ["--bundle", str(folder / "bundle")] for rest in evaluated)
