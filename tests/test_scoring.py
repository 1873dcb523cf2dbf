"""Error rates against jiwer and against a plain edit distance, their intervals, and the reports made of them."""

import json
import random
import subprocess
import sys
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import ManifestError, SettingsError
from asr.evaluation.intervals import BoundedRate, Rate, wilson_interval
from asr.evaluation.report import draw_report, format_report, report_to_dict
from asr.evaluation.scoring import Confusion, Report, score
from asr.text.normaliser import Normaliser

# Few and similar words, so that alignments are contested.
sentences = st.lists(st.sampled_from(["a", "aa", "b", "ab", "it's"]), max_size=6).map(" ".join)
pairs = st.dictionaries(st.text(min_size=1), st.tuples(sentences, sentences), min_size=1, max_size=6)


def compare(said_and_heard: dict[str, tuple[str, str]], **options: object) -> Report:
    references = {id: said for id, (said, _) in said_and_heard.items()}
    hypotheses = {id: heard for id, (_, heard) in said_and_heard.items()}
    return score(references, hypotheses, **{"normaliser": Normaliser(), "bootstrap": 50, **options})  # type: ignore[arg-type]


def edit_distance(first: list[str] | str, second: list[str] | str) -> int:
    """The textbook table, row by row."""
    row = list(range(len(second) + 1))
    for i, one in enumerate(first, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(second, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (one != other))
    return row[-1]


@given(pairs)
def test_rates_are_jiwers_own_and_those_of_a_plain_edit_distance(said_and_heard: dict[str, tuple[str, str]]) -> None:
    report = compare(said_and_heard)
    silent = [heard.split() for said, heard in said_and_heard.values() if not said]
    spoken = [(said, heard) for said, heard in said_and_heard.values() if said]
    if silent:
        assert report.silence is not None
        assert (report.silence.recordings, report.silence.insertions) == (len(silent), sum(map(len, silent)))
        assert report.silence.empty.value == silent.count([]) / len(silent)
    else:
        assert report.silence is None
    errors = sum(edit_distance(one.split(), other.split()) for one, other in spoken)
    assert report.substitutions + report.deletions + report.insertions == errors
    words = sum(len(one.split()) for one, _ in spoken)
    assert report.words == words
    if words:
        said, heard = (list(texts) for texts in zip(*spoken, strict=True))
        characters = sum(edit_distance(one, other) for one, other in spoken)
        assert report.sentence_accuracy is not None
        assert report.sentence_accuracy.value == sum(one == other for one, other in spoken) / len(spoken)
        assert report.wer is not None
        assert report.cer is not None
        assert report.wer.value == errors / words == jiwer.wer(said, heard)
        assert report.cer.value == characters / sum(map(len, said)) == jiwer.cer(said, heard)
    else:
        assert report.wer is report.cer is report.sentence_accuracy is None


@given(pairs)
def test_alignments_hold_all_the_words_and_add_up_to_the_counts(said_and_heard: dict[str, tuple[str, str]]) -> None:
    report = compare(said_and_heard)
    assert {one.id: (one.reference, one.hypothesis) for one in report.utterances} == said_and_heard
    for kind in ("words", "substitutions", "deletions", "insertions"):
        assert getattr(report, kind) == sum(getattr(one, kind) for one in report.spoken)
    for one in report.utterances:
        assert one.errors == one.substitutions + one.deletions + one.insertions
        assert ("", "") not in one.pairs
    in_silence = () if report.silence is None else report.silence.confusions
    counted = sum(confusion.count for confusion in (*report.confusions, *in_silence))
    assert counted == sum(one.errors for one in report.utterances)


@given(pairs, st.integers(0, 3), st.booleans())
def test_intervals_hold_the_rate_and_order_does_not_matter(
    said_and_heard: dict[str, tuple[str, str]], seed: int, named: bool
) -> None:
    speakers = {id: "-ab"[number % 3] for number, id in enumerate(said_and_heard)} if named else None
    report = compare(said_and_heard, seed=seed, speakers=speakers)
    for rate in (report.wer, report.cer, report.sentence_accuracy):
        if rate is not None and rate.low is not None and rate.high is not None:
            assert 0 <= rate.low <= rate.value <= rate.high
    for share in (report.sentence_accuracy, report.silence and report.silence.empty):
        assert share is None or 0 <= share.low < share.high <= 1, "of a few utterances no share is certain"
    shuffled = list(said_and_heard.items())
    random.Random(seed).shuffle(shuffled)
    assert compare(dict(shuffled), seed=seed, speakers=speakers) == report


@given(st.dictionaries(st.text(min_size=1), sentences, min_size=1, max_size=6).filter(lambda said: any(said.values())))
def test_perfect_transcripts_have_no_errors_and_are_not_certain(said: dict[str, str]) -> None:
    report = compare({id: (text, text) for id, text in said.items()})
    assert report.wer == report.cer == Rate(0, None, None)
    spoken = len(report.spoken)
    assert report.sentence_accuracy == BoundedRate(1, *wilson_interval(spoken, spoken))
    assert report.confusions == report.worst(10) == ()


def test_both_sides_pass_through_the_normaliser() -> None:
    report = compare({"a": ("It’s 5 o'clock!", "it's FIVE o’clock")})
    assert report.wer == Rate(0, None, None)
    assert report.words == 3


def test_words_heard_in_silence_stand_apart() -> None:
    silent = {"silence": ("", "who is there"), "more": ("...", "")}
    report = compare({**silent, "speech": ("yes", "yes")})
    spoken = compare({"speech": ("yes", "yes")})
    for name in ("wer", "cer", "sentence_accuracy", "words", "insertions", "confusions", "groups"):
        assert getattr(report, name) == getattr(spoken, name), name
    assert spoken.silence is None
    assert report.silence is not None
    assert (report.silence.recordings, report.silence.insertions, report.silence.empty.value) == (2, 3, 0.5)
    only = compare(silent)
    assert (only.wer, only.cer, only.sentence_accuracy, only.insertions) == (None, None, None, 0)
    assert only.silence == report.silence


@pytest.mark.parametrize("speakers", [None, {"a": "ann", "b": "ann"}, {"a": "ann", "b": "ben"}])
def test_what_does_not_vary_is_not_certain(speakers: dict[str, str] | None) -> None:
    """Where all err alike, or there is only one, no resampling says how far to trust a rate; Wilson's interval does."""
    report = compare({"a": ("yes no", "yes on"), "b": ("no yes", "on yes")}, speakers=speakers)
    assert report.wer == Rate(0.5, None, None)
    assert report.sentence_accuracy == BoundedRate(0, *wilson_interval(0, 2))
    assert "50.0 % (–)" in format_report(report)
    assert report_to_dict(report)["wer"] == {"value": 0.5, "low": None, "high": None}


def test_the_interval_has_the_width_that_theory_gives() -> None:
    # One word each, right with probability 0.8: the standard error is sqrt(0.2 * 0.8 / 1000).
    said_and_heard = {str(n): ("yes", "no" if n % 5 == 0 else "yes") for n in range(1000)}
    wer = compare(said_and_heard, bootstrap=2000).wer
    assert wer is not None
    half = 1.96 * (0.2 * 0.8 / 1000) ** 0.5
    np.testing.assert_allclose([wer.low, wer.high], [0.2 - half, 0.2 + half], atol=0.003)


def test_speakers_are_drawn_whole() -> None:
    # One of ten speakers is never understood; a draw of speakers swings far more than one of utterances.
    said_and_heard = {
        f"{speaker}/{n}": ("yes", "no" if speaker == 0 else "yes") for speaker in range(10) for n in range(50)
    }
    speakers = {id: id.split("/")[0] for id in said_and_heard}
    alone, together = compare(said_and_heard, bootstrap=500), compare(said_and_heard, bootstrap=500, speakers=speakers)
    assert (alone.groups, alone.by_speaker, together.groups, together.by_speaker) == (500, False, 10, True)
    assert alone.wer is not None
    assert together.wer is not None
    assert alone.wer.value == together.wer.value == 0.1
    assert together.wer.high - together.wer.low > 3 * (alone.wer.high - alone.wer.low)
    for rest in ("-", "0"):
        report = compare(said_and_heard, speakers=dict.fromkeys(said_and_heard, rest))
        assert (report.groups, report.by_speaker) == (500, False)
    mixed = compare(said_and_heard, speakers={id: "-" if name == "0" else name for id, name in speakers.items()})
    assert mixed.groups == 9 + 50


def test_the_interval_holds_the_rate_even_when_few_draws_miss_it() -> None:
    said_and_heard = {str(n): ("a b c", "a b" if n % 7 else "c") for n in range(40)}
    for seed in range(10):
        wer = compare(said_and_heard, bootstrap=1, seed=seed).wer
        assert wer is not None
        assert wer.low <= wer.value <= wer.high


def test_the_seed_decides_the_draws() -> None:
    said_and_heard = {str(n): ("a b c", "a b" if n % 7 else "c") for n in range(40)}
    assert compare(said_and_heard, seed=1) == compare(said_and_heard, seed=1)
    assert compare(said_and_heard, seed=1) != compare(said_and_heard, seed=2)


def test_drawing_in_portions_gives_every_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    said_and_heard = {str(n): ("a b c", "a b" if n % 7 else "c") for n in range(40)}
    whole = compare(said_and_heard, bootstrap=55)
    monkeypatch.setattr("asr.evaluation.intervals._DRAWN_AT_ONCE", 400)
    assert compare(said_and_heard, bootstrap=55) == whole


def test_ids_that_do_not_match_are_refused() -> None:
    normaliser = Normaliser()
    with pytest.raises(
        ManifestError, match=r"ids of the hypotheses found 1 missing \(b\) and 1 without a reference \(c\)"
    ):
        score({"a": "x", "b": "y"}, {"a": "x", "c": "y"}, normaliser=normaliser)
    with pytest.raises(ManifestError, match=r"7 missing \(0, 1, 2, 3, 4, \.\.\.\)"):
        score({str(n): "x" for n in range(7)}, {}, normaliser=normaliser)
    with pytest.raises(ManifestError, match=r"ids of the speakers found 1 missing \(a\)"):
        score({"a": "x"}, {"a": "x"}, normaliser=normaliser, speakers={})
    with pytest.raises(ManifestError, match="no references"):
        score({}, {}, normaliser=normaliser)
    with pytest.raises(SettingsError, match="found 0 bootstrap"):
        score({"a": "x"}, {"a": "x"}, normaliser=normaliser, bootstrap=0)


@pytest.fixture
def report() -> Report:
    return compare(
        {
            "one": ("turn the light on", "turn light off"),
            "two": ("light on", "light off"),
            "three": ("", "uh"),
            "four": ("stop", "stop"),
            "five": ("play some music please", "play music"),
        }
    )


def test_confusions_and_worst_utterances_come_in_order(report: Report) -> None:
    assert report.confusions == (
        Confusion("on", "off", 2),
        Confusion("please", "", 1),
        Confusion("some", "", 1),
        Confusion("the", "", 1),
    )
    assert [one.id for one in report.worst(3)] == ["five", "one", "three"]
    assert [one.id for one in report.worst(99)] == ["five", "one", "three", "two"]


def test_the_text_aligns_the_worst_utterances(report: Report) -> None:
    text = format_report(report, worst=3, confusions=2)
    assert "word error rate      45.5 % (" in text
    assert "sentence accuracy    25.0 % (" in text
    assert "4 utterances, 11 words: 2 substituted, 3 deleted, 0 inserted" in text
    assert "1 more in which nobody speaks: stayed empty 0.0 % (0.0 to 79.3), words inserted: 1" in text
    assert "95%, from 50 resamplings of 4 utterances" in text
    assert "     2  on -> off\n     1  please -> (nothing)\n\n" in text
    assert text.endswith(
        "one (errors: 2, words: 4)\n"
        "REF: turn the light on\n"
        "HYP: turn *** light off\n"
        "          D         S\n"
        "\n"
        "three (errors: 1, words: 0)\n"
        "REF: **\n"
        "HYP: uh\n"
        "     I"
    )


def test_long_alignments_are_folded() -> None:
    words = [f"word{'s' * (n % 9)}" for n in range(80)]
    text = format_report(compare({"long": (" ".join(words), " ".join(words[1:]))}), confusions=0)
    lines = text.split("long (errors: 1, words: 80)\n")[1].split("\n")
    assert max(map(len, lines)) <= 100
    assert " ".join(line[5:] for line in lines if line.startswith("REF:")).split() == words
    assert lines[2].strip() == "D"


def test_a_report_without_errors_or_words_is_still_one() -> None:
    assert "worst" not in format_report(compare({"a": ("yes", "yes")}))
    assert "word error rate      none" in format_report(compare({"a": ("", "")}))


def test_the_report_survives_json(report: Report, tmp_path: Path) -> None:
    content = report_to_dict(report)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["wer"]["value"] == 5 / 11
    assert content["silence"]["insertions"] == 1
    assert content["utterances"][1]["hypothesis"] == "stop"
    assert report_to_dict(compare({"a": ("", "")}))["wer"] is None


def test_a_report_that_cannot_be_written_leaves_nothing(report: Report, tmp_path: Path) -> None:
    (tmp_path / "picture.png").mkdir()
    with pytest.raises(OSError, match=r"picture\.png"):
        draw_report(report, tmp_path / "picture.png")
    assert {entry.name for entry in tmp_path.iterdir()} == {"picture.png"}


def test_the_picture_shows_each_kind_of_error_in_proportion(tmp_path: Path) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    report = compare({"a": ("a b c d e f", "a x c y e"), "b": ("a b c d e f", "a b c d e f g")})
    assert (report.substitutions, report.deletions, report.insertions) == (2, 1, 1)
    draw_report(report, tmp_path / "report.png")
    picture = imread(tmp_path / "report.png")[..., :3]
    assert picture.shape == (540, 1320, 3)
    for half in (picture[:, :600], picture[:, 600:]):
        areas = [(abs(half - to_rgb(colour)).max(axis=-1) < 0.01).sum() for colour in ("#4477aa", "#ccbb44", "#ee6677")]
        np.testing.assert_allclose(np.array(areas) / sum(areas), [0.5, 0.25, 0.25], atol=0.02)


def test_scoring_is_imported_without_jiwer_and_matplotlib() -> None:
    program = (
        "import sys\n"
        "import asr.evaluation.report\n"
        "print(sorted({'jiwer', 'matplotlib', 'lhotse', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
