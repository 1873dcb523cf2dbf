"""Recordings in files and streams to the one form that everything else works on: mono float32 at 16 kHz.

What counts as damaged. A recording that says how long it is and holds less (WAV, AIFF, FLAC) is refused: half a
transcript looks like a whole one. Ogg and MP3 promise no length, and a WAV written into a pipe cannot; of these, all
that decodes is used. Formats that only ffmpeg reads give what ffmpeg decodes.
"""

import os
import shutil
import stat
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from asr.errors import AudioError

SAMPLE_RATE = 16_000
"""Samples a second of every wave in the program."""

MAX_SECONDS = 4 * 3600
"""The longest recording that is loaded; at this length a wave takes 0.9 GB."""

MIN_RATE, MAX_RATE = 4_000, 768_000
"""Sampling rates outside this range are taken for a damaged header."""

MAX_STREAM_BYTES = 2**32
"""The most that is taken from a pipe, which may never end; also the most that a WAV can hold."""

_READ_BY_SOUNDFILE = "aif aifc aiff au caf flac mp3 oga ogg opus rf64 snd sph w64 wav wave"
_READ_BY_FFMPEG = "3gp aac ac3 amr ape m4a m4b mka tta weba webm wma wv"
AUDIO_EXTENSIONS = frozenset(f"{_READ_BY_SOUNDFILE} {_READ_BY_FFMPEG}".split())
"""Files with these extensions, in either case, are the recordings of a folder."""

_WANTED = "a recording (wav, flac, mp3, ogg, opus, or another that ffmpeg reads)"

# Playlists are left out on purpose: they would let a file that someone sent name other files to open.
_FFMPEG_FORMATS = (
    "3gp,aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,eac3,flac,flv,m4a,matroska,mov,mp3,mp4,mpeg,mpegts,"
    "ogg,tta,w64,wav,webm,wv"
)

_BLOCK_FRAMES = 65_536
_STREAMED = 0x7FFF_0000  # programs that write a WAV into a pipe put a size from here up: they cannot know it yet
_SLACK_SECONDS = 0.05  # headers that are wrong by less than this lose nothing that is heard


class _Onward(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is only read onward.

    soundfile seeks after each block to where it already is. In an MP3 that loses what the decoder carries from frame
    to frame, and the samples after each block came out wrong by up to 0.6.
    """

    def seekable(self) -> bool:
        return False


def load_audio(source: Path | BinaryIO, *, name: str | None = None) -> NDArray[np.float32]:
    """Read one recording as a mono wave.

    Args:
        source: a file (or named pipe), or a binary stream such as ``sys.stdin.buffer``, which need not seek.
        name: what messages call it; the path, or "standard input" for a stream, when left out.

    Returns:
        wave (N,), float32 in [-1, 1] at 16 kHz, N > 0: the mean of the channels, resampled by soxr at high quality.

    Raises:
        AudioError: it is missing, a folder, empty, cut short, not audio, longer than ``MAX_SECONDS``, has no samples,
            samples that are not finite, or a sampling rate outside ``MIN_RATE``..``MAX_RATE``.
    """
    name = name or (str(source) if isinstance(source, Path) else "standard input")
    try:
        if not isinstance(source, Path):
            return _load_stream(source, name)
        mode = source.stat().st_mode
        if stat.S_ISFIFO(mode):
            with source.open("rb") as stream:
                return _load_stream(stream, name)
        if stat.S_ISDIR(mode):
            raise AudioError(f"{name}: found a folder, wanted {_WANTED}; name a file in it")
        if not stat.S_ISREG(mode):
            raise AudioError(f"{name}: found a device or socket, wanted {_WANTED}; name a file")
        return _load_file(source, name)
    except FileNotFoundError as error:
        raise AudioError(f"{name}: no such file, wanted {_WANTED}; check the name and the folder") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({error.strerror or error}); check its permissions") from error


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


def _load_stream(stream: BinaryIO | IO[bytes], name: str) -> NDArray[np.float32]:
    """Decoders seek, and pipes do not: keep the bytes in a file first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream")
        with path.open("wb") as copy:
            while block := stream.read(2**20):
                if copy.tell() + len(block) > MAX_STREAM_BYTES:
                    raise AudioError(f"{name}: found more than {MAX_STREAM_BYTES} bytes; wanted less; split it")
                copy.write(block)
        return _load_file(path, name)


def _load_file(path: Path, name: str) -> NDArray[np.float32]:
    with path.open("rb") as file:
        start = file.read(1024)
        if not start:
            raise AudioError(f"{name}: found an empty file (0 bytes), wanted {_WANTED}; copy or record it again")
        file.seek(0)
        promised = _promised_bytes(file)
    try:
        # As bytes, because soundfile cannot encode a name that is not valid UTF-8.
        with _Onward(os.fsencode(path) if os.name == "posix" else str(path)) as recording:
            # A FLAC that was written into a pipe has no length, and libsndfile stumbles at its end.
            if recording.frames < 2**62:
                return _decode(recording, promised, name)
    # soundfile answers the extension .raw with a TypeError, whatever the file holds
    except (soundfile.LibsndfileError, TypeError):
        pass
    if _is_text(start):
        raise AudioError(f"{name}: found text, wanted {_WANTED}; name a recording")
    return _load_with_ffmpeg(path, name)


def _decode(recording: soundfile.SoundFile, promised: tuple[int, int] | None, name: str) -> NDArray[np.float32]:
    rate, frames = recording.samplerate, recording.frames
    _check_rate(rate, name)
    wanted_frames = frames
    if promised is not None and promised[1] < promised[0]:
        if not frames:
            raise AudioError(
                f"{name}: cut short: found a header and no samples after it, wanted the {promised[0]} bytes of samples "
                "that the header promises; copy or record it again"
            )
        wanted_frames = frames * promised[0] // promised[1]
    if frames > MAX_SECONDS * rate:
        raise _too_long(f"{frames / rate / 3600:.1f} hours", name)

    def blocks() -> Iterator[NDArray[np.float32]]:
        read = 0
        while read < frames:
            try:
                block: NDArray[np.float32] = recording.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                break
            if not len(block):
                break
            read += len(block)
            yield block
        # The length of an MP3 is an estimate.
        if recording.format != "MP3" and wanted_frames - read > _SLACK_SECONDS * rate:
            raise AudioError(
                f"{name}: cut short or damaged: found {read / rate:.2f} s that can be read, wanted the "
                f"{wanted_frames / rate:.2f} s that its header promises; copy or record it again"
            )

    return _wave(blocks(), rate, name)


def _promised_bytes(file: BinaryIO | IO[bytes]) -> tuple[int, int] | None:
    """Bytes of samples that a WAV or AIFF header promises, and bytes that follow it; None where there is no promise."""
    order, wanted = {b"RIFF": ("<I", b"data"), b"FORM": (">I", b"SSND")}.get(file.read(12)[:4], ("", b""))
    while order and len(chunk := file.read(8)) == 8:
        (size,) = struct.unpack(order, chunk[4:])
        if chunk[:4] == wanted:
            if size >= _STREAMED:
                return None
            start = file.tell()
            return size, file.seek(0, os.SEEK_END) - start
        file.seek(size + size % 2, os.SEEK_CUR)
    return None


def _is_text(start: bytes) -> bool:
    # The first bytes may end inside a character.
    text = start.decode("utf-8", errors="ignore")
    return len(text.encode()) > len(start) - 4 and all(each.isprintable() or each.isspace() for each in text)


def _load_with_ffmpeg(path: Path, name: str) -> NDArray[np.float32]:
    """Decode in a subprocess; the result comes as Sun audio, the plainest header before raw float samples.

    ffmpeg keeps the rate and the channels, so that both are reduced in the same way as everywhere else; its own mixing
    to mono leaves the range [-1, 1].
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise AudioError(
            f"{name}: found a format that needs ffmpeg, which is not installed, wanted {_WANTED}; "
            "install ffmpeg (Debian: apt install ffmpeg) or convert the file to wav"
        )
    command = [ffmpeg, "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-format_whitelist", _FFMPEG_FORMATS]
    # "file:" keeps a name such as "-y" or "http:x" from being read as anything but a name
    command += ["-i", f"file:{path}", "-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints) as process,
    ):
        assert process.stdout is not None
        try:
            header = process.stdout.read(24)
            if len(header) == 24:
                _, offset, _, _, rate, channels = struct.unpack(">4s5I", header)
                _check_rate(rate, name)
                process.stdout.read(offset - 24)
                return _wave(_raw_blocks(process.stdout, channels), rate, name)
        finally:
            process.kill()
        process.wait()
        complaints.seek(0)
        lines = complaints.read().decode(errors="replace").splitlines()
        reason = lines[0].replace(f"file:{path}", "").strip(": ") if lines else "no audio in it"
        raise AudioError(
            f"{name}: found nothing that ffmpeg can decode ({reason}), wanted {_WANTED}; convert it to wav"
        )


def _raw_blocks(stream: IO[bytes], channels: int) -> Iterator[NDArray[np.float32]]:
    while data := stream.read(4 * channels * _BLOCK_FRAMES):
        samples = np.frombuffer(data[: len(data) // (4 * channels) * 4 * channels], dtype=">f4")
        yield samples.astype(np.float32).reshape(-1, channels)


def _wave(blocks: Iterable[NDArray[np.float32]], rate: int, name: str) -> NDArray[np.float32]:
    """Blocks (n, channels) at any rate to a mono wave at 16 kHz, holding one block at a time beside the result."""
    resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    # A bytearray grows in place, where a list of blocks would need twice the memory to be joined.
    collected = bytearray()
    frames = 0
    for block in blocks:
        mono = block.mean(axis=1)
        finite = np.isfinite(mono)
        if not finite.all():
            sample = frames + int(np.argmin(finite))
            raise AudioError(
                f"{name}: found a sample that is not a number or is infinite at {sample / rate:.3f} s, "
                "wanted finite samples; write the file again from its source"
            )
        frames += len(mono)
        if frames > MAX_SECONDS * rate:
            raise _too_long(f"more than {MAX_SECONDS / 3600:g} hours", name)
        collected += resampler.resample_chunk(mono).tobytes()
    collected += resampler.resample_chunk(np.zeros(0, np.float32), last=True).tobytes()
    if not collected:
        raise AudioError(f"{name}: found no samples (0 s of sound), wanted {_WANTED}; record it again")
    wave = np.frombuffer(collected, dtype=np.float32)
    return np.clip(wave, -1.0, 1.0, out=wave)


def _check_rate(rate: int, name: str) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"{name}: found a sampling rate of {rate} Hz, wanted {MIN_RATE} to {MAX_RATE}; "
            "the header is damaged: write the file again from its source"
        )


def _too_long(found: str, name: str) -> AudioError:
    return AudioError(f"{name}: found {found} of sound, wanted at most {MAX_SECONDS / 3600:g} hours; split it")
