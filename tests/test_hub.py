"""Bundles on the Hugging Face Hub: fetched, checked, kept and pushed, by a server on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from hub import Hub, files_of, hub_here

import asr
from asr.apps.push import with_front_matter
from asr.bundle import FILES, LANGUAGE_MODEL, SETTINGS, WEIGHTS, add_language_model, read_bundle
from asr.errors import BundleError
from asr.hub import parts_of
from asr.training.language_model import estimate

SAMPLE = ROOT / "recipes" / "commands" / "samples" / "five_five.flac"
NOBODY = "http://127.0.0.1:9"


class Machine:
    """A computer with a cache of its own, whose Hub is the one here."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub, self.folder = hub, folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self.environment = {**kept, **hub.environment(folder / "hf")}

    def run(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command; what it asked of the Hub is in ``hub.asked``."""
        self.hub.asked.clear()
        command = [sys.executable, "-m", "asr", *map(str, arguments)]
        environment = {**self.environment, "PYTHONPATH": str(ROOT), **environment}
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=300, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with hub_here() as hub:
        yield Machine(hub, tmp_path)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_bundle_is_fetched_once_and_serves_without_the_hub(machine: Machine, tiny_bundle: Path) -> None:
    old = machine.hub.publish("ann/tiny", {**files_of(tiny_bundle), "setup.py": b"raise SystemExit"})
    arguments = ("transcribe", "--bundle", "hf:ann/tiny", SAMPLE)
    here = machine.run("transcribe", "--bundle", tiny_bundle, SAMPLE)
    assert (here.returncode, machine.hub.asked) == (0, []), "nothing is asked unless somebody names the Hub"
    first = machine.run(*arguments)
    assert (first.returncode, first.stdout, first.stderr) == (0, here.stdout, "")
    fetched = {each.rpartition("/")[2] for each in machine.hub.asked if each.startswith("GET") and "/resolve/" in each}
    assert fetched == {SETTINGS, *FILES}, "and nothing else that lies in the repository"
    assert not any("telemetry" in each for each in machine.hub.asked)

    again = machine.run(*arguments)
    assert (again.stdout, machine.hub.asked) == (here.stdout, ["GET /api/models/ann/tiny/revision/main"])
    for unreachable in ({"HF_ENDPOINT": NOBODY}, {"HF_HUB_OFFLINE": "1"}):
        offline = machine.run(*arguments, **unreachable)
        assert (offline.returncode, offline.stdout, machine.hub.asked) == (0, here.stdout, [])

    # A revision stays what it is, and needs nobody once it is here.
    machine.hub.publish("ann/tiny", {**files_of(tiny_bundle), WEIGHTS: b"altered"})
    pinned = machine.run("transcribe", "--bundle", f"hf:ann/tiny@{old}", SAMPLE)
    assert (pinned.stdout, machine.hub.asked) == (here.stdout, [])
    assert "weights.safetensors: found 7 bytes" in complaint(machine.run(*arguments))


@pytest.mark.parametrize(
    ("bundle", "environment", "named"),
    [
        ("hf:ann/none", {}, "hf:ann/none: no such repository"),
        ("hf:ann/tiny@v9", {}, "hf:ann/tiny@v9: the repository has no such revision"),
        ("hf:ann/tiny", {"HF_ENDPOINT": NOBODY}, "hf:ann/tiny: the Hub cannot be reached, and its cache has no copy"),
        ("hf:ann/empty", {}, "hf:ann/empty: found no bundle.json"),
        ("hf:ann", {}, "hf:ann: wanted hf:owner/name or hf:owner/name@revision"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_a_line(
    machine: Machine, tiny_bundle: Path, bundle: str, environment: dict[str, str], named: str
) -> None:
    machine.hub.publish("ann/tiny", files_of(tiny_bundle))
    machine.hub.publish("ann/empty", {"README.md": b"nothing"})
    assert named in complaint(machine.run("transcribe", "--bundle", bundle, SAMPLE, **environment))


def test_a_bundle_is_pushed_with_its_card_and_comes_back(machine: Machine, tiny_bundle: Path) -> None:
    bundle = machine.folder / "mine"
    bundle.mkdir()
    for name, content in files_of(tiny_bundle).items():
        (bundle / name).write_bytes(content)
    made = read_bundle(bundle)
    add_language_model(made, estimate([[4, 5]], made.tokenizer.vocabulary, order=2, most=10), 0.5)
    (bundle / "MODEL_CARD.md").write_text("# Mine\n\n![losses](training.png) ![other](../secret.png)\n")
    (bundle / "training.png").write_bytes(b"picture")
    (bundle / "adaptation.json").write_text("what I said at home")
    assert "states no license" in complaint(machine.run("push", bundle, "hf:ann/mine"))
    assert machine.hub.asked == []
    arguments = ("push", bundle, "hf:ann/mine", "--license", "cc-by-4.0")
    assert "hf:ann/mine: the Hub wants to know who you are" in complaint(machine.run(*arguments, HF_TOKEN="hf_bad"))
    assert "the Hub does not do it (" in complaint(machine.run(*arguments, HF_ENDPOINT=NOBODY))
    assert "found a revision" in complaint(machine.run("push", bundle, "hf:ann/mine@v1", "--license", "mit"))
    done = machine.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    ((sha, files),) = machine.hub.commits["ann/mine"]
    assert done.stdout == f"pushed: {machine.hub.url}/ann/mine/commit/{sha}\n"
    assert set(files) == {SETTINGS, *FILES, LANGUAGE_MODEL, "README.md", "training.png"}
    front, card = files["README.md"].decode().removeprefix("---\n").split("---\n\n", 1)
    assert yaml.safe_load(front) == {
        "license": "cc-by-4.0",
        "language": "en",
        "pipeline_tag": "automatic-speech-recognition",
        "library_name": "asr",
    }
    assert card == (bundle / "MODEL_CARD.md").read_text()
    assert machine.run("transcribe", "--bundle", "hf:ann/mine", SAMPLE).returncode == 0


def test_a_damaged_bundle_is_not_pushed(machine: Machine, tiny_bundle: Path) -> None:
    bundle = machine.folder / "mine"
    bundle.mkdir()
    for name, content in files_of(tiny_bundle).items():
        (bundle / name).write_bytes(content if name != WEIGHTS else content[:-1])
    assert "copy the whole bundle again" in complaint(machine.run("push", bundle, "hf:ann/mine", "--license", "mit"))
    assert machine.hub.asked == []


def test_what_the_card_says_itself_is_kept() -> None:
    card = "---\nlicense: mit\ntags: [commands]\n---\n# Mine\n"
    made = with_front_matter(card, None, "en", "card")
    _, front, rest = made.split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "mit"
    assert yaml.safe_load(front)["tags"] == ["commands"]
    assert rest == "\n# Mine\n"
    assert yaml.safe_load(with_front_matter(card, "apache-2.0", "en", "card").split("---\n")[1])["license"] == "mit"
    with pytest.raises(BundleError, match="states no license"):
        with_front_matter("# Mine\n", None, "en", "card")
    with pytest.raises(BundleError, match="no settings by name"):
        with_front_matter("---\n- a\n---\n# Mine\n", "mit", "en", "card")


@pytest.mark.parametrize("name", ["hf:", "hf:a", "hf:a/b/c", "hf:a/b@", "hf:a/../b", "hf:a/b c"])
def test_names_are_checked_before_anybody_is_asked(name: str) -> None:
    with pytest.raises(BundleError, match="wanted hf:owner/name"):
        parts_of(name)
    assert parts_of("hf:ann/tiny") == ("ann/tiny", None)
    assert parts_of(Path("hf:ann/tiny@refs/pr/1")) == ("ann/tiny", "refs/pr/1")


def test_nothing_is_recorded_in_a_bundle_of_the_hub(machine: Machine) -> None:
    for arguments in (
        ("calibrate", SAMPLE.parent / "transcripts.tsv"),
        ("evaluate", SAMPLE.parent / "transcripts.tsv", "--record", "samples"),
    ):
        assert "name a folder" in complaint(machine.run(*arguments, "--bundle", "hf:ann/tiny"))
    assert machine.hub.asked == []


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(asr.AsrError, match=r"huggingface_hub, which is not installed; pip install 'asr\[hub\]'"):
        asr.load("hf:ann/tiny")
