"""Who is answered, before anything of a request is read: by the names it calls, the page it comes from, its token.

A service on loopback is within reach of every web page that a person opens. Browsers say where a request comes from
(``Origin``, ``Sec-Fetch-Site``), and a page that had its own name resolved to this computer (DNS rebinding) still calls
that name (``Host``).
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.serve.errors import Busy, Refusal
from asr.serve.limits import RateLimit
from asr.serve.service import Service
from asr.serve.settings import ServeSettings

PROTOCOL: Final = "asr.v1"
"""The WebSocket subprotocol; a page, which can set no headers, offers ``asr.bearer.TOKEN`` beside it, the token in
base64url without padding."""
_BEARER: Final = "asr.bearer."
_LINGER_SECONDS: Final = 2.0
_DIGITS: Final = 20  # of a length that is read; more make it no smaller
_RECORDINGS: Final = ("/v1/audio/", "/v1/look")
"""Where the paths begin to which recordings are sent."""
_TEXT_BYTES: Final = 1 << 19  # of any other body: the longest grammar with each letter escaped as six, and more
_SLOWEST: Final = 2_000  # bytes a second: half of what speech takes as Opus, so that it may come as it is spoken
_FREE_STALLS: Final = 3  # times ``stall_seconds`` that a body may take whatever its length
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_.\-]+))(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE)
_PUBLIC: Final = frozenset({"/", "/healthz", "/favicon.ico"})
_PUBLIC_FOLDER: Final = "/page/"
"""What is there says nothing about anybody: the page asks for the token, as no browser can before it has the page."""


class Guard:
    """Passes on what may be answered; the rest is refused with a status and a line that says why."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._settings = app, service, service.settings
        self._rate = RateLimit(service.settings.max_rate)
        self._streams = 0
        self._held = _Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http":
            with _Body(scope, receive, send, self._settings, self._held) as body:
                if await self._allowed(scope, body.receive, body.send):
                    await self._app(scope, body.receive, body.send)
            return
        if not await self._allowed(scope, receive, send):
            return
        self._streams += 1
        self._service.metrics.streams.set(self._streams)
        try:
            await self._app(scope, receive, _agreeing(scope, send))
        finally:
            self._streams -= 1
            self._service.metrics.streams.set(self._streams)

    async def _allowed(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether it may be answered; where not, it has been refused."""
        try:
            self._check(scope)
        except Refusal as refusal:
            self._service.metrics.refusals.labels(refusal.code).inc()
            scope["state"]["record"]["code"] = refusal.code
            await refusal.response()(scope, receive, send)
            return False
        return True

    def _check(self, scope: Scope) -> None:
        """Raises Refusal for what is not to be answered."""
        headers = Headers(scope=scope)
        self._check_host(headers)
        self._check_origin(scope, headers)
        if scope["path"] == "/healthz":
            return
        client = scope["client"][0] if scope.get("client") else ""
        if wait := self._rate.wait(client):
            raise Refusal(429, "too many requests; try again later", "rate_limit", retry_seconds=wait)
        public = scope["path"] in _PUBLIC or scope["path"].startswith(_PUBLIC_FOLDER)
        if self._settings.token is not None and not public and not _is(self._settings.token, _token(scope, headers)):
            raise Refusal(401, "wanted the token of this service, as `Authorization: Bearer TOKEN`", "invalid_api_key")
        length, most = headers.get("content-length", ""), _most_bytes(scope, self._settings)
        if length.isdecimal() and int(length[:_DIGITS]) > most:
            raise Refusal(413, _too_long(most), "too_large")
        if scope["path"].startswith(_RECORDINGS):
            self._service.pool.check_room()  # before a recording is taken that nobody has time to hear
        if scope["type"] == "websocket" and self._streams >= self._settings.max_streams:
            raise Busy("too many streams are open; try again later", "too_many_streams")

    def _check_host(self, headers: Headers) -> None:
        named = headers.getlist("host")
        if len(named) != 1 or not _is_ours(named[0], self._settings.hosts):
            raise Refusal(
                421,
                "Host: found another name than those of this service; whoever runs it can give --allow-host NAME",
                "unknown_host",
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        secure = scope.get("scheme") in ("https", "wss")
        own = f"{'https' if secure else 'http'}://{headers['host']}".lower()
        origins = headers.getlist("origin")
        if any(origin in self._settings.origins for origin in origins):
            return
        if any(origin.lower() != own for origin in origins) or _is_foreign(scope, headers):
            raise Refusal(
                403,
                "Origin: found a page of another server; whoever runs this service can give --origin ORIGIN",
                "foreign_origin",
            )


def _is_foreign(scope: Scope, headers: Headers) -> bool:
    """Whether a browser says that another site asks, and not by a link that the person followed."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (followed and scope["type"] == "http" and scope["method"] in ("GET", "HEAD"))


def _is_ours(host: str, names: tuple[str, ...]) -> bool:
    """Whether a ``Host``, with a port or without, is a name of ours, or an address in figures.

    Those no name server can turn into another.
    """
    found = _HOST.fullmatch(host)
    if found is None or (found[3] and not 0 < int(found[3]) < 2**16):
        return False
    try:
        ipaddress.IPv4Address(found[2]) if found[1] is None else ipaddress.IPv6Address(found[1])
    except ValueError:
        return found[1] is None and found[2].lower() in ("localhost", *names)
    return True


def _most_bytes(scope: Scope, settings: ServeSettings) -> int:
    """How long the body of a request may be: only recordings are long."""
    return settings.max_bytes if scope["path"].startswith(_RECORDINGS) else min(settings.max_bytes, _TEXT_BYTES)


def _token(scope: Scope, headers: Headers) -> str:
    """The token that a client shows, or none; never one in an address, which others write into their logs."""
    kind, _, shown = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return shown.strip()
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(_BEARER):
            packed = offered.removeprefix(_BEARER)
            with suppress(binascii.Error, ValueError):
                return base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    return ""


def _is(token: str, shown: str) -> bool:
    """Whether they are the same, in a time that says nothing of where they differ, nor of how long the token is."""
    return hmac.compare_digest(*(hashlib.sha256(each.encode(errors="replace")).digest() for each in (token, shown)))


@dataclass
class _Held:
    """How much of all requests together is held."""

    bytes: int = 0


class _Body:
    """The body of a request: bounded while it is read, and not read on when it has been answered before its end.

    What is read of it counts as held until the block ends.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, settings: ServeSettings, held: _Held) -> None:
        self._receive, self._send, self._settings, self._all_held = receive, send, settings, held
        headers = Headers(scope=scope)
        self._most = _most_bytes(scope, settings)
        self._begun = time.monotonic()
        self._more = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._taken = self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hold(0)

    async def receive(self) -> Message:
        """Raises HTTPException for a body that is too long (413), does not come to its end (408), or is too much (503).

        The last beside all others that are held. Who sends a byte now and then does not come to the end either.
        """
        if not self._more:  # what comes now is that the client has gone
            return await self._receive()
        seconds = self._settings.stall_seconds
        if time.monotonic() - self._begun > _FREE_STALLS * seconds + self._taken / _SLOWEST:
            raise HTTPException(408, f"body: found less than {_SLOWEST} bytes a second of it; send it faster")
        try:
            async with asyncio.timeout(seconds):
                message = await self._next()
        except TimeoutError as error:
            raise HTTPException(408, f"body: found nothing more of it for {seconds:g} s; send it again") from error
        if self._taken > self._most:
            self._hold(0)
            raise HTTPException(413, _too_long(self._most))
        self._hold(self._taken)
        if self._all_held.bytes > self._settings.max_held_bytes:
            self._hold(0)  # what still comes is not kept
            raise HTTPException(503, "too much is being sent at a time; try again later", {"Retry-After": "1"})
        return message

    async def send(self, message: Message) -> None:
        """Closes the connection after an answer that does not wait for the body; a client sends on until it sees it."""
        if self._more and message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        elif self._more and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            # What is closed while bytes arrive may be torn down before the client has read the answer.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    while self._more:
                        await self._next()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _next(self) -> Message:
        message = await self._receive()
        self._more = message["type"] == "http.request" and message.get("more_body", False)
        self._taken += len(message.get("body", b""))
        return message

    def _hold(self, size: int) -> None:
        """Counts so many bytes of the body as held, in place of those that were."""
        self._all_held.bytes += size - self._held
        self._held = size


def _too_long(most: int) -> str:
    return f"body: found more than {most} bytes; send less at a time"


def _agreeing(scope: Scope, send: Send) -> Send:
    """Accepts ``PROTOCOL`` where it was offered: without an answer to their offer browsers close again."""

    async def sent(message: Message) -> None:
        if (
            message["type"] == "websocket.accept"
            and not message.get("subprotocol")
            and PROTOCOL in scope["subprotocols"]
        ):
            message = {**message, "subprotocol": PROTOCOL}
        await send(message)

    return sent
