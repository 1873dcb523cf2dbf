"""Runs the speech synthesisers, espeak-ng, flite and festival, which are programs of their own."""

import re
import subprocess

from asr.errors import AudioError, SettingsError

INSTALL = "apt-get install espeak-ng flite"

TIMEOUT_SECONDS = 60


def run_engine(command: list[str], *, text: str | None = None, timeout: float | None = None) -> bytes:
    """What the program writes; ``text`` goes to its standard input.

    Raises SettingsError if the program is not installed, AudioError if it fails or does not end within ``timeout``
    seconds, by default ``TIMEOUT_SECONDS``.
    """
    given = None if text is None else text.encode()
    seconds = TIMEOUT_SECONDS if timeout is None else timeout
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=seconds)
    except FileNotFoundError as error:
        raise SettingsError(f"{command[0]} is not installed; install it: {INSTALL}") from error
    except subprocess.TimeoutExpired as error:
        raise AudioError(f"{command[0]} gave no answer in {seconds:g} s to: {' '.join(command)}") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().replace("\n", " ") or f"exit status {error.returncode}"
        raise AudioError(f"{command[0]} failed ({reason}) at: {' '.join(command)}; reinstall it: {INSTALL}") from error
    return done.stdout


def engine_version(program: str) -> str:
    """The version of an installed program, as it names it: another version may speak otherwise."""
    # flite reports a failure where it has only told its version.
    done = subprocess.run([program, "--version"], capture_output=True, check=False, timeout=TIMEOUT_SECONDS)
    told = re.search(r"(?:version|text-to-speech|System): *([^\s:]+)", done.stdout.decode(errors="replace"))
    return told[1] if told else "unknown"
