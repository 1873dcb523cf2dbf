"""Which files make a grammar: one, all of a folder, or what belongs to it in a copy of Home Assistant's repository.

That repository keeps the sentences of each language in ``sentences/<language>/<Intent>/<slots>.yaml``, lists for all
languages in ``lists``, those of one in ``lists/<language>``, rules in ``rules/<language>``, and says in
``intents.yaml`` what each intent is about.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asr.commands.grammar.source import GRAMMARS
from asr.errors import SettingsError
from asr.text.languages import language_code
from asr.text.normaliser import LANGUAGE

SCHEMA: Final = "intents.yaml"

_SENTENCES: Final = "sentences"
_COMMON: Final = "_common.yaml"


@dataclass(frozen=True)
class Layout:
    """The files of a grammar, in groups: of a name in two groups the later one counts.

    ``helpers`` lend their lists, rules and skip words alone; ``guests`` lie where other files than grammars lie as
    well; ``schema`` says what the intents are about. ``is_theirs`` is true of Home Assistant's own files.
    """

    groups: tuple[tuple[Path, ...], ...]
    helpers: frozenset[Path] = frozenset()
    guests: tuple[Path, ...] = ()
    schema: Path | None = None
    is_theirs: bool = False


def find_layout(path: Path) -> Layout:
    """The layout of a file or folder; raises SettingsError for a folder without a grammar."""
    if path.is_dir() and (path / _SENTENCES).is_dir() and _is_repository(path):
        folder = _english(path / _SENTENCES)
        guests = tuple(each for each in _grammars(path.iterdir()) if each.name != SCHEMA)
        return _of_repository(_all_of(folder), path, folder, guests)
    if path.is_dir() and path.name == _SENTENCES and _is_repository(path.resolve().parent):
        folder = _english(path)
        return _of_repository(_all_of(folder), path.resolve().parent, folder)
    files = _all_of(path) if path.is_dir() else (path,)
    for folder in (path.resolve(), *path.resolve().parents):
        root = folder.parent.parent
        if folder.parent.name == _SENTENCES and language_code(folder.name) and _is_repository(root):
            return _of_repository(files, root, folder)
    return Layout((files,))


def _of_repository(files: tuple[Path, ...], root: Path, folder: Path, guests: tuple[Path, ...] = ()) -> Layout:
    common = folder / _COMMON
    known = {each.resolve() for each in files}
    helpers = (common,) if common.is_file() and common.resolve() not in known else ()
    shared = _grammars((root / "lists").glob("*"))
    own = tuple(each for part in ("lists", "rules") for each in _grammars((root / part / folder.name).rglob("*")))
    schema = root / SCHEMA
    return Layout(
        ((*helpers, *files), shared, own),
        frozenset((*helpers, *shared, *own)),
        guests,
        schema if schema.is_file() else None,
        is_theirs=True,
    )


def _is_repository(root: Path) -> bool:
    sentences = root / _SENTENCES
    languages = [each for each in sentences.iterdir() if each.is_dir()] if sentences.is_dir() else []
    beside = (root / SCHEMA).is_file() or (root / "lists").is_dir() or (root / "rules").is_dir()
    return beside or any((language / _COMMON).is_file() for language in languages)


def _english(sentences: Path) -> Path:
    languages = sorted(each.name for each in sentences.iterdir() if each.is_dir())
    found = [name for name in languages if language_code(name) == LANGUAGE]
    if not found:
        some = ", ".join(languages[:5]) or "none"
        raise SettingsError(f"{sentences}: found no folder {LANGUAGE}, of English sentences; there are {some}")
    return sentences / (LANGUAGE if LANGUAGE in found else found[0])


def _all_of(folder: Path) -> tuple[Path, ...]:
    # Home Assistant has folders for the sentences of each intent, too.
    paths = _grammars(folder.rglob("*"))
    if not paths:
        raise SettingsError(f"{folder}: found no {' or '.join(GRAMMARS)} file; wanted a grammar or a folder of them")
    return paths


def _grammars(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(sorted(each for each in paths if each.suffix.lower() in GRAMMARS and each.is_file()))
