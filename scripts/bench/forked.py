"""Recordings listened to by several processes at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

from asr.apps.listening import attempt_all
from asr.data.manifests.utterance import Utterance

Found = TypeVar("Found")
_attempts: list[Callable[[Utterance], Any]] = []
"""In a fork, what it does with an utterance."""


def attempt_all_in_forks(
    utterances: Sequence[Utterance], attempt: Callable[[Utterance], Found], doing: str, jobs: int
) -> tuple[dict[str, Found], dict[str, str]]:
    """As ``attempt_all``, by so many forks of this process, of which each has its own of all that ``attempt`` uses.

    So what is found must not depend on what was attempted before.
    """
    if jobs == 1:
        return attempt_all(utterances, attempt, doing)
    # The initialiser's arguments are inherited by a fork, so they need not be such as can be sent.
    with ProcessPoolExecutor(jobs, get_context("fork"), _attempts.append, (attempt,)) as pool:
        found = {each.id: pool.submit(_attempt, each) for each in utterances}
        try:
            return attempt_all(utterances, lambda each: found[each.id].result(), doing)
        finally:
            pool.shutdown(cancel_futures=True)  # an interrupt is not to wait for what is still to come


def _attempt(utterance: Utterance) -> Any:
    return _attempts[-1](utterance)
