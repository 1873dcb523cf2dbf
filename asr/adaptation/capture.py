"""One take of a sentence: heard from a microphone until the speech is over, and judged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.data.inspection.faults import FASTEST, FULL_SCALE, MOST_CLIPPED, measure
from asr.runtime.endpoint import Endpointer, EndpointSettings, Segment, frame_levels

Floats = NDArray[np.float32]

PATIENCE: Final = 10.0
"""Seconds without speech after which a take ends."""

SETTLING: Final = 0.25
"""Seconds of background before the speaker is asked to begin, to tell speech from it."""

QUIET_DB: Final = -42.0
"""Level in dBFS that the loudest tenth of a second should reach; most recordings of people come to -30 to -15."""

# Whoever reads a sentence from a screen pauses for longer than who means it.
_SETTINGS: Final = EndpointSettings(hangover_seconds=0.9)
_CONTRAST_DB: Final = 10.0  # between background and speech, below which an edge says nothing
_LOUDEST: Final = 10  # frames that speech is at least loud for
_END: Final = 10  # frames at the end of a take that should be quiet


@dataclass(frozen=True, eq=False)
class Take:
    """What was heard: ``wave`` (N,) at 16 kHz with margins, N = 0 where no speech was; and what is wrong with it.

    A fault is one line that says what was found and what to do.
    """

    wave: Floats
    level: float
    """The loudest tenth of a second in dBFS."""
    faults: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.wave) / SAMPLE_RATE


def capture(
    blocks: Iterable[Floats], text: str, seen: Callable[[Floats, bool], None], *, patience: float = PATIENCE
) -> Take:
    """Hear one utterance of a text; ends by itself after the speech, or when none comes.

    Args:
        blocks: the sound, samples (n,), float32 at 16 kHz, from before the speaker is asked to begin.
        text: what is to be said, in normal form.
        seen: told each block, and whether the speaker may begin.
        patience: seconds to wait for speech.

    Raises:
        AsrError: from the blocks.
    """
    endpointer = Endpointer(_SETTINGS)
    heard: list[Floats] = []
    samples = 0
    found: list[Segment] = []
    for block in blocks:
        heard.append(block)
        samples += len(block)
        seen(block, samples >= SETTLING * SAMPLE_RATE)
        found = endpointer.feed(block)
        if found or (samples >= patience * SAMPLE_RATE and not endpointer.speaking):
            break
    found = found or endpointer.flush()
    stream = np.concatenate([*heard, np.zeros(0, np.float32)])
    wave = found[0].wave if found else np.zeros(0, np.float32)
    return Take(wave, measure(wave).level, tuple(_faults(stream, wave, text)))


def _faults(stream: Floats, wave: Floats, text: str) -> list[str]:
    if not np.any(stream):
        return ["the microphone gives nothing but digital silence: unmute it, or choose another with --device"]
    levels = frame_levels(stream)
    floor, loudest = np.percentile(levels, 10), np.sort(levels)[-_LOUDEST:].min(initial=0.0)
    middle = (floor + loudest) / 2

    def loud(frames: NDArray[np.float64]) -> bool:
        # The median: a click of the key that was pressed is over in a few frames.
        return bool(len(frames) and loudest - floor > _CONTRAST_DB and np.median(frames) > middle)

    found = []
    if loud(levels[: round(SETTLING * SAMPLE_RATE) * 100 // SAMPLE_RATE]):
        found.append("the beginning is cut off: wait for the sign before you speak")
    if not len(wave):
        heard = "no voice stood out from the background: speak up or come closer, or choose another with --device"
        return found or [heard]
    if loud(frame_levels(wave)[-_END:]):
        found.append("the end is cut off: say the sentence and nothing more, in a quiet place")
    measures = measure(wave)
    if measures.clipped > MOST_CLIPPED:
        found.append(
            f"it is clipped, {measures.clipped:.1%} of the samples are at {FULL_SCALE:.1%} of full scale or more: "
            "turn the microphone down, or speak from further away"
        )
    if measures.level < QUIET_DB:
        found.append(
            f"it is too quiet, {measures.level:.0f} dBFS at its loudest: turn the microphone up, or come closer"
        )
    margins = _SETTINGS.pre_roll_seconds + _SETTINGS.post_roll_seconds
    spoken = max(len(wave) / SAMPLE_RATE - margins, 1 / FASTEST)
    if len(text) / spoken > FASTEST:
        found.append(f"it is too short, {spoken:.2f} s of speech for {text!r}: say all of it, without a long pause")
    return found
