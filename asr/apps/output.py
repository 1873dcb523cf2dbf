"""What the commands print: lines for people, in which nothing that a file holds can be more than text, and JSON."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from asr.errors import AsrError
from asr.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from asr.runtime.commander import Understanding

_closed: set[str] = set()


def say(*lines: str, error: bool = False) -> None:
    """Print lines at once, on standard error if ``error``; what is not printable in a line is escaped.

    Raises OSError, which names the stream, where they can go nowhere.
    """
    _write("".join(f"{printable(line)}\n" for line in lines), error=error)


def put(line: str) -> None:
    """Print a line as it is, of which every foreign part has been through ``printable``. Raises OSError as ``say``."""
    _write(f"{line}\n")


def put_part(text: str) -> None:
    """Print text at once as ``put`` does, but no end of a line where it has none itself."""
    _write(text)


def say_json(values: Mapping[str, Any]) -> None:
    """Print an object at once, as ``json_text`` has it. Raises OSError as ``say`` does."""
    _write(f"{json_text(values)}\n")


def json_text(values: Mapping[str, Any]) -> str:
    """An object on one line of ASCII.

    Raises AsrError for what JSON cannot hold, such as an infinite number in a slot.
    """
    try:
        return json.dumps(values, allow_nan=False)
    except ValueError as error:
        raise AsrError(
            f"--json: found a number that JSON cannot hold ({error}), wanted a finite one; mend the grammar or bundle"
        ) from error


def command_text(understanding: "Understanding") -> str:
    """The command and its slots, or that it was not understood and what was heard instead, with the confidence."""
    if understanding.understood and understanding.reading is not None:
        reading = understanding.reading
        return f"{' '.join([reading.command, *slot_texts(reading.slots)])}  ({understanding.confidence:.2f})"
    heard = understanding.transcript.text
    return f"not understood: {heard or 'nothing heard'}  ({understanding.confidence:.2f})"


def slot_texts(slots: Mapping[str, Any]) -> list[str]:
    """Each slot as ``name=value``."""
    return [f"{name}={slot_text(value)}" for name, value in slots.items()]


def slot_text(value: Any) -> str:
    """What a slot holds as JSON, but plain text without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def show(drawn: "RenderableType", *, soft_wrap: bool = False, width: int | None = None) -> None:
    """Print a table or text of rich's at once. Raises OSError as ``say`` does."""
    from rich.console import Console

    with _named("standard output"):
        Console(highlight=False, soft_wrap=soft_wrap, width=width).print(drawn)
        sys.stdout.flush()


def flush() -> None:
    """See that what others printed has gone out. Raises OSError, which names the stream, where it has not."""
    _write("")


def _write(text: str, *, error: bool = False) -> None:
    stream, name = (sys.stderr, "standard error") if error else (sys.stdout, "standard output")
    with _named(name):
        stream.write(text)
        stream.flush()


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as failed:
        raise OSError(failed.errno, failed.strerror, name) from failed


def open_standard_streams() -> None:
    """Let standard input, output and error lead to nothing where whoever started the program had closed them.

    Else the next files to be opened would take their numbers, and be written into by whatever prints. And let what the
    terminal or the pipe cannot encode be printed escaped rather than end the program.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            _closed.add(name)
            with suppress(OSError):
                _fill(number)
            # Not closed when it is forgotten: the number is to stay taken.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8", errors="backslashreplace"))  # noqa: PTH123, SIM115
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _fill(number: int) -> None:
    """Let a closed file descriptor lead to nothing."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def is_closed(name: str) -> bool:
    """Whether ``stdin``, ``stdout`` or ``stderr`` was closed when the program began."""
    return name in _closed


def need_output() -> None:
    """Raises AsrError where standard output is closed: for commands that do nothing but print."""
    if is_closed("stdout"):
        raise AsrError("standard output: is closed, wanted a place for the results; give a terminal, a pipe or a file")
