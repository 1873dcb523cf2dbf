"""A grammar of commands in the form of JSGF (the Java Speech Grammar Format, W3C note 5 June 2000), for PocketSphinx.

Lists and rules become rules of their own. What JSGF has no sign for is refused: any words, and letters written to a
list or rule (`{name}'s`).
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from itertools import permutations, product

from asr.commands.grammar import syntax
from asr.commands.grammar.grammar import Grammar, Rule, SlotList, Wildcard, WordList
from asr.commands.grammar.names import Scope
from asr.commands.network.entries import plain_entries, range_entries
from asr.errors import SettingsError

_UNSPEAKABLE = "<VOID>"


@dataclass(frozen=True)
class Jsgf:
    """A grammar's ``text``; ``words`` are all that it has, ``missing`` those of them that the recogniser lacks, which
    stand as what cannot be said.
    """

    text: str
    words: frozenset[str]
    missing: frozenset[str]


def write_jsgf(grammar: Grammar, normaliser: Callable[[str], str], knows: Callable[[str], bool]) -> Jsgf:
    """The sentences of a grammar as JSGF, its skip words aside; ``knows`` tells which words the recogniser has.

    Raises SettingsError for a slot that takes any words.
    """
    writer = _Writer(normaliser, knows)
    sentences = [
        writer.expression(template.expression, Scope.of(template))
        for templates in grammar.commands.values()
        for template in templates
    ]
    rules = [f"<{name}> = {body};" for name, body in writer.rules.values()]
    lines = ["#JSGF V1.0;", "grammar commands;", f"public <command> = {_choice(sentences)};", *rules]
    return Jsgf("\n".join(lines) + "\n", frozenset(writer.words), frozenset(writer.missing))


class _Writer:
    def __init__(self, normaliser: Callable[[str], str], knows: Callable[[str], bool]) -> None:
        self.rules: dict[Hashable, tuple[str, str]] = {}
        self.words: set[str] = set()
        self.missing: set[str] = set()
        self._normaliser = normaliser
        self._knows = knows

    def expression(self, expression: syntax.Expression, scope: Scope) -> str:
        if isinstance(expression, syntax.Text):
            return self._text(expression.text)
        if isinstance(expression, syntax.RuleRef):
            rule = scope.rule(expression)
            return self._named(rule, expression.name, lambda: self.expression(rule.expression, scope))
        if isinstance(expression, syntax.ListRef):
            found = scope.list(expression)
            return self._named(found, expression.name, lambda: self._list(found, scope))
        if isinstance(expression, syntax.Choice | syntax.Optional):
            nothing = ("<NULL>",) if isinstance(expression, syntax.Optional) else ()
            return _choice([*(self.expression(item, scope) for item in expression.items), *nothing])
        if isinstance(expression, syntax.AnyOrder):
            parts = [self.expression(item, scope) for item in expression.items]
            return _choice(" ".join(order) for order in permutations(parts))
        parts = [
            self.expression(run[0], scope)
            if len(run) == 1
            else _choice(self._text("".join(texts)) for texts in product(*(_texts(item, scope) for item in run)))
            for run in _runs(expression.items)
        ]
        return " ".join(part for part in parts if part != "<NULL>") or "<NULL>"

    def _named(self, source: SlotList | Rule, name: str, body: Callable[[], str]) -> str:
        key = id(source) if isinstance(source, WordList | Rule) else source
        if key not in self.rules:
            letters = "".join(char if char.isascii() and char.isalnum() else "_" for char in name)
            self.rules[key] = (f"{letters}_{len(self.rules)}", "")  # its place, before those that it names
            self.rules[key] = (self.rules[key][0], body())
        return f"<{self.rules[key][0]}>"

    def _list(self, found: SlotList, scope: Scope) -> str:
        if isinstance(found, Wildcard):
            raise SettingsError(f"{scope.place}: found a slot that takes any words; JSGF wants a list")
        if not isinstance(found, WordList):
            return _choice(self._text(entry.text) for entry in range_entries(found))
        ways = []
        for value in found.values:
            plain = plain_entries(value)
            ways += [self.expression(value.expression, scope)] if plain is None else [self._text(e.text) for e in plain]
        return _choice(ways)

    def _text(self, text: str) -> str:
        words = self._normaliser(text).split()
        self.words.update(words)
        unknown = {word for word in words if not self._knows(word)}
        self.missing |= unknown
        return _UNSPEAKABLE if unknown else " ".join(words) or "<NULL>"


def _choice(ways: Iterable[str]) -> str:
    said = [way for way in dict.fromkeys(ways) if _UNSPEAKABLE not in way.split()]
    return f"({' | '.join(said)})" if said else _UNSPEAKABLE


def _runs(items: Iterable[syntax.Expression]) -> list[list[syntax.Expression]]:
    """Neighbours between which nothing parts words, together."""
    runs: list[list[syntax.Expression]] = []
    for item in items:
        if runs and _edge(runs[-1][-1], -1) and _edge(item, 0):
            runs[-1].append(item)
        else:
            runs.append([item])
    return runs


def _edge(expression: syntax.Expression, side: int) -> bool:
    """Whether what is written beside the expression may belong to the same word."""
    if isinstance(expression, syntax.Text):
        return bool(expression.text) and not expression.text[side].isspace()
    if isinstance(expression, syntax.Reference):
        return True
    inner = [expression.items[side]] if isinstance(expression, syntax.Sequence) else expression.items
    return any(_edge(item, side) for item in inner)


def _texts(expression: syntax.Expression, scope: Scope) -> list[str]:
    """All texts of an expression without names in it."""
    if isinstance(expression, syntax.Text):
        return [expression.text]
    if isinstance(expression, syntax.Choice | syntax.Optional):
        nothing = [""] if isinstance(expression, syntax.Optional) else []
        return [*(text for item in expression.items for text in _texts(item, scope)), *nothing]
    if isinstance(expression, syntax.Group):
        orders = permutations(expression.items) if isinstance(expression, syntax.AnyOrder) else [expression.items]
        return ["".join(texts) for order in orders for texts in product(*(_texts(item, scope) for item in order))]
    raise SettingsError(f"{scope.place}: found letters written to a name; JSGF wants a blank between")
