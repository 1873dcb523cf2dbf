"""What commands cost, and PocketSphinx beside: grammars of every size, the same in JSGF, and tables that hold."""

import random
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from numpy.typing import NDArray
from test_scripts import script

from asr.audio.load import SAMPLE_RATE
from asr.commands.grammar.form import read_grammar
from asr.commands.network.network import compile_network
from asr.data.manifests.manifest import read_manifest
from asr.errors import SettingsError
from asr.text.normaliser import Normaliser

LISTS = {
    "speech_commands/dev.tsv": [("tree", 20), ("house", 3)],
    "fsdd/dev.tsv": [("one", 2), ("two", 2)],
    "precise/train.tsv": [("hey chatterbox", 2), ("computer", 2), ("flooring", 1)],
    "speechocean762/dev.tsv": [("we call it bear", 2)],
}
GLUED = """
language: en
lists: {size: [small, {in: "(big|large) one[s]", out: big}], percent: {range: {from: 0, to: 100, step: 50}}}
expansion_rules: {what: "light[s]"}
commands:
  dim: ["dim the <what> [to {percent} percent]", "(the <what>;down) [please]"]
  take: ["bring{ing|}"]
  pick: ["pick (egg|ball)[s] {size}"]
""".replace("bring{ing|}", "(bring|fetch)[ing] it")


bench = script("bench_commands")
costs = script("grammar_costs")
corpus_words = script("corpus_words")
jsgf = script("jsgf")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory, words: list[NDArray[np.float32]]) -> Path:
    """The corpora in miniature: three words, whatever the lists say."""
    folder = tmp_path_factory.mktemp("corpora")
    for name, texts in LISTS.items():
        lines = ["path\tspeaker\ttext"]
        for text, many in texts:
            for number in range(many):
                path = f"{'not-wake-words' if text == 'flooring' else text.replace(' ', '')}/{number}.wav"
                (folder / name).parent.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
                soundfile.write((folder / name).parent / path, words[number % 3], SAMPLE_RATE)
                lines.append(f"{path}\tspeaker{number}\t{text}")
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


# Grammars


@pytest.mark.parametrize(("entries", "lists"), [(8, 1), (10, 1), (10, 2), (12, 3), (100, 3)])
def test_a_grammar_is_as_large_as_asked_for_and_has_the_samples(
    costs: ModuleType, corpus_words: ModuleType, tmp_path: Path, entries: int, lists: int
) -> None:
    texts = corpus_words.texts(read_manifest(costs.SAMPLES))
    grammar = costs.size_grammar(texts, entries, lists, 3)
    assert grammar == costs.size_grammar(texts, entries, lists, 3)
    assert all(len(values) == entries for values in grammar["lists"].values())
    network = compile_network([read_grammar(corpus_words.write_grammar(grammar, tmp_path))], Normaliser())
    assert network.count() == entries**lists + (entries**2 if lists == 3 else 0)
    for text in texts:
        assert network.parse(text) is not None


def test_words_of_the_corpora_become_commands(bench: ModuleType, miniature: Path) -> None:
    tasks = {task.name.split(";")[0].split(",")[0]: task for task in bench.tasks(miniature, 100, 0)}
    digits, words, often, phrases = tasks.values()
    assert (set(often.commands), {each.text for each in often.other}) == ({"tree"}, {"house"})
    assert set(digits.commands.values()) == {"one", "two"}
    assert {each.text for each in digits.other} == {"tree", "house"}
    assert set(words.commands.values()) == {"tree", "house"}
    assert phrases.commands == {"hey_chatterbox": "hey chatterbox", "computer": "computer"}
    assert [each.text for each in phrases.other] == ["flooring"]
    for task in tasks.values():
        assert {each.text for each in task.said} <= set(task.commands.values())
        assert not {each.text for each in task.other} & set(task.commands.values())
    few = bench.tasks(miniature, 3, 0)[0]
    assert len(few.said) == len(few.other) == 3
    assert few == bench.tasks(miniature, 3, 0)[0]


# The same in JSGF


@pytest.mark.parametrize("name", ["glued", "home", "media", "yes-no"])
def test_jsgf_has_the_sentences_of_the_grammar(jsgf: ModuleType, tmp_path: Path, name: str) -> None:
    """PocketSphinx accepts what is drawn, and of what is a word off just what the grammar has too."""
    pocketsphinx = pytest.importorskip("pocketsphinx")
    path = ROOT / "configs" / "commands" / f"{name}.yaml"
    if name == "glued":
        path = tmp_path / "glued.yaml"
        path.write_text(GLUED, encoding="utf-8")
    grammar, normaliser = read_grammar(path), Normaliser()
    network = compile_network([grammar], normaliser)
    decoder = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    written = jsgf.write_jsgf(grammar, normaliser, lambda word: decoder.lookup_word(word) is not None)
    assert written.words == network.words()
    decoder.add_jsgf_string("commands", written.text)
    model = decoder.get_fsg("commands")
    generator, known = random.Random(5), sorted(written.words - written.missing)
    checked = changed = 0
    for _ in range(100):
        said = network.draw(generator).split()
        if written.missing & set(said):
            continue
        assert model.accept(" ".join(said)), said
        said[generator.randrange(len(said))] = generator.choice(known)
        accepted = network.parse(" ".join(said)) is not None
        assert bool(model.accept(" ".join(said))) == accepted, said
        checked, changed = checked + 1, changed + (not accepted)
    assert checked > 50
    assert changed > 10


def test_words_without_a_pronunciation_cannot_be_said(jsgf: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "grammar.yaml"
    path.write_text(
        'language: en\nlists: {who: [ann, bob b, zed]}\ncommands: {a: ["call {who}", "zed (or|and) ann"], b: ["zed"]}\n'
    )
    written = jsgf.write_jsgf(read_grammar(path), Normaliser(), lambda word: word != "zed")
    assert written.missing == {"zed"}
    assert written.words == {"call", "ann", "bob", "b", "zed", "or", "and"}
    assert "zed" not in written.text
    assert "<who_0> = (ann | bob b);" in written.text
    assert "public <command> = (call <who_0>);" in written.text


@pytest.mark.parametrize(
    ("lists", "template"), [("name: {wildcard: true}", "say {name}"), ("name: [a]", "the {name}s")]
)
def test_what_jsgf_cannot_say_is_refused(jsgf: ModuleType, tmp_path: Path, lists: str, template: str) -> None:
    path = tmp_path / "grammar.yaml"
    path.write_text(f'language: en\nlists: {{{lists}}}\ncommands: {{a: ["{template}"]}}\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"grammar.yaml:\d+: .*JSGF wants"):
        jsgf.write_jsgf(read_grammar(path), Normaliser(), lambda _: True)


# The tables


def test_a_grammar_that_is_too_much_ends_nothing_else(costs: ModuleType) -> None:
    assert costs.alone(abs, -3, limit=60) == 3
    assert costs.alone(time.sleep, 60.0, limit=0.2) == "more than 0.2 s"
    assert costs.alone(float, "no\nnumber", limit=60) == r"could not convert string to float: 'no\nnumber'"
    assert costs.alone(sys.exit, limit=60) == "the process ended"


@pytest.mark.slow
def test_both_recognisers_on_the_same_recordings(willing_bundle: Path, miniature: Path) -> None:
    pytest.importorskip("pocketsphinx")
    command = [sys.executable, ROOT / "scripts" / "bench" / "bench_commands.py", "--bundle", willing_bundle]
    options = ["--corpora", miniature, "--sizes", "2", "--rounds", "1", "--utterances", "3"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    sizes = [row for row in rows if len(row) == 12][2:]
    assert [row[1] for row in sizes] == ["10", "", "100", ""]
    assert [row[3] for row in sizes] == ["ours", "PocketSphinx"] * 2
    for row in sizes:
        assert row[7].endswith(" of 8")
        assert 0 < float(row[9]) <= float(row[8]) * 1.5
        if row[3] == "ours":
            assert 0.1 < float(row[11]) < 20
    marks = [row for row in rows if len(row) == 10][2:]
    assert [row[0] for row in marks] == ["1", "1", "2", "2", "3", "3", "4", "4"]
    for ours, sphinx in zip(marks[::2], marks[1::2], strict=True):
        assert (ours[1], sphinx[1]) == ("ours", "PocketSphinx")
        assert ours[2] == sphinx[2]
        assert ours[6] == sphinx[6]
        assert float(ours[9].split()[0]) > 0
    assert re.search("no pronunciation for chatterbox: [123] of 3 recordings", done.stdout)


def test_a_corpus_that_is_not_there_is_named(willing_bundle: Path, tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "bench" / "bench_commands.py", "--corpora", tmp_path, "--sizes", "0"]
    done = subprocess.run([*command, "--bundle", willing_bundle], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "dev.tsv: no such file" in done.stderr
    assert len(done.stderr.splitlines()) == 1
