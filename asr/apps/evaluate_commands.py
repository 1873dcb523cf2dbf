"""`asr evaluate --commands`: how well commands are understood, and everything else refused."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.apps.listening import (
    Listening,
    attempt_all,
    hear_all,
    how_fast,
    left_out,
    to_record,
    usable_noises,
    write_results,
)
from asr.apps.output import say
from asr.apps.workers import chosen_jobs
from asr.evaluation.outcome import outcome_of
from asr.printable import printable

if TYPE_CHECKING:
    from asr.data.manifests.utterance import Utterance
    from asr.evaluation.command_scoring import CommandReport
    from asr.evaluation.outcome import Outcome
    from asr.evaluation.scoring import Report
    from asr.runtime.commander import Commander


def evaluate_commands(
    manifest: Path,
    commands: Sequence[str],
    *,
    bundle: Path | None,
    width: int | None,
    threads: int,
    jobs: int | None,
    noise: Path | None,
    ratios: Sequence[float],
    folder: Path,
    record: str | None,
) -> bool:
    """Print and write the report, as `asr evaluate --commands` does; returns whether all recordings could be read."""
    from asr.bundle import record_score
    from asr.data.manifests.manifest import read_manifest
    from asr.data.manifests.utterance import some
    from asr.evaluation.command_report import commands_to_dict, draw_commands, format_commands
    from asr.evaluation.command_scoring import score_commands
    from asr.evaluation.noise import Noises
    from asr.evaluation.report import per_cent
    from asr.runtime.commander import Commander

    utterances = read_manifest(manifest, lenient=True)
    commander = Commander.from_bundle(bundle, commands, width=width, threads=threads)
    transcriber = commander.transcriber
    normal = {utterance.id: transcriber.bundle.normaliser(utterance.text) for utterance in utterances}
    recordings, bad_noises = ([], {}) if noise is None else usable_noises(noise)
    noises = len(recordings) + len(bad_noises)

    processes = chosen_jobs(jobs, len(utterances))
    begun = time.perf_counter()
    heard, failures = hear_all(
        manifest,
        utterances,
        commander.understand,
        noises=Noises(recordings) if recordings else None,
        ratios=ratios,
        listening=Listening(transcriber.bundle.folder, tuple(commands), width, threads),
        jobs=processes,
        spoken=lambda utterance: bool(normal[utterance.id]),
    )
    outcomes = [
        outcome_of(commander.network, utterance, normal[utterance.id], understanding, snr)
        for utterance in utterances
        for snr, understanding in heard.get(utterance.id, {}).items()
    ]
    in_noise, more_bad = attempt_all(recordings, lambda each: _hear_noise(commander, each), "Listening to noise")
    outcomes += [outcome for found in in_noise.values() for outcome in found]
    bad_noises |= more_bad
    taken = time.perf_counter() - begun
    report = score_commands(outcomes)
    words = _score_words(report)

    others = list(dict.fromkeys(each.text for each in outcomes if each.kind == "speech"))
    sound = sum(each.seconds for each in outcomes)
    lines = [
        f"{manifest}, heard by {transcriber.bundle.folder} (beam {transcriber.decoding.width}) "
        f"with the commands of {', '.join(commands)}, taken from a confidence of {commander.rejection.threshold:.3f}",
        *format_commands(report).split("\n"),
        "",
        *(
            f"word error rate of the commands as their transcripts say them, {name}: {per_cent(each.wer)}"
            for name, each in words.items()
        ),
        *([f"not in the grammar, {len(others)} different texts: {some(others)}"] if others else []),
        how_fast(sound, taken, processes),
        *left_out(failures, len(utterances)),
        *left_out(bad_noises, noises, " recordings of noise"),
    ]
    say(*lines)
    text = "\n".join(map(printable, lines))

    values = {
        "manifest": str(manifest),
        "bundle": str(transcriber.bundle.folder),
        "commands": list(commands),
        "threshold": commander.rejection.threshold,
        "decoding": asdict(transcriber.decoding),
        "seconds": round(sound, 3),
        "seconds_taken": round(taken, 3),
        "failed": failures,
        "failed_noises": bad_noises,
        "wer": {name: each.wer and asdict(each.wer) for name, each in words.items()},
        **commands_to_dict(report),
    }
    write_results(folder, text, values, partial(draw_commands, report))
    if record is not None:
        given = {"manifest": to_record(manifest), "commands": [to_record(Path(each)) for each in commands]}
        kept = {**given, "beam": transcriber.decoding.width}
        record_score(transcriber.bundle.folder, record, {**kept, **_main_rates(report)})
        say(f"recorded: {record} in {transcriber.bundle.folder}")
    return not failures and not bad_noises


def _hear_noise(commander: "Commander", recording: "Utterance") -> list["Outcome"]:
    """What is understood in noise alone, piece by piece; the pieces of a recording belong together as a speaker's."""
    from asr.data.manifests.manifest import read_utterance
    from asr.evaluation.noise import pieces

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


def _score_words(report: "CommandReport") -> dict[str, "Report"]:
    """Word error rates of what is in the grammar, by the names of the conditions."""
    from asr.evaluation.scoring import score

    scored = {}
    for condition in report.conditions:
        said = [each for each in report.outcomes if each.kind == "command" and each.snr == condition.snr]
        if said:
            scored[condition.name] = score(
                {each.id: each.text for each in said},
                {each.id: each.transcript for each in said},
                normaliser=str,
                speakers={each.id: each.speaker for each in said},
            )
    return scored


def _main_rates(report: "CommandReport") -> dict[str, Any]:
    """What a bundle keeps: the rates of the recordings as they are, and the exact acceptance in noise."""
    first, *others = report.conditions
    values = asdict(first)
    rates = ("command_accuracy", "exactly_accepted", "wrongly_accepted", "slot_precision", "slot_recall")
    kept = {"utterances": first.commands, **{key: values[key] for key in (*rates, "speech", "noise")}}
    if others:
        kept["in_noise"] = {each.name: asdict(each)["exactly_accepted"] for each in others}
    return kept
