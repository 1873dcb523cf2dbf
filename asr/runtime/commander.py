"""Wave in, command out, or a refusal: a pure function of the bundle, the grammars and the wave."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.commands.evidence import Evidence, weigh
from asr.commands.grammar.form import read_grammars
from asr.commands.grammar.ready import find_grammars
from asr.commands.network.automaton import TokenAutomaton
from asr.commands.network.network import Network, compile_network
from asr.commands.reading import Reading
from asr.commands.rejection import Rejection
from asr.errors import BundleError, SettingsError
from asr.runtime.transcriber import Transcriber, check_wave
from asr.runtime.transcript import Transcript, Word, join
from asr.runtime.utterances import SpeechPart
from asr.settings import check_number
from asr.text.tokenizer import WORD_START


@dataclass(frozen=True, eq=False)
class GrammarMatch:
    """What an utterance of so many ``seconds`` can mean by a grammar, and what it is without one.

    ``reading`` is None, and so are its transcript and its evidence, where no sentence of the grammar is possible: for
    one, where nobody speaks, or for longer than an utterance lasts.
    """

    seconds: float
    transcribe: Callable[[], Transcript]
    constrained: Transcript | None
    reading: Reading | None
    evidence: Evidence | None

    @cached_property
    def free(self) -> Transcript:
        """What free transcription makes of the utterance; it takes its time only when it is wanted."""
        return self.transcribe()


@dataclass(frozen=True)
class Understanding:
    """A command understood, or refused; may be pickled.

    ``confidence`` (0 to 1) is how likely the best reading is right, and ``transcript`` that of the command where it is
    ``understood``, else what free decoding heard. ``seconds`` is the length of the recording.

    ``reading`` is the best one that the grammar has, and is set where it is refused too: a program that acts on
    commands takes ``command`` and ``slots``, which hold nothing of what was refused.

    Examples:
        >>> import asr
        >>> model, computer = asr.load(), asr.Commands.load("computer")
        >>> found = model.understand("recipes/commands/samples/find_my_files.flac", computer)
        >>> found.understood, found.command, found.slots["what"], found.text
        (True, 'find', 'files', 'find my files')
        >>> 0 <= found.start < found.end <= found.seconds
        True
        >>> other = model.understand("recipes/commands/samples/five_five.flac", computer)
        >>> other.understood, other.command, dict(other.slots), other.start, other.text
        (False, None, {}, None, 'five five')
    """

    transcript: Transcript
    understood: bool
    reading: Reading | None
    confidence: float
    evidence: Evidence | None
    seconds: float

    @property
    def command(self) -> str | None:
        """The name of the command; None where it is refused."""
        return self.reading.command if self.understood and self.reading is not None else None

    @property
    def slots(self) -> Mapping[str, Any]:
        """What its slots hold, by name, as ``Reading`` has them; empty where it is refused."""
        return self.reading.slots if self.understood and self.reading is not None else {}

    @property
    def text(self) -> str:
        """The words of the command, or where it is refused what was heard."""
        return self.transcript.text

    @property
    def words(self) -> tuple[Word, ...]:
        """The same, each with its confidence and its times."""
        return self.transcript.words

    @property
    def start(self) -> float | None:
        """When the first word of the command begins, in seconds of the recording; None where it is refused."""
        return self.words[0].start if self.understood and self.words else None

    @property
    def end(self) -> float | None:
        """When its last word ends; None where it is refused."""
        return self.words[-1].end if self.understood and self.words else None


class Listener:
    """Hears utterances as sentences of a grammar, and gathers what speaks for them; it takes and refuses nothing."""

    def __init__(self, transcriber: Transcriber, network: Network) -> None:
        """Raises SettingsError for words that the bundle's tokenizer cannot spell."""
        self.transcriber = transcriber
        self.network = network
        self.constraint = TokenAutomaton(network, transcriber.bundle.tokenizer)

    def hear(self, blocks: Iterable[NDArray[np.float32]]) -> GrammarMatch:
        """The best reading of a recording that comes in blocks (n,), float32 in [-1, 1] at 16 kHz.

        However long it is, no more than ``WINDOW_SECONDS`` of it are held.
        """
        transcriber, samples = self.transcriber, 0

        def counted() -> Iterator[NDArray[np.float32]]:
            nonlocal samples
            for block in blocks:
                samples += len(check_wave(block))
                yield block

        utterances = transcriber.utterances(counted())
        first, second = next(utterances, None), next(utterances, None)
        if first is not None and second is None:
            return self._match(first, samples / SAMPLE_RATE)
        several = chain(filter(None, (first, second)), utterances)
        transcript = join([transcriber.transcribe_utterance(each) for each in several])
        seconds = samples / SAMPLE_RATE
        transcript = replace(transcript, seconds=seconds)
        return GrammarMatch(seconds, lambda: transcript, None, None, None)

    def _match(self, utterance: SpeechPart, seconds: float) -> GrammarMatch:
        """The best reading of the only utterance in a recording of so many seconds."""
        transcriber, tokenizer = self.transcriber, self.transcriber.bundle.tokenizer
        heard = transcriber.hear(utterance)
        # What speaks for a command is what the model hears, not what people write.
        free = transcriber.decode(heard, utterance.seconds, language_model=False)[0]

        def transcribe() -> Transcript:
            again = transcriber.decoding.language_model_weight > 0
            likeliest = transcriber.decode(heard, utterance.seconds)[0] if again else free
            return transcriber.transcript(likeliest, utterance, heard, seconds)

        best, *others = transcriber.decode(heard, utterance.seconds, n_best=2, constraint=self.constraint)
        text = tokenizer.decode(best.tokens).strip()
        reading = self.network.parse(text) if best.ended and best.tokens else None
        if reading is None:
            return GrammarMatch(seconds, transcribe, None, None, None)
        evidence = weigh(
            heard.ctc_log_probs,
            best,
            next((other for other in others if other.ended), None),
            free,
            word_starts=np.array([tokenizer.piece(token).startswith(WORD_START) for token in best.tokens]),
            wave=utterance.wave,
            rate=SAMPLE_RATE,
        )
        return GrammarMatch(
            seconds,
            transcribe,
            transcriber.transcript(best, utterance, heard, seconds),
            reading,
            evidence,
        )


def decide(heard: GrammarMatch, rejection: Rejection | None) -> Understanding:
    """Take what was heard as a command or refuse it; without a ``rejection`` everything is refused."""
    confidence = 0.0 if rejection is None or heard.evidence is None else rejection.confidence(heard.evidence)
    understood = rejection is not None and heard.constrained is not None and confidence >= rejection.threshold
    transcript = heard.constrained if understood and heard.constrained is not None else heard.free
    return Understanding(transcript, understood, heard.reading, confidence, heard.evidence, heard.seconds)


class Commander:
    """Understands the commands of grammars, and refuses what is not among them; may be shared by threads.

    Examples:
        >>> import asr
        >>> commander = asr.load().commander(asr.Commands.load("digits"))
        >>> commander.understand(asr.read_source("recipes/commands/samples/five_five.flac")).slots
        {'digit': [5, 5]}
    """

    def __init__(self, transcriber: Transcriber, network: Network) -> None:
        """Raises BundleError for a bundle that was never calibrated, SettingsError for words it cannot spell."""
        kept = transcriber.bundle.rejection
        folder = transcriber.bundle.folder
        if kept is None:
            raise BundleError(
                f"{folder}: was never calibrated, so it does not know when to reject a command; run `asr adapt` with "
                "your grammar, or `asr calibrate`"
            )
        try:
            self.rejection = Rejection.from_dict(kept)
        except SettingsError as error:
            raise BundleError(f"{folder}: {error}") from error
        self._listener = Listener(transcriber, network)

    @classmethod
    def from_bundle(
        cls,
        folder: str | os.PathLike[str] | None,
        commands: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        width: int | None = None,
        threads: int = 1,
        false_accepts: float | None = None,
    ) -> "Commander":
        """Load the bundle in ``folder``, or the default one, and grammars by their paths or the names of ready ones.

        ``false_accepts`` is the share (0..1) of other speech and sounds that may be taken for commands, one of those
        that the bundle was calibrated for; without it the threshold is the bundle's own.

        Raises BundleError for a bundle that cannot be used, SettingsError for a grammar that cannot.
        """
        transcriber = Transcriber.from_bundle(folder, width=width, threads=threads)
        names = [commands] if isinstance(commands, str | os.PathLike) else commands
        grammars = read_grammars(find_grammars(names))
        commander = cls(transcriber, compile_network(grammars, transcriber.bundle.normaliser))
        return commander if false_accepts is None else commander.at(false_accepts)

    def at(self, false_accepts: float) -> "Commander":
        """The same with the threshold for a share (0..1) of other speech and sounds that may be taken for commands.

        Raises SettingsError for what is no share, and for one that the bundle was not calibrated for.
        """
        check_number("commands", "false_accepts", false_accepts, 0, 1)
        other = copy(self)
        other.rejection = self.rejection.at(false_accepts)
        return other

    @property
    def transcriber(self) -> Transcriber:
        """The model."""
        return self._listener.transcriber

    @property
    def network(self) -> Network:
        """The commands."""
        return self._listener.network

    @property
    def constraint(self) -> TokenAutomaton:
        """The commands as the search sees them."""
        return self._listener.constraint

    def understand(self, wave: NDArray[np.float32]) -> Understanding:
        """The command in a mono wave (N,), float32 in [-1, 1] at 16 kHz; raises AudioError for anything else.

        All that is said in a recording is one utterance; more than ``LONGEST_SECONDS`` of it are never a command, nor
        are several phrases in a recording longer than ``WINDOW_SECONDS``.
        """
        return self.understand_blocks([wave])

    def understand_blocks(self, blocks: Iterable[NDArray[np.float32]]) -> Understanding:
        """The same of a recording that comes in blocks (n,); of a long one only ``WINDOW_SECONDS`` are held."""
        return decide(self._listener.hear(blocks), self.rejection)
