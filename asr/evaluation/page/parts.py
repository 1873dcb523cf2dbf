"""What the page is made of: sections with tables of rates, a chart, and utterances to hear and read."""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from asr.audio.encoding import encode
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.utterance import NOBODY, Utterance
from asr.errors import AsrError
from asr.evaluation.evaluate import Evaluation
from asr.evaluation.outcome import Outcome
from asr.evaluation.reliability import ReliabilityBin
from asr.evaluation.scoring import Rate, ScoredUtterance

PLAYED_SECONDS: Final = 20
"""Of a longer utterance only the first part can be played."""

SOUND_BYTES: Final = 2_000_000
"""How many bytes of Opus all players of a page hold together; a page has a third more for them."""

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
    """Rates by something; of ``left_out`` more rows the table says how many there are."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    left_out: int = 0

    def limit(self, place: int) -> float:
        """What the bars of a column of rates go up to: a round share, or the highest interval where that is above 1."""
        highest = max((rate.high for row in self.rows if (rate := row.rates[place])), default=1.0)
        return next(limit for limit in (0.1, 0.25, 0.5, 1.0, max(1.0, highest)) if highest <= limit)


@dataclass(frozen=True)
class HeardUtterance:
    """An utterance to hear and read: ``facts`` about it, words that were said beside words that were heard, an empty
    one where words are missing or too many, other lines with their names, and the data URI of its sound.
    """

    id: str
    facts: str
    pairs: tuple[tuple[str, str], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    sound: str | None = None

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
    return Tile(name, f"{100 * rate.value:.1f} %", f"{100 * rate.low:.1f} to {100 * rate.high:.1f}")


class Sounds:
    """The sounds of a page: those of utterances by id, until the page holds as many bytes as it should."""

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        self._utterances = {utterance.id: utterance for utterance in utterances}
        self._left = SOUND_BYTES

    def of(self, id: str) -> str | None:
        """The utterance's first seconds as the data URI of an Ogg file; None where there is no more room for it, where
        it can no longer be read, or where there is none of that id.
        """
        utterance = self._utterances.get(id)
        if utterance is None:
            return None
        try:
            wave = read_utterance(utterance)[: PLAYED_SECONDS * SAMPLE_RATE]
        except AsrError:
            return None
        sound = encode(wave, "opus") if len(wave) else b""
        if not sound or len(sound) > self._left:
            return None
        self._left -= len(sound)
        return f"data:audio/ogg;base64,{base64.b64encode(sound).decode()}"


def grouped(members: Iterable[Member], name: Callable[[Member], str]) -> dict[str, list[Member]]:
    """The members by their names, in the order in which the names first come."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(name(member), []).append(member)
    return groups


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
