"""Fixtures shared by the tests."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from publishers import Publisher, publishing

from asr.audio.features import FeatureSettings
from asr.bundle import record_rejection
from asr.commands.evidence import MEASURES
from asr.commands.rejection import OperatingPoint, Rejection
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.synthetic.kokoro import pins
from asr.data.synthetic.piper import LIBRITTS
from asr.data.synthetic.voice_fetch import fetch_kokoro, fetch_piper
from asr.data.synthetic.voice_store import store
from asr.data.synthetic.voices import voices_of
from asr.errors import AsrError
from asr.files import locked
from asr.model.seq2seq import Seq2Seq
from asr.model.settings import ModelSettings
from asr.text.normaliser import Normaliser
from asr.text.tokenizer import Tokenizer
from asr.training.export import export_run

ROOT = Path(__file__).resolve().parents[1]

# What neural voices a person has fetched is no business of the tests, and Kokoro would make those that speak with any
# voice slow. Those that want it use `kokoro`.
OWN_VOICES = store()
os.environ["ASR_VOICES"] = f"{os.devnull}/none"
os.environ.pop("ASR_PIPER", None)

# Each run of the suite draws the same examples and times none of them, so that one commit is either good or not.
# `pytest --hypothesis-profile default` draws others.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

# A suite started in the background by a shell is deaf to ctrl-C, and so would be the programs that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """A few real recordings of each of several corpora, in their layouts; whose they are says README.md there."""
    return ROOT / "tests" / "data"


@dataclass(frozen=True)
class TinyModel:
    """A model with random weights, the run that could have made it, and the bundle exported from that."""

    model: Seq2Seq
    features: FeatureSettings
    tokenizer: Tokenizer
    run: Path
    bundle: Path


TINY = ModelSettings(d_model=32, heads=2, feedforward=48, encoder_layers=2, decoder_layers=2)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """An untrained model of the right form, exported as a trained one is."""
    return _untrained(TINY, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_with_convolutions(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The same with convolutions in its encoder."""
    return _untrained(replace(TINY, convolution_kernel=5), tmp_path_factory.mktemp("tiny_with_convolutions"))


def _untrained(settings: ModelSettings, folder: Path) -> TinyModel:
    features = FeatureSettings()
    text = (ROOT / "recipes" / "commands" / "commands.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = Tokenizer.train(text, 120)
    torch.manual_seed(0)
    model = Seq2Seq(settings, features.dimension, tokenizer.vocabulary).eval()
    # Rounded as the export rounds, so that torch and the graphs hold the same numbers.
    model.load_state_dict({name: weight.half().float() for name, weight in model.state_dict().items()})
    run = folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    checkpoint = {
        "state_dict": {f"model.{name}": weight for name, weight in model.state_dict().items()},
        "global_step": 1,
        "asr": {
            "features": features.to_dict(),
            "model": settings.to_dict(),
            "normaliser": Normaliser().to_dict(),
            "tokenizer": tokenizer.model,
            "margin_seconds": 0.25,
        },
    }
    torch.save(checkpoint, run / "checkpoints" / "step=1.ckpt")
    return TinyModel(model, features, tokenizer, run, export_run(run, folder / "bundle"))


@pytest.fixture(scope="session")
def tiny_bundle(tiny: TinyModel) -> Path:
    """The folder of the untrained model's bundle."""
    return tiny.bundle


def answer_always(bundle: Path, evidence: float) -> None:
    """Let a bundle take all readings for commands, or none where the weight of evidence is below 0."""
    point = OperatingPoint(threshold=0.5, accepted=1.0, false_accepts=1.0, commands=1, others=1, by_kind={})
    record_rejection(bundle, Rejection(dict.fromkeys(MEASURES, 0.0), evidence, point).to_dict())


@pytest.fixture(scope="session")
def willing_bundle(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained model, which takes whatever it hears for a command."""
    folder = tmp_path_factory.mktemp("willing") / "bundle"
    shutil.copytree(tiny.bundle, folder)
    answer_always(folder, 3.0)
    return folder


@pytest.fixture(scope="session")
def words(corpora: Path) -> list[NDArray[np.float32]]:
    """Three recorded words: one, three, seven."""
    recordings = {each.text: each for each in read_manifest(corpora / "speech_commands" / "dev.tsv")}
    return [read_utterance(recordings[word]) for word in ("one", "three", "seven")]


@pytest.fixture(scope="session")
def close_words(corpora: Path) -> list[NDArray[np.float32]]:
    """Three words, recorded in a quiet room and cut close, for those who add what is around them."""
    waves = [read_utterance(each) for each in read_manifest(corpora / "english_ccc" / "train.tsv")[:3]]
    loud = [np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max()) for wave in waves]
    return [wave[where[0] : where[-1] + 1] for wave, where in zip(waves, loud, strict=True)]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A web server that gives what it is told to."""
    with publishing() as made:
        yield made


@pytest.fixture(scope="session")
def kokoro_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Kokoro: the person's own, or one for all processes of this run; skips where it cannot be had."""
    if all((OWN_VOICES / "kokoro" / name).is_file() for name in pins().sha256):
        return OWN_VOICES
    return fetched_voices(fetch_kokoro, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def readers_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Piper's readers of LibriTTS-R, in the same way."""
    if all((OWN_VOICES / "piper" / f"{LIBRITTS}.{end}").is_file() for end in ("onnx", "onnx.json")):
        return OWN_VOICES
    return fetched_voices(fetch_piper, tmp_path_factory.getbasetemp())


def fetched_voices(fetch: Callable[[Callable[[str], object]], object], folder: Path) -> Path:
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    try:
        with locked(folder), pytest.MonkeyPatch.context() as patch:
            patch.setenv("ASR_VOICES", str(folder / "voices"))
            fetch(lambda line: None)
    except AsrError as error:
        pytest.skip(f"the voices cannot be fetched: {error}")
    return folder / "voices"


@pytest.fixture
def kokoro(kokoro_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With Kokoro's voices among those that are found."""
    yield from with_voices(kokoro_store, monkeypatch)


@pytest.fixture
def readers(readers_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With Piper's readers of LibriTTS-R among those that are found."""
    yield from with_voices(readers_store, monkeypatch)


def with_voices(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng, which pronounces for neural voices, is not installed")
    monkeypatch.setenv("ASR_VOICES", str(folder))
    voices_of.cache_clear()
    yield folder
    voices_of.cache_clear()


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a PulseAudio server of its own, whose microphone hears what is played to it."""
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"sounddevice cannot be used: {error}")
    for program, package in [
        ("pulseaudio", "pulseaudio"),
        ("pactl", "pulseaudio-utils"),
        ("paplay", "pulseaudio-utils"),
    ]:
        if shutil.which(program) is None:
            pytest.skip(f"a virtual microphone needs {program} (Debian: apt install {package} libasound2-plugins)")
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder), "PULSE_RUNTIME_PATH": str(folder), "HOME": str(folder)}
    socket = f"unix:{folder}/native"
    modules = [f"module-native-protocol-unix socket={folder}/native", "module-null-sink sink_name=loop rate=48000"]
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", *(f"--load={each}" for each in modules)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, env=environment, stderr=log) as server:
        environment |= {"PULSE_SERVER": socket, "PULSE_SOURCE": "loop.monitor", "PULSE_SINK": "loop"}
        try:
            for _ in range(100):
                if subprocess.run(["pactl", "info"], env=environment, capture_output=True).returncode == 0:
                    break
                time.sleep(0.1)
            else:
                pytest.skip(f"PulseAudio does not start here: {(tmp_path / 'log').read_text()[-200:]}")
            names = [sys.executable, "-c", "import sounddevice; print(sounddevice.query_devices())"]
            devices = subprocess.run(names, env=environment, capture_output=True, text=True).stdout
            if "pulse" not in devices:
                pytest.skip("PortAudio sees no PulseAudio (Debian: apt install libasound2-plugins)")
            yield environment
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for pages that are files."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright, which drives the browser, is not here")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no browser here: neither chromium nor google-chrome")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()
