"""Reading what others wrote: lists, JSON and tars of which nothing is believed, least of all how large they are.

A list is read line by line, and no line may take more than ``LONGEST_LINE``. One that is compressed may not unpack to
more than a multiple of its size: a list of utterances packs to a tenth, at the very most to a hundredth, a bomb to a
thousandth.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from asr.errors import ManifestError

LONGEST_LINE: Final = 4 * 2**20
"""Characters of a line; one utterance with all that Lhotse keeps of it has a thousand or two."""

MOST_EMPTY_LINES: Final = 10_000
"""Lines without anything in them, one after the other."""

MOST_HELD: Final = 256 * 2**20
"""Bytes of a file that has to be held as a whole."""

_RATIO: Final = 500
_FREE: Final = 64 * 2**20  # bytes that a list may unpack to, however small it is
_LONGEST_HEADER: Final = 2**20  # bytes of a tar's header on what follows it, such as a long name


class _Counted:
    """A file that is only read from front to back, and how many bytes were."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.bytes += len(content)
        return content


@contextmanager
def lines_of(path: Path, *, encoding: str = "utf-8") -> Iterator[Iterator[str]]:
    """The lines of a text file, unpacked where its name ends in ``.gz``, without their ends, while it is open.

    Whoever stops at a fault leaves by the ``with``, which closes the file. A generator alone would keep it open for as
    long as somebody holds what was raised, and with it the frames of all who read.

    Raises, as it is opened and as lines are taken:
        ManifestError: a line is too long, there are too many empty ones, or it unpacks to far more than lists do.
        OSError, EOFError, zlib.error, UnicodeDecodeError: it cannot be read.
    """
    with path.open("rb") as file:
        if path.suffix == ".gz":
            with closing(unpacked_lines(file, str(path), encoding=encoding)) as lines:
                yield lines
        else:
            with io.TextIOWrapper(file, encoding) as text:
                yield _checked(text, str(path))


def unpacked_lines(file: IO[bytes], name: str, *, encoding: str = "utf-8") -> Generator[str, None, None]:
    """The lines of ``lines_of``, from the compressed bytes of a file that has a ``name`` for messages."""
    packed = _Counted(file)
    with (
        gzip.GzipFile(fileobj=packed, mode="rb") as unpacked,  # type: ignore[call-overload]  # it only reads
        io.TextIOWrapper(unpacked, encoding) as text,
    ):
        total = 0
        for place, line in enumerate(_checked(text, name), start=1):
            total += len(line) + 1
            if total > _FREE + _RATIO * packed.bytes:
                raise ManifestError(
                    f"{name}:{place}: found that it unpacks to more than {_RATIO} times its size, wanted a list of "
                    "utterances, which packs to a hundredth at most; it was made to do harm: get it from elsewhere"
                )
            yield line


def _checked(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    place = empty = 0
    while line := text.readline(LONGEST_LINE + 1):
        place += 1
        if len(line) > LONGEST_LINE:
            raise ManifestError(
                f"{name}:{place}: found a line of more than {LONGEST_LINE:,} characters, wanted one utterance; "
                "it is damaged or no list: write it again"
            )
        empty = 0 if line.strip() else empty + 1
        if empty > MOST_EMPTY_LINES:
            raise ManifestError(
                f"{name}:{place}: found {MOST_EMPTY_LINES:,} empty lines one after the other, wanted one utterance a "
                "line; it is damaged or no list: write it again"
            )
        yield line.removesuffix("\n")


def whole(file: IO[bytes], name: str, most: int = MOST_HELD) -> bytes:
    """All of a file, which may have at most so many bytes.

    Raises:
        ManifestError: it has more.
        OSError: it cannot be read.
    """
    content = file.read(most + 1)
    if len(content) > most:
        raise ManifestError(
            f"{name}: found more than {most:,} bytes, wanted at most that; it is damaged: copy it again"
        )
    return content


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. Raises ValueError where it is none, or is nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def number(value: object, what: str) -> float:
    """A value of a file as a number, which may be none or endless: JSON as Python reads it has NaN and Infinity.

    Raises ManifestError, which says ``what`` it is, for anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    raise ManifestError(f"found {shown(value)} as {what}, wanted a number")


def string(value: object, what: str) -> str:
    """A value of a file as text that can be written again. Raises ManifestError, as ``number``."""
    if not isinstance(value, str):
        raise ManifestError(f"found {shown(value)} as {what}, wanted text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ManifestError(f"found half a character in {shown(value)} as {what}, wanted text") from None
    return value


def shown(value: object, most: int = 60) -> str:
    """A value in few words, for messages."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of figures
        text = "a very large number"
    except RecursionError:
        text = "something nested very deeply"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def is_file(path: Path) -> bool:
    """Whether a path that a file names is one of a regular file: no device, no pipe, nothing that cannot be seen."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or no name at all
        return False


def is_folder(path: Path) -> bool:
    """Whether a path that a file names is one of a folder; see ``is_file``."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


class BoundedTarInfo(tarfile.TarInfo):
    """A header of a tar that asks neither for much memory nor to go back: for ``tarfile.open(tarinfo=...)``.

    Pax headers and long names are read as a whole, however large they say they are, and a size below 0 sends some
    versions of Python round in circles.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        long = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        pax = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        if self.type in (*long, *pax) and self.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes, wanted at most {_LONGEST_HEADER:,}")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]  # made to be overridden, says its source

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError(f"a size of {count} bytes, wanted 0 or more")
        return super()._block(count)  # type: ignore[misc,no-any-return]
