"""Files and folders that appear whole or not at all."""

import ctypes
import errno
import glob
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

STAGED = ".asr-staged-"
"""A folder whose name begins so, inside of one that is being replaced, holds all that is to come."""
_MAKING = ".asr-making-"

_NEW_SECONDS = 60.0
_HERE = -100  # AT_FDCWD
_SWAP = 2  # RENAME_EXCHANGE, and RENAME_SWAP of macOS


@contextmanager
def unfinished_file(path: Path, name: str | None = None, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A new file beside ``path``, open for writing, which at the end takes its place, or is gone after any error.

    The folder is made where needed. ``name`` is the file's until then, else that of ``path`` with the number of the
    process; ``durable`` has the disk keep the content before the name, or after a power cut it may be an empty file's.
    Raises OSError for what cannot be written.
    """
    # The name first: Lhotse tells by a name's beginning what belongs to a folder of shards.
    unfinished = path.with_name(name or f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        with suppress(OSError):  # it may be the folder that could not be made or written to
            unfinished.unlink()


def write_whole(path: Path, content: bytes) -> None:
    """Write into an ``unfinished_file``. Raises OSError, which names ``path``."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with unfinished_file(path, unfinished.name) as file:
            file.write(content)
    except OSError as error:
        # Nobody asked for the other name.
        named = path if error.filename in (None, os.fspath(unfinished)) else error.filename
        raise OSError(error.errno, error.strerror, os.fspath(named)) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others, processes and threads, from changing a folder at the same time; they wait here.

    The lock is on the folder itself: it leaves no file behind and ends with its process. Where the system or the file
    system has no such locks, there is none. Raises OSError for what cannot be opened.
    """
    while True:
        handle = _lock(folder, wait=True)
        try:
            # While this waited, another folder may have taken the name.
            if handle is None or os.path.samestat(os.fstat(handle), folder.stat()):
                yield
                return
        finally:
            if handle is not None:
                os.close(handle)


@contextmanager
def folder_for(target: Path) -> Iterator[Path]:
    """A new folder in which to make what ``replace_folder`` then puts at ``target``; gone at the end.

    It lies beside the target, or inside where nothing can be written beside it, as by a folder that is mounted. Raises
    OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if os.path.ismount(target):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(target))
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.asr-", dir=target.parent))
    except OSError:
        if not target.is_dir():
            raise
        made = Path(tempfile.mkdtemp(prefix=_MAKING, dir=target))
    handle = None
    try:
        handle = _lock(made, wait=True)  # what is not locked was left by a program that was killed
        yield made
    finally:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(made, ignore_errors=True)


def replace_folder(made: Path, target: Path, last: str) -> None:
    """Put the files of the folder ``made`` at ``target``, where files of other names stay; ``made`` is gone then.

    At each moment, and after any failure, the old files are there or the new: two folders change places at once. Where
    they cannot (a mounted folder, a file system without that), files are replaced one by one, ``last`` at last, and as
    long as that takes, a folder inside whose name begins with ``STAGED`` holds all the new ones.

    What a killed program left at these names is put back or cleaned away. Raises OSError.
    """
    own = sorted((entry.name for entry in made.iterdir() if entry.is_file()), key=lambda name: name == last)
    _restore(target, own, last, spare=made)
    with folder_for(target) as staged:
        shutil.copymode(made, staged)
        _fill(staged, made, own)
        if not target.exists():
            staged.rename(target)
        else:
            with locked(target):
                if staged.parent == target or not _changed_places(staged, target, own):
                    _replace_one_by_one(made, target, own)
    shutil.rmtree(made, ignore_errors=True)


def _changed_places(staged: Path, target: Path, own: Sequence[str]) -> bool:
    """Take copies of the other files of ``target`` along, and let the folders change places, where all that can be."""
    with suppress(OSError):
        for entry in target.iterdir():
            if entry.name in own or _passing(entry.name, own):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.copytree(entry, staged / entry.name, symlinks=True)
            else:
                shutil.copy2(entry, staged / entry.name, follow_symlinks=False)
        _exchange(staged, target)
        return True
    return False


def _replace_one_by_one(made: Path, target: Path, own: Sequence[str]) -> None:
    staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=target))
    fresh = {name: target / f"{name}.{os.getpid()}" for name in own}
    begun = False
    try:
        shutil.copymode(made, staged)
        _fill(staged, made, own)
        for name, path in fresh.items():
            path.unlink(missing_ok=True)
            link_or_copy(staged / name, path)
        for name, path in fresh.items():
            path.replace(target / name)
            begun = True
    except OSError:
        # Once it has begun, the one whole set of files is the staged one.
        for path in () if begun else (staged, *fresh.values()):
            _remove(path)
        raise
    for entry in target.iterdir():
        if _passing(entry.name, own):
            _remove(entry)


def _restore(target: Path, own: Sequence[str], last: str, spare: Path) -> None:
    """Mend what a killed program left beside ``target``; leftovers of programs that still run are left alone.

    A whole folder takes the name if nothing has it; files other than ``own`` that the target lacks go back into it.
    """
    # The two last were the names of earlier versions.
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(?:(asr-)[a-z0-9_]{{8}}|[a-z0-9_]{{8}}|[0-9]+\.old)")
    left = sorted(target.parent.glob(f".{glob.escape(target.name)}.*"), key=lambda path: path.suffix != ".old")
    for path in left:
        name = pattern.fullmatch(path.name)
        if name is None:
            continue
        with suppress(OSError):  # another person's leftover is no reason to stop
            names = {entry.name for entry in path.iterdir()}
            # One without files may have been made this moment, and is not locked yet.
            new = not names and time.time() - path.stat().st_mtime < _NEW_SECONDS
            ours = not new and bool(name[1] or names.intersection(own))
            handle = _lock(path, wait=False) if ours and not path.is_symlink() else None
            if handle is None:
                continue
            try:
                if path.samefile(spare):
                    continue
                if last in names and not target.exists():
                    path.rename(target)
                    continue
                for kept in names.difference(own) if target.is_dir() else ():
                    if not _passing(kept, own) and not os.path.lexists(target / kept):
                        shutil.move(path / kept, target / kept)
                shutil.rmtree(path)
            finally:
                os.close(handle)


def _passing(name: str, own: Sequence[str]) -> bool:
    """Whether a name is one of those that are given only until a file or folder is whole."""
    stem, _, number = name.rpartition(".")
    return name.startswith((STAGED, _MAKING)) or (stem in own and number.isdecimal())


def _fill(folder: Path, source: Path, names: Sequence[str]) -> None:
    for name in names:
        link_or_copy(source / name, folder / name)


def link_or_copy(file: Path, name: Path) -> None:
    """The same file under another name, or a copy where the file system cannot do that."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copy2(file, name)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _exchange(one: Path, other: Path) -> None:
    """Two folders change places, at once. Raises OSError where the system or the file system has no such thing."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            failed = libc.renamex_np(os.fsencode(one), os.fsencode(other), _SWAP)
        else:
            failed = libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _SWAP)
    except AttributeError as error:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))


def _lock(folder: Path, *, wait: bool) -> int | None:
    """An open handle that holds the folder's lock; None where there are no locks or, without ``wait``, it is held."""
    if sys.platform == "win32":
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
