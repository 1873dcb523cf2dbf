"""The parts of a sentence template, as hassil parses it."""

from collections.abc import Mapping, Sequence
from typing import Any

from asr.commands.grammar.grammar import SlotList, Wildcard


def merged(items: Sequence[Any]) -> list[Any]:
    """The items of a sequence, with texts that follow each other as one: hassil has one for each word."""
    from hassil.expression import TextChunk

    joined: list[Any] = []
    for item in items:
        if isinstance(item, TextChunk) and joined and isinstance(joined[-1], TextChunk):
            joined[-1] = TextChunk(joined[-1].original_text + item.original_text)
        else:
            joined.append(item)
    return joined


def ends_of(expression: Any) -> tuple[Any, Any]:
    """The first and the last part of a sentence."""
    from hassil.expression import Sequence as Parts

    items = expression.items if isinstance(expression, Parts) and expression.items else [expression]
    return items[0], items[-1]


def is_any_words(item: Any, lists: Mapping[str, SlotList]) -> bool:
    """Whether a part of a sentence is a list that takes any words."""
    name = getattr(item, "list_name", None)
    return name is not None and isinstance(lists.get(name), Wildcard)
