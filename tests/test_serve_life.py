"""A service from its first line to its last: ports, certificates, reloads, and the end of what is in flight."""

import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from service import FIND, FIVE, Served, serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from asr.apps.cli import app, run
from asr.audio.load import load_audio
from asr.bundle import DEFAULT_BUNDLE
from asr.errors import SettingsError
from asr.serve.server import tls_context
from asr.serve.settings import ServeSettings

BREW, FETCH = "commands: {brew: ['find my files']}", "commands: {fetch: ['find my files']}"


def certify(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A certificate and its key, made by openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", certificate, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def command_of(served: Served) -> str:
    answer = served.client().audio.transcriptions.create(model="x", file=FIND, extra_body={"commands": "mine"})
    return str(answer.model_extra["command"])  # type: ignore[index]


def reloaded(served: Served, event: str) -> str:
    """Its line of the next reload, which has to be such an event."""
    known = len(served.lines)
    served.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for line in served.lines[known:]:
            if line["event"] != "request":
                assert line["event"] == event, line
                return json.dumps(line)
        time.sleep(0.05)
    raise AssertionError(served.lines)


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(app, ["serve", "--port", str(port)], "asr") == 1
    line = f"asr: 127.0.0.1:{port}: the port is in use; end what uses it, or give another with --port\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["--commands", "nobody"], "nobody: found neither a file"),
        (["--bundle", "/nowhere"], "/nowhere"),
        (["--certificate", "/nowhere.pem"], "--certificate /nowhere.pem: cannot be read"),
        (["--max-seconds", "0"], "max_seconds is 0"),
    ],
)
def test_what_cannot_be_served_is_one_line(options: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["serve", "--port", "0", *options], "asr") == 1
    found = capsys.readouterr().err
    assert line in found
    assert re.fullmatch(r"asr: .+\n", found)


def test_with_a_certificate_it_speaks_tls_alone(tmp_path: Path) -> None:
    certificate, key = certify(tmp_path)
    with serving(tmp_path / "log", "--certificate", certificate, "--key", key) as served:
        trusting = ssl.create_default_context(cafile=str(certificate))
        url = f"https://localhost:{served.port}"
        answer = httpx.get(f"{url}/healthz", verify=trusting, headers={"Origin": url})
        assert answer.json() == {"status": "ok"}
        assert "max-age" in answer.headers["strict-transport-security"]
        assert httpx.get(f"{url}/healthz", verify=trusting, headers={"Origin": url[:-1]}).status_code == 403
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://localhost:{served.port}/healthz")
        (tmp_path / "new").mkdir()
        for path in certify(tmp_path / "new"):
            path.replace(tmp_path / path.name)
        reloaded(served, "reloaded")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/healthz", verify=trusting)
        trusting = ssl.create_default_context(cafile=str(certificate))
        assert httpx.get(f"{url}/healthz", verify=trusting).status_code == 200
    assert not [line for line in served.lines if line["level"] == "error"]


def test_a_certificate_that_is_wrong_is_one_line(tmp_path: Path) -> None:
    certificate, key = certify(tmp_path)
    _, other = certify(tmp_path, "other")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked],
        check=True,
        capture_output=True,
    )
    (tmp_path / "text").write_text("none")
    for chosen, chosen_key, line in (
        (certificate, other, "belongs to another certificate"),
        (certificate, locked, "without a password"),
        (certificate, None, "found no PEM certificate with its key"),
        (tmp_path / "text", key, "found no PEM certificate"),
        (certificate, tmp_path / "gone", "--key"),
        (tmp_path, key, "cannot be read"),
    ):
        with pytest.raises(SettingsError, match=line) as refused:
            tls_context(ServeSettings(certificate=chosen, key=chosen_key))
        assert "\n" not in str(refused.value)
        assert "secret" not in str(refused.value)


def test_told_to_it_reads_everything_anew_or_keeps_the_old(tmp_path: Path) -> None:
    grammar, bundle = tmp_path / "mine.yaml", tmp_path / "bundle"
    grammar.write_text(BREW)
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    kept = "not reloaded, the old ones stay"
    with serving(tmp_path / "log", "--commands", grammar, "--bundle", bundle) as served:
        assert command_of(served) == "brew"
        grammar.write_text(FETCH)
        assert command_of(served) == "brew"
        assert "bundle" in reloaded(served, "reloaded")
        assert command_of(served) == "fetch"
        grammar.write_text("commands: [")
        assert "mine.yaml" in reloaded(served, kept)
        assert command_of(served) == "fetch"
        grammar.write_text(BREW)
        (bundle / "encoder.onnx").write_bytes(b"x")
        assert "encoder.onnx" in reloaded(served, kept)
        assert command_of(served) == "fetch"
        shutil.copy(DEFAULT_BUNDLE / "encoder.onnx", bundle)
        reloaded(served, "reloaded")
        assert command_of(served) == "brew"
        assert served.client().models.list().data[0].id == "bundle"
        text = httpx.get(f"{served.url}/metrics").text
        assert 'asr_reloads_total{result="kept"} 2.0' in text
        assert 'asr_reloads_total{result="replaced"} 2.0' in text


def test_what_is_in_flight_is_finished(tmp_path: Path) -> None:
    wave, rate = soundfile.read(FIVE)
    recording = tmp_path / "long.wav"
    soundfile.write(recording, np.tile(np.pad(wave, (0, 8_000)), 20), rate)
    answers: list[str] = []
    with serving(tmp_path / "log") as served:

        def ask() -> None:
            answers.append(served.client().audio.transcriptions.create(model="x", file=recording).text)

        asking = threading.Thread(target=ask)
        asking.start()
        deadline = time.monotonic() + 30
        while "asr_queue_seconds_count 1.0" not in httpx.get(f"{served.url}/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert served.end() == 0
        asking.join()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{served.url}/healthz")
    assert answers[0].count("five") > 30
    assert served.lines[-1]["event"] == "ended"


def all_of(stream: ClientConnection) -> list[dict[str, Any]]:
    """What the service says until it closes."""
    events = []
    with suppress(ConnectionClosed):
        while True:
            events.append(json.loads(stream.recv(timeout=60)))
    return events


def test_streams_are_heard_to_their_end(tmp_path: Path) -> None:
    """That of a client that has ended its sound, and that of one that had more to say."""
    sound = (np.pad(load_audio(FIND), (4_000, 16_000)) * 32_767).astype("<i2").tobytes()
    with serving(tmp_path / "log") as served:
        url = f"ws://127.0.0.1:{served.port}/v1/stream"
        with connect(url) as ended, connect(url) as cut, connect(url) as mute:
            for socket_, last in ((ended, ['{"type": "end"}']), (cut, [])):
                for message in (
                    '{"type": "start", "partials": false}',
                    *(sound[at : at + 8192] for at in range(0, len(sound), 8192)),
                    *last,
                ):
                    socket_.send(message)
            served.process.send_signal(signal.SIGTERM)
            for socket_, said, code in ((ended, ["find my files"], 1000), (cut, ["find my files"], 1012)):
                events = all_of(socket_)
                assert [event["text"] for event in events if event["type"] == "final"] == said
                assert (events[-1]["type"], socket_.close_code) == ("closed", code)
            assert all_of(mute)[-1]["type"] == "error"
            assert mute.close_code == 1012
        assert served.process.wait(60) == 0
    lines = [line for line in served.lines if line["event"] == "request"]
    assert sorted((line["close"], line.get("code", "")) for line in lines) == [(1000, ""), (1012, ""), (1012, "ending")]


HANDSHAKES = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
from asr.serve.server import serve
from asr.serve.settings import ServeSettings
settings = ServeSettings(port=0, stall_seconds=4.0, certificate=Path(sys.argv[1]), key=Path(sys.argv[2]))
serve(settings, lambda line: print(line, flush=True))
"""


def test_who_never_shakes_hands_neither_stays_nor_fills_the_log(tmp_path: Path) -> None:
    """More of them than the service may open files: of those it may open all that it is allowed."""
    pytest.importorskip("resource", reason="this system has no limits for a process")
    begun = time.monotonic()
    with ExitStack() as opened, serving(tmp_path / "log", *certify(tmp_path), command=("-c", HANDSHAKES)) as served:
        for _ in range(200):
            opened.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=20))
        files = Path(f"/proc/{served.process.pid}/fd")
        if files.exists():
            deadline = time.monotonic() + 20
            while len(list(files.iterdir())) < 100:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert httpx.get(f"https://127.0.0.1:{served.port}/healthz", verify=False, timeout=30).status_code == 200
        said = [line for line in served.lines if "out of system resource" in line["event"]]
        assert 1 <= len(said) <= time.monotonic() - begun + 1
    assert "traceback" not in (tmp_path / "log").read_text()


def test_an_idle_service_ends_at_once_and_well(tmp_path: Path) -> None:
    with serving(tmp_path / "log") as served, httpx.Client() as client:
        assert client.get(f"{served.url}/healthz").status_code == 200  # and the connection stays open
        begun = time.monotonic()
        assert served.end(signal.SIGINT) == 0
        assert time.monotonic() - begun < 10
    assert [line["event"] for line in served.lines] == ["listening", "ended"]
