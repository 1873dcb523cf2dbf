"""A web server on this machine in the place of a publisher."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Publisher:
    """What a server gives by path. ``cut`` ends the next answers after so many bytes; ``refuse`` is a status."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    refuse: list[int] = field(default_factory=list)
    redirect: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def publishing() -> Iterator[Publisher]:
    """A server that runs until the end."""
    made = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            made.asked.append(asked)
            if self.path in made.redirect:
                self.send_response(302)
                self.send_header("Location", made.redirect[self.path])
                self.end_headers()
                return
            if made.refuse or self.path not in made.files:
                self.send_error(made.refuse.pop(0) if made.refuse else 404)
                return
            content = made.files[self.path]
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and made.ranges else 0
            if start and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : start + made.cut.pop(0)] if made.cut else content[start:])
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
