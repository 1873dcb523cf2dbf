"""The order of the layers, and that transcription needs no package of training."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT

# Each may import what stands before it in this list; parts of one row know nothing of each other.
LAYERS = (
    ("asr.errors", "asr.files", "asr.printable", "asr.progress_bars"),
    ("asr.extras", "asr.signals", "asr.torch_pair"),
    ("asr.failures",),
    ("asr.settings", "asr.claim", "asr.download", "asr.hub", "asr.workers"),
    ("asr.audio", "asr.text", "asr.model.settings"),
    ("asr.search",),
    ("asr.bundle",),
    ("asr.model",),
    ("asr.commands", "asr.commands.grammar"),
    ("asr.commands.network",),
    ("asr.commands.inspection",),
    ("asr.data", "asr.data.manifests"),
    ("asr.data.shards", "asr.data.augmentation"),
    ("asr.data.inspection",),
    ("asr.data.corpora", "asr.data.synthetic", "asr.data.texts"),
    ("asr.data.batches",),
    ("asr.runtime",),
    ("asr.api",),
    ("asr.serve",),
    ("asr.evaluation",),
    ("asr.training",),
    ("asr.adaptation",),
    ("asr.apps",),
    ("asr.__main__",),
)
HEIGHT = {part: height for height, row in enumerate(LAYERS) for part in row}
NEVER = {("asr.training", "asr.runtime"), ("asr.runtime", "asr.training")}

# What `pip install .` does not bring.
TRAINING_ONLY = {
    *("torch", "torchaudio", "lightning", "jsonargparse", "lhotse", "librosa", "jiwer", "tensorboard"),
    *("onnx", "onnxscript", "safetensors", "matplotlib", "jinja2", "sounddevice", "huggingface_hub"),
    *("scipy", "pandas", "sklearn", "railroad"),
}
SERVICE_ONLY = {"fastapi", "starlette", "uvicorn", "websockets", "prometheus_client", "wyoming", "h11"}
CORE = (
    "asr.errors",
    "asr.extras",
    "asr.files",
    "asr.hub",
    "asr.printable",
    "asr.settings",
    "asr.audio",
    "asr.text",
    "asr.bundle",
    "asr.search",
    "asr.commands",
    "asr.runtime",
    "asr.api",
    "asr.model.settings",
)
NOT_CORE = ("asr.audio.mfcc", "asr.audio.microphone", "asr.commands.inspection.diagram", "asr.hub")

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "asr").rglob("*.py"))
}
PACKAGES = {module for module, path in MODULES.items() if path.name == "__init__.py"}


def imported(path: Path, *, at_once: bool = False) -> set[str]:
    """The modules that a file imports anywhere, or `at_once`: as soon as it is itself imported."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they lead"
            assert node.module is not None
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        if at_once and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if at_once and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
    return found


def part_of(module: str) -> str:
    """A row's part: a package, one of those of the data or of the commands, or the model's dimensions."""
    inner = ".".join(module.split(".")[:3])
    three = within(inner, ("asr.data", "asr.commands")) and inner in PACKAGES
    return inner if three or inner == "asr.model.settings" else ".".join(module.split(".")[:2])


def within(module: str, parts: tuple[str, ...]) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in parts)


def test_every_module_belongs_to_a_layer() -> None:
    assert len(MODULES) > 40
    for module in MODULES:
        assert module == "asr" or part_of(module) in HEIGHT, f"{module} has no place in LAYERS"


@pytest.mark.parametrize("module", MODULES)
def test_imports_lead_downward(module: str) -> None:
    own = part_of(module)
    if module == "asr":  # its public names come from above, when they are asked for
        at_once = {name.partition(".")[0] for name in imported(MODULES[module], at_once=True)}
        assert "asr" not in at_once, "the package itself imports nothing, so that every part can be had alone"
        return
    for other in imported(MODULES[module]):
        if other.partition(".")[0] != "asr":
            continue
        theirs = part_of(other)
        assert theirs in HEIGHT, f"{module} imports {other}"
        assert (own, theirs) not in NEVER, f"{module} imports {other}"
        assert theirs == own or HEIGHT[theirs] < HEIGHT[own], f"{module} imports {other}, which is not below it"


def test_no_file_needs_itself() -> None:
    def needs(module: str) -> set[str]:
        found = imported(MODULES[module]) & (MODULES.keys() - {"asr", module})
        return {each for each in found if not any(other.startswith(f"{each}.") for other in found)}

    # The public names of the package itself are imported when they are asked for.
    needed = {module: needs(module) for module in MODULES if module != "asr"}
    while free := {module for module, others in needed.items() if not others}:
        needed = {module: others - free for module, others in needed.items() if module not in free}
    assert not needed, "these import each other in a circle, or what does"


def test_each_class_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{module}:{node.lineno}")
    assert len(places) > 100
    assert not {name: found for name, found in places.items() if len(found) > 1}


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, CORE) and m not in NOT_CORE])
def test_the_core_never_mentions_a_package_of_training_or_of_the_service(module: str) -> None:
    packages = {name.partition(".")[0] for name in imported(MODULES[module])}
    assert not packages & (TRAINING_ONLY | SERVICE_ONLY)


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, ("asr.serve",))])
def test_the_service_never_mentions_a_package_of_training(module: str) -> None:
    packages = {name.partition(".")[0] for name in imported(MODULES[module])}
    assert not packages & TRAINING_ONLY


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, ("asr.apps",))])
def test_commands_import_what_they_need_when_they_run(module: str) -> None:
    packages = {name.partition(".")[0] for name in imported(MODULES[module], at_once=True)}
    assert not packages & (TRAINING_ONLY | SERVICE_ONLY)
    assert not any(within(name, ("asr.serve",)) for name in imported(MODULES[module], at_once=True))


def test_only_training_knows_lightning() -> None:
    users = {m for m, path in MODULES.items() if any(n.partition(".")[0] == "lightning" for n in imported(path))}
    assert users
    assert {part_of(user) for user in users} == {"asr.training"}


def test_one_file_knows_the_parser_of_templates() -> None:
    users = {m for m, path in MODULES.items() if any(n.partition(".")[0] == "hassil" for n in imported(path))}
    assert users == {"asr.commands.grammar.templates"}


def test_nothing_is_imported_from_recipes() -> None:
    sources = [*MODULES.values(), *(ROOT / "scripts").rglob("*.py"), *(ROOT / "tests").glob("*.py")]
    for path in sources:
        assert not any(name.partition(".")[0] == "recipes" for name in imported(path)), path


WITHOUT_TRAINING = f"""
import sys
for package in {sorted(TRAINING_ONLY | SERVICE_ONLY)!r}:
    sys.modules[package] = None  # importing it raises ImportError
from asr.apps.main import main
main()
"""


def run_without_training(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", WITHOUT_TRAINING, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


def test_transcription_needs_no_package_of_training(tiny_bundle: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.wav"
    soundfile.write(recording, np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 16_000)
    for options in (["--greedy"], ["--beam", "3"]):
        done = run_without_training("transcribe", recording, "--json", "--bundle", tiny_bundle, *options)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["seconds"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["train", "--help"], "pip install 'asr[train]'"),
        (["export", "run", "out"], "pip install 'asr[train]'"),
        (["evaluate", "list.tsv"], "pip install 'asr[train]'"),
        (["tokenizer", "out", "cuts.jsonl"], "pip install 'asr[train]'"),
        (["serve"], "pip install 'asr[serve]'"),
        (["commands", "check", "yes-no", "--draw", "out.svg"], "pip install 'asr[check]'"),
    ],
)
def test_other_commands_say_what_to_install(arguments: list[str], advice: str) -> None:
    done = run_without_training(*arguments)
    assert done.returncode == 1
    assert advice in done.stderr
    assert len(done.stderr.splitlines()) == 1
