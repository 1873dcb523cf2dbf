"""Training text: fixed by the seed, in the alphabet of targets, and too varied to be learnt by heart."""

import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from asr.data.synthetic.sentences import LETTERS, SHARES, SLOTS, TEMPLATES, number_in_words, sentences, words_of
from asr.errors import SettingsError

VOCABULARY = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
COMMANDS = ["show me my files please", "stop", "turn on the light", "set a timer for ten minutes"]
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
    made = list(sentences(1, 8000, VOCABULARY, COMMANDS))
    counts = Counter(made)
    whole = [counts[command] for command in COMMANDS]
    # "cut" and "exchange" may leave a command whole now and then, never the other way round.
    assert 0.22 < sum(whole) / len(made) < 0.30
    assert max(whole) < 1.3 * min(whole), "commands are used evenly"
    random_words = sum(set(s.split()) <= set(VOCABULARY) for s in made) / len(made)
    assert abs(random_words - 0.25) < 0.03
    assert sum(SHARES.values()) == pytest.approx(1)


def test_text_cannot_be_guessed() -> None:
    """Words that begin commands, or stand before their objects, are followed by many different words."""
    followers: dict[str, set[str]] = {}
    for sentence in sentences(2, 8000, VOCABULARY, COMMANDS):
        for word, after in pairwise(sentence.split()):
            followers.setdefault(word, set()).add(after)
    assert len(followers["show"]) > 5
    assert len(followers["turn"]) > 5
    assert len(followers["the"]) > 100
    assert len(followers["word"]) > 20


def test_every_template_names_slots_that_exist() -> None:
    assert TEMPLATES
    slots = {slot for template in TEMPLATES for slot in re.findall(r"{(\w+)}", template)}
    assert slots == set(SLOTS) | {"word", "number", "time"}
    assert all("{" not in s for s in sentences(0, 3000, VOCABULARY, COMMANDS))


def test_a_is_never_spelled_for_it_would_be_read_as_the_article() -> None:
    assert "a" not in LETTERS


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
    assert {number_in_words(121, generator) for _ in range(20)} == {
        "one hundred and twenty one",
        "one hundred twenty one",
    }


@pytest.mark.parametrize(("vocabulary", "commands"), [([], COMMANDS), (VOCABULARY, [])])
def test_empty_vocabulary_or_commands_are_refused(vocabulary: list[str], commands: list[str]) -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        list(sentences(0, 1, vocabulary, commands))
