"""All sentences of a person's commands, how likely each is, and what it means, without a list of them."""

import bisect
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

from asr.commands.grammar.budget import Steps, total
from asr.commands.grammar.grammar import Grammar, language_of
from asr.commands.network.compilation import Compiler, Sentences
from asr.commands.network.nodes import Call, Mark, Move, Net, Node, reachable
from asr.commands.network.parsing import Parser, meaning, wild_log_prob
from asr.commands.reading import Reading
from asr.errors import SettingsError
from asr.text.languages import find_language
from asr.text.normaliser import LANGUAGE, Normaliser

_ANY_WORDS: Final = "a"  # drawn for any words where the grammar has no word of its own

_Way = tuple[str | None, Move | Call | tuple[Node, float]]  # the word that is said on it


def compile_network(grammars: Sequence[Grammar], normaliser: Callable[[str], str]) -> "Network":
    """The network of the sentences of several grammars, as the normaliser writes them.

    Templates are as likely as ``1 + log2`` of how many texts they stand for, and so are alternatives; optional parts
    are there half of the time; the values of a list are equally likely. Skip words of a grammar may be said any number
    of times before and after its sentences, and between the words and parts of these.

    Figures in a sentence are said in all the ways that a list has for them.

    Time and memory grow with what is written, and with the numbers in ranges, not with how many sentences that makes:
    lists and rules are kept once. Only where letters are written to them (``{name}'s``) they are copied.

    Raises SettingsError, with the place: an unknown list or rule, one that is used in itself, a sentence that can be
    empty, letters that the normaliser drops, more than can be laid out, more parts in any order than can be, another
    language than the normaliser's.
    """
    return Network(*Compiler(normaliser, _language(grammars, normaliser)).compile(grammars))


def _language(grammars: Sequence[Grammar], normaliser: Callable[[str], str]) -> str:
    named, heard = language_of(grammars), normaliser.language if isinstance(normaliser, Normaliser) else None
    if named and heard and named != heard:
        told, known = find_language(named).NAME, find_language(heard).NAME
        raise SettingsError(
            f"{', '.join(grammar.name for grammar in grammars)}: found commands in {told}, and a bundle that hears "
            f"{known}; use a bundle that was trained on {told}"
        )
    return named or heard or LANGUAGE


class Network:
    """The sentences of a person's commands: ``net`` is their graph, for those who walk it."""

    def __init__(self, net: Net, sentences: Sequence[Sentences]) -> None:
        self.net = net
        self.commands: tuple[str, ...] = tuple(dict.fromkeys(each.command for each in sentences))
        self._sentences: dict[str | None, list[Sentences]] = {None: list(sentences)}
        for each in sentences:
            self._sentences.setdefault(each.command, []).append(each)
        self._parser = Parser(net)
        self._ways: dict[Node, tuple[list[_Way], list[float]]] = {}

    def count(self) -> int:
        """How many texts the templates stand for, MANY at most.

        One that can be said in two ways counts twice, any words once.
        """
        return self.net.count

    def counts(self) -> dict[str, int]:
        """How many texts each command has, MANY at most."""
        counts: Counter[str] = Counter()
        for each in self._sentences[None]:
            counts[each.command] = total((counts[each.command], each.count))
        return dict(counts)

    def words(self) -> set[str]:
        """Every word that can be said; what stands for any words has none of its own."""
        return set(self._words)

    @cached_property
    def _words(self) -> list[str]:
        return sorted({word for node in reachable(self.net.start) for word in node.words})

    def parse(self, text: str) -> Reading | None:
        """The likeliest reading of a text in normal form; None where no command has it."""
        readings = self.readings(text, 1)
        return readings[0] if readings else None

    def readings(self, text: str, most: int = 10, steps: Steps | None = None) -> list[Reading]:
        """The readings of a text in normal form that differ in command or slots, likeliest first.

        Raises Exhausted where that takes more than these steps.
        """
        return self._parser.readings(text, steps)[:most]

    def draw(self, generator: random.Random, command: str | None = None, steps: Steps | None = None) -> str:
        """A sentence of all, or of one command, in normal form; it comes as often as it is likely.

        Where any words may be said, they are some of the grammar's own. Raises SettingsError for an unknown command,
        and Exhausted for a sentence that takes more than these steps.
        """
        return self.draw_reading(generator, command, steps).text

    def draw_reading(self, generator: random.Random, command: str | None = None, steps: Steps | None = None) -> Reading:
        """A sentence as ``draw`` gives it, with what it means; ``log_prob`` is of the way that was drawn alone."""
        if command not in self._sentences:
            raise SettingsError(f"there is no command {command!r}; wanted one of {', '.join(self.commands)}")
        chosen = self._sentences[command]
        first = generator.choices(chosen, [each.move.prob for each in chosen])[0].move
        words: list[str] = []
        noted: list[tuple[Mark, int]] = [(mark, 0) for mark in first.marks]
        log_prob = math.log(first.prob)
        node, returns = first.target, [(self.net, self.net.end)]
        while True:
            if steps is not None:
                steps.spend()
            net, back = returns[-1]
            if node is net.end:
                returns.pop()
                if not returns:
                    return meaning(noted, words, log_prob)
                node = back
                continue
            word, way = self._pick(node, generator)
            if isinstance(way, tuple):
                node, prob = way
                if word is None:
                    word = generator.choice(self._words or [_ANY_WORDS])
                    log_prob += wild_log_prob(word)
                words.append(word)
            else:
                prob = way.prob
                noted += [(mark, len(words)) for mark in way.marks]
                if isinstance(way, Call):
                    returns.append((way.net, way.target))
                    node = way.net.start
                else:
                    node = way.target
            log_prob += math.log(prob)

    def _pick(self, node: Node, generator: random.Random) -> _Way:
        if node not in self._ways:
            on: list[Move | Call] = [*node.moves, *node.calls]
            ways: list[_Way] = [*node.words.items(), *((None, way) for way in on)]
            probs = [prob for _, prob in node.words.values()] + [way.prob for way in on]
            if node.wild:
                ways.append((None, node.wild))
                probs.append(node.wild[1])
            self._ways[node] = ways, list(itertools.accumulate(probs))
        ways, sums = self._ways[node]
        return ways[min(bisect.bisect(sums, generator.random() * sums[-1]), len(ways) - 1)]
