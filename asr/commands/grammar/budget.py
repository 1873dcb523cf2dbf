"""How much a grammar may cost: steps that are counted, so that the same grammar always ends alike on any machine."""

from collections.abc import Iterable
from typing import Final

from asr.errors import SettingsError

MANY: Final = 10**30
"""Counts of texts stop here: more of them are told apart by nobody, and exact ones would have millions of figures."""

MOST_STEPS: Final = 1_500_000
"""Of one network: nodes, texts and numbers."""

MOST_NODES: Final = 700_000
"""Names and texts of one file of YAML, before anything is made of them."""

MOST_SENTENCES: Final = 50_000
"""Templates of one grammar, those of all its files."""

MOST_LETTERS: Final = 500_000
"""Of one template."""

MOST_TEXTS: Final = 100_000
"""How many texts of a list or a rule are spelled out one by one at most."""

MOST_NUMBERS: Final = 10_000
"""Of one range, with the halves or tenths: all that have four figures. They are laid out one by one, in some 2 s."""

MOST_CARRIED: Final = 20_000
"""Beginnings of one word that parts written without a blank between can make."""


class Exhausted(Exception):
    """A search took as many steps as it may."""


class Steps:
    """Counts the steps of a search that may end before all was seen."""

    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self, steps: int = 1) -> None:
        """Raises Exhausted where too many were taken."""
        self._left -= steps
        if self._left < 0:
            raise Exhausted


class Budget:
    """Counts what all grammars of one network cost together."""

    def __init__(self) -> None:
        self._left = MOST_STEPS
        self._place = "commands"

    def at(self, place: str, steps: int = 1) -> None:
        """Take steps for what stands at a place (file:line); raises SettingsError, which names it, for too many."""
        self._place = place
        self.spend(steps)

    def spend(self, steps: int = 1) -> None:
        """Take steps for what stood at the last place."""
        self._left -= steps
        if self._left < 0:
            raise SettingsError(
                f"{self._place}: found commands that take more than {MOST_STEPS:,} steps to lay out up to here; wanted "
                "fewer texts: shorten lists and ranges, put blanks between parts that make many words, or leave out "
                "what is never said"
            )

    def carried(self, words: int, place: str) -> None:
        """Raises SettingsError where parts without a blank between make too many words."""
        if words > MOST_CARRIED:
            raise SettingsError(
                f"{place}: found parts without a blank between that make more than {MOST_CARRIED:,} words; wanted "
                "fewer: put blanks between them, or write the words into a list"
            )


def total(counts: Iterable[int]) -> int:
    """The sum of counts, MANY at most."""
    return min(sum(counts), MANY)


def times(counts: Iterable[int]) -> int:
    """The product of counts, MANY at most; 0 where one of them is."""
    product = 1
    for count in counts:
        if not count:
            return 0
        product = min(product * count, MANY)
    return product
