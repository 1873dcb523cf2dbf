"""Which shards a folder holds, on a disk or anywhere that fsspec reaches, without reading them.

A web server cannot be asked for a list of its files, so the folder keeps one: ``cuts.index.json``. It also counts, so
that a stream knows its length and can begin anywhere.
"""

import json
import math
import re
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from asr.data.manifests.bounded import is_file, lines_of, number, parse_json, shown, string, unpacked_lines, whole
from asr.data.manifests.shard import audio_name, cuts_name, finished_shards
from asr.errors import ManifestError
from asr.files import write_whole

INDEX: Final = "cuts.index.json"

_FORMAT: Final = 1
_NAMES: Final = (re.compile(r"cuts\.[0-9]+\.jsonl\.gz"), re.compile(r"recording\.[0-9]+\.tar"))
_LARGEST: Final = 64 * 2**20  # bytes of an index: half a million shards
_MOST: Final = 10**9  # utterances of a shard, beyond which arithmetic on their numbers could fail


@dataclass(frozen=True)
class Shard:
    """One shard: the names of its two files, and how many utterances and seconds are in it."""

    cuts: str
    recording: str
    utterances: int
    seconds: float

    def __post_init__(self) -> None:
        for name, wanted in zip((self.cuts, self.recording), _NAMES, strict=True):
            if not wanted.fullmatch(name):
                raise ManifestError(
                    f"found the name {shown(name)}, wanted names of files in the same folder, such as {cuts_name(0)} "
                    f"and {audio_name(0)}"
                )
        if not (0 <= self.utterances <= _MOST and 0 <= self.seconds < math.inf):
            raise ManifestError(
                f"{self.cuts}: {shown(self.utterances)} utterances in {shown(self.seconds)} s; wanted 0 or more"
            )


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
            with open_remote(system, f"{root}/{INDEX}") as file:
                content = whole(file, f"{url}/{INDEX}", _LARGEST)
        except FileNotFoundError:
            names = sorted(str(path).rpartition("/")[2] for path in system.glob(f"{root}/cuts.*.jsonl.gz"))
            shards = tuple(_count_remote(system, root, url, name) for name in names)
        else:
            shards = _parse(content, f"{url}/{INDEX}")
    except ManifestError:
        raise
    except Exception as error:  # each of fsspec's systems has errors of its own
        raise ManifestError(f"{url}: cannot be read ({type(error).__name__}: {error}); check the address") from error
    return _some_of(ShardFolder(url, shards))


def open_remote(system: Any, path: str) -> Any:
    """A file of one of fsspec's systems, to be read from front to back."""
    # Without blocks a web server need not know how to send parts of a file.
    web = {"http", "https"} & set([system.protocol] if isinstance(system.protocol, str) else system.protocol)
    return system.open(path, "rb", **({"block_size": 0} if web else {}))


def _open_folder(folder: Path) -> ShardFolder:
    if not is_file(folder / INDEX):
        return _counted(folder)
    try:
        with (folder / INDEX).open("rb") as file:
            shards = _parse(whole(file, str(folder / INDEX), _LARGEST), str(folder / INDEX))
    except OSError:
        return _counted(folder)
    if {shard.cuts for shard in shards} != {cuts_name(number) for number in finished_shards(folder)}:
        return _counted(folder)
    return _some_of(ShardFolder(str(folder), shards))


def _counted(folder: Path) -> ShardFolder:
    shards = []
    for place in sorted(finished_shards(folder)):
        path = folder / cuts_name(place)
        try:
            with lines_of(path) as lines:
                shards.append(_count(str(path), lines))
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise ManifestError(f"{path}: cannot be read: {error}; copy the shard again") from error
    return _some_of(ShardFolder(str(folder), tuple(shards)))


def _some_of(folder: ShardFolder) -> ShardFolder:
    if not folder.utterances:
        raise ManifestError(
            f"{folder.url}: found no utterance in {len(folder.shards)} shards; wanted {INDEX}, or {cuts_name(0)} and "
            f"{audio_name(0)}, as `asr data shard` writes them"
        )
    return folder


def _count_remote(system: Any, root: str, url: str, name: str) -> Shard:
    with open_remote(system, f"{root}/{name}") as file:
        return _count(f"{url}/{name}", unpacked_lines(file, f"{url}/{name}"))


def _count(listed: str, lines: Iterable[str]) -> Shard:
    utterances, seconds = 0, 0.0
    for place, line in enumerate(lines, start=1):
        if line.strip():
            try:
                seconds += number(parse_json(line)["duration"], "its duration")
            except (ManifestError, ValueError, KeyError, TypeError) as error:
                raise ManifestError(
                    f"{listed}:{place}: found no Lhotse cut ({type(error).__name__}: {error}); copy the shard again"
                ) from error
            utterances += 1
    name = PurePath(listed).name
    return Shard(name, f"recording.{name.split('.')[1]}.tar", utterances, seconds)


def _parse(content: bytes, name: str) -> tuple[Shard, ...]:
    try:
        read: Any = parse_json(content)
        if read["format"] != _FORMAT:
            raise ManifestError(
                f"{name}: found format {shown(read['format'])}, wanted {_FORMAT}; it is from another version "
                "of asr; remove it"
            )
        return tuple(_shard(each) for each in read["shards"])
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{name}: found no index of shards ({type(error).__name__}: {shown(str(error), 200)}); copy it again, "
            "or remove it"
        ) from error


def _shard(values: Any) -> Shard:
    """One shard of an index. Raises ValueError, KeyError or TypeError where it is none."""
    utterances = values["utterances"]
    if not isinstance(utterances, int) or isinstance(utterances, bool):
        raise TypeError(f"found {shown(utterances)} as utterances, wanted a whole number")
    try:
        names = string(values["cuts"], "cuts"), string(values["recording"], "recording")
        return Shard(*names, utterances, number(values["seconds"], "seconds"))
    except ManifestError as error:
        raise ValueError(str(error)) from None
