"""The page about commands: what is understood, what is rejected, and what is mistaken for something else."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from asr.commands.reading import Reading
from asr.evaluation.command_scoring import CommandRates, CommandReport, score_commands, score_words
from asr.evaluation.evaluate import Evaluation
from asr.evaluation.intervals import Rate
from asr.evaluation.outcome import Outcome
from asr.evaluation.page.charts import acceptance_chart, reliability_chart
from asr.evaluation.page.parts import (
    RELIABILITY,
    ROWS,
    HeardUtterance,
    Section,
    Sounds,
    Table,
    TableRow,
    Tile,
    by_list,
    grouped,
    intervals_note,
    least_sure,
    rate_tile,
    reliability_row,
    speaker_name,
)
from asr.evaluation.page.words import LEAST, error_sections
from asr.evaluation.report import interval, length_name
from asr.evaluation.scoring import Report, score

SHOWN: Final = 15
"""How many utterances of each kind of mistake are shown."""

_RATES: Final = ("commands", "accepted exactly", "accepted wrongly", "right command, rejected or not")
_OTHERS: Final = ("", "recordings", "seconds", "accepted", "accepted an hour", "rejected")


def command_tiles(measured: Evaluation[CommandReport]) -> list[Tile]:
    """The numbers at the top, of the recordings as they are."""
    first = measured.report.conditions[0]
    shares = (
        ("accepted exactly", first.exactly_accepted),
        ("accepted wrongly", first.wrongly_accepted),
        ("other speech rejected", first.speech.refused if first.speech else None),
        ("noise rejected", first.noise.refused if first.noise else None),
    )
    return [
        Tile("commands", f"{first.commands:,}"),
        *(rate_tile(name, rate) for name, rate in shares if rate is not None),
    ]


def command_sections(measured: Evaluation[CommandReport], sounds: Sounds) -> list[Section]:
    """The sections of the page; those of which there is nothing to show are left out."""
    report = measured.report
    sections = [_rates(measured), *_others(report), *_confusions(report)]
    table = report.overall.reliability
    if table:
        title = f"Of readings: expected calibration error {100 * report.overall.calibration_error:.1f} %"
        note = "How many readings were right among those of about one confidence, rejected ones too."
        tables = (Table("confidence-readings", title, RELIABILITY, tuple(map(reliability_row, table))),)
        charts = (reliability_chart(table, "readings"),)
        sections.append(Section("confidence", "Reliability of confidence", note, tables, charts))
    refused = [each for each in report.outcomes if each.kind == "command" and not each.understood]
    for id, title, mistakes in (
        ("wrong", "Commands accepted wrongly, the surest first", report.wrong_accepts),
        ("refused", "Commands rejected, the least sure first", sorted(refused, key=lambda each: each.confidence)),
        ("false", "False accepts, the surest first", report.false_accepts),
    ):
        if mistakes:
            shown = tuple(_heard(each, sounds) for each in mistakes[:SHOWN])
            more = f"{len(shown)} of {len(mistakes)} are shown; those in noise can be heard as recorded."
            sections.append(Section(id, title, more, utterances=shown))
    words = score_freely(measured)
    if words is not None:
        for each in itertools.chain(*error_sections(words, measured.transcripts, sounds)):
            title = f"{each.title}, heard freely"
            sections.append(replace(each, title=title, note=f"As heard without the grammar. {each.note}"))
    if not any(each.utterances for each in sections):
        said = [each for each in report.outcomes if each.kind == "command" and each.snr is None]
        least = sorted(said, key=lambda each: each.confidence)[:LEAST]
        if least:
            sections.append(least_sure(tuple(_heard(each, sounds) for each in least)))
    return sections


def score_freely(measured: Evaluation[CommandReport]) -> Report | None:
    """What was heard without the grammar in the recordings of the lists, as they are, beside what was said."""
    heard = [each for each in measured.report.outcomes if each.snr is None and each.id in measured.transcripts]
    if not heard:
        return None
    return score(
        {each.id: each.text for each in heard},
        {each.id: each.transcript for each in heard},
        normaliser=str,
        speakers={each.id: each.speaker for each in heard},
    )


def _rates(measured: Evaluation[CommandReport]) -> Section:
    report = measured.report
    clean = [each for each in report.outcomes if each.kind == "command" and each.snr is None]
    words = score_words(report)
    tables = [
        Table(
            "noise",
            "In noise" if len(report.conditions) > 1 else "The whole list",
            ("", *_RATES, "word error rate, heard freely"),
            tuple(
                TableRow(
                    "as recorded" if each.snr is None else each.name,
                    (each.commands,),
                    (*_shares(each), words[each.name].wer if each.name in words else None),
                )
                for each in report.conditions
            ),
        )
    ]
    by_command, by_speaker = grouped(clean, _command), grouped(clean, lambda each: speaker_name(each.speaker))
    by_length = grouped(sorted(clean, key=_length), lambda each: length_name(_length(each)))
    lists = by_list(clean, measured)
    tables_of: tuple[tuple[str, str, Sequence[tuple[str, Sequence[Outcome]]]], ...] = (
        ("list", "By list", list(lists.items())),
        ("command", "By command, the worst first", _worst_first(by_command)),
        ("speaker", "By speaker, the worst first", _worst_first(by_speaker)),
        ("length", "By length, in words", list(by_length.items())),
    )
    for id, title, groups in tables_of:
        if not groups:
            continue
        rates = [(name, score_commands(members).overall) for name, members in groups[:ROWS]]
        rows = tuple(TableRow(name, (each.commands,), _shares(each)) for name, each in rates)
        tables.append(Table(id, title, (id, *_RATES), rows, max(0, len(groups) - ROWS)))
    note = intervals_note(report.bootstrap, report.groups, by_speaker=report.by_speaker)
    return Section("rates", "Commands", note, tuple(tables))


def _others(report: CommandReport) -> list[Section]:
    rows = []
    for each in report.conditions:
        for name, sound in (("other speech", each.speech), ("noise", each.noise)):
            if sound is not None:
                at = "" if each.snr is None else f", {each.name}"
                hour = sound.per_hour
                counts = (sound.count, f"{sound.seconds:.0f}", sound.accepted)
                an_hour = f"{hour.value:.1f} ({interval(hour)})"
                rows.append(TableRow(f"{name}{at}", (*counts, an_hour), (sound.refused,)))
    if not rows:
        return []
    note = "Speech that the grammar does not have, and recordings in which nobody speaks: all of it is to be rejected."
    table, chart = Table("other", "Refused", _OTHERS, tuple(rows)), acceptance_chart(report.conditions)
    return [Section("others", "Refusal of everything else", note, (table,), (chart,) if chart else ())]


def _confusions(report: CommandReport) -> list[Section]:
    if not report.confusions:
        return []
    rows = [TableRow(f"{one.expected} → {one.heard or '(none)'}", (one.count,)) for one in report.confusions]
    columns = ("said → best reading", "times")
    table = Table("confusions", "Mistaken for another", columns, tuple(rows[:ROWS]), max(0, len(rows) - ROWS))
    note = "Commands whose best reading is of another command, rejected ones too; slots do not matter here."
    return [Section("mistaken", "Confusions of commands", note, (table,))]


def _worst_first(groups: Mapping[str, Sequence[Outcome]]) -> list[tuple[str, Sequence[Outcome]]]:
    return sorted(
        groups.items(), key=lambda group: sum(each.understood and each.right for each in group[1]) / len(group[1])
    )


def _command(outcome: Outcome) -> str:
    assert outcome.expected is not None, "it is a command"
    return outcome.expected.command


def _length(outcome: Outcome) -> int:
    return len(outcome.text.split())


def _shares(rates: CommandRates) -> tuple[Rate | None, ...]:
    return rates.exactly_accepted, rates.wrongly_accepted, rates.command_accuracy


def _heard(outcome: Outcome, sounds: Sounds) -> HeardUtterance:
    at = "" if outcome.snr is None else f", in noise at {outcome.snr:g} dB"
    facts = f"confidence {outcome.confidence:.3f}, speaker {speaker_name(outcome.speaker)}, {outcome.seconds:.1f} s{at}"
    lines = (
        ("said", outcome.text or "(nothing)"),
        *([("meant", _reading(outcome.expected))] if outcome.expected else []),
        ("best reading", _reading(outcome.heard)),
        ("heard freely", outcome.transcript or "(nothing)"),
    )
    return HeardUtterance(outcome.id, facts, lines=lines, sound=sounds.of(outcome.id))


def _reading(reading: Reading | None) -> str:
    if reading is None:
        return "(none)"
    slots = ", ".join(f"{name}: {value}" for name, value in reading.slots.items())
    return f"{reading.command} ({slots})" if slots else reading.command
