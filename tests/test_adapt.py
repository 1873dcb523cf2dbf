"""Adapting a bundle to a person's commands: texts, the training that goes on, the steps and their interruptions."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from conftest import TinyModel
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.commands.reading import Reading
from asr.data.synthetic.lessons import covering, lesson, ordinary_words, other_domains
from asr.data.synthetic.near_misses import near_misses
from asr.errors import AsrError, SettingsError
from asr.text.tokenizer import Tokenizer
from asr.training.command import train
from asr.training.module import LossSettings, SpeechModule


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


@settings(max_examples=50, deadline=None)
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


@settings(max_examples=50, deadline=None)
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
    made = lesson(COFFEE, ["xylophone"], 50, 100, 3)  # type: ignore[arg-type]
    assert len(made.commands) == 50
    assert len(set(made.others)) == 100
    assert made == lesson(COFFEE, ["xylophone"], 50, 100, 3)  # type: ignore[arg-type]
    assert sum("stop" in text or "make" in text for text in made.others) > 30
    assert any("xylophone" in text for text in made.others)


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


def module_from(tiny: TinyModel, dropout: float = 0.1, **options: Any) -> SpeechModule:
    dimensions = replace(tiny.model.settings, dropout=dropout)
    loss = LossSettings(phoneme_layer=1)
    return SpeechModule(tiny.bundle / "tokenizer.model", model=dimensions, loss=loss, seed=1, **options)


def test_a_training_starts_from_a_bundles_weights(tiny: TinyModel) -> None:
    module = module_from(tiny, start_from=tiny.bundle)
    for name, weight in tiny.model.state_dict().items():
        assert torch.equal(module.model.state_dict()[name], weight), name
    assert not torch.equal(module_from(tiny).model.ctc.weight, module.model.ctc.weight)


def test_dropout_is_no_dimension(tiny: TinyModel) -> None:
    module_from(tiny, dropout=0.3, start_from=tiny.bundle)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("--model.model.feedforward=64", "the bundle's model"),
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
