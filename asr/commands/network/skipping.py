"""Words that may be said anywhere and mean nothing: any number of them in a row, or none."""

from collections.abc import Callable, Collection
from typing import Final

from asr.commands.grammar import syntax
from asr.commands.grammar.grammar import Template, Wildcard
from asr.commands.network.nodes import Net, Node

_ROOT: Final = 0


def lay_skips(phrases: Collection[tuple[str, ...]], prob: float, new: Callable[[], Node], place: str) -> Net:
    """The sub-network of phrases that are said one after the other, each as likely as the next; mostly there is none.

    After each, another follows with the probability ``prob``. Phrases that begin alike share nodes, and where one of
    them goes on as another begins, both are followed (the subset construction).
    """
    tree: list[dict[str, int]] = [{}]
    ends: set[int] = set()
    for phrase in phrases:
        at = _ROOT
        for word in phrase:
            if word not in tree[at]:
                tree.append({})
                tree[at][word] = len(tree) - 1
            at = tree[at][word]
        ends.add(at)
    nodes = {frozenset({_ROOT}): new()}
    todo = list(nodes)
    for places in todo:  # which grows
        for targets in _steps(places, tree, ends).values():
            if targets not in nodes:
                nodes[targets] = new()
                todo.append(targets)
    end = new()
    for places, node in nodes.items():
        steps = _steps(places, tree, ends)
        if _ROOT in places:
            # Over, first of all, so that who draws the first way each time comes to an end.
            node.move(end, 1 - prob if steps else 1.0)
            if not steps:
                continue
            said = new()
            node.move(said, prob)
            node = said
        for word, targets in steps.items():
            node.say(word, nodes[targets], 1 / len(steps))
    return Net(nodes[frozenset({_ROOT})], end, 1 + len(phrases), place)


def any_words_at_ends(template: Template) -> tuple[bool, bool]:
    """Whether a sentence begins with any words, and whether it ends with them.

    As hassil has it, to these belongs what would be skipped elsewhere.
    """
    whole = template.expression
    parts = whole.items if isinstance(whole, syntax.Sequence) and whole.items else (whole,)
    first, last = (
        isinstance(part, syntax.ListRef) and isinstance(template.lists.get(part.name), Wildcard)
        for part in (parts[0], parts[-1])
    )
    return first, last


def _steps(places: Collection[int], tree: list[dict[str, int]], ends: set[int]) -> dict[str, frozenset[int]]:
    following: dict[str, set[int]] = {}
    for place in places:
        for word, target in tree[place].items():
            # Nothing goes on from the last word of a phrase; with it, there would be one set of places more for each.
            after = ({target} if tree[target] else set()) | ({_ROOT} if target in ends else set())
            following.setdefault(word, set()).update(after)
    return {word: frozenset(targets) for word, targets in following.items()}
