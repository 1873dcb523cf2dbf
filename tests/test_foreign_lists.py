"""Lists that others wrote, by mistake or to do harm: read within bounds, or refused in one line that says where."""

import gzip
import io
import itertools
import json
import os
import resource
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.apps.cli import app, run
from asr.data.manifests import bounded
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.shard import audio_name, cuts_name, write_shard
from asr.data.manifests.utterance import Utterance
from asr.data.shards.index import INDEX, open_shards, write_index
from asr.data.shards.packing import pack
from asr.data.shards.stream import stream
from asr.errors import AsrError, ManifestError
from asr.failures import describe

RATE: Final = 16_000
NOISE: Final = np.random.default_rng(0).uniform(-0.5, 0.5, RATE // 10).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording, a.wav."""
    made = tmp_path_factory.mktemp("foreign")
    soundfile.write(made / "a.wav", NOISE, RATE)
    return made


def cut(audio: Path) -> dict[str, Any]:
    """A cut as Lhotse writes it."""
    recording = {
        "id": "r",
        "sources": [{"type": "file", "channels": [0], "source": str(audio)}],
        "sampling_rate": RATE,
        "num_samples": len(NOISE),
        "duration": len(NOISE) / RATE,
        "channel_ids": [0],
        "transforms": [{"name": "Resample", "kwargs": {"source_sampling_rate": RATE, "target_sampling_rate": RATE}}],
    }
    place = {"start": 0.0, "duration": 0.05, "channel": 0}
    spoken = {"id": "s", "recording_id": "r", **place, "text": "hi", "speaker": "ann"}
    custom = {"to_the_end": False, "utterance": "u"}
    return {
        "id": "c",
        **place,
        "supervisions": [spoken],
        "recording": recording,
        "custom": custom,
        "type": "MonoCut",
    }


def shards(folder: Path) -> Path:
    """A folder with two shards of two utterances each, and their index."""
    for number in range(2):
        items = [(Utterance(f"{number}/{each}", Path("x"), "ann", "hi"), NOISE) for each in range(2)]
        write_shard(folder, number, items, form="flac")
    write_index(folder)
    return folder


def refused(path: Path, *named: str) -> str:
    """The line in which a list is refused, which names the file and all of ``named``."""
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    for each in (path.name, *named):
        assert each in message
    return message


# Bombs


def packed(pieces: Iterator[bytes] | list[bytes], level: int = 1) -> bytes:
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=level) as file:
        for piece in pieces:
            file.write(piece)
    return made.getvalue()


BLOCK: Final = 2**20
BOMBS: Final[dict[str, Callable[[], bytes]]] = {
    "one line of blanks": lambda: packed([b" " * BLOCK] * 192),
    "a long text": lambda: packed([b'{"id": "', *[b"x" * BLOCK] * 192]),
    "nothing but ends of lines": lambda: packed([b"\n" * BLOCK] * 192),
    "carriage returns": lambda: packed([b"\r\n" * (BLOCK // 2)] * 192),
    "lines of blanks": lambda: packed([(b" " * 1000 + b"\n") * (BLOCK // 1001)] * 192),
    "many members": lambda: packed([b" " * 2**24]) * 32,
}


@pytest.fixture(scope="module", params=BOMBS)
def bomb(request: pytest.FixtureRequest) -> bytes:
    """Hundreds of megabytes in less than one."""
    made = BOMBS[request.param]()
    assert len(made) < 4 * 2**20
    return made


def peak() -> int:
    """Bytes that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_bomb_is_refused_before_it_fills_anything(bomb: bytes, tmp_path: Path) -> None:
    (tmp_path / "cuts.jsonl.gz").write_bytes(bomb)
    before, begun = peak(), time.process_time()
    refused(tmp_path / "cuts.jsonl.gz", "cuts.jsonl.gz:")
    assert peak() - before < 100 * 2**20
    assert time.process_time() - begun < 5


def test_lines_that_are_padded_are_a_bomb_too(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.gz").write_bytes(packed([b" " * (BLOCK - 3) + b"{}\n"] * 192, level=9))
    with bounded.lines_of(tmp_path / "x.jsonl.gz") as lines:
        assert len(list(itertools.islice(lines, 64))) == 64
        with pytest.raises(ManifestError, match=r"x\.jsonl\.gz:\d+: found that it unpacks to more than 500 times"):
            list(lines)


@pytest.mark.parametrize("url", ["", "memory://bombs", "memory://bombs-without-index"])
def test_a_bomb_among_shards_is_refused_wherever_they_lie(bomb: bytes, tmp_path: Path, url: str) -> None:
    import fsspec

    folder = shards(tmp_path / "shards")
    opened = open_shards(str(folder))
    (folder / cuts_name(1)).write_bytes(bomb)
    place = str(folder)
    if url:
        place = f"{url}/{tmp_path.name}"
        fsspec.filesystem("memory").put(f"{folder}/", f"/{place.removeprefix('memory://')}/", recursive=True)
        if "without" in url:
            fsspec.filesystem("memory").rm(f"/{place.removeprefix('memory://')}/{INDEX}")
    else:
        refused(folder, f"{cuts_name(1)}:")
        with pytest.raises(ManifestError, match=rf"{cuts_name(1)}:\d"):
            write_index(folder)
    before = peak()
    try:
        with pytest.raises(ManifestError, match=rf"{cuts_name(1)}:\d"):
            list(stream([open_shards(place) if url else opened], [1], seed=0))
    finally:
        if url:
            fsspec.filesystem("memory").rm(f"/{place.removeprefix('memory://')}", recursive=True)
    assert peak() - before < 100 * 2**20


def test_a_long_line_is_refused_in_every_kind_of_list(folder: Path) -> None:
    long = "x" * (bounded.LONGEST_LINE + 1)
    for name, content in {
        "long.tsv": f"path\tspeaker\ttext\na.wav\tann\thi\nb.wav\tann\t{long}\n",
        "header.tsv": f"path\tspeaker\ttext\t{long}\n",
        "long.jsonl": f"{json.dumps(cut(folder / 'a.wav'))}\n{long}\n",
    }.items():
        (folder / name).write_text(content)
        refused(folder / name, f"{name}:{1 if name == 'header.tsv' else content.count(chr(10))}:", "4,194,304")
    with (folder / "sparse.jsonl").open("wb") as file:
        file.truncate(2**40)
    refused(folder / "sparse.jsonl", "sparse.jsonl:1:")


def test_a_long_line_that_is_one_utterance_is_read(folder: Path) -> None:
    text = "x" * (bounded.LONGEST_LINE - 100)
    (folder / "room.tsv").write_text(f"path\tspeaker\ttext\na.wav\tann\t{text}\n\n\n")
    assert read_manifest(folder / "room.tsv")[0].text == text


def test_a_list_that_packs_as_well_as_lists_do_is_read(folder: Path) -> None:
    """Three thousand of the same sentence, which packs to a hundredth."""
    line = cut(folder / "a.wav")
    lines = "".join(f"{json.dumps({**line, 'id': f'u{number}'})}\n" for number in range(3_000)).encode()
    bomb = gzip.compress(lines, 9)
    (folder / "plain.jsonl.gz").write_bytes(bomb)
    limits = bounded._FREE, bounded._RATIO
    try:
        bounded._FREE = 0  # type: ignore[misc]
        assert len(read_manifest(folder / "plain.jsonl.gz")) == 3_000
        bounded._RATIO = 10  # type: ignore[misc]
        refused(folder / "plain.jsonl.gz", "times its size")
    finally:
        bounded._FREE, bounded._RATIO = limits  # type: ignore[misc]


@pytest.mark.parametrize(
    "size",
    [2**33, 2**62, -512],
)
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_tar_that_promises_too_much_is_refused(tmp_path: Path, kind: bytes, size: int) -> None:
    folder = shards(tmp_path / "shards")
    entry = tarfile.TarInfo("0/0.flac")
    entry.type, entry.size = kind, size
    tar = entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    (folder / audio_name(0)).write_bytes(tar)
    refused(folder)
    with pytest.raises(ManifestError):
        list(stream([open_shards(str(folder))], [1], seed=0))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_what_is_no_file_in_a_tar_is_no_audio(tmp_path: Path, kind: bytes) -> None:
    folder = shards(tmp_path / "shards")
    with tarfile.open(folder / audio_name(0), "w") as tar:
        for name, type_ in (("0/0.flac", kind), ("0/0.json", tarfile.REGTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = type_, "/dev/zero"
            tar.addfile(entry)
    refused(folder, "no plain file")
    with pytest.raises(ManifestError, match="no plain file"):
        list(stream([open_shards(str(folder))], [1], seed=0))


def test_a_packed_utterance_of_more_bytes_than_its_shard_is_refused(tmp_path: Path) -> None:
    folder = shards(tmp_path / "shards")
    first = read_manifest(folder)[0]
    assert first.packed is not None
    long = Utterance("x", first.path, "ann", "hi", packed=(first.packed[0], 2**50))
    with pytest.raises(AsrError, match="of its 1125899906842624 bytes"):
        read_utterance(long)


# Paths


@pytest.mark.parametrize("kind", ["tsv", "jsonl"])
def test_only_regular_files_are_opened(folder: Path, tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to("/dev/zero")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "a.wav").write_bytes((folder / "a.wav").read_bytes())
    strange = ["/dev/zero", "pipe.wav", "link.wav", "loop.wav", "folder.wav"]
    names = [*strange, "x" * 5000, "no\0name.wav", "a.wav/b.wav"]
    path = tmp_path / f"list.{kind}"
    if kind == "tsv":
        rows = [f"{name}\tann\thi\n" for name in ("a.wav", *names)]
        path.write_text("path\tspeaker\ttext\n" + "".join(rows))
    else:
        cuts = [{**cut(tmp_path / name), "id": name} for name in ("a.wav", *names)]
        path.write_text("".join(f"{json.dumps(each)}\n" for each in cuts))
    message = refused(path, f"{len(names)} of {len(names) + 1} recordings are missing")
    assert "/dev/zero (no regular file)" in message
    found = read_manifest(path, lenient=True)
    assert [each.id for each in found] == ["a.wav", *names]
    assert len(read_utterance(found[0]))
    for each in found[1:]:
        with pytest.raises(AsrError, match="wanted a recording"):
            read_utterance(each)


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "--greedy"],
        ["evaluate", "--commands", "digits"],
        pytest.param(["data", "show", "--samples", "0"], marks=pytest.mark.slow),  # it imports torch and librosa
        ["data", "shard"],
    ],
)
def test_a_batch_goes_on_past_a_recording_that_is_missing(
    folder: Path, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["a.wav", "gone.wav", "/dev/zero"]
    path = folder / "batch.tsv"
    path.write_text("path\tspeaker\ttext\n" + "".join(f"{name}\tann\tone\n" for name in names))
    place = [tmp_path / "out", "--bad-share", "0.9"] if "shard" in command else ["--out", tmp_path / "out"]
    assert run(app, [*command, str(path), *map(str, place)], "asr") == 1
    out, error = capsys.readouterr()
    assert "written: " in out
    assert "unexpected" not in error
    for each in ("gone.wav", "/dev/zero"):
        assert each in error


def test_a_lenient_reader_still_refuses_a_list_of_which_nothing_is_there(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text("path\tspeaker\ttext\nx.wav\tann\thi\n")
    with pytest.raises(ManifestError, match="1 of 1 recordings are missing"):
        read_manifest(tmp_path / "list.tsv", lenient=True)


def test_a_pipe_among_shards_is_passed_over(tmp_path: Path) -> None:
    folder = shards(tmp_path / "shards")
    os.mkfifo(folder / cuts_name(7))
    os.mkfifo(folder / audio_name(7))
    (folder / INDEX).unlink()
    os.mkfifo(folder / INDEX)
    assert len(read_manifest(folder)) == open_shards(str(folder)).utterances == 4


# Values

DEEP: Final = "[" * 100_000 + "]" * 100_000
VALUES: Final = st.sampled_from(
    [
        *(None, True, False, 0, -1, 5, 2**70, 10**400, 0.5, -0.5, 1e308, float("nan"), float("inf")),
        *("", "x", "x" * 5000, "\0", "\ud800", "a\nb\t\x1b[31m", "../..", "/dev/zero", "file", "shar", "MultiCut"),
        *([], [0], ["x"], [None], [[]], [{}], {}, {"x": 1}, {"name": "evil", "kwargs": {}}, [{"name": "evil"}]),
        *({"name": ["x"]}, [[[[[]]]]], {"type": "command"}, {"width": 1}, {"array": 1, "shape": [1]}),
    ]
)


def places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where all values of a JSON object stand."""
    yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield from places(each, (*place, key))


def changed(value: Any, place: tuple[str | int, ...], new: Any, drop: bool) -> Any:
    """A copy with another value at a place, or without it."""
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if drop and len(place) == 1:
        del copy[place[0]]
    else:
        copy[place[0]] = changed(value[place[0]], place[1:], new, drop)
    return copy


def mended(read: Callable[[], Any]) -> Any:
    """What is read, or None where it is refused as a person can mend it; all else passes through."""
    try:
        return read()
    except AsrError as error:
        complaint = describe(error)
    assert "\n" not in complaint
    return None


def check_utterances(read: Callable[[], list[Utterance]]) -> None:
    """They are read and each value is of its type, or refused as a person can mend it."""
    for each in mended(read) or []:
        assert all(isinstance(value, str) for value in (each.id, each.speaker, each.text))
        assert isinstance(each.path, Path)
        assert type(each.start) is float
        assert each.duration is None or type(each.duration) is float
        json.dumps([each.id, each.speaker, each.text], ensure_ascii=False).encode()
        mended(lambda each=each: read_utterance(each))


CUT_PLACES: Final = sorted(places(cut(Path("a.wav"))), key=str)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CUT_PLACES), VALUES, st.sampled_from([False, False, True]))
def test_whatever_a_cut_holds(folder: Path, place: tuple[str | int, ...], new: Any, drop: bool) -> None:
    path = folder / "fuzz.jsonl"
    path.write_text(json.dumps(changed(cut(folder / "a.wav"), place, new, drop)) + "\n")
    check_utterances(lambda: read_manifest(path))


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        (("id",), ["a"], r"found \['a'\] as the id of a cut, wanted text"),
        (("id",), None, "found None as the id of a cut, wanted text"),
        (("supervisions", 0, "text"), ["x"], r"found \['x'\] as the text of cut 'c', wanted text"),
        (("supervisions", 0, "text"), 5, "found 5 as the text of cut 'c', wanted text"),
        (("supervisions", 0, "text"), "\ud800", "half a character"),
        (("supervisions", 0, "speaker"), {"x": 1}, "as the speaker of cut 'c', wanted text"),
        (("supervisions", 0, "speaker"), 7, "found 7 as the speaker of cut 'c', wanted text"),
        (("start",), "0", "found '0' as the start of cut 'c', wanted a number"),
        (("start",), True, "found True as the start of cut 'c', wanted a number"),
        (("duration",), 10**400, "as the duration of cut 'c', wanted a number"),
        (("recording", "sources", 0, "source"), None, "found None as the file of cut 'c', wanted a path"),
        (("recording", "sources", 0, "source"), 5, "found 5 as the file of cut 'c', wanted a path"),
        (("recording", "sources", 0, "source"), "x" * 5000, "1 of 1 recordings are missing"),
        (("recording", "transforms", 0, "name"), "evil", ":1: found no Lhotse cut"),
        (("custom", "to_the_end"), "no", "found 'no' as to_the_end of cut 'c', wanted true or false"),
    ],
)
def test_a_wrong_value_in_a_cut_is_named(folder: Path, place: tuple[str | int, ...], new: Any, said: str) -> None:
    path = folder / "wrong.jsonl"
    path.write_text(json.dumps(changed(cut(folder / "a.wav"), place, new, drop=False)) + "\n")
    with pytest.raises(ManifestError, match=said):
        read_manifest(path)


@pytest.mark.parametrize("content", [DEEP, '{"a":' * 100_000, f'{{"id": "x", "custom": {DEEP}}}', "1" * 10_000])
def test_json_of_any_depth_is_refused(folder: Path, tmp_path: Path, content: str) -> None:
    (folder / "deep.jsonl").write_text(content)
    refused(folder / "deep.jsonl", "deep.jsonl:1:")
    made = shards(tmp_path / "shards")
    (made / INDEX).write_text(content)
    with pytest.raises(ManifestError, match=INDEX):
        open_shards(str(made))
    (made / INDEX).unlink()
    with gzip.open(made / cuts_name(0), "wt") as file:
        file.write(content)
    with pytest.raises(ManifestError, match=rf"{cuts_name(0)}:1: "):
        open_shards(str(made))
    refused(made, f"{cuts_name(0)}:1:")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a.wav", "", "x", "-", "\0", "\r", "﻿", "/dev/zero", "y" * 5000, "'\""]))))
def test_whatever_a_table_holds(folder: Path, rows: list[list[str]]) -> None:
    path = folder / "fuzz.tsv"
    for header in ("path\tspeaker\ttext\n", ""):
        path.write_text(header + "".join("\t".join(row) + "\n" for row in rows))
        check_utterances(lambda: read_manifest(path))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["x.tsv", "x.jsonl", "x.jsonl.gz"]), st.booleans())
def test_whatever_bytes_a_list_holds(folder: Path, content: bytes, name: str, whole: bool) -> None:
    (folder / name).write_bytes(gzip.compress(content) if whole and name.endswith("gz") else content)
    check_utterances(lambda: read_manifest(folder / name))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards, of which the index and the first list are changed and mended."""
    return shards(tmp_path_factory.mktemp("indexed") / "shards")


INDEX_PLACES: Final = [
    (),
    ("format",),
    ("shards",),
    *itertools.chain.from_iterable(
        (("shards", n), *(("shards", n, key) for key in ("cuts", "recording", "utterances", "seconds")))
        for n in range(2)
    ),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(INDEX_PLACES), VALUES, st.booleans(), st.booleans())
def test_whatever_an_index_holds(
    indexed: Path, place: tuple[str | int, ...], new: Any, drop: bool, remote: bool
) -> None:
    content = (indexed / INDEX).read_text()
    try:
        (indexed / INDEX).write_text(json.dumps(changed(json.loads(content), place, new, drop)))
        found = mended(lambda: open_shards(indexed.as_uri() if remote else str(indexed)))
        if found is not None:
            assert isinstance(found.utterances, int)
            assert np.isfinite(found.seconds)
            clips = mended(lambda: list(itertools.islice(stream([found], [1], seed=0), 10)))
            assert clips is None or 0 < len(clips) <= 4
    finally:
        (indexed / INDEX).write_text(content)


def test_an_endless_count_in_an_index_is_refused(indexed: Path) -> None:
    content = (indexed / INDEX).read_text()
    try:
        for value in ("Infinity", "NaN", "1e400", "2.5", "true", '"2"', "1" + "0" * 30):
            (indexed / INDEX).write_text(content.replace('"utterances": 2', f'"utterances": {value}', 1))
            with pytest.raises(ManifestError, match=INDEX):
                open_shards(str(indexed))
    finally:
        (indexed / INDEX).write_text(content)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([place for place in CUT_PLACES if place[:2] != ("recording", "sources")]), VALUES)
def test_whatever_the_list_of_a_shard_holds(indexed: Path, place: tuple[str | int, ...], new: Any) -> None:
    content = (indexed / cuts_name(0)).read_bytes()
    first, second = gzip.decompress(content).decode().splitlines()
    try:
        kept = [each for each in places(json.loads(first)) if each == place] or [()]
        with gzip.open(indexed / cuts_name(0), "wt") as file:
            file.write(f"{json.dumps(changed(json.loads(first), kept[0], new, drop=False))}\n{second}\n")
        check_utterances(lambda: read_manifest(indexed))
        check_utterances(lambda: [clip.utterance for clip in stream([open_shards(str(indexed))], [1], seed=0)])
    finally:
        (indexed / cuts_name(0)).write_bytes(content)


def test_a_damaged_list_of_a_finished_shard_is_no_fault_of_the_program(folder: Path, tmp_path: Path) -> None:
    utterances = [Utterance(f"{number}", folder / "a.wav", "ann", "hi") for number in range(3)]
    pack(utterances, tmp_path / "out", form="flac", jobs=1)
    for content in (b"[]", b"{}", b'{"id": []}', b"5", DEEP.encode(), b"\xff"):
        (tmp_path / "out" / cuts_name(0)).write_bytes(gzip.compress(content))
        with pytest.raises(ManifestError, match=cuts_name(0)):
            pack(utterances, tmp_path / "out", form="flac", jobs=1)
