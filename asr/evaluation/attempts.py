"""How recordings are gone through: each is tried, and what cannot be read is reported and left out."""

from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from asr.data.manifests.utterance import Utterance
from asr.errors import AsrError, ManifestError
from asr.failures import Failure, failure_of

Result = TypeVar("Result")
Thing = TypeVar("Thing")


class AttemptAll(Protocol):
    """Who goes through recordings, shows how far it is, and reports those that cannot be read."""

    def __call__(
        self, utterances: Sequence[Utterance], attempt: Callable[[Utterance], Result], doing: str, /
    ) -> tuple[dict[str, Result], dict[str, str]]:
        """What comes of each utterance, and what was wrong with the others, both by id; ``doing`` names the work."""


class Gather(Protocol):
    """Who takes in what comes of recordings, shows how far it is, and reports those that cannot be read."""

    def __call__(
        self, utterances: Sequence[Utterance], outcomes: Iterable[Result | Failure], doing: str, /
    ) -> tuple[dict[str, Result], dict[str, str]]:
        """What came of each utterance, and what was wrong with the others, both by id; ``doing`` names the work."""


def attempt_silently(
    utterances: Sequence[Utterance], attempt: Callable[[Utterance], Result], doing: str, /
) -> tuple[dict[str, Result], dict[str, str]]:
    """An ``AttemptAll`` for programs, which shows nothing; as ``gather_silently``."""
    return gather_silently(utterances, outcomes_of(utterances, attempt), doing)


def gather_silently(
    utterances: Sequence[Utterance], outcomes: Iterable[Result | Failure], doing: str, /
) -> tuple[dict[str, Result], dict[str, str]]:
    """A ``Gather`` for programs, which shows nothing; what is no fault of a recording is raised as AsrError."""
    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    for utterance, outcome in zip(utterances, outcomes, strict=True):
        if isinstance(outcome, Failure):
            if outcome.unexpected:
                raise AsrError(f"{utterance.id}: {outcome.message}")
            failures[utterance.id] = outcome.message
        else:
            results[utterance.id] = outcome
    return results, failures


def outcomes_of(things: Iterable[Thing], attempt: Callable[[Thing], Result]) -> Generator[Result | Failure, None, None]:
    """What comes of each thing in turn, or what went wrong with it; whatever it is, the others can still be tried."""
    for thing in things:
        try:
            outcome: Result | Failure = attempt(thing)
        except Exception as error:
            outcome = failure_of(error)
        yield outcome


def check_any_read(manifest: Path, count: int, read: int) -> None:
    """Raises ManifestError where of ``count`` recordings of a list none was read."""
    if not read:
        raise ManifestError(f"{manifest}: none of its {count} recordings could be read; nothing to score")
