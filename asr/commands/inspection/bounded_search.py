"""Searches through a grammar that end when they took as many steps as they may."""

import random
from collections.abc import Iterator
from typing import Final, TypeVar

from asr.commands.grammar.budget import Exhausted, Steps
from asr.commands.network.network import Network
from asr.commands.reading import Reading

_EXAMPLE_STEPS: Final = 50_000
_DRAWN: Final = 10  # steps for a draw, however short

_Found = TypeVar("_Found")


def within(found_one_by_one: Iterator[_Found]) -> tuple[list[_Found], bool]:
    """What a search found before its steps were taken, and whether these are all."""
    found: list[_Found] = []
    try:
        for each in found_one_by_one:
            found.append(each)
    except Exhausted:
        return found, False
    return found, True


def drawn(network: Network, generator: random.Random, command: str, draws: int, steps: Steps) -> Iterator[str]:
    """Different sentences of a command; raises Exhausted where drawing them takes more than these steps."""
    seen: set[str] = set()
    for _ in range(draws):
        steps.spend(_DRAWN)
        text = network.draw(generator, command, steps)
        if text not in seen:
            seen.add(text)
            yield text


def examples_of(network: Network, generator: random.Random) -> Iterator[Reading]:
    """A sentence of each command; raises Exhausted for one that is very long."""
    for command in network.commands:
        yield network.draw_reading(generator, command, Steps(_EXAMPLE_STEPS))
