"""What happens to a wave on its way into training, so that the model meets more rooms, mouths and microphones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.errors import SettingsError

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class AugmentationSettings:
    """How far each change may go at full strength; 0 switches it off.

    ``speed`` is a share (0.1: between 0.9 and 1.1 times as fast; Ko et al., 2015), ``gain_db`` the range to either
    side, ``noise_probability`` the share of utterances mixed with noise at a ratio drawn between ``snr_db_low`` and
    ``snr_db_high``, ``narrow_probability`` the share that passes through a channel of 8 kHz, as a telephone's,
    ``edge_seconds`` the longest stretch of background added at either end.
    Strength ramps from 0 to full over ``ramp_epochs``: strong noise from the first update kept every loss flat.
    """

    speed: float = 0.1
    gain_db: float = 10.0
    noise_probability: float = 0.5
    snr_db_low: float = 5.0
    snr_db_high: float = 30.0
    narrow_probability: float = 0.15
    edge_seconds: float = 0.4
    ramp_epochs: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        for name in ("noise_probability", "narrow_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"augmentation: {name} is {getattr(self, name)}; it lies between 0 and 1")
        if not 0 <= self.speed < 0.5:
            raise SettingsError(f"augmentation: speed is {self.speed}; it is at least 0 and below 0.5")
        if not -math.inf < self.snr_db_low <= self.snr_db_high < math.inf:
            raise SettingsError(
                f"augmentation: noise from snr_db_low {self.snr_db_low} to snr_db_high {self.snr_db_high}; "
                "they are numbers of decibels, the low one not above the high one"
            )
        for name in ("gain_db", "edge_seconds", "ramp_epochs"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"augmentation: {name} is {getattr(self, name)}; it is a number from 0 up")

    def strength(self, epoch: int) -> float:
        """From 0 in the first epoch to 1 after the ramp."""
        return min(1.0, epoch / self.ramp_epochs) if self.ramp_epochs else 1.0


def change_speed(wave: Wave, factor: float) -> Wave:
    """Play ``factor`` times as fast, pitch and formants with it: (N,) → about (N / factor,)."""
    return np.asarray(soxr.resample(wave, SAMPLE_RATE * factor, SAMPLE_RATE), dtype=np.float32)


def narrow_band(wave: Wave) -> Wave:
    """What is left after a channel sampled at 8 kHz: nothing above 4 kHz. The length stays."""
    narrow = soxr.resample(soxr.resample(wave, SAMPLE_RATE, 8_000), 8_000, SAMPLE_RATE)
    return np.asarray(fit(narrow, len(wave)), dtype=np.float32)


def mix(wave: Wave, noise: Wave, snr_db: float) -> Wave:
    """Add noise (N,) so that speech stands ``snr_db`` above it; power is the mean square over the wave.

    A silent wave, or silent noise, gives no ratio to keep: the wave comes back as it was.
    """
    speech_power, noise_power = _power(wave), _power(noise)
    if speech_power <= 0 or noise_power <= 0:
        return wave
    return wave + noise * np.float32(np.sqrt(speech_power / noise_power * 10 ** (-snr_db / 10)))


def _power(wave: Wave) -> float:
    return float(np.mean(np.square(wave, dtype=np.float64))) if len(wave) else 0.0


def fit(wave: Wave, length: int) -> Wave:
    """Cut, or fill with zeros, to that many samples."""
    return wave[:length] if len(wave) >= length else np.pad(wave, (0, length - len(wave)))


def excerpt(noises: Sequence[Wave], length: int, rng: np.random.Generator) -> Wave:
    """That many samples from somewhere in one of the noises, which starts over where it is too short."""
    noise = noises[int(rng.integers(len(noises)))]
    start = int(rng.integers(len(noise)))
    return np.resize(np.roll(noise, -start) if len(noise) < length + start else noise[start:], length)


def augment(
    wave: Wave, noises: Sequence[Wave], settings: AugmentationSettings, strength: float, rng: np.random.Generator
) -> Wave:
    """One wave (N,) changed by draws from ``rng``; ``strength`` 0 to 1 scales how often and how much."""
    if settings.speed and strength:
        wave = change_speed(wave, 1.0 + strength * settings.speed * float(rng.uniform(-1, 1)))
    if settings.edge_seconds:
        # A third of the ends stay as they are: recordings cut close have another mean to be normalised by.
        drawn = rng.uniform(-0.5 * settings.edge_seconds, settings.edge_seconds, 2)
        before, after = (np.maximum(drawn, 0) * SAMPLE_RATE).astype(int)
        wave = np.pad(wave, (before, after))
    if noises and rng.random() < strength * settings.noise_probability:
        low = settings.snr_db_high - strength * (settings.snr_db_high - settings.snr_db_low)
        wave = mix(wave, excerpt(noises, len(wave), rng), float(rng.uniform(low, settings.snr_db_high)))
    if rng.random() < strength * settings.narrow_probability:
        wave = narrow_band(wave)
    if settings.gain_db:
        wave = wave * np.float32(10 ** (strength * settings.gain_db * float(rng.uniform(-1, 1)) / 20))
    # The faint hiss of any converter: digital zeros exist only in files.
    hiss = rng.standard_normal(len(wave), dtype=np.float32) * np.float32(10 ** rng.uniform(-5, -3.5))
    return np.clip(wave + hiss, -1.0, 1.0)
