"""Streams of shards: every utterance once, the same each time, from anywhere, in little memory."""

import functools
import itertools
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from conftest import ROOT

from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.shard import write_shard
from asr.data.manifests.utterance import Utterance
from asr.data.shards import index, stream
from asr.data.shards.index import INDEX, ShardFolder, open_shards, write_index
from asr.data.shards.stream import Clip, part_size
from asr.errors import ManifestError, SettingsError


def write_shards(folder: Path, sizes: tuple[int, ...]) -> Path:
    rng = np.random.default_rng(len(sizes))
    for shard, size in enumerate(sizes):
        items = (
            (Utterance(f"{folder.name}/{shard}/{n}", Path("x"), "-", f"t {n}"), rng.uniform(-1, 1, 160 + n))
            for n in range(size)
        )
        write_shard(folder, shard, ((u, wave.astype(np.float32)) for u, wave in items), form="flac")
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven shards of different sizes, 147 utterances, with an index."""
    folder = write_shards(tmp_path_factory.mktemp("shards") / "large", (20, 21, 1, 40, 22, 20, 23))
    write_index(folder)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards, 36 utterances, without an index."""
    return write_shards(tmp_path_factory.mktemp("shards") / "small", (11, 12, 13))


@pytest.fixture
def both(large: Path, small: Path) -> list[ShardFolder]:
    return [open_shards(str(large)), open_shards(str(small))]


def ids(clips: Iterator[Clip], count: int | None = None) -> list[str]:
    return [clip.utterance.id for clip in itertools.islice(clips, count)]


@pytest.mark.parametrize("parts", [1, 2, 3, 10, 200])
def test_the_parts_hold_each_utterance_once(both: list[ShardFolder], parts: int) -> None:
    sequences = [ids(stream.stream(both, [1, 1], seed=3, part=part, parts=parts, block=16)) for part in range(parts)]
    counted = Counter(name for sequence in sequences for name in sequence)
    assert len(counted) == 147 + 36
    assert set(counted.values()) == {1}
    sizes = [part_size(both, [1, 1], part=part, parts=parts) for part in range(parts)]
    assert sizes == [len(sequence) for sequence in sequences]
    assert max(sizes) - min(sizes) <= len(both)


def test_weights_say_how_often(both: list[ShardFolder]) -> None:
    seen: Counter[str] = Counter()
    for epoch in range(20):
        counted = Counter(ids(stream.stream(both, [0.25, 2.5], seed=0, epoch=epoch)))
        large = [count for name, count in counted.items() if name.startswith("large")]
        small = [count for name, count in counted.items() if name.startswith("small")]
        assert (len(large), set(large)) == (round(0.25 * 147), {1})
        assert (len(small), set(small), sum(small)) == (36, {2, 3}, 90)
        seen.update(name for name in counted if name.startswith("large"))
    assert len(seen) == 147, "each has its turn"
    assert max(seen.values()) < 14
    assert ids(stream.stream(both, [0, 1], seed=0)) != []
    assert ids(stream.stream(both, [0, 0], seed=0)) == []


def test_every_block_has_its_share_of_each_folder(both: list[ShardFolder]) -> None:
    sequence = ids(stream.stream(both, [1, 3], seed=0, block=32))
    shares = [np.mean([name.startswith("small") for name in sequence[n : n + 64]]) for n in range(0, 192, 64)]
    np.testing.assert_allclose(shares, 3 * 36 / (3 * 36 + 147), atol=0.06)


def test_the_order_is_drawn_by_seed_and_epoch(both: list[ShardFolder]) -> None:
    first = ids(stream.stream(both, [1, 1], seed=0))
    assert first == ids(stream.stream(both, [1, 1], seed=0))
    others = [ids(stream.stream(both, [1, 1], seed=0, epoch=1)), ids(stream.stream(both, [1, 1], seed=1))]
    for other in others:
        assert other != first
        assert sorted(other) == sorted(first)
    neighbours = sum(a.split("/")[:2] == b.split("/")[:2] for a, b in itertools.pairwise(first))
    assert neighbours < 80, "shards are mixed"


@pytest.mark.parametrize("endless", [False, True])
def test_skipping_gives_what_would_have_followed(both: list[ShardFolder], endless: bool) -> None:
    options: dict[str, Any] = {"seed": 5, "part": 1, "parts": 2, "block": 16, "endless": endless}
    whole = ids(stream.stream(both, [1, 0.7], **options), 300)
    size = part_size(both, [1, 0.7], part=1, parts=2)
    assert len(whole) == (300 if endless else size)
    for skip in (0, 1, 15, 16, 17, size // 2, size - 1, size, size + 1, 2 * size, 2 * size + 5):
        assert ids(stream.stream(both, [1, 0.7], **options, skip=skip), 20) == whole[skip : skip + 20], skip
    if endless:
        assert whole[size : 2 * size] == ids(stream.stream(both, [1, 0.7], **options | {"endless": False}, epoch=1))


def test_skipping_reads_no_more_for_being_far(both: list[ShardFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    read = stream._read_shard

    def noted(url: str, shard: index.Shard, first: int, last: int) -> Iterator[Clip]:
        opened.append(shard.cuts)
        return read(url, shard, first, last)

    monkeypatch.setattr(stream, "_read_shard", noted)
    assert len(ids(stream.stream(both, [1, 1], seed=0, endless=True, skip=10**9, block=8), 1)) == 1
    assert len(opened) <= 4


def test_the_sound_is_that_of_the_manifest(
    large: Path, both: list[ShardFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_id = {utterance.id: utterance for utterance in read_manifest(large)}
    with monkeypatch.context() as patch:
        patch.setattr(stream, "load_audio", None)  # nothing is decoded before it is asked for
        clips = list(stream.stream(both[:1], [1], seed=0))
    for clip in clips:
        assert clip.utterance == by_id[clip.utterance.id]
        np.testing.assert_array_equal(clip.wave(), read_utterance(clip.utterance))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Lhotse leaves the archive open
def test_the_utterances_are_those_that_lhotse_reads(small: Path) -> None:
    import lhotse

    clips = {clip.utterance.id: clip for clip in stream.stream([open_shards(str(small))], [1], seed=0)}
    for cut in lhotse.CutSet.from_shar(in_dir=small):
        clip = clips.pop(cut.id)
        assert clip.utterance.text == cut.supervisions[0].text
        np.testing.assert_array_equal(clip.wave(), cut.load_audio()[0])
    assert not clips


class Quiet(SimpleHTTPRequestHandler):
    """A plain web server of a folder: it lists nothing and sends whole files only."""

    failures = 0
    ranges: ClassVar[list[str]] = []  # parts of files that were asked for, which it does not know how to send

    def do_GET(self) -> None:
        """Note whether only a part is asked for."""
        Quiet.ranges += self.headers.get_all("Range", [])
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def list_directory(self, path: Any) -> None:
        """Refuse."""
        self.send_error(403)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the file, or its beginning while failures are left."""
        if self.path.endswith(".tar") and Quiet.failures > 0:
            Quiet.failures -= 1
            outputfile.write(source.read(5000))  # and then the line goes dead
            self.close_connection = True
            return
        super().copyfile(source, outputfile)


@pytest.fixture
def server(large: Path) -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=large.parent))
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def sequence_and_sound(url: str) -> tuple[list[str], float]:
    clips = list(stream.stream([open_shards(url)], [1], seed=0, block=32))
    return [clip.utterance.id for clip in clips], float(sum(np.abs(clip.wave()).sum() for clip in clips))


def test_it_streams_from_memory_and_file_urls(large: Path, small: Path) -> None:
    import fsspec

    expected = sequence_and_sound(str(large))
    assert sequence_and_sound(large.as_uri()) == expected
    system = fsspec.filesystem("memory")
    system.put(f"{large}/", "/bucket/large/", recursive=True)
    system.put(f"{small}/", "/bucket/small/", recursive=True)
    try:
        assert sequence_and_sound("memory://bucket/large") == expected
        # Where an index is missing but files can be listed, they are counted.
        assert sequence_and_sound("memory://bucket/small/") == sequence_and_sound(str(small))
    finally:
        system.rm("/bucket", recursive=True)


def test_it_streams_from_a_web_server_and_survives_a_lost_connection(
    server: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sequence_and_sound(str(large))
    assert sequence_and_sound(f"{server}/large") == expected
    assert not Quiet.ranges
    monkeypatch.setattr(stream, "_PAUSES", (0.0, 0.0))
    Quiet.failures = 2
    assert sequence_and_sound(f"{server}/large") == expected
    assert Quiet.failures == 0
    Quiet.failures = 10**6
    with pytest.raises(ManifestError, match=r"http://127.*/large/recording\.00000\d\.tar: cannot be read after"):
        sequence_and_sound(f"{server}/large")
    Quiet.failures = 0
    with pytest.raises(ManifestError, match=rf"http://127.*/large/none: .*{INDEX}|http://127.*/large/none: cannot"):
        open_shards(f"{server}/large/none")


def test_an_index_is_believed_only_where_it_fits(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", (2, 3))
    written = write_index(folder)
    assert open_shards(str(folder)) == written
    assert (written.utterances, len(written.shards)) == (5, 2)
    assert written.seconds == pytest.approx(sum(each.duration or 0 for each in read_manifest(folder)))
    write_shards(folder, (2, 3, 4))
    assert open_shards(str(folder)).utterances == 9
    write_index(folder)
    write_shard(folder, 1, [(Utterance("new", Path("x"), "-", ""), np.zeros(9, np.float32))], form="flac")
    with pytest.raises(ManifestError, match=r"cuts\.000001\.jsonl\.gz: found 1 utterances, wanted the 3"):
        ids(stream.stream([open_shards(str(folder))], [1], seed=0))
    for content, complaint in [("{", "JSONDecodeError"), ('{"format": 9}', "found format 9"), ("[]", "TypeError")]:
        (folder / INDEX).write_text(content)
        with pytest.raises(ManifestError, match=rf"{INDEX}: .*{complaint}"):
            open_shards(str(folder))
    with pytest.raises(ManifestError, match="found no utterance in 0 shards"):
        open_shards(str(tmp_path))
    with pytest.raises(ManifestError, match="found no utterance"):
        open_shards("memory://nowhere")


def test_damaged_shards_are_named(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", (30,))
    archive = folder / "recording.000000.tar"
    archive.write_bytes(archive.read_bytes()[:20_000])
    with pytest.raises(ManifestError, match=r"recording\.000000\.tar: cannot be read after \d+ utterances"):
        ids(stream.stream([open_shards(str(folder))], [1], seed=0))
    archive.unlink()
    with pytest.raises(ManifestError, match="found no utterance"):
        open_shards(str(folder))


def test_settings_that_make_no_sense_are_refused(both: list[ShardFolder]) -> None:
    for weights, options in [
        ([1], {}),
        ([1, -1], {}),
        ([1, float("nan")], {}),
        ([1, 1], {"part": 2, "parts": 2}),
        ([1, 1], {"part": -1}),
        ([1, 1], {"skip": -1}),
        ([1, 1], {"block": 0}),
        ([0, 0], {"endless": True}),
    ]:
        with pytest.raises(SettingsError):
            stream.stream(both, weights, seed=0, **options)


PEAKS = """
import sys
from asr.data.shards.index import open_shards
from asr.data.shards.stream import stream
for folder in sys.argv[1:]:
    count = sum(len(clip.content) > 0 for clip in stream([open_shards(folder)], [1], seed=0))
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(count, peak / 1024)
"""


def write_links(folder: Path, shards: int, template: Path) -> Path:
    """As many shards as are asked for, all of them links to one."""
    folder.mkdir()
    for number in range(shards):
        (folder / f"cuts.{number:06d}.jsonl.gz").hardlink_to(template / "cuts.000000.jsonl.gz")
        (folder / f"recording.{number:06d}.tar").hardlink_to(template / "recording.000000.tar")
    write_index(folder)
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process by itself")
@pytest.mark.parametrize("times", [(1, 10), pytest.param((1, 10, 100), marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, times: tuple[int, ...]) -> None:
    template = write_shards(tmp_path / "template", (200,))
    folders = [write_links(tmp_path / str(each), 3 * each, template) for each in times]
    done = subprocess.run([sys.executable, "-c", PEAKS, *folders], capture_output=True, text=True, cwd=ROOT, check=True)
    counts, peaks = zip(*(map(float, line.split()) for line in done.stdout.splitlines()), strict=True)
    assert counts == tuple(600 * each for each in times)
    print(done.stdout)
    assert max(peaks) - peaks[0] < 4, done.stdout
