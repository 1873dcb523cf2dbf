"""Laws of the searches, held on tables of random numbers small enough to be enumerated."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toy import EOS, TableStepper, ctc_by_alignments, log_softmax, random_ctc

from asr.errors import AsrError, SettingsError
from asr.search.beam import beam
from asr.search.ctc import PrefixScorer, ctc_greedy, ctc_log_prob
from asr.search.greedy import greedy
from asr.search.hypothesis import length_divisor
from asr.search.limits import max_tokens

SEEDS = st.integers(0, 10_000)
PENALTIES = st.sampled_from([0.0, 0.6, 1.0, 2.0])
WEIGHTS = st.sampled_from([0.0, 0.3, 0.7, 1.0])
WIDTHS = st.integers(1, 4)
EOS_BONUS = st.sampled_from([-4.0, 0.0, 3.0])
UNLIMITED = 10_000


def law(*strategies):
    """A property that holds for all of some random cases, the same ones on every run."""

    def decorate(test):
        return settings(max_examples=50, derandomize=True)(given(*strategies)(test))

    return decorate


def close(value):
    return pytest.approx(value, rel=1e-6, abs=1e-6)


def joint_score(toy, tokens, *, ended, ctc=None, weight=0.0, penalty=0.0):
    """The score by definition, from teacher forcing and from CTC over the whole utterance."""
    log_prob = sum(toy.token_log_probs(tokens, ended=ended))
    if weight > 0:
        log_prob = (1 - weight) * log_prob + weight * (ctc_log_prob(ctc, tokens) if ended else prefix(ctc, tokens))
    return log_prob / length_divisor(len(tokens) + ended, penalty)


def prefix(ctc, tokens):
    """CTC log-probability of all transcripts that begin with ``tokens``, one token at a time."""
    scorer = PrefixScorer(ctc)
    state, score = scorer.start(), 0.0
    for token in tokens:
        score = float(scorer.extensions(state)[0, token])
        state = scorer.advance(state, np.array([token]), np.array([0]))
    return score


def plain_beam(toy, *, width, limit, penalty, ctc=None, weight=0.0, n_best=1):
    """The same search spelled out: every score from scratch, one candidate at a time, no early stop."""
    live, greedy_path, ended = [()], (), []
    for length in range(limit + 1):
        scored = []
        for tokens in live:
            for token in range(EOS, toy.vocabulary):
                child = tokens if token == EOS else (*tokens, token)
                score = joint_score(toy, child, ended=token == EOS, ctc=ctc, weight=weight, penalty=penalty)
                if score > -math.inf:
                    scored.append((score, token == EOS, child))
        scored.sort(key=lambda candidate: -candidate[0])
        chosen = scored[:width]
        if greedy_path in live:
            best = int(toy.row((2, *greedy_path))[EOS:].argmax()) + EOS
            greedy_path = greedy_path if best == EOS else (*greedy_path, best)
            chosen += [c for c in scored[width:] if c[1:] == (best == EOS, greedy_path)]
            if best == EOS:
                greedy_path = None
        ended += [(score, tokens) for score, done, tokens in chosen if done]
        grown = [tokens for _, done, tokens in chosen if not done]
        if not grown or length == limit:
            break
        live = grown
    if ended:
        return sorted(ended, key=lambda result: -result[0])[:n_best]
    kwargs = {"ended": False, "ctc": ctc, "weight": weight, "penalty": penalty}
    return sorted(((joint_score(toy, tokens, **kwargs), tokens) for tokens in live), reverse=True)[:n_best]


# Beam and greedy search


@law(SEEDS, PENALTIES, WEIGHTS, st.integers(1, 4), st.integers(1, 5), st.sampled_from([0.0, 0.3]))
def test_unlimited_width_equals_brute_force(seed, penalty, weight, limit, frames, impossible):
    toy, ctc = TableStepper(seed), random_ctc(seed, frames, impossible=impossible)
    found = beam(
        toy,
        width=UNLIMITED,
        max_tokens=limit,
        length_penalty=penalty,
        ctc_log_probs=ctc,
        ctc_weight=weight,
        n_best=UNLIMITED,
    )
    wanted = {
        t: joint_score(toy, t, ended=True, ctc=ctc, weight=weight, penalty=penalty) for t in toy.transcripts(limit)
    }
    wanted = {tokens: score for tokens, score in wanted.items() if score > -math.inf}
    assert [h.tokens for h in found] == sorted(wanted, key=lambda tokens: -wanted[tokens])
    assert [h.score for h in found] == close(sorted(wanted.values(), reverse=True))
    one = beam(toy, width=UNLIMITED, max_tokens=limit, length_penalty=penalty, ctc_log_probs=ctc, ctc_weight=weight)
    assert one == found[:1]


@law(SEEDS, WIDTHS, PENALTIES, WEIGHTS, EOS_BONUS, st.data())
def test_a_narrow_beam_equals_the_search_spelled_out(seed, width, penalty, weight, bonus, data):
    n_best = data.draw(st.integers(1, width))
    toy, ctc = TableStepper(seed, vocabulary=7, eos_bonus=bonus), random_ctc(seed, 6, vocabulary=7)
    found = beam(
        toy,
        width=width,
        max_tokens=5,
        length_penalty=penalty,
        ctc_log_probs=ctc,
        ctc_weight=weight,
        n_best=n_best,
    )
    wanted = plain_beam(toy, width=width, limit=5, penalty=penalty, ctc=ctc, weight=weight, n_best=n_best)
    assert [h.tokens for h in found] == [tokens for _, tokens in wanted]
    assert [h.score for h in found] == close([score for score, _ in wanted])


def test_the_search_stops_once_nothing_better_can_come():
    toy = TableStepper(0, eos_bonus=12.0)
    beam(toy, width=4, max_tokens=100, length_penalty=0.0)
    assert toy.steps < 5


@law(SEEDS, WIDTHS, PENALTIES, WEIGHTS, EOS_BONUS)
def test_beam_never_scores_below_greedy(seed, width, penalty, weight, bonus):
    toy, ctc = TableStepper(seed, vocabulary=8, eos_bonus=bonus), random_ctc(seed, 12, vocabulary=8)
    path = greedy(toy, max_tokens=8)
    best = beam(toy, width=width, max_tokens=8, length_penalty=penalty, ctc_log_probs=ctc, ctc_weight=weight)[0]
    assert best.ended or not path.ended
    if best.ended == path.ended:
        floor = joint_score(toy, path.tokens, ended=path.ended, ctc=ctc, weight=weight, penalty=penalty)
        assert best.score >= floor - 1e-9


@law(SEEDS, WIDTHS, PENALTIES, WEIGHTS, EOS_BONUS, st.integers(1, 6))
def test_reported_scores_equal_teacher_forcing(seed, width, penalty, weight, bonus, limit):
    toy, ctc = TableStepper(seed, eos_bonus=bonus), random_ctc(seed, 8)
    found = beam(
        toy,
        width=width,
        max_tokens=limit,
        length_penalty=penalty,
        ctc_log_probs=ctc,
        ctc_weight=weight,
        n_best=width,
    )
    assert 1 <= len(found) <= width
    assert len({h.tokens for h in found}) == len(found)
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
    for h in found:
        assert list(h.token_log_probs) == toy.token_log_probs(h.tokens, ended=h.ended)
        assert h.log_prob == sum(h.token_log_probs, 0.0)
        assert h.score == close(joint_score(toy, h.tokens, ended=h.ended, ctc=ctc, weight=weight, penalty=penalty))
        if weight == 0:
            assert h.ctc_log_prob is None
        else:
            assert h.ctc_log_prob == close(ctc_log_prob(ctc, h.tokens) if h.ended else prefix(ctc, h.tokens))
    path = greedy(toy, max_tokens=limit)
    assert list(path.token_log_probs) == toy.token_log_probs(path.tokens, ended=path.ended)
    assert path.log_prob == path.score == sum(path.token_log_probs, 0.0)


@law(SEEDS, PENALTIES, EOS_BONUS, st.integers(1, 8), st.booleans())
def test_width_one_without_ctc_is_greedy(seed, penalty, bonus, limit, ties):
    toy = TableStepper(seed, vocabulary=8, spread=1.0, eos_bonus=bonus, ties=ties)
    path = greedy(toy, max_tokens=limit)
    (found,) = beam(toy, width=1, max_tokens=limit, length_penalty=penalty)
    assert (found.tokens, found.token_log_probs, found.ended) == (path.tokens, path.token_log_probs, path.ended)
    (plain,) = beam(toy, width=1, max_tokens=limit, length_penalty=0.0)
    assert plain == path


def test_a_higher_length_penalty_never_shortens_the_transcript():
    lengths = np.array(
        [
            [len(beam(TableStepper(seed), width=50, max_tokens=6, length_penalty=p)[0].tokens) for p in (0, 1, 3)]
            for seed in range(30)
        ]
    )
    assert (np.diff(lengths, axis=1) >= 0).all()
    assert (lengths[:, -1] > lengths[:, 0]).any()


def test_length_divisor_by_hand():
    assert [length_divisor(n, 1.0) for n in (1, 7, 13)] == [1.0, 2.0, 3.0]
    assert length_divisor(13, 2.0) == close(9.0)
    assert length_divisor(13, 0.0) == 1.0


def test_ctc_changes_the_result():
    toy, ctc = TableStepper(3), np.full((4, 6), -20.0, np.float32)
    ctc[[0, 1, 2, 3], [4, 0, 4, 5]] = 0.0
    arguments = {"width": 4, "max_tokens": 4, "length_penalty": 1.0, "ctc_log_probs": ctc}
    assert beam(toy, **arguments)[0].tokens != (4, 4, 5)
    assert beam(toy, **arguments, ctc_weight=0.9)[0].tokens == (4, 4, 5)


def test_order_and_company_do_not_matter():
    utterances = [(TableStepper(seed, spread=1.0), random_ctc(seed, 5 + seed)) for seed in range(4)]

    def decode(n):
        toy, ctc = utterances[n]
        found = beam(toy, width=3, max_tokens=6, length_penalty=1.0, ctc_log_probs=ctc, ctc_weight=0.4, n_best=3)
        return [greedy(toy, max_tokens=6), *found]

    alone = [decode(n) for n in range(4)]
    for order in permutations(range(4)):
        assert {n: decode(n) for n in order} == dict(enumerate(alone))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_model_that_never_says_end_is_stopped(weight):
    toy, ctc = TableStepper(1, vocabulary=8, eos_bonus=-1000.0), random_ctc(1, 30, vocabulary=8)
    assert (len(greedy(toy, max_tokens=9).tokens), greedy(toy, max_tokens=9).ended) == (9, False)
    found = beam(toy, width=3, max_tokens=9, length_penalty=1.0, ctc_log_probs=ctc, ctc_weight=weight, n_best=3)
    assert len(found) == 3
    assert all((len(h.tokens), h.ended) == (9, False) for h in found)


def test_an_ended_hypothesis_ranks_above_capped_ones():
    toy = TableStepper(1, eos_bonus=-8.0)
    found = beam(toy, width=UNLIMITED, max_tokens=2, length_penalty=0.0, n_best=UNLIMITED)
    assert len(found) == 1 + 2 + 4
    assert all(h.ended for h in found)
    assert not greedy(toy, max_tokens=2).ended


def test_silence_is_an_empty_transcript():
    toy, ctc = TableStepper(1, eos_bonus=1000.0), random_ctc(1, 0)
    for weight in (0.0, 0.5):
        (found,) = beam(toy, width=4, max_tokens=5, length_penalty=1.0, ctc_log_probs=ctc, ctc_weight=weight)
        assert (found.tokens, found.ended, found.score) == ((), True, close(0.0))
        assert len(found.token_log_probs) == 1
    assert greedy(toy, max_tokens=5).tokens == ()
    assert greedy(toy, max_tokens=5).ended


def test_without_frames_ctc_allows_only_the_empty_transcript():
    found = beam(
        TableStepper(1),
        width=9,
        max_tokens=5,
        length_penalty=1.0,
        ctc_log_probs=random_ctc(1, 0),
        ctc_weight=0.1,
        n_best=9,
    )
    assert [h.tokens for h in found] == [()]


def test_pad_unk_and_bos_are_never_emitted():
    class Insistent(TableStepper):
        def row(self, prefix):
            return log_softmax(np.array([9.0, 8.0, 7.0, 0.0, 1.0, 0.5]))

    toy = Insistent(0)  # which also refuses to be fed them
    found = beam(
        toy, width=8, max_tokens=3, length_penalty=1.0, ctc_log_probs=random_ctc(0, 9), ctc_weight=0.3, n_best=8
    )
    for h in [greedy(toy, max_tokens=3), *found]:
        assert set(h.tokens) <= {4, 5}


def test_a_dead_end_comes_back_as_not_ended():
    class DeadEnd(TableStepper):
        def row(self, prefix):
            only = np.full(6, -np.inf, np.float32)
            if len(prefix) == 1:
                only[4] = 0.0
            return only

    for h in [greedy(DeadEnd(0), max_tokens=3), *beam(DeadEnd(0), width=2, max_tokens=3, length_penalty=1.0)]:
        assert (h.tokens, h.ended, h.log_prob) == ((4,), False, 0.0)


class Faulty(TableStepper):
    """Sound for the first step, then one entry is replaced."""

    value = np.nan

    def row(self, prefix):
        """The table's row, with the fault in the place of unk."""
        log_probs = super().row(prefix)
        if len(prefix) > 1:
            log_probs[1] = self.value
        return log_probs


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "NaN"), (np.inf, "inf .*at most 0"), (3.5, "3.5 .*log-softmax")]
)
def test_what_is_no_log_probability_is_refused(value, message):
    toy = Faulty(0, eos_bonus=-9.0)
    toy.value = value
    with pytest.raises(AsrError, match=f"the decoder gave {message}"):
        greedy(toy, max_tokens=5)
    with pytest.raises(AsrError, match=f"the decoder gave {message}"):
        beam(toy, width=2, max_tokens=5, length_penalty=1.0)
    ctc = random_ctc(0, 5)
    ctc[2, 3] = value
    for use in (ctc_greedy, PrefixScorer, lambda log_probs: ctc_log_prob(log_probs, [4])):
        with pytest.raises(AsrError, match=f"the CTC output gave {message}"):
            use(ctc)


def test_shapes_that_do_not_fit_are_refused():
    class OneRow(TableStepper):
        def step(self, state, tokens, parents):
            log_probs, state = super().step(state, tokens, parents)
            return log_probs[:1], state

    with pytest.raises(AsrError, match=r"shape \(1, 6\), wanted \(2, vocabulary\)"):
        beam(OneRow(0, eos_bonus=-9.0), width=2, max_tokens=5, length_penalty=1.0)
    with pytest.raises(AsrError, match="the decoder knows 6 tokens and CTC 7"):
        beam(
            TableStepper(0),
            width=2,
            max_tokens=5,
            length_penalty=1.0,
            ctc_log_probs=random_ctc(0, 5, vocabulary=7),
            ctc_weight=0.5,
        )
    with pytest.raises(AsrError, match=r"shape \(5,\), wanted \(frames, vocabulary\)"):
        ctc_greedy(np.zeros(5, np.float32))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("width", 0),
        ("max_tokens", 0),
        ("n_best", 0),
        ("n_best", 3),
        ("length_penalty", -0.5),
        ("length_penalty", math.nan),
        ("ctc_weight", 1.5),
        ("ctc_weight", math.nan),
        ("ctc_weight", 0.5),
    ],
)
def test_settings_without_sense_are_refused(setting, value):
    arguments = {"width": 2, "max_tokens": 5, "length_penalty": 1.0, setting: value}
    with pytest.raises(SettingsError, match=f"^{setting} is {value}"):
        beam(TableStepper(0), **arguments)


def test_greedy_refuses_a_cap_of_nothing():
    with pytest.raises(SettingsError, match="max_tokens is 0"):
        greedy(TableStepper(0), max_tokens=0)


# CTC


def labels_and_frames():
    """Small enough for every alignment to be listed."""
    return st.tuples(SEEDS, st.integers(2, 4), st.integers(0, 5), st.sampled_from([0.0, 0.4]))


@law(labels_and_frames())
def test_ctc_scores_equal_all_alignments(case):
    seed, vocabulary, frames, impossible = case
    ctc = random_ctc(seed, frames, vocabulary, impossible)
    totals = ctc_by_alignments(ctc)
    scorer = PrefixScorer(ctc)
    state, prefixes = scorer.start(), [()]
    for _ in range(3):
        whole, extensions = np.exp(scorer.whole(state)), np.exp(scorer.extensions(state))
        for row, tokens in enumerate(prefixes):
            assert whole[row] == close(totals.get(tokens, 0.0))
            assert math.exp(ctc_log_prob(ctc, tokens)) == close(totals.get(tokens, 0.0))
            assert extensions[row, 0] == 0
            for label in range(1, vocabulary):
                child = (*tokens, label)
                mass = sum(p for transcript, p in totals.items() if transcript[: len(child)] == child)
                assert extensions[row, label] == close(mass)
        # Rows in an odd order, some of them twice: the state follows its parents.
        parents = np.repeat(np.arange(len(prefixes)), vocabulary - 1)[::-1]
        tokens = np.tile(np.arange(1, vocabulary), len(prefixes))
        state = scorer.advance(state, tokens, parents)
        prefixes = [(*prefixes[p], int(t)) for p, t in zip(parents, tokens, strict=True)]


@law(SEEDS, st.integers(0, 60), st.integers(2, 20), st.integers(0, 6))
def test_a_prefix_is_itself_or_goes_on(seed, frames, vocabulary, length):
    """p(prefix) = p(exactly the prefix) + the sum over its extensions."""
    ctc = random_ctc(seed, frames, vocabulary)
    tokens = np.random.default_rng(seed).integers(1, vocabulary, length).tolist()
    scorer = PrefixScorer(ctc)
    state, mass = scorer.start(), 0.0
    for token in tokens:
        mass = scorer.extensions(state)[0, token]
        state = scorer.advance(state, np.array([token]), np.array([0]))
    parts = np.logaddexp.reduce([*scorer.whole(state), *scorer.extensions(state)[0]])
    # Each row of float32 log-probabilities sums to 1 only within 1e-7 or so.
    assert parts == pytest.approx(mass, abs=1e-6 * (frames + 1))
    assert scorer.whole(state)[0] == close(ctc_log_prob(ctc, tokens))


def test_ctc_scores_survive_masses_too_small_for_a_float():
    """Frames where the first label is all but gone before the second can come: far below the smallest float64."""
    ctc = np.full((600, 4), -np.inf)
    ctc[:, 0] = -5.0
    ctc[0, 2], ctc[599, 3] = 0.0, -400.0
    scorer = PrefixScorer(ctc)
    state = scorer.advance(scorer.start(), np.array([2]), np.array([0]))
    assert scorer.extensions(state)[0, 3] == pytest.approx(-5.0 * 598 - 400)
    assert ctc_log_prob(ctc, [2, 3]) == pytest.approx(-5.0 * 598 - 400)


@law(SEEDS, st.integers(1, 600), st.integers(0, 12), st.sampled_from([0.0, -1e3, -1e9, -1e30, -math.inf]))
def test_growing_token_by_token_equals_the_forward_score_to_the_last_digits(seed, frames, length, gap):
    """Whatever the log-probabilities: near zero, far below the smallest float, so far that sums lose them, and -inf."""
    random = np.random.default_rng(seed)
    ctc = log_softmax(random.normal(0, 8, (frames, 6))).astype(np.float64)
    holes = random.random(ctc.shape) < 0.05
    ctc[holes] = np.minimum(ctc[holes], gap)
    tokens = random.integers(1, 6, length)
    scorer = PrefixScorer(ctc)
    state = scorer.start()
    for token in tokens:
        # In company of other rows that fare otherwise.
        state = scorer.advance(state, np.array([token, 1, 5]), np.array([0, 0, 0]))
    assert scorer.whole(state)[0] == pytest.approx(ctc_log_prob(ctc, tokens.tolist()), rel=1e-12, abs=1e-9)


@law(SEEDS, st.integers(0, 40))
def test_ctc_greedy_merges_then_drops_blanks(seed, frames):
    ctc = random_ctc(seed, frames, 4)
    path = ctc.argmax(axis=1).tolist()
    wanted = [label for n, label in enumerate(path) if label != 0 and (n == 0 or path[n - 1] != label)]
    assert ctc_greedy(ctc) == wanted


def test_ctc_greedy_keeps_a_label_said_twice():
    path = [0, 5, 5, 0, 5, 4, 4, 0, 0]
    assert ctc_greedy(np.where(np.eye(6)[path] == 1, 0.0, -9.0)) == [5, 5, 4]
    assert ctc_greedy(np.zeros((0, 6), np.float32)) == []


@pytest.mark.parametrize("token", [0, -1, 6])
def test_ctc_refuses_tokens_it_does_not_know(token):
    with pytest.raises(AsrError, match=r"outside 1\.\.5"):
        ctc_log_prob(random_ctc(0, 5), [4, token])


# Limits


@law(st.floats(0, 3600), st.floats(0, 3600), st.floats(0.1, 50), st.integers(1, 20))
def test_longer_audio_never_holds_fewer_tokens(a, b, rate, minimum):
    assume(a <= b)
    assert minimum <= max_tokens(a, rate, minimum) <= max_tokens(b, rate, minimum)
    assert max_tokens(b, rate, minimum) >= b * rate


def test_max_tokens():
    assert [max_tokens(s, 8.0, 4) for s in (0, 0.5, 0.51, 10)] == [4, 4, 5, 80]
    for arguments in [(-1, 8, 4), (math.nan, 8, 4), (math.inf, 8, 4), (1, 0, 4), (1, math.nan, 4), (1, 8, 0)]:
        with pytest.raises(SettingsError):
            max_tokens(*arguments)
