"""Noise that nobody recorded: from a hiss to a rumble, as loud as in a quiet or a busy room."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE

STEEPEST: Final = 2.0
"""The spectrum's power falls with the frequency to a power drawn from 0, white noise, to this one, brown noise."""

LEVELS_DB: Final = (-60.0, -20.0)
"""RMS level between which noise is drawn, against full scale."""

_HUM = (50.0, 60.0)


def made_noise(seconds: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Noise (N,) at 16 kHz in [-1, 1]: of a drawn colour and level, that swells and ebbs, half of it with mains hum."""
    count = round(seconds * SAMPLE_RATE)
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20.0)
    colour = generator.uniform(0, STEEPEST)
    spectrum = np.fft.rfft(generator.standard_normal(count)) * frequencies ** (-colour / 2)
    noise = np.fft.irfft(spectrum, count)
    time = np.arange(count) / SAMPLE_RATE
    noise *= 1 + generator.uniform(0, 0.8) * np.sin(2 * np.pi * (generator.uniform(0.1, 2) * time + generator.random()))
    noise /= np.sqrt(np.mean(np.square(noise)))
    if generator.random() < 0.5:
        base = generator.choice(_HUM)
        noise += sum(np.sin(2 * np.pi * base * n * time) / n for n in range(1, 6)) * generator.uniform(0.1, 1.0)
        noise /= np.sqrt(np.mean(np.square(noise)))
    level = 10 ** (generator.uniform(*LEVELS_DB) / 20)
    made: NDArray[np.float32] = np.clip(level * noise, -1, 1).astype(np.float32)
    return made
