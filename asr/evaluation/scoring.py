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

from asr.data.lists.utterance import NOBODY
from asr.errors import AsrError, ManifestError, SettingsError

CONFIDENCE: Final = 0.95
"""How often an interval made this way holds the true rate, if the utterances are a fair sample."""

_NAMED_AT_MOST: Final = 5
_DRAWN_AT_ONCE: Final = 2_000_000  # numbers held in memory while resampling


@dataclass(frozen=True)
class Rate:
    """A rate with the ends of its 95 % interval, which always holds the rate itself; 0.05 is five in a hundred."""

    value: float
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
class Report:
    """What ``score`` found.

    ``wer`` and ``cer`` are errors per reference word and per reference character (spaces between words count), and
    may exceed 1; they are None where no reference has a word. ``sentence_accuracy`` is the share of utterances without
    an error. ``confusions`` are all kinds of error, the most frequent first; ``utterances`` are in the order of their
    ids. The intervals come from ``bootstrap`` resamplings of ``groups`` groups, which are the speakers if
    ``by_speaker`` and else the utterances.
    """

    wer: Rate | None
    cer: Rate | None
    sentence_accuracy: Rate
    words: int
    substitutions: int
    deletions: int
    insertions: int
    confusions: tuple[Confusion, ...]
    utterances: tuple[ScoredUtterance, ...]
    bootstrap: int
    groups: int
    by_speaker: bool

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

    An empty reference is silence: every word heard in it is an insertion. The result does not depend on the order of
    the mappings.

    Raises:
        ManifestError: there is nothing to score, or ids are missing or too many.
        SettingsError: ``bootstrap`` is below 1.
        AsrError: jiwer is not installed.
    """
    if bootstrap < 1:
        raise SettingsError(f"scoring: found {bootstrap} bootstrap resamplings, wanted 1 or more")
    if not references:
        raise ManifestError("scoring: there are no references; wanted at least one utterance")
    _check_ids("hypotheses", references, hypotheses)
    if speakers is not None:
        _check_ids("speakers", references, speakers)
    ids = sorted(references)
    utterances = _align(
        ids,
        [normaliser(references[id]) for id in ids],
        [normaliser(hypotheses[id]) for id in ids],
        [NOBODY if speakers is None else speakers[id] for id in ids],
    )
    named = {utterance.speaker for utterance in utterances} - {NOBODY}
    by_speaker = len(named) > 1
    groups = _group(utterances, by_speaker=by_speaker)
    total, drawn = groups.sum(axis=0), _draw(groups, bootstrap, np.random.default_rng(seed))
    counts = Counter(pair for utterance in utterances for pair in utterance.pairs if pair[0] != pair[1])
    return Report(
        wer=_rate(total[0:2], drawn[:, 0:2]) if total[1] else None,
        cer=_rate(total[2:4], drawn[:, 2:4]) if total[3] else None,
        sentence_accuracy=_rate(total[4:6], drawn[:, 4:6]),
        words=sum(utterance.words for utterance in utterances),
        substitutions=sum(utterance.substitutions for utterance in utterances),
        deletions=sum(utterance.deletions for utterance in utterances),
        insertions=sum(utterance.insertions for utterance in utterances),
        confusions=tuple(
            Confusion(*pair, count) for pair, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ),
        utterances=tuple(utterances),
        bootstrap=bootstrap,
        groups=len(groups),
        by_speaker=by_speaker,
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


def _group(utterances: list[ScoredUtterance], *, by_speaker: bool) -> NDArray[np.int64]:
    """What is drawn together, added up (G, 6): numerator and denominator of WER, CER and sentence accuracy."""
    sums: dict[tuple[str, str], NDArray[np.int64]] = {}
    for utterance in utterances:
        alone = not by_speaker or utterance.speaker == NOBODY
        key = ("utterance", utterance.id) if alone else ("speaker", utterance.speaker)
        row = [
            *(utterance.errors, utterance.words),
            *(utterance.character_errors, utterance.characters),
            *(int(utterance.errors == 0), 1),
        ]
        sums[key] = sums.get(key, np.zeros(6, np.int64)) + np.array(row)
    return np.stack([sums[key] for key in sorted(sums)])


def _draw(groups: NDArray[np.int64], bootstrap: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The sums (B, 6) of as many groups as there are, drawn with replacement from groups (G, 6)."""
    count = len(groups)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    return np.concatenate(
        [
            groups[random.integers(count, size=(min(at_once, bootstrap - done), count))].sum(axis=1)
            for done in range(0, bootstrap, at_once)
        ]
    )


def _rate(total: NDArray[np.int64], drawn: NDArray[np.int64]) -> Rate:
    """The rate of total (2,), numerator and denominator, and its interval from drawn (B, 2)."""
    value = float(total[0] / total[1])
    drawn = drawn[drawn[:, 1] > 0]  # a draw of nothing but silence has no rate
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail]) if len(drawn) else (value, value)
    # In few and lopsided groups the quantiles may leave out the rate itself.
    return Rate(value, min(float(low), value), max(float(high), value))
