"""Which shards a folder holds, on a disk or anywhere that fsspec reaches, without reading them.

A web server cannot be asked for a list of its files, so the folder keeps one: ``cuts.index.json``. It also counts, so
that a stream knows its length and can begin anywhere.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from asr.data.lists.shard import audio_name, cuts_name, finished_shards
from asr.errors import ManifestError
from asr.files import write_whole

INDEX: Final = "cuts.index.json"

_FORMAT: Final = 1


@dataclass(frozen=True)
class Shard:
    """One shard: the names of its two files, and how many utterances and seconds are in it."""

    cuts: str
    recording: str
    utterances: int
    seconds: float

    def __post_init__(self) -> None:
        if "/" in self.cuts or "/" in self.recording:
            raise ManifestError(f"{self.cuts} and {self.recording}: wanted names of files in the same folder")
        if self.utterances < 0 or not self.seconds >= 0:
            raise ManifestError(f"{self.cuts}: {self.utterances} utterances in {self.seconds} s; wanted 0 or more")


@dataclass(frozen=True)
class ShardFolder:
    """The shards of one folder, in the order of their numbers. ``url`` is a path, or a URL that fsspec opens."""

    url: str
    shards: tuple[Shard, ...]

    @property
    def utterances(self) -> int:
        """How many there are in all shards."""
        return sum(shard.utterances for shard in self.shards)

    @property
    def seconds(self) -> float:
        """How much sound there is in all shards."""
        return sum(shard.seconds for shard in self.shards)


def write_index(folder: Path) -> ShardFolder:
    """Count what is in the finished shards of a folder on disk, and note it there. The shards give the same bytes.

    Raises:
        ManifestError: there is no finished shard, a list cannot be read, or the index cannot be written.
    """
    counted = _counted(folder)
    content = {"format": _FORMAT, "shards": [asdict(shard) for shard in counted.shards]}
    try:
        write_whole(folder / INDEX, f"{json.dumps(content, indent=0)}\n".encode())
    except OSError as error:
        raise ManifestError(f"{folder / INDEX}: cannot be written: {error}") from error
    return counted


def open_shards(url: str) -> ShardFolder:
    """The shards at a path or URL (``s3://``, ``gs://``, ``https://``, ``file://``, ``memory://`` …).

    By the index that is there. Where there is none, or on a disk another than the shards that are, the lists are read
    and counted; over a network that takes long, and a plain web server does not tell which there are.

    Raises:
        ManifestError: there are no shards, or what tells of them cannot be read.
    """
    if "://" not in url:
        return _open_folder(Path(url))
    import fsspec

    url = url.rstrip("/")
    try:
        system, root = fsspec.core.url_to_fs(url)
        try:
            content = system.cat_file(f"{root}/{INDEX}")
        except FileNotFoundError:
            names = sorted(str(path).rpartition("/")[2] for path in system.glob(f"{root}/cuts.*.jsonl.gz"))
            shards = tuple(_count(name, _lines(system.cat_file(f"{root}/{name}"))) for name in names)
        else:
            shards = _parse(content, f"{url}/{INDEX}")
    except ManifestError:
        raise
    except Exception as error:  # each of fsspec's systems has errors of its own
        raise ManifestError(f"{url}: cannot be read ({type(error).__name__}: {error}); check the address") from error
    return _some_of(ShardFolder(url, shards))


def _open_folder(folder: Path) -> ShardFolder:
    try:
        shards = _parse((folder / INDEX).read_bytes(), str(folder / INDEX))
    except OSError:
        return _counted(folder)
    if {shard.cuts for shard in shards} != {cuts_name(number) for number in finished_shards(folder)}:
        return _counted(folder)
    return _some_of(ShardFolder(str(folder), shards))


def _counted(folder: Path) -> ShardFolder:
    shards = []
    for number in sorted(finished_shards(folder)):
        path = folder / cuts_name(number)
        try:
            with gzip.open(path, "rb") as lines:
                shards.append(_count(path.name, lines))
        except (OSError, EOFError, zlib.error, ManifestError) as error:
            raise ManifestError(f"{path}: cannot be read: {error}; copy the shard again") from error
    return _some_of(ShardFolder(str(folder), tuple(shards)))


def _some_of(folder: ShardFolder) -> ShardFolder:
    if not folder.utterances:
        raise ManifestError(
            f"{folder.url}: found no utterance in {len(folder.shards)} shards; wanted {INDEX}, or {cuts_name(0)} and "
            f"{audio_name(0)}, as `asr data shard` writes them"
        )
    return folder


def _lines(compressed: bytes) -> Iterator[bytes]:
    yield from gzip.decompress(compressed).split(b"\n")


def _count(name: str, lines: Iterable[bytes]) -> Shard:
    utterances, seconds = 0, 0.0
    for line in lines:
        if line.strip():
            try:
                seconds += float(json.loads(line)["duration"])
            except (ValueError, KeyError, TypeError) as error:
                raise ManifestError(f"{name}: found no Lhotse cut ({type(error).__name__}: {error})") from error
            utterances += 1
    return Shard(name, f"recording.{name.split('.')[1]}.tar", utterances, seconds)


def _parse(content: bytes, name: str) -> tuple[Shard, ...]:
    try:
        read: Any = json.loads(content)
        if read["format"] != _FORMAT:
            raise ManifestError(
                f"{name}: found format {read['format']}, wanted {_FORMAT}; it is from another version of asr; remove it"
            )
        return tuple(
            Shard(str(each["cuts"]), str(each["recording"]), int(each["utterances"]), float(each["seconds"]))
            for each in read["shards"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{name}: found no index of shards ({type(error).__name__}: {error}); copy it again, or remove it"
        ) from error
