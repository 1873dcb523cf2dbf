"""The curves of a training: what its logs hold, its resumptions joined, and a picture of that."""

import csv
import io
from collections import defaultdict
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter

from asr.errors import AsrError
from asr.files import write_whole

CURVES = "curves.png"

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # told apart by all eyes: Okabe and Ito
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
WIDTH_INCHES, DOTS_PER_INCH = 10, 100

ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0}

Metrics = dict[str, dict[int, float]]  # by name, then by update


def read_metrics(run: Path) -> Metrics:
    """All that a run logged, its resumptions joined. Raises AsrError where there is nothing.

    A resumed run goes over the updates since its checkpoint again; what was logged there before counts no more.
    """
    paths = sorted(run.glob("csv/version_*/metrics.csv"), key=lambda path: int(path.parent.name.partition("_")[2]))
    merged: Metrics = defaultdict(dict)
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row.get("step")]
        first = min((int(row["step"]) for row in rows), default=0)
        for name, curve in merged.items():
            merged[name] = {step: value for step, value in curve.items() if step < first}
        for row in rows:
            for name in row.keys() - {"step", "epoch"}:
                if row[name]:
                    merged[name][int(row["step"])] = float(row[name])
    if not any(merged.values()):
        raise AsrError(f"{run}: found no csv/version_*/metrics.csv with numbers, wanted the folder of an `asr train`")
    return {name: dict(sorted(curve.items())) for name, curve in merged.items() if curve}


LOSSES = {"decoder": "decoder (cross-entropy)", "ctc": "CTC", "phoneme": "CTC of phonemes"}
MOST_WER = 1.2  # shown
SPEED, WAITING = "hours_of_audio_per_second", "waiting_for_data"
SCORES = {"dev/wer": "decoder, greedy", "dev/ctc_wer": "CTC, best path"}


def draw_training(metrics: Metrics) -> Figure:
    """Losses, word error rates, learning rate and, where it was logged, throughput over the updates."""
    heights = [3, 3, 1.3] + [1.3] * (SPEED in metrics)
    figure = Figure((WIDTH_INCHES, 0.7 + sum(heights)), dpi=DOTS_PER_INCH, layout="constrained")
    losses, scores, rate, *throughput = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    # The total is left out: its weights move during a training, so its curve says little.
    for (name, label), colour in zip(LOSSES.items(), COLOURS, strict=False):
        curve(losses, metrics.get(f"train/{name}"), color=colour, linewidth=1, alpha=0.6, label=f"{label}, train")
        curve(losses, metrics.get(f"dev/{name}"), color=colour, marker="o", markersize=4, label=f"{label}, dev")
    losses.set(yscale="log", ylabel="loss (nats per token)", title="Losses")
    losses.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    losses.yaxis.set_minor_locator(NullLocator())
    losses.yaxis.set_major_formatter("{x:g}")
    if losses.lines:
        losses.legend(loc="upper right", ncols=3)
    for (name, label), colour, marker in zip(SCORES.items(), COLOURS, "os", strict=False):
        if name in metrics:
            best = min(metrics[name], key=lambda step: metrics[name][step])
            label += f": best {metrics[name][best]:.1%} at {best + 1}"
        curve(scores, metrics.get(name), color=colour, marker=marker, markersize=4, label=label)
    highest = max((value for name in SCORES for value in metrics.get(name, {}).values()), default=1.0)
    # A decoder that has just begun may run on and on: those points would press all others flat.
    scores.set(ylim=(0, max(1.05 * min(highest, MOST_WER), 0.05)), ylabel="WER", title="Word error rate on dev")
    if highest > MOST_WER:
        scores.set_title(f"Word error rate on dev, up to {highest:.0%}")
    scores.yaxis.set_major_formatter(PercentFormatter(1.0))
    if scores.lines:
        scores.legend(ncols=2, **ABOVE)
    else:
        scores.text(0.5, 0.5, "dev has not been read yet", transform=scores.transAxes, ha="center", color="#666666")
    rates = {tuple(found.items()): None for name, found in metrics.items() if name.startswith("lr-")}
    for number, points in enumerate(rates):
        thousandths = {step: 1000 * value for step, value in points}
        curve(rate, thousandths, color=COLOURS[number % len(COLOURS)], linewidth=1.6)
    rate.set(ylim=(0, None), ylabel="rate (1/1000)", title="Learning rate")
    for axis in throughput:
        curve(axis, metrics[SPEED], color=COLOURS[0], linewidth=1.2)
        axis.set(ylim=(0, None), ylabel="hours of audio\na second", title="Throughput")
        if WAITING in metrics:
            waited = sum(metrics[WAITING].values()) / len(metrics[WAITING])
            axis.set_title(f"Throughput; {waited:.0%} of the time was spent waiting for data")
    for axis in (losses, scores, rate, *throughput):
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlim=(0, None), xlabel="updates")
    return figure


def curve(axis: Axes, points: dict[int, float] | None, **style: Any) -> None:
    """A line through the points, if there are any; logged steps count from 0, updates from 1."""
    if points:
        axis.plot([step + 1 for step in points], list(points.values()), **style)


def draw_curves(run: Path) -> Path:
    """Draw all that a run has logged so far into its folder. Raises AsrError where there is nothing yet."""
    with rc_context(STYLE):
        figure = draw_training(read_metrics(run))
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Description": f"training {run.name}"})
    write_whole(run / CURVES, picture.getvalue())
    return run / CURVES
