"""The lists of a grammar's file: values, numbers, times, dates, any words."""

import re
from typing import Any, Final

import yaml

from asr.commands.grammar.contexts import read_context
from asr.commands.grammar.grammar import AS_SAID, DateRange, NumberRange, SlotList, TimeRange, Value, Wildcard, WordList
from asr.commands.grammar.source import Entries, Source, is_nothing, kind
from asr.commands.grammar.syntax import Expression, Text
from asr.commands.grammar.templates import Origins, has_figures, parse_template, range_fault

_KINDS: Final = ("values", "range", "time", "date", "wildcard")
_RANGE_KEYS: Final = ("from", "to", "step", "type", "fractions", "multiplier", "digits", "words", "words_language")
_VALUE_KEYS: Final = ("in", "out", "context", "metadata")
_RANGE: Final = "`range: {from: 0, to: 100}` in whole numbers"
_TIME: Final = '`time: true` or `time: {from: "6:00", to: "22:30", step: 15}`'
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_LAST_MINUTE: Final = 24 * 60 - 1


def read_list(source: Source, node: yaml.Node, origins: Origins) -> SlotList:
    """The list that a node holds.

    Raises SourceError: it is empty, of no kind that there is, or a value cannot be parsed.
    """
    if id(node) not in source.known:  # by an alias it may stand in very many places
        source.known[id(node)] = _read_list(source, node, origins)
    found: SlotList = source.known[id(node)]
    return found


def _read_list(source: Source, node: yaml.Node, origins: Origins) -> SlotList:
    if isinstance(node, yaml.SequenceNode):
        return _values(source, node, origins)
    wanted = "a list of values, or one of `values:`, `range:`, `time:`, `date: true` and `wildcard: true`"
    entries = source.mapping(node, wanted)
    source.known_keys(entries, (*_KINDS, "metadata"), "a key of a list")
    found = [name for name in _KINDS if name in entries]
    if len(found) != 1:
        raise source.fault(node, f"found {' and '.join(found) or 'nothing'}; wanted {wanted}")
    body = entries[found[0]][1]
    if found == ["values"]:
        return _values(source, body, origins)
    if found == ["range"]:
        return _range(source, body)
    if found == ["time"]:
        return _times(source, body)
    if not _is_true(body):
        raise source.fault(body, f"found {kind(body)}; wanted `{found[0]}: true`, or no such key")
    return DateRange() if found == ["date"] else Wildcard()


def _is_true(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and str(node.value).lower() in ("true", "yes", "on")


def _values(source: Source, node: yaml.Node, origins: Origins) -> WordList:
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        found = "an empty list" if isinstance(node, yaml.SequenceNode) else kind(node)
        raise source.fault(node, f"found {found}; wanted a list of values")
    return WordList(tuple(_value(source, item, origins) for item in node.value))


def _value(source: Source, node: yaml.Node, origins: Origins) -> Value:
    wanted = "text or {in: what is said, out: what it stands for}"
    if not isinstance(node, yaml.MappingNode):
        expression = parse_template(source, node, origins, wanted)
        return Value(source.place(node), expression, _as_written(expression))
    entries = source.mapping(node, wanted)
    source.known_keys(entries, _VALUE_KEYS, "a key of a value; text with brackets wants quotes")
    if "in" not in entries:
        raise source.fault(node, f"found no `in:`; wanted {wanted}")
    said = entries["in"][1]
    out = source.value(entries["out"][1]) if "out" in entries else AS_SAID
    known = read_context(source, entries["context"][1]) if "context" in entries else {}
    return Value(source.place(said), parse_template(source, said, origins, wanted), out, known)


def _as_written(expression: Expression) -> Any:
    """What a plain value stands for: its text, as it is written where that is not how it is said; as hassil has it."""
    text = expression.text if isinstance(expression, Text) else ""
    is_said_so = text.isascii() and text == text.lower() and text.replace(" ", "").isalpha()
    # What has figures stands for a number or a time, or for its text as well; see `spoken.written`.
    return AS_SAID if not text or is_said_so or has_figures(text) else text


def _range(source: Source, node: yaml.Node) -> NumberRange:
    entries = source.mapping(node, _RANGE)
    source.known_keys(entries, _RANGE_KEYS, "a key of a range")
    start, stop = (_whole(source, node, entries, name, None) for name in ("from", "to"))
    step = _whole(source, node, entries, "step", 1)
    for name, known in (("type", ("number", "percentage", "temperature")), ("fractions", ("halves", "tenths"))):
        if name in entries:
            body = entries[name][1]
            source.one_of(source.text(body, " or ".join(known)), known, body, f"a value of `{name}:`")
    fractions: Any = source.text(entries["fractions"][1], "halves") if "fractions" in entries else None
    multiplier = source.value(entries["multiplier"][1]) if "multiplier" in entries else None
    if multiplier is not None and (isinstance(multiplier, bool) or not isinstance(multiplier, int | float)):
        raise source.fault(entries["multiplier"][1], f"found {multiplier!r}; wanted a number")
    found = NumberRange(start, stop, step, fractions, None if multiplier is None else float(multiplier))
    if (fault := range_fault(found)) is not None:
        raise source.fault(node, fault)
    return found


def _times(source: Source, node: yaml.Node) -> TimeRange:
    if _is_true(node):
        return TimeRange(0, _LAST_MINUTE, 1)
    if not isinstance(node, yaml.MappingNode):
        raise source.fault(node, f"found {kind(node)}; wanted {_TIME}")
    entries = source.mapping(node, _TIME)
    source.known_keys(entries, ("from", "to", "step"), "a key of a time")
    start, stop = _minutes(source, entries, "from", 0), _minutes(source, entries, "to", _LAST_MINUTE)
    step = _whole(source, node, entries, "step", 1)
    if start > stop or step < 1:
        raise source.fault(node, f"found times that do not rise; wanted {_TIME}, two lists where midnight is between")
    return TimeRange(start, stop, step)


def _minutes(source: Source, entries: Entries, name: str, default: int) -> int:
    if name not in entries:
        return default
    body = entries[name][1]
    clock = _CLOCK.fullmatch(source.text(body, "a time such as 6:30"))
    if clock is None:
        raise source.fault(body, f"found {kind(body)}; wanted a time from 0:00 to 23:59")
    return int(clock[1]) * 60 + int(clock[2])


def _whole(
    source: Source,
    node: yaml.Node,
    entries: Entries,
    name: str,
    default: int | None,
) -> int:
    if name not in entries:
        if default is None:
            raise source.fault(node, f"found no `{name}:`; wanted {_RANGE}")
        return default
    body = entries[name][1]
    try:
        return int("" if is_nothing(body) else source.text(body, "a whole number"))
    except ValueError:
        raise source.fault(body, f"found {kind(body)}; wanted a whole number") from None
