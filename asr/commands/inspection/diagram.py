"""Grammars as railroad diagrams: one of each command, list and rule, which link to each other.

Wants railroad-diagrams, which ``pip install 'asr[check]'`` brings.
"""

import html
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import railroad

from asr.commands.grammar import syntax
from asr.commands.grammar.grammar import AS_SAID, DateRange, Grammar, NumberRange, Rule, SlotList, TimeRange, WordList
from asr.commands.grammar.names import Scope

_SHOWN: Final = 12  # values of a list, alternatives in a template
_FIRST: Final = 8  # of those that are shortened
_LONGEST: Final = 60  # letters of one piece
_ROW: Final = 980  # pixels; what is wider goes on in another row
_GAP: Final = 28

_COLOURS: Final = """
:root { --page: #fbfaf7; --card: #ffffff; --ink: #22262b; --faint: #6d7680; --line: #77818c; --edge: #e3e0d8;
  --word: #e2f1e4; --word-edge: #5d9a68; --name: #e4ecfa; --name-edge: #5b7fc0; }
@media (prefers-color-scheme: dark) {
  :root { --page: #17191c; --card: #1f2226; --ink: #e6e8ea; --faint: #98a1aa; --line: #7d8791; --edge: #33383e;
    --word: #24382a; --word-edge: #6fae7b; --name: #24304a; --name-edge: #7d9edb; }
}
"""
_DRAWING: Final = """
.railroad-diagram path { stroke: var(--line); stroke-width: 2; fill: none; }
.railroad-diagram text { font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; text-anchor: middle;
  fill: var(--ink); }
.railroad-diagram text.comment { font-size: 12px; fill: var(--faint); }
.railroad-diagram rect { stroke-width: 1.5; stroke: var(--word-edge); fill: var(--word); }
.railroad-diagram .non-terminal rect { stroke: var(--name-edge); fill: var(--name); }
.railroad-diagram rect.group-box { stroke: var(--line); stroke-dasharray: 6 5; fill: none; }
.railroad-diagram a text + text { display: none; }
.railroad-diagram a:hover text { text-decoration: underline; }
"""
_PAGE: Final = """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 70rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.6rem; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.15rem; }
p { margin: .25rem 0; color: var(--faint); }
nav { display: flex; flex-wrap: wrap; gap: .25rem .9rem; margin: 1rem 0 0; }
a { color: inherit; }
section { margin: 0 0 .9rem; padding: .6rem 1rem; background: var(--card); border: 1px solid var(--edge);
  border-radius: 10px; overflow-x: auto; }
section:target { border-color: var(--name-edge); }
h3 { margin: 0; font: 600 1rem ui-monospace, Menlo, Consolas, monospace; }
h3 small { margin-left: .75rem; color: var(--faint); font: .8rem system-ui, sans-serif; }
svg { display: block; }
"""
_SHEET: Final = """
.page { fill: var(--page); }
text.title { font: 600 16px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
text.kind { font: 20px system-ui, sans-serif; fill: var(--ink); }
"""


@dataclass(frozen=True)
class _Drawing:
    """One diagram: ``anchor`` is its place in the page, ``kind`` the heading it stands under."""

    kind: str
    title: str
    anchor: str
    place: str
    diagram: Any


def draw_grammars(grammars: Sequence[Grammar], *, page: bool) -> str:
    """All commands, and the lists and rules that they name, as an HTML page or as one SVG picture.

    Both stand alone: no script, no font, nothing to fetch. Of long lists the first values are drawn, with how many more
    there are.
    """
    drawings = list(_Draughtsman().draw(grammars))
    title = ", ".join(grammar.name for grammar in grammars)
    skipped = list(dict.fromkeys(word for grammar in grammars for word in grammar.skip_words))
    note = f"May be said before or after every sentence: {', '.join(skipped)}." if skipped else ""
    return _as_page(title, note, drawings) if page else _as_picture(title, drawings)


class _Draughtsman:
    def __init__(self) -> None:
        self._anchors: dict[Hashable, str] = {}
        self._numbers = count(1)
        self._waiting: deque[Callable[[], _Drawing]] = deque()

    def draw(self, grammars: Sequence[Grammar]) -> Iterator[_Drawing]:
        railroad.INTERNAL_ALIGNMENT = "left"  # sentences are read from there; the library has no other way to say so
        for grammar in grammars:
            for command, templates in grammar.commands.items():
                ways = [self._template(template.expression, Scope.of(template)) for template in templates]
                body = railroad.Choice(0, *ways) if len(ways) > 1 else ways[0]
                yield _Drawing("Commands", command, self._anchor(), templates[0].place, railroad.Diagram(body))
        while self._waiting:
            yield self._waiting.popleft()()

    def _anchor(self) -> str:
        return f"d{next(self._numbers)}"

    def _template(self, expression: syntax.Expression, scope: Scope) -> Any:
        """A whole template, in several rows where one would be too wide."""
        items = self._items(expression, scope)
        rows: list[list[Any]] = [[]]
        for item in items:
            if rows[-1] and sum(each.width + 20 for each in (*rows[-1], item)) > _ROW:
                rows.append([])
            rows[-1].append(item)
        sequences = [railroad.Sequence(*row) for row in rows]
        return railroad.Stack(*sequences) if len(sequences) > 1 else sequences[0]

    def _items(self, expression: syntax.Expression, scope: Scope) -> list[Any]:
        """The parts of a sequence, blanks aside."""
        parts = expression.items if isinstance(expression, syntax.Sequence) else (expression,)
        items = [self._part(part, scope) for part in parts if not isinstance(part, syntax.Text) or part.text.strip()]
        return items or [railroad.Skip()]

    def _part(self, expression: syntax.Expression, scope: Scope) -> Any:
        if isinstance(expression, syntax.Text):
            return railroad.Terminal(_short(" ".join(expression.text.split())))
        if isinstance(expression, syntax.ListRef):
            slot = "" if expression.slot == expression.name else f":{expression.slot}"
            link = self._link(scope.list(expression), str(expression), scope)
            return railroad.NonTerminal(_short(f"{{{expression.name}{slot}}}"), href=link)
        if isinstance(expression, syntax.RuleRef):
            name = _short(str(expression))
            return railroad.NonTerminal(name, href=self._link(scope.rule(expression), name, scope))
        if isinstance(expression, syntax.Sequence):
            return railroad.Sequence(*self._items(expression, scope))
        if isinstance(expression, syntax.AnyOrder):
            return railroad.Group(
                railroad.Sequence(*(self._part(item, scope) for item in expression.items)), "any order"
            )
        ways = [railroad.Sequence(*self._items(item, scope)) for item in _first(expression.items)]
        drawn = self._choice(ways, len(expression.items))
        return railroad.Optional(drawn) if isinstance(expression, syntax.Optional) else drawn

    def _choice(self, drawn: list[Any], of: int) -> Any:
        if of > len(drawn):
            drawn.append(railroad.Comment(f"… {of - len(drawn):,} more"))
        return railroad.Choice(0, *drawn) if len(drawn) > 1 else drawn[0] if drawn else railroad.Skip()

    def _link(self, named: SlotList | Rule, title: str, scope: Scope) -> str:
        """Where a list or rule is drawn, which it will be once."""
        key: Hashable = named if isinstance(named, NumberRange) else (id(named), title)
        if key not in self._anchors:
            anchor = self._anchors[key] = self._anchor()
            self._waiting.append(lambda: self._named(named, title, anchor, scope))
        return f"#{self._anchors[key]}"

    def _named(self, named: SlotList | Rule, title: str, anchor: str, scope: Scope) -> _Drawing:
        if isinstance(named, Rule):
            body = self._template(named.expression, scope.at(named.place))
            return _Drawing("Rules", title, anchor, named.place, railroad.Diagram(body))
        if not isinstance(named, WordList):
            return _Drawing("Lists", title, anchor, "", railroad.Diagram(railroad.NonTerminal(_described(named))))
        values = []
        for value in _first(named.values):
            items = self._items(value.expression, scope)
            if value.out is not AS_SAID:
                items.append(railroad.Comment(_short(f"→ {value.out}")))
            values.append(railroad.Sequence(*items))
        place = named.values[0].place if named.values else ""
        return _Drawing("Lists", title, anchor, place, railroad.Diagram(self._choice(values, len(named.values))))


def _first(items: Sequence[Any]) -> Sequence[Any]:
    return items if len(items) <= _SHOWN else items[:_FIRST]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _described(named: SlotList) -> str:
    if isinstance(named, NumberRange):
        steps = f", every {named.step}" if named.step != 1 else ""
        parts = f", and {named.fractions}" if named.fractions else ""
        times = f", times {named.multiplier:g}" if named.multiplier is not None else ""
        return f"a number from {named.start} to {named.stop}{steps}{parts}{times}"
    if isinstance(named, TimeRange):
        first, last = (f"{minute // 60}:{minute % 60:02}" for minute in (named.start, named.stop))
        return f"a time from {first} to {last}, every {named.step} min"
    return "a day of the week or of the year, today, tomorrow …" if isinstance(named, DateRange) else "any words"


def _svg(drawing: _Drawing, place: str = "") -> str:
    pieces: list[str] = []
    drawing.diagram.format(12)
    drawing.diagram.writeSvg(pieces.append)
    return "".join(pieces).replace("<svg", f"<svg{place}", 1)


def _as_page(title: str, note: str, drawings: Sequence[_Drawing]) -> str:
    body = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(note)}</p>" if note else "", "<nav>"]
    body += [f'<a href="#{each.anchor}">{html.escape(each.title)}</a>' for each in drawings if each.kind == "Commands"]
    body.append("</nav>")
    for kind in ("Commands", "Rules", "Lists"):
        chosen = [drawing for drawing in drawings if drawing.kind == kind]
        if chosen:
            body.append(f"<h2>{kind}</h2>")
        for drawing in chosen:
            place = f"<small>{html.escape(drawing.place)}</small>" if drawing.place else ""
            body.append(
                f'<section id="{drawing.anchor}"><h3>{html.escape(drawing.title)}{place}</h3>{_svg(drawing)}</section>'
            )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_COLOURS}{_PAGE}{_DRAWING}</style></head>\n<body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def _as_picture(title: str, drawings: Sequence[_Drawing]) -> str:
    body: list[str] = []
    top, width = _GAP, 0.0
    for kind in ("Commands", "Rules", "Lists"):
        for at, drawing in enumerate(each for each in drawings if each.kind == kind):
            if at == 0:
                top += _GAP
                body.append(f'<text class="kind" x="20" y="{top}">{kind}</text>')
            top += _GAP
            body.append(
                f'<text class="title" id="{drawing.anchor}" x="20" y="{top}">{html.escape(drawing.title)}</text>'
            )
            body.append(_svg(drawing, f' x="10" y="{top}"'))
            top += int(float(drawing.diagram.attrs["height"])) + _GAP // 2
            width = max(width, float(drawing.diagram.attrs["width"]))
    size = f"{int(width) + 40} {top + _GAP}"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {size}" width="{int(width) + 40}" '
        f'height="{top + _GAP}"><title>{html.escape(title)}</title>'
        f"<style>{_COLOURS}{_DRAWING}{_SHEET}</style>"
        '<rect class="page" width="100%" height="100%"/>\n' + "\n".join(body) + "</svg>\n"
    )
