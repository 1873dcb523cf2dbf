"""Texts to speak: lines of a file as they are, sentences of a grammar as its templates allow."""

from pathlib import Path

import pytest

from asr.commands.grammar.form import read_grammar
from asr.commands.network.network import compile_network
from asr.data.texts.sources import read_lines, read_texts
from asr.errors import SettingsError
from asr.text.normaliser import Normaliser

COFFEE = """
language: en
lists:
  size: [small, "eight ounce"]
  drink: [latte, {in: "(ice|iced) tea", out: tea}]
  state: [on, off]
expansion_rules:
  polite: "(please|kindly)"
commands:
  order:
    - "[<polite>] bring [me|us] [a {size}] {drink}"
    - "(lamp;turn {state};[now])"
  stop: stop[ it]
intents:
  Home:
    data:
      - sentences: ["open the <thing>"]
        expansion_rules: {thing: "(door|{size} window)"}
"""


@pytest.fixture
def coffee(tmp_path: Path) -> Path:
    path = tmp_path / "coffee.yaml"
    path.write_text(COFFEE)
    return path


def test_just_the_sentences_of_the_templates_are_drawn(coffee: Path) -> None:
    drawn = set(read_texts(coffee, 0, 4000).lines)
    assert {"stop", "stop it", "bring ice tea", "kindly bring us a eight ounce latte", "turn off now lamp"} <= drawn
    network = compile_network([read_grammar(coffee)], Normaliser())
    assert len(drawn) <= network.count()
    assert all(network.parse(sentence) for sentence in drawn)


def test_a_folder_is_one_grammar(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("lists: {drink: [tea]}")
    (tmp_path / "b.yml").write_text("commands: {order: ['bring {drink}']}")
    assert read_texts(tmp_path, 0, 2).lines == ["bring tea"] * 2


def test_sentences_are_fixed_by_the_seed_and_the_first_do_not_depend_on_how_many(coffee: Path) -> None:
    drawn = read_texts(coffee, 1, 50).lines
    assert drawn == read_texts(coffee, 1, 50).lines == read_texts(coffee, 1, 60).lines[:50]
    assert drawn != read_texts(coffee, 2, 50).lines


def test_lines_are_read_without_blanks_and_remarks(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("\n# a remark\n stop \nstop it\n")
    assert read_texts(path, 5, 1).lines == read_lines(path) == ["stop", "stop it"]


@pytest.mark.parametrize("content", ["", "\n# nothing but a remark\n"])
def test_text_file_without_text_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "texts.txt"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"texts\.txt"):
        read_lines(path)
    with pytest.raises(SettingsError, match=r"absent\.txt"):
        read_lines(tmp_path / "absent.txt")
    with pytest.raises(SettingsError, match=r"absent\.yaml"):
        read_texts(tmp_path / "absent.yaml", 0, 1)
