"""What a template names: its lists and rules, found where it stands."""

import difflib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from asr.commands.grammar.grammar import NumberRange, Rule, SlotList, Template, WordList
from asr.errors import SettingsError

Source = SlotList | Rule


@dataclass(frozen=True)
class Scope:
    """Where a piece of a template stands, and the lists and rules that are known there."""

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

    def list(self, reference: Any) -> SlotList:
        """The list of a reference; `{0..100:percent}` is one by itself. Raises SettingsError where there is none."""
        if reference.is_inline_range:
            return NumberRange(*reference.get_inline_range())
        if reference.list_name not in self.lists:
            raise self._unknown(f"{{{reference.list_name}}}", "`lists:`", (f"{{{name}}}" for name in self.lists))
        return self.lists[reference.list_name]

    def rule(self, reference: Any) -> Rule:
        """The rule of a reference; raises SettingsError where there is none."""
        if reference.rule_name not in self.rules:
            raise self._unknown(f"<{reference.rule_name}>", "`expansion_rules:`", (f"<{name}>" for name in self.rules))
        return self.rules[reference.rule_name]

    def _unknown(self, name: str, section: str, names: Iterable[str]) -> SettingsError:
        known = sorted(names)
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:5]) or 'none'}"
        return SettingsError(f"{self.place}: {name} is not among the {section}; {advice}")


class Names:
    """Tells apart lists and rules by what they stand for, so that one that is known twice is compiled once."""

    def __init__(self) -> None:
        self._references: dict[int, list[tuple[str, Any]]] = {}
        self._keys: dict[tuple[int, int, int], Hashable] = {}
        # Small, as keys that hold the keys of what they name would be compared through and through.
        self._numbers: dict[Hashable, tuple[str, int]] = {}
        self._inside: list[tuple[int, str]] = []
        self._held: list[Any] = []  # so that no id is given to another object

    def key(self, source: Source, scope: Scope, name: str) -> Hashable:
        """Equal for sources that say the same; raises SettingsError for unknown names and for what names itself."""
        if not isinstance(source, WordList | Rule):
            return source
        known = (id(source), id(scope.lists), id(scope.rules))
        if known not in self._keys:
            if any(id(source) == outer for outer, _ in self._inside):
                raise SettingsError(
                    f"{scope.place}: {name} is used in itself ({' in '.join([name, *self._outer(source)])}); "
                    "lists and rules cannot go round"
                )
            self._inside.append((id(source), name))
            scope = scope.at(source.place) if isinstance(source, Rule) else scope
            inner = {
                _named(reference): self.key(*_find(reference, scope.at(place)))
                for place, reference in self._references_of(source)
            }
            self._inside.pop()
            whole = id(source), frozenset(inner.items())
            self._keys[known] = self._numbers.setdefault(whole, ("named", len(self._numbers)))
            self._held.append((source, scope))
        return self._keys[known]

    def _outer(self, source: Source) -> Iterator[str]:
        begin = next(at for at, (outer, _) in enumerate(self._inside) if outer == id(source))
        return (name for _, name in reversed(self._inside[begin:]))

    def _references_of(self, source: WordList | Rule) -> list[tuple[str, Any]]:
        if id(source) not in self._references:
            parts = source.values if isinstance(source, WordList) else (source,)
            found = {
                _named(reference): (part.place, reference) for part in parts for reference in _walk(part.expression)
            }
            self._references[id(source)] = list(found.values())
        return self._references[id(source)]


def _find(reference: Any, scope: Scope) -> tuple[Source, Scope, str]:
    source = scope.list(reference) if hasattr(reference, "list_name") else scope.rule(reference)
    return source, scope, _named(reference)


def _named(reference: Any) -> str:
    return f"{{{reference.list_name}}}" if hasattr(reference, "list_name") else f"<{reference.rule_name}>"


def _walk(expression: Any) -> Iterator[Any]:
    """The references in an expression."""
    if hasattr(expression, "items"):
        for item in expression.items:
            yield from _walk(item)
    elif not hasattr(expression, "original_text"):
        yield expression
