"""``/v1/stream``: sound in by WebSocket as it is spoken, and what is said out as it is heard.

The first message is JSON, ``{"type": "start", ...}`` (``StreamStart`` has its keys), then come binary messages of
sound, and ``{"type": "end"}`` behind the last. Out go JSON messages: ``ready``, ``started``, ``partial``, ``final``,
``dropped`` and ``closed``; or ``error``, behind which the socket is closed with a code of RFC 6455. Where the service
is told to end, what has come is heard as if the client had ended it.

Of a client that sends faster than it is heard no more than ``BUFFER_BYTES`` are held: then the socket is not read, and
the client's own sending stops. A client that is silent, slow to read or gone is given up after a while.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from numpy.typing import NDArray

from asr.api import Commands
from asr.audio.load import SAMPLE_RATE
from asr.errors import AsrError, AudioError, BundleError
from asr.runtime.keys import event_keys
from asr.runtime.live import Dropped, Event, LiveSession, Partial, Started
from asr.serve.connections import ENDING_EVENT
from asr.serve.errors import Busy, Refusal
from asr.serve.pool import Engine
from asr.serve.records import LOG
from asr.serve.service import Service, service_of
from asr.serve.stream_input import (
    ENDING,
    GARBAGE,
    INTERNAL,
    LATER,
    POLICY,
    TOO_BIG,
    WRONG_DATA,
    SoundReader,
    StreamClosed,
    StreamStart,
    read_json,
    read_start,
    reader_of,
    short,
)

START_SECONDS: Final = 10.0
"""Within which a client has to say what it will send."""
IDLE_SECONDS: Final = 30.0
"""Without a message, after which a client is taken for stalled."""
SEND_SECONDS: Final = 10.0
"""Within which a client has to take what it is sent."""
SILENCE_SECONDS: Final = 600.0
"""In which nobody speaks, of sound or by the clock, after which a stream ends."""
LAST_SECONDS: Final = 2.0
"""That are waited in all for what is still on its way when the service is told to end."""
BUFFER_BYTES: Final = 2**18
"""That wait to be heard: 8 s of 16-bit sound at 16 kHz."""
LARGEST_MESSAGE: Final = 2**18
"""In bytes."""

_STEP_SAMPLES: Final = SAMPLE_RATE // 2  # that a worker hears before others have their turn
_BEHIND_SECONDS: Final = 0.5  # behind what was sent, from where on there are no partial results
_RETRY_SECONDS: Final = 0.05  # until the queue is asked again, by a stream that has begun


router = APIRouter()


class _Gone(Exception):
    """The client is there no more."""


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """Speech recognition of one stream of sound; see the documentation for the messages."""
    service = service_of(socket)
    await socket.accept()
    connection = _Connection(socket, service.settings.grace_seconds)
    heard = _StreamClient(service, connection)
    try:
        await _run(heard, connection)
    except StreamClosed as closed:
        service.metrics.refusals.labels(f"stream_{closed.code}").inc()
        await connection.fail(closed)
    finally:
        socket.state.record |= heard.record | connection.record


async def _run(heard: "_StreamClient", connection: "_Connection") -> None:
    """Raises StreamClosed for whatever ends the stream before its time, but that the client has gone."""
    try:
        await heard.run()
        await connection.close(ENDING if heard.cut else 1000)
    except _Gone:
        connection.code = "client_gone"
    except StreamClosed:
        raise
    except Busy as error:
        raise StreamClosed(LATER, str(error), error.code) from error
    except AudioError as error:
        raise StreamClosed(GARBAGE, str(error), "invalid_sound") from error
    except BundleError as error:
        LOG.error("the bundle cannot be used", extra={"keys": {"reason": str(error)}})
        raise StreamClosed(
            INTERNAL, "the model of this service cannot do it, and its log says why", "bundle"
        ) from error
    except AsrError as error:
        code = error.code if isinstance(error, Refusal) else "invalid_commands"
        raise StreamClosed(POLICY, str(error), code) from error
    except Exception as error:
        LOG.exception("a fault of asr", extra={"keys": {"kind": type(error).__name__}})
        raise StreamClosed(INTERNAL, "this is a fault of the service, and its log says more", "fault") from error


class _Connection:
    """A socket on which nothing waits for ever."""

    def __init__(self, socket: WebSocket, grace_seconds: float) -> None:
        """A service that ends gives what is heard last half of its ``grace_seconds`` to come."""
        self._socket = socket
        self._ending: asyncio.Event = socket.scope["state"].get(ENDING_EVENT) or asyncio.Event()
        self._patience = LAST_SECONDS
        self._longest = grace_seconds / 2
        self._last: float | None = None  # of the clock; from when on nothing more is read
        self._closed: int | None = None
        self.code: str | None = None
        """Of what went wrong; never a word of the client's."""

    @property
    def record(self) -> dict[str, Any]:
        """What the log says of its end."""
        return {"close": self._closed} | ({} if self.code is None else {"code": self.code})

    async def send(self, message: dict[str, Any]) -> None:
        """Raises _Gone where the client takes it no more."""
        try:
            await asyncio.wait_for(self._socket.send_text(json.dumps(message, allow_nan=False)), SEND_SECONDS)
        except (TimeoutError, RuntimeError, WebSocketDisconnect) as error:
            raise _Gone from error

    async def receive(self, seconds: float) -> str | bytes | None:
        """The next message; None where the service ends and nothing more comes of what was on its way.

        Raises _Gone, and StreamClosed where none comes for so many seconds or it is too large.
        """
        receiving = asyncio.ensure_future(self._socket.receive())
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((receiving, ending), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if self._ending.is_set() and not await self._still(receiving):
                return None
            if not receiving.done():
                raise StreamClosed(POLICY, f"nothing came for {seconds:g} s; wanted sound, or the end", "stalled")
            message = receiving.result()
        finally:
            receiving.cancel()
            ending.cancel()
        if message["type"] == "websocket.disconnect":
            raise _Gone
        text, data = message.get("text"), message.get("bytes")
        found: str | bytes = (data or b"") if text is None else text
        if len(found) > LARGEST_MESSAGE:
            reason = f"found a message of {len(found)} bytes, wanted at most {LARGEST_MESSAGE}"
            raise StreamClosed(TOO_BIG, reason, "message_too_large")
        return found

    async def _still(self, receiving: "asyncio.Future[Any]") -> bool:
        """Whether a message that the ending service may still take has come."""
        begun = time.monotonic()
        if self._last is None:
            self._last = begun + self._longest
        await asyncio.wait((receiving,), timeout=max(0.0, min(self._patience, self._last - begun)))
        self._patience -= time.monotonic() - begun
        return receiving.done() and begun < self._last

    async def fail(self, closed: StreamClosed) -> None:
        """Say what is wrong, and close."""
        self.code = closed.kind
        with suppress(_Gone):
            await self.send({"type": "error", "message": str(closed)})
            await self.close(closed.code)

    async def close(self, code: int) -> None:
        """Close with a code of RFC 6455."""
        self._closed = code
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            await asyncio.wait_for(self._socket.close(code), SEND_SECONDS)


class _Buffer:
    """Sound that waits to be heard, with when it came; whoever puts waits while it is full."""

    def __init__(self) -> None:
        self._messages: deque[tuple[bytes | None, float]] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()

    async def put(self, data: bytes | None) -> None:
        """None is the end."""
        async with self._changed:
            self._messages.append((data, time.monotonic()))
            self._bytes += _size(data)
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._bytes <= BUFFER_BYTES)

    async def take(self) -> tuple[bytes | None, float]:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._messages))
            data, came = self._messages.popleft()
            self._bytes -= _size(data)
            self._changed.notify_all()
            return data, came


def _size(data: bytes | None) -> int:
    """What a message takes: an empty one too has its place."""
    return 128 + len(data or b"")


class _StreamClient:
    """One client from its first message to its last event."""

    def __init__(self, service: Service, connection: _Connection) -> None:
        self._service = service
        self._connection = connection
        self._buffer = _Buffer()
        self._clock: deque[tuple[float, float]] = deque()  # seconds of the stream, and when they came
        self._seconds = 0.0
        self._spoken = 0.0  # seconds of the stream, when somebody last spoke
        self._spoken_at = time.monotonic()
        self._utterances = 0
        self.cut = False
        """Whether the service's end came before that of the sound."""
        self._texts: list[str] = []  # for the log, where it wants them

    @property
    def record(self) -> dict[str, Any]:
        """What the log says of it."""
        record: dict[str, Any] = {"audio_seconds": round(self._seconds, 3), "utterances": self._utterances}
        if self._service.settings.log_transcripts:
            record["text"] = " ".join(self._texts)
        return record

    async def run(self) -> None:
        """Raises what ends the stream before its time."""
        first = await self._connection.receive(START_SECONDS)
        if first is None:
            raise StreamClosed(ENDING, "the service ends; come back in a moment", "ending")
        start = read_start(first)
        commands = await self._commands(start)
        partial_seconds = 0.4 if start.partials else None

        def begin(engine: Engine) -> LiveSession:
            return LiveSession(engine.model.transcriber, engine.commander(commands), partial_seconds=partial_seconds)

        session = await self._service.pool.run(begin)
        await self._connection.send({"type": "ready"})
        reading = asyncio.create_task(self._read())
        hearing = asyncio.create_task(self._hear(session, reader_of(start)))
        try:
            await asyncio.wait((reading, hearing), return_when=asyncio.FIRST_EXCEPTION)
            for task in (hearing, reading):
                if task.done():
                    task.result()
        finally:
            for task in (reading, hearing):
                task.cancel()
            await asyncio.gather(reading, hearing, return_exceptions=True)
        await self._connection.send({"type": "closed"})

    async def _commands(self, start: StreamStart) -> Commands | None:
        if start.grammar is not None:
            return await self._service.pool.brought.commands(start.grammar)
        return None if start.commands is None else self._service.pool.grammar(start.commands)

    async def _read(self) -> None:
        while True:
            message = await self._connection.receive(IDLE_SECONDS)
            if message is None:
                self.cut = True
                await self._buffer.put(None)
                return
            if isinstance(message, str):
                if read_json(message) != {"type": "end"}:
                    reason = f'found the message {short(message)}, wanted sound or {{"type": "end"}}'
                    raise StreamClosed(WRONG_DATA, reason, "unwanted_message")
                await self._buffer.put(None)
                return
            await self._buffer.put(message)

    async def _hear(self, session: LiveSession, reader: SoundReader) -> None:
        while True:
            data, came = await self._buffer.take()
            blocks = reader.flush() if data is None else reader.feed(data)
            more = True
            while more:
                partials = time.monotonic() - came < _BEHIND_SECONDS
                events, more = await self._work(session, blocks, came, partials)
                for event in events:
                    await self._connection.send(self._message(event))
                silent = max(self._seconds - self._spoken, time.monotonic() - self._spoken_at)
                if silent > SILENCE_SECONDS:
                    reason = f"nobody spoke for {SILENCE_SECONDS:g} s; begin another stream"
                    raise StreamClosed(POLICY, reason, "silence")
            if data is None:
                for event in await self._run(lambda _: session.flush()):
                    await self._connection.send(self._message(event))
                return

    async def _work(
        self, session: LiveSession, blocks: Iterator[NDArray[np.float32]], came: float, partials: bool
    ) -> tuple[list[Event], bool]:
        """The events of the next ``_STEP_SAMPLES``, and whether there are more blocks."""

        def step(_: Engine) -> tuple[list[Event], int, bool, float]:
            begun, samples, events = time.perf_counter(), 0, list[Event]()
            for block in blocks:
                samples += len(block)
                events += session.feed(block, partials=partials)
                if samples >= _STEP_SAMPLES:
                    return events, samples, True, time.perf_counter() - begun
            return events, samples, False, time.perf_counter() - begun

        events, samples, more, taken = await self._run(step)
        if samples:
            self._seconds += samples / SAMPLE_RATE
            self._clock.append((self._seconds, came))
            self._service.metrics.heard("stream", samples / SAMPLE_RATE, taken)
        return events, more

    async def _run(self, work: Any) -> Any:
        """A stream that has begun waits its turn."""
        while True:
            try:
                return await self._service.pool.run(work)
            except Busy:
                await asyncio.sleep(_RETRY_SECONDS)

    def _message(self, event: Event) -> dict[str, Any]:
        self._spoken_at = time.monotonic()
        if isinstance(event, Started | Partial):
            self._spoken = self._seconds
            return event_keys(event)
        self._spoken = max(self._spoken, event.end)
        if isinstance(event, Dropped):
            return event_keys(event)
        self._utterances += 1
        if self._service.settings.log_transcripts:
            self._texts.append(event.transcript.text)
        return event_keys(event, 1000 * (time.monotonic() - self._came(event.end)))

    def _came(self, seconds: float) -> float:
        """When the sound of a time of the stream came."""
        while len(self._clock) > 1 and self._clock[0][0] < seconds:
            self._clock.popleft()
        return self._clock[0][1]
