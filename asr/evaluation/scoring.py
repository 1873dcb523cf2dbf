"""Error rates of transcripts, with intervals that say how far to trust them.

References and hypotheses meet by utterance id and pass through the same normaliser; jiwer aligns them. The intervals
are percentile bootstraps (Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance
evaluation", ICASSP 2004).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asr.data.manifests.utterance import NOBODY
from asr.errors import AsrError, ManifestError, SettingsError

CONFIDENCE: Final = 0.95
"""How often an interval made this way holds the true rate, if the utterances are a fair sample."""

_NAMED_AT_MOST: Final = 5
_Z: Final = 1.959964  # standard deviations to either side that hold 95 % of a normal distribution
_DRAWN_AT_ONCE: Final = 2_000_000  # numbers held in memory while resampling


@dataclass(frozen=True)
class Rate:
    """A rate with the ends of its 95 % interval, which always holds the rate itself; 0.05 is five in a hundred.

    The ends are None where nothing says how far to trust the rate: of a single speaker or utterance, or where all err
    alike, every resampling is the same.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class BoundedRate(Rate):
    """A rate that always has an interval, as a share has."""

    low: float
    high: float


@dataclass(frozen=True)
class Confusion:
    """A word and what was heard in its place, and how often; an empty reference is an insertion, an empty
    hypothesis a deletion.
    """

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True)
class ScoredUtterance:
    """One utterance, aligned: pairs of a reference word and a hypothesis word, one of them empty where words are
    missing or too many.
    """

    id: str
    speaker: str
    pairs: tuple[tuple[str, str], ...]
    characters: int
    character_errors: int

    @property
    def reference(self) -> str:
        """The normalised reference."""
        return " ".join(reference for reference, _ in self.pairs if reference)

    @property
    def hypothesis(self) -> str:
        """The normalised hypothesis."""
        return " ".join(hypothesis for _, hypothesis in self.pairs if hypothesis)

    @property
    def words(self) -> int:
        """How many words the reference has."""
        return sum(bool(reference) for reference, _ in self.pairs)

    @property
    def substitutions(self) -> int:
        """How many words were heard as another."""
        return sum(bool(reference and hypothesis) and reference != hypothesis for reference, hypothesis in self.pairs)

    @property
    def deletions(self) -> int:
        """How many words were not heard."""
        return sum(not hypothesis for _, hypothesis in self.pairs)

    @property
    def insertions(self) -> int:
        """How many words were heard that nobody said."""
        return sum(not reference for reference, _ in self.pairs)

    @property
    def errors(self) -> int:
        """How many words were substituted, deleted or inserted."""
        return sum(reference != hypothesis for reference, hypothesis in self.pairs)


@dataclass(frozen=True)
class Silence:
    """What was heard where nobody spoke: in ``recordings`` of an empty reference ``insertions`` words, which are
    ``confusions``; the share ``empty`` of the recordings has none.
    """

    recordings: int
    insertions: int
    confusions: tuple[Confusion, ...]
    empty: BoundedRate


@dataclass(frozen=True)
class Report:
    """What ``score`` found.

    All rates and counts are of the spoken utterances, whose reference has a word, and are None or 0 where there is
    none; ``silence`` is of the others. ``wer`` and ``cer`` are errors per reference word and per reference character
    (spaces between words count), and may exceed 1. ``sentence_accuracy`` is the share of utterances without an error.
    ``confusions`` are all kinds of error, the most frequent first; ``utterances``, silent ones too, are in the order of
    their ids. The intervals come from ``bootstrap`` resamplings of ``groups`` groups, which are the speakers if
    ``by_speaker`` and else the utterances; where those do not vary, the share gets Wilson's interval and the others
    none.
    """

    wer: Rate | None
    cer: Rate | None
    sentence_accuracy: BoundedRate | None
    words: int
    substitutions: int
    deletions: int
    insertions: int
    confusions: tuple[Confusion, ...]
    utterances: tuple[ScoredUtterance, ...]
    silence: Silence | None
    bootstrap: int
    groups: int
    by_speaker: bool

    @property
    def spoken(self) -> tuple[ScoredUtterance, ...]:
        """The utterances whose reference has a word."""
        return tuple(utterance for utterance in self.utterances if utterance.words)

    def worst(self, count: int) -> tuple[ScoredUtterance, ...]:
        """The utterances with the most word errors, the worst first; none without an error."""
        wrong = [utterance for utterance in self.utterances if utterance.errors]
        return tuple(sorted(wrong, key=lambda utterance: (-utterance.errors, utterance.words, utterance.id))[:count])


def score(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    normaliser: Callable[[str], str],
    bootstrap: int = 1000,
    seed: int = 0,
    speakers: Mapping[str, str] | None = None,
) -> Report:
    """Compares transcripts with what was said, utterance by utterance id.

    Resampling draws whole speakers, if ``speakers`` (by utterance id) names more than one: utterances of one person
    are alike, and an interval that takes them for independent is too narrow. An utterance of nobody ("-") counts as a
    speaker of its own. With a handful of speakers such an interval is still a rough one.

    An empty reference is silence: every word heard in it is an insertion, and stands apart. The result does not depend
    on the order of the mappings.

    Raises:
        ManifestError: there is nothing to score, or ids are missing or too many.
        SettingsError: ``bootstrap`` is below 1.
        AsrError: jiwer is not installed.
    """
    return report_of(
        align(references, hypotheses, normaliser=normaliser, speakers=speakers), bootstrap=bootstrap, seed=seed
    )


def align(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    normaliser: Callable[[str], str],
    speakers: Mapping[str, str] | None = None,
) -> list[ScoredUtterance]:
    """The utterances in the order of their ids, each word that was said beside what was heard; see ``score``.

    Raises:
        ManifestError: there is nothing to align, or ids are missing or too many.
        AsrError: jiwer is not installed.
    """
    if not references:
        raise ManifestError("scoring: there are no references; wanted at least one utterance")
    _check_ids("hypotheses", references, hypotheses)
    if speakers is not None:
        _check_ids("speakers", references, speakers)
    ids = sorted(references)
    return _align(
        ids,
        [normaliser(references[id]) for id in ids],
        [normaliser(hypotheses[id]) for id in ids],
        [NOBODY if speakers is None else speakers[id] for id in ids],
    )


def report_of(utterances: Sequence[ScoredUtterance], *, bootstrap: int = 1000, seed: int = 0) -> Report:
    """The report on one utterance or more, as on some of those of another report; see ``score``."""
    spoken = [utterance for utterance in utterances if utterance.words]
    sums = _resampled(spoken, bootstrap, seed)
    return Report(
        wer=sums.rate(0, 1) if sums else None,
        cer=sums.rate(2, 3) if sums else None,
        sentence_accuracy=sums.share(4, 5) if sums else None,
        words=sum(utterance.words for utterance in spoken),
        substitutions=sum(utterance.substitutions for utterance in spoken),
        deletions=sum(utterance.deletions for utterance in spoken),
        insertions=sum(utterance.insertions for utterance in spoken),
        confusions=_confusions(spoken),
        utterances=tuple(utterances),
        silence=_silence([utterance for utterance in utterances if not utterance.words], bootstrap, seed),
        bootstrap=bootstrap,
        groups=sums.groups if sums else 0,
        by_speaker=sums is not None and sums.by_speaker,
    )


def _silence(silent: Sequence[ScoredUtterance], bootstrap: int, seed: int) -> Silence | None:
    sums = _resampled(silent, bootstrap, seed)
    empty = sums.share(4, 5) if sums else None
    if empty is None:
        return None
    return Silence(len(silent), sum(one.insertions for one in silent), _confusions(silent), empty)


def _resampled(utterances: Sequence[ScoredUtterance], bootstrap: int, seed: int) -> "Resampled | None":
    """The columns of ``_counts``; None where there is no utterance."""
    _check_draws(bootstrap)
    if not utterances:
        return None
    ids, speakers = [each.id for each in utterances], [each.speaker for each in utterances]
    return resample(ids, speakers, _counts(utterances), bootstrap=bootstrap, seed=seed)


def _confusions(utterances: Sequence[ScoredUtterance]) -> tuple[Confusion, ...]:
    counts = Counter(pair for utterance in utterances for pair in utterance.pairs if pair[0] != pair[1])
    return tuple(
        Confusion(*pair, count) for pair, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _check_ids(what: str, references: Mapping[str, str], others: Mapping[str, str]) -> None:
    missing, surplus = sorted(references.keys() - others.keys()), sorted(others.keys() - references.keys())
    if missing or surplus:
        found = [
            f"{len(ids)} {kind} ({', '.join(ids[:_NAMED_AT_MOST])}{', ...' if len(ids) > _NAMED_AT_MOST else ''})"
            for kind, ids in (("missing", missing), ("without a reference", surplus))
            if ids
        ]
        raise ManifestError(
            f"scoring: among the ids of the {what} found {' and '.join(found)}; wanted those of the references exactly"
        )


def _align(ids: list[str], references: list[str], hypotheses: list[str], speakers: list[str]) -> list[ScoredUtterance]:
    try:
        import jiwer  # here, because it is not installed for transcription alone
    except ImportError:
        raise AsrError("scoring: jiwer is not installed; pip install 'asr[train]'") from None
    by_words = jiwer.process_words(references, hypotheses)
    by_characters = jiwer.process_characters(references, hypotheses)
    return [
        ScoredUtterance(
            id=ids[row],
            speaker=speakers[row],
            pairs=tuple(_pairs(by_words.references[row], by_words.hypotheses[row], by_words.alignments[row])),
            characters=len(by_characters.references[row]),
            character_errors=sum(
                max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
                for chunk in by_characters.alignments[row]
                if chunk.type != "equal"
            ),
        )
        for row in range(len(ids))
    ]


def _pairs(reference: list[str], hypothesis: list[str], alignment: Sequence[Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for chunk in alignment:
        said = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        heard = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        length = max(len(said), len(heard))  # equal but for insertions and deletions, where one is empty
        pairs += zip(said or [""] * length, heard or [""] * length, strict=True)
    return pairs


def _counts(utterances: Sequence[ScoredUtterance]) -> NDArray[np.int64]:
    """Numerator and denominator (N, 6) of WER, CER and sentence accuracy."""
    return np.array(
        [
            [
                *(utterance.errors, utterance.words),
                *(utterance.character_errors, utterance.characters),
                *(utterance.errors == 0, 1),
            ]
            for utterance in utterances
        ],
        np.int64,
    )


@dataclass(frozen=True, eq=False)
class Resampled:
    """Counts added up: ``total`` (K,) over all utterances, and ``drawn`` (B, K) over ``bootstrap`` resamplings of
    ``groups`` groups, which are the speakers if ``by_speaker`` and else the utterances.
    """

    total: NDArray[Any]
    drawn: NDArray[Any]
    bootstrap: int
    groups: int
    by_speaker: bool

    def rate(self, above: int, below: int) -> Rate | None:
        """The count in column ``above`` for each in column ``below`` with its interval; None where the latter is 0.

        It has no interval where the draws do not vary: that would be sure of what it cannot know.
        """
        if not self.total[below]:
            return None
        value = float(self.total[above] / self.total[below])
        drawn = self.drawn[self.drawn[:, below] > 0]  # a draw of nothing that counts has no rate
        rates = drawn[:, above] / drawn[:, below]
        tail = (1 - CONFIDENCE) / 2
        ends = np.quantile(rates, [tail, 1 - tail]).tolist() if len(rates) else []
        # In few and lopsided groups the quantiles may leave out the rate itself.
        low, high = min([*ends, value]), max([*ends, value])
        return BoundedRate(value, low, high) if low < high else Rate(value, None, None)

    def share(self, above: int, below: int) -> BoundedRate | None:
        """As ``rate``, of a column of whole numbers that are part of those of the other; where the draws do not vary,
        the interval is Wilson's.
        """
        rate = self.rate(above, below)
        if rate is None or isinstance(rate, BoundedRate):
            return rate
        return BoundedRate(rate.value, *wilson_interval(int(self.total[above]), int(self.total[below])))


def resample(
    ids: Sequence[str], speakers: Sequence[str], counts: NDArray[np.generic], *, bootstrap: int = 1000, seed: int = 0
) -> Resampled:
    """Adds up counts (N, K) of N utterances, and draws them anew as a bootstrap does.

    Whole speakers are drawn if more than one is named, else single utterances; rows of one id stay together. An
    utterance of nobody ("-") counts as a speaker of its own. Of whole numbers the result does not
    depend on the order of the rows.

    Raises:
        SettingsError: ``bootstrap`` is below 1.
    """
    _check_draws(bootstrap)
    by_speaker = len(set(speakers) - {NOBODY}) > 1
    sums: dict[tuple[str, str], NDArray[Any]] = {}
    for id, speaker, row in zip(ids, speakers, counts, strict=True):
        key = ("speaker", speaker) if by_speaker and speaker != NOBODY else ("utterance", id)
        sums[key] = sums[key] + row if key in sums else row
    groups = np.stack([sums[key] for key in sorted(sums)])
    return Resampled(
        groups.sum(axis=0), _draw(groups, bootstrap, np.random.default_rng(seed)), bootstrap, len(groups), by_speaker
    )


def poisson_interval(count: int) -> tuple[float, float]:
    """The 95 % interval of how many events are to be expected where ``count`` were seen.

    Byar's approximation (Breslow and Day, "Statistical Methods in Cancer Research" II, 1987, equation 2.13).
    """
    low = count * (1 - 1 / (9 * count) - _Z / (3 * count**0.5)) ** 3 if count else 0.0
    more = count + 1
    return max(low, 0.0), more * (1 - 1 / (9 * more) + _Z / (3 * more**0.5)) ** 3


def wilson_interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share where ``count`` of ``of`` were seen (E. B. Wilson, JASA 22, 1927)."""
    middle = (count + _Z**2 / 2) / (of + _Z**2)
    aside = _Z * (count * (of - count) / of + _Z**2 / 4) ** 0.5 / (of + _Z**2)
    share = count / of  # which rounding may leave out
    return max(0.0, min(middle - aside, share)), min(1.0, max(middle + aside, share))


def wider(rate: Rate, low: float, high: float) -> BoundedRate:
    """The rate with the wider of its own interval, if it has one, and another that holds it."""
    if rate.low is None or rate.high is None:
        return BoundedRate(rate.value, low, high)
    return BoundedRate(rate.value, min(rate.low, low), max(rate.high, high))


def _check_draws(bootstrap: int) -> None:
    if bootstrap < 1:
        raise SettingsError(f"scoring: found {bootstrap} bootstrap resamplings, wanted 1 or more")


def _draw(groups: NDArray[Any], bootstrap: int, random: np.random.Generator) -> NDArray[Any]:
    """The sums (B, K) of as many groups as there are, drawn with replacement from groups (G, K)."""
    count = len(groups)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    return np.concatenate(
        [
            groups[random.integers(count, size=(min(at_once, bootstrap - done), count))].sum(axis=1)
            for done in range(0, bootstrap, at_once)
        ]
    )
