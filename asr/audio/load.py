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
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr.audio.mixing import to_mono
from asr.audio.pieces import scratch_file
from asr.audio.recording import Recording
from asr.errors import AudioError

SAMPLE_RATE = 16_000
"""Samples a second of every wave in the program."""

MAX_SECONDS = 4 * 3600
"""The longest recording that is loaded; at this length a wave takes 0.9 GB."""

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
    if isinstance(source, str | os.PathLike):
        return _load_path(Path(source), name or str(source))
    name = name or "standard input"
    if isinstance(source, io.TextIOBase) or not callable(getattr(source, "read", None)):
        raise AudioError(
            f"{name}: found {type(source).__name__}, wanted a path or a binary stream; "
            "open files with mode 'rb', wrap bytes in io.BytesIO"
        )
    try:
        return _load_stream(source, name)
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({error.strerror or error}); check where it comes from") from error


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


def _load_path(path: Path, name: str) -> NDArray[np.float32]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise AudioError(f"{name}: found a folder, wanted {_WANTED}; name a file in it")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise AudioError(f"{name}: found a device or socket, wanted {_WANTED}; name a file")
        with path.open("rb") as file:
            if stat.S_ISFIFO(mode):
                return _load_stream(file, name)
            # /dev/stdin is another file to another process
            own = os.name == "posix" and path.is_relative_to("/dev")
            return _load_file(file, None if own else str(path), name)
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file, wanted {_WANTED}; check the name and the folder") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({error.strerror or error}); check its permissions") from error


def _load_stream(stream: BinaryIO, name: str) -> NDArray[np.float32]:
    """Decoders seek, and pipes do not: keep the bytes in a file first."""
    with scratch_file() as (copy, place):
        _copy(stream, copy, name)
        return _load_file(copy, place, name)


def _copy(stream: BinaryIO, copy: BinaryIO, name: str) -> None:
    while block := stream.read(2**20):
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


def _load_file(file: BinaryIO, place: str | None, name: str) -> NDArray[np.float32]:
    recording = Recording(file, place, name, MAX_SECONDS)
    return to_mono(recording.blocks, SAMPLE_RATE, MAX_SECONDS, name)
