"""What is kept of a request: a line in the log, counters; and what every answer of the service carries."""

import json
import logging
import math
import sys
import time
from datetime import UTC, datetime
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asr.serve.errors import error_response
from asr.serve.service import Service

LOG: Final = logging.getLogger("asr.serve")

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
}
_UNWORTHY: Final = ("/healthz", "/metrics")  # asked so often that lines about them would hide the others


class Records:
    """Writes a line of each request, counts it, and answers 500 for what the service itself gets wrong."""

    def __init__(self, app: ASGIApp, service: Service, routes: frozenset[str]) -> None:
        """``routes`` are those that have a name of their own: what is refused is counted there too."""
        self._app, self._metrics, self._routes = app, service.metrics, routes
        self._headers = dict(_HEADERS)
        if service.settings.scheme == "https":
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        record: dict[str, Any] = {}
        scope.setdefault("state", {})["record"] = record
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            LOG.exception("a fault of asr", extra={"keys": {"kind": type(error).__name__}})
            if not status:
                response = error_response(500, "this is a fault of the service, and its log says more", "fault")
                await response(scope, receive, sent)
        finally:
            self._write(scope, status or 499, time.perf_counter() - begun, record)

    def _write(self, scope: Scope, status: int, seconds: float, record: dict[str, Any]) -> None:
        """``status`` is 499 where the client went before it was answered."""
        route = getattr(scope.get("route"), "path", scope["path"] if scope["path"] in self._routes else "other")
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.latency.labels(route).observe(seconds)
        method = scope.get("method", "WEBSOCKET")
        client = scope["client"][0] if scope.get("client") else None
        keys = {"method": method, "route": route, "status": status, "seconds": round(seconds, 4), "client": client}
        level = logging.DEBUG if route in _UNWORTHY and status == 200 else logging.INFO
        LOG.log(level, "request", extra={"keys": {**keys, **record}})


class _Seldom(logging.Filter):
    """Lets one line through a second of those that asyncio writes, with a traceback, while there are no files left."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written."""
        line = str(record.msg).partition("\n")[0]
        if not line.startswith("socket.accept() out of system resource"):
            return True
        if record.created - self._last < 1:
            return False
        self._last = record.created
        record.msg, record.exc_info = line, None
        return True


class JsonLines(logging.Formatter):
    """A record as an object on one line of ASCII: ``time``, ``level``, ``event``, and the keys it was given."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "keys", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def write_log() -> None:
    """Let all that is logged go to standard error, a JSON object a line; of libraries their warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("asyncio").addFilter(_Seldom())
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of what clients send
    LOG.setLevel(logging.INFO)
    # uvicorn says that of every stream that is refused with a status.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing handshake" not in record.msg)
