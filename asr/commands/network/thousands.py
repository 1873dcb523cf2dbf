"""Ranges of very many numbers, laid by their thousands, so that a million numbers take a few thousand nodes."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, Literal, TypeGuard

from asr.commands.grammar.grammar import NumberRange
from asr.commands.grammar.spoken import number_ways
from asr.commands.network.nodes import Add, Mark, Net, Node, Total
from asr.commands.network.trie import Said, grow
from asr.errors import SettingsError

MANY_NUMBERS: Final = 2000
"""Ranges of no more are laid number by number."""

_IN_HUNDREDS: Final = 10_000  # below, "twelve hundred" and "twelve fifty" are said as well


_Kind = Literal["units", "thousands", "thousands or hundreds", "hundreds", "pairs"]


def is_long(found: object) -> TypeGuard[NumberRange]:
    """Whether it is a range of so many numbers that it is laid by their thousands."""
    return isinstance(found, NumberRange) and len(_every(found)) > MANY_NUMBERS


class LongRange:
    """Lays the sub-network of a range of many numbers, each as likely as any other.

    All ways of ``number_ways`` can be said, with "and" or without wherever that may be.

    Raises SettingsError for numbers below zero and for fractions.
    """

    def __init__(self, found: NumberRange, new: Callable[[], Node], place: str) -> None:
        self._every = _every(found)
        if found.start < 0 or found.fractions:
            raise SettingsError(
                f"{place}: found a range of {len(self._every):,} numbers from {found.start:,}"
                f"{' with ' + found.fractions if found.fractions else ''}; wanted {MANY_NUMBERS:,} at most, or whole "
                "numbers from 0 up"
            )
        self._new = new
        self._place = place
        self._factor = Decimal(1) if found.multiplier is None else Decimal(str(found.multiplier))
        self._rests: dict[tuple[_Kind, range], tuple[Net, float]] = {}
        self._called: dict[tuple[Mark, ...], Net] = {}
        self._count = 0

    def lay(self) -> Net:
        """The sub-network."""
        start = self._new()
        leaves = grow(start, [*self._begun(1000), *self._begun(100)], self._new)
        afters = []
        for node, prob, marks in leaves:
            after = self._new()
            node.call(self._called[marks], after, prob, marks)
            afters.append(after)
        end = self._new()
        for after in afters:
            after.move(end, 1.0, (Total(self._factor),))
        return Net(start, end, self._count, self._place)

    def _begun(self, unit: int) -> Iterator[Said]:
        """The beginnings of numbers, such as "five thousand", with what calls the rests."""
        first, last = self._every[0], self._every[-1]
        if unit == 100:
            first, last = max(first, 1000), min(last, _IN_HUNDREDS - 1)
        for begun in range(first // unit * unit, last + 1, unit):
            rest = _above(self._every, begun, unit)
            net, mass = self._rest(_kind(begun, unit), rest)
            if not net.count:
                continue
            marks: tuple[Mark, ...] = (Add(begun),)
            self._called[marks] = net
            ways = [""] if not begun else number_ways(begun if unit == 1000 else begun // 100)
            self._count += len(ways) * net.count
            yield from ((tuple(way.split()), mass / len(ways), marks) for way in ways)

    def _rest(self, kind: _Kind, rest: range) -> tuple[Net, float]:
        """What is said after a beginning, and how likely it is next to others."""
        if (kind, rest) not in self._rests:
            said = [each for number in rest for each in _ways(number, kind)]
            start = self._new()
            leaves = grow(start, said, self._new)
            end = self._new()
            for node, prob, marks in leaves:
                node.move(end, prob, marks)
            self._rests[kind, rest] = Net(start, end, len(said), self._place), sum(mass for _, mass, _ in said)
        return self._rests[kind, rest]


def _every(found: NumberRange) -> range:
    return range(found.start, found.stop + 1, found.step)


def _above(every: range, begun: int, unit: int) -> range:
    """What the numbers of a range have above one beginning."""
    above = begun + (every.start - begun) % every.step if every.start < begun else every.start
    return range(above - begun, min(every.stop - begun, unit), every.step)


def _kind(begun: int, unit: int) -> _Kind:
    """How the numbers that begin so are said."""
    if unit == 100:
        return "hundreds" if begun % 1000 else "pairs"
    if not begun:
        return "units"
    return "thousands or hundreds" if begun < _IN_HUNDREDS else "thousands"


def _ways(number: int, kind: _Kind) -> list[Said]:
    """The ways of saying the rest of a number, with a mass of 1 over all kinds in which the number can be said."""
    mass = 1.0
    if kind == "units":
        ways = list(number_ways(number))
    elif kind == "pairs":
        ways, mass = _paired(number), 0.5
    else:
        plain = number_ways(number) if number else ("",)
        ways = [*plain, *(f"and {way}" for way in plain if 0 < number < 100)]
        if kind == "hundreds":
            ways = [*(f"hundred {way}" for way in ways), *_paired(number)]
        if kind == "hundreds" or (kind == "thousands or hundreds" and number):
            mass = 0.5
    marks = (Add(number),)
    return [(tuple(way.split()), mass / len(ways), marks) for way in ways]


def _paired(number: int) -> list[str]:
    """The last two figures of a number as they are said after the others: "nineteen oh five"."""
    return [f"{'oh ' if number < 10 else ''}{way}" for way in number_ways(number)] if number else []
