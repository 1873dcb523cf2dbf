"""Programs that are missing, fail or hang become one line that says what to do."""

import sys

import pytest

from asr.data.synthetic import engines
from asr.data.synthetic.engines import run_engine
from asr.errors import AudioError, SettingsError


def test_output_and_input_go_through() -> None:
    echo = [sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read().upper())"]
    assert run_engine(echo, text="stop") == b"STOP"


def test_missing_program_is_named_with_the_command_to_install_it() -> None:
    with pytest.raises(SettingsError, match=r"no-such-engine is not installed.*apt-get install espeak-ng flite"):
        run_engine(["no-such-engine"])


def test_failure_tells_what_the_program_said_on_one_line() -> None:
    with pytest.raises(AudioError, match=r"failed \(no such voice\)") as caught:
        run_engine([sys.executable, "-c", "import sys; sys.exit('no such\\nvoice')"])
    assert "\n" not in str(caught.value)
    with pytest.raises(AudioError, match="exit status 3"):
        run_engine([sys.executable, "-c", "raise SystemExit(3)"])


def test_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(AudioError, match=r"no answer in 0\.2 s"):
        run_engine([sys.executable, "-c", "import time; time.sleep(5)"])
