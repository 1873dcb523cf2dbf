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
_BLOCK = 64  # samples of a product with a matrix, at least
_TAIL = 512  # samples at 16 kHz, in which all filters of a channel have rung out
_WINDOW, _HOP = 512, 128  # of the phase vocoder: 32 ms, as long as a voice stands still


def faster_length(samples: int, percent: int) -> int:
    """Samples that are left of so many when played at ``percent`` of the speed."""
    return -(-samples * 100 // percent)


def change_speed(waves: Tensor, percent: int) -> Tensor:
    """Play at ``percent`` of the speed, pitch and formants with it: (R, N) → (R, ``faster_length``)."""
    common = math.gcd(percent, 100)
    return resample(waves, percent // common, 100 // common, zeros=6)


def resample(waves: Tensor, old: int, new: int, *, zeros: int) -> Tensor:
    """From a rate of ``old`` to one of ``new``, small numbers without a common factor: (R, N) → (R, ⌈N · new / old⌉).

    With torchaudio's kernels, a windowed sinc of so many ``zeros`` to either side. Blocks of about a hundred samples
    are one product with a matrix each, on a CPU in a quarter of the time of torchaudio's strided convolution.
    """
    kernel, before = _resampling_kernel(old, new, zeros, waves.device)
    taps, step = kernel.shape[0], old * (kernel.shape[1] // new)
    length = -(-waves.shape[1] * new // old)
    blocks = -(-length // kernel.shape[1])
    padded = nn.functional.pad(waves, (before, (blocks - 1) * step + taps - before - waves.shape[1]))
    return (padded.unfold(1, taps, step) @ kernel).flatten(1)[:, :length]


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


def convolve(waves: Tensor, kernels: Tensor, length: int) -> Tensor:
    """Convolve rows (R, N) with a kernel each (R, K), or one for all (1, K): the first ``length`` of N + K - 1 samples.

    Overlap-save in blocks of a fixed size: half the work of one transform of the whole row, and the same numbers
    however wide the batch.
    """
    taps = kernels.shape[1]
    block = 2 ** math.ceil(math.log2(max(2 * taps, 2048)))
    hop = block - taps + 1
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
    narrow = _to_narrow(waves)
    narrow = convolve(narrow, _voice_band(waves.device), narrow.shape[1] + aside)[:, aside:]
    coded = functional.mu_law_encoding(narrow.clamp(-1, 1), 256)
    return _from_narrow(functional.mu_law_decoding(coded, 256), waves.shape[1])


def clip(waves: Tensor, decibels: Tensor) -> Tensor:
    """Drive each row so many ``decibels`` (R,) beyond full scale, cut it off there, and turn it down again."""
    limit = waves.abs().amax(1, keepdim=True) * 10 ** (-decibels[:, None] / 20)
    return waves.clamp(-limit, limit)


def _to_narrow(waves: Tensor) -> Tensor:
    # What rings on after the last row's end shapes that end on the way back.
    return resample(nn.functional.pad(waves, (0, _TAIL)), SAMPLE_RATE // _NARROW_RATE, 1, zeros=_SHARP)


def _from_narrow(waves: Tensor, length: int) -> Tensor:
    return resample(waves, 1, SAMPLE_RATE // _NARROW_RATE, zeros=_SHARP)[:, :length]


@functools.cache
def _resampling_kernel(old: int, new: int, zeros: int, device: torch.device) -> tuple[Tensor, int]:
    """A matrix (taps, block) that gives a block of samples, and the samples that it takes from before the block's."""
    made = transforms.Resample(old, new, lowpass_filter_width=zeros)
    single: Tensor = made.kernel[:, 0].T
    repeats = max(1, _BLOCK // new)
    kernel = single.new_zeros(len(single) + (repeats - 1) * old, repeats * new)
    for number in range(repeats):
        kernel[number * old : number * old + len(single), number * new : (number + 1) * new] = single
    return kernel.to(device), made.width


@functools.cache
def _voice_band(device: torch.device) -> Tensor:
    """A windowed-sinc band pass (1, taps) for 8 kHz."""
    time = torch.arange(_BAND_TAPS, dtype=torch.float64) - _BAND_TAPS // 2
    low, high = (2 * edge / _NARROW_RATE for edge in _VOICE_BAND)
    sinc = high * torch.sinc(high * time) - low * torch.sinc(low * time)
    window = torch.hamming_window(_BAND_TAPS, periodic=False, dtype=torch.float64)
    return (sinc * window).float()[None].to(device)
