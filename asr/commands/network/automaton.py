"""The sentences of a network as tokens: what a search may say next, found out as it goes."""

import heapq
import itertools
import math
import threading
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from asr.commands.network.network import Network
from asr.commands.network.nodes import Net, Node
from asr.commands.network.spelling import Speller, Twig
from asr.errors import AsrError
from asr.search.constraint import Options
from asr.text.special import EOS
from asr.text.tokenizer import Tokenizer

_MOST_STATES: Final = 50_000
_MOST_OPTIONS: Final = 2_000_000  # over all states: 32 MB


@dataclass(frozen=True, eq=False, slots=True)
class _Frame:
    """Where a called sub-network returns to, from all its calls at one word: node, frame there, and how likely.

    Calls of the same sub-network share what is said inside, as in a graph-structured stack (Tomita, 1987).
    """

    returns: tuple[tuple[Node, "_Frame | None", float], ...]
    depth: int


_Inside = dict[tuple[Twig, _Frame | None], float]
_Between = dict[tuple[Node, _Frame | None], float]


@dataclass(frozen=True, eq=False, slots=True)
class _Closure:
    """All that can come from a node before the next word, with how likely it is: words, calls, the end."""

    twigs: list[tuple[Twig, float]]
    calls: list[tuple[Net, Node, float]]
    end: float


@dataclass(eq=False, slots=True)
class _State:
    """Where a text can be in the network; the weights and ``end`` add up to 1."""

    inside: _Inside
    end: float
    options: Options | None = None
    following: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class _Tables:
    """What was found out; dropped when there is too much of it."""

    states: dict[int, _State] = field(default_factory=dict)
    numbers: dict[tuple[object, ...], int] = field(default_factory=dict)
    frames: dict[frozenset[object], _Frame] = field(default_factory=dict)


class _Walks(threading.local):
    """What a thread found out: so that none drops the states that another is in."""

    def __init__(self) -> None:
        self.tables = self.before = _Tables()
        self.options = 0
        self.start: int | None = None


class TokenAutomaton:
    """A Constraint: exactly the sentences of a network, each as the tokens of its words, as likely as there.

    It is made deterministic while it is walked: a state is a set of places in the network, each with the calls that
    it is in, and states from which the texts go on alike are one. Any words are spelled in any tokens.

    What was found out is kept for later utterances, and dropped in ``start`` when it is much; the states of walks
    that began before stay valid until that happens for the second time. Several threads may use it at once; each has
    states of its own, so a walk stays in the thread in which it began.

    Raises SettingsError for words that the tokenizer cannot spell.
    """

    def __init__(self, network: Network, tokenizer: Tokenizer) -> None:
        self._net = network.net
        self._speller = Speller(network.words(), tokenizer)
        self._closures: dict[Node, _Closure] = {}
        self._twigs: dict[Node, Twig] = {}
        self._ids = itertools.count()
        self._walks = _Walks()
        self._lock = threading.RLock()  # of all that the threads share, and it costs little

    def start(self) -> int:
        """The state before the first token."""
        with self._lock:
            return self._begin()

    def options(self, state: int) -> Options:
        """What may come next, with EOS where a sentence may end."""
        with self._lock:
            found = self._find(state)
            if found.options is None:
                found.options = _options(found)
                self._walks.options += len(found.options.tokens)
            return found.options

    def follow(self, state: int, token: int) -> int:
        """The state after a token of ``options`` that is not EOS; raises AsrError for another."""
        with self._lock:
            return self._follow(state, token)

    def _begin(self) -> int:
        walks = self._walks
        if len(walks.tables.states) > _MOST_STATES or walks.options > _MOST_OPTIONS:
            walks.before, walks.tables = walks.tables, _Tables()
            walks.options = 0
            walks.start = None
        if walks.start is None:
            walks.start = self._state({}, {(self._net.start, None): 1.0})
        return walks.start

    def _follow(self, state: int, token: int) -> int:
        found = self._find(state)
        known = found.following.get(token)
        if known is not None:
            return known
        inside: _Inside = {}
        between: _Between = {}
        for (twig, frame), weight in found.inside.items():
            following = twig.twigs.get(token)
            if following is None:
                continue
            scale = weight / twig.total
            if following.inner:
                inside[following, frame] = inside.get((following, frame), 0.0) + scale * following.inner
            for node, mass in following.ends:
                between[node, frame] = between.get((node, frame), 0.0) + scale * mass
        if not inside and not between:
            raise AsrError(f"no sentence of the commands goes on with token {token} there; wanted one of the options")
        number = found.following[token] = self._state(inside, between)
        return number

    def _find(self, state: int) -> _State:
        found = self._walks.tables.states.get(state) or self._walks.before.states.get(state)
        if found is None:
            raise AsrError(f"state {state} of the commands is not known, or no longer; begin anew with start()")
        return found

    def _state(self, inside: _Inside, between: _Between) -> int:
        """The state of a text that may be within these words, or between words at these nodes."""
        calls: dict[Net, _Between] = {}
        end = self._returned(between, inside, calls)
        # A sub-network ends after all that it calls does.
        agenda = [(-net.end.order, net) for net in calls]
        heapq.heapify(agenda)
        while agenda:
            _, net = heapq.heappop(agenda)
            self._enter(net, calls, inside, agenda)
        total = sum(inside.values()) + end
        for key in inside:
            inside[key] /= total
        end /= total
        alike = (_rounded(end), frozenset((*place, _rounded(weight)) for place, weight in inside.items()))
        number = self._walks.tables.numbers.get(alike)
        if number is None:
            number = self._walks.tables.numbers[alike] = next(self._ids)
            self._walks.tables.states[number] = _State(inside, end)
        return number

    def _returned(self, between: _Between, inside: _Inside, calls: dict[Net, _Between]) -> float:
        """Go from nodes to the words and calls that can come next, returning where sub-networks end.

        Gives how likely it is that the sentence is over.
        """
        over = 0.0
        depths: dict[int, _Between] = {}
        for (node, frame), weight in between.items():
            depths.setdefault(frame.depth if frame else 0, {})[node, frame] = weight
        while depths:
            for (node, frame), weight in depths.pop(max(depths)).items():
                closure = self._closure(node)
                _spread(closure, frame, weight, inside, calls)
                ended = weight * closure.end
                if not ended:
                    continue
                if frame is None:
                    over += ended
                    continue
                for target, outer, share in frame.returns:
                    level = depths.setdefault(outer.depth if outer else 0, {})
                    level[target, outer] = level.get((target, outer), 0.0) + ended * share
        return over

    def _enter(self, net: Net, calls: dict[Net, _Between], inside: _Inside, agenda: list[tuple[int, Net]]) -> None:
        """Go into a sub-network from all places that call it at once."""
        callers = calls.pop(net)
        weight = sum(callers.values())
        frame = self._frame({place: each / weight for place, each in callers.items()})
        closure = self._closure(net.start)
        before = set(calls)
        _spread(closure, frame, weight / (1 - net.empty), inside, calls)
        for called in calls.keys() - before:
            heapq.heappush(agenda, (-called.end.order, called))

    def _frame(self, returns: _Between) -> _Frame:
        key = frozenset((*place, _rounded(weight)) for place, weight in returns.items())
        frame = self._walks.tables.frames.get(key)
        if frame is None:
            depth = 1 + max(outer.depth if outer else 0 for _, outer in returns)
            places = tuple((node, outer, weight) for (node, outer), weight in returns.items())
            frame = self._walks.tables.frames[key] = _Frame(places, depth)
        return frame

    def _twig(self, node: Node) -> Twig:
        twig = self._twigs.get(node)
        if twig is None:
            spelled = self._speller.any_word(node.wild[0]) if node.wild else self._speller.words(node.words)
            twig = self._twigs[node] = spelled
        return twig

    def _closure(self, start: Node) -> _Closure:
        known = self._closures.get(start)
        if known is not None:
            return known
        twigs: list[tuple[Twig, float]] = []
        calls: dict[tuple[Net, Node], float] = {}
        end = 0.0
        weights = {start.order: 1.0}
        nodes = {start.order: start}
        agenda = [start.order]
        while agenda:
            order = heapq.heappop(agenda)
            node, weight = nodes[order], weights[order]
            ways = [(move.target, move.prob) for move in node.moves]
            for call in node.calls:
                said = weight * call.prob * (1 - call.net.empty)
                if said:
                    place = call.net, call.target
                    calls[place] = calls.get(place, 0.0) + said
                if call.net.empty:
                    ways.append((call.target, call.prob * call.net.empty))
            if node.words:
                twig = self._twig(node)
                twigs.append((twig, weight * twig.total))
            elif node.wild:
                twigs.append((self._twig(node), weight * node.wild[1]))
            elif not (ways or node.calls):
                end += weight
            for target, prob in ways:
                if target.order not in weights:
                    weights[target.order] = 0.0
                    nodes[target.order] = target
                    heapq.heappush(agenda, target.order)
                weights[target.order] += weight * prob
        closure = _Closure(twigs, [(net, target, weight) for (net, target), weight in calls.items()], end)
        self._closures[start] = closure
        return closure


def _spread(
    closure: _Closure, frame: _Frame | None, weight: float, inside: _Inside, calls: dict[Net, _Between]
) -> None:
    """Put what a closure can say and call, ``weight`` times as likely, with what else there is."""
    for twig, share in closure.twigs:
        inside[twig, frame] = inside.get((twig, frame), 0.0) + weight * share
    for net, target, share in closure.calls:
        callers = calls.setdefault(net, {})
        callers[target, frame] = callers.get((target, frame), 0.0) + weight * share


def _options(state: _State) -> Options:
    if len(state.inside) == 1 and not state.end:
        ((twig, _),) = state.inside
        tokens, probs = twig.arrays
        return Options(tokens, np.log(probs))
    several = [twig.arrays for twig, _ in state.inside]
    weights = [*state.inside.values(), *([state.end] if state.end else [])]
    if state.end:
        several.append((np.array([EOS]), np.ones(1)))
    sums = np.bincount(
        np.concatenate([tokens for tokens, _ in several]),
        weights=np.concatenate([weight * probs for weight, (_, probs) in zip(weights, several, strict=True)]),
    )
    tokens = np.flatnonzero(sums)
    return Options(tokens, np.log(sums[tokens] / sums.sum()))


def _rounded(weight: float) -> tuple[int, int]:
    """Equal for weights that differ by no more than how they were added up."""
    mantissa, exponent = math.frexp(weight)
    return round(mantissa * 1e9), exponent
