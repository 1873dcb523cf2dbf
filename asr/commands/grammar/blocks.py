"""The sentences of a command: one by one, or in blocks that share slots, lists, rules and conditions."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import yaml

from asr.commands.grammar.budget import MOST_SENTENCES
from asr.commands.grammar.contexts import Condition, Fitting, known_of, read_condition
from asr.commands.grammar.grammar import Rule, SlotList, Template, WordList
from asr.commands.grammar.lists import read_list
from asr.commands.grammar.schema import Schema
from asr.commands.grammar.source import Entries, Source, is_nothing, kind, nearest
from asr.commands.grammar.syntax import Expression, ListRef, Text, references
from asr.commands.grammar.templates import Origins, parse_template

SENTENCES: Final = "sentences, or blocks with `sentences:`"
BLOCK_KEYS: Final = (
    *("sentences", "slots", "lists", "expansion_rules", "requires_context", "excludes_context", "required_keywords"),
    *("inferred_domain", "name_domains", "speech_to_phrase"),
    # Of these a recogniser of speech has no use.
    *("response", "metadata", "settings", "example"),
)
KEYS: Final = (*("language", "lists", "expansion_rules", "skip_words", "commands", "intents", "responses", "settings"),)

_DEVICES: Final = ("name", "area", "floor")
"""The lists that Home Assistant fills with what is in a home."""

Written = tuple[Template | None, yaml.Node | None]
"""A template, none where nothing fits what its block wants, and the node where it is written, unless it may share its
sentences with another command."""


@dataclass
class Definitions:
    """The lists and rules that are known somewhere, and where each of its own stands."""

    lists: dict[str, SlotList] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, source: Source, entries: Entries, origins: Origins) -> None:
        """Read the lists and rules of a file or block; raises SourceError where a name stands twice."""
        for name, node in self._new(source, entries, "lists"):
            self.lists[name] = read_list(source, node, origins)
        for name, node in self._new(source, entries, "expansion_rules"):
            part = parse_template(source, node, origins, "a part of a sentence")
            self.rules[name] = Rule(source.place(node), part)

    def take(self, other: "Definitions", *, over: bool = True) -> None:
        """Take what another knows, which counts before what is known here, or else after."""
        self.lists = {**self.lists, **other.lists} if over else {**other.lists, **self.lists}
        self.rules = {**self.rules, **other.rules} if over else {**other.rules, **self.rules}

    def fill_in_what_devices_lack(self) -> None:
        """A home that names its devices or rooms and no floors, say, has none: no sentence is about them."""
        if any(name in self.lists for name in _DEVICES):
            for name in _DEVICES:
                self.lists.setdefault(name, WordList(()))

    def _new(self, source: Source, entries: Entries, section: str) -> Iterator[tuple[str, yaml.Node]]:
        body = entries[section][1] if section in entries else None
        named = source.mapping(body, f"names with what they stand for, under `{section}:`") if body else {}
        for name, (key, node) in named.items():
            if (section, name) in self.places:
                raise source.fault(key, f"{name!r} is in {self.places[section, name]} already; name one otherwise")
            self.places[section, name] = source.place(key)
            yield name, node


class Blocks:
    """Reads the sentences of commands."""

    def __init__(self, origins: Origins, schema: Schema, *, is_theirs: bool) -> None:
        """``is_theirs`` of Home Assistant's own files, whose commands share sentences and are told apart by it."""
        self._origins = origins
        self._schema = schema
        self._is_theirs = is_theirs
        self._sentences = 0
        # Blocks that want the same hold the same lists, so that these are compiled once.
        self._restricted: dict[tuple[int, Condition], Definitions] = {}
        self._lists: dict[tuple[int, Fitting], WordList] = {}
        self._held: list[Definitions] = []  # so that no id is given to another

    def templates(self, source: Source, node: yaml.Node, scope: Definitions, command: str) -> Iterator[Written]:
        """The templates of a command. Raises SourceError."""
        if isinstance(node, yaml.MappingNode):
            entries = source.mapping(node, SENTENCES)
            if "data" in entries:
                known = (*KEYS, "data", *BLOCK_KEYS) if node is source.root else ("data", *BLOCK_KEYS)
                source.known_keys(entries, known, "a key of an intent")
                scope = self._with(source, entries, scope)
                node = entries["data"][1]
        if is_nothing(node):
            return
        items = source.items(node)
        items = list({id(item): item for item in items}.values())  # what an alias repeats here says nothing new
        # Blocks for Speech-to-Phrase say less of what the others say, unless there are no others.
        said = [item for item in items if not _is_tagged(source, item)]
        for item in said or items:
            if isinstance(item, yaml.MappingNode):
                yield from self._block(source, item, scope, command)
            else:
                expression = self._sentence(source, item)
                yield Template(source.place(item), expression, scope.lists, scope.rules, {}), item

    def _block(self, source: Source, node: yaml.Node, scope: Definitions, command: str) -> Iterator[Written]:
        entries = source.mapping(node, SENTENCES)
        known = (*KEYS, *BLOCK_KEYS) if node is source.root else BLOCK_KEYS
        if len(entries) == 1 and not entries.keys() & set(known) and not nearest(next(iter(entries)), known):
            raise source.fault(node, f"found {kind(node)}; wanted a sentence: put quotes around it if it is text")
        source.known_keys(entries, known, "a key of a block of sentences")
        if "sentences" not in entries:
            raise source.fault(node, f"found no `sentences:`; wanted {SENTENCES}")
        scope = self._with(source, entries, scope)
        fixed = source.mapping(entries["slots"][1], "slots with what they hold") if "slots" in entries else {}
        slots = {name: source.value(value) for name, (_, value) in fixed.items()}
        domains = self._domains(source, entries, command)
        if "inferred_domain" in entries and not domains:
            slots["domain"] = source.value(entries["inferred_domain"][1])
        condition = read_condition(
            source,
            entries["requires_context"][1] if "requires_context" in entries else None,
            entries["excludes_context"][1] if "excludes_context" in entries else None,
            domains,
            in_area=self._schema.in_area(command, source.path.stem),
        )
        may_tie = self._is_theirs or condition != Condition()
        keywords = self._keywords(source, entries)
        wanted = condition.of_values & frozenset().union(*map(known_of, scope.lists.values()))
        fitting = self._where(scope, condition) if condition != Condition() else scope
        for item in source.items(entries["sentences"][1]):
            expression = self._sentence(source, item)
            if wanted and not wanted <= self._known_in(expression, scope):
                yield None, None
                continue
            template = Template(
                source.place(item), expression, fitting.lists, fitting.rules, slots, keywords, may_tie=may_tie
            )
            yield template, None if may_tie else item

    def _sentence(self, source: Source, node: yaml.Node) -> Expression:
        self._sentences += 1
        if self._sentences > MOST_SENTENCES:
            found = f"found more than {MOST_SENTENCES:,} sentences up to here"
            raise source.fault(node, f"{found}; wanted fewer: put what differs into a list")
        return parse_template(source, node, self._origins, "a sentence")

    def _keywords(self, source: Source, entries: Entries) -> frozenset[str]:
        """Words, one of which is in every sentence of a block; none if there need be none."""
        nodes = source.items(entries["required_keywords"][1]) if "required_keywords" in entries else []
        return frozenset(source.text(node, "a word").casefold() for node in nodes)

    def _domains(self, source: Source, entries: Entries, command: str) -> tuple[str, ...]:
        """Of which domains the names are that a block means; none if of any."""
        if "name_domains" not in entries:
            return ()
        node = entries["name_domains"][1]
        if isinstance(node, yaml.SequenceNode):
            return tuple(source.text(item, "a domain") for item in node.value)
        return () if is_nothing(node) else self._schema.domains(source, node, command, source.path.stem)

    def _known_in(self, expression: Expression, scope: Definitions) -> set[str]:
        """What is known of the values that a sentence names."""
        known: set[str] = set()
        seen: set[str] = set()
        todo = [expression]
        for each in todo:  # which grows
            for reference in references(each):
                if str(reference) in seen:
                    continue
                seen.add(str(reference))
                if not isinstance(reference, ListRef):
                    rule = scope.rules.get(reference.name)
                    todo += [rule.expression] if rule else []
                elif isinstance(found := scope.lists.get(reference.name), WordList):
                    known |= known_of(found)
                    todo += [value.expression for value in found.values if not isinstance(value.expression, Text)]
        return known

    def _with(self, source: Source, entries: Entries, scope: Definitions) -> Definitions:
        """A scope with the lists and rules that a block has of its own."""
        if not entries.keys() & {"lists", "expansion_rules"}:
            return scope
        own = Definitions()
        own.add(source, entries, self._origins)
        inner = Definitions(scope.lists, scope.rules)
        inner.take(own)
        return inner

    def _where(self, scope: Definitions, condition: Condition) -> Definitions:
        """A scope with the values alone that a block means."""
        key = id(scope), condition
        if key not in self._restricted:
            lists = {name: self._fitting(found, condition) for name, found in scope.lists.items()}
            same = all(lists[name] is found for name, found in scope.lists.items())
            self._restricted[key] = scope if same else Definitions(lists, scope.rules)
            self._held.append(scope)
        return self._restricted[key]

    def _fitting(self, found: SlotList, condition: Condition) -> SlotList:
        fitting = condition.fitting(found)
        if fitting is None or not isinstance(found, WordList):
            return found
        key = id(found), fitting
        if key not in self._lists:
            values = (replace(found.values[at], filled=filled) for at, filled in fitting)
            self._lists[key] = WordList(tuple(values))
        return self._lists[key]


def _is_tagged(source: Source, node: yaml.Node) -> bool:
    """Whether it is a block for Speech-to-Phrase."""
    if not isinstance(node, yaml.MappingNode):
        return False
    entries = source.mapping(node, SENTENCES)
    return "speech_to_phrase" in entries and source.value(entries["speech_to_phrase"][1]) is True
