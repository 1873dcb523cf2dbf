"""What readers are to read: sentences drawn from texts, a line each, with the marks at which a reader pauses.

    python recipes/commands/readings.py OUT PROSE EVERYDAY COMMANDS

22,000 of prose (``prose.sh``) and 9,000 of everyday English (``everyday.py``), of lengths that one says in a breath or
two and without what has to be spelled out, and 16,000 of what `asr sentences` made. The same texts give the same lines.
"""

import random
import re
import sys
from pathlib import Path
from typing import Final

from asr.files import write_whole

_SEED: Final = 91
_READABLE = re.compile(r"[a-z][a-z' ,.;:!?-]*")


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


def draw(prose: list[str], everyday: list[str], commands: list[str]) -> list[str]:
    """As many of each as there shall be, or all, in any order."""
    generator = random.Random(_SEED)
    parts = ((prose, 22_000), (everyday, 9_000), (commands, 16_000))
    lines = [line for part, count in parts for line in generator.sample(part, min(count, len(part)))]
    generator.shuffle(lines)
    return lines


def main(arguments: list[str]) -> int:
    """Returns 2 for other arguments than four paths."""
    if len(arguments) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    out, prose, everyday, commands = map(Path, arguments)
    made = [line.strip() for line in commands.read_text(encoding="utf-8").split("\n") if line.strip()]
    lines = draw(readable(prose, 3, 28), readable(everyday, 2, 20), made)
    write_whole(out, "".join(f"{line}\n" for line in lines).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
