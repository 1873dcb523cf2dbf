"""`asr evaluate --commands`: how well commands are understood, and all else rejected."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from asr.apps.listening import Shown, to_record
from asr.data.manifests.utterance import some
from asr.evaluation.command_report import commands_to_dict, draw_commands, format_commands
from asr.evaluation.command_scoring import CommandReport, score_words
from asr.evaluation.report import per_cent


def show_commands(report: CommandReport, commands: Sequence[str], threshold: float) -> Shown:
    """What `asr evaluate --commands` says, of grammars as they were named."""
    words = score_words(report)
    others = list(dict.fromkeys(each.text for each in report.outcomes if each.kind == "speech"))
    lines = [
        *format_commands(report).split("\n"),
        "",
        *(
            f"word error rate of the commands as their transcripts say them, {name}: {per_cent(each.wer)}"
            for name, each in words.items()
        ),
        *([f"not in the grammar, {len(others)} different texts: {some(others)}"] if others else []),
    ]
    values = {
        "commands": list(commands),
        "threshold": threshold,
        "wer": {name: each.wer and asdict(each.wer) for name, each in words.items()},
        **commands_to_dict(report),
    }
    heading = f" with the commands of {', '.join(commands)}, threshold {threshold:.3f}"
    kept = {"commands": [to_record(Path(each)) for each in commands], **_main_rates(report)}
    return Shown(heading, lines, values, partial(draw_commands, report), kept)


def _main_rates(report: CommandReport) -> dict[str, Any]:
    """What a bundle keeps: the rates of the recordings as they are, and the exact acceptance in noise."""
    first, *others = report.conditions
    values = asdict(first)
    rates = ("command_accuracy", "exactly_accepted", "wrongly_accepted", "slot_precision", "slot_recall")
    kept = {"utterances": first.commands, **{key: values[key] for key in (*rates, "speech", "noise")}}
    if others:
        kept["in_noise"] = {each.name: asdict(each)["exactly_accepted"] for each in others}
    return kept
