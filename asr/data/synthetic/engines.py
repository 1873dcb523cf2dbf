"""Runs the speech synthesisers: espeak-ng, flite and festival are programs, pico is a package of Python.

SVOX Pico's package ttspico (Apache-2.0) is optional: it is no longer maintained and is compiled as it is installed.
"""

import os
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version

from asr.errors import AudioError, SettingsError

INSTALL = "apt-get install espeak-ng flite (and, with a C compiler: pip install ttspico)"

PICO_PACKAGE = "ttspico"

TIMEOUT_SECONDS = 60

_NO_SOUND = {"PULSE_SERVER": "", "PULSE_RUNTIME_PATH": f"{os.devnull}/none", "PULSE_STATE_PATH": os.devnull}
"""For espeak-ng, which looks for a sound server even where it is to play nothing, and leaves folders behind."""


def run_engine(command: list[str], *, text: str | None = None, timeout: float | None = None) -> bytes:
    """What the program writes; ``text`` goes to its standard input.

    Raises SettingsError if the program is not installed, AudioError if it fails or does not end within ``timeout``
    seconds, by default ``TIMEOUT_SECONDS``.
    """
    given = None if text is None else text.encode()
    seconds = TIMEOUT_SECONDS if timeout is None else timeout
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, check=True, timeout=seconds, env={**os.environ, **_NO_SOUND}
        )
    except FileNotFoundError as error:
        raise SettingsError(f"{command[0]} is not installed; install it: {INSTALL}") from error
    except subprocess.TimeoutExpired as error:
        raise AudioError(f"{command[0]} gave no answer in {seconds:g} s to: {' '.join(command)}") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().replace("\n", " ") or f"exit status {error.returncode}"
        raise AudioError(f"{command[0]} failed ({reason}) at: {' '.join(command)}; reinstall it: {INSTALL}") from error
    return done.stdout


def engine_version(engine: str) -> str:
    """The version of an installed synthesiser, as it names it: another version may speak otherwise."""
    if engine == "pico":
        return pico_version() or "unknown"
    # flite reports a failure where it has only told its version.
    done = subprocess.run([engine, "--version"], capture_output=True, check=False, timeout=TIMEOUT_SECONDS)
    told = re.search(r"(?:version|text-to-speech|System): *([^\s:]+)", done.stdout.decode(errors="replace"))
    return told[1] if told else "unknown"


def pico_version() -> str | None:
    """The version of the package that speaks as SVOX Pico; None where it is not installed."""
    try:
        return version(PICO_PACKAGE)
    except PackageNotFoundError:
        return None
