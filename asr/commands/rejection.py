"""When a reading is accepted or rejected, and how sure that is: calibrated on speech, in a grammar and not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.commands.evidence import MEASURES, Evidence
from asr.errors import SettingsError

FALSE_ACCEPTS = 0.02
"""The share of other speech and sounds that may be accepted, by which the threshold is chosen."""

LIMITS = (0.05, 0.02, 0.01, 0.005)
"""The shares at which a calibration says what each would cost."""

_LEAST = 1 / 5
"""The least threshold, however well all is told apart: whoever opens a microphone to give commands says at least four
times as many of them as of anything else."""

_FOLDS = 5
_RIDGE = 10.0
_MOST_STEPS = 100
_FEWEST = 20


@dataclass(frozen=True)
class Trial:
    """An utterance that was asked of a grammar.

    ``evidence`` is None where the grammar had no reading at all. ``right`` says whether the reading is what was said;
    ``kind`` is "command" where it was in the grammar and otherwise what it was instead; trials of one ``group``, a
    person or a recording, are not independent.
    """

    evidence: Evidence | None
    right: bool
    kind: str
    group: str


COMMAND = "command"
HALF = "half a command"
LONGER = "a command in longer speech"
PIECES = (HALF, LONGER)
"""Kinds that hold a command, or most of one: how many of them are accepted is told, but does not set the threshold."""


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold does, on trials that had no part in the weights (cross-validation by groups).

    ``threshold`` is the confidence from which a reading is accepted, ``accepted`` the share of commands that are
    accepted and right, ``false_accepts`` that of other speech and sounds accepted, ``by_kind`` the same for each kind
    of what is no command, ``PIECES`` too; ``commands`` and ``others`` are how many of the former there were.
    """

    threshold: float
    accepted: float
    false_accepts: float
    commands: int
    others: int
    by_kind: Mapping[str, float]


@dataclass(frozen=True)
class Rejection:
    """Logistic regression on the measures of ``Evidence``, and the confidence from which a reading is accepted.

    ``point`` is what that threshold does, ``points`` what others would, the most willing first.

    Raises SettingsError for weights of other measures than these, or for a number that is none.
    """

    weights: Mapping[str, float]
    intercept: float
    point: OperatingPoint
    points: tuple[OperatingPoint, ...] = ()

    @property
    def threshold(self) -> float:
        """The confidence from which a reading is accepted."""
        return self.point.threshold

    def at(self, false_accepts: float) -> "Rejection":
        """The same with the threshold that takes most commands and at most this share (0..1) of other sounds.

        Raises SettingsError where the calibration found none so strict.
        """
        strict = [each for each in (self.point, *self.points) if each.false_accepts <= false_accepts]
        if not strict:
            least = min(each.false_accepts for each in (self.point, *self.points))
            raise SettingsError(
                f"false accepts of at most {false_accepts:g}: the calibration found thresholds for {least:.4f} and "
                "more; give a larger share, or calibrate the bundle again: asr calibrate"
            )
        return replace(self, point=max(strict, key=lambda each: each.accepted))

    def __post_init__(self) -> None:
        if set(self.weights) != set(MEASURES):
            raise SettingsError(
                f"rejection: found weights of {', '.join(sorted(self.weights))}, wanted {', '.join(sorted(MEASURES))}; "
                "calibrate the bundle again: asr calibrate"
            )
        if not all(map(math.isfinite, (*self.weights.values(), self.intercept, self.threshold))):
            raise SettingsError("rejection: found a weight or threshold that is no number; calibrate the bundle again")

    def confidence(self, evidence: Evidence) -> float:
        """How likely the reading is right, where commands and other sounds are equally likely; above 0, below 1."""
        weights = np.array([self.weights[name] for name in MEASURES])
        return float(_sigmoid(np.array([evidence.measures() @ weights + self.intercept]))[0])

    def to_dict(self) -> dict[str, Any]:
        """As a bundle keeps it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Rejection":
        """What ``to_dict`` described. Raises SettingsError for anything else."""
        try:
            weights = {str(name): float(weight) for name, weight in kept["weights"].items()}
            points = [
                OperatingPoint(**{**each, "threshold": float(each["threshold"])})
                # A bundle of before 0.2 keeps the threshold beside its one point.
                for each in ({"threshold": kept.get("threshold"), **kept["point"]}, *kept.get("points", ()))
            ]
            return cls(weights, float(kept["intercept"]), points[0], tuple(points[1:]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(
                f"rejection: its settings do not fit this version of asr ({error}); calibrate again: asr calibrate"
            ) from error


def calibrate(trials: Sequence[Trial], *, false_accepts: float = FALSE_ACCEPTS) -> Rejection:
    """Weights by all trials; threshold and operating point by each fifth of the groups under weights of the others.

    Right readings and the rest weigh the same in all, however many of each there are. The threshold is the lowest at
    which at most the share ``false_accepts`` of other speech and sounds is accepted, ``PIECES`` left out, and at least
    a fifth.

    Raises SettingsError for fewer than 20 right readings or 20 readings of what is no command, or a share outside 0
    to 1.
    """
    if not 0 <= false_accepts <= 1:
        raise SettingsError(f"calibration: false_accepts is {false_accepts}; it is a share, from 0 to 1")
    right = np.array([trial.right for trial in trials], bool)
    command = np.array([trial.kind == COMMAND for trial in trials], bool)
    other = np.array([trial.kind not in (COMMAND, *PIECES) for trial in trials], bool)
    answered = sum(trial.evidence is not None for trial in trials if trial.kind != COMMAND)
    if right.sum() < _FEWEST or answered < _FEWEST:
        raise SettingsError(
            f"calibration: found {right.sum()} commands understood rightly and {answered} other recordings "
            f"for which the grammar has a reading; wanted at least {_FEWEST} of each: give more speech, or a model "
            "that hears it better"
        )
    read = np.array([trial.evidence is not None for trial in trials])
    measures = np.stack([trial.evidence.measures() for trial in trials if trial.evidence is not None])
    group_numbers = {group: number for number, group in enumerate(sorted({trial.group for trial in trials}))}
    folds = np.array([group_numbers[trial.group] % _FOLDS for trial in trials])[read]
    read_right = right[read]
    found = np.zeros(len(measures))
    for fold in range(_FOLDS):
        held, rest = folds == fold, folds != fold
        if held.any() and read_right[rest].any() and not read_right[rest].all():
            weights, intercept = _fit(measures[rest], read_right[rest])
            found[held] = _sigmoid(measures[held] @ weights + intercept)
    confidences = np.zeros(len(trials))
    confidences[read] = found
    kinds = sorted({trial.kind for trial in trials} - {COMMAND})
    named = np.array([trial.kind for trial in trials])

    def point(threshold: float) -> OperatingPoint:
        taken = confidences >= threshold
        return OperatingPoint(
            threshold=threshold,
            accepted=float((taken & right)[command].mean()) if command.any() else 0.0,
            false_accepts=float(taken[other].mean()) if other.any() else 0.0,
            commands=int(command.sum()),
            others=int(other.sum()),
            by_kind={kind: float(taken[named == kind].mean()) for kind in kinds},
        )

    weights, intercept = _fit(measures, read_right)
    return Rejection(
        dict(zip(MEASURES, weights.tolist(), strict=True)),
        intercept,
        point(max(_LEAST, _threshold(confidences[other], false_accepts))),
        tuple(point(_threshold(confidences[other], limit)) for limit in LIMITS),
    )


def _threshold(others: NDArray[np.float64], false_accepts: float) -> float:
    """The lowest confidence that at most this share of the others (N,) reach; above 0, which is no reading at all."""
    ordered = np.sort(others)[::-1]
    allowed = math.floor(false_accepts * len(ordered))
    lowest = 0.0 if allowed >= len(ordered) else float(ordered[allowed])
    return float(np.nextafter(lowest, 1.0))


def _fit(measures: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Weights (M,) and intercept of a logistic regression with a small ridge, by Newton's method."""
    mean, spread = measures.mean(axis=0), np.maximum(measures.std(axis=0), 1e-6)
    inputs = np.column_stack([(measures - mean) / spread, np.ones(len(measures))])
    importance = np.where(right, len(right) / (2 * right.sum()), len(right) / (2 * (~right).sum()))
    ridge = np.append(np.full(measures.shape[1], _RIDGE), 0.0)
    solution = np.zeros(inputs.shape[1])
    for _ in range(_MOST_STEPS):
        chance = _sigmoid(inputs @ solution)
        slope = inputs.T @ (importance * (right - chance)) - ridge * solution
        curve = (inputs * (importance * chance * (1 - chance))[:, None]).T @ inputs + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curve, slope)
        solution += step
        if np.abs(step).max() < 1e-9:
            break
    weights = solution[:-1] / spread
    return weights, float(solution[-1] - weights @ mean)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    chance: NDArray[np.float64] = 0.5 * (1 + np.tanh(values / 2))
    return chance
