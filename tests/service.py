"""A running service, in a process of its own."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "recipes" / "commands" / "samples"
FIND, FIVE = SAMPLES / "find_my_files.flac", SAMPLES / "five_five.flac"

COMMAND = ("-m", "asr", "serve", "--port", "0", "--workers", "1")
AUDIOOP = "ignore:'audioop' is deprecated:DeprecationWarning"  # which wyoming imports
_PATIENCE = 60.0


@dataclass(frozen=True)
class Served:
    """The process, where it listens, and the file of its log."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    wyoming: int = 0
    """The port where it speaks Wyoming, where it was asked to."""

    @property
    def port(self) -> int:
        """The port of its address."""
        return int(self.url.rpartition(":")[2])

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, all of it JSON."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def logged(self, event: str) -> dict[str, Any]:
        """The last line of an event, once there is one."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            found = [line for line in self.lines if line["event"] == event]
            if found:
                return found[-1]
            time.sleep(0.05)
        raise AssertionError(f"{event} is not among {self.lines}")

    def client(self, **settings: Any) -> openai.OpenAI:
        """OpenAI's client, told nothing but where."""
        return openai.OpenAI(base_url=f"{self.url}/v1", **{"api_key": "none", "max_retries": 0} | settings)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to end, and its exit status."""
        self.process.send_signal(number)
        return self.process.wait(_PATIENCE)


@contextmanager
def serving(
    log: Path,
    *options: str | Path,
    command: tuple[str, ...] = COMMAND,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """A service that has begun to listen; ended, if it is still there, when the block is left."""
    everywhere = {name: value for name, value in os.environ.items() if name != "ASR_TOKEN"} | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-W", AUDIOOP, *command, *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env=everywhere | dict(environment or {}),
        )
    with process:
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], _PATIENCE)
            line = process.stdout.readline() if ready else ""
            found = re.fullmatch(r"listening on (\S+)\n", line)
            assert found, f"{line}{log.read_text(encoding='utf-8')}"
            wyoming = 0
            if "--wyoming" in options:
                wyoming = int(process.stdout.readline().removesuffix(" (Wyoming)\n").rpartition(":")[2])
            yield Served(process, found[1], log, wyoming)
        finally:
            process.kill()
