"""Where somebody speaks in a recording: the one rule for what the model is given to hear.

Everything that hears (transcription, commands, the microphone, measuring, calibrating) and everything that trains cuts
recordings by this rule, so that silence and noise around speech are no part of what is said:

1. Samples below ``SOUND`` at both ends are no sound, and are not looked at.
2. What is left is brought to one level by its loudest sample, and silero's model of voices says of each chunk of 32 ms
   how likely somebody speaks in it. The chunks lie on a grid through the loudest sample, between a few of silence.
3. Speech is a stretch that reaches ``SPEECH`` and lasts ``SHORTEST_SECONDS``; it begins and ends where the likelihood
   falls below ``EDGE``. Its ends are moved outward to the next multiple of ``STEP`` from the loudest sample.

Digital silence of any length before or after changes nothing, sample for sample, by 1. Other quiet sounds there leave
the loudest sample where it is, so by the grids of 2 and 3 the ends move by no more than whole steps, and the frames of
the features stay in phase; the detector knows nothing of one recording when it looks at the next.

The model is silero-vad 6.2 (``silero_vad.onnx`` is ``silero_vad_16k_sequence.onnx`` of its release 6.2.3 on PyPI, under
the MIT licence beside it), which hears many chunks at a time.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CHUNK: Final = 512
"""Samples at 16 kHz of which the model says one thing."""
SOUND: Final = np.float32(1e-4)
"""Samples below this (-80 dB of full scale) are no sound."""
SPEECH: Final = 0.5
"""From this likelihood on somebody speaks."""
EDGE: Final = 0.25
"""Below this likelihood nobody speaks any more."""
SHORTEST_SECONDS: Final = 0.09
"""What is shorter is no speech: the shortest words last for longer, blows and clicks do not."""
STEP: Final = 640
"""Samples of the grid that the ends lie on: whole frames of features, also where four become one."""

_RATE = 16_000  # at which every recording is read: asr.audio.load.SAMPLE_RATE
_LEVEL = np.float32(0.7)  # of the loudest sample, at which the model misses fewest words that were recorded quietly
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
        included. They lie on the grid of ``STEP``, so that the first may be as much before the wave and the last behind
        it.
    """
    stretches = find_stretches(wave)
    return (stretches[0][0], stretches[-1][1]) if stretches else None


def find_stretches(wave: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The stretches of a wave (N,) in which somebody speaks, in order; each as ``find_speech`` gives all of them."""
    sound = (wave >= SOUND) | (wave <= -SOUND)
    if not sound.any():
        return []
    first, last = int(np.argmax(sound)), len(wave) - int(np.argmax(sound[::-1]))
    loudest = max(int(np.argmax(wave)), int(np.argmin(wave)), key=lambda place: (abs(wave[place]), -place))
    likelihoods = speech_likelihoods(wave[first:last], loudest - first)
    zero = -(-(loudest - first) // CHUNK) + _AROUND  # the chunk that the loudest sample begins
    return [
        (loudest + (begin - zero) * CHUNK // STEP * STEP, loudest - (zero - end) * CHUNK // STEP * STEP)
        for begin, end in _stretches(likelihoods)
    ]


def speech_likelihoods(wave: NDArray[np.float32], anchor: int) -> NDArray[np.float32]:
    """How likely somebody speaks (0 to 1) in each chunk (T,) of a wave (N,) at 16 kHz in silence.

    A chunk begins at the sample ``anchor`` of the wave, which becomes as loud as ``_LEVEL`` and must not be zero. The
    chunks go from ``_AROUND`` before the one with the first sample to as many behind the one with the last.
    """
    session = _session()
    gain = _LEVEL / abs(wave[anchor])
    state = {name: np.zeros((1, 1, 128), np.float32) for name in ("h", "c")}
    found = []
    for chunks in _chunks(wave, anchor):
        likelihoods, state["h"], state["c"] = session.run(None, {"input": chunks * gain, **state})
        found.append(likelihoods.reshape(-1))
    return np.concatenate(found)


def _chunks(wave: NDArray[np.float32], anchor: int) -> Iterator[NDArray[np.float32]]:
    """The chunks (t, 64 + 512) of a wave, each with the end of the one before it, as many as are heard at once."""
    place = anchor - (-(-anchor // CHUNK) + _AROUND) * CHUNK
    end = anchor + (-(-(len(wave) - anchor) // CHUNK) + _AROUND) * CHUNK
    while place < end:
        count = min(_AT_ONCE, (end - place) // CHUNK)
        samples = excerpt(wave, place - _BEFORE, place + count * CHUNK)
        yield np.lib.stride_tricks.sliding_window_view(samples, _BEFORE + CHUNK)[::CHUNK]
        place += count * CHUNK


def excerpt(wave: NDArray[np.float32], start: int, end: int) -> NDArray[np.float32]:
    """The samples (end - start,) of a wave (N,) from ``start`` to ``end``; zeros where they lie outside it."""
    inside = wave[max(start, 0) : max(end, 0)]
    before = min(max(-start, 0), end - start)
    return np.pad(inside, (before, end - start - before - len(inside)))


def _stretches(likelihoods: NDArray[np.float32]) -> list[tuple[int, int]]:
    """(first chunk, chunk after the last) of each stretch of speech among the likelihoods (T,)."""
    steps = np.flatnonzero(np.diff((likelihoods >= EDGE).astype(np.int8), prepend=0, append=0))
    return [
        (int(begin), int(end))
        for begin, end in steps.reshape(-1, 2)
        if likelihoods[begin:end].max() >= SPEECH and (end - begin) * CHUNK >= SHORTEST_SECONDS * _RATE
    ]


@functools.cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_MODEL, options, providers=["CPUExecutionProvider"])
