"""How loud the frames of a wave are, where speech is told from its background."""

import numpy as np
from numpy.typing import NDArray

# So that hum counts for less and the hiss of an "s" for more. Measured on real clips in seven noises at 15 dB: 0 is
# drowned by rooms and 0.97 by rain, 0.7 withstands both.
_PRE_EMPHASIS = np.float32(0.7)


def frame_powers(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean square (T,) of frames (T, n) after pre-emphasis; each depends on its own frame only."""
    steps = frames[:, 1:] - _PRE_EMPHASIS * frames[:, :-1]
    powers: NDArray[np.float64] = np.square(steps, dtype=np.float64).mean(axis=1)
    return powers
