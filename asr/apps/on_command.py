"""`asr mic --on-command`: a program that is run for each command understood."""

import json
import os
import queue
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from asr.apps.output import slot_text
from asr.errors import SettingsError

if TYPE_CHECKING:
    from asr.runtime.commander import Understanding

_LAST_SECONDS = 2.0  # that programs have to end when listening does; those that need more are left alone


class CommandRunner:
    """Runs a program for each command, beside the listening, and gathers what they print and which of them failed.

    The program is no shell's: its arguments are those of the line, whatever a person says. Its input is empty.
    """

    def __init__(self, line: str) -> None:
        """Raises SettingsError for a line that is none, or a program that is not there."""
        try:
            self._arguments = shlex.split(line)
        except ValueError as error:
            raise SettingsError(
                f"--on-command {line!r}: cannot be read ({error}), wanted a program and its arguments"
            ) from error
        if not self._arguments:
            raise SettingsError("--on-command: found nothing, wanted a program and its arguments")
        if shutil.which(self._arguments[0]) is None:
            raise SettingsError(f"--on-command: found no program {self._arguments[0]!r}, wanted one that can be run")
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._running: list[threading.Thread] = []

    def run(self, understanding: "Understanding") -> None:
        """Begin the program, if a command was understood."""
        if not understanding.understood:
            return
        try:
            program = subprocess.Popen(
                self._arguments,
                env={**os.environ, **environment_of(understanding)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except (OSError, ValueError) as error:  # the latter for a slot that holds what no environment can
            self._lines.put(f"{self._arguments[0]}: cannot be run ({error})")
            return
        thread = threading.Thread(target=self._follow, args=(program,), daemon=True)
        thread.start()
        self._running = [*(each for each in self._running if each.is_alive()), thread]

    def _follow(self, program: "subprocess.Popen[bytes]") -> None:
        assert program.stdout is not None
        with program.stdout:
            for line in program.stdout:
                self._lines.put(line.decode(errors="replace").rstrip("\r\n"))
        status = program.wait()
        if status:
            how = f"exit status {status}" if status > 0 else f"signal {-status}"
            self._lines.put(f"{self._arguments[0]}: failed, {how}")

    def lines(self) -> list[str]:
        """What programs have printed since this was last asked, and a line for each that failed."""
        return [self._lines.get() for _ in range(self._lines.qsize())]

    def close(self) -> list[str]:
        """The same at the end, when those that still run have a moment to end."""
        until = time.monotonic() + _LAST_SECONDS
        for thread in self._running:
            thread.join(max(until - time.monotonic(), 0))
        return self.lines()


def environment_of(understanding: "Understanding") -> Mapping[str, str]:
    """What a program finds of a command in its environment.

    ASR_COMMAND, ASR_TEXT, ASR_CONFIDENCE (0 to 1), ASR_SLOTS, an object of JSON, and each slot once more as ASR_SLOT_
    and its name in capitals, where all but letters of ASCII and digits is an underscore; texts are without quotes.
    """
    reading = understanding.reading
    assert reading is not None
    slots = {
        f"ASR_SLOT_{re.sub('[^A-Z0-9]', '_', name.upper())}": slot_text(value) for name, value in reading.slots.items()
    }
    return {
        "ASR_COMMAND": reading.command,
        "ASR_TEXT": understanding.transcript.text,
        "ASR_CONFIDENCE": f"{understanding.confidence:.4f}",
        "ASR_SLOTS": json.dumps(dict(reading.slots)),
        **slots,
    }
