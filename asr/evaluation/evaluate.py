"""`asr.evaluate`: how often a model is right, measured on a list of recordings."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from asr.api import Commands, Model
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.utterance import Utterance
from asr.evaluation.attempts import attempt_silently, check_any_read
from asr.evaluation.command_scoring import CommandReport, score_commands
from asr.evaluation.outcome import outcome_of
from asr.evaluation.scoring import Report, score
from asr.extras import explained
from asr.runtime.commander import Understanding
from asr.runtime.transcript import Transcript
from asr.text.normaliser import Normaliser

Found = TypeVar("Found", Report, CommandReport)
Heard = TypeVar("Heard", Transcript, Understanding)


@dataclass(frozen=True)
class Evaluation(Generic[Found]):
    """How often a model was right.

    ``report`` has the rates with their intervals and counts, and every utterance. ``left_out`` says what was wrong with
    the recordings that could not be read, by utterance id; they are in no rate. ``seconds`` of sound were heard.
    """

    report: Found
    left_out: Mapping[str, str]
    seconds: float


@overload
def evaluate(manifest: str | os.PathLike[str], model: Model, commands: None = None) -> Evaluation[Report]: ...
@overload
def evaluate(manifest: str | os.PathLike[str], model: Model, commands: Commands) -> Evaluation[CommandReport]: ...
def evaluate(
    manifest: str | os.PathLike[str], model: Model, commands: Commands | None = None
) -> Evaluation[Report] | Evaluation[CommandReport]:
    """Measure on a list of recordings how often a model is right, as `asr evaluate` does.

    All recordings are heard one after another in this thread; nothing is printed or written.

    Examples:
        >>> import asr
        >>> model = asr.load()
        >>> words = asr.evaluate("recipes/commands/samples/transcripts.tsv", model).report
        >>> words.wer.low <= words.wer.value <= words.wer.high, len(words.utterances)
        (True, 8)
        >>> computer = asr.Commands.load("computer")
        >>> commands = asr.evaluate("recipes/commands/samples/transcripts.tsv", model, computer).report
        >>> commands.overall.exactly_accepted.value
        1.0

    Args:
        manifest: a .tsv with the header path, speaker, text, or a Lhotse cut set.
        model: what hears them.
        commands: measure how many commands of these are understood, and how surely all else is rejected (texts that
            they do not have, and empty texts, which are noise), instead of words.

    Returns:
        An evaluation whose report is an ``asr.evaluation.scoring.Report``: word error rate ``wer``, character error
        rate ``cer`` (shares of 1, which insertions may exceed) and ``sentence_accuracy`` (0 to 1) with 95 % intervals;
        with commands an ``asr.evaluation.command_scoring.CommandReport``.

    Raises:
        ManifestError: a list that cannot be used, or of which no recording can be read.
        BundleError: commands for a model that was never calibrated.
        SettingsError: commands whose words the model cannot spell.
        AsrError: jiwer is not installed (the extra ``train``).
    """
    with explained("asr.evaluate"):
        import jiwer  # noqa: F401  # an hour of transcribing should not end with the news
    path, normaliser = Path(manifest), model.transcriber.bundle.normaliser
    utterances = read_manifest(path, lenient=True)

    def heard_by(hear: Callable[[NDArray[np.float32]], Heard]) -> tuple[dict[str, Heard], dict[str, str], float]:
        heard, left_out = attempt_silently(utterances, lambda each: hear(read_utterance(each)), "")
        check_any_read(path, len(utterances), len(heard))
        return heard, left_out, sum(each.seconds for each in heard.values())

    if commands is None:
        transcripts, left_out, seconds = heard_by(model.transcriber.transcribe)
        scored = [each for each in utterances if each.id in transcripts]
        return Evaluation(score_transcripts(scored, transcripts, normaliser), left_out, seconds)
    commander = model.commander(commands)
    understood, left_out, seconds = heard_by(commander.understand)
    outcomes = [
        outcome_of(commander.network, each, normaliser(each.text), understood[each.id])
        for each in utterances
        if each.id in understood
    ]
    return Evaluation(score_commands(outcomes), left_out, seconds)


def score_transcripts(
    utterances: Sequence[Utterance], heard: Mapping[str, Transcript], normaliser: Normaliser
) -> Report:
    """Compare what was heard in utterances, by their ids, with what was said."""
    return score(
        {utterance.id: utterance.text for utterance in utterances},
        {id: transcript.text for id, transcript in heard.items()},
        normaliser=normaliser,
        speakers={utterance.id: utterance.speaker for utterance in utterances},
    )
