"""Grammars as files: what they mean, and where exactly a fault is shown."""

import gc
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.apps.failures import complain
from asr.commands.grammar.form import read_grammar
from asr.commands.grammar.grammar import (
    AS_SAID,
    DateRange,
    Grammar,
    NumberRange,
    SlotList,
    TimeRange,
    Value,
    Wildcard,
    WordList,
)
from asr.commands.grammar.syntax import (
    AnyOrder,
    Choice,
    Expression,
    Group,
    ListRef,
    Optional,
    RuleRef,
    Sequence,
    Text,
)
from asr.commands.grammar.templates import parse
from asr.errors import SettingsError, SourceError


def write(folder: Path, content: str, name: str = "g.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def read(folder: Path, content: str) -> Grammar:
    return read_grammar(write(folder, content))


def read_list(folder: Path, content: str) -> SlotList:
    """The list `x`, written as one line of flow YAML."""
    grammar = read(folder, f"lists: {{x: {content}}}\ncommands: {{a: ['say {{x}}']}}")
    return grammar.commands["a"][0].lists["x"]


def text_of(value: Value) -> str:
    assert isinstance(value.expression, Text)
    return value.expression.text


# What is read


def test_places_commands_slots_and_skip_words(tmp_path: Path) -> None:
    grammar = read(
        tmp_path,
        """\
language: en-GB
skip_words: [please, can you]
commands:
  stop: stop [it]
  "on":
    - start
    - sentences: [go, "go <on>"]
      expansion_rules: {on: "(on|ahead)"}
      slots: {speed: 2, fast: true, mode: on, parts: [1, two], nothing: ~}
""",
    )
    path = tmp_path / "g.yaml"
    assert grammar.name == "g"
    assert grammar.skip_words == ("please", "can you")
    assert list(grammar.commands) == ["stop", "on"]
    start, go, go_on = grammar.commands["on"]
    assert [each.place for each in (start, go, go_on)] == [f"{path}:6", f"{path}:7", f"{path}:7"]
    assert start.slots == {}
    assert start.rules == {}
    assert start.lists is grammar.commands["stop"][0].lists
    assert go.slots == {"speed": 2, "fast": True, "mode": "on", "parts": [1, "two"], "nothing": None}
    assert go_on.rules["on"].place == f"{path}:8"


def test_values_are_text_and_what_is_put_out_is_as_it_is_written(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """\
lists:
  x:
    - on
    - 1984
    - no: &no
    - {in: off, out: off}
    - {in: a, out: 1}
    - {in: b, out: "1"}
    - {in: c, out: -0.5}
    - {in: d, out: true}
    - {in: e, out: }
    - {in: f, out: 007}
    - {in: g, out: 6:30, context: {area: kitchen}, metadata: {x: y}}
    - {in: "[the] h"}
commands: {a: ["say {x}"]}
""".replace("    - no: &no\n", "    - no\n"),
    )
    values = found.commands["a"][0].lists["x"]
    assert isinstance(values, WordList)
    assert [text_of(value) for value in values.values[:-1]] == ["on", "1984", "no", "off", *"abcdefg"]
    out = [value.out for value in values.values]
    assert out == [AS_SAID, AS_SAID, AS_SAID, "off", 1, "1", -0.5, True, None, "007", "6:30", AS_SAID]
    assert [type(each) for each in out[4:8]] == [int, str, float, bool]
    assert values.values[1].place == f"{tmp_path / 'g.yaml'}:4"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("{range: {from: -5, to: 20}}", NumberRange(-5, 20)),
        ("{range: {from: 0, to: 100, step: 5, type: percentage}}", NumberRange(0, 100, 5)),
        ("{range: {from: 5, to: 30, fractions: halves}}", NumberRange(5, 30, fractions="halves")),
        ("{range: {from: 0, to: 10, multiplier: 0.1, digits: true}}", NumberRange(0, 10, multiplier=0.1)),
        ("{range: {from: 0, to: 9999}}", NumberRange(0, 9999)),
        ("{time: true}", TimeRange(0, 1439, 1)),
        ("{time: {from: '6:00', to: '9:30', step: 15}}", TimeRange(360, 570, 15)),
        ("{time: {from: 6:00}}", TimeRange(360, 1439, 1)),
        ("{date: true}", DateRange()),
        ("{wildcard: true}", Wildcard()),
    ],
)
def test_lists_of_other_kinds(tmp_path: Path, content: str, wanted: SlotList) -> None:
    assert read_list(tmp_path, content) == wanted


def test_values_can_stand_under_a_key_and_be_used_twice(tmp_path: Path) -> None:
    grammar = read(
        tmp_path, "lists:\n  x: {values: &all [a, b]}\n  y: *all\ncommands: {a: ['say {x}', 'and {0..9:n} {y:x}']}"
    )
    lists = grammar.commands["a"][0].lists
    assert lists["x"] == lists["y"]


@pytest.mark.parametrize(
    ("template", "tree"),
    [
        (r" turn  the \[light\] ", Text("turn  the [light]")),
        ("a(b|c d|)", Sequence((Text("a"), Choice((Sequence((Text("b"),)), Sequence((Text("c d"),)), Sequence(())))))),
        ("[a|b]", Optional((Sequence((Text("a"),)), Sequence((Text("b"),))))),
        ("(a;b c)", AnyOrder((Sequence((Text(" a "),)), Sequence((Text(" b c "),))))),
        ("{a}'s {b:c}<d>", Sequence((ListRef("a", "a"), Text("'s "), ListRef("b", "c"), RuleRef("d")))),
        (
            "{0..9:n} {5..95,10:n}",
            Sequence((ListRef("0..9", "n", (0, 9, 1)), Text(" "), ListRef("5..95,10", "n", (5, 95, 10)))),
        ),
    ],
)
def test_a_template_is_a_tree(template: str, tree: Expression) -> None:
    assert parse(template) == (tree if isinstance(tree, Group) else Sequence((tree,)))


def test_a_list_of_a_block_hides_that_of_the_file(tmp_path: Path) -> None:
    grammar = read(
        tmp_path,
        "lists: {x: [a], y: [b]}\ncommands:\n  one: ['{x} {y}']\n"
        "  two: {sentences: ['{x} {y}'], lists: {x: [c]}}\n  three: {data: [{sentences: 'go'}]}\n",
    )
    (one,), (two,) = grammar.commands["one"], grammar.commands["two"]
    for template, wanted in ((one, "a"), (two, "c")):
        found = template.lists["x"]
        assert isinstance(found, WordList)
        assert text_of(found.values[0]) == wanted
    assert one.lists["y"] is two.lists["y"]


def test_long_lists_are_read_in_little_time(tmp_path: Path) -> None:
    entries = "".join(f"    - some entry {number}\n" for number in range(200_000))
    began = time.process_time()
    grammar = read(tmp_path, f"lists:\n  x:\n{entries}commands: {{a: ['play {{x}}']}}\n")
    assert time.process_time() - began < 10  # some 2 s; far more where hassil or PyYAML's own parser reads each entry
    found = grammar.commands["a"][0].lists["x"]
    assert isinstance(found, WordList)
    assert len(found.values) == 200_000
    assert text_of(found.values[-1]) == "some entry 199999"


# Folders


def test_all_files_of_a_folder_are_one_grammar(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write(folder, "lists: {room: [kitchen]}\nskip_words: [please]\n", "_common.yaml")
    light = write(
        folder, "intents: {On: {data: [{sentences: ['light in the {room}'], slots: {what: light}}]}}", "l.yaml"
    )
    write(folder, "intents: {On: {data: [{sentences: ['fan in the {room}'], slots: {what: fan}}]}}", "m/f.yml")
    write(folder, "what is no grammar: [", "readme.txt")
    grammar = read_grammar(folder)
    assert grammar.name == "mine"
    assert grammar.skip_words == ("please",)
    assert [template.slots["what"] for template in grammar.commands["On"]] == ["light", "fan"]
    with pytest.raises(SourceError, match=r"l\.yaml:1: \{room\} is not among"):
        read_grammar(light)


def test_faults_of_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"empty: found no \.yaml or \.yml file"):
        read_grammar(tmp_path / "empty")
    first = write(tmp_path / "two", "lists: {room: [kitchen]}", "a.yaml")
    write(tmp_path / "two", "lists:\n  room: [hall]\ncommands: {a: b}", "b.yaml")
    with pytest.raises(SourceError, match=rf"b\.yaml:2: 'room' is in {re.escape(str(first))}:1 already"):
        read_grammar(tmp_path / "two")


# Faults

FAULTS = [
    # YAML: the caret (|) is where the parser sees the fault, or where that begins which never ends.
    ("commands:\n  a: [b\n", "found no YAML", "  a: |[b"),
    ("commands:\n  a:\n    - [please] stop\n", "found no YAML: .*; put quotes around", "    - [please] |stop"),
    ("commands:\n  a: 'b\n  c: d\n", "found no YAML", "  a: |'b"),
    ("commands:\n  a:\n\t- b\n", "found no YAML: .* not tabs", "|\t- b"),
    ("commands: {a: b}\nx: \x01y\n", "control characters are not allowed", "x: |\x01y"),
    ("commands: {a: b}\n---\ncommands: {c: d}\n", "another document", "|---"),
    ("commands: {a: *x}\n", "undefined alias", "commands: {a: |*x}"),
    ("commands: {a: [!secret b]}\n", "tag !secret", "commands: {a: [|!secret b]}"),
    # Keys.
    ("comands: {a: [b]}", "'comands' is not a key of a grammar; did you mean commands?", "|comands: {a: [b]}"),
    ("lists: {c: {valeus: [b]}}", "'valeus' .* did you mean values?", "lists: {c: {|valeus: [b]}}"),
    ("lists: {c: {range: {from: 1, too: 2}}}", "did you mean to?", "lists: {c: {range: {from: 1, |too: 2}}}"),
    ("lists: {c: [{in: b, uot: d}]}", "did you mean out?", "lists: {c: [{in: b, |uot: d}]}"),
    ("lists: {c: [{out: d}]}", "found no `in:`", "lists: {c: [|{out: d}]}"),
    ("intents: {a: {data: [{sentence: [b]}]}}", "did you mean sentences?", "intents: {a: {data: [{|sentence: [b]}]}}"),
    ("commands:\n  a: [b]\n  c: [d]\n  a: [e]\n", "'a' stands in line 2 already", "  |a: [e]"),
    ("lists:\n  c: [b]\n  c: [d]\n", "'c' stands in line 2 already", "  |c: [d]"),
    ("language: fr\ncommands: {a: [b]}", "the language 'fr'; wanted English, .* or German", "language: |fr"),
    # Commands and their sentences.
    ("- a\n- b\n", "found a list; wanted `commands:`", "|- a"),
    ("commands: [a]", "found a list; wanted names of commands", "commands: |[a]"),
    ("commands: {a: []}", "the command a has no sentence", "commands: {a: |[]}"),
    ("commands: {a: [[b]]}", "found a list; wanted a sentence: put quotes", "commands: {a: [|[b]]}"),
    ("commands:\n  a:\n    - {c}\n", "names with contents; wanted a sentence: put quotes", "    - |{c}"),
    ("commands:\n  a:\n    - call: me\n", "names with contents; wanted a sentence: put quotes", "    - |call: me"),
    ("commands: {a: ['b', '']}", "found nothing, wanted|found nothing; wanted", "commands: {a: ['b', '|']}"),
    ("commands: {a: ['?!']}", r"found no word in '\?!'", "commands: {a: ['|?!']}"),
    ("commands:\n  a: [b c]\n  d:\n    - B  c\n", r"d has the same sentence as a in .*g\.yaml:2", "    - |B  c"),
    ("skip_words: ['[a]']\ncommands: {a: [b]}", "wanted plain words", "skip_words: ['|[a]']"),
    # Templates.
    ("commands:\n  a:\n    - b\n    - 'c (d'\n", r"`\(` is never closed", "    - 'c |(d'"),
    ("commands:\n  a: c] d\n", "`]` closes nothing", "  a: c|] d"),
    ("commands: {a: ['b (c] d']}", r"found `\]`, wanted `\)`", "commands: {a: ['b (c|] d']}"),
    ("commands: {a: ['b ()']}", r"`\(\)` holds nothing", "commands: {a: ['b |()']}"),
    ("commands: {a: ['(b|c;d)']}", "both `|` and `;`", "commands: {a: ['(b\\|c|;d)']}"),
    ("commands: {a: ['b {c (d)} e']}", r"`{` holds '\('", "commands: {a: ['b |{c (d)} e']}"),
    ("commands: {a: ['b <c']}", "`<` is never closed", "commands: {a: ['b |<c']}"),
    ("commands: {a: '" + "(" * 60 + "b" + ")" * 60 + "'}", "more than 50 deep", None),
    ("commands:\n  a:\n    - >\n      turn the\n      lamp] on\n", "`]` closes nothing", "      lamp|] on"),
    # Names.
    ("commands:\n  a:\n    - 'b {c}'\n", "{c} is not among the `lists:`; there are none", "    - 'b |{c}'"),
    ("lists: {drink: [tea]}\ncommands:\n  a: 'give {drnk}'", "did you mean {drink}?", "  a: 'give |{drnk}'"),
    ("commands:\n  a: ['b <c>']\n", "<c> is not among the `expansion_rules:`", "  a: ['b |<c>']"),
    ("expansion_rules:\n  c: b <d>\ncommands: {a: <c>}", "<d> is not among", "  c: b |<d>"),
    ("expansion_rules:\n  c: d [<c>]\ncommands: {a: <c>}", r"<c> is used in itself \(<c> in <c>\)", "  c: d [|<c>]"),
    (
        "expansion_rules:\n  c: d [<e>]\n  e: f <c>\ncommands: {a: <c>}",
        r"<c> is used in itself \(<c> in <e> in <c>\)",
        "  e: f |<c>",
    ),
    ("lists:\n  c: ['b {c}']\ncommands: {a: '{c}'}", "{c} is used in itself", "  c: ['b |{c}']"),
    ("commands: {a: 'dim to {0..100} now'}", "{0..100} has no slot", "commands: {a: 'dim to |{0..100} now'}"),
    # Lists.
    ("lists: {c: []}", "found an empty list", "lists: {c: |[]}"),
    ("lists: {c: {values: }}", "found nothing; wanted a list of values", "lists: {c: {values: |}}"),
    ("lists: {c: {values: [a], wildcard: true}}", "values and wildcard", "lists: {c: |{values: [a], wildcard: true}}"),
    ("lists: {c: {wildcard: perhaps}}", "found 'perhaps'; wanted `wildcard: true`", "lists: {c: {wildcard: |perhaps}}"),
    ("lists: {c: {range: {from: 5}}}", "found no `to:`", "lists: {c: {range: |{from: 5}}}"),
    ("lists: {c: {range: {from: 5, to: 1}}}", "from 5 to 1 by 1", "lists: {c: {range: |{from: 5, to: 1}}}"),
    ("lists: {c: {range: {from: a, to: 1}}}", "found 'a'; wanted a whole", "lists: {c: {range: {from: |a, to: 1}}}"),
    ("lists: {c: {range: {from: 0, to: 10000000000000000000}}}", "at most", None),
    ("lists: {c: {range: {from: 0, to: 10000}}}", "10,001 numbers; wanted 10,000 at most: say long numbers in", None),
    ("lists: {c: {range: {from: 1, to: 1001, fractions: tenths}}}", "found a range of 10,010 numbers", None),
    ("commands: {a: 'b {1..10001:n}'}", "found a range of 10,001 numbers", "commands: {a: 'b |{1..10001:n}'}"),
    ("lists: {c: {range: {from: 0, to: 1, type: volts}}}", "'volts' is not a value of `type:`", None),
    ("lists: {c: {time: {from: '24:00'}}}", "found '24:00'; wanted a time", "lists: {c: {time: {from: '|24:00'}}}"),
    ("lists: {c: {time: {from: '9:00', to: '6:00'}}}", "times that do not rise", None),
    ("lists: {c: [a, [b]]}", "found a list; wanted text or {in: ", "lists: {c: [a, |[b]]}"),
    ("lists: {c: [{in: a, out: {b: d}}]}", "found names with contents", "lists: {c: [{in: a, out: |{b: d}}]}"),
    # Letters.
    ("commands:\n  a: [stop, выключи]\n", "the letter 'в'", "  a: [stop, |выключи]"),
    ("lists:\n  c: ['ein コーヒー']\n", "the letter 'コ'", "  c: ['ein |コーヒー']"),
    ("commands:\n  コーヒー: 'b (c'\n", r"`\(` is never closed", "  コーヒー: 'b |(c'"),
]


@pytest.mark.parametrize(("content", "message", "marked"), FAULTS, ids=[content[:40] for content, *_ in FAULTS])
def test_faults_are_shown_where_they_are(tmp_path: Path, content: str, message: str, marked: str | None) -> None:
    if content.startswith("lists:") and "commands:" not in content:
        content += "\ncommands: {a: ['say {c}']}"
    with pytest.raises(SourceError) as caught:
        read(tmp_path, content)
    first, line, caret = str(caught.value).split("\n")
    assert re.search(message if re.search(r"[\\]|\.\*|\|", message) else re.escape(message), first), first
    if marked is None:
        return
    # In the table a | stands before what the caret is under; a | of the template itself is written \|.
    before, after = re.split(r"(?<!\\)\|", marked)
    before, after = before.replace("\\|", "|"), after.replace("\\|", "|")
    numbers = [number for number, each in enumerate(content.split("\n"), 1) if each == before + after]
    assert any(first.startswith(f"{tmp_path / 'g.yaml'}:{number}: ") for number in numbers), first
    shown = (before + after).lstrip(" ").replace("\x01", "\N{REPLACEMENT CHARACTER}").replace("\t", " ")
    assert line.strip() == shown.strip()
    wide = sum(char in "コーヒー" for char in before)
    assert caret == " " * (line.index(shown) + len(before.lstrip(" ")) + wide) + "^"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"g\.yaml: found an empty file"),
        ("# a remark\n", r"g\.yaml: found an empty file"),
        ("commands: {}", r"g\.yaml: found no commands; wanted `commands:`"),
        ("lists: {a: [b]}", r"g\.yaml: found no commands"),
    ],
)
def test_files_without_commands(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, content)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "g.yaml", tmp_path / "absent.yaml"):
        with pytest.raises(SettingsError, match=rf"{path.name}: cannot be read as text \(.*wanted a grammar"):
            read_grammar(path)


def test_windows_line_ends_and_byte_order_marks_change_nothing(tmp_path: Path) -> None:
    content = "commands: {a: ['b (c']}\n"
    (tmp_path / "g.yaml").write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
    with pytest.raises(SourceError, match=r"g\.yaml:1: `\(` is never closed") as caught:
        read_grammar(tmp_path / "g.yaml")
    assert gc.isenabled()
    assert str(caught.value).split("\n")[1:] == ["    commands: {a: ['b (c']}", " " * 22 + "^"]


def test_of_a_long_line_the_part_around_the_fault_is_shown(tmp_path: Path) -> None:
    words = ", ".join(f"word {number}" for number in range(1000))
    with pytest.raises(SourceError) as caught:
        read(tmp_path, f"lists: {{x: [{words}, 'here (is it', {words}]}}\ncommands: {{a: b}}")
    _, line, caret = str(caught.value).split("\n")
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("(is it")


def test_the_command_line_shows_the_caret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError) as caught:
        read(tmp_path, "commands:\n  a: 'b (\a'\n".replace("\a", "c"))
    complain(caught.value)
    shown = capsys.readouterr().err.splitlines()
    assert shown[0].startswith(f"asr: {tmp_path}")
    assert shown[1:] == ["    a: 'b (c'", "          ^"]


STYLES = {
    "plain": "commands:\n  a:\n    - {}\n",
    "single": "commands: {{a: ['{}']}}\n",
    "double": 'commands:\n  a: "{}"\n',
    "literal": "commands:\n  a: |\n    {}\n",
    "folded": "commands:\n  a:\n    - >\n     {}\n     and so on\n",
}


@settings(max_examples=60)
@given(
    before=st.lists(st.sampled_from(["turn", "it's", "on", "(a|b)", "[the]", "{0..9:n}"]), max_size=4),
    after=st.lists(st.sampled_from(["now", "(please)", "c"]), max_size=3),
    stray=st.sampled_from([")", "]", "}", ">", "(", "[", "{", "<"]),
    style=st.sampled_from(sorted(STYLES)),
)
def test_the_caret_is_under_the_bracket_that_does_not_match(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str], stray: str, style: str
) -> None:
    if stray in "{<":
        after = [word for word in after if word.isalpha()]
    words = " ".join(["say", *before, f"§{stray}x", *after])
    if style == "single":
        words = words.replace("it's", "it")
    content = STYLES[style].format(words)
    at = next((number, line.index("§")) for number, line in enumerate(content.split("\n"), 1) if "§" in line)
    with pytest.raises(SourceError) as caught:
        read(tmp_path_factory.getbasetemp(), content.replace("§", ""))
    first, line, caret = str(caught.value).split("\n")
    assert f"g.yaml:{at[0]}: `{stray}`" in first
    source = content.replace("§", "").split("\n")[at[0] - 1]
    assert line.strip() == source.strip()
    assert len(caret) - 5 + len(source) - len(source.lstrip()) == at[1]


# Home Assistant's form

COMMON = """\
language: "en"
responses:
  errors:
    no_intent: "Sorry, {{ name }} was not understood"
lists:
  brightness:
    range: {type: "percentage", from: 0, to: 100}
  level:
    values:
      - in: (brightest|full)
        out: 100
      - in: "darkest"
        out: 1
  tint:
    values: ["red", "green", {in: "warm white", out: "warm"}]
  note: {wildcard: true}
expansion_rules:
  name: "[the] {name}"
  area: "[the] {area}"
  put: "(put|turn|switch)"
  brightness: "{brightness}[ ][%|percent]"
  lights: "[the] (light[s]|lamp[s])"
  unused: "<nowhere> {to_be_found}"
skip_words:
  - "please"
  - "could you"
"""

LIGHT_ON = """\
language: "en"
intents:
  HassTurnOn:
    data:
      - sentences:
          - "<put> on <name>"
          - "<put> <name> on"
        requires_context:
          domain: "light"
        excludes_context: {domain: "lock"}
        response: "light"
      - sentences:
          - "<put> [all] <lights> on <in> <area>"
        expansion_rules:
          in: "(in|at)"
        slots:
          domain: "light"
        required_keywords: ["on"]
        metadata: {kind: "area"}
"""

LIGHT_SET = """\
language: "en"
intents:
  HassLightSet:
    data:
      - sentences:
          - "set <name> to <brightness>"
          - "set <name> to {level:brightness}"
          - "make <lights> in <area> {tint:color}"
        lists:
          tint:
            values: [{in: "[very] blue", out: "blue"}]
"""

OWN_DEVICES = """\
lists:
  name: [desk lamp, {in: "(ceiling light|big light)", out: ceiling}]
  area: [kitchen, {in: "hall[way]", out: hall}]
"""

NEVER_MIND = """\
---
# HassNevermind - default
language: "en"
sentences:
  - "(never mind|leave it)"
response: "default"
"""


@pytest.fixture
def home_assistant(tmp_path: Path) -> Path:
    folder = tmp_path / "en"
    for name, content in (
        ("_common.yaml", COMMON),
        ("light_HassTurnOn.yaml", LIGHT_ON),
        ("light_HassLightSet.yaml", LIGHT_SET),
        ("devices.yaml", OWN_DEVICES),
        ("HassNevermind/default.yaml", NEVER_MIND),
    ):
        write(folder, content, name)
    return folder


def test_home_assistants_files_mean_what_hassil_reads_in_them(home_assistant: Path) -> None:
    import random

    import yaml
    from hassil import recognize_all
    from hassil.intents import Intents
    from hassil.util import merge_dict

    from asr.commands.network.network import compile_network
    from asr.text.normaliser import Normaliser

    merged: dict[str, Any] = {}
    for path in sorted(home_assistant.glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        for name, body in content.get("lists", {}).items():
            content["lists"][name] = {"values": body} if isinstance(body, list) else body
        merge_dict(merged, content)
    never_mind = yaml.safe_load(NEVER_MIND)["sentences"]
    merge_dict(merged, {"intents": {"HassNevermind": {"data": [{"sentences": never_mind}]}}})
    reference = Intents.from_dict(merged)

    grammar = read_grammar(home_assistant)
    assert grammar.name == "en"
    network = compile_network([grammar], Normaliser())
    assert set(network.commands) == {"HassTurnOn", "HassLightSet", "HassNevermind"}
    drawn = {network.draw(random.Random(seed)) for seed in range(150)}
    assert len(drawn) > 80
    compared = 0
    for sentence in drawn:
        theirs = {
            (str(found.intent.name), frozenset((name, entity.value) for name, entity in found.entities.items()))
            for found in recognize_all(sentence, reference, intent_context={"domain": "light"})
        }
        readings = network.readings(sentence)
        if not theirs and all("brightness" in reading.slots for reading in readings):
            continue  # hassil knows one way of saying a number, in its own words
        compared += 1
        for reading in readings:
            # Without an `out`, hassil puts out the text of the list; there is no such one here that is a template.
            mine = set(reading.slots.items())
            assert any(command == reading.command and mine <= entities for command, entities in theirs), (
                sentence,
                reading,
                theirs,
            )
    assert compared > len(drawn) / 2


def test_a_name_that_home_assistant_would_know_is_asked_for(home_assistant: Path) -> None:
    (home_assistant / "devices.yaml").unlink()
    with pytest.raises(SourceError, match=r"_common\.yaml:\d+: \{(name|area)\} is not among the `lists:`"):
        read_grammar(home_assistant)
