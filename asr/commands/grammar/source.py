"""A YAML file as its writer sees it: every name and text with its place, every fault with its line and a caret.

Scalars are read as text, so that ``on`` and ``no`` are words, and a key that stands twice is a fault: YAML libraries
take the last one without a word.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from asr.commands.grammar.budget import MOST_NODES, Exhausted
from asr.errors import SettingsError, SourceError
from asr.text.languages import language_code

Entries = dict[str, tuple[yaml.Node, yaml.Node]]
"""The names of a mapping, each with its own node and the node of what it holds."""

GRAMMARS: Final = (".yaml", ".yml")
"""How the names of grammars end."""

_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS: Final = {"true": True, "false": False, "null": None, "~": None, "": None}
_MERGE: Final = "<<"
_QUOTES: Final = "put quotes around text that begins with a bracket or has a colon in it"
_SHOWN: Final = 100  # characters of a line
_NAMED: Final = 8  # names that there are


# The parser in C, where PyYAML was built with it, is ten times as fast.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Takes all that has no tag of its own for text."""

    nodes = 0

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise Exhausted
        return _TEXT_TAG


@dataclass(frozen=True)
class Source:
    """A file that was read: its lines and, unless it is empty, the root of its nodes."""

    path: Path
    lines: tuple[str, ...]
    root: yaml.Node | None
    known: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)  # read already, by the node's id

    @property
    def language(self) -> str | None:
        """The code of the language that the file names; None where it names none, or one that is not known."""
        if not isinstance(self.root, yaml.MappingNode):
            return None
        named = [str(value.value) for key, value in self.root.value if key.value == "language"]
        return language_code(named[0]) if named else None

    def place(self, node: yaml.Node) -> str:
        """Where a node begins: file:line."""
        return f"{self.path}:{node.start_mark.line + 1}"

    def fault(self, node: yaml.Node, message: str, offset: int = 0) -> SourceError:
        """An error at a node, or at the character ``offset`` of its text."""
        return self.fault_at(*self._position(node, offset), message)

    def fault_at(self, line: int, column: int, message: str) -> SourceError:
        """An error at a line and column, both counted from 0: the message, then the line with a caret under it."""
        text = self.lines[line] if line < len(self.lines) else ""
        before, after = text[:column], text[column:]
        if len(before) > _SHOWN // 2:
            before = "…" + before[-_SHOWN // 2 :]
        if len(after) > _SHOWN // 2:
            after = after[: _SHOWN // 2] + "…"
        indent = len(before) - len(before.lstrip()) if len(before.strip()) or after else 0
        before = _shown(before[indent:])
        excerpt = f"    {before}{_shown(after)}\n    {' ' * sum(map(_columns, before))}^"
        return SourceError(f"{self.path}:{line + 1}: {message}\n{excerpt}")

    def mapping(self, node: yaml.Node, wanted: str) -> Entries:
        """The keys of a mapping, each with its own node and the node of what it holds; nothing is an empty mapping.

        What it takes over from others, by YAML's `<<:`, comes after its own keys.
        """
        return self._entries(node, wanted, set())

    def _entries(self, node: yaml.Node, wanted: str, seen: set[int]) -> Entries:
        if is_nothing(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise self.fault(node, f"found {kind(node)}; wanted {wanted}")
        entries: Entries = {}
        others: list[yaml.Node] = []
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == _MERGE and not key.style:
                others += self.items(value)
                continue
            name = self.text(key, "a name")
            if name in entries:
                first = entries[name][0].start_mark.line + 1
                raise self.fault(
                    key, f"{name!r} stands in line {first} already; put both together or name one otherwise"
                )
            entries[name] = key, value
        for other in others:
            # Once is enough, and those that take over each other would never end.
            if id(other) not in seen:
                seen.add(id(other))
                taken = self._entries(other, "names with contents to take over", seen)
                entries |= {name: each for name, each in taken.items() if name not in entries}
        return entries

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        """The nodes of a list; anything else is a list of itself."""
        return node.value if isinstance(node, yaml.SequenceNode) else [node]

    def text(self, node: yaml.Node, wanted: str) -> str:
        """The text of a scalar, without blanks around it."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.fault(node, f"found {kind(node)}; wanted {wanted}: put quotes around it if it is text")
        if node.tag != _TEXT_TAG:
            raise self.fault(node, f"found the tag {node.tag}; wanted {wanted}, without a tag")
        text = str(node.value).strip()
        if not text:
            raise self.fault(node, f"found nothing; wanted {wanted}")
        return text

    def value(self, node: yaml.Node) -> Any:
        """What a scalar stands for: a number, true, false or nothing where it is written as one, else its text.

        A list of scalars is a list of these.
        """
        if isinstance(node, yaml.SequenceNode):
            return [self._scalar(item) for item in node.value]
        return self._scalar(node)

    def known_keys(self, entries: Entries, names: Collection[str], what: str) -> None:
        """Raises SourceError, with a suggestion, where a mapping has a key that is none of those known."""
        for name, (key, _) in entries.items():
            self.one_of(name, names, key, what)

    def one_of(self, name: str, names: Collection[str], node: yaml.Node, what: str) -> None:
        """Raises SourceError, with a suggestion, where a name is none of those known."""
        if name not in names:
            raise self.fault(node, f"{name!r} is not {what}; {suggestion(name, names)}")

    def _scalar(self, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise self.fault(node, f"found {kind(node)}; wanted text, a number, true or false")
        text = str(node.value)
        if node.style:  # in quotes
            return text
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if not (is_whole := bool(_WHOLE.fullmatch(text))) and not _DECIMAL.fullmatch(text):
            return text
        if not math.isfinite(float(text)):
            raise self.fault(
                node, f"found a number of {len(text):,} figures; wanted one below 10^308, or quotes around text"
            )
        return int(text) if is_whole else float(text)

    def _position(self, node: yaml.Node, offset: int) -> tuple[int, int]:
        """Line and column of a character of a scalar's text; where the scalar begins if escapes blur that."""
        line, column = node.start_mark.line, node.start_mark.column
        if not offset or not isinstance(node, yaml.ScalarNode):
            if isinstance(node, yaml.ScalarNode) and node.style in ("'", '"'):
                column += 1
            return line, column
        found = self.lines[line].find(node.value, column)
        if found >= 0:
            return line, found + offset
        passed = 0
        first = line + 1 if node.style in ("|", ">") else line  # what is in the line of the sign is no text
        for number in range(first, min(node.end_mark.line + 1, len(self.lines))):
            start = column if number == line else 0
            part = self.lines[number][start:].strip()
            begin = node.value.find(part, passed) if part else -1
            if begin >= 0:
                if begin <= offset < begin + len(part):
                    return number, self.lines[number].index(part, start) + offset - begin
                passed = begin + len(part)
        return line, column


def read_source(path: Path) -> Source:
    """Read a file of YAML.

    Raises SettingsError where it cannot be read as text, and SourceError, with the line and a caret, where it is no
    YAML.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"{path}: cannot be read as text ({reason}); wanted a grammar in YAML") from error
    # Not splitlines: YAML knows fewer ends of a line than Python does.
    empty = Source(path, tuple(content.split("\n")), None)
    try:
        return Source(path, empty.lines, yaml.compose(content, _Loader))
    except Exhausted:
        raise SettingsError(
            f"{path}: found more than {MOST_NODES:,} names and texts; wanted fewer: leave out what is never said"
        ) from None
    except yaml.reader.ReaderError as error:
        unprintable = next((at for at, char in enumerate(content) if yaml.reader.Reader.NON_PRINTABLE.match(char)), 0)
        line = content.count("\n", 0, unprintable)
        column = unprintable - (content.rfind("\n", 0, unprintable) + 1)
        raise empty.fault_at(line, column, f"found no YAML: {error.reason}; remove the character") from None
    except yaml.MarkedYAMLError as error:
        raise _no_yaml(empty, error) from None
    except RecursionError:
        raise SettingsError(f"{path}: found brackets or lists nested too deeply; wanted a grammar in YAML") from None


def kind(node: yaml.Node) -> str:
    """What a node is, in words."""
    if is_nothing(node):
        return "nothing"
    if isinstance(node, yaml.MappingNode):
        return "names with contents"
    return "a list" if isinstance(node, yaml.SequenceNode) else repr(str(node.value))


def is_nothing(node: yaml.Node) -> bool:
    """Whether nothing stands there, as after a key without contents."""
    return isinstance(node, yaml.ScalarNode) and not node.value and not node.style


def suggestion(name: str, names: Collection[str]) -> str:
    """The known name that is nearest to an unknown one, or some that there are."""
    near = nearest(name, names)
    return f"did you mean {near}?" if near else f"there are {', '.join(sorted(names)[:_NAMED]) or 'none'}"


def nearest(name: str, names: Collection[str]) -> str | None:
    """The known name that an unknown one looks like, if there is one."""
    near = difflib.get_close_matches(name, names, n=1)
    return near[0] if near else None


def _no_yaml(source: Source, error: yaml.MarkedYAMLError) -> SourceError:
    mark, begun = error.problem_mark, error.context_mark
    message = f"found no YAML: {error.problem or error.context}"
    if mark is None or (begun is not None and "".join(source.lines[mark.line :]).strip() == ""):
        mark = begun  # what is not closed is seen at the end of the file only
    elif begun is not None and begun.line != mark.line:
        message += f" ({error.context} that begins in line {begun.line + 1})"
    line = source.lines[mark.line] if mark is not None and mark.line < len(source.lines) else ""
    advice = "indent with blanks, not tabs" if "\t" in line[: len(line) - len(line.lstrip())] else _QUOTES
    return source.fault_at(mark.line if mark else 0, mark.column if mark else 0, f"{message}; {advice}")


def _shown(text: str) -> str:
    """The text in characters that a terminal shows, as many as there were."""
    spaced = (" " if each.isspace() else each for each in text)
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in spaced)


def _columns(char: str) -> int:
    """How wide a terminal shows a character."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
