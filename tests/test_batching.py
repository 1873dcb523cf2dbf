"""Which utterances meet in which batch, and what the batches hold."""

import itertools
import pickle
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.data.augmentation.augmenter import AugmentationSettings, Augmenter
from asr.data.batches.batching import BatchSettings, Example, balanced, batches, join, plan_epoch, rows_of
from asr.data.batches.dataset import Batch, Changes, SpeechDataset, margin_shares
from asr.data.batches.targets import Targets
from asr.data.batches.waves import Waves
from asr.data.manifests.utterance import Utterance
from asr.errors import AudioError, SettingsError

PLAIN = BatchSettings(seconds=20.0, background_share=0.0)
Plan = Sequence[Sequence[Example[int]]]


def corpus(count: int = 300, sources: int = 3, seed: int = 0) -> tuple[list[int], list[int]]:
    """Lengths from 0.3 to 6 s, and the source of each."""
    rng = np.random.default_rng(seed)
    return (rng.uniform(0.3, 6.0, count) * SAMPLE_RATE).astype(int).tolist(), rng.integers(sources, size=count).tolist()


def said(plan: Plan) -> Counter[int]:
    return Counter(index for batch in plan for example in batch for index in example.parts)


def examples(plan: Plan) -> list[Example[int]]:
    return [example for batch in plan for example in batch]


def seconds(batch: Sequence[Example[int]]) -> float:
    """How long a batch is, padding counted."""
    return max(example.duration for example in batch) * len(batch)


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
    lasting=st.lists(st.floats(0.0, 12.0), max_size=40),
    weights=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    limit=st.floats(0.5, 30.0),
    most=st.integers(1, 6),
    strength=st.floats(0.0, 1.0),
    share=st.floats(0.0, 0.9),
    epoch=st.integers(0, 5),
    processes=st.integers(1, 3),
)
def test_nothing_is_lost_and_nothing_overflows(
    lasting: list[float],
    weights: list[int],
    limit: float,
    most: int,
    strength: float,
    share: float,
    epoch: int,
    processes: int,
) -> None:
    lengths = [round(s * SAMPLE_RATE) for s in lasting]
    sources = [i % 3 for i in range(len(lengths))]
    settings = BatchSettings(seconds=limit, join_most=most, background_share=share)
    plan = plan_epoch(lengths, sources, weights, settings, 0, epoch, join_strength=strength, processes=processes)
    assert said(plan) == Counter({i: weights[s] for i, s in enumerate(sources) if weights[s]})
    for batch in plan:
        assert len(batch) == 1 or seconds(batch) <= limit * processes
        for example in batch:
            assert len({sources[i] for i in example.parts}) <= 1
            if example.parts:
                spoken = sum(lengths[i] for i in example.parts) / SAMPLE_RATE
                assert example.duration == example.seconds == pytest.approx(spoken + sum(example.gaps))
                assert len(example.gaps) == len(example.parts) - 1
                assert all(0 <= gap <= 0.2 for gap in example.gaps)
            if len(example.parts) > 1:
                assert len(example.parts) <= most
                assert example.seconds <= settings.join_seconds
                assert all(lengths[i] <= settings.join_below_seconds * SAMPLE_RATE for i in example.parts)


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


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.floats(0, 1))
def test_balance_evens_texts_out_and_keeps_the_size(said: list[int], power: float) -> None:
    texts = [f"word {number}" for number in said]
    shares = balanced(texts, power)
    assert sum(shares) == pytest.approx(len(texts))
    heard = {text: shares[texts.index(text)] * texts.count(text) for text in texts}
    for one, another in itertools.product(heard, repeat=2):
        recorded = texts.count(one) / texts.count(another)
        assert heard[one] / heard[another] == pytest.approx(recorded ** (1 - power))
        assert all(share == shares[texts.index(one)] for text, share in zip(texts, shares, strict=True) if text == one)


def test_what_comes_more_often_is_drawn_more_often() -> None:
    lengths, sources = corpus(30, 2)
    relative = [2.0 if number % 3 else 1.0 for number in range(30)]
    found = said(plan_epoch(lengths, sources, [1, 2], PLAIN, 0, 0, relative=relative))
    assert found == {i: [1, 2][source] * relative[i] for i, source in enumerate(sources)}


def test_weights_of_0_give_no_batches() -> None:
    assert plan_epoch([SAMPLE_RATE] * 4, [0] * 4, [0.0], BatchSettings(), 0, 0) == []


def test_an_utterance_longer_than_a_batch_stands_alone() -> None:
    plan = plan_epoch([50 * SAMPLE_RATE, SAMPLE_RATE], [0, 0], [1], PLAIN, 0, 0)
    assert sorted(example.parts for example in examples(plan)) == [(0,), (1,)]
    assert len(plan) == 2


def test_short_utterances_are_joined_in_every_size() -> None:
    lengths = [SAMPLE_RATE] * 400
    plan = plan_epoch(lengths, [0] * 400, [1], replace(PLAIN, join_most=4), 0, 0)
    sizes = Counter(len(example.parts) for example in examples(plan))
    assert set(sizes) == {1, 2, 3, 4}
    assert min(sizes.values()) > 20


@pytest.mark.parametrize(("strength", "most"), [(0.0, 1), (0.5, 3), (1.0, 5)])
def test_join_strength_shortens_the_strings(strength: float, most: int) -> None:
    lengths = [SAMPLE_RATE] * 300
    plan = plan_epoch(lengths, [0] * 300, [1], PLAIN, 0, 0, join_strength=strength)
    assert max(len(example.parts) for example in examples(plan)) == most


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5])
def test_background_has_its_share(share: float) -> None:
    lengths, sources = corpus()
    found = examples(plan_epoch(lengths, sources, [1, 1, 1], replace(PLAIN, background_share=share), 0, 0))
    assert sum(not example.parts for example in found) / len(found) == pytest.approx(share, abs=0.005)


def test_batches_are_dense_and_come_in_no_order() -> None:
    lengths, sources = corpus(600)
    plan = plan_epoch(lengths, sources, [1, 1, 1], PLAIN, 0, 0)
    sizes = [[example.duration for example in batch] for batch in plan]
    assert sum(map(seconds, plan)) < 1.15 * sum(map(sum, sizes))
    assert len(plan) < 1.3 * sum(map(sum, sizes)) / 20
    longest = [max(row) for row in sizes]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.4


def test_batches_of_a_small_set_are_full_though_no_two_rows_are_as_long() -> None:
    lengths = [int((1 + number / 200) * SAMPLE_RATE) for number in range(60)]
    settings = BatchSettings(seconds=10.0, join_most=1, background_share=0.0)
    plan = plan_epoch(lengths, [0] * 60, [1], settings, 0, 0)
    assert len(plan) <= 1.5 * sum(lengths) / SAMPLE_RATE / 10


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
    return [Targets(f"u{n}", f"word{n}", (10 + n, 20 + n), (30 + n,)) for n in range(count)]


def example(*parts: int, seconds: float = 1.0) -> Example[int]:
    """Said to be of so many seconds, whatever its parts; only background goes by it. Each has a seed of its own."""
    return Example(parts, (0.1,) * (len(parts) - 1), seconds, next(_seeds), seconds)


_seeds = itertools.count()


def dataset_of(utterances: list[Utterance], *batch: Example[int], **options: Any) -> SpeechDataset:
    return SpeechDataset(Waves(utterances, 1.0), targets(), [batch], **options)


def equal(one: Batch, other: Batch) -> bool:
    return all(a.equal(b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True))


def test_a_batch_holds_the_recordings_padded_with_zeros(utterances: list[Utterance]) -> None:
    batch = dataset_of(utterances, example(0), example(5))[0]
    assert batch.wave_lengths.tolist() == [3200, 11200]
    assert batch.waves.shape == (2, 11200)
    assert batch.waves.dtype == torch.float32
    assert batch.waves[0, 3200:].abs().max() == 0
    recording = soundfile.read(utterances[5].path, dtype="float32")[0]
    assert np.abs(batch.waves[1].numpy() - recording).max() <= 0.5 / 32768 + 1e-7, "16 bits, no more lost"
    assert (batch.ids, batch.texts) == (["u0", "u5"], ["word0", "word5"])
    assert batch.tokens.tolist() == [[10, 20], [15, 25]]


def test_a_joined_example_is_its_parts_one_after_the_other(utterances: list[Utterance]) -> None:
    waves = Waves(utterances, 1.0)
    batch = SpeechDataset(waves, targets(), [[example(2, 0, 1), example(3)]])[0]
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
    assert len(wave) - len(whole) == 2 * 0.1 * SAMPLE_RATE, "silence between them"


def test_what_says_nothing_leaves_no_gap_in_the_text(utterances: list[Utterance]) -> None:
    silent = [Targets("u0", "", (), ()), *targets()[1:]]
    assert SpeechDataset(Waves(utterances, 1.0), silent, [[example(0, 1, 0)]])[0].texts == ["word1"]


def test_background_says_nothing(utterances: list[Utterance]) -> None:
    noise = np.full(4000, 0.25, dtype=np.float32)
    rows = [example(seconds=0.5 + number / 120) for number in range(60)]
    batch = dataset_of(utterances, *rows, noises=[noise])[0]
    assert set(batch.texts) == {""}
    assert batch.tokens.shape == (60, 0)
    assert batch.token_lengths.tolist() == [0] * 60
    loud = [float(batch.waves[row, 0]) for row in range(60)]
    assert set(loud) == {0.0, 0.25}
    assert 30 < loud.count(0.25) < 55, "silence now and then"
    assert batch.wave_lengths.tolist() == [round(row.seconds * SAMPLE_RATE) for row in rows]
    assert dataset_of(utterances, *rows)[0].waves.abs().max() == 0


def test_the_same_number_gives_the_same_batch_whoever_asks_and_when(utterances: list[Utterance]) -> None:
    waves = Waves(utterances, 1.0)
    plan = [[example(0), example(1, 2)], [example(3), example()], [example(4, 5)]]
    noises = [np.random.default_rng(1).standard_normal(9000, dtype=np.float32)]

    def dataset(later: int = 0) -> SpeechDataset:
        changes = Changes(Augmenter(AugmentationSettings(), noises), 1.0)
        rows = [[replace(each, seed=each.seed + later) for each in batch] for batch in plan]
        return SpeechDataset(waves, targets(), rows, noises=noises, changes=changes)

    one, other = dataset(), dataset()
    forward = [one[number] for number in range(3)]
    backward = [other[number] for number in (2, 1, 0)][::-1]
    assert len(one) == 3
    assert all(equal(a, b) for a, b in zip(forward, backward, strict=True))
    assert not any(equal(dataset(later=100)[number], forward[number]) for number in range(3))


def test_each_epoch_and_seed_draws_anew() -> None:
    lengths, sources = corpus()
    seeds = [
        {row.seed for row in examples(plan_epoch(lengths, sources, [1, 1, 1], BatchSettings(), seed, epoch))}
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
    ]
    assert all(one.isdisjoint(other) for one, other in itertools.combinations(seeds, 2))


def test_batches_are_filled_by_what_is_heard(utterances: list[Utterance]) -> None:
    """To the sample, margins aside: rows have the lengths after all changes that the plan counted with."""
    noises = [np.random.default_rng(1).standard_normal(9000, dtype=np.float32)]
    settings = AugmentationSettings(speed=0.2, tempo=0.2, tempo_probability=0.5)
    changes = Changes(Augmenter(settings, noises), 0.8)
    waves = Waves(utterances, 1.0)
    batching = BatchSettings(seconds=8.0, background_share=0.2, join_most=3)
    plan = plan_epoch(waves.lengths, [0] * 6, [20.0], batching, 0, 0, heard=changes.heard)
    dataset = SpeechDataset(waves, targets(), plan, noises=noises, changes=changes)
    for number, rows in enumerate(plan):
        batch = dataset[number]
        ordered = rows_of(rows, 0, 1)
        wanted = [row.duration for row in ordered]
        gaps = sum(len(row.gaps) for row in ordered)  # each rounded to a sample
        np.testing.assert_allclose(batch.wave_lengths.numpy() / SAMPLE_RATE, wanted, atol=(2 + gaps) / SAMPLE_RATE)
        assert len(rows) == 1 or batch.waves.numel() <= (8.0 + 0.01) * SAMPLE_RATE
    lasting = [row.duration / row.seconds for row in examples(plan)]
    assert np.std(lasting) > 0.1, "they are changed"


def test_margins_are_counted_as_the_model_draws_them() -> None:
    changes = Changes(Augmenter(AugmentationSettings(speed=0, edge_seconds=0)), 1.0, margin_seconds=0.25)
    seeds = np.random.default_rng(0).integers(2**63, size=200).tolist()
    added = [changes.heard(1.0, seed) - 1.0 for seed in seeds]
    assert added == pytest.approx((0.25 * margin_shares(torch.tensor(seeds)).sum(dim=1)).tolist())
    assert 0 <= min(added) < 0.1
    assert 0.9 < max(added) <= 1.0
    assert np.mean(added) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_have_the_rows_of_one(processes: int, utterances: list[Utterance]) -> None:
    """Each row as it is in the whole batch, changes included: it does not hang on who makes it."""
    rows = [example(0, 3, seconds=0.7), example(5, seconds=0.7), example(), example(1, seconds=0.3), example(4, 2)]
    noises = [np.random.default_rng(1).standard_normal(9000, dtype=np.float32)]
    changes = Changes(Augmenter(AugmentationSettings(), noises), 1.0)
    whole = dataset_of(utterances, *rows, noises=noises, changes=changes)[0]
    found: list[str] = []
    for process in range(processes):
        own = dataset_of(utterances, *rows, noises=noises, changes=changes, process=process, processes=processes)[0]
        for row, name in enumerate(own.ids):
            there = whole.ids.index(name)
            length = int(own.wave_lengths[row])
            assert length == whole.wave_lengths[there]
            torch.testing.assert_close(own.waves[row, :length], whole.waves[there, :length], rtol=0, atol=1e-6)
            assert own.texts[row] == whole.texts[there]
        found += own.ids
    assert sorted(found) == sorted(whole.ids)


def test_processes_share_a_batch_evenly_and_none_goes_without() -> None:
    lasting = [3.0, 1.0, 2.0, 5.0, 4.0]
    batch = [example(n, seconds=seconds) for n, seconds in enumerate(lasting)]
    shares = [rows_of(batch, process, 2) for process in range(2)]
    assert shares == [[batch[1], batch[0], batch[3]], [batch[2], batch[4]]]
    assert [rows_of(batch[:2], process, 5) for process in range(5)] == [[batch[number]] for number in (1, 0, 1, 0, 1)]


def test_examples_may_be_without_end() -> None:
    """Batches begin before the last example is known, and each example is asked for once, in order."""
    asked: list[int] = []

    def words() -> Iterator[int]:
        for number in itertools.count():
            asked.append(number)
            yield number

    rng = np.random.default_rng(0)
    endless = join(words(), lambda number: 0.5 + number % 7, lambda number: number % 2, PLAIN, 1.0, rng)
    made = list(itertools.islice(batches(endless, PLAIN, rng), 50))
    assert len(made) == 50
    assert max(said(made).values()) == 1
    assert asked == list(range(len(asked)))


def test_recordings_that_are_not_held_are_read_again_and_are_the_same(utterances: list[Utterance]) -> None:
    held, read = Waves(utterances, 1.0), Waves(utterances, 0.0)
    partly = Waves(utterances, 10_000 / SAMPLE_RATE / 3600)
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


@pytest.mark.parametrize("hold_hours", [1.0, 0.0])
def test_training_hears_the_samples_that_transcription_hears(tmp_path: Path, hold_hours: float) -> None:
    every = np.arange(-32_768, 32_768).astype(np.int16)
    soundfile.write(tmp_path / "all.wav", every, SAMPLE_RATE, subtype="PCM_16")
    waves = Waves([Utterance("all", tmp_path / "all.wav", "-", "")], hold_hours)
    np.testing.assert_array_equal(waves[0], load_audio(tmp_path / "all.wav"))


def test_nothing_is_decoded_before_it_is_wanted(utterances: list[Utterance]) -> None:
    """Lengths are those of the list, or of the header; a list that errs spoils nothing."""
    known = [replace(each, seconds=seconds) for each, seconds in zip(utterances, (0.1, 5.0), strict=False)]
    known.append(Utterance("gone", utterances[0].path.with_name("gone.wav"), "-", "", seconds=1.0))
    waves = Waves(known, 1.0)
    assert waves.lengths == [1600, 80_000, 16_000]
    assert len(waves[0]) == 3200
    assert len(waves[1]) == 4800
    with pytest.raises(AudioError, match=r"gone\.wav"):
        waves[2]
    part = replace(utterances[3], start=0.1)
    assert Waves([part], 0.0).lengths == [len(Waves([part], 0.0)[0])]


def test_what_a_fork_decodes_all_have_and_a_copy_reads_for_itself(utterances: list[Utterance]) -> None:
    waves = Waves(utterances, 1.0)
    with ProcessPoolExecutor(1, get_context("fork"), _lent.append, (waves,)) as pool:
        lengths = list(pool.map(_length_in_fork, range(5)))
    copied = pickle.loads(pickle.dumps(waves))
    for utterance in utterances[:5]:
        utterance.path.unlink()
    assert [len(waves[index]) for index in range(5)] == lengths
    assert len(copied[5]) == len(waves[5])
    with pytest.raises(AudioError):
        copied[0]


_lent: list[Waves] = []


def _length_in_fork(index: int) -> int:
    return len(_lent[-1][index])


def test_what_cannot_be_read_is_left_out_and_named(utterances: list[Utterance]) -> None:
    """Rows as if it had not been there: the others are heard as they were."""
    rows = [example(0, 1), example(2), example(3, 4, 5)]
    whole = dataset_of(utterances, *rows)[0]
    for number in (2, 4):
        utterances[number].path.write_bytes(b"RIFF")
    utterances = [replace(each, seconds=0.5) for each in utterances]
    batch = dataset_of(utterances, *rows)[0]
    assert batch.ids == ["u0+u1", "u3+u5"]
    assert batch.texts == ["word0 word1", "word3 word5"]
    assert batch.seeds.tolist() == whole.seeds[[0, 2]].tolist()
    torch.testing.assert_close(batch.waves[0], whole.waves[0, : batch.waves.shape[1]])
    assert [name for name in ("2.wav", "4.wav") if any(name in each for each in batch.left_out)] == ["2.wav", "4.wav"]
    assert len(batch.left_out) == 2
    silent = dataset_of(utterances, example(4, 2))[0]
    assert (silent.ids, silent.texts, silent.token_lengths.tolist()) == ([""], [""], [0])
    assert not silent.waves.any()
    assert len(silent.left_out) == 2
    assert not whole.left_out


@pytest.mark.parametrize("hours", [-1.0, float("nan")])
def test_hours_to_hold_that_are_no_amount_are_refused(utterances: list[Utterance], hours: float) -> None:
    with pytest.raises(SettingsError, match="hold_hours"):
        Waves(utterances, hours)


def test_background_meets_speech() -> None:
    """Alone in a batch, examples without a token would have a loss as large as all others together."""
    lengths = [int(seconds * SAMPLE_RATE) for seconds in np.linspace(1, 6, 400)]
    settings = BatchSettings(seconds=30, join_most=1, background_share=0.05)
    plan = plan_epoch(lengths, [0] * 400, [1.0], settings, seed=0, epoch=0)
    background = [sum(not example.parts for example in batch) / len(batch) for batch in plan]
    assert sum(not example.parts for example in examples(plan)) >= 20
    assert max(background) <= 0.5
