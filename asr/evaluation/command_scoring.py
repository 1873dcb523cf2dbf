"""How well commands are understood, and how well everything else is rejected, with intervals.

Shares get a bootstrap, or Wilson's interval where that does not vary (``asr.evaluation.intervals``). False accepts are
often few or none, and a bootstrap of no event is sure that there is never one; so their rate an hour gets the wider of
that bootstrap and of Poisson's interval.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.errors import ManifestError, SettingsError
from asr.evaluation.intervals import BoundedRate, Resampled, poisson_interval, resample, wider
from asr.evaluation.outcome import Outcome
from asr.evaluation.reliability import ReliabilityBin, calibration_error, reliability
from asr.evaluation.scoring import Report, score


@dataclass(frozen=True)
class OtherSound:
    """Sound that is no command: ``count`` recordings of ``seconds`` in all, of which ``accepted`` were accepted as one.

    ``refused`` is the share of recordings that were not, ``per_hour`` the false accepts in an hour of such sound.
    """

    count: int
    seconds: float
    accepted: int
    refused: BoundedRate
    per_hour: BoundedRate


@dataclass(frozen=True)
class CurvePoint:
    """What is accepted if all readings with a confidence of ``threshold`` or more are.

    Shares of the commands that are then understood with all slots right, and that are understood wrongly; the share
    of other speech; false accepts in an hour of other speech, of noise, and of both together. None where there is no
    such sound.
    """

    threshold: float
    exactly_accepted: float | None
    wrongly_accepted: float | None
    speech_accepted: float | None
    speech_per_hour: float | None
    noise_per_hour: float | None
    per_hour: float | None


@dataclass(frozen=True)
class CommandRates:
    """The rates under one condition: in noise at ``snr`` dB, None as recorded; or of all conditions together.

    Of the ``commands`` in-grammar utterances, ``command_accuracy`` is the share whose best reading is of the right
    command, rejected or not; ``accepted`` is the share understood, ``exactly_accepted`` understood with the right
    command and all slots right, ``wrongly_accepted`` understood otherwise. Over the slots, as pairs of name and value,
    of all that are understood, ``slot_precision`` is the share of heard ones that were said, ``slot_recall`` the share
    of said ones that were heard. A rate is None where there is nothing that it could be of.

    Noise alone has no ratio, and is counted under every condition.
    """

    name: str
    snr: float | None
    commands: int
    command_accuracy: BoundedRate | None
    exactly_accepted: BoundedRate | None
    accepted: BoundedRate | None
    wrongly_accepted: BoundedRate | None
    slot_precision: BoundedRate | None
    slot_recall: BoundedRate | None
    speech: OtherSound | None
    noise: OtherSound | None
    curve: tuple[CurvePoint, ...]
    reliability: tuple[ReliabilityBin, ...]

    @property
    def calibration_error(self) -> float:
        """How far confidence and share right are apart; see ``reliability.calibration_error``."""
        return calibration_error(self.reliability)

    @property
    def false_accepts_per_hour(self) -> float | None:
        """Of other speech and noise together."""
        sounds = [sound for sound in (self.speech, self.noise) if sound is not None]
        return sum(each.accepted for each in sounds) * 3600 / sum(each.seconds for each in sounds) if sounds else None

    def best_within(self, per_hour: float) -> CurvePoint | None:
        """Where the curve accepts most commands exactly with at most so many false accepts an hour; None if nowhere."""
        points = [
            (point.exactly_accepted, point.threshold, point)
            for point in self.curve
            if point.exactly_accepted is not None and point.per_hour is not None and point.per_hour <= per_hour
        ]
        return max(points, key=lambda each: each[:2])[2] if points else None


@dataclass(frozen=True)
class CommandConfusion:
    """A command that was said, and the one of the best reading ("" for none), rejected or not, and how often."""

    expected: str
    heard: str
    count: int


@dataclass(frozen=True)
class CommandReport:
    """What ``score_commands`` found.

    ``overall`` is of all conditions together, ``conditions`` of each: as recorded first, then the ratios from the
    highest down. ``outcomes`` are in the order of their ids and ratios. Confusions are in the order of their counts.
    Intervals of commands come from ``bootstrap`` resamplings of ``groups`` groups, which are the speakers if
    ``by_speaker`` and else the utterances; those of other speech and of noise from their own speakers or recordings.
    """

    overall: CommandRates
    conditions: tuple[CommandRates, ...]
    confusions: tuple[CommandConfusion, ...]
    outcomes: tuple[Outcome, ...] = field(repr=False)
    bootstrap: int
    groups: int
    by_speaker: bool

    @property
    def false_accepts(self) -> tuple[Outcome, ...]:
        """What is no command and was accepted as one, the surest first."""
        taken = [each for each in self.outcomes if each.kind != "command" and each.understood]
        return tuple(sorted(taken, key=lambda each: -each.confidence))

    @property
    def wrong_accepts(self) -> tuple[Outcome, ...]:
        """Commands that were mistaken for others, or with a wrong slot, the surest first."""
        taken = [each for each in self.outcomes if each.kind == "command" and each.understood and not each.right]
        return tuple(sorted(taken, key=lambda each: -each.confidence))


def score_commands(outcomes: Sequence[Outcome], bootstrap: int = 1000, seed: int = 0) -> CommandReport:
    """Adds up what became of utterances; the order of the outcomes does not matter.

    Resampling draws whole speakers where more than one is named, as ``asr.evaluation.scoring.score`` does.

    Raises:
        ManifestError: there is nothing to score, or an id comes twice at one ratio.
        SettingsError: ``bootstrap`` is below 1.
    """
    if bootstrap < 1:
        raise SettingsError(f"scoring: found {bootstrap} bootstrap resamplings, wanted 1 or more")
    if not outcomes:
        raise ManifestError("scoring: there are no outcomes; wanted at least one utterance")
    ordered = sorted(outcomes, key=lambda each: (each.id, -np.inf if each.snr is None else -each.snr))
    for one, other in itertools.pairwise(ordered):
        if (one.id, one.snr) == (other.id, other.snr):
            raise ManifestError(f"scoring: the id {one.id!r} comes twice at the same ratio; ids are unique")

    alone = [each for each in ordered if each.kind == "noise" and each.snr is None]
    mixed = [each for each in ordered if not (each.kind == "noise" and each.snr is None)]
    conditions = []
    for snr in sorted({each.snr for each in mixed} or {None}, key=lambda ratio: -np.inf if ratio is None else -ratio):
        name = "clean" if snr is None else f"{snr:g} dB"
        conditions.append(_rates(name, snr, [each for each in mixed if each.snr == snr] + alone, bootstrap, seed))
    overall = conditions[0] if len(conditions) == 1 else _rates("all", None, mixed + alone, bootstrap, seed)

    commands = [each for each in ordered if each.expected is not None]
    counts = Counter(
        (each.expected.command, "" if each.heard is None else each.heard.command)
        for each in commands
        if each.expected is not None and not each.right_command
    )
    sums = _resampled(commands, np.ones((len(commands), 1)), bootstrap, seed)
    return CommandReport(
        overall=overall,
        conditions=tuple(conditions),
        confusions=tuple(
            CommandConfusion(*pair, count) for pair, count in sorted(counts.items(), key=lambda item: (-item[1], item))
        ),
        outcomes=tuple(ordered),
        bootstrap=bootstrap,
        groups=0 if sums is None else sums.groups,
        by_speaker=sums is not None and sums.by_speaker,
    )


def score_words(report: CommandReport) -> dict[str, Report]:
    """Word error rates of what is in the grammar, by the names of the conditions."""
    scored = {}
    for condition in report.conditions:
        said = [each for each in report.outcomes if each.kind == "command" and each.snr == condition.snr]
        if said:
            scored[condition.name] = score(
                {each.id: each.text for each in said},
                {each.id: each.transcript for each in said},
                normaliser=str,
                speakers={each.id: each.speaker for each in said},
            )
    return scored


def _rates(name: str, snr: float | None, outcomes: Sequence[Outcome], bootstrap: int, seed: int) -> CommandRates:
    commands = [each for each in outcomes if each.kind == "command"]
    rows = [
        [
            *(1, each.right_command, each.understood, each.understood and each.right),
            *(each.understood and not each.right, each.understood * each.right_slots),
            *(each.understood * each.heard_slots, each.understood * each.expected_slots),
        ]
        for each in commands
    ]
    sums = _resampled(commands, np.array(rows, np.int64), bootstrap, seed)

    def share(above: int, below: int) -> BoundedRate | None:
        return None if sums is None else sums.share(above, below)

    return CommandRates(
        name=name,
        snr=snr,
        commands=len(commands),
        command_accuracy=share(1, 0),
        accepted=share(2, 0),
        exactly_accepted=share(3, 0),
        wrongly_accepted=share(4, 0),
        slot_precision=share(5, 6),
        slot_recall=share(5, 7),
        speech=_other_sound([each for each in outcomes if each.kind == "speech"], bootstrap, seed),
        noise=_other_sound([each for each in outcomes if each.kind == "noise"], bootstrap, seed),
        curve=tuple(_curve(outcomes)),
        reliability=_reliability(outcomes, bootstrap, seed),
    )


def _resampled(outcomes: Sequence[Outcome], rows: NDArray[Any], bootstrap: int, seed: int) -> Resampled | None:
    if not outcomes:
        return None
    ids, speakers = [each.id for each in outcomes], [each.speaker for each in outcomes]
    return resample(ids, speakers, rows, bootstrap=bootstrap, seed=seed)


def _other_sound(outcomes: Sequence[Outcome], bootstrap: int, seed: int) -> OtherSound | None:
    hours = [each.seconds / 3600 for each in outcomes]
    rows = [[1, not each.understood, each.understood, time] for each, time in zip(outcomes, hours, strict=True)]
    sums = _resampled(outcomes, np.array(rows, np.float64), bootstrap, seed)
    refused, per_hour = (None, None) if sums is None else (sums.share(1, 0), sums.rate(2, 3))
    if refused is None or per_hour is None:
        return None
    accepted = sum(each.understood for each in outcomes)
    low, high = (end / sum(hours) for end in poisson_interval(accepted))
    return OtherSound(
        count=len(outcomes),
        seconds=sum(each.seconds for each in outcomes),
        accepted=accepted,
        refused=refused,
        per_hour=wider(per_hour, low, high),
    )


def _curve(outcomes: Sequence[Outcome]) -> list[CurvePoint]:
    counts = Counter(each.kind for each in outcomes)
    hours = {kind: sum(each.seconds for each in outcomes if each.kind == kind) / 3600 for kind in ("speech", "noise")}
    heard = sorted((each for each in outcomes if each.heard is not None), key=lambda each: each.confidence)
    confidences = np.array([each.confidence for each in heard])
    rows = [
        [
            *(each.kind == "command" and each.right, each.kind == "command" and not each.right),
            *(each.kind == "speech", each.kind == "noise"),
        ]
        for each in heard
    ]
    below = np.concatenate([np.zeros((1, 4), np.int64), np.cumsum(np.array(rows, np.int64).reshape(-1, 4), axis=0)])
    thresholds = np.unique([0.0, *confidences])

    def share(part: int, whole: float) -> float | None:
        return part / whole if whole else None

    points = []
    for threshold, refused in zip(thresholds.tolist(), np.searchsorted(confidences, thresholds), strict=True):
        right, wrong, speech, noise = (below[-1] - below[refused]).tolist()
        points.append(
            CurvePoint(
                threshold=threshold,
                exactly_accepted=share(right, counts["command"]),
                wrongly_accepted=share(wrong, counts["command"]),
                speech_accepted=share(speech, counts["speech"]),
                speech_per_hour=share(speech, hours["speech"]),
                noise_per_hour=share(noise, hours["noise"]),
                per_hour=share(speech + noise, hours["speech"] + hours["noise"]),
            )
        )
    return points


def _reliability(outcomes: Sequence[Outcome], bootstrap: int, seed: int) -> tuple[ReliabilityBin, ...]:
    read = [each for each in outcomes if each.heard is not None]
    return reliability(
        [each.id for each in read],
        [each.speaker for each in read],
        [each.confidence for each in read],
        [each.right for each in read],
        bootstrap=bootstrap,
        seed=seed,
    )
