"""Where somebody speaks in a recording: the one rule for what the model is given to hear.

Everything that hears (transcription, commands, the microphone, measuring, calibrating) cuts recordings by this rule, so
that silence and noise around speech are no part of what is said. Training hears its recordings whole, between margins
of drawn length, so that where speech begins is nothing to learn, and normalises by loud frames, as the bundle does:

1. Samples below ``SOUND`` at both ends are no sound, and are not looked at.
2. What is left is brought to one level by its loudest sample, and silero's model of voices says of each chunk of 32 ms
   how likely somebody speaks in it. The chunks lie on a grid through the loudest sample, between a few of silence.
   A voice is a stretch that reaches ``VOICE`` and lasts ``SHORTEST_SECONDS``; it goes as far as the likelihood stays
   above ``EDGE``.
3. Speech begins and ends with a block of ``BLOCK`` samples, of a grid through the loudest sample as well, that lies no
   more than ``NEAR_BLOCKS`` from a voice and no more than ``QUIETEST_DB`` below the loudest of a voice within
   ``ROOM_SECONDS``.

The model finds voices, and loudness, which does not depend on what came before, the very sample. So digital silence of
any length before or after changes nothing, by 1; and quieter sounds there move the ends seldom (LOG.md has the table).
What lies far below the loudest voice is somebody else's, in another room, or no voice at all. The detector knows
nothing of one recording when it looks at the next.

The model is silero-vad 6.2 (``silero_vad.onnx`` is ``silero_vad_16k_sequence.onnx`` of its release 6.2.3 on PyPI, under
the MIT licence beside it), which hears many chunks at a time.
"""

import functools
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from asr.audio.levels import frame_powers
from asr.errors import AudioError

CHUNK: Final = 512
"""Samples at 16 kHz of which the model says one thing."""
BLOCK: Final = 640
"""Samples of the grid that the ends lie on: whole frames of features, also where four become one."""
SOUND: Final = np.float32(1e-4)
"""Samples below this (-80 dB of full scale) are no sound."""
VOICE: Final = 0.5
"""From this likelihood on there is a voice."""
EDGE: Final = 0.25
"""Below this likelihood there is none any more."""
SHORTEST_SECONDS: Final = 0.09
"""What is shorter is no voice: the shortest words last for longer, blows and clicks do not."""
NEAR_BLOCKS: Final = 4
"""Blocks before and after a voice in which there may be speech: the model hears a beginning late."""
QUIETEST_DB: Final = 20.0
"""Decibels below the loudest block of a voice at which speech ends."""
ROOM_SECONDS: Final = 10.0
"""From how far away the loudest block is taken: a long recording may have voices near and far."""
PAUSE_SECONDS: Final = 0.8
"""From this length on a pause parts two phrases, which are heard each by itself."""
LEVEL_SECONDS: Final = 1.5
"""From how far away a sample counts for how loud a phrase is."""
BACKGROUND_SECONDS: Final = 3.0
"""Of a stream whose quiet quarter is what lies behind the speech in it."""
FARTHEST_DB: Final = 30.0
"""Decibels below the loudest that is said near it at which a phrase is left out."""
MARGIN_SECONDS: Final = 0.3
"""Of the recording's own sound that is heard before and after speech: quiet consonants lie there."""

_RATE = 16_000  # at which every recording is read: asr.audio.load.SAMPLE_RATE
_LEVEL = np.float32(0.7)  # of the loudest sample, at which the model misses fewest words that were recorded quietly
_BACKGROUND = np.float32(0.02)
_BEFORE = 64  # samples of the chunk before that the model sees too
_AROUND = 16  # chunks of silence before and after: words that are cut close are missed without
_AT_ONCE = 512  # chunks, so that hours of sound need no memory
_MODEL = Path(__file__).with_name("silero_vad.onnx")


def find_speech(wave: NDArray[np.float32]) -> tuple[int, int] | None:
    """From where to where somebody speaks.

    Args:
        wave: samples (N,), float32 in [-1, 1] at 16 kHz; any N.

    Returns:
        (first sample, sample after the last), or None where nobody speaks. The speech is all between them, pauses
        included. Both lie on the grid of ``BLOCK``, so that the first may be as much before the wave and the last
        behind it; ``excerpt`` puts silence there.
    """
    pieces = find_pieces(wave)
    return (pieces[0][0], pieces[-1][1]) if pieces else None


def find_pieces(wave: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The pieces of a wave (N,) that ``find_speech`` finds the first and the last of, in order, each without a pause.

    Between two lies at least a ``BLOCK`` that is quiet.
    """
    bounds = _sound(wave)
    if bounds is None:
        return []
    first, last, loudest = bounds
    voices = _voices(speech_likelihoods(wave[first:last], loudest - first))
    if not voices:
        return []
    # Both grids go through the loudest sample, which is the beginning of a chunk and of a block.
    zero_chunk = -(-(loudest - first) // CHUNK) + _AROUND
    zero_block = -(-(loudest - first) // BLOCK) + 1
    powers = _powers(wave, loudest - zero_block * BLOCK, last + BLOCK)
    voiced, near = np.zeros(len(powers), bool), np.zeros(len(powers), bool)
    for begin, end in voices:
        begin_block = zero_block + (begin - zero_chunk) * CHUNK // BLOCK
        end_block = zero_block - (zero_chunk - end) * CHUNK // BLOCK
        voiced[max(begin_block, 0) : end_block] = True
        near[max(begin_block - NEAR_BLOCKS, 0) : end_block + NEAR_BLOCKS] = True
    around = round(ROOM_SECONDS * _RATE / BLOCK)
    peaks = sliding_window_view(np.pad(powers * voiced, around), 2 * around + 1).max(axis=1)
    loud = near & (powers >= peaks * 10 ** (-QUIETEST_DB / 10)) & (powers > 0)
    start = loudest - zero_block * BLOCK
    return [(start + begin * BLOCK, start + end * BLOCK) for begin, end in _runs(loud)]


def find_phrases(wave: NDArray[np.float32]) -> list[tuple[int, int]]:
    """From where to where somebody speaks (``find_pieces``), roughly, without a pause of ``PAUSE_SECONDS``.

    The wave (N,) may be a part of a recording with near and far speakers: each chunk is brought to the level of the
    loudest sample within ``LEVEL_SECONDS``, so that a loud sound elsewhere makes no difference. Left out is what lies
    more than ``FARTHEST_DB`` below the loudest that is said within ``ROOM_SECONDS`` of it.
    """
    bounds = _sound(wave)
    if bounds is None:
        return []
    first, last, loudest = bounds
    before, after = _chunks_around(last - first, loudest - first)
    start = loudest - before * CHUNK
    chunks = excerpt(wave, start, loudest + after * CHUNK).reshape(-1, CHUNK)
    near = round(LEVEL_SECONDS * _RATE / CHUNK)
    peaks = sliding_window_view(np.pad(np.abs(chunks).max(axis=1), near), 2 * near + 1).max(axis=1)
    gains = _LEVEL / np.maximum(peaks, abs(wave[loudest]) * np.float32(10 ** (-FARTHEST_DB / 20)))
    phrases: list[tuple[int, int]] = []
    for begin, end in _voices(speech_likelihoods(wave[first:last], loudest - first, gains)):
        if phrases and (begin - phrases[-1][1]) * CHUNK < PAUSE_SECONDS * _RATE:
            phrases[-1] = phrases[-1][0], end
        else:
            phrases.append((begin, end))
    powers = frame_powers(chunks)
    loud = [powers[begin:end].max() for begin, end in phrases]
    reach = round(ROOM_SECONDS * _RATE / CHUNK)
    around = [
        max(power for power, (b, e) in zip(loud, phrases, strict=True) if b < end + reach and e > begin - reach)
        for begin, end in phrases
    ]
    return [
        (start + begin * CHUNK, start + end * CHUNK)
        for (begin, end), power, most in zip(phrases, loud, around, strict=True)
        if power >= most * 10 ** (-FARTHEST_DB / 10)
    ]


def speech_likelihoods(
    wave: NDArray[np.float32], anchor: int, gains: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """How likely somebody speaks (0 to 1) in each chunk (T,) of a wave (N,) at 16 kHz in silence.

    A chunk begins at the sample ``anchor`` of the wave, which must not be zero. The chunks go from ``_AROUND`` before
    the one with the first sample to as many behind the one with the last. Each is made louder by ``gains`` (T,); where
    there are none all are, by what makes the anchor as loud as ``_LEVEL``.
    """
    session = _session()
    if gains is None:
        gains = np.full(sum(_chunks_around(len(wave), anchor)), _LEVEL / abs(wave[anchor]))
    state = {name: np.zeros((1, 1, 128), np.float32) for name in ("h", "c")}
    found: list[NDArray[np.float32]] = []
    place = 0
    for chunks in _chunks(wave, anchor):
        louder = chunks * gains[place : place + len(chunks), None]
        likelihoods, state["h"], state["c"] = session.run(None, {"input": louder, **state})
        found.append(likelihoods.reshape(-1))
        place += len(chunks)
    return np.concatenate(found)


class SpeechStream:
    """How likely somebody speaks in each chunk of a stream as it comes; one for each stream.

    What comes later cannot be known, so a chunk is brought to a level by what lately came: so loud that the background,
    the quiet quarter of ``BACKGROUND_SECONDS``, has peaks of ``_BACKGROUND``, unless the loudest sample of
    ``LEVEL_SECONDS`` would pass ``_LEVEL`` then. Made as loud as speech, the background hides words that follow it.
    """

    def __init__(self) -> None:
        self._state = {name: np.zeros((1, 1, 128), np.float32) for name in ("h", "c")}
        self._before = np.zeros(_BEFORE, np.float32)
        self._peaks: deque[np.float32] = deque(maxlen=round(BACKGROUND_SECONDS * _RATE / CHUNK))

    def __call__(self, chunk: NDArray[np.float32]) -> float:
        """The likelihood (0 to 1) for the next chunk (512,) of samples in [-1, 1] at 16 kHz."""
        self._peaks.append(np.abs(chunk).max())
        samples = np.concatenate([self._before, chunk])[None]
        self._before = chunk[-_BEFORE:]
        louder = samples * np.float32(self._gain())
        likelihood, self._state["h"], self._state["c"] = _session().run(None, {"input": louder, **self._state})
        return float(likelihood.reshape(-1)[0])

    def _gain(self) -> float:
        peaks = np.array(self._peaks)
        background = np.partition(peaks, len(peaks) // 4)[len(peaks) // 4]
        loudest = peaks[-round(LEVEL_SECONDS * _RATE / CHUNK) :].max()
        return float(min(_BACKGROUND / max(background, SOUND), _LEVEL / max(loudest, SOUND)))


def _sound(wave: NDArray[np.float32]) -> tuple[int, int, int] | None:
    """The first sample of sound in a wave (N,), the one after the last, and the loudest; None where there is none."""
    sound = (wave >= SOUND) | (wave <= -SOUND)
    if not sound.any():
        return None
    loudest = max(int(np.argmax(wave)), int(np.argmin(wave)), key=lambda place: (abs(wave[place]), -place))
    return int(np.argmax(sound)), len(wave) - int(np.argmax(sound[::-1])), loudest


def _chunks_around(samples: int, anchor: int) -> tuple[int, int]:
    """How many chunks of a wave lie before its sample ``anchor``, and from there on."""
    return -(-anchor // CHUNK) + _AROUND, -(-(samples - anchor) // CHUNK) + _AROUND


def _chunks(wave: NDArray[np.float32], anchor: int) -> Iterator[NDArray[np.float32]]:
    """The chunks (t, 64 + 512) of a wave, each with the end of the one before it, as many as are heard at once."""
    before, after = _chunks_around(len(wave), anchor)
    place, end = anchor - before * CHUNK, anchor + after * CHUNK
    while place < end:
        count = min(_AT_ONCE, (end - place) // CHUNK)
        samples = excerpt(wave, place - _BEFORE, place + count * CHUNK)
        yield sliding_window_view(samples, _BEFORE + CHUNK)[::CHUNK]
        place += count * CHUNK


def excerpt(wave: NDArray[np.float32], start: int, end: int) -> NDArray[np.float32]:
    """The samples (end - start,) of a wave (N,) from ``start`` to ``end``; zeros where they lie outside it."""
    inside = wave[max(start, 0) : max(end, 0)]
    before = min(max(-start, 0), end - start)
    return np.pad(inside, (before, end - start - before - len(inside)))


def _voices(likelihoods: NDArray[np.float32]) -> list[tuple[int, int]]:
    """(first chunk, chunk after the last) of each voice among the likelihoods (T,)."""
    return [
        (begin, end)
        for begin, end in _runs(likelihoods >= EDGE)
        if likelihoods[begin:end].max() >= VOICE and (end - begin) * CHUNK >= SHORTEST_SECONDS * _RATE
    ]


def _powers(wave: NDArray[np.float32], start: int, end: int) -> NDArray[np.float64]:
    """Power (B,) of each block of a wave (N,) from the sample ``start`` until the block that holds ``end``."""
    count = -(-(end - start) // BLOCK)
    found = []
    for block in range(0, count, _AT_ONCE):
        place, blocks = start + block * BLOCK, min(_AT_ONCE, count - block)
        found.append(frame_powers(excerpt(wave, place, place + blocks * BLOCK).reshape(blocks, BLOCK)))
    return np.concatenate(found)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, one after the last) of each run of true values (T,)."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


@functools.cache
def _session() -> Any:
    """Silero's model, loaded once, to run on one thread. Raises AudioError where its file cannot be used."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # it raises what it would write to standard error
    try:
        return onnxruntime.InferenceSession(_MODEL, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's classes share no other base
        reason = " ".join(str(error).split())[:300]
        raise AudioError(
            f"{_MODEL}: cannot be loaded ({reason}), wanted the model of voices; install asr again"
        ) from error
