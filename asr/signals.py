"""What a process does when it is told to end."""

import os
import signal
import threading
from types import FrameType

_MOMENT = 0.01
"""Seconds until a signal that came amid a callback is sent again."""


def clean_up_when_terminated() -> None:
    """Let this process, when it is told to end, leave as if by ``sys.exit``, so that its temporary files go with it."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # Whoever starts a program with nohup wants it to go on.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _Leave())


class _Leave:
    """Raises SystemExit with 128 and the number of the signal, as a shell counts it.

    In a process forked off, which has the handler too and knows nothing of its parent's files, the signal ends it.
    """

    def __init__(self) -> None:
        self._process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if not _put_off(number, frame):
            signal.signal(number, signal.SIG_IGN)
            raise SystemExit(128 + number)


def interrupt(number: int, frame: FrameType | None) -> None:
    """What ctrl-C does: KeyboardInterrupt, but not where it would be lost."""
    if not _put_off(number, frame):
        raise KeyboardInterrupt


def _put_off(number: int, frame: FrameType | None) -> bool:
    """Whether libsndfile has just asked soundfile for bytes; then the signal comes again in a moment.

    An exception cannot pass through a library in C: cffi would show it on standard error, drop it, and go on.
    """
    while frame is not None:
        if frame.f_globals.get("__name__") == "soundfile" and frame.f_code.co_name.startswith("vio_"):
            again = threading.Timer(_MOMENT, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return True
        frame = frame.f_back
    return False
