"""The data sheet: what a corpus or a list of recordings holds, in numbers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from asr.data.manifests.utterance import NOBODY, Utterance
from asr.errors import ManifestError
from asr.text.normaliser import Normaliser

_STEPS: Final = (0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_BINS: Final = 20
_BULK: Final = 0.99  # the share that bins are made for; a few odd ones beyond it all go into the last


@dataclass(frozen=True)
class Histogram:
    """How many values lie in each bin.

    Bin i holds what is at least ``i * step`` and below ``(i + 1) * step``; the last one also all that is above.
    """

    step: float
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: NDArray[np.float64], like: NDArray[np.float64]) -> Self:
        """Count values (N,), none negative, in at most 20 bins of a round step that suits the values ``like`` (M,)."""
        bulk = float(np.quantile(like, _BULK)) if len(like) else 0.0
        step = next((step for step in _STEPS if bulk < _BINS * step), _STEPS[-1])
        bins = min(_BINS, int(_whole_steps(like, step).max(initial=0)) + 1)
        places = np.minimum(_whole_steps(values, step), bins - 1)
        return cls(step, tuple(int(count) for count in np.bincount(places, minlength=bins)))

    def labels(self, unit: str) -> list[str]:
        """What each bin holds, such as "0.5 to 1 s", and "9.5 s and more" for the last."""
        edges = [f"{round(i * self.step, 6):g}" for i in range(len(self.counts))]
        return [*(f"{a} to {b} {unit}" for a, b in pairwise(edges)), f"{edges[-1]} {unit} and more"]


@dataclass(frozen=True)
class Part:
    """One split, or all of them together.

    ``speakers`` are those with a name; ``unnamed`` counts the utterances without one, ``without_words`` those in which
    nothing is said. ``texts`` are the distinct ones and ``vocabulary`` the distinct words, both after normalisation.
    ``lengths`` are in seconds, ``speaking_rates`` in characters of the normalised text (spaces too) a second, of the
    utterances with words. ``sample_rates`` maps Hz, or 0 where it is not known, to a number of utterances.
    """

    utterances: int
    hours: float
    speakers: int
    unnamed: int
    without_words: int
    texts: int
    words: int
    vocabulary: int
    shortest: float
    median: float
    longest: float
    lengths: Histogram
    speaking_rates: Histogram
    sample_rates: Mapping[int, int]

    def rate_labels(self) -> dict[str, int]:
        """The sample rates as they are written."""
        return {f"{rate:,} Hz" if rate else "not known": count for rate, count in self.sample_rates.items()}


@dataclass(frozen=True)
class Sheet:
    """The numbers of each split and of all together; the empty string stands for what is not known.

    Histograms of the splits have the bins of the whole, so that they can be compared.
    """

    whole: Part
    splits: Mapping[str, Part]
    title: str = ""
    licence: str = ""
    source: str = ""
    digest: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON can hold them."""
        values = asdict(self)
        for part in (values["whole"], *values["splits"].values()):
            part["sample_rates"] = {str(rate): count for rate, count in part["sample_rates"].items()}
        return values

    def markdown(self) -> str:
        """A short page: where it is from, a row for each split, and tables of lengths, speaking and sample rates."""
        known = (("licence", self.licence), ("source", self.source), ("digest", self.digest))
        lines = [
            f"# {_cell(self.title or 'Data sheet')}",
            "",
            *(f"* {name}: {_cell(is_)}" for name, is_ in known if is_),
        ]
        lines += ["", *_table([*("split", *FACTS)], [[name, *facts(part)] for name, part in self.parts().items()])]
        for title, table in (
            ("Length", dict(zip(self.whole.lengths.labels("s"), self.whole.lengths.counts, strict=True))),
            (
                "Speaking rate (characters a second)",
                dict(zip(self.whole.speaking_rates.labels("/s"), self.whole.speaking_rates.counts, strict=True)),
            ),
            ("Sample rate", self.whole.rate_labels()),
        ):
            lines += ["", *_table([title, "utterances"], [[name, f"{count:,}"] for name, count in table.items()])]
        return "\n".join(lines) + "\n"

    def parts(self) -> dict[str, Part]:
        """The splits by name, and all of them as "all"; only the latter where there is but one."""
        return {**(self.splits if len(self.splits) > 1 else {}), "all": self.whole}


FACTS: Final = (
    *("utterances", "hours", "speakers", "no speaker named", "nothing said", "distinct texts", "words", "vocabulary"),
    *("shortest s", "median s", "longest s"),
)
"""The headings of what ``facts`` gives."""


def facts(part: Part) -> list[str]:
    """The numbers of a part as they are written, one for each of ``FACTS``."""
    counts = (part.speakers, part.unnamed, part.without_words, part.texts, part.words, part.vocabulary)
    seconds = (part.shortest, part.median, part.longest)
    return [
        f"{part.utterances:,}",
        f"{part.hours:,.2f}",
        *(f"{count:,}" for count in counts),
        *(f"{length:,.2f}" for length in seconds),
    ]


def describe(
    utterances: Sequence[Utterance],
    durations: Sequence[float],
    rates: Sequence[int],
    *,
    splits: Sequence[str] = (),
    title: str = "",
    licence: str = "",
    source: str = "",
    digest: str = "",
    normaliser: Normaliser | None = None,
) -> Sheet:
    """Count what the utterances hold.

    Args:
        utterances: those of all splits, one after the other.
        durations: seconds of each.
        rates: sample rate in Hz of the file of each, 0 where it is not known.
        splits: name of the split of each; left out where nothing is split.
        title: what the page is headed.
        licence: of the data.
        source: where it is from.
        digest: tells this data from any other.
        normaliser: what a word is; the program's own when left out.

    Raises:
        ManifestError: there are no utterances, or one's duration is not a number above 0.
        ValueError: the sequences are not of one length.
    """
    normaliser = normaliser or Normaliser()
    if not utterances:
        raise ManifestError(f"{source or title or 'data sheet'}: found no utterances, wanted at least one")
    if not len(utterances) == len(durations) == len(rates) == (len(splits) or len(utterances)):
        raise ValueError(
            f"{len(utterances)} utterances, {len(durations)} durations, {len(rates)} rates, {len(splits)} splits"
        )
    for utterance, seconds in zip(utterances, durations, strict=True):
        if not 0 < seconds < math.inf:
            raise ManifestError(f"{utterance.id}: it lasts {seconds} s; wanted more than 0")
    spoken = {text: normaliser(text) for text in {utterance.text for utterance in utterances}}
    lengths = np.array(durations, np.float64)
    characters = np.array([len(spoken[utterance.text]) for utterance in utterances], np.float64)
    speeds = characters / lengths

    def part(chosen: NDArray[np.int64]) -> Part:
        members = [utterances[i] for i in chosen]
        texts = [spoken[utterance.text] for utterance in members]
        said = Counter(texts)
        speakers = {utterance.speaker for utterance in members} - {NOBODY}
        return Part(
            utterances=len(members),
            hours=math.fsum(lengths[chosen]) / 3600,
            speakers=len(speakers),
            unnamed=sum(utterance.speaker == NOBODY for utterance in members),
            without_words=said[""],
            texts=len(set(said) - {""}),
            words=sum(len(text.split()) * count for text, count in said.items()),
            vocabulary=len({word for text in said for word in text.split()}),
            shortest=float(lengths[chosen].min()),
            median=float(np.median(lengths[chosen])),
            longest=float(lengths[chosen].max()),
            lengths=Histogram.of(lengths[chosen], lengths),
            speaking_rates=Histogram.of(speeds[chosen][characters[chosen] > 0], speeds[characters > 0]),
            sample_rates=dict(sorted(Counter(int(rates[i]) for i in chosen).items())),
        )

    places: dict[str, list[int]] = {}
    for place, name in enumerate(splits):
        places.setdefault(name, []).append(place)
    return Sheet(
        whole=part(np.arange(len(utterances))),
        splits={name: part(np.array(chosen)) for name, chosen in places.items()},
        title=title,
        licence=licence,
        source=source,
        digest=digest,
    )


def _whole_steps(values: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    # Rounded, because 0.3 / 0.1 is a little less than 3.
    return np.floor(np.round(values / step, 9)).astype(np.int64)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return [f"| {' | '.join(map(_cell, line))} |" for line in lines]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
