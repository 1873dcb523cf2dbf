"""The form of a grammar's files: what their keys mean, and all files of a folder as one."""

import gc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

import yaml

from asr.commands.grammar.blocks import BLOCK_KEYS, KEYS, SENTENCES, Blocks, Definitions
from asr.commands.grammar.grammar import Grammar, Template
from asr.commands.grammar.layout import Layout, find_layout
from asr.commands.grammar.names import Names
from asr.commands.grammar.schema import Schema
from asr.commands.grammar.source import Entries, Source, is_nothing, kind, read_source
from asr.commands.grammar.templates import Origins, fault_at_name, is_template
from asr.errors import SettingsError
from asr.text.languages import LANGUAGES, find_language, language_code
from asr.text.normaliser import LANGUAGE

_WANTED: Final = "`commands:` with lists of sentences, or Home Assistant's `intents:`"


@dataclass(frozen=True)
class _File:
    source: Source
    entries: Entries
    lends: bool = False
    """Whether only what others need of it counts."""

    @property
    def is_block(self) -> bool:
        """Whether it holds the sentences of the one intent that its folder is named after."""
        return bool(self.entries.keys() & {"sentences", "data"})


@dataclass
class _Part:
    """The files of one path, and what they know."""

    path: Path
    files: list[_File]
    schema: Schema
    is_theirs: bool
    scope: Definitions = field(default_factory=Definitions)

    @property
    def name(self) -> str:
        return self.path.stem if self.path.is_file() else self.path.resolve().name

    @property
    def skip_words(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(words for file in self.files for words in _skip_words(file)))

    def commands(self) -> Iterator[tuple[_File, str, yaml.Node]]:
        """The commands and intents of all files with what holds their sentences."""
        for file in self.files:
            if not file.lends:
                yield from ((file, name, node) for name, node in _commands(file))


def read_grammar(path: Path) -> Grammar:
    """The grammar of a YAML file, or of a folder with all its YAML files in one, as Home Assistant lays them out.

    Of a copy of Home Assistant's repository, or what is in one, the English sentences are read, with the lists and
    rules beside them.

    Raises SettingsError, mostly as SourceError with the line and a caret: no YAML, a key that means nothing or stands
    twice, no commands, an unknown language or two of them, a template that cannot be parsed, letters that no word of
    the language has, a list that is empty, a list or rule that is not there or goes round in itself, two commands with
    the same template. What depends on the words that are said, such as a sentence without any, is seen by the network.
    """
    (grammar,) = read_grammars([path])
    return grammar


def read_grammars(paths: Sequence[Path]) -> tuple[Grammar, ...]:
    """The grammars of several files or folders that are used together, each as ``read_grammar`` reads it.

    What one names and does not have is looked for in the others. One without commands lends its lists, rules and
    skip words to the others, and is none of the grammars that are given back.

    Raises SettingsError as ``read_grammar`` does, for no commands only where none of them has any.
    """
    # Of a long list nearly all objects stay: to look through them for garbage, again and again, takes as long as the
    # reading itself.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _read(paths)
    finally:
        if collecting:
            gc.enable()


def _read(paths: Sequence[Path]) -> tuple[Grammar, ...]:
    origins: Origins = {}
    parts = [_part(path, origins) for path in paths]
    speak = [part for part in parts if any(True for _ in part.commands())]
    if not speak:
        raise SettingsError(f"{', '.join(map(str, paths))}: found no commands; wanted {_WANTED}")
    language = _language(file for part in parts for file in part.files)
    lent = tuple(words for part in parts if part not in speak for words in part.skip_words)
    return tuple(
        _grammar(part, [each for each in parts if each is not part], lent, origins, language) for part in speak
    )


def _part(path: Path, origins: Origins) -> _Part:
    layout = find_layout(path)
    part = _Part(path, [], Schema(layout.schema), layout.is_theirs)
    for group in (*layout.groups, layout.guests):
        files = [_File(source, _top(source), source.path in layout.helpers) for source in _sources(group, layout)]
        known = Definitions()
        for file in files:
            if not file.is_block:
                known.add(file.source, file.entries, origins)
        part.scope.take(known)
        part.files += files
    return part


def _sources(group: Iterable[Path], layout: Layout) -> Iterator[Source]:
    for source in map(read_source, group):
        if source.path not in layout.guests or _is_grammar(source):
            yield source


def _is_grammar(source: Source) -> bool:
    if not isinstance(source.root, yaml.MappingNode):
        return False
    names = {str(key.value) for key, _ in source.root.value}
    return names <= {*KEYS} and names != {"language"}


def _language(files: Iterable[_File]) -> str:
    """The language of files that are used together: the one that some name, English where none does."""
    first: Source | None = None
    for source in (file.source for file in files if file.source.language):
        if first is None:
            first = source
        elif source.language != first.language:
            raise SettingsError(
                f"{source.path}: found `language: {source.language}`, but `language: {first.language}` in "
                f"{first.path}; wanted one language for all that are used together"
            )
    return (first and first.language) or LANGUAGE


def _grammar(part: _Part, others: Sequence[_Part], lent: tuple[str, ...], origins: Origins, language: str) -> Grammar:
    scope = Definitions()
    for other in others:
        scope.take(other.scope, over=False)
    scope.take(part.scope)
    if any(file.entries.keys() & {"intents", "data"} for file in part.files):
        scope.fill_in_what_devices_lack()
    blocks = Blocks(origins, part.schema, is_theirs=part.is_theirs)
    commands: dict[str, list[Template]] = {}
    seen: dict[tuple[str, int, int], tuple[str, Template]] = {}
    for file, name, node in part.commands():
        templates = list(blocks.templates(file.source, node, scope, name))
        if not templates:
            raise file.source.fault(node, f"the command {name} has no sentence; wanted {SENTENCES}")
        for template, written in templates:
            if template is not None:
                _check_once(file.source, written, name, template, seen)
                commands.setdefault(name, []).append(template)
    names = Names(lambda piece, name, message: fault_at_name(*origins[id(piece.expression)], name, message))
    for template in chain(*commands.values()):
        names.check(template)
    skip_words = tuple(dict.fromkeys((*part.skip_words, *lent)))
    return Grammar(part.name, {name: tuple(templates) for name, templates in commands.items()}, skip_words, language)


def _top(source: Source) -> Entries:
    if source.root is None:
        raise SettingsError(f"{source.path}: found an empty file; wanted {_WANTED}")
    entries = source.mapping(source.root, _WANTED)
    known = (*KEYS, "data", *BLOCK_KEYS) if entries.keys() & {"sentences", "data"} else KEYS
    source.known_keys(entries, known, "a key of a grammar")
    if "language" in entries:
        node = entries["language"][1]
        language = source.text(node, "the code of a language")
        if not language_code(language):
            languages = " or ".join(f"{find_language(code).NAME}, `language: {code}`" for code in LANGUAGES)
            raise source.fault(node, f"found the language {language!r}; wanted {languages}")
    return entries


def _commands(file: _File) -> Iterator[tuple[str, yaml.Node]]:
    if file.is_block:
        assert file.source.root is not None, "it has a key"
        yield file.source.path.resolve().parent.name, file.source.root
    for section in ("commands", "intents"):
        if section in file.entries:
            body = file.entries[section][1]
            for name, (_, node) in file.source.mapping(body, f"names of commands, under `{section}:`").items():
                yield name, node


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
