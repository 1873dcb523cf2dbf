"""The form of a grammar's file: what its keys mean, and all files of a folder as one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from asr.commands.grammar.grammar import Grammar, Rule, SlotList, Template
from asr.commands.grammar.lists import read_list
from asr.commands.grammar.references import check_references
from asr.commands.grammar.source import GRAMMARS, Entries, Source, is_nothing, kind, nearest, read_source
from asr.commands.grammar.templates import Origins, is_template, parse_template
from asr.errors import SettingsError
from asr.text.normaliser import LANGUAGE

_WANTED: Final = "`commands:` with lists of sentences, or Home Assistant's `intents:`"
_SENTENCES: Final = "sentences, or blocks with `sentences:`"
# Of what Home Assistant knows, a recogniser of speech has no use for the rest.
_BLOCK_KEYS: Final = (
    *("sentences", "slots", "lists", "expansion_rules", "requires_context", "excludes_context", "required_keywords"),
    *("response", "metadata", "settings", "inferred_domain", "name_domains", "example"),
)
_KEYS: Final = (
    *("language", "lists", "expansion_rules", "skip_words", "commands", "intents", "responses", "settings"),
)


@dataclass(frozen=True)
class _File:
    source: Source
    entries: Entries

    @property
    def is_block(self) -> bool:
        """Whether it holds the sentences of the one intent that its folder is named after."""
        return "sentences" in self.entries


@dataclass(frozen=True)
class _Scope:
    """The lists and rules that are known somewhere, and where each of its own stands."""

    lists: dict[str, SlotList]
    rules: dict[str, Rule]
    places: dict[tuple[str, str], str]


def read_form(path: Path) -> Grammar:
    """The grammar of a file or folder; see ``asr.commands.grammar.grammar.read_grammar``."""
    origins: Origins = {}
    files = [_File(source, _top(source)) for source in map(read_source, _paths(path))]
    scope = _Scope({}, {}, {})
    for file in files:
        if not file.is_block:
            _add(file.source, file.entries, scope, origins)
    commands: dict[str, list[Template]] = {}
    seen: dict[tuple[str, int, int], tuple[str, Template]] = {}
    for file in files:
        for name, node in _commands(file):
            templates = list(_templates(file.source, node, scope, origins))
            if not templates:
                raise file.source.fault(node, f"the command {name} has no sentence; wanted {_SENTENCES}")
            for template, written in templates:
                _check_once(file.source, written, name, template, seen)
                commands.setdefault(name, []).append(template)
    if not commands:
        raise SettingsError(f"{path}: found no commands; wanted {_WANTED}")
    check_references(commands, origins)
    skip_words = tuple(words for file in files for words in _skip_words(file))
    name = path.stem if path.is_file() else path.resolve().name
    return Grammar(name, {name: tuple(templates) for name, templates in commands.items()}, skip_words)


def _paths(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    # Home Assistant has folders for the sentences of each intent, too.
    paths = sorted(each for each in path.rglob("*") if each.suffix.lower() in GRAMMARS and each.is_file())
    if not paths:
        raise SettingsError(f"{path}: found no {' or '.join(GRAMMARS)} file; wanted a grammar or a folder of them")
    return paths


def _top(source: Source) -> Entries:
    if source.root is None:
        raise SettingsError(f"{source.path}: found an empty file; wanted {_WANTED}")
    entries = source.mapping(source.root, _WANTED)
    known = (*_KEYS, *_BLOCK_KEYS) if "sentences" in entries else _KEYS
    source.known_keys(entries, known, "a key of a grammar")
    if "language" in entries:
        node = entries["language"][1]
        language = source.text(node, f"`language: {LANGUAGE}`")
        if language.replace("_", "-").lower().partition("-")[0] != LANGUAGE:
            raise source.fault(node, f"found the language {language!r}; wanted English, `language: {LANGUAGE}`")
    return entries


def _add(source: Source, entries: Entries, scope: _Scope, origins: Origins) -> None:
    """Read the lists and rules of a file or block into a scope."""

    def new(section: str) -> Iterator[tuple[str, yaml.Node]]:
        body = entries[section][1] if section in entries else None
        named = source.mapping(body, f"names with what they stand for, under `{section}:`") if body else {}
        for name, (key, node) in named.items():
            if (section, name) in scope.places:
                raise source.fault(key, f"{name!r} is in {scope.places[section, name]} already; name one otherwise")
            scope.places[section, name] = source.place(key)
            yield name, node

    for name, node in new("lists"):
        scope.lists[name] = read_list(source, node, origins)
    for name, node in new("expansion_rules"):
        scope.rules[name] = Rule(source.place(node), parse_template(source, node, origins, "a part of a sentence"))


def _commands(file: _File) -> Iterator[tuple[str, yaml.Node]]:
    """The commands and intents of a file with what holds their sentences."""
    if file.is_block:
        assert file.source.root is not None, "it has a key"
        yield file.source.path.resolve().parent.name, file.source.root
    for section in ("commands", "intents"):
        if section in file.entries:
            body = file.entries[section][1]
            for name, (_, node) in file.source.mapping(body, f"names of commands, under `{section}:`").items():
                yield name, node


def _templates(
    source: Source, node: yaml.Node, scope: _Scope, origins: Origins
) -> Iterator[tuple[Template, yaml.Node | None]]:
    """The templates of a command: its sentences, or blocks of them with lists and slots of their own.

    With each comes where it is written, unless it depends on what Home Assistant knows of its devices.
    """
    if isinstance(node, yaml.MappingNode):
        entries = source.mapping(node, _SENTENCES)
        if "data" in entries:
            source.known_keys(entries, ("data", *_BLOCK_KEYS), "a key of an intent")
            node = entries["data"][1]
    if is_nothing(node):
        return
    for item in source.items(node):
        if isinstance(item, yaml.MappingNode):
            yield from _block(source, item, scope, origins)
        else:
            expression = parse_template(source, item, origins, "a sentence")
            yield Template(source.place(item), expression, scope.lists, scope.rules, {}), item


def _block(
    source: Source, node: yaml.Node, scope: _Scope, origins: Origins
) -> Iterator[tuple[Template, yaml.Node | None]]:
    entries = source.mapping(node, _SENTENCES)
    known = (*_KEYS, *_BLOCK_KEYS) if node is source.root else _BLOCK_KEYS
    if len(entries) == 1 and not entries.keys() & set(known) and not nearest(next(iter(entries)), known):
        raise source.fault(node, f"found {kind(node)}; wanted a sentence: put quotes around it if it is text")
    source.known_keys(entries, known, "a key of a block of sentences")
    if "sentences" not in entries:
        raise source.fault(node, f"found no `sentences:`; wanted {_SENTENCES}")
    if entries.keys() & {"lists", "expansion_rules"}:
        scope = _Scope({**scope.lists}, {**scope.rules}, {})
        _add(source, entries, scope, origins)
    fixed = source.mapping(entries["slots"][1], "slots with what they hold") if "slots" in entries else {}
    slots = {name: source.value(value) for name, (_, value) in fixed.items()}
    always = not entries.keys() & {"requires_context", "excludes_context"}
    for item in source.items(entries["sentences"][1]):
        expression = parse_template(source, item, origins, "a sentence")
        template = Template(source.place(item), expression, scope.lists, scope.rules, slots)
        yield template, item if always else None


def _check_once(
    source: Source,
    node: yaml.Node | None,
    command: str,
    template: Template,
    seen: dict[tuple[str, int, int], tuple[str, Template]],
) -> None:
    """Raises SourceError where another command has the same template."""
    if node is None:
        return
    text = " ".join(source.text(node, "a sentence").casefold().split())
    other, first = seen.setdefault((text, id(template.lists), id(template.rules)), (command, template))
    if other != command:
        raise source.fault(
            node, f"{command} has the same sentence as {other} in {first.place}; a sentence can mean one command only"
        )


def _skip_words(file: _File) -> Iterator[str]:
    if "skip_words" in file.entries:
        body = file.entries["skip_words"][1]
        for node in [] if is_nothing(body) else file.source.items(body):
            words = file.source.text(node, "words that may be said anywhere")
            if is_template(words):
                raise file.source.fault(node, f"found {kind(node)}; wanted plain words, one way of saying them each")
            yield words
