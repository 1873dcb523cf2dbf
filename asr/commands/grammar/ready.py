"""The grammars that come with the program, by their names."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from asr.commands.grammar.source import GRAMMARS, suggestion
from asr.errors import SettingsError

_PACKAGE: Final = Path(__file__).resolve().parents[2]
_FOLDERS: Final = (_PACKAGE / "configs" / "commands", _PACKAGE.parent / "configs" / "commands")
"""Where a wheel has them, and a checkout."""


def ready_grammars() -> dict[str, Path]:
    """The files of all grammars that come with the program, by name."""
    for folder in _FOLDERS:
        if found := sorted(folder.glob("*.yaml")):
            return {path.stem: path for path in found}
    return {}


def find_grammar(name: str) -> Path:
    """The file or folder of this path, else the grammar of this name that comes with the program.

    Raises SettingsError, with a suggestion, where there is neither.
    """
    path = Path(name)
    ready = ready_grammars()
    # A folder that happens to have the name of a grammar is not meant.
    if path.is_file() or (path.is_dir() and (name not in ready or _has_grammars(path))):
        return path
    if name in ready:
        return ready[name]
    if path.suffix.lower() in GRAMMARS or len(path.parts) > 1:
        raise SettingsError(f"{path}: no such file; wanted a grammar, or one of {', '.join(ready)}")
    raise SettingsError(
        f"{name}: found neither a file nor a grammar that comes with the program; wanted a .yaml file, a folder of "
        f"them or such a name: {suggestion(name, ready)}"
    )


def find_grammars(names: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """What ``find_grammar`` finds for each of several names, in their order; what is named again counts once."""
    return list({path.resolve(): path for path in (find_grammar(os.fspath(name)) for name in names)}.values())


def _has_grammars(folder: Path) -> bool:
    return any(path.suffix.lower() in GRAMMARS for path in folder.iterdir())
