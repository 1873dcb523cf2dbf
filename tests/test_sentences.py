"""Training text: fixed by the seed, in the alphabet of targets, and too varied to be learnt by heart."""

import ast
import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from asr.adaptation.lessons import ordinary_words
from asr.data.texts import number_phrases as phrases
from asr.data.texts.sentence_templates import read_templates, ready_templates
from asr.data.texts.sentences import LONGEST, SHARES, sentences, words_of
from asr.errors import SettingsError
from asr.text import english
from asr.text.english.numbers import WEEKDAYS

VOCABULARY = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
COMMANDS = ["show me my files please", "stop", "turn on the light", "set a timer for ten minutes"]
RANKED = [f"z{word}" for word in VOCABULARY]
NAMES = ["yolanda", "yosemite"]
FREE = [f"x{word} happens" for word in VOCABULARY]
NORMAL = re.compile(r"[a-z]+('[a-z]+)*( [a-z]+('[a-z]+)*)*")


def test_sentences_are_fixed_by_the_seed() -> None:
    one = list(sentences(3, 500, VOCABULARY, COMMANDS))
    assert len(one) == 500
    assert one == list(sentences(3, 500, VOCABULARY, COMMANDS))
    assert one != list(sentences(4, 500, VOCABULARY, COMMANDS))


def test_sentences_are_in_the_alphabet_of_targets() -> None:
    wrong = [s for s in sentences(0, 5000, VOCABULARY, COMMANDS) if not NORMAL.fullmatch(s)]
    assert wrong == []


def test_shares_are_as_documented() -> None:
    made = list(sentences(1, 20_000, VOCABULARY, COMMANDS, ranked=RANKED, names=NAMES, free=FREE))
    counts = Counter(made)
    # "cut" and "off" may leave a command whole now and then, never the other way round; "stop" is a template too.
    whole = [counts[command] / len(made) for command in COMMANDS if command != "stop"]
    assert sum(whole) == pytest.approx(SHARES["command"] * 3 / 4, abs=0.02)
    assert max(whole) < 1.3 * min(whole), "commands are used evenly"
    assert sum(counts[text] for text in FREE) / len(made) == pytest.approx(SHARES["sentence"], abs=0.01)
    known = {*VOCABULARY, *RANKED, *NAMES}
    strings = [len(s.split()) for s in made if set(s.split()) <= known]
    assert sum(length > 1 for length in strings) / len(made) == pytest.approx(SHARES["words"] * 7 / 8, abs=0.03)
    assert max(strings) == 8
    assert 1 / 7 < sum(" " not in s for s in made) / len(made) < 1 / 4, "one in six is a word alone, and some digits"
    assert sum(SHARES.values()) == pytest.approx(1)


def test_without_free_sentences_the_others_share_their_part() -> None:
    made = list(sentences(1, 4000, VOCABULARY, ["quit it all"]))
    assert sum(s == "quit it all" for s in made) / 4000 == pytest.approx(0.12 / 0.87, abs=0.02)


def test_common_words_are_the_more_likely_and_rare_ones_do_occur() -> None:
    made = [w for s in sentences(1, 9000, VOCABULARY, COMMANDS, ranked=RANKED) for w in s.split()]
    counts = Counter(made)
    common, rare = RANKED[: len(RANKED) // 16], RANKED[len(RANKED) // 2 :]
    assert sum(counts[word] for word in common) / len(common) > 4 * sum(counts[word] for word in rare) / len(rare)
    assert sum(counts[word] > 0 for word in rare) > 0.8 * len(rare)


def test_commands_are_short_and_long_and_two_in_one() -> None:
    lengths = Counter(len(s.split()) for s in sentences(5, 20_000, VOCABULARY, COMMANDS))
    assert all(lengths[length] > 30 for length in range(1, 16))
    assert sum(lengths[length] for length in range(10, LONGEST + 1)) / 20_000 > 0.05
    assert sum(n for length, n in lengths.items() if length > LONGEST) / 20_000 < 0.01, "only for politeness"


def test_text_cannot_be_guessed() -> None:
    """Words that begin commands, or stand before their objects, are followed by many different words."""
    followers: dict[str, set[str]] = {}
    for sentence in sentences(2, 8000, VOCABULARY, COMMANDS):
        for word, after in pairwise(sentence.split()):
            followers.setdefault(word, set()).add(after)
    assert len(followers["show"]) > 5
    assert len(followers["turn"]) > 5
    assert len(followers["the"]) > 100
    assert len(followers["play"]) > 30


def test_every_template_can_be_filled() -> None:
    templates = ready_templates()
    assert len(templates.patterns) > 400
    lines = [*templates.patterns, *(value for values in templates.lists.values() for value in values)]
    named = {name for line in lines for name in re.findall(r"{(\w+)}", line)}
    used_by_the_code = {"lone", "joint", "hesitation", "polite_before", "polite_after"}
    assert set(templates.lists) - named == used_by_the_code, "no list is there for nothing"
    generator = random.Random(0)
    made = {name: lambda: "made" for name in named - set(templates.lists)}
    for pattern in templates.patterns:
        for _ in range(5):
            text = templates.fill(pattern, generator, made)
            assert NORMAL.fullmatch(text), pattern
    for values in templates.lists.values():
        for value in values:
            assert NORMAL.fullmatch(templates.fill(value, generator, made)), value
    assert all(NORMAL.fullmatch(s) for s in sentences(0, 3000, VOCABULARY, COMMANDS))


def test_templates_choose_leave_out_and_hold_lists() -> None:
    templates = read_templates("# rooms\nroom = hall |\n    {big} room\nbig = vast\n(dim|light [up]) the {room}\n")
    assert list(templates.patterns) == ["(dim|light [up]) the {room}"]
    generator = random.Random(0)
    assert {templates.fill(templates.patterns[0], generator, {}) for _ in range(200)} == {
        f"{verb} the {room}" for verb in ("dim", "light", "light up") for room in ("hall", "vast room")
    }
    assert templates.words() == ["dim", "hall", "light", "room", "the", "up", "vast"]


def test_ordinary_words_are_words() -> None:
    words = ordinary_words()
    assert len(words) > 1500
    assert {"kitchen", "nine", "saturday", "o'clock"} - set(words) == {"o'clock"}
    assert all(NORMAL.fullmatch(word) for word in words)


@pytest.mark.parametrize(
    "make",
    [
        *(phrases.anything, phrases.digits, phrases.letters, phrases.number, phrases.ordinal, phrases.decimal),
        *(phrases.percent, phrases.degrees, phrases.money, phrases.year, phrases.date, phrases.time),
    ],
)
def test_numbers_are_words_and_varied(make: Callable[[random.Random], str]) -> None:
    generator = random.Random(0)
    made = {make(generator) for _ in range(500)}
    assert all(NORMAL.fullmatch(text) for text in made)
    assert len(made) > 25


def test_digits_stand_alone_the_most_often_and_up_to_twelve() -> None:
    generator = random.Random(0)
    lengths = Counter(len(phrases.digits(generator).split()) for _ in range(3000))
    assert set(lengths) == set(range(1, 13))
    assert lengths.most_common(1)[0][0] == 1
    assert min(len(phrases.digits(generator, 3).split()) for _ in range(300)) == 3


def test_letters_among_words_are_never_a_which_is_the_article() -> None:
    generator = random.Random(0)
    assert {phrases.letter(generator) for _ in range(2000)} == set("bcdefghijklmnopqrstuvwxyz")


def test_words_are_spelled() -> None:
    made = list(sentences(0, 4000, ["cabbage"], COMMANDS))
    for text in ("c a b b a g e", "spell cabbage c a b b a g e", "cabbage c a double b a g e"):
        assert text in made


def test_words_of_transcripts() -> None:
    assert words_of(["Don't stop", "stop at 9", "the dogs' end", "o'clock"]) == [
        "at",
        "don't",
        "end",
        "o'clock",
        "stop",
        "the",
    ]


def test_number_in_words() -> None:
    generator = random.Random(0)
    said = Counter(phrases.number_in_words(121, generator) for _ in range(400))
    assert set(said) == set(english.number_ways(121))
    assert said["one hundred and twenty one"] == max(said.values()), "the usual way the most often"


def test_number_phrases_have_no_words_of_their_own() -> None:
    """How a thing is said stands in one place, which grammars and the normaliser know too."""
    tree = ast.parse(Path(phrases.__file__).read_text(encoding="utf-8"))
    bodies = [node.body[0] for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef)]
    told = {id(first.value) for first in bodies if isinstance(first, ast.Expr)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told}
    assert {text for text in texts if isinstance(text, str) and re.search("[a-z]", text)} == {
        *(phrases.LETTERS, "am", "pm"),
    }


TIMES = {way for minute in range(24 * 60) for way in english.time_ways(minute, bare=True)}
DAYS = {text for text, value in english.date_ways() if value[0].isdigit()}
YEARS = {way for number in range(1700, 2061) for way in english.number_ways(number)}


def is_date(text: str) -> bool:
    said = text.split()
    said = said[said[0] in WEEKDAYS :]
    parts = [(" ".join(said[:end]), " ".join(said[end:])) for end in range(2, len(said) + 1)]
    return any(day in DAYS and (not year or year in YEARS) for day, year in parts)


def is_written(form: str, *numbers: int | str) -> Callable[[str], bool]:
    known = [english.written_ways(form.format(number)) for number in numbers]
    return {way for each in known if each for way in each[0]}.__contains__


@pytest.mark.parametrize(
    ("make", "known"),
    [
        (phrases.time, TIMES.__contains__),
        (phrases.date, is_date),
        (phrases.year, YEARS.__contains__),
        (phrases.percent, is_written("{}%", *range(101), *(f"{n / 10}" for n in range(1000)))),
        (phrases.degrees, is_written("{}°", *range(-20, 251), *(f"{n}.5" for n in range(-20, 251)))),
    ],
)
def test_what_is_drawn_is_what_a_grammar_understands(
    make: Callable[[random.Random], str], known: Callable[[str], bool]
) -> None:
    generator = random.Random(1)
    assert [text for text in (make(generator) for _ in range(1000)) if not known(text)] == []


@pytest.mark.parametrize(("vocabulary", "commands"), [([], COMMANDS), (VOCABULARY, [])])
def test_empty_vocabulary_or_commands_are_refused(vocabulary: list[str], commands: list[str]) -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        list(sentences(0, 1, vocabulary, commands))
