"""Nothing leaves the computer, and nothing is left on it but what was asked for."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from conftest import ROOT

from asr.text.tokenizer import Tokenizer

SAMPLE = ROOT / "recipes" / "commands" / "samples" / "five_five.flac"
NETWORK = re.compile(r"AF_INET|AF_INET6|AF_NETLINK|AF_PACKET")


def traced() -> bool:
    """Whether the system calls of a program can be watched here."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


def cut_off() -> list[str]:
    """What runs a program where there is no network, not even a name server; nothing where that cannot be had."""
    command = ["unshare", "-rn"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        return []
    return command


class Fresh:
    """A computer on which nothing has been run yet, as far as a program can tell."""

    def __init__(self, folder: Path) -> None:
        self.home, self.temporary, self.work = (folder / name for name in ("home", "temporary", "work"))
        for each in (self.home, self.temporary, self.work):
            each.mkdir()
        self._trace = folder / "trace"
        kept = ("PATH", "LANG", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
        self._environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *arguments: str | Path, program: tuple[str, ...] = ("-m", "asr"), given: bytes = b"") -> str:
        """What a command prints, which has to go well."""
        command = [*cut_off(), sys.executable, *program, *map(str, arguments)]
        if traced():
            command = ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(self._trace), *command]
        done = subprocess.run(
            command,
            capture_output=True,
            cwd=self.work,
            env=self._environment,
            timeout=300,
            input=given,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    @property
    def calls(self) -> list[str]:
        """What was done that belongs to a network."""
        return [line for line in self._trace.read_text().splitlines() if NETWORK.search(line)] if traced() else []

    @property
    def packets(self) -> list[str]:
        """What was sent or looked up: urllib3, when it is imported, binds to this computer's own ::1 to see whether
        there is IPv6, and sends nothing.
        """
        return [line for line in self.calls if not re.search(r"socket\(|bind\(.*\"::1\"", line)]

    @property
    def left(self) -> set[str]:
        """What lies in the home folder and among the temporary files, folders too."""
        return {
            f"{root.name}/{path.relative_to(root).as_posix()}"
            for root in (self.home, self.temporary)
            for path in root.rglob("*")
        }


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    return Fresh(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe", SAMPLE],
        ["transcribe", "--json", SAMPLE.parent, "--jobs", "2"],
        ["transcribe", "--commands", "computer", SAMPLE],
        ["explain", "--commands", "computer", SAMPLE],
        ["demo", SAMPLE],
        ["commands", "check", "yes-no", "--draw", "drawn.html"],
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_a_command_reaches_nobody_and_leaves_nothing(fresh: Fresh, arguments: list[str]) -> None:
    assert fresh.run(*arguments)
    assert fresh.calls == []
    assert fresh.left == set()


def test_standard_input_leaves_nothing(fresh: Fresh) -> None:
    assert fresh.run("transcribe", "-", given=SAMPLE.read_bytes())
    assert (fresh.calls, fresh.left) == ([], set())


def test_a_program_that_idles_with_a_model_reaches_nobody(fresh: Fresh) -> None:
    program = "import asr.runtime.transcriber as t, time; t.Transcriber.from_bundle(); time.sleep(2)"
    fresh.run(program=("-c", program))
    assert (fresh.calls, fresh.left) == ([], set())


def test_what_is_kept_for_training_is_a_list_of_fonts(fresh: Fresh) -> None:
    """Matplotlib keeps the list of the fonts that it found, else each picture would take seconds longer; its own file
    and its empty folder are all that a command may leave in a home folder.
    """
    fresh.run("evaluate", SAMPLE.parent / "transcripts.tsv", "--greedy")
    assert fresh.calls == []
    assert {name for name in fresh.left if "matplotlib" not in name} <= {"home/.cache", "home/.config"}


@pytest.mark.slow
def test_training_and_export_reach_nobody(fresh: Fresh) -> None:
    generator = np.random.default_rng(0)
    for split in ("train", "dev"):
        rows = ["path\tspeaker\ttext"]
        for number, text in enumerate(("one two", "three", "two three")):
            soundfile.write(fresh.work / f"{split}{number}.wav", generator.uniform(-0.3, 0.3, 16_000), 16_000)
            rows.append(f"{split}{number}.wav\t{split}\t{text}")
        (fresh.work / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    (fresh.work / "tokenizer.model").write_bytes(Tokenizer.train(["one two three"] * 10, 33).model)
    sizes = {"d_model": 32, "heads": 2, "feedforward": 64, "encoder_layers": 2, "decoder_layers": 1}
    settings = {
        "run": "run",
        "model": {"tokenizer": "tokenizer.model", "model": sizes, "loss": {"phoneme_layer": 1}},
        "data": {"train": [{"manifest": "train.tsv"}], "dev": ["dev.tsv"], "phonemes": "off", "workers": 0},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "devices": 1, "precision": "32-true"},
    }
    (fresh.work / "train.yaml").write_text(yaml.safe_dump(settings))
    fresh.run("train", "--config", "train.yaml")
    assert fresh.packets == []
    fresh.run("export", "run", "bundle", "--average", "1")
    assert fresh.packets == []
    # Lhotse makes a folder for tools that it might fetch, torch one for what it might compile; both stay empty.
    empty = {"home/.cache", "home/.config", "home/.lhotse", "home/.lhotse/tools"}
    assert {
        name
        for name in fresh.left
        if "matplotlib" not in name and not re.fullmatch(r"temporary/torchinductor_[^/]*", name)
    } <= empty


def test_whoever_wants_the_reports_may_have_them() -> None:
    program = "import os, asr; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for given, found in ((None, "1"), ("", "1"), ("0", "0"), ("yes", "yes")):
        environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        if given is not None:
            environment["ORT_DISABLE_TELEMETRY"] = given
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == found


REPORTING = {"onnxruntime"}


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").rglob("*.py")), ids=lambda path: path.name)
def test_scripts_load_nothing_that_reports_before_asr(path: Path) -> None:
    """The environment is told in ``asr``, so in a file that imports more at its top, that has to be first."""
    told = False
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            packages = {name.partition(".")[0] for name in names}
            assert told or not packages & REPORTING, f"line {node.lineno}: onnxruntime is loaded before asr is"
            told = told or "asr" in packages
        elif isinstance(node, ast.Assign) and "ORT_DISABLE_TELEMETRY" in ast.unparse(node):
            told = True
