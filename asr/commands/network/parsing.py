"""Which meanings the words of a sentence can have: a chart over the network, each called sub-network filled once."""

import heapq
import math
from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from typing import Any, Final

from asr.commands.grammar.budget import Steps
from asr.commands.network.nodes import SAID, Close, Mark, Means, Move, Net, Node, Open
from asr.commands.reading import Reading

LETTERS: Final = 28
"""In any words, letters and the apostrophe are as likely as each other and as the end of the word."""

_MOST_MEANINGS: Final = 64  # that are followed side by side from one node
_MANY_WAYS: Final = 8  # from a node, for which it pays to know the first word of each
_MOST_FIRST: Final = 64
_MARKS_A_STEP: Final = 16

Marks = tuple[tuple[Mark, int], ...]
"""What is noted on a way through the network, and before which word."""

_Ways = dict[Marks, float]  # how likely, as logarithms
_First = dict[Node, tuple[dict[str, list[Move]], list[Move]]]  # moves by what is said first, and those by any word


def wild_log_prob(word: str) -> float:
    """How likely a word is among any words."""
    return -(len(word) + 1) * math.log(LETTERS)


def meaning(marks: Iterable[tuple[Mark, int]], words: Sequence[str], log_prob: float) -> Reading:
    """The reading of the marks of a whole way; of a slot that is filled several times, all are kept."""
    command = ""
    fixed: dict[str, Any] = {}
    filled: list[list[Any]] = []
    open_: list[tuple[int, int]] = []
    for mark, at in marks:
        if isinstance(mark, Open):
            open_.append((len(filled), at))
            filled.append([mark.slot, None])
        elif isinstance(mark, Close):
            index, begin = open_.pop()
            filled[index][1] = " ".join(words[begin:at]) if mark.out is SAID else mark.out
            fixed.update(mark.others)
        else:
            command = mark.command
            fixed.update(mark.slots)
    several: dict[str, list[Any]] = {}
    for slot, value in filled:
        several.setdefault(slot, []).append(value)
    slots = {slot: values[0] if len(values) == 1 else values for slot, values in several.items()}
    return Reading(command, {**fixed, **slots}, " ".join(words), log_prob)


class Parser:
    """Reads sentences of one network."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._first: _First = {}

    def readings(self, text: str, steps: Steps | None = None) -> list[Reading]:
        """All meanings of a text, likeliest first: as many as can be followed side by side.

        Raises Exhausted where that takes more than these steps.
        """
        words = text.split()
        chart = _Chart(words, self._first, steps)
        found: dict[tuple[str, str], Reading] = {}
        for marks, log_prob in chart.spans(self._net, 0).get(len(words), {}).items():
            if not _has_keyword(marks, words):
                continue
            reading = meaning(marks, words, log_prob)
            # As text, as True equals 1 and not all values can be hashed.
            key = reading.command, repr(sorted(reading.slots.items()))
            if key in found:
                log_prob = _add(log_prob, found[key].log_prob)
                reading = Reading(reading.command, reading.slots, reading.text, log_prob)
            found[key] = reading
        return sorted(found.values(), key=lambda reading: -reading.log_prob)


def _has_keyword(marks: Marks, words: Collection[str]) -> bool:
    return all(not mark.keywords.isdisjoint(words) for mark, _ in marks if isinstance(mark, Means) and mark.keywords)


class _Chart:
    """What is known of one sentence."""

    def __init__(self, words: list[str], first: _First, steps: Steps | None) -> None:
        self._words = words
        self._first = first
        self._steps = steps
        self._spans: dict[tuple[Net, int], dict[int, _Ways]] = {}

    def spans(self, net: Net, begin: int) -> dict[int, _Ways]:
        """The ways through a sub-network from the word ``begin``, by the word before which they end."""
        known = self._spans.get((net, begin))
        if known is None:
            known = self._spans[net, begin] = self._fill(net, begin)
        return known

    def _fill(self, net: Net, begin: int) -> dict[int, _Ways]:
        done: dict[int, _Ways] = {}
        ways: dict[tuple[int, int], _Ways] = {(begin, net.start.order): {(): 0.0}}
        nodes = {net.start.order: net.start}
        # By word, then along the ways on that need none, so that a node is met when all ways to it are known.
        agenda = [(begin, net.start.order)]

        def reach(target: Node, at: int, several: Iterable[tuple[Marks, float]]) -> None:
            place = at, target.order
            if place not in ways:
                ways[place] = {}
                nodes[target.order] = target
                heapq.heappush(agenda, place)
            known = ways[place]
            for marks, log_prob in several:
                if self._steps is not None:
                    self._steps.spend(1 + len(marks) // _MARKS_A_STEP)
                known[marks] = _add(known[marks], log_prob) if marks in known else log_prob

        while agenda:
            at, order = heapq.heappop(agenda)
            node, here = nodes[order], _likeliest(ways.pop((at, order)))
            if self._steps is not None:  # what is noted on a way is copied at every step of it
                self._steps.spend(1 + sum(1 + len(marks) // _MARKS_A_STEP for marks in here))
            if node is net.end:
                done[at] = here
                continue
            word = self._words[at] if at < len(self._words) else None
            if word is not None and word in node.words:
                target, prob = node.words[word]
                reach(target, at + 1, _times(here, math.log(prob)))
            if word is not None and node.wild:
                target, prob = node.wild
                reach(target, at + 1, _times(here, math.log(prob) + wild_log_prob(word)))
            moves = self._possible(node, word)
            if self._steps is not None:
                self._steps.spend(1 + len(moves) + len(node.calls))
            for move in moves:
                reach(move.target, at, _times(here, math.log(move.prob), tuple((mark, at) for mark in move.marks)))
            for call in node.calls:
                noted = tuple((mark, at) for mark in call.marks)
                for after, inner in self.spans(call.net, at).items():
                    for marks, log_prob in inner.items():
                        reach(call.target, after, _times(here, math.log(call.prob) + log_prob, (*noted, *marks)))
        return done

    def _possible(self, node: Node, word: str | None) -> Sequence[Move]:
        """The moves from a node, without those after which the word cannot come, where there are many."""
        if len(node.moves) < _MANY_WAYS:
            return node.moves
        if node not in self._first:
            begun: dict[str, list[Move]] = {}
            anything: list[Move] = []
            for move in node.moves:
                first = _first_words(move.target)
                if first is None:
                    anything.append(move)
                for each in first or ():
                    begun.setdefault(each, []).append(move)
            self._first[node] = begun, anything
        begun, anything = self._first[node]
        return [*(begun.get(word, ()) if word is not None else ()), *anything]


def _first_words(node: Node) -> frozenset[str] | None:
    """The words that can come first from a node; None where they are many or any, or none may have to come."""
    words: set[str] = set()
    todo = [node]
    for node in todo:  # which grows
        targets = [move.target for move in node.moves] + [call.net.start for call in node.calls]
        targets += [call.target for call in node.calls if call.net.empty]
        if node.wild or len(node.words) > _MOST_FIRST or not (node.words or targets):
            return None
        words.update(node.words)
        todo += targets
        if len(words) > _MOST_FIRST or len(todo) > _MOST_FIRST:
            return None
    return frozenset(words)


def _times(ways: _Ways, log_prob: float, noted: Marks = ()) -> Iterable[tuple[Marks, float]]:
    return [((*marks, *noted), log_prob + each) for marks, each in ways.items()]


def _likeliest(ways: _Ways) -> _Ways:
    if len(ways) <= _MOST_MEANINGS:
        return ways
    return dict(heapq.nlargest(_MOST_MEANINGS, ways.items(), key=lambda way: way[1]))


def _add(*log_probs: float) -> float:
    return reduce(lambda left, right: max(left, right) + math.log1p(math.exp(-abs(left - right))), log_probs)
