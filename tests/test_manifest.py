"""Lists of recordings: what is read, what is refused, and that writing them back loses nothing."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asr.data.manifests.cuts import write_cuts
from asr.data.manifests.manifest import check_disjoint, read_manifest, read_utterance
from asr.data.manifests.shard import write_shard
from asr.data.manifests.utterance import Utterance
from asr.data.shards.index import open_shards
from asr.errors import AudioError, ManifestError

RATE = 16_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings of a second: a.wav, a stereo b.wav, and c.flac."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise[:, 0], RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", noise, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "c.flac", noise[:, 1], RATE)
    return tmp_path


def table(folder: Path, text: str) -> Path:
    path = folder / "list.tsv"
    path.write_bytes(text.encode())
    return path


def test_a_table_is_read_in_its_order(folder: Path) -> None:
    path = table(folder, 'path\tspeaker\ttext\nb.wav\tbob\tHi "there"\na.wav\t-\t\n')
    assert read_manifest(path) == [
        Utterance("b.wav", folder / "b.wav", "bob", 'Hi "there"'),
        Utterance("a.wav", folder / "a.wav", "-", ""),
    ]


def test_columns_may_come_in_any_order_with_others_between(folder: Path) -> None:
    plain = table(folder, "path\tspeaker\ttext\na.wav\tann\tgrüezi\u2028x\n")
    expected = read_manifest(plain)
    assert (
        read_manifest(table(folder, "\ufefftext\tage\tspeaker\tpath\r\ngrüezi\u2028x\t7\tann\ta.wav\r\n\r\n"))
        == expected
    )


def still_open(name: str) -> list[str]:
    """The files of this name that this process has open, where the system tells."""
    found = []
    for each in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            found += [target for target in [str(each.readlink())] if target.endswith(name)]
    return found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"list\.tsv:1: found the columns , missing path, speaker, text"),
        ("path,speaker,text\n", r":1: found the columns path,speaker,text, missing path, speaker, text; .* tabs"),
        ("path\ttext\na.wav\thi\n", r":1: found the columns path, text, missing speaker"),
        ("path\tspeaker\ttext\ttext\n", ":1: a column is named twice"),
        ("path\tspeaker\ttext\na.wav\tann\thi\nb.wav\tbob\n", ":3: found 2 cells, wanted 3"),
        ("path\tspeaker\ttext\na.wav\tann\thi\n\na.wav\tann\tho\n", r":4: the id 'a\.wav' was used in line 2"),
        ("path\tspeaker\ttext\na.wav\t\thi\n", r":2: a\.wav: its speaker is empty"),
        ("path\tspeaker\ttext\n\tann\thi\n", ":2: .*its path, is empty"),
        ("path\tspeaker\ttext\n", "found no utterance"),
        (
            "path\tspeaker\ttext\nx.wav\ta\t\na.wav\ta\t\ny.wav\ta\t\n",
            r"2 of 3 recordings are missing: .*x\.wav, .*y\.wav",
        ),
        ("path\tspeaker\ttext\n" + "".join(f"{n}\ta\t\n" for n in range(8)), "8 of 8 .* and 3 more"),
    ],
)
def test_a_faulty_table_is_refused_with_its_name_and_line(folder: Path, text: str, complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint) as caught:
        read_manifest(table(folder, text))
    assert "list.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not still_open("list.tsv"), "while what was raised holds all that it went through"


def test_what_is_not_a_list_is_refused(folder: Path) -> None:
    with pytest.raises(ManifestError, match="found a folder"):
        read_manifest(folder)
    with pytest.raises(ManifestError, match="no such file"):
        read_manifest(folder / "none.tsv")
    latin = folder / "latin.tsv"
    latin.write_bytes("path\tspeaker\ttext\na.wav\tann\tgrüezi\n".encode("latin-1"))
    with pytest.raises(ManifestError, match="UTF-8"):
        read_manifest(latin)
    for content in (b"no gzip", gzip.compress(b"\n" * 99)[:-9], gzip.compress(b"")):
        broken = folder / "cuts.jsonl.gz"
        broken.write_bytes(content)
        with pytest.raises(ManifestError, match=r"cuts\.jsonl\.gz"):
            read_manifest(broken)


@pytest.mark.parametrize("name", ["cuts.jsonl", "cuts.jsonl.gz"])
def test_reading_back_what_was_written_gives_the_same(folder: Path, name: str) -> None:
    utterances = [
        Utterance("whole", folder / "a.wav", "ann", "Grüezi “all”\u2028\t\n"),
        Utterance("part/1", folder / "a.wav", "ann", "", 0.1, 0.3),
        Utterance("tail", folder / "a.wav", "-", "so", 1 / 3),
        Utterance("exact", folder / "c.flac", "cy", "c", 0.0, 1.0),
        Utterance("stereo", folder / "b.wav", "bob", "two channels"),
    ]
    path = folder / name
    write_cuts(utterances, path)
    assert read_manifest(path) == utterances
    assert [read_utterance(utterance).shape for utterance in utterances] == [
        (16000,),
        (4800,),
        (10667,),
        (16000,),
        (16000,),
    ]


def test_a_cut_set_that_cannot_be_written_leaves_what_was_there(folder: Path) -> None:
    path = folder / "cuts.jsonl"
    good = Utterance("a", folder / "a.wav", "ann", "a")
    write_cuts([good], path)
    (folder / "folder.jsonl").mkdir()
    before = {entry.name: entry.is_dir() or entry.read_bytes() for entry in folder.iterdir()}
    for faulty, complaint in [
        ([good, good], "'a' comes twice"),
        ([], "no utterances"),
        ([good, Utterance("n", folder / "none.wav", "x", "")], r"none\.wav: cannot be read"),
        ([good, Utterance("late", folder / "a.wav", "x", "", 2.0)], "'late' starts at 2 s, but the recording has 1 s"),
    ]:
        with pytest.raises(ManifestError, match=complaint):
            write_cuts(faulty, path)
    with pytest.raises(ManifestError, match="wanted a name that ends in"):
        write_cuts([good], folder / "cuts.json")
    with pytest.raises(ManifestError, match=r"folder\.jsonl: cannot be written"):
        write_cuts([good], folder / "folder.jsonl")
    assert {entry.name: entry.is_dir() or entry.read_bytes() for entry in folder.iterdir()} == before


def test_lhotse_reads_what_was_written(folder: Path) -> None:
    import lhotse

    write_cuts([Utterance("part", folder / "c.flac", "cy", "sea", 0.25, 0.5)], folder / "cuts.jsonl.gz")
    (cut,) = lhotse.CutSet.from_file(folder / "cuts.jsonl.gz")
    ours = read_utterance(Utterance("part", folder / "c.flac", "cy", "sea", 0.25, 0.5))
    np.testing.assert_allclose(cut.load_audio()[0], ours, atol=1e-6)
    assert (cut.supervisions[0].text, cut.supervisions[0].speaker) == ("sea", "cy")


def cut_line(folder: Path, change: dict[str, Any]) -> Path:
    """A cut set of one good cut with some of its fields changed; a dot in a name goes into a field, None drops it."""
    path = folder / "cuts.jsonl"
    write_cuts([Utterance("x", folder / "b.wav", "bob", "hi", 0.25, 0.5)], path)
    cut = json.loads(path.read_text())
    for key, value in change.items():
        *outer, last = key.split(".")
        place = cut
        for name in outer:
            place = place[int(name)] if isinstance(place, list) else place[name]
        if value is None:
            del place[last]
        else:
            place[last] = value
    path.write_text("\n" + json.dumps(cut) + "\n")
    return path


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"recording.sources.0.type": "memory"}, "keeps its audio as memory.*CutSet.save_audios"),
        ({"recording.sources.0.type": "shar"}, "keeps its audio as shar"),
        ({"recording": None}, "has no recording"),
        ({"recording.transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]}, "Speed"),
        ({"type": "MonoCut", "channel": 1}, r"takes channels \[1\] of \[0, 1\]"),
        ({"supervisions": []}, "has 0 supervisions, wanted one"),
        ({"supervisions.0.text": None}, "wanted one with a text"),
        ({"start": -1.0}, "starts at -1.0 s"),
        ({"duration": float("nan")}, "lasts nan s"),
        ({"id": ""}, "is empty"),
        ({"type": "Banana"}, "no Lhotse cut .*Banana"),
    ],
)
def test_cuts_that_are_not_plain_stretches_of_a_file_are_refused(
    folder: Path, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ManifestError, match=f":2: .*{complaint}"):
        read_manifest(cut_line(folder, change))


def test_cuts_may_be_resampled_and_have_no_named_speaker(folder: Path) -> None:
    resample = {"name": "Resample", "kwargs": {"source_sampling_rate": RATE, "target_sampling_rate": 8000}}
    path = cut_line(folder, {"recording.transforms": [resample], "supervisions.0.speaker": None})
    assert read_manifest(path) == [Utterance("x", folder / "b.wav", "-", "hi", 0.25, 0.5)]


def test_what_is_not_a_cut_is_refused(folder: Path) -> None:
    path = folder / "cuts.jsonl"
    for line, complaint in [
        ("{", "JSONDecodeError"),
        ("[]", "no Lhotse cut"),
        ('{"id": "r", "sources": [], "sampling_rate": 1, "num_samples": 1, "duration": 1.0}', "found a Recording"),
    ]:
        path.write_text(line)
        with pytest.raises(ManifestError, match=f":1: .*{complaint}"):
            read_manifest(path)


@pytest.mark.parametrize("name", ["cuts.jsonl", "cuts.jsonl.gz"])
def test_a_faulty_list_of_cuts_does_not_stay_open(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"{}\n{}\n") if name.endswith(".gz") else b"{}\n{}\n")
    with pytest.raises(ManifestError, match=rf"{name}:1: ") as caught:
        read_manifest(tmp_path / name)
    assert not still_open(name), caught


def test_a_stretch_beyond_the_recording_is_refused(folder: Path) -> None:
    for start, duration in [(0.5, 1.0), (1.5, None), (1.0, None)]:
        with pytest.raises(ManifestError, match=r"'late' is from .* but the recording has 1 s"):
            read_utterance(Utterance("late", folder / "a.wav", "x", "", start, duration))


def test_a_stretch_is_cut_to_the_sample(folder: Path) -> None:
    whole = read_utterance(Utterance("w", folder / "a.wav", "x", ""))
    part = read_utterance(Utterance("p", folder / "a.wav", "x", "", 0.25, 0.5))
    assert part.dtype == np.float32
    np.testing.assert_array_equal(part, whole[4000:12000])


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards of two utterances each, which are an eighth of a second."""
    folder = tmp_path / "shards"
    for number, names in enumerate(("ab", "cd")):
        rng = np.random.default_rng(number)
        items = [
            (Utterance(name, Path("x"), "ann", f"it is {name}"), rng.uniform(-0.5, 0.5, RATE // 8).astype(np.float32))
            for name in names
        ]
        write_shard(folder, number, items, form="flac")
    return folder


@pytest.mark.parametrize("read", [read_manifest, lambda folder: open_shards(str(folder))], ids=["read", "counted"])
def test_a_faulty_list_of_a_shard_does_not_stay_open(shards: Path, read: Callable[[Path], object]) -> None:
    (shards / "cuts.000001.jsonl.gz").write_bytes(gzip.compress(b"{}\n{}\n"))
    with pytest.raises(ManifestError, match=r"cuts\.000001\.jsonl\.gz:1: ") as caught:
        read(shards)
    assert not still_open("cuts.000001.jsonl.gz"), caught


def test_a_folder_of_shards_is_a_manifest(shards: Path) -> None:
    utterances = read_manifest(shards)
    assert [(each.id, each.text, each.path.name, each.start, each.duration) for each in utterances] == [
        ("a", "it is a", "recording.000000.tar", 0.0, 0.125),
        ("b", "it is b", "recording.000000.tar", 0.0, 0.125),
        ("c", "it is c", "recording.000001.tar", 0.0, 0.125),
        ("d", "it is d", "recording.000001.tar", 0.0, 0.125),
    ]
    assert {read_utterance(each).shape for each in utterances} == {(RATE // 8,)}
    tail = replace(utterances[0], start=0.1, duration=None)
    np.testing.assert_array_equal(read_utterance(tail), read_utterance(utterances[0])[1600:])
    with pytest.raises(ManifestError, match=r"000000\.tar: utterance 'a' is from 0\.1 s to 1\.1 s, but .* 0\.125 s"):
        read_utterance(replace(tail, duration=1.0))


def test_shards_that_do_not_belong_together_are_refused(shards: Path) -> None:
    first, second = (shards / f"recording.00000{number}.tar" for number in range(2))
    listed = shards / "cuts.000001.jsonl.gz"
    whole = {path: path.read_bytes() for path in (first, second, listed)}
    lines = gzip.decompress(whole[listed]).splitlines()
    for path, content, complaint in [
        (second, whole[first], r"cuts\.000001\.jsonl\.gz:1: cut 'c' meets the audio of 'a'"),
        (second, whole[second][: len(whole[second]) // 2], r"000001\.tar: ends after 'd\.flac'"),
        (second, b"", r"recording\.000001\.tar cannot be read"),
        (listed, gzip.compress(lines[0]), r"jsonl\.gz: 'd' in .*000001\.tar is not listed"),
        (listed, gzip.compress(b"\n".join([*lines, lines[0]])), r"jsonl\.gz:3: its audio is missing"),
        (listed, gzip.compress(b"\n".join([*lines, b"{}"])), r"jsonl\.gz:3: "),
        (listed, whole[listed][:-9], r"cuts\.000001\.jsonl\.gz or .* cannot be read"),
        (listed, (shards / "cuts.000000.jsonl.gz").read_bytes(), "000001.jsonl.gz:1: cut 'a' meets"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ManifestError, match=complaint) as caught:
            read_manifest(shards)
        assert "\n" not in str(caught.value)
        for each, original in whole.items():
            each.write_bytes(original)
    for name in ("recording", "cuts"):
        ending = "tar" if name == "recording" else "jsonl.gz"
        (shards / f"{name}.000002.{ending}").write_bytes((shards / f"{name}.000000.{ending}").read_bytes())
    with pytest.raises(
        ManifestError, match=r"cuts\.000002\.jsonl\.gz:1: the id 'a' was used in line 1 of cuts\.000000"
    ):
        read_manifest(shards)
    (shards / "cuts.000002.jsonl.gz").unlink()
    assert len(read_manifest(shards)) == 4
    first.unlink()
    with pytest.raises(ManifestError, match=r"1 of 2 shards have no audio: recording\.000000\.tar missing"):
        read_manifest(shards)


def test_packed_audio_that_is_gone_is_an_error(shards: Path) -> None:
    first, *_, last = read_manifest(shards)
    assert last.packed is not None
    last.path.write_bytes(last.path.read_bytes()[: last.packed[0] + 9])
    with pytest.raises(AudioError, match=rf"000001\.tar: utterance 'd': found 9 of its {last.packed[1]} bytes"):
        read_utterance(last)
    with pytest.raises(AudioError, match=r"000000\.tar: utterance 'a': "):
        read_utterance(replace(first, packed=(0, 512)))
    last.path.unlink()
    with pytest.raises(AudioError, match=r"000001\.tar: cannot be read"):
        read_utterance(last)
    for packed in [(-1, 5), (0, 0)]:
        with pytest.raises(ManifestError, match="a: it is packed as"):
            replace(first, packed=packed)


def test_a_cut_set_does_not_list_packed_audio(shards: Path) -> None:
    with pytest.raises(ManifestError, match=r"utterance 'a' is packed in .*; use the folder of shards"):
        write_cuts(read_manifest(shards), shards.parent / "cuts.jsonl")


def test_lists_that_share_a_speaker_are_refused() -> None:
    def said_by(*speakers: str) -> list[Utterance]:
        return [Utterance(str(n), Path(str(n)), speaker, "") for n, speaker in enumerate(speakers)]

    check_disjoint({"train": said_by("a", "b", "a", "-"), "dev": said_by("c", "-"), "test": []})
    with pytest.raises(ManifestError, match="train and test: found the same speakers in both, b;"):
        check_disjoint({"train": said_by("a", "b"), "dev": said_by("c"), "test": said_by("b", "d")})


def test_a_table_is_read_without_loading_lhotse(folder: Path) -> None:
    path = table(folder, "path\tspeaker\ttext\na.wav\tann\thi\n")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from asr.data.manifests.manifest import read_manifest\n"
        "read_manifest(Path(sys.argv[1]))\n"
        "print('lhotse' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_real_lists_are_read_and_share_no_speaker(corpora: Path) -> None:
    splits = {name: read_manifest(corpora / "speechocean762" / f"{name}.tsv") for name in ("train", "dev")}
    assert [len(split) for split in splits.values()] == [4, 20]
    check_disjoint(splits)
    assert len(read_utterance(splits["dev"][0])) > RATE / 2
