"""Greedy search: the likeliest token at every step."""

import numpy as np

from asr.errors import SettingsError
from asr.search.constraint import Constraint, option_log_probs
from asr.search.hypothesis import Hypothesis
from asr.search.stepper import State, Stepper, next_log_probs
from asr.text.special import BOS, EOS


def greedy(stepper: Stepper[State], *, max_tokens: int, constraint: Constraint | None = None) -> Hypothesis:
    """Follow the likeliest token (of equals, the lowest id) until eos; the score is the decoder's log-probability.

    With a ``constraint`` it is the likeliest of those that it allows; how likely they are by the constraint plays no
    part. After ``max_tokens`` tokens only eos is taken; if something else is likelier then, or if no token is possible
    at some step, the hypothesis comes back with ``ended=False``. Raises SettingsError for ``max_tokens`` below 1 and
    AsrError for a stepper that gives no log-probabilities, or a constraint on other tokens than the stepper's.
    """
    if max_tokens < 1:
        raise SettingsError(f"max_tokens is {max_tokens}, wanted at least 1")
    tokens: list[int] = []
    token_log_probs: list[float] = []
    constraint_log_probs: list[float] = []
    ended = False
    state = stepper.start()
    place = 0 if constraint is None else constraint.start()
    while not ended:
        log_probs, state = next_log_probs(stepper, state, [tokens[-1] if tokens else BOS], [0])
        if constraint is not None:
            by_constraint = option_log_probs(constraint, [place], log_probs.shape[1])
            log_probs[by_constraint == -np.inf] = -np.inf
        token = int(log_probs[0].argmax())
        ended = token == EOS and log_probs[0, EOS] > -np.inf
        if not ended and (len(tokens) == max_tokens or log_probs[0, token] == -np.inf):
            break
        token_log_probs.append(float(log_probs[0, token]))
        if constraint is not None:
            constraint_log_probs.append(float(by_constraint[0, token]))
        if ended:
            break
        tokens.append(token)
        if constraint is not None:
            place = constraint.follow(place, token)
    log_prob = sum(token_log_probs, 0.0)
    return Hypothesis(
        tokens=tuple(tokens),
        token_log_probs=tuple(token_log_probs),
        log_prob=log_prob,
        ctc_log_prob=None,
        score=log_prob,
        ended=ended,
        constraint_log_prob=None if constraint is None else sum(constraint_log_probs, 0.0),
    )
