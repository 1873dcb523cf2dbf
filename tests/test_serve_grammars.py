"""Grammars that clients bring, and the files of the page: what is asked of the service without a browser."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from service import FIND, Served, serving

from asr.bundle import DEFAULT_BUNDLE
from asr.serve import grammars
from asr.serve.errors import Refusal

ENDLESS = "commands: {a: ['" + "{n} " * 100 + "']}\nlists: {n: {range: {from: 0, to: 9999}}}\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("service") / "log") as served:
        yield served


def test_a_grammar_is_checked_and_drawn(service: Served) -> None:
    found = checked(service, "commands:\n  stop:\n    - stop [it]\n").json()
    assert (found["grammars"], found["sentences"], found["commands"]) == (["grammar"], 2, {"stop": 2})
    assert "<svg" in found["drawing"]


def test_a_look_has_text_command_and_pictures(service: Served) -> None:
    with FIND.open("rb") as file:
        answer = httpx.post(f"{service.url}/v1/look", files={"file": file}, data={"commands": "computer"}, timeout=60)
    found = answer.json()
    assert (found["text"], found["command"]) == ("find my files", "find")
    assert found["n_best"][0]["text"] == "find my files"
    pictures = found["pictures"]
    assert pictures["tokens"][-1] == "end"
    assert len(pictures["attention"]) == len(pictures["tokens"])
    assert pictures["cepstra"]["columns"] == pytest.approx(pictures["seconds"] / pictures["frame"], abs=2)
    assert pictures["start"] <= found["words"][0]["start"] < pictures["start"] + pictures["seconds"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"commands": "/etc/passwd"}, "unknown_grammar"),
        ({"commands": "computer", "grammar": "commands: {}"}, "invalid_value"),
        ({"grammar": "commands: {}"}, "bad_grammar"),
        ({}, "invalid_file"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(service: Served, fields: dict[str, str], code: str) -> None:
    answer = httpx.post(f"{service.url}/v1/look", files={"file": b"no sound"}, data=fields, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def checked(service: Served, grammar: str) -> httpx.Response:
    return httpx.post(f"{service.url}/v1/grammar", json={"grammar": grammar}, timeout=200)


def test_a_grammar_with_a_mistake_is_told_where(service: Served) -> None:
    answer = checked(service, 'commands:\n  a:\n    - "x {y}"\n')
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert message.startswith("asr: grammar.yaml:3: {y}")
    assert "/tmp" not in message


def test_a_grammar_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammars, "CHECK_SECONDS", 3)
    with pytest.raises(Refusal, match="takes more than"):
        asyncio.run(grammars.Grammars().check(ENDLESS, DEFAULT_BUNDLE))


def test_a_long_grammar_is_refused(service: Served) -> None:
    answer = checked(service, "#" * (grammars.GRAMMAR_BYTES + 1))
    assert answer.status_code == 400
    assert "wanted less" in answer.json()["error"]["message"]


def test_only_files_of_the_page_are_given(service: Served) -> None:
    for path in ("/page/index.html", "/page/page.js", "/"):
        assert httpx.get(f"{service.url}{path}", timeout=60).status_code == 200
    for path in ("/page/..%2fpage.py", "/page/%2e%2e/page.py", "/page/nothing.js", "/page/"):
        assert httpx.get(f"{service.url}{path}", timeout=60).status_code == 404
