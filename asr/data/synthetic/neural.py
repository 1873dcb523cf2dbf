"""The neural synthesisers by name: what each has and how it speaks."""

from typing import Final, Literal, Protocol

from asr.data.synthetic import hibari, kokoro, piper
from asr.data.synthetic.voice_graphs import Sound

NeuralEngine = Literal["hibari", "kokoro", "piper"]


class Speaker(Protocol):
    """What the module of a neural synthesiser offers."""

    def names(self) -> tuple[str, ...]:
        """The voices that can speak now."""

    def missing(self) -> str:
        """What is wanted before it can speak, and how to get it; nothing where it can."""

    def version(self) -> str:
        """Another version may speak otherwise."""

    def speak(self, text: str, name: str, rate: float, pitch: float) -> Sound:
        """The text; no samples where it has no words. Raises SettingsError, AudioError."""


NEURAL: Final[dict[NeuralEngine, Speaker]] = {"hibari": hibari, "kokoro": kokoro, "piper": piper}
