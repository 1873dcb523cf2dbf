"""Runs the speech synthesisers, espeak-ng and flite, which are programs of their own."""

import subprocess

from asr.errors import AudioError, SettingsError

INSTALL = "apt-get install espeak-ng flite"

TIMEOUT_SECONDS = 60


def run_engine(command: list[str], *, text: str | None = None) -> bytes:
    """What the program writes; ``text`` goes to its standard input.

    Raises SettingsError if the program is not installed, AudioError if it fails or does not end.
    """
    given = None if text is None else text.encode()
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=TIMEOUT_SECONDS)
    except FileNotFoundError as error:
        raise SettingsError(f"{command[0]} is not installed; install it: {INSTALL}") from error
    except subprocess.TimeoutExpired as error:
        raise AudioError(f"{command[0]} gave no answer in {TIMEOUT_SECONDS} s to: {' '.join(command)}") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().replace("\n", " ") or f"exit status {error.returncode}"
        raise AudioError(f"{command[0]} failed ({reason}) at: {' '.join(command)}; reinstall it: {INSTALL}") from error
    return done.stdout
