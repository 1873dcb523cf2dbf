"""What `import asr` offers to programs."""

import doctest
import io
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT

import asr
import asr.api
import asr.evaluation.evaluate
from asr.apps.cli import app, run
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.errors import BundleError, ManifestError, SettingsError

SAMPLES = ROOT / "recipes" / "commands" / "samples"
ONE = SAMPLES / "find_my_files.flac"
NOISES = ROOT / "tests" / "data" / "noise_ccc_maskers"

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
    """Those of `train` and `adapt`, which take long, stand in test_training.py and test_adapt.py."""
    monkeypatch.chdir(ROOT)
    found = [doctest.testmod(module) for module in (asr.api, asr.evaluation.evaluate)]
    assert [each.attempted >= least for each, least in zip(found, (12, 5), strict=True)] == [True, True]
    assert [each.failed for each in found] == [0, 0]


def test_every_function_has_an_example() -> None:
    functions = [getattr(asr, name) for name in asr.__all__ if callable(getattr(asr, name)) and name.islower()]
    assert {each.__name__ for each in functions} == {"adapt", "evaluate", "load", "read_source", "train"}
    for each in (*functions, asr.Model, asr.Commands, asr.Model.transcribe, asr.Model.understand, asr.Model.stream):
        assert ">>> " in (each.__doc__ or ""), each


def test_evaluating_gives_what_the_command_prints(model: asr.Model, tmp_path: Path) -> None:
    manifest = tmp_path / "list.tsv"
    rows = (SAMPLES / "transcripts.tsv").read_text(encoding="utf-8").splitlines()[:3]
    lines = [row.replace(row.split("\t")[0], str(SAMPLES / row.split("\t")[0])) for row in rows[1:]]
    manifest.write_text("\n".join([rows[0], *lines, "absent.flac\tdhd\tstop"]) + "\n")
    for commands in (None, "computer"):
        options = ["--commands", commands] if commands else []
        assert run(app, ["evaluate", str(manifest), "--out", str(tmp_path / "out"), *options], "asr") == 1
        printed = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
        if commands:
            measured = asr.evaluate(manifest, model, asr.Commands.load(commands))
            assert asdict(measured.report.overall)["exactly_accepted"] == printed["overall"]["exactly_accepted"]
        else:
            words = asr.evaluate(str(manifest), model)
            assert words.report.wer is not None
            assert asdict(words.report.wer) == printed["wer"]
            assert words.seconds == pytest.approx(printed["seconds"], abs=0.01)
            assert words.left_out == printed["failed"]
            assert list(words.left_out) == ["absent.flac"]


@pytest.mark.parametrize("commands", [None, "computer"])
def test_evaluating_in_noise_is_the_same_by_however_many_processes(
    model: asr.Model, tmp_path: Path, commands: str | None
) -> None:
    manifest = SAMPLES / "transcripts.tsv"
    options = ["--noise", str(NOISES), "--snr", "20,-30", *(["--commands", commands] if commands else [])]
    assert run(app, ["evaluate", str(manifest), "--out", str(tmp_path / "out"), *options], "asr") == 0
    printed = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    chosen = commands and asr.Commands.load(commands)
    one, two = (asr.evaluate(manifest, model, chosen, noise=NOISES, snr=(20, -30), jobs=jobs) for jobs in (1, 2))
    assert (one.jobs, two.jobs) == (1, 2)
    assert replace(one, seconds_taken=0, jobs=1) == replace(two, seconds_taken=0, jobs=1)
    assert one.noises == len(list(NOISES.glob("*.opus")))
    assert one.seconds == pytest.approx(printed["seconds"], abs=0.01)
    if commands:
        assert [each.snr for each in one.report.conditions] == [None, 20, -30]
        assert [asdict(each) for each in one.report.conditions][2]["exactly_accepted"] == (
            printed["conditions"][2]["exactly_accepted"]
        )
        assert any(each.id.startswith("noise: ") for each in one.report.outcomes)
    else:
        assert {ratio: asdict(each.wer) for ratio, each in one.in_noise.items()} == {
            each["snr"]: each["wer"] for each in printed["in_noise"]
        }
        assert one.in_noise[20].wer.value < one.in_noise[-30].wer.value


def test_a_fault_of_asr_is_no_fault_of_a_recording(model: asr.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.evaluation.evaluate.read_utterance", lambda utterance: utterance.wave)
    with pytest.raises(asr.AsrError, match="unexpected AttributeError"):
        asr.evaluate(SAMPLES / "transcripts.tsv", model)


def test_ratios_that_are_none_are_refused(model: asr.Model) -> None:
    for snr in ((), (6, 6), (float("inf"),)):
        with pytest.raises(asr.AsrError, match=r"decibels|twice"):
            asr.evaluate(SAMPLES / "transcripts.tsv", model, noise=NOISES, snr=snr)


def test_a_list_of_which_nothing_can_be_read_is_refused(model: asr.Model, tmp_path: Path) -> None:
    (tmp_path / "noise.flac").write_bytes(b"no sound")
    (tmp_path / "list.tsv").write_text("path\tspeaker\ttext\nnoise.flac\tann\tstop\n")
    with pytest.raises(ManifestError, match="none of its 1 recordings could be read"):
        asr.evaluate(tmp_path / "list.tsv", model)


WITHOUT = """
import builtins, sys
imported = builtins.__import__
def no_extras(name, *rest, **others):
    if name.partition(".")[0] in ("torch", "lightning", "jiwer", "safetensors", "jsonargparse"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return imported(name, *rest, **others)
builtins.__import__ = no_extras
import asr
for attempt in (
    lambda: asr.evaluate("list.tsv", asr.load()), lambda: asr.train("train.yaml"), lambda: asr.adapt("computer", "mine")
):
    try:
        attempt()
    except asr.AsrError as error:
        print(error)
"""


def test_without_the_extra_a_line_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["asr.evaluate", "asr.train", "asr.adapt"]
    for line in lines:
        assert re.search(r" needs \w+, which is not installed; pip install 'asr\[train\]'$", line)


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


def test_a_stream_is_heard_as_it_is_spoken(model: asr.Model) -> None:
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    names = ("find_my_files", "five_five")
    parts = [load_audio(SAMPLES / f"{name}.flac") for name in names]
    wave = np.concatenate([pause, parts[0], pause, parts[1], pause])
    blocks = [wave[at : at + 1_600] for at in range(0, len(wave), 1_600)]
    heard = list(model.stream(blocks))
    assert [type(event) for event in heard] == [asr.Started, asr.Final] * 2
    finals = [event for event in heard if isinstance(event, asr.Final)]
    begins = 2 * SAMPLE_RATE, 4 * SAMPLE_RATE + len(parts[0])
    for final, begin, part in zip(finals, begins, parts, strict=True):
        assert final.transcript.text == model.transcribe((part, SAMPLE_RATE)).text
        assert begin / SAMPLE_RATE <= final.transcript.words[0].start
        assert final.transcript.segments[-1].end <= (begin + len(part)) / SAMPLE_RATE + 0.3
    spoken = list(model.stream(blocks, asr.Commands.load("computer"), partials=True))
    assert any(isinstance(event, asr.Partial) for event in spoken)
    understood = [event.understanding for event in spoken if isinstance(event, asr.Final)]
    assert [each is not None and each.understood for each in understood] == [True, False]


def test_threads_may_share_a_model_and_commands(model: asr.Model) -> None:
    commands = asr.Commands.load("computer")
    files = sorted(SAMPLES.glob("*.flac"))[:4] * 3
    alone = asr.load()
    expected = [(alone.transcribe(file), alone.understand(file, commands)) for file in files[:4]] * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda file: (model.transcribe(file), model.understand(file, commands)), files))
    assert found == expected
