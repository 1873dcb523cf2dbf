"""Laws of forced alignment, held on cases small enough for every alignment to be listed."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import random_ctc

from asr.errors import AsrError
from asr.search.alignment import TextBeginning, align
from asr.search.ctc import ctc_greedy, ctc_log_prob


def collapsed(path):
    """The tokens of an alignment: repeats merged, then blanks dropped."""
    return tuple(label for n, label in enumerate(path) if label != 0 and (n == 0 or label != path[n - 1]))


def painted(spans, tokens, frames):
    """The alignment that the spans stand for."""
    path = [0] * frames
    for (first, end), token in zip(spans, tokens, strict=True):
        assert 0 <= first < end <= frames
        path[first:end] = [token] * (end - first)
    return path


@settings(max_examples=50, derandomize=True)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(0, 5), st.sampled_from([0.0, 0.4]))
def test_the_alignment_is_the_best_of_all(seed, vocabulary, frames, impossible):
    ctc = random_ctc(seed, frames, vocabulary, impossible)
    best = {}
    for path in product(range(vocabulary), repeat=frames):
        log_prob = ctc[range(frames), path].astype(np.float64).sum()
        tokens = collapsed(path)
        best[tokens] = max(best.get(tokens, -np.inf), log_prob)
    for tokens in product(range(1, vocabulary), repeat=3):
        best.setdefault(tokens, -np.inf)
    for tokens, log_prob in best.items():
        if log_prob == -np.inf:
            with pytest.raises(AsrError, match=f"{len(tokens)} tokens have no alignment with the {frames} frames"):
                align(ctc, tokens)
            continue
        found = align(ctc, tokens)
        path = painted(found.spans, tokens, frames)
        assert collapsed(path) == tokens
        by_frame = found.log_probs
        assert by_frame.shape == (frames,)
        assert by_frame.sum() == pytest.approx(log_prob, abs=1e-9)
        assert by_frame.tolist() == ctc[range(frames), path].tolist()


@settings(max_examples=30, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 80), st.integers(2, 30))
def test_the_best_free_path_is_the_alignment_of_its_own_tokens(seed, frames, vocabulary):
    ctc = random_ctc(seed, frames, vocabulary)
    tokens = ctc_greedy(ctc)
    found = align(ctc, tokens)
    assert found.log_probs.tolist() == ctc.max(axis=1).tolist()
    assert painted(found.spans, tokens, frames) == ctc.argmax(axis=1).tolist()


@settings(max_examples=30, derandomize=True)
@given(st.integers(0, 10_000), st.integers(20, 80), st.lists(st.integers(1, 29), max_size=9))
def test_an_alignment_is_below_all_alignments_and_below_the_free_path(seed, frames, tokens):
    ctc = random_ctc(seed, frames, 30)
    by_frame = align(ctc, tokens).log_probs
    assert (by_frame <= ctc.max(axis=1)).all()
    assert by_frame.sum() <= ctc_log_prob(ctc, tokens) + 1e-9


def test_a_token_said_twice_has_a_blank_between():
    path = [0, 5, 5, 0, 5, 4, 4, 0, 0]
    ctc = np.where(np.eye(6)[path] == 1, -0.1, -9.0)
    assert align(ctc, [5, 5, 4]).spans == ((1, 3), (4, 5), (5, 7))
    ctc[3, 5] = -8.0
    assert align(ctc, [5, 4]).log_probs.tolist() == [-0.1] * 3 + [-8.0] + [-0.1] * 5


def test_of_equally_likely_alignments_the_later_tokens_begin_first():
    assert align(np.full((6, 6), -1.0), [4, 5, 5]).spans == ((0, 1), (1, 2), (3, 6))


def test_silence_and_what_is_refused():
    silent = align(random_ctc(0, 5), [])
    assert silent.spans == ()
    assert silent.log_probs.tolist() == random_ctc(0, 5)[:, 0].tolist()
    assert align(random_ctc(0, 0), []).spans == ()
    with pytest.raises(AsrError, match=r"outside 1\.\.5"):
        align(random_ctc(0, 5), [6])
    with pytest.raises(AsrError, match="NaN"):
        align(np.full((3, 6), np.nan), [4])


@settings(max_examples=40, derandomize=True)
@given(
    st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 4), st.lists(st.integers(1, 3), min_size=1, max_size=3)
)
def test_the_beginning_of_a_text_is_where_it_is_likeliest_if_anything_may_follow(seed, frames, vocabulary, tokens):
    ctc = random_ctc(seed, frames, vocabulary).astype(np.float64)
    tokens = [min(each, vocabulary - 1) for each in tokens]
    freely = ctc.max(axis=1)
    found, beginning = {}, TextBeginning(ctc)
    for end in range(1, frames + 1):
        try:
            aligned = align(ctc[:end], tokens)
        except AsrError:
            continue
        if aligned.spans[-1][1] == end:
            found[end] = aligned.log_probs.sum() + freely[end:].sum()
    for token in tokens:
        beginning = beginning.grown(token)
    if not found:
        assert beginning.span is None
        return
    first, end = beginning.span
    assert found[end] == pytest.approx(max(found.values()), abs=1e-9)
    assert first == align(ctc[:end], tokens).spans[-1][0]
