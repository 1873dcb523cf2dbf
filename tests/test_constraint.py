"""Laws of constrained searches, held on random sets of token sequences small enough to be listed."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import BOS, EOS, FIRST_TOKEN, TableStepper, random_ctc

from asr.errors import AsrError, SettingsError
from asr.search.beam import beam
from asr.search.constraint import Options
from asr.search.ctc import ctc_log_prob
from asr.search.greedy import greedy
from asr.search.hypothesis import length_divisor

VOCABULARY = 7
LONGEST = 5
SEEDS = st.integers(0, 10_000)
PENALTIES = st.sampled_from([0.0, 1.0, 2.0])
CTC_WEIGHTS = st.sampled_from([0.0, 0.4, 1.0])
CONSTRAINT_WEIGHTS = st.sampled_from([0.0, 0.3, 2.0])
SEQUENCES = st.lists(st.integers(FIRST_TOKEN, VOCABULARY - 1), max_size=LONGEST).map(tuple)
SETS = st.dictionaries(SEQUENCES, st.integers(1, 9), min_size=1, max_size=12)
UNLIMITED = 10_000


def law(*strategies):
    """A property that holds for all of some random cases, the same ones on every run."""

    def decorate(test):
        return settings(max_examples=50, derandomize=True)(given(*strategies)(test))

    return decorate


def close(value):
    return pytest.approx(value, rel=1e-6, abs=1e-6)


class Trie:
    """A set of token sequences, each drawn in proportion to its weight; ``dead`` ones are begun and never end."""

    def __init__(self, weights, dead=()):
        self.weights = weights
        self.prefixes = sorted({t[:n] for t in [*weights, *dead] for n in range(len(t) + 1)})
        self.numbers = {prefix: number for number, prefix in enumerate(self.prefixes)}

    def mass(self, prefix):
        """Weight of all sequences that begin with ``prefix``."""
        return sum(w for t, w in self.weights.items() if t[: len(prefix)] == prefix)

    def log_prob(self, tokens):
        """How likely the sequence is drawn, by definition."""
        return math.log(self.weights[tokens] / sum(self.weights.values()))

    def start(self):
        """State of the empty prefix."""
        return self.numbers[()]

    def options(self, state):
        """Shares of the weights of what goes on so."""
        prefix = self.prefixes[state]
        shares = {EOS: self.weights.get(prefix, 0)}
        for longer in self.prefixes:
            if longer and longer[:-1] == prefix:
                shares[longer[-1]] = self.mass(longer) or 1
        shares = {token: share for token, share in shares.items() if share}
        return Options(
            np.array(list(shares), np.int64), np.log(np.array(list(shares.values()), float) / sum(shares.values()))
        )

    def follow(self, state, token):
        """State of the longer prefix."""
        assert token != EOS
        return self.numbers[(*self.prefixes[state], token)]


class Everything:
    """Allows every text; all ways to go on are equally likely."""

    def __init__(self, vocabulary):
        self.tokens = np.arange(EOS, vocabulary)

    def start(self):
        """The only state."""
        return 0

    def options(self, state):
        """Every token."""
        return Options(self.tokens, np.full(len(self.tokens), -math.log(len(self.tokens))))

    def follow(self, state, token):
        """The only state."""
        return state


def by_definition(toy, trie, tokens, ctc, ctc_weight, constraint_weight, penalty):
    """The score of a whole text from teacher forcing, all of CTC's alignments and its weight in the set."""
    score = sum(toy.token_log_probs(tokens, ended=True))
    if ctc_weight > 0:
        score = (1 - ctc_weight) * score + ctc_weight * ctc_log_prob(ctc, tokens)
    score += constraint_weight * trie.log_prob(tokens)
    return score / length_divisor(len(tokens) + 1, penalty)


@law(SEEDS, SETS, PENALTIES, CTC_WEIGHTS, CONSTRAINT_WEIGHTS, st.integers(0, 8), st.sampled_from([0.0, 0.3]))
def test_unlimited_width_equals_the_whole_set_scored_one_by_one(
    seed, weights, penalty, ctc_weight, constraint_weight, frames, impossible
):
    toy, trie, ctc = TableStepper(seed, VOCABULARY), Trie(weights), random_ctc(seed, frames, VOCABULARY, impossible)

    def search(n_best):
        return beam(
            toy,
            width=UNLIMITED,
            max_tokens=LONGEST,
            length_penalty=penalty,
            ctc_log_probs=ctc,
            ctc_weight=ctc_weight,
            constraint=trie,
            constraint_weight=constraint_weight,
            n_best=n_best,
        )

    found = search(UNLIMITED)
    assert search(1) == found[:1]  # though it may stop sooner
    wanted = {t: by_definition(toy, trie, t, ctc, ctc_weight, constraint_weight, penalty) for t in weights}
    wanted = {t: score for t, score in wanted.items() if score > -math.inf}
    heard = {h.tokens: h.score for h in found if h.ended}
    assert heard == {t: close(score) for t, score in wanted.items()}
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    if wanted:
        assert len(found) == len(wanted)
    for h in found:
        assert list(h.token_log_probs) == toy.token_log_probs(h.tokens, ended=h.ended)
        if h.ended:
            assert h.constraint_log_prob == close(trie.log_prob(h.tokens))


@law(SEEDS, SETS, st.lists(SEQUENCES, max_size=3), st.integers(1, LONGEST), st.sampled_from([-4.0, 0.0, 3.0]))
def test_greedy_takes_the_likeliest_allowed_token(seed, weights, dead, limit, bonus):
    toy, trie = TableStepper(seed, VOCABULARY, eos_bonus=bonus), Trie(weights, dead)
    heard, ended = (), False
    while True:
        row = toy.row((BOS, *heard))
        allowed = trie.options(trie.numbers[heard]).tokens.tolist()
        best = max(allowed, key=lambda token: row[token], default=None)
        ended = best == EOS
        if best is None or ended or len(heard) == limit:
            break
        heard = (*heard, best)
    path = greedy(toy, max_tokens=limit, constraint=trie)
    assert (path.tokens, path.ended) == (heard, ended)
    assert list(path.token_log_probs) == toy.token_log_probs(heard, ended=ended)
    assert path.log_prob == path.score == sum(path.token_log_probs, 0.0)
    (narrow,) = beam(toy, width=1, max_tokens=limit, length_penalty=0.0, constraint=trie)
    assert narrow == path


@law(SEEDS, SETS, st.lists(SEQUENCES, max_size=3), PENALTIES, CTC_WEIGHTS, CONSTRAINT_WEIGHTS, st.integers(1, LONGEST))
def test_nothing_outside_of_the_set_and_never_below_greedy(
    seed, weights, dead, penalty, ctc_weight, constraint_weight, limit
):
    toy, trie, ctc = TableStepper(seed, VOCABULARY), Trie(weights, dead), random_ctc(seed, 8, VOCABULARY)
    path = greedy(toy, max_tokens=limit, constraint=trie)
    for width in (1, 2, 4, 8):
        found = beam(
            toy,
            width=width,
            max_tokens=limit,
            length_penalty=penalty,
            ctc_log_probs=ctc,
            ctc_weight=ctc_weight,
            constraint=trie,
            constraint_weight=constraint_weight,
            n_best=width,
        )
        assert len({h.tokens for h in found}) == len(found)
        assert all(h.tokens in (weights if h.ended else trie.numbers) for h in found)
        if path.ended and path.tokens in weights:
            drawn = constraint_weight * path.constraint_log_prob
            floor = (1 - ctc_weight) * path.log_prob + drawn
            if ctc_weight > 0:
                floor += ctc_weight * ctc_log_prob(ctc, path.tokens)
            assert found[0].score >= floor / length_divisor(len(path.tokens) + 1, penalty) - 1e-9


@law(SEEDS, st.integers(1, 6), PENALTIES, CTC_WEIGHTS, st.integers(1, LONGEST), st.sampled_from([6, 40, 300]))
def test_a_constraint_that_allows_everything_changes_nothing(seed, width, penalty, ctc_weight, limit, vocabulary):
    toy, ctc = TableStepper(seed, vocabulary), random_ctc(seed, 30, vocabulary)

    def search(constraint):
        return beam(
            toy,
            width=width,
            max_tokens=limit,
            length_penalty=penalty,
            ctc_log_probs=ctc,
            ctc_weight=ctc_weight,
            constraint=constraint,
            n_best=width,
        )

    everything = Everything(vocabulary)
    assert [replace(h, constraint_log_prob=None) for h in search(everything)] == search(None)
    path = greedy(toy, max_tokens=limit, constraint=everything)
    assert replace(path, constraint_log_prob=None) == greedy(toy, max_tokens=limit)


def test_a_dead_end_loses_its_row_alone():
    toy = TableStepper(1, VOCABULARY)
    trie = Trie({(5, 6): 1}, dead=[(4, 4), (6,)])
    (found,) = beam(toy, width=3, max_tokens=4, length_penalty=0.0, constraint=trie)
    assert (found.tokens, found.ended) == ((5, 6), True)
    (lost,) = beam(toy, width=1, max_tokens=4, length_penalty=0.0, constraint=Trie({}, dead=[(4, 4)]))
    assert (lost.tokens, lost.ended) == ((4, 4), False)
    assert greedy(toy, max_tokens=4, constraint=Trie({}, dead=[(4, 4)])).tokens == (4, 4)


def test_the_constraint_can_settle_what_sounds_alike():
    toy = TableStepper(0, VOCABULARY, spread=0.0)
    for rare, frequent in [((4, 5), (6, 5)), ((6, 5), (4, 5))]:
        trie = Trie({rare: 1, frequent: 9})
        (found,) = beam(toy, width=4, max_tokens=4, length_penalty=1.0, constraint=trie, constraint_weight=0.5)
        assert found.tokens == frequent


def test_the_search_stops_once_nothing_better_can_come():
    toy = TableStepper(0, eos_bonus=12.0)
    beam(toy, width=4, max_tokens=100, length_penalty=0.0, constraint=Everything(6), constraint_weight=1.0)
    assert toy.steps < 5


def test_a_constraint_on_other_tokens_is_refused():
    for search in (
        lambda: greedy(TableStepper(0), max_tokens=3, constraint=Everything(VOCABULARY)),
        lambda: beam(TableStepper(0), width=2, max_tokens=3, length_penalty=1.0, constraint=Everything(VOCABULARY)),
    ):
        with pytest.raises(AsrError, match="the constraint has token 6 and the decoder knows 6 tokens"):
            search()


@pytest.mark.parametrize("weight", [-0.5, math.nan, math.inf])
def test_weights_without_sense_are_refused(weight):
    with pytest.raises(SettingsError, match=f"^constraint_weight is {weight}"):
        beam(
            TableStepper(0),
            width=2,
            max_tokens=3,
            length_penalty=1.0,
            constraint=Everything(6),
            constraint_weight=weight,
        )
    with pytest.raises(SettingsError, match=r"^constraint_weight is 0.5, but there is no constraint"):
        beam(TableStepper(0), width=2, max_tokens=3, length_penalty=1.0, constraint_weight=0.5)
