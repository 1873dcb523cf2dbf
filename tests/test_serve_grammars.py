"""Grammars that clients bring, and the files of the page: what is asked of the service without a browser."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from conftest import ROOT
from service import FIND, Served, serving
from starlette.testclient import TestClient

from asr.bundle import DEFAULT_BUNDLE
from asr.serve import grammars
from asr.serve.app import create_app
from asr.serve.errors import Refusal
from asr.serve.pool import Pool
from asr.serve.settings import ServeSettings

ENDLESS = "commands: {a: ['" + "{n} " * 100 + "']}\nlists: {n: {range: {from: 0, to: 9999}}}\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("service") / "log") as served:
        yield served


def test_a_grammar_is_checked_and_drawn(service: Served) -> None:
    found = checked(service, "commands:\n  stop:\n    - stop [it]\n").json()
    assert (found["grammars"], found["sentences"], found["commands"]) == (["grammar"], 2, {"stop": 2})
    assert "<svg" in found["drawing"]
    assert "/tmp" not in found["drawing"]


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
    assert message.startswith("grammar.yaml:3: {y}")
    assert "/tmp" not in message


def test_a_grammar_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammars, "CHECK_SECONDS", 1)
    with pytest.raises(Refusal, match="takes more than"):
        asyncio.run(grammars.Grammars(DEFAULT_BUNDLE).check(ENDLESS))


def test_without_the_library_of_diagrams_there_is_a_line_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammars.importlib.util, "find_spec", lambda name: None)
    found = asyncio.run(grammars.Grammars(DEFAULT_BUNDLE).check("commands: {a: [x]}"))
    assert found["drawing"] is None
    assert "asr[check]" in found["drawing_note"]
    assert found["sentences"] == 1


def test_a_grammar_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[str] = []

    async def check(text: str, bundle: Path) -> dict[str, object]:
        checks.append(text)
        await asyncio.sleep(0.01)
        return {}

    async def ask() -> None:
        asked = grammars.Grammars(DEFAULT_BUNDLE)
        await asyncio.gather(*(asked.check("commands: 1") for _ in range(3)))
        with pytest.raises(Refusal, match="too many"):
            await asyncio.gather(*(asked.check(f"commands: {at}") for at in range(2, 9)))

    monkeypatch.setattr(grammars, "_check", check)
    asyncio.run(ask())
    assert checks.count("commands: 1") == 1


def test_after_a_reload_grammars_are_checked_anew() -> None:
    async def ask() -> None:
        pool = Pool(ServeSettings())
        before = pool.brought
        await pool.reload()
        assert pool.brought is not before
        pool.close()

    asyncio.run(ask())


def test_a_program_with_limits_ends_at_them(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits for a process")
    path = tmp_path / "endless.yaml"
    path.write_text(ENDLESS, encoding="utf-8")
    command = ["-m", "asr.serve.limited", "1", str(2 << 30), "commands", "check", str(path)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    ended = subprocess.run([sys.executable, *command], capture_output=True, timeout=200, cwd=ROOT)
    assert ended.returncode < 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 3


def test_a_grammar_of_the_service_in_place_of_a_ready_one_has_not_its_text(tmp_path: Path) -> None:
    (tmp_path / "home.yaml").write_text("commands: {find: ['find my files']}")
    with closing(Pool(ServeSettings(commands=(str(tmp_path / "home.yaml"),)))) as pool:
        pool.grammar("computer")  # a ready one that was asked for stays one
        client = TestClient(create_app(ServeSettings(), pool), base_url="http://localhost")
        found = {each["name"]: each["text"] for each in client.get("/v1/grammars").json()["grammars"]}
    assert found.pop("home") is None
    assert "computer" in found
    assert all(found.values())


def test_a_long_grammar_is_refused(service: Served) -> None:
    answer = checked(service, "commands: #" + "#" * (grammars.GRAMMAR_BYTES + 1))
    assert answer.status_code == 400
    assert "wanted less" in answer.json()["error"]["message"]


def test_only_files_of_the_page_are_given(service: Served) -> None:
    for path in ("/page/index.html", "/page/page.js", "/"):
        assert httpx.get(f"{service.url}{path}", timeout=60).status_code == 200
    for path in ("/page/..%2fpage.py", "/page/%2e%2e/page.py", "/page/nothing.js", "/page/"):
        assert httpx.get(f"{service.url}{path}", timeout=60).status_code == 404
