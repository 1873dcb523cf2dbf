"""What clients do that mean harm or are broken: the service says so in a line, and goes on as if nothing had been.

All run against one service, in a process of its own. After each test it still hears recordings by every protocol, and
holds no more files and hardly more memory than before.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from service import FIND, Served, serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from asr.apps.cli import app, run
from asr.audio.load import SAMPLE_RATE
from asr.bundle import DEFAULT_BUNDLE

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files by /proc")

MAX_BYTES, MAX_SECONDS, MAX_CONNECTIONS, STALL_SECONDS = 20_000_000, 60, 600, 2.0

# `asr serve` has no options for how patient it is.
SERVICE = f"""
import json, sys
from asr.serve import stream
from asr.serve.server import serve
from asr.serve.settings import ServeSettings
stream.START_SECONDS = stream.IDLE_SECONDS = stream.SEND_SECONDS = {STALL_SECONDS}
settings = ServeSettings(
    port=0, wyoming_port=0, max_rate=0, max_bytes={MAX_BYTES}, max_seconds={MAX_SECONDS}, stall_seconds={STALL_SECONDS},
    max_connections={MAX_CONNECTIONS}, bundle=sys.argv[2], commands=(sys.argv[3],),
)
serve(settings, lambda line: print(line, flush=True))
"""
GRAMMAR = "commands:\n  find: [find my (files|papers)]\n"
OTHER = "commands:\n  search: [find my (files|papers)]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    shutil.copytree(DEFAULT_BUNDLE, made / "bundle")
    (made / "desk.yaml").write_text(GRAMMAR)
    return made


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Served]:
    command = ("-c", SERVICE)
    with serving(folder / "log", "--wyoming", folder / "bundle", folder / "desk.yaml", command=command) as made:
        for _ in range(3):
            check_well(made)
        yield made


@pytest.fixture
def served(running: Served) -> Iterator[Served]:
    """The service, which has to be as before when the test has ended."""
    files, memory = open_files(running), megabytes(running)
    yield running
    check_well(running)
    for _ in range(400):
        if open_files(running) <= files:
            break
        time.sleep(0.05)
    assert open_files(running) <= files + 1
    assert megabytes(running) - memory < 160  # what was loaded before a reload is not given back at once
    assert not [line for line in running.lines if "traceback" in line]


def open_files(served: Served) -> int:
    return len(list(Path(f"/proc/{served.process.pid}/fd").iterdir()))


def megabytes(served: Served) -> float:
    lines = Path(f"/proc/{served.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def check_well(served: Served) -> None:
    """It hears by every protocol."""
    assert httpx.get(f"{served.url}/healthz").json() == {"status": "ok"}
    assert upload(served, FIND.read_bytes()).json()["text"] == "find my files"
    assert asyncio.run(by_wyoming(served)) == "find my files"
    with stream(served) as socket:
        assert finals(socket, pcm(FIND)) == ["find my files"]


def pcm(path: Path) -> bytes:
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == SAMPLE_RATE
    return bytes(samples.tobytes())


def upload(served: Served, contents: bytes, **fields: str) -> httpx.Response:
    url = f"{served.url}/v1/audio/transcriptions"
    return httpx.post(url, files={"file": ("sound", contents)}, data=fields, timeout=60)


async def by_wyoming(served: Served) -> str:
    async with AsyncTcpClient("127.0.0.1", served.wyoming) as client:
        await client.write_event(AudioStart(SAMPLE_RATE, 2, 1).event())
        await client.write_event(AudioChunk(SAMPLE_RATE, 2, 1, pcm(FIND)).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
    raise AssertionError("no transcript came")


@contextmanager
def stream(served: Served, **start: object) -> Iterator[ClientConnection]:
    """A WebSocket that has said what it will send."""
    with connect(f"ws://127.0.0.1:{served.port}/v1/stream") as made:
        made.send(json.dumps({"type": "start", "rate": SAMPLE_RATE, "partials": False} | start))
        yield made


def finals(socket: ClientConnection, sound: bytes) -> list[str]:
    for at in range(0, len(sound), 8192):
        socket.send(sound[at : at + 8192])
    socket.send('{"type": "end"}')
    events = [json.loads(message) for message in socket]
    assert events[-1]["type"] == "closed", events
    return [event["text"] for event in events if event["type"] == "final"]


def exchange(port: int, *parts: bytes, end: bool = True) -> bytes:
    """Send bytes and read until the other side closes, or for ten seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        answer = b""
        with suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
            if end:
                client.shutdown(socket.SHUT_WR)
            while got := client.recv(65536):
                answer += got
        return answer


def wav(rate: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate % 2**32, 2, 16)
    return b"RIFF\xa4\x0c\0\0WAVEfmt \x10\0\0\0" + form + b"data\x80\x0c\0\0" + bytes(3200)


UPGRADE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
POST = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"


NO_HTTP = [
    bytes(range(256)) * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # TLS, where none is spoken
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"\n" * 100_000,
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    POST + b"Transfer-Encoding: chunked\r\n\r\nnothing of the kind",
    POST + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100\r\n\r\n--x\r\n",
    POST + b"Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
    POST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
]


def test_garbage_instead_of_http(served: Served) -> None:
    for sent in NO_HTTP:
        answer = exchange(served.port, sent)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), (sent[:200], answer)


NO_RECORDINGS = [
    b"",
    b"hello",
    bytes(100_000),
    os.urandom(1000) + b"RIFF",
    FIND.read_bytes()[:-2000],
    FIND.read_bytes()[2000:],
    wav(rate=0),
    wav(rate=2**32 - 1),
]


def test_recordings_that_are_none(served: Served) -> None:
    for number, contents in enumerate(NO_RECORDINGS):
        answer = upload(served, contents)
        assert answer.status_code == 400, number
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert "\n" not in error["message"]
        assert "sound: " in error["message"]


def beginnings(served: Served) -> list[tuple[int, bytes]]:
    """Ports, and what a client may have sent there when it vanishes or stalls."""
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n' + FIND.read_bytes()
    whole = POST + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: "
    whole += str(len(body) + 7).encode() + b"\r\n\r\n" + body
    event = b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": 3200}\n'
    return [
        *((served.port, whole[:length]) for length in (0, 10, 200, len(whole) - 100)),
        (served.port, whole + b"\r\n--x--"),
        *((served.port, UPGRADE[:length]) for length in (100, len(UPGRADE))),
        (served.port, UPGRADE + b"\x82\xfe\x10\x00\0\0\0\0" + bytes(100)),
        *((served.wyoming, event[:length]) for length in (0, 20, len(event))),
        (served.wyoming, event + bytes(100)),
        (served.wyoming, event + bytes(3200) + b'{"type": "audio-stop"}\n'),
    ]


def test_clients_that_vanish(served: Served) -> None:
    for port, sent in beginnings(served) * 5:
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # with a reset
        with closing(socket.create_connection(("127.0.0.1", port))) as client:
            client.sendall(sent)


def test_clients_that_stall_are_left(served: Served) -> None:
    with ExitStack() as opened:
        clients = []
        for port, sent in beginnings(served):
            clients.append(opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)))
            clients[-1].sendall(sent)
        begun = time.monotonic()
        for client in clients:
            with suppress(ConnectionError):
                while client.recv(65536):
                    pass
        assert time.monotonic() - begun < STALL_SECONDS + 20  # uvicorn waits 10 s for a socket to be closed


def test_who_floods_a_stream_waits(served: Served) -> None:
    before = megabytes(served)
    noise = np.random.default_rng(0).integers(-8000, 8000, 60_000, np.int16).tobytes()
    with stream(served) as socket:
        begun = time.monotonic()

        def flood() -> None:
            with suppress(ConnectionClosed):
                while time.monotonic() - begun < 3:
                    socket.send(noise)

        thread = threading.Thread(target=flood)
        thread.start()
        most = before
        while thread.is_alive() and time.monotonic() - begun < 4:
            most = max(most, megabytes(served))
            assert httpx.get(f"{served.url}/healthz", timeout=2).status_code == 200
            time.sleep(0.1)
        socket.close_socket()
        thread.join(10)
        assert not thread.is_alive()
    assert most - before < 60


def test_who_floods_wyoming_is_stopped(served: Served) -> None:
    event = b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": 65536}\n'
    answer = exchange(served.wyoming, *[event + bytes(65536)] * 200)
    assert b'"error"' in answer or answer == b""
    assert exchange(served.wyoming, b"\n" * 10_000_000).startswith(b'{"type": "error"')


@pytest.mark.parametrize("protocol", ["http", "wyoming"])
def test_five_hundred_sockets_at_once(served: Served, protocol: str) -> None:
    port = served.port if protocol == "http" else served.wyoming
    with ExitStack() as opened:
        for _ in range(500):
            opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        assert httpx.get(f"{served.url}/healthz", timeout=5).status_code == 200
        assert upload(served, FIND.read_bytes()).json()["text"] == "find my files"


def test_five_hundred_streams_at_once(served: Served) -> None:
    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(UPGRADE)
        status = int((await reader.readline()).split()[1])
        await asyncio.sleep(0.5)
        writer.transport.abort()
        return status

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(500)))

    found = asyncio.run(all_of_them())
    assert set(found) == {101, 503}
    assert found.count(101) >= 64


def _answered(served: Served, act: Callable[[], None]) -> list[str]:
    """The commands that are understood while something is done, one after the other."""
    found: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            found.append(upload(served, FIND.read_bytes(), commands="desk").json()["command"])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        act()
    finally:
        ended.set()
        thread.join(60)
    return found


def _reload(served: Served, event: str) -> None:
    before = sum(line["event"] == event for line in served.lines)
    served.process.send_signal(signal.SIGHUP)
    for _ in range(1200):
        if sum(line["event"] == event for line in served.lines) > before:
            return
        time.sleep(0.05)
    raise AssertionError(f"{event} is not in the log")


KEPT = "not reloaded, the old ones stay"


def test_grammars_are_replaced_while_it_serves(served: Served, folder: Path) -> None:
    def act() -> None:
        (folder / "desk.yaml").write_text("commands: [\n")
        _reload(served, KEPT)
        (folder / "desk.yaml").unlink()
        _reload(served, KEPT)
        (folder / "desk.yaml").write_text(OTHER)
        _reload(served, "reloaded")

    try:
        found = _answered(served, act)
        assert set(found) <= {"find", "search"}
        assert found == sorted(found)
        assert upload(served, FIND.read_bytes(), commands="desk").json()["command"] == "search"
    finally:
        (folder / "desk.yaml").write_text(GRAMMAR)
        _reload(served, "reloaded")


def test_a_bundle_is_replaced_while_it_serves(served: Served, folder: Path) -> None:
    encoder = folder / "bundle" / "encoder.onnx"
    whole = encoder.read_bytes()

    def act() -> None:
        encoder.write_bytes(whole[:1000])
        _reload(served, KEPT)
        encoder.write_bytes(whole)
        _reload(served, "reloaded")

    try:
        assert set(_answered(served, act)) == {"find"}
    finally:
        encoder.write_bytes(whole)


def test_a_port_in_use_is_one_line(running: Served, capsys: pytest.CaptureFixture[str]) -> None:
    port = str(running.wyoming)
    assert run(app, ["serve", "--port", "0", "--wyoming", port], "asr") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"asr: 127.0.0.1:{port}: the port is in use; end what uses it, or give another with --wyoming"


def test_nothing_was_a_fault_of_ours(served: Served) -> None:
    assert [line for line in served.lines if line["level"] in ("error", "critical") and line["event"] != KEPT] == []
