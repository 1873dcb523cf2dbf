"""Sentences that two commands share, found in the network without listing sentences."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from asr.commands.grammar.budget import Exhausted
from asr.commands.network.network import Network
from asr.commands.network.nodes import Means, Node

_MOST_PLACES: Final = 200_000  # looked at; a second or two
_ANY_WORD: Final = "anything"

# Where one command may be after some words: its name, the node, and the calls that it will return from, innermost
# first.
_Place = tuple[str, Node, Any]


@dataclass(frozen=True)
class Shared:
    """A sentence of two commands; ``wild`` where one of them has it only by taking any words."""

    text: str
    commands: tuple[str, str]
    wild: bool


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
    known: dict[tuple[str, str], Shared] = {}
    complete = []
    for wild in (False, True):
        try:
            complete.append(_walk(network, known, wild=wild))
        except Exhausted:
            complete.append(False)
    return Overlap(tuple(known.values()), all(complete))


def _walk(network: Network, known: dict[tuple[str, str], Shared], *, wild: bool) -> bool:
    """Add what is found to ``known``; False where there was too much to see to the end."""
    begin = [
        (mark.command, move.target, None)
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
        ends = {command for command, node, _ in places if node is network.net.end}
        for pair in combinations(sorted(ends), 2):
            known.setdefault(pair, Shared(" ".join(words), pair, wild))
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


def _interesting(places: Iterable[_Place], known: dict[tuple[str, str], Shared]) -> bool:
    """Whether two commands go along that are not known yet to share a sentence."""
    commands = sorted({command for command, _, _ in places})
    return any(pair not in known for pair in combinations(commands, 2))
