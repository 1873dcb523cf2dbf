"""What is to be spoken: the lines of a text file, or sentences drawn from a grammar of commands.

A grammar is a YAML file of sentence templates in the form of Home Assistant, which the library hassil parses::

    lists:
      size: [small, large]
      percent: {range: {from: 0, to: 100}}
    commands:
      order: ["[please] bring (me|us) [a {size}] coffee", "coffee, {percent} percent milk"]

``intents`` with ``data`` and ``sentences``, lists with ``values`` of ``in`` and ``out``, ``expansion_rules`` and what
else Home Assistant's own files have is read as well.
"""

import difflib
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from asr.data.synthetic.sentences import number_in_words
from asr.errors import SettingsError

GRAMMARS = (".yaml", ".yml")

_TRIES = 100
_WANTED = "wanted `commands:` with lists of sentence templates, or Home Assistant's `intents:`"


def read_texts(path: Path, seed: int, count: int) -> list[str]:
    """All texts of a file of lines, or ``count`` sentences drawn from a grammar (.yaml), the same for the same seed.

    Raises SettingsError, which names the file and the line.
    """
    if path.suffix.lower() not in GRAMMARS:
        return read_lines(path)
    grammar = read_grammar(path)
    generator = random.Random(seed)
    return [grammar.draw(generator) for _ in range(count)]


def read_lines(path: Path) -> list[str]:
    """The texts of a file, one a line; empty lines and lines that begin with # are left out.

    Raises SettingsError if it is no text or has none.
    """
    lines = _read(path, "one sentence a line").splitlines()
    texts = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not texts:
        raise SettingsError(f"{path}: no text found; wanted one sentence a line")
    return texts


class _Located(str):
    """A scalar of a YAML file that knows its line."""

    line: int


class _Loader(yaml.SafeLoader):
    """Reads every scalar as text: `on` and `no` are words here."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as yaml wants it


def _construct_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> _Located:
    text = _Located(loader.construct_scalar(node))
    text.line = node.start_mark.line + 1
    return text


_Loader.add_constructor("tag:yaml.org,2002:str", _construct_text)


@dataclass(frozen=True)
class _Words:
    """A list of templates, one of which is said."""

    values: list[tuple[str, Any]]  # where it stands, hassil's expression


@dataclass(frozen=True)
class _Numbers:
    """A range of numbers, one of which is said; both ends belong to it."""

    start: int
    stop: int
    step: int = 1


@dataclass(frozen=True)
class _Anything:
    """Any words at all, which cannot be drawn."""


_List = _Words | _Numbers | _Anything


@dataclass(frozen=True)
class _Template:
    """A sentence template with the lists and rules that are known where it stands."""

    place: str
    expression: Any
    lists: Mapping[str, _List]
    rules: Mapping[str, tuple[str, Any]]


@dataclass
class Grammar:
    """Sentence templates by command, from which sentences are drawn without listing them all."""

    commands: dict[str, list[_Template]]
    _counts: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._choices = [
            (template, count)
            for templates in self.commands.values()
            for template in templates
            if (count := self._count(template.expression, template, ()))
        ]

    def count(self) -> int:
        """How many sentences there are, those that can be said in two ways counted twice."""
        return sum(count for _, count in self._choices)

    def draw(self, generator: random.Random) -> str:
        """A sentence, every one of which can come.

        A template or alternative that stands for more sentences comes more often, in proportion to the logarithm of
        their number: drawn by number alone, a list of ten thousand titles would leave nothing else. What is optional
        is left out half of the time.
        """
        template = _pick(generator, self._choices)
        for _ in range(_TRIES):
            sentence = " ".join(self._say(template.expression, template, generator).split())
            if sentence:
                return sentence
        raise SettingsError(f"{template.place}: the sentence can be empty; give it a word that is always said")

    def _say(self, expression: Any, template: _Template, generator: random.Random) -> str:
        from hassil import expression as forms

        if isinstance(expression, forms.TextChunk):
            return str(expression.original_text)
        if isinstance(expression, forms.RuleReference):
            return self._say(template.rules[expression.rule_name][1], template, generator)
        if isinstance(expression, forms.ListReference):
            found = _list_of(expression, template)
            if isinstance(found, _Numbers):
                return number_in_words(generator.randrange(found.start, found.stop + 1, found.step), generator)
            assert isinstance(found, _Words), "what has no sentences is never chosen"
            while not self._count(value := generator.choice(found.values)[1], template, ()):
                pass
            return self._say(value, template, generator)
        if isinstance(expression, forms.Alternative):
            items = expression.items[:-1] if expression.is_optional else expression.items
            choices = [(item, count) for item in items if (count := self._count(item, template, ()))]
            if expression.is_optional and (not choices or generator.random() < 0.5):
                return ""
            return self._say(_pick(generator, choices), template, generator)
        items = list(expression.items)
        if isinstance(expression, forms.Permutation):
            generator.shuffle(items)
        return "".join(self._say(item, template, generator) for item in items)

    def _count(self, expression: Any, template: _Template, inside: tuple[str, ...]) -> int:
        """How many sentences an expression stands for; 0 where it can be any words. It checks the names, too."""
        key = (id(expression), id(template.lists))
        if key not in self._counts:
            self._counts[key] = self._count_anew(expression, template, inside)
        return self._counts[key]

    def _count_anew(self, expression: Any, template: _Template, inside: tuple[str, ...]) -> int:
        from hassil import expression as forms

        if isinstance(expression, forms.TextChunk):
            return 1
        if isinstance(expression, forms.RuleReference):
            name = f"<{expression.rule_name}>"
            if expression.rule_name not in template.rules:
                raise _unknown(template.place, name, "`expansion_rules:`", [f"<{rule}>" for rule in template.rules])
            if name in inside:
                raise SettingsError(f"{template.place}: the rule {name} is used in itself; rules cannot go round")
            return self._count(template.rules[expression.rule_name][1], template, (*inside, name))
        if isinstance(expression, forms.ListReference):
            name = f"{{{expression.list_name}}}"
            found = _list_of(expression, template)
            if isinstance(found, _Numbers):
                return len(range(found.start, found.stop + 1, found.step))
            if isinstance(found, _Anything):
                return 0
            if name in inside:
                raise SettingsError(f"{template.place}: the list {name} is used in itself; lists cannot go round")
            return sum(self._count(value, template, (*inside, name)) for _, value in found.values)
        counts = [self._count(item, template, inside) for item in expression.items]
        if isinstance(expression, forms.Alternative):
            return sum(counts)
        orders = math.factorial(len(counts)) if isinstance(expression, forms.Permutation) else 1
        return math.prod(counts) * orders


def read_grammar(path: Path) -> Grammar:
    """The grammar of a YAML file.

    Raises SettingsError, which names the file and the line: no YAML, no commands, a template that cannot be parsed, a
    list or rule that is not there or goes round in itself, nothing that could be drawn.
    """
    try:
        content = yaml.load(_read(path, "a grammar in YAML"), _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise SettingsError(f"{place}: found no YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(content, dict) or not (content.keys() & {"commands", "intents"}):
        raise SettingsError(f"{path}: found neither commands nor intents; {_WANTED}")
    language = str(content.get("language", "en"))
    if not language.startswith("en"):
        raise SettingsError(f"{path}: found sentences in the language {language!r}; wanted English, `language: en`")
    lists, rules = _lists(content, path), _rules(content, path)
    commands: dict[str, list[_Template]] = {}
    for name, body in [*_items(content.get("commands"), path), *_items(content.get("intents"), path)]:
        commands.setdefault(name, []).extend(_templates(body, f"{path}: {name}", path, lists, rules))
    grammar = Grammar(commands)
    if not grammar.count():
        raise SettingsError(f"{path}: there is no sentence that could be drawn; {_WANTED}")
    return grammar


def _templates(
    body: Any, named: str, path: Path, lists: Mapping[str, _List], rules: Mapping[str, tuple[str, Any]]
) -> Iterator[_Template]:
    """The templates of a command: a list of them, or blocks with `sentences` and with lists and rules of their own."""
    if isinstance(body, str):
        body = [body]
    if isinstance(body, dict):
        body = body.get("data", [body])
    if not isinstance(body, list):
        raise SettingsError(f"{named}: found {_kind(body)}; {_WANTED}")
    for item in body:
        if isinstance(item, dict):
            own_lists, own_rules = {**lists, **_lists(item, path)}, {**rules, **_rules(item, path)}
            for sentence in _texts(item.get("sentences"), f"{named}: sentences"):
                yield _Template(_place(path, sentence), _parse(path, sentence), own_lists, own_rules)
        else:
            (sentence,) = _texts([item], named)
            yield _Template(_place(path, sentence), _parse(path, sentence), lists, rules)


def _lists(content: Mapping[str, Any], path: Path) -> dict[str, _List]:
    return {name: _list(body, f"{path}: list {name}", path) for name, body in _items(content.get("lists"), path)}


def _list(body: Any, named: str, path: Path) -> _List:
    wanted = "wanted a list of values, or one of `values:`, `range:` and `wildcard: true`"
    if isinstance(body, dict):
        if "range" in body:
            return _range(body["range"], named)
        if str(body.get("wildcard")).lower() in ("true", "yes", "on"):
            return _Anything()
        body = body.get("values")
    if not isinstance(body, list) or not body:
        raise SettingsError(f"{named}: found {_kind(body)}; {wanted}")
    texts = _texts([value.get("in") if isinstance(value, dict) else value for value in body], named)
    return _Words([(_place(path, text), _parse(path, text)) for text in texts])


def _range(body: Any, named: str) -> _Numbers:
    try:
        numbers = _Numbers(int(body["from"]), int(body["to"]), int(body.get("step", 1)))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SettingsError(f"{named}: wanted `range: {{from: 0, to: 100}}` in whole numbers") from None
    if numbers.start > numbers.stop or numbers.step < 1:
        raise SettingsError(
            f"{named}: found a range from {numbers.start} to {numbers.stop} by {numbers.step}; wanted it to rise"
        )
    return numbers


def _rules(content: Mapping[str, Any], path: Path) -> dict[str, tuple[str, Any]]:
    rules = {}
    for name, body in _items(content.get("expansion_rules"), path):
        (text,) = _texts([body], f"{path}: rule {name}")
        rules[name] = _place(path, text), _parse(path, text)
    return rules


def _parse(path: Path, text: _Located) -> Any:
    try:
        from hassil.parse_expression import parse_sentence
        from hassil.parser import ParseError
    except ImportError:
        raise SettingsError(f"{path}: grammars need hassil, which is not installed; pip install 'asr[train]'") from None
    try:
        return parse_sentence(text).expression
    except (ParseError, AssertionError) as error:
        raise SettingsError(f"{_place(path, text)}: cannot be parsed as a sentence template: {error}") from None


def _list_of(reference: Any, template: _Template) -> _List:
    """The list that a template names; `{0..100:percent}` is one by itself."""
    if reference.is_inline_range:
        return _Numbers(*reference.get_inline_range())
    if reference.list_name not in template.lists:
        names = [f"{{{name}}}" for name in template.lists]
        raise _unknown(template.place, f"{{{reference.list_name}}}", "`lists:`", names)
    return template.lists[reference.list_name]


def _unknown(place: str, name: str, section: str, names: list[str]) -> SettingsError:
    near = difflib.get_close_matches(name, names, n=1)
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(names)[:5]) or 'none'}"
    return SettingsError(f"{place}: {name} is not among the {section}; {advice}")


def _items(body: Any, path: Path) -> list[tuple[str, Any]]:
    if body is None or body == "":
        return []
    if not isinstance(body, dict):
        raise SettingsError(f"{path}: found {_kind(body)} where names with their contents were wanted")
    return [(str(name), content) for name, content in body.items()]


def _texts(body: Any, named: str) -> list[_Located]:
    texts = body if isinstance(body, list) else [body]
    for text in texts:
        if not isinstance(text, _Located) or not text.strip():
            raise SettingsError(f"{named}: found {_kind(text)}, wanted text; put quotes around it")
    return texts


def _pick(generator: random.Random, choices: list[tuple[Any, int]]) -> Any:
    weights = [1 + math.log2(count) for _, count in choices]
    return generator.choices([choice for choice, _ in choices], weights)[0]


def _place(path: Path, text: _Located) -> str:
    return f"{path}:{text.line}"


def _kind(body: Any) -> str:
    if body is None or body == "":
        return "nothing"
    if isinstance(body, dict):
        return "names with contents"
    return "a list" if isinstance(body, list) else repr(str(body))


def _read(path: Path, wanted: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as text ({error}); wanted {wanted}") from error
