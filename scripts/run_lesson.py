"""Run the code of docs/how-it-works.md in its order, and put below each piece what it prints."""

import argparse
import io
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-it-works.md"
sys.path.insert(0, str(ROOT))

ROUNDED = 0.02
"""By how much a decimal may differ on another processor, at most."""
RELATIVE = 0.05
"""And by what share of it, its last place not counted, which rounding may move by one."""

_DECIMAL = re.compile(r"-?\d*\.\d+")
_PIECE = re.compile(
    r'^```python(?P<torch> title="needs the extra train")?\n(?P<code>.*?)^```\n\n```text\n(?P<printed>.*?)^```\n',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Piece:
    """A piece of code, what the page says that it prints, and whether it wants torch."""

    code: str
    printed: str
    torch: bool
    line: int  # of the page, where the code begins


def pieces(page: str) -> list[Piece]:
    """All pieces of a page, in its order."""
    return [
        Piece(found["code"], found["printed"], found["torch"] is not None, page.count("\n", 0, found.start("code")) + 1)
        for found in _PIECE.finditer(page)
    ]


def run(parts: list[Piece], names: dict[str, Any]) -> Iterator[str]:
    """What each piece prints, run with the names of those before it; the paths in them are those of a checkout."""
    for part in parts:
        out = io.StringIO()
        # Blank lines in front, so that an error tells the line of the page.
        code = compile("\n" * (part.line - 1) + part.code, str(PAGE), "exec")
        with redirect_stdout(out):
            exec(code, names)
        yield out.getvalue().rstrip("\n") + "\n"


def agrees(printed: str, said: str) -> bool:
    """Whether a result is that of the page, but for the last places of its decimals: processors round differently."""
    found, wanted = _DECIMAL.findall(printed), _DECIMAL.findall(said)
    same = _DECIMAL.sub("", printed).split() == _DECIMAL.sub("", said).split() and len(found) == len(wanted)
    return same and all(_near(one, other) for one, other in zip(found, wanted, strict=True))


def _near(one: str, other: str) -> bool:
    last_place = max(10.0 ** -len(each.partition(".")[2]) for each in (one, other))
    allowed = min(ROUNDED, last_place + RELATIVE * abs(float(other)))
    return abs(float(one) - float(other)) <= allowed


def written(page: str, printed: list[str]) -> str:
    """The page with what its pieces printed."""
    new = iter(printed)
    return _PIECE.sub(lambda found: found[0].removesuffix(f"{found['printed']}```\n") + f"{next(new)}```\n", page)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # there are no options but --help
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(written(page, list(run(pieces(page), {}))), encoding="utf-8")
