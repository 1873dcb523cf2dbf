"""A corpus from its publisher: fetched, checked and unpacked into its folder."""

import errno
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from asr.data.corpora.corpus import Corpus
from asr.data.manifests.bounded import BoundedTarInfo
from asr.download import fetch_file
from asr.errors import AsrError
from asr.progress_bars import track

_DAMAGED: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError),
    *(ValueError, OverflowError, MemoryError, struct.error),  # of sizes and names that nothing can have
)
_ODD_NAMES: Final = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP)
_RATIO: Final = 50  # audio packs to a half, sometimes to a tenth
_FREE: Final = 2**30  # bytes that an archive may unpack to, however small it is


def fetch(corpus: Corpus, folder: Path, *, pause: float = 2.0) -> None:
    """Fetch all archives of a corpus into its folder and unpack them there.

    An archive is kept as ``.part`` until it is whole, and an interrupted download goes on from there, in this run after
    a ``pause`` in seconds, or in the next. An unpacked archive is removed, and an empty file ``.NAME.unpacked`` says
    that it need not be fetched again.

    Raises:
        AsrError: the corpus is not offered for download, the publisher cannot be reached or refuses (the message says
            how to get it by hand), the checksum is another, or the archive is damaged or leaves the folder.
    """
    if not corpus.archives:
        raise AsrError(
            f"{corpus.title}: found no archive that may be fetched from here, its publisher wants to be asked; "
            f"{_by_hand(corpus, folder)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for archive in corpus.archives:
            name = _name(archive.url)
            unpacked = folder / f".{name}.unpacked"
            if unpacked.exists():
                continue
            file = folder / name
            digest = f"md5:{archive.md5}" if archive.md5 else ""
            fetch_file(archive.url, file, _by_hand(corpus, folder), digest=digest, pause=pause)
            _unpack(file, folder)
            unpacked.touch()
            file.unlink()
    except OSError as error:
        raise AsrError(
            f"{error.filename or folder}: cannot be written ({error.strerror or error}); make room on the disk or name "
            "another folder, and run again: it goes on where it was"
        ) from error


def _by_hand(corpus: Corpus, folder: Path) -> str:
    place = f"get it from {corpus.url} and put" if corpus.url else "put"
    return f"{place} it so that {folder} holds {corpus.layout}, then run without --download"


def _name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name


def _unpack(file: Path, folder: Path) -> None:
    """Unpack a tar or zip archive; its members are plain files and stay inside the folder."""
    room = _RATIO * file.stat().st_size + _FREE
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as zipped:
                members = [member for member in zipped.infolist() if _is_wanted(member)]
                _check_room(sum(member.file_size for member in members), room)
                for member in track(members, f"Unpacking {file.name}"):
                    zipped.extract(member, folder)
        else:
            total = 0
            with tarfile.open(file, tarinfo=BoundedTarInfo) as tarred:
                for entry in track(tarred, f"Unpacking {file.name}"):
                    if not (entry.isreg() or entry.isdir()):
                        raise _Refused(f"{entry.name!r} is a link or a device")
                    total += entry.size
                    _check_room(total, room)
                    tarred.extract(entry, folder, filter="data")
    except (tarfile.FilterError, _Refused, RuntimeError) as error:  # the last where a member is encrypted
        raise _refused(file, error) from error
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno in _ODD_NAMES:
            raise _refused(file, error) from error
        # A bzip2 stream that is damaged is an OSError without a number; what the disk refuses has one.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        file.unlink()
        reason = str(error).partition(":\n")[0]  # what follows is each way in which it was tried
        raise AsrError(
            f"{file}: found no whole tar or zip archive ({reason}); it was removed; run again to fetch it anew"
        ) from error


class _Refused(Exception):
    """A member of an archive that would leave the folder or fill the disk, or is no file."""


def _refused(file: Path, error: Exception) -> AsrError:
    return AsrError(
        f"{file}: refused, {' '.join(str(error).split())}; wanted members inside the folder, plain files; "
        "tell the publisher"
    )


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    """Whether there is something to unpack: an entry for the folder itself says nothing."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
        raise _Refused(f"{member.filename!r} would be written outside the folder")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _Refused(f"{member.filename!r} is a link")
    if not path.parts and not member.is_dir():
        raise _Refused(f"{member.filename!r} is no name of a file")
    return bool(path.parts)


def _check_room(unpacked: int, room: int) -> None:
    if unpacked > room:
        raise _Refused(f"it would unpack to {unpacked:,} bytes or more, far more than audio does")
