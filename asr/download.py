"""A file from a web server: fetched whole, by https, checked, going on where an interrupted download ended."""

import hashlib
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.progress import DownloadColumn, TransferSpeedColumn

from asr.errors import AsrError
from asr.progress_bars import progress_bar

_BLOCK: Final = 2**20
_TRIES: Final = 5
_TIMEOUT: Final = 60.0
_LARGEST: Final = 2**36  # no corpus is offered in an archive of 64 GiB
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def fetch_file(
    url: str, file: Path, by_hand: str, *, digest: str = "", largest: int = _LARGEST, pause: float = 2.0
) -> None:
    """Fetch a file whole, and only then give it its name; nothing is fetched where it is there already.

    It is kept as ``.part`` until then, and an interrupted download goes on from there, in this run after a ``pause`` in
    seconds, or in the next.

    Args:
        url: by https; redirections may not lead to less.
        file: where it shall be, in a folder that is there.
        by_hand: what else to do where it cannot be fetched; the message ends so.
        digest: what the file must have, such as ``sha256:`` and 64 digits; empty where none is known.
        largest: the most bytes that it may have.
        pause: seconds between two tries.

    Raises:
        AsrError: it cannot be reached, is refused, is too large, or has another digest.
        OSError: it cannot be kept.
    """
    part = file.with_name(f"{file.name}.part")
    if file.exists():
        _check(file, digest)
        return
    reason = ""
    with progress_bar(DownloadColumn(), TransferSpeedColumn()) as progress:
        task = progress.add_task(file.name, total=None)
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(pause)
            before = _size(part)
            try:
                whole = _go_on(
                    url, part, largest, lambda done, total: progress.update(task, completed=done, total=total)
                )
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code} {error.reason}"
                error.close()
                if error.code < 500:
                    break  # it will not be another the next time
            except urllib.error.URLError as error:
                reason = str(error.reason)
                if _size(part) == before:
                    break
            except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
                reason = str(error) or type(error).__name__
            else:
                if whole:
                    _check(part, digest)
                    part.replace(file)
                    return
                reason = f"the connection ended after {_size(part)} bytes"
    kept = f"; {part} holds what came, and the next run goes on from there" if _size(part) else ""
    raise AsrError(f"{url}: cannot be fetched ({reason}){kept}; run again, or {by_hand}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check(file: Path, digest: str) -> None:
    """Remove a file that has another digest, and raise AsrError."""
    if not digest:
        return
    name, _, wanted = digest.partition(":")
    with file.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
    if found != wanted:
        file.unlink()
        raise AsrError(
            f"{file}: found the {name.upper()} {found}, wanted {wanted}; it was removed; run again to fetch it anew"
        )


def _go_on(url: str, part: Path, largest: int, report: Callable[[int, int | None], None]) -> bool:
    """Fetch what is missing of a file; whether it is whole now."""
    have = _size(part)
    request = urllib.request.Request(
        url, headers={"User-Agent": "asr", **({"Range": f"bytes={have}-"} if have else {})}
    )
    try:
        response = _opener(url).open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        # There is nothing after what we have: it is whole, or it is not this file.
        total = error.headers.get("Content-Range", "").rpartition("/")[2]
        error.close()
        if total == str(have):
            return True
        part.unlink()
        return False
    with response:
        if response.status == http.client.PARTIAL_CONTENT:
            first, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            if first.partition("-")[0] != str(have):
                part.unlink()
                return False
            size = _length(total)
        else:
            have = 0  # the publisher sends all of it again
            size = _length(response.headers.get("Content-Length", ""))
        with part.open("ab" if have else "wb") as file:
            while (most := max(have, size or 0)) <= largest and (block := response.read(_BLOCK)):
                file.write(block)
                have += len(block)
                report(have, size)
        if most > largest:
            part.unlink()
            raise AsrError(f"{url}: found {most:,} bytes or more, wanted {largest:,} at most; tell the publisher")
    return size is None or have == size


def _length(header: str) -> int | None:
    """The bytes that a header promises, None where it does not."""
    return int(header) if re.fullmatch(r"[0-9]{1,18}", header) else None


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows a redirection only to where the first address could have led."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str) -> urllib.request.OpenerDirector:
    _check_scheme(url)
    handlers: list[urllib.request.BaseHandler] = [_NoDowngrade()]
    if urlsplit(url).hostname in _LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise AsrError(f"{url}: found {parts.scheme or 'no'} as the protocol, wanted https; get it by hand")
