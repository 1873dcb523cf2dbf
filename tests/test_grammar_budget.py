"""Grammars that are small and stand for very much, or are very large, end soon: by an answer or by one line."""

import json
import re
import resource
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr.commands.grammar import budget
from asr.commands.grammar.form import read_grammar
from asr.commands.network import automaton
from asr.commands.network.automaton import TokenAutomaton
from asr.commands.network.network import compile_network
from asr.errors import SettingsError
from asr.text.normaliser import Normaliser
from asr.text.special import EOS

SECONDS = 60  # of processor time, three times what the slowest takes; without a budget each would take hours
BYTES = 1 << 30

_CHECK = """
import sys
from asr.commands.grammar.form import read_grammar
from asr.commands.inspection.checks import check
from asr.commands.network.network import compile_network
from asr.bundle import DEFAULT_BUNDLE, read_bundle
from asr.errors import AsrError
from pathlib import Path
bundle = read_bundle(DEFAULT_BUNDLE)
try:
    grammar = read_grammar(Path(sys.argv[1]))
    network = compile_network([grammar], bundle.normaliser)
    found = check([grammar], network, bundle.normaliser, bundle.tokenizer, 0.04)
    print("count", found.count, [finding.kind for finding in found.findings])
except AsrError as error:
    print("error", str(error).splitlines()[0])
"""


def word(number: int) -> str:
    """A made word, another for every number."""
    number, text = number + 70, ""
    while number:
        number, at = divmod(number, 70)
        text += "bdfgklmnprstvz"[at % 14] + "aeiou"[at // 14]
    return text


def some(count: int, first: int = 0) -> list[str]:
    return [word(first + at) for at in range(count)]


def commands(*sentences: str, **more: Any) -> dict[str, Any]:
    return {**more, "commands": {"a": list(sentences)}}


def rules(count: int, form: str) -> dict[str, str]:
    """Rules of which each names those before it."""
    named = {"r0": "(go|come)", "r1": "(up|down)"}
    return named | {f"r{at}": form.format(one=f"<r{at - 1}>", two=f"<r{at - 2}>") for at in range(2, count)}


def orders(depth: int, first: int = 0) -> str:
    """Eight parts in any order, which are such themselves."""
    parts = some(8, first) if not depth else [orders(depth - 1, first + at * 8**depth) for at in range(8)]
    return f"({';'.join(parts)})"


WILD = {"w": {"wildcard": "true"}}
NAMES = {"n": some(300)}
SMALL: dict[str, dict[str, Any]] = {
    "rules": commands("<r40>", expansion_rules=rules(41, "({one}|{one}) {one}")),
    "rules by two": commands("<r40> now", expansion_rules=rules(41, "({one}|{two}) {one}")),
    "rules glued": commands("<r40>s", expansion_rules=rules(41, "({one}|{two}){one}")),
    "optional glued": commands("".join(f"[{one}{other}]" for one, other in product("abcdefg", "hijkl")) + "x"),
    "list glued": commands("{n}{n:b}{n:c}", lists=NAMES),
    "ranges glued": commands("{0..999:a}{0..999:b}{0..999:c}"),
    "range": commands("go {0..1000000000000:n}"),
    "longest range": commands("go {0..9999:n}"),
    "longest range glued": commands("go {0..9999:n}th"),
    "ranges in a sentence": commands(" ".join(f"{{0..99:n{at}}}" for at in range(20)) + " go"),
    "any words": commands("{w} " * 31 + "go", lists=WILD),
    "any words of two": {"lists": WILD, "commands": {"a": "{w} " * 150 + "go", "b": "{w} " * 150 + "up"}},
    "optional words": commands("[a] " * 300 + "go"),
    "orders of orders": commands(f"go {orders(2)}"),
    "orders of rules": commands("<r9>", expansion_rules=rules(10, "({one};{one};{two};{one};{one};{two};{one};{one})")),
    "orders of lists glued": commands("go (" + ";".join(["{n}s"] * 8) + ")", lists=NAMES),
    "alternatives": commands(" ".join(f"({word(at)}|{word(at + 50)})" for at in range(40))),
    "a long word": commands(f"{'ab' * 50_000} go", f"{'ba' * 500}[s]"),
}
LARGE: dict[str, dict[str, Any]] = {
    "many ranges": commands(*(f"{word(at)} {{{at}..{at + 1999}:n}}" for at in range(400))),
    "many numbers": commands(
        "go {n}", lists={"n": [f"{word(at)} {1100 + at % 800} and {105 + at % 700} or 1205" for at in range(20_000)]}
    ),
    "many commands": {"commands": {f"c{at}": f"go {word(at)}" for at in range(30_000)}},
    "very many commands": {"commands": {f"c{at}": f"go {word(at)}" for at in range(100_000)}},
    "very many alternatives": commands(f"go ({'|'.join(some(700_000))})"),
    "many skip words": commands("go up", skip_words=some(20_000)),
    "a long sentence": commands(" ".join(some(50_000))),
}


def ended(grammar: dict[str, Any] | str, folder: Path) -> str:
    """What the check of a grammar says, within the limits of time and memory."""
    path = folder / "g.yaml"
    path.write_text(grammar if isinstance(grammar, str) else json.dumps(grammar))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (2 * BYTES, 2 * BYTES))

    ran = subprocess.run([sys.executable, "-c", _CHECK, str(path)], preexec_fn=limit, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-500:]
    if ran.stdout.startswith("error"):
        assert re.search(r"g\.yaml:\d+: found .*; wanted", ran.stdout), ran.stdout[:300]
    return ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_small_grammar_that_stands_for_very_much_ends_soon(name: str, tmp_path: Path) -> None:
    ended(SMALL[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_grammar_ends_soon(name: str, tmp_path: Path) -> None:
    ended(LARGE[name], tmp_path)


@pytest.mark.slow
def test_blocks_that_share_a_list_by_an_alias_compile_it_once(tmp_path: Path) -> None:
    first = f"  c:\n  - sentences: ['go {{v}}']\n    lists: &l\n      v: [{', '.join(some(1000))}]\n"
    blocks = "".join(f"  - sentences: ['{word(at)} {{v}}']\n    lists: *l\n" for at in range(500))
    assert ended(f"commands:\n{first}{blocks}", tmp_path).startswith("count 501000 ")


def read(text: str, folder: Path) -> Any:
    path = folder / "g.yaml"
    path.write_text(text)
    return read_grammar(path)


def test_a_block_that_aliases_repeat_in_its_place_is_one_block(tmp_path: Path) -> None:
    block = "  - &b\n    sentences: ['go (up|down) [now]']\n    lists: {x: [b]}\n"
    grammar = read(f"commands:\n  a:\n{block}" + "  - *b\n" * 1000, tmp_path)
    assert compile_network([grammar], Normaliser()).count() == 4


@pytest.mark.parametrize(
    ("limit", "most", "text"),
    [
        ("blocks.MOST_SENTENCES", 2, "commands:\n  a: [go up, go down]\n  b:\n  - go on\n"),
        ("templates.MOST_LETTERS", 9, "commands:\n  a: go up\n  b:\n  - go (on|off)\n"),
    ],
)
def test_sentences_and_their_letters_are_counted(
    limit: str, most: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"asr.commands.grammar.{limit}", most)
    with pytest.raises(SettingsError, match=r"g\.yaml:4: found .*; wanted"):
        read(text, tmp_path)
    monkeypatch.setattr(f"asr.commands.grammar.{limit}", most + 2)
    assert compile_network([read(text, tmp_path)], Normaliser()).count() >= 2


def test_counts_stop(tmp_path: Path) -> None:
    grammar = read(json.dumps(commands("<r12>", expansion_rules=rules(13, "({one}|{one}) {one}"))), tmp_path)
    assert compile_network([grammar], Normaliser()).count() == budget.MANY


def test_what_passes_the_budget_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_STEPS", 500)
    grammar = read(f"lists:\n  l: [{', '.join(some(300))}]\ncommands:\n  a: go up\n  b:\n  - go {{l}}\n", tmp_path)
    with pytest.raises(SettingsError, match=r"g\.yaml:2: found commands that take more than 500 steps"):
        compile_network([grammar], Normaliser())


@pytest.mark.parametrize(
    "range_",
    ["{0..1000000:n}", "{5..1:n}", "{0..9/0:n}", "{0.." + "9" * 5000 + ":n}"],
    ids=["many", "falling", "no step", "long"],
)
def test_numbers_in_a_sentence_are_as_many_as_in_a_list(range_: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"g\.yaml:2: .*; wanted"):
        read(f'commands:\n  a: "go {range_}"\n', tmp_path)


@pytest.mark.parametrize(
    "number",
    ["9" * 5000, "9" * 400, "-" + "9" * 400 + ".0", "1.0e999"],
    ids=["whole", "too large", "negative", "exponent"],
)
@pytest.mark.parametrize("form", ["slots: {l: NUMBER}", "lists: {x: [{in: up, out: NUMBER}]}"])
def test_numbers_without_an_end_are_refused(number: str, form: str, tmp_path: Path) -> None:
    text = f"commands:\n  a:\n  - sentences: [go]\n    {form.replace('NUMBER', number)}\n"
    with pytest.raises(SettingsError, match=r"g\.yaml:4: found a number of [\d,]+ figures; wanted"):
        read(text, tmp_path)


def test_too_many_texts_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.commands.grammar.source.MOST_NODES", 100)
    with pytest.raises(SettingsError, match=r"g\.yaml: found more than 100 names and texts; wanted fewer"):
        read(f"commands:\n  a: [{', '.join(some(200))}]\n", tmp_path)


def test_threads_do_not_drop_each_others_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asr.bundle import DEFAULT_BUNDLE, read_bundle

    monkeypatch.setattr(automaton, "_MOST_STATES", 20)
    grammar = read(f"commands:\n  a: go {{l}} and {{l:m}}\nlists:\n  l: [{', '.join(some(200))}]\n", tmp_path)
    shared = TokenAutomaton(compile_network([grammar], Normaliser()), read_bundle(DEFAULT_BUNDLE).tokenizer)
    faults: list[BaseException] = []

    def walk(seed: int) -> None:
        generator = np.random.default_rng(seed)
        try:
            for _ in range(10):
                state = shared.start()
                while (token := int(generator.choice(shared.options(state).tokens))) != EOS:
                    state = shared.follow(state, token)
        except BaseException as fault:
            faults.append(fault)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        threads = [threading.Thread(target=walk, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not faults
