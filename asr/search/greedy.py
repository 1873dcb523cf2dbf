"""Greedy search: the likeliest token at every step."""

import numpy as np

from asr.errors import SettingsError
from asr.search.hypothesis import Hypothesis
from asr.search.stepper import State, Stepper, next_log_probs
from asr.text.special import BOS, EOS


def greedy(stepper: Stepper[State], *, max_tokens: int) -> Hypothesis:
    """Follow the likeliest token (of equals, the lowest id) until eos; the score is the decoder's log-probability.

    After ``max_tokens`` tokens only eos is taken; if something else is likelier then, or if no token is possible at
    some step, the hypothesis comes back with ``ended=False``. Raises SettingsError for ``max_tokens`` below 1 and
    AsrError for a stepper that gives no log-probabilities.
    """
    if max_tokens < 1:
        raise SettingsError(f"max_tokens is {max_tokens}, wanted at least 1")
    tokens: list[int] = []
    token_log_probs: list[float] = []
    ended = False
    state = stepper.start()
    while not ended:
        log_probs, state = next_log_probs(stepper, state, [tokens[-1] if tokens else BOS], [0])
        token = int(log_probs[0].argmax())
        ended = token == EOS and log_probs[0, EOS] > -np.inf
        if not ended and (len(tokens) == max_tokens or log_probs[0, token] == -np.inf):
            break
        token_log_probs.append(float(log_probs[0, token]))
        if not ended:
            tokens.append(token)
    log_prob = sum(token_log_probs, 0.0)
    return Hypothesis(tuple(tokens), tuple(token_log_probs), log_prob, None, log_prob, ended)
