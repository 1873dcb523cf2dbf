"""Sound without a header, as Wyoming brings it, to the wave that everything else works on."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.audio.mixing import MAX_RATE, MIN_RATE, Block, to_mono
from asr.errors import AudioError

MAX_CHANNELS: Final = 8


@dataclass(frozen=True)
class PcmFormat:
    """Samples a second, bytes of a sample (1 unsigned, 2 to 4 signed, the lowest first), and channels, interleaved.

    Raises AudioError for what no sound has.
    """

    rate: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        for name, low, high in (("rate", MIN_RATE, MAX_RATE), ("width", 1, 4), ("channels", 1, MAX_CHANNELS)):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise AudioError(f"audio: found {name} {str(value)[:20]!r}, wanted a whole number, {low} to {high}")

    def __str__(self) -> str:
        return f"{self.rate} Hz, {self.channels} channels of {self.width} bytes"

    @property
    def frame(self) -> int:
        """Bytes of a sample of all channels."""
        return self.width * self.channels

    @property
    def second(self) -> int:
        """Bytes of a second."""
        return self.rate * self.frame

    def decode(self, sent: bytes | bytearray) -> NDArray[np.float32]:
        """Samples (n, channels) in [-1, 1]."""
        samples: NDArray[np.float32]
        if self.width == 1:
            samples = (np.frombuffer(sent, np.uint8).astype(np.float32) - 128) / np.float32(128)
        elif self.width == 3:
            wide = np.zeros((len(sent) // 3, 4), np.uint8)  # the highest three bytes of four
            wide[:, 1:] = np.frombuffer(sent, np.uint8).reshape(-1, 3)
            samples = wide.view("<i4").astype(np.float32) / np.float32(2**31)
        else:
            scale = np.float32(2 ** (8 * self.width - 1))
            samples = np.frombuffer(sent, f"<i{self.width}").astype(np.float32) / scale
        return samples.reshape(-1, self.channels)


class Pcm:
    """A recording that comes in chunks, held as it was sent."""

    def __init__(self, most_seconds: float, most_bytes: int) -> None:
        self._most_seconds, self._most_bytes = most_seconds, most_bytes
        self._format: PcmFormat | None = None
        self._sent = bytearray()

    @property
    def held(self) -> int:
        """Bytes so far."""
        return len(self._sent)

    @property
    def seconds(self) -> float:
        """Time so far."""
        return 0.0 if self._format is None else self.held / self._format.second

    def add(self, form: PcmFormat, sent: bytes) -> None:
        """Take the next chunk; raises AudioError for one of another format, part of a sample, or one too many."""
        self._format = self._format or form
        if form != self._format:
            raise AudioError(f"audio: found {form} amid {self._format}, wanted one format; begin anew")
        if len(sent) % form.frame:
            raise AudioError(f"audio: found {len(sent)} bytes, wanted a multiple of {form.frame}; send whole samples")
        self._sent += sent
        if self.seconds > self._most_seconds:
            raise AudioError(f"audio: found more than {self._most_seconds:g} s, wanted less; send it in parts")
        if self.held > self._most_bytes:
            raise AudioError(f"audio: found more than {self._most_bytes} bytes, wanted less; send 16 kHz mono")

    def wave(self) -> NDArray[np.float32]:
        """All of it as a mono wave (N,) at 16 kHz; N = 0 where there is nothing."""
        if self._format is None or not self._sent:
            return np.zeros(0, np.float32)
        return to_mono(partial(self._blocks, self._format), SAMPLE_RATE, self._most_seconds + 1, "audio")

    def _blocks(self, form: PcmFormat) -> Iterator[Block]:
        for at in range(0, len(self._sent), form.second):  # lest all of it be held twice
            yield form.rate, form.decode(self._sent[at : at + form.second])
