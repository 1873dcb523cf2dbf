"""The lock: all that pyproject.toml asks for, in exact versions with hashes, for every Python and system."""

import re
import tomllib
from itertools import chain, product
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

PYTHONS = ["3.11", "3.12", "3.13"]
SYSTEMS = {"linux": ("Linux", "posix"), "darwin": ("Darwin", "posix"), "win32": ("Windows", "nt")}
PLACES = list(product(PYTHONS, SYSTEMS))


def locked(name: str) -> list[tuple[Requirement, int]]:
    """What a file of the lock pins, and how many hashes it knows for each."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line.partition("--hash") for line in text.splitlines() if line and not line.startswith("#")]
    return [(Requirement(pin), (mark + rest).count("--hash=sha256:")) for pin, mark, rest in entries]


def environment(python: str, system: str) -> dict[str, str]:
    name, kind = SYSTEMS[system]
    given = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
    return {**default_environment(), **given, "platform_system": name, "os_name": kind}


def versions(name: str, python: str, system: str) -> dict[str, Version]:
    """What a file of the lock installs with one Python on one system."""
    found: dict[str, Version] = {}
    for pin, _ in locked(name):
        if pin.marker is None or pin.marker.evaluate(environment(python, system)):
            key = canonicalize_name(pin.name)
            assert key not in found, f"{key} is pinned twice for Python {python} on {system}"
            found[key] = Version(str(pin.specifier).removeprefix("=="))
    return found


@pytest.mark.parametrize("name", ["build", "core", "serve", "all"])
def test_every_pin_is_exact_and_has_hashes(name: str) -> None:
    pins = locked(name)
    assert pins
    for pin, hashes in pins:
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin
        assert hashes, f"{pin} has no hash"
        assert pin.url is None, pin


@pytest.mark.parametrize(("python", "system"), PLACES)
def test_the_lock_satisfies_pyproject(python: str, system: str) -> None:
    core = PROJECT["dependencies"]
    wanted = {"core": core, "serve": [*core, *EXTRAS["serve"]], "all": [*core, *chain(*EXTRAS.values())]}
    for name, requirements in wanted.items():
        found = versions(name, python, system)
        for text in requirements:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(environment(python, system)):
                version = found.get(canonicalize_name(requirement.name))
                assert version is not None, f"{requirement} is not locked: make lock"
                assert version in requirement.specifier, f"{requirement} is locked as {version}: make lock"


@pytest.mark.parametrize(("python", "system"), PLACES)
def test_the_core_is_a_part_of_the_whole_and_light(python: str, system: str) -> None:
    core, serve, whole = (versions(name, python, system) for name in ("core", "serve", "all"))
    assert core.items() <= serve.items() <= whole.items()
    assert versions("build", python, system).items() <= whole.items()
    assert not serve.keys() & {"torch", "lightning", "lhotse", "pytest"}


def test_the_lowest_python_is_the_one_that_the_package_takes() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
