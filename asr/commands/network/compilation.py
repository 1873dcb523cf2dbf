"""From templates to a network: each list and rule becomes a sub-network once, and is called wherever it is named."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from asr.commands.grammar import syntax
from asr.commands.grammar.budget import MANY, Budget, times, total
from asr.commands.grammar.grammar import AS_SAID, Grammar, Rule, Template, Wildcard, WordList
from asr.commands.grammar.names import Names, Scope
from asr.commands.grammar.syntax import Expression
from asr.commands.network.entries import (
    Entry,
    Expansion,
    choices,
    plain_entries,
    plain_text,
    proportions,
    range_entries,
    range_size,
)
from asr.commands.network.figures import Figures
from asr.commands.network.nodes import SAID, Close, Mark, Means, Move, Net, Node, Open
from asr.commands.network.skipping import any_words_at_ends, lay_skips
from asr.commands.network.trie import Leaf, Said, grow
from asr.commands.network.wording import Wording, split_last
from asr.errors import SettingsError

SKIPPED: Final = 0.05
"""How likely a skip word is said before a sentence, how likely after it, and how likely after another."""

_SKIPPED_WITHIN: Final = 0.01  # between two words of a sentence

_MOST_PERMUTED: Final = 8
# In steps of the budget, each about as long as a node takes.
_NUMBER_COST: Final = 20
_GLUED_COST: Final = 4
_GOES_ON: Final = 2 / 3  # so that any words are three on average

_States = dict[str, Node]  # by what was written of a word that has not ended yet
_Ends = list[tuple[Node, float]]  # where a way ends, and how likely it is from there that it goes on this way


@dataclass(frozen=True)
class Sentences:
    """All that one template stands for; ``move`` leads there from the start of the network."""

    command: str
    count: int
    move: Move


class Compiler:
    """Compiles the templates of grammars with what they name."""

    def __init__(self, normaliser: Callable[[str], str], language: str) -> None:
        self._wording = Wording(normaliser)
        self._names = Names()
        self._nets: dict[Hashable, Net] = {}
        self._begin_glued: dict[tuple[int, int, int, bool], bool] = {}
        self._figures = Figures(normaliser, language)
        self._expansion = Expansion(self._count, lambda text, at: " ".join(self._wording.words(text, at)), language)
        self._order = 0
        self._budget = Budget()

    def compile(self, grammars: Sequence[Grammar]) -> tuple[Net, list[Sentences]]:
        """The network of all sentences of all grammars, and what each template gave to it."""
        templates = [
            (grammar, command, template, count)
            for grammar in grammars
            for command, several in grammar.commands.items()
            for template in several
            if (count := self._checked(template))
        ]
        if not templates:
            names = ", ".join(grammar.name for grammar in grammars) or "no grammar"
            raise SettingsError(f"{names}: there is no sentence that could be said; wanted at least one command")
        start = self._node()
        shares = proportions(count for *_, count in templates)
        sentences, ends = [], []
        for (grammar, command, template, count), share in zip(templates, shares, strict=True):
            first = self._node()
            move = start.move(first, share, (Means(command, template.slots, template.keywords, template.may_tie),))
            sentences.append(Sentences(command, count, move))
            ends.append(self._template(grammar, template, first, count))
        end = self._join([(node, 1.0) for node in ends])
        return Net(start, end, total(count for *_, count in templates), grammars[0].name), sentences

    def _template(self, grammar: Grammar, template: Template, first: Node, count: int) -> Node:
        wild = any_words_at_ends(template)
        skips, within = (self._skips(grammar, prob) for prob in (SKIPPED, _SKIPPED_WITHIN))
        begin = self._call(skips, first, ()) if skips and not wild[0] else first
        scope = Scope.of(template)
        within = None if any(wild) else within
        end = self._sentence(template.expression, {"": begin}, scope, within)[""]
        if Net(begin, end, count, template.place).empty:
            raise SettingsError(f"{template.place}: the sentence can be empty; give it a word that is always said")
        return self._call(skips, end, ()) if skips and not wild[-1] else end

    def _skips(self, grammar: Grammar, prob: float) -> Net | None:
        """The skip words of a grammar, any number of them, or mostly none."""
        key = ("skip words", grammar.skip_words, prob)
        if grammar.skip_words and key not in self._nets:
            place = f"{grammar.name}: skip_words"
            said = {words: None for text in grammar.skip_words if (words := self._wording.words(text, place))}
            self._nets[key] = lay_skips(said, prob, self._node, place)
        return self._nets.get(key)

    def _sentence(self, expression: Expression, states: _States, scope: Scope, within: Net | None) -> _States:
        """Lay a whole sentence, with what may be skipped between its own words and parts."""
        if within is None:
            return self._say(expression, states, scope, glued=False)
        parts = expression.items if isinstance(expression, syntax.Sequence) else (expression,)
        items = [word for part in parts for word in self._figures.words(part)]
        return self._sequence(items, states, scope, glued=False, within=within)

    # Sub-networks

    def _net(self, reference: syntax.Reference, scope: Scope) -> Net:
        """The sub-network of a list or rule, compiled when it is first named."""
        key = self._names.key(reference, scope)
        if key not in self._nets:
            source = scope.find(reference)
            if isinstance(source, Rule):
                net = self._body(source.expression, scope.at(source.place))
            elif isinstance(source, WordList):
                net = self._word_list(source, scope)
            elif isinstance(source, Wildcard):
                net = self._wildcard(scope.place)
            else:
                start = self._node()
                self._budget.at(scope.place, _NUMBER_COST * range_size(source))
                texts = [self._said(entry, scope.place) for entry in range_entries(source, self._figures.language)]
                net = Net(start, self._grow(start, texts), len(texts), scope.place)
            self._nets[key] = net
        return self._nets[key]

    def _body(self, expression: Expression, scope: Scope) -> Net:
        start = self._node()
        if not (count := self._count(expression, scope)):
            return Net(start, start, 0, scope.place)
        return Net(start, self._say(expression, {"": start}, scope, glued=False)[""], count, scope.place)

    def _word_list(self, found: WordList, scope: Scope) -> Net:
        start = self._node()
        plain: list[Said] = []
        bodies: list[tuple[Expression, Scope, Close]] = []
        values = count = 0
        for value in found.values:
            entries = plain_entries(value, self._figures.language)
            self._budget.at(value.place, 9 * len(entries or ()))
            if entries is not None:
                values += 1
                count += len(entries)
                plain += [self._said(entry, value.place) for entry in entries]
            elif texts := self._count(value.expression, inner := scope.at(value.place)):
                count = total((count, texts))
                close = Close(SAID if value.out is AS_SAID else value.out, value.filled)
                bodies.append((value.expression, inner, close))
        if not count:
            return Net(start, start, 0, scope.place)
        ends = []
        for expression, inner, close in bodies:
            begin = self._node()
            start.move(begin, 1 / (values + len(bodies)))
            ends.append((self._say(expression, {"": begin}, inner, glued=False)[""], 1.0, (close,)))
        return Net(start, self._grow(start, plain, values / (values + len(bodies)), ends), count, scope.place)

    def _wildcard(self, place: str) -> Net:
        start, said, end = self._node(), self._node(), self._node()
        start.wild = said, 1.0
        said.wild = said, _GOES_ON
        said.move(end, 1 - _GOES_ON, (Close(SAID),))
        return Net(start, end, 1, place)

    def _checked(self, template: Template) -> int:
        """How many texts a template stands for; raises SettingsError for what it names."""
        self._names.check(template)
        return self._count(template.expression, Scope.of(template))

    def _count(self, expression: Expression, scope: Scope) -> int:
        """How many texts an expression stands for; 0 where it names what has none."""
        if isinstance(expression, syntax.Text):
            return self._figures.count(expression.text)
        if isinstance(expression, syntax.Reference):
            return self._net(expression, scope).count
        counts = [self._count(item, scope) for item in expression.items]
        if isinstance(expression, syntax.Choice):
            return total(counts)
        if isinstance(expression, syntax.Optional):
            return total((1, *counts))
        orders = 1
        if isinstance(expression, syntax.AnyOrder):
            orders = math.factorial(len(counts)) if len(counts) <= _MOST_PERMUTED else MANY
        return times((*counts, orders))

    # Expressions

    def _say(self, expression: Expression, states: _States, scope: Scope, *, glued: bool) -> _States:
        """Lay the ways of saying an expression from where it may begin; gives where they may end.

        A word that is not over is carried by its letters, as others may be written to it: ``glued`` says whether any
        that follow can be. Without, all ways end at one node.
        """
        self._budget.at(scope.place)
        if not self._begins_glued(expression, scope, glued):
            states = self._close(states, scope.place)
        if isinstance(expression, syntax.Text):
            states = self._text(expression.text, states, scope.place, glued=glued)
        elif isinstance(expression, syntax.RuleRef):
            states = self._rule(expression, states, scope, glued=glued)
        elif isinstance(expression, syntax.ListRef):
            states = self._list(expression, states, scope, glued=glued)
        elif isinstance(expression, syntax.AnyOrder):
            states = self._any_order(expression, self._close(states, scope.place), scope)
        elif isinstance(expression, syntax.Sequence):
            states = self._sequence(expression.items, states, scope, glued=glued)
        else:
            states = self._choice(expression, states, scope, glued=glued)
        return states if glued else self._close(states, scope.place)

    def _sequence(
        self, items: Sequence[Expression], states: _States, scope: Scope, *, glued: bool, within: Net | None = None
    ) -> _States:
        follows = [glued]
        for item in reversed(items[1:]):
            follows.append(self._begins_glued(item, scope, follows[-1]))
        for at, (item, follow) in enumerate(zip(items, reversed(follows), strict=False)):
            if within and at and set(states) == {""} and (plain_text(item) or "a").strip():
                states = {"": self._call(within, states[""], ())}
            states = self._say(item, states, scope, glued=follow)
        return states

    def _begins_glued(self, expression: Expression, scope: Scope, glued: bool) -> bool:
        """Whether an expression, or what follows where it is empty, may begin with what a word before it takes in."""
        if isinstance(expression, syntax.Text):
            return self._wording.joins_before(expression.text) if expression.text else glued
        if isinstance(expression, syntax.ListRef):
            return True
        if isinstance(expression, syntax.RuleRef):
            rule = scope.rule(expression)
            # Known once for all: rules that name rules several times would be gone through very often.
            known = id(rule), id(scope.lists), id(scope.rules), glued
            if known not in self._begin_glued:
                self._begin_glued[known] = self._begins_glued(rule.expression, scope.at(rule.place), glued)
            return self._begin_glued[known]
        if isinstance(expression, syntax.AnyOrder):
            return False  # there are blanks around all items
        if isinstance(expression, syntax.Sequence):
            for item in reversed(expression.items):
                glued = self._begins_glued(item, scope, glued)
            return glued
        begin = [self._begins_glued(item, scope, glued) for item in expression.items]
        return any(begin) or (glued and isinstance(expression, syntax.Optional))

    def _text(self, text: str, states: _States, place: str, *, glued: bool) -> _States:
        if not self._wording.joins_before(text) and text:
            states = self._close(states, place)
        parts = self._figures.parts(text) if set(states) == {""} else ()
        if len(parts) > 1 or (parts and parts[0][1]):
            *before, (last, _) = parts
            # To figures at the end others may be written.
            as_written = glued and self._wording.joins_after(last)
            for part, several in before if as_written else parts:
                states = {"": self._in_ways(part, several, states[""], place)}
            if not as_written:
                return states
            text = last
        ends: dict[str, _Ends] = {}
        self._budget.at(place, len(states))
        for carried, node in states.items():
            whole, rest = carried + text, ""
            if glued and self._wording.joins_after(whole):
                whole, rest = split_last(whole)
            ends.setdefault(rest, []).append((self._words(node, whole, place), 1.0))
        return self._joined(ends, place)

    def _in_ways(self, text: str, ways: Sequence[str], node: Node, place: str) -> Node:
        """Lay all ways of saying a text that nothing is written to; of mere words there is one."""
        if not ways:
            return self._words(node, text, place)
        said: list[Said] = [(tuple(way.split()), 1.0, ()) for way in ways]
        return self._join([(end, prob) for end, prob, _ in grow(node, said, self._node)])

    def _rule(self, reference: syntax.RuleRef, states: _States, scope: Scope, *, glued: bool) -> _States:
        if glued or set(states) != {""}:
            rule = scope.rule(reference)
            return self._say(rule.expression, states, scope.at(rule.place), glued=glued)
        return {"": self._call(self._net(reference, scope), states[""], ())}

    def _list(self, reference: syntax.ListRef, states: _States, scope: Scope, *, glued: bool) -> _States:
        opened = Open(reference.slot)
        if not glued and set(states) == {""}:
            return {"": self._call(self._net(reference, scope), states[""], (opened,))}
        ends: dict[str, _Ends] = {}
        entries = list(self._expansion.list(reference, scope))
        for carried, node in states.items():
            for entry in entries:
                self._budget.at(scope.place, _GLUED_COST)
                begin = self._node()
                node.move(begin, entry.prob, (opened, *entry.marks))
                for rest, end in self._text(entry.text, {carried: begin}, scope.place, glued=glued).items():
                    ends.setdefault(rest, []).append((end, 1.0))
        return self._joined(ends, scope.place)

    def _choice(
        self, expression: syntax.Choice | syntax.Optional, states: _States, scope: Scope, *, glued: bool
    ) -> _States:
        chosen = choices(expression, lambda item: self._count(item, scope))
        texts = [plain_text(item) for item, _ in chosen]
        ends: dict[str, _Ends] = {}
        is_plain = None not in texts and all(self._figures.count(text or "") == 1 for text in texts)
        if not glued and set(states) == {""} and is_plain:
            said = [
                (self._wording.words(text or "", scope.place), share, ())
                for text, (_, share) in zip(texts, chosen, strict=True)
            ]
            leaves = grow(states[""], said, self._node)
            return {"": self._join([(node, prob) for node, prob, _ in leaves])}
        for item, share in chosen:
            begins = {}
            for carried, node in states.items():
                begins[carried] = self._node()
                node.move(begins[carried], share)
            for rest, end in self._say(item, begins, scope, glued=glued).items():
                ends.setdefault(rest, []).append((end, 1.0))
        return self._joined(ends, scope.place)

    def _any_order(self, expression: syntax.AnyOrder, states: _States, scope: Scope) -> _States:
        """All orders of the items: a node for every set of them that has been said, so that none is said twice."""
        items = range(len(expression.items))
        if len(items) > _MOST_PERMUTED:
            raise SettingsError(
                f"{scope.place}: found {len(items)} parts in any order; wanted {_MOST_PERMUTED} at most"
            )
        nets = [self._body(item, scope) for item in expression.items]
        said = {frozenset[int](): states[""]}
        for size in range(1, len(items) + 1):
            for chosen in map(frozenset, combinations(items, size)):
                said[chosen] = self._node()
                for last in chosen:
                    before = said[chosen - {last}]
                    before.call(nets[last], said[chosen], 1 / (len(items) - size + 1))
        return {"": said[frozenset(items)]}

    # Nodes

    def _node(self) -> Node:
        self._order += 1
        self._budget.spend()
        return Node(self._order)

    def _call(self, net: Net, node: Node, marks: tuple[Mark, ...]) -> Node:
        target = self._node()
        node.call(net, target, 1.0, marks)
        return target

    def _words(self, node: Node, text: str, place: str) -> Node:
        for word in self._wording.words(text, place):
            following = self._node()
            node.say(word, following, 1.0)
            node = following
        return node

    def _close(self, states: _States, place: str) -> _States:
        """End the words that are carried."""
        return {"": self._join([(self._words(node, carried, place), 1.0) for carried, node in states.items()])}

    def _join(self, ends: _Ends) -> Node:
        if len(ends) == 1 and ends[0][1] == 1.0:
            return ends[0][0]
        node = self._node()
        for end, prob in ends:
            end.move(node, prob)
        return node

    def _joined(self, ends: dict[str, _Ends], place: str) -> _States:
        self._budget.carried(len(ends), place)
        return {carried: self._join(several) for carried, several in ends.items()}

    def _grow(self, start: Node, texts: list[Said], share: float = 1.0, others: Sequence[Leaf] = ()) -> Node:
        """Lay texts that are said with this share from ``start``; gives the node at which they and others end."""
        leaves = [*grow(start, texts, self._node, share), *others]
        end = self._node()
        for node, prob, marks in leaves:
            node.move(end, prob, marks)
        return end

    def _said(self, entry: Entry, place: str) -> Said:
        words = self._wording.words(entry.text, place)
        if not words:
            raise SettingsError(f"{place}: found no word in {entry.text!r}; wanted a value that can be said")
        return words, entry.prob, entry.marks
