"""Wyoming: the same text as from a file whatever the form of the sound, and whatever a client does harms no other."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

import asr
from asr.apps.cli import app
from asr.apps.cli import run as run_command
from asr.serve import wyoming as wyoming_server
from asr.serve.pcm import PcmFormat
from asr.serve.pool import Pool
from asr.serve.server import listening
from asr.serve.settings import ServeSettings
from asr.serve.wyoming import WyomingServer

SAMPLES = ROOT / "recipes" / "commands" / "samples"
SPOKEN = SAMPLES / "find_my_files.flac"


@asynccontextmanager
async def serving(settings: ServeSettings | None = None) -> AsyncIterator[int]:
    settings = settings or ServeSettings()
    with closing(Pool(settings)) as pool, listening(settings, 0) as listener:
        async with WyomingServer(settings, pool).serving(listener):
            yield listener.getsockname()[1]


def run(talk: Callable[[int], Awaitable[None]], settings: ServeSettings | None = None) -> None:
    async def all_of_it() -> None:
        async with serving(settings) as port:
            await talk(port)

    asyncio.run(asyncio.wait_for(all_of_it(), 120))


def pcm(path: Path, width: int = 2, channels: int = 1) -> tuple[int, bytes]:
    """A recording's rate and its samples as a client would send them."""
    whole, rate = soundfile.read(path, dtype="int32", always_2d=True)
    samples = np.repeat(whole[:, :1], channels, axis=1)
    if width == 1:
        return rate, ((samples >> 24) + 128).astype(np.uint8).tobytes()
    octets = samples.astype("<i4").view(np.uint8).reshape(*samples.shape, 4)
    return rate, octets[..., 4 - width :].tobytes()


async def ask(port: int, rate: int, sound: bytes, width: int = 2, channels: int = 1, size: int = 2048) -> list[Event]:
    """Send sound as Home Assistant does; gives what is answered."""
    form = {"rate": rate, "width": width, "channels": channels}
    size -= size % (width * channels)
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(**form).event())
        for at in range(0, len(sound), size):
            await client.write_event(AudioChunk(**form, audio=sound[at : at + size]).event())
        await client.write_event(AudioStop().event())
        return await answered(client)


async def answered(client: AsyncTcpClient) -> list[Event]:
    found: list[Event] = []
    while (event := await client.read_event()) is not None:
        found.append(event)
        if TranscriptStop.is_type(event.type) or Error.is_type(event.type):
            break
    return found


def text_of(events: list[Event]) -> str:
    (text,) = (event.data["text"] for event in events if Transcript.is_type(event.type))
    assert isinstance(text, str)
    return text


async def check_well(port: int) -> None:
    """The server answers the next client."""
    assert text_of(await ask(port, *pcm(SPOKEN))) == "find my files"


def test_what_is_there_is_described() -> None:
    async def talk(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Describe().event())
            event = await client.read_event()
            assert event is not None
            (program,) = Info.from_event(event).asr
            assert program.name == "asr"
            assert program.installed
            assert program.supports_transcript_streaming
            (model,) = program.models
            assert model.installed
            assert model.languages == ["en"]
            await client.write_event(Ping("there?").event())
            event = await client.read_event()
            assert event is not None
            assert Pong.from_event(event).text == "there?"

    run(talk)


def test_the_text_is_that_of_the_file() -> None:
    model = asr.load()

    async def talk(port: int) -> None:
        for path in sorted(SAMPLES.glob("*.flac")):
            events = await ask(port, *pcm(path))
            assert text_of(events) == model.transcribe(path).text
            kinds = [event.type for event in events]
            assert kinds == [
                "transcript-start",
                *["transcript-chunk"] * (len(kinds) - 3),
                "transcript",
                "transcript-stop",
            ]
            assert TranscriptStart.is_type(kinds[0])
            said = [TranscriptChunk.from_event(event).text for event in events[1:-2]]
            assert "".join(said) == text_of(events)

    run(talk)


@pytest.mark.parametrize(("rate", "width", "channels"), [(16000, 1, 1), (8000, 2, 2), (44100, 3, 1), (48000, 4, 8)])
def test_any_form_of_sound_is_heard(rate: int, width: int, channels: int, tmp_path: Path) -> None:
    import soxr

    wave, own = soundfile.read(SPOKEN)
    path = tmp_path / "form.wav"
    soundfile.write(path, np.clip(soxr.resample(wave, own, rate), -1, 1), rate, subtype="PCM_16")

    async def talk(port: int) -> None:
        assert text_of(await ask(port, *pcm(path, width, channels), width, channels)) == "find my files"

    run(talk)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_samples_are_what_they_were(width: int) -> None:
    wave = np.array([-1.0, -0.5, 0.0, 0.25, 0.5], np.float32)
    whole = np.round(wave * 2.0 ** (8 * width - 1)).astype(np.int64) + (128 if width == 1 else 0)
    sent = b"".join(int(each).to_bytes(width, "little", signed=width > 1) for each in whole)
    assert np.array_equal(PcmFormat(16_000, width, 1).decode(sent)[:, 0], wave)


def test_one_connection_asks_again_and_again() -> None:
    async def talk(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            for name, text in (("find_my_files", "find my files"), ("five_five", "five five"), (None, "")):
                if name is not None:
                    rate, sound = pcm(SAMPLES / f"{name}.flac")
                    await client.write_event(AudioStart(rate, 2, 1).event())
                    await client.write_event(AudioChunk(rate, 2, 1, sound).event())
                await client.write_event(AudioStop().event())
                assert text_of(await answered(client)) == text

    run(talk)


def test_what_is_broken_off_is_forgotten() -> None:
    rate, sound = pcm(SPOKEN)

    async def talk(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            for part in (sound[: len(sound) // 2 // 2 * 2], sound):
                await client.write_event(AudioStart(rate, 2, 1).event())
                await client.write_event(AudioChunk(rate, 2, 1, part).event())
            await client.write_event(AudioStop().event())
            assert text_of(await answered(client)) == "find my files"

    run(talk)


def test_with_commands_the_text_is_the_commands_or_none() -> None:
    async def talk(port: int) -> None:
        assert text_of(await ask(port, *pcm(SPOKEN))) == "find my files"
        assert text_of(await ask(port, *pcm(SAMPLES / "five_five.flac"))) == ""

    run(talk, ServeSettings(commands=("computer",)))


def test_many_at_once_are_not_mixed() -> None:
    names = {"find_my_files": "find my files", "five_five": "five five", "ten_of_clubs": "ten of clubs"}

    async def talk(port: int) -> None:
        asked = [ask(port, *pcm(SAMPLES / f"{name}.flac"), size=512) for name in names]
        assert [text_of(events) for events in await asyncio.gather(*asked)] == list(names.values())

    run(talk)


async def send_raw(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def line(kind: object, **more: object) -> bytes:
    return json.dumps({"type": kind, **more}).encode() + b"\n"


MONO = {"rate": 16000, "width": 2, "channels": 1}
GARBAGE = {
    "not JSON": b"GET / HTTP/1.1\r\n\r\n",
    "bytes": bytes(range(256)) * 4 + b"\n",
    "a line without end": b"{" * (1 << 18),
    "deep JSON": b"[" * 60_000 + b"\n",
    "a list": b"[1, 2]\n",
    "no type": b'{"data": {}}\n',
    "a type that is no text": line(7),
    "data that is no object": line("audio-start", data=[1]),
    "data that is none with more of it": line("audio-start", data=None, data_length=2) + b"{}",
    "a length in words": line("audio-chunk", payload_length="many"),
    "a length that is no whole number": line("audio-chunk", payload_length=3.5) + b"abcdefgh",
    "10 GB announced": line("audio-chunk", payload_length=10**10),
    "10 GB of data announced": line("describe", data_length=10**10),
    "a length beyond all": line("audio-chunk", payload_length=10**400),
    "no rate": line("audio-start", data={"width": 2, "channels": 1}),
    "a rate of 0": line("audio-start", data={"rate": 0, "width": 2, "channels": 1}),
    "a rate in words": line("audio-start", data={"rate": "16k", "width": 2, "channels": 1}),
    "a rate that is true": line("audio-start", data={"rate": True, "width": 2, "channels": 1}),
    "a width of 8": line("audio-start", data={"rate": 16000, "width": 8, "channels": 1}),
    "1000 channels": line("audio-start", data={"rate": 16000, "width": 2, "channels": 1000}),
    "half a sample": line("audio-chunk", data={"rate": 16000, "width": 2, "channels": 1}, payload_length=3) + b"abc",
    "another rate amid it": 2 * line("audio-start", data=MONO)
    + line("audio-chunk", data=MONO, payload_length=2)
    + b"ab"
    + line("audio-chunk", data={**MONO, "rate": 8000}, payload_length=2)
    + b"ab",
    "a wrong rate in a chunk": line("audio-chunk", data={"rate": 1, "width": 2, "channels": 1}, payload_length=2)
    + b"ab",
}


def test_garbage_is_refused_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "asr.serve")

    async def talk(port: int) -> None:
        for name, sent in GARBAGE.items():
            caplog.clear()
            answer = (await send_raw(port, sent)).splitlines()
            assert json.loads(answer[0])["type"] == "error", name
            (logged,) = caplog.records
            assert logged.getMessage() == "refused", name
            told = json.loads(answer[1])["text"]
            assert logged.__dict__["keys"]["reason"] == told, name
            assert "wanted" in told, name
            assert "\n" not in told, name
        await check_well(port)

    run(talk)


def test_what_is_not_known_is_passed_over() -> None:
    async def talk(port: int) -> None:
        sent = line("select-program", data={"name": "x"}) + line("of tomorrow", payload_length=4) + b"1234"
        assert await send_raw(port, sent) == b""
        await check_well(port)

    run(talk)


def test_clients_that_vanish_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    rate, sound = pcm(SPOKEN)
    form = {"rate": rate, "width": 2, "channels": 1}
    whole = line("audio-chunk", data=form, payload_length=len(sound)) + sound + line("audio-stop")

    async def talk(port: int) -> None:
        for length in (0, 1, 40, 2000, len(whole)):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(whole[:length])
            await writer.drain()
            writer.transport.abort()
        await check_well(port)
        for _ in range(100):
            if len(asyncio.all_tasks()) <= 2:
                break
            await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) <= 2
        assert not [record for record in caplog.records if record.exc_info]

    run(talk)


def test_who_stalls_is_left() -> None:
    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b'{"type": "audio-')
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()

    run(talk, ServeSettings(stall_seconds=0.2))


def test_pings_buy_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wyoming_server, "_IDLE_SECONDS", 0.3)

    async def talk(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            found = []
            for _ in range(6):
                await client.write_event(Ping().event())
                event = await client.read_event()
                assert event is not None
                found.append(event)
                if Error.is_type(event.type):
                    break
                await asyncio.sleep(0.1)
            assert Pong.is_type(found[0].type)
            assert Error.from_event(found[-1]).code == "idle"
        await check_well(port)  # and who sends sound is not hurried

    run(talk)


def test_the_time_that_is_left_runs_from_when_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from when others have ended, for which the service waits too."""
    go = threading.Event()
    monkeypatch.setattr(WyomingServer, "_hear", lambda *_: go.wait(30))
    settings = ServeSettings(grace_seconds=1.0)

    async def all_of_it() -> None:
        with closing(Pool(settings)) as pool, listening(settings, 0) as listener:
            server = WyomingServer(settings, pool)
            async with AsyncTcpClient("127.0.0.1", listener.getsockname()[1]) as client, server.serving(listener):
                await client.write_event(AudioStop().event())
                assert await client.read_event() is not None
                server.end()
                await asyncio.sleep(1.0)
                begun = time.monotonic()
            assert time.monotonic() - begun < 0.9
            go.set()

    asyncio.run(asyncio.wait_for(all_of_it(), 120))


def test_who_asks_and_does_not_read_is_left() -> None:
    async def talk(port: int) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.setblocking(False)

            async def flood() -> None:
                for _ in range(600):
                    await loop.sock_sendall(client, 10 * line("ping", data={"text": "x" * 60_000}))
                    await asyncio.sleep(0.05)

            with pytest.raises(ConnectionError):
                await flood()

    run(talk, ServeSettings(stall_seconds=0.2))


def test_sound_has_an_end() -> None:
    async def talk(port: int) -> None:
        second = np.zeros(16_000, "<i2").tobytes()
        (event,) = await ask(port, 16_000, second * 3)
        assert "more than 2 s" in Error.from_event(event).text
        (event,) = await ask(port, 400_000, bytes(150_000))
        assert "more than 100000 bytes" in Error.from_event(event).text
        await check_well(port)

    run(talk, ServeSettings(max_seconds=2, max_bytes=100_000))


def test_no_more_clients_than_are_wanted() -> None:
    async def talk(port: int) -> None:
        async with AsyncTcpClient("127.0.0.1", port):
            (event,) = await ask(port, 16_000, b"")
            assert Error.from_event(event).code == "too_many_streams"
        await asyncio.sleep(0.1)
        await check_well(port)

    run(talk, ServeSettings(max_streams=1))


def test_what_is_asked_is_answered_before_the_end() -> None:
    rate, sound = pcm(SPOKEN)

    async def all_of_it() -> None:
        idle = AsyncTcpClient("127.0.0.1", 0)
        async with serving() as port:
            idle = AsyncTcpClient("127.0.0.1", port)
            await idle.connect()
            client = AsyncTcpClient("127.0.0.1", port)
            await client.connect()
            await client.write_event(AudioChunk(rate, 2, 1, sound).event())
            await client.write_event(AudioStop().event())
            event = await client.read_event()
            assert event is not None
            assert TranscriptStart.is_type(event.type)
        assert text_of(await answered(client)) == "find my files"
        assert await idle.read_event() is None
        await idle.disconnect()
        await client.disconnect()

    asyncio.run(asyncio.wait_for(all_of_it(), 120))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0", "--wyoming", "0"], "--wyoming 0: knows no tokens"),
        (["--wyoming-allow", "my-house"], "--wyoming-allow 'my-house': wanted an address"),
    ],
)
def test_wyoming_is_for_this_computer_unless_others_are_named(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_TOKEN", "long enough for a token".replace(" ", "-"))
    assert run_command(app, ["serve", "--port", "0", *options], "asr") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
