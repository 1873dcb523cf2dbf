"""What readers are to read: sentences drawn from texts, a line each, with the marks at which a reader pauses.

    python recipes/commands/readings.py OUT PROSE EVERYDAY EXAMPLES COMMANDS

Of prose (``prose.sh``), everyday English (``everyday.py``) and a dictionary's examples (``english.sh``), in lengths
that one says in a breath or two and without what has to be spelled out: 15,000 sentences that between them have the
rare words, and of the first two 11,000 and 5,000 as they come; and 16,000 of what `asr sentences` made. The same texts
give the same lines.
"""

import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from asr.files import write_whole

_SEED: Final = 91
_READABLE = re.compile(r"[a-z][a-z' ,.;:!?-]*")
_WORD = re.compile(r"[a-z']+")

# How often a word is to be read that is in the texts so many times at most. What is in them more often needs no help.
_WANTED: Final = ((29, 1), (299, 3), (2_999, 5))
# Shares of a sentence's words that are wanted still, tried one after the other. Each sentence counts as so many words
# longer: by the share alone, sentences of two words would come first.
_RICH: Final = (0.5, 0.4, 0.33, 0.27, 0.22, 0.18, 0.14, 0.1)
_LONGER: Final = 5


def readable(path: Path, fewest: int, most: int) -> list[str]:
    """The different lines of so many words, in small letters, that have nothing but words and pauses; sorted."""
    lines = set()
    for line in path.read_text(encoding="utf-8", errors="ignore").split("\n"):
        text = line.replace("’", "'").replace('"', "").replace("_", "").lower()
        text = re.sub(r"\s+", " ", text).strip(" '-")
        if _READABLE.fullmatch(text) and "--" not in text:
            text = text.replace("-", " ")
            if fewest <= len(text.split()) <= most:
                lines.add(text)
    return sorted(lines)


def rich(lines: Sequence[str], most: int, generator: random.Random) -> list[str]:
    """At most ``most`` lines that between them have the rarer words, each as often as is wanted, in few others.

    Seven of ten words that one reads are the same 350. Of the texts of the default recipe 15,000 sentences have 11,900
    different words where they are drawn evenly, and 30,900 so.
    """
    counts = Counter(word for line in lines for word in _WORD.findall(line))
    wanted = {word: next((times for bound, times in _WANTED if count <= bound), 0) for word, count in counts.items()}
    left, taken = generator.sample(lines, len(lines)), list[str]()
    for share in _RICH:
        others = []
        for line in left:
            words = _WORD.findall(line)
            lacking = {word for word in words if wanted[word] > 0}
            if len(lacking) < share * (len(words) + _LONGER):
                others.append(line)
                continue
            taken.append(line)
            if len(taken) == most:
                return taken
            for word in lacking:
                wanted[word] -= 1
        left = others
    return taken


def draw(prose: list[str], everyday: list[str], examples: list[str], commands: list[str]) -> list[str]:
    """As many of each as there shall be, or all, in any order."""
    generator = random.Random(_SEED)
    rare = rich(sorted({*prose, *everyday, *examples}), 15_000, generator)
    known = set(rare)
    prose, everyday = ([line for line in part if line not in known] for part in (prose, everyday))
    parts = ((prose, 11_000), (everyday, 5_000), (commands, 16_000))
    lines = rare + [line for part, count in parts for line in generator.sample(part, min(count, len(part)))]
    generator.shuffle(lines)
    return lines


def main(arguments: list[str]) -> int:
    """Returns 2 for other arguments than five paths."""
    if len(arguments) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    out, prose, everyday, examples, commands = map(Path, arguments)
    made = [line.strip() for line in commands.read_text(encoding="utf-8").split("\n") if line.strip()]
    lines = draw(readable(prose, 3, 28), readable(everyday, 2, 20), readable(examples, 4, 24), made)
    write_whole(out, "".join(f"{line}\n" for line in lines).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
