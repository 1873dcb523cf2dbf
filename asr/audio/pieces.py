"""A file made of parts of another: what a decoder shall see, without a copy of the recording."""

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Piece: TypeAlias = "tuple[int, int] | bytes"
"""A range of the file, from its first byte to behind its last; or bytes that stand there instead."""


class Pieces(io.RawIOBase):
    """Ranges of a file and bytes between them, one behind the other, to be read and sought as one file."""

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece]) -> None:
        self._file = file
        self._pieces = [(piece, len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]) for piece in pieces]
        self._length = sum(length for _, length in self._pieces)
        self._place = 0
        self._index, self._index_start = 0, 0  # the piece that was read last, and where it begins

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def tell(self) -> int:  # noqa: D102
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:  # noqa: D102
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill the whole buffer, unless the end is near: libsndfile takes less for the end."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and self._place < self._length:
            if self._place < self._index_start:
                self._index, self._index_start = 0, 0
            while self._place >= self._index_start + self._pieces[self._index][1]:
                self._index_start += self._pieces[self._index][1]
                self._index += 1
            piece, length = self._pieces[self._index]
            inside = self._place - self._index_start
            count = min(len(view) - filled, length - inside)
            if isinstance(piece, bytes):
                view[filled : filled + count] = piece[inside : inside + count]
            else:
                self._file.seek(piece[0] + inside)
                data = self._file.read(count)
                view[filled : filled + len(data)] = data
                if len(data) < count:  # the file has become shorter since it was looked at
                    self._place += len(data)
                    return filled + len(data)
            filled += count
            self._place += count
        return filled


@contextmanager
def scratch_file() -> Iterator[tuple[BinaryIO, str | None]]:
    """A new file, and its path; on POSIX it has none, so that nothing is left of it however the program ends."""
    if os.name == "posix":
        with tempfile.TemporaryFile() as file:
            yield cast(BinaryIO, file), None
    else:
        with tempfile.TemporaryDirectory() as folder, Path(folder, "scratch").open("w+b") as file:
            yield file, str(Path(folder, "scratch"))
