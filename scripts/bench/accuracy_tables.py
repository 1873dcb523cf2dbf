"""What was measured of accuracy, as Markdown: a table with a note for each part."""

from collections.abc import Collection, Sequence

from accuracy_scores import CommandResult, Condition, FreeResult, QuietResult, QuietRow
from accuracy_sets import SpeechSet
from markdown_tables import number, table

from asr.apps.listening import left_out
from asr.evaluation.intervals import Rate
from asr.evaluation.report import interval, per_cent


def free_part(title: str, result: FreeResult) -> str:
    """Free transcription of a set."""
    rows = [
        [
            *(_condition(row.snr), row.recogniser, per_cent(row.report.wer), per_cent(row.report.sentence_accuracy)),
            *(per_cent(row.beside, "-"), number(row.pace, 3)),
        ]
        for row in result.rows
    ]
    columns = "noise | recogniser | word error rate | sentences right | errors beside PocketSphinx's | real-time factor"
    return _part(title, [_note(result.speech, result.failures)], _table(columns, rows))


def command_part(title: str, result: CommandResult) -> str:
    """Commands of a set."""
    rows = [
        [
            *(_condition(row.snr), row.recogniser, per_cent(row.rates.command_accuracy)),
            *(per_cent(row.rates.exactly_accepted), _points(row.lost), per_cent(row.rates.wrongly_accepted)),
            *(per_cent(row.free, "-"), number(row.pace, 3)),
        ]
        for row in result.rows
    ]
    columns = (
        "noise | recogniser | right command | accepted exactly | points below clean | accepted wrongly "
        "| right without a grammar | real-time factor"
    )
    return _part(title, command_notes(result), _table(columns, rows))


def command_notes(result: CommandResult) -> list[str]:
    """What was measured, and what was left out."""
    notes = [_note(result.speech, result.failures)]
    if result.unsayable:
        notes.append(
            f"PocketSphinx has no pronunciation for {', '.join(sorted(result.missing))}: {result.unsayable} of "
            f"{len(result.speech.utterances)} recordings are left out for both."
        )
    return notes


def quiet_part(title: str, results: Sequence[QuietResult]) -> str:
    """Where nobody speaks."""
    rows = [[result.quiet.name, *_quiet_cells(row)] for result in results for row in result.rows]
    notes = [
        line
        for result in results
        for line in left_out(result.failures, len(result.quiet.utterances), f" recordings of {result.quiet.name}")
    ]
    columns = (
        "sound | recogniser | clips | no word | false words an hour | taken for no command | false accepts an hour "
        "| real-time factor"
    )
    return _part(title, notes, _table(columns, rows))


def _quiet_cells(row: QuietRow) -> list[str]:
    return [
        *(row.recogniser, f"{row.clips}, {row.seconds / 3600:.2f} h", per_cent(row.wordless)),
        *(number(row.words_per_hour, 0), per_cent(row.accepts.refused), number(row.accepts.per_hour, 0)),
        number(row.pace, 3),
    ]


def founding_part(title: str, results: Sequence[tuple[FreeResult, CommandResult]]) -> str:
    """The founding sentences, as free speech and as commands."""
    rows = []
    for free, commands in results:
        understood = {(row.recogniser, row.snr): row for row in commands.rows}
        for row in free.rows:
            cells = [per_cent(row.report.wer), per_cent(row.report.sentence_accuracy)]
            rates = understood[row.recogniser, row.snr].rates
            cells += [per_cent(rates.exactly_accepted), per_cent(rates.wrongly_accepted)]
            rows.append([free.speech.name, _condition(row.snr), row.recogniser, *cells, number(row.pace, 3)])
    columns = (
        "voices | noise | recogniser | word error rate | sentences right | accepted exactly | accepted wrongly "
        "| real-time factor of free speech"
    )
    return _part(title, [line for _, commands in results for line in command_notes(commands)], _table(columns, rows))


def _part(title: str, notes: Sequence[str], rows: str) -> str:
    return "\n\n".join([f"### {title}", *notes, rows])


def _table(columns: str, rows: Sequence[Sequence[str]]) -> str:
    return table(columns, [" | ".join(row) for row in rows])


def _note(speech: SpeechSet, failures: Collection[str]) -> str:
    speakers = len({each.speaker for each in speech.utterances})
    measured = f"{speech.name}: {len(speech.utterances)} recordings, speakers by name: {speakers}."
    return " ".join([measured, *(f"{line}." for line in left_out(failures, len(speech.utterances)))])


def _condition(snr: Condition) -> str:
    return "clean" if snr is None else f"{snr:g} dB"


def _points(rate: Rate | None) -> str:
    if rate is None:
        return "-"
    return f"{100 * rate.value:.1f} ({interval(rate, 100)})"
