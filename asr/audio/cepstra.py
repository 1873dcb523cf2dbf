"""MFCC of one wave in numpy, for pictures: the numbers of ``asr.audio.mfcc``, which has torch and gradients."""

import math

import numpy as np
from numpy.typing import NDArray

from asr.audio.features import EDGE_DB, LOUD_FRAMES, FeatureSettings, hertz, mel

Floats = NDArray[np.float32]


def log_mel_cepstra(wave: Floats, settings: FeatureSettings) -> Floats:
    """The cepstral coefficients (T, ``coefficients``) of a wave (N,), without deltas, each with mean 0 and variance 1
    over the frames that count.
    """
    return cepstra_of(log_mel(wave, settings), settings)


def log_mel(wave: Floats, settings: FeatureSettings) -> Floats:
    """Natural logarithm of the power in each mel band: (N,) → (T, bands)."""
    size, hop = settings.fft_length, settings.hop_length
    padded = np.pad(wave.astype(np.float64), size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: settings.frames(len(wave))]
    left = (size - settings.window_length) // 2
    window = np.zeros(size)
    window[left : left + settings.window_length] = 0.5 - 0.5 * np.cos(
        2 * np.pi * np.arange(settings.window_length) / settings.window_length
    )
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    bands: Floats = np.log(power @ _filter_bank(settings) + settings.log_floor).astype(np.float32)
    return bands


def cepstra_of(bands: Floats, settings: FeatureSettings) -> Floats:
    """What ``log_mel`` gives (T, bands) as normalised coefficients (T, ``coefficients``)."""
    cepstra = bands @ _dct(settings)
    counts = _frame_weights(cepstra, settings)[:, np.newaxis]
    centred = cepstra - (cepstra * counts).sum(axis=0) / counts.sum()
    variance = (centred**2 * counts).sum(axis=0) / counts.sum()
    normal: Floats = (centred / np.sqrt(variance + settings.variance_floor)).astype(np.float32)
    return normal


def band_centres(settings: FeatureSettings) -> Floats:
    """The frequency in Hz to which each mel band listens most: (bands,)."""
    return _corners(settings)[1:-1].astype(np.float32)


def _corners(settings: FeatureSettings) -> NDArray[np.float64]:
    """Where in Hz the triangles begin, have their tops and end: (bands + 2,)."""
    edges = np.linspace(mel(settings.low_hz), mel(settings.high_hz), settings.mel_bands + 2)
    return np.array([hertz(edge) for edge in edges])


def _frame_weights(cepstra: NDArray[np.float64], settings: FeatureSettings) -> NDArray[np.float64]:
    """How much each frame of (T, C) counts in the means, from 0 to 1: (T,)."""
    if not settings.speech_range_db or len(cepstra) < LOUD_FRAMES:
        return np.ones(len(cepstra))
    level = cepstra[:, 0] * (10 / math.log(10) / math.sqrt(settings.mel_bands))
    loud = np.sort(level)[-LOUD_FRAMES]
    weights: NDArray[np.float64] = 0.5 * (1 + np.tanh((level - loud + settings.speech_range_db) / EDGE_DB / 2))
    return weights


def _filter_bank(settings: FeatureSettings) -> NDArray[np.float64]:
    """Triangles on the mel scale: (bins, bands)."""
    corners = _corners(settings)
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
