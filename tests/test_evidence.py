"""What speaks for a reading: laws of the measures on made-up probabilities and sounds."""

import numpy as np
import pytest
from numpy.typing import NDArray
from toy import log_softmax

from asr.commands.evidence import MEASURES, Evidence, places, weigh
from asr.search.ctc import ctc_greedy
from asr.search.hypothesis import Hypothesis

RATE = 16000
FRAMES = 50  # of 40 ms
WORD_STARTS = np.array([True, False, True])


def spelled(tokens: tuple[int, ...], *, certainty: float = 8.0, vocabulary: int = 9) -> NDArray[np.float64]:
    """CTC log-probabilities (FRAMES, V) that give each token one frame, evenly spread, and blanks between."""
    logits = np.zeros((FRAMES, vocabulary))
    logits[:, 0] = certainty
    for place, token in zip(np.linspace(5, FRAMES - 6, len(tokens)).round().astype(int), tokens, strict=True):
        logits[place] = 0
        logits[place, token] = certainty
    return log_softmax(logits)


def hypothesis(tokens: tuple[int, ...], score: float = -1.0) -> Hypothesis:
    return Hypothesis(tokens, (-0.1,) * (len(tokens) + 1), -0.1 * (len(tokens) + 1), -1.0, score, ended=True)


def silence(seconds: float = FRAMES * 0.04) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 1e-4, round(seconds * RATE)).astype(np.float32)


def weighed(
    tokens: tuple[int, ...], ctc: NDArray[np.float64], wave: NDArray[np.float32] | None = None, **others: Hypothesis
) -> Evidence:
    return weigh(
        ctc,
        hypothesis(tokens),
        others.get("runner_up"),
        others.get("free", hypothesis(tokens)),
        word_starts=WORD_STARTS[: len(tokens)],
        wave=silence() if wave is None else wave,
        rate=RATE,
    )


def test_the_best_path_leaves_no_gap() -> None:
    ctc = spelled((4, 5, 6))
    assert ctc_greedy(ctc) == [4, 5, 6]
    found = weighed((4, 5, 6), ctc)
    assert found.gap == found.worst_word == found.silence == found.worst_moment == 0
    assert found.surprise == pytest.approx(0.1)
    assert (found.free, found.lead, found.tokens) == (0, 5, 3)


def test_a_wrong_word_shows_in_the_worst_word_more_than_in_the_mean() -> None:
    ctc = spelled((4, 5, 7))
    found = weighed((4, 5, 6), ctc)
    assert found.worst_word > found.gap > 0
    assert found.silence == 0


def test_unsaid_tokens_are_a_gap_in_what_the_reading_leaves_silent() -> None:
    found = weighed((4, 5), spelled((4, 5, 6)))
    assert found.silence == pytest.approx(found.gap * 3)
    assert found.silence == pytest.approx(8.0, abs=0.01)
    assert found.worst_moment == pytest.approx(8.0, abs=0.01)


def test_free_decoding_and_the_runner_up_are_compared_by_their_scores() -> None:
    found = weighed((4, 5, 6), spelled((4, 5, 6)), free=hypothesis((4, 7), -0.4), runner_up=hypothesis((4,), -3.0))
    assert found.free == pytest.approx(0.6)
    assert found.lead == pytest.approx(2.0)
    worse = weighed((4, 5, 6), spelled((4, 5, 6)), free=hypothesis((4, 7), -4.0), runner_up=hypothesis((4,), -90.0))
    assert worse.free == 0
    assert worse.lead == 5


def with_tone(wave: NDArray[np.float32], first: float, seconds: float, amplitude: float = 0.3) -> NDArray[np.float32]:
    times = np.arange(round(seconds * RATE)) / RATE
    changed = wave.copy()
    start = round(first * RATE)
    changed[start : start + len(times)] += (amplitude * np.sin(2 * np.pi * 700 * times)).astype(np.float32)
    return changed


def test_sound_far_from_every_token_is_unexplained() -> None:
    ctc = spelled((4,))  # its frame is the sixth, at 0.22 s
    assert weighed((4,), ctc, with_tone(silence(), 0.1, 0.3)).unexplained == 0
    assert weighed((4,), ctc, with_tone(silence(), 1.2, 0.5)).unexplained == pytest.approx(0.5, abs=0.05)
    joined = with_tone(silence(), 0.1, 1.4)  # from the token on: what is within 0.4 s of it is explained
    assert weighed((4,), ctc, joined).unexplained == pytest.approx(1.5 - 0.62, abs=0.05)


def test_what_is_unexplained_does_not_depend_on_loudness_or_on_digital_silence_around_it() -> None:
    ctc = spelled((4,))
    wave = with_tone(silence(), 1.2, 0.5)
    found = weighed((4,), ctc, wave).unexplained
    assert weighed((4,), ctc, (0.1 * wave).astype(np.float32)).unexplained == pytest.approx(found, abs=0.011)
    # In a loud room the margins of digital silence must not pass for the room.
    loud_room = with_tone(200 * silence(), 1.2, 0.5)
    found = weighed((4,), ctc, loud_room).unexplained
    assert found == pytest.approx(0.5, abs=0.05)
    margin = np.zeros(round(0.4 * RATE), np.float32)
    padded = np.concatenate([margin, loud_room, margin])
    logits = np.concatenate([spelled(())[:10], ctc, spelled(())[:10]])
    assert weighed((4,), logits, padded).unexplained == pytest.approx(found, abs=0.011)
    assert weighed((4,), ctc, np.zeros(FRAMES * 640, np.float32)).unexplained == 0


def test_measures_are_finite_and_grow_with_what_they_measure() -> None:
    found = weighed((4, 5), spelled((4, 5, 6)))
    assert found.measures().shape == (len(MEASURES),)
    assert np.isfinite(found.measures()).all()
    more = Evidence(**{name: getattr(found, name) + 1 for name in MEASURES})
    assert (more.measures() > found.measures()).all()


def test_the_places_are_those_that_the_measures_tell_of() -> None:
    ctc, wave = spelled((4, 5, 7)), with_tone(silence(), 1.3, 0.3)
    told = places(ctc, (4, 5, 6), word_starts=WORD_STARTS, wave=wave, rate=RATE)
    assert told.worst_word == (2, 3), "the third token is a word, and it was not said"
    assert weighed((4, 5, 6), ctc, wave).worst_word > 0
    start, end = told.worst_moment
    assert start <= 44.5 * 0.04 <= end, "the wrong token's frame"
    assert end - start == pytest.approx(0.4)
    first = places(spelled((7, 5, 6)), (4, 5, 6), word_starts=WORD_STARTS, wave=silence(), rate=RATE)
    assert (first.worst_word, first.unexplained) == ((0, 2), None)
    stretch = places(spelled((4,)), (4,), word_starts=WORD_STARTS[:1], wave=with_tone(silence(), 1.2, 0.5), rate=RATE)
    assert stretch.unexplained == pytest.approx((1.2, 1.7), abs=0.05)
    assert stretch.unexplained[1] - stretch.unexplained[0] == pytest.approx(
        weighed((4,), spelled((4,)), with_tone(silence(), 1.2, 0.5)).unexplained
    )
