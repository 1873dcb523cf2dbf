"""What can be said for a list, as texts: of plain values, numbers, times and dates, and of templates that are small."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, permutations, product
from typing import Final, NamedTuple

from asr.commands.grammar import syntax
from asr.commands.grammar.budget import MOST_TEXTS
from asr.commands.grammar.grammar import AS_SAID, DateRange, NumberRange, TimeRange, Value, Wildcard
from asr.commands.grammar.names import Scope
from asr.commands.grammar.spoken import Spoken, dates, numbers, times, written
from asr.commands.network.nodes import SAID, Close, Mark, Open
from asr.errors import SettingsError
from asr.text.normaliser import LANGUAGE

_DAYS_A_YEAR: Final = 366
_AS_SAID: Final = (Close(SAID),)  # one for all, so that their texts can end at one node


class Entry(NamedTuple):
    """A text, how likely it is among those of its list, and what is noted when it has been said."""

    text: str
    prob: float
    marks: tuple[Mark, ...]


def plain_text(expression: syntax.Expression) -> str | None:
    """The text of an expression that has one only; None for one with alternatives or names."""
    if isinstance(expression, syntax.Text):
        return expression.text
    if not isinstance(expression, syntax.Sequence):
        return None
    texts = [plain_text(item) for item in expression.items]
    return None if None in texts else "".join(text for text in texts if text is not None)


def plain_entries(value: Value, language: str = LANGUAGE) -> list[Entry] | None:
    """The ways of saying a value that is plain text, which are several where it has figures; None for a template."""
    text = plain_text(value.expression)
    if text is None:
        return None
    # Text of mere letters is not looked at any closer: of long lists most is.
    spoken = () if text.replace(" ", "").isalpha() else written(text, language) or ()
    own = None if value.out is AS_SAID else Close(value.out, value.filled)
    if not spoken:
        said = (Close(SAID, value.filled),) if value.filled else _AS_SAID
        return [Entry(text, 1.0, (own,) if own else said)]
    marks = {repr(way.value): (own or Close(way.value, value.filled),) for way in spoken}
    return [Entry(way.text, 1 / len(spoken), marks[repr(way.value)]) for way in spoken]


def range_entries(found: NumberRange | TimeRange | DateRange, language: str = LANGUAGE) -> list[Entry]:
    """The ways of saying every value of a range, each value as likely as any other, and so is each of its ways."""
    if isinstance(found, NumberRange):
        spoken: Iterable[Spoken] = numbers(found, language)
    else:
        spoken = times(found, language) if isinstance(found, TimeRange) else dates(found, language)
    values = [list(ways) for _, ways in groupby(spoken, key=lambda way: repr(way.value))]
    return [
        Entry(way.text, 1 / (len(values) * len(ways)), marks)
        for ways in values
        for marks in [(Close(ways[0].value),)]
        for way in ways
    ]


def range_size(found: NumberRange | TimeRange | DateRange) -> int:
    """How many values a range has; of days about as many as a year has."""
    if isinstance(found, DateRange):
        return _DAYS_A_YEAR
    return found.size if isinstance(found, NumberRange) else len(range(found.start, found.stop + 1, found.step))


class Expansion:
    """Spells out lists and rules that letters are written to, such as `{name}'s`: their words depend on these."""

    def __init__(
        self, count: Callable[[syntax.Expression, Scope], int], normal: Callable[[str, str], str], language: str
    ) -> None:
        self._count = count
        self._normal = normal
        self._language = language

    def list(self, reference: syntax.ListRef, scope: Scope) -> Iterator[Entry]:
        """Every text of a list with what fills its slot; raises SettingsError for any words and for too many texts."""
        found = scope.list(reference)
        if isinstance(found, Wildcard):
            raise SettingsError(
                f"{scope.place}: letters are written to {reference}, which takes any words; put a blank between"
            )
        if isinstance(found, NumberRange | TimeRange | DateRange):
            yield from range_entries(found, self._language)
            return
        counts = [self._count(value.expression, scope.at(value.place)) for value in found.values]
        if sum(counts) > MOST_TEXTS:
            raise SettingsError(
                f"{scope.place}: letters are written to {reference}, which has {sum(counts):,} texts; wanted "
                f"{MOST_TEXTS:,} at most: put a blank between"
            )
        share = 1 / sum(map(bool, counts))
        for value, count in zip(found.values, counts, strict=True):
            if not count:
                continue
            for entry in plain_entries(value, self._language) or self._of_template(value, scope.at(value.place)):
                marks = entry.marks
                if isinstance(marks[-1], Close) and marks[-1].out is SAID:
                    marks = (Close(self._normal(entry.text, value.place), value.filled),)
                yield Entry(entry.text, entry.prob * share, marks)

    def _of_template(self, value: Value, scope: Scope) -> Iterator[Entry]:
        for entry in self._entries(value.expression, scope):
            out = self._normal(entry.text, value.place) if value.out is AS_SAID else value.out
            yield Entry(entry.text, entry.prob, (*entry.marks, Close(out, value.filled)))

    def _entries(self, expression: syntax.Expression, scope: Scope) -> Iterator[Entry]:
        if isinstance(expression, syntax.Text):
            yield Entry(expression.text, 1.0, ())
        elif isinstance(expression, syntax.RuleRef):
            rule = scope.rule(expression)
            yield from self._entries(rule.expression, scope.at(rule.place))
        elif isinstance(expression, syntax.ListRef):
            opened = Open(expression.slot)
            for entry in self.list(expression, scope):
                yield Entry(entry.text, entry.prob, (opened, *entry.marks))
        elif isinstance(expression, syntax.Choice | syntax.Optional):
            for item, share in choices(expression, lambda item: self._count(item, scope)):
                for entry in self._entries(item, scope):
                    yield Entry(entry.text, entry.prob * share, entry.marks)
        else:
            parts = [list(self._entries(item, scope)) for item in expression.items]
            orders = list(permutations(parts)) if isinstance(expression, syntax.AnyOrder) else [tuple(parts)]
            for order in orders:
                for said in product(*order):
                    prob = math.prod(entry.prob for entry in said) / len(orders)
                    marks = tuple(mark for entry in said for mark in entry.marks)
                    yield Entry("".join(entry.text for entry in said), prob, marks)


def choices(
    expression: syntax.Choice | syntax.Optional, count: Callable[[syntax.Expression], int]
) -> list[tuple[syntax.Expression, float]]:
    """What can be chosen, and how likely each is; what stands for no text at all is left out.

    What stands for more texts comes more often, in proportion to the logarithm of their number: by number alone, a
    list of ten thousand titles would leave nothing else. What is optional is left out half of the time.
    """
    shares = proportions([count(item) for item in expression.items])
    chosen = [(item, share) for item, share in zip(expression.items, shares, strict=True) if share]
    if isinstance(expression, syntax.Choice):
        return chosen
    nothing = syntax.Text("")
    return [(nothing, 0.5), *((item, share / 2) for item, share in chosen)] if chosen else [(nothing, 1.0)]


def proportions(counts: Iterable[int]) -> list[float]:
    """How likely each of several things is that stand for so many texts; 0 for one that stands for none."""
    weights = [1 + math.log2(count) if count else 0.0 for count in counts]
    total = sum(weights)
    return [weight / total if weight else 0.0 for weight in weights]
