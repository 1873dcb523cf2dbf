"""Scores of understood commands against counts by hand, speech in noise, and `asr evaluate --commands` as it runs."""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile
from conftest import ROOT, answer_always
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.api import Model
from asr.apps.cli import app, run
from asr.bundle import DEFAULT_BUNDLE, DecodingSettings
from asr.commands.reading import Reading
from asr.errors import AudioError, ManifestError, SettingsError
from asr.evaluation.command_report import commands_to_dict, draw_commands, format_commands
from asr.evaluation.command_scoring import CommandRates, CommandReport, score_commands
from asr.evaluation.intervals import BoundedRate, Rate, poisson_interval, wilson_interval
from asr.evaluation.noise import Noises, find_noises, mix, pieces
from asr.evaluation.outcome import Outcome
from asr.runtime.commander import Understanding
from asr.runtime.transcript import Transcript
from asr.text.normaliser import Normaliser

ON = Reading("switch", {"where": "hall", "to": True}, "hall on")
OFF = Reading("switch", {"where": "hall", "to": False}, "hall off")
STOP = Reading("stop", {}, "stop")

few = settings(max_examples=50)


def outcome(
    id: str,
    expected: Reading | None,
    heard: Reading | None,
    confidence: float = 0.9,
    *,
    understood: bool | None = None,
    kind: str = "",
    speaker: str = "-",
    seconds: float = 1.0,
    snr: float | None = None,
) -> Outcome:
    kind = kind or ("command" if expected else "speech")
    taken = heard is not None and confidence >= 0.5 if understood is None else understood
    text = expected.text if expected else "" if kind == "noise" else "what else"
    return Outcome(id, speaker, text, seconds, expected, heard, taken, confidence, kind, snr)  # type: ignore[arg-type]


@st.composite
def many_outcomes(draw: st.DrawFn) -> list[Outcome]:
    readings = st.sampled_from([ON, OFF, STOP])
    made: dict[tuple[str, float | None], Outcome] = {}
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["command", "command", "speech", "noise"]))
        expected = draw(readings) if kind == "command" else None
        for snr in [None] if kind == "noise" else draw(st.sampled_from([[None], [None, 6.0], [18.0, 6.0]])):
            made[str(number), snr] = outcome(
                str(number),
                expected,
                draw(st.none() | readings),
                draw(st.sampled_from([0.0, 0.1, 0.5, 0.77, 1.0])),
                kind=kind,
                speaker="-ab"[number % 3],
                seconds=1 + number / 7,
                snr=snr,
            )
    return list(made.values())


def scored(outcomes: Sequence[Outcome], **more: int) -> CommandReport:
    return score_commands(outcomes, **{"bootstrap": 40, **more})


def all_rates(rates: CommandRates) -> list[Rate]:
    shares = [
        *(rates.command_accuracy, rates.exactly_accepted, rates.accepted, rates.wrongly_accepted),
        *(rates.slot_precision, rates.slot_recall),
        *(each.right for each in rates.reliability),
    ]
    for sound in (rates.speech, rates.noise):
        shares += [] if sound is None else [sound.refused, sound.per_hour]
    return [rate for rate in shares if rate is not None]


@given(many_outcomes(), st.integers(0, 3))
@few
def test_order_does_not_matter_and_intervals_hold_their_rates(outcomes: list[Outcome], seed: int) -> None:
    report = scored(outcomes)
    shuffled = outcomes.copy()
    random.Random(seed).shuffle(shuffled)
    assert scored(shuffled) == report
    for rates in (report.overall, *report.conditions):
        for rate in all_rates(rates):
            assert rate.low is not None
            assert rate.high is not None
            assert 0 <= rate.low <= rate.value <= rate.high
            assert rate.low < rate.high, "of a few utterances no rate is certain"


@given(many_outcomes())
@few
def test_the_curve_falls_from_accepting_everything_and_passes_through_the_operating_point(
    outcomes: list[Outcome],
) -> None:
    heard = [replace(each, heard=each.heard or STOP, understood=each.confidence >= 0.5) for each in outcomes]
    for rates in scored(heard).conditions:
        first, *rest = rates.curve
        assert first.threshold == 0
        assert first.speech_accepted == (None if rates.speech is None else 1)
        if rates.commands:
            assert first.exactly_accepted is not None
            assert first.wrongly_accepted is not None
            assert first.exactly_accepted + first.wrongly_accepted == pytest.approx(1)
        if rates.noise is not None:
            assert first.noise_per_hour == pytest.approx(3600 * rates.noise.count / rates.noise.seconds)
        for before, after in zip(rates.curve, rest, strict=False):
            assert before.threshold < after.threshold
            for name in ("exactly_accepted", "wrongly_accepted", "speech_accepted", "per_hour", "noise_per_hour"):
                assert (getattr(before, name) is None) == (getattr(after, name) is None)
                assert getattr(before, name) is None or getattr(before, name) >= getattr(after, name)
        # What is taken are those from 0.5 up: the least threshold not below it takes the same.
        at = [point for point in rates.curve if point.threshold >= 0.5]
        if at:
            assert at[0].per_hour == pytest.approx(rates.false_accepts_per_hour)
            if rates.exactly_accepted is not None and rates.wrongly_accepted is not None:
                assert at[0].exactly_accepted == rates.exactly_accepted.value
                assert at[0].wrongly_accepted == rates.wrongly_accepted.value


@given(st.lists(st.sampled_from([ON, OFF, STOP]), min_size=1, max_size=8), st.booleans())
@few
def test_all_right_is_one_and_ends_there(said: list[Reading], by_speaker: bool) -> None:
    outcomes = [
        outcome(str(number), reading, reading, 0.95, speaker="abc"[number % 3] if by_speaker else "-")
        for number, reading in enumerate(said)
    ]
    rates = scored(outcomes).overall
    for rate in (rates.command_accuracy, rates.exactly_accepted, rates.accepted):
        assert rate == BoundedRate(1, *wilson_interval(len(said), len(said)))
    assert rates.wrongly_accepted == BoundedRate(0, *wilson_interval(0, len(said)))
    assert rates.slot_precision == rates.slot_recall
    slots = sum(len(each.slots) for each in said)
    assert rates.slot_recall == (BoundedRate(1, *wilson_interval(slots, slots)) if slots else None)
    (only,) = rates.reliability
    assert (only.count, only.right.value, only.right.high) == (len(said), 1, 1)


@pytest.fixture
def by_hand() -> list[Outcome]:
    return [
        outcome("a", ON, Reading("switch", {"to": True, "where": "hall"}, "on in the hall"), 0.9),  # in other words
        outcome("b", ON, OFF, 0.8),  # one slot of two is wrong
        outcome("c", ON, ON, 0.2),  # right, and refused
        outcome("d", STOP, Reading("wait", {"where": "hall"}, "wait in the hall"), 0.7),  # another command, a slot more
        outcome("e", OFF, None, 0.0),
        outcome("f", STOP, Reading("wait", {}, "wait"), 0.3),
        outcome("g", None, STOP, 0.6, seconds=20),
        outcome("h", None, STOP, 0.4, seconds=10),
        outcome("i", None, None, 0.0, kind="noise", seconds=30),
        outcome("j", None, STOP, 0.1, kind="noise", seconds=60),
    ]


def test_rates_agree_with_counts_by_hand(by_hand: list[Outcome]) -> None:
    report = scored(by_hand)
    (rates,) = report.conditions
    assert rates is report.overall
    assert (rates.name, rates.commands) == ("clean", 6)
    values = {
        name: getattr(rates, name).value
        for name in (
            *("command_accuracy", "exactly_accepted", "accepted", "wrongly_accepted", "slot_precision", "slot_recall"),
        )
    }
    assert values == {
        "command_accuracy": 3 / 6,
        "exactly_accepted": 1 / 6,
        "accepted": 3 / 6,
        "wrongly_accepted": 2 / 6,
        "slot_precision": 3 / 5,  # a: 2 of 2, b: 1 of 2, d: 0 of 1
        "slot_recall": 3 / 4,  # a: 2 of 2, b: 1 of 2
    }
    assert rates.speech is not None
    assert rates.noise is not None
    assert (rates.speech.count, rates.speech.seconds, rates.speech.accepted) == (2, 30, 1)
    assert (rates.speech.refused.value, rates.speech.per_hour.value) == (0.5, pytest.approx(120))
    assert (rates.noise.count, rates.noise.seconds, rates.noise.accepted) == (2, 90, 0)
    assert rates.noise.refused == BoundedRate(1, *wilson_interval(2, 2))
    # None in a minute and a half may well be a hundred an hour.
    assert (rates.noise.per_hour.value, rates.noise.per_hour.low) == (0, 0)
    assert rates.noise.per_hour.high == pytest.approx(3.69 * 40, rel=0.01)
    assert rates.false_accepts_per_hour == pytest.approx(3600 / 120)
    assert [(one.expected, one.heard, one.count) for one in report.confusions] == [
        ("stop", "wait", 2),
        ("switch", "", 1),
    ]
    assert [each.id for each in report.false_accepts] == ["g"]
    assert [each.id for each in report.wrong_accepts] == ["b", "d"]


def test_the_curve_agrees_with_counts_by_hand(by_hand: list[Outcome]) -> None:
    rates = scored(by_hand).overall
    points = {point.threshold: point for point in rates.curve}
    assert list(points) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    assert (points[0.0].exactly_accepted, points[0.0].wrongly_accepted) == (2 / 6, 3 / 6)
    assert (points[0.0].speech_per_hour, points[0.0].noise_per_hour) == (pytest.approx(240), pytest.approx(40))
    assert points[0.0].per_hour == pytest.approx(90)
    assert (points[0.6].exactly_accepted, points[0.6].speech_accepted, points[0.6].noise_per_hour) == (1 / 6, 0.5, 0)
    assert points[0.7].per_hour == 0
    assert rates.best_within(0) == points[0.9]  # nothing is lost by being surer
    assert rates.best_within(59) == points[0.9]
    assert rates.best_within(60) == points[0.2]
    assert [(each.low, each.count, each.right.value) for each in rates.reliability][:3] == [
        (0.1, 1, 0.0),
        (0.2, 1, 1.0),
        (0.3, 1, 0.0),
    ]


def test_a_reading_is_right_by_its_command_and_slots_alone() -> None:
    for heard, right in (
        (Reading("switch", {"to": True, "where": "hall"}, "in other words"), True),
        (Reading("turn", ON.slots, ON.text), False),
        (Reading("switch", {"where": "hall", "to": False}, ON.text), False),
        (Reading("switch", {"where": "hall"}, ON.text), False),
        (Reading("switch", {**ON.slots, "when": "now"}, ON.text), False),
        (None, False),
    ):
        assert outcome("a", ON, heard).right == right, heard
    assert not outcome("a", None, ON).right


def test_conditions_stand_apart_and_noise_alone_counts_in_each() -> None:
    outcomes = [
        outcome("a", ON, ON),
        outcome("a", ON, OFF, snr=6.0),
        outcome("a", ON, ON, snr=18.0),
        outcome("b", None, STOP, 0.1),
        outcome("b", None, STOP, 0.9, snr=6.0),
        outcome("n", None, STOP, 0.9, kind="noise", seconds=36),
    ]
    report = scored(outcomes)
    assert [(each.name, each.snr) for each in report.conditions] == [("clean", None), ("18 dB", 18.0), ("6 dB", 6.0)]
    exactly = [each.exactly_accepted and each.exactly_accepted.value for each in report.conditions]
    assert exactly == [1.0, 1.0, 0.0]
    assert [each.noise and each.noise.accepted for each in (*report.conditions, report.overall)] == [1, 1, 1, 1]
    assert [each.speech and each.speech.accepted for each in report.conditions] == [0, None, 1]
    assert (report.overall.name, report.overall.commands) == ("all", 3)
    assert report.groups == 1, "an utterance at three ratios is drawn as one"


def test_speakers_are_drawn_whole() -> None:
    # One of ten speakers is never understood; one recording of noise holds all the false accepts.
    commands = [outcome(f"{n}", ON, None if n % 10 == 0 else ON, speaker=f"s{n % 10}") for n in range(500)]
    noise = [
        outcome(f"n{n}", None, STOP if n % 10 == 0 else None, kind="noise", speaker=f"r{n % 10}") for n in range(500)
    ]
    report = score_commands(commands + noise, bootstrap=500)
    assert (report.groups, report.by_speaker) == (10, True)
    alone = score_commands([replace(each, speaker="-") for each in commands + noise], bootstrap=500)
    assert (alone.groups, alone.by_speaker) == (500, False)

    def widths(report: CommandReport) -> tuple[float, float]:
        rate, noise = report.overall.exactly_accepted, report.overall.noise
        assert rate is not None
        assert noise is not None
        return rate.high - rate.low, noise.per_hour.high - noise.per_hour.low

    for wide, narrow in zip(widths(report), widths(alone), strict=True):
        assert wide > 2 * narrow


def test_calibrated_confidences_are_found_reliable_and_boastful_ones_are_not() -> None:
    draws = random.Random(0)
    outcomes = []
    for number in range(2000):
        confidence = draws.random()
        outcomes.append(outcome(f"{number}", ON, ON if draws.random() < confidence else OFF, confidence))
    rates = score_commands(outcomes, bootstrap=200).overall
    assert [each.count for each in rates.reliability] == [
        sum(int(o.confidence * 10) == n for o in outcomes) for n in range(10)
    ]
    assert sum(each.right.low <= each.confidence <= each.right.high for each in rates.reliability) >= 9
    assert rates.calibration_error < 0.03
    boastful = [replace(each, confidence=each.confidence**0.25) for each in outcomes]
    rates = score_commands(boastful, bootstrap=200).overall
    assert sum(each.right.low <= each.confidence <= each.right.high for each in rates.reliability) <= 2
    assert rates.calibration_error > 0.2


def test_reliability_can_be_had_for_another_mix_of_right_and_wrong() -> None:
    # At 0.25 one of five is right, at 0.75 three of four; in all four are right and five wrong.
    outcomes = [outcome(f"{n}", ON, ON if n < 1 else OFF, 0.25) for n in range(5)]
    outcomes += [outcome(f"{n}", ON, ON if n < 8 else OFF, 0.75) for n in range(5, 9)]
    low, high = scored(outcomes).overall.reliability
    assert low.balanced == pytest.approx(1 / 4 / (1 / 4 + 4 / 5))
    assert high.balanced == pytest.approx(3 / 4 / (3 / 4 + 1 / 5))
    # As many wrong ones again, and again: the mix is another, and the balanced share stays.
    more = [replace(each, id=f"{each.id} {n}") for n in range(3) for each in outcomes if not each.right]
    assert [each.balanced for each in scored(outcomes + more).overall.reliability] == pytest.approx(
        [low.balanced, high.balanced]
    )


def test_a_confidence_of_one_belongs_to_the_last_bin_and_other_speech_is_never_right() -> None:
    (only,) = scored(
        [outcome("a", ON, ON, 1.0), outcome("b", None, ON, 1.0), outcome("c", None, None, 0.0)]
    ).overall.reliability
    assert (only.low, only.high, only.count, only.right.value) == (0.9, 1.0, 2, 0.5)


def test_intervals_agree_with_published_tables() -> None:
    # Garwood (1936) for Poisson; Newcombe (1998), case a, for Wilson.
    for count, exact in ((0, (0.0, 3.689)), (1, (0.0253, 5.572)), (5, (1.623, 11.668)), (100, (81.36, 121.63))):
        np.testing.assert_allclose(poisson_interval(count), exact, rtol=0.01, atol=0.02)
    np.testing.assert_allclose(wilson_interval(81, 263), (0.2553, 0.3662), atol=1e-4)
    assert wilson_interval(4, 4)[1] == pytest.approx(1)


def test_contradictions_and_ids_that_come_twice_are_refused() -> None:
    for wrong in (
        lambda: outcome("a", None, ON, kind="command"),
        lambda: outcome("a", ON, ON, kind="speech"),
        lambda: outcome("a", ON, None, understood=True),
        lambda: outcome("a", ON, ON, 1.5),
    ):
        with pytest.raises(ValueError, match=r"^a: "):
            wrong()
    with pytest.raises(ManifestError, match="'a' comes twice"):
        score_commands([outcome("a", ON, ON), outcome("b", ON, ON), outcome("a", ON, OFF)])
    with pytest.raises(ManifestError, match="no outcomes"):
        score_commands([])
    with pytest.raises(SettingsError, match="found 0 bootstrap"):
        score_commands([outcome("a", ON, ON)], bootstrap=0)


# the report


def test_the_text_says_rates_and_mistakes(by_hand: list[Outcome]) -> None:
    text = format_commands(scored(by_hand))
    assert text.startswith("6 commands of the grammar, clean\n  command accuracy      50.0 % (")
    assert "2 of other speech, 30 s\n  rejected              50.0 % (" in text
    assert "  false accepts an hour 120.0 (" in text
    assert "): 1 in all\n" in text
    assert "from 40 resamplings of 6 utterances" in text
    assert "\n     2  stop -> wait\n     1  switch -> (none)\n" in text
    assert "\n  0.800  hall on -> hall off (switch)\n  0.700  stop -> wait in the hall (wait)\n" in text
    assert text.endswith("  0.600  what else -> stop (stop)")
    assert "in noise" not in text
    noisy = format_commands(scored([*by_hand, outcome("a", ON, ON, snr=6.0)]))
    assert [line.split()[:2] for line in noisy.split("in noise at")[1].splitlines()[1:4]] == [
        ["clean", "16.7"],
        ["6", "dB"],
        ["all", "28.6"],
    ]


@pytest.mark.parametrize("kinds", [("command",), ("speech",), ("noise",), ("speech", "noise"), ("command", "noise")])
def test_any_kinds_make_a_whole_report(by_hand: list[Outcome], kinds: tuple[str, ...], tmp_path: Path) -> None:
    report = scored([each for each in by_hand if each.kind in kinds])
    text = format_commands(report)
    assert "of the grammar" in text
    assert "None" not in text
    content = commands_to_dict(report)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    draw_commands(report, tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_json_holds_every_outcome_and_the_curve(by_hand: list[Outcome]) -> None:
    report = scored(by_hand)
    content = commands_to_dict(report)
    assert [row["id"] for row in content["outcomes"]] == list("abcdefghij")
    assert content["outcomes"][1]["heard"] == {"command": "switch", "slots": dict(OFF.slots), "text": "hall off"}
    assert [row["right"] for row in content["outcomes"]] == [row in "ac" for row in "abcdefghij"]
    assert content["overall"]["curve"]["per_hour"] == [point.per_hour for point in report.overall.curve]
    assert content["conditions"][0]["exactly_accepted"]["value"] == 1 / 6


def test_the_picture_shows_what_becomes_of_commands_in_proportion(tmp_path: Path) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    # Two right, one wrong, one refused; no other speech whose mark would hide some of it.
    outcomes = [outcome("a", ON, ON), outcome("b", ON, ON), outcome("c", ON, OFF), outcome("d", ON, ON, 0.1)]
    draw_commands(scored(outcomes), tmp_path / "report.png")
    picture = imread(tmp_path / "report.png")[..., :3]
    assert picture.shape == (1080, 1560, 3)
    quarter = picture[545:1015, :780]
    areas = [(abs(quarter - to_rgb(colour)).max(axis=-1) < 0.01).sum() for colour in ("#4477aa", "#ee6677", "#ccbb44")]
    np.testing.assert_allclose(np.array(areas) / sum(areas), [0.5, 0.25, 0.25], atol=0.02)


def test_a_picture_that_cannot_be_written_leaves_nothing(by_hand: list[Outcome], tmp_path: Path) -> None:
    (tmp_path / "picture.png").mkdir()
    with pytest.raises(OSError, match=r"picture\.png"):
        draw_commands(scored(by_hand), tmp_path / "picture.png")
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.png"]


# noise


def tone(samples: int, cycles: int, level: float) -> np.ndarray:
    """Whole cycles: tones of different numbers of them are orthogonal, and each can be found again in a sum."""
    return (level * np.sin(2 * np.pi * cycles * np.arange(samples) / samples)).astype(np.float32)


def part(wave: np.ndarray, of: np.ndarray) -> float:
    """Mean square of what a wave has of a tone."""
    wave, of = wave.astype(np.float64), of.astype(np.float64)
    return float((wave @ of) ** 2 / (of @ of) / len(wave))


@given(st.integers(100, 5000), st.floats(0.001, 1), st.floats(0.001, 1), st.floats(-20, 40))
@few
def test_the_mix_has_the_ratio_that_was_asked_for(samples: int, level: float, noise_level: float, snr: float) -> None:
    speech, noise = tone(samples, 3, level), tone(samples, 7, noise_level)
    mixed = mix(speech, noise, snr)
    assert (mixed.dtype, mixed.shape) == (np.float32, speech.shape)
    assert abs(10 * np.log10(part(mixed, speech) / part(mixed, noise)) - snr) < 0.01
    assert np.abs(mixed).max() <= 1
    if np.abs(mixed).max() < 0.999:  # not turned down, so the speech is as loud as it was
        assert part(mixed, speech) == pytest.approx(part(speech, speech), rel=1e-4)


def test_the_ratio_is_that_of_training() -> None:
    import torch

    from asr.data.augmentation.augmenter import AugmentationSettings, Augmenter

    random = np.random.default_rng(0)
    speech = np.concatenate([np.zeros(8000), random.normal(0, 0.05, 16000)]).astype(np.float32)
    noise = random.normal(0, 0.3, 4000).astype(np.float32)
    off = dict.fromkeys(("speed", "tempo", "gain_db", "edge_seconds", "hiss"), 0.0)
    off |= {f"{kind}_probability": 0.0 for kind in ("narrow", "reverb", "telephone", "clipping")}
    settings = AugmentationSettings(**off, noise_probability=1.0, snr_db_low=9.0, snr_db_high=9.0)
    changed, _ = Augmenter(settings, [noise])(
        torch.from_numpy(speech)[None], torch.tensor([len(speech)]), torch.tensor([1]), 1.0
    )
    trained = changed[0].numpy() - speech
    measured = mix(speech, np.resize(noise, len(speech)), 9.0) - speech
    assert np.square(trained).mean() == pytest.approx(np.square(measured).mean(), rel=1e-3)


def test_where_there_is_no_ratio_the_wave_stays() -> None:
    silence, sound = np.zeros(100, np.float32), tone(100, 3, 0.5)
    assert mix(silence, sound, 10.0) is silence
    assert mix(sound, silence, 10.0) is sound


@pytest.fixture
def noises(tmp_path: Path) -> Path:
    """Three recordings of noise: two seconds, a fraction of one, and one that begins with digital silence."""
    folder = tmp_path / "noises"
    (folder / "far").mkdir(parents=True)
    random = np.random.default_rng(0)
    rain = random.normal(0, 0.1, 32000)
    soundfile.write(folder / "rain.wav", rain, 16000, subtype="FLOAT")
    soundfile.write(folder / "click.wav", rain[:700], 16000, subtype="FLOAT")
    soundfile.write(folder / "far" / "late.wav", np.concatenate([np.zeros(30000), rain[:10]]), 16000, subtype="FLOAT")
    return folder


def test_noises_are_those_of_a_folder_a_file_or_a_list(noises: Path, tmp_path: Path) -> None:
    assert [each.id for each in find_noises(noises)] == ["click.wav", "far/late.wav", "rain.wav"]
    assert [each.id for each in find_noises(noises / "rain.wav")] == ["rain.wav"]
    manifest = noises / "all.tsv"
    manifest.write_text("path\tspeaker\ttext\nrain.wav\t-\t\n")
    assert [each.id for each in find_noises(manifest)] == ["rain.wav"]
    with pytest.raises(AudioError, match="no such file or folder"):
        find_noises(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="no recording below this folder"):
        find_noises(tmp_path / "empty")


@given(st.text(max_size=8), st.integers(1, 40_000))
@settings(max_examples=30)
def test_an_utterance_gets_the_same_sounding_noise_each_time(id: str, length: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        recordings = {
            "rain": np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32),
            "click": np.ones(7, np.float32),
            "late": np.concatenate([np.zeros(3000, np.float32), np.ones(1, np.float32)]),
        }
        patched.setattr("asr.evaluation.noise.read_utterance", recordings.__getitem__)
        excerpt = Noises(list(recordings)).excerpt(id, length)  # type: ignore[arg-type]
        assert len(excerpt) == length
        assert excerpt.any()
        np.testing.assert_array_equal(Noises(list(recordings)).excerpt(id, length), excerpt)  # type: ignore[arg-type]
        longer = Noises(list(recordings)).excerpt(id, length + 9)  # type: ignore[arg-type]
        if np.array_equal(longer[:1], excerpt[:1]) and excerpt[:1].any():
            np.testing.assert_array_equal(longer[:length], excerpt)


def test_utterances_get_different_noise_and_louder_noise_is_the_same_noise(noises: Path) -> None:
    bank = Noises(find_noises(noises))
    wave = tone(8000, 5, 0.001)
    begun = {tuple(bank.excerpt(f"utterance {number}", 3)) for number in range(20)}
    assert len(begun) > 12
    loud, soft = (bank.under(wave, "a", snr) - wave for snr in (0.0, 20.0))
    np.testing.assert_allclose(loud, 10 * soft, atol=1e-6)


@given(st.integers(1, 700_000))
@few
def test_pieces_are_the_whole_and_none_is_long_or_a_scrap(samples: int) -> None:
    wave = np.arange(samples, dtype=np.float32)
    cut = pieces(wave)
    np.testing.assert_array_equal(np.concatenate(cut), wave)
    lengths = [len(piece) for piece in cut]
    assert max(lengths) <= 160_000
    assert max(lengths) - min(lengths) <= 1
    assert len(cut) == -(-samples // 160_000)


# asr evaluate


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    status: int
    out: str
    error: str


Asr = Callable[..., Ended]


@pytest.fixture
def asr(capsys: pytest.CaptureFixture[str]) -> Asr:
    """Runs `asr` with arguments in this process."""

    def ended(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        status = run(app, [str(argument) for argument in arguments], "asr")
        return Ended(status, *capsys.readouterr())

    return ended


class KnowingCommander:
    """Hears by the level of a recording: 0.1 is "stop", 0.2 "hall on", 0.3 other speech; noise makes it less sure."""

    sentences: ClassVar = {"stop": STOP, "hall on": ON, "hall off": OFF}
    levels = (("stop", 0.1), ("hall on", 0.2), ("other", 0.3))

    def __init__(self, folder: Path) -> None:
        bundle = SimpleNamespace(folder=folder, normaliser=Normaliser())
        self.transcriber = SimpleNamespace(bundle=bundle, decoding=DecodingSettings())
        self.network = SimpleNamespace(parse=self.sentences.get)
        self.rejection = SimpleNamespace(threshold=0.5)

    def understand(self, wave: np.ndarray) -> Understanding:
        """An understanding as the real one gives it."""
        level = float(np.median(np.abs(wave)))
        text = min(self.levels, key=lambda each: abs(each[1] - level))[0] if level > 0.05 else ""
        reading = self.sentences.get(text, STOP)
        spread = float(np.abs(wave).std()) / max(level, 1e-3)
        confidence = 1 / (1 + spread) if text in self.sentences else 0.1
        transcript = Transcript(text, 0.5, len(wave) / 16000, (), (), ())
        return Understanding(transcript, confidence >= 0.5, reading, confidence, None, transcript.seconds)


class KnowingModel(Model):
    """A model that understands as its commander does, whatever the commands."""

    def __init__(self, knowing: KnowingCommander) -> None:
        super().__init__(knowing.transcriber)  # type: ignore[arg-type]
        self.knowing = knowing

    def commander(self, commands: object, *, false_accepts: float | None = None) -> KnowingCommander:  # type: ignore[override]
        """The one that knows."""
        return self.knowing


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A bundle's folder whose commander knows what is in these recordings."""

    def load(folder: Path, *, width: int | None, threads: int) -> KnowingModel:
        return KnowingModel(KnowingCommander(folder))

    def load_commands(*names: str) -> SimpleNamespace:
        assert names == ("hall", "stop.yaml")
        return SimpleNamespace(names=names)

    monkeypatch.setattr("asr.api.load", load)
    monkeypatch.setattr("asr.api.Commands.load", load_commands)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "bundle.json").write_text('{"scores": {}}')
    return bundle


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """A list of recordings, each a square wave at the level of its text."""
    rows = [
        ("a", "ann", "Stop!", 0.1),
        ("b", "ben", "hall on", 0.2),
        ("c", "ben", "hall off", 0.2),
        ("d", "ann", "oh", 0.3),
    ]
    rows.append(("e", "-", "", 0.0))
    for name, _, _, level in rows:
        wave = level * np.where(np.arange(16000) // 50 % 2, 1.0, -1.0)
        soundfile.write(tmp_path / f"{name}.wav", wave, 16000, subtype="FLOAT")
    lines = [f"{name}.wav\t{speaker}\t{text}\n" for name, speaker, text, _ in rows]
    path = tmp_path / "list.tsv"
    path.write_text("path\tspeaker\ttext\n" + "".join(lines))
    return path


def test_evaluate_measures_commands_in_noise(
    asr: Asr, knowing: Path, spoken: Path, noises: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    arguments = (spoken, "--commands", "hall", "--commands", "stop.yaml", "--bundle", knowing, "--out", out)
    ended = asr("evaluate", *arguments, "--noise", noises, "--snr", "40,-20", "--record", "mine")
    assert ended.status == 0, ended.error
    report = json.loads((out / "report.json").read_text())
    rows = {(row["id"], row["snr"]): row for row in report["outcomes"]}
    assert [id for id, snr in rows if snr is None] == [
        *(f"{name}.wav" for name in "abcde"),
        *(f"noise: {name}, part 1" for name in ("click.wav", "far/late.wav", "rain.wav")),
    ]
    assert {id for id, snr in rows if snr == 40} == {f"{name}.wav" for name in "abcd"}  # nobody speaks in e
    assert [rows[f"{name}.wav", None]["kind"] for name in "abcde"] == [*["command"] * 3, "speech", "noise"]
    assert [rows[f"{name}.wav", None]["right"] for name in "abcde"] == [True, True, False, False, False]
    assert rows["a.wav", None]["text"] == "stop"
    assert rows["noise: far/late.wav, part 1", None]["speaker"] == "far/late.wav", "its parts are drawn together"
    clean, soft, loud = report["conditions"]
    assert (clean["exactly_accepted"]["value"], clean["wrongly_accepted"]["value"]) == (2 / 3, 1 / 3)
    assert (clean["speech"]["refused"]["value"], clean["noise"]["count"]) == (1, 4)
    assert soft["exactly_accepted"]["value"] > loud["exactly_accepted"]["value"] == 0
    assert report["wer"]["clean"]["value"] == 1 / 5  # "hall off" is heard as "hall on"
    for words in ("accepted exactly", "in noise at", "not in the grammar, 1 different texts: oh", "of hall, stop.yaml"):
        assert words in ended.out
    assert (out / "report.txt").read_text() == ended.out[: ended.out.index("written: ")]
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")
    kept = json.loads((knowing / "bundle.json").read_text())["scores"]["mine"]
    assert (kept["utterances"], kept["commands"], kept["beam"]) == (3, ["hall", "stop.yaml"], 4)
    assert kept["manifest"] == "/".join(Path(report["manifest"]).parts[-2:]), "no other folders of this machine"
    assert kept["exactly_accepted"] == clean["exactly_accepted"]
    assert kept["in_noise"]["40 dB"] == soft["exactly_accepted"]

    # The order of the list changes nothing that was heard.
    header, *lines = spoken.read_text().splitlines()
    spoken.write_text("\n".join([header, *lines[::-1]]) + "\n")
    assert asr("evaluate", *arguments, "--noise", noises, "--snr=-20,40").status == 0
    again = json.loads((out / "report.json").read_text())
    assert again["outcomes"] == report["outcomes"]


def test_evaluate_goes_on_past_bad_recordings_of_speech_and_noise(
    asr: Asr, knowing: Path, spoken: Path, noises: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "results"
    spoken.with_name("b.wav").write_bytes(b"text")
    (noises / "bad.wav").write_bytes(b"text")
    soundfile.write(noises / "still.wav", np.zeros(100), 16000)
    arguments = (spoken, "--commands", "hall", "--commands", "stop.yaml", "--bundle", knowing, "--out", out)
    ended = asr("evaluate", *arguments, "--noise", noises)
    assert ended.status == 1
    assert len(ended.error.splitlines()) == 3
    assert "1 of 5 could not be read and are not counted: b.wav" in ended.out
    assert "2 of 5 recordings of noise could not be read and are not counted: bad.wav, still.wav" in ended.out
    report = json.loads((out / "report.json").read_text())
    assert (list(report["failed"]), list(report["failed_noises"])) == (["b.wav"], ["bad.wav", "still.wav"])
    assert [each["snr"] for each in report["conditions"]] == [None, 24, 18, 12, 6]

    def fail(self: KnowingCommander, wave: np.ndarray) -> Any:
        if len(wave) == 700:  # click.wav
            raise AudioError("too short a click")
        return understand(self, wave)

    understand = KnowingCommander.understand
    monkeypatch.setattr(KnowingCommander, "understand", fail)
    assert asr("evaluate", *arguments, "--noise", noises).status == 1
    assert "click.wav" in json.loads((out / "report.json").read_text())["failed_noises"]
    for path in spoken.parent.glob("*.wav"):
        path.write_bytes(b"text")
    ended = asr("evaluate", *arguments)
    assert (ended.status, ended.out) == (1, "")
    assert "none of its 5 recordings" in ended.error.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--snr", "12"], 2, "give the noise with --noise DIR"),
        (["--noise", "noises", "--snr", "12,loud"], 2, "wanted decibels separated by commas"),
        (["--noise", "noises", "--snr", ""], 2, "wanted decibels separated by commas"),
        (["--noise", "noises", "--snr", "6,inf"], 2, "wanted decibels separated by commas"),
        (["--noise", "noises", "--snr", "6,12,6.0"], 2, "twice"),
        (["--noise", "absent"], 1, "no such file or folder"),
        (["--noise", "still"], 1, "none of its 1 recordings can be used as noise"),
    ],
)
def test_evaluate_refuses_noise_that_makes_no_sense(
    asr: Asr,
    spoken: Path,
    noises: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(noises.parent)
    Path("still").mkdir()
    soundfile.write(Path("still", "still.wav"), np.zeros(100), 16000)
    ended = asr("evaluate", spoken, *options)
    assert (ended.status, ended.out) == (status, "")
    assert said in " ".join(ended.error.split())


def test_evaluate_measures_words_in_noise(asr: Asr, spoken: Path, noises: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    arguments = ("evaluate", spoken, "--greedy", "--out", out)
    assert asr(*arguments).status == 0
    plain = json.loads((out / "report.json").read_text())
    ended = asr(*arguments, "--noise", noises, "--snr", "12,0")
    assert ended.status == 0, ended.error
    report = json.loads((out / "report.json").read_text())
    assert report["utterances"] == plain["utterances"], "noise changes nothing about the recordings as they are"
    assert [each["snr"] for each in report["in_noise"]] == [12, 0]
    for each in report["in_noise"]:
        assert list(each["hypotheses"]) == ["a.wav", "b.wav", "c.wav", "d.wav"]
        assert each["words"] == 6
        assert f"{each['snr']:5g} dB  {100 * each['wer']['value']:.1f} %" in ended.out


def test_evaluate_understands_the_samples(asr: Asr, tmp_path: Path) -> None:
    # A bundle that takes whatever reading it has.
    bundle = shutil.copytree(DEFAULT_BUNDLE, tmp_path / "bundle")
    answer_always(bundle, 3.0)
    samples = ROOT / "recipes" / "commands" / "samples" / "transcripts.tsv"
    out = tmp_path / "results"
    ended = asr("evaluate", samples, "--commands", "computer", "--bundle", bundle, "--out", out)
    assert ended.status == 0, ended.error
    report = json.loads((out / "report.json").read_text())
    rows = {row["id"]: row for row in report["outcomes"]}
    said = rows["find_my_files.flac"]
    assert (said["kind"], said["understood"], said["right"]) == ("command", True, True)
    assert said["heard"]["command"] == "find"
    assert said["heard"]["slots"] == {"what": "files"}
    assert rows["seven_of_clubs.flac"]["kind"] == "speech"
    (rates,) = report["conditions"]
    assert rates["commands"] == sum(row["kind"] == "command" for row in rows.values()) >= 3
    assert rates["speech"]["accepted"] == sum(row["heard"] is not None for row in rows.values()) - rates["commands"]
    assert rates["curve"]["exactly_accepted"][0] == rates["exactly_accepted"]["value"]
