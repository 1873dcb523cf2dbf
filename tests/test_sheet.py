"""The data sheet: its numbers against counts done by hand and against the laws that they must keep."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.data.inspection.sheet import FACTS, Histogram, Part, describe, facts
from asr.data.manifests.manifest import read_manifest
from asr.data.manifests.utterance import NOBODY, Utterance
from asr.errors import ManifestError

LINES = (
    ("a1", "anna", "Stop it!", 1.0, 16_000, "train"),
    ("a2", "anna", "stop  it", 3.0, 16_000, "train"),
    ("b1", "ben", "Go on 2", 2.0, 8_000, "train"),
    ("c1", "cleo", "stop", 0.5, 8_000, "dev"),
    ("n1", NOBODY, "", 10.0, 44_100, "dev"),
    ("n2", NOBODY, "–", 0.5, 44_100, "dev"),
)
UTTERANCES = [Utterance(name, Path(f"{name}.wav"), speaker, text) for name, speaker, text, *_ in LINES]
DURATIONS = [line[3] for line in LINES]
RATES = [line[4] for line in LINES]
SPLITS = [line[5] for line in LINES]
SHEET = describe(UTTERANCES, DURATIONS, RATES, splits=SPLITS, title="Six", licence="CC0", source="x.org", digest="ab12")


def test_numbers_are_those_counted_by_hand() -> None:
    whole = SHEET.whole
    assert (whole.utterances, whole.speakers, whole.unnamed, whole.without_words) == (6, 3, 2, 2)
    assert whole.hours == pytest.approx(17 / 3600)
    assert (whole.texts, whole.words, whole.vocabulary) == (3, 2 + 2 + 3 + 1, 5)  # stop it; go on two; stop
    assert (whole.shortest, whole.median, whole.longest) == (0.5, 1.5, 10.0)
    assert whole.sample_rates == {8_000: 2, 16_000: 2, 44_100: 2}
    train, dev = SHEET.splits["train"], SHEET.splits["dev"]
    assert (train.speakers, train.texts, train.vocabulary) == (2, 2, 5)
    assert (dev.speakers, dev.texts, dev.vocabulary, dev.without_words) == (1, 1, 1, 2)
    # 7 characters in 1 s, 7 in 3 s, 9 in 2 s, 4 in 0.5 s; the silent ones have no rate.
    expected = np.histogram([7, 7 / 3, 4.5, 8], bins=np.arange(len(whole.speaking_rates.counts) + 1) * 0.5)[0]
    assert whole.speaking_rates == Histogram(0.5, tuple(expected))


def test_splits_add_up_to_the_whole() -> None:
    parts = SHEET.splits.values()
    for name in ("utterances", "hours", "speakers", "unnamed", "without_words", "words"):
        assert sum(getattr(part, name) for part in parts) == pytest.approx(getattr(SHEET.whole, name))
    for name in ("lengths", "speaking_rates"):
        columns = zip(*(getattr(part, name).counts for part in parts), strict=True)
        assert tuple(map(sum, columns)) == getattr(SHEET.whole, name).counts
        assert {getattr(part, name).step for part in parts} == {getattr(SHEET.whole, name).step}
    for part in (SHEET.whole, *parts):
        assert sum(part.lengths.counts) == sum(part.sample_rates.values()) == part.utterances
        assert sum(part.speaking_rates.counts) == part.utterances - part.without_words


def test_order_makes_no_difference() -> None:
    back = slice(None, None, -1)
    turned = describe(UTTERANCES[back], DURATIONS[back], RATES[back], splits=SPLITS[back])
    assert turned.whole == SHEET.whole
    assert dict(turned.splits) == dict(SHEET.splits)


def test_a_split_alone_counts_as_in_the_whole() -> None:
    train = [i for i, split in enumerate(SPLITS) if split == "train"]
    alone = describe([UTTERANCES[i] for i in train], [DURATIONS[i] for i in train], [RATES[i] for i in train])
    assert not alone.splits
    same = {"lengths": alone.whole.lengths, "speaking_rates": alone.whole.speaking_rates}  # of bins of its own
    assert replace(SHEET.splits["train"], **same) == alone.whole


def test_every_value_is_in_the_bin_of_its_label() -> None:
    draw = np.random.default_rng(0)
    for scale in (0.05, 0.7, 9.0, 400.0, 90_000.0):
        values = draw.uniform(0, scale, 500).round(2)
        histogram = Histogram.of(values, values)
        edges = histogram.step * np.arange(len(histogram.counts))
        assert len(edges) <= 20
        assert sum(histogram.counts) == 500
        for low, count in zip(edges[:-1], histogram.counts[:-1], strict=True):
            near = ((values >= low - 1e-9) & (values < low + histogram.step - 1e-9)).sum()
            assert count == near
        assert histogram.counts[-1] == (values >= edges[-1] - 1e-9).sum() > 0
    assert Histogram(0.5, (1, 2, 3)).labels("s") == ["0 to 0.5 s", "0.5 to 1 s", "1 s and more"]
    assert Histogram.of(np.zeros(0), np.zeros(0)).counts == (0,)
    assert Histogram.of(np.array([0.3]), np.array([0.3])).counts == (0, 0, 0, 1)


def test_one_very_long_value_does_not_hide_the_others() -> None:
    values = np.concatenate([np.linspace(0.5, 5, 300), [7200.0]])
    assert sum(count > 0 for count in Histogram.of(values, values).counts) > 8


def test_json_holds_every_number() -> None:
    read = json.loads(json.dumps(SHEET.to_dict(), allow_nan=False))
    assert (read["licence"], read["source"], read["digest"], read["title"]) == ("CC0", "x.org", "ab12", "Six")
    for name, part in (("whole", SHEET.whole), *SHEET.splits.items()):
        found = read[name] if name == "whole" else read["splits"][name]
        assert set(found) == {field.name for field in fields(Part)}
        assert found["utterances"] == part.utterances
        assert found["sample_rates"] == {str(rate): count for rate, count in part.sample_rates.items()}
        assert found["lengths"] == {"step": part.lengths.step, "counts": list(part.lengths.counts)}


def test_markdown_holds_every_number() -> None:
    page = SHEET.markdown()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    assert ["split", *FACTS] in rows
    for name, part in (("train", SHEET.splits["train"]), ("dev", SHEET.splits["dev"]), ("all", SHEET.whole)):
        assert [name, *facts(part)] in rows
    assert ["44,100 Hz", "2"] in rows
    for label, count in zip(SHEET.whole.lengths.labels("s"), SHEET.whole.lengths.counts, strict=True):
        assert [label, str(count)] in rows
    for line in ("# Six", "* licence: CC0", "* source: x.org", "* digest: ab12"):
        assert line in page.splitlines()


def test_markdown_is_not_broken_by_names() -> None:
    splits = ["a|b <script>\n\nnew", *SPLITS[1:]]
    page = describe(UTTERANCES, DURATIONS, RATES, splits=splits, title="x\n# y").markdown()
    assert "<script" not in page
    assert page.splitlines()[0] == "# x # y"
    (row,) = [line for line in page.splitlines() if line.startswith("| a\\")]
    assert row.startswith("| a\\|b &lt;script> new | 1 | ")


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_lengths_are_refused_by_name(seconds: float) -> None:
    with pytest.raises(ManifestError, match="b1: it lasts"):
        describe(UTTERANCES, [*DURATIONS[:2], seconds, *DURATIONS[3:]], RATES)


def test_nothing_and_unequal_lists_are_refused() -> None:
    with pytest.raises(ManifestError, match="found no utterances"):
        describe([], [], [])
    with pytest.raises(ValueError, match="5 durations"):
        describe(UTTERANCES, DURATIONS[1:], RATES)
    with pytest.raises(ValueError, match="1 splits"):
        describe(UTTERANCES, DURATIONS, RATES, splits=["train"])


def test_real_list(corpora: Path) -> None:
    utterances = read_manifest(corpora / "speechocean762" / "dev.tsv")
    known = [soundfile.info(utterance.path) for utterance in utterances]
    sheet = describe(utterances, [each.duration for each in known], [each.samplerate for each in known])
    assert (sheet.whole.utterances, sheet.whole.speakers) == (20, 16)
    assert sheet.whole.sample_rates == {16_000: 20}
    assert 0.01 < sheet.whole.hours < 0.03
