"""`asr evaluate`: how often a model is right, measured on manifests of recordings."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asr.apps.listening import Shown, chosen_ratios, gather, how_fast, left_out, to_record, write_results
from asr.apps.options import Beam, BundleFolder, Greedy, Jobs, Threads, chosen_width
from asr.apps.output import say
from asr.hub import check_own_folder
from asr.printable import printable

if TYPE_CHECKING:
    from asr.evaluation.evaluate import Evaluation
    from asr.evaluation.scoring import Report


def evaluate(
    lists: Annotated[
        list[Path],
        typer.Argument(
            metavar="MANIFEST",
            help="A .tsv with the header path, speaker, text, or a Lhotse cut set (.jsonl, .jsonl.gz).",
        ),
    ],
    bundle: BundleFolder = None,
    beam: Beam = None,
    greedy: Greedy = False,
    commands: Annotated[
        list[str] | None,
        typer.Option(
            "--commands",
            metavar="GRAMMAR",
            help="Measure how well the commands of this grammar are understood; may be repeated.",
        ),
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option("--noise", metavar="NOISE", help="Noise to mix in: a folder of recordings, or a manifest."),
    ] = None,
    snr: Annotated[
        str | None,
        typer.Option("--snr", metavar="DB,DB", help="Signal-to-noise ratios (SNR) in decibels. [default: 24,18,12,6]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--report",
            metavar="DIR",
            help="Folder for the results. [default: reports/<folder>-<name of the first manifest>]",
        ),
    ] = None,
    record: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also keep the rates in the bundle, under this name.")
    ] = None,
    jobs: Jobs = None,
    threads: Threads = 1,
) -> None:
    """Measure on manifests how often a model is right.

    It prints word error rate, character error rate and sentence accuracy of what was spoken with their confidence
    intervals, words heard where nobody speaks, and the worst utterances, aligned. It writes report.txt with the same,
    report.json with all transcripts and confidences, report.png with charts, and report.html: a page with rates by
    manifest, speaker and length, confusions, reliability, and the worst utterances to hear.

    With --commands it measures how well commands are understood: how many are accepted with all slots right, how much
    other speech (texts that the grammar does not have) and noise (empty texts) is rejected, false accepts per hour, how
    these change with the threshold, and how far the confidences can be trusted.

    With --noise each utterance with words is heard again, with noise mixed in at each SNR of --snr. The SNR compares
    the mean squares of the whole utterance and of the noise under it. The utterance's id alone decides which noise it
    gets. With --commands the noise is also heard alone.

    A recording that cannot be read is named and left out of the rates, and the exit status is then 1.
    """
    # An hour of transcribing should not end with the news that something is not installed.
    for package in ("jiwer", "matplotlib", "jinja2"):
        import_module(package)
    from asr.api import Commands, load
    from asr.bundle import record_score
    from asr.evaluation.evaluate import evaluate as measure
    from asr.evaluation.page.render import page_of

    if record is not None and bundle is not None:
        check_own_folder(bundle)
    ratios = chosen_ratios(noise, snr)
    model = load(bundle, width=chosen_width(beam, greedy), threads=threads)
    measured: Evaluation[Any]
    if commands:
        from asr.apps.evaluate_commands import show_commands

        grammars = Commands.load(*commands)
        measured = measure(lists, model, grammars, noise=noise, snr=ratios, jobs=jobs, gather=gather)
        shown = show_commands(measured.report, commands, model.commander(grammars).rejection.threshold)
    else:
        measured = measure(lists, model, noise=noise, snr=ratios, jobs=jobs, gather=gather)
        shown = _show_words(measured)

    folder, decoding = model.transcriber.bundle.folder, model.transcriber.decoding
    total = len(measured.transcripts) + len(measured.left_out)
    heard_by = f"heard by {folder} (beam {decoding.width}){shown.heading}"
    about = [
        how_fast(measured.seconds, measured.seconds_taken, measured.jobs),
        *left_out(measured.left_out, total),
        *left_out(measured.left_out_noises, measured.noises, " recordings of noise"),
    ]
    named = ", ".join(map(str, lists))
    lines = [f"{named}, {heard_by}", *shown.lines, *about]
    say(*lines)
    values = {
        "manifest": named,
        "lists": {
            name: [each.id for each in members if each.id in measured.transcripts]
            for name, members in measured.lists.items()
        },
        "bundle": str(folder),
        "decoding": asdict(decoding),
        "seconds": round(measured.seconds, 3),
        "seconds_taken": round(measured.seconds_taken, 3),
        "failed": measured.left_out,
        "failed_noises": measured.left_out_noises,
        **shown.values,
    }
    page = page_of(measured, named, [heard_by, *about])
    write_results(out or default_folder(*lists), "\n".join(map(printable, lines)), values, shown.draw, page)
    if record is not None:
        kept = {"manifest": ", ".join(map(to_record, lists)), "beam": decoding.width, **shown.kept}
        record_score(folder, record, kept)
        say(f"recorded: {record} in {folder}")
    if measured.left_out or measured.left_out_noises:
        raise typer.Exit(1)


def default_folder(manifest: Path, *others: Path) -> Path:
    """Where results go: manifests are often called test.tsv, so the folder they lie in is part of the name."""
    more = f"+{len(others)}" if others else ""
    return Path("reports", f"{manifest.absolute().parent.name}-{manifest.name.partition('.')[0]}{more}")


def _show_words(measured: "Evaluation[Report]") -> Shown:
    from asr.evaluation.report import draw_report, format_report, report_to_dict

    report = measured.report
    values = report_to_dict(report)
    for row in values["utterances"]:
        row["confidence"] = round(measured.transcripts[row["id"]].confidence, 4)
    values["in_noise"] = [{"snr": ratio, **_rates_and_texts(each)} for ratio, each in measured.in_noise.items()]
    speakers = len({utterance.speaker for utterance in report.spoken})
    kept = {"utterances": len(report.spoken), "speakers": speakers}
    kept |= {name: values[name] for name in ("wer", "sentence_accuracy")}
    lines = [*format_report(report).split("\n"), *_noise_lines(measured.in_noise), ""]
    return Shown("", lines, values, partial(draw_report, report), kept)


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
