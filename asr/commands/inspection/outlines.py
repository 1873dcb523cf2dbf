"""Sentences of a template in outline: what is said, with a mark where a list's value goes.

They are for looking at a grammar, not for recognising with it: lists stay closed, and of many outlines some are drawn.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from asr.commands.grammar import syntax
from asr.commands.grammar.budget import Steps
from asr.commands.grammar.grammar import AS_SAID, Grammar, NumberRange, SlotList, Template, Value
from asr.commands.grammar.names import Scope
from asr.commands.grammar.spoken import number_ways, written
from asr.text.normaliser import LANGUAGE

_VALUE_STEPS: Final = 5
_LETTERS_A_STEP: Final = 8

Normalise = Callable[[str], str]
Outline = tuple[str, ...]
"""Words in normal form; a list's value is one item, its name in braces."""


@dataclass(frozen=True)
class UsedList:
    """A list, the name by which a template uses it first, and where that template stands."""

    name: str
    list: SlotList
    scope: Scope


def used_lists(grammars: Sequence[Grammar]) -> list[UsedList]:
    """Every list that is used, once, in the order of the templates."""
    found: dict[int | NumberRange, UsedList] = {}
    gone_through: set[tuple[int, int, int]] = set()
    for template in (each for grammar in grammars for each in all_templates(grammar)):
        scope = Scope.of(template)
        for reference in _references(template.expression, scope, gone_through):
            used = scope.list(reference)
            key = used if isinstance(used, NumberRange) else id(used)
            found.setdefault(key, UsedList(reference.name, used, scope))
    return list(found.values())


def all_templates(grammar: Grammar) -> Iterator[Template]:
    """The templates of all commands."""
    for templates in grammar.commands.values():
        yield from templates


def outlines(
    template: Template, normaliser: Normalise, most: int, generator: random.Random, steps: Steps
) -> list[Outline]:
    """All outlines of a template, or where there are more than ``most``, that many draws of them.

    Raises Exhausted where that takes more than these steps.
    """
    scope = Scope.of(template)
    found = list(islice(_all_texts(template.expression, scope, normaliser, steps), most + 1))
    if len(found) > most:
        draws = (_text(template.expression, scope, normaliser, generator.randrange, steps) for _ in range(most))
        found = list(draws)
    return list(dict.fromkeys(found))


def value_texts(
    value: Value, scope: Scope, normaliser: Normalise, most: int, steps: Steps, language: str = LANGUAGE
) -> tuple[Any, list[Outline]]:
    """What the slot gets for a value, AS_SAID where it is what is said, and up to ``most`` ways to say the value.

    Raises Exhausted where that takes more than these steps.
    """
    steps.spend(_VALUE_STEPS)
    spoken = written(value.expression.text, language) if isinstance(value.expression, syntax.Text) else None
    if spoken is None:
        found = dict.fromkeys(islice(_all_texts(value.expression, scope.at(value.place), normaliser, steps), most))
        return value.out, list(found)
    out = spoken[0].value if value.out is AS_SAID else value.out
    return out, [tuple(way.text.split()) for way in spoken[:most]]


def range_texts(numbers: NumberRange, most: int, language: str = LANGUAGE) -> Iterator[tuple[int, list[Outline]]]:
    """The first ``most`` whole numbers of a range, each with the first way to say it."""
    for number in islice(range(numbers.start, numbers.stop + 1, numbers.step), most):
        yield number, [tuple(number_ways(number, language)[0].split())]


def _references(
    expression: syntax.Expression, scope: Scope, gone_through: set[tuple[int, int, int]]
) -> Iterator[syntax.ListRef]:
    """The references to lists, those within rules too, each rule once."""
    for reference in syntax.references(expression):
        if isinstance(reference, syntax.ListRef):
            yield reference
            continue
        rule = scope.rule(reference)
        known = id(rule), id(scope.lists), id(scope.rules)
        if known not in gone_through:
            gone_through.add(known)
            yield from _references(rule.expression, scope, gone_through)


def _all_texts(expression: syntax.Expression, scope: Scope, normaliser: Normalise, steps: Steps) -> Iterator[Outline]:
    """Every outline, as often as there are ways to it: the choices are counted through like the figures of a number."""
    ahead: list[int] = []
    while True:
        taken: list[tuple[int, int]] = []

        def choose(count: int, taken: list[tuple[int, int]] = taken, ahead: list[int] = ahead) -> int:
            taken.append((ahead[len(taken)] if len(taken) < len(ahead) else 0, count))
            return taken[-1][0]

        yield _text(expression, scope, normaliser, choose, steps)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        ahead = [choice for choice, _ in taken]
        ahead[-1] += 1


def _text(
    expression: syntax.Expression, scope: Scope, normaliser: Normalise, choose: Callable[[int], int], steps: Steps
) -> Outline:
    words: list[str] = []
    text = ""
    steps.spend()
    for piece in _pieces(expression, scope, choose, steps):
        steps.spend(1 + (len(piece) // _LETTERS_A_STEP if isinstance(piece, str) else 0))
        if isinstance(piece, str):
            text += piece
        else:
            words += [*normaliser(text).split(), str(piece)]
            text = ""
    return (*words, *normaliser(text).split())


def _pieces(
    expression: syntax.Expression, scope: Scope, choose: Callable[[int], int], steps: Steps
) -> Iterable[str | syntax.ListRef]:
    """The text and the references to lists along one way through an expression."""
    todo = [expression]  # the last first: rules in rules would be as many generators in each other
    while todo:
        steps.spend()
        expression = todo.pop()
        if isinstance(expression, syntax.Text):
            yield expression.text
        elif isinstance(expression, syntax.ListRef):
            yield expression
        elif isinstance(expression, syntax.RuleRef):
            todo.append(scope.rule(expression).expression)
        elif isinstance(expression, syntax.Choice):
            todo.append(expression.items[choose(len(expression.items))])
        elif isinstance(expression, syntax.Optional):
            chosen = choose(len(expression.items) + 1)
            todo += expression.items[chosen : chosen + 1]  # after the last there is nothing
        elif isinstance(expression, syntax.AnyOrder):
            left = list(expression.items)
            todo += reversed([left.pop(choose(len(left))) for _ in expression.items])
        else:
            todo += reversed(expression.items)
