"""What Home Assistant's ``intents.yaml`` says of the sentences of an intent, beside them."""

from pathlib import Path
from typing import Final

import yaml

from asr.commands.grammar.source import Entries, Source, is_nothing, read_source, suggestion

_INTENTS: Final = "names of intents with what they are about"


class Schema:
    """The kinds of sentences that there are: ``slot_combinations`` by intent, read when first asked for."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._source: Source | None = None
        self._intents: Entries = {}

    def in_area(self, intent: str, kind: str) -> bool:
        """Whether such sentences are about the room of the device that listens."""
        entries = self._kind(intent, kind)
        return "context_area" in entries and self._of.value(entries["context_area"][1]) is True

    def domains(self, source: Source, node: yaml.Node, intent: str, kind: str) -> tuple[str, ...]:
        """The domains of a group that sentences name; none, which are all, where no file says what it is.

        Raises SourceError where the file has no such group.
        """
        name = source.text(node, "domains, or the name of a group of them")
        if self._path is None:
            return ()
        entries = self._kind(intent, kind)
        groups = self._entries(entries, "name_domain_groups")
        if name not in groups:
            raise source.fault(
                node,
                f"{name!r} is no group of domains of {intent} {kind} in {self._path}; {suggestion(name, groups)}",
            )
        return tuple(self._of.text(item, "a domain") for item in self._of.items(groups[name][1]))

    @property
    def _of(self) -> Source:
        assert self._path is not None, "something was found in it"
        if self._source is None:
            self._source = read_source(self._path)
        return self._source

    def _kind(self, intent: str, kind: str) -> Entries:
        if self._path is None or self._of.root is None:
            return {}
        if not self._intents:
            self._intents = self._of.mapping(self._of.root, _INTENTS)
        if intent not in self._intents:
            return {}
        kinds = self._entries(self._of.mapping(self._intents[intent][1], _INTENTS), "slot_combinations")
        return self._of.mapping(kinds[kind][1], _INTENTS) if kind in kinds else {}

    def _entries(self, entries: Entries, name: str) -> Entries:
        node = entries[name][1] if name in entries else None
        return {} if node is None or is_nothing(node) else self._of.mapping(node, _INTENTS)
