"""Folders of work that may be interrupted: each says what it was begun for, so that only the same goes on in it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from asr.errors import SettingsError
from asr.files import write_whole

_LONGEST: Final = 60


def claim(folder: Path, name: str, wanted: Mapping[str, Any]) -> None:
    """Begin work in ``folder``, or go on with it: what it is for is kept there, as JSON in the file ``name``.

    Whatever else that file says does not count. Raises SettingsError where the folder was begun for something other
    than ``wanted``, holds something else, or cannot be read or written.
    """
    note, wanted = folder / name, json.loads(json.dumps(wanted))
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: found a file, wanted a folder; name another")
    try:
        if note.exists():
            try:
                found = json.loads(note.read_bytes())
                other = [key for key in wanted if found.get(key) != wanted[key]]
            except (ValueError, RecursionError, AttributeError) as error:
                raise SettingsError(
                    f"{note}: cannot be read ({error}); remove {folder}, or choose another folder"
                ) from error
            if other:
                named = ", ".join(f"{key} {_told(found.get(key))} and not {_told(wanted[key])}" for key in other)
                raise SettingsError(
                    f"{folder}: was begun with {named}; go on with the same, choose another folder, or remove this one"
                )
            return
        folder.mkdir(parents=True, exist_ok=True)
        # A process that was killed, or one that begins just now, may have left the note with a number behind its name.
        if others := sorted(path.name for path in folder.iterdir() if not path.name.startswith((".", f"{name}."))):
            raise SettingsError(
                f"{folder}: holds something else, {others[0]!r}; wanted an empty folder, or one that this was begun in"
            )
        write_whole(note, f"{json.dumps(wanted, indent=1)}\n".encode())
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error


def _told(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."
