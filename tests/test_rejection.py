"""When a reading is accepted: weights that are found again, confidences that come true, thresholds that hold."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.commands.evidence import MEASURES, Evidence
from asr.commands.rejection import COMMAND, FALSE_ACCEPTS, LIMITS, PIECES, Rejection, Trial, calibrate
from asr.errors import SettingsError


def evidence(gap: float, **others: float) -> Evidence:
    values = dict.fromkeys(MEASURES, 1.0) | {"gap": gap, "tokens": 5} | others
    return Evidence(**values)  # type: ignore[arg-type]


def trials(count: int, seed: int, *, share_right: float = 0.5) -> list[Trial]:
    """Right readings have small gaps and others large ones, as far apart as a logistic curve of slope 4 says."""
    random = np.random.default_rng(seed)
    made = []
    while len(made) < count:
        gap = float(random.uniform(0, 6))
        right = random.random() < 1 / (1 + np.exp(-4 * (1.2 - np.log1p(gap))))
        if random.random() < (share_right if right else 1 - share_right):
            noise = {name: float(random.uniform(0, 3)) for name in MEASURES if name not in ("gap", "tokens")}
            kind = COMMAND if right or random.random() < 0.1 else ("noise" if len(made) % 3 else "other speech")
            made.append(Trial(evidence(gap, **noise), bool(right), kind, str(len(made) // 2)))
    return made


def test_the_measure_that_tells_gets_the_weight() -> None:
    weights = calibrate(trials(4000, 0)).weights
    assert weights["gap"] == pytest.approx(-4, rel=0.25)
    assert all(abs(weights[name]) < 0.4 for name in MEASURES if name != "gap")


def test_confidences_come_true_where_both_kinds_are_as_many() -> None:
    rejection = calibrate(trials(6000, 1, share_right=0.2))
    fresh = trials(6000, 2, share_right=0.2)
    confidences = np.array([rejection.confidence(trial.evidence) for trial in fresh if trial.evidence])
    right = np.array([trial.right for trial in fresh])
    importance = np.where(right, 0.5 / right.mean(), 0.5 / (1 - right.mean()))
    for low in np.arange(0.1, 1, 0.2):
        bin_ = (confidences >= low) & (confidences < low + 0.2)
        share = np.average(right[bin_], weights=importance[bin_])
        assert share == pytest.approx(confidences[bin_].mean(), abs=0.08), low


@settings(max_examples=10)
@given(st.floats(0, 0.3), st.integers(0, 1000))
def test_no_more_than_asked_for_is_taken_of_what_is_no_command(false_accepts: float, seed: int) -> None:
    rejection = calibrate(trials(400, seed), false_accepts=false_accepts)
    assert rejection.point.false_accepts <= false_accepts


def test_however_well_all_is_told_apart_the_threshold_is_a_fifth() -> None:
    tried = [
        Trial(evidence(0.0 if right else 6.0), right, COMMAND if right else "noise", str(number))
        for number, right in enumerate([True, False] * 200)
    ]
    rejection = calibrate(tried)
    assert rejection.threshold == 0.2
    assert rejection.point.accepted == 1
    assert rejection.at(0.05).threshold <= 0.2, "what is asked for may be lower"


def test_a_stricter_share_accepts_less() -> None:
    tried = trials(1000, 3)
    points = [calibrate(tried, false_accepts=share) for share in (0.0, 0.01, 0.05, 0.2)]
    assert [each.threshold for each in points] == sorted((each.threshold for each in points), reverse=True)
    assert [each.point.accepted for each in points] == sorted(each.point.accepted for each in points)
    assert points[0].threshold > points[-1].threshold


def test_the_point_counts_by_kind_and_what_has_no_reading_is_refused() -> None:
    tried = trials(1000, 4)
    silent = [Trial(None, False, "silence", f"silence {number}") for number in range(50)]
    point = calibrate(tried + silent).point
    assert point.by_kind["silence"] == 0
    assert point.accepted >= calibrate(tried).point.accepted > 0.3
    assert set(point.by_kind) == {"silence", "noise", "other speech"}
    assert point.commands == sum(trial.kind == COMMAND for trial in tried)
    assert point.others == 1050 - point.commands


def test_pieces_of_commands_are_told_and_set_no_threshold() -> None:
    """However surely they are accepted: of the same evidence as commands, they would have any other kind refused."""
    tried = trials(1000, 4)
    sure = [replace(each, right=False, kind=kind) for each in tried[:60] if each.right for kind in PIECES]
    one, other = calibrate(tried), calibrate(tried + sure)
    assert set(other.point.by_kind) == {"noise", "other speech", *PIECES}
    assert min(other.point.by_kind[kind] for kind in PIECES) > 0.1
    assert (other.point.commands, other.point.others) == (one.point.commands, one.point.others)
    assert 0 < other.point.false_accepts <= FALSE_ACCEPTS


def test_the_order_of_the_trials_changes_nothing() -> None:
    tried = trials(500, 5)
    one, other = calibrate(tried), calibrate(tried[::-1])
    assert one.threshold == pytest.approx(other.threshold)
    assert one.weights == pytest.approx(other.weights)


def test_kept_and_read_again_it_is_the_same() -> None:
    rejection = calibrate(trials(300, 6))
    again = Rejection.from_dict(json.loads(json.dumps(rejection.to_dict())))
    assert again == rejection


def test_each_share_has_its_point() -> None:
    """The lowest threshold that keeps to it: a stricter share takes less of all, and 'at' takes most within one."""
    rejection = calibrate(trials(2000, 10))
    assert len(rejection.points) == len(LIMITS)
    for limit, point in zip(LIMITS, rejection.points, strict=True):
        assert limit - 0.002 < point.false_accepts <= limit
        at = rejection.at(limit)
        assert (at.threshold, at.point.false_accepts) == (point.threshold, point.false_accepts)
        assert at.confidence(evidence(1.0)) == rejection.confidence(evidence(1.0))
    for one, other in pairwise(rejection.points):
        assert one.threshold < other.threshold
        assert one.accepted > other.accepted
    assert rejection.at(1.0).point == rejection.points[0]
    assert rejection.at(rejection.points[1].false_accepts + 1e-9).point == rejection.points[1]
    with pytest.raises(SettingsError, match=r"at most 0.0001: the calibration found thresholds for 0.00\d+ and more"):
        rejection.at(0.0001)


def test_settings_of_one_point_are_read() -> None:
    kept = calibrate(trials(300, 11)).to_dict()
    threshold = kept["point"].pop("threshold")
    del kept["points"]
    old = Rejection.from_dict(kept | {"threshold": threshold})
    assert (old.threshold, old.points) == (threshold, ())
    assert old.at(1.0) == old


def test_more_gap_is_never_more_sure() -> None:
    rejection = calibrate(trials(2000, 7))
    confidences = [rejection.confidence(evidence(gap)) for gap in np.linspace(0, 10, 30)]
    assert confidences == sorted(confidences, reverse=True)
    assert 0 < confidences[-1] < confidences[0] < 1


def test_too_little_to_calibrate_with() -> None:
    with pytest.raises(SettingsError, match=r"wanted at least 20 of each"):
        calibrate([trial for trial in trials(300, 8) if trial.right])
    with pytest.raises(SettingsError, match=r"false_accepts is 1\.5"):
        calibrate(trials(300, 8), false_accepts=1.5)


@pytest.mark.parametrize(
    "harm",
    [
        lambda kept: kept["point"].pop("threshold"),
        lambda kept: kept["points"][0].pop("accepted"),
        lambda kept: kept["weights"].pop("gap"),
        lambda kept: kept["weights"].update(gap=float("nan")),
        lambda kept: kept.update(point={"accepted": 1.0}),
        lambda kept: kept.update(weights=[1, 2]),
    ],
)
def test_damaged_settings_are_refused(harm: object) -> None:
    kept = calibrate(trials(300, 9)).to_dict()
    harm(kept)  # type: ignore[operator]
    with pytest.raises(SettingsError, match=r"asr calibrate|calibrate the bundle again"):
        Rejection.from_dict(kept)
