"""Decoding by libsndfile, which knows the formats that most recordings have."""

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr.audio.mixing import Block

BLOCK_SAMPLES = 131_072
"""Of all channels together, that are decoded at a time."""

DecodingError = soundfile.LibsndfileError
"""The file is none that libsndfile knows, or is damaged."""

_CHATTER = re.compile(rb"\[src/libmpg123/|Note: |Warning: |\s*$")
_STANDARD_ERROR = 2
_one_at_a_time = threading.Lock()


class ForwardSoundFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is only read onward.

    soundfile seeks after each block to where it already is. In an MP3 that loses what the decoder carries from frame
    to frame, and the samples after each block came out wrong by up to 0.6.
    """

    def seekable(self) -> bool:  # noqa: D102
        return False


def blocks(recording: ForwardSoundFile, *, talks: bool = False) -> Iterator[Block]:
    """All that can be decoded, up to the number of frames that libsndfile says there are.

    Args:
        recording: newly opened.
        talks: whether its decoder may write to standard error; it is not let.
    """
    size = max(1, BLOCK_SAMPLES // recording.channels)
    with ExitStack() as stack:
        sink = stack.enter_context(tempfile.TemporaryFile()) if talks else None
        while True:
            space = np.full((size, recording.channels), np.nan, np.float32)
            try:
                with _quiet(sink):
                    block: NDArray[np.float32] = recording.read(out=space)
            except DecodingError:
                # What was decoded up to the damage is there, though nothing says how much it is.
                unfilled = np.isnan(space).all(axis=1)
                block = space[: int(np.argmax(unfilled))] if unfilled.any() else space
                if len(block):
                    yield recording.samplerate, block
                return
            if not len(block):
                return
            yield recording.samplerate, block


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what libmpg123 writes to standard error, which nothing else stops, from the terminal."""
    with tempfile.TemporaryFile() as sink, _quiet(sink):
        yield


@contextmanager
def _quiet(sink: "BinaryIO | tempfile._TemporaryFileWrapper[bytes] | None") -> Iterator[None]:
    if sink is None:
        yield
        return
    # Standard error is the whole process's: two threads must not each put back what the other took away.
    with _one_at_a_time:
        try:
            kept = os.dup(_STANDARD_ERROR)
        except OSError:  # it is closed
            yield
            return
        try:
            os.dup2(sink.fileno(), _STANDARD_ERROR)
            yield
        finally:
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)
        sink.seek(0)
        written = sink.read()
        sink.seek(0)
        sink.truncate()
    # What another thread wrote meanwhile is not lost.
    others = b"".join(line for line in written.splitlines(keepends=True) if not _CHATTER.match(line))
    if others:
        os.write(_STANDARD_ERROR, others)
