"""`asr mic --on-command`: a program that is run for each command understood."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from asr.apps.output import slot_text
from asr.errors import SettingsError

if TYPE_CHECKING:
    from asr.runtime.commander import Understanding

_LAST_SECONDS = 2.0  # that programs have to end when listening does; those that need more are left alone
_STANDARD_ERROR = 2


class CommandRunner:
    """Runs a program for each command, beside the listening, and knows which of them failed.

    The program is no shell's: its arguments are those of the line, whatever a person says. Its input is empty, and its
    output goes to standard error, for standard output may be read by a program.
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
        self._running: list[subprocess.Popen[bytes]] = []
        self._failed: list[str] = []

    def run(self, understanding: "Understanding") -> None:
        """Begin the program, if a command was understood."""
        if not understanding.understood:
            return
        try:
            self._running.append(
                subprocess.Popen(
                    self._arguments,
                    env={**os.environ, **environment_of(understanding)},
                    stdin=subprocess.DEVNULL,
                    stdout=_STANDARD_ERROR,
                )
            )
        except (OSError, ValueError) as error:  # the latter for a slot that holds what no environment can
            self._failed.append(f"{self._arguments[0]}: cannot be run ({error})")

    def failures(self) -> list[str]:
        """A line for each program that failed since this was last asked."""
        failed, self._failed = self._failed, []
        for program in list(self._running):
            status = program.poll()
            if status is not None:
                self._running.remove(program)
                if status:
                    how = f"exit status {status}" if status > 0 else f"signal {-status}"
                    failed.append(f"{self._arguments[0]}: failed, {how}")
        return failed

    def close(self) -> list[str]:
        """The same at the end, when those that still run have a moment to end."""
        failed = self.failures()
        until = time.monotonic() + _LAST_SECONDS
        while self._running and time.monotonic() < until:
            time.sleep(0.02)
            failed += self.failures()
        return failed


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
