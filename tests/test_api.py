"""What `import asr` offers to programs."""

import builtins
import copy
import doctest
import inspect
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT

import asr
import asr.errors
from asr.apps.cli import app, run
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.bundle import DEFAULT_BUNDLE
from asr.errors import BundleError, ManifestError, SettingsError
from asr.runtime.commander import Commander
from asr.runtime.keys import command_keys, event_keys

SAMPLES = ROOT / "recipes" / "commands" / "samples"
ONE = SAMPLES / "find_my_files.flac"
NOISES = ROOT / "tests" / "data" / "noise_ccc_maskers"

EXAMPLES = {
    *("Commander", "Commands", "Dropped", "Explanation", "Final", "Model", "Partial", "Reading", "Started"),
    *("Transcript", "TranscriptSegment", "Understanding", "Word"),
    *("compare", "evaluate", "load", "read_lists", "read_run", "read_source"),
}
"""Names whose docstrings have an example."""

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
    """Those of `train`, `adapt` and `calibrate` take long; the tests of each do as they do."""
    monkeypatch.chdir(ROOT)
    places = sorted({inspect.getmodule(getattr(asr, name)).__name__ for name in EXAMPLES})  # type: ignore[union-attr]
    found = {place: doctest.testmod(sys.modules[place]) for place in places}
    assert {place: each.failed for place, each in found.items()} == dict.fromkeys(places, 0)
    assert sum(each.attempted for each in found.values()) >= 60


def test_every_function_and_every_result_has_an_example() -> None:
    functions = {name for name in asr.__all__ if callable(getattr(asr, name)) and name.islower()}
    assert functions == {
        "adapt",
        "calibrate",
        "compare",
        "evaluate",
        "load",
        "read_lists",
        "read_run",
        "read_source",
        "train",
    }
    assert functions - {"adapt", "calibrate", "train"} <= EXAMPLES
    methods = [value for name, value in vars(asr.Model).items() if not name.startswith("_") and callable(value)]
    assert len(methods) == 6
    for each in (*(getattr(asr, name) for name in {*functions, *EXAMPLES}), *methods):
        assert "Examples:\n" in (each.__doc__ or ""), each
        assert ">>> " in (each.__doc__ or ""), each


def test_the_reference_has_no_name_that_is_not_had_by_importing_asr() -> None:
    named = re.findall(r"^::: (asr[\w.]*)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.M)
    assert len(named) > 30
    for path in set(named) - {"asr.errors"}:
        module, _, name = path.rpartition(".")
        assert name in asr.__all__, path
        assert getattr(asr, name) is getattr(sys.modules[module], name), path
    errors = [each for each in vars(asr.errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert {each.__name__ for each in errors} <= {*asr.__all__}


def test_what_signatures_and_examples_name_is_had_by_importing_asr() -> None:
    for name in asr.__all__:
        public = getattr(asr, name)
        members = vars(public).values() if isinstance(public, type) else [public]
        for each in members:
            told = inspect.getdoc(each) or ""
            assert set(re.findall(r"\basr\.([A-Z]\w+)", told)) <= {*asr.__all__}, name
            assert set(re.findall(r"\b([A-Z][a-z]+Error)\b", told)) <= {*asr.__all__, *dir(builtins)}, name


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


def closed_file() -> io.BytesIO:
    file = io.BytesIO(ONE.read_bytes())
    file.close()
    return file


class Letters:
    """A stream of text that does not say so."""

    def read(self, size: int) -> str:
        """Text."""
        return "no bytes"


@pytest.mark.parametrize(
    "source",
    [
        "no_such_file.wav",
        io.StringIO("text"),
        io.BytesIO(b"no sound"),
        (np.zeros(10, np.float32), 10),
        (np.zeros(0, np.float32), SAMPLE_RATE),
        (np.zeros((2, 2, 2), np.float32), SAMPLE_RATE),
        (np.zeros((2, SAMPLE_RATE), np.float32), SAMPLE_RATE),
        (np.zeros(10, np.int64), SAMPLE_RATE),
        (np.full(1_000, np.nan, np.float32), SAMPLE_RATE),
        ([0.0], SAMPLE_RATE),
        (np.zeros(10, np.float32), 16_000.5),
        (np.zeros(10, np.float32),),
        7,
        None,
        "a\0b",
        Path("half a pair \ud800"),
        closed_file(),
        Letters(),
    ],
)
def test_what_is_no_recording_is_refused_in_a_line(model: asr.Model, source: object) -> None:
    for hear in (model.transcribe, lambda each: list(model.utterances(each)), model.explain, asr.read_source):
        with pytest.raises(asr.AudioError, match="wanted") as caught:
            hear(source)  # type: ignore[operator]
        assert "\n" not in str(caught.value)
        assert "\0" not in str(caught.value)


def test_a_wave_that_lies_on_its_side_is_refused_with_the_layout_that_is_wanted(model: asr.Model) -> None:
    wave = np.stack([load_audio(ONE)] * 2)
    with pytest.raises(asr.AudioError, match=r"2 samples of \d+ channels, wanted \(N, channels\).*wave\.T"):
        model.transcribe((wave, SAMPLE_RATE))
    assert model.transcribe((wave.T, SAMPLE_RATE)) == model.transcribe(ONE)


def test_mistakes_raise_the_errors_of_the_command_line(model: asr.Model) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        asr.load("no_such_bundle")
    with pytest.raises(SettingsError, match="computer"):
        asr.Commands.load("computr")
    with pytest.raises(SettingsError, match="wanted names or paths"):
        asr.Commands.load()
    with pytest.raises(asr.AsrError, match="wanted"):
        list(model.stream([np.zeros((10, 2), np.float32)]))


LIST = SAMPLES / "transcripts.tsv"


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda model: asr.Commands.load(["computer", "home"]), r"asr\.Commands\.load\('computer', 'home'\)"),
        (lambda model: asr.Commands.load(7), "found 7, wanted names"),
        (lambda model: asr.Commands("computer"), r"asr\.Commands\.load\('computer'\)"),
        (lambda model: asr.load(width="4"), "width is '4'"),
        (lambda model: asr.load(width=0), "width is 0"),
        (lambda model: asr.load(threads="2"), "threads is '2'"),
        (lambda model: asr.load(threads=0), "threads is 0"),
        (lambda model: asr.load(threads=10**12), "threads is"),
        (lambda model: asr.load(7), "found 7, wanted a bundle"),
        (lambda model: model.stream(None), "found None, wanted blocks"),
        (lambda model: model.stream("a.wav"), "found 'a.wav', wanted blocks"),
        (lambda model: list(model.stream(np.zeros(9, np.float32))), "wanted mono sound"),
        (lambda model: asr.evaluate(LIST, "default"), "model is 'default'.*asr.load"),
        (lambda model: asr.evaluate(7, model), "manifest is 7"),
        (lambda model: asr.evaluate([7], model), "manifest is 7"),
        (lambda model: asr.evaluate(LIST, model, snr=10), "snr is 10"),
        (lambda model: asr.evaluate(LIST, model, snr="10"), "snr is '10'"),
        (lambda model: asr.evaluate(LIST, model, noise=NOISES, snr=["10"]), "snr is"),
        (lambda model: asr.evaluate(LIST, model, noise=7), "noise is 7"),
        (lambda model: asr.evaluate(LIST, model, jobs="2"), "jobs is '2'"),
        (lambda model: asr.evaluate(LIST, model, jobs=0), "jobs is 0"),
        (lambda model: asr.evaluate(LIST, model, false_accepts=0.01), "give some"),
        (lambda model: asr.train({"run": "mine"}), "config is {'run': 'mine'}"),
        (lambda model: asr.train("train.yaml", ["a"]), r"settings is \['a'\]"),
        (lambda model: asr.adapt(asr.Commands, "mine"), "grammars is <class"),
        (lambda model: asr.adapt([7], "mine"), "grammars is 7"),
        (lambda model: asr.adapt("computer", 7), "out is 7"),
        (lambda model: asr.adapt("computer", "mine", minutes="10"), "minutes is '10'"),
        (lambda model: asr.adapt("computer", "mine", jobs=0), "jobs is 0"),
        (lambda model: asr.adapt("computer", "mine", bundle=7), "found 7, wanted a bundle"),
        (lambda model: asr.adapt("computer", "mine", recordings=7), "recordings is 7"),
        (lambda model: asr.read_run(7), "path is 7"),
    ],
)
def test_what_is_of_another_kind_is_refused_in_a_line(
    model: asr.Model, attempt: Callable[[asr.Model], object], said: str
) -> None:
    with pytest.raises(asr.AsrError, match=said) as caught:
        attempt(model)
    assert "\n" not in str(caught.value)


USES = {
    "understand": lambda model, commands, **more: model.understand(ONE, commands, **more),
    "stream": lambda model, commands, **more: model.stream([load_audio(ONE)], commands, **more),
    "explain": lambda model, commands, **more: model.explain(ONE, commands, **more),
    "evaluate": lambda model, commands, **more: asr.evaluate(LIST, model, commands, **more),
    "commander": lambda model, commands, **more: model.commander(commands, **more),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("commands", ["computer", ("computer", "home"), None, np.zeros((9, 9))])
def test_commands_that_were_not_loaded_are_refused_with_how_to(model: asr.Model, use: str, commands: object) -> None:
    if commands is None and use in ("stream", "explain", "evaluate"):
        return  # without commands
    names = "'computer', 'home'" if isinstance(commands, tuple) else "'computer'"
    with pytest.raises(SettingsError) as caught:
        USES[use](model, commands)
    assert f"asr.Commands.load({names})" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("use", USES)
def test_false_accepts_are_those_of_the_command_line(model: asr.Model, use: str) -> None:
    computer = asr.Commands.load("computer")
    for share, said in ((1e-9, "calibrat"), (2, "at most 1"), ("0.05", "must be a number"), (True, "number")):
        with pytest.raises(SettingsError, match=said):
            USES[use](model, computer, false_accepts=share)
    if use in ("stream", "explain", "evaluate"):
        with pytest.raises(SettingsError, match="give some"):
            USES[use](model, None, false_accepts=0.05)


def test_a_share_of_false_accepts_counts_for_one_call_alone(model: asr.Model) -> None:
    computer = asr.Commands.load("computer")
    threshold = model.commander(computer).rejection.threshold
    strict = model.commander(computer, false_accepts=0.005)
    assert strict.rejection.threshold > threshold
    assert strict.constraint is model.commander(computer).constraint
    assert model.explain(ONE, computer, false_accepts=0.005).threshold == strict.rejection.threshold
    wave, confidences = load_audio(ONE), []
    for name in sorted(SAMPLES.glob("*.flac")):
        plain, found = model.understand(name, computer), model.understand(name, computer, false_accepts=0.005)
        confidences.append(plain.confidence)
        assert (found.confidence, found.reading) == (plain.confidence, plain.reading)
        assert found.understood == (found.confidence >= strict.rejection.threshold)
    assert any(each >= strict.rejection.threshold for each in confidences)
    (final,) = (each for each in model.stream([wave], computer, false_accepts=0.005) if isinstance(each, asr.Final))
    assert final.understanding is not None
    assert final.understanding.understood == (final.understanding.confidence >= strict.rejection.threshold)
    assert model.commander(computer).rejection.threshold == threshold


def test_an_evaluation_is_as_strict_as_asked_for_by_however_many_processes(
    model: asr.Model,
) -> None:
    digits = asr.Commands.load("digits")
    one, two = (asr.evaluate(LIST, model, digits, false_accepts=0.005, jobs=jobs) for jobs in (1, 2))
    threshold = model.commander(digits, false_accepts=0.005).rejection.threshold
    assert [each.understood for each in one.report.outcomes] == [
        each.confidence >= threshold for each in one.report.outcomes
    ]
    assert one.report == two.report


def test_an_understanding_says_of_a_refusal_nothing_to_act_on(model: asr.Model) -> None:
    computer = asr.Commands.load("computer")
    found = {name.stem: model.understand(name, computer) for name in SAMPLES.glob("*.flac")}
    assert {each.understood for each in found.values()} == {True, False}
    assert any(each.reading is not None and not each.understood for each in found.values())
    for each in found.values():
        assert (each.text, each.words) == (each.transcript.text, each.transcript.words)
        keys = command_keys(each)
        if each.understood:
            assert each.reading is not None
            assert (each.command, each.slots, each.text) == (
                each.reading.command,
                each.reading.slots,
                each.reading.text,
            )
            assert (each.start, each.end) == (each.words[0].start, each.words[-1].end)
            assert (keys["command_start"], keys["command_end"]) == (round(each.start, 3), round(each.end, 3))
        else:
            assert (each.command, each.slots, each.start, each.end) == (None, {}, None, None)
            assert (keys["command"], keys["slots"], keys["command_start"], keys["command_end"]) == (
                None,
                {},
                None,
                None,
            )


def test_times_of_a_command_in_a_stream_are_those_of_the_stream(model: asr.Model) -> None:
    computer, wave = asr.Commands.load("computer"), load_audio(ONE)
    alone = model.understand(ONE, computer)
    later = np.concatenate([np.zeros(3 * SAMPLE_RATE, np.float32), wave])
    (final,) = (each for each in model.stream([later], computer, partials=False) if isinstance(each, asr.Final))
    assert final.understanding is not None
    assert final.understanding.start == pytest.approx((alone.start or 0) + 3, abs=0.1)
    keys = event_keys(final)
    assert (keys["start"], keys["end"]) == (round(final.start, 3), round(final.end, 3))
    assert keys["command_start"] == round(final.understanding.start or 0, 3)


def test_commands_that_are_named_again_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ready,) = asr.Commands.load("computer").grammars
    own = tmp_path / "mine.yaml"
    own.write_text("commands: {stop: [stop]}\n")
    monkeypatch.chdir(tmp_path)
    names = ("computer", own, "computer", "mine.yaml", str(own))
    assert asr.Commands.load(*names).names == (ready.name, "mine")
    commander = Commander.from_bundle(None, [os.fspath(name) for name in names])
    assert commander.network.count() == Commander.from_bundle(None, ["computer", own]).network.count()


def test_results_and_commands_may_be_pickled(model: asr.Model) -> None:
    computer = asr.Commands.load("computer", "home")
    kept = pickle.loads(pickle.dumps(computer))
    assert kept.names == computer.names
    found = model.understand(ONE, computer)
    assert model.understand(ONE, kept) == found
    events = list(model.stream([load_audio(ONE)], computer))
    assert {type(each) for each in events} == {asr.Started, asr.Partial, asr.Final}
    measured = asr.evaluate(LIST, model)
    for each in (model.transcribe(ONE), found, events, measured):
        assert pickle.loads(pickle.dumps(each)) == each
    told = model.explain(ONE, computer)
    assert pickle.loads(pickle.dumps(told)).html() == told.html()


def test_a_pickled_model_is_loaded_again_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(DEFAULT_BUNDLE, tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)
    model = asr.load("mine", width=3, threads=2)
    kept, copied = pickle.dumps(model), copy.deepcopy(model)
    assert len(kept) < 2_000
    monkeypatch.chdir(ROOT)
    for again in (pickle.loads(kept), copied):
        assert (again.transcriber.decoding, again.transcriber.threads) == (model.transcriber.decoding, 2)
        assert again.transcriber.bundle.folder == folder
        assert again.transcribe(ONE) == model.transcribe(ONE)
    shutil.rmtree(folder)
    with pytest.raises(BundleError, match="no such folder"):
        pickle.loads(kept)


def test_default_is_the_bundle_in_the_package_unless_a_folder_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert asr.load("default").transcriber.bundle.folder == DEFAULT_BUNDLE
    sound = str(ONE)
    for arguments in (
        ["transcribe", "--bundle", "default", sound],
        ["explain", "--bundle", "default", sound],
        ["commands", "check", "--bundle", "default", "yes-no"],
    ):
        assert run(app, arguments, "asr") == 0, capsys.readouterr().err
    before = {path: path.read_bytes() for path in DEFAULT_BUNDLE.iterdir()}
    (tmp_path / "texts.txt").write_text("find my files\n")
    assert run(app, ["language-model", "default", "texts.txt"], "asr") == 1
    assert "wanted a folder of your own" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in DEFAULT_BUNDLE.iterdir()} == before
    (tmp_path / "default").mkdir()
    with pytest.raises(BundleError, match=r"default: found no bundle\.json"):
        asr.load("default")


def test_a_stream_is_heard_as_it_is_spoken(model: asr.Model) -> None:
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    names = ("find_my_files", "five_five")
    parts = [load_audio(SAMPLES / f"{name}.flac") for name in names]
    wave = np.concatenate([pause, parts[0], pause, parts[1], pause])
    blocks = [wave[at : at + 1_600] for at in range(0, len(wave), 1_600)]
    heard = list(model.stream(blocks, partials=False))
    assert [type(event) for event in heard] == [asr.Started, asr.Final] * 2
    assert [event for event in model.stream(blocks) if not isinstance(event, asr.Partial)] == heard
    finals = [event for event in heard if isinstance(event, asr.Final)]
    begins = 2 * SAMPLE_RATE, 4 * SAMPLE_RATE + len(parts[0])
    for final, begin, part in zip(finals, begins, parts, strict=True):
        assert final.transcript.text == model.transcribe((part, SAMPLE_RATE)).text
        assert begin / SAMPLE_RATE <= final.transcript.words[0].start
        assert final.transcript.segments[-1].end <= (begin + len(part)) / SAMPLE_RATE + 0.3
    spoken = list(model.stream(blocks, asr.Commands.load("computer")))
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
