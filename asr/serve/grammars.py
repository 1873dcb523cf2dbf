"""Grammars that clients bring: checked by a process with limits first, and only then used here.

A grammar is data, but a small one can stand for very much. What takes longer to check than ``CHECK_SECONDS`` is
refused, and one is checked at a time. A client gives the text, never a path.
"""

import asyncio
import importlib.util
import json
import os
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asr.api import Commands
from asr.errors import SettingsError
from asr.serve.errors import Busy, Refusal

GRAMMAR_BYTES: Final = 65_536
"""The longest text of a grammar."""
CHECK_SECONDS: Final = 10
"""Of a processor's time, that checking may take, and six times as long on the clock, as others may be at work."""

_CHECK_BYTES: Final = 2 << 30  # of memory; mostly addresses that nothing stands at
_DRAWING_BYTES: Final = 4 << 20
_MOST_WAITING: Final = 4
_KEPT: Final = 16
_FILE: Final = "grammar.yaml"
_HOLDS_COMMANDS: Final = ("commands", "intents")
_TOO_LONG: Final = "the grammar takes more than the service spends on a check; wanted one that stands for less"


@dataclass
class _Checked:
    """What `asr commands check` says of a text, and the commands once somebody speaks them."""

    found: Mapping[str, Any]
    commands: Commands | None = None


class Grammars:
    """The grammars that clients brought last, checked for the bundle in a folder."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._kept: OrderedDict[str, _Checked] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def check(self, text: str) -> Mapping[str, Any]:
        """What `asr commands check --json` prints of a grammar, and ``drawing``, its diagrams as an HTML page.

        ``drawing`` is None where they cannot be drawn, and ``drawing_note`` says why.

        Raises Refusal for a grammar that cannot be used or is too large, Busy where many are being checked.
        """
        return (await self._checked(text)).found

    async def commands(self, text: str) -> Commands:
        """The commands of a grammar. Raises as ``check``."""
        checked = await self._checked(text)
        if checked.commands is None:
            checked.commands = await asyncio.to_thread(_read, text)
        return checked.commands

    async def _checked(self, text: str) -> _Checked:
        if len(text.encode(errors="replace")) > GRAMMAR_BYTES:
            raise _refusal(f"found a grammar of more than {GRAMMAR_BYTES} bytes, wanted less")
        if not any(name in text for name in _HOLDS_COMMANDS):  # a process is not begun for any text
            raise _refusal(f"{_FILE}: found no commands; wanted `commands:` with lists of sentences")
        if text not in self._kept:
            if self._waiting >= _MOST_WAITING:
                raise Busy("too many grammars are being checked; try again in a moment")
            self._waiting += 1
            try:
                async with self._turn:
                    if text not in self._kept:
                        self._kept[text] = _Checked(await _check(text, self._bundle))
            finally:
                self._waiting -= 1
        self._kept.move_to_end(text)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[text]


async def _check(text: str, bundle: Path) -> dict[str, Any]:
    drawn = importlib.util.find_spec("railroad") is not None
    with tempfile.TemporaryDirectory(prefix="asr-grammar-") as folder:
        path, drawing = _write(text, Path(folder)), Path(folder, "grammar.html")
        limits = map(str, (CHECK_SECONDS, _CHECK_BYTES))
        check = ("commands", "check", str(path), "--json", "--bundle", str(bundle))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "asr.serve.limited", *limits, *check, *(("--draw", str(drawing)) if drawn else ())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            answers = await asyncio.wait_for(process.communicate(), 6 * CHECK_SECONDS)
        except TimeoutError:
            raise _refusal(_TOO_LONG) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        printed, complained = (_without(folder, answer.decode(errors="replace")).strip() for answer in answers)
        if not printed:
            complaint = complained.removeprefix("asr: ")  # the name of the program, for those at a terminal
            raise _refusal(complaint if process.returncode == 1 and complaint else _TOO_LONG)
        found: dict[str, Any] = json.loads(printed)
        found |= {"drawing": None, "drawing_note": "diagrams want railroad-diagrams: pip install 'asr[check]'"}
        if drawn and drawing.is_file():
            small = drawing.stat().st_size <= _DRAWING_BYTES
            found["drawing"] = _without(folder, drawing.read_text(encoding="utf-8")) if small else None
            found["drawing_note"] = "" if small else "the diagrams are too large to be shown"
    return found


def _without(folder: str, text: str) -> str:
    """What is said of a file without the folder, which is nobody's business."""
    return text.replace(f"{folder}{os.sep}", "")


def _read(text: str) -> Commands:
    with tempfile.TemporaryDirectory(prefix="asr-grammar-") as folder:
        try:
            return Commands.load(_write(text, Path(folder)))
        except SettingsError as error:
            raise _refusal(_without(folder, str(error))) from error


def _write(text: str, folder: Path) -> Path:
    path = folder / _FILE
    path.write_bytes(text.encode(errors="replace"))
    return path


def _refusal(message: str) -> Refusal:
    return Refusal(400, message, "bad_grammar", parameter="grammar")
