"""The parts of a network of sentences: sub-networks that call each other, so that what is used often is kept once.

A recursive transition network (Woods, 1970) whose calls never go round, with a probability on every way on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

SAID: Final = object()
"""What a slot gets where nothing else is put out for it: the words that were said."""


@dataclass(frozen=True, eq=False, slots=True)
class Open:
    """Here begins what fills a slot."""

    slot: str


@dataclass(frozen=True, eq=False, slots=True)
class Close:
    """Here ends what fills the slot that was opened last; it gets ``out``, and others get what is known of it."""

    out: Any
    others: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Means:
    """What is said belongs to this command, which has these slots whatever is said.

    One of the ``keywords`` is among its words, unless there are none. With ``may_tie`` other commands may have the
    same sentences.
    """

    command: str
    slots: Mapping[str, Any]
    keywords: frozenset[str] = frozenset()
    may_tie: bool = False


Mark = Open | Close | Means


@dataclass(eq=False, slots=True, repr=False)
class Node:
    """A place in a sub-network; the probabilities of all ways on add up to 1, or there is none: its end.

    ``order`` rises along every way on that needs no word. ``words`` leads by a word to one node each; ``wild``, which
    no node has with them, leads on by any word.
    """

    order: int
    # Of its own only where it is needed: most nodes have ways on of one kind, and there are very many nodes.
    words: dict[str, tuple["Node", float]] = field(default_factory=lambda: _NO_WORDS)
    moves: list["Move"] = field(default_factory=lambda: _NO_MOVES)
    calls: list["Call"] = field(default_factory=lambda: _NO_CALLS)
    wild: tuple["Node", float] | None = None

    def say(self, word: str, target: "Node", prob: float) -> None:
        """Add a way on by a word that leads nowhere else."""
        if self.words is _NO_WORDS:
            self.words = {}
        self.words[word] = target, prob

    def move(self, target: "Node", prob: float, marks: tuple[Mark, ...] = ()) -> "Move":
        """Add a way on without a word."""
        if self.moves is _NO_MOVES:
            self.moves = []
        self.moves.append(Move(target, prob, marks))
        return self.moves[-1]

    def call(self, net: "Net", target: "Node", prob: float, marks: tuple[Mark, ...] = ()) -> None:
        """Add a way on through a sub-network."""
        if self.calls is _NO_CALLS:
            self.calls = []
        self.calls.append(Call(net, target, prob, marks))


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Move:
    """A way on without a word."""

    target: Node
    prob: float
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Call:
    """A way on through the whole of another sub-network."""

    net: "Net"
    target: Node
    prob: float
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Net:
    """A sub-network with one beginning and one end, which stands for ``count`` texts.

    ``place`` says where it is written. A text that is said in two ways counts twice; any words count as one text.
    """

    start: Node
    end: Node
    count: int
    place: str

    @cached_property
    def empty(self) -> float:
        """How likely nothing at all is said from its start to its end."""
        nodes = [self.start]
        seen = {self.start}
        for node in nodes:  # which grows
            targets = [move.target for move in node.moves]
            targets += [call.target for call in node.calls if call.net.empty]
            nodes += [target for target in dict.fromkeys(targets) if target not in seen]
            seen.update(targets)
        passing = {self.end: 1.0}
        for node in sorted(seen - {self.end}, key=_order, reverse=True):
            passing[node] = sum(move.prob * passing[move.target] for move in node.moves)
            passing[node] += sum(call.prob * call.net.empty * passing.get(call.target, 0.0) for call in node.calls)
        return passing[self.start]


_NO_WORDS: Final[dict[str, tuple[Node, float]]] = {}
_NO_MOVES: Final[list[Move]] = []
_NO_CALLS: Final[list[Call]] = []


def reachable(start: Node) -> Iterable[Node]:
    """Every node of a network, those of the called sub-networks among them, each once."""
    todo = [start]
    seen = {start}
    while todo:
        node = todo.pop()
        yield node
        targets = [target for target, _ in node.words.values()]
        targets += [move.target for move in node.moves]
        targets += [target for call in node.calls for target in (call.net.start, call.target)]
        if node.wild:
            targets.append(node.wild[0])
        for target in targets:
            if target not in seen:
                seen.add(target)
                todo.append(target)


def _order(node: Node) -> int:
    return node.order
