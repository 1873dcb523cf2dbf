"""What templates name: lists and rules, found where a template stands, and checked once for all that follows."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from asr.commands.grammar.grammar import NumberRange, Rule, SlotList, Template, Value, WordList
from asr.commands.grammar.source import suggestion
from asr.commands.grammar.syntax import ListRef, Reference, RuleRef, Text, references
from asr.errors import SettingsError

_DEEPEST: Final = 50

Piece = Template | Rule | Value
"""What is written in one place."""
Fault = Callable[[Piece, str, str], SettingsError]
"""Makes the error at a name, in its brackets, that stands in a piece, of what is wrong with it."""


@dataclass(frozen=True)
class Scope:
    """Where a piece of a template stands, and the lists and rules that are known there.

    ``list``, ``rule`` and ``find`` are for names that ``Names`` has checked.
    """

    place: str
    lists: Mapping[str, SlotList]
    rules: Mapping[str, Rule]

    @classmethod
    def of(cls, template: Template) -> "Scope":
        """The scope of a whole template."""
        return cls(template.place, template.lists, template.rules)

    def at(self, place: str) -> "Scope":
        """The same names at another place."""
        return replace(self, place=place)

    def list(self, reference: ListRef) -> SlotList:
        """The list of a reference; `{0..100:percent}` is one by itself."""
        return NumberRange(*reference.numbers) if reference.numbers else self.lists[reference.name]

    def rule(self, reference: RuleRef) -> Rule:
        """The rule of a reference."""
        return self.rules[reference.name]

    def find(self, reference: Reference) -> SlotList | Rule:
        """What a reference stands for."""
        return self.list(reference) if isinstance(reference, ListRef) else self.rule(reference)


class Names:
    """Checks the names of templates, and tells apart what they stand for: what is known twice is compiled once.

    Without a ``fault`` of its own, errors name the place of the piece.
    """

    def __init__(self, fault: Fault | None = None) -> None:
        self._fault = fault or (lambda piece, name, message: SettingsError(f"{piece.place}: {message}"))
        self._references: dict[int, dict[Reference, Piece]] = {}
        self._keys: dict[tuple[int, int, int], Hashable] = {}
        # Small, as keys that hold the keys of what they name would be compared through and through.
        self._numbers: dict[Hashable, tuple[str, int]] = {}
        self._inside: list[str] = []
        self._held: list[object] = []  # so that no id is given to another object

    def check(self, template: Template) -> None:
        """Raises SettingsError where a template, or what it names, names what is not there or goes round in itself."""
        scope = Scope.of(template)
        for reference, piece in _named_in([template]).items():
            self._check(reference, piece, scope)

    def key(self, reference: Reference, scope: Scope) -> Hashable:
        """Equal for lists and rules that say the same; of a template that was checked."""
        named = scope.find(reference)
        return self._keys[_known(named, scope)] if isinstance(named, WordList | Rule) else named

    def _check(self, reference: Reference, piece: Piece, scope: Scope) -> Hashable:
        name = str(reference)
        if (unknown := _unknown(reference, scope)) is not None:
            raise self._fault(piece, name, unknown)
        if name in self._inside:
            way = " in ".join([name, *reversed(self._inside[self._inside.index(name) :])])
            raise self._fault(piece, name, f"{name} is used in itself ({way}); lists and rules cannot go round")
        if len(self._inside) >= _DEEPEST:
            raise self._fault(piece, name, f"found lists and rules in each other more than {_DEEPEST} deep")
        named = scope.find(reference)
        if not isinstance(named, WordList | Rule):
            return named
        known = _known(named, scope)
        if known not in self._keys:
            if id(named) not in self._references:
                self._references[id(named)] = _named_in(named.values if isinstance(named, WordList) else [named])
            self._inside.append(name)
            inner = {(str(each), self._check(each, at, scope)) for each, at in self._references[id(named)].items()}
            self._inside.pop()
            self._keys[known] = self._numbers.setdefault((id(named), frozenset(inner)), ("named", len(self._numbers)))
            self._held.append((named, scope))
        return self._keys[known]


def _known(named: WordList | Rule, scope: Scope) -> tuple[int, int, int]:
    return id(named), id(scope.lists), id(scope.rules)


def _named_in(pieces: Iterable[Piece]) -> dict[Reference, Piece]:
    """What pieces name, each with the first that names it."""
    found: dict[Reference, Piece] = {}
    for piece in pieces:
        if not isinstance(piece.expression, Text):  # which nearly all values of long lists are
            for reference in references(piece.expression):
                found.setdefault(reference, piece)
    return found


def _unknown(reference: Reference, scope: Scope) -> str | None:
    """What is wrong with a name that is not known."""
    name = str(reference)
    if isinstance(reference, RuleRef):
        if reference.name in scope.rules:
            return None
        return f"{name} is not among the `expansion_rules:`; {suggestion(name, [f'<{rule}>' for rule in scope.rules])}"
    if reference.numbers or reference.name in scope.lists:
        return None
    if "." in name:  # no slot is named, so hassil takes it for a list
        return f"{name} has no slot; wanted numbers and a slot, such as {{0..100:percent}}"
    return f"{name} is not among the `lists:`; {suggestion(name, [f'{{{known}}}' for known in scope.lists])}"
