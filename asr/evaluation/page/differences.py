"""The page about two evaluations: by how much they differ, how surely, and in which utterances."""

from collections.abc import Iterable, Sequence
from typing import Final

from asr.data.manifests.utterance import Utterance
from asr.evaluation.comparison import Change, Difference, RunComparison
from asr.evaluation.page.parts import (
    AlignedWords,
    HeardUtterance,
    Section,
    Sounds,
    Table,
    TableRow,
    Tile,
    grouped,
    speaker_name,
)
from asr.evaluation.report import interval
from asr.evaluation.scoring import align

SHOWN: Final = 20
"""How many utterances are shown of those that are better, worse or neither."""

_GAP: Final = "second less first, points"


def comparison_tiles(found: RunComparison) -> list[Tile]:
    """The numbers at the top: how the first rates differ, and how many utterances do."""
    clean = [each for each in found.differences if each.snr is None]
    return [
        *(
            Tile(each.measure, f"{100 * each.difference.value:+.1f}", interval(each.difference, 100, "+.1f"))
            for each in clean
        ),
        Tile("heard differently", f"{len(found.changes):,}", f"of {found.attempts:,}"),
        Tile("better", f"{len(found.better):,}"),
        Tile("worse", f"{len(found.worse):,}"),
    ]


def comparison_sections(found: RunComparison, utterances: Iterable[Utterance]) -> list[Section]:
    """The sections of the page, with the sound of those utterances that can be read."""
    sounds, sections = Sounds(utterances), []
    if found.differences:
        sections.append(_rates(found))
    for id, title, changes in (
        ("better", "Better in the second, the greatest gain first", found.better),
        ("worse", "Worse in the second, the greatest loss first", found.worse),
        ("neither", "Heard otherwise, and neither better nor worse", found.neither),
    ):
        if changes:
            shown = tuple(_changed(each, sounds) for each in changes[:SHOWN])
            note = f"{len(shown)} of {len(changes)} are shown. S substituted, D deleted, I inserted."
            sections.append(Section(id, title, note, utterances=shown))
    return sections


def _rates(found: RunComparison) -> Section:
    main, ratios = found.differences[0], grouped(found.differences, _at)
    tables = [_table(f"noise-{place}", name, members) for place, (name, members) in enumerate(ratios.items())]
    tables += [
        _table(f"list-{place}", f"By list: {name}", members)
        for place, (name, members) in enumerate(found.by_list.items())
        if members
    ]
    drawn = f"utterances ({main.groups:,} in the whole list)"
    if main.by_speaker:
        drawn = f"speakers ({main.groups:,} in the whole list), or of utterances in a row that names fewer than two"
    note = (
        f"Intervals are of 95 %, from {main.bootstrap:,} paired bootstrap resamplings of {drawn}. Where p is small, "
        "the difference is hardly chance; of a single utterance nothing can be said (–)."
    )
    return Section("rates", "Rates of both", note, tuple(tables))


def _table(id: str, title: str, differences: Sequence[Difference]) -> Table:
    rows = tuple(
        TableRow(
            each.measure,
            (
                f"{100 * each.first:.1f} %",
                f"{100 * each.second:.1f} %",
                "–" if each.p is None else f"{each.p:.4f}",
            ),
            (each.difference,),
        )
        for each in differences
    )
    return Table(id, title, ("", "first", "second", "p", _GAP), rows, differences=True)


def _at(difference: Difference) -> str:
    return "As recorded" if difference.snr is None else f"In noise at {difference.snr:g} dB"


def _changed(change: Change, sounds: Sounds) -> HeardUtterance:
    first, second = change.first, change.second
    at = "" if change.key.snr is None else f", in noise at {change.key.snr:g} dB; it plays as recorded"
    facts = f"errors {first.errors} → {second.errors}, speaker {speaker_name(first.speaker)}{at}"
    lines: tuple[tuple[str, str], ...] = ()
    if first.kind == "commands":
        lines = ("first", first.heard), ("second", second.heard)
    aligned = tuple(
        AlignedWords(name, align({change.key.id: each.said}, {change.key.id: each.words}, normaliser=str)[0].pairs)
        for name, each in (("first", first), ("second", second))
        if each.said or each.words
    )
    return HeardUtterance(change.key.id, facts, aligned, lines, sounds.of(change.key.id))
