"""What `import asr` offers to programs."""

import doctest
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from conftest import ROOT

import asr
import asr.api
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.errors import BundleError, SettingsError

SAMPLES = ROOT / "recipes" / "commands" / "samples"
ONE = SAMPLES / "find_my_files.flac"

LIGHT = """
import sys
before = set(sys.modules)
import asr
new = set(sys.modules) - before
assert len(new) < 20, sorted(new)
assert not {"numpy", "onnxruntime", "asr.api"} & new, sorted(new)
assert set(asr.__all__) <= set(dir(asr))
for name in asr.__all__:
    assert getattr(asr, name) is not None
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def model() -> asr.Model:
    return asr.load()


def test_importing_is_light_and_every_name_is_there() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(AttributeError, match="no attribute 'whisper'"):
        asr.whisper  # type: ignore[attr-defined]  # noqa: B018


def test_types_come_with_the_package() -> None:
    assert (ROOT / "asr" / "py.typed").is_file()
    assert '"asr" = ["py.typed"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_examples_in_the_docstrings_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = doctest.testmod(asr.api)
    assert found.attempted >= 12
    assert found.failed == 0


def test_a_recording_in_any_form_is_the_same_recording(model: asr.Model) -> None:
    wave = load_audio(ONE)
    raw, rate = soundfile.read(ONE, dtype="int16")
    heard = model.transcribe(ONE)
    assert heard.words
    assert model.transcribe(str(ONE)) == heard
    assert model.transcribe((wave, SAMPLE_RATE)) == heard
    assert model.transcribe((raw, rate)) == heard
    assert model.transcribe((wave.astype(np.float64)[:, None], np.int64(SAMPLE_RATE))) == heard  # type: ignore[arg-type]
    with ONE.open("rb") as file:
        assert model.transcribe(file) == heard
    assert model.transcribe(io.BytesIO(ONE.read_bytes())) == heard


@pytest.mark.parametrize(
    "source",
    [
        "no_such_file.wav",
        io.StringIO("text"),
        io.BytesIO(b"no sound"),
        (np.zeros(10, np.float32), 10),
        (np.zeros(0, np.float32), SAMPLE_RATE),
        (np.zeros((2, 2, 2), np.float32), SAMPLE_RATE),
        (np.zeros(10, np.int64), SAMPLE_RATE),
        (np.full(1_000, np.nan, np.float32), SAMPLE_RATE),
        ([0.0], SAMPLE_RATE),
        (np.zeros(10, np.float32), 16_000.5),
        (np.zeros(10, np.float32),),
        7,
    ],
)
def test_what_is_no_recording_is_refused_in_a_line(model: asr.Model, source: object) -> None:
    with pytest.raises(asr.AsrError, match="wanted") as caught:
        model.transcribe(source)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_mistakes_raise_the_errors_of_the_command_line(model: asr.Model) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        asr.load("no_such_bundle")
    with pytest.raises(SettingsError, match="computer"):
        asr.Commands.load("computr")
    with pytest.raises(SettingsError, match="wanted names or paths"):
        asr.Commands.load()
    with pytest.raises(asr.AsrError, match="wanted"):
        list(model.stream([np.zeros((10, 2), np.float32)]))


def test_a_stream_is_heard_utterance_by_utterance(model: asr.Model) -> None:
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    names = ("find_my_files", "five_five")
    parts = [load_audio(SAMPLES / f"{name}.flac") for name in names]
    wave = np.concatenate([pause, parts[0], pause, parts[1], pause])
    found = []
    for length in (333, 1_600, len(wave)):
        heard = list(model.stream(wave[at : at + length] for at in range(0, len(wave), length)))
        found.append(heard)
        assert len(heard) == len(parts)
        assert all(each.words for each in heard)
        edges = [edge for each in heard for word in each.words for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        begins = 2 * SAMPLE_RATE, 4 * SAMPLE_RATE + len(parts[0])
        for each, begin, part in zip(heard, begins, parts, strict=True):
            assert begin / SAMPLE_RATE <= each.words[0].start
            assert each.segments[-1].end <= (begin + len(part)) / SAMPLE_RATE + 0.3
    assert found[0] == found[1] == found[2]


def test_threads_may_share_a_model_and_commands(model: asr.Model) -> None:
    commands = asr.Commands.load("computer")
    files = sorted(SAMPLES.glob("*.flac"))[:4] * 3
    alone = asr.load()
    expected = [(alone.transcribe(file), alone.understand(file, commands)) for file in files[:4]] * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda file: (model.transcribe(file), model.understand(file, commands)), files))
    assert found == expected
