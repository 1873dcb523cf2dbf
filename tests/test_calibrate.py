"""`asr calibrate`: trials of random grammars, and what a bundle learns from them."""

import inspect
import random
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from typer.testing import CliRunner

from asr.adaptation import calibration
from asr.adaptation.calibration import Calibration, calibrate
from asr.adaptation.trials import LabelledWave, half_of, in_longer_speech, sets_of_sentences, strings_of_words, trial
from asr.apps.calibrate import calibrate as command
from asr.apps.cli import app
from asr.apps.cli import run as cli_run
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.bundle import DEFAULT_BUNDLE, read_bundle
from asr.commands import rejection
from asr.commands.network.network import compile_network
from asr.commands.rejection import COMMAND, Rejection
from asr.errors import ManifestError, SettingsError
from asr.evaluation.noise import RATIOS
from asr.runtime.commander import Listener
from asr.runtime.transcriber import Transcriber

SAMPLES = ROOT / "recipes" / "commands" / "samples"
TEXTS = ["find my files", "stop", "show me my photos please", "one two three", "two", "check the program log", "go on"]


def tone(seconds: float, text: str, speaker: str = "anna") -> LabelledWave:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return LabelledWave((0.3 * np.sin(2 * np.pi * 300 * times)).astype(np.float32), text, speaker)


def test_sets_are_some_of_the_sentences_and_nothing_else() -> None:
    drawn = sets_of_sentences(TEXTS, random.Random(0))
    sizes = set()
    for _ in range(20):
        network = compile_network([next(drawn)], str)
        known = {text for text in TEXTS if network.parse(text)}
        assert network.count() == len(known) >= 2
        sizes.add(len(known))
    assert len(sizes) > 1


def test_strings_are_all_that_can_be_said_with_some_words() -> None:
    network = compile_network([next(strings_of_words(TEXTS, random.Random(1)))], str)
    words = sorted(network.words())
    assert network.count() == sum(len(words) ** length for length in range(1, 7))
    assert network.parse(" ".join(reversed(words[:6])))
    assert not network.parse(" ".join((words * 7)[:7]))
    assert any(network.parse(text) for text in TEXTS)


def test_strings_are_of_few_words_and_of_some_texts_whole() -> None:
    texts = [f"{a}o {a}{b} {b}" for a in "bcdfghjklmnpqrstvwxz" for b in "aeiuy"] + [
        "eight words are more than a string may have"
    ]
    drawn, sizes = strings_of_words(texts, random.Random(0)), set()
    for _ in range(30):
        network = compile_network([next(drawn)], str)
        sizes.add(len(network.words()))
        assert any(network.parse(text) for text in texts)
    assert min(sizes) < 8
    assert 20 < max(sizes) <= 43


def test_a_command_in_longer_speech_keeps_both_sounds_and_both_texts() -> None:
    generator = random.Random(0)
    found = {
        longer.text: len(longer.wave)
        for _ in range(20)
        if (longer := in_longer_speech(tone(1, "stop"), tone(2, "go on"), generator))
    }
    assert set(found) == {"stop go on", "go on stop"}
    assert all(3 * SAMPLE_RATE <= length <= 3.3 * SAMPLE_RATE for length in found.values())
    assert in_longer_speech(tone(10, "stop"), tone(12, "go on"), generator) is None


def test_half_a_command_is_half_of_its_sound_not_of_the_silence_around_it() -> None:
    spoken = tone(1, "find my files")
    padded = LabelledWave(np.concatenate([np.zeros(3 * SAMPLE_RATE, np.float32), spoken.wave]), spoken.text, "anna")
    lengths = set()
    for seed in range(10):
        half = half_of(padded, random.Random(seed))
        assert half is not None
        lengths.add((half.text, int(np.count_nonzero(half.wave) / SAMPLE_RATE * 10)))
    assert {length for _, length in lengths} == {4, 5} or {length for _, length in lengths} == {4}
    assert {text for text, _ in lengths} == {"find", "my files"}
    assert half_of(tone(1, "stop"), random.Random(0)) is None
    assert half_of(tone(0.1, "go on"), random.Random(0)) is None


def test_a_trial_is_right_where_the_reading_is_what_was_said() -> None:
    transcriber = Transcriber.from_bundle(threads=1)
    listener = Listener(transcriber, compile_network([next(sets_of_sentences(TEXTS[:3], random.Random(0)))], str))
    assert listener.network.parse("find my files")
    wave = load_audio(SAMPLES / "find_my_files.flac")
    command = trial(listener, LabelledWave(wave, "find my files", "anna"))
    assert (command.kind, command.right, command.group) == (COMMAND, True, "anna")
    other = trial(listener, LabelledWave(wave, "seven of clubs", "anna"))
    assert (other.kind, other.right) == ("other speech", False)
    assert trial(listener, LabelledWave(wave, "", "anna")).kind == "noise"
    half = trial(listener, LabelledWave(wave, "find my files", "anna"), "half a command")
    assert (half.kind, half.right) == ("half a command", False)


@pytest.mark.parametrize("noises", [0, 3])
def test_half_of_speech_is_heard_in_noise_and_noise_as_it_is(monkeypatch: pytest.MonkeyPatch, noises: int) -> None:
    """The noise that is added is one of those given, at one of the ratios; where there is none, nothing is added."""
    hisses = [np.random.default_rng(seed).normal(0, 0.02, SAMPLE_RATE).astype(np.float32) for seed in range(noises)]
    sounds = [LabelledWave(hiss, "", "-") for hiss in hisses]
    # Of whole periods, so that two seconds of it have the power of each half.
    said = [tone(2, text) for text in TEXTS]
    tried: list[LabelledWave] = []
    monkeypatch.setattr(calibration, "trial", lambda listener, each, kind=None: tried.append(each))
    network = compile_network([next(sets_of_sentences(TEXTS, random.Random(0)))], str)
    listener = SimpleNamespace(network=network)
    for seed in range(10):
        for _ in calibration._trials(listener, said, said, sounds, random.Random(seed)):  # type: ignore[arg-type]
            pass
    speech = [each.wave for each in tried if each.text and len(each.wave) == 2 * SAMPLE_RATE]
    added = [wave - said[0].wave for wave in speech if not np.array_equal(wave, said[0].wave)]
    assert len(speech) > 50
    assert (len(added) == 0) if not noises else 0.35 < len(added) / len(speech) < 0.65
    power = float(np.mean(said[0].wave ** 2))
    ratios = {round(float(10 * np.log10(power / np.mean(noise**2)))) for noise in added}
    assert ratios == ({round(ratio) for ratio in RATIOS} if noises else set())
    assert all(any(each.wave is hiss for hiss in hisses) for each in tried if not each.text)


def test_twice_as_much_other_speech_is_of_elsewhere_as_of_the_same_list(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [tone(0.1, f"go {number}", "own") for number in range(60)]
    elsewhere = [tone(0.1, f"come {number}", "elsewhere") for number in range(60)]
    tried: list[LabelledWave] = []
    monkeypatch.setattr(calibration, "trial", lambda listener, each, kind=None: tried.append(each))
    listener = SimpleNamespace(network=compile_network([next(sets_of_sentences(TEXTS, random.Random(0)))], str))
    for _ in calibration._trials(listener, own, elsewhere, [], random.Random(0)):  # type: ignore[arg-type]
        pass
    assert Counter(each.speaker for each in tried) == {"own": 12, "elsewhere": 25}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    shutil.copytree(DEFAULT_BUNDLE, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    folder = tmp_path / "noise"
    folder.mkdir()
    generator = np.random.default_rng(0)
    lines = ["path\tspeaker\ttext"]
    for number in range(6):
        soundfile.write(folder / f"{number}.wav", generator.normal(0, 0.02, SAMPLE_RATE), SAMPLE_RATE)
        lines.append(f"{number}.wav\t-\t")
    (folder / "all.tsv").write_text("\n".join(lines) + "\n")
    return folder / "all.tsv"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["calibrate", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.mark.slow
def test_what_is_found_is_printed_and_kept_in_the_bundle(bundle: Path, noise: Path) -> None:
    printed = run(SAMPLES / "transcripts.tsv", "--noise", noise, "--bundle", bundle, "--grammars", 12)
    kept = read_bundle(bundle).rejection
    assert kept is not None
    found = Rejection.from_dict(kept)
    assert kept != read_bundle(DEFAULT_BUNDLE).rejection
    assert f"a command is accepted from a confidence of {found.threshold:.2f} on" in printed
    assert found.point.false_accepts <= 0.05
    assert {"noise", "other speech", "half a command"} <= set(found.point.by_kind)
    again = calibrate([SAMPLES / "transcripts.tsv"], [noise], bundle=bundle, grammars=12)
    assert again == Calibration(found, bundle, recordings=14, unread=())
    assert read_bundle(bundle).rejection == kept


def test_the_command_has_the_share_of_the_programs() -> None:
    """It is a number there, for the help comes without what calibrates."""
    assert inspect.signature(command).parameters["false_accepts"].default == rejection.FALSE_ACCEPTS


def test_too_little_speech_leaves_the_bundle_as_it_was(bundle: Path) -> None:
    before = (bundle / "bundle.json").read_bytes()
    with pytest.raises(SettingsError, match="wanted at least 20 of each"):
        run(SAMPLES / "transcripts.tsv", "--bundle", bundle, "--grammars", 2)
    assert (bundle / "bundle.json").read_bytes() == before


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found does not matter: a handful of trials will do."""
    found = Rejection.from_dict(read_bundle(DEFAULT_BUNDLE).rejection or {})
    monkeypatch.setattr(rejection, "calibrate", lambda trials, **_: found)


def test_bad_recordings_are_named_and_left_out(
    bundle: Path, noise: Path, tmp_path: Path, few: None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "some"
    shutil.copytree(SAMPLES, folder)
    listed = folder / "transcripts.tsv"
    header, *rows = listed.read_text(encoding="utf-8").splitlines()
    rows = rows[:6]
    cut = folder / rows[0].split("\t")[header.split("\t").index("path")]
    cut.write_bytes(cut.read_bytes()[:1000])
    (folder / "text.wav").write_text("no audio")
    more = ["gone.wav\tanna\tstop", "text.wav\tanna\tgo on", "/dev/zero\tanna\tgo"]
    assert header.split("\t") == ["path", "speaker", "text"]
    listed.write_text("\n".join([header, *rows, *more]) + "\n", encoding="utf-8")
    (noise.parent / "0.wav").write_bytes(b"RIFF")
    arguments = ["calibrate", listed, "--noise", noise, "--bundle", bundle, "--grammars", 2]
    assert cli_run(app, [*map(str, arguments)], "asr") == 1
    out, error = capsys.readouterr()
    assert f"recorded in {bundle}" in out
    assert "5 of 15 could not be read and are not counted: " in out
    for name in (cut.name, "gone.wav", "text.wav", "/dev/zero", "0.wav"):
        assert name in out
        assert name in error
    assert len(error.splitlines()) == 5
    assert "unexpected" not in error


def test_a_program_is_told_that_a_grammar_is_too_few(bundle: Path) -> None:
    with pytest.raises(SettingsError, match="at least 2"):
        calibrate([SAMPLES / "transcripts.tsv"], bundle=bundle, grammars=1)


def test_a_list_of_which_nothing_can_be_read_ends_it(bundle: Path, tmp_path: Path) -> None:
    before = (bundle / "bundle.json").read_bytes()
    (tmp_path / "x.wav").write_text("no audio")
    (tmp_path / "list.tsv").write_text("path\tspeaker\ttext\nx.wav\tanna\tstop\n")
    with pytest.raises(ManifestError, match=r"list\.tsv: none of 1 recordings could be read"):
        run(tmp_path / "list.tsv", "--bundle", bundle)
    assert (bundle / "bundle.json").read_bytes() == before
