"""What a page is made of: sections with tables of rates, a chart, and utterances to hear and read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from asr.audio.encoding import playable
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.utterance import NOBODY, Utterance
from asr.errors import AsrError
from asr.evaluation.evaluate import Evaluation
from asr.evaluation.intervals import Rate
from asr.evaluation.outcome import Outcome
from asr.evaluation.reliability import ReliabilityBin
from asr.evaluation.report import interval, per_cent
from asr.evaluation.scoring import ScoredUtterance

PLAYED_SECONDS: Final = 8
"""Of a longer utterance only the first part can be played."""

SOUND_BYTES: Final = 6_000_000
"""How many bytes of a page all its players take together: 140 seconds, which of recordings of some length are 17."""

ROWS: Final = 40
"""How many rows a table has at most."""

SHOWN_WORDS: Final = 150
"""How many words of an utterance are shown, one below the other, at most."""


_LETTERS: Final = 40  # of a word that are shown

RELIABILITY: Final = ("confidence", "count", "mean", "right")
"""The columns of a table of reliability."""

Member = TypeVar("Member")
Identified = TypeVar("Identified", Outcome, ScoredUtterance)


@dataclass(frozen=True)
class TableRow:
    """A row of a table: what it is about, how many of what, and rates, None where there is none."""

    name: str
    counts: tuple[int | str, ...]
    rates: tuple[Rate | None, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rates by something, or with ``differences`` those between rates; of ``left_out`` more rows the table says how
    many there are.
    """

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    left_out: int = 0
    differences: bool = False

    def limit(self, place: int) -> float:
        """What the bars of a column of rates go up to, and those of differences down to, too: a round share, or the
        farthest end of an interval where that is above 1.
        """
        rates = [rate for row in self.rows if (rate := row.rates[place])]
        ends = [abs(end) for rate in rates for end in (rate.value, rate.low, rate.high) if end is not None]
        farthest = max(ends, default=1.0)
        return next(limit for limit in (0.1, 0.25, 0.5, 1.0, max(1.0, farthest)) if farthest <= limit)

    def shown(self, rate: Rate | None) -> str:
        """A rate in per cent, or a difference in points, with its interval."""
        if rate is None or not self.differences:
            return per_cent(rate, "–")
        return f"{100 * rate.value:+.1f} ({interval(rate, 100, '+.1f')})"

    def scale(self, place: int) -> str:
        """What the bars of a column of rates go up to, in words."""
        limit = f"{100 * self.limit(place):.0f}"
        return f"bars from -{limit} to {limit}" if self.differences else f"bars to {limit} %"


@dataclass(frozen=True)
class AlignedWords:
    """Words that were said beside words that were heard by whom ``name`` says, an empty one where words are missing or
    too many.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> list[tuple[str, str, str]]:
        """Said, heard, and which kind of error that is, "" for none, of no more words than a page should hold."""
        return [
            (_short(said), _short(heard), "" if said == heard else "D" if not heard else "I" if not said else "S")
            for said, heard in self.pairs[:SHOWN_WORDS]
        ]

    @property
    def hidden(self) -> int:
        """How many words are not shown."""
        return max(0, len(self.pairs) - SHOWN_WORDS)


@dataclass(frozen=True)
class HeardUtterance:
    """An utterance to hear and read: ``facts`` about it, its words as they were said and heard, other lines with their
    names, and the data URI of its sound.
    """

    id: str
    facts: str
    aligned: tuple[AlignedWords, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    sound: str | None = None


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading. ``charts`` are pictures as markup, which holds no text of others."""

    id: str
    title: str
    note: str = ""
    tables: tuple[Table, ...] = ()
    charts: tuple[str, ...] = ()
    utterances: tuple[HeardUtterance, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Tile:
    """A number at the top of the page."""

    name: str
    value: str
    interval: str = ""


def rate_tile(name: str, rate: Rate) -> Tile:
    """A rate at the top of the page."""
    return Tile(name, f"{100 * rate.value:.1f} %", interval(rate, 100))


def intervals_note(bootstrap: int, groups: int, *, by_speaker: bool) -> str:
    """What intervals of rates are: of the whole list from resamplings of ``groups`` groups, of a part from its own."""
    if not groups:
        return ""
    drawn = f"utterances ({groups:,} in the whole list)"
    if by_speaker:
        drawn = f"speakers ({groups:,} in the whole list), or of utterances in a row that names fewer than two"
    return (
        f"Intervals are of 95 %, from {bootstrap:,} bootstrap resamplings of {drawn}. Where these do not vary, as with "
        "one utterance, a share has Wilson's interval and an error rate none (–)."
    )


class Sounds:
    """The sounds of a page: those of utterances by id, until the page holds as many bytes as it should."""

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        self._utterances = {utterance.id: utterance for utterance in utterances}
        self._left = SOUND_BYTES

    def of(self, id: str) -> str | None:
        """The utterance's first seconds as a data URI; None where there is no more room for it, where it can no longer
        be read, or where there is none of that id.
        """
        utterance = self._utterances.get(id)
        if utterance is None:
            return None
        try:
            wave = read_utterance(utterance)[: PLAYED_SECONDS * SAMPLE_RATE]
        except AsrError:
            return None
        sound = playable(wave) if len(wave) else ""
        if not sound or len(sound) > self._left:
            return None
        self._left -= len(sound)
        return sound


def grouped(members: Iterable[Member], name: Callable[[Member], str]) -> dict[str, list[Member]]:
    """The members by their names, in the order in which the names first come."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(name(member), []).append(member)
    return groups


def least_sure(utterances: tuple[HeardUtterance, ...]) -> Section:
    """Utterances to hear where there is no mistake."""
    note = "Nothing was mistaken; these have the least confidence."
    return Section("least", "The least sure", note, utterances=utterances)


def by_list(members: Iterable[Identified], measured: Evaluation[Any]) -> dict[str, list[Identified]]:
    """The members of each list by its path, in the order of the lists; none where there is only one list."""
    if len(measured.lists) < 2:
        return {}
    places = {each.id: name for name, listed in measured.lists.items() for each in listed}
    groups = grouped(members, lambda member: places[member.id])
    return {name: groups[name] for name in measured.lists if name in groups}


def reliability_row(each: ReliabilityBin) -> TableRow:
    """A row of ``RELIABILITY``."""
    return TableRow(f"{each.low:.1f} to {each.high:.1f}", (each.count, f"{100 * each.confidence:.1f} %"), (each.right,))


def speaker_name(speaker: str) -> str:
    """How a table names a speaker."""
    return "(not named)" if speaker == NOBODY else speaker


def _short(word: str) -> str:
    return word if len(word) <= _LETTERS else f"{word[:_LETTERS]}…"
