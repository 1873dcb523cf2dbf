"""Sentences that two commands share, found in the network without listing sentences."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from asr.commands.grammar.budget import Exhausted
from asr.commands.network.network import Network
from asr.commands.network.nodes import Means, Node

_MOST_PLACES: Final = 200_000  # looked at; a second or two
_ANY_WORD: Final = "anything"

# A command, and whether its sentences may be those of others as well.
_Who = tuple[str, bool]
# Where one command may be after some words: who it is, the node, and the calls that it will return from, innermost
# first.
_Place = tuple[_Who, Node, Any]
_Known = dict[tuple[str, str], "Shared"]


@dataclass(frozen=True)
class Shared:
    """A sentence of two commands.

    It is ``wild`` where one of them has it only by taking any words, and ``may_tie`` where one of them is told from
    others by more than its words.
    """

    text: str
    commands: tuple[str, str]
    wild: bool
    may_tie: bool


@dataclass(frozen=True)
class Overlap:
    """A shortest sentence for each two commands that share one; ``complete`` where all were walked to the end."""

    shared: tuple[Shared, ...]
    complete: bool


def find_overlap(network: Network) -> Overlap:
    """Which commands have a sentence in common.

    All commands are walked side by side, word by word, as long as two of them go along (the product of automata);
    first without taking any word for another, then with it.
    """
    known: _Known = {}
    complete = []
    for wild in (False, True):
        try:
            complete.append(_walk(network, known, wild=wild))
        except Exhausted:
            complete.append(False)
    return Overlap(tuple(known.values()), all(complete))


def _walk(network: Network, known: _Known, *, wild: bool) -> bool:
    """Add what is found to ``known``; False where there was too much to see to the end."""
    begin = [
        ((mark.command, mark.may_tie), move.target, None)
        for move in network.net.start.moves
        for mark in move.marks
        if isinstance(mark, Means)
    ]
    agenda: deque[tuple[frozenset[_Place], tuple[str, ...]]] = deque([(_closure(network, begin), ())])
    seen = {agenda[0][0]}
    looked_at = 0
    while agenda:
        places, words = agenda.popleft()
        looked_at += len(places)
        if looked_at > _MOST_PLACES:
            return False
        for pair, may_tie in _pairs(who for who, node, _ in places if node is network.net.end):
            if _is_new(pair, known, may_tie=may_tie):
                known[pair] = Shared(" ".join(words), pair, wild, may_tie)
        for word, following in _steps(places, wild=wild).items():
            if _interesting(following, known):
                after = _closure(network, following)
                if after not in seen:
                    seen.add(after)
                    agenda.append((after, (*words, word)))
    return True


def _closure(network: Network, places: Iterable[_Place]) -> frozenset[_Place]:
    """The places that are reached without a word, those given among them; raises Exhausted for very many."""
    found = set(places)
    todo = list(found)
    while todo:
        command, node, back = todo.pop()
        reached: list[_Place] = [(command, move.target, back) for move in node.moves]
        reached += [(command, call.net.start, (call, back)) for call in node.calls]
        if back is not None and node is back[0].net.end:
            reached.append((command, back[0].target, back[1]))
        for place in reached:
            if place not in found:
                found.add(place)
                if len(found) > _MOST_PLACES:
                    raise Exhausted
                todo.append(place)
    return frozenset(found)


def _steps(places: Iterable[_Place], *, wild: bool) -> dict[str, list[_Place]]:
    """Where each word leads that some place has; with ``wild`` any words go along with all of them."""
    steps: dict[str, list[_Place]] = {}
    anything: list[_Place] = []
    for command, node, back in places:
        for word, (target, _) in node.words.items():
            steps.setdefault(word, []).append((command, target, back))
        if wild and node.wild:
            anything.append((command, node.wild[0], back))
    if anything:
        for following in steps.values():
            following += anything
        steps.setdefault(_ANY_WORD, anything)
    return steps


def _interesting(places: Iterable[_Place], known: _Known) -> bool:
    """Whether two commands go along that are not known yet to share a sentence."""
    return any(_is_new(pair, known, may_tie=may_tie) for pair, may_tie in _pairs(who for who, _, _ in places))


def _pairs(several: Iterable[_Who]) -> Iterator[tuple[tuple[str, str], bool]]:
    """Each two commands, and whether one of them may have the sentences of others."""
    for (first, one), (second, other) in combinations(sorted(set(several)), 2):
        if first != second:
            yield (first, second), one or other


def _is_new(pair: tuple[str, str], known: _Known, *, may_tie: bool) -> bool:
    """Whether it says more than what is known: that two share what only one should have says most."""
    return pair not in known or (known[pair].may_tie and not known[pair].wild and not may_tie)
