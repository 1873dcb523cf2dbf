"""How far confidences can be trusted: the share that was right among those of about one confidence.

Bins may be small, and a bootstrap of no error is sure that there is never one; so each share gets the wider of Wilson's
interval and the bootstrap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from asr.evaluation.intervals import BoundedRate, resample, wider, wilson_interval

_BINS: Final = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """The ``count`` readings with a confidence from ``low`` to below ``high`` (1 included in the last), the mean of
    their confidences, and the share of them that was right. Of commands, what is none is never right.

    ``balanced`` is that share if right readings and others were equally many in all: a confidence is made for one mix
    of commands and other sounds, and a list of recordings may hold another.
    """

    low: float
    high: float
    count: int
    confidence: float
    right: BoundedRate
    balanced: float


def reliability(
    ids: Sequence[str],
    speakers: Sequence[str],
    confidences: Sequence[float],
    rights: Sequence[bool],
    *,
    bootstrap: int = 1000,
    seed: int = 0,
) -> tuple[ReliabilityBin, ...]:
    """The bins that hold a reading, from the lowest: of N readings, each with the id and speaker of its utterance, its
    confidence (0 to 1), and whether it was right.
    """
    places = [min(int(confidence * _BINS), _BINS - 1) for confidence in confidences]
    total_right = max(1, sum(rights))
    total_wrong = max(1, len(rights) - sum(rights))
    table = []
    for number in sorted(set(places)):
        members = [row for row, place in enumerate(places) if place == number]
        count, right = len(members), sum(rights[row] for row in members)
        rows = np.array([[1, rights[row]] for row in members], np.int64)
        drawn = resample(
            [ids[row] for row in members], [speakers[row] for row in members], rows, bootstrap=bootstrap, seed=seed
        ).rate(1, 0)
        assert drawn is not None, "the bin holds a reading"
        weights = right / total_right, (count - right) / total_wrong
        table.append(
            ReliabilityBin(
                low=number / _BINS,
                high=(number + 1) / _BINS,
                count=count,
                confidence=sum(confidences[row] for row in members) / count,
                right=wider(drawn, *wilson_interval(right, count)),
                balanced=weights[0] / sum(weights),
            )
        )
    return tuple(table)


def calibration_error(table: Sequence[ReliabilityBin]) -> float:
    """How far confidence and share right are apart, over the bins, by their counts: the expected calibration error
    (Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015).
    """
    gaps = [each.count * abs(each.confidence - each.right.value) for each in table]
    return sum(gaps) / max(1, sum(each.count for each in table))
