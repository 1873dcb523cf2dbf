"""Which utterances meet in which batch, and what the batches hold."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation import AugmentationSettings
from asr.data.batching import BatchSettings, Example, example_length, plan_epoch
from asr.data.dataset import Batch, SpeechDataset, Targets
from asr.data.manifest import Utterance
from asr.data.waves import Waves
from asr.errors import AudioError, SettingsError

PLAIN = BatchSettings(seconds=20.0, background_share=0.0)


def corpus(count: int = 300, sources: int = 3, seed: int = 0) -> tuple[list[int], list[int]]:
    """Lengths from 0.3 to 6 s, and the source of each."""
    rng = np.random.default_rng(seed)
    return (rng.uniform(0.3, 6.0, count) * SAMPLE_RATE).astype(int).tolist(), rng.integers(sources, size=count).tolist()


def said(plan: Sequence[Sequence[Example]]) -> Counter[int]:
    return Counter(index for batch in plan for example in batch for index in example)


def examples(plan: Sequence[Sequence[Example]]) -> list[Example]:
    return [example for batch in plan for example in batch]


def test_a_plan_is_a_pure_function() -> None:
    lengths, sources = corpus()
    kept = (list(lengths), list(sources))
    np.random.seed(1)  # the state that it must not look at
    one = plan_epoch(lengths, sources, [1, 0.5, 2], BatchSettings(), seed=3, epoch=4)
    np.random.seed(2)
    assert plan_epoch(lengths, sources, [1, 0.5, 2], BatchSettings(), seed=3, epoch=4) == one
    assert (lengths, sources) == kept
    assert plan_epoch(lengths, sources, [1, 0.5, 2], BatchSettings(), seed=3, epoch=5) != one
    assert plan_epoch(lengths, sources, [1, 0.5, 2], BatchSettings(), seed=4, epoch=4) != one


@given(
    seconds=st.lists(st.floats(0.0, 12.0), max_size=40),
    weights=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    limit=st.floats(0.5, 30.0),
    most=st.integers(1, 6),
    strength=st.floats(0.0, 1.0),
    share=st.floats(0.0, 0.9),
    epoch=st.integers(0, 5),
)
def test_nothing_is_lost_and_nothing_overflows(
    seconds: list[float], weights: list[int], limit: float, most: int, strength: float, share: float, epoch: int
) -> None:
    lengths = [round(s * SAMPLE_RATE) for s in seconds]
    sources = [i % 3 for i in range(len(lengths))]
    settings = BatchSettings(seconds=limit, join_most=most, background_share=share)
    plan = plan_epoch(lengths, sources, weights, settings, 0, epoch, strength)
    assert said(plan) == Counter({i: weights[s] for i, s in enumerate(sources) if weights[s]})
    for batch in plan:
        longest = max(example_length(example, lengths) for example in batch)
        assert len(batch) == 1 or longest * len(batch) <= limit * SAMPLE_RATE
        for example in batch:
            assert len({sources[i] for i in example}) <= 1
            if len(example) > 1:
                assert len(example) <= most
                assert sum(lengths[i] for i in example) <= settings.join_seconds * SAMPLE_RATE
                assert all(lengths[i] <= settings.join_below_seconds * SAMPLE_RATE for i in example)


def test_a_fractional_weight_holds_on_average() -> None:
    lengths, sources = corpus(600, 2)
    own = sources.count(0)
    counts: list[float] = []
    for epoch in range(20):
        found = said(plan_epoch(lengths, sources, [0.3, 1.6], PLAIN, 0, epoch))
        counts.append(sum(found[i] for i in range(600) if sources[i] == 0) / own)
        assert {found[i] for i in range(600) if sources[i] == 0} == {0, 1}
        assert {found[i] for i in range(600) if sources[i] == 1} == {1, 2}
    assert np.mean(counts) == pytest.approx(0.3, abs=0.02)
    assert len(set(counts)) > 5, "another part of them in every epoch"


def test_weights_of_0_give_no_batches() -> None:
    assert plan_epoch([SAMPLE_RATE] * 4, [0] * 4, [0.0], BatchSettings(), 0, 0) == []


def test_an_utterance_longer_than_a_batch_stands_alone() -> None:
    plan = plan_epoch([50 * SAMPLE_RATE, SAMPLE_RATE], [0, 0], [1], PLAIN, 0, 0)
    assert sorted(examples(plan)) == [(0,), (1,)]
    assert len(plan) == 2


def test_short_utterances_are_joined_in_every_size() -> None:
    lengths = [SAMPLE_RATE] * 400
    plan = plan_epoch(lengths, [0] * 400, [1], replace(PLAIN, join_most=4), 0, 0)
    sizes = Counter(map(len, examples(plan)))
    assert set(sizes) == {1, 2, 3, 4}
    assert min(sizes.values()) > 20


@pytest.mark.parametrize(("strength", "most"), [(0.0, 1), (0.5, 3), (1.0, 5)])
def test_join_strength_shortens_the_strings(strength: float, most: int) -> None:
    lengths = [SAMPLE_RATE] * 300
    plan = plan_epoch(lengths, [0] * 300, [1], PLAIN, 0, 0, join_strength=strength)
    assert max(map(len, examples(plan))) == most


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5])
def test_background_has_its_share(share: float) -> None:
    lengths, sources = corpus()
    found = examples(plan_epoch(lengths, sources, [1, 1, 1], replace(PLAIN, background_share=share), 0, 0))
    assert found.count(()) / len(found) == pytest.approx(share, abs=0.005)


def test_batches_are_dense_and_come_in_no_order() -> None:
    lengths, sources = corpus(600)
    plan = plan_epoch(lengths, sources, [1, 1, 1], PLAIN, 0, 0)
    sizes = [[example_length(example, lengths) for example in batch] for batch in plan]
    assert all(max(row) * len(row) <= 20 * SAMPLE_RATE for row in sizes), "in whatever order they are filled"
    padded = sum(max(row) * len(row) for row in sizes)
    assert padded < 1.15 * sum(map(sum, sizes))
    longest = [max(row) for row in sizes]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seconds", 0.0),
        ("seconds", float("nan")),
        ("join_seconds", -1.0),
        ("join_below_seconds", -0.1),
        ("join_most", 0),
        ("background_share", 1.0),
        ("background_share", -0.1),
        ("background_share", float("nan")),
    ],
)
def test_settings_that_give_no_batches_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=name):
        BatchSettings(**{name: value})


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    """Six recordings of noise, 0.2 to 0.7 s."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(6):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, rng.uniform(-0.5, 0.5, 3200 + 1600 * number), SAMPLE_RATE, subtype="FLOAT")
        found.append(Utterance(f"u{number}", path, "somebody", f"word{number}"))
    return found


def targets(count: int = 6) -> list[Targets]:
    return [Targets(f"word{n}", (10 + n, 20 + n), (30 + n,)) for n in range(count)]


def equal(one: Batch, other: Batch) -> bool:
    return all(a.equal(b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True))


def test_a_batch_holds_the_recordings_padded_with_zeros(utterances: list[Utterance]) -> None:
    waves = Waves(utterances, 1.0, "test")
    batch = SpeechDataset(waves, targets(), [[(0,), (5,)]])[0]
    assert batch.wave_lengths.tolist() == [3200, 11200]
    assert batch.waves.shape == (2, 11200)
    assert batch.waves.dtype == torch.float32
    assert batch.waves[0, 3200:].abs().max() == 0
    recording = soundfile.read(utterances[5].path, dtype="float32")[0]
    assert np.abs(batch.waves[1].numpy() - recording).max() <= 0.5 / 32767 + 1e-7, "16 bits, no more lost"
    assert (batch.ids, batch.texts) == (["u0", "u5"], ["word0", "word5"])
    assert batch.tokens.tolist() == [[10, 20], [15, 25]]


def test_a_joined_example_is_its_parts_one_after_the_other(utterances: list[Utterance]) -> None:
    waves = Waves(utterances, 1.0, "test")
    batch = SpeechDataset(waves, targets(), [[(2, 0, 1), (3,)]])[0]
    assert batch.texts == ["word2 word0 word1", "word3"]
    assert batch.ids == ["u2+u0+u1", "u3"]
    assert batch.tokens.tolist() == [[12, 22, 10, 20, 11, 21], [13, 23, 0, 0, 0, 0]]
    assert batch.token_lengths.tolist() == [6, 2]
    assert batch.phonemes.tolist() == [[32, 30, 31], [33, 0, 0]]
    assert batch.phoneme_lengths.tolist() == [3, 1]
    wave = batch.waves[0, : batch.wave_lengths[0]].numpy()
    spoken = wave[wave != 0]
    whole = np.concatenate([waves[i] for i in (2, 0, 1)])
    np.testing.assert_array_equal(spoken, whole[whole != 0])
    assert 0 < len(wave) - len(whole) <= 0.4 * SAMPLE_RATE, "silence between them"


def test_what_says_nothing_leaves_no_gap_in_the_text(utterances: list[Utterance]) -> None:
    silent = [Targets("", (), ()), *targets()[1:]]
    assert SpeechDataset(Waves(utterances, 1.0, "test"), silent, [[(0, 1, 0)]])[0].texts == ["word1"]


def test_background_says_nothing(utterances: list[Utterance]) -> None:
    waves = Waves(utterances, 1.0, "test")
    noise = np.full(4000, 0.25, dtype=np.float32)
    batch = SpeechDataset(waves, targets(), [[()] * 60], noises=[noise])[0]
    assert set(batch.texts) == {""}
    assert batch.tokens.shape == (60, 0)
    assert batch.token_lengths.tolist() == [0] * 60
    loud = [float(batch.waves[row, 0]) for row in range(60)]
    assert set(loud) == {0.0, 0.25}
    assert 30 < loud.count(0.25) < 55, "silence now and then"
    assert len(set(batch.wave_lengths.tolist())) > 50
    assert SpeechDataset(waves, targets(), [[()] * 20])[0].waves.abs().max() == 0


def test_the_same_number_gives_the_same_batch_whoever_asks_and_when(utterances: list[Utterance]) -> None:
    waves = Waves(utterances, 1.0, "test")
    plan = [[(0,), (1, 2)], [(3,), ()], [(4, 5)]]
    noises = [np.random.default_rng(1).standard_normal(9000, dtype=np.float32)]

    def dataset(seed: int = 0, epoch: int = 3) -> SpeechDataset:
        full = AugmentationSettings(ramp_epochs=0)
        return SpeechDataset(waves, targets(), plan, noises=noises, augmentation=full, seed=seed, epoch=epoch)

    one, other = dataset(), dataset()
    forward = [one[number] for number in range(3)]
    backward = [other[number] for number in (2, 1, 0)][::-1]
    assert len(one) == 3
    assert all(equal(a, b) for a, b in zip(forward, backward, strict=True))
    assert not equal(dataset(epoch=4)[0], forward[0])
    assert not equal(dataset(seed=1)[0], forward[0])


def test_the_epoch_sets_how_strong_the_augmentation_is(utterances: list[Utterance]) -> None:
    waves = Waves(utterances, 1.0, "test")
    calm = AugmentationSettings(edge_seconds=0.0, ramp_epochs=4)
    lengths = [
        SpeechDataset(waves, targets(), [[(5,)]], augmentation=calm, epoch=epoch)[0].wave_lengths[0] for epoch in (0, 4)
    ]
    assert lengths[0] == 11200
    assert lengths[1] != 11200


def test_recordings_that_are_not_held_are_read_again_and_are_the_same(utterances: list[Utterance]) -> None:
    held, read = Waves(utterances, 1.0, "test"), Waves(utterances, 0.0, "test")
    partly = Waves(utterances, 10_000 / SAMPLE_RATE / 3600, "test")
    assert held.lengths == read.lengths == partly.lengths == [3200 + 1600 * n for n in range(6)]
    for index in range(len(held)):
        np.testing.assert_array_equal(held[index], read[index])
        np.testing.assert_array_equal(held[index], partly[index])
    for utterance in utterances:
        utterance.path.unlink()
    assert len(held[5]) == 11200
    assert len(partly[0]) == 3200
    for waves, index in ((read, 0), (partly, 5)):
        with pytest.raises(AudioError):
            waves[index]


@pytest.mark.parametrize("terminal", [True, False])
def test_reading_shows_a_bar_on_a_terminal_only(
    terminal: bool, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("asr.data.waves.Console", lambda stderr: Console(file=shown, force_terminal=terminal))
    Waves(utterances, 1.0, "training set")
    assert ("Reading training set" in shown.getvalue()) is terminal


@pytest.mark.parametrize("hours", [-1.0, float("nan")])
def test_hours_to_hold_that_are_no_amount_are_refused(utterances: list[Utterance], hours: float) -> None:
    with pytest.raises(SettingsError, match="hold_hours"):
        Waves(utterances, hours, "test")


def test_background_meets_speech() -> None:
    """Alone in a batch, examples without a token would have a loss as large as all others together."""
    lengths = [int(seconds * SAMPLE_RATE) for seconds in np.linspace(1, 6, 400)]
    settings = BatchSettings(seconds=30, join_most=1, background_share=0.05)
    plan = plan_epoch(lengths, [0] * 400, [1.0], settings, seed=0, epoch=0)
    background = [sum(not example for example in batch) / len(batch) for batch in plan]
    assert sum(not example for batch in plan for example in batch) >= 20
    assert max(background) <= 0.5
