"""How text with figures is said: in all the ways that a list has for them, part by part.

"channel 105 at 7:30 pm" has a part for the channel and one for the time, so that their ways add up rather than
multiply.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from asr.commands.grammar.spoken import written
from asr.commands.grammar.syntax import Expression, Text
from asr.commands.grammar.templates import has_figures

_PIECES: Final = re.compile(r"\S+")
_WORD: Final = re.compile(r"\s*\S+\s*")
_LONGEST: Final = 5  # words of a date: "the 24th of December, 2026"
_MOST_WAYS: Final = 128  # of one part

Part = tuple[str, tuple[str, ...]]
"""Text, and all ways of saying it, the normaliser's first, where it is written in figures; none for other text."""


class Figures:
    """Finds what is written in figures."""

    def __init__(self, normalise: Callable[[str], str], language: str) -> None:
        self._normalise, self.language = normalise, language
        self._known: dict[str, tuple[Part, ...]] = {}

    def parts(self, text: str) -> tuple[Part, ...]:
        """A text in parts that make it up; one without ways where there are no figures, or nothing is known of them."""
        if not has_figures(text):
            return ((text, ()),)
        if text not in self._known:
            self._known[text] = self._parts(text)
        return self._known[text]

    def count(self, text: str) -> int:
        """How many ways there are to say a text."""
        count = 1
        for _, ways in self.parts(text):
            count *= len(ways) or 1
        return count

    def words(self, item: Expression) -> list[Expression]:
        """The words of a part of a sentence that is text, each by itself; the whole where it is read otherwise so."""
        if not isinstance(item, Text):
            return [item]
        whole = item.text
        texts = [
            text for part, ways in self.parts(whole) for text in ([part] if ways else _WORD.findall(part) or [part])
        ]
        apart = " ".join(filter(None, map(self._normalise, texts)))
        return [Text(text) for text in texts] if texts and apart == self._normalise(whole) else [item]

    def _parts(self, text: str) -> tuple[Part, ...]:
        pieces = [match.span() for match in _PIECES.finditer(text)]
        parts: list[Part] = []
        done = at = 0  # of the text, and of its pieces
        while at < len(pieces):
            ways, after = self._longest(text, pieces, at)
            if ways:
                if pieces[at][0] > done:
                    parts.append((text[done : pieces[at][0]], ()))
                done = pieces[after - 1][1]
                parts.append((text[pieces[at][0] : done], ways))
            at = after
        if done < len(text):
            parts.append((text[done:], ()))
        # What the normaliser reads otherwise in parts than in one is not taken apart.
        apart = " ".join(filter(None, (ways[0] if ways else self._normalise(part) for part, ways in parts)))
        return tuple(parts) if apart == self._normalise(text) else ((text, ()),)

    def _longest(self, text: str, pieces: Sequence[tuple[int, int]], at: int) -> tuple[tuple[str, ...], int]:
        """The ways of saying the longest that is written in figures from a piece on, and the piece after it."""
        for after in range(min(len(pieces), at + _LONGEST), at, -1):
            part = text[pieces[at][0] : pieces[after - 1][1]]
            spoken = written(part, self.language) if has_figures(part) else None
            # Figures among words stand for no value of their own: they are found by themselves.
            if spoken and (after == at + 1 or spoken[0].value != part):
                ways = dict.fromkeys([self._normalise(part), *(way.text for way in spoken)])
                return tuple(ways)[:_MOST_WAYS], after
        return (), at + 1
