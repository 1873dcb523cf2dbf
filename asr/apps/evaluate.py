"""`asr evaluate`: how often a model is right, measured on a list of recordings."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.failures import complain, describe, printable
from asr.apps.options import Beam, BundleFolder, Greedy, chosen_width
from asr.files import write_whole

if TYPE_CHECKING:
    from asr.data.lists.utterance import Utterance
    from asr.runtime.transcriber import Transcriber
    from asr.runtime.transcript import Transcript

_NAMED_AT_MOST = 10


def evaluate(
    manifest: Annotated[Path, typer.Argument(help="A .tsv with the header path, speaker, text, or a Lhotse cut set.")],
    bundle: BundleFolder = None,
    beam: Beam = None,
    greedy: Greedy = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="For the results. [default: reports/<folder>-<name of the list>]"),
    ] = None,
    record: Annotated[
        str | None, typer.Option(metavar="NAME", help="Keep the rates in the bundle too, under this name.")
    ] = None,
) -> None:
    """Measure on a list of recordings how often a model is right.

    Prints word error rate, character error rate and sentence accuracy with their intervals, and the worst utterances
    aligned. Writes them as report.txt, with all transcripts and confidences as report.json, and drawn as report.png.

    A recording that cannot be read is named and left out of the rates, and the exit status is 1.
    """
    # An hour of transcribing should not end with the news that something is not installed.
    for package in ("jiwer", "matplotlib"):
        import_module(package)
    from asr.bundle import record_score
    from asr.data.lists.manifest import read_manifest
    from asr.errors import ManifestError
    from asr.evaluation.report import draw_report, format_report, report_to_dict
    from asr.evaluation.scoring import score
    from asr.runtime.transcriber import Transcriber

    utterances = read_manifest(manifest)
    transcriber = Transcriber.from_bundle(bundle, width=chosen_width(beam, greedy))
    folder = out or default_folder(manifest)
    begun = time.perf_counter()
    heard, failures = _transcribe_all(transcriber, utterances)
    taken = time.perf_counter() - begun
    if not heard:
        raise ManifestError(f"{manifest}: none of its {len(utterances)} recordings could be read; nothing to score")
    scored = [utterance for utterance in utterances if utterance.id in heard]
    report = score(
        {utterance.id: utterance.text for utterance in scored},
        {name: transcript.text for name, transcript in heard.items()},
        normaliser=transcriber.bundle.normaliser,
        speakers={utterance.id: utterance.speaker for utterance in scored},
    )

    sound = sum(transcript.seconds for transcript in heard.values())
    lines = [
        f"{manifest}, heard by {transcriber.bundle.folder} (beam {transcriber.decoding.width})",
        format_report(report),
        "",
        f"{sound:.0f} s of sound in {taken:.0f} s: real-time factor {taken / sound:.3f}" if sound else "no sound",
    ]
    if failures:
        named = ", ".join(printable(name) for name in list(failures)[:_NAMED_AT_MOST])
        more = f" and {len(failures) - _NAMED_AT_MOST} more" if len(failures) > _NAMED_AT_MOST else ""
        lines.append(f"{len(failures)} of {len(utterances)} could not be read and are not counted: {named}{more}")
    text = "\n".join(lines)
    print(text)

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
        row["confidence"] = round(heard[row["id"]].confidence, 4)
    write_whole(folder / "report.json", f"{json.dumps(values, indent=1, allow_nan=False)}\n".encode())
    write_whole(folder / "report.txt", f"{text}\n".encode())
    draw_report(report, folder / "report.png")
    print(f"written: report.json, report.txt and report.png in {folder}")
    if record is not None:
        kept = {name: values[name] for name in ("manifest", "wer", "sentence_accuracy")}
        counts = {"utterances": len(scored), "speakers": len({utterance.speaker for utterance in scored})}
        record_score(transcriber.bundle.folder, record, {**counts, "beam": transcriber.decoding.width, **kept})
        print(f"recorded: {record} in {transcriber.bundle.folder}")
    if failures:
        raise typer.Exit(1)


def default_folder(manifest: Path) -> Path:
    """Where results go: lists are often called test.tsv, so the folder they lie in is part of the name."""
    return Path("reports", f"{manifest.absolute().parent.name}-{manifest.name.partition('.')[0]}")


def _transcribe_all(
    transcriber: "Transcriber", utterances: Sequence["Utterance"]
) -> tuple[dict[str, "Transcript"], dict[str, str]]:
    """Transcripts, and what was wrong with the others, by utterance id."""
    from rich.console import Console
    from rich.progress import track

    from asr.data.lists.manifest import read_utterance

    heard: dict[str, Transcript] = {}
    failures: dict[str, str] = {}
    console = Console(stderr=True)
    for utterance in track(utterances, "Transcribing", console=console, disable=not console.is_terminal):
        try:
            heard[utterance.id] = transcriber.transcribe(read_utterance(utterance))
        except Exception as error:  # whatever it is, the other recordings can still be measured
            complain(error)
            failures[utterance.id] = describe(error)
    return heard, failures
