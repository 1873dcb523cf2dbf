"""How recordings are gone through: each is tried, and what cannot be read is reported and left out."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from asr.data.manifests.utterance import Utterance

Result = TypeVar("Result")


class AttemptAll(Protocol):
    """Who goes through recordings, shows how far it is, and reports those that cannot be read."""

    def __call__(
        self, utterances: Sequence[Utterance], attempt: Callable[[Utterance], Result], doing: str, /
    ) -> tuple[dict[str, Result], dict[str, str]]:
        """What comes of each utterance, and what was wrong with the others, both by id; ``doing`` names the work."""
