"""How `asr serve` does under load on loopback, beside another Wyoming server where one is named; wants the extra serve.

So many clients at a time ask, each again as soon as it is answered, for the texts of the sample recordings: over HTTP,
over Wyoming, over WebSockets, and over WebSockets as fast as somebody speaks (in blocks of 0.1 s, with partial
results). A latency is from the first byte sent to the text, as they speak from the last. On a machine that does other
things too the clock says little; the processor time of the server for a second of sound says more. Then memory over
many requests, and how soon a server that was killed (SIGKILL) answers again.

A peer is any Wyoming server that a command starts, {port} being where it shall listen:

    --peer 'python -m wyoming_faster_whisper --uri tcp://127.0.0.1:{port} --model FOLDER --data-dir /tmp --language en'
"""

import argparse
import asyncio
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from markdown_tables import table
from websockets.asyncio.client import connect
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe

from asr.api import read_source
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_manifest
from asr.text.normaliser import Normaliser

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "recipes" / "commands" / "samples"
BLOCK_SECONDS = 0.1


@dataclass(frozen=True)
class Recording:
    """A file, its samples as 16-bit PCM at 16 kHz, and what is said."""

    path: Path
    pcm: bytes
    text: str

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.pcm) / 2 / SAMPLE_RATE


@dataclass
class Server:
    """A running server: its process and its ports, 0 for what it does not speak."""

    process: subprocess.Popen[bytes]
    http: int
    wyoming: int

    def megabytes(self) -> float:
        """Memory that is resident; not a number where the system does not say."""
        with suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        return float("nan")

    def processor_seconds(self) -> float:
        """Processor time since it began; not a number where the system does not say."""
        with suppress(OSError):
            found = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(found[11]) + int(found[12])) / os.sysconf("SC_CLK_TCK")
        return float("nan")


@dataclass
class Load:
    """What came of many requests."""

    wall: float = 0.0
    processor: float = 0.0
    sound: float = 0.0
    right: int = 0
    failed: int = 0
    latencies: list[float] = field(default_factory=list)

    def row(self, name: str, streams: int) -> str:
        """A row of the table."""
        if not self.latencies:
            return f"{name} | {streams} | 0 | {self.failed} | - | - | - | - | - | -"
        cuts = statistics.quantiles(self.latencies, n=100, method="inclusive") if len(self.latencies) > 1 else []
        half, most, nearly = (1000 * cuts[at - 1] if cuts else 1000 * self.latencies[0] for at in (50, 95, 99))
        count = len(self.latencies)
        return (
            f"{name} | {streams} | {count} | {self.failed} | {half:.0f} | {most:.0f} | {nearly:.0f} | "
            f"{self.sound / self.wall:.1f} | {self.processor / self.sound:.3f} | {100 * self.right / count:.0f} %"
        )


COLUMNS = (
    "server, way | streams | answered | failed | median ms | 95 % | 99 % | seconds of sound a second | "
    "processor seconds a second of sound | texts right"
)
Ask = Callable[[Server, Recording], Awaitable[tuple[str, float]]]


async def ask_http(server: Server, recording: Recording) -> tuple[str, float]:
    """The text by OpenAI's API, and the seconds it took."""
    begun = time.perf_counter()
    async with httpx.AsyncClient(timeout=120, verify=False) as client:
        answer = await client.post(
            f"http://127.0.0.1:{server.http}/v1/audio/transcriptions",
            files={"file": (recording.path.name, recording.path.read_bytes())},
            data={"model": "asr"},
        )
    answer.raise_for_status()
    return answer.json()["text"], time.perf_counter() - begun


async def ask_wyoming(server: Server, recording: Recording) -> tuple[str, float]:
    """The text by Wyoming, as Home Assistant asks, and the seconds it took."""
    begun = time.perf_counter()
    async with AsyncTcpClient("127.0.0.1", server.wyoming) as client:
        form = {"rate": SAMPLE_RATE, "width": 2, "channels": 1}
        await client.write_event(AudioStart(**form).event())
        for at in range(0, len(recording.pcm), 4096):
            await client.write_event(AudioChunk(**form, audio=recording.pcm[at : at + 4096]).event())
        await client.write_event(AudioStop().event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text, time.perf_counter() - begun
    raise ConnectionError("no transcript came")


async def ask_websocket(server: Server, recording: Recording) -> tuple[str, float]:
    """The text by a WebSocket that is sent all at once, and the seconds it took."""
    return await _stream(server, recording, pace=False)


async def ask_spoken(server: Server, recording: Recording) -> tuple[str, float]:
    """The text by a WebSocket as fast as somebody speaks, and the seconds from the last block to it."""
    return await _stream(server, recording, pace=True)


async def _stream(server: Server, recording: Recording, *, pace: bool) -> tuple[str, float]:
    begun = time.perf_counter()
    said: list[str] = []
    async with connect(f"ws://127.0.0.1:{server.http}/v1/stream", open_timeout=120) as stream:
        start = {"type": "start", "encoding": "pcm_s16le", "rate": SAMPLE_RATE, "partials": pace}
        await stream.send(json.dumps(start))

        async def send() -> None:
            nonlocal begun
            size = 2 * round(BLOCK_SECONDS * SAMPLE_RATE)
            for number, at in enumerate(range(0, len(recording.pcm), size)):
                if pace:
                    await asyncio.sleep(max(0.0, begun + number * BLOCK_SECONDS - time.perf_counter()))
                await stream.send(recording.pcm[at : at + size])
            begun = time.perf_counter() if pace else begun
            await stream.send(json.dumps({"type": "end"}))

        sending = asyncio.ensure_future(send())
        try:
            async for message in stream:
                event = json.loads(message)
                if event["type"] == "final":
                    said.append(event["text"])
                elif event["type"] == "error":
                    raise ConnectionError(event["message"])
                elif event["type"] == "closed":
                    break
            await sending
        finally:
            sending.cancel()
    return " ".join(said), time.perf_counter() - begun


WAYS: dict[str, Ask] = {
    "http": ask_http,
    "wyoming": ask_wyoming,
    "websocket": ask_websocket,
    "spoken": ask_spoken,
}


async def load(server: Server, ask: Ask, recordings: Sequence[Recording], streams: int, requests: int) -> Load:
    """So many requests by so many clients at a time."""
    found = Load()
    normalise = Normaliser()
    waiting = iter(range(requests))

    async def client() -> None:
        for number in waiting:
            recording = recordings[number % len(recordings)]
            try:
                text, seconds = await ask(server, recording)
            except (OSError, httpx.HTTPError, ConnectionError):
                found.failed += 1
                continue
            found.latencies.append(seconds)
            found.sound += recording.seconds
            found.right += normalise(text) == recording.text

    processor, begun = server.processor_seconds(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(streams)))
    found.wall = time.perf_counter() - begun
    found.processor = server.processor_seconds() - processor
    return found


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def answers(server: Server) -> bool:
    """Whether it does."""
    try:
        if server.http:
            async with httpx.AsyncClient(timeout=5, verify=False) as client:
                return (await client.get(f"http://127.0.0.1:{server.http}/healthz")).status_code == 200
        async with AsyncTcpClient("127.0.0.1", server.wyoming) as client:
            await client.write_event(Describe().event())
            return await client.read_event() is not None
    except (OSError, httpx.HTTPError):
        return False


@contextmanager
def running(command: Sequence[str], http: int, wyoming: int) -> Iterator[Server]:
    """A server while the block lasts, from when it answers; ended by SIGTERM."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(process, http, wyoming)
    try:
        for _ in range(600):
            if asyncio.run(answers(server)):
                break
            if process.poll() is not None:
                raise SystemExit(f"{shlex.join(command)}: ended with status {process.returncode}")
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def our_command(http: int, wyoming: int, options: Sequence[str]) -> list[str]:
    """What starts `asr serve`; nobody is refused for asking often."""
    ports = ["--port", str(http), "--wyoming", str(wyoming)]
    limits = ["--max-rate", "0", "--queue", "256", "--max-streams", "256"]
    return [sys.executable, "-m", "asr", "serve", *ports, *limits, *options]


def measure_memory(server: Server, ask: Ask, recordings: Sequence[Recording], requests: int) -> list[str]:
    """The memory after each tenth of the requests."""
    rows = [f"0 | {server.megabytes():.1f}"]
    for tenth in range(1, 11):
        asyncio.run(load(server, ask, recordings, 8, requests // 10))
        rows.append(f"{tenth * (requests // 10)} | {server.megabytes():.1f}")
    return rows


def measure_restart(options: Sequence[str], recording: Recording) -> str:
    """Kill a server that is at work, start it again at the same ports, and say when it gives a text."""
    http, wyoming = free_port(), free_port()
    command = our_command(http, wyoming, options)
    with running(command, http, wyoming) as server:

        async def killed() -> int:
            asked = [asyncio.ensure_future(ask_http(server, recording)) for _ in range(8)]
            await asyncio.sleep(0.05)
            server.process.kill()
            return sum(isinstance(each, Exception) for each in await asyncio.gather(*asked, return_exceptions=True))

        lost = asyncio.run(killed())
    begun = time.perf_counter()
    with running(command, http, wyoming) as server:
        text, _ = asyncio.run(ask_http(server, recording))
        seconds = time.perf_counter() - begun
    return (
        f"Killed with 8 requests in flight, {lost} of them got an error; started again at the same ports, it gave "
        f"{text!r} after {seconds:.1f} s."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 64], metavar="N")
    parser.add_argument("--requests", type=int, default=256, metavar="N", help="of each row")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--memory-requests", type=int, default=10_000, metavar="N", help="0 leaves this out")
    parser.add_argument("--peer", metavar="COMMAND", help="that starts another Wyoming server at {port}")
    parser.add_argument("--peer-requests", type=int, default=16, metavar="N", help="of each of its rows, at most")
    parser.add_argument("options", nargs="*", help="for asr serve, after --")
    given = parser.parse_args()
    recordings = [
        Recording(each.path, (32767 * read_source(each.path)).astype(np.int16).tobytes(), Normaliser()(each.text))
        for each in read_manifest(SAMPLES / "transcripts.tsv")
    ]
    shortest = min(recordings, key=lambda each: each.seconds)
    busy = f"; load {os.getloadavg()[0]:.1f} before it began" if hasattr(os, "getloadavg") else ""
    print(f"{given.requests} requests a row, {len(recordings)} recordings, {os.cpu_count()} cores{busy}\n")
    http, wyoming = free_port(), free_port()
    rows: list[str] = []
    with running(our_command(http, wyoming, given.options), http, wyoming) as server:
        for way in given.ways:
            for streams in given.streams:
                count = min(given.requests, 4 * streams) if way == "spoken" else given.requests
                found = asyncio.run(load(server, WAYS[way], recordings, streams, count))
                rows.append(found.row(f"asr, {way}", streams))
                print(rows[-1], file=sys.stderr, flush=True)
        used = server.megabytes()
    if given.peer:
        port = free_port()
        with running(shlex.split(given.peer.replace("{port}", str(port))), 0, port) as peer:
            for streams in given.streams:
                count = min(given.requests, max(given.peer_requests, streams))
                found = asyncio.run(load(peer, ask_wyoming, recordings, streams, count))
                rows.append(found.row("peer, wyoming", streams))
                print(rows[-1], file=sys.stderr, flush=True)
            rows_memory = f"Memory after that: asr {used:.0f} MB, peer {peer.megabytes():.0f} MB."
    print(table(COLUMNS, rows))
    if given.peer:
        print(f"\n{rows_memory}")
    if given.memory_requests:
        with running(our_command(http, wyoming, given.options), http, wyoming) as server:
            held = measure_memory(server, ask_http, [shortest], given.memory_requests)
        print(f"\n{table('requests over HTTP | MB', held)}")
    print(f"\n{measure_restart(given.options, shortest)}")


if __name__ == "__main__":
    main()
