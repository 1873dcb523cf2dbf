"""Pictures of a recording as text that a page can hold: waveform, mel spectrogram, and the MFCC that the model sees."""

import base64
import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr.audio.features import FeatureSettings
from asr.audio.load import SAMPLE_RATE

WIDTH, HEIGHT = 600, 80
"""The box of a waveform's path: x from 0 to WIDTH, full scale from 0 to HEIGHT."""

MFCC_LIMIT: Final = 3.0
"""Normalised coefficients beyond this, either way, have the colours of the ends."""

SPECTRUM_RANGE_DB: Final = 80.0
"""How far below the loudest point of a spectrogram its darkest colour is."""

_COLUMNS: Final = 1200  # of a picture, at most
_FFT, _HOP, _BANDS = 512, 160, 64


def waveform(wave: NDArray[np.float32]) -> str:
    """The outline of a wave (N,) as the path of an SVG: its highest sample in each column, then its lowest back."""
    edges = np.linspace(0, len(wave), min(len(wave), WIDTH), endpoint=False).astype(np.int64)
    high, low = np.maximum.reduceat(wave, edges), np.minimum.reduceat(wave, edges)
    # Where the wave stands still its outline has no inside; half a unit keeps it in sight.
    tops = (1 - high) * HEIGHT / 2 - 0.5
    bottoms = (1 - low) * HEIGHT / 2 + 0.5
    columns = np.linspace(0, WIDTH, len(edges))
    forth = [f"{x:.0f} {y:.1f}" for x, y in zip(columns, tops, strict=True)]
    back = [f"{x:.0f} {y:.1f}" for x, y in zip(columns[::-1], bottoms[::-1], strict=True)]
    return f"M{'L'.join([*forth, *back])}Z"


def mel_spectrogram(wave: NDArray[np.float32]) -> str:
    """The mel spectrogram of a wave (N,) by librosa, in dB, as the data URI of a PNG, low frequencies below."""
    import librosa  # here, because it takes a second to import

    # A window needs as many samples as it is long.
    padded = np.pad(wave, (0, max(0, _FFT - len(wave))))
    power = librosa.feature.melspectrogram(y=padded, sr=SAMPLE_RATE, n_fft=_FFT, hop_length=_HOP, n_mels=_BANDS)
    decibels = librosa.power_to_db(power, ref=np.max, top_db=SPECTRUM_RANGE_DB)
    return _png(1 + decibels / SPECTRUM_RANGE_DB, "magma")


def mfcc(wave: NDArray[np.float32], settings: FeatureSettings) -> str:
    """The normalised features of a wave (N,), as the encoder gets them, as the data URI of a PNG, the first below."""
    import torch

    from asr.audio.mfcc import Mfcc

    with torch.inference_mode():
        features, _ = Mfcc(settings)(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
    return _png((features[0].numpy().T / MFCC_LIMIT + 1) / 2, "RdBu_r")


def _png(values: NDArray[np.floating], colours: str) -> str:
    """Values (rows, columns) from 0 to 1, the first row below; long ones are averaged to at most 1,200 columns."""
    from matplotlib.image import imsave

    if values.shape[1] > _COLUMNS:
        edges = np.linspace(0, values.shape[1], _COLUMNS, endpoint=False).astype(np.int64)
        values = np.add.reduceat(values, edges, axis=1) / np.diff(edges, append=values.shape[1])
    file = io.BytesIO()
    imsave(file, values, vmin=0, vmax=1, cmap=colours, origin="lower", format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
