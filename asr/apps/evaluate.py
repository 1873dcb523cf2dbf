"""`asr evaluate`: how often a model is right, measured on a list of recordings."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asr.apps.listening import (
    Listening,
    chosen_ratios,
    hear_all,
    how_fast,
    left_out,
    to_record,
    usable_noises,
    write_results,
)
from asr.apps.options import Beam, BundleFolder, Greedy, Jobs, Threads, chosen_width
from asr.apps.output import say
from asr.apps.workers import chosen_jobs
from asr.hub import check_own_folder
from asr.printable import printable

if TYPE_CHECKING:
    from asr.evaluation.scoring import Report


def evaluate(
    manifest: Annotated[Path, typer.Argument(help="A .tsv with the header path, speaker, text, or a Lhotse cut set.")],
    bundle: BundleFolder = None,
    beam: Beam = None,
    greedy: Greedy = False,
    commands: Annotated[
        list[str] | None,
        typer.Option("--commands", metavar="GRAMMAR", help="Measure what is understood of these; may be repeated."),
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option("--noise", metavar="DIR", help="Noise to mix in: a folder of recordings, or a list of them."),
    ] = None,
    snr: Annotated[
        str | None,
        typer.Option("--snr", metavar="DB,DB", help="Signal-to-noise ratios in decibels. [default: 24,18,12,6]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="For the results. [default: reports/<folder>-<name of the list>]"),
    ] = None,
    record: Annotated[
        str | None, typer.Option(metavar="NAME", help="Keep the rates in the bundle too, under this name.")
    ] = None,
    jobs: Jobs = None,
    threads: Threads = 1,
) -> None:
    """Measure on a list of recordings how often a model is right.

    Prints word error rate, character error rate and sentence accuracy with their intervals, and the worst utterances
    aligned. Writes them as report.txt, with all transcripts and confidences as report.json, and drawn as report.png.

    With --commands, a grammar file or the name of a ready one, it says how well commands are understood: how many are
    accepted with all slots right, how surely other speech is refused (texts that the grammar does not have) and noise
    (empty texts), false accepts an hour, how both change with the threshold, and how far confidences can be trusted.

    With --noise each utterance with words is heard again at each ratio of --snr in decibels, by the mean squares of
    the whole utterance and of the noise under it; which noise it is depends on the utterance's id alone. With
    --commands the noise is heard alone too.

    A recording that cannot be read is named and left out of the rates, and the exit status is 1.
    """
    # An hour of transcribing should not end with the news that something is not installed.
    for package in ("jiwer", "matplotlib"):
        import_module(package)
    if record is not None and bundle is not None:
        check_own_folder(bundle)
    ratios = chosen_ratios(noise, snr)
    width = chosen_width(beam, greedy)
    folder = out or default_folder(manifest)
    measure: Callable[..., bool] = _evaluate_words
    if commands:
        from asr.apps.evaluate_commands import evaluate_commands

        measure = partial(evaluate_commands, commands=commands)
    complete = measure(
        manifest,
        bundle=bundle,
        width=width,
        threads=threads,
        jobs=jobs,
        noise=noise,
        ratios=ratios,
        folder=folder,
        record=record,
    )
    if not complete:
        raise typer.Exit(1)


def default_folder(manifest: Path) -> Path:
    """Where results go: lists are often called test.tsv, so the folder they lie in is part of the name."""
    return Path("reports", f"{manifest.absolute().parent.name}-{manifest.name.partition('.')[0]}")


def _evaluate_words(
    manifest: Path,
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
    """Whether all recordings could be read."""
    from asr.bundle import record_score
    from asr.data.manifests.manifest import read_manifest
    from asr.evaluation.evaluate import score_transcripts
    from asr.evaluation.noise import Noises
    from asr.evaluation.report import draw_report, format_report, report_to_dict
    from asr.runtime.transcriber import Transcriber

    utterances = read_manifest(manifest, lenient=True)
    transcriber = Transcriber.from_bundle(bundle, width=width, threads=threads)
    normaliser = transcriber.bundle.normaliser
    recordings, bad_noises = ([], {}) if noise is None else usable_noises(noise)
    processes = chosen_jobs(jobs, len(utterances))
    begun = time.perf_counter()
    heard, failures = hear_all(
        manifest,
        utterances,
        transcriber.transcribe,
        noises=Noises(recordings) if recordings else None,
        ratios=ratios,
        listening=Listening(transcriber.bundle.folder, (), width, threads),
        jobs=processes,
        spoken=lambda utterance: bool(normaliser(utterance.text)),
    )
    taken = time.perf_counter() - begun
    scored = [utterance for utterance in utterances if utterance.id in heard]
    clean = {id: transcripts[None] for id, transcripts in heard.items()}
    report = score_transcripts(scored, clean, normaliser)
    in_noise = {
        ratio: score_transcripts([each for each in scored if each.id in noisy], noisy, normaliser)
        for ratio in ratios
        if (noisy := {id: transcripts[ratio] for id, transcripts in heard.items() if ratio in transcripts})
    }

    sound = sum(transcript.seconds for transcripts in heard.values() for transcript in transcripts.values())
    lines = [
        f"{manifest}, heard by {transcriber.bundle.folder} (beam {transcriber.decoding.width})",
        *format_report(report).split("\n"),
        *_noise_lines(in_noise),
        "",
        how_fast(sound, taken, processes),
        *left_out(failures, len(utterances)),
        *left_out(bad_noises, len(recordings) + len(bad_noises), " recordings of noise"),
    ]
    say(*lines)
    text = "\n".join(map(printable, lines))

    values = {
        "manifest": str(manifest),
        "bundle": str(transcriber.bundle.folder),
        "decoding": asdict(transcriber.decoding),
        "seconds": round(sound, 3),
        "seconds_taken": round(taken, 3),
        "failed": failures,
        **report_to_dict(report),
    }
    for row in values["utterances"]:
        row["confidence"] = round(clean[row["id"]].confidence, 4)
    if noise is not None:
        values["failed_noises"] = bad_noises
        values["in_noise"] = [{"snr": ratio, **_rates_and_texts(each)} for ratio, each in in_noise.items()]
    write_results(folder, text, values, partial(draw_report, report))
    if record is not None:
        kept = {"manifest": to_record(manifest), **{name: values[name] for name in ("wer", "sentence_accuracy")}}
        counts = {"utterances": len(scored), "speakers": len({utterance.speaker for utterance in scored})}
        record_score(transcriber.bundle.folder, record, {**counts, "beam": transcriber.decoding.width, **kept})
        say(f"recorded: {record} in {transcriber.bundle.folder}")
    return not failures and not bad_noises


def _noise_lines(in_noise: Mapping[float, "Report"]) -> list[str]:
    if not in_noise:
        return []
    from asr.evaluation.report import per_cent

    rows = [
        f"{ratio:5g} dB  {per_cent(report.wer):25}  {per_cent(report.sentence_accuracy)}"
        for ratio, report in in_noise.items()
    ]
    return ["", f"in noise  {'word error rate':25}  sentence accuracy", *rows]


def _rates_and_texts(report: "Report") -> dict[str, Any]:
    from asr.evaluation.report import report_to_dict

    values = report_to_dict(report)
    kept = {name: values[name] for name in ("wer", "cer", "sentence_accuracy", "words")}
    return {**kept, "hypotheses": {row["id"]: row["hypothesis"] for row in values["utterances"]}}
