"""Shards: what goes in comes out, and nothing that was half written is ever read."""

import gzip
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asr.apps import cli
from asr.audio.encoding import FORMS, Form
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.shard import finished_shards, remove_unfinished, write_shard
from asr.data.manifests.utterance import Utterance
from asr.data.shards.packing import LEFT_OUT, PLAN, pack
from asr.errors import AsrError, ManifestError, SettingsError

RATE = 16_000
ODD_IDS = ("a", "x/y.wav", "./b", "../c", "/d//e", "grüezi", "q.", "..", "é" * 120 + "/z", "s p", "-", "x/..", ".")


def sounds(*ids: str, seconds: float = 0.05) -> list[tuple[Utterance, NDArray[np.float32]]]:
    """Noise in 16 bits, full scale, no two of one length."""
    rng = np.random.default_rng(0)
    return [
        (
            Utterance(name, Path("gone.wav"), f"speaker {number}", f"text\u2028 {number}", 1.5, 2.5),
            rng.integers(-32_768, 32_768, int(seconds * RATE) + number).astype(np.float32) / 32_768,
        )
        for number, name in enumerate(ids)
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_flac_shards_give_back_every_bit_of_16(tmp_path: Path) -> None:
    items = sounds(*ODD_IDS)
    listed = write_shard(tmp_path, 3, items, form="flac")
    assert (listed.name, finished_shards(tmp_path)) == ("cuts.000003.jsonl.gz", {3})
    read = read_manifest(tmp_path)
    for (before, wave), after in zip(items, read, strict=True):
        assert (after.id, after.speaker, after.text) == (before.id, before.speaker, before.text)
        assert (after.start, after.duration) == (0.0, len(wave) / RATE)
        np.testing.assert_array_equal(read_utterance(after), wave)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Lhotse leaves the archive open
def test_lhotse_reads_them_whatever_lies_beside_them(tmp_path: Path) -> None:
    import lhotse

    items = sounds(*ODD_IDS)
    write_shard(tmp_path, 0, items[:6], form="flac")
    write_shard(tmp_path, 1, items[6:], form="flac")
    for name in (
        "cuts.index.json",
        "cuts.plan.json",
        "cuts.left_out.txt",
        "cuts.000002.77.list",
        "cuts.000002.77.audio",
    ):
        (tmp_path / name).write_text("{}")
    cuts = lhotse.CutSet.from_shar(in_dir=tmp_path)
    for cut, (utterance, wave) in zip(cuts, items, strict=True):
        np.testing.assert_array_equal(cut.load_audio()[0], wave)
        assert (cut.supervisions[0].text, cut.supervisions[0].speaker) == (utterance.text, utterance.speaker)


def test_what_lhotse_packs_is_read(tmp_path: Path) -> None:
    import lhotse

    from asr.data.manifests.cuts import write_cuts

    stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, 2))
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="PCM_16")
    utterance = Utterance("part", tmp_path / "a.wav", "ann", "hi", 0.25, 0.5)
    write_cuts([utterance], tmp_path / "cuts.jsonl")
    (tmp_path / "shar").mkdir()
    lhotse.CutSet.from_file(tmp_path / "cuts.jsonl").to_shar(tmp_path / "shar", {"recording": "flac"}, shard_size=1)
    (packed,) = read_manifest(tmp_path / "shar")
    assert (packed.id, packed.text, packed.start, packed.duration) == ("part", "hi", 0.0, 0.5)
    # Lhotse leaves the scaling to libsndfile, which is one step of 16 bits off.
    np.testing.assert_allclose(read_utterance(packed), read_utterance(utterance), atol=1.01 / 32_768)


def test_opus_shards_keep_the_length_and_most_of_the_sound(tmp_path: Path) -> None:
    tone = (0.3 * np.sin(np.arange(RATE) * 0.1)).astype(np.float32)
    items = [(Utterance(str(n), Path("x"), "-", ""), tone[:n]) for n in (1, 7, 320, 321, 5000, RATE)]
    write_shard(tmp_path, 0, items, form="opus")
    for (_, wave), utterance in zip(items, read_manifest(tmp_path), strict=True):
        heard = read_utterance(utterance)
        assert len(heard) == len(wave)
        if len(wave) >= 5000:
            assert np.std(heard - wave) < 0.1 * np.std(wave)
            assert utterance.packed is not None
            assert utterance.packed[1] < len(wave)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_items_give_the_same_bytes(tmp_path: Path, form: Form) -> None:
    for folder in ("one", "two"):
        write_shard(tmp_path / folder, 0, iter(sounds("a", "b", seconds=0.3)), form=form)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one")["cuts.000000.jsonl.gz"][4:8] == bytes(4), "gzip would note the time"


@settings(max_examples=25)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=4, unique=True), st.text())
def test_any_id_and_text_come_back(ids: list[str], text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        items = [(Utterance(name, Path("x"), "-", text), np.zeros(16, np.float32)) for name in ids]
        write_shard(Path(folder), 0, items, form="flac")
        assert [(each.id, each.text) for each in read_manifest(Path(folder))] == [(name, text) for name in ids]


def test_a_shard_that_cannot_be_written_is_not_there(tmp_path: Path) -> None:
    (good,) = sounds("a")
    empty = (good[0], np.zeros(0, np.float32))

    def torn() -> Iterator[tuple[Utterance, NDArray[np.float32]]]:
        yield good
        raise ZeroDivisionError

    for items, complaint in [([], "no utterances"), ([good, good], "'a' comes twice"), ([empty], "'a' has no samples")]:
        with pytest.raises(ManifestError, match=rf"cuts\.000001\.jsonl\.gz: .*{complaint}"):
            write_shard(tmp_path, 1, items, form="flac")
    with pytest.raises(ZeroDivisionError):
        write_shard(tmp_path, 1, torn(), form="flac")
    assert not contents(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ManifestError, match="cannot be written"):
        write_shard(tmp_path / "file", 1, [good], form="flac")
    (tmp_path / "recording.000001.tar").mkdir()
    with pytest.raises(ManifestError, match="cannot be written"):
        write_shard(tmp_path, 1, [good], form="flac")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "recording.000001.tar"]


def test_a_shard_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    write_shard(tmp_path, 0, sounds("a", "b"), form="opus")
    write_shard(tmp_path, 0, sounds("c"), form="flac")
    assert [utterance.id for utterance in read_manifest(tmp_path)] == ["c"]


def test_only_whole_shards_count(tmp_path: Path) -> None:
    assert finished_shards(tmp_path / "none") == set()
    write_shard(tmp_path, 0, sounds("a"), form="flac")
    write_shard(tmp_path, 1, sounds("b"), form="flac")
    write_shard(tmp_path, 1_000_000, sounds("c"), form="flac")
    (tmp_path / "cuts.000001.jsonl.gz").unlink()
    assert finished_shards(tmp_path) == {0, 1_000_000}
    assert [utterance.id for utterance in read_manifest(tmp_path)] == ["a", "c"]


@pytest.fixture
def recordings(tmp_path: Path) -> list[Utterance]:
    """Eleven utterances, two of them in one file."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    utterances = []
    for number, (_, wave) in enumerate(sounds(*"abcdefghij")):
        path = folder / f"{number}.wav"
        soundfile.write(path, np.rint(wave * 32_768).clip(-32_768, 32_767).astype(np.int16), RATE)
        utterances.append(Utterance(f"{number}.wav", path, "ann", f"text {number}"))
    return [*utterances, Utterance("part", utterances[0].path, "ann", "part", 0.01, 0.02)]


def test_packing_keeps_all_and_gives_the_same_files_however_many_work(
    tmp_path: Path, recordings: list[Utterance]
) -> None:
    one = pack(recordings, tmp_path / "one", form="flac", per_shard=4, jobs=1)
    three = pack(recordings, tmp_path / "three", form="flac", per_shard=4, jobs=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert one.left_out == three.left_out == ()
    assert [shard.utterances for shard in one.folder.shards] == [4, 4, 3]
    read = read_manifest(tmp_path / "one")
    expected = {utterance.id: utterance for utterance in recordings}
    assert sorted(utterance.id for utterance in read) == sorted(expected)
    assert [utterance.id for utterance in read] != list(expected), "the order is random"
    for utterance in read:
        np.testing.assert_array_equal(read_utterance(utterance), read_utterance(expected[utterance.id]))
    assert one.folder.seconds == pytest.approx(sum(utterance.duration or 0 for utterance in read))
    pack(recordings, tmp_path / "other", form="flac", per_shard=4, seed=1)
    assert [u.id for u in read_manifest(tmp_path / "other")] != [u.id for u in read]
    again = pack(read, tmp_path / "again", form="flac", per_shard=100)
    assert again.folder.utterances == len(recordings)


def test_what_cannot_be_read_is_left_out_and_named(tmp_path: Path, recordings: list[Utterance]) -> None:
    recordings[2].path.write_bytes(b"torn")
    packed = pack(recordings, tmp_path / "out", form="flac", per_shard=3, bad_share=0.1)
    assert packed.folder.utterances == len(recordings) - 1
    (line,) = packed.left_out
    assert line.startswith("2.wav: ")
    assert (tmp_path / "out" / LEFT_OUT).read_text() == f"{line}\n"
    before = contents(tmp_path / "out")
    assert pack(recordings, tmp_path / "out", form="flac", per_shard=3, bad_share=0.1) == packed
    assert contents(tmp_path / "out") == before
    with pytest.raises(AsrError, match=r"1 of 11 .* cannot be read so far; wanted 0\.05 .* 2\.wav"):
        pack(recordings, tmp_path / "strict", form="flac", per_shard=3)
    for utterance in recordings:
        utterance.path.write_bytes(b"torn")
    with pytest.raises(AsrError, match="none of 11"):
        pack(recordings, tmp_path / "none", form="flac", per_shard=1, bad_share=1.0)


def test_a_folder_with_something_else_is_refused(tmp_path: Path, recordings: list[Utterance]) -> None:
    out = tmp_path / "out"
    pack(recordings, out, form="flac", per_shard=4)
    for changed in ({"form": "opus"}, {"per_shard": 5}, {"seed": 1}):
        ((name, value),) = changed.items()
        with pytest.raises(SettingsError, match=rf"begun with {name} .* and not .?{value}"):
            pack(recordings, out, **({"form": "flac", "per_shard": 4} | changed))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="begun with utterances 11 and not 10, sha256 "):
        pack(recordings[1:], out, form="flac", per_shard=4)
    (out / PLAN).unlink()
    with pytest.raises(SettingsError, match=r"holds something else, 'cuts.*wanted an empty folder"):
        pack(recordings, out, form="flac", per_shard=4)
    with pytest.raises(ManifestError, match="1 of the utterances have an id that came before"):
        pack([*recordings, recordings[0]], tmp_path / "twice")
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file: found a file, wanted a folder"):
        pack(recordings, tmp_path / "file")
    with pytest.raises(SettingsError, match="0 utterances a shard"):
        pack(recordings, tmp_path / "zero", per_shard=0)
    assert not (tmp_path / "zero").exists()


KILLED = """
import sys, time
from pathlib import Path
from asr.data.shards import packing
from asr.data.manifests.manifest import read_manifest
read, count = packing.read_utterance, 0
def slowly(utterance):
    global count
    count += 1
    if count == 6:
        print("now", flush=True)
        time.sleep(60)
    return read(utterance)
packing.read_utterance = slowly
packing.pack(read_manifest(Path(sys.argv[1])), Path(sys.argv[2]), form="flac", per_shard=4, jobs=1)
"""


def test_a_killed_run_leaves_nothing_half_and_the_next_completes_it(
    tmp_path: Path, recordings: list[Utterance]
) -> None:
    rows = "".join(f"{u.path}\t{u.speaker}\t{u.text}\n" for u in recordings[:-1])
    table = tmp_path / "list.tsv"
    table.write_text(f"path\tspeaker\ttext\n{rows}")
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    with subprocess.Popen([sys.executable, "-c", KILLED, table, killed], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
    assert finished_shards(killed) == {0}
    assert len(read_manifest(killed)) == 4
    assert any(name.endswith(".audio") for name in contents(killed)), "the test did not kill it at work"
    utterances = read_manifest(table)
    pack(utterances, straight, form="flac", per_shard=4)
    before = (killed / "recording.000000.tar").stat()
    pack(utterances, killed, form="flac", per_shard=4)
    assert contents(killed) == contents(straight)
    after = (killed / "recording.000000.tar").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "what was finished is kept"
    # Killed between the two renamings, at the last place where it matters.
    (killed / "cuts.000001.jsonl.gz").unlink()
    (killed / "cuts.000001.1.list").touch()
    assert len(read_manifest(killed)) == 6
    pack(utterances, killed, form="flac", per_shard=4)
    assert contents(killed) == contents(straight)


def test_only_unfinished_files_are_removed(tmp_path: Path) -> None:
    kept = ("cuts.000000.jsonl.gz", "recording.000000.tar", "cuts.plan.json", "cuts.audio", "notes.1.1.audio")
    for name in (*kept, "cuts.000001.123.audio", "cuts.000001.123.list"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path)
    assert sorted(contents(tmp_path)) == sorted(kept)


def test_the_command_packs_and_names_what_it_left_out(
    tmp_path: Path, recordings: list[Utterance], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{u.path}\t{u.speaker}\t{u.text}\n" for u in recordings[:-1])
    table, out = tmp_path / "list.tsv", tmp_path / "out"
    table.write_text(f"path\tspeaker\ttext\n{rows}")
    options = ["data", "shard", str(table), str(out), "--form", "flac", "--per-shard", "4", "--bad-share", "0.5"]
    assert cli.run(cli.app, options, "asr") == 0
    assert capsys.readouterr().out == f"written: {out}, 10 utterances, 0.00 hours, 3 shards\n"
    recordings[3].path.write_bytes(b"torn")
    options[3] = str(tmp_path / "out2")
    assert cli.run(cli.app, options, "asr") == 1
    said = capsys.readouterr()
    assert "9 utterances" in said.out
    assert "asr: 1 of 10 utterances left out" in said.err
    assert len(said.err.splitlines()) == 1
    with gzip.open(tmp_path / "out2" / "cuts.000000.jsonl.gz", "rt") as lines:
        assert all(json.loads(line)["recording"]["sampling_rate"] == RATE for line in lines)
