"""A process that is told to end amid the decoding of a recording does, and says no more than it should."""

import signal
import subprocess
import sys

import pytest
from conftest import ROOT

SAMPLE = ROOT / "recipes" / "commands" / "samples" / "five_five.flac"

# Tells itself when libsndfile first asks for bytes, and if that is lost decodes for ever.
PROGRAM = """
import io, os, signal, sys, time
import soundfile
from asr.signals import clean_up_when_terminated, interrupt

class Telling(io.BytesIO):
    told = False
    def readinto(self, space):
        if self.told is False:
            self.told = True
            os.kill(os.getpid(), int(sys.argv[2]))
        return super().readinto(space)

signal.signal(signal.SIGINT, interrupt)
clean_up_when_terminated()
content = open(sys.argv[1], "rb").read()
try:
    soundfile.SoundFile(Telling(content)).read()
    time.sleep(10)
except KeyboardInterrupt:
    sys.exit(130)
print("it goes on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_no_signal_is_lost_or_shown_where_libsndfile_asks_for_bytes(name: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, SAMPLE, str(int(getattr(signal, name)))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
