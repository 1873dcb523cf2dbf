"""Sentences drawn from PocketSphinx's model of English, by which the language model learns how people talk."""

import importlib.util
import math
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

pocketsphinx = pytest.importorskip("pocketsphinx")

SCRIPT = ROOT / "recipes" / "commands" / "everyday.py"
FILE = Path(pocketsphinx.get_model_path()) / "en-us" / "en-us.lm.bin"


@pytest.fixture(scope="module")
def everyday() -> ModuleType:
    spec = importlib.util.spec_from_file_location("everyday", SCRIPT)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules["everyday"] = made  # which dataclasses look for
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def model(everyday: ModuleType) -> Any:
    return everyday.read_trigrams(FILE)


@pytest.fixture(scope="module")
def theirs() -> Any:
    read = pocketsphinx.NGramModel.readfile(str(FILE))
    # In logarithms to the base 1.0001, of the last word first, then those before it.
    return lambda *words: math.exp(read.prob(list(reversed(words))) * math.log(1.0001))


def test_the_probabilities_are_pocketsphinxs(model: Any, theirs: Any) -> None:
    rng = np.random.default_rng(0)
    size = len(model.words)
    for level, words in ((model.twos, 2), (model.threes, 3)):
        probabilities = np.diff(level.sums, prepend=0)
        for place in rng.integers(len(level.words), size=300).tolist():
            key, word = divmod(int(level.whole[place]), size)
            context = (key,) if words == 2 else (key % size, key // size)
            said = [model.words[each] for each in (*context, word)]
            # PocketSphinx keeps logarithms as whole numbers.
            assert probabilities[place] == pytest.approx(theirs(*said), rel=2e-4, abs=1e-9), said


def test_each_word_follows_two_others_as_often_as_the_model_says(model: Any, theirs: Any) -> None:
    sentences = model.draw(20_000, np.random.default_rng(1))
    assert max(sentence.count(" ") for sentence in sentences) < 40
    firsts: Counter[str] = Counter()
    after: dict[tuple[str, str], Counter[str]] = {}
    for sentence in sentences:
        words = ["<s>", *sentence.split(), "</s>"]
        firsts[words[1]] += 1
        for (one, other), last in zip(pairwise(words), words[2:], strict=False):
            after.setdefault((one, other), Counter())[last] += 1

    def as_often(context: tuple[str, ...], found: Counter[str]) -> None:
        total = found.total()
        for word, times in found.most_common(5):
            wanted = theirs(*context, word)
            assert abs(times / total - wanted) < 5 * math.sqrt(wanted * (1 - wanted) / total) + 0.01, (context, word)

    as_often(("<s>",), firsts)
    usual = sorted(after, key=lambda pair: -after[pair].total())
    for context in usual[:30]:
        as_often(context, after[context])
    # Pairs after which nothing is known: each goes on by its last word alone.
    number = {word: index for index, word in enumerate(model.words)}
    keys = np.array([number[other] * len(number) + number[one] for one, other in usual])
    known = np.isin(keys, model.threes.keys)
    unknown = [pair for pair, has in zip(usual, known, strict=True) if not has and pair[0] != "<s>"]
    merged: Counter[bool] = Counter()
    for pair in unknown:
        for word, times in after[pair].items():
            merged[word == "</s>"] += times
    wanted = sum(after[pair].total() * theirs(*pair, "</s>") for pair in unknown) / merged.total()
    assert merged[True] / merged.total() == pytest.approx(wanted, abs=0.02)


def test_the_same_seed_writes_the_same_file_and_no_other_model_is_taken(everyday: ModuleType, tmp_path: Path) -> None:
    outs = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for out in outs:
        subprocess.run([sys.executable, SCRIPT, out, "--words", "3000", "--seed", "5"], check=True)
    one, two = (out.read_text() for out in outs)
    assert one == two
    assert 3000 <= len(one.split()) < 6000
    assert sorted(tmp_path.iterdir()) == outs, "nothing half-written"
    other = tmp_path / "other.bin"
    other.write_bytes(b"Trie Language Model\x04" + bytes(100))
    with pytest.raises(ValueError, match="no trigram model"):
        everyday.read_trigrams(other)
