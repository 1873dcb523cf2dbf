"""Decoding by ffmpeg, where it is installed, for what libsndfile does not know: m4a, webm, wma, amr and many more."""

import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO

import numpy as np

from asr.audio.mixing import Block
from asr.audio.soundfiles import BLOCK_SAMPLES
from asr.errors import AudioError

# Playlists are left out on purpose: they would let a file that someone sent name other files to open.
FORMATS = (
    "3gp,aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,eac3,flac,flv,m4a,matroska,mov,mp3,mp4,mpc,mpc8,mpeg,"
    "mpegts,ogg,tak,tta,w64,wav,webm,wv"
)

_MOST_SECONDS = 600
"""Of processor time; a hostile file could keep ffmpeg busy for ever."""

_SLACK_SECONDS = 0.2
"""Containers count what encoders add at the ends, or leave it out: of whole files ffmpeg gives up to this much less."""

_LEAST_SHARE = 0.001  # of a file that is there; heads that promise more than this lie
_REPORT_BYTES = 2**16  # of the beginning and the end of what ffmpeg says
_REASONS = (  # what ffmpeg says, and what a person can do with
    ("moov atom not found", "the index is missing, as in a file cut short: copy or record it again"),
    ("matches no streams", "no sound in it: name a recording"),
    ("does not contain any stream", "no sound in it: name a recording"),
    ("not on whitelist", ""),
    ("ecoder", "a codec that this ffmpeg does not know: install a full ffmpeg"),
    ("Invalid data found", ""),
)


@dataclass(frozen=True)
class _Report:
    """What ffmpeg has said of a file."""

    status: int
    promised: float | None
    """Seconds that the container says there are; None where it does not, or ffmpeg has guessed it."""
    reached: float
    """Where the last sample lies in time; more than what was decoded where there is a gap."""
    alone: bool
    """Whether the sound is the only stream, so that the container's length is its own."""
    complaints: tuple[str, ...]
    stopped: bool
    """Whether it was stopped because it took too long."""


def blocks(file: BinaryIO, place: str | None, name: str, present: float = 1.0) -> Iterator[Block]:
    """All that ffmpeg decodes of a file.

    ffmpeg keeps the rate and the channels, so that both are reduced in the same way as everywhere else; its own mixing
    to mono leaves the range [-1, 1].

    Args:
        file: the recording, open.
        place: its path; None for one that has no name, which POSIX alone knows.
        name: what messages call it.
        present: the share of the file that is there, where its head says that there was more.

    Raises:
        AudioError: ffmpeg is missing, cannot decode the file, or decodes less of it than it says there is.
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise AudioError(
            f"{name}: found a format that needs ffmpeg, which is not installed, wanted a recording in wav, flac, mp3, "
            "ogg or opus; install ffmpeg (Debian: apt install ffmpeg) or convert the file to wav"
        )
    handle = file.fileno()
    address = f"/dev/fd/{handle}" if place is None else place
    command = [ffmpeg, "-nostdin", "-hide_banner", "-v", "level+info", "-nostats", "-progress", "pipe:2"]
    command += ["-timelimit", str(_MOST_SECONDS), "-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS]
    # "file:" keeps a name such as "-y" or "http:x" from being read as anything but a name. The result comes as Sun
    # audio, the plainest head before raw float samples.
    command += ["-i", f"file:{address}", "-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    kept = (handle,) if place is None else ()
    frames, rate = 0, 0
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, pass_fds=kept
        ) as process,
    ):
        assert process.stdout is not None
        try:
            head = process.stdout.read(24)
            if len(head) == 24:
                _, offset, _, _, rate, channels = struct.unpack(">4s5I", head)
                process.stdout.read(offset - 24)
                size = 4 * channels * max(1, BLOCK_SAMPLES // channels)
                while data := process.stdout.read(size):
                    samples = np.frombuffer(data[: len(data) // (4 * channels) * 4 * channels], dtype=">f4")
                    frames += len(samples) // channels
                    yield rate, samples.astype(np.float32).reshape(-1, channels)
            process.wait()
        finally:
            process.kill()
        report = _report(said, process.returncode)
    if report.stopped:
        raise AudioError(
            f"{name}: took ffmpeg more than {_MOST_SECONDS} s of processor time, wanted a recording that takes less; "
            "convert it to wav, or split it"
        )
    if not frames:
        raise AudioError(_nothing(report, name))
    _check(report, frames / rate, present, name)


def _check(report: _Report, found: float, present: float, name: str) -> None:
    """Raises AudioError where a container has more sound than was decoded of it."""
    if present < _LEAST_SHARE:
        raise too_short(found, "far more: its header is damaged", name)
    wanted = found / present
    damaged = bool(report.complaints) or report.status != 0
    if report.promised is not None and (report.alone or damaged):
        # A call has gaps where nobody spoke; they are no loss unless ffmpeg has something to say.
        short = damaged or report.promised - report.reached > _SLACK_SECONDS
        wanted = max(wanted, report.promised if short else 0.0)
    if damaged:
        wanted = max(wanted, report.reached)
    if wanted - found > _SLACK_SECONDS:
        raise too_short(found, f"the {wanted:.2f} s that the file promises", name)
    if report.status:
        raise too_short(found, "the rest, too", name)


def too_short(found: float, wanted: str, name: str) -> AudioError:
    """The error for a recording of which only a part can be heard."""
    return AudioError(
        f"{name}: cut short or damaged: found {found:.2f} s that can be read, wanted {wanted}; copy or record it "
        "again, or convert what is left to wav (ffmpeg -i FILE rest.wav)"
    )


def _nothing(report: _Report, name: str) -> str:
    said = " ".join(report.complaints)
    reason = next((ours for theirs, ours in _REASONS if theirs in said), "")
    if reason:
        found, _, advice = reason.partition(": ")
        return f"{name}: found nothing that ffmpeg can decode ({found}), wanted a recording; {advice}"
    if name.lower().endswith((".raw", ".pcm")):
        return (
            f"{name}: found samples without a header, or no recording at all, wanted one that says its rate; if "
            "you know it tell ffmpeg: ffmpeg -f s16le -ar 16000 -ac 1 -i x.raw x.wav"
        )
    return (
        f"{name}: found nothing that ffmpeg can decode, wanted a recording (wav, flac, mp3, ogg, opus, or another that "
        "ffmpeg reads); if it plays elsewhere convert it there to wav"
    )


def _report(said: IO[bytes], status: int) -> _Report:
    size = said.seek(0, os.SEEK_END)
    said.seek(0)
    text = said.read(_REPORT_BYTES)
    if size > len(text):
        said.seek(max(len(text), size - _REPORT_BYTES))
        text += b"\n" + said.read()
    lines = text.decode(errors="replace").splitlines()
    # Only what stands before the first progress is about the file that is read.
    head = "\n".join(lines)
    promised = None
    if found := re.search(r"\[info\]\s+Duration: (\d+):(\d\d):(\d\d\.\d+)", head):
        promised = int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
    if "Estimating duration from bitrate" in head:
        promised = None
    reached = [int(each) for each in re.findall(r"^out_time_us=(\d+)$", head, re.MULTILINE)]
    streams = re.findall(r"\[info\]\s+Stream #0:\d+[^\n]*", head.partition("Output #0")[0])
    alone = sum("(attached pic)" not in each for each in streams) <= 1
    complaints = tuple(
        line for line in lines if re.search(r"\[(error|fatal|panic)\]|orrupt", line) and "non monotonically" not in line
    )
    too_long = getattr(signal, "SIGXCPU", 0)
    stopped = bool(too_long) and (status == -too_long or f"received signal {too_long:d}." in head)
    return _Report(status, promised, max(reached, default=0) / 1e6, alone, complaints, stopped)
