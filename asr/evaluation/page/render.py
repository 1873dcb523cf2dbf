"""The pages themselves. Ids, texts and grammars may hold anything: Jinja2 escapes all that it puts in, characters that
cannot be seen are written as escapes, what is too long is cut, and the page's own policy forbids scripts and network.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from asr.data.manifests.utterance import Utterance
from asr.evaluation.command_scoring import CommandReport
from asr.evaluation.comparison import RunComparison
from asr.evaluation.evaluate import Evaluation
from asr.evaluation.page.charts import difference_bar, interval_bar
from asr.evaluation.page.commands import command_sections, command_tiles
from asr.evaluation.page.differences import comparison_sections, comparison_tiles
from asr.evaluation.page.parts import PLAYED_SECONDS, Section, Sounds, Tile
from asr.evaluation.page.words import word_sections, word_tiles
from asr.extras import explained
from asr.printable import printable

_LONGEST: Final = 300  # characters of a name or a text


def page_of(measured: Evaluation[Any], title: str, notes: Sequence[str] = ()) -> str:
    """An evaluation as one HTML file: its rates and counts, and the worst utterances with their sound.

    ``notes`` are lines about it that stand below the title. It is below 9 MB, sounds and all, whatever the list holds.

    Raises:
        AsrError: Jinja2 is not installed (the extra ``train``).
    """
    sounds = Sounds(each for members in measured.lists.values() for each in members)
    if isinstance(measured.report, CommandReport):
        tiles, sections = command_tiles(measured), command_sections(measured, sounds)
    else:
        tiles, sections = word_tiles(measured), word_sections(measured, sounds)
    return _drawn("evaluate", "evaluation", title, notes, tiles, sections)


def comparison_page_of(
    found: RunComparison, utterances: Iterable[Utterance], title: str, notes: Sequence[str] = ()
) -> str:
    """A comparison of two evaluations as one HTML file: the rates of both, how surely they differ, and the utterances
    that changed, with the sound of those of ``utterances`` that can be read. Size and ``notes`` are as in ``page_of``.

    Raises:
        AsrError: Jinja2 or jiwer is not installed (the extra ``train``).
    """
    tiles, sections = comparison_tiles(found), comparison_sections(found, utterances)
    return _drawn("compare", "comparison", title, notes, tiles, sections)


def _drawn(
    command: str, kind: str, title: str, notes: Sequence[str], tiles: Sequence[Tile], sections: Sequence[Section]
) -> str:
    with explained("drawing a page"):
        import jinja2
        import markupsafe

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    )
    for name, draw in (("bar", interval_bar), ("difference_bar", difference_bar)):
        environment.globals[name] = lambda rate, limit, draw=draw: markupsafe.Markup(draw(rate, limit))
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    about = {"command": command, "kind": kind, "title": title, "notes": notes, "played": PLAYED_SECONDS}
    return template.render(about, tiles=tiles, sections=sections, markup=markupsafe.Markup)


def _visible(value: Any) -> Any:
    """Text that can be seen, of a length that a page can hold; what is no text, or is markup, as it is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    shown = printable(value[: _LONGEST + 1])
    return shown if len(value) <= _LONGEST else f"{shown[:_LONGEST]}…"
