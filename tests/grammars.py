"""Small grammars at random, and by brute force what their sentences mean."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from asr.commands.grammar import syntax
from asr.commands.grammar.grammar import AS_SAID, Grammar, Rule, SlotList, Template, Value, WordList
from asr.commands.grammar.templates import parse
from asr.commands.network.network import Network, compile_network
from asr.text.normaliser import Normaliser

normalise = Normaliser()

# Of figures those that are said in one way only: others have tests of their own.
WORDS = ("go", "up", "the", "TV", "wi-fi", "o'clock", "50%", "5", "Café")
PIECES = ("s", "ed", "'s", "th", "-", "!", "%", "'", "mr")


def words(*values: str | tuple[str, Any]) -> WordList:
    """A list of values, or of values with what they put out."""
    pairs = [(value, AS_SAID) if isinstance(value, str) else value for value in values]
    return WordList(tuple(Value(f"list:{line}", parse(text), out) for line, (text, out) in enumerate(pairs, 1)))


VALUES: Mapping[str, tuple[str | tuple[str, Any], ...]] = {
    "name": ("bob", "[the] telly", "mary ann", ("(cat|dog)", "pet"), ("mary ann", 7)),
    "place": ("{name} room", "attic", "[far] [out]", ("<turn> {name:who}[s]", None)),
    "one": ("bob",),
}
PARTS = {"turn": "(turn|switch) [on]", "full": "[<turn>] the {name}", "maybe": "[please]"}
LISTS: Mapping[str, SlotList] = {name: words(*values) for name, values in VALUES.items()}
RULES: Mapping[str, Rule] = {
    name: Rule(f"rules:{line}", parse(text)) for line, (name, text) in enumerate(PARTS.items(), 1)
}

_atoms = st.sampled_from(
    [*WORDS, *PIECES, "{name}", "{place:where}", "{name:where}", "{one}", "<turn>", "<full>", "<maybe>"]
)


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}{}".format, parts, parts),
        st.builds("{} {}".format, parts, parts),
        st.builds("[{}]".format, parts),
        st.builds("[{}|{}]".format, parts, parts),
        st.builds("({}|{})".format, parts, parts),
        st.builds("({}| {}|{} )".format, parts, parts, parts),
        st.builds(" ({};{}) ".format, parts, parts),
    )


_parts = st.recursive(_atoms, _larger, max_leaves=4)
templates = st.builds(
    "{}{}{}{}{}".format,
    _parts,
    st.sampled_from(["", " "]),
    st.sampled_from(["go", "TV"]),
    st.sampled_from(["", " "]),
    _parts,
)


def grammar(commands: Mapping[str, list[str]], skip_words: tuple[str, ...] = (), **more: Any) -> Grammar:
    """A grammar of templates; ``more`` are further lists, or the fixed ``slots`` of all."""
    slots = more.pop("slots", {})
    lists = {**LISTS, **more}
    made = {
        command: tuple(
            Template(f"{command}:{line}", parse(text), lists, RULES, slots) for line, text in enumerate(texts, 1)
        )
        for command, texts in commands.items()
    }
    return Grammar("test", made, skip_words)


def network(commands: Mapping[str, list[str]], skip_words: tuple[str, ...] = (), **more: Any) -> Network:
    return compile_network([grammar(commands, skip_words, **more)], normalise)


grammars = st.dictionaries(st.sampled_from(["on", "off"]), st.lists(templates, min_size=1, max_size=2), min_size=1)

Said = tuple[str, tuple[tuple[str, Any], ...], float]  # a text, its slots in order, how likely


def meanings(found: Grammar) -> dict[str, dict[tuple[str, str], float]]:
    """Every sentence by brute force: its command and slots, as text, and how likely each of these is."""
    several = [(command, template) for command, each in found.commands.items() for template in each]
    weights = [_weight(template.expression, template) for _, template in several]
    sentences: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    for (command, template), weight in zip(several, weights, strict=True):
        for text, filled, prob in _said(template.expression, template):
            slots: dict[str, list[Any]] = defaultdict(list)
            for slot, value in filled:
                slots[slot].append(value)
            read = {slot: values[0] if len(values) == 1 else values for slot, values in slots.items()}
            sentences[normalise(text)][key(command, read)] += prob * weight / sum(weights)
    return sentences


def key(command: str, slots: Mapping[str, Any]) -> tuple[str, str]:
    return command, repr(sorted(slots.items()))


def _said(found: syntax.Expression, template: Template) -> Iterator[Said]:
    if isinstance(found, syntax.Text):
        yield found.text, (), 1.0
    elif isinstance(found, syntax.RuleRef):
        yield from _said(template.rules[found.name].expression, template)
    elif isinstance(found, syntax.ListRef):
        values = template.lists[found.name]
        assert isinstance(values, WordList)
        for value in values.values:
            for text, filled, prob in _said(value.expression, template):
                out = normalise(text) if value.out is AS_SAID else value.out
                yield text, ((found.slot, out), *filled), prob / len(values.values)
    elif isinstance(found, syntax.Choice | syntax.Optional):
        share = 1.0
        if isinstance(found, syntax.Optional):
            share = 0.5
            yield "", (), 0.5
        weights = [_weight(item, template) for item in found.items]
        for item, weight in zip(found.items, weights, strict=True):
            for text, filled, prob in _said(item, template):
                yield text, filled, share * prob * weight / sum(weights)
    else:
        items = [list(_said(item, template)) for item in found.items]
        orders = list(itertools.permutations(items)) if isinstance(found, syntax.AnyOrder) else [tuple(items)]
        for order in orders:
            for parts in itertools.product(*order):
                filled = tuple(each for _, several, _ in parts for each in several)
                yield "".join(text for text, _, _ in parts), filled, math.prod(p for *_, p in parts) / len(orders)


def _weight(found: syntax.Expression, template: Template) -> float:
    return 1 + math.log2(sum(1 for _ in _said(found, template)))
