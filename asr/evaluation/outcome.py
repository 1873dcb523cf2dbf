"""What became of an utterance that was heard with a grammar, beside what was said."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from asr.commands.reading import Reading

if TYPE_CHECKING:
    from asr.commands.network.network import Network
    from asr.data.manifests.utterance import Utterance
    from asr.runtime.commander import Understanding

Kind = Literal["command", "speech", "noise"]


@dataclass(frozen=True)
class Outcome:
    """What became of one utterance.

    ``kind`` is "command" for what the grammar has, which is then ``expected``, "speech" for any other speech, and
    "noise" where nobody speaks. ``heard`` is the best reading in the grammar, also of what was refused; None where
    there is none. ``confidence`` (0..1) is how likely it is said to be right, ``understood`` whether it was taken.
    ``seconds`` are of sound, ``text`` is what was said in normal form and ``transcript`` what was heard without a
    grammar. ``snr`` is the ratio in dB of noise that was mixed in, None for the recording as it is. One id may come
    at several ratios. The ``speaker`` of a noise is the recording that it comes from.

    Raises:
        ValueError: the fields contradict each other.
    """

    id: str
    speaker: str
    text: str
    seconds: float
    expected: Reading | None
    heard: Reading | None
    understood: bool
    confidence: float
    kind: Kind
    snr: float | None = None
    transcript: str = ""

    def __post_init__(self) -> None:
        if (self.kind == "command") != (self.expected is not None):
            raise ValueError(f"{self.id}: of the kind {self.kind}, and {self.expected} is expected")
        if self.understood and self.heard is None:
            raise ValueError(f"{self.id}: understood without a reading")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"{self.id}: its confidence is {self.confidence}, wanted 0 to 1")

    @property
    def right_command(self) -> bool:
        """Whether the best reading is of the command that was said."""
        return self.expected is not None and self.heard is not None and self.heard.command == self.expected.command

    @property
    def right(self) -> bool:
        """Whether the best reading has the command that was said, and all slots; in what words does not matter."""
        return self.right_command and self.right_slots == self.expected_slots == self.heard_slots

    @property
    def expected_slots(self) -> int:
        """How many slots what was said fills."""
        return 0 if self.expected is None else len(self.expected.slots)

    @property
    def heard_slots(self) -> int:
        """How many slots the best reading fills."""
        return 0 if self.heard is None else len(self.heard.slots)

    @property
    def right_slots(self) -> int:
        """How many slots of the best reading have the name and the value of one that was said, of whichever command."""
        if self.expected is None or self.heard is None:
            return 0
        said = self.expected.slots
        return sum(name in said and said[name] == value for name, value in self.heard.slots.items())


def outcome_of(
    network: "Network", utterance: "Utterance", text: str, heard: "Understanding", snr: float | None = None
) -> Outcome:
    """What became of an utterance whose normal form is ``text``, heard in noise at ``snr`` dB or as recorded."""
    expected = network.parse(text) if text else None
    kind: Kind = "command" if expected is not None else "speech" if text else "noise"
    return Outcome(
        id=utterance.id,
        speaker=utterance.speaker,
        text=text,
        seconds=heard.seconds,
        expected=expected,
        heard=heard.reading,
        understood=heard.understood,
        confidence=heard.confidence,
        kind=kind,
        snr=snr,
        transcript=heard.transcript.text,
    )
