"""What there is to say when something goes wrong: one line that a person can act on, the traceback only on demand."""

import errno
import os
import traceback
from dataclasses import dataclass
from typing import Final

from asr.errors import AsrError, SourceError
from asr.extras import missing
from asr.printable import printable
from asr.torch_pair import unloadable_pair

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_ADVICE: Final = {
    **dict.fromkeys(_FULL, "free some space"),
    errno.EROFS: "write elsewhere",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}
"""What to do about what the system says."""

_show_tracebacks = False


def show_tracebacks(on: bool) -> None:
    """Whether failures have tracebacks, for the whole process."""
    global _show_tracebacks
    _show_tracebacks = on


@dataclass(frozen=True)
class Failure:
    """What there is to say about an error, also about one of another process."""

    message: str
    traced: str | None
    unexpected: bool = False
    """Whether it is a fault of asr, and not of what it was given."""


class Told(Exception):
    """An error of another process, of which is already known what there is to say."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def failure_of(error: BaseException) -> Failure:
    """One line, with the traceback if ``--debug`` asks for it."""
    if isinstance(error, Told):
        return error.failure
    traced = "".join(traceback.format_exception(error)) if _show_tracebacks else None
    return Failure(describe(error), traced, not isinstance(error, AsrError | OSError | MemoryError))


def tracebacks_are_shown() -> bool:
    """What ``show_tracebacks`` was told."""
    return _show_tracebacks


def describe(error: BaseException) -> str:
    """One line that a person can act on; what is wrong in a file that a person wrote is shown on two lines more."""
    if absent := missing(error):
        return f"this command {absent}"
    if pair := unloadable_pair(error):
        return printable(pair)
    if isinstance(error, SourceError):
        # The last two are the line of the file and the caret; a name in the message may hold line breaks.
        *first, line, caret = ["", "", *str(error).split("\n")]
        lines = [" ".join(first).strip(), line, caret]
        return "\n".join(printable(each) for each in lines if each)
    if isinstance(error, AsrError):
        message = str(error)
    elif isinstance(error, OSError):
        message = _system(error)
    elif isinstance(error, MemoryError):
        message = "out of memory; close other programs, or give less at a time"
    else:
        message = f"unexpected {type(error).__name__}: {error}; this is a fault of asr, --debug shows where"
    return printable(" ".join(message.split("\n")))


def _system(error: OSError) -> str:
    """What the system said, of which file, and what can be done about it."""
    reason = error.strerror or str(error) or type(error).__name__
    name = error.filename
    advice = _ADVICE.get(error.errno or 0, "")
    if advice and name is None and error.errno in _FULL:
        advice = f"{advice}, also where temporary files go (TMPDIR)"
    named = reason if name is None else f"{os.fsdecode(name) if isinstance(name, bytes) else name}: {reason}"
    return f"{named}; {advice}" if advice else named
