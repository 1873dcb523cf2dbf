"""Beam search with length normalisation, an optional CTC joint score, language model and constraint."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.errors import AsrError, SettingsError
from asr.search.constraint import Constraint, option_log_probs
from asr.search.ctc import PrefixScorer
from asr.search.hypothesis import Hypothesis, length_divisor
from asr.search.language_model import LanguageModel
from asr.search.stepper import State, Stepper, next_log_probs
from asr.text.special import BOS, EOS


@dataclass(frozen=True, eq=False)
class BeamStep:
    """A step of a beam, for who watches it."""

    scores: NDArray[np.float64]
    """(K, V), what going on with each token would score, for the hypotheses that were kept before, in their order."""
    kept: tuple[tuple[int, Hypothesis], ...]
    """The row among these that each came from, and what it became; those that have not ended are the next rows."""


def beam(
    stepper: Stepper[State],
    *,
    width: int,
    max_tokens: int,
    length_penalty: float,
    ctc_log_probs: NDArray[np.floating] | None = None,
    ctc_weight: float = 0.0,
    constraint: Constraint | None = None,
    constraint_weight: float = 0.0,
    language_model: LanguageModel | None = None,
    language_model_weight: float = 0.0,
    n_best: int = 1,
    watch: Callable[[BeamStep], None] | None = None,
) -> list[Hypothesis]:
    """The best transcripts of an utterance, best first: between 1 and ``n_best`` of them.

    A hypothesis scores ``((1 - ctc_weight) * decoder + ctc_weight * ctc + constraint_weight * drawn +
    language_model_weight * written) / length_divisor``, where ``decoder`` is the sum of its token log-probabilities and
    ``ctc`` its CTC log-probability over ``ctc_log_probs`` (S, V): of the whole transcript once it ended, of all
    transcripts that begin so before (Watanabe et al. 2017). The divisor is that of ``length_divisor`` with
    ``length_penalty``.

    With a ``constraint`` a hypothesis is a text of it, or the beginning of one if it did not end. ``drawn`` is its
    log-probability by the constraint alone; what the decoder and CTC say of a token stays as it is without.

    ``written`` is the log-probability of its tokens by the ``language_model``, the end's included where it ended
    (shallow fusion; Gulcehre et al. 2015); that of no tokens is its ``silence``.

    Each step keeps the ``width`` best ways to go on; those that say eos leave the beam. The greedy path (that of
    ``greedy`` with the same constraint) is carried as one more row if it would fall out, so the result never scores
    below an ended greedy one. The search stops once no live hypothesis can pass the n-th best ended one, which changes
    no result: scores without the divisor only fall.

    After ``max_tokens`` tokens a hypothesis may only end. Hypotheses that did not end are returned (``ended=False``)
    only where none did. A token that the decoder, CTC or the constraint gives probability zero is never taken.

    ``watch`` is shown each step and has no part in the search.

    Raises SettingsError for values out of range, and AsrError for NaN, numbers above zero or shapes that do not fit.
    """
    _check_settings(width, max_tokens, length_penalty, n_best)
    _check_weights(
        ctc_weight, constraint_weight, has_ctc=ctc_log_probs is not None, has_constraint=constraint is not None
    )
    _check_language_model_weight(language_model_weight, has_model=language_model is not None)
    language = language_model if language_model_weight > 0 else None
    scorer = PrefixScorer(ctc_log_probs) if ctc_log_probs is not None and ctc_weight > 0 else None
    prefixes = scorer.start() if scorer else None
    drawn_of_nothing = None if constraint is None else 0.0
    written_of_nothing = None if language is None else 0.0
    live = [
        Hypothesis(
            tokens=(),
            token_log_probs=(),
            log_prob=0.0,
            ctc_log_prob=0.0 if scorer else None,
            score=0.0,
            ended=False,
            constraint_log_prob=drawn_of_nothing,
            language_model_log_prob=written_of_nothing,
        )
    ]
    places = [] if constraint is None else [constraint.start()]
    parents = [0]
    greedy_row: int | None = 0
    ended: list[Hypothesis] = []
    state = stepper.start()
    for length in range(1, max_tokens + 2):  # of the candidates, eos included
        last_tokens = [hypothesis.tokens[-1] if hypothesis.tokens else BOS for hypothesis in live]
        log_probs, state = next_log_probs(stepper, state, last_tokens, parents)
        drawn: NDArray[np.float64] | None = None
        if constraint is not None:
            drawn = option_log_probs(constraint, places, log_probs.shape[1])
            log_probs[drawn == -np.inf] = -np.inf
            drawn += np.array([hypothesis.constraint_log_prob for hypothesis in live])[:, None]
        joint = np.array([hypothesis.log_prob for hypothesis in live])[:, None] + log_probs
        ctc: NDArray[np.float64] | None = None
        if scorer is not None and prefixes is not None:
            if log_probs.shape[1] != scorer.vocabulary:
                raise AsrError(
                    f"the decoder knows {log_probs.shape[1]} tokens and CTC {scorer.vocabulary}; wanted the same"
                )
            ctc = scorer.extensions(prefixes)
            ctc[:, EOS] = scorer.whole(prefixes)
            joint = _joint(joint, ctc, ctc_weight)
        if drawn is not None and constraint_weight > 0:  # of zero times impossible comes NaN
            joint += constraint_weight * drawn
        written: NDArray[np.float64] | None = None
        if language is not None:
            written = language.next_log_probs([hypothesis.tokens for hypothesis in live]).astype(np.float64)
            if written.shape != joint.shape:
                raise AsrError(
                    f"the decoder knows {joint.shape[1]} tokens and the language model {written.shape[1]}; "
                    "wanted the same"
                )
            if length == 1:
                written[:, EOS] = language.silence
            written += np.array([hypothesis.language_model_log_prob for hypothesis in live])[:, None]
            joint += language_model_weight * written

        chosen = _best(joint, width)
        greedy_child = None
        if greedy_row is not None:
            greedy_child = (greedy_row, int(log_probs[greedy_row].argmax()))
            if joint[greedy_child] == -np.inf:
                greedy_child = None
            elif greedy_child not in chosen:
                chosen.append(greedy_child)

        divisor = length_divisor(length, length_penalty)
        grown: list[tuple[int, Hypothesis]] = []
        kept: list[tuple[int, Hypothesis]] = []
        greedy_row = None
        for row, token in chosen:
            parent, log_prob = live[row], float(log_probs[row, token])
            child = Hypothesis(
                tokens=parent.tokens if token == EOS else (*parent.tokens, token),
                token_log_probs=(*parent.token_log_probs, log_prob),
                log_prob=parent.log_prob + log_prob,
                ctc_log_prob=None if ctc is None else float(ctc[row, token]),
                score=float(joint[row, token]) / divisor,
                ended=token == EOS,
                constraint_log_prob=None if drawn is None else float(drawn[row, token]),
                language_model_log_prob=None if written is None else float(written[row, token]),
            )
            kept.append((row, child))
            if child.ended:
                ended.append(child)
                continue
            if (row, token) == greedy_child:
                greedy_row = len(grown)
            grown.append((row, child))

        if watch is not None:
            watch(BeamStep(joint / divisor, tuple(kept)))
        if not grown or length > max_tokens:
            break
        ended.sort(key=_by_score)
        if len(ended) >= n_best:
            best_joint = max(child.score for _, child in grown) * divisor
            if best_joint / length_divisor(max_tokens + 1, length_penalty) <= ended[n_best - 1].score:
                break
        parents = [row for row, _ in grown]
        live = [child for _, child in grown]
        if constraint is not None:
            places = [constraint.follow(places[row], child.tokens[-1]) for row, child in grown]
        if scorer is not None and prefixes is not None:
            prefixes = scorer.advance(prefixes, np.array([child.tokens[-1] for child in live]), np.array(parents))
    return sorted(ended or live, key=_by_score)[:n_best]


def _by_score(hypothesis: Hypothesis) -> float:
    """Sorting key: best first; the sort is stable, so of equals the shorter stays in front."""
    return -hypothesis.score


def _joint(decoder: NDArray[np.float64], ctc: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Weighted sum (K, V) of log-probabilities; impossible where either says so, even at a weight of 1."""
    possible = (decoder > -np.inf) & (ctc > -np.inf)
    joint = np.full_like(decoder, -np.inf)
    joint[possible] = (1 - weight) * decoder[possible] + weight * ctc[possible]
    return joint


def _best(joint: NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    """Row and token of the ``count`` best possible entries of ``joint`` (K, V), best first; of equals the lowest."""
    flat = joint.ravel()
    threshold = np.partition(flat, -count)[-count] if count < flat.size else -np.inf
    near = np.flatnonzero((flat >= threshold) & (flat > -np.inf))
    order = near[np.argsort(-flat[near], kind="stable")][:count]
    return [(int(index) // joint.shape[1], int(index) % joint.shape[1]) for index in order]


def _check_settings(width: int, max_tokens: int, length_penalty: float, n_best: int) -> None:
    if width < 1:
        raise SettingsError(f"width is {width}, wanted at least 1")
    if max_tokens < 1:
        raise SettingsError(f"max_tokens is {max_tokens}, wanted at least 1")
    if not 1 <= n_best <= width:
        raise SettingsError(f"n_best is {n_best}, wanted from 1 to the width of the beam, {width}")
    if not (math.isfinite(length_penalty) and length_penalty >= 0):
        raise SettingsError(f"length_penalty is {length_penalty}, wanted a number of at least 0")


def _check_weights(ctc_weight: float, constraint_weight: float, *, has_ctc: bool, has_constraint: bool) -> None:
    if not 0 <= ctc_weight <= 1:
        raise SettingsError(f"ctc_weight is {ctc_weight}, wanted from 0 to 1")
    if ctc_weight > 0 and not has_ctc:
        raise SettingsError(
            f"ctc_weight is {ctc_weight}, but no CTC log-probabilities are given; wanted 0 without them"
        )
    if not (math.isfinite(constraint_weight) and constraint_weight >= 0):
        raise SettingsError(f"constraint_weight is {constraint_weight}, wanted a number of at least 0")
    if constraint_weight > 0 and not has_constraint:
        raise SettingsError(f"constraint_weight is {constraint_weight}, but there is no constraint; wanted 0 without")


def _check_language_model_weight(weight: float, *, has_model: bool) -> None:
    if not (math.isfinite(weight) and weight >= 0):
        raise SettingsError(f"language_model_weight is {weight}, wanted a number of at least 0")
    if weight > 0 and not has_model:
        raise SettingsError(f"language_model_weight is {weight}, but there is no language model; wanted 0 without")
