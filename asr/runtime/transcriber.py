"""Wave in, transcript out: a pure function of the bundle and the wave."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.bundle import DEFAULT_BUNDLE, RUNNER_UP, WIDEST, Bundle, read_bundle
from asr.errors import AudioError
from asr.runtime.graphs import EncoderOutput, Graphs
from asr.runtime.timing import Spans, token_spans
from asr.runtime.transcript import Transcript, join, transcript_of
from asr.runtime.utterances import SpeechPart, find_utterance, find_utterances
from asr.search.beam import BeamStep, beam
from asr.search.constraint import Constraint
from asr.search.hypothesis import Hypothesis
from asr.search.limits import MINIMUM_TOKENS, TOKENS_PER_SECOND, max_tokens
from asr.settings import check_number


class Transcriber:
    """A loaded model."""

    def __init__(self, bundle: Bundle, *, width: int | None = None, threads: int = 1) -> None:
        self.bundle = bundle
        self.decoding = bundle.decoding
        if width is not None:
            check_number("decoding", "width", width, 1, WIDEST, whole=True)
            self.decoding = replace(bundle.decoding, width=width, command_width=max(width, RUNNER_UP))
        self.threads = threads
        self._graphs = Graphs(bundle, threads)

    @classmethod
    def from_bundle(
        cls, folder: str | os.PathLike[str] | None = None, *, width: int | None = None, threads: int = 1
    ) -> "Transcriber":
        """Load the bundle in ``folder``, or the default one; ``width`` 1 searches greedily.

        ``threads`` is how many one recording is heard with.
        Raises BundleError for a bundle that cannot be used, SettingsError for a width below 1 or above 1,000, or for
        threads below 1 or above 1,024.
        """
        return cls(read_bundle(DEFAULT_BUNDLE if folder is None else folder), width=width, threads=threads)

    def transcribe(self, wave: NDArray[np.float32]) -> Transcript:
        """What is said in a mono wave (N,), float32 in [-1, 1] at 16 kHz, of any length.

        Silence around what is said makes no difference but to the seconds; where nobody speaks the text is empty, and
        the confidence 0, for nothing speaks for it.
        """
        return replace(join(list(self.transcribe_blocks([wave]))), seconds=len(wave) / SAMPLE_RATE)

    def transcribe_blocks(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Transcript]:
        """What is said in a recording that comes in blocks (n,), as ``transcribe`` hears it: a transcript an utterance.

        Times count from the beginning of the first block; ``seconds`` is the length of the utterance. Each comes as
        soon as it is heard, and however long the recording, no more than ``WINDOW_SECONDS`` of it are held.
        """
        return map(self.transcribe_utterance, self.utterances(blocks))

    def utterances(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[SpeechPart]:
        """What is said in a recording that comes in blocks (n,), in utterances, as ``transcribe_blocks`` hears them."""
        return find_utterances(map(check_wave, blocks), self.decoding.margin_seconds)

    def transcribe_utterance(self, utterance: SpeechPart) -> Transcript:
        """What is said in an utterance; times count from the beginning of its recording."""
        heard = self.hear(utterance)
        return self.transcript(self.decode(heard, utterance.seconds)[0], utterance, heard)

    def find_utterance(self, wave: NDArray[np.float32]) -> SpeechPart | None:
        """All that is said in a wave (N,) as one utterance, in silence as in training; None where nobody speaks."""
        return find_utterance(wave, self.decoding.margin_seconds)

    def hear(self, utterance: SpeechPart) -> EncoderOutput:
        """What the encoder makes of an utterance."""
        return self._graphs.encode(utterance.wave)

    def decode(
        self,
        heard: EncoderOutput,
        seconds: float,
        *,
        n_best: int = 1,
        constraint: Constraint | None = None,
        language_model: bool = True,
        watch: Callable[[BeamStep], None] | None = None,
    ) -> list[Hypothesis]:
        """The best hypotheses for an utterance of so many seconds, best first, by the bundle's search.

        With a constraint they are among its texts; where none of those is possible, none has ended. The bundle's
        language model has a say without one, unless ``language_model`` is False. ``watch`` is shown each step.
        """
        return beam(
            self._graphs.stepper(heard),
            max_tokens=max_tokens(seconds, TOKENS_PER_SECOND, MINIMUM_TOKENS),
            ctc_log_probs=heard.ctc_log_probs,
            n_best=n_best,
            constraint=constraint,
            language_model=self.bundle.language_model,
            watch=watch,
            **self.search_settings(among_commands=constraint is not None, language_model=language_model),
        )

    def search_settings(self, *, among_commands: bool, language_model: bool = True) -> dict[str, Any]:
        """What ``decode`` searches with: the width, the weights and the length penalty, as ``beam`` names them."""
        weight = self.decoding.language_model_weight if language_model and not among_commands else 0.0
        return {**self.decoding.of_search(among_commands=among_commands), "language_model_weight": weight}

    def spans(self, tokens: Sequence[int], utterance: SpeechPart, heard: EncoderOutput) -> Spans:
        """From where to where in the recording each token of an utterance is said, in samples."""
        spellings = [self.bundle.tokenizer.piece(token) for token in tokens]
        step = self.bundle.model["stack"] * self.bundle.features.hop_length
        return token_spans(utterance, heard.ctc_log_probs, tokens, spellings, step)

    def transcript(
        self, best: Hypothesis, utterance: SpeechPart, heard: EncoderOutput, seconds: float | None = None
    ) -> Transcript:
        """A hypothesis for an utterance as words with their times; ``seconds`` is what it says of its length."""
        spans = self.spans(best.tokens, utterance, heard)
        return transcript_of(best, self.bundle.tokenizer, spans, utterance.seconds if seconds is None else seconds)


def check_wave(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """The wave; raises AudioError for what is no mono wave (N,) of float32."""
    if wave.ndim != 1 or wave.dtype != np.float32:
        raise AudioError(f"wave: found shape {wave.shape} of {wave.dtype}, wanted (N,) of float32; see load_audio")
    return wave
