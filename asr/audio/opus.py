"""Opus in Ogg that comes in pieces, as from a browser or ffmpeg: what is whole of it is decoded at once.

libsndfile wants a file with its end. So it is given one for each few pages: the stream's headers, ``LEAD_SECONDS`` of
what came before, and the new pages, and of what it decodes the end is kept. After so long a lead the decoder's memory
of what it was not given has faded: samples are those of the whole file but for a bit of 16.
"""

import io
from collections.abc import Iterator
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.audio.mixing import check_length
from asr.audio.ogg import HEADER, LARGEST_PAGE, Page, pages_of
from asr.audio.soundfiles import DecodingError, ForwardSoundFile, blocks
from asr.errors import AudioError

LEAD_SECONDS: Final = 2.0
"""Of sound that is decoded again before each block."""

_TICKS = 48_000  # of an Ogg page's clock in a second of Opus (RFC 7845)
_BLOCK_SECONDS = 1.0  # of new sound that are decoded together, or a page where one holds more
_NAME = "opus"
_WANTED = "wanted pages of Ogg Opus; send raw samples as pcm_s16le instead, or the stream as ffmpeg -f opus makes it"

_NO_PAGE = f"{_NAME}: found bytes that are no page, or a damaged one; {_WANTED}"
_BAD_CLOCK = f"{_NAME}: found a clock that runs slower than its sound, or back; {_WANTED}"
_MOST_LEAD = 256  # pages, whatever their clocks say
_MOST_BEHIND = 24_000  # ticks that a clock may be behind half of the packets: what the last page cuts off is not much
_FRAME_TICKS = (*(480, 960, 1920, 2880) * 3, *(480, 960) * 2, *(120, 240, 480, 960) * 4)  # by configuration (RFC 6716)

_PageBytes = tuple[Page, bytes]


class OpusReader:
    """Decodes one stream; ``feed`` it in order. A stream that begins behind another goes on where that one ended."""

    def __init__(self, most_seconds: float) -> None:
        """Refuse more than so many seconds: a kilobyte of Opus may hold a minute of silence."""
        self._most_seconds = most_seconds
        self._rest = b""
        self._seconds = 0.0  # of the streams that ended
        self._begin(None)

    def feed(self, data: bytes) -> Iterator[NDArray[np.float32]]:
        """The sound that has become whole, in blocks (n,) of float32 in [-1, 1] at 16 kHz.

        Raises AudioError for bytes that are no undamaged Ogg pages, pages of something else than Opus, pages that are
        missing, clocks that do not go with the sound, and too much sound.
        """
        self._rest += data
        fresh: list[_PageBytes] = []
        end = 0
        for page in pages_of(io.BytesIO(self._rest), len(self._rest)):
            if page.start != end:
                raise AudioError(_NO_PAGE)
            end = page.end
            if page.begins_stream:
                yield from self._decode(fresh)
                fresh = []
                self._seconds += self._clock / _TICKS
                self._begin(page)
            self._check(page)
            content = page, self._rest[page.start : page.end]
            if self._headers < 2:
                self._take_header(content)
                continue
            fresh.append(content)
            if page.has_time:
                check_length(self._seconds + page.granule / _TICKS, 0, self._most_seconds, _NAME)
                if page.granule - self._clock >= _BLOCK_SECONDS * _TICKS:
                    yield from self._decode(fresh)
                    fresh = []
        yield from self._decode(fresh)
        self._rest = self._rest[end:]
        if not b"OggS".startswith(self._rest[:4]) or len(self._rest) >= LARGEST_PAGE:
            raise AudioError(_NO_PAGE)

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """The last samples. Raises AudioError where a page was cut short."""
        if self._rest or self._waiting:
            raise AudioError(f"{_NAME}: ends within a page or a packet; wanted whole ones: was the stream cut short?")
        if self._sent and not self._kept:
            raise AudioError(f"{_NAME}: found packets without any sound; {_WANTED}")
        if self._resampler is not None:
            yield self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        self._begin(None)

    def _begin(self, page: Page | None) -> None:
        self._serial = None if page is None else page.serial
        self._sequence = -1 if page is None else page.sequence - 1
        self._headers = 0
        self._head = b""
        self._lead: list[_PageBytes] = []
        self._waiting: list[_PageBytes] = []  # pages in which no packet ends
        self._clock = 0
        self._sent = self._kept = 0.0  # ticks, by the packets, and of the sound that was made of them
        self._resampler: soxr.ResampleStream | None = None

    def _check(self, page: Page) -> None:
        if page.serial != self._serial:
            raise AudioError(f"{_NAME}: found a page of another stream, or none that begins one; {_WANTED}")
        if page.sequence != (self._sequence + 1) % 2**32:
            raise AudioError(f"{_NAME}: found page {page.sequence} behind page {self._sequence}; {_WANTED}")
        self._sequence = page.sequence

    def _take_header(self, content: _PageBytes) -> None:
        page, whole = content
        packets = whole[len(page.head) :]
        if self._headers == 0 and not packets.startswith(b"OpusHead"):
            raise AudioError(f"{_NAME}: found a stream that is not Opus; {_WANTED}")
        self._head += whole
        if len(self._head) > 4 * LARGEST_PAGE:
            raise AudioError(f"{_NAME}: found tags of more than {4 * LARGEST_PAGE} bytes; {_WANTED}")
        # Tags go on over pages as long as the last piece of a page is full; sound begins on a page of its own.
        self._headers += page.head[-1] < 255

    def _decode(self, fresh: list[_PageBytes]) -> Iterator[NDArray[np.float32]]:
        pages = [*self._waiting, *fresh]
        if not any(page.has_time for page, _ in pages):
            self._waiting = pages
            return
        self._waiting = []
        before, clock = self._clock, max(page.granule for page, _ in pages if page.has_time)
        sent = sum(_ticks(page, content) for page, content in pages)
        self._sent += sent
        if clock < before or (clock == before and sent and not any(page.ends_stream for page, _ in pages)):
            raise AudioError(_BAD_CLOCK)
        file = io.BytesIO(self._head + b"".join(content for _, content in (*self._lead, *pages)))
        try:
            with ForwardSoundFile(file) as sound:
                sound.seek(0)  # else libsndfile is wrong about where a stream stands that does not begin at 0
                # In blocks, as frames that only the clock promises would take memory.
                rate, samples = sound.samplerate, np.concatenate([block for _, block in blocks(sound)])
        except (DecodingError, ValueError) as error:  # ValueError: there is no block
            raise AudioError(f"{_NAME}: cannot be decoded; {_WANTED}") from error
        new = round((clock - before) * rate / _TICKS) if self._lead else len(samples)
        self._clock = clock
        kept = [*self._lead, *pages]
        begin = next((at for at in range(len(kept) - 1, 0, -1) if _ends_before(kept[at][0], clock)), 0)
        self._lead = kept[begin:][-_MOST_LEAD:]
        samples = samples[max(0, len(samples) - new) :]
        self._kept += len(samples) * _TICKS / rate
        if self._kept < self._sent / 2 - _MOST_BEHIND:
            raise AudioError(_BAD_CLOCK)
        if not len(samples):
            return
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        yield np.clip(self._resampler.resample_chunk(samples.mean(axis=1)), -1.0, 1.0)


def _ticks(page: Page, content: bytes) -> int:
    """How long the packets last that begin in a page."""
    ticks, at, begins = 0, len(page.head), not page.continues
    for length in page.head[HEADER:]:
        if begins and length:
            frames = (1, 2, 2, content[at + 1] % 64 if length > 1 else 0)[content[at] % 4]
            ticks += frames * _FRAME_TICKS[content[at] // 8]
        at, begins = at + length, length < 255
    return ticks


def _ends_before(page: Page, clock: int) -> bool:
    return page.has_time and page.granule <= clock - LEAD_SECONDS * _TICKS
