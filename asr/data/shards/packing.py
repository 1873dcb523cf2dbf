"""A list of recordings packed into shards, in random order, by as many threads as there are cores."""

import hashlib
import itertools
import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import MofNCompleteColumn

from asr.audio.encoding import Form
from asr.claim import claim
from asr.data.manifests.bounded import lines_of, parse_json
from asr.data.manifests.cuts import UTTERANCE_ID
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.shard import cuts_name, finished_shards, remove_unfinished, write_shard
from asr.data.manifests.utterance import Utterance, some_lines
from asr.data.shards.index import ShardFolder, write_index
from asr.errors import AsrError, AudioError, ManifestError, SettingsError
from asr.files import write_whole
from asr.progress_bars import progress_bar

PLAN: Final = "cuts.plan.json"
LEFT_OUT: Final = "cuts.left_out.txt"

_FORMAT: Final = 1

Item = tuple[Utterance, NDArray[np.float32]]


@dataclass(frozen=True)
class Packing:
    """The shards that there are now, and a line on each utterance that is in none because it cannot be read."""

    folder: ShardFolder
    left_out: tuple[str, ...]


class _Stopped(Exception):
    """Another thread failed, or the person has seen enough."""


def pack(
    utterances: Sequence[Utterance],
    out: Path,
    *,
    form: Form = "opus",
    per_shard: int = 1000,
    seed: int = 0,
    jobs: int | None = None,
    bad_share: float = 0.05,
) -> Packing:
    """Write the utterances as shards into the folder ``out``, with an index and a list of what was left out.

    They are put in random order once, so that reading a shard from front to back is a random sample. The same arguments
    give the same files, whatever ``jobs``; a run that was killed goes on with the shards that are missing. A progress
    bar shows on a terminal.

    Args:
        utterances: with recordings in files or in other shards.
        out: made where needed; empty, or holding a part of the same.
        form: how the audio is kept.
        per_shard: utterances a shard, from 1 up.
        seed: draws the order.
        jobs: threads, as many as there are cores when left out.
        bad_share: the share of utterances, 0 to 1, that may be unreadable before it stops.

    Raises:
        ManifestError: an id comes twice, or a file cannot be written.
        SettingsError: ``per_shard`` or ``jobs`` is below 1, or the folder holds something else.
        AsrError: more than ``bad_share`` cannot be read, or nothing can; shards that are finished stay.
    """
    jobs = jobs or os.cpu_count() or 1
    if per_shard < 1 or jobs < 1:
        raise SettingsError(f"{per_shard} utterances a shard by {jobs} jobs; wanted 1 or more of each")
    if twice := len(utterances) - len({utterance.id for utterance in utterances}):
        raise ManifestError(f"{out}: {twice} of the utterances have an id that came before; ids are unique")
    claim(out, PLAN, _plan(utterances, form, per_shard, seed))
    remove_unfinished(out)
    order = np.random.default_rng(seed).permutation(len(utterances))
    shares = [order[start : start + per_shard] for start in range(0, len(order), per_shard)]
    finished = finished_shards(out)
    left_out: dict[int, list[str]] = {}
    stop = threading.Event()
    with progress_bar(MofNCompleteColumn()) as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task("Packing utterances", total=len(utterances))

        def write(number: int) -> tuple[int, list[str]]:
            share = [utterances[index] for index in shares[number]]
            if number in finished:
                progress.advance(task, len(share))
                return number, _missing(out / cuts_name(number), share)
            bad: list[str] = []
            items = _items(share, bad, stop, lambda: progress.advance(task))
            if (first := next(items, None)) is not None:
                write_shard(out, number, itertools.chain([first], items), form=form)
            return number, bad

        futures = [pool.submit(write, number) for number in range(len(shares))]
        try:
            for future in as_completed(futures):
                number, bad = future.result()
                left_out[number] = bad
                _check_share(left_out, len(utterances), bad_share, out)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    lines = tuple(line for number in sorted(left_out) for line in left_out[number])
    if len(lines) == len(utterances):
        raise AsrError(f"{out}: none of {len(lines)} utterances can be read: {some_lines(lines)}; mend the list")
    try:
        write_whole(out / LEFT_OUT, "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace"))
    except OSError as error:
        raise ManifestError(f"{out / LEFT_OUT}: cannot be written: {error}") from error
    return Packing(write_index(out), lines)


def _items(
    share: Sequence[Utterance], bad: list[str], stop: threading.Event, advance: Callable[[], None]
) -> Iterator[Item]:
    for utterance in share:
        if stop.is_set():
            raise _Stopped
        try:
            wave = read_utterance(utterance)
            if not len(wave):
                raise ManifestError(f"{utterance.path}: utterance {utterance.id!r} has no samples")
        except (AudioError, ManifestError) as error:
            bad.append(_line(utterance, error))
        else:
            yield utterance, wave
        advance()


def _missing(listed: Path, share: Sequence[Utterance]) -> list[str]:
    """A line on each utterance that a finished shard lacks, the same as when it was written."""
    try:
        with lines_of(listed) as lines:
            cuts = [parse_json(line) for line in lines]
        there = {(cut.get("custom") or {}).get(UTTERANCE_ID, cut["id"]) for cut in cuts}
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(
            f"{listed}: cannot be read ({type(error).__name__}: {error}); remove it, and it is made again"
        ) from error
    bad: list[str] = []
    for utterance in share:
        if utterance.id not in there:
            try:
                read_utterance(utterance)
            except (AudioError, ManifestError) as error:
                bad.append(_line(utterance, error))
            else:
                bad.append(
                    f"{utterance.id}: could not be read when {listed.name} was written; remove that to try again"
                )
    return bad


def _line(utterance: Utterance, error: AsrError) -> str:
    return f"{utterance.id}: {' '.join(str(error).split())}"


def _check_share(left_out: dict[int, list[str]], total: int, bad_share: float, out: Path) -> None:
    lines = [line for bad in left_out.values() for line in bad]
    if len(lines) > bad_share * total:
        raise AsrError(
            f"{out}: {len(lines)} of {total} utterances cannot be read so far; wanted {bad_share:g} of all at most: "
            f"{some_lines(lines)}; mend them and begin anew in another folder, or allow more with "
            "--bad-share and go on here"
        )


def _plan(utterances: Sequence[Utterance], form: Form, per_shard: int, seed: int) -> dict[str, Any]:
    digest = hashlib.sha256()
    for utterance in utterances:
        digest.update(json.dumps([str(part) for part in astuple(utterance)]).encode())
    settings = {"form": form, "per_shard": per_shard, "seed": seed, "utterances": len(utterances)}
    return {"format": _FORMAT, **settings, "sha256": digest.hexdigest()}
