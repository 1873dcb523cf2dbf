"""Texts that begin alike share their beginning."""

from collections.abc import Callable, Iterable

from asr.commands.nodes import Mark, Node

Leaf = tuple[Node, float, tuple[Mark, ...]]
"""Where a text ends, how likely it is from there that it does, and what is noted then."""


class _Twig:
    """A trie under construction, by mass."""

    __slots__ = ("ends", "mass", "twigs")

    def __init__(self) -> None:
        self.twigs: dict[str, _Twig] = {}
        self.ends: dict[tuple[Mark, ...], float] = {}
        self.mass = 0.0


def grow(
    start: Node, texts: Iterable[tuple[tuple[str, ...], float, tuple[Mark, ...]]], new: Callable[[], Node]
) -> list[Leaf]:
    """Lay texts (words, probability, marks) from ``start``; gives where each of them ends.

    The probabilities add up to 1, or less where ``start`` has other ways on. Texts that end alike end at one node.
    """
    root = _Twig()
    for words, mass, marks in texts:
        twig = root
        twig.mass += mass
        for word in words:
            following = twig.twigs.get(word)
            if following is None:
                following = twig.twigs[word] = _Twig()
            twig = following
            twig.mass += mass
        twig.ends[marks] = twig.ends.get(marks, 0.0) + mass
    leaves: list[Leaf] = []
    shared: dict[tuple[Mark, ...], Node] = {}
    todo = [(root, start, 1.0)]
    while todo:
        twig, node, mass = todo.pop()
        leaves += [(node, end / mass, marks) for marks, end in twig.ends.items()]
        for word, following in twig.twigs.items():
            prob = following.mass / mass
            if not following.twigs and len(following.ends) == 1:
                (marks,) = following.ends
                if marks not in shared:
                    shared[marks] = new()
                    leaves.append((shared[marks], 1.0, marks))
                node.words[word] = shared[marks], prob
            else:
                node.words[word] = new(), prob
                todo.append((following, node.words[word][0], following.mass))
    return leaves
