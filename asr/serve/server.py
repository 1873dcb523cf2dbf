"""A running service: its sockets, TLS, signals, and its end."""

import asyncio
import errno
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from asr.errors import AsrError, SettingsError
from asr.printable import printable
from asr.serve.app import create_app
from asr.serve.connections import BACKLOG, CountedListener, SocketConnection, http_connection
from asr.serve.pool import Pool
from asr.serve.records import LOG, write_log
from asr.serve.settings import ServeSettings, is_loopback

if TYPE_CHECKING:
    from asr.serve.wyoming import WyomingServer

_HEADER_BYTES: Final = 32_768
_MESSAGE_BYTES: Final = 1 << 20  # of a WebSocket


def serve(settings: ServeSettings, report: Callable[[str], None]) -> None:
    """Listen and answer until the process is told to end (SIGTERM, ctrl-C); what is in flight is finished then.

    ``report`` takes the line that says where. SIGHUP reads the bundle, the grammars and the certificate anew.

    Raises SettingsError for a port or a certificate that cannot be had, and for grammars; BundleError for a bundle.
    """
    context = tls_context(settings)
    _allow_files()
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


def _allow_files() -> None:
    """Let the process have as many open files as it may: a connection takes one, and an upload another."""
    try:
        import resource
    except ImportError:  # not on this system
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Server(uvicorn.Server):
    """uvicorn's server, on a socket that is there already, and patient with nobody who begins TLS and stops."""

    def __init__(self, config: uvicorn.Config, stall_seconds: float) -> None:
        super().__init__(config)
        self._stall_seconds = stall_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's own, which has no word for how long TLS may take to begin."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        kind: Any = self.config.http_protocol_class
        named = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        encrypted = self.config.ssl is not None
        self.servers = [
            await loop.create_server(
                partial(kind, **named, _loop=loop),
                sock=each,
                ssl=self.config.ssl,
                backlog=BACKLOG,
                ssl_handshake_timeout=self._stall_seconds if encrypted else None,
            )
            for each in sockets or ()
        ]
        self.started = True

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
        http=http_connection(settings),
        ws=SocketConnection,
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
    server = _Server(config, settings.stall_seconds)
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()
    beside: WyomingServer | None = None

    def end() -> None:
        server.force_exit = server.should_exit  # told twice
        server.should_exit = True
        if beside is not None:
            beside.end(at_once=server.force_exit)

    def reload() -> None:
        task = loop.create_task(_reload(settings, pool, context))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for name, act in (("SIGTERM", end), ("SIGINT", end), ("SIGHUP", reload)):
        number = getattr(signal, name, None)  # Windows has no SIGHUP,
        if number is not None:
            with suppress(NotImplementedError):  # and no handlers in its loop
                loop.add_signal_handler(number, act)
    place = _place(settings.scheme, listener)
    report(f"listening on {place}")
    LOG.info("listening", extra={"keys": {"url": place, "bundle": pool.model_name, "workers": settings.workers}})
    if context is None and not is_loopback(settings.host):
        LOG.warning("without a certificate speech and token go over the network as they are; give --certificate")
    async with AsyncExitStack() as opened:
        if wyoming is not None:
            beside = _wyoming(settings, pool)
            await opened.enter_async_context(beside.serving(wyoming))
            report(f"listening on {_place('tcp', wyoming)} (Wyoming)")
            if settings.wyoming_allow:
                LOG.warning("Wyoming knows neither tokens nor TLS: speech goes over the network as it is")
        await server.serve([listener])
    LOG.info("ended")


def _wyoming(settings: ServeSettings, pool: Pool) -> "WyomingServer":
    from asr.serve.wyoming import WyomingServer  # here, as its library is wanted by nothing else

    return WyomingServer(settings, pool)


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
        opened = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{host}:{port}: {_why(error, option)}") from error
    with CountedListener(opened, settings.max_connections) as listener:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * settings.stall_seconds))
        yield listener


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
