"""The sentences of a network as tokens: exactly those, each as likely as the network has it."""

import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from grammars import grammar, grammars, meanings, network, normalise, words
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asr.commands.grammar.grammar import Wildcard
from asr.commands.network import automaton as automaton_module
from asr.commands.network.automaton import TokenAutomaton
from asr.commands.network.network import Network
from asr.errors import AsrError, SettingsError
from asr.text.special import EOS, SPECIAL
from asr.text.tokenizer import WORD_START, Tokenizer

ROOT = Path(__file__).resolve().parents[1]
TOKENIZER = Tokenizer.load(ROOT / "asr" / "bundles" / "default" / "tokenizer.model")
MANY = 150


def log_prob(found: TokenAutomaton, tokens: list[int]) -> float:
    """How likely tokens with EOS after them are; minus infinity where they are no sentence."""
    state, total = found.start(), 0.0
    for token in [*tokens, EOS]:
        options = found.options(state)
        at = int(np.searchsorted(options.tokens, token))
        if at == len(options.tokens) or options.tokens[at] != token:
            return -math.inf
        total += float(options.log_probs[at])
        if token != EOS:
            state = found.follow(state, token)
    return total


def all_tokens(found: TokenAutomaton) -> Iterator[tuple[int, ...]]:
    """Every sentence of an automaton that has finitely many."""
    todo: list[tuple[tuple[int, ...], int]] = [((), found.start())]
    while todo:
        said, state = todo.pop()
        options = found.options(state)
        assert list(options.tokens) == sorted(set(options.tokens))
        assert np.exp(options.log_probs).sum() == pytest.approx(1)
        for token in map(int, options.tokens):
            if token == EOS:
                yield said
            else:
                todo.append(((*said, token), found.follow(state, token)))


@given(grammars)
@settings(max_examples=25)
def test_it_says_exactly_the_sentences_each_as_likely_as_the_network_has_it(commands: dict[str, list[str]]) -> None:
    made = network(commands)
    assume(made.count() <= MANY)
    wanted = {
        tuple(TOKENIZER.encode(text)): sum(several.values()) for text, several in meanings(grammar(commands)).items()
    }
    found = TokenAutomaton(made, TOKENIZER)
    said = list(all_tokens(found))
    assert len(set(said)) == len(said)
    assert set(said) == set(wanted)
    for tokens, prob in wanted.items():
        assert math.exp(log_prob(found, list(tokens))) == pytest.approx(prob)


@given(grammars, st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_what_is_drawn_is_as_likely_in_tokens_as_in_words(
    commands: dict[str, list[str]], generator: random.Random
) -> None:
    made = network(commands, ("please", "if you can"))
    found = TokenAutomaton(made, TOKENIZER)
    for _ in range(5):
        text = made.draw(generator)
        by_words = sum(math.exp(reading.log_prob) for reading in made.readings(text, 100))
        assert math.exp(log_prob(found, TOKENIZER.encode(text))) == pytest.approx(by_words)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz' ", max_size=60))
@settings(max_examples=100)
def test_the_tokens_of_a_text_are_those_of_its_words(text: str) -> None:
    said = normalise(text)
    assert TOKENIZER.encode(said) == [token for word in said.split() for token in TOKENIZER.encode(word)]


def test_the_tokens_of_a_real_text_are_those_of_its_words() -> None:
    text = normalise((ROOT / "recipes" / "commands" / "commands.txt").read_text(encoding="utf-8"))
    assert TOKENIZER.encode(text) == [token for word in text.split() for token in TOKENIZER.encode(word)]


def test_any_words_are_spelled_in_any_tokens_but_special_ones() -> None:
    made = network({"a": ["play {any} now"]}, any=Wildcard())
    found = TokenAutomaton(made, TOKENIZER)
    pieces = {token: TOKENIZER.piece(token) for token in range(TOKENIZER.vocabulary) if token not in SPECIAL}
    starts = {token for token, piece in pieces.items() if piece.startswith(WORD_START)}
    state = found.start()
    for token in TOKENIZER.encode("play"):
        state = found.follow(state, token)
    assert set(found.options(state).tokens) == starts
    a_word = found.follow(state, next(token for token, piece in pieces.items() if piece == f"{WORD_START}a"))
    assert set(found.options(a_word).tokens) == set(pieces)
    bare = found.follow(state, next(token for token, piece in pieces.items() if piece == WORD_START))
    assert set(found.options(bare).tokens) == set(pieces) - starts
    assert math.isfinite(log_prob(found, TOKENIZER.encode("play quince and zebra now")))
    assert log_prob(found, TOKENIZER.encode("play now")) == -math.inf
    # One letter at a time, where the tokenizer would take more at once.
    letters = {piece: token for token, piece in pieces.items()}
    spelled = [letters[f"{WORD_START}a"], letters["n"], letters["d"]]
    assert math.isfinite(log_prob(found, [*TOKENIZER.encode("play"), *spelled, *TOKENIZER.encode("now")]))


def test_states_of_texts_that_go_on_alike_are_one() -> None:
    found = TokenAutomaton(network({"a": ["go (up|left) {name} now", "see {one} now"]}), TOKENIZER)
    ends = set()
    for text in ("go up bob now", "go left mary ann now", "see bob now"):
        state = found.start()
        for token in TOKENIZER.encode(text):
            state = found.follow(state, token)
        ends.add(state)
    assert len(ends) == 1


def test_a_list_that_many_call_at_once_is_looked_at_once() -> None:
    generator = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    values = [" ".join("".join(generator.choices(letters, k=5)) for _ in range(2)) for _ in range(500)]
    rules = [f"play {{x:slot{at}}} {''.join(generator.choices(letters, k=6))}" for at in range(50)]
    found = TokenAutomaton(network({"a": rules}, x=words(*values)), TOKENIZER)
    state = found.start()
    for token in TOKENIZER.encode("play"):
        state = found.follow(state, token)
    assert len(found._walks.tables.states[state].inside) == 1
    text = f"play {values[7]} {rules[3].split()[-1]}"
    assert math.isfinite(log_prob(found, TOKENIZER.encode(text)))


def test_what_is_kept_is_bounded_and_walks_that_go_on_meanwhile_stay_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton_module, "_MOST_STATES", 5)
    found = TokenAutomaton(network({"a": ["go {name} now"], "b": ["see {place}"]}), TOKENIZER)
    generator = random.Random(0)
    made = network({"a": ["go {name} now"], "b": ["see {place}"]})
    old = found.start()
    old = found.follow(old, int(found.options(old).tokens[0]))
    first = found.options(old)
    for at in range(30):
        text = made.draw(generator)
        assert math.isfinite(log_prob(found, TOKENIZER.encode(text)))
        assert len(found._walks.tables.states) < 40
        if at == 0:
            again = found.options(old)
            assert list(again.tokens) == list(first.tokens)
            found.follow(old, int(again.tokens[0]))
    with pytest.raises(AsrError, match="is not known, or no longer; begin anew"):
        found.options(old)


def test_a_token_that_is_no_option_is_refused() -> None:
    found = TokenAutomaton(network({"a": ["go"]}), TOKENIZER)
    with pytest.raises(AsrError, match="goes on with token 3 there"):
        found.follow(found.start(), EOS)


def test_words_that_the_tokenizer_cannot_spell_are_named() -> None:
    made = _Renamed(network({"a": ["go"]}), "été")
    with pytest.raises(SettingsError, match="no letters for 'été'"):
        TokenAutomaton(made, TOKENIZER)


class _Renamed(Network):
    """A network that has another word besides, as a normaliser of another language could write it."""

    def __init__(self, made: Network, word: str) -> None:
        super().__init__(made.net, made._sentences[None])
        self._word = word

    def words(self) -> set[str]:
        return {*super().words(), self._word}
