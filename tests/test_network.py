"""Commands as a network: laws against brute force over small grammars, and what is written beside the words."""

import math
import random
from collections import Counter
from typing import Any

import pytest
from grammars import PARTS, VALUES, grammar, grammars, key, meanings, network, normalise, words
from hassil.intents import TextSlotList, TextSlotValue
from hassil.parse_expression import parse_sentence
from hassil.sample import sample_expression
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asr.commands.grammar.grammar import (
    DateRange,
    Grammar,
    NumberRange,
    Rule,
    Template,
    TimeRange,
    Value,
    Wildcard,
    WordList,
)
from asr.commands.grammar.spoken import number_ways
from asr.commands.grammar.syntax import Text
from asr.commands.grammar.templates import parse
from asr.commands.network.compilation import SKIPPED
from asr.commands.network.network import Network, compile_network
from asr.commands.network.nodes import reachable
from asr.commands.reading import Reading
from asr.errors import SettingsError

MANY = 150


def small(commands: dict[str, list[str]]) -> Network:
    found = network(commands)
    assume(found.count() <= MANY)
    return found


@given(grammars)
@settings(max_examples=25)
def test_sentences_and_what_they_mean_are_those_of_brute_force_each_as_likely(commands: dict[str, list[str]]) -> None:
    found = small(commands)
    for text, wanted in meanings(grammar(commands)).items():
        readings = {key(r.command, r.slots): math.exp(r.log_prob) for r in found.readings(text, MANY)}
        assert readings == pytest.approx(wanted)
        best = found.parse(text)
        assert best is not None
        assert math.exp(best.log_prob) == pytest.approx(max(wanted.values()))


@given(grammars, st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_a_drawn_sentence_has_the_reading_it_was_drawn_with(
    commands: dict[str, list[str]], generator: random.Random
) -> None:
    found = small(commands)
    for command in (None, *found.commands):
        drawn = found.draw_reading(generator, command)
        assert command in (None, drawn.command)
        assert drawn in found.readings(drawn.text, MANY)
        assert normalise(drawn.text) == drawn.text


@given(grammars, st.randoms(use_true_random=False), st.sampled_from(["exchange", "drop", "add", "double"]))
@settings(max_examples=25)
def test_what_is_no_sentence_is_not_read(commands: dict[str, list[str]], generator: random.Random, change: str) -> None:
    found = small(commands)
    said = found.draw(generator).split()
    at = generator.randrange(len(said))
    other = generator.choice([*sorted(found.words()), "zebra"])
    new = {"exchange": [other], "drop": [], "add": [said[at], other], "double": [said[at]] * 2}[change]
    text = " ".join(said[:at] + new + said[at + 1 :])
    assert (found.parse(text) is None) == (text not in meanings(grammar(commands)))


@given(grammars)
@settings(max_examples=25)
def test_it_counts_the_texts_that_hassil_lists_and_has_their_words(commands: dict[str, list[str]]) -> None:
    found = small(commands)
    lists = {name: TextSlotList(name, [_hassil_value(value) for value in values]) for name, values in VALUES.items()}
    rules = {name: parse_sentence(text) for name, text in PARTS.items()}
    listed = {
        command: [text for each in texts for text in sample_expression(parse_sentence(each).expression, lists, rules)]
        for command, texts in commands.items()
    }
    assert found.counts() == {command: len(texts) for command, texts in listed.items()}
    assert found.count() == sum(map(len, listed.values()))
    assert found.words() == {word for texts in listed.values() for text in texts for word in normalise(text).split()}


def _hassil_value(value: str | tuple[str, Any]) -> TextSlotValue:
    said = value if isinstance(value, str) else value[0]
    return TextSlotValue(text_in=parse_sentence(said).expression, value_out=None)


@given(grammars)
@settings(max_examples=25)
def test_the_ways_on_from_every_node_add_up_to_one(commands: dict[str, list[str]]) -> None:
    found = network(commands, ("please", "if you can"), any=Wildcard())
    for node in reachable(found.net.start):
        probs = [prob for _, prob in node.words.values()] + [way.prob for way in (*node.moves, *node.calls)]
        probs += [node.wild[1]] if node.wild else []
        assert not probs or sum(probs) == pytest.approx(1)
        # Without this the parser would meet a node before all ways to it are known.
        assert all(way.target.order > node.order for way in (*node.moves, *node.calls))


def test_words_that_are_written_together_are_one_and_others_are_not() -> None:
    found = network({"a": ["turn[ed|s] {name}'s light(s|) 5%, wi-fi [now]!", "the {name}-{place}? (1|2)(0|5)"]})
    for text in (
        "turned bob's lights five percent wi fi",
        "the cat attic twenty five",
        "turn the telly's light five percent wi fi now",
    ):
        assert found.parse(text) is not None, text
    for text in ("turn ed bob's light five percent wi fi", "turned bob s light five percent wi fi"):
        assert found.parse(text) is None, text


def test_a_sentence_is_read_as_the_normaliser_writes_it() -> None:
    found = network({"a": ["Call Mr. {who} at 5 o'clock"]}, who=words("José", "T.V. Müller"))
    reading = found.parse(normalise("call mr josé at 5 o'clock"))
    assert reading is not None
    assert reading.slots == {"who": "jose"}


def test_slots_hold_numbers_times_and_dates_as_values() -> None:
    more = {
        "n": NumberRange(-5, 100, 5),
        "half": NumberRange(0, 3, fractions="halves", multiplier=10),
        "d": DateRange(),
    }
    found = network(
        {"a": ["set {n:to}%", "{half}", "{20..22:at}", "on {d}", "at {t}"]}, t=TimeRange(360, 600, 15), **more
    )
    for text, slots in {
        "set minus five percent": {"to": -5},
        "set a hundred percent": {"to": 100},
        "two and a half": {"half": 25},
        "twenty one": {"at": 21},
        "on the third of may": {"d": "05-03"},
        "at half past seven": {"t": "07:30"},
    }.items():
        reading = found.parse(text)
        assert reading is not None, text
        assert reading.slots == slots
    assert found.parse("set seven percent") is None
    assert found.parse("twenty three") is None


@given(
    st.builds(NumberRange, st.integers(-90, 3000), st.integers(3000, 4000), st.integers(7, 90)),
    st.randoms(use_true_random=False),
)
@settings(max_examples=5)
def test_each_number_of_a_range_is_read_as_likely_as_any_other_and_none_beside_them(
    numbers: NumberRange, generator: random.Random
) -> None:
    found = network({"a": ["set {n}"]}, n=numbers)
    every = range(numbers.start, numbers.stop + 1, numbers.step)
    for number in (every[0], every[-1], *generator.choices(every, k=20)):
        readings = [found.parse(f"set {way}") for way in number_ways(number)]
        assert all(reading is not None and reading.slots == {"n": number} for reading in readings)
        likely = sum(math.exp(reading.log_prob) for reading in readings if reading is not None)
        assert likely == pytest.approx(1 / len(every))
        for other in (number - 1, number + 1):
            assert other in every or found.parse(f"set {number_ways(other)[0]}") is None


def test_a_value_with_figures_is_said_in_all_its_ways_and_gives_what_it_stands_for() -> None:
    found = network({"a": ["milk {much}"]}, much=words("50%", "7:30", ("105", "lots"), "channel 4"))
    for text, value in {
        "milk fifty percent": 50,
        "milk half past seven": "07:30",
        "milk one hundred five": "lots",
        "milk channel four": "channel 4",
    }.items():
        reading = found.parse(text)
        assert reading is not None, text
        assert reading.slots == {"much": value}


def test_any_words_are_one_or_more_and_fill_their_slot() -> None:
    found = network({"note": ["note {any} please", "[{any:two}] stop"]}, any=Wildcard())
    assert found.count() == 3
    assert found.parse("note please") is None
    assert found.parse("note buy quince please") == Reading("note", {"any": "buy quince"}, "note buy quince please")
    assert found.parse("stop") == Reading("note", {}, "stop")
    assert "quince" not in found.words()
    generator = random.Random(1)
    for _ in range(50):
        drawn = found.draw_reading(generator)
        assert drawn in found.readings(drawn.text)


def test_listed_words_are_likelier_than_any_words_and_both_are_read() -> None:
    found = network({"known": ["play {name}"], "free": ["play {any}"]}, any=Wildcard())
    assert [reading.command for reading in found.readings("play mary ann")] == ["known", "known", "free"]


def test_of_many_templates_those_are_read_that_begin_with_one_of_many_words_or_with_any() -> None:
    many = words(*(f"{one}{other}" for one in "abcdefghij" for other in "abcdefghij"))
    commands = {f"c{at}": [f"word{'x' * at} stop"] for at in range(20)}
    found = network(
        {**commands, "many": ["{many} up"], "maybe": ["[{many}] down"], "any": ["{any} off"]}, many=many, any=Wildcard()
    )
    for text, command in {
        "aj up": "many",
        "down": "maybe",
        "jj down": "maybe",
        "q off": "any",
        "wordxx stop": "c2",
    }.items():
        assert [reading.command for reading in found.readings(text)] == [command]


def test_one_sentence_of_two_commands_has_two_readings() -> None:
    found = network({"a": ["stop"], "b": ["stop [now]"]})
    assert [reading.command for reading in found.readings("stop")] == ["a", "b"]
    assert [reading.command for reading in found.readings("stop", 1)] == ["a"]


def test_a_slot_that_is_said_twice_gives_a_list_and_a_fixed_one_gives_way_to_a_said_one() -> None:
    found = network({"a": ["{name} and {name}", "{one:fixed}"]}, slots={"fixed": 1})
    reading = found.parse("bob and mary ann")
    assert reading is not None
    assert reading.slots["name"][0] == "bob"
    assert reading.slots["fixed"] == 1
    assert found.parse("bob") == Reading("a", {"fixed": "bob"}, "bob")


def test_values_that_equal_each_other_only_in_python_are_told_apart() -> None:
    found = network({"a": ["{x}"]}, x=words(("yes", 1), ("yes", True)))
    assert sorted(repr(reading.slots["x"]) for reading in found.readings("yes")) == ["1", "True"]


def test_skip_words_are_said_any_number_of_times_before_after_and_between_words_and_seldom() -> None:
    found = network({"a": ["stop it", "call {name} [now]"]}, ("please", "if you can", "if you"))
    assert found.count() == 15
    for text in (
        "stop it",
        "please stop it",
        "stop it if you can",
        "if you can please if you stop it please please",
        "stop please it",
        "stop please please it",
        "stop if you if you can please it",
    ):
        assert [(reading.command, reading.slots) for reading in found.readings(text)] == [("a", {})], text
    reading = found.parse("please call please mary ann if you can now please")
    assert reading is not None
    assert reading.slots == {"name": "mary ann"}
    for text in ("please", "stop if it", "can stop it", "stop it if"):
        assert found.parse(text) is None
    generator = random.Random(0)
    drawn = Counter(found.draw(generator).startswith(("stop", "call")) for _ in range(4000))
    assert drawn[True] / 4000 == pytest.approx(1 - SKIPPED, abs=0.02)


def test_skip_words_beside_any_words_belong_to_these_as_hassil_has_it() -> None:
    found = network({"a": ["say {any}", "[{any:to}] loud"], "b": ["{any:two} off"]}, ("please",), any=Wildcard())
    for text, slots in {
        "please say hello please": {"any": "hello please"},
        "please off please": {"two": "please"},
        "please loud": {},
    }.items():
        reading = found.parse(text)
        assert reading is not None
        assert reading.slots == slots, text


def test_skip_words_between_words_cost_few_nodes_and_no_more_states_than_they_say() -> None:
    titles = words(*(f"title {one}{other}" for one in "abcdefghij" for other in "abcdefghij"))
    texts = {"a": [f"play {{titles}} [the] word{at} of it" for at in "abcdefgh"]}
    plain, skipping = network(texts, titles=titles), network(texts, ("please", "could you"), titles=titles)
    assert _size(skipping) - _size(plain) <= 8 * 9 + 20


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("ring 105 [now]", ("ring one hundred and five", "ring one hundred five now", "ring a hundred and five")),
        ("photos of 1984", ("photos of nineteen eighty four", "photos of one thousand nine hundred eighty four")),
        ("(wake|call) me at 7:30 pm {name}", ("wake me at seven thirty p m bob", "call me at half past seven pm bob")),
        (
            "on the 3rd of May, 2026 it is",
            ("on may third twenty twenty six it is",),
        ),
        ("volume (5|1000)", ("volume a thousand", "volume five", "volume one thousand")),
        ("set 50% and 200 and 1984", ("set fifty percent and two hundred and nineteen eighty four",)),
        ("<dial>", ("dial a hundred and one",)),
        ("{line} on", ("line one hundred two on", "row a hundred and two on")),
    ],
)
def test_figures_in_a_sentence_are_said_in_the_ways_that_a_list_has(template: str, said: tuple[str, ...]) -> None:
    found = compile_network(
        [
            Grammar(
                "g",
                {
                    "a": (
                        Template(
                            "a:1",
                            parse(template),
                            {"name": words("bob"), "line": words("(line|row) 102")},
                            {"dial": Rule("r:1", parse("dial 101"))},
                            {},
                        ),
                    )
                },
                ("please",),
            )
        ],
        normalise,
    )
    for text in said:
        assert found.parse(text) is not None, text
    drawn = [found.draw(random.Random(seed)) for seed in range(200)]
    assert all(found.parse(text) is not None for text in drawn)
    texts = {" ".join(text.replace("please", "").split()) for text in drawn}
    assert 3 <= len(texts) <= found.count()


def test_ways_of_figures_add_up_in_a_sentence_and_do_not_multiply_its_nodes() -> None:
    one = network({"a": ["go 1984"]})
    many = network({"a": ["go 1984 and 1985 and 1986 and 1987 and 1988 and 1989"]})
    assert many.count() == math.prod(network({"a": [f"go {year}"]}).count() for year in range(1984, 1990))
    assert _size(many) < 8 * _size(one)


def test_figures_that_letters_are_written_to_are_said_as_the_normaliser_reads_them() -> None:
    found = network({"a": ["go (1|2)(0|5) 1,000[0]x 3.5{one}"]})
    assert found.parse(normalise("go 25 1,0000x 3.5bob")) is not None
    assert found.parse(normalise("go 20 1,000x 3.5bob")) is not None


def test_several_grammars_make_one_network_that_draws_from_each() -> None:
    one, other = grammar({"a": ["stop"]}, ("please",)), grammar({"b": ["go {name}"]})
    found = compile_network([one, other], normalise)
    assert found.commands == ("a", "b")
    assert found.parse("please stop") is not None
    assert found.parse("please go bob") is None
    generator = random.Random(0)
    assert {found.draw(generator, "b").split()[0] for _ in range(20)} == {"go"}


def test_sentences_come_as_often_as_they_are_likely() -> None:
    found = network({"a": ["[please] stop", "go {name}"]})
    generator = random.Random(3)
    drawn = Counter(found.draw(generator) for _ in range(4000))
    for text, count in drawn.items():
        prob = sum(math.exp(reading.log_prob) for reading in found.readings(text))
        assert count / 4000 == pytest.approx(prob, abs=0.03)


def _size(found: Network) -> int:
    return sum(1 for _ in reachable(found.net.start))


def test_long_lists_are_kept_once_however_often_they_are_named() -> None:
    generator = random.Random(0)
    titles = WordList(
        tuple(
            Value("titles:1", Text(" ".join("".join(generator.choices("abcdefgh", k=5)) for _ in range(3))))
            for _ in range(3000)
        )
    )
    once = network({"a": ["play {titles}"]}, titles=titles)
    often = network({"a": ["play {titles} by {titles:who} [on {titles:where}]", "stop {titles}"]}, titles=titles)
    assert _size(once) <= 3 * 3000 + 10
    assert _size(often) - _size(once) <= 15
    assert often.count() == 3000**2 + 3000**3 + 3000


def test_a_list_that_is_known_in_two_places_is_compiled_once() -> None:
    shared, rule = words("bob", "ann <r>"), Rule("r:1", parse("(b|c)"))
    texts = ["see {who}", "hear {who}"]
    templates = tuple(Template("a:1", parse(text), {"who": shared}, {"r": rule}, {}) for text in texts)
    one = compile_network([Grammar("g", {"a": templates[:1]}, ())], normalise)
    two = compile_network([Grammar("g", {"a": templates}, ())], normalise)
    assert _size(two) - _size(one) <= 4


def test_a_name_stands_for_what_is_known_where_it_is_used() -> None:
    shared = words("the {who}")
    one, other = (
        Template(f"a:{name}", parse(f"{name} {{x}}"), {"x": shared, "who": words(name)}, {}, {})
        for name in ("bob", "ann")
    )
    found = compile_network([Grammar("g", {"a": (one, other)}, ())], normalise)
    for name, other in (("bob", "ann"), ("ann", "bob")):
        assert found.parse(f"{name} the {name}") is not None
        assert found.parse(f"{name} the {other}") is None


def test_rules_that_name_rules_twice_take_no_more_time_than_their_text() -> None:
    rules = {"r0": Rule("r:0", parse("very"))}
    rules |= {f"r{at}": Rule(f"r:{at}", parse(f"<r{at - 1}> <r{at - 1}>")) for at in range(1, 41)}
    template = Template("a:1", parse("<r40> good"), {}, rules, {})
    found = compile_network([Grammar("g", {"a": (template,)}, ())], normalise)
    assert found.count() == 1
    assert _size(found) < 200


def test_parts_in_any_order_share_what_is_the_same_of_their_orders() -> None:
    found = network({"a": ["go (a|a a);[b];c c;d;e;f;g".join(["(", ")"])]})
    assert found.count() == math.factorial(7) * 4
    assert found.parse("go c c") is None
    assert _size(found) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("see {nam}", r"a:1: \{nam\} is not among the `lists:`; did you mean \{name\}\?"),
        ("see <trun>", r"a:1: <trun> is not among the `expansion_rules:`; did you mean <turn>\?"),
        ("[please] [{place}]", "a:1: the sentence can be empty"),
        ("<maybe> -", "a:1: the sentence can be empty"),
        ("- !", "a:1: the sentence can be empty"),
        ("see привет", "a:1: found the letter 'п' in 'see привет'"),
        ("see {ring}", r"list:1: \{ring\} is used in itself \(\{ring\} in \{loop\} in \{ring\}\)"),
        ("see {mark}", r"list:1: found no word in '!'"),
        ("see {any}s", r"a:1: letters are written to \{any\}, which takes any words"),
        ("a;b;c;d;e;f;g;h;i".join("()"), "a:1: found 9 parts in any order; wanted 8 at most"),
        ("see {none}", "test: there is no sentence that could be said"),
    ],
)
def test_what_cannot_be_compiled_is_named_with_its_place(text: str, message: str) -> None:
    more = {
        "ring": words("a {loop}"),
        "loop": words("b {ring}"),
        "mark": words("!"),
        "none": WordList(()),
    }
    with pytest.raises(SettingsError, match=message):
        network({"a": [text]}, any=Wildcard(), **more)


def test_an_unknown_command_cannot_be_drawn() -> None:
    with pytest.raises(SettingsError, match="no command 'b'; wanted one of a"):
        network({"a": ["stop"]}).draw(random.Random(0), "b")
