"""Commands understood and refused by the default bundle, on real and synthetic recordings."""

import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from conftest import ROOT, TinyModel
from numpy.typing import NDArray
from typer.testing import CliRunner

from asr.apps.cli import app
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.bundle import DEFAULT_BUNDLE, record_rejection
from asr.commands.evidence import MEASURES
from asr.commands.grammar.form import read_grammar
from asr.commands.network.network import compile_network
from asr.commands.rejection import OperatingPoint, Rejection
from asr.errors import AudioError, BundleError, SettingsError
from asr.runtime.commander import Commander, Listener
from asr.runtime.transcriber import Transcriber

SAMPLES = ROOT / "recipes" / "commands" / "samples"


@pytest.fixture(scope="module")
def computer() -> Commander:
    return Commander.from_bundle(None, ["computer"], threads=1)


def sample(name: str) -> NDArray[np.float32]:
    return load_audio(SAMPLES / f"{name}.flac")


def test_a_command_is_understood_with_its_slots(computer: Commander) -> None:
    found = computer.understand(sample("find_my_files"))
    assert found.understood
    assert found.reading is not None
    assert (found.reading.command, dict(found.reading.slots)) == ("find", {"what": "files"})
    assert found.transcript.text == found.reading.text == "find my files"
    assert found.confidence >= computer.rejection.threshold
    assert found.seconds == pytest.approx(len(sample("find_my_files")) / SAMPLE_RATE)


@pytest.mark.parametrize(
    "name", ["seven_of_clubs", "ten_of_clubs", "two_nine_three_four_zero", "go_forward_ten_meters"]
)
def test_what_the_grammar_does_not_have_is_refused_and_told_as_heard(computer: Commander, name: str) -> None:
    found = computer.understand(sample(name))
    assert not found.understood
    assert found.transcript == computer.transcriber.transcribe(sample(name))


def test_the_same_words_are_understood_by_a_grammar_that_has_them() -> None:
    found = Commander.from_bundle(None, ["digits"], threads=1).understand(sample("two_nine_three_four_zero"))
    assert found.reading is not None
    assert found.reading.slots == {"digit": [2, 9, 3, 4, 0]}


@pytest.mark.parametrize("kind", ["digital silence", "hiss", "hum", "a click", "a tenth of a second", "nothing"])
def test_no_sound_that_is_no_speech_is_a_command(computer: Commander, kind: str) -> None:
    random = np.random.default_rng(0)
    wave = np.zeros(2 * SAMPLE_RATE, np.float32)
    if kind == "hiss":
        wave = random.normal(0, 0.02, len(wave)).astype(np.float32)
    elif kind == "hum":
        wave = (0.2 * np.sin(2 * np.pi * 100 * np.arange(len(wave)) / SAMPLE_RATE)).astype(np.float32)
    elif kind == "a click":
        wave[SAMPLE_RATE] = 0.9
    elif kind == "a tenth of a second":
        wave = sample("find_my_files")[5000:6600]
    elif kind == "nothing":
        wave = wave[:0]
    assert not computer.understand(wave).understood


def test_more_than_an_utterance_is_no_command(computer: Commander) -> None:
    once = sample("find_my_files")
    pause = np.zeros(10 * SAMPLE_RATE, np.float32)
    long = np.concatenate([once, pause, once, pause, once])
    found = computer.understand(long)
    assert (found.understood, found.reading, found.confidence) == (False, None, 0.0)
    assert found.transcript == computer.transcriber.transcribe(long)


def test_a_command_is_found_in_long_silence_and_little_of_it_is_held(computer: Commander) -> None:
    once, quiet = sample("find_my_files"), 5 * SAMPLE_RATE
    alone = computer.understand(once)

    def blocks(count: int, *places: int) -> Iterator[NDArray[np.float32]]:
        return (once if place in places else np.zeros(quiet, np.float32) for place in range(count))

    tracemalloc.start()
    try:
        found = computer.understand_blocks(blocks(300, 40))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.understood, found.reading, found.transcript.text) == (True, alone.reading, alone.transcript.text)
    assert found.seconds == (299 * quiet + len(once)) / SAMPLE_RATE
    assert found.transcript.words[0].start == pytest.approx(alone.transcript.words[0].start + 200, abs=0.1)
    assert peak < 300 * quiet * np.dtype(np.float32).itemsize / 2
    several = computer.understand_blocks(blocks(60, 3, 30, 55))
    assert (several.understood, several.reading) == (False, None)
    assert several.transcript.text == " ".join(["find my files"] * 3)
    assert several.seconds == (57 * quiet + 3 * len(once)) / SAMPLE_RATE


def test_understanding_is_a_function_of_the_wave_alone(computer: Commander) -> None:
    wave = sample("check_the_battery_log")
    first = computer.understand(wave)
    computer.understand(sample("five_five"))
    assert computer.understand(wave) == first


def test_readings_are_always_sentences_of_the_grammar(computer: Commander) -> None:
    for path in sorted(SAMPLES.glob("*.flac")):
        reading = computer.understand(load_audio(path)).reading
        if reading is not None:
            assert computer.network.parse(reading.text) == reading


def test_only_a_mono_wave_of_floats_is_heard(computer: Commander) -> None:
    with pytest.raises(AudioError, match=r"found shape \(10, 2\)"):
        computer.understand(np.zeros((10, 2), np.float32))


def test_a_bundle_that_was_never_calibrated_understands_nothing_yet(tiny: TinyModel) -> None:
    with pytest.raises(BundleError, match="asr calibrate"):
        Commander.from_bundle(tiny.bundle, ["yes-no"])


def test_a_bundle_with_damaged_weights_of_evidence_is_refused(tiny: TinyModel, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    copytree(tiny.bundle, bundle)
    record_rejection(bundle, {"weights": {}})
    with pytest.raises(BundleError, match=rf"{bundle}.*calibrate"):
        Commander.from_bundle(bundle, ["yes-no"])


def test_the_default_bundle_says_where_its_threshold_is() -> None:
    rejection = json.loads((DEFAULT_BUNDLE / "bundle.json").read_text(encoding="utf-8"))["rejection"]
    point = Rejection.from_dict(rejection).point
    assert point.false_accepts <= 0.05
    assert point.commands > 500
    assert {"noise", "other speech", "half a command", "a command in longer speech"} <= set(point.by_kind)


def test_as_strict_as_asked_for(tiny: TinyModel, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    copytree(tiny.bundle, bundle)
    points = [OperatingPoint(threshold, 1 - threshold, 1 - threshold, 10, 10, {}) for threshold in (0.5, 0.7, 0.9)]
    record_rejection(bundle, Rejection(dict.fromkeys(MEASURES, 0.0), 0.0, points[0], tuple(points[1:])).to_dict())
    thresholds = [Commander.from_bundle(bundle, "yes-no").rejection.threshold]
    thresholds += [Commander.from_bundle(bundle, "yes-no", false_accepts=x).rejection.threshold for x in (0.4, 0.2)]
    assert thresholds == [0.5, 0.7, 0.9]
    with pytest.raises(SettingsError, match=r"at most 0\.05: the calibration found thresholds for 0\.1000 and more"):
        Commander.from_bundle(bundle, "yes-no", false_accepts=0.05)
    result = CliRunner().invoke(
        app, ["transcribe", "--bundle", str(bundle), "--commands", "yes-no", "--false-accepts", "0.05", str(SAMPLES)]
    )
    assert isinstance(result.exception, SettingsError)


def test_json_of_a_command_and_of_a_refusal() -> None:
    names = [str(SAMPLES / "find_my_files.flac"), str(SAMPLES / "seven_of_clubs.flac")]
    result = CliRunner().invoke(app, ["transcribe", "--commands", "computer", "--json", *names])
    assert result.exit_code == 0
    understood, refused = map(json.loads, result.stdout.splitlines())
    assert understood["understood"] is True
    assert understood["command"] == "find"
    assert understood["slots"] == {"what": "files"}
    assert understood["text"] == "find my files"
    assert (refused["understood"], refused["command"], refused["slots"]) == (False, None, {})
    assert 0 <= refused["command_confidence"] < understood["command_confidence"] <= 1
    assert {"file", "text", "confidence", "seconds", "tokens", "words", "segments"} <= set(refused)


def test_lines_of_commands(tmp_path: Path) -> None:
    grammar = tmp_path / "mine.yaml"
    grammar.write_text('commands:\n  look: "find my {what}"\nlists:\n  what: [files, keys]\n')
    result = CliRunner().invoke(
        app, ["transcribe", "--commands", str(grammar), "--commands", "yes-no", str(SAMPLES / "find_my_files.flac")]
    )
    assert result.exit_code == 0
    name, line = result.stdout.rstrip("\n").split("\t")
    assert name.endswith("find_my_files.flac")
    assert re.fullmatch(r"look what=files  \((0\.[5-9]\d|1\.00)\)", line)


def test_a_grammar_that_is_not_there_ends_before_anything_is_heard() -> None:
    result = CliRunner().invoke(app, ["transcribe", "--commands", "computre", str(SAMPLES / "find_my_files.flac")])
    assert result.exit_code == 1
    assert "did you mean computer" in str(result.exception)


def test_a_listener_needs_no_calibration(tiny: TinyModel) -> None:
    transcriber = Transcriber.from_bundle(tiny.bundle, threads=1)
    grammar = read_grammar(ROOT / "configs" / "commands" / "yes-no.yaml")
    heard = Listener(transcriber, compile_network([grammar], transcriber.bundle.normaliser)).hear(
        [sample("find_my_files")]
    )
    assert heard.reading is None or heard.evidence is not None
