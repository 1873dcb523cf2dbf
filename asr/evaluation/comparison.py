"""Two evaluations of the same recordings compared: by how much their rates differ, how surely, and in which utterances.

The difference gets a paired bootstrap: each draw takes the same utterances, or speakers, of both, so that what is hard
for both counts for neither (Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance
evaluation", ICASSP 2004).
"""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from asr.data.manifests.utterance import some
from asr.errors import AsrError, SettingsError
from asr.evaluation.intervals import CONFIDENCE, BoundedRate, Rate, resample
from asr.evaluation.scoring import ScoredUtterance, align
from asr.settings import check_path

DRAWS: Final = 10_000
"""Resamplings unless others are asked for; the least p is 2 / (DRAWS + 1)."""

_MEASURES: Final = (
    *("word error rate", "character error rate", "sentences right", "silence left empty"),
    *("commands accepted exactly", "commands accepted wrongly", "other speech accepted", "noise accepted"),
)
"""All that is counted, in the order in which it is told."""


class Key(NamedTuple):
    """Which attempt it is: the utterance's id, and the ratio in dB of noise mixed in, None for none."""

    id: str
    snr: float | None


@dataclass(frozen=True)
class Attempt:
    """What one run made of one recording: what was ``said``, what was ``heard``, and how bad that is.

    ``kind`` is what the run measures. ``words`` are what was heard as words: of commands, without the grammar.
    ``errors`` orders attempts at the same recording: wrong words; of commands 0 accepted exactly, 1 rejected,
    2 accepted wrongly; of other sound 0 rejected, 1 accepted. ``counts`` has for each measure by its name what is
    counted, and of how many.
    """

    kind: Literal["words", "commands"]
    speaker: str
    said: str
    heard: str
    words: str
    errors: int
    counts: Mapping[str, tuple[int, int]]


Run = Mapping[Key, Attempt]
"""All attempts of one evaluation."""


@dataclass(frozen=True)
class Difference:
    """How a rate differs between two runs, at one ratio of noise: ``first`` and ``second``, shares of 1, and the second
    less the first with its 95 % interval.

    ``p`` is twice the share of the ``bootstrap`` draws on the rarer side of 0, 0 included, at most 1: where it is
    small, the difference is hardly chance. The draws are of ``groups`` groups, which are the speakers if
    ``by_speaker`` and else the utterances. Of a single group there is neither an interval nor a ``p``.
    """

    measure: str
    snr: float | None
    first: float
    second: float
    difference: Rate
    p: float | None
    bootstrap: int
    groups: int
    by_speaker: bool


@dataclass(frozen=True)
class Change:
    """An utterance in which the two runs heard different things; ``gain`` is how many errors the second has fewer."""

    key: Key
    first: Attempt
    second: Attempt

    @property
    def gain(self) -> int:
        """Above 0 where the second run is better."""
        return self.first.errors - self.second.errors


@dataclass(frozen=True)
class RunComparison:
    """What ``compare`` found; of ``attempts`` attempts in each run those in ``changes`` differ, by their keys.

    ``by_list`` has the differences between the recordings of each list as they are, where there are several lists.
    """

    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]
    attempts: int
    by_list: Mapping[str, tuple[Difference, ...]] = field(default_factory=dict)

    @property
    def better(self) -> tuple[Change, ...]:
        """Where the second run is better, the greatest gain first."""
        return tuple(sorted((each for each in self.changes if each.gain > 0), key=lambda each: -each.gain))

    @property
    def worse(self) -> tuple[Change, ...]:
        """Where the second run is worse, the greatest loss first."""
        return tuple(sorted((each for each in self.changes if each.gain < 0), key=lambda each: each.gain))

    @property
    def neither(self) -> tuple[Change, ...]:
        """Where the second run is other, and no better or worse."""
        return tuple(each for each in self.changes if not each.gain)


def compare(
    first: Run,
    second: Run,
    *,
    lists: Mapping[str, Collection[str]] | None = None,
    bootstrap: int = DRAWS,
    seed: int = 0,
) -> RunComparison:
    """How the second run differs from the first, also by ``lists``, which have ids by their names.

    Whole speakers are drawn where more than one is named.

    Examples:
        >>> import asr
        >>> run = asr.read_run("reports/mine")  # doctest: +SKIP
        >>> found = asr.compare(run, asr.read_run("reports/other"))  # doctest: +SKIP
        >>> [(each.measure, each.difference.value, each.p) for each in found.differences]  # doctest: +SKIP
        [('word error rate', -0.012, 0.0412), ('sentences right', 0.02, 0.1066)]

    Raises:
        AsrError: the runs are not of the same utterances, or not measured alike.
        SettingsError: ``bootstrap`` is below 1.
    """
    if bootstrap < 1:
        raise SettingsError(f"comparing: found {bootstrap} bootstrap resamplings, wanted 1 or more")
    _check_alike(first, second)
    keys = sorted(first, key=lambda key: (key.snr is not None, -(key.snr or 0.0), key.id))

    def differences(some_keys: Sequence[Key]) -> tuple[Difference, ...]:
        found = [
            _difference(measure, snr, [key for key in some_keys if key.snr == snr], first, second, bootstrap, seed)
            for snr in dict.fromkeys(key.snr for key in some_keys)
            for measure in _MEASURES
            if any(key.snr == snr and measure in first[key].counts for key in some_keys)
        ]
        return tuple(each for each in found if each is not None)

    by_list = {}
    if lists is not None and len(lists) > 1:
        for name, ids in lists.items():
            wanted = set(ids)
            by_list[name] = differences([key for key in keys if key.snr is None and key.id in wanted])
    changes = [Change(key, first[key], second[key]) for key in keys if first[key].heard != second[key].heard]
    return RunComparison(differences(keys), tuple(changes), len(keys), by_list)


def read_run(path: str | os.PathLike[str]) -> Run:
    """What `asr evaluate --out` kept in a folder, or in a report.json itself; for ``compare``.

    Examples:
        >>> import asr
        >>> len(asr.read_run("reports/mine"))  # doctest: +SKIP
        8

    Raises:
        SettingsError: ``path`` is no path.
        AsrError: there is none, or it is no report of `asr evaluate`.
    """
    return _read(path)[0]


def read_lists(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """The ids of each list that `asr evaluate` measured on, by its path; none in a report that does not name them.

    Examples:
        >>> import asr
        >>> list(asr.read_lists("reports/mine"))  # doctest: +SKIP
        ['data/dev.tsv']

    Raises:
        AsrError: as ``read_run``.
    """
    return _read(path)[1]


def _read(path: str | os.PathLike[str]) -> tuple[Run, dict[str, tuple[str, ...]]]:
    check_path("read_run", "path", path, "the folder that `asr evaluate --out` wrote, or its report.json")
    path = Path(path)
    file = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(file.read_bytes())
        lists = {str(name): tuple(map(str, ids)) for name, ids in report.get("lists", {}).items()}
        return run_of(report), lists
    except FileNotFoundError:
        raise AsrError(f"{path}: has no report.json; wanted a folder that `asr evaluate --out` wrote") from None
    except OSError as error:
        raise AsrError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AsrError(f"{file}: is no report of `asr evaluate`; evaluate anew") from None


def run_of(report: Mapping[str, Any]) -> Run:
    """The attempts in what `asr evaluate` keeps as JSON: that of ``report_to_dict`` or of ``commands_to_dict``."""
    if "outcomes" in report:
        return {Key(row["id"], _ratio(row["snr"])): _command_attempt(row) for row in report["outcomes"]}
    rows = report["utterances"]
    said = {row["id"]: str(row["reference"]) for row in rows}
    speakers = {row["id"]: str(row["speaker"]) for row in rows}
    conditions: dict[float | None, dict[str, str]] = {None: {row["id"]: str(row["hypothesis"]) for row in rows}}
    conditions |= {float(each["snr"]): each["hypotheses"] for each in report.get("in_noise", ())}
    return {
        Key(one.id, snr): _word_attempt(one)
        for snr, heard in conditions.items()
        for one in align(
            {id: said[id] for id in heard}, heard, normaliser=str, speakers={id: speakers[id] for id in heard}
        )
    }


def _word_attempt(one: ScoredUtterance) -> Attempt:
    counts: dict[str, tuple[int, int]] = {"silence left empty": (not one.errors, 1)}
    if one.words:
        counts = {
            "word error rate": (one.errors, one.words),
            "character error rate": (one.character_errors, one.characters),
            "sentences right": (not one.errors, 1),
        }
    return Attempt("words", one.speaker, one.reference, one.hypothesis, one.hypothesis, one.errors, counts)


def _command_attempt(row: Mapping[str, Any]) -> Attempt:
    taken = bool(row["understood"])
    if row["kind"] == "command":
        exactly, wrongly = taken and bool(row["right"]), taken and not row["right"]
        errors = 0 if exactly else 2 if wrongly else 1
        counts = {"commands accepted exactly": (exactly, 1), "commands accepted wrongly": (wrongly, 1)}
    else:
        errors = int(taken)
        counts = {{"speech": "other speech accepted", "noise": "noise accepted"}[row["kind"]]: (taken, 1)}
    heard = "(rejected)"
    if taken:
        slots = ", ".join(f"{name}={value}" for name, value in row["heard"]["slots"].items())
        heard = f"{row['heard']['command']}({slots})"
    said, words = str(row["text"]), str(row["transcript"])
    return Attempt("commands", str(row["speaker"]), said, heard, words, errors, counts)


def _ratio(value: Any) -> float | None:
    return None if value is None else float(value)


def _check_alike(first: Run, second: Run) -> None:
    """Raises AsrError where a comparison would not be of the same things."""
    kinds = [next((each.kind for each in run.values()), None) for run in (first, second)]
    if None not in kinds and kinds[0] != kinds[1]:
        raise AsrError(
            f"comparing: the first is a run of {kinds[0]}, the second of {kinds[1]}; wanted both with --commands or "
            "both without"
        )
    found = [
        f"{len(keys)} utterances only in the {name} ({some(sorted(map(_named, keys)))})"
        for name, keys in (("first", first.keys() - second.keys()), ("second", second.keys() - first.keys()))
        if keys
    ]
    if found or not first:
        raise AsrError(f"comparing: found {' and '.join(found) or 'none'}; wanted two runs over the same utterances")
    for key in sorted(first, key=_named):
        one, other = first[key], second[key]
        if (one.said, one.speaker) != (other.said, other.speaker):
            told = (f"{each.said!r} by {each.speaker}" for each in (one, other))
            raise AsrError(f"comparing: {_named(key)} is {' and '.join(told)}; wanted the same utterances in both runs")
        if one.counts.keys() != other.counts.keys():
            told = (" and ".join(each.counts) for each in (one, other))
            raise AsrError(f"comparing: {_named(key)} counts for {', or for '.join(told)}; wanted the same measures")


def _named(key: Key) -> str:
    return key.id if key.snr is None else f"{key.id} at {key.snr:g} dB"


def _difference(
    measure: str, snr: float | None, keys: Sequence[Key], first: Run, second: Run, bootstrap: int, seed: int
) -> Difference | None:
    """None where there is nothing that the rate could be of."""
    keys = [key for key in keys if measure in first[key].counts]
    pairs = [(*first[key].counts[measure], *second[key].counts[measure]) for key in keys]
    sums = resample(
        [key.id for key in keys],
        [first[key].speaker for key in keys],
        np.array(pairs, np.int64),
        bootstrap=bootstrap,
        seed=seed,
    )
    one, other = sums.rate(0, 1), sums.rate(2, 3)
    if one is None or other is None:
        return None
    drawn = sums.drawn[sums.drawn[:, 1] > 0]
    gaps = drawn[:, 2] / drawn[:, 3] - drawn[:, 0] / drawn[:, 1]
    value, tail = other.value - one.value, (1 - CONFIDENCE) / 2
    difference, p = Rate(value, None, None), None
    if sums.groups > 1 and len(gaps):
        low, high = np.quantile(gaps, [tail, 1 - tail])
        difference = BoundedRate(value, min(float(low), value), max(float(high), value))
        rarer = min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
        p = min(1.0, 2 * (1 + rarer) / (len(gaps) + 1))
    return Difference(
        measure=measure,
        snr=snr,
        first=one.value,
        second=other.value,
        difference=difference,
        p=p,
        bootstrap=sums.bootstrap,
        groups=sums.groups,
        by_speaker=sums.by_speaker,
    )
