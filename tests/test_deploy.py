"""The container and the systemd unit, as far as that can be told without Docker and without systemd in charge.

No image is built here, and no unit started. What a build would run is run in a virtual environment of its own instead.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.specifiers import SpecifierSet

DEPLOY = ROOT / "configs" / "deploy"
UNIT = DEPLOY / "asr.service"


@dataclass(frozen=True)
class Step:
    """An instruction of a Dockerfile, and what it says."""

    name: str
    said: str


def steps() -> list[Step]:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [Step(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def final() -> dict[str, str]:
    """The instructions of the last stage, each name with the last that it says."""
    found = steps()
    begin = max(number for number, step in enumerate(found) if step.name == "FROM")
    return {step.name: step.said for step in found[begin:]}


def copied() -> list[list[str]]:
    """What is copied from the checkout, and last where to."""
    return [step.said.split() for step in steps() if step.name == "COPY" and not step.said.startswith("--from")]


def test_all_that_is_copied_is_there_and_let_through() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    allowed = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for *sources, _ in copied():
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(fnmatch(source, each) for each in allowed), source
    assert {source for *sources, _ in copied() for source in sources} == set(allowed)


def test_the_container_serves_as_nobody_and_says_how_it_is() -> None:
    last = final()
    user = last["USER"].partition(":")[0]
    assert int(user) > 0
    assert last["ENTRYPOINT"] == '["asr", "serve"]'
    assert "/healthz" in last["HEALTHCHECK"]
    assert "pip uninstall" in next(step.said for step in reversed(steps()) if step.name == "RUN")


def test_the_base_has_a_python_that_will_do() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bases = [step.said.split()[0] for step in steps() if step.name == "FROM"]
    assert len(set(bases)) == 1
    (version,) = re.findall(r"^python:(\d+\.\d+)-slim$", bases[0])
    assert f"{version}.0" in SpecifierSet(project["requires-python"])


@pytest.mark.slow
@pytest.mark.skipif("ASR_TEST_IMAGE" not in os.environ, reason="takes minutes and 200 MB; set ASR_TEST_IMAGE to run it")
def test_what_a_build_runs_makes_what_serves(tmp_path: Path) -> None:
    """The steps of the Dockerfile, with the folder `root` for `/` and a new environment for the image's Python."""
    root = tmp_path / "root"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "image"], check=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PATH": f"{tmp_path / 'image' / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    looked = [tmp_path / "image" / "bin" / "pip", "download", "--no-deps", "--dest", tmp_path / "one", "idna"]
    if subprocess.run(looked, env=environment, capture_output=True).returncode:
        pytest.skip("no package index can be reached")
    work = root
    for step in steps():
        if step.name == "WORKDIR":
            work = root / step.said.removeprefix("/")
            work.mkdir(parents=True, exist_ok=True)
        elif step.name == "COPY" and not step.said.startswith("--from"):
            *sources, to = step.said.split()
            for source in sources:
                copy(ROOT / source, work / to, into=to.endswith("/"))
        elif step.name == "RUN" and "uninstall" not in step.said:  # the environment has that to itself
            command = re.sub(r"(?<![\w.])/(wheels|opt)", rf"{root}/\1", step.said)
            subprocess.run(command, shell=True, cwd=work, env=environment, check=True, capture_output=True)
    serves(root / "opt" / "asr" / "bin", tmp_path)
    names = [path.name for path in (root / "opt" / "asr" / "lib").glob("python*/site-packages/*")]
    assert {"fastapi", "onnxruntime", "asr"} <= set(names)
    assert not {"torch", "pip", "setuptools", "lightning"} & set(names)


def copy(source: Path, target: Path, *, into: bool) -> None:
    """As COPY does: a folder's contents, a file under its name where the target ends in a slash."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target = target / source.name if into else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def serves(programs: Path, folder: Path) -> None:
    """What was installed answers as the image's health check asks, started as its ENTRYPOINT says."""
    said = eval(final()["ENTRYPOINT"])
    environment = {"PATH": str(programs), "HOME": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [programs / said[0], *said[1:], "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            (url,) = re.findall(r"listening on (\S+)", process.stdout.readline())
            check = shlex.split(final()["HEALTHCHECK"].partition("CMD")[2].strip("[] ").replace(",", " ", 2))
            assert check[0] == "python"
            asked = [programs / "python", "-c", check[2].replace("http://127.0.0.1:8000", url)]
            assert subprocess.run(asked, env=environment, timeout=30).returncode == 0
            with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as answer:
                assert b"default" in answer.read()
        finally:
            process.terminate()
            assert process.wait(60) == 0


def analysed(unit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt install systemd)")
    return subprocess.run(["systemd-analyze", *arguments, unit], capture_output=True, text=True, timeout=60)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    text = UNIT.read_text(encoding="utf-8")
    (tmp_path / "asr.service").write_text(text.replace("/opt/asr/bin/asr", "/bin/true"), encoding="utf-8")
    return tmp_path / "asr.service"


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    done = analysed(unit, "verify")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_may_do_little(unit: Path) -> None:
    done = analysed(unit, "security", "--offline=true", "--threshold=15")  # 1.5 of 10
    if "Unknown" in done.stderr or "unrecognized" in done.stderr:
        pytest.skip("this systemd judges no files")
    assert done.returncode == 0, done.stdout[-500:]


def test_the_unit_runs_what_is_there() -> None:
    text = UNIT.read_text(encoding="utf-8")
    assert "ExecStart=/opt/asr/bin/asr serve $ASR_OPTIONS\n" in text
    assert "ExecReload=/bin/kill -HUP $MAINPID\n" in text
