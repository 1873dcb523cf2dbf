"""MFCC of one wave in numpy, for pictures: the numbers of ``asr.audio.mfcc``, which has torch and gradients."""

import math

import numpy as np
from numpy.typing import NDArray

from asr.audio.features import FeatureSettings, hertz, mel

Floats = NDArray[np.float32]


def log_mel_cepstra(wave: Floats, settings: FeatureSettings) -> Floats:
    """The cepstral coefficients (T, ``coefficients``) of a wave (N,), without deltas, each with mean 0 and variance 1.

    All frames count in mean and variance, whatever ``speech_range_db`` says.
    """
    size, hop = settings.fft_length, settings.hop_length
    padded = np.pad(wave.astype(np.float64), size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: settings.frames(len(wave))]
    left = (size - settings.window_length) // 2
    window = np.zeros(size)
    window[left : left + settings.window_length] = 0.5 - 0.5 * np.cos(
        2 * np.pi * np.arange(settings.window_length) / settings.window_length
    )
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    bands = np.log(power @ _filter_bank(settings) + settings.log_floor)
    cepstra = bands @ _dct(settings)
    centred = cepstra - cepstra.mean(axis=0)
    normal: Floats = (centred / np.sqrt((centred**2).mean(axis=0) + settings.variance_floor)).astype(np.float32)
    return normal


def _filter_bank(settings: FeatureSettings) -> NDArray[np.float64]:
    """Triangles on the mel scale: (bins, bands)."""
    edges = np.linspace(mel(settings.low_hz), mel(settings.high_hz), settings.mel_bands + 2)
    corners = np.array([hertz(edge) for edge in edges])
    bins = np.linspace(0, settings.sample_rate / 2, settings.fft_length // 2 + 1)[:, np.newaxis]
    widths = np.diff(corners)
    rising, falling = (bins - corners[:-2]) / widths[:-1], (corners[2:] - bins) / widths[1:]
    bank: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return bank


def _dct(settings: FeatureSettings) -> NDArray[np.float64]:
    """The orthonormal DCT-II: (bands, coefficients)."""
    bands = settings.mel_bands
    angles = np.outer(np.arange(bands) + 0.5, np.arange(settings.coefficients)) * (math.pi / bands)
    matrix: NDArray[np.float64] = np.cos(angles) * math.sqrt(2 / bands)
    matrix[:, 0] *= math.sqrt(0.5)
    return matrix
