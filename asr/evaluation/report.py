"""A report on transcripts for people and programs: text, JSON and a picture."""

from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from asr.errors import AsrError
from asr.evaluation.intervals import CONFIDENCE, Rate
from asr.evaluation.scoring import Report, ScoredUtterance
from asr.files import write_whole
from asr.printable import printable

_WIDTH: Final = 100  # characters in a line of aligned words
_KINDS: Final = (
    ("substituted", "#4477aa"),
    ("deleted", "#ccbb44"),
    ("inserted", "#ee6677"),
)  # safe to the colour-blind
_LENGTHS: Final = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (9, 12), (13, 20), (21, None))  # in words


def format_report(report: Report, *, confusions: int = 10, worst: int = 10) -> str:
    """The report as text: the rates, the most frequent errors, and the worst utterances with their words aligned.

    ``confusions`` and ``worst`` are how many of each are shown at most.
    """
    spoken, silence = report.spoken, report.silence
    lines = [
        _rate_line("word error rate", report.wer),
        _rate_line("character error rate", report.cer),
        _rate_line("sentence accuracy", report.sentence_accuracy),
        f"{len(spoken)} utterances, {report.words} words: {report.substitutions} substituted, "
        f"{report.deletions} deleted, {report.insertions} inserted",
    ]
    if silence is not None:
        lines.append(
            f"{silence.recordings} more in which nobody speaks: stayed empty {per_cent(silence.empty)}, "
            f"words inserted: {silence.insertions}"
        )
    if spoken:
        groups = f"{report.groups} {'speakers' if report.by_speaker else 'utterances'}"
        lines.append(f"intervals: {CONFIDENCE:.0%}, from {report.bootstrap} resamplings of {groups}")
    if report.confusions and confusions:
        lines += ["", "most frequent errors (said -> heard)"]
        lines += [
            printable(
                f"{confusion.count:6d}  {confusion.reference or '(nothing)'} -> {confusion.hypothesis or '(nothing)'}"
            )
            for confusion in report.confusions[:confusions]
        ]
    if shown := report.worst(worst):
        lines += ["", "worst utterances (S substituted, D deleted, I inserted)"]
        for utterance in shown:
            lines += [
                f"{printable(utterance.id)} (errors: {utterance.errors}, words: {utterance.words})",
                *_aligned(utterance),
                "",
            ]
        lines.pop()
    return "\n".join(lines)


def report_to_dict(report: Report) -> dict[str, Any]:
    """The report as JSON can hold it, every utterance's reference and hypothesis included; rates are shares of 1."""
    return {
        "wer": report.wer and asdict(report.wer),
        "cer": report.cer and asdict(report.cer),
        "sentence_accuracy": report.sentence_accuracy and asdict(report.sentence_accuracy),
        "silence": report.silence
        and {
            "recordings": report.silence.recordings,
            "insertions": report.silence.insertions,
            "confusions": [asdict(confusion) for confusion in report.silence.confusions],
            "empty": asdict(report.silence.empty),
        },
        "confidence": CONFIDENCE,
        "bootstrap": report.bootstrap,
        "groups": report.groups,
        "by_speaker": report.by_speaker,
        "words": report.words,
        "substitutions": report.substitutions,
        "deletions": report.deletions,
        "insertions": report.insertions,
        "confusions": [asdict(confusion) for confusion in report.confusions],
        "utterances": [
            {
                "id": utterance.id,
                "speaker": utterance.speaker,
                "reference": utterance.reference,
                "hypothesis": utterance.hypothesis,
                "words": utterance.words,
                "substitutions": utterance.substitutions,
                "deletions": utterance.deletions,
                "insertions": utterance.insertions,
            }
            for utterance in report.utterances
        ],
    }


def draw_report(report: Report, path: Path) -> None:
    """Draws a PNG: how many words went wrong in which way, and how that depends on the length of the utterance.

    Raises:
        AsrError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    figure = blank_figure(11, 4.5)
    # The left part names the colours of both.
    by_kind, by_length = figure.subplots(1, 2, width_ratios=(2, 3))

    totals = (report.substitutions, report.deletions, report.insertions)
    for (kind, colour), total in zip(_KINDS, totals, strict=True):
        by_kind.bar_label(by_kind.bar(kind, total, color=colour))
    by_kind.set(title=f"errors in {report.words} words", ylabel="words")
    by_kind.margins(y=0.1)

    bins = _by_length(report)
    heights = [0.0] * len(bins)
    for (_, colour), count in zip(
        _KINDS,
        (lambda one: one.substitutions, lambda one: one.deletions, lambda one: one.insertions),
        strict=True,
    ):
        means = [sum(map(count, group)) / len(group) for _, group in bins]
        by_length.bar(range(len(bins)), means, bottom=heights, color=colour)
        heights = [height + mean for height, mean in zip(heights, means, strict=True)]
    by_length.set_xticks(range(len(bins)), [f"{name}\n({len(group)})" for name, group in bins])
    by_length.set(
        title="errors by length",
        xlabel="words in the reference (utterances of that length)",
        ylabel="wrong words per utterance",
    )

    rates = [("word error rate", report.wer), ("sentence accuracy", report.sentence_accuracy)]
    figure.suptitle("   ".join(f"{name} {per_cent(rate)}" for name, rate in rates))
    save_figure(figure, path)


def blank_figure(width: float, height: float) -> Any:
    """A matplotlib figure of so many inches that needs no screen. Raises AsrError where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise AsrError("drawing a report: matplotlib is not installed; pip install 'asr[train]'") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all. Raises OSError where the file cannot be written."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_whole(path, picture.getvalue())


def length_name(words: int) -> str:
    """The name of the group of lengths that an utterance of so many words belongs to."""
    low, high = next((low, high) for low, high in _LENGTHS if high is None or words <= high)
    return f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"


def _by_length(report: Report) -> list[tuple[str, list[ScoredUtterance]]]:
    groups: dict[str, list[ScoredUtterance]] = {}
    for one in sorted(report.utterances, key=lambda one: one.words):
        groups.setdefault(length_name(one.words), []).append(one)
    return list(groups.items())


def _rate_line(name: str, rate: Rate | None) -> str:
    return f"{name:21}{per_cent(rate)}"


def per_cent(rate: Rate | None, none: str = "none (no reference has a word)") -> str:
    """The rate in per cent, with its interval; ``none`` where there is no rate."""
    return none if rate is None else f"{100 * rate.value:.1f} % ({interval(rate, 100)})"


def interval(rate: Rate, scale: float = 1, form: str = ".1f") -> str:
    """The ends of the interval of a rate, times ``scale`` and formatted; "–" where it has none."""
    if rate.low is None or rate.high is None:
        return "–"
    return f"{scale * rate.low:{form}} to {scale * rate.high:{form}}"


def _aligned(utterance: ScoredUtterance) -> list[str]:
    """REF and HYP lines with a line of marks below, folded where they are long."""
    lines: list[str] = []
    rows = ["REF:", "HYP:", "    "]
    for said, heard in ((printable(said), printable(heard)) for said, heard in utterance.pairs):
        mark = " " if said == heard else "D" if not heard else "I" if not said else "S"
        width = max(len(said), len(heard))
        if len(rows[0]) > 4 and len(rows[0]) + 1 + width > _WIDTH:
            lines += rows
            rows = ["REF:", "HYP:", "    "]
        cells = (said or "*" * width, heard or "*" * width, mark)
        rows = [f"{row} {cell:{width}}" for row, cell in zip(rows, cells, strict=True)]
    return [line.rstrip() for line in [*lines, *rows]]
