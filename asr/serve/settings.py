"""What a service may be told, and what it refuses to be."""

import ipaddress
import math
import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asr.errors import SettingsError
from asr.settings import check_number, shown

SHORTEST_TOKEN: Final = 16
"""Letters that a token has at least: shorter ones can be tried out."""

_PART: Final = "asr serve"
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?")
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class ServeSettings:
    """Where a service listens, whom it answers, what it hears with, and how much it takes.

    Raises SettingsError for what makes no sense, and for an address beyond this computer without a token.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    token: str | None = field(default=None, repr=False)
    """What clients have to know, ``Authorization: Bearer TOKEN``; None answers everybody on this computer."""
    hosts: tuple[str, ...] = ()
    """Names by which it is reached, besides localhost and addresses in figures."""
    origins: tuple[str, ...] = ()
    """Pages of others that may use it, as ``https://example.org``; they get CORS headers."""
    certificate: Path | None = None
    """A PEM file with the certificate and those above it; with it the service speaks TLS alone."""
    key: Path | None = None
    """The certificate's key; None where it is in the same file."""
    wyoming_port: int | None = None
    """Where it speaks Wyoming too, on the same host."""
    wyoming_allow: tuple[str, ...] = ()
    """Addresses and networks, as ``192.168.1.20`` and ``192.168.1.0/24``, that may use it beyond this computer: Wyoming
    knows no tokens."""

    bundle: str | os.PathLike[str] | None = None
    commands: tuple[str, ...] = ()
    """Grammars, each the path of a file or folder, or the name of a ready one."""
    width: int | None = None
    workers: int = 1
    """Recordings that are heard at a time, each on a thread with ONNX sessions of its own."""

    queue: int = 32
    """Recordings and utterances that may wait for a worker."""
    max_bytes: int = 100_000_000
    """The longest body of a request."""
    max_held_bytes: int = 1_000_000_000
    """All bodies together that the service has and has not answered yet; recordings beyond a megabyte are on disk."""
    max_seconds: float = 1800.0
    """The longest recording."""
    max_rate: float = 600.0
    """Requests that one client may make a minute; 0 sets no limit."""
    max_streams: int = 64
    """Streams that are open at a time."""
    max_connections: int = 512
    """Connections that are open at a time."""
    stall_seconds: float = 20.0
    """How long a client may keep the service waiting for the next bytes of a request, or leave those of an answer."""
    grace_seconds: float = 30.0
    """How long what is in flight may take to finish when the service is told to end."""
    log_transcripts: bool = False

    def __post_init__(self) -> None:
        check_number(_PART, "port", self.port, 0, 65_535, whole=True)
        if self.wyoming_port is not None:
            check_number(_PART, "wyoming", self.wyoming_port, 0, 65_535, whole=True)
            if not self.wyoming_allow and not is_loopback(self.host):
                raise SettingsError(
                    f"--wyoming {self.wyoming_port}: knows no tokens, so anybody who reaches {self.host} could use it; "
                    "give --wyoming-allow ADDRESS for who may, or leave --host out"
                )
        for address in self.wyoming_allow:
            try:
                ipaddress.ip_network(address, strict=False)
            except ValueError as error:
                raise SettingsError(
                    f"--wyoming-allow {shown(address)}: wanted an address, 192.168.1.20, or network, 192.168.1.0/24"
                ) from error
        for name in ("workers", "max_bytes", "max_held_bytes", "max_streams", "max_connections"):
            check_number(_PART, name, getattr(self, name), 1, math.inf, whole=True)
        check_number(_PART, "queue", self.queue, 0, math.inf, whole=True)
        check_number(_PART, "max_seconds", self.max_seconds, 0, 24 * 3600, above=True)
        check_number(_PART, "max_rate", self.max_rate, 0, math.inf)
        for name in ("stall_seconds", "grace_seconds"):
            check_number(_PART, name, getattr(self, name), 0, 24 * 3600, above=True)
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise SettingsError(
                    f"--origin {shown(origin)}: wanted a scheme and a host in small letters, as https://example.org"
                )
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise SettingsError(f"--allow-host {shown(host)}: wanted a name in small letters, as asr.example.org")
        if self.key is not None and self.certificate is None:
            raise SettingsError("--key: found no certificate to it; give --certificate FILE too")
        if self.token is not None:
            check_token(self.token)
        elif not is_loopback(self.host):
            raise SettingsError(
                f"--host {self.host}: others than this computer could use it, wanted a token that they have to know; "
                "set ASR_TOKEN or give --token-file FILE, or leave --host out"
            )

    @property
    def scheme(self) -> str:
        """``https`` with a certificate, else ``http``."""
        return "http" if self.certificate is None else "https"


def check_token(token: str) -> None:
    """Raises SettingsError, which does not repeat it, for a token that is too short or that no header can hold."""
    if len(token) < SHORTEST_TOKEN or not _TOKEN.fullmatch(token):
        raise SettingsError(
            f"the token: found {len(token)} characters, wanted at least {SHORTEST_TOKEN}, all of them visible ASCII; "
            "make one with `python -c 'import secrets; print(secrets.token_urlsafe())'`"
        )


def is_loopback(host: str) -> bool:
    """Whether what listens at a host, by its name or address, is reached from this computer only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
