"""Connections as uvicorn and asyncio make them, with limits that those do not know, and an end that loses nothing."""

import asyncio
import errno
import math
import socket
import time
from typing import Any, Final
from weakref import WeakSet

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from asr.serve.settings import ServeSettings

BACKLOG: Final = 128
"""Connections that may wait to be taken, and that asyncio takes in one go."""
ENDING_EVENT: Final = "ending"
"""Where the state of a socket's scope has the ``asyncio.Event`` that says that the service is told to end."""

_PAUSE: Final = 0.5  # seconds, less than asyncio's own
_TOLD: Final = 64  # connections beyond the limit that are taken to be told so; beyond them they are closed at once
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class CountedListener(socket.socket):
    """A socket that listens, and keeps no more connections than it may; each counts from when it is taken on.

    A protocol counts those that it knows, and TLS tells it of none that has not shaken hands.
    """

    def __init__(self, listening: socket.socket, most: int) -> None:
        """Takes over a socket that listens."""
        super().__init__(listening.family, listening.type, listening.proto, fileno=listening.detach())
        self._most = most + _TOLD
        self._taken: WeakSet[socket.socket] = WeakSet()
        self._exhausted = -math.inf  # when there was no file left for a connection

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; raises BlockingIOError where there is none, or one too many, which is closed.

        Where no file is left, asyncio looks away for a second, but not before it has asked ``BACKLOG`` times, and
        each time it logs that and sets a clock to look again: so it is told once that there is no file, and then that
        there is no connection.
        """
        if time.monotonic() - self._exhausted < _PAUSE:
            raise BlockingIOError
        try:
            connection, address = super().accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._exhausted = time.monotonic()
            raise
        if len(self._taken) >= self._most:
            self._taken = WeakSet(each for each in self._taken if each.fileno() >= 0)
        if len(self._taken) >= self._most:
            connection.close()
            raise BlockingIOError
        self._taken.add(connection)
        return connection, address


class SocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket that the service's end does not cut off: what has come is heard, and its answers go out first."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._ending = asyncio.Event()

    def shutdown(self) -> None:
        """Called when the service is told to end."""
        if self.handshake_complete and not self.close_sent:
            self._ending.set()
        else:
            super().shutdown()

    async def run_asgi(self) -> None:
        """Answer, letting whoever does know of the end."""
        self.scope["state"][ENDING_EVENT] = self._ending
        await super().run_asgi()


def http_connection(settings: ServeSettings) -> type[H11Protocol]:
    """The class of connections that come to the point: head of a request within seconds, and not too many of them."""

    class Connection(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                transport.write(_FULL)
                transport.close()
            else:
                self._set_deadline()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._end_deadline()
            elif self._deadline is None:
                self._set_deadline()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end_deadline()
            super().connection_lost(exc)

        def _set_deadline(self) -> None:
            self._deadline = self.loop.call_later(settings.stall_seconds, self._give_up)

        def _end_deadline(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            self._deadline = None
            if self.conn.their_state is h11.IDLE and self.transport.get_protocol() is self:
                self.transport.close()

    return Connection
