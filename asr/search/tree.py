"""The tree that a beam searches in: what it kept at each step, what it just did not keep, and what each scored."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from asr.search.beam import BeamStep
from asr.search.hypothesis import Hypothesis
from asr.text.special import EOS

Fate = Literal["kept", "ended", "dropped"]


@dataclass(frozen=True)
class TreeNode:
    """A beginning of a text, or a text that ended (its last token is eos).

    ``parent`` is the place of what it goes on from in the tree, None for the root's; ``step`` counts tokens from 1;
    ``score`` is the search's. ``hypothesis`` has its parts, and is None for what was dropped.
    """

    parent: int | None
    step: int
    token: int
    score: float
    fate: Fate
    hypothesis: Hypothesis | None


class TreeRecorder:
    """Watches one search and keeps its tree."""

    def __init__(self, dropped: int = 3) -> None:
        """``dropped`` is how many of the best that were not kept are recorded, a step."""
        self.nodes: list[TreeNode] = []
        self._dropped = dropped
        self._live: list[int | None] = [None]
        self._step = 0

    def __call__(self, step: BeamStep) -> None:
        """Record a step; to be given to ``beam`` as ``watch``."""
        self._step += 1
        live: list[int | None] = []
        taken = set()
        for row, child in step.kept:
            token = EOS if child.ended else child.tokens[-1]
            taken.add((row, token))
            if not child.ended:
                live.append(len(self.nodes))
            fate: Fate = "ended" if child.ended else "kept"
            self.nodes.append(TreeNode(self._live[row], self._step, token, child.score, fate, child))
        order = np.argsort(-step.scores, axis=None, kind="stable")[: len(taken) + self._dropped]
        left = [divmod(int(place), step.scores.shape[1]) for place in order]
        for row, token in [each for each in left if each not in taken][: self._dropped]:
            score = float(step.scores[row, token])
            if score > -np.inf:
                self.nodes.append(TreeNode(self._live[row], self._step, token, score, "dropped", None))
        self._live = live

    def way_to(self, best: Hypothesis) -> tuple[int, ...]:
        """The places of the nodes that lead to a hypothesis of the search, from the first token on."""
        place: int | None = next(
            (at for at, node in reversed(list(enumerate(self.nodes))) if node.hypothesis == best), None
        )
        way = []
        while place is not None:
            way.append(place)
            place = self.nodes[place].parent
        return tuple(reversed(way))
