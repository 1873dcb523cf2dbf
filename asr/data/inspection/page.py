"""The page about lists of recordings: their data sheet, samples to hear and see, and what looks wrong.

One HTML file that needs nothing else. Ids and texts may hold anything: Jinja2 escapes all that it puts in, characters
that cannot be seen are written as escapes, and the page's own policy forbids scripts and the network.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np
from numpy.typing import NDArray

from asr.audio.encoding import playable
from asr.audio.load import SAMPLE_RATE
from asr.data.inspection.faults import KINDS, Judge, Kind
from asr.data.inspection.pictures import (
    HEIGHT,
    MFCC_LIMIT,
    SPECTRUM_RANGE_DB,
    WIDTH,
    mel_spectrogram,
    mfcc,
    waveform,
)
from asr.data.inspection.sheet import FACTS, Histogram, Sheet, facts
from asr.data.inspection.survey import Survey
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.utterance import Utterance

SHOWN_SECONDS: Final = 30
"""Of a longer utterance only the first part is played and drawn, so that the page stays small."""

EXTREMES: Final = 2
"""How many of the shortest and of the longest utterances are shown."""

HEARD: Final = 3
"""How many of each kind of fault, the worst, have a player."""

LISTED: Final = 1000
"""How many of each kind of fault are listed."""


@dataclass(frozen=True)
class Sample:
    """An utterance to hear and see; ``shown`` is how many of its seconds are played and drawn."""

    why: str
    utterance: Utterance
    seconds: float
    shown: float
    audio: str
    waveform: str
    mfcc: str
    mel: str


@dataclass(frozen=True)
class Suspect:
    """An utterance with a fault, and the data URI of its sound, or of its first part, where it has a player."""

    utterance: Utterance
    number: str
    audio: str | None


@dataclass(frozen=True)
class Suspects:
    """The worst of one kind of fault, and how many there are in all."""

    kind: Kind
    count: int
    worst: Sequence[Suspect]


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram: what it counts, how many, and its height as a share of the highest."""

    label: str
    count: int
    share: float


def choose_samples(found: Survey, count: int, seed: int) -> dict[int, str]:
    """Which utterances to show, by place, and why: ``count`` drawn by the seed, the shortest and the longest."""
    readable = found.readable
    by_length = sorted(readable, key=lambda place: (_samples(found, place), place))
    drawn = sorted(random.Random(seed).sample(readable, min(count, len(readable))))
    chosen: dict[int, str] = {}
    for why, places in (
        ("drawn", drawn),
        ("shortest", by_length[:EXTREMES]),
        ("longest", by_length[: -EXTREMES - 1 : -1]),
    ):
        for place in places:
            chosen.setdefault(place, why)
    return chosen


def draw_samples(found: Survey, chosen: Mapping[int, str], judge: Judge) -> Iterable[Sample]:
    """Read the chosen utterances once more and draw them, in their order."""
    for place, why in chosen.items():
        utterance = found.utterances[place]
        wave = read_utterance(utterance)
        shown = _beginning(wave)
        yield Sample(
            why=why,
            utterance=utterance,
            seconds=len(wave) / SAMPLE_RATE,
            shown=len(shown) / SAMPLE_RATE,
            audio=playable(shown),
            waveform=waveform(shown),
            mfcc=mfcc(shown, judge.features),
            mel=mel_spectrogram(shown),
        )


def list_suspects(found: Survey) -> list[Suspects]:
    """The worst of each kind of fault, the first few with their sound; kinds of which there are none too."""
    lists = []
    for name, findings in found.faults.items():
        worst = []
        for rank, finding in enumerate(findings[:LISTED]):
            utterance = found.utterances[finding.place]
            heard = rank < HEARD and found.measures[finding.place] is not None
            sound = playable(_beginning(read_utterance(utterance))) if heard else None
            worst.append(Suspect(utterance, finding.fault.number, sound))
        lists.append(Suspects(KINDS[name], len(findings), worst))
    return lists


def render(
    sheet: Sheet, samples: Sequence[Sample], suspects: Sequence[Suspects], found: Survey, judge: Judge, judged_for: str
) -> str:
    """The page; ``judged_for`` says whose tokens and features the utterances were held against."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    )
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    parts = sheet.parts()
    return template.render(
        sheet=sheet,
        headings=list(parts),
        rows=list(zip(FACTS, *map(facts, parts.values()), strict=True)),
        rates=sheet.whole.rate_labels(),
        histograms=[
            ("Length", "seconds", bars(sheet.whole.lengths, "s")),
            ("Speaking rate", "characters a second", bars(sheet.whole.speaking_rates, "/s")),
        ],
        samples=samples,
        suspects=suspects,
        readable=len(found.readable),
        total=len(found.utterances),
        wrong=found.suspects,
        judge=judge,
        judged_for=judged_for,
        box=(WIDTH, HEIGHT),
        mfcc_limit=MFCC_LIMIT,
        spectrum_range=SPECTRUM_RANGE_DB,
    )


def bars(histogram: Histogram, unit: str) -> list[Bar]:
    """The histogram's bins from the first to the last."""
    highest = max(*histogram.counts, 1)
    return [
        Bar(label, count, count / highest)
        for label, count in zip(histogram.labels(unit), histogram.counts, strict=True)
    ]


def _beginning(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    return wave[: SHOWN_SECONDS * SAMPLE_RATE]


def _samples(found: Survey, place: int) -> int:
    measures = found.measures[place]
    return measures.samples if measures is not None else 0


def _visible(value: Any) -> Any:
    """Text with characters that cannot be seen, or not be written, as escapes; what is no text as it is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):  # the latter is what a macro made of such text
        return value
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in value)
