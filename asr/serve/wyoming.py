"""The Wyoming protocol, by which Home Assistant and others ask for what was said.

A client may ``describe``, and is told what there is. Its ``audio-start``, ``audio-chunk`` and ``audio-stop`` are
answered by ``transcript-start``, a ``transcript-chunk`` for each utterance as soon as it is heard, the whole
``transcript``, which is what most clients wait for, and ``transcript-stop``. With commands, the transcript is the text
of the command that was understood, and empty where none was.

The library writes and reads events and knows their fields. But its server believes whatever length a client announces,
waits for ever, and ends amid an answer; so connections, their limits and their end are seen to here.
"""

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, TypeVar
from weakref import WeakSet

from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_read_event, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.ping import Ping, Pong

from asr.commands.reading import Reading
from asr.errors import AsrError, AudioError
from asr.printable import printable
from asr.serve.connections import BACKLOG
from asr.serve.errors import Busy, Refusal
from asr.serve.limits import RateLimit
from asr.serve.pcm import Pcm, PcmFormat
from asr.serve.pool import Engine, Pool
from asr.serve.records import LOG
from asr.serve.settings import ServeSettings

_MAX_LINE: Final = 1 << 16
"""Bytes of the line that begins an event."""
_MAX_PART: Final = 1 << 22
"""Bytes of what follows it: two minutes of mono sound at 16 kHz."""
_MOST_HELD: Final = 4
"""How many recordings of the greatest size are held at a time."""
_IDLE_SECONDS: Final = 600.0
"""Beside those of its sound, after which a client that asks nothing is let go, whatever else it says."""
_LINGER_SECONDS: Final = 1.0
_Read = TypeVar("_Read", AudioStart, AudioChunk, Ping)


class WyomingServer:
    """Answers the clients of one port, each for itself; whatever one does, the others do not notice."""

    def __init__(self, settings: ServeSettings, pool: Pool) -> None:
        self._settings, self._pool = settings, pool
        self._allowed = [ipaddress.ip_network(each, strict=False) for each in settings.wyoming_allow]
        self._rate = RateLimit(settings.max_rate)
        self._deadline: float | None = None  # of the loop's clock; from when on the server ends
        self._server: asyncio.Server | None = None
        self._sounds: WeakSet[Pcm] = WeakSet()
        self._clients: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve at a socket that listens, while the block lasts; what is being answered then is finished."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, sock=listener, backlog=BACKLOG)
        try:
            yield
        finally:
            self.end()
            assert self._deadline is not None
            if self._clients:
                _, late = await asyncio.wait(self._clients, timeout=max(0.0, self._deadline - loop.time()))
                for client in late:
                    client.cancel()

    def end(self, *, at_once: bool = False) -> None:
        """Take no more clients, and let go those that wait for nothing; the others have ``grace_seconds`` from now.

        Called again it changes nothing, unless the others are to be let go too, ``at_once``.
        """
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._settings.grace_seconds
            if self._server is not None:
                self._server.close()
            for client in self._clients - self._answering:
                client.cancel()
        if at_once:
            for client in self._clients:
                client.cancel()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(_BoundedReader(_MAX_LINE), self._connected)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.ensure_future(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it ends, or the server does, or something is wrong: then it is told so in a line."""
        name = (writer.get_extra_info("peername") or ("",))[0]
        connection = _Client(reader, writer, self._settings.stall_seconds)
        try:
            self._check(name)
            await self._converse(connection, name)
        except AsrError as error:
            code = error.code if isinstance(error, Refusal) else "unusable_audio"
            self._pool.metrics.refusals.labels(code).inc()
            _log("refused", client=name, code=code, reason=printable(str(error)))
            await connection.part(Error(printable(str(error)), code))
        except TimeoutError:
            _log("a client stalled, and was left", client=name)
            writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            _log("a client went away", client=name)
        except Exception as error:
            LOG.exception("a fault of asr", extra={"keys": {"way": "wyoming", "kind": type(error).__name__}})
            await connection.part(Error("this is a fault of the service, and its log says more", "fault"))
        finally:
            await connection.close()

    def _check(self, name: str) -> None:
        """Raises Refusal for a client that is not to be answered now, or not at all."""
        address = ipaddress.ip_address(name.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if not address.is_loopback and not any(address in network for network in self._allowed):
            raise Refusal(403, f"{name}: may not ask here; whoever runs it can give --wyoming-allow", "foreign_client")
        if len(self._clients) > self._settings.max_streams:
            raise Busy("too many streams are open; try again later", "too_many_streams")

    async def _converse(self, connection: "_Client", name: str) -> None:
        sound, since = self._sound(), time.monotonic()
        while self._deadline is None and (event := await connection.read()) is not None:
            if time.monotonic() - since > _IDLE_SECONDS + sound.seconds:
                raise Refusal(408, f"nothing was asked for {_IDLE_SECONDS:g} s; connect again", "idle")
            if Describe.is_type(event.type):
                await connection.write(describe(self._pool))
            elif Ping.is_type(event.type):
                await connection.write(Pong(_fields(Ping, event).text))
            elif AudioStart.is_type(event.type):
                sound = self._sound()
                _form(_fields(AudioStart, event))
            elif AudioChunk.is_type(event.type):
                chunk = _fields(AudioChunk, event)
                if sum(each.held for each in self._sounds) > _MOST_HELD * self._settings.max_bytes:
                    raise Busy("too much is being sent by all clients together; try again later", "too_much_sound")
                sound.add(_form(chunk), chunk.audio)
            elif AudioStop.is_type(event.type):
                if wait := self._rate.wait(name):
                    raise Refusal(429, f"too many requests; try again in {wait:.0f} s", "rate_limit")
                await self._answer(sound, connection, name)
                sound, since = self._sound(), time.monotonic()
            # `transcribe` may name a model and a language, but there is one of each; what is not known is passed over.

    def _sound(self) -> Pcm:
        sound = Pcm(self._settings.max_seconds, self._settings.max_bytes)
        self._sounds.add(sound)
        return sound

    async def _answer(self, sound: Pcm, connection: "_Client", name: str) -> None:
        """Write what is said in a recording, as it is heard."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        texts: asyncio.Queue[str | None] = asyncio.Queue()

        def say(text: str) -> None:
            loop.call_soon_threadsafe(texts.put_nowait, text)

        def end(hearing: "asyncio.Future[None]") -> None:
            texts.put_nowait(None)
            _ = hearing.cancelled() or hearing.exception()  # where the client has gone nobody else asks

        begun, gone = time.perf_counter(), threading.Event()
        self._answering.add(task)
        hearing = asyncio.ensure_future(self._pool.run(lambda engine: self._hear(engine, sound, say, gone)))
        hearing.add_done_callback(end)
        try:
            await connection.write(TranscriptStart())
            said: list[str] = []
            while (text := await texts.get()) is not None:
                await connection.write(TranscriptChunk(f" {text}" if said else text))
                said.append(text)
            await hearing
            await connection.write(Transcript(" ".join(said)), TranscriptStop())
        finally:
            gone.set()
            hearing.cancel()
            self._answering.discard(task)
        keys = {"text": " ".join(said)} if self._settings.log_transcripts else {}
        seconds = time.perf_counter() - begun
        self._pool.metrics.requests.labels("wyoming", "200").inc()
        self._pool.metrics.latency.labels("wyoming").observe(seconds)
        _log("heard", client=name, audio_seconds=round(sound.seconds, 3), seconds=round(seconds, 4), **keys)

    def _hear(self, engine: Engine, sound: Pcm, say: Callable[[str], None], gone: threading.Event) -> None:
        """Say the text of each utterance as soon as it is heard, or that of the command that is understood, if any.

        On a worker's thread; where the client has ``gone``, it ends at the next utterance.
        """
        begun = time.perf_counter()
        wave = sound.wave()
        commander = engine.commander(self._pool.commands)
        if commander is None:
            for heard in engine.model.transcriber.transcribe_blocks([wave]):
                if heard.text:
                    say(heard.text)
                if gone.is_set():
                    break
        else:
            found = commander.understand(wave)
            if found.understood and isinstance(found.reading, Reading):
                say(found.reading.text)
        self._pool.metrics.heard("wyoming", sound.seconds, time.perf_counter() - begun)


def describe(pool: Pool) -> Info:
    """What Home Assistant lists: one program with one model and its language."""
    attribution = Attribution(name="asr", url="")
    language = pool.bundle.normaliser.language
    model = AsrModel(
        name=pool.model_name,
        attribution=attribution,
        installed=True,
        description=f"{pool.model_name} ({language})",
        version=None,
        languages=[language],
    )
    program = AsrProgram(
        name="asr",
        attribution=attribution,
        installed=True,
        description="Offline speech recognition",
        version=_version(),
        models=[model],
        supports_transcript_streaming=True,
        requires_external_vad=True,  # the transcript waits for audio-stop
    )
    return Info(asr=[program])


def _version() -> str | None:
    try:
        return version("asr")
    except PackageNotFoundError:  # a checkout that is not installed
        return None


class _BoundedReader(asyncio.StreamReader):
    """A stream of which no more is held than an event may have."""

    async def readexactly(self, n: int) -> bytes:
        if n > _MAX_PART:
            raise AudioError(f"event: found more than {_MAX_PART} bytes announced, wanted less; send smaller chunks")
        return await super().readexactly(n)


class _Client:
    """Reads and writes events; ``seconds`` is how long a client may take for either."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
        self._reader, self._writer, self._seconds = reader, writer, seconds

    async def read(self) -> Event | None:
        """The next event; None where the client has ended.

        Raises AudioError for what is no event, TimeoutError where none comes, OSError and IncompleteReadError where
        the client goes away amid one.
        """
        try:
            async with asyncio.timeout(self._seconds):
                event = await async_read_event(self._reader)
        except (TypeError, KeyError, AttributeError, RecursionError):  # of JSON that is no event
            event = None
        else:
            if event is None and self._reader.at_eof():
                return None
        if event is None or not isinstance(event.type, str) or not isinstance(event.data, dict):
            raise AudioError("event: found none of the Wyoming protocol, wanted a line of JSON with its type")
        return event

    async def write(self, *told: Eventable) -> None:
        """Raises OSError where the client is gone, TimeoutError where it does not read."""
        async with asyncio.timeout(self._seconds):
            for each in told:
                await async_write_event(each.event(), self._writer)

    async def part(self, error: Error) -> None:
        """Tell the client what is wrong, and take what it is still sending for a moment.

        Closed with that unread, the connection would be reset, and the client might never see the line.
        """
        with suppress(OSError, TimeoutError):
            await self.write(error)
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self._reader.read(_MAX_LINE):
                    pass

    async def close(self) -> None:
        """Close when all that was written has gone out, if it does."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._writer.wait_closed()
        self._writer.transport.abort()


def _fields(kind: type[_Read], event: Event) -> _Read:
    """What an event says; raises AudioError where it does not say all that it should."""
    try:
        return kind.from_event(event)
    except KeyError as error:
        raise AudioError(f"{event.type}: found no {error.args[0]}, wanted rate, width and channels") from error


def _form(sound: AudioStart | AudioChunk) -> PcmFormat:
    return PcmFormat(sound.rate, sound.width, sound.channels)


def _log(event: str, **keys: Any) -> None:
    LOG.info(event, extra={"keys": {"way": "wyoming", **keys}})
