"""The WebSocket of the service: what is said comes out, and nothing that is sent in brings it down."""

import asyncio
import json
import logging
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from service import FIND, FIVE, Served, serving
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import asr
from asr.audio.load import load_audio
from asr.serve import stream, stream_input
from asr.serve.app import create_app
from asr.serve.pool import Pool
from asr.serve.settings import ServeSettings

BLOCK = 3200  # bytes: a tenth of a second
GRAMMAR = 'commands:\n  look_for:\n    - "find [my] {what}"\nlists:\n  what: [files, photos, keys]\n'


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("service") / "log") as served:
        yield served


def connected(service: Served) -> connect:
    return connect(f"{service.url.replace('http', 'ws')}/v1/stream", open_timeout=60)


def pcm(recording: Path) -> bytes:
    """A recording as 16-bit samples, with a second of silence behind it."""
    wave = np.pad(load_audio(recording), (4_000, 16_000))
    return (wave * 32_767).astype("<i2").tobytes()


def opus(recording: Path) -> bytes:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which makes Opus, is not installed")
    options = ("-c:a", "libopus", "-b:a", "48k", "-page_duration", "60000", "-f", "ogg", "-")
    command = ["ffmpeg", "-loglevel", "error", "-i", str(recording), "-af", "apad=pad_dur=1", *options]
    return subprocess.run(command, capture_output=True, check=True).stdout


def events(socket: ClientConnection) -> list[dict[str, Any]]:
    """All that comes until the socket is closed."""
    found = []
    try:
        while True:
            found.append(json.loads(socket.recv(timeout=60)))
    except ConnectionClosed:
        return found


def spoken(service: Served, sound: bytes, **start: Any) -> list[dict[str, Any]]:
    """All events of a stream of which this is the sound."""
    with connected(service) as socket:
        socket.send(json.dumps({"type": "start", **start}))
        for at in range(0, len(sound), BLOCK):
            socket.send(sound[at : at + BLOCK])
        socket.send('{"type": "end"}')
        return events(socket)


def finals(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in found if event["type"] == "final"]


@pytest.mark.parametrize("recording", [FIND, FIVE], ids=["find", "five"])
@pytest.mark.parametrize("encoding", ["pcm_s16le", "opus"])
def test_the_text_is_that_of_the_recording(service: Served, recording: Path, encoding: str) -> None:
    sound = pcm(recording) if encoding == "pcm_s16le" else opus(recording)
    found = spoken(service, sound, encoding=encoding)
    (final,) = finals(found)
    assert final["text"] == asr.load().transcribe(recording).text
    assert [found[0]["type"], found[1]["type"], found[-1]["type"]] == ["ready", "started", "closed"]
    assert 0 <= final["start"] < final["end"] < len(pcm(recording)) / 32_000
    assert [word["word"] for word in final["words"]] == final["text"].split()
    assert final["milliseconds"] >= 0


def test_commands_and_slots_come_with_the_text(service: Served) -> None:
    (final,) = finals(spoken(service, pcm(FIND), commands="computer"))
    assert (final["understood"], final["command"]) == (True, "find")
    assert final["slots"]["what"] == "files"


def test_a_grammar_of_the_client_is_heard(service: Served) -> None:
    (final,) = finals(spoken(service, pcm(FIND), grammar=GRAMMAR, partials=False))
    assert (final["command"], final["slots"]) == ("look_for", {"what": "files"})


def test_words_are_shown_while_they_are_said(client: TestClient) -> None:
    sound = pcm(FIND)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"type": "start"})
        found = [socket.receive_json()]
        for at in range(0, len(sound), BLOCK):
            socket.send_bytes(sound[at : at + BLOCK])
        socket.send_json({"type": "end"})
        while found[-1]["type"] != "closed":
            found.append(socket.receive_json())
    partials = [event for event in found if event["type"] == "partial"]
    (final,) = finals(found)
    assert partials
    assert all(event["text"].startswith(event["stable"]) for event in partials)
    assert found.index(partials[0]) < found.index(final)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_another_rate_is_resampled(service: Served, rate: int) -> None:
    wave = np.frombuffer(pcm(FIND), "<i2")
    wave = wave[::2] if rate == 8_000 else np.repeat(wave, 3)
    (final,) = finals(spoken(service, wave.tobytes(), rate=rate, commands="computer"))
    assert final["command"] == "find"
    assert final["end"] < len(pcm(FIND)) / 32_000


BAD: dict[str, tuple[list[str | bytes], int]] = {
    "no JSON": (["hello"], 1007),
    "deep JSON": (["[" * 100_000], 1007),
    "no object": (["[1]"], 1007),
    "sound first": ([bytes(100)], 1003),
    "another type": (['{"type": "stop"}'], 1003),
    "unknown key": (['{"type": "start", "path": "/etc/passwd"}'], 1003),
    "unknown encoding": (['{"type": "start", "encoding": "mp3"}'], 1003),
    "encoding that is none": (['{"type": "start", "encoding": {"a": 1}}'], 1003),
    "wrong rate": (['{"type": "start", "rate": 4000}'], 1003),
    "rate that is no number": (['{"type": "start", "rate": "16000"}'], 1003),
    "rate that is true": (['{"type": "start", "rate": true}'], 1003),
    "unknown grammar": (['{"type": "start", "commands": "nothing"}'], 1008),
    "a path": (['{"type": "start", "commands": "configs/commands/computer.yaml"}'], 1008),
    "a grammar of mistakes": (['{"type": "start", "grammar": "commands: {a: [\\"x {y}\\"]}"}'], 1008),
    "a long grammar": ([json.dumps({"type": "start", "grammar": "#" * 70_000})], 1008),
    "two grammars": (['{"type": "start", "grammar": "", "commands": "computer"}'], 1003),
    "partials that are none": (['{"type": "start", "partials": 1}'], 1003),
    "half a sample": (['{"type": "start"}', bytes(3)], 1007),
    "text in between": (['{"type": "start"}', bytes(4), '{"type": "start"}'], 1003),
    "garbage for text": (['{"type": "start"}', bytes(4), "end"], 1007),
    "a large message": (['{"type": "start"}', bytes(300_000)], 1009),
    "garbage for Opus": (['{"type": "start", "encoding": "opus"}', b"RIFF" + bytes(2000)], 1007),
    "truncated Opus": (['{"type": "start", "encoding": "opus"}', b"OggS" + bytes(5), '{"type": "end"}'], 1007),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_an_error_and_a_code(service: Served, name: str) -> None:
    messages, code = BAD[name]
    with connected(service) as socket:
        for message in messages:
            socket.send(message)
        *_, last = events(socket)
        assert last["type"] == "error"
        assert last["message"]
        assert "/tmp" not in last["message"]
        assert socket.close_code == code
    assert httpx.get(f"{service.url}/healthz", timeout=60).status_code == 200


def test_clients_that_vanish_leave_nothing_behind(service: Served) -> None:
    for messages in ([], ['{"type": "start"}'], ['{"type": "start"}', bytes(64_000)]):
        with connected(service) as socket:
            for message in messages:
                socket.send(message)
            socket.socket.shutdown(SHUT_RDWR)
    for _ in range(200):
        if "asr_streams 0.0" in httpx.get(f"{service.url}/metrics", timeout=60).text:
            break
    else:
        pytest.fail("streams of clients that have gone are still open")
    assert finals(spoken(service, pcm(FIVE)))[0]["text"] == "five five"


# Limits, in this process, where they can be made small -----------------------------------------------------------


@pytest.fixture(scope="module")
def app() -> Iterator[FastAPI]:
    settings = ServeSettings(hosts=("testserver",), max_rate=0)
    pool = Pool(settings)
    yield create_app(settings, pool)
    pool.close()


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


def last_words(client: TestClient, *messages: str | bytes) -> tuple[str, int]:
    """What the service says before it closes, and with which code."""
    with client.websocket_connect("/v1/stream") as socket:
        for message in messages:
            if isinstance(message, str):
                socket.send_text(message)
            else:
                socket.send_bytes(message)
        said = ""
        try:
            while True:
                said = socket.receive_json().get("message", "")
        except WebSocketDisconnect as closed:
            return said, closed.code


def test_who_says_nothing_is_given_up(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "START_SECONDS", 0.2)
    monkeypatch.setattr(stream, "IDLE_SECONDS", 0.3)
    assert last_words(client) == ("nothing came for 0.2 s; wanted sound, or the end", 1008)
    assert last_words(client, '{"type": "start"}')[1] == 1008


def test_long_silence_ends_a_stream(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 2.0)
    said, code = last_words(client, '{"type": "start"}', bytes(32_000), bytes(64_000))
    assert (said, code) == ("nobody spoke for 2 s; begin another stream", 1008)


def test_messages_without_sound_buy_no_time(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 0.5)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"type": "start"})
        assert socket.receive_json() == {"type": "ready"}
        for _ in range(8):
            socket.send_bytes(b"")
            time.sleep(0.1)
        assert socket.receive_json() == {"type": "error", "message": "nobody spoke for 0.5 s; begin another stream"}


@pytest.mark.parametrize("name", ["ended", "gone", *BAD])
def test_the_log_says_how_a_stream_ended_and_nothing_of_the_clients(
    client: TestClient, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.INFO, "asr.serve")
    ended: tuple[list[str | bytes], int | None] = (['{"type": "start"}', '{"type": "end"}'], 1000)
    messages, code = {"ended": ended, "gone": (["{}"][:0], None)}.get(name) or BAD[name]
    if name == "gone":
        with client.websocket_connect("/v1/stream"):
            pass
    else:
        last_words(client, *messages)
    keys = caplog.records[-1].__dict__["keys"]
    assert keys["close"] == code
    assert keys.get("code") in {
        *(None, "client_gone", "no_json", "bad_start", "unwanted_message", "invalid_sound", "message_too_large"),
        *("unknown_grammar", "bad_grammar"),
    }
    assert ("code" in keys) == (name != "ended")


def test_hours_of_silence_in_a_few_bytes_of_opus_end_a_stream(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 3.0)
    silence = tmp_path / "silence.wav"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-t", "60", "-i", "anullsrc=r=16000", silence])
    data = opus(silence)
    said, code = last_words(client, '{"type": "start", "encoding": "opus"}', data[: 2**18])
    assert (said, code) == ("nobody spoke for 3 s; begin another stream", 1008)


def test_a_fault_is_said_and_the_service_lives(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(stream_input.PcmReader, "feed", lambda *_: 1 / 0)
        assert last_words(client, '{"type": "start"}', bytes(2))[1] == 1011
    assert client.get("/healthz").status_code == 200


def test_a_full_buffer_keeps_who_fills_it_waiting() -> None:
    async def fill() -> None:
        buffer = stream._Buffer()
        await buffer.put(bytes(stream.BUFFER_BYTES - 1000))
        putting = asyncio.ensure_future(buffer.put(bytes(2000)))
        await asyncio.sleep(0.05)
        assert not putting.done()
        await buffer.take()
        await asyncio.wait_for(putting, 1)
        for _ in range(stream.BUFFER_BYTES // 100):  # empty messages have their place too
            async with asyncio.timeout(1):
                await buffer.put(b"")

    with pytest.raises(TimeoutError):
        asyncio.run(fill())
