"""A hypothesis, and how long and short ones are made comparable."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """What a search heard.

    ``tokens`` are without bos and eos. ``token_log_probs`` are the decoder's, one a token, and the final eos's if the
    hypothesis ``ended``; ``log_prob`` is their sum. ``ctc_log_prob`` is the CTC log-probability of the tokens as the
    whole transcript, or of all transcripts that begin with them if the hypothesis did not end; None where CTC took
    no part. ``constraint_log_prob`` is likewise how likely the constraint alone draws the tokens, and their end if the
    hypothesis ended; None where there was no constraint. ``language_model_log_prob`` is the same of the language model.
    ``score`` is what ranks it: higher is better, at most 0.
    """

    tokens: tuple[int, ...]
    token_log_probs: tuple[float, ...]
    log_prob: float
    ctc_log_prob: float | None
    score: float
    ended: bool
    constraint_log_prob: float | None = None
    language_model_log_prob: float | None = None


def length_divisor(length: int, penalty: float) -> float:
    """What a log-probability summed over ``length`` tokens (eos included) is divided by: ((5 + length) / 6) ** penalty.

    From Wu et al. 2016 (GNMT, https://arxiv.org/abs/1609.08144, equation 14). It is 1 for an empty transcript
    (eos alone), and never falls as the length grows if ``penalty`` is at least 0; a penalty of 0 changes nothing,
    and a larger one favours longer transcripts.
    """
    return float(((5 + length) / 6) ** penalty)
