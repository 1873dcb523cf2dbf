"""One sentence template: parsed by hassil, with a caret under what it cannot parse."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import yaml

from asr.commands.grammar.budget import MOST_LETTERS
from asr.commands.grammar.source import Source
from asr.commands.grammar.spoken import written
from asr.text.normaliser import Normaliser

Origins = dict[int, tuple[Source, yaml.Node]]
"""Where the expressions stand that name lists or rules, by the ``id`` of the expression."""

_CLOSING: Final = {"(": ")", "[": "]", "{": "}", "<": ">"}
_SYNTAX: Final = re.compile(r"[()\[\]{}<>|;\\]")
_NAME: Final = re.compile(r"\{[^{}]*\}|<[^<>]*>")
_PLAIN: Final = re.compile(r"[a-z0-9]", re.IGNORECASE)
_DEEPEST: Final = 50


def parse_template(source: Source, node: yaml.Node, origins: Origins, wanted: str) -> Any:
    """The expression that hassil makes of a scalar; where it is more than plain text, its place goes to ``origins``.

    Raises SourceError: it is no text or empty, cannot be parsed, or has letters that no English word has.
    """
    from hassil.expression import TextChunk
    from hassil.parse_expression import parse_sentence
    from hassil.parser import ParseError

    text = source.text(node, wanted)
    if len(text) > MOST_LETTERS:
        raise source.fault(node, f"found a text of {len(text):,} letters; wanted {MOST_LETTERS:,} at most: part it")
    if not text.isascii():
        _check_letters(source, node)
    if not is_template(text):
        if not _PLAIN.search(text) and not has_words(text):
            raise source.fault(node, f"found no word in {text!r}; wanted {wanted}")
        return TextChunk(text)
    if (fault := _fault(str(node.value))) is not None:
        raise source.fault(node, fault[1], fault[0])
    try:
        expression = parse_sentence(text).expression
    except (ParseError, AssertionError, RecursionError) as error:
        raise source.fault(node, f"cannot be parsed as a sentence template: {error}") from None
    origins[id(expression)] = source, node
    return expression


def is_template(text: str) -> bool:
    """Whether a text has any character that means something in a template."""
    return bool(_SYNTAX.search(text))


def has_words(text: str) -> bool:
    """Whether a text is more than punctuation."""
    return bool(_PLAIN.search(text)) or bool(_normaliser()(text)) or written(text) is not None


def has_figures(text: str) -> bool:
    """Whether any of a text is written in figures."""
    return any(char.isnumeric() for char in text)


@cache
def _normaliser() -> Normaliser:
    return Normaliser()


def _check_letters(source: Source, node: yaml.Node) -> None:
    text = _NAME.sub(lambda match: " " * len(match[0]), str(node.value))  # names may be in any script
    for offset, char in enumerate(text):
        if char.isalpha() and not _normaliser()(char):
            raise source.fault(
                node, f"found the letter {char!r}; wanted English words: write it as it is said, in a to z", offset
            )


def _fault(text: str) -> tuple[int, str] | None:
    """Where the brackets of a template do not match or hold nothing, and what is wrong there.

    hassil counts from wherever it is inside of a template, so its own places cannot be shown.
    """
    open_: list[tuple[int, str]] = []
    separators: list[str] = [""]
    for offset, char in _syntax(text):
        if open_ and open_[-1][1] in "{<" and char != _CLOSING[open_[-1][1]]:
            begun = open_[-1][1]
            return open_[-1][0], f"`{begun}` holds {char!r}; wanted a name and then `{_CLOSING[begun]}`"
        if char in _CLOSING:
            open_.append((offset, char))
            separators.append("")
            if len(open_) > _DEEPEST:
                return offset, f"found brackets more than {_DEEPEST} deep; use `expansion_rules:`"
        elif char in "|;":
            if separators[-1] not in ("", char):
                return offset, "found both `|` and `;` between the same brackets; put brackets around one of them"
            separators[-1] = char
        elif not open_:
            return offset, f"`{char}` closes nothing; take it away or put a \\ before it"
        else:
            begin, opening = open_.pop()
            separators.pop()
            if _CLOSING[opening] != char:
                return offset, f"found `{char}`, wanted `{_CLOSING[opening]}` for the `{opening}` before it"
            inner = text[begin + 1 : offset]  # `[ ]` is a blank that may be there, as before a percent sign
            if not inner or (opening in "{<" and not inner.strip()):
                return begin, f"`{opening}{char}` holds nothing; take it away or fill it"
    if open_:
        return open_[-1][0], f"`{open_[-1][1]}` is never closed; wanted `{_CLOSING[open_[-1][1]]}`"
    return None


def _syntax(text: str) -> Iterator[tuple[int, str]]:
    """The characters of a template that mean something, and where they stand."""
    escaped = False
    for offset, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in "()[]{}<>|;":
            yield offset, char
