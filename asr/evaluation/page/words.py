"""The page about words: what is wrong, of whom, how often, and what it sounds like."""

from collections.abc import Mapping, Sequence
from typing import Final

from asr.evaluation.evaluate import Evaluation
from asr.evaluation.page.charts import reliability_chart
from asr.evaluation.page.parts import (
    RELIABILITY,
    ROWS,
    AlignedWords,
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
from asr.evaluation.reliability import ReliabilityBin, calibration_error, reliability
from asr.evaluation.report import length_name
from asr.evaluation.scoring import Report, ScoredUtterance, Silence, report_of
from asr.runtime.transcript import Transcript

WORST: Final = 25
"""How many of the worst utterances, and of those in which nothing was said, are shown."""

LEAST: Final = 5
"""How many of the least sure are shown where none is wrong."""

_CONFUSIONS: Final = 20
_RATES: Final = ("utterances", "words", "word error rate", "sentences right")


def word_tiles(measured: Evaluation[Report]) -> list[Tile]:
    """The numbers at the top."""
    report = measured.report
    rates = (
        ("word error rate", report.wer),
        ("character error rate", report.cer),
        ("sentences right", report.sentence_accuracy),
    )
    return [
        *(rate_tile(name, rate) for name, rate in rates if rate is not None),
        Tile("utterances", f"{len(report.spoken):,}"),
        Tile("words", f"{report.words:,}"),
        Tile("substituted", f"{report.substitutions:,}"),
        Tile("deleted", f"{report.deletions:,}"),
        Tile("inserted", f"{report.insertions:,}"),
    ]


def word_sections(measured: Evaluation[Report], sounds: Sounds) -> list[Section]:
    """The sections of the page; those of which there is nothing to show are left out."""
    report, transcripts = measured.report, measured.transcripts
    confusions, silence, worst = error_sections(report, transcripts, sounds)
    confidence = [_confidence(report, transcripts)] if any(one.hypothesis for one in report.utterances) else []
    sections = [_rates(measured), *confusions, *silence, *confidence, *worst]
    if report.spoken and not any(each.utterances for each in sections):
        least = sorted(report.spoken, key=lambda one: transcripts[one.id].confidence)[:LEAST]
        sections.append(least_sure(tuple(_heard(one, transcripts, sounds) for one in least)))
    return sections


def error_sections(
    report: Report, transcripts: Mapping[str, Transcript], sounds: Sounds
) -> tuple[list[Section], list[Section], list[Section]]:
    """Confusions of words, words in silence, and the worst utterances, none where there is nothing to show."""
    worst = [one for one in report.worst(len(report.utterances)) if one.words][:WORST]
    note = f"The {len(worst)} utterances with the most wrong words. S substituted, D deleted, I inserted."
    # The silent ones come first on the page, and the room for sound is theirs first.
    silence = [_silence(report, report.silence, transcripts, sounds)] if report.silence else []
    heard = tuple(_heard(one, transcripts, sounds) for one in worst)
    return (
        [_confusions(report)] if report.confusions else [],
        silence,
        [Section("worst", "Worst utterances", note, utterances=heard)] if worst else [],
    )


def confident_words(
    utterances: Sequence[ScoredUtterance], transcripts: Mapping[str, Transcript]
) -> tuple[ReliabilityBin, ...]:
    """How far the confidences of words can be trusted; a word is right where it stands beside the same word.

    Utterances of which the normaliser made other words than were heard are left out.
    """
    rows = []
    for one in utterances:
        heard = [pair for pair in one.pairs if pair[1]]
        words = transcripts[one.id].words
        if [word.text for word in words] == [hypothesis for _, hypothesis in heard]:
            rows += [
                (one.id, one.speaker, word.confidence, said == hypothesis)
                for word, (said, hypothesis) in zip(words, heard, strict=True)
            ]
    return reliability(*zip(*rows, strict=True)) if rows else ()


def confident_utterances(
    utterances: Sequence[ScoredUtterance], transcripts: Mapping[str, Transcript]
) -> tuple[ReliabilityBin, ...]:
    """How far the confidences of transcripts can be trusted; one is right where all of its words are.

    Those in which nothing was heard are left out: where nobody speaks, none of it was searched.
    """
    heard = [one for one in utterances if one.hypothesis]
    return reliability(
        [one.id for one in heard],
        [one.speaker for one in heard],
        [transcripts[one.id].confidence for one in heard],
        [not one.errors for one in heard],
    )


def _rates(measured: Evaluation[Report]) -> Section:
    report = measured.report
    spoken = report.spoken
    speakers = grouped(spoken, lambda one: speaker_name(one.speaker))
    worst_first = sorted(speakers.items(), key=lambda each: -sum(one.errors for one in each[1]) / _words(each[1]))
    lengths = grouped(sorted(spoken, key=lambda one: one.words), lambda one: length_name(one.words))
    whole = [_row("as recorded", report), *(_row(f"{ratio:g} dB", each) for ratio, each in measured.in_noise.items())]
    tables = [Table("noise", "In noise" if measured.in_noise else "The whole list", ("", *_RATES), tuple(whole))]
    lists = by_list(spoken, measured)
    for id, title, groups in (
        ("list", "By list", list(lists.items())),
        ("speaker", "By speaker, the worst first", worst_first),
        ("length", "By length, in words", list(lengths.items())),
    ):
        if not groups:
            continue
        rows = tuple(_row(name, report_of(members)) for name, members in groups[:ROWS])
        tables.append(Table(id, title, (id, *_RATES), rows, max(0, len(groups) - ROWS)))
    note = intervals_note(report.bootstrap, report.groups, by_speaker=report.by_speaker)
    return Section("rates", "Error rates", note, tuple(tables))


def _row(name: str, report: Report) -> TableRow:
    return TableRow(name, (len(report.spoken), report.words), (report.wer, report.sentence_accuracy))


def _words(utterances: Sequence[ScoredUtterance]) -> int:
    return sum(one.words for one in utterances)


def _confusions(report: Report) -> Section:
    substitutions, deletions, insertions = [], [], []
    for one in report.confusions:
        if not one.hypothesis:
            deletions.append(TableRow(one.reference, (one.count,)))
        elif not one.reference:
            insertions.append(TableRow(one.hypothesis, (one.count,)))
        else:
            substitutions.append(TableRow(f"{one.reference} → {one.hypothesis}", (one.count,)))
    kinds = (
        ("substitutions", "Heard as another word", ("said → heard", "times"), substitutions),
        ("deletions", "Not heard", ("said", "times"), deletions),
        ("insertions", "Heard, and not said", ("heard", "times"), insertions),
    )
    tables = tuple(
        Table(id, title, columns, tuple(rows[:_CONFUSIONS]), max(0, len(rows) - _CONFUSIONS))
        for id, title, columns, rows in kinds
        if rows
    )
    return Section("confusions", "Confusions of words", "The most frequent first.", tables)


def _silence(report: Report, silence: Silence, transcripts: Mapping[str, Transcript], sounds: Sounds) -> Section:
    seconds = sum(transcripts[one.id].seconds for one in report.utterances if not one.words)
    rows = (TableRow("", (silence.recordings, f"{seconds:.0f}", silence.insertions), (silence.empty,)),)
    columns = ("", "recordings", "seconds", "words inserted", "stayed empty")
    tables = [Table("silent", "Where nothing is said", columns, rows)]
    if words := [TableRow(one.hypothesis, (one.count,)) for one in silence.confusions]:
        left = max(0, len(words) - _CONFUSIONS)
        tables.append(Table("silent-words", "Heard there", ("heard", "times"), tuple(words[:_CONFUSIONS]), left))
    worst = [one for one in report.worst(len(report.utterances)) if not one.words][:WORST]
    return Section(
        "silence",
        "Words in silence and noise",
        "Recordings in which, by the list, nobody speaks: words heard there are in no rate of this page but this.",
        tuple(tables),
        utterances=tuple(_heard(one, transcripts, sounds) for one in worst),
    )


def _confidence(report: Report, transcripts: Mapping[str, Transcript]) -> Section:
    charts, tables = [], []
    for id, name, table in (
        ("confidence-words", "words", confident_words(report.utterances, transcripts)),
        ("confidence-utterances", "utterances", confident_utterances(report.utterances, transcripts)),
    ):
        if table:
            title = f"Of {name}: expected calibration error {100 * calibration_error(table):.1f} %"
            charts.append(reliability_chart(table, name))
            tables.append(Table(id, title, RELIABILITY, tuple(map(reliability_row, table))))
    note = "How many were right among those of about one confidence; on the dashed line as many as it says."
    return Section("confidence", "Reliability of confidence", note, tuple(tables), tuple(charts))


def _heard(one: ScoredUtterance, transcripts: Mapping[str, Transcript], sounds: Sounds) -> HeardUtterance:
    transcript = transcripts[one.id]
    facts = (
        f"{one.errors} wrong of {one.words} words, speaker {speaker_name(one.speaker)}, {transcript.seconds:.1f} s, "
        f"confidence {transcript.confidence:.2f}"
    )
    return HeardUtterance(one.id, facts, (AlignedWords("heard", one.pairs),), sound=sounds.of(one.id))
