"""Recordings in files and streams to the one form that everything else works on: mono float32 at 16 kHz.

All of a recording is heard, or none of it: half a transcript looks like a whole one. No number of frames is believed
that can be counted. A recording that says how long it is and holds less was cut, and is refused with how much of how
much can be read. What makes no promise (most Ogg, MP3 and AAC, anything written into a pipe) is used as far as it goes;
recordings joined end to end are heard one after the other. Damage inside an MP3 or Ogg is passed over where it takes
little (``recording.MOST_LOST_SECONDS``, ``MOST_LOST_SHARE``), and refused where it takes more.
"""

import errno
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr.audio.mixing import Sound, examine, to_mono
from asr.audio.pieces import scratch_file
from asr.audio.recording import Recording
from asr.errors import AudioError
from asr.settings import shown

SAMPLE_RATE = 16_000
"""Samples a second of every wave in the program."""

MAX_SECONDS = 4 * 3600
"""The longest recording that is loaded; at this length a wave takes 0.9 GB."""

MAX_HEARD_SECONDS = 24 * 3600
"""The longest that is heard block by block."""

KEPT_SECONDS = 300
"""The longest that is held while it is heard, and not decoded twice: 19 MB."""

MAX_STREAM_BYTES = 2**32
"""The most that is taken from a pipe, which may never end; also the most that a WAV can hold."""

_READ_BY_SOUNDFILE = "aif aifc aiff au caf flac mp3 oga ogg opus rf64 snd sph w64 wav wave"
_READ_BY_FFMPEG = "3gp aac ac3 amr ape m4a m4b mka mpc tta weba webm wma wv"
AUDIO_EXTENSIONS = frozenset(f"{_READ_BY_SOUNDFILE} {_READ_BY_FFMPEG}".split())
"""Files with these extensions, in either case, are the recordings of a folder."""

_WANTED = "a recording (wav, flac, mp3, ogg, opus, or another that ffmpeg reads)"


def load_audio(source: str | os.PathLike[str] | BinaryIO, *, name: str | None = None) -> NDArray[np.float32]:
    """Read one recording as a mono wave.

    Args:
        source: the path of a file or named pipe, or a binary stream, as ``sys.stdin.buffer``, which need not seek.
        name: what messages call it; the path, or "standard input" for a stream, when left out.

    Returns:
        wave (N,), float32 in [-1, 1] at 16 kHz, N > 0: the mean of the channels (the loudest, where they cancel each
        other), resampled by soxr at high quality.

    Raises:
        AudioError: it is missing, a folder, empty, cut short, not audio, longer than ``MAX_SECONDS``, has no samples,
            more than ``mixing.MAX_SAMPLES`` of all channels, samples that are not finite, or a sampling rate outside
            ``MIN_RATE``..``MAX_RATE``; or it is neither a path nor a binary stream.
    """
    with ExitStack() as stack:
        recording = _opened(source, name, MAX_SECONDS, stack)
        with _refusals(source, recording.name):
            return to_mono(recording.blocks, SAMPLE_RATE, MAX_SECONDS, recording.name)


@contextmanager
def open_audio(
    source: str | os.PathLike[str] | BinaryIO, *, name: str | None = None, most_seconds: float = MAX_HEARD_SECONDS
) -> Iterator[Sound]:
    """A recording to be heard block by block, of which no more than ``KEPT_SECONDS`` are ever held.

    It has been decoded to its end before anything of it is given, so that it is heard whole or not at all; a longer
    one is decoded a second time. Arguments, samples and errors are those of ``load_audio``, but that it may be
    ``most_seconds`` long.
    """
    with ExitStack() as stack:
        recording = _opened(source, name, most_seconds, stack)
        with _refusals(source, recording.name):
            sound = examine(recording.blocks, SAMPLE_RATE, most_seconds, recording.name, keep_seconds=KEPT_SECONDS)

        def blocks() -> Iterator[NDArray[np.float32]]:
            with _refusals(source, recording.name):
                yield from sound.blocks()

        yield Sound(sound.seconds, blocks)


def find_audio(path: Path) -> list[Path]:
    """The recordings at a path: the file itself, or all files below a folder that have an audio extension, sorted.

    Hidden files and folders are skipped. Links are followed, each folder is entered once. Whether a file can be read
    is left to ``load_audio``, so that one bad file is reported beside the results of the others.

    Raises:
        AudioError: there is nothing at the path, no recording below it, or a folder that may not be listed.
    """
    if not path.is_dir():
        if not path.exists():
            raise AudioError(f"{path}: no such file or folder, wanted {_WANTED}; check the name")
        return [path]

    def refuse(error: OSError) -> None:
        raise AudioError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions") from error

    found: list[Path] = []
    entered: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(path, followlinks=True, onerror=refuse):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in entered:
            subfolders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(each for each in subfolders if not each.startswith("."))
        found += [
            Path(folder, file)
            for file in files
            if not file.startswith(".") and file.rpartition(".")[2].lower() in AUDIO_EXTENSIONS and "." in file
        ]
    if not found:
        raise AudioError(f"{path}: found no recording below this folder, wanted files such as .wav, .flac or .mp3")
    return sorted(found)


def _opened(
    source: str | os.PathLike[str] | BinaryIO, name: str | None, most_seconds: float, stack: ExitStack
) -> Recording:
    """What a source holds, open as long as the stack is. Raises AudioError for what cannot be one."""
    if not isinstance(source, str | os.PathLike):
        name = name or "standard input"
        if isinstance(source, io.TextIOBase) or not callable(getattr(source, "read", None)):
            raise AudioError(
                f"{name}: found {type(source).__name__}, wanted a path or a binary stream; "
                "open files with mode 'rb', wrap bytes in io.BytesIO"
            )
        if getattr(source, "closed", False):
            raise AudioError(f"{name}: found a closed file, wanted an open one; open it again with mode 'rb'")
        with _refusals(source, name):
            return Recording(*_copied(source, name, stack), name, most_seconds)
    path, name = Path(source), name or str(source)
    with _refusals(source, name):
        try:
            mode = path.stat().st_mode
        except ValueError as error:  # a NUL, or half a surrogate pair
            raise AudioError(f"{shown(str(path))}: no file has such a name, wanted {_WANTED}; check it") from error
        if stat.S_ISDIR(mode):
            raise AudioError(f"{name}: found a folder, wanted {_WANTED}; name a file in it")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise AudioError(f"{name}: found a device or socket, wanted {_WANTED}; name a file")
        file = stack.enter_context(path.open("rb"))
        if stat.S_ISFIFO(mode):
            return Recording(*_copied(file, name, stack), name, most_seconds)
        # /dev/stdin is another file to another process
        own = os.name == "posix" and path.is_relative_to("/dev")
        return Recording(file, None if own else str(path), name, most_seconds)


@contextmanager
def _refusals(source: object, name: str) -> Iterator[None]:
    """Raises what the system says of a source as AudioError."""
    try:
        yield
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file, wanted {_WANTED}; check the name and the folder") from error
    except OSError as error:
        check = "check its permissions" if isinstance(source, str | os.PathLike) else "check where it comes from"
        raise AudioError(f"{name}: cannot be read ({error.strerror or error}); {check}") from error


def _copied(stream: BinaryIO, name: str, stack: ExitStack) -> tuple[BinaryIO, str | None]:
    """The bytes of a stream in a file, and its path: decoders seek, and pipes do not."""
    copy, place = stack.enter_context(scratch_file())
    _copy(stream, copy, name)
    return copy, place


def _copy(stream: BinaryIO, copy: BinaryIO, name: str) -> None:
    while block := stream.read(2**20):
        if not isinstance(block, bytes | bytearray | memoryview):
            raise AudioError(f"{name}: found a stream of {type(block).__name__}, wanted one of bytes")
        if copy.tell() + len(block) > MAX_STREAM_BYTES:
            raise AudioError(f"{name}: found more than {MAX_STREAM_BYTES} bytes; wanted less; split it")
        try:
            copy.write(block)
            copy.flush()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise AudioError(
                f"{name}: cannot be kept in {tempfile.gettempdir()} ({error.strerror}), wanted room for all of it; "
                "make room there, or set TMPDIR to another folder"
            ) from error
