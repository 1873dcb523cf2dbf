"""What templates name: checked once, when a grammar is read, for nothing is easier to misspell."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from asr.commands.grammar.budget import MOST_TEXTS
from asr.commands.grammar.grammar import Template, WordList
from asr.commands.grammar.source import suggestion
from asr.commands.grammar.templates import Origins
from asr.errors import SourceError

_DEEPEST: Final = 50


def check_references(commands: Mapping[str, Sequence[Template]], origins: Origins) -> None:
    """Raises SourceError where a list or rule is named that is not there or goes round in itself."""
    scopes: dict[tuple[int, int], _Scope] = {}
    for templates in commands.values():
        for template in templates:
            known = id(template.lists), id(template.rules)
            if known not in scopes:
                scopes[known] = _Scope(template, origins)
            scopes[known].check(template.expression, ())


class _Scope:
    """The lists and rules that are known to some templates, and which of them were found to be good."""

    def __init__(self, template: Template, origins: Origins) -> None:
        self._lists = template.lists
        self._rules = template.rules
        self._origins = origins
        self._good: set[str] = set()

    def check(self, whole: Any, inside: tuple[str, ...]) -> None:
        """Check all that an expression names, ``inside`` of which lists and rules it stands."""
        for reference in references(whole):
            name, parts = self._named(reference, whole)
            if name in inside:
                way = " in ".join([name, *reversed(inside[inside.index(name) :])])
                raise self._fault(whole, name, f"{name} is used in itself ({way}); lists and rules cannot go round")
            if len(inside) >= _DEEPEST:
                raise self._fault(whole, name, f"found lists and rules in each other more than {_DEEPEST} deep")
            if name not in self._good:
                for part in parts:
                    self.check(part, (*inside, name))
                self._good.add(name)

    def _named(self, reference: Any, whole: Any) -> tuple[str, Sequence[Any]]:
        """The name in its brackets, and the expressions that it stands for."""
        from hassil.expression import RuleReference

        if isinstance(reference, RuleReference):
            name = f"<{reference.rule_name}>"
            if reference.rule_name not in self._rules:
                raise self._unknown(whole, name, "expansion_rules", [f"<{rule}>" for rule in self._rules])
            return name, [self._rules[reference.rule_name].expression]
        name = f"{{{reference.list_name}}}"
        if reference.is_inline_range:
            self._check_range(reference, whole, name)
            return name, []
        if reference.list_name not in self._lists:
            if "." in name:  # no slot is named, so hassil takes it for a list
                raise self._fault(
                    whole, name, f"{name} has no slot; wanted numbers and a slot, such as {{0..100:percent}}"
                )
            raise self._unknown(whole, name, "lists", [f"{{{known}}}" for known in self._lists])
        found = self._lists[reference.list_name]
        return name, [value.expression for value in found.values] if isinstance(found, WordList) else []

    def _check_range(self, reference: Any, whole: Any, name: str) -> None:
        """Raises SourceError where numbers within a template are none that a list could have."""
        try:
            start, stop, step = reference.get_inline_range()
        except ValueError:  # of thousands of figures
            raise self._fault(
                whole, "{", "found a range of numbers that are too long; wanted such as {0..100}"
            ) from None
        if start > stop or step < 1:
            raise self._fault(whole, name, f"found a range from {start} to {stop} by {step}; wanted it to rise")
        if (numbers := (stop - start) // step + 1) > MOST_TEXTS:
            raise self._fault(
                whole,
                name,
                f"found a range of {numbers:,} numbers; wanted {MOST_TEXTS:,} at most: say long numbers in two parts",
            )

    def _unknown(self, whole: Any, name: str, section: str, names: list[str]) -> SourceError:
        return self._fault(whole, name, f"{name} is not among the `{section}:`; {suggestion(name, names)}")

    def _fault(self, whole: Any, name: str, message: str) -> SourceError:
        source, node = self._origins[id(whole)]
        return source.fault(node, message, max(str(node.value).find(name.rstrip("}>")), 0))


def references(expression: Any) -> Iterator[Any]:
    """The lists and rules that an expression names."""
    from hassil.expression import Group, TextChunk

    if isinstance(expression, Group):
        for item in expression.items:
            yield from references(item)
    elif not isinstance(expression, TextChunk):
        yield expression
