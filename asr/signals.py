"""What a process does when it is told to end."""

import os
import signal
from types import FrameType


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

    def __call__(self, number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL if os.getpid() != self._process else signal.SIG_IGN)
        if os.getpid() != self._process:
            os.kill(os.getpid(), number)
        raise SystemExit(128 + number)
