"""What `asr commands check` finds: each finding on a grammar that has it, and not on one that has not."""

import json
import random
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from asr.apps.cli import app
from asr.bundle import DEFAULT_BUNDLE
from asr.commands.grammar.budget import Steps
from asr.commands.grammar.form import read_grammar
from asr.commands.grammar.grammar import Grammar
from asr.commands.grammar.ready import ready_grammars
from asr.commands.inspection.alike import ALIKE_BELOW, Phrase, find_alike
from asr.commands.inspection.checks import Check, Finding, _letters, check
from asr.commands.inspection.diagram import draw_grammars
from asr.commands.inspection.outlines import outlines, used_lists
from asr.commands.inspection.overlap import find_overlap
from asr.commands.inspection.sounds import sound_distances, spelled_sounds
from asr.commands.network.network import compile_network
from asr.errors import SettingsError
from asr.text.normaliser import Normaliser
from asr.text.special import UNK
from asr.text.tokenizer import Tokenizer

normalise = Normaliser()

PLAIN = """
language: en
lists:
  colour: [red, green, blue]
  percent: {range: {from: 25, to: 75, step: 25}}
commands:
  paint: "paint the (wall|door) {colour} [please]"
  dim: "dim the lamp to {percent} percent"
  finish: "that will be all"
"""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(DEFAULT_BUNDLE / "tokenizer.model")


@pytest.fixture
def grammar(tmp_path: Path) -> Callable[[str], Grammar]:
    def read(text: str) -> Grammar:
        path = tmp_path / "grammar.yaml"
        path.write_text(text, encoding="utf-8")
        return read_grammar(path)

    return read


@pytest.fixture
def checked(grammar: Callable[[str], Grammar], tokenizer: Tokenizer) -> Callable[..., Check]:
    def run(text: str, tokens: Tokenizer = tokenizer, step: float = 0.04) -> Check:
        read = grammar(text)
        return check([read], compile_network([read], normalise), normalise, tokens, step)

    return run


def only(found: Check, kind: str) -> Finding:
    (finding,) = (finding for finding in found.findings if finding.kind == kind)
    return finding


def commands(**templates: str | list[str]) -> str:
    return f"language: en\ncommands: {json.dumps(templates)}\n"


def test_a_grammar_with_nothing_wrong_has_no_findings_and_is_counted(checked: Callable[..., Check]) -> None:
    found = checked(PLAIN)
    assert found.findings == ()
    assert not found.fails
    assert (found.count, found.counts) == (2 * 3 * 2 + 3 + 1, {"paint": 12, "dim": 3, "finish": 1})
    assert [example.command for example in found.examples] == ["paint", "dim", "finish"]
    assert found.examples[2].text == "that will be all"
    assert found.compared_by == "letters"


def test_a_sentence_of_two_commands_is_an_error(checked: Callable[..., Check]) -> None:
    found = checked(commands(stop="(halt|stop) [now]", pause="(pause|stop) [please]"))
    assert found.fails
    assert only(found, "same-sentence").message == '"stop" is a sentence of pause and of stop'
    assert found.findings[0].severity == "error"


def test_any_words_that_take_another_commands_sentence_are_no_error(checked: Callable[..., Check]) -> None:
    found = checked("language: en\nlists: {what: {wildcard: true}}\ncommands: {ask: 'find {what}', it: find the cat}\n")
    assert not found.fails
    assert only(found, "same-sentence").severity == "warning"
    assert '"find the cat"' in only(found, "same-sentence").message
    assert only(found, "wildcard").place.endswith("grammar.yaml:3")


@given(
    st.lists(
        st.lists(
            st.sampled_from(["a", "b", "c", "(a|b)", "[c]", "{list}", "[{list} c]", "(a;b)"]), min_size=1, max_size=3
        ).map(lambda parts: " ".join(["x", *parts])),
        min_size=2,
        max_size=3,
    )
)
@settings(max_examples=50)
def test_the_commands_that_share_a_sentence_are_those_of_which_one_can_be_listed(
    tmp_path_factory: pytest.TempPathFactory, templates: list[str]
) -> None:
    # "b a" in the list is said in one piece by some commands and in two by others.
    path = tmp_path_factory.mktemp("overlap") / "grammar.yaml"
    named = {f"c{at}": template for at, template in enumerate(dict.fromkeys(templates))}
    path.write_text(f"language: en\nlists: {{list: [a, b a, c c]}}\ncommands: {json.dumps(named)}\n")
    read = read_grammar(path)
    said = {}
    for name, (template,) in read.commands.items():
        texts = [" ".join(words) for words in outlines(template, normalise, 1000, random.Random(0), Steps(100_000))]
        for _ in range(2):
            texts = [t.replace("{list}", value, 1) for t in texts for value in ("a", "b a", "c c")]
        said[name] = set(texts)
    wanted = {
        (one, other): said[one] & said[other]
        for one in said
        for other in said
        if one < other and said[one] & said[other]
    }
    overlap = find_overlap(compile_network([read], normalise))
    assert overlap.complete
    assert {shared.commands for shared in overlap.shared} == set(wanted)
    for shared in overlap.shared:
        assert shared.text in wanted[shared.commands]
        assert len(shared.text.split()) == min(len(text.split()) for text in wanted[shared.commands])


def test_slots_that_swallow_each_other(checked: Callable[..., Check]) -> None:
    lists = "lists:\n  song: [hello, hello again]\n  when: [again, again tomorrow, tomorrow]\n"
    found = checked(f"language: en\n{lists}commands:\n  play: 'play {{song}} [{{when}}]'\n")
    assert {finding.kind for finding in found.findings} == {"slots"}
    assert "again" in found.findings[0].message
    apart = checked(f"language: en\n{lists}commands:\n  play: 'play {{song}} at {{when}}'\n")
    assert apart.findings == ()


def test_commands_that_sound_alike(checked: Callable[..., Check]) -> None:
    found = only(
        checked(commands(one="show me the light", other="show me the night", third="close everything")),
        "alike-commands",
    )
    assert found.severity == "warning"
    assert '"show me the light" (one)' in found.message
    assert '"show me the night" (other' in found.message
    assert "third" not in found.message
    same = only(checked(commands(one="bring the night", other="bring the knight")), "alike-commands")
    assert same.message.endswith("sound the same")
    kinds = {each.kind for each in checked(commands(one="lamp on", other="lamp off", third="lamp on please")).findings}
    assert kinds == set()


def test_the_same_words_around_do_not_make_commands_sound_alike(checked: Callable[..., Check]) -> None:
    long = "would you be so kind as to turn the big lamp in the corner {} now"
    assert checked(commands(one=long.format("on"), other=long.format("off"))).findings == ()


def test_values_that_sound_alike(checked: Callable[..., Check]) -> None:
    text = "language: en\nlists: {{thing: {}}}\ncommands: {{look: 'look at the {{thing}}'}}\n"
    found = only(checked(text.format("[light, night, tree, bath]")), "alike-values")
    assert (found.severity, found.place[-14:]) == ("warning", "grammar.yaml:2")
    assert "light / night" in found.message
    assert "tree" not in found.message
    one_meaning = "[{in: light, out: it}, {in: night, out: it}, tree]"
    assert checked(text.format(one_meaning)).findings == ()


def test_numbers_that_sound_alike_are_worth_a_note(checked: Callable[..., Check]) -> None:
    text = "language: en\ncommands: {{wait: 'wait {{{}:n}} minutes'}}\n"
    found = only(checked(text.format("10..50")), "alike-values")
    assert found.severity == "note"
    assert "fifteen / fifty" in found.message
    assert checked(text.format("10..50,10")).findings == ()


def test_a_value_that_stands_for_two_things_is_an_error(checked: Callable[..., Check]) -> None:
    values = "    - {{in: big, out: 1}}\n    - {{in: '(large|big)', out: {}}}\n"
    text = f"language: en\nlists:\n  size:\n{values}commands: {{{{take: 'take the {{{{size}}}} one'}}}}\n"
    found = only(checked(text.format(2)), "same-value")
    assert found.severity == "error"
    assert found.place.endswith(":5")
    assert found.message.endswith("grammar.yaml:4, and stands for two things")
    assert checked(text.format(1)).findings == ()


def test_a_long_list_is_named_with_its_length(checked: Callable[..., Check]) -> None:
    text = "language: en\nlists: {{n: {{range: {{from: 1, to: {}}}}}}}\ncommands: {{call: 'call number {{n}}'}}\n"
    assert "{n} has 1,001 values" in only(checked(text.format(1001)), "long-list").message
    assert "long-list" not in {finding.kind for finding in checked(text.format(1000)).findings}


def test_one_word_is_little_to_refuse_other_speech_by(checked: Callable[..., Check]) -> None:
    assert "'go'" in only(checked(commands(go="go")), "one-word").message
    assert checked(commands(go="go ahead")).findings == ()


def test_words_that_the_tokens_cannot_spell_or_that_take_too_many_of_them(
    checked: Callable[..., Check], tokenizer: Tokenizer
) -> None:
    class Lacking:
        def encode(self, text: str) -> list[int]:
            return [UNK] if "x" in text else tokenizer.encode(text)

    found = checked(commands(it="the box is open"), Lacking())
    assert found.fails
    assert "box" in only(found, "unknown-token").message
    assert "box" not in str(checked(commands(it="the box is open")).findings)
    slow = checked(commands(it="the box is open"), step=0.2)
    assert "box" in only(slow, "many-tokens").message
    assert not slow.fails


def test_abbreviations_are_worth_a_note(checked: Callable[..., Check]) -> None:
    assert "tv" in only(checked(commands(it="turn the tv on")), "letters").message
    assert checked(commands(it="turn the t v on")).findings == ()


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("three", "free", True),
        ("bed", "bad", True),
        ("fifteen", "fifty", True),
        ("light", "night", True),
        ("hall", "all", True),
        ("on", "off", False),
        ("yes", "no", False),
        ("start", "stop", False),
        ("red", "bed", False),
        ("five", "nine", False),
    ],
)
def test_how_much_words_sound_alike(one: str, other: str, alike: bool) -> None:
    pairs = find_alike([Phrase(1, (one,)), Phrase(2, (other,))], spelled_sounds).pairs
    assert bool(pairs) == alike
    assert all(pair.difference <= ALIKE_BELOW + 1e-6 for pair in pairs)


sounds = st.lists(st.sampled_from(["p", "b", "t", "m", "n", "i", "ɪ", "ə", "aʊ", "w", "{list}"]), max_size=5).map(tuple)


@given(st.lists(st.tuples(sounds, sounds), min_size=1, max_size=8))
@settings(max_examples=50)
def test_the_distance_of_sounds_is_that_of_the_pair_alone_and_the_cheapest(
    pairs: list[tuple[tuple[str, ...], tuple[str, ...]]],
) -> None:
    together = sound_distances(pairs)
    for (one, other), distance in zip(pairs, together, strict=True):
        assert distance == pytest.approx(sound_distances([(other, one)])[0])
        assert (distance == 0) == (one == other)
        assert distance == pytest.approx(_by_hand(one, other))


@cache
def _cost(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    return float(sound_distances([(one, other)])[0])


def _by_hand(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """By trying everything, from the costs of single sounds."""
    if not one or not other:
        return sum(_cost((sound,), ()) for sound in one + other)
    changed = _cost(one[:1], other[:1]) + _by_hand(one[1:], other[1:])
    gone, added = _cost(one[:1], ()) + _by_hand(one[1:], other), _cost((), other[:1]) + _by_hand(one, other[1:])
    return min(changed, gone, added)


def test_near_texts_are_found_among_many() -> None:
    generator = random.Random(0)
    syllables = [a + b for a in "bdfgklmnprstv" for b in ("a", "ee", "oo", "i")]
    words = list({"".join(generator.choices(syllables, k=4)): None for _ in range(800)})
    texts = [Phrase(at, (word,)) for at, word in enumerate([*words, "kaleidoscope", "galeidoscope"])]
    found = find_alike(texts, spelled_sounds)
    assert not found.complete
    assert ("kaleidoscope",) in {pair.first.text for pair in found.pairs} | {pair.second.text for pair in found.pairs}


def test_outlines_are_the_sentences_that_the_library_itself_lists(grammar: Callable[[str], Grammar]) -> None:
    from hassil.parse_expression import parse_sentence
    from hassil.sample import sample_sentence

    polite, it = "(please|kindly)", "[<polite>] (turn;the lamp[s];[right] (on|off)) [now]"
    read = grammar(f"language: en\nexpansion_rules: {{polite: '{polite}'}}\ncommands: {{it: '{it}'}}\n")
    (template,) = read.commands["it"]
    listed = sample_sentence(parse_sentence(it), {}, {"polite": parse_sentence(polite)})
    wanted = {" ".join(text.split()) for text in listed}
    found = outlines(template, normalise, 1000, random.Random(0), Steps(100_000))
    assert {" ".join(words) for words in found} == wanted
    few = outlines(template, normalise, 5, random.Random(0), Steps(100_000))
    assert 1 < len(few) <= 5
    assert set(few) <= set(found)


def test_lists_are_found_in_rules_and_once(grammar: Callable[[str], Grammar]) -> None:
    read = grammar(
        "language: en\nlists: {a: [x], b: [y], unused: [z]}\nexpansion_rules: {both: '{a} and {b}'}\n"
        "commands: {one: 'say <both>', two: 'say {a} {1..9:n}'}\n"
    )
    assert [used.name for used in used_lists([read])] == ["a", "b", "1..9"]


def anchors(page: str) -> tuple[set[str], set[str]]:
    return set(re.findall(r'\bid="([^"]+)"', page)), set(re.findall(r'href="#([^"]+)"', page))


def test_a_drawing_has_all_commands_its_links_lead_somewhere_and_its_texts_are_escaped(
    grammar: Callable[[str], Grammar],
) -> None:
    many = ", ".join(f"value {at}" for at in range(2000))
    read = grammar(
        "language: en\nskip_words: [please]\nlists:\n"
        f"  thing: [{many}]\n  other: [{{in: 'salt & \\<pepper\\>', out: '<script>'}}]\n  any: {{wildcard: true}}\n"
        "  hour: {time: {from: '6:00', to: '9:30', step: 15}}\n"
        "expansion_rules: {both: '{thing} and {other:two}'}\n"
        "commands:\n  'a<b': '(take;<both>) [at {hour}]'\n  find: ['look for {any}', '{0..100:n} percent']\n"
    )
    page = draw_grammars([read], page=True)
    picture = draw_grammars([read], page=False)
    assert "<script" not in page
    assert "a<b" not in page + picture
    for drawn in (page, picture):
        targets, links = anchors(drawn)
        assert links <= targets
        for text in ("a&lt;b", "find", "… 1,992 more", "{other:two}", "any words", "a number from 0 to 100"):
            assert text in drawn
        assert "a time from 6:00 to 9:30, every 15 min" in drawn
        assert not re.search(r'(?:src|href)="(?:http|/|file)', drawn.replace("xlink:href", "href"))
    assert "please" in page
    root = ElementTree.fromstring(picture.encode())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"salt & <pepper>", "→ <script>", "value 7"} <= texts
    assert "value 8" not in texts


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["commands", "check", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(PLAIN, encoding="utf-8")
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(commands(stop="(halt|stop) [now]", pause="(pause|stop) [please]"), encoding="utf-8")
    return path


def test_the_command_prints_counts_examples_and_findings(good: Path, bad: Path) -> None:
    status, output = run(good)
    assert status == 0
    assert "good: 16 sentences, 3 commands" in output
    assert re.search(r"^finish +1 +that will be all *$", output, re.MULTILINE)
    assert "nothing found that could go wrong" in output
    status, output = run(bad)
    assert status == 1
    assert 'error: "stop" is a sentence of pause and of stop\n  let it belong to one of them' in output
    assert "1 error" in output
    assert ("install espeak-ng" in output) == (shutil.which("espeak-ng") is None)


def test_two_grammars_are_checked_together(good: Path, bad: Path) -> None:
    status, output = run(good, bad, "--json")
    assert status == 1
    found = json.loads(output)
    assert found["grammars"] == ["good", "bad"]
    assert found["sentences"] == 16 + 8
    assert found["commands"] == {"paint": 12, "dim": 3, "finish": 1, "stop": 4, "pause": 4}
    assert [finding["kind"] for finding in found["findings"]] == ["same-sentence"]
    assert {"command": "finish", "text": "that will be all", "slots": {}} in found["examples"]


@pytest.mark.parametrize("ending", ["html", "svg"])
def test_the_grammar_is_drawn_into_a_file(good: Path, tmp_path: Path, ending: str) -> None:
    status, output = run(good, "--draw", tmp_path / f"drawn.{ending}")
    assert (status, output.splitlines()[-1]) == (0, f"written: {tmp_path / f'drawn.{ending}'}")
    drawn = (tmp_path / f"drawn.{ending}").read_text(encoding="utf-8")
    assert drawn.startswith({"html": "<!doctype html>", "svg": "<?xml"}[ending])
    assert "{colour}" in drawn


def test_a_drawing_of_another_kind_and_a_grammar_that_is_not_there_are_refused(good: Path, tmp_path: Path) -> None:
    assert run(good, "--draw", tmp_path / "drawn.pdf")[0] == 2
    done = CliRunner().invoke(app, ["commands", "check", "no-such-grammar"])
    assert isinstance(done.exception, SettingsError)


@pytest.mark.parametrize("name", sorted(ready_grammars()) or ["none"])
def test_a_ready_grammar_has_no_errors(name: str) -> None:
    status, output = run(name, "--json")
    assert [finding for finding in json.loads(output)["findings"] if finding["severity"] == "error"] == []
    assert status == 0


def test_a_vowel_with_a_mark_is_a_vowel() -> None:
    assert not list(_letters([Phrase("one", ("één", "öl", "brûlée"))]))
    (note,) = _letters([Phrase("one", ("één", "tv"))])
    assert note.message == "no vowel in tv; the model spells what is said"


def test_words_are_pronounced_where_that_can_be_asked(grammar: Callable[[str], Grammar], tokenizer: Tokenizer) -> None:
    asked: list[str] = []

    def pronounce(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
        asked.extend(words)
        return {word: {"knight": ("n", "aɪ", "t"), "nite": ("n", "aɪ", "t")}.get(word, tuple(word)) for word in words}

    read = grammar(commands(one="see the knight", other="see the nite"))
    found = check([read], compile_network([read], normalise), normalise, tokenizer, 0.04, pronounce)
    assert sorted(asked) == ["knight", "nite", "see", "the"]
    assert only(found, "alike-commands").message.endswith("sound the same")
    assert found.compared_by == "sounds"
