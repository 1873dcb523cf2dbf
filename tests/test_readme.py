"""Every command of the README, run as it stands there, in a copy of what a person who arrives has."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hub import files_of, hub_here

from asr.bundle import DEFAULT_BUNDLE

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# The Makefile's targets run this suite and cannot be run by it; .ci/run runs the one, the release check the other.
# The installs have been made when a test runs.
FETCHED = ("pip install '.[voices]'", "asr voices fetch piper", "asr voices fetch kokoro")
NOT_HERE = ("make demo", "make test", "pip install '.[mic]'", "pip install '.[train]'", *FETCHED)
# tests/test_deploy.py has what can be told of these without Docker and systemd in charge, and tests/test_wyoming.py and
# test_serve_hostile.py listen where a port is free.
DEPLOYED = ("docker ", "sudo ", "asr serve --wyoming ", "asr serve --host ")
PORT = 8000  # of the service in README; here it takes one that is free

# A person trains for ten minutes; here it is enough that the same command goes through.
SHORTER = (
    "--trainer.max_epochs 1 --model.model.d_model 32 --model.model.feedforward 32 --model.optimiser.warmup_updates 2"
)


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def make_digits(folder: Path) -> None:
    """A miniature of the published layout: a tone a digit, for four speakers of three splits."""
    recordings = folder / "recordings"
    recordings.mkdir(parents=True)
    time = np.arange(6_000) / 8_000
    for number, speaker in enumerate(("jackson", "lucas", "theo", "george")):
        for digit in range(10):
            tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * digit + 20 * number) * time)
            soundfile.write(recordings / f"{digit}_{speaker}_0.wav", tone, 8_000)


@contextmanager
def serving(command: str, folder: Path, environment: dict[str, str]) -> Iterator[int]:
    """The port of a service that goes on, as in a terminal of its own, while other commands ask it."""
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            shlex.split(f"{command} --port 0"),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", process.stdout.readline())
            assert found, (folder / "log").read_text()
            yield int(found[1])
        finally:
            process.terminate()


def check_commands(chosen: list[str], folder: Path) -> None:
    program = Path(sys.executable).parent
    path = f"{program}{os.pathsep}{os.environ['PATH']}"
    with ExitStack() as services:
        check_each(chosen, folder, {**os.environ, "PATH": path}, services)


def check_each(chosen: list[str], folder: Path, environment: dict[str, str], services: ExitStack) -> None:
    port = PORT
    for command in chosen:
        if command.startswith("asr serve"):
            port = services.enter_context(serving(command, folder, environment))
            continue
        shorter = f"{command} {SHORTER}" if command.startswith("asr train") else command
        shorter = shorter.replace("--utterances 4000", "--utterances 40").replace("--minutes 10", "--minutes 0.05")
        listens = command.startswith(("asr mic", "asr commands record"))
        if listens:  # where there is a microphone it listens until ctrl-C
            shorter = f"timeout --signal=INT 15 {command} < /dev/null"
        if command.startswith("curl"):
            shorter = f"{command} --fail --silent --show-error".replace(f":{PORT}/", f":{port}/")
        done = subprocess.run(
            shorter, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
        )
        if listens and done.returncode == 1:
            assert re.fullmatch(r"asr: .+\n", done.stderr), done.stderr
        else:
            assert done.returncode in ((124, 130, 0) if listens else (0,)), f"{command}: {done.stderr}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("recipes", "scripts", "asr", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    make_digits(folder / "free-spoken-digit-dataset")
    for name, text in re.findall(r"^```yaml\n# (\S+\.yaml)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL):
        (folder / name).write_text(text)
    return folder


def test_the_readme_has_commands_and_the_makefile_its_targets() -> None:
    assert len(commands()) >= 15
    assert set(NOT_HERE) <= set(commands())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"demo:", "test:"} <= {line.split(" ")[0] for line in makefile.splitlines()}


@pytest.mark.slow
def test_every_command_goes_through(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [command for command in commands() if command not in NOT_HERE and not command.startswith(DEPLOYED)]
    if shutil.which("curl") is None:
        chosen = [command for command in chosen if not command.startswith("curl")]
    assert {shlex.split(command)[0] for command in chosen} >= {"asr", "transcribe", "python"}
    with hub_here() as hub:
        hub.publish("owner/name", files_of(DEFAULT_BUNDLE))
        for name, value in hub.environment(checkout / "hub").items():
            monkeypatch.setenv(name, value)
        check_commands(chosen, checkout)


def test_the_python_example_runs(checkout: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=checkout, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d\.\d+$", done.stdout.strip())


def test_the_files_it_names_are_there() -> None:
    named = re.findall(r"\]\(([^)#:]+)\)|^\| `([^`]+)`", README, flags=re.MULTILINE)
    places = [place for pair in named for place in pair if place]
    assert len(places) > 5
    for place in places:
        for part in place.split("`, `"):
            assert (ROOT / part).exists(), part
