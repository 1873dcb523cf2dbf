"""A running service: its sockets, TLS, signals, and its end."""

import asyncio
import errno
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from asr.errors import AsrError, SettingsError
from asr.printable import printable
from asr.serve.app import create_app
from asr.serve.pool import Pool
from asr.serve.records import LOG, write_log
from asr.serve.settings import ServeSettings, is_loopback

_HEADER_BYTES: Final = 32_768
_MESSAGE_BYTES: Final = 1 << 20  # of a WebSocket
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def serve(settings: ServeSettings, report: Callable[[str], None]) -> None:
    """Listen and answer until the process is told to end (SIGTERM, ctrl-C); what is in flight is finished then.

    ``report`` takes the line that says where. SIGHUP reads the bundle, the grammars and the certificate anew.

    Raises SettingsError for a port or a certificate that cannot be had, and for grammars; BundleError for a bundle.
    """
    context = tls_context(settings)
    with ExitStack() as opened:
        listener = opened.enter_context(listening(settings, settings.port))
        wyoming = None
        if settings.wyoming_port is not None:
            wyoming = opened.enter_context(listening(settings, settings.wyoming_port, "--wyoming"))
        pool = Pool(settings)
        write_log()
        try:
            asyncio.run(_serve(settings, pool, listener, wyoming, context, report))
        finally:
            pool.close()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the loop's handlers; uvicorn's would raise them again at the end."""
        yield


async def _serve(
    settings: ServeSettings,
    pool: Pool,
    listener: socket.socket,
    wyoming: socket.socket | None,
    context: ssl.SSLContext | None,
    report: Callable[[str], None],
) -> None:
    config = uvicorn.Config(
        create_app(settings, pool),
        http=_connection(settings),
        ws="websockets-sansio",
        ws_max_size=_MESSAGE_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody could say that he is somebody else
        timeout_graceful_shutdown=max(1, round(settings.grace_seconds)),
        h11_max_incomplete_event_size=_HEADER_BYTES,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    config.load()
    server = _Server(config)
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def end() -> None:
        server.force_exit = server.should_exit  # told twice
        server.should_exit = True

    def reload() -> None:
        task = loop.create_task(_reload(settings, pool, context))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for name, act in (("SIGTERM", end), ("SIGINT", end), ("SIGHUP", reload)):
        with suppress(AttributeError, NotImplementedError):  # Windows has neither the last nor any of them in a loop
            loop.add_signal_handler(getattr(signal, name), act)
    place = _place(settings.scheme, listener)
    report(f"listening on {place}")
    LOG.info("listening", extra={"keys": {"url": place, "bundle": pool.model_name, "workers": settings.workers}})
    if context is None and not is_loopback(settings.host):
        LOG.warning("without a certificate speech and token go over the network as they are; give --certificate")
    async with AsyncExitStack() as beside:
        if wyoming is not None:
            from asr.serve.wyoming import WyomingServer

            await beside.enter_async_context(WyomingServer(settings, pool).serving(wyoming))
            report(f"listening on {_place('tcp', wyoming)} (Wyoming)")
            if settings.wyoming_allow:
                LOG.warning("Wyoming knows neither tokens nor TLS: speech goes over the network as it is")
        await server.serve([listener])
    LOG.info("ended")


async def _reload(settings: ServeSettings, pool: Pool, context: ssl.SSLContext | None) -> None:
    try:
        tls_context(settings)  # so that all is good before any of it is taken
        await pool.reload()
        if context is not None:
            _load_certificate(context, settings)
    except Exception as error:  # whatever is wrong with the new, the old goes on
        pool.metrics.reloads.labels("kept").inc()
        reason = str(error) if isinstance(error, AsrError | OSError) else f"unexpected {type(error).__name__}: {error}"
        LOG.error("not reloaded, the old ones stay", extra={"keys": {"reason": printable(reason)}})
    else:
        pool.metrics.reloads.labels("replaced").inc()
        LOG.info("reloaded", extra={"keys": {"bundle": pool.model_name, "grammars": list(pool.grammars)}})


def _place(scheme: str, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def listening(settings: ServeSettings, port: int, option: str = "--port") -> Iterator[socket.socket]:
    """A socket that listens at the host and a port. Raises SettingsError where there is none to be had.

    Its connections end when the client takes nothing for ``stall_seconds`` of what is there for it, where the system
    can (Linux): until then a server that has closed one still holds what it wrote.
    """
    host = settings.host
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        opened = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{host}:{port}: {_why(error, option)}") from error
    with opened:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * settings.stall_seconds))
        yield opened


def _why(error: OSError | UnicodeError, option: str) -> str:
    number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
    if number == errno.EADDRINUSE:
        return f"the port is in use; end what uses it, or give another with {option}"
    if number == errno.EACCES:
        return f"the port may not be used by you; give one above 1023 with {option}"
    if number == errno.EADDRNOTAVAIL:
        return "this computer has no such address; give one that it has with --host"
    return f"cannot be listened at ({getattr(error, 'strerror', None) or error}); check --host and {option}"


def tls_context(settings: ServeSettings) -> ssl.SSLContext | None:
    """What speaks TLS with the certificate of the settings, None without one. Raises SettingsError for a bad one."""
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_certificate(context, settings)
    return context


def _load_certificate(context: ssl.SSLContext, settings: ServeSettings) -> None:
    assert settings.certificate is not None
    for option, path in (("--certificate", settings.certificate), ("--key", settings.key)):
        if path is not None:
            _check_readable(option, path)
    key = settings.key or settings.certificate
    try:
        context.load_cert_chain(settings.certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            why = f"found a key that belongs to another certificate in {key}; give the one that was made with it"
        else:
            why = f"found no PEM certificate with its key, without a password, in it and {key} ({reason}); check both"
        raise SettingsError(f"--certificate {settings.certificate}: {why}") from error


def _no_password() -> str:
    raise ValueError("the key has a password")


def _check_readable(option: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(
            f"{option} {path}: cannot be read ({error.strerror}); check the name and who may"
        ) from error


def _connection(settings: ServeSettings) -> type[H11Protocol]:
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
