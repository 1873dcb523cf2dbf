"""Whom the service answers: nobody who comes by another name, from another's page, or without the token."""

import asyncio
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service import FIVE, serving
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from asr.apps.cli import app as application
from asr.apps.cli import run
from asr.errors import SettingsError
from asr.serve.app import create_app
from asr.serve.limits import RateLimit
from asr.serve.pool import Pool
from asr.serve.settings import ServeSettings

TOKEN = "letters-" * 4
OURS = "http://127.0.0.1:8000"
ECHO = "ws://127.0.0.1:8000/v1/echo"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(ServeSettings())
    yield made
    made.close()


def ask(
    pool: Pool, headers: dict[str, str], path: str = "/v1/models", method: str = "GET", **settings: Any
) -> httpx.Response:
    """What the service answers to one request."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(ServeSettings(**settings), pool))
        async with httpx.AsyncClient(transport=transport, base_url=OURS) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("LOCALHOST:9000", 200),
        ("[::1]:8000", 200),
        ("192.168.1.5", 200),
        ("asr.home", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("evil.example:8000", 421),
        ("[::1", 421),
        ("localhost:x", 421),
        ("localhost:0", 421),
        ("localhost:65536", 421),
        ("[127.0.0.1]", 421),
        ("evil.example@127.0.0.1", 421),
        ("127.0.0.1:80/x@evil.example", 421),
        ("127.0.0.1:8000#.evil.example", 421),
        ("127.0.0.1?.evil.example", 421),
        ("127.0.0.1\\.evil.example", 421),
        (" localhost", 421),
        ("", 421),
    ],
)
def test_names_that_are_not_ours_are_refused(pool: Pool, host: str, status: int) -> None:
    """As a page has that let its own name lead to this computer."""
    for path in ("/v1/models", "/healthz", "/metrics", "/openapi.json", "/"):
        answer = ask(pool, {"Host": host}, path, hosts=("asr.home",))
        assert (answer.status_code == 421) == (status == 421), path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": OURS}, 200),
        ({"Origin": OURS, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://friend.example.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "https://127.0.0.1:8000"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
    ],
)
def test_pages_of_others_are_refused(pool: Pool, headers: dict[str, str], status: int) -> None:
    answer = ask(pool, headers, origins=("https://friend.example",))
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "foreign_origin"


def test_a_form_of_another_page_is_refused_before_it_is_read(pool: Pool) -> None:
    """A browser sends it without asking first."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask(pool, headers, "/v1/audio/transcriptions", "POST").status_code == 403


def test_no_page_gets_leave_unless_it_is_named(pool: Pool) -> None:
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    path = "/v1/audio/transcriptions"
    for origin, settings in (
        ("https://evil.example", {}),
        ("https://evil.example", {"origins": ("https://friend.example",)}),
    ):
        answer = ask(pool, {**asking, "Origin": origin}, path, "OPTIONS", **settings)
        assert answer.status_code >= 400
        assert "access-control-allow-origin" not in answer.headers
    answer = ask(
        pool,
        {**asking, "Origin": "https://friend.example"},
        path,
        "OPTIONS",
        origins=("https://friend.example",),
        token=TOKEN,
    )
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://friend.example")
    answer = ask(pool, {"Origin": "https://friend.example"}, origins=("https://friend.example",), token=TOKEN)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, "https://friend.example")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/default", "/metrics", "/openapi.json", "/nothing"])
@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer ", 401),
        ("Bearer \xff", 401),
        ("", 401),
    ],
)
def test_whoever_does_not_know_the_token_learns_nothing(pool: Pool, path: str, shown: str, status: int) -> None:
    headers = httpx.Headers({"Authorization": shown}, encoding="latin-1") if shown else httpx.Headers()
    answer = ask(pool, headers, path, token=TOKEN)  # type: ignore[arg-type]
    assert (answer.status_code == 401) == (status == 401)
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "invalid_api_key"


def test_a_token_in_the_address_counts_for_nothing(pool: Pool) -> None:
    assert ask(pool, {}, f"/v1/models?token={TOKEN}&access_token={TOKEN}", token=TOKEN).status_code == 401


def test_health_is_told_to_everybody(pool: Pool) -> None:
    assert ask(pool, {}, "/healthz", token=TOKEN).json() == {"status": "ok"}


def test_every_answer_lets_a_browser_do_little(pool: Pool) -> None:
    for path, headers in (
        ("/healthz", {}),
        ("/nothing", {}),
        ("/v1/models", {"Origin": "null"}),
        ("/v1/models", {"Host": "x.example"}),
    ):
        found = ask(pool, headers, path).headers
        assert re.match(r"default-src 'none';", found["content-security-policy"])
        assert "unsafe" not in found["content-security-policy"]
        assert "http" not in found["content-security-policy"]
        assert found["x-content-type-options"] == "nosniff"
        assert found["referrer-policy"] == "no-referrer"
        assert found["cache-control"] == "no-store"
        assert "server" not in found


def test_a_fault_of_the_service_says_nothing_of_it(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    made = create_app(ServeSettings(), pool)

    @made.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret of the service")

    answer = TestClient(made, base_url=OURS).get("/broken")
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def sockets(pool: Pool, **settings: Any) -> TestClient:
    """A client of a service with a socket at ``ECHO``."""
    made = create_app(ServeSettings(**settings), pool)

    @made.websocket("/v1/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    return TestClient(made, base_url=OURS)


def packed(token: str) -> str:
    return "asr.bearer." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def test_a_socket_shows_the_token_as_a_header_or_beside_its_protocol(pool: Pool) -> None:
    client = sockets(pool, token=TOKEN)
    for headers, protocols in (
        ({"Authorization": f"Bearer {TOKEN}"}, None),
        ({"Origin": OURS}, ["asr.v1", packed(TOKEN)]),
    ):
        with client.websocket_connect(ECHO, protocols, headers=headers) as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "hello"
            assert socket.accepted_subprotocol == (protocols and "asr.v1")


@pytest.mark.parametrize(
    ("headers", "protocols", "status"),
    [
        ({}, None, 401),
        ({}, ["asr.v1", packed(TOKEN[1:])], 401),
        ({}, ["asr.v1", "asr.bearer.%%%"], 401),
        ({"Origin": "https://evil.example"}, ["asr.v1", packed(TOKEN)], 403),
        ({"Host": "evil.example"}, ["asr.v1", packed(TOKEN)], 421),
    ],
)
def test_a_socket_of_anybody_else_is_refused(
    pool: Pool, headers: dict[str, str], protocols: list[str] | None, status: int
) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        sockets(pool, token=TOKEN).websocket_connect(ECHO, protocols, headers=headers),
    ):
        pass
    assert refused.value.status_code == status


def test_streams_are_counted(pool: Pool) -> None:
    client = sockets(pool, max_streams=1)
    with client.websocket_connect(ECHO) as first:
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(ECHO):
            pass
        assert refused.value.status_code == 503
        first.send_text("x")
        assert first.receive_text() == "x"
    with client.websocket_connect(ECHO) as again:
        again.send_text("x")


def test_a_client_may_ask_so_often() -> None:
    now = [0.0]
    limit = RateLimit(60, lambda: now[0])
    assert [limit.wait("1.2.3.4") for _ in range(60)] == [0.0] * 60
    assert limit.wait("1.2.3.4") == pytest.approx(1.0)
    assert limit.wait("5.6.7.8") == 0.0  # another
    now[0] = 1.5
    assert limit.wait("1.2.3.4") == 0.0
    assert limit.wait("1.2.3.4") == pytest.approx(0.5)
    now[0] = 1e6
    assert sum(limit.wait("1.2.3.4") == 0 for _ in range(100)) == 60  # no more than a minute's are saved


def test_neighbours_in_one_network_are_one_client_and_no_limit_is_none() -> None:
    limit = RateLimit(1)
    assert limit.wait("2001:db8::1") == 0
    assert limit.wait("2001:db8::2") > 0
    assert limit.wait("2001:db8:1::1") == 0
    assert not any(RateLimit(0).wait("x") for _ in range(1000))


def test_clients_are_forgotten_before_memory_ends() -> None:
    limit = RateLimit(1)
    for number in range(30_000):
        limit.wait(str(number))
    assert len(limit._buckets) <= 10_000


def test_who_asks_too_often_is_told_when_to_come_back(pool: Pool) -> None:
    client = TestClient(create_app(ServeSettings(max_rate=2), pool), base_url=OURS)
    assert [client.get("/v1/models").status_code for _ in range(3)] == [200, 200, 429]
    answer = client.get("/v1/models")
    assert 1 <= int(answer.headers["retry-after"]) <= 31
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"host": "0.0.0.0"}, "wanted a token"),
        ({"host": "::"}, "wanted a token"),
        ({"host": "192.168.1.5"}, "wanted a token"),
        ({"token": "short"}, "found 5 characters, wanted at least 16"),
        ({"token": "with blanks, and far too many"}, "visible ASCII"),
        ({"origins": ("*",)}, "wanted a scheme and a host"),
        ({"origins": ("https://a.example/path",)}, "wanted a scheme and a host"),
        ({"hosts": ("*",)}, "wanted a name"),
        ({"key": Path("key.pem")}, "found no certificate to it"),
        ({"workers": 0}, "workers is 0"),
        ({"max_seconds": float("nan")}, "max_seconds is nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(line)) as refused:
        ServeSettings(**settings)
    assert "with blanks" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_computer_needs_no_token(host: str) -> None:
    assert ServeSettings(host=host).token is None
    assert "secret" not in repr(ServeSettings(host=host, token="secret-secret-secret"))


def test_a_service_for_others_wants_a_token_and_keeps_it_to_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(application, ["serve", "--host", "0.0.0.0", "--port", "0"], "asr") == 1
    assert re.fullmatch(r"asr: --host 0.0.0.0: .*set ASR_TOKEN or give --token-file.*\n", capsys.readouterr().err)
    assert run(application, ["serve", "--token-file", str(tmp_path / "none")], "asr") == 1
    assert re.fullmatch(r"asr: --token-file .*none: cannot be read .*\n", capsys.readouterr().err)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with serving(tmp_path / "log", "--host", "0.0.0.0", "--token-file", tmp_path / "token") as served:
        url = served.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/v1/models").status_code == 401
        answer = httpx.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.json()["data"][0]["id"] == "default"
        with FIVE.open("rb") as file:
            refused = httpx.post(f"{url}/v1/audio/transcriptions?key={TOKEN}", files={"file": file})
        assert refused.status_code == 401
        assert served.logged(
            "without a certificate speech and token go over the network as they are; give --certificate"
        )
        assert served.end() == 0
    assert TOKEN not in (tmp_path / "log").read_text()
