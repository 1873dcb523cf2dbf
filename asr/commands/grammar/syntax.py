"""The syntax tree of a sentence template: what ``templates`` reads, and what all else walks.

==================  ===================================================================
``text``            Text
``a b``             Sequence; what is written without a blank between makes one word
``(a|b)``           Choice
``[a|b]``           Optional
``(a;b)``           AnyOrder
``{list}``          ListRef, also ``{list:slot}`` and ``{0..100,5:slot}``
``<rule>``          RuleRef
==================  ===================================================================
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """Words or parts of words, with their blanks; no two stand side by side in a Sequence."""

    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One item after the other; of no item, nothing is said."""

    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the items."""

    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Optional:
    """One of the items, or nothing."""

    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """All items, one after the other in any order, with blanks around each."""

    items: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class ListRef:
    """A value of a list, which fills a slot.

    ``numbers`` are the first, the last and the step of a range that is written in the template itself.
    """

    name: str
    slot: str
    numbers: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        return f"{{{self.name}}}"


@dataclass(frozen=True, slots=True)
class RuleRef:
    """A part of templates that has a name."""

    name: str

    def __str__(self) -> str:
        return f"<{self.name}>"


Group = Sequence | Choice | Optional | AnyOrder
Reference = ListRef | RuleRef
Expression = Text | Group | Reference


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and all within it, in the order in which they are written."""
    yield expression
    if isinstance(expression, Group):
        for item in expression.items:
            yield from walk(item)


def references(expression: Expression) -> Iterator[Reference]:
    """The lists and rules that an expression names."""
    return (part for part in walk(expression) if isinstance(part, Reference))
