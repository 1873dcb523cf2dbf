"""A file that is looked through before it is decoded, so that a decoder's count of frames need not be believed."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from asr.audio import ffmpeg, flac, headers, mpeg, ogg, soundfiles
from asr.audio.mixing import Block, check_length, check_rate
from asr.audio.pieces import Piece, Pieces, scratch_file
from asr.errors import AudioError

MOST_LOST_SECONDS, MOST_LOST_SHARE = 1.0, 0.05
"""The most sound that damage inside an MP3 or Ogg may take, in seconds and of the whole, for the rest to be heard."""

_SLACK_SECONDS = 0.05  # headers that are wrong by less than this lose nothing that is heard
# Some count the first frame, which holds no sound; and decoders leave out what encoders add at the ends.
_SLACK_MPEG_FRAMES = 4
_MPEG_EXTENSIONS = (".mp2", ".mp3", ".mpga")
_OPUS_RATE = 48_000  # of its clock, whatever rate it is decoded to


class Recording:
    """An open file, to be decoded as often as needed.

    Args:
        file: the recording, not empty; it is read and sought.
        place: its path, None for a file without a name.
        name: what messages call it.
        most_seconds: how much sound is taken.
    """

    def __init__(self, file: BinaryIO, place: str | None, name: str, most_seconds: float) -> None:
        self._file, self._place, self.name, self._most_seconds = file, place, name, most_seconds
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._start = file.read(1024)
        if not self._start:
            raise AudioError(f"{name}: found an empty file (0 bytes), wanted a recording; copy or record it again")
        self._may_be_mpeg = self._start.startswith(b"ID3") or self._start[0] == 0xFF

    def blocks(self) -> Iterator[Block]:
        """The blocks of all that is in the file, from its beginning.

        Raises:
            AudioError: it is not audio, or less of it can be decoded than there is.
        """
        if self._start.startswith(b"OggS"):
            links, lost = ogg.links_of(self._file, self._size)
            if links:
                return self._of_ogg(links, lost)
        if self._start.startswith(b"fLaC"):
            return self._of_flac(flac.flacs_in(self._file, self._size))
        suffix = Path(self._place or self.name).suffix.lower()
        if self._may_be_mpeg or suffix in _MPEG_EXTENSIONS:
            streams = mpeg.streams_of(self._file, self._size)
            if streams:
                return self._of_mpeg(streams)
        return self._of_samples(headers.recordings_in(self._file, self._size))

    def _of_mpeg(self, streams: Sequence[mpeg.Stream]) -> Iterator[Block]:
        there = sum(stream.seconds for stream in streams)
        missing = sum(stream.missing_seconds for stream in streams)
        check_length(there, 0, self._most_seconds, self.name)
        # Where nothing but frames is found and there should be more, it was cut.
        cut = any(
            stream.missing_seconds > stream.frames_seconds(_SLACK_MPEG_FRAMES) for stream in streams if not stream.lost
        )
        if cut or _is_too_much(missing, there + missing):
            raise ffmpeg.too_short(there, f"the {there + missing:.2f} s that it had", self.name)
        heard = 0.0
        for stream in streams:
            try:
                with soundfiles.quiet():
                    recording = soundfiles.ForwardSoundFile(Pieces(self._file, stream.contents()))
            except soundfiles.DecodingError:
                continue
            read = 0
            with recording:
                for rate, block in soundfiles.blocks(recording, talks=True):
                    read += len(block)
                    yield rate, block
            heard += min(stream.seconds, read / stream.header.rate + stream.frames_seconds(_SLACK_MPEG_FRAMES))
        if _is_too_much(there - heard + missing, there + missing):
            raise ffmpeg.too_short(heard, f"the {there + missing:.2f} s that it had", self.name)

    def _of_ogg(self, links: Sequence[ogg.Link], lost_bytes: int) -> Iterator[Block]:
        heard = missing = 0.0
        used = 0
        alone = len(links) == 1 and len(links[0].stretches()) == 1 and not lost_bytes
        for link in links:
            pages = sum(page.length for page in link.pages)
            clock = _OPUS_RATE if link.sound == b"OpusHead" else 0
            ticks: list[float] = []
            for contents in link.contents(self._file):
                recording = self._opened(contents)
                read, rate = 0, 0
                try:
                    # libsndfile knows neither Speex nor FLAC in most Oggs
                    decoded = soundfiles.blocks(recording) if recording else self._by_ffmpeg(contents, whole=alone)
                    for rate, block in decoded:
                        read += len(block)
                        yield rate, block
                except AudioError:
                    if alone or not heard:
                        raise
                if not rate:
                    lost_bytes += pages
                    break
                ticks.append(read * (clock or rate) / rate)
                heard += read / rate
                if recording:
                    missing += max(0, recording.frames - read) / rate
                    recording.close()
            else:
                used += pages
            missing += link.missing_ticks(ticks) / (clock or rate or 1)
        missing = max(missing, lost_bytes / max(1, used) * heard)
        if _is_too_much(missing, heard + missing):
            raise ffmpeg.too_short(heard, f"the {heard + missing:.2f} s that it had", self.name)

    def _of_flac(self, found: Sequence[flac.Flac]) -> Iterator[Block]:
        heard = wanted = 0.0
        for each in found:
            recording = self._opened(each.contents)
            if recording is None or not each.samples:
                for rate, block in self._by_ffmpeg(each.contents, whole=len(found) == 1):
                    heard += len(block) / rate
                    wanted += len(block) / rate
                    yield rate, block
                continue
            with recording:
                rate = recording.samplerate
                check_length(each.samples / rate, each.samples * recording.channels, self._most_seconds, self.name)
                read = 0
                for _, block in soundfiles.blocks(recording):
                    read += len(block)
                    yield rate, block
            heard += read / rate
            wanted += max(read, each.samples - each.slack) / rate
        if wanted - heard > _SLACK_SECONDS:
            raise ffmpeg.too_short(heard, f"the {wanted:.2f} s that its header promises", self.name)

    def _of_samples(self, found: Sequence[headers.Samples]) -> Iterator[Block]:
        heard = wanted = 0.0
        for samples in found or [headers.Samples(0, 0, ((0, self._size),))]:
            recording = self._opened(samples.contents)
            if recording is None:
                share = samples.present / samples.promised if samples.is_cut else 1.0
                for rate, block in self._by_ffmpeg(samples.contents, share, whole=len(found) <= 1):
                    heard += len(block) / rate
                    wanted += len(block) / rate
                    yield rate, block
                continue
            with recording:
                rate, frames = recording.samplerate, recording.frames
                check_rate(rate, self.name)
                if not frames and samples.is_cut:
                    raise AudioError(
                        f"{self.name}: cut short: found a header and no samples after it, wanted the "
                        f"{samples.promised} bytes of samples that the header promises; copy or record it again"
                    )
                check_length(frames / rate, frames * recording.channels, self._most_seconds, self.name)
                share = (samples.promised + samples.stray) / samples.present if samples.present else 1.0
                wanted += frames * share / rate
                for _, block in soundfiles.blocks(recording):
                    heard += len(block) / rate
                    yield rate, block
        if wanted - heard > _SLACK_SECONDS:
            raise ffmpeg.too_short(heard, f"the {wanted:.2f} s that its header promises", self.name)

    def _opened(self, contents: Sequence[Piece]) -> soundfiles.ForwardSoundFile | None:
        """By libsndfile; None where it cannot."""
        # What begins like an MP3 and is none is given to libmpg123, which complains aloud.
        with soundfiles.quiet() if self._may_be_mpeg else nullcontext():
            try:
                recording = soundfiles.ForwardSoundFile(Pieces(self._file, contents))
            except soundfiles.DecodingError:
                return None
        check_rate(recording.samplerate, self.name)
        if recording.format == "MP3":  # it takes for one what was looked through and is none
            recording.close()
            return None
        return recording

    def _by_ffmpeg(self, contents: Sequence[Piece], share: float = 1.0, *, whole: bool) -> Iterator[Block]:
        """``whole``: the contents are the file itself. If not, ffmpeg needs a copy that is nothing else."""
        if _is_text(self._start):
            raise AudioError(f"{self.name}: found text, wanted a recording; name a recording")
        if whole:
            yield from ffmpeg.blocks(self._file, self._place, self.name, share)
            return
        with scratch_file() as (copy, place):
            shutil.copyfileobj(Pieces(self._file, contents), copy)
            copy.flush()
            yield from ffmpeg.blocks(copy, place, self.name, share)


def _is_too_much(missing: float, whole: float) -> bool:
    return missing > min(MOST_LOST_SECONDS, MOST_LOST_SHARE * whole)


def _is_text(start: bytes) -> bool:
    # The first bytes may end inside a character.
    text = start.decode("utf-8", errors="ignore")
    return len(text.encode()) > len(start) - 4 and all(each.isprintable() or each.isspace() for each in text)
