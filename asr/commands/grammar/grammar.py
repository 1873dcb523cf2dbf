"""A person's own commands as they are written down: sentence templates, and what their slots take.

The form of the file is Home Assistant's, whose templates the library hassil parses, with shorter ways of its own::

    language: en
    lists:
      size: [small, large, {in: "(huge|giant)", out: large}]
      percent: {range: {from: 0, to: 100, step: 5}}
    expansion_rules:
      polite: "(please|kindly)"
    commands:
      order: ["[<polite>] bring (me|us) [a {size}] coffee", "coffee, {percent} percent milk"]
      stop: stop [it]

Nothing here expands a template: lists are shared by all that name them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from asr.commands.grammar.syntax import Expression
from asr.errors import SettingsError
from asr.text.languages import find_language


class _AsSaid(Enum):
    AS_SAID = "as said"


AS_SAID: Final = _AsSaid.AS_SAID
"""The ``out`` of a value that has none of its own: the slot gets what was said, or what that stands for."""


_NOTHING: Final[Mapping[str, Any]] = {}  # one for all: of most values of long lists nothing is known


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a list: a template, and what the slot gets for it: text, a number, true, false or nothing.

    ``context`` is what is known of it, such as the domain of a device, and ``filled`` are other slots that it fills
    where it stands.
    """

    place: str
    expression: Expression
    out: Any = AS_SAID
    context: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    filled: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class WordList:
    """Values, one of which is said."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class NumberRange:
    """Numbers from ``start`` to ``stop``, both among them, one of which is said.

    With ``fractions`` the halves or tenths that follow each of them are numbers of the list as well. The slot gets the
    number times the ``multiplier``.
    """

    start: int
    stop: int
    step: int = 1
    fractions: Literal["halves", "tenths"] | None = None
    multiplier: float | None = None

    @property
    def size(self) -> int:
        """How many numbers there are, with the halves or tenths."""
        return ((self.stop - self.start) // self.step + 1) * {None: 1, "halves": 2, "tenths": 10}[self.fractions]


@dataclass(frozen=True)
class TimeRange:
    """Times of the day from ``start`` to ``stop``, both among them, every ``step``, all in minutes since midnight."""

    start: int
    stop: int
    step: int


@dataclass(frozen=True)
class DateRange:
    """Days: of the week, of the year, today and the like."""


@dataclass(frozen=True)
class Wildcard:
    """Any words at all."""


SlotList = WordList | NumberRange | TimeRange | DateRange | Wildcard


@dataclass(frozen=True)
class Rule:
    """A part of templates that has a name."""

    place: str
    expression: Expression


@dataclass(frozen=True)
class Template:
    """A sentence template, with the lists and rules that are known where it stands and the slots it always fills.

    Templates that know the same lists and rules hold the same mappings. Every name in a template that was read, and in
    what it names, is known, and nothing is named in itself.
    """

    place: str
    expression: Expression
    lists: Mapping[str, SlotList] = field(repr=False)
    rules: Mapping[str, Rule] = field(repr=False)
    slots: Mapping[str, Any]
    keywords: frozenset[str] = frozenset()
    """Words, one of which is in every sentence; none if there need be none."""
    may_tie: bool = False
    """Whether other commands may have its sentences: Home Assistant tells them apart by what it knows of a home."""


@dataclass(frozen=True)
class Grammar:
    """Templates by command, of which there is at least one each.

    The ``skip_words`` may be said before a sentence, after it, and between its words. ``language`` is the code of the
    language that they are in; None is that of the normaliser, whichever it is.
    """

    name: str
    commands: Mapping[str, tuple[Template, ...]]
    skip_words: tuple[str, ...]
    language: str | None = None


def language_of(grammars: Sequence[Grammar]) -> str | None:
    """The language of grammars that are used together; None where none names one.

    Raises SettingsError: they are in several.
    """
    named = {grammar.language: grammar.name for grammar in grammars if grammar.language}
    if len(named) > 1:
        found = " and ".join(f"{name} in {find_language(code).NAME}" for code, name in named.items())
        raise SettingsError(f"found the grammar {found}; wanted one language for all that are used together")
    return next(iter(named), None)
