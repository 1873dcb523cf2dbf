"""A report on understood commands for people and programs: text, JSON and a picture."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from asr.commands.reading import Reading
from asr.evaluation.command_scoring import CommandRates, CommandReport, OtherSound
from asr.evaluation.intervals import CONFIDENCE, Rate
from asr.evaluation.outcome import Outcome
from asr.evaluation.report import blank_figure, interval, per_cent, save_figure
from asr.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RIGHT, _REFUSED, _WRONG = "#4477aa", "#ccbb44", "#ee6677"
_LINES: Final = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")  # all safe to the
_DASHES: Final = ("-", "--", "-.", ":")  # colour-blind, and told apart by their dashes where there are more
_LIMITS: Final = (0.0, 1.0, 10.0, 100.0)  # false accepts an hour
_SHARES: Final = (
    ("command accuracy", "command_accuracy"),
    ("accepted exactly", "exactly_accepted"),
    ("accepted", "accepted"),
    ("accepted wrongly", "wrongly_accepted"),
    ("slot precision", "slot_precision"),
    ("slot recall", "slot_recall"),
)
_NAME_WIDTH: Final = 22


def format_commands(report: CommandReport, *, most: int = 10) -> str:
    """The report as text: the rates, those in noise, the curve at a few points, how far confidences can be trusted,
    and what was mistaken for what, ``most`` lines of each at most.
    """
    first = report.conditions[0]
    lines = _rate_lines(first)
    groups = f" of {report.groups} {'speakers' if report.by_speaker else 'utterances'}" if report.groups else ""
    lines.append(f"intervals: {CONFIDENCE:.0%}, from {report.bootstrap} resamplings{groups}")
    if len(report.conditions) > 1:
        lines += ["", *_noise_table(report)]
    lines += ["", *_limits_table(first), "", *_reliability_table(report.overall)]
    if report.confusions:
        lines += ["", "commands mistaken, rejected ones too (said -> best reading)"]
        lines += [f"{one.count:6d}  {one.expected} -> {one.heard or '(none)'}" for one in report.confusions[:most]]
    for name, taken in _mistakes(report):
        lines += ["", f"{name}, the surest first (confidence, said -> understood)"]
        lines += [_mistake(each) for each in taken[:most]]
    return "\n".join(map(printable, lines))


def commands_to_dict(report: CommandReport) -> dict[str, Any]:
    """The report as JSON can hold it, every outcome included; rates are shares of 1, or false accepts an hour."""
    return {
        "overall": _rates_to_dict(report.overall),
        "conditions": [_rates_to_dict(each) for each in report.conditions],
        "confidence": CONFIDENCE,
        "bootstrap": report.bootstrap,
        "groups": report.groups,
        "by_speaker": report.by_speaker,
        "confusions": [asdict(each) for each in report.confusions],
        "outcomes": [
            {
                "id": each.id,
                "speaker": each.speaker,
                "kind": each.kind,
                "snr": each.snr,
                "seconds": round(each.seconds, 3),
                "text": each.text,
                "transcript": each.transcript,
                "expected": _reading_to_dict(each.expected),
                "heard": _reading_to_dict(each.heard),
                "understood": each.understood,
                "right": each.right,
                "confidence": round(each.confidence, 6),
            }
            for each in report.outcomes
        ],
    }


def draw_commands(report: CommandReport, path: Path) -> None:
    """Draws a PNG: what is accepted against what is falsely accepted as the threshold moves, how far confidences can
    be trusted, what becomes of commands and other speech in noise, and the commands that are mistaken most.

    Raises:
        AsrError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    figure = blank_figure(13, 9)
    (curve, reliability), (conditions, mistaken) = figure.subplots(2, 2)
    _draw_curve(curve, report.conditions)
    _draw_reliability(reliability, report.overall)
    _draw_conditions(conditions, report.conditions)
    _write_confusions(mistaken, report)
    first = report.conditions[0]
    headline = f"{first.commands} commands"
    if first.exactly_accepted is not None:
        headline += f", accepted exactly {per_cent(first.exactly_accepted)}"
    for name, sound in (("other speech", first.speech), ("noise", first.noise)):
        if sound is not None:
            headline += f"   false accepts in an hour of {name}: {_per_hour(sound)}"
    figure.suptitle(headline, fontsize="medium")
    save_figure(figure, path)


def _rate_lines(rates: CommandRates) -> list[str]:
    lines = [f"{rates.commands} commands of the grammar, {rates.name}"]
    if rates.commands:
        for name, key in _SHARES:
            rate = getattr(rates, key)
            shown = per_cent(rate) if rate is not None else "none (nothing understood has a slot)"
            lines.append(f"  {name:{_NAME_WIDTH}}{shown}")
    for name, sound in (("other speech", rates.speech), ("noise", rates.noise)):
        if sound is not None:
            lines += [
                f"{sound.count} of {name}, {sound.seconds:.0f} s",
                f"  {'rejected':{_NAME_WIDTH}}{per_cent(sound.refused)}",
                f"  {'false accepts an hour':{_NAME_WIDTH}}{_per_hour(sound)}: {sound.accepted} in all",
            ]
    return lines


def _noise_table(report: CommandReport) -> list[str]:
    rows = [("in noise at", "accepted exactly", "right command", "wrongly", "speech rejected", "accepted an hour")]
    for each in (*report.conditions, report.overall):
        rows.append(
            (
                each.name,
                per_cent(each.exactly_accepted, "-"),
                _short(each.command_accuracy),
                _short(each.wrongly_accepted),
                _short(None if each.speech is None else each.speech.refused),
                "-" if each.speech is None else f"{each.speech.per_hour.value:.1f}",
            )
        )
    return _table(rows)


def _limits_table(rates: CommandRates) -> list[str]:
    if rates.false_accepts_per_hour is None or not rates.commands:
        return ["no curve of acceptance: it takes commands, and other speech or noise"]
    rows = [("false accepts an hour at most", "accepted exactly", "other speech accepted", "threshold")]
    for limit in _LIMITS:
        point = rates.best_within(limit)
        if point is None:
            rows.append((f"{limit:g}", "none", "none", "-"))
        else:
            exactly, speech = (
                "-" if share is None else f"{100 * share:.1f} %"
                for share in (point.exactly_accepted, point.speech_accepted)
            )
            rows.append((f"{limit:g}", exactly, speech, f"{point.threshold:.4f}"))
    return _table(rows)


def _reliability_table(rates: CommandRates) -> list[str]:
    rows = [("confidence", "mean", "right", "right if half were", "readings")]
    rows += [
        (
            f"{each.low:.1f} to {each.high:.1f}",
            f"{100 * each.confidence:.1f} %",
            per_cent(each.right),
            f"{100 * each.balanced:.1f} %",
            str(each.count),
        )
        for each in rates.reliability
    ]
    return [*_table(rows), f"expected calibration error: {100 * rates.calibration_error:.1f} %"]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _mistakes(report: CommandReport) -> list[tuple[str, tuple[Outcome, ...]]]:
    kinds = (("commands accepted wrongly", report.wrong_accepts), ("false accepts", report.false_accepts))
    return [(name, taken) for name, taken in kinds if taken]


def _mistake(outcome: Outcome) -> str:
    said = outcome.text or f"({outcome.id})"
    at = "" if outcome.snr is None else f", in noise at {outcome.snr:g} dB"
    heard = "" if outcome.heard is None else f"{outcome.heard.text} ({outcome.heard.command})"
    return f"  {outcome.confidence:.3f}  {said} -> {heard}{at}"


def _short(rate: Rate | None) -> str:
    return "-" if rate is None else f"{100 * rate.value:.1f} %"


def _per_hour(sound: OtherSound) -> str:
    rate = sound.per_hour
    return f"{rate.value:.1f} ({interval(rate)})"


def _rates_to_dict(rates: CommandRates) -> dict[str, Any]:
    values = asdict(rates)
    points = values.pop("curve")
    return {
        **values,
        "reliability": list(values["reliability"]),
        "false_accepts_per_hour": rates.false_accepts_per_hour,
        "calibration_error": rates.calibration_error,
        "curve": {key: [point[key] for point in points] for key in points[0]},
    }


def _reading_to_dict(reading: Reading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    return {"command": reading.command, "slots": dict(reading.slots), "text": reading.text}


def _draw_curve(axes: "Axes", conditions: Sequence[CommandRates]) -> None:
    axes.set(title="as the threshold moves", ylabel="commands accepted exactly", ylim=(0, 1.02))
    drawn = [each for each in conditions if each.commands and each.false_accepts_per_hour is not None]
    if not drawn:
        axes.text(0.5, 0.5, "it takes commands, and other speech or noise", ha="center", transform=axes.transAxes)
        return
    # No false accept has no place on a logarithmic axis; it is drawn where half a one would be.
    floors = []
    for number, each in enumerate(drawn):
        floor = 1800 / sum(sound.seconds for sound in (each.speech, each.noise) if sound is not None)
        floors.append(floor)
        colour = _LINES[number % len(_LINES)]
        points = each.curve[::-1]
        axes.step(
            [max(point.per_hour or 0.0, floor) for point in points],
            [point.exactly_accepted or 0.0 for point in points],
            _DASHES[number // len(_LINES) % len(_DASHES)],
            where="post",
            color=colour,
            label=each.name,
        )
        if each.exactly_accepted is not None and each.false_accepts_per_hour is not None:
            axes.plot(max(each.false_accepts_per_hour, floor), each.exactly_accepted.value, "o", color=colour)
    axes.set_xscale("log")
    axes.set_xlabel(f"false accepts an hour of other speech and noise ({min(floors):.3g} stands for none)")
    axes.grid(alpha=0.3)
    axes.plot([], [], "o", color="black", label="as the bundle decides")
    axes.legend(loc="lower right")


def _draw_reliability(axes: "Axes", rates: CommandRates) -> None:
    axes.plot([0, 1], [0, 1], "--", color="#bbbbbb", zorder=1)
    table = rates.reliability
    shares = [each.right.value for each in table]
    axes.errorbar(
        [each.confidence for each in table],
        shares,
        yerr=[
            [each.right.value - each.right.low for each in table],
            [each.right.high - each.right.value for each in table],
        ],
        fmt="o",
        color=_RIGHT,
        capsize=3,
    )
    for each in table:
        axes.annotate(str(each.count), (each.confidence, each.right.value), xytext=(6, 6), textcoords="offset points")
    axes.set(
        title=f"confidences (expected calibration error {100 * rates.calibration_error:.1f} %)",
        xlabel="mean confidence (number of readings beside)",
        ylabel="share right",
        xlim=(-0.02, 1.05),
        ylim=(-0.02, 1.05),
    )
    axes.grid(alpha=0.3)


def _draw_conditions(axes: "Axes", conditions: Sequence[CommandRates]) -> None:
    places = range(len(conditions))
    right = [each.exactly_accepted.value if each.exactly_accepted else 0.0 for each in conditions]
    wrong = [each.wrongly_accepted.value if each.wrongly_accepted else 0.0 for each in conditions]
    refused = [1 - each.accepted.value if each.accepted else 0.0 for each in conditions]
    above = [one + other for one, other in zip(right, wrong, strict=True)]
    axes.bar(places, right, color=_RIGHT, label="accepted exactly", width=0.6)
    axes.bar(places, wrong, bottom=right, color=_WRONG, label="accepted wrongly", width=0.6)
    axes.bar(places, refused, bottom=above, color=_REFUSED, label="rejected", width=0.6)
    speech = [(place, each.speech.refused) for place, each in zip(places, conditions, strict=True) if each.speech]
    axes.errorbar(
        [place for place, _ in speech],
        [1 - rate.value for _, rate in speech],
        yerr=[[rate.high - rate.value for _, rate in speech], [rate.value - rate.low for _, rate in speech]],
        fmt="D",
        color="black",
        markeredgecolor="white",
        capsize=4,
        label="other speech accepted",
    )
    axes.set_xticks(places, [each.name for each in conditions])
    axes.set(
        title="commands, and other speech, in noise", ylabel="share", ylim=(0, 1.02), xlim=(-0.6, len(places) - 0.4)
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4, fontsize="small", frameon=False)


def _write_confusions(axes: "Axes", report: CommandReport) -> None:
    axes.axis("off")
    axes.set_title("mistaken most")
    lines = [f"{one.count:4d}  {one.expected} -> {one.heard or '(none)'}" for one in report.confusions[:10]]
    lines = lines or ["no command was mistaken for another"]
    for name, taken in _mistakes(report):
        lines += ["", f"{name}, the surest first", *map(_mistake, taken[:8])]
    short = [line if len(line) <= 75 else f"{line[:72]}..." for line in lines]
    # A dollar sign in a text would begin a formula.
    axes.text(0, 0.97, "\n".join(short), va="top", family="monospace", fontsize=8, parse_math=False)
