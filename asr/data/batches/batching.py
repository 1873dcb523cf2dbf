"""Which utterances meet in which batch: joined into strings, then grouped by length until a batch is full."""

import math
import random
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Generic, TypeVar

import numpy as np

from asr.audio.load import SAMPLE_RATE
from asr.errors import SettingsError

Part = TypeVar("Part")

_BUCKETS = 30
_BATCHES_A_BUCKET = 5  # at the least: what is left over in each bucket makes a batch that is not full
_LONGEST_JOIN_GAP = 0.2  # seconds; the clips bring silence of their own


def unchanged(seconds: float, seed: int) -> float:
    """How long a row is that nothing is done to."""
    return seconds


@dataclass(frozen=True, slots=True)
class Example(Generic[Part]):
    """What becomes one row of a batch: utterances that are joined, or, without any, background.

    ``gaps`` are the seconds of silence after each part but the last, ``seconds`` how long it all is before
    augmentation, ``seed`` decides whatever else is drawn for the row, and ``duration`` is how long, in seconds, it is
    after augmentation and with its margins, by which batches are filled.
    """

    parts: tuple[Part, ...]
    gaps: tuple[float, ...]
    seconds: float
    seed: int
    duration: float


@dataclass(frozen=True)
class BatchSettings:
    """How an epoch is cut into batches.

    Short utterances are joined into strings, so that the model meets sequences and the batches are dense.
    """

    seconds: float = 60.0
    """Seconds of audio in a batch of a process; padding, margins and what augmentation adds are counted."""
    join_below_seconds: float = 2.0
    """The longest utterances that are joined."""
    join_most: int = 5
    """How many utterances are joined at most; 1 joins none."""
    join_seconds: float = 8.0
    """How long a string of joined utterances may be."""
    background_share: float = 0.03
    """Share of the examples that hold noise or silence and an empty text."""

    def __post_init__(self) -> None:
        """Refuse what gives no batches."""
        for name in ("seconds", "join_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingsError(f"batches: {name} is {getattr(self, name)}; it is a number above 0")
        if not 0 <= self.join_below_seconds < math.inf:
            raise SettingsError(f"batches: join_below_seconds is {self.join_below_seconds}; it is a number from 0 up")
        if self.join_most < 1:
            raise SettingsError(f"batches: join_most is {self.join_most}; it is at least 1, which joins nothing")
        if not 0 <= self.background_share < 1:
            raise SettingsError(f"batches: background_share is {self.background_share}; it is at least 0 and below 1")


def plan_epoch(
    lengths: Sequence[int],
    sources: Sequence[int],
    weights: Sequence[float],
    settings: BatchSettings,
    seed: int,
    epoch: int,
    *,
    relative: Sequence[float] | None = None,
    join_strength: float = 1.0,
    heard: Callable[[float, int], float] = unchanged,
    processes: int = 1,
) -> list[list[Example[int]]]:
    """The batches of an epoch over utterances that are known by number: a pure function of its arguments.

    ``lengths`` are samples, ``sources`` the source of each utterance, ``weights`` how often a source's utterances come
    in an epoch on average (0.5: a random half of them; 2: each twice), and ``relative``, where it is given, how much
    more often than that each utterance comes. ``heard`` says how many seconds a row of so many becomes by what its seed
    draws. A batch is for all ``processes`` together; they take turns at its examples, see ``rows_of``.
    """
    rng = np.random.default_rng([seed, epoch])
    copies = np.asarray(weights, dtype=float)[np.asarray(sources, dtype=int)]
    if relative is not None:
        copies = copies * np.asarray(relative, dtype=float)
    counts = np.floor(copies).astype(int) + (rng.random(len(copies)) < copies % 1)
    drawn = rng.permutation(np.repeat(np.arange(len(lengths)), counts)).tolist()
    seconds = [length / SAMPLE_RATE for length in lengths]
    examples = join(drawn, seconds.__getitem__, sources.__getitem__, settings, join_strength, rng, heard)
    return list(batches(examples, settings, rng, processes=processes))


def balanced(texts: Sequence[str], power: float) -> list[float]:
    """How much more often than on average each utterance of a source shall come: ``count ** -power`` of its text.

    0 is as recorded, 1 every text as often as any other. They are 1 on average, so that the source keeps its size.
    """
    count = Counter(texts)
    shares = [count[text] ** -power for text in texts]
    whole = math.fsum(shares)
    return [share * len(texts) / whole for share in shares]


def rows_of(batch: Sequence[Example[Part]], process: int, processes: int) -> list[Example[Part]]:
    """The examples of a batch that one of several processes takes.

    All processes get as many, give or take one, and of the same lengths. Where there are fewer examples than processes,
    as at an epoch's end, those beyond the examples' number take one that another has: a process without any would stop
    the others.
    """
    ordered = sorted(batch, key=lambda example: example.duration)
    while len(ordered) < processes:
        ordered += ordered[: processes - len(ordered)]
    return ordered[process::processes]


def join(
    parts: Iterable[Part],
    seconds: Callable[[Part], float],
    source: Callable[[Part], Hashable],
    settings: BatchSettings,
    strength: float,
    rng: np.random.Generator,
    heard: Callable[[float, int], float] = unchanged,
) -> Iterator[Example[Part]]:
    """Short utterances of one source joined into strings, and background strewn between them.

    Each string's size is drawn when it is begun; ``strength`` from 0 to 1 shortens them, for a curriculum from single
    words to sequences. Background is a quarter to the whole as long as the string before it. ``heard`` as for
    ``plan_epoch``.
    """
    most = 1 + round((settings.join_most - 1) * strength)
    background_owed, owed_each = 0.0, settings.background_share / (1 - settings.background_share)

    def example(parts: tuple[Part, ...], gaps: tuple[float, ...], lasting: float) -> Example[Part]:
        row_seed = int(rng.integers(2**63))
        return Example(parts, gaps, lasting, row_seed, heard(lasting, row_seed))

    for string in _strings(parts, seconds, source, settings, most, rng):
        yield example(tuple(string.parts), tuple(string.gaps), string.seconds)
        background_owed += owed_each
        while background_owed >= 1 - 1e-9:
            background_owed -= 1
            yield example((), (), string.seconds * rng.uniform(0.25, 1.0))


def batches(
    examples: Iterable[Example[Part]],
    settings: BatchSettings,
    rng: np.random.Generator,
    *,
    processes: int = 1,
    look_ahead: int = 10_000,
) -> Iterator[list[Example[Part]]]:
    """Examples of like length together, ``settings.seconds`` a batch and process; the batches come in random order.

    Lhotse's bucketing: examples fall into buckets by length, and a bucket drawn at random gives a batch, padding
    counted. The buckets hold ``look_ahead`` examples and take no more than they give, so there may be no end of them.
    """
    from lhotse.dataset.sampling.dynamic_bucketing import DynamicBucketer, estimate_duration_buckets

    source = iter(examples)
    first = list(islice(source, look_ahead))
    if not first:
        return
    limit = settings.seconds * processes
    held = math.fsum(example.duration for example in first)
    buckets = min(_BUCKETS, len(first), int(held / (_BATCHES_A_BUCKET * limit)))
    bins = estimate_duration_buckets(first, buckets) if buckets > 1 else []
    with warnings.catch_warnings():
        # A set that fits into the buckets whole is no fault.
        warnings.filterwarnings("ignore", message="Your 'buffer_size' setting", module="lhotse")
        bucketer = DynamicBucketer(
            ((example,) for example in chain(first, source)),
            duration_bins=sorted(set(bins)) or [math.inf],  # it wants a bound, be it one that nothing reaches
            world_size=1,
            max_duration=limit,
            shuffle=True,
            rng=random.Random(int(rng.integers(2**31))),
            # Without a generator of its own for the buckets, Lhotse 1.33 stops at the first empty one.
            bucket_rng=random.Random(int(rng.integers(2**31))),
            buffer_size=look_ahead,
        )
    iterator = iter(bucketer)
    while True:
        with warnings.catch_warnings():
            # Nor is an utterance as long as a batch.
            warnings.filterwarnings("ignore", message="We have exceeded the max_duration", module="lhotse")
            batch = next(iterator, None)
        if batch is None:
            return
        yield from _within(list(batch), limit)


def _within(batch: list[Example[Part]], limit: float) -> Iterator[list[Example[Part]]]:
    """The batch, or two: Lhotse takes the example that first makes a batch too long, if it is long itself."""
    *others, last = batch
    if others and len(batch) * max(example.duration for example in batch) > limit:
        yield others
        yield [last]
    else:
        yield batch


@dataclass
class _String(Generic[Part]):
    """Utterances that are joined, up to ``size`` of them."""

    size: int
    parts: list[Part] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    seconds: float = 0.0


def _strings(
    parts: Iterable[Part],
    seconds: Callable[[Part], float],
    source: Callable[[Part], Hashable],
    settings: BatchSettings,
    most: int,
    rng: np.random.Generator,
) -> Iterator[_String[Part]]:
    begun: dict[Hashable, _String[Part]] = {}
    for part in parts:
        lasting = seconds(part)
        if lasting > settings.join_below_seconds or most == 1:
            yield _String(1, [part], seconds=lasting)
            continue
        string = begun.pop(source(part), None) or _String(_string_size(most, rng))
        gap = rng.uniform(0, _LONGEST_JOIN_GAP)
        if string.parts and string.seconds + gap + lasting > settings.join_seconds:
            yield string
            string = _String(_string_size(most, rng))
        if string.parts:
            string.gaps.append(gap)
            string.seconds += gap
        string.parts.append(part)
        string.seconds += lasting
        if len(string.parts) >= string.size:
            yield string
        else:
            begun[source(part)] = string
    yield from begun.values()


def _string_size(most: int, rng: np.random.Generator) -> int:
    """Three in ten stay alone, beside those that draw it: a word by itself is the commonest command."""
    return 1 if rng.random() < 0.3 else int(rng.integers(1, most + 1))
