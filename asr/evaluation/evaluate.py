"""`asr.evaluate`: how often a model is right, measured on a list of recordings."""

import math
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from asr.api import Commands, Model, commander_for, load_again
from asr.bundle import DecodingSettings
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import ManifestError, SettingsError
from asr.evaluation.attempts import Gather, check_any_read, gather_silently, outcomes_of
from asr.evaluation.command_scoring import CommandReport, score_commands
from asr.evaluation.noise import RATIOS, Noises, check_ratios, pieces, usable_noises
from asr.evaluation.outcome import Outcome, outcome_of
from asr.evaluation.scoring import Report, score
from asr.extras import explained
from asr.failures import Failure
from asr.runtime.commander import Commander, Understanding
from asr.runtime.transcript import Transcript
from asr.settings import check_number, check_path, shown
from asr.text.normaliser import Normaliser
from asr.workers import chosen_jobs, in_order

Found = TypeVar("Found", Report, CommandReport)
Heard = TypeVar("Heard", Transcript, Understanding)
_ByRatio = dict[float | None, Heard]
"""What is heard in an utterance as it is (None), and with noise at each ratio in dB."""

Lists = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A list of recordings, or several."""


@dataclass(frozen=True)
class Evaluation(Generic[Found]):
    """How often a model was right; may be pickled.

    ``report`` has the rates with their intervals and counts, and every utterance; with commands those in noise too,
    without them ``in_noise`` has a report for each ratio in dB. ``transcripts`` are what was heard in the recordings as
    they are, by utterance id, and ``lists`` the utterances of each list by its path. ``left_out`` says what was wrong
    with the recordings that could not be read, by utterance id, and ``left_out_noises`` with those of the ``noises``
    recordings of noise; they are in no rate. ``seconds`` of sound were heard, by ``jobs`` processes in
    ``seconds_taken``.
    """

    report: Found
    in_noise: Mapping[float, Report]
    transcripts: Mapping[str, Transcript]
    lists: Mapping[str, Sequence[Utterance]]
    left_out: Mapping[str, str]
    left_out_noises: Mapping[str, str]
    noises: int
    seconds: float
    seconds_taken: float
    jobs: int


@overload
def evaluate(
    manifest: Lists,
    model: Model,
    commands: None = None,
    *,
    noise: str | os.PathLike[str] | None = None,
    snr: Sequence[float] = RATIOS,
    jobs: int | None = 1,
    gather: Gather = gather_silently,
) -> Evaluation[Report]: ...
@overload
def evaluate(
    manifest: Lists,
    model: Model,
    commands: Commands,
    *,
    false_accepts: float | None = None,
    noise: str | os.PathLike[str] | None = None,
    snr: Sequence[float] = RATIOS,
    jobs: int | None = 1,
    gather: Gather = gather_silently,
) -> Evaluation[CommandReport]: ...
def evaluate(
    manifest: Lists,
    model: Model,
    commands: Commands | None = None,
    *,
    false_accepts: float | None = None,
    noise: str | os.PathLike[str] | None = None,
    snr: Sequence[float] = RATIOS,
    jobs: int | None = 1,
    gather: Gather = gather_silently,
) -> Evaluation[Report] | Evaluation[CommandReport]:
    """Measure on a list of recordings how often a model is right, as `asr evaluate` does.

    Nothing is written, and nothing printed unless ``gather`` does.

    Examples:
        >>> import asr
        >>> model = asr.load()
        >>> words = asr.evaluate("recipes/commands/samples/transcripts.tsv", model).report
        >>> words.wer.value < 0.1, len(words.utterances)
        (True, 8)
        >>> computer = asr.Commands.load("computer")
        >>> commands = asr.evaluate("recipes/commands/samples/transcripts.tsv", model, computer).report
        >>> commands.overall.exactly_accepted.value
        1.0

    Args:
        manifest: a .tsv with the header path, speaker, text, or a Lhotse cut set; or several, whose ids all differ, and
            in which a speaker's name stands for the same person.
        model: what hears them.
        commands: measure how many commands of these are understood, and how surely all else is rejected (texts that
            they do not have, and empty texts, which are noise), instead of words.
        false_accepts: with commands the share (0..1) of other speech and sounds that may be accepted as them, as for
            ``Model.understand``.
        noise: a folder of recordings of noise, or a list of them: each utterance with words is heard again with noise
            mixed in, which depends on its id alone; with commands the noise is heard alone too.
        snr: the ratios of speech to noise in dB, by the mean squares of the whole utterance and of the noise under it.
        jobs: how many processes hear the recordings, each with a copy of the model from its folder; None is as many as
            are worth while. A program that asks for more than one is guarded by ``if __name__ == "__main__"``.
        gather: takes in what comes of each recording, as a progress bar may.

    Returns:
        An evaluation whose report is an ``asr.Report``: word error rate ``wer``, character error
        rate ``cer`` (shares of 1, which insertions may exceed) and ``sentence_accuracy`` (0 to 1) with 95 % intervals;
        with commands an ``asr.CommandReport``.

    Raises:
        ManifestError: a list that cannot be used, or of which no recording can be read.
        AudioError: no recording of noise can be used.
        BundleError: commands for a model that was never calibrated.
        SettingsError: commands whose words the model cannot spell; a share, ratios or jobs that are none.
        AsrError: jiwer is not installed (the extra ``train``).
    """
    with explained("asr.evaluate"):
        import jiwer  # noqa: F401  # an hour of transcribing should not end with the news
    if not isinstance(model, Model):
        raise SettingsError(f"evaluate: model is {shown(model)}; it must be a loaded one, as asr.load gives it")
    check_ratios(snr)
    if noise is not None:
        check_path("evaluate", "noise", noise, "the path of a folder or a list of recordings")
    if jobs is not None:
        check_number("evaluate", "jobs", jobs, 1, math.inf, whole=True)
    transcriber, normaliser = model.transcriber, model.transcriber.bundle.normaliser
    lists = _read_lists(manifest)
    utterances = [each for members in lists.values() for each in members]
    normal = {each.id: normaliser(each.text) for each in utterances}
    commander = commander_for(model, commands, false_accepts)
    recordings, bad_noises = ([], {}) if noise is None else usable_noises(Path(noise), gather)
    noises, count = Noises(recordings) if recordings else None, len(recordings) + len(bad_noises)
    processes = chosen_jobs(jobs, len(utterances))
    begun = time.perf_counter()

    def heard_by(hear: Callable[[NDArray[np.float32]], Heard]) -> tuple[dict[str, _ByRatio[Heard]], dict[str, str]]:
        things = [(each, tuple(snr) if noises is not None and normal[each.id] else ()) for each in utterances]
        outcomes: Generator[_ByRatio[Heard] | Failure, None, None]
        if processes > 1:
            arguments: tuple[Any, ...] = (transcriber.bundle.folder, transcriber.decoding, transcriber.threads)
            arguments = (*arguments, commands, false_accepts, noises)
            outcomes = in_order(_begin, arguments, things, processes)
        else:
            outcomes = outcomes_of(things, lambda thing: _in_noises(*thing, hear, noises))
        with closing(outcomes):
            heard, left_out = gather(utterances, outcomes, "Transcribing")
        check_any_read(", ".join(lists), len(utterances), len(heard))
        return heard, left_out

    if commander is None:
        heard, left_out = heard_by(transcriber.transcribe)
        taken = time.perf_counter() - begun
        ratios = None, *snr
        by_ratio = {ratio: {id: each[ratio] for id, each in heard.items() if ratio in each} for ratio in ratios}
        reports = {
            ratio: score_transcripts([each for each in utterances if each.id in transcripts], transcripts, normaliser)
            for ratio, transcripts in by_ratio.items()
            if transcripts
        }
        sound = sum(each.seconds for transcripts in by_ratio.values() for each in transcripts.values())
        in_noise = {ratio: report for ratio, report in reports.items() if ratio is not None}
        about = left_out, bad_noises, count, sound, taken, processes
        return Evaluation(reports[None], in_noise, by_ratio[None], lists, *about)
    understood, left_out = heard_by(commander.understand)
    network = commander.network
    found = [
        outcome_of(network, each, normal[each.id], understanding, ratio)
        for each in utterances
        for ratio, understanding in understood.get(each.id, {}).items()
    ]
    alone = outcomes_of(recordings, lambda each: _alone(commander, each))
    in_pieces, more_bad = gather(recordings, alone, "Listening to noise")
    found += [outcome for outcomes in in_pieces.values() for outcome in outcomes]
    taken = time.perf_counter() - begun
    transcripts = {id: by_ratio[None].transcript for id, by_ratio in understood.items()}
    sound = sum(each.seconds for each in found)
    bad_noises |= more_bad
    about = left_out, bad_noises, count, sound, taken, processes
    return Evaluation(score_commands(found), {}, transcripts, lists, *about)


def _read_lists(named: Lists) -> dict[str, list[Utterance]]:
    """The utterances of each list by its path. Raises ManifestError where an id stands in two of them."""
    manifests = [named] if isinstance(named, str | os.PathLike) else named
    if not isinstance(manifests, Sequence):
        raise SettingsError(f"evaluate: manifest is {shown(named)}; it must be the path of a list, or several")
    for each in manifests:
        check_path("evaluate", "manifest", each, "the path of a list, or several")
    lists: dict[str, list[Utterance]] = {}
    found: dict[str, str] = {}
    for each in map(str, map(Path, manifests)):
        if each in lists:
            raise ManifestError(f"{each}: is named twice; give each list once")
        lists[each] = read_manifest(Path(each), lenient=True)
        for utterance in lists[each]:
            other = found.setdefault(utterance.id, each)
            if other != each:
                raise ManifestError(f"{each}: its id {utterance.id!r} stands in {other} too; wanted ids that differ")
    if not lists:
        raise ManifestError("found no list to measure on, wanted one or more")
    return lists


def _begin(
    folder: Path,
    decoding: DecodingSettings,
    threads: int,
    commands: Commands | None,
    false_accepts: float | None,
    noises: Noises | None,
) -> Callable[[tuple[Utterance, Sequence[float]]], _ByRatio[Any]]:
    """What hears an utterance, and in noise at these ratios, in a process of its own."""
    model = load_again(folder, decoding, threads)
    commander = commander_for(model, commands, false_accepts)
    hear: Callable[[NDArray[np.float32]], Any]
    hear = model.transcriber.transcribe if commander is None else commander.understand
    return lambda thing: _in_noises(*thing, hear, noises)


def _in_noises(
    utterance: Utterance,
    ratios: Sequence[float],
    hear: Callable[[NDArray[np.float32]], Heard],
    noises: Noises | None,
) -> _ByRatio[Heard]:
    wave = read_utterance(utterance)
    heard: _ByRatio[Heard] = {None: hear(wave)}
    if noises is not None:
        heard.update({ratio: hear(noises.under(wave, utterance.id, ratio)) for ratio in ratios})
    return heard


def _alone(commander: Commander, recording: Utterance) -> list[Outcome]:
    """What is understood in noise alone, piece by piece; the pieces of a recording belong together as a speaker's."""
    return [
        # A noise may have the id of an utterance.
        outcome_of(
            commander.network,
            replace(recording, id=f"noise: {recording.id}, part {number}", speaker=recording.id),
            "",
            commander.understand(piece),
        )
        for number, piece in enumerate(pieces(read_utterance(recording)), start=1)
    ]


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
