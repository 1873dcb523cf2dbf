"""One sentence template: parsed by hassil, which is known here alone, with a caret under what it cannot parse."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from typing import Final

import yaml

from asr.commands.grammar import syntax
from asr.commands.grammar.budget import MOST_LETTERS, MOST_NUMBERS
from asr.commands.grammar.grammar import NumberRange
from asr.commands.grammar.source import Source
from asr.commands.grammar.spoken import written
from asr.errors import SourceError
from asr.text.languages import find_language
from asr.text.normaliser import LANGUAGE, Normaliser

Origins = dict[int, tuple[Source, yaml.Node]]
"""Where the expressions stand that name lists or rules, by the ``id`` of the expression."""

_CLOSING: Final = {"(": ")", "[": "]", "{": "}", "<": ">"}
_SYNTAX: Final = re.compile(r"[()\[\]{}<>|;\\]")
_NAME: Final = re.compile(r"\{[^{}]*\}|<[^<>]*>")
_PLAIN: Final = re.compile(r"[a-z0-9]", re.IGNORECASE)
_DEEPEST: Final = 50


def parse(text: str) -> syntax.Expression:
    """The tree of a template.

    Raises hassil's ParseError, or AssertionError or RecursionError, for what is none, and ValueError for a range whose
    numbers have thousands of figures.
    """
    from hassil.parse_expression import parse_sentence

    return _tree(parse_sentence(text).expression)


def parse_template(source: Source, node: yaml.Node, origins: Origins, wanted: str) -> syntax.Expression:
    """The tree of a scalar; where it is more than plain text, its place goes to ``origins``.

    Raises SourceError: it is no text or empty, cannot be parsed, has letters that no English word has, or numbers that
    no list could have.
    """
    from hassil.parser import ParseError

    text = source.text(node, wanted)
    if len(text) > MOST_LETTERS:
        raise source.fault(node, f"found a text of {len(text):,} letters; wanted {MOST_LETTERS:,} at most: part it")
    if not text.isascii():
        _check_letters(source, node)
    if not is_template(text):
        if not _PLAIN.search(text) and not has_words(text):
            raise source.fault(node, f"found no word in {text!r}; wanted {wanted}")
        return syntax.Text(text)
    if (fault := _fault(str(node.value))) is not None:
        raise source.fault(node, fault[1], fault[0])
    try:
        expression = parse(text)
    except ValueError:
        message = "found a range of numbers that are too long; wanted such as {0..100}"
        raise fault_at_name(source, node, "{", message) from None
    except (ParseError, AssertionError, RecursionError) as error:
        raise source.fault(node, f"cannot be parsed as a sentence template: {error}") from None
    for part in syntax.references(expression):
        numbers = part.numbers if isinstance(part, syntax.ListRef) else None
        if numbers and (found := range_fault(NumberRange(*numbers))) is not None:
            raise fault_at_name(source, node, str(part), found)
    origins[id(expression)] = source, node
    return expression


def fault_at_name(source: Source, node: yaml.Node, name: str, message: str) -> SourceError:
    """An error at a name, in its brackets, that stands in a template."""
    return source.fault(node, message, max(str(node.value).find(name.rstrip("}>")), 0))


def range_fault(found: NumberRange) -> str | None:
    """What is wrong with a range of numbers, if anything is."""
    if found.start > found.stop or found.step < 1:
        return f"found a range from {found.start} to {found.stop} by {found.step}; wanted it to rise"
    if found.size > MOST_NUMBERS:
        return (
            f"found a range of {found.size:,} numbers; wanted {MOST_NUMBERS:,} at most: say long numbers in two parts"
        )
    return None


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
def _normaliser(language: str = LANGUAGE) -> Normaliser:
    return Normaliser(language)


def _check_letters(source: Source, node: yaml.Node) -> None:
    text = _NAME.sub(lambda match: " " * len(match[0]), str(node.value))  # names may be in any script
    code = source.language or LANGUAGE
    for offset, char in enumerate(text):
        if char.isalpha() and not _normaliser(code)(char):
            language = find_language(code)
            letters = f"a to z{' and ' * bool(language.LETTERS)}{language.LETTERS}"
            raise source.fault(
                node,
                f"found the letter {char!r}; wanted {language.NAME} words: write it as it is said, in {letters}",
                offset,
            )


def _tree(found: object) -> syntax.Expression:
    """The tree of hassil's own, which has a text for each word, and an empty item where all may be left out."""
    from hassil import expression as forms

    if isinstance(found, forms.TextChunk):
        return syntax.Text(found.original_text)
    if isinstance(found, forms.RuleReference):
        return syntax.RuleRef(found.rule_name)
    if isinstance(found, forms.ListReference):
        return syntax.ListRef(found.list_name, found.slot_name, found.get_inline_range())
    assert isinstance(found, forms.Group), "there are no others"
    items = map(_tree, found.items)
    if isinstance(found, forms.Sequence):
        return syntax.Sequence(tuple(_joined(items)))
    if isinstance(found, forms.Permutation):
        return syntax.AnyOrder(tuple(items))
    assert isinstance(found, forms.Alternative), "there are no other groups"
    return syntax.Optional((*items,)[:-1]) if found.is_optional else syntax.Choice(tuple(items))


def _joined(items: Iterable[syntax.Expression]) -> Iterator[syntax.Expression]:
    """The items with texts that follow each other as one."""
    for are_texts, run in groupby(items, key=lambda item: isinstance(item, syntax.Text)):
        if are_texts:
            yield syntax.Text("".join(item.text for item in run if isinstance(item, syntax.Text)))
        else:
            yield from run


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
