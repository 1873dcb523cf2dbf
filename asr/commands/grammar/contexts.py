"""Where values fit: what a block of sentences wants to be known of them, and what its slots get from that.

A device is in a list with what is known of it, ``context: {domain: light}``, and a block says of which devices it
speaks: ``requires_context: {domain: [light, fan]}`` or ``excludes_context: {domain: lock}``. What Home Assistant knows
of the moment, such as the room of the device that listens, is not known here and no condition.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from asr.commands.grammar.grammar import SlotList, WordList
from asr.commands.grammar.source import Source

Fitting = tuple[tuple[int, tuple[tuple[str, Any], ...]], ...]
"""Values, by where they stand in their list, each with the slots that it fills beside its own."""

_CONTEXT: Final = "what is known, such as {domain: light}"
_KEYS: Final = ("value", "slot")


@dataclass(frozen=True)
class Condition:
    """What a block wants of the contexts of values: ``requires`` and ``excludes`` hold values by key.

    No values are any. ``slots`` names the slot that gets what is known under a key.
    """

    requires: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    excludes: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    slots: tuple[tuple[str, str], ...] = ()

    @property
    def of_values(self) -> frozenset[str]:
        """What has to be known of a value; what only fills a slot may be known of the moment as well."""
        slots = {key for key, _ in self.slots}
        return frozenset(key for key, wanted in self.requires if wanted or key not in slots)

    def allows(self, context: Mapping[str, Any], known: Collection[str]) -> bool:
        """Whether a value of this context fits into a list whose values have the ``known`` keys.

        One of which nothing is known fits anywhere.
        """
        if any(key in known and key not in context for key in self.of_values if context):
            return False
        return all(
            key not in context or not wanted or _is_among(context[key], wanted) for key, wanted in self.requires
        ) and not any(key in context and _is_among(context[key], unwanted) for key, unwanted in self.excludes)

    def filled(self, context: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """The slots that a value of this context fills beside its own."""
        return tuple((slot, context[key]) for key, slot in self.slots if key in context)

    def fitting(self, found: SlotList) -> Fitting | None:
        """Which values of a list fit, with what they fill; None where all do and fill nothing."""
        known = known_of(found)
        if not known or not isinstance(found, WordList):
            return None
        fitting = tuple(
            (at, self.filled(value.context))
            for at, value in enumerate(found.values)
            if self.allows(value.context, known)
        )
        return fitting if len(fitting) < len(found.values) or any(filled for _, filled in fitting) else None


def known_of(found: SlotList) -> frozenset[str]:
    """What is known of any value of a list."""
    values = found.values if isinstance(found, WordList) else ()
    return frozenset(key for value in values for key in value.context)


def read_condition(
    source: Source, requires: yaml.Node | None, excludes: yaml.Node | None, domains: tuple[str, ...], *, in_area: bool
) -> Condition:
    """The condition of ``requires_context:`` and ``excludes_context:``.

    Args:
        source: the file.
        requires: what stands under the one key, if it is there.
        excludes: what stands under the other.
        domains: those of the names that are meant; none if all are.
        in_area: whether the sentences are about the room of the device that listens.
    """
    required: dict[str, tuple[Any, ...]] = {}
    slots: dict[str, str] = {}
    for key, values, slot in _entries(source, requires):
        required[key] = values
        if slot:
            slots[key] = slot
    if domains:
        required["domain"] = domains
    if in_area:
        required["area"], slots["area"] = (), "area"
    excluded = {key: values for key, values, _ in _entries(source, excludes) if values}
    return Condition(tuple(required.items()), tuple(excluded.items()), tuple(slots.items()))


def read_context(source: Source, node: yaml.Node) -> dict[str, Any]:
    """What is known of a value. Raises SourceError."""
    known: dict[str, Any] = {}
    for key, (_, body) in source.mapping(node, _CONTEXT).items():
        if isinstance(body, yaml.MappingNode):
            entries = source.mapping(body, _CONTEXT)
            if "value" not in entries:
                continue
            body = entries["value"][1]
        value = source.value(body)
        known[key] = tuple(value) if isinstance(value, list) else value
    return known


def _is_among(known: Any, values: tuple[Any, ...]) -> bool:
    return known in values or known == values


def _entries(source: Source, node: yaml.Node | None) -> list[tuple[str, tuple[Any, ...], str]]:
    """The keys of a condition, each with the values that are meant, none for any, and the slot that gets it."""
    found = []
    for key, (_, body) in ({} if node is None else source.mapping(node, _CONTEXT)).items():
        slot = ""
        wanted: yaml.Node | None = body
        if isinstance(body, yaml.MappingNode):
            entries = source.mapping(body, _CONTEXT)
            source.known_keys(entries, _KEYS, "a key of a condition")
            named = source.value(entries["slot"][1]) if "slot" in entries else None
            slot = key if named is True else named if isinstance(named, str) else ""
            wanted = entries["value"][1] if "value" in entries else None
        value = None if wanted is None else source.value(wanted)
        values = () if value is None else tuple(value) if isinstance(value, list) else (value,)
        found.append((key, values, slot))
    return found
