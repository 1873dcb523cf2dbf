"""How recordings are gone through: each is tried, and what cannot be read is reported and left out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from asr.data.manifests.utterance import Utterance
from asr.errors import AsrError, ManifestError

Result = TypeVar("Result")


class AttemptAll(Protocol):
    """Who goes through recordings, shows how far it is, and reports those that cannot be read."""

    def __call__(
        self, utterances: Sequence[Utterance], attempt: Callable[[Utterance], Result], doing: str, /
    ) -> tuple[dict[str, Result], dict[str, str]]:
        """What comes of each utterance, and what was wrong with the others, both by id; ``doing`` names the work."""


def attempt_silently(
    utterances: Sequence[Utterance], attempt: Callable[[Utterance], Result], doing: str, /
) -> tuple[dict[str, Result], dict[str, str]]:
    """An ``AttemptAll`` for programs, which shows nothing; what is no fault of a recording is raised."""
    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    for utterance in utterances:
        try:
            results[utterance.id] = attempt(utterance)
        except (AsrError, OSError) as error:
            failures[utterance.id] = str(error)
    return results, failures


def check_any_read(manifest: Path, count: int, read: int) -> None:
    """Raises ManifestError where of ``count`` recordings of a list none was read."""
    if not read:
        raise ManifestError(f"{manifest}: none of its {count} recordings could be read; nothing to score")
