"""Templates of commands over many domains, and the lists from which their places are filled.

They are text files in ``templates/`` beside this one. A line ``name = one | another`` is a list, for which ``{name}``
stands; it goes on in indented lines. Every other line is a template; lines that begin with # are comments. ``(a|b)`` is
one of both, ``[a]`` may be left out, and both may hold one another. A value of a list may hold lists, but no brackets.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

KEPT: Final = 0.5
"""How likely what may be left out is said."""

_LIST = re.compile(r"(\w+) = (.+)")
_CHOICE = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")
_NAME = re.compile(r"{(\w+)}")
_PARTS = re.compile(r"[^a-z']+")


@dataclass(frozen=True)
class Templates:
    """``patterns`` are templates, ``lists`` the values of each list as they are written."""

    patterns: Sequence[str]
    lists: Mapping[str, Sequence[str]]

    def fill(self, pattern: str, generator: random.Random, made: Mapping[str, Callable[[], str]]) -> str:
        """One way to say a template; ``made`` gives what is in no list, afresh each time it is called.

        Raises KeyError for a name that is neither in ``made`` nor a list.
        """

        def chosen(match: re.Match[str]) -> str:
            if match[1] is None and generator.random() >= KEPT:
                return ""
            ways: str = match[2] if match[1] is None else match[1]
            return generator.choice(ways.split("|"))

        def filled(match: re.Match[str]) -> str:
            name: str = match[1]
            return made[name]() if name in made else _NAME.sub(filled, generator.choice(self.lists[name]))

        while _CHOICE.search(pattern):
            pattern = _CHOICE.sub(chosen, pattern)
        return " ".join(_NAME.sub(filled, pattern).split())

    def words(self) -> list[str]:
        """The words that the templates and lists are written with, sorted."""
        lines = [*self.patterns, *(value for values in self.lists.values() for value in values)]
        found = {word for line in lines for word in _PARTS.split(_NAME.sub(" ", line))}
        return sorted(word for word in found if word.strip("'") == word != "")


@cache
def ready_templates() -> Templates:
    """Those that come with the package."""
    folder = files("asr.data.texts") / "templates"
    texts = sorted((file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir())
    return read_templates("\n".join(text for _, text in texts))


def read_templates(text: str) -> Templates:
    """Templates from the lines of a file."""
    patterns: list[str] = []
    lists: dict[str, Sequence[str]] = {}
    # A line that is indented goes on with the one before.
    for line in re.sub(r"\n[ \t]+", " ", text).splitlines():
        if found := _LIST.fullmatch(line.strip()):
            lists[found[1]] = [value.strip() for value in found[2].split("|")]
        elif line.strip() and not line.startswith("#"):
            patterns.append(line.strip())
    return Templates(patterns, lists)
