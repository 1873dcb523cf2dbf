"""Texts that begin alike share their beginning."""

from collections.abc import Callable, Iterable

from asr.commands.network.nodes import Mark, Node

Said = tuple[tuple[str, ...], float, tuple[Mark, ...]]
"""The words of a text, how likely it is next to others, and what is noted when it has been said."""
Leaf = tuple[Node, float, tuple[Mark, ...]]
"""Where texts end, how likely it is from there that they do, and what is noted then."""


def grow(start: Node, texts: Iterable[Said], new: Callable[[], Node], share: float = 1.0) -> list[Leaf]:
    """Lay texts from ``start``, of whose ways on they are the given share; gives where they end.

    Those that end alike, and could not go on, end at one node.
    """
    leaves: list[Leaf] = []
    shared: dict[tuple[Mark, ...], Node] = {}
    todo = [(start, 0, share, list(texts))]
    while todo:
        node, depth, share, here = todo.pop()
        scale = share / (sum(mass for _, mass, _ in here) or 1.0)
        ends: dict[tuple[Mark, ...], float] = {}
        groups: dict[str, list[Said]] = {}
        for said in here:
            words, mass, marks = said
            if len(words) == depth:
                ends[marks] = ends.get(marks, 0.0) + mass
            elif words[depth] in groups:
                groups[words[depth]].append(said)
            else:
                groups[words[depth]] = [said]
        leaves += [(node, mass * scale, marks) for marks, mass in ends.items()]
        depth += 1
        for word, group in groups.items():
            marks = group[0][2]
            if all(len(words) == depth and other is marks for words, _, other in group):
                target = shared.get(marks)
                if target is None:
                    target = shared[marks] = new()
                    leaves.append((target, 1.0, marks))
            else:
                target = new()
                todo.append((target, depth, 1.0, group))
            node.say(word, target, sum(mass for _, mass, _ in group) * scale)
    return leaves
