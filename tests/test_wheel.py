"""The wheel, made of the source archive and installed where the checkout is not: it has all that it needs."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest
from conftest import ROOT

from asr.bundle import FILES, SETTINGS

SAMPLES = ROOT / "recipes" / "commands" / "samples"
BUILT_FROM = ("asr", "configs", "CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py")
SDIST = "import sys; from setuptools.build_meta import build_sdist; print(build_sdist(sys.argv[1]))"
RELEASED = ("CHANGELOG.md", "LICENSE", "README.md", "PKG-INFO", "configs/commands/computer.yaml")


def run(*command: str | Path, cwd: Path) -> str:
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=elsewhere, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, and beside it the packages that it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    # As `python -m build` does it, but with what is installed: the wheel is made of the archive alone.
    run(sys.executable, "-c", SDIST, folder, cwd=source)
    (archive,) = folder.glob("asr-*.tar.gz")
    with tarfile.open(archive) as tar:
        assert {name.partition("/")[2] for name in tar.getnames()} >= {*RELEASED}
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, archive, cwd=folder)
    (wheel,) = folder.glob("asr-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "bare", cwd=folder)
    programs = folder / "bare" / "bin"
    run(*pip, "--python", programs / "python", "install", "--no-deps", "--no-index", wheel, cwd=folder)
    packages = run(programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    # A path alone: the checkout that is installed there in place stays out of sight.
    Path(packages.strip(), "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return programs


@pytest.mark.slow
def test_the_wheel_transcribes_and_understands(bare: Path, tmp_path: Path) -> None:
    where = run(bare / "python", "-c", "import asr; print(asr.__file__, asr.__version__)", cwd=tmp_path)
    place, version = where.split()
    assert Path(place).is_relative_to(bare.parent)
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"## [{version}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    bundle = Path(place).parent / "bundles" / "default"
    assert {each.name for each in bundle.iterdir()} >= {SETTINGS, *FILES, "MODEL_CARD.md"}
    heard = run(bare / "asr", "transcribe", SAMPLES / "five_five.flac", cwd=tmp_path)
    assert heard.endswith("\tfive five\n")
    assert run(bare / "transcribe", SAMPLES / "five_five.flac", cwd=tmp_path) == heard
    sample = SAMPLES / "find_my_files.flac"
    found = run(bare / "asr", "transcribe", "--commands", "computer", "--json", sample, cwd=tmp_path)
    assert '"understood": true' in found
