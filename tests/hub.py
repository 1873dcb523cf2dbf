"""As much of the Hugging Face Hub as its library asks for to fetch and push a model, on this machine."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_good"


@dataclass
class Hub:
    """Repositories as lists of commits, each with its files, and what was asked for, as ``GET /path``."""

    commits: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    large: dict[str, bytes] = field(default_factory=dict)
    url: str = ""

    def environment(self, home: Path) -> dict[str, str]:
        """What leads a program here, where somebody is logged in, and keeps what it fetches in a folder."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}

    def publish(self, repository: str, files: dict[str, bytes]) -> str:
        """A new commit of a repository, by its hash."""
        made = self.commits.setdefault(repository, [])
        sha = hashlib.sha1(f"{repository}{len(made)}".encode(), usedforsecurity=False).hexdigest()
        made.append((sha, files))
        return sha

    def at(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """A commit by its hash, or the newest by `main`."""
        made = self.commits.get(repository, [])
        return next((each for each in reversed(made) if revision in ("main", each[0])), None)


def files_of(folder: Path) -> dict[str, bytes]:
    """What a folder holds, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@contextmanager
def hub_here() -> Iterator[Hub]:
    """A server that runs until the end."""
    made = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, content: bytes = b"", status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def json(self, value: Any, status: int = 200, **headers: str) -> None:
            self.answer(json.dumps(value).encode(), status, Content_Type="application/json", **headers)

        def missing(self, what: str) -> None:
            self.json({"error": what}, 404, X_Error_Code=what, X_Error_Message=what)

        def note(self) -> str:
            path = unquote(urlsplit(self.path).path)
            made.asked.append(f"{self.command} {path}")
            made.agents.add(self.headers.get("User-Agent", ""))
            return path

        def do_GET(self) -> None:
            path = self.note()
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
                repository, kind, revision = found.groups()
                commit = made.at(repository, revision or "main")
                if commit is None:
                    self.missing("RevisionNotFound" if repository in made.commits else "RepoNotFound")
                elif kind == "tree":
                    self.json(
                        [
                            {"type": "file", "path": name, "size": len(content), "oid": git_hash(content)}
                            for name, content in commit[1].items()
                        ]
                    )
                else:
                    self.json({"id": repository, "sha": commit[0], "siblings": [{"rfilename": n} for n in commit[1]]})
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                commit = made.at(found[1], found[2])
                if commit is None or found[3] not in commit[1]:
                    self.missing("EntryNotFound")
                else:
                    content = commit[1][found[3]]
                    self.answer(content, ETag=f'"{git_hash(content)}"', X_Repo_Commit=commit[0])
            else:
                self.missing("EntryNotFound")

        do_HEAD = do_GET

        def do_POST(self) -> None:
            path = self.note()
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.json({"error": "Invalid username or password."}, 401)
            elif path == "/api/repos/create":
                asked = json.loads(content)
                repository = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
                made.commits.setdefault(repository, [])
                self.json({"url": f"{made.url}/{repository}", "id": repository, "name": repository})
            elif path == "/api/validate-yaml":
                self.json({"errors": [], "warnings": []})
            elif "/preupload/" in path:
                large = re.compile(r".*\.(onnx|safetensors|model|png)")
                self.json(
                    {
                        "files": [
                            {
                                "path": each["path"],
                                "uploadMode": "lfs" if large.fullmatch(each["path"]) else "regular",
                                "shouldIgnore": False,
                            }
                            for each in json.loads(content)["files"]
                        ]
                    }
                )
            elif path.endswith("/info/lfs/objects/batch"):
                self.json(
                    {
                        "objects": [
                            {**each, "actions": {"upload": {"href": f"{made.url}/large/{each['oid']}"}}}
                            for each in json.loads(content)["objects"]
                        ]
                    }
                )
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
                files = {}
                for line in content.decode().splitlines():
                    entry = json.loads(line)
                    if entry["key"] == "file":
                        files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                    elif entry["key"] == "lfsFile":
                        files[entry["value"]["path"]] = made.large[entry["value"]["oid"]]
                sha = made.publish(found[1], files)
                self.json({"commitUrl": f"{made.url}/{found[1]}/commit/{sha}", "commitOid": sha, "success": True})
            else:
                self.missing("EntryNotFound")

        def do_PUT(self) -> None:
            path = self.note()
            content = self.rfile.read(int(self.headers["Content-Length"]))
            assert path.rpartition("/")[2] == hashlib.sha256(content).hexdigest()
            made.large[path.rpartition("/")[2]] = content
            self.answer()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def git_hash(content: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
