"""MFCC on the batch's device (torchaudio), and the same numbers as a graph that ONNX can hold."""

import math
from typing import cast

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional

from asr.audio.features import EDGE_DB, LOUD_FRAMES, FeatureSettings

_NO_LEVEL = -1e4  # dB, of frames that are none


class Mfcc(nn.Module):
    """Waves to normalised MFCC: (B, N), lengths (B,) → features (B, T, F), feature lengths (B,).

    Waves are zero beyond their length, and the windows at both ends see zeros too, so that a padded row gets the
    features that it gets alone.
    """

    def __init__(self, settings: FeatureSettings) -> None:
        super().__init__()
        self.settings = settings
        self.transform = torchaudio.transforms.MFCC(
            sample_rate=settings.sample_rate,
            n_mfcc=settings.coefficients,
            log_mels=True,
            melkwargs={
                "n_fft": settings.fft_length,
                "win_length": settings.window_length,
                "hop_length": settings.hop_length,
                "f_min": settings.low_hz,
                "f_max": settings.high_hz,
                "n_mels": settings.mel_bands,
                "pad_mode": "constant",
            },
        )
        self.transform.MelSpectrogram.spectrogram.power = None  # complex: see log_mel

    def forward(
        self, waves: Tensor, lengths: Tensor, tracts: Tensor | None = None, hidden: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features of float32 waves in [-1, 1]; frames beyond a row's own length are zero.

        ``tracts`` (B,) are as in ``log_mel``. Bands that are ``hidden`` (B, bands) have no part in them.
        """
        frames = 1 + lengths // self.settings.hop_length
        # In single precision whatever runs around it: under bf16 autocast the products with filter bank and DCT put
        # the features a hundredth of their size off those of the runtime.
        with torch.autocast(waves.device.type, enabled=False):
            bands = self.log_mel(waves, tracts).transpose(1, 2)
            if hidden is not None:
                # Constant, whatever its value: normalising takes each coefficient's mean away.
                bands = bands.masked_fill(hidden.unsqueeze(1), 0.0)
            coefficients = bands @ cast(Tensor, self.transform.dct_mat)
            return normalise(with_deltas(coefficients, frames, self.settings.deltas), frames, self.settings), frames

    def log_mel(self, waves: Tensor, tracts: Tensor | None = None) -> Tensor:
        """Natural logarithm of the power in each mel band: (B, N) → (B, bands, T).

        ``tracts`` (B,) in float32 are lengths of vocal tracts beside the speaker's own (0.8 to 1.25): each row sounds
        as if said with one that is so many times as long, its resonances lower by that factor. Vocal tract length
        perturbation (Jaitly and Hinton, 2013), by bands that look elsewhere in the spectrum.
        """
        # torchaudio cannot take a wave of no samples; one zero has the same single frame.
        waves = functional.pad(waves, (0, max(0, 1 - waves.shape[1])))
        # Its own power is the square of a modulus, with a root that nobody wants: a 27th of a training step.
        power = torch.view_as_real(self.transform.MelSpectrogram.spectrogram(waves)).square().sum(dim=-1)
        if tracts is None:
            mel = cast(Tensor, self.transform.MelSpectrogram.mel_scale(power))
        else:
            bank = cast(Tensor, self.transform.MelSpectrogram.mel_scale.fb)
            mel = (moved(bank, tracts).transpose(1, 2) @ power).clamp(min=0)
        # torchaudio's own logarithm adds a fixed 1e-6; written out so that the floor is the setting's.
        return torch.log(mel + self.settings.log_floor)


class MfccGraph(nn.Module):
    """The features of one wave, (1, N) → (1, T, F), from operations that ONNX has.

    ONNX knows no complex numbers, so the Fourier transform is a convolution with windowed cosines and sines. Window,
    filter bank and DCT are those of the torchaudio transform, not a second definition.
    """

    def __init__(self, mfcc: Mfcc) -> None:
        super().__init__()
        self.settings = mfcc.settings
        size = self.settings.fft_length
        left = (size - self.settings.window_length) // 2
        window = functional.pad(
            mfcc.transform.MelSpectrogram.spectrogram.window.double(),
            (left, size - self.settings.window_length - left),
        )
        angle = torch.outer(torch.arange(size // 2 + 1).double(), torch.arange(size).double()) * (2 * torch.pi / size)
        kernel = torch.cat([angle.cos(), -angle.sin()]) * window
        self.register_buffer("kernel", kernel.float().unsqueeze(1))
        self.register_buffer("bank", mfcc.transform.MelSpectrogram.mel_scale.fb.clone())
        self.register_buffer("dct", mfcc.transform.dct_mat.clone())
        self.kernel: Tensor
        self.bank: Tensor
        self.dct: Tensor

    def forward(self, wave: Tensor) -> Tensor:
        """Normalised features of one float32 wave in [-1, 1]."""
        half = self.settings.fft_length // 2
        padded = functional.pad(wave.unsqueeze(1), (half, half))
        spectrum = functional.conv1d(padded, self.kernel, stride=self.settings.hop_length)
        real, imaginary = spectrum.chunk(2, dim=1)
        mel = (real.square() + imaginary.square()).transpose(1, 2) @ self.bank
        coefficients = torch.log(mel + self.settings.log_floor) @ self.dct
        derived = with_deltas(coefficients, None, self.settings.deltas)
        return normalise(derived, None, self.settings)


def moved(bank: Tensor, tracts: Tensor) -> Tensor:
    """Mel bands (K, bands) over K bins, moved along the frequencies for each of the ``tracts`` (B,): (B, K, bands).

    What lay at a frequency f is taken for f / tract up to 0.6 of the highest, and from there on along the straight
    line that leaves the highest where it is.
    """
    last = len(bank) - 1
    knee = 0.6 * last
    bins = torch.arange(len(bank), device=bank.device, dtype=bank.dtype)
    factors = 1 / tracts.to(bank).unsqueeze(1)
    # Where a longer tract would move the knee beyond the top, it lies lower.
    bend = knee * torch.clamp(1 / factors, max=1)
    above = (last - factors * bend) / (last - bend)
    places = torch.where(bins <= bend, bins * factors, last - (last - bins) * above)
    lower = places.floor().clamp(0, last - 1).long()
    share = (places - lower).unsqueeze(-1)
    return torch.lerp(bank[lower], bank[lower + 1], share)


def with_deltas(features: Tensor, frames: Tensor | None, orders: int) -> Tensor:
    """Append time derivatives: (B, T, C) → (B, T, C·(1 + orders)); each is the regression over two frames a side.

    Beyond a row's own frames its last frame is repeated, as it is before the first, so padding has no effect.
    """
    parts = [features]
    for _ in range(orders):
        parts.append(_delta(parts[-1], frames))
    return torch.cat(parts, dim=-1)


def _delta(features: Tensor, frames: Tensor | None) -> Tensor:
    if frames is not None:
        last = (frames - 1).view(-1, 1).expand(-1, features.shape[1])
        index = torch.minimum(torch.arange(features.shape[1], device=features.device), last)
        features = features.gather(1, index.unsqueeze(-1).expand_as(features))
    padded = torch.cat([features[:, :1]] * 2 + [features] + [features[:, -1:]] * 2, dim=1)
    near = padded[:, 3:-1] - padded[:, 1:-3]
    far = padded[:, 4:] - padded[:, :-4]
    return (near + 2 * far) / 10


def normalise(features: Tensor, frames: Tensor | None, settings: FeatureSettings) -> Tensor:
    """Mean 0 and variance 1 over the frames of a row (B, T, F) that count, each coefficient for itself.

    Without ``frames`` (B,) all T are the row's own; with them, those beyond are zero. The floor under the variance
    keeps an all but silent recording from being blown up into something like speech.
    """
    valid = None
    if frames is not None:
        valid = torch.arange(features.shape[1], device=features.device) < frames.unsqueeze(1)
    counts = frame_weights(features, valid, settings).unsqueeze(-1)
    total = counts.sum(dim=1, keepdim=True)
    mean = (features * counts).sum(dim=1, keepdim=True) / total
    centred = features - mean
    variance = (centred.square() * counts).sum(dim=1, keepdim=True) / total
    normal = centred / torch.sqrt(variance + settings.variance_floor)
    return normal if valid is None else normal * valid.unsqueeze(-1)


def frame_weights(features: Tensor, valid: Tensor | None, settings: FeatureSettings) -> Tensor:
    """How much each frame of (B, T, F) counts in the means, from 0 to 1: (B, T).

    A frame's level is the mean of its log mel bands, which is what the first coefficient is. It is compared with that
    of the recording's tenth loudest frame, which no silence, no fainter noise and no click of a few frames moves,
    however long the recording is. Where there are fewer frames than that, all count.
    """
    everywhere = torch.ones_like(features[..., 0])
    own = everywhere if valid is None else everywhere * valid
    if not settings.speech_range_db:
        return own
    level = features[..., 0] * (10 / math.log(10) / math.sqrt(settings.mel_bands))  # nats, orthonormal DCT → dB
    if valid is not None:
        level = level.masked_fill(~valid, _NO_LEVEL)
    nothing = torch.full_like(level[:, :1], _NO_LEVEL).expand(-1, LOUD_FRAMES)
    loud = torch.cat([level, nothing], dim=1).topk(LOUD_FRAMES, dim=1).values[:, -1:]
    return own * torch.sigmoid((level - loud + settings.speech_range_db) / EDGE_DB)
