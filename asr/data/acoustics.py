"""What mouths, rooms and channels do to waves, in torch, several rows at a time.

Rows (R, N) float32 at 16 kHz are padded with zeros, and stand alone: nothing here lets one reach into another, and
zeros beyond a row's end change nothing before it. Results run on beyond a row's end where a filter rings; the caller,
who knows the lengths, cuts there.
"""

import functools
import math

import torch
from torch import Tensor, nn
from torchaudio import functional, transforms

from asr.audio.load import SAMPLE_RATE

_NARROW_RATE = 8_000
_SHARP = 16  # zero crossings of the resampling filter to either side; torchaudio's 6 leave a third of an octave
_VOICE_BAND = (300.0, 3400.0)  # Hz
_BAND_TAPS = 255  # at 8 kHz: edges of about 100 Hz
_TAIL = 512  # samples at 16 kHz, in which all filters of a channel have rung out
_WINDOW, _HOP = 512, 128  # of the phase vocoder: 32 ms, as long as a voice stands still


def faster_length(samples: int, percent: int) -> int:
    """Samples that are left of so many when played at ``percent`` of the speed."""
    return -(-samples * 100 // percent)


def change_speed(waves: Tensor, percent: int) -> Tensor:
    """Play at ``percent`` of the speed, pitch and formants with it: (R, N) → (R, ``faster_length``)."""
    common = math.gcd(percent, 100)
    changed: Tensor = _resampler(percent // common, 100 // common, 6, waves.device)(waves)
    return changed


def change_tempo(waves: Tensor, percent: int) -> Tensor:
    """Speak at ``percent`` of the tempo in the same voice: (R, N) → (R, ``faster_length``); a phase vocoder."""
    length = faster_length(waves.shape[1], percent)
    window = torch.hann_window(_WINDOW, device=waves.device)
    # A window's length of zeros more, so that frames about a row's end are the same however wide the batch.
    padded = nn.functional.pad(waves, (0, 2 * _WINDOW))
    spectra = torch.stft(padded, _WINDOW, _HOP, window=window, pad_mode="constant", return_complex=True)
    advance = torch.linspace(0, math.pi * _HOP, spectra.shape[1], device=waves.device)[:, None]
    spectra = functional.phase_vocoder(spectra, percent / 100, advance)
    changed: Tensor = torch.istft(spectra, _WINDOW, _HOP, window=window)
    return changed[:, :length]


def convolve(waves: Tensor, kernels: Tensor) -> Tensor:
    """Convolve rows (R, N) with a kernel each (R, K), or one for all (1, K): (R, N + K - 1).

    Overlap-save in blocks of a fixed size: half the work of one transform of the whole row, and the same numbers
    however wide the batch.
    """
    taps = kernels.shape[1]
    block = 2 ** math.ceil(math.log2(max(2 * taps, 2048)))
    hop = block - taps + 1
    length = waves.shape[1] + taps - 1
    hops = -(-length // hop)
    padded = nn.functional.pad(waves, (taps - 1, hops * hop - waves.shape[1]))
    spectra = torch.fft.rfft(padded.unfold(1, block, hop)) * torch.fft.rfft(kernels, n=block)[:, None]
    blocks: Tensor = torch.fft.irfft(spectra, n=block)
    return blocks[:, :, taps - 1 :].flatten(1)[:, :length]


def narrow_band(waves: Tensor) -> Tensor:
    """What is left after a channel sampled at 8 kHz: nothing above 4 kHz. (R, N) → (R, N)."""
    return _from_narrow(_to_narrow(waves), waves.shape[1])


def telephone(waves: Tensor) -> Tensor:
    """What a landline leaves: 300 to 3400 Hz, at 8 kHz in the 8 bits of the mu-law (G.711). (R, N) → (R, N)."""
    aside = _BAND_TAPS // 2
    narrow = convolve(_to_narrow(waves), _voice_band(waves.device))[:, aside:-aside]
    coded = functional.mu_law_encoding(narrow.clamp(-1, 1), 256)
    return _from_narrow(functional.mu_law_decoding(coded, 256), waves.shape[1])


def clip(waves: Tensor, decibels: Tensor) -> Tensor:
    """Drive each row so many ``decibels`` (R,) beyond full scale, cut it off there, and turn it down again."""
    limit = waves.abs().amax(1, keepdim=True) * 10 ** (-decibels[:, None] / 20)
    return waves.clamp(-limit, limit)


def _to_narrow(waves: Tensor) -> Tensor:
    # What rings on after the last row's end shapes that end on the way back.
    padded = nn.functional.pad(waves, (0, _TAIL))
    narrow: Tensor = _resampler(SAMPLE_RATE // _NARROW_RATE, 1, _SHARP, waves.device)(padded)
    return narrow


def _from_narrow(waves: Tensor, length: int) -> Tensor:
    wide: Tensor = _resampler(1, SAMPLE_RATE // _NARROW_RATE, _SHARP, waves.device)(waves)
    return wide[:, :length]


@functools.cache
def _resampler(old: int, new: int, width: int, device: torch.device) -> transforms.Resample:
    """Kept, because making the kernel takes longer than using it."""
    return transforms.Resample(old, new, lowpass_filter_width=width).to(device)


@functools.cache
def _voice_band(device: torch.device) -> Tensor:
    """A windowed-sinc band pass (1, taps) for 8 kHz."""
    time = torch.arange(_BAND_TAPS, dtype=torch.float64) - _BAND_TAPS // 2
    low, high = (2 * edge / _NARROW_RATE for edge in _VOICE_BAND)
    sinc = high * torch.sinc(high * time) - low * torch.sinc(low * time)
    window = torch.hamming_window(_BAND_TAPS, periodic=False, dtype=torch.float64)
    return (sinc * window).float()[None].to(device)
