"""Which words the pieces of a template make: what is written without a blank between grows together."""

import re
from collections.abc import Callable
from itertools import product
from typing import Final

from asr.errors import SettingsError

_BESIDE: Final = ("", "a", "1", "05", "000", ":05")
_LAST_WORD: Final = re.compile(r"\S*\Z")


class Wording:
    """Reads pieces of text as the normaliser reads the whole that they make."""

    def __init__(self, normaliser: Callable[[str], str]) -> None:
        self._normalise = normaliser
        self._known: dict[str, tuple[str, ...]] = {}
        self._joins: dict[tuple[str, str], bool] = {}

    def words(self, text: str, place: str) -> tuple[str, ...]:
        """The words of a text; raises SettingsError where it has letters that are in none of them."""
        known = self._known.get(text)
        if known is None:
            if not text.isascii():
                self._check_letters(text, place)
            known = self._known[text] = tuple(self._normalise(text).split())
        return known

    def joins_before(self, text: str) -> bool:
        """Whether a word that ends where ``text`` begins would go on in it."""
        first = text[:1]
        if first.isalnum() or not first or first.isspace():
            return first.isalnum()
        piece = text.split(maxsplit=1)[0]
        return self._ask("before", piece, lambda left, right: (left, piece + right))

    def joins_after(self, text: str) -> bool:
        """Whether the last word of ``text`` would go on in what follows."""
        last = text[-1:]
        if last.isalnum() or not last or last.isspace():
            return last.isalnum()
        piece = text.rsplit(maxsplit=1)[-1]
        return self._ask("after", piece, lambda left, right: (left + piece, right))

    def _ask(self, side: str, piece: str, part: Callable[[str, str], tuple[str, str]]) -> bool:
        """Whether the normaliser reads letters and digits otherwise when they are separated at a side of it."""
        if (side, piece) not in self._joins:
            asked = [(left + piece + right, *part(left, right)) for left, right in product(_BESIDE, repeat=2)]
            self._joins[side, piece] = any(
                self._normalise(whole) != f"{self._normalise(left)} {self._normalise(right)}".strip()
                for whole, left, right in asked
            )
        return self._joins[side, piece]

    def _check_letters(self, text: str, place: str) -> None:
        for letter in text:
            if letter.isalpha() and self._normalise(f"a{letter}a") in ("aa", "a a"):
                raise SettingsError(
                    f"{place}: found the letter {letter!r} in {text.strip()!r}, which no word can be spelled with; "
                    "write it with the letters a to z"
                )


def split_last(text: str) -> tuple[str, str]:
    """What is before the last word, and that word with all that is written to it; empty after a blank."""
    match = _LAST_WORD.search(text)
    assert match is not None, "matches at the end of any text"
    return text[: match.start()], match[0]
