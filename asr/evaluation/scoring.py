"""Error rates of transcripts, with intervals that say how far to trust them.

References and hypotheses meet by utterance id and pass through the same normaliser; jiwer aligns them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asr.data.manifests.utterance import NOBODY
from asr.errors import AsrError, ManifestError
from asr.evaluation.intervals import BoundedRate, Rate, Resampled, resample

_NAMED_AT_MOST: Final = 5


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


def _resampled(utterances: Sequence[ScoredUtterance], bootstrap: int, seed: int) -> Resampled | None:
    """The columns of ``_counts``; None where there is no utterance."""
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
