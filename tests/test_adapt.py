"""Adapting a bundle to a person's commands: texts, the training that goes on, the steps and their interruptions."""

import json
import os
import random
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any, cast

import numpy as np
import pytest
import soundfile
import torch
import yaml
from conftest import TinyModel
from hypothesis import given, settings
from hypothesis import strategies as st

import asr
from asr.adaptation import adapt as adapt_module
from asr.adaptation.adapt import carry_out
from asr.adaptation.comparison import command_rows, listen_all, outcomes, word_row
from asr.adaptation.fine_tuning import (
    OWN_MOST,
    Material,
    TrainingSet,
    config_of,
    fine_tune,
    plan_updates,
    training_set,
    weighed,
)
from asr.adaptation.lessons import covering, lesson, ordinary_words, other_domains
from asr.adaptation.material import draw_texts, read_takes, write_list
from asr.adaptation.steps import OWN, RESULT, SYNTHETIC, Adaptation, Request, Settings
from asr.adaptation.work_folder import WorkFolder
from asr.apps.adapt import show
from asr.apps.cli import app
from asr.apps.cli import run as run_command
from asr.apps.listening import attempt_all
from asr.apps.output import say
from asr.bundle import SETTINGS, WEIGHTS, read_bundle, record_rejection
from asr.commands import rejection
from asr.commands.evidence import MEASURES
from asr.commands.reading import Reading
from asr.commands.rejection import OperatingPoint, Rejection, Trial
from asr.data.manifests.manifest import read_manifest
from asr.data.synthetic import engines, voices
from asr.data.synthetic.made_noise import LEVELS_DB, made_noise, made_tones
from asr.data.texts.near_misses import near_misses
from asr.errors import AsrError, BundleError, ManifestError, SettingsError
from asr.text.tokenizer import Tokenizer
from asr.training.command import train
from asr.training.data_module import TrainingSource
from asr.training.export import last_checkpoints
from asr.training.module import SpeechModule
from asr.training.settings import LossSettings


class Listed:
    """A network whose sentences are listed, by command."""

    def __init__(self, **commands: Sequence[str]) -> None:
        self.sentences = commands
        self.commands = tuple(commands)

    def draw(self, generator: random.Random, command: str | None = None) -> str:
        """One of its sentences, or of one command's."""
        return generator.choice(self.sentences[command or generator.choice(self.commands)])

    def parse(self, text: str) -> Reading | None:
        """The command that has the sentence."""
        return next((Reading(name, {}, text) for name, all_ in self.sentences.items() if text in all_), None)

    def words(self) -> set[str]:
        """All of them."""
        return {word for all_ in self.sentences.values() for sentence in all_ for word in sentence.split()}


WORDS = st.text("abcdefg", min_size=1, max_size=5)
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=6)
NETWORKS = st.dictionaries(st.sampled_from(["one", "two", "three"]), SENTENCES, min_size=1).map(
    lambda commands: Listed(**commands)
)
COFFEE = Listed(
    order=[f"make me a {size} {drink}" for size in ("small", "large") for drink in ("coffee", "latte", "tea")],
    stop=["stop", "stop that please"],
)


# Texts


@settings(max_examples=50)
@given(NETWORKS, st.lists(WORDS, min_size=1, max_size=5), st.integers(0, 99))
def test_nothing_that_is_to_be_refused_is_in_the_grammar(network: Any, vocabulary: list[str], seed: int) -> None:
    missed = near_misses(network, vocabulary, 20, seed)
    assert not [text for text in missed if network.parse(text)]
    assert len(set(missed)) == len(missed) <= 20
    assert missed == near_misses(network, vocabulary, 20, seed)
    known = network.words() | {*vocabulary, "and", "then"}
    assert all(word in known for text in missed for word in text.split())


def test_near_misses_are_near() -> None:
    missed = near_misses(COFFEE, ordinary_words(), 400, 0)
    assert len(missed) == 400
    words = [text.split() for text in missed]
    assert ["make", "me", "a", "small"] in words, "half a command"
    assert any(text.endswith("make me a large tea") for text in missed), "inside a longer sentence"
    assert any(len(re.findall("stop|make me", text)) > 1 for text in missed), "two commands"
    assert any(re.fullmatch(r"make me a (small|large) \w+", text) for text in missed), "one word off"
    assert near_misses(COFFEE, ordinary_words(), 400, 1) != missed


def test_near_misses_of_a_grammar_that_takes_everything_are_none() -> None:
    everything = Listed(any=["take a note"])
    everything.parse = lambda text: Reading("any", {}, text)  # type: ignore[method-assign]
    assert near_misses(everything, ["word"], 10, 0) == []  # type: ignore[arg-type]
    assert other_domains(everything, ["word"], 10, 0) == []  # type: ignore[arg-type]


def test_near_misses_want_a_vocabulary() -> None:
    with pytest.raises(SettingsError, match="no words"):
        near_misses(COFFEE, [], 10, 0)  # type: ignore[arg-type]


@settings(max_examples=50)
@given(NETWORKS, st.integers(1, 30), st.integers(0, 99))
def test_commands_that_are_spoken_are_the_grammars(network: Any, count: int, seed: int) -> None:
    texts = covering(network, count, seed)
    assert len(texts) == count
    assert all(network.parse(text) for text in texts)


def test_every_value_is_said_before_any_is_said_again() -> None:
    names = [f"{first}{second}" for first in "abcdefgh" for second in "abcdefgh"]
    network = Listed(call=[f"call {name} please" for name in names], rare=["stop"])
    texts = covering(network, 65, 0)  # type: ignore[arg-type]
    assert len(set(texts)) > 60
    # By chance alone, a third of them would be missing.
    assert "stop" in texts


def test_a_lesson_has_as_many_others_of_which_most_are_near_misses() -> None:
    # As many as the ordinary words, so that some of them are drawn.
    rare = [f"xylophone{first}{second}" for first in ascii_lowercase for second in ascii_lowercase]
    made = lesson(COFFEE, rare, 50, 100, 3)  # type: ignore[arg-type]
    assert len(made.commands) == 50
    assert len(made.others) == 100
    assert len(set(made.others)) > 90
    assert made == lesson(COFFEE, rare, 50, 100, 3)  # type: ignore[arg-type]
    assert sum("stop" in text or "make" in text for text in made.others) > 30
    assert any("xylophone" in text for text in made.others)
    plain = lesson(COFFEE, [], 50, 100, 3)  # type: ignore[arg-type]
    assert not any("xylophone" in text for text in plain.others)


# Training that starts from a bundle


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """A folder with a train.tsv and a dev.tsv: tones by two speakers."""
    folder = tmp_path / "tones"
    folder.mkdir()
    for split, speaker in (("train", "ann"), ("dev", "bob")):
        rows = ["path\tspeaker\ttext"]
        for number in range(6):
            wave = 0.3 * np.sin(np.arange(12_000) * 0.05 * (number + 1)).astype(np.float32)
            soundfile.write(folder / f"{split}{number}.wav", wave, 16_000)
            rows.append(f"{split}{number}.wav\t{speaker}\t{['stop', 'go on'][number % 2]}")
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    return folder


def module_from(
    tiny: TinyModel, dropout: float = 0.1, encoder_layers: int | None = None, **options: Any
) -> SpeechModule:
    has = tiny.model.settings
    dimensions = replace(has, dropout=dropout, encoder_layers=encoder_layers or has.encoder_layers)
    loss = LossSettings(phoneme_layer=1)
    return SpeechModule(tiny.bundle / "tokenizer.model", model=dimensions, loss=loss, seed=1, **options)


def test_a_training_starts_from_a_bundles_weights(tiny: TinyModel) -> None:
    module = module_from(tiny, start_from=tiny.bundle)
    for name, weight in tiny.model.state_dict().items():
        assert torch.equal(module.model.state_dict()[name], weight), name
    assert not torch.equal(module_from(tiny).model.ctc.weight, module.model.ctc.weight)


def test_dropout_is_no_dimension(tiny: TinyModel) -> None:
    module = module_from(tiny, dropout=0.3, start_from=tiny.bundle)
    assert module.settings.dropout == 0.3
    assert torch.equal(module.model.ctc.weight, tiny.model.ctc.weight)


def test_a_training_starts_from_a_bundle_of_fewer_layers(tiny: TinyModel) -> None:
    layers = tiny.model.settings.encoder_layers
    deeper = module_from(tiny, encoder_layers=layers + 1, start_from=tiny.bundle).model.eval()
    assert len(deeper.encoder.layers) == layers + 1
    features, tokens = torch.randn(1, 40, deeper.feature_dim), torch.tensor([[1, 5]])
    logits, _ = deeper(features, torch.tensor([40]), tokens)
    assert torch.equal(logits, tiny.model(features, torch.tensor([40]), tokens)[0])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("--model.model.feedforward=64", "the bundle's model"),
        ("--model.model.encoder_layers=1", "the bundle's model"),
        ("--model.features.coefficients=20", "the bundle's features"),
        ("--model.tokenizer=other.model", "the bundle's tokenizer"),
        ("--model.start_from=absent", "absent: found no such folder"),
    ],
)
def test_a_bundle_of_another_model_is_no_start(
    tiny: TinyModel, tones: Path, tmp_path: Path, change: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.model").write_bytes(Tokenizer.train(["too red ore wand gone"] * 10, 36).model)
    config = {
        "model": {
            "tokenizer": str(tiny.bundle / "tokenizer.model"),
            "model": tiny.model.settings.to_dict(),
            "loss": {"phoneme_layer": 1},
            "start_from": str(tiny.bundle),
        },
        "data": {"train": [{"manifest": str(tones / "train.tsv")}], "dev": [str(tones / "dev.tsv")]},
    }
    Path("config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(AsrError, match=named):
        train(["--config", "config.yaml", change])


# What is learnt from


def listed(folder: Path, name: str, count: int) -> Path:
    """A manifest of so many recordings, which hold next to nothing."""
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "a.wav", np.zeros(160), 16_000)
    rows = ["path\tspeaker\ttext", *(f"{number}/../a.wav\tann\tstop" for number in range(count))]
    for number in range(count):
        (folder / str(number)).mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder / name


@pytest.mark.parametrize(("own", "before"), [(0, 0), (3, 0), (0, 40), (3, 40), (30, 2)])
def test_the_new_is_learnt_beside_what_was_known_and_the_persons_own(tmp_path: Path, own: int, before: int) -> None:
    new = listed(tmp_path / "new", "train.tsv", 20)
    rehearsed = TrainingSet()
    if before:
        rehearsed = TrainingSet(train=(TrainingSource(str(listed(tmp_path / "old", "old.tsv", before)), 0.5, 0.25),))
    takes = listed(tmp_path / "own", "own.tsv", own) if own else None
    sources = weighed(Material((new, new), (new,), takes, rehearsed))
    weight = {Path(source.manifest).name: source.weight for source in sources}
    assert weight.pop("train.tsv") == 1.0
    heard = {"own.tsv": own * weight.get("own.tsv", 0), "old.tsv": before * weight.get("old.tsv", 0)}
    whole = 40 + sum(heard.values())
    if own:
        assert 1 <= weight["own.tsv"] <= OWN_MOST
        assert heard["own.tsv"] / whole == pytest.approx(0.15, abs=0.02) or weight["own.tsv"] in (1, OWN_MOST)
    if before:
        assert {each.balance for each in sources if Path(each.manifest).name == "old.tsv"} == {0.25}
        assert weight["old.tsv"] <= 0.5, "no more often than when the bundle was trained"
        assert heard["old.tsv"] / whole == pytest.approx(0.3, abs=0.01) or weight["old.tsv"] == 0.5


def test_what_a_bundle_was_trained_with_is_looked_for(
    tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.tsv").write_text("words\n")
    here = listed(tmp_path / "here", "train.tsv", 1)
    config = {
        "data": {
            "train": [{"manifest": str(here), "weight": 0.4, "balance": 0.5}, {"manifest": "gone/train"}],
            "dev": [str(here), "bad.tsv"],
            "noise": ["gone/noise.tsv"],
            "impulses": None,
        }
    }
    bundle = replace(read_bundle(tiny.bundle), provenance={"config": yaml.safe_dump(config)})
    found = training_set(bundle)
    assert found.train == (TrainingSource(str(here), 0.4, 0.5),)
    assert (found.dev, found.noise, found.absent) == ((here,), (), ("gone/train", "gone/noise.tsv"))
    assert found.unreadable[0].startswith("bad.tsv:1: found the columns words")
    assert training_set(read_bundle(tiny.bundle)) == TrainingSet()
    for broken in ("data: [", "data: {train: [{weight: 1}]}", "a word"):
        with pytest.raises(SettingsError, match="export the model again"):
            training_set(replace(bundle, provenance={"config": broken}))


def test_a_bundle_cannot_have_devices_and_pipes_opened(tiny: TinyModel, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tsv")
    (tmp_path / "link.jsonl.gz").symlink_to("/dev/zero")
    (tmp_path / "names.tsv").write_text("path\tspeaker\ttext\n/dev/zero\ta\thi\n../pipe.tsv\ta\thi\n")
    strange = [
        "/dev/zero",
        str(tmp_path / "pipe.tsv"),
        str(tmp_path / "link.jsonl.gz"),
        "x" * 5000,
        "no\0name",
        "/dev/tty",
    ]
    data = {"train": [{"manifest": each} for each in strange], "dev": [str(tmp_path / "names.tsv")]}
    data |= {"noise": strange, "impulses": strange}
    bundle = replace(read_bundle(tiny.bundle), provenance={"config": yaml.safe_dump({"data": data})})
    found = training_set(bundle)
    assert (found.train, found.dev, found.noise, found.impulses) == ((), (), (), ())
    assert set(found.absent) == set(strange)
    assert "2 of 2 recordings are missing: /dev/zero (no regular file)" in found.unreadable[0]
    for broken in ("[" * 2_000, f"data: {{train: [{{manifest: x, weight: 1{'0' * 400}}}]}}"):
        with pytest.raises(SettingsError, match="export the model again"):
            training_set(replace(bundle, provenance={"config": broken}))


def test_no_sentence_that_is_measured_with_was_learnt_as_one_to_refuse() -> None:
    drawn = draw_texts(COFFEE, [], 60, 30, 0)
    learnt = set(drawn["train"]["others"])
    assert learnt
    for split in ("dev", "test"):
        assert drawn[split]["others"]
        assert not learnt & set(drawn[split]["others"])
    assert drawn["dev"]["others"] != drawn["test"]["others"]


@pytest.fixture
def takes(tmp_path: Path) -> Path:
    """Thirty takes of tones, of which the last three say what no grammar here has."""
    folder = tmp_path / "my_takes"
    folder.mkdir()
    rows = ["path\tspeaker\ttext"]
    for number in range(30):
        wave = 0.3 * np.sin(np.arange(8_000) * 0.02 * (number + 1)).astype(np.float32)
        soundfile.write(folder / f"{number}.flac", wave, 16_000)
        rows.append(f"{number}.flac\trms\t{'open the window' if number > 26 else 'stop'}")
    (folder / "train.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_about_a_third_of_the_takes_is_held_out_and_more_takes_move_none(takes: Path, tmp_path: Path) -> None:
    found = read_takes(takes, attempt_all)
    assert 4 <= len(found.held_out) <= 16
    assert len(found.train) + len(found.held_out) == 30
    rows = (takes / "train.tsv").read_text().splitlines()
    (takes / "train.tsv").write_text("\n".join(rows[:11]) + "\n")
    fewer = read_takes(takes, attempt_all)
    assert [each.id for each in fewer.held_out] == [each.id for each in found.held_out if int(each.id[:-5]) < 10]
    assert fewer.digest != found.digest
    (own,) = {each.speaker for each in read_manifest(write_list(found.train, tmp_path / "own.tsv"))}
    assert own != "rms", "a synthetic voice is called so"


def test_takes_that_cannot_be_read_are_left_out(takes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (takes / "3.flac").write_bytes(b"no sound")
    found = read_takes(takes, attempt_all)
    assert (found.unreadable, len(found.train) + len(found.held_out)) == (1, 29)
    assert "3.flac" in capsys.readouterr().err
    for path in takes.glob("*.flac"):
        path.write_bytes(b"")
    with pytest.raises(ManifestError, match="none of its 30 recordings"):
        read_takes(takes, attempt_all)
    (takes / "train.tsv").unlink()
    with pytest.raises(ManifestError, match=r"no train\.tsv; wanted a folder as `asr commands record`"):
        read_takes(takes, attempt_all)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.1, 3))
def test_made_noise_is_in_range_and_as_loud_as_it_says(seed: int, seconds: float) -> None:
    noise = made_noise(seconds, np.random.default_rng(seed))
    assert noise.shape == (round(seconds * 16_000),)
    assert noise.dtype == np.float32
    assert np.abs(noise).max() <= 1
    level = 20 * np.log10(np.sqrt(np.mean(np.square(noise, dtype=np.float64))))
    assert LEVELS_DB[0] - 0.5 <= level <= LEVELS_DB[1] + 0.5
    assert np.array_equal(noise, made_noise(seconds, np.random.default_rng(seed)))


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0, 3))
def test_made_tones_are_in_range_and_have_pitch(seed: int, seconds: float) -> None:
    tones = made_tones(seconds, np.random.default_rng(seed))
    assert tones.shape == (round(seconds * 16_000),)
    assert tones.dtype == np.float32
    assert np.abs(tones).max(initial=0) <= 2 * 10 ** (LEVELS_DB[1] / 20) + 1e-6
    assert np.array_equal(tones, made_tones(seconds, np.random.default_rng(seed)))
    if len(tones) > 2048:
        loudest = int(np.argmax(np.convolve(np.square(tones, dtype=np.float64), np.ones(1024), "valid")))
        power = np.abs(np.fft.rfft(tones[loudest : loudest + 1024] * np.hanning(1024))) ** 2
        assert np.sort(power)[-51:].sum() > 0.6 * power.sum(), "in a tenth of the frequencies; of noise a third"


def test_made_tones_are_of_many_kinds() -> None:
    """Some are silent between beeps, some never; some move, some stand still."""
    made = [made_tones(4, np.random.default_rng(seed)) for seed in range(40)]
    silent = [float(np.mean(np.abs(tones) < 1e-5)) for tones in made]
    assert min(silent) < 0.05
    assert max(silent) > 0.3


# The folder of the work


def test_a_result_is_made_once_and_never_by_halves(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(1)
        if len(made) == 1:
            raise KeyboardInterrupt
        return {"updates": 3}

    work = WorkFolder(tmp_path / "w", {"minutes": 1})
    with pytest.raises(KeyboardInterrupt):
        work.kept("plan", make)
    assert WorkFolder(tmp_path / "w", {"minutes": 1}).kept("plan", make) == {"updates": 3}
    assert WorkFolder(tmp_path / "w", {"minutes": 1}).kept("plan", make) == {"updates": 3}
    assert len(made) == 2
    with pytest.raises(SettingsError, match="begun with minutes 1 and not 2"):
        WorkFolder(tmp_path / "w", {"minutes": 2})
    (tmp_path / "w" / "plan.json").write_text("{")
    with pytest.raises(SettingsError, match=r"plan\.json: cannot be read"):
        work.kept("plan", make)
    work.remove()
    assert not (tmp_path / "w").exists()
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds something else"):
        WorkFolder(tmp_path / "w", {"minutes": 1})


# The whole

GRAMMAR = """\
language: en
lists:
  thing: [files, mails]
commands:
  show: ["show me my {thing}"]
  stop: ["stop [please]"]
"""
SMALL = Settings(updates=4, train=6, held_out=4, noises=4)
NEVER = Rejection(dict.fromkeys(MEASURES, 0.1), -1.0, OperatingPoint(0.6, 0.5, 0.1, 10, 10, {"noise": 0.0}))


@pytest.fixture
def grammar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small grammar in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "show.yaml").write_text(GRAMMAR)
    return tmp_path / "show.yaml"


@pytest.fixture
def spoken_for(grammar: Path, monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """With voices, and a calibration that also takes a model that knows nothing; the trials it was given."""
    try:
        found = voices.split_voices(voices.find_voices())
    except SettingsError as error:
        pytest.skip(str(error))
    if not all(found.values()):
        pytest.skip("too few synthetic voices are installed")
    given_trials: list[Trial] = []

    def calibrated(trials: Sequence[Trial]) -> Rejection:
        given_trials.extend(trials)
        return NEVER

    monkeypatch.setattr(rejection, "calibrate", calibrated)
    return given_trials


def request(tiny: TinyModel, out: str = "mine", **changes: Any) -> Request:
    return replace(Request(("show.yaml",), tiny.bundle, Path(out), None, SMALL), **changes)


def test_a_calibrated_bundle_rejects_as_before(
    tiny: TinyModel, spoken_for: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is heard for it; what the uncalibrated do is below."""
    kept = replace(NEVER, intercept=-1.5)
    for name in ("begun", "learnt"):
        shutil.copytree(tiny.bundle, name)
    record_rejection(Path("begun"), kept.to_dict())
    adaptation = Adaptation(request(tiny, bundle="begun"), attempt_all)
    monkeypatch.setattr(Adaptation, "candidate", Path("learnt"))
    adaptation.calibrate()
    for found in (read_bundle(Path("learnt")).rejection, adaptation.work.kept("rejection", dict)):
        assert found is not None
        assert Rejection.from_dict(found) == kept
    monkeypatch.setattr("asr.adaptation.steps.speak_texts", lambda texts, *_: texts)
    spoken = cast(dict[str, Any], adaptation.speech)
    assert {split: bool(texts["others"]) for split, texts in spoken.items()} == {
        "train": True,
        "dev": False,
        "test": True,
    }
    assert not spoken_for


@pytest.mark.slow
def test_an_interrupted_adaptation_goes_on_to_the_same_bundle(
    tiny: TinyModel,
    spoken_for: list[Trial],
    takes: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(tiny.bundle, "straight")  # an older one, that is replaced
    show(carry_out(Adaptation(request(tiny, "straight", recordings=takes), attempt_all), keep=False, tell=say))
    told = capsys.readouterr().out
    assert not Path("straight.work").exists()
    assert "3 takes say what the grammar does not have" in told
    assert "commands accepted exactly" in told
    assert "after 4 updates" in told
    assert {trial.kind for trial in spoken_for} >= {"command", "other speech", "noise"}

    straight = read_bundle(Path("straight"))
    assert straight.rejection is not None
    assert Rejection.from_dict(straight.rejection) == NEVER
    assert straight.decoding == read_bundle(tiny.bundle).decoding
    assert straight.provenance["updates"] == 4
    assert straight.provenance["adapted"]["grammars"][0][0] == "show.yaml"
    result = json.loads((Path("straight") / RESULT).read_text())
    assert set(result["tables"]) == {SYNTHETIC, OWN}
    assert {each["kind"] for each in result["after"][SYNTHETIC]} == {"command", "speech", "noise"}
    assert (Path("straight") / WEIGHTS).read_bytes() != (tiny.bundle / WEIGHTS).read_bytes(), "it has learnt"

    # Once in the midst of speaking, once in the midst of learning, and once before all is measured.
    from asr.data.synthetic import synthesis

    speak, begin, done = synthesis.synthesize, SpeechModule.on_train_batch_start, []

    def stopped_speaking(*args: Any, **options: Any) -> Any:
        done.append("spoken")
        if len(done) == 3:
            raise KeyboardInterrupt
        return speak(*args, **options)

    def stopped_learning(self: SpeechModule, *args: Any) -> None:
        if self.global_step == 2:
            raise KeyboardInterrupt
        begin(self, *args)

    def stopped_measuring(*_: Any) -> Any:
        raise KeyboardInterrupt

    for owner, name, stop in (
        (synthesis, "synthesize", stopped_speaking),
        (SpeechModule, "on_train_batch_start", stopped_learning),
        (Adaptation, "measure_after", stopped_measuring),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, stop)
            with pytest.raises(KeyboardInterrupt):
                carry_out(Adaptation(request(tiny, recordings=takes), attempt_all), keep=False, tell=say)
        assert "goes on from what is in mine.work" in capsys.readouterr().out
        assert not Path("mine").exists()
    with pytest.raises(SettingsError, match="begun with updates 4 and not 5"):
        Adaptation(request(tiny, recordings=takes, settings=replace(SMALL, updates=5)), attempt_all)
    carry_out(Adaptation(request(tiny, recordings=takes), attempt_all), keep=True, tell=say)
    assert Path("mine.work").is_dir()
    resumed, wanted = (json.loads(Path(name, SETTINGS).read_text()) for name in ("mine", "straight"))
    for each in (resumed, wanted):
        del each["provenance"]["commit"]  # of the checkout, which somebody may be working in
    assert resumed == wanted, "the files' digests are among it"


def test_minutes_become_updates(tiny: TinyModel, tones: Path) -> None:
    # As of a bundle whose own training held its rate far longer than this one lasts.
    before = TrainingSet(settings={"model": {"optimiser": {"hold_updates": 10_000, "weight_decay": 0.03}}})
    material = Material((tones / "train.tsv",), (tones / "dev.tsv",), None, before)
    config = config_of(read_bundle(tiny.bundle), material, tones / "run", peak_rate=1e-3, seed=0)
    planned = plan_updates(config, 0.02)
    assert planned.updates >= 1
    assert plan_updates(config, 100.0).updates > 20 * planned.updates
    fine_tune(config, 3, planned.data)
    assert last_checkpoints(tones / "run", 1)[0].name == "step=3.ckpt"
    state = torch.load(last_checkpoints(tones / "run", 1)[0], weights_only=True)["optimizer_states"][0]
    assert [group["weight_decay"] for group in state["param_groups"]] == [0.03, 0.0], "of the bundle's own training"
    assert state["param_groups"][0]["lr"] == pytest.approx(0.02e-3), "the rate has fallen to its floor"
    fine_tune(config, 3)  # is done, and stays so


def test_adapting_in_bf16_goes_on_as_if_nothing_had_been(
    tiny: TinyModel, tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    material = Material((tones / "train.tsv",), (tones / "dev.tsv",), None, TrainingSet())
    kept = {}
    for name in ("straight", "resumed"):
        config = config_of(read_bundle(tiny.bundle), material, tmp_path / name, peak_rate=1e-3, seed=0)
        assert config["trainer"]["gradient_clip_val"] == 1.0
        config["trainer"]["precision"] = "bf16-mixed"
        config["save_every_updates"] = 1
        config["data"]["workers"] = 0
        if name == "resumed":
            begin = SpeechModule.on_train_batch_start

            def stopped(self: SpeechModule, *args: Any, begin: Any = begin) -> None:
                if self.global_step == 2:
                    raise OSError("power cut")
                begin(self, *args)

            with monkeypatch.context() as patch:
                patch.setattr(SpeechModule, "on_train_batch_start", stopped)
                with pytest.raises(OSError, match="power cut"):
                    fine_tune(config, 3)
        fine_tune(config, 3)
        kept[name] = torch.load(last_checkpoints(tmp_path / name, 1)[0], weights_only=True)
    assert kept["resumed"]["global_step"] == 3
    for name, weight in kept["straight"]["state_dict"].items():
        assert torch.equal(kept["resumed"]["state_dict"][name], weight), name
    before = tiny.model.state_dict()["ctc.weight"]
    assert not torch.equal(kept["straight"]["state_dict"]["model.ctc.weight"], before), "it has learnt"


def test_outcomes_survive_being_kept(tiny: TinyModel, spoken_for: list[Trial], takes: Path) -> None:
    listener = Adaptation(request(tiny), attempt_all).before
    kept = listen_all(listener, NEVER, read_manifest(takes / "train.tsv")[-6:], "Listening", attempt_all)
    found = outcomes(json.loads(json.dumps(kept)))
    assert [each.kind for each in found] == ["command"] * 3 + ["speech"] * 3
    assert found[0].expected == Reading("stop", {}, "stop")
    assert command_rows(found, found)[0].name == "commands accepted exactly"
    assert all(row.before == row.after for row in command_rows(found, found))
    assert command_rows([], []) == []


def test_word_errors_are_of_what_both_have_read() -> None:
    row = word_row("words", {"a": ("go on", "go on", "x"), "b": ("stop", "", "x")}, {"b": ("stop", "stop", "x")})
    assert row.before is not None
    assert row.after is not None
    assert (row.before.value, row.after.value) == (1.0, 0.0)
    assert word_row("words", {}, {}).before is None


@pytest.mark.slow
def test_a_program_adapts_as_the_command_does(
    tiny: TinyModel, spoken_for: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, least in (("_TRAIN", 6), ("_HELD_OUT", 4), ("_NOISES", 4)):
        monkeypatch.setattr(adapt_module, name, (1, least, least))
    told: list[str] = []
    adapted = asr.adapt("show.yaml", "mine", bundle=tiny.bundle, minutes=0.01, tell=told.append)
    assert told[0] == "show.yaml: 4 sentences"
    assert told[-1] == "6/6 measuring the adapted bundle"
    assert adapted.updates >= 1
    assert asr.load(adapted.bundle).transcriber.bundle.provenance["updates"] == adapted.updates
    (row, *_) = adapted.tables[SYNTHETIC]
    assert row.before is not None
    assert 0 <= row.before.low <= row.before.value <= row.before.high <= 1
    assert not Path("mine.work").exists()


# What cannot be used


def test_a_programs_mistakes_are_those_of_the_command(tiny: TinyModel, grammar: Path) -> None:
    with pytest.raises(SettingsError, match="minutes is 0; it must be a number above 0"):
        asr.adapt("show.yaml", "mine", minutes=0)
    with pytest.raises(SettingsError, match="engines: found 'hal', wanted some of espeak-ng"):
        asr.adapt("show.yaml", "mine", engines=["hal"])
    with pytest.raises(BundleError, match="absent: found no such folder"):
        asr.adapt(["show.yaml"], "mine", bundle="absent")
    assert not list(Path.cwd().glob("mine*"))


def test_without_a_synthesiser_it_says_what_to_install(
    tiny: TinyModel, grammar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(engines, "PICO_PACKAGE", "no-such-package")
    voices.voices_of.cache_clear()
    try:
        with pytest.raises(SettingsError, match="apt-get install espeak-ng flite"):
            Adaptation(request(tiny), attempt_all)
    finally:
        voices.voices_of.cache_clear()
    assert not Path("mine.work").exists()


def test_synthesisers_without_a_voice_for_each_split_are_refused_at_once(tiny: TinyModel, grammar: Path) -> None:
    if not voices.voices_of("hibari"):
        pytest.skip("the package hibari-tts is not installed")
    with pytest.raises(SettingsError, match=r"no voice for dev.*--engines"):
        Adaptation(request(tiny, settings=replace(SMALL, engines=("hibari",))), attempt_all)
    assert not Path("mine.work").exists()


def test_a_bundle_that_cannot_be_trained_is_refused(tiny: TinyModel, grammar: Path) -> None:
    shutil.copytree(tiny.bundle, "start")
    weights = Path("start", WEIGHTS)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="copy the whole bundle again"):
        Adaptation(request(tiny, bundle=Path("start")), attempt_all)
    weights.unlink()
    with pytest.raises(BundleError, match=r"weights\.safetensors: the file is missing"):
        Adaptation(request(tiny, bundle=Path("start")), attempt_all)


def test_a_folder_that_is_no_bundle_is_left_alone(tiny: TinyModel, grammar: Path) -> None:
    Path("mine").mkdir()
    with pytest.raises(BundleError, match="mine: exists and is no bundle"):
        Adaptation(request(tiny), attempt_all)
    assert not Path("mine.work").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["show.yaml", "--minutes", "0"], "minutes is 0.0; it must be a number above 0"),
        (["show.yaml", "--minutes", "nan"], "minutes is nan"),
        (["shaw.yaml"], "shaw.yaml"),
        (["show.yaml", "--bundle", "absent"], "absent: found no such folder"),
        (["show.yaml", "--recordings", "absent"], "absent: found no train.tsv"),
        (["broken.yaml"], "broken.yaml:4"),
    ],
)
def test_what_was_typed_wrong_is_said_in_a_line(
    tiny: TinyModel, spoken_for: list[Trial], arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.yaml").write_text("language: en\ncommands:\n  show:\n    - show {absent}\n")
    if "--bundle" not in arguments:
        arguments = [*arguments, "--bundle", str(tiny.bundle)]
    assert run_command(app, ["adapt", *arguments, "--out", "mine"], "asr") == 1
    assert named in capsys.readouterr().err
    assert not list(Path.cwd().glob("mine*"))
