"""Two evaluations compared by a paired bootstrap, and `asr compare` as it runs."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from asr.apps.cli import app
from asr.commands.reading import Reading
from asr.errors import AsrError, SettingsError
from asr.evaluation.command_report import commands_to_dict
from asr.evaluation.command_scoring import score_commands
from asr.evaluation.comparison import Run, RunComparison, compare, read_run, run_of
from asr.evaluation.outcome import Outcome
from asr.evaluation.report import interval, report_to_dict
from asr.evaluation.scoring import score

SAID = {f"u{number:02}": "one two three four five" for number in range(40)}
SPEAKERS = {id: f"speaker {int(id[1:]) % 8}" for id in SAID}


MEASURES = ("word error rate", "character error rate", "sentences right")


def spoilt(share: float, seed: int) -> dict[str, str]:
    """What is heard where each word goes wrong with this probability."""
    drawn = random.Random(seed)
    return {id: " ".join("x" if drawn.random() < share else word for word in said.split()) for id, said in SAID.items()}


def report(heard: dict[str, str], speakers: dict[str, str] | None = SPEAKERS) -> dict[str, object]:
    return report_to_dict(score(SAID, heard, normaliser=str, speakers=speakers, bootstrap=1))


def run(heard: dict[str, str], speakers: dict[str, str] | None = SPEAKERS) -> Run:
    return run_of(report(heard, speakers))


def wer(found: RunComparison) -> tuple[float, float, float]:
    gap = found.differences[0].difference
    assert found.differences[0].measure == "word error rate"
    assert gap.low is not None
    assert gap.high is not None
    return gap.value, gap.low, gap.high


def test_a_run_beside_itself_differs_in_nothing() -> None:
    one = run(spoilt(0.3, 1))
    found = compare(one, one, bootstrap=200)
    assert wer(found) == (0, 0, 0)
    assert [each.p for each in found.differences] == [1, 1, 1]
    assert (found.changes, found.attempts) == ((), 40)


def test_exchanging_the_runs_turns_the_signs() -> None:
    one, other = run(spoilt(0.3, 1)), run(spoilt(0.2, 2))
    there, back = compare(one, other, bootstrap=500), compare(other, one, bootstrap=500)
    for forth, opposite in zip(there.differences, back.differences, strict=True):
        assert (forth.first, forth.second, forth.p) == (opposite.second, opposite.first, opposite.p)
        gap, turned = forth.difference, opposite.difference
        assert (gap.value, gap.low, gap.high) == pytest.approx((-turned.value, -turned.high, -turned.low))
    assert [change.key for change in there.better] == [change.key for change in back.worse]
    assert there.better
    assert there.worse


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not() -> None:
    found = compare(run(spoilt(0.3, 1)), run(spoilt(0.1, 2)))
    value, low, high = wer(found)
    assert low <= value <= high < 0
    assert low < -0.2 < high
    assert found.differences[0].p < 0.001
    assert (found.differences[0].groups, found.differences[0].by_speaker) == (8, True)
    assert all(each.first.errors > each.second.errors for each in found.better)
    assert [each.gain for each in found.worse] == sorted(each.gain for each in found.worse)
    chances = [compare(run(spoilt(0.2, seed)), run(spoilt(0.2, seed + 99)), bootstrap=500) for seed in range(12)]
    assert sum(each.differences[0].p < 0.05 for each in chances) <= 3


def test_what_is_hard_for_both_counts_for_neither() -> None:
    """The second run has every error of the first, and one word more in each utterance: always 0.2 apart."""
    first = spoilt(0.4, 5)
    second = {id: f"{text} y" for id, text in first.items()}
    value, low, high = wer(compare(run(first), run(second), bootstrap=300))
    assert (value, low, high) == pytest.approx((0.2, 0.2, 0.2))


def test_differences_are_those_of_the_reports() -> None:
    heard = [spoilt(0.3, 1), spoilt(0.1, 2)]
    one, other = (score(SAID, each, normaliser=str, bootstrap=1) for each in heard)
    found = compare(*(run(each, None) for each in heard), bootstrap=50).differences
    assert one.wer is not None
    assert other.wer is not None
    assert (found[0].first, found[0].second) == (one.wer.value, other.wer.value)
    assert one.cer is not None
    assert other.cer is not None
    assert (found[1].first, found[1].second) == (one.cer.value, other.cer.value)
    assert one.sentence_accuracy is not None
    assert other.sentence_accuracy is not None
    assert (found[2].first, found[2].second) == (one.sentence_accuracy.value, other.sentence_accuracy.value)
    assert (found[0].groups, found[0].by_speaker) == (40, False)


def test_noise_is_compared_at_each_ratio() -> None:
    clean, loud = report(spoilt(0.1, 1)), report(spoilt(0.4, 2))
    noisy = [{"snr": 6.0, "hypotheses": {row["id"]: row["hypothesis"] for row in loud["utterances"]}}]  # type: ignore[attr-defined]
    found = compare(run_of({**clean, "in_noise": noisy}), run_of({**clean, "in_noise": noisy}), bootstrap=20)
    assert [(each.measure, each.snr) for each in found.differences] == [
        (measure, snr) for snr in (None, 6.0) for measure in MEASURES
    ]
    assert found.differences[3].first == loud["wer"]["value"]  # type: ignore[index]


def test_other_utterances_are_refused() -> None:
    one = spoilt(0.3, 1)
    all_but_two = {id: text for id, text in run(one).items() if id.id not in ("u00", "u01")}
    with pytest.raises(AsrError, match=r"2 utterances only in the first \(u00, u01\)") as error:
        compare(run(one), all_but_two)
    assert "\n" not in str(error.value)
    with pytest.raises(AsrError, match="2 utterances only in the second"):
        compare(all_but_two, run(one))
    other = report(one)
    other["utterances"][3]["reference"] = "six"  # type: ignore[index]
    with pytest.raises(AsrError, match="u03 is 'one two three four five' by speaker 3 and 'six' by speaker 3"):
        compare(run(one), run_of(other))
    with pytest.raises(AsrError, match="same utterances"):
        compare({}, {})
    with pytest.raises(SettingsError, match="0 bootstrap"):
        compare(run(one), run(one), bootstrap=0)


def outcomes(taken: Sequence[bool], right: Sequence[bool]) -> dict[str, object]:
    said, wrong = Reading("start", {"n": 1}, "start one"), Reading("stop", {}, "stop")
    commands = [
        Outcome(f"c{place}", "ann", "start one", 1.0, said, said if good else wrong, took, 0.9, "command")
        for place, (took, good) in enumerate(zip(taken, right, strict=True))
    ]
    speech = Outcome("s", "ben", "hello", 1.0, None, wrong, taken[0], 0.5, "speech")
    return commands_to_dict(score_commands([*commands, speech], bootstrap=1))


def test_commands_are_compared_by_what_is_accepted() -> None:
    first, second = (
        outcomes([True, True, False], [True, False, True]),
        outcomes([False, True, True], [True, True, True]),
    )
    found = compare(run_of(first), run_of(second), bootstrap=20)
    assert {each.measure: (each.first, each.second) for each in found.differences} == {
        "commands accepted exactly": (1 / 3, 2 / 3),
        "commands accepted wrongly": (1 / 3, 0),
        "other speech accepted": (1, 0),
    }
    assert {each.key.id: each.gain for each in found.changes} == {"c0": -1, "c1": 2, "c2": 1, "s": 1}
    assert [each.second.heard for each in found.better] == ["start(n=1)", "start(n=1)", "(rejected)"]


def test_runs_of_different_kind_are_refused_before_their_utterances_are_compared() -> None:
    commands, words = run_of(outcomes([True], [True])), run(spoilt(0.1, 1))
    for first, second, told in ((commands, words, "commands, the second of words"), (words, commands, "words, the")):
        with pytest.raises(AsrError, match=f"the first is a run of {told}.*both with --commands or both without"):
            compare(first, second)


def test_of_a_single_utterance_nothing_is_sure() -> None:
    first, second = ({"u00": text} for text in ("one two three four five", "one"))
    said = {"u00": SAID["u00"]}
    runs = [run_of(report_to_dict(score(said, each, normaliser=str, bootstrap=1))) for each in (first, second)]
    for each in compare(*runs, bootstrap=20).differences:
        assert (each.difference.low, each.difference.high, each.p) == (None, None, None)


def test_silence_is_compared_apart_and_last() -> None:
    said = {**SAID, "a silent one": ""}
    one, other = (
        run_of(report_to_dict(score(said, {**spoilt(0.1, 1), "a silent one": heard}, normaliser=str, bootstrap=1)))
        for heard in ("", "boo")
    )
    found = {each.measure: (each.first, each.second) for each in compare(one, other, bootstrap=20).differences}
    assert list(found) == [*MEASURES, "silence left empty"]
    assert found.pop("silence left empty") == (1, 0)
    assert all(first == second for first, second in found.values())


def test_lists_are_compared_each_for_itself() -> None:
    one, other = run(spoilt(0.3, 1)), run(spoilt(0.1, 2))
    halves = {"even.tsv": [id for id in SAID if not int(id[1:]) % 2], "odd.tsv": [id for id in SAID if int(id[1:]) % 2]}
    found = compare(one, other, lists=halves, bootstrap=50).by_list
    for name, ids in halves.items():
        parts = [{key: each for key, each in whole.items() if key.id in ids} for whole in (one, other)]
        assert found[name] == compare(*parts, bootstrap=50).differences
    assert compare(one, other, lists={"all.tsv": list(SAID)}, bootstrap=2).by_list == {}


def test_the_command_prints_differences_and_changes(tmp_path: Path) -> None:
    for name, heard in (("a", spoilt(0.3, 1)), ("b", {**spoilt(0.1, 2), "u07": "\x1b[2J evil"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(report(heard)))
    folders = [str(tmp_path / "a"), str(tmp_path / "b" / "report.json")]
    ended = CliRunner().invoke(app, ["compare", *folders, "--show", "40"])
    assert ended.exit_code == 0, ended.output
    assert "\x1b" not in ended.output
    found = compare(read_run(tmp_path / "a"), read_run(tmp_path / "b"))
    gap = found.differences[0].difference
    assert f"{100 * gap.value:+.1f} ({interval(gap, 100, '+.1f')})" in ended.output
    assert f"{len(found.better)} better, {len(found.worse)} worse" in ended.output
    printed = json.loads(CliRunner().invoke(app, ["compare", *folders, "--json"]).output)
    assert printed["differences"][0]["difference"]["value"] == gap.value
    assert [change["id"] for change in printed["changes"]] == [change.key.id for change in found.changes]


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AsrError, match=r"has no report\.json"):
        read_run(tmp_path)
    for content in ("", "[]", "{}", '{"utterances": [{"id": "a"}]}', '{"outcomes": 3}', "[" * 100_000):
        (tmp_path / "report.json").write_text(content)
        with pytest.raises(AsrError, match="is no report"):
            read_run(tmp_path)


def test_intervals_hold_the_difference_of_few_and_lopsided_groups() -> None:
    heard = np.random.default_rng(0)
    for seed in range(20):
        one, other = run(spoilt(0.5, seed)), run(spoilt(heard.uniform(), seed + 50))
        for each in compare(one, other, bootstrap=2, seed=seed).differences:
            assert each.difference.low is not None
            assert each.difference.high is not None
            assert each.difference.low <= each.difference.value <= each.difference.high
