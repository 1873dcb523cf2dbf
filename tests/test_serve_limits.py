"""What the service takes, and for how long it waits for the rest."""

import asyncio
import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile
from service import FIVE, Served, serving

from asr.audio.mixing import Sound
from asr.serve import page, transcriptions
from asr.serve.app import create_app
from asr.serve.connections import CountedListener
from asr.serve.errors import Busy
from asr.serve.grammars import GRAMMAR_BYTES
from asr.serve.pool import Engine, Pool
from asr.serve.settings import ServeSettings

IMPATIENT = """
from asr.serve.server import serve
from asr.serve.settings import ServeSettings
settings = ServeSettings(port=0, stall_seconds=0.5, max_connections=4, max_held_bytes=3_000_000)
serve(settings, lambda line: print(line, flush=True))
"""
HEAD = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n%s\r\n\r\n"
)
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("limits")
    options = ("--max-megabytes", "1", "--max-seconds", "60", "--queue", "0", "--max-rate", "0")
    with serving(folder / "log", *options) as made:
        yield made


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("impatient") / "log", command=("-c", IMPATIENT)) as made:
        yield made


def connect(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=20)


def answer_of(connection: socket.socket) -> bytes:
    """All that still comes, until the service closes."""
    found = b""
    while piece := connection.recv(65_536):
        found += piece
    return found


def sent_before_it_closes(connection: socket.socket, piece: bytes, most: int, pause: float = 0.0) -> int:
    """How many pieces, ``most`` at most, can be sent before the service ends the connection."""
    for number in range(most):
        try:
            connection.sendall(piece)
        except OSError:  # closed or reset, as it happens
            return number
        time.sleep(pause)
    return most


def test_an_upload_without_end_is_refused_while_it_is_read(served: Served) -> None:
    """Said to be of no length, so that only what has come says how long it is."""
    with connect(served) as connection:
        connection.sendall(HEAD % b"Transfer-Encoding: chunked" + b"%x\r\n%s\r\n" % (len(PART), PART))
        megabyte = b"%x\r\n%s\r\n" % (10**6, bytes(10**6))
        begun = time.monotonic()
        assert sent_before_it_closes(connection, megabyte, 10_000) < 9_000
        assert time.monotonic() - begun < 15
    assert served.logged("request")["status"] == 413


def test_a_length_that_is_too_much_is_refused_before_a_byte_comes(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(HEAD % b"Content-Length: 10000000000")
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"found more than 1000000 bytes" in answer
    assert b"connection: close" in answer


def test_openais_client_reads_why_its_upload_was_refused(served: Served) -> None:
    with pytest.raises(openai.APIStatusError, match="found more than 1000000 bytes") as refused:
        served.client().audio.transcriptions.create(model="x", file=("a.wav", bytes(20_000_000)))
    assert refused.value.status_code == 413


def test_a_client_that_sends_all_of_it_before_it_reads_is_told_too(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("POST", "/v1/audio/transcriptions", bytes(20_000_000))
    assert connection.getresponse().status == 413
    connection.close()


def test_hours_of_compressed_silence_are_refused_quickly(served: Served) -> None:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8_000, 1, format="FLAC") as hours:
        for _ in range(3):
            hours.write(np.zeros(3600 * 8_000, np.int16))
    assert file.tell() < 1_000_000
    begun = time.monotonic()
    with pytest.raises(openai.BadRequestError, match=r"found 10800\.0 s of sound, wanted at most 60 s"):
        served.client().audio.transcriptions.create(model="x", file=("a.flac", file.getvalue()))
    assert time.monotonic() - begun < 5


def test_seconds_of_very_many_samples_are_refused(served: Served) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((192_000 * 20, 8), np.int16), 192_000, format="FLAC")
    with pytest.raises(openai.BadRequestError, match="samples of all channels"):
        served.client().audio.transcriptions.create(model="x", file=("a.flac", file.getvalue()))


def test_a_full_queue_sends_clients_away_until_there_is_room(served: Served) -> None:
    wave, rate = soundfile.read(FIVE, dtype="int16")
    file = io.BytesIO()
    soundfile.write(file, np.tile(wave, 15), rate, format="FLAC")

    def ask(_: int) -> httpx.Response:
        files = {"file": ("a.flac", file.getvalue())}
        return httpx.post(f"{served.url}/v1/audio/transcriptions", files=files, timeout=60)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(ask, range(6)))
    assert {answer.status_code for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["code"] == "queue_full"
    assert ask(0).status_code == 200
    assert 'asr_refusals_total{reason="queue_full"}' in httpx.get(f"{served.url}/metrics").text


def test_the_queue_holds_what_it_says_and_no_more() -> None:
    pool = Pool(ServeSettings(workers=2, queue=3))
    go = threading.Event()

    async def fill() -> None:
        def work(_: Engine) -> bool:
            return go.wait(30)

        waiting = [asyncio.ensure_future(pool.run(work)) for _ in range(5)]
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await pool.run(work)
        waiting[4].cancel()  # one of the queue, whose place is free again
        await asyncio.sleep(0.05)
        waiting[4] = asyncio.ensure_future(pool.run(work))
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await pool.run(work)
        waiting[0].cancel()  # begun, and so it goes on
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await pool.run(work)
        go.set()
        assert await asyncio.gather(*waiting[1:]) == [True] * 4
        assert await pool.run(work)

    asyncio.run(fill())
    pool.close()


async def vanish_from(pool: Pool, path: str, begun: threading.Event | None = None, **fields: str) -> None:
    """A client that sends a recording and goes: at once, or when something has begun."""
    request = httpx.Request("POST", "http://localhost/", files={"file": ("a.flac", FIVE.read_bytes())}, data=fields)
    content = request.read()
    messages = [{"type": "http.request", "body": content, "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        if begun is not None and len(messages) == 1:
            await asyncio.to_thread(begun.wait, 30)
        return messages.pop(0)

    async def send(message: Any) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", b"localhost"),
            (b"content-length", str(len(content)).encode()),
            (b"content-type", request.headers["content-type"].encode()),
        ],
    }
    await create_app(ServeSettings(), pool)(scope, receive, send)
    assert f'asr_requests_total{{route="{path}",status="499"}}' in pool.metrics.text().decode()


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/look"])
def test_whoever_goes_leaves_the_queue(path: str) -> None:
    """A client that vanishes while it waits is not heard for nobody."""
    pool = Pool(ServeSettings(workers=1, queue=3))
    go = threading.Event()

    async def vanish() -> None:
        def work(_: Engine) -> bool:
            return go.wait(30)

        first = asyncio.ensure_future(pool.run(work))
        await vanish_from(pool, path)
        await asyncio.sleep(0.2)  # until the queue knows
        go.set()
        await first
        await pool.run(lambda _: None)  # after whatever was in the queue

    asyncio.run(vanish())
    assert b"asr_queue_seconds_count 2.0" in pool.metrics.text()  # the first and the last
    pool.close()


@pytest.mark.parametrize(
    ("path", "seconds", "fields"),
    [
        ("/v1/audio/transcriptions", 100.0, {}),
        ("/v1/audio/transcriptions", 100.0, {"commands": "computer"}),
        ("/v1/look", 5.0, {}),
        ("/v1/look", 100.0, {}),
        ("/v1/look", 100.0, {"commands": "computer"}),
    ],
)
def test_nobody_is_heard_who_has_gone(
    path: str, seconds: float, fields: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a recording that goes on and on here, so that only the client's going can free the worker."""
    begun = threading.Event()

    def endless() -> Iterator[Any]:
        begun.set()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            yield np.zeros(160, np.float32)
            time.sleep(0.01)

    for module in (transcriptions, page):
        monkeypatch.setattr(module, "open_audio", lambda *_, **__: nullcontext(Sound(seconds, endless)))
    with closing(Pool(ServeSettings(workers=1))) as pool:

        async def vanish() -> None:
            await vanish_from(pool, path, begun, **fields)
            async with asyncio.timeout(15):
                await pool.run(lambda _: None)

        asyncio.run(vanish())


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/look"])
def test_no_recording_is_taken_that_nobody_has_time_to_hear(path: str) -> None:
    """What is sent is none, but that is not looked at."""
    go = threading.Event()
    with closing(Pool(ServeSettings(workers=1, queue=0))) as pool:

        async def ask() -> int:
            working = asyncio.ensure_future(pool.run(lambda _: go.wait(30)))
            await asyncio.sleep(0)
            transport = httpx.ASGITransport(create_app(ServeSettings(), pool))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                status = (await client.post(path, content=b"x")).status_code
            go.set()
            await working
            return status

        assert asyncio.run(ask()) == 503


def test_only_recordings_are_long(impatient: Served) -> None:
    """The longest grammar comes through however it is escaped; what is longer is refused before it is read as JSON."""
    longest = b'{"grammar": "' + b"\\u0023" * GRAMMAR_BYTES + b'"}'
    assert len(longest) > GRAMMAR_BYTES * 6
    json = {"Content-Type": "application/json"}
    answer = httpx.post(f"{impatient.url}/v1/grammar", content=longest, headers=json, timeout=60)
    assert answer.json()["error"]["code"] == "bad_grammar"
    for content in (b"[" + bytes(2**20), iter([b"["] + [bytes(2**16)] * 16)):
        answer = httpx.post(f"{impatient.url}/v1/grammar", content=content, headers=json, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_body_that_comes_byte_by_byte_is_given_up(impatient: Served) -> None:
    """Each comes long before its time is up."""
    with connect(impatient) as connection:
        connection.sendall(HEAD % b"Content-Length: 1000000" + PART)
        assert sent_before_it_closes(connection, b"x", 200, pause=0.1) < 150
    line = impatient.logged("request")
    assert (line["status"], line["code"]) == (408, "stalled")


def test_a_listener_keeps_so_many_connections_and_no_more() -> None:
    with CountedListener(socket.create_server(("127.0.0.1", 0)), most=1) as listener, ExitStack() as opened:
        listener.settimeout(20)
        clients = []

        def connected() -> socket.socket:
            clients.append(opened.enter_context(socket.create_connection(listener.getsockname(), timeout=20)))
            return opened.enter_context(listener.accept()[0])

        taken = []
        with suppress(BlockingIOError):
            while len(taken) < 200:
                taken.append(connected())
        assert 1 <= len(taken) < 100
        assert clients[-1].recv(1) == b""
        taken[0].close()
        connected()


def test_a_body_that_does_not_go_on_is_given_up(impatient: Served) -> None:
    with connect(impatient) as connection:
        connection.sendall(HEAD % b"Content-Length: 1000" + PART)
        begun = time.monotonic()
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 0.4 < time.monotonic() - begun < 10


@pytest.mark.parametrize("said", [b"", b"GET /heal", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_that_does_not_come_to_the_point_is_closed(impatient: Served, said: bytes) -> None:
    with connect(impatient) as connection:
        connection.sendall(said)
        begun = time.monotonic()
        assert answer_of(connection) == b""
    assert time.monotonic() - begun < 10


def test_slow_letters_do_not_buy_time(impatient: Served) -> None:
    with connect(impatient) as connection:
        assert sent_before_it_closes(connection, b"G", 200, pause=0.05) < 150


def test_connections_beyond_those_it_takes_are_told_so(impatient: Served) -> None:
    held = [connect(impatient) for _ in range(4)]
    time.sleep(0.2)
    with connect(impatient) as connection:
        assert answer_of(connection).startswith(b"HTTP/1.1 503 ")
    for each in held:
        each.close()
    time.sleep(0.2)
    assert httpx.get(f"{impatient.url}/healthz").status_code == 200


def test_no_upload_leaves_anything(served: Served, tmp_path: Path) -> None:
    environment = {"TMPDIR": str(tmp_path)}
    with serving(tmp_path.parent / "log", environment=environment) as made:
        wave, rate = soundfile.read(FIVE)
        soundfile.write(tmp_path.parent / "a.wav", np.pad(wave, (0, 40 * rate)), rate)  # more than is kept in memory
        made.client().audio.transcriptions.create(model="x", file=tmp_path.parent / "a.wav")
        with pytest.raises(openai.BadRequestError):
            made.client().audio.transcriptions.create(model="x", file=("a.wav", bytes(3_000_000)))
        assert list(tmp_path.iterdir()) == []


def test_all_uploads_together_are_limited(impatient: Served) -> None:
    """Each may be sent, and both are there at a time: the second is refused, and room is there again after them."""
    body = PART + bytes(2_000_000)
    with connect(impatient) as first, connect(impatient) as second:
        for connection in (first, second):
            connection.sendall(HEAD % b"Content-Length: 3000000" + body)
        answers = sorted(answer_of(connection).partition(b"\r\n")[0] for connection in (first, second))
        assert [answer[:12] for answer in answers] == [b"HTTP/1.1 408", b"HTTP/1.1 503"]
    for _ in range(2):
        with connect(impatient) as connection:
            connection.sendall(HEAD % b"Content-Length: 3000000" + body)
            assert answer_of(connection).startswith(b"HTTP/1.1 408")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="wants a system that times what is not taken")
def test_a_client_that_takes_no_answers_is_left(impatient: Served) -> None:
    """It asks for far more than the system keeps for it, and reads nothing."""
    files = Path(f"/proc/{impatient.process.pid}/fd")
    before = len(list(files.iterdir()))
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(impatient) as connection:
        connection.settimeout(1.0)
        with suppress(OSError):
            while True:
                connection.sendall(asked * 100)
        deadline = time.monotonic() + 30
        while len(list(files.iterdir())) > before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(list(files.iterdir())) <= before
