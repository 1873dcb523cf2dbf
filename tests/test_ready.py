"""The grammars that come with the program: found by name, good examples of the form, and sensible."""

import importlib.metadata
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from asr.commands.grammar.form import read_grammar
from asr.commands.grammar.ready import find_grammar, ready_grammars
from asr.commands.network.network import Network, compile_network
from asr.errors import SettingsError
from asr.text.normaliser import Normaliser

NAMES = sorted(path.stem for path in (ROOT / "configs" / "commands").glob("*.yaml"))

# What the project began with: each must be understood, and as this command.
FOUNDING = {
    "Find my files": ("find", {"what": "files"}),
    "Show me my directories please": ("show", {"what": "directories"}),
    "Show me my files please": ("show", {"what": "files"}),
    "Show me my photos please": ("show", {"what": "photos"}),
    "Check whether the battery ran down please": ("check_battery", {"what": "battery", "event": "ran_down"}),
    "Check whether the program ran please": ("check_program", {"what": "program", "event": "ran"}),
    "Check the program log and find out whether it ran please": ("check_program", {"what": "program", "event": "ran"}),
    "Check the battery log and find out whether it ran down please": (
        "check_battery",
        {"what": "battery", "event": "ran_down"},
    ),
}


def network_of(name: str) -> Network:
    return compile_network([read_grammar(find_grammar(name))], Normaliser())


def test_every_grammar_is_found_by_name() -> None:
    assert NAMES == sorted(ready_grammars()) == ["computer", "digits", "home", "media", "timers", "yes-no"]


@pytest.mark.parametrize("name", NAMES)
def test_every_sentence_of_a_ready_grammar_means_one_command(name: str) -> None:
    network = network_of(name)
    assert network.count() > 10
    for command in network.commands:
        generator = random.Random(0)
        for _ in range(20):
            sentence = network.draw(generator, command)
            assert {reading.command for reading in network.readings(sentence)} == {command}, sentence


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_grammar_says_how_it_is_used(name: str) -> None:
    remark = find_grammar(name).read_text(encoding="utf-8").split("\nlanguage: en\n")[0]
    assert all(line.startswith("#") for line in remark.strip().splitlines())
    assert f"asr transcribe --commands {name} " in remark


def test_the_founding_sentences_are_understood() -> None:
    network = network_of("computer")
    for sentence, (command, slots) in FOUNDING.items():
        reading = network.parse(Normaliser()(sentence))
        assert reading is not None, sentence
        assert (reading.command, reading.slots) == (command, slots)


@pytest.mark.parametrize(
    ("name", "sentence", "command", "slots"),
    [
        ("home", "turn on the kitchen light", "light_switch", {"state": "on", "room": "kitchen"}),
        ("home", "make it twenty one and a half degrees", "temperature_set", {"degrees": 21.5}),
        ("home", "good night", "scene", {"scene": "night"}),
        ("media", "skip forward fifteen seconds", "skip", {"seconds": 15}),
        ("media", "turn on shuffle", "shuffle", {"on": True}),
        ("timers", "set a pasta timer for one hour and ten minutes", "timer_start", {"hours": 1, "minutes": 10}),
        ("timers", "wake me up tomorrow at half past seven", "alarm_set", {"day": "tomorrow", "time": "07:30"}),
        ("digits", "oh", "digit", {"digit": 0}),
        ("digits", "one two two", "digits", {"digit": [1, 2, 2]}),
        ("yes-no", "no thanks", "no", {}),
    ],
)
def test_what_sentences_mean(name: str, sentence: str, command: str, slots: dict[str, object]) -> None:
    reading = network_of(name).parse(sentence)
    assert reading is not None
    if name == "timers" and "pasta" in sentence:
        slots = {**slots, "name": "pasta"}
    assert (reading.command, dict(reading.slots)) == (command, slots)


def test_a_string_of_digits_has_twelve_at_most() -> None:
    network = network_of("digits")
    assert network.parse(" ".join(["five"] * 12)) is not None
    assert network.parse(" ".join(["five"] * 13)) is None


def test_a_path_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ready = find_grammar("home")
    (tmp_path / "home").mkdir()
    assert find_grammar("home") == ready, "a folder without grammars is not meant"
    (tmp_path / "home" / "mine.yaml").write_text("commands: {a: b}")
    assert find_grammar("home") == Path("home")
    assert find_grammar(str(tmp_path / "home" / "mine.yaml")) == tmp_path / "home" / "mine.yaml"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("computr", "computr: found neither .* did you mean computer?"),
        ("zzz", "there are computer, digits, home, media, timers, yes-no"),
        ("mine.yaml", "mine.yaml: no such file; wanted a grammar, or one of computer, digits"),
        ("folder/mine", "folder/mine: no such file"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        find_grammar(name)


@pytest.mark.slow
def test_a_wheel_carries_the_grammars(tmp_path: Path) -> None:
    found = importlib.metadata.version("setuptools")
    if int(found.partition(".")[0]) < 77:
        pytest.skip(f"building a wheel here, without the network, wants setuptools 77 or newer; this is {found}")
    source = tmp_path / "source"
    shutil.copytree(ROOT / "asr", source / "asr", ignore=shutil.ignore_patterns("__pycache__", "bundles"))
    shutil.copytree(ROOT / "configs", source / "configs")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        assert {f"asr/configs/commands/{name}.yaml" for name in NAMES} <= set(archive.namelist())
        archive.extractall(site)
    program = "import sys; sys.path.insert(0, sys.argv[1])\n"
    program += "from asr.commands.grammar.ready import find_grammar, ready_grammars\n"
    program += "print(find_grammar('computer'), *ready_grammars())"
    done = subprocess.run(
        [sys.executable, "-c", program, site], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=True
    )
    assert done.stdout.split() == [str(site / "asr" / "configs" / "commands" / "computer.yaml"), *NAMES]
