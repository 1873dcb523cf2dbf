"""Training data of any size: shards read from front to back, from a disk or a network, in a fixed random order.

An epoch is cut into blocks of some hundred utterances. Of each folder of shards, put in an order drawn for the epoch, a
block takes the same share; within the block the order is drawn again. So the utterances held at a time, and with them
the memory, do not grow with the corpus, the mixture of the folders is the same throughout, and where the block lies
that holds the utterance of a given number is a matter of arithmetic: a stream that goes on at the millionth reads
nothing of what came before but the beginnings of as many shards as there are folders.

The shards themselves should be in random order inside, as `asr data shard` writes them.
"""

import io
import itertools
import math
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import load_audio
from asr.data.manifests.bounded import MOST_HELD, BoundedTarInfo, unpacked_lines
from asr.data.manifests.manifest import cut_out
from asr.data.manifests.shard import pair, read_members
from asr.data.manifests.utterance import Utterance
from asr.data.shards.index import Shard, ShardFolder, open_remote
from asr.errors import ManifestError, SettingsError

BLOCK: Final = 500
"""Utterances that are held and put in random order together: about 10 MB as Opus, 150 MB of long ones as FLAC."""

_PAUSES: Final = (1.0, 5.0)  # seconds before a shard on a network is asked for again


@dataclass(frozen=True)
class Clip:
    """An utterance and the bytes of its audio file, undecoded."""

    utterance: Utterance
    content: bytes

    def wave(self) -> NDArray[np.float32]:
        """Its sound: wave (N,), float32 in [-1, 1] at 16 kHz.

        Raises:
            AudioError: the bytes cannot be decoded.
            ManifestError: the recording ends before the utterance does.
        """
        name = f"{self.utterance.path}: utterance {self.utterance.id!r}"
        return cut_out(self.utterance, load_audio(io.BytesIO(self.content), name=name))


class _ShardRange(NamedTuple):
    """Consecutive utterances of a shard."""

    shard: int
    first: int
    last: int  # the one after


class _Source(NamedTuple):
    """A folder, its weight, and from where to where in the epoch's order of it a part goes."""

    folder: ShardFolder
    weight: float
    bounds: tuple[int, int]


def part_size(folders: Sequence[ShardFolder], weights: Sequence[float], *, part: int = 0, parts: int = 1) -> int:
    """How many utterances an epoch of ``stream`` has; it differs between parts by at most one a folder.

    Raises:
        SettingsError: a weight is negative, or their number is not that of the folders, or there is no such part.
    """
    return sum(last - first for first, last in _bounds(folders, weights, part, parts))


def stream(
    folders: Sequence[ShardFolder],
    weights: Sequence[float],
    *,
    seed: int,
    epoch: int = 0,
    part: int = 0,
    parts: int = 1,
    skip: int = 0,
    endless: bool = False,
    block: int = BLOCK,
) -> Iterator[Clip]:
    """One part of an epoch, or of it and all that follow.

    The same arguments give the same sequence. All parts of an epoch together hold each utterance of a folder as often
    as its weight says: 1 is once, 2 twice, 0.3 another three tenths each epoch. Two processes with three workers each
    are six parts.

    Args:
        folders: what ``open_shards`` found.
        weights: one for each folder, from 0 up.
        seed: draws the order, together with the epoch.
        epoch: its number, from 0.
        part: which part this is, from 0.
        parts: into how many the epoch is divided.
        skip: utterances at the beginning that are left out, as after an interruption; this takes no longer the more
            they are.
        endless: go on with the following epochs.
        block: utterances put in random order, and held, at a time.

    Raises:
        SettingsError: as ``part_size``; or there is nothing in an endless stream.
        ManifestError: a shard cannot be read, the third time where it is on a network, or is not what the index says.
    """
    bounds = _bounds(folders, weights, part, parts)
    size = sum(last - first for first, last in bounds)
    if endless and not size:
        raise SettingsError(f"data: part {part} of {parts} has no utterance; take fewer parts or raise a weight")
    if block < 1 or skip < 0:
        raise SettingsError(f"data: block is {block}, wanted 1 or more; skip is {skip}, wanted 0 or more")
    sources = [_Source(*each) for each in zip(folders, weights, bounds, strict=True)]
    draw = [part, parts]
    if not endless:
        return _epoch(sources, [seed, epoch], draw, skip, block) if skip < size else iter(())
    return itertools.chain.from_iterable(
        _epoch(sources, [seed, number], draw, skip % size if number == epoch + skip // size else 0, block)
        for number in itertools.count(epoch + skip // size)
    )


def _epoch(sources: Sequence[_Source], seed: list[int], part: list[int], skip: int, block: int) -> Iterator[Clip]:
    """An epoch from the utterance ``skip`` on, which is less than there are."""
    sizes = [last - first for _, _, (first, last) in sources]
    blocks = math.ceil(sum(sizes) / block)

    def taken(before: int) -> list[int]:
        """How many of each folder are in the blocks before this one."""
        return [each * before // blocks for each in sizes]

    # The last block that begins at or before what is skipped to; on average they hold at most ``block``.
    begun = min(blocks - 1, skip // block)
    while begun + 1 < blocks and sum(taken(begun + 1)) <= skip:
        begun += 1
    skip -= sum(taken(begun))
    readers = []
    for number, (source, used) in enumerate(zip(sources, taken(begun), strict=True)):
        order = _order(source.folder, source.weight, np.random.default_rng([*seed, number]))
        readers.append(_read(source.folder, _slice(order, source.bounds[0] + used, source.bounds[1])))
    for current in range(begun, blocks):
        counts = [after - before for before, after in zip(taken(current), taken(current + 1), strict=True)]
        held: list[Clip] = []  # the block before is let go first
        for reader, count in zip(readers, counts, strict=True):
            held += itertools.islice(reader, count)
        for index in np.random.default_rng([*seed, *part, current]).permutation(len(held))[skip:]:
            yield held[index]
        skip = 0


def _bounds(folders: Sequence[ShardFolder], weights: Sequence[float], part: int, parts: int) -> list[tuple[int, int]]:
    """From where to where a part goes in the epoch's order of each folder."""
    if len(weights) != len(folders):
        raise SettingsError(f"data: {len(weights)} weights for {len(folders)} folders of shards; wanted one for each")
    if not 0 <= part < parts:
        raise SettingsError(f"data: part {part} of {parts}; wanted one from 0 to below their number")
    for folder, weight in zip(folders, weights, strict=True):
        if not 0 <= weight < math.inf:
            raise SettingsError(f"data: the weight of {folder.url} is {weight}; it is a number from 0 up")
    totals = [round(weight * folder.utterances) for folder, weight in zip(folders, weights, strict=True)]
    return [(total * part // parts, total * (part + 1) // parts) for total in totals]


def _order(folder: ShardFolder, weight: float, rng: np.random.Generator) -> Iterator[_ShardRange]:
    """All that an epoch reads of a folder: its shards in a drawn order, anew for each time, and some for the rest.

    The rest begins somewhere in that order and goes round, so that no end of a shard is passed over forever.
    """
    total = round(weight * folder.utterances)
    for _ in range(total // folder.utterances):
        yield from _drawn(folder, rng)
    rest = total % folder.utterances
    if rest:
        shards = list(_drawn(folder, rng))
        start = int(rng.integers(folder.utterances))
        yield from _slice(iter(shards + shards), start, start + rest)


def _drawn(folder: ShardFolder, rng: np.random.Generator) -> Iterator[_ShardRange]:
    for index in rng.permutation(len(folder.shards)):
        yield _ShardRange(int(index), 0, folder.shards[index].utterances)


def _slice(stretches: Iterator[_ShardRange], first: int, last: int) -> Iterator[_ShardRange]:
    """The utterances from ``first`` to before ``last`` of a sequence of stretches."""
    position = 0
    for shard, start, end in stretches:
        begin, finish = max(start, start + first - position), min(end, start + last - position)
        if begin < finish:
            yield _ShardRange(shard, begin, finish)
        position += end - start
        if position >= last:
            return


def _read(folder: ShardFolder, stretches: Iterator[_ShardRange]) -> Iterator[Clip]:
    for stretch in stretches:
        shard, done = folder.shards[stretch.shard], stretch.first
        for pause in (*_PAUSES, None):
            try:
                for clip in _read_shard(folder.url, shard, done, stretch.last):
                    yield clip
                    done += 1
                break
            except ManifestError:
                raise
            except Exception as error:  # each of fsspec's systems has errors of its own
                if pause is None or "://" not in folder.url:
                    raise ManifestError(
                        f"{folder.url}/{shard.recording}: cannot be read after {done} utterances "
                        f"({type(error).__name__}: {error}); check the connection, or copy the shard again"
                    ) from error
                time.sleep(pause)


def _read_shard(url: str, shard: Shard, first: int, last: int) -> Iterator[Clip]:
    """The utterances from ``first`` to before ``last`` of one shard, in its order."""
    import fsspec

    system, root = fsspec.core.url_to_fs(url)
    listed = f"{url}/{shard.cuts}"
    with open_remote(system, f"{root}/{shard.cuts}") as file:
        lines = list(_held(unpacked_lines(file, listed), listed))
    found = sum(1 for line in lines if line.strip())
    if found != shard.utterances:
        raise ManifestError(
            f"{listed}: found {found} utterances, wanted the {shard.utterances} that were counted before; "
            "the shards were changed: start anew, and where there is an index have it written again"
        )
    with (
        open_remote(system, f"{root}/{shard.recording}") as file,
        tarfile.open(fileobj=file, mode="r|", tarinfo=BoundedTarInfo) as tar,
    ):
        members = read_members(tar, Path(url, shard.recording), load_from=first)
        pairs = pair(listed, lines, members, start=first)
        # One more than is wanted is asked for at the very end only, where it shows that nothing is left over.
        for _, utterance, member in pairs if last == found else itertools.islice(pairs, last - first):
            yield Clip(utterance, member.content)


def _held(lines: Iterator[str], listed: str) -> Iterator[str]:
    """The lines, which together have no more characters than may be held."""
    held = 0
    for line in lines:
        held += len(line)
        if held > MOST_HELD:
            raise ManifestError(
                f"{listed}: found more than {MOST_HELD:,} characters, wanted the list of one shard; pack fewer "
                "utterances a shard"
            )
        yield line
