"""The commands as processes: what they do with signals and standard streams before the first of their imports.

Nothing is imported here at once but what is quickly there, so that ctrl-C ends a command silently from its first
moment.
"""

import os
import signal
import sys
from types import FrameType

from asr.signals import clean_up_when_terminated, interrupt


def main() -> None:
    """The `asr` command."""
    _process("app", "asr")


def transcribe_main() -> None:
    """The `transcribe` command: `asr transcribe` under a shorter name."""
    _process("transcribe_app", "transcribe")


def mic_main() -> None:
    """`asr mic` by itself, for a checkout."""
    _process("mic_app", "microphone")


def _process(application: str, name: str) -> None:
    deaf = signal.getsignal(signal.SIGINT) is not signal.default_int_handler  # as what a shell runs in the background
    if not deaf:
        signal.signal(signal.SIGINT, _end_at_once)  # an exception amid imports would be shown, or even lost
    from asr.apps import cli
    from asr.apps.output import open_standard_streams

    open_standard_streams()
    clean_up_when_terminated()
    if not deaf:
        signal.signal(signal.SIGINT, interrupt)
    status = cli.run(getattr(cli, application), sys.argv[1:], name)
    if not deaf:
        signal.signal(signal.SIGINT, _end_at_once)  # nothing is left to be done but what the interpreter does
    sys.exit(status)


def _end_at_once(_number: int, _: FrameType | None) -> None:
    os._exit(130)


if __name__ == "__main__":
    main()
