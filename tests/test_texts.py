"""Texts to speak: lines of a file as they are, sentences of a grammar as its templates allow."""

from pathlib import Path

import pytest

from asr.data.synthetic.texts import read_grammar, read_lines, read_texts
from asr.errors import SettingsError

hassil_sample = pytest.importorskip("hassil.sample", reason="hassil is not installed")

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


def all_sentences(path: Path) -> set[str]:
    """Every sentence, as hassil itself lists them."""
    grammar = read_grammar(path)
    found = set()
    for templates in grammar.commands.values():
        for template in templates:
            lists = {
                name: hassil_sample.TextSlotList(
                    name, [hassil_sample_value(expression) for _, expression in body.values]
                )
                for name, body in template.lists.items()
            }
            rules = {name: hassil_sentence(expression) for name, (_, expression) in template.rules.items()}
            sample = hassil_sample.sample_expression(template.expression, lists, rules)
            found |= {" ".join(sentence.split()) for sentence in sample}
    return found


def hassil_sample_value(expression: object) -> object:
    from hassil.intents import TextSlotValue

    return TextSlotValue(expression, None)


def hassil_sentence(expression: object) -> object:
    from hassil.expression import Sentence

    return Sentence(expression)


def test_just_the_sentences_of_the_templates_are_drawn(coffee: Path) -> None:
    allowed = all_sentences(coffee)
    assert {"stop", "stop it", "bring ice tea", "kindly bring us a eight ounce latte", "turn off now lamp"} <= allowed
    drawn = read_texts(coffee, 0, 4000)
    assert len(drawn) == 4000
    assert set(drawn) == allowed


def test_sentences_are_fixed_by_the_seed_and_the_first_do_not_depend_on_how_many(coffee: Path) -> None:
    drawn = read_texts(coffee, 1, 50)
    assert drawn == read_texts(coffee, 1, 50) == read_texts(coffee, 1, 60)[:50]
    assert drawn != read_texts(coffee, 2, 50)


def test_count_is_what_there_is(coffee: Path) -> None:
    # An order in which nothing is said at one place reads as another one: "lamp turn on", with the silence elsewhere.
    silent_now = 2 * 6 - 2 * 2
    assert read_grammar(coffee).count() == len(all_sentences(coffee)) + silent_now


def test_a_huge_grammar_is_drawn_from_without_listing_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    twelve = " ".join(["{digit}"] * 12)
    path.write_text(
        f"lists: {{digit: {{range: {{from: 0, to: 9}}}}}}\ncommands: {{dial: ['dial {twelve}'], stop: stop}}"
    )
    assert read_grammar(path).count() == 10**12 + 1
    drawn = read_texts(path, 0, 300)
    assert len(set(drawn)) > 200
    assert drawn.count("stop") >= 3
    digits = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
    assert {word for sentence in drawn for word in sentence.split()} == {"dial", "stop"} | digits


def test_numbers_are_spelled_and_end_where_the_range_does(tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text(
        "lists: {percent: {range: {from: 0, to: 100, step: 50}}}\n"
        "commands: {dim: ['{percent} percent'], times: ['{2..3:times} times']}\n"
    )
    assert set(read_texts(path, 0, 200)) == {
        *("zero percent", "fifty percent", "one hundred percent", "two times", "three times")
    }


def test_what_may_be_any_words_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "wild.yaml"
    path.write_text("lists: {title: {wildcard: true}}\ncommands: {play: ['play (jazz|{title})', 'say {title}']}")
    assert set(read_texts(path, 0, 50)) == {"play jazz"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("commands: {a: [b", r"g\.yaml:1: found no YAML"),
        ("- a\n- b\n", r"g\.yaml: found neither commands nor intents"),
        ("comands: {a: [b]}", r"g\.yaml: found neither commands nor intents"),
        ("language: de\ncommands: {a: [b]}", "language 'de'; wanted English"),
        ("commands:\n  a:\n    - b\n    - 'c (d'\n", r"g\.yaml:4: cannot be parsed .* '\)'"),
        ("commands:\n  a:\n    - 'b {c}'\n", r"g\.yaml:3: \{c\} is not among the `lists:`; there are none"),
        ("lists: {drink: [tea]}\ncommands: {a: ['{drnk}']}", r"g\.yaml:2: \{drnk\} .* did you mean \{drink\}\?"),
        ("commands:\n  a: ['b <c>']\n", r"g\.yaml:2: <c> is not among the `expansion_rules:`"),
        ("expansion_rules: {c: 'd [<c>]'}\ncommands: {a: ['<c>']}", "the rule <c> is used in itself"),
        ("lists: {c: ['{c}']}\ncommands: {a: ['{c}']}", r"the list \{c\} is used in itself"),
        ("lists: {c: []}\ncommands: {a: ['{c}']}", "list c: found a list; wanted a list of values"),
        ("lists: {c: {range: {from: 5}}}\ncommands: {a: ['{c}']}", "list c: wanted `range: "),
        ("lists: {c: {range: {from: 5, to: 1}}}\ncommands: {a: ['{c}']}", "from 5 to 1"),
        ("lists: {c: {wildcard: true}}\ncommands: {a: ['{c}']}", "no sentence that could be drawn"),
        ("commands: {a: ['[b]', '']}", "found nothing, wanted text"),
        ("commands: {}", "no sentence that could be drawn"),
        ("commands: [a]", "found a list where names"),
        ("commands: {a: [[b]]}", "found a list, wanted text"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=message) as caught:
        read_texts(path, 0, 10)
    assert "\n" not in str(caught.value)


def test_a_sentence_without_words_is_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("commands: {a: ['[please]']}")
    assert set(read_texts(path, 0, 20)) == {"please"}
    path.write_text("commands: {a: ['(|)']}")
    with pytest.raises(SettingsError, match=r"g\.yaml:1: the sentence can be empty"):
        read_texts(path, 0, 1)


def test_lines_are_read_without_blanks_and_remarks(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("\n# a remark\n stop \nstop it\n")
    assert read_texts(path, 5, 1) == read_lines(path) == ["stop", "stop it"]


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
