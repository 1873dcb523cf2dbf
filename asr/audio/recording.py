"""A file whose parts are looked at before they are decoded, so that a decoder's count of frames need not be believed."""

import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from asr.audio import ffmpeg, headers, mpeg, ogg, soundfiles
from asr.audio.mixing import Block, check_length, check_rate
from asr.audio.pieces import Piece, Pieces
from asr.errors import AudioError

MOST_LOST_SECONDS, MOST_LOST_SHARE = 1.0, 0.05
"""The most sound that damage inside an MP3 or Ogg may take, in seconds and of the whole, for the rest to be heard."""

_SLACK_SECONDS = 0.05  # headers that are wrong by less than this lose nothing that is heard
_SLACK_MPEG_FRAMES = (
    4  # some count the first, which holds no sound; and decoders leave out what encoders add at the ends
)
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
        self._file, self._place, self._name, self._most_seconds = file, place, name, most_seconds
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._start = file.read(1024)
        if not self._start:
            raise AudioError(f"{name}: found an empty file (0 bytes), wanted a recording; copy or record it again")

    def blocks(self) -> Iterator[Block]:
        """The blocks of all that is in the file, from its beginning.

        Raises:
            AudioError: it is not audio, or less of it can be decoded than there is.
        """
        if self._start.startswith(b"OggS"):
            links, lost = ogg.links_of(self._file, self._size)
            # libsndfile knows neither Speex nor, from a stream with damage, FLAC in Ogg
            if links and all(link.sound in (b"\x01vorbis", b"OpusHead") for link in links):
                return self._of_ogg(links, lost)
        suffix = os.path.splitext(self._place or self._name)[1].lower()
        if self._start.startswith(b"ID3") or self._start[0] == 0xFF or suffix in _MPEG_EXTENSIONS:
            streams = mpeg.streams_of(self._file, self._size)
            if streams:
                return self._of_mpeg(streams)
        return self._of_samples(headers.recordings_in(self._file, self._size))

    def _of_mpeg(self, streams: Sequence[mpeg.Stream]) -> Iterator[Block]:
        there = sum(stream.seconds for stream in streams)
        missing = sum(stream.missing_seconds for stream in streams)
        check_length(there, 0, self._most_seconds, self._name)
        # Where nothing but frames is found and there should be more, it was cut.
        cut = any(
            stream.missing_seconds > stream.frames_seconds(_SLACK_MPEG_FRAMES) for stream in streams if not stream.lost
        )
        if cut or _is_too_much(missing, there + missing):
            raise ffmpeg.too_short(there, f"the {there + missing:.2f} s that it had", self._name)
        heard = 0.0
        for stream in streams:
            try:
                with soundfiles.quiet():
                    recording = soundfiles.Recording(Pieces(self._file, stream.contents()))
            except soundfiles.DecodingError:
                continue
            read = 0
            with recording:
                for rate, block in soundfiles.blocks(recording, talks=True):
                    read += len(block)
                    yield rate, block
            heard += min(stream.seconds, read / stream.header.rate + stream.frames_seconds(_SLACK_MPEG_FRAMES))
        if _is_too_much(there - heard + missing, there + missing):
            raise ffmpeg.too_short(heard, f"the {there + missing:.2f} s that it had", self._name)

    def _of_ogg(self, links: Sequence[ogg.Link], lost_bytes: int) -> Iterator[Block]:
        heard = missing = 0.0
        used = 0
        for link in links:
            pages = sum(page.length for page in link.pages)
            try:
                for recording in self._opened(link):
                    read = 0
                    with recording:
                        rate, frames = recording.samplerate, recording.frames
                        check_rate(rate, self._name)
                        for block in soundfiles.blocks(recording):
                            read += len(block[1])
                            yield block
                    heard += read / rate
                    missing += max(0, frames - read) / rate
            except soundfiles.DecodingError:
                lost_bytes += pages
                continue
            used += pages
            missing += link.missing_ticks() / (_OPUS_RATE if link.sound == b"OpusHead" else rate)
        if not used:
            yield from self._by_ffmpeg(headers.Samples(0, 0, ()))
            return
        missing = max(missing, lost_bytes / used * heard)
        if _is_too_much(missing, heard + missing):
            raise ffmpeg.too_short(heard, f"the {heard + missing:.2f} s that it had", self._name)

    def _opened(self, link: ogg.Link) -> Iterator[soundfiles.Recording]:
        for contents in link.contents(self._file):
            yield soundfiles.Recording(Pieces(self._file, contents))

    def _of_samples(self, found: Sequence[headers.Samples]) -> Iterator[Block]:
        whole: tuple[Piece, ...] = ((0, self._size),)
        first = found[0] if found else headers.Samples(0, 0, whole)
        with soundfiles.quiet():
            try:
                recording = soundfiles.Recording(Pieces(self._file, first.contents))
            except soundfiles.DecodingError:
                recording = None
        # What libsndfile takes for an MP3 here was looked through and is none.
        if recording is None or recording.format == "MP3" or recording.frames >= soundfiles.UNKNOWN_FRAMES:
            if recording is not None:
                recording.close()
            yield from self._by_ffmpeg(first)
            return
        heard = wanted = 0.0
        for samples in found or [first]:
            with recording or soundfiles.Recording(Pieces(self._file, samples.contents)) as opened:
                recording = None
                rate, frames = opened.samplerate, opened.frames
                check_rate(rate, self._name)
                if not frames and samples.promised and samples.is_cut:
                    raise AudioError(
                        f"{self._name}: cut short: found a header and no samples after it, wanted the {samples.promised} "
                        "bytes of samples that the header promises; copy or record it again"
                    )
                share = (samples.promised + samples.stray) / samples.present if samples.present else 1.0
                check_length(frames / rate, frames * opened.channels, self._most_seconds, self._name)
                wanted += frames * share / rate
                for block in soundfiles.blocks(opened):
                    heard += len(block[1]) / rate
                    yield block
        if wanted - heard > _SLACK_SECONDS:
            raise ffmpeg.too_short(heard, f"the {wanted:.2f} s that its header promises", self._name)

    def _by_ffmpeg(self, samples: headers.Samples) -> Iterator[Block]:
        if _is_text(self._start):
            raise AudioError(f"{self._name}: found text, wanted a recording; name a recording")
        share = samples.present / samples.promised if samples.is_cut else 1.0
        return ffmpeg.blocks(self._file, self._place, self._name, share)


def _is_too_much(missing: float, whole: float) -> bool:
    return missing > min(MOST_LOST_SECONDS, MOST_LOST_SHARE * whole)


def _is_text(start: bytes) -> bool:
    # The first bytes may end inside a character.
    text = start.decode("utf-8", errors="ignore")
    return len(text.encode()) > len(start) - 4 and all(each.isprintable() or each.isspace() for each in text)
