"""What happens to waves on their way into training, so that the model meets more rooms, mouths and microphones."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation.acoustics import (
    change_speed,
    change_tempo,
    clip,
    convolve,
    faster_length,
    narrow_band,
    telephone,
)
from asr.data.augmentation.bank import WaveBank
from asr.errors import SettingsError

_HISS_SAMPLES = 2**20
# One number from 0 to 1 is drawn for each, used or not, so that no switch changes what another draws.
_DRAWS = (
    *("speed", "tempo", "tempo_if", "before", "after", "reverb_if", "impulse", "noise_if", "noise", "noise_at", "snr"),
    *("narrow_if", "telephone_if", "clipping_if", "clipping", "gain", "hiss", "hiss_at"),
)


@dataclass(frozen=True)
class AugmentationSettings:
    """How far each change may go at full strength; 0 switches it off.

    Speed is that of Ko et al., "Audio augmentation for speech recognition", 2015, reverberation that of Ko et al., "A
    study on data augmentation of reverberant speech for robust speech recognition", 2017. With ``speed`` and ``tempo``
    both on, voices shift apart from how fast they speak, as vocal tracts of other lengths do. Strong noise from the
    first update kept every loss flat, so there is a ramp.
    """

    speed: float = 0.1
    """Changes the speed, pitch and formants with it; 0.1 is 0.9 to 1.1 times as fast, in steps of a hundredth."""
    gain_db: float = 10.0
    """Changes the level by up to so many decibels, up or down."""
    noise_probability: float = 0.5
    """Share of utterances that are mixed with noise."""
    snr_db_low: float = 5.0
    """The lowest SNR of that noise, in decibels."""
    snr_db_high: float = 30.0
    """The highest SNR of that noise, in decibels."""
    narrow_probability: float = 0.15
    """Share of utterances that pass through a channel of 8 kHz sample rate."""
    edge_seconds: float = 0.4
    """The longest stretch of background that is added at either end."""
    ramp_epochs: float = 10.0
    """Epochs in which all changes rise from none to full strength."""
    tempo: float = 0.0
    """Changes the speed like ``speed``, but leaves the voice as it is; takes more time than all other changes
    together."""
    tempo_probability: float = 0.3
    """Share of utterances for which a tempo is drawn."""
    reverb_probability: float = 0.3
    """Share of utterances that are heard in a room, where there are impulse responses."""
    telephone_probability: float = 0.1
    """Share of utterances that come over a landline (300 to 3400 Hz, G.711's mu-law)."""
    clipping_probability: float = 0.05
    """Share of utterances that are clipped."""
    clipping_db: float = 12.0
    """How much too loud clipped utterances were recorded at most, in decibels."""
    hiss: float = 3.2e-4
    """The loudest converter noise as an RMS amplitude, the faintest being 30 dB below: digital zeros exist only in
    files."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        for kind in ("noise", "narrow", "tempo", "reverb", "telephone", "clipping"):
            name = f"{kind}_probability"
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"augmentation: {name} is {getattr(self, name)}; it lies between 0 and 1")
        for name in ("speed", "tempo"):
            if not 0 <= getattr(self, name) < 0.5:
                raise SettingsError(f"augmentation: {name} is {getattr(self, name)}; it is at least 0 and below 0.5")
        if not -math.inf < self.snr_db_low <= self.snr_db_high < math.inf:
            raise SettingsError(
                f"augmentation: noise from snr_db_low {self.snr_db_low} to snr_db_high {self.snr_db_high}; "
                "they are numbers of decibels, the low one not above the high one"
            )
        for name in ("gain_db", "edge_seconds", "ramp_epochs", "clipping_db", "hiss"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"augmentation: {name} is {getattr(self, name)}; it is a number from 0 up")

    def strength(self, epoch: int) -> float:
        """From 0 in the first epoch to 1 after the ramp."""
        return min(1.0, epoch / self.ramp_epochs) if self.ramp_epochs else 1.0


@dataclass(frozen=True)
class _Draws:
    """What was drawn for each row of a batch, all (B,)."""

    speed: NDArray[np.int64]  # percent
    tempo: NDArray[np.int64]  # percent
    before: NDArray[np.int64]  # samples
    after: NDArray[np.int64]  # samples
    reverb: NDArray[np.bool_]
    impulse: NDArray[np.float64]  # which, as a share of all
    noise: NDArray[np.bool_]
    noise_which: NDArray[np.float64]
    noise_at: NDArray[np.float64]
    snr_db: NDArray[np.float64]
    narrow: NDArray[np.bool_]
    telephone: NDArray[np.bool_]
    clipping: NDArray[np.bool_]
    clipping_db: NDArray[np.float64]
    gain: NDArray[np.float64]  # a factor
    hiss: NDArray[np.float64]  # RMS amplitude
    hiss_at: NDArray[np.float64]


def _drawn(seeds: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Every row by its own seed, on the CPU, so that a row draws the same in any batch and on any device."""
    table = np.stack([np.random.default_rng(seed).random(len(_DRAWS)) for seed in seeds], axis=1)
    return dict(zip(_DRAWS, table, strict=True))


def _draw_lengths(
    settings: AugmentationSettings, drawn: Mapping[str, NDArray[np.float64]], strength: float
) -> dict[str, NDArray[np.int64]]:
    """Of what changes a row's length: ``speed`` and ``tempo``, ``before`` and ``after``."""

    def percent(name: str, share: float) -> NDArray[np.int64]:
        return np.asarray(np.rint(100 * (1 + strength * share * (2 * drawn[name] - 1))), dtype=np.int64)

    def edge(name: str) -> NDArray[np.int64]:
        # A third of the ends stay as they are: recordings cut close have another mean to be normalised by.
        longest = settings.edge_seconds * SAMPLE_RATE
        return np.asarray(np.maximum(1.5 * drawn[name] - 0.5, 0) * longest, dtype=np.int64)

    hurried = drawn["tempo_if"] < strength * settings.tempo_probability
    return {
        "speed": percent("speed", settings.speed),
        "tempo": np.where(hurried, percent("tempo", settings.tempo), 100),
        "before": edge("before"),
        "after": edge("after"),
    }


def _draw(settings: AugmentationSettings, seeds: Sequence[int], strength: float) -> _Draws:
    drawn = _drawn(seeds)

    def chosen(name: str, probability: float) -> NDArray[np.bool_]:
        return np.asarray(drawn[f"{name}_if"] < strength * probability)

    return _Draws(
        **_draw_lengths(settings, drawn, strength),
        reverb=chosen("reverb", settings.reverb_probability),
        impulse=drawn["impulse"],
        noise=chosen("noise", settings.noise_probability),
        noise_which=drawn["noise"],
        noise_at=drawn["noise_at"],
        snr_db=settings.snr_db_high - strength * (settings.snr_db_high - settings.snr_db_low) * drawn["snr"],
        narrow=chosen("narrow", settings.narrow_probability),
        telephone=chosen("telephone", settings.telephone_probability),
        clipping=chosen("clipping", settings.clipping_probability),
        clipping_db=strength * settings.clipping_db * drawn["clipping"],
        gain=10 ** (strength * settings.gain_db * (2 * drawn["gain"] - 1) / 20),
        hiss=settings.hiss * 10 ** (-1.5 * drawn["hiss"]),
        hiss_at=drawn["hiss_at"],
    )


class Augmenter:
    """Batches of waves in, the same batches as others might have said, heard and recorded them out.

    The order is that of the world: the mouth (speed, tempo), the stretches around the utterance, the room, its noises,
    the channel (narrow band, telephone, clipping, gain), and the hiss; the result is kept within -1 to 1. A row
    depends on its own wave, length and seed alone, to the rounding of float32: not on its neighbours, the padding or
    the device. Nothing passed in is changed.
    """

    def __init__(
        self,
        settings: AugmentationSettings,
        noises: Sequence[NDArray[np.float32]] = (),
        impulses: Sequence[NDArray[np.float32]] = (),
    ) -> None:
        """Noises (N,) are mixed in and impulse responses (K,) convolved with; without them neither happens."""
        self.settings = settings
        self._noises = WaveBank(noises)
        # The direct path is 1 in each, so that strength can scale the reflections alone.
        responses = [response / response[np.abs(response).argmax()] for response in impulses if np.any(response)]
        self._delays = np.array([np.abs(response).argmax() for response in responses], dtype=np.int64)
        longest = max(map(len, responses), default=0)
        self._impulses = torch.zeros(len(responses), longest)
        for row, response in zip(self._impulses, responses, strict=True):
            row[: len(response)] = torch.from_numpy(response)
        # The same everywhere, and long enough that no two rows get the same stretch.
        hiss = np.random.default_rng(0).standard_normal(_HISS_SAMPLES, dtype=np.float32)
        self._hiss = WaveBank([hiss])
        self._hiss_scale = 1 / float(self._hiss.excerpt(0.0, 0.0, _HISS_SAMPLES).float().std())

    def to(self, device: torch.device | str) -> Self:
        """The same with noises and impulse responses on ``device``, where the batches are to be."""
        moved = copy.copy(self)
        moved._noises, moved._hiss = self._noises.to(device), self._hiss.to(device)
        moved._impulses = self._impulses.to(device)
        return moved

    def __call__(self, waves: Tensor, lengths: Tensor, seeds: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """Change waves (B, N) float32 of ``lengths`` (B,) as ``seeds`` (B,), from 0 up, and ``strength`` 0 to 1 say.

        Returns waves (B, N') with zeros beyond their lengths, and the lengths (B,), on the same device.
        """
        draws = _draw(self.settings, seeds.tolist(), strength)
        rows = [row[:length] for row, length in zip(waves, lengths.tolist(), strict=True)]
        rows = _each_at(rows, draws.speed, change_speed)
        rows = _each_at(rows, draws.tempo, change_tempo)
        sizes = [
            int(before + after) + len(row) for before, row, after in zip(draws.before, rows, draws.after, strict=True)
        ]
        changed = waves.new_zeros(len(rows), max(sizes))
        for row, start, into in zip(rows, draws.before, changed, strict=True):
            into[start : start + len(row)] = row
        ends = torch.tensor(sizes, dtype=lengths.dtype, device=waves.device)
        if len(self._impulses) and draws.reverb.any():
            which = _indices(draws.reverb, changed)
            changed[which] = self._in_rooms(changed[which], ends[which], draws.impulse[draws.reverb], strength)
        if len(self._noises) and draws.noise.any():
            self._add_noise(changed, draws, sizes)
        for chosen, channel in ((draws.narrow, narrow_band), (draws.telephone, telephone)):
            if chosen.any():
                which = _indices(chosen, changed)
                changed[which] = _cut(channel(changed[which]), ends[which])
        if draws.clipping.any():
            which = _indices(draws.clipping, changed)
            changed[which] = clip(changed[which], _numbers(draws.clipping_db[draws.clipping], changed))
        if self.settings.gain_db:
            changed *= _numbers(draws.gain, changed)[:, None]
        if self.settings.hiss:
            for row, size, level, start in zip(changed, sizes, draws.hiss, draws.hiss_at, strict=True):
                row[:size].add_(self._hiss.excerpt(0.0, start, size).float(), alpha=level * self._hiss_scale)
        return changed.clamp_(-1.0, 1.0), ends.to(lengths.device)

    def lasting(self, samples: int, seed: int, strength: float) -> int:
        """How many samples a row of so many becomes, by the seed and the strength that it is called with."""
        (speed,), (tempo,), (before,), (after,) = _draw_lengths(self.settings, _drawn([seed]), strength).values()
        spoken = faster_length(faster_length(samples, int(speed)), int(tempo))
        return int(before) + spoken + int(after)

    def _in_rooms(self, dry: Tensor, ends: Tensor, shares: NDArray[np.float64], strength: float) -> Tensor:
        """Rows (R, N) heard in a room each: what is said stays where it was, and so does each row's energy.

        ``strength`` scales the reflections against the direct path.
        """
        numbers = (shares * len(self._impulses)).astype(np.int64)
        length = dry.shape[1]
        kernels = self._impulses[torch.from_numpy(numbers).to(dry.device)]
        rung = convolve(dry, kernels, length + int(self._delays[numbers].max()))
        wet = torch.stack([row[delay : delay + length] for row, delay in zip(rung, self._delays[numbers], strict=True)])
        heard = _cut(torch.lerp(dry, wet, strength), ends)
        before, after = (torch.linalg.vector_norm(waves, dim=1, keepdim=True) for waves in (dry, heard))
        return heard * torch.where(after > 0, before / after, 0)

    def _add_noise(self, waves: Tensor, draws: _Draws, sizes: Sequence[int]) -> None:
        """Mix in, at the ratio drawn; power is the mean square over the row. Silence, which has no ratio, stays."""
        power = torch.linalg.vector_norm(waves, dim=1) * _numbers(10 ** (-draws.snr_db / 20), waves)
        for number in np.flatnonzero(draws.noise).tolist():
            noise = self._noises.excerpt(draws.noise_which[number], draws.noise_at[number], sizes[number]).float()
            loudness = torch.linalg.vector_norm(noise)
            waves[number, : sizes[number]].addcmul_(noise, torch.where(loudness > 0, power[number] / loudness, 0))


def _each_at(
    rows: Sequence[Tensor], percents: NDArray[np.int64], change: Callable[[Tensor, int], Tensor]
) -> list[Tensor]:
    """Rows (N,) each changed by its own percentage, those of one percentage together; 100 and empty rows stay."""
    changed = list(rows)
    for percent in np.unique(percents[percents != 100]).tolist():
        members = [number for number in np.flatnonzero(percents == percent).tolist() if len(rows[number])]
        if members:
            together = nn.utils.rnn.pad_sequence([rows[number] for number in members], batch_first=True)
            for number, row in zip(members, change(together, percent), strict=True):
                changed[number] = row[: faster_length(len(rows[number]), percent)]
    return changed


def _cut(waves: Tensor, lengths: Tensor) -> Tensor:
    """Zeros beyond the lengths (R,) of rows (R, N)."""
    return waves.masked_fill(torch.arange(waves.shape[1], device=waves.device) >= lengths[:, None], 0)


def _indices(chosen: NDArray[np.bool_], like: Tensor) -> Tensor:
    return torch.from_numpy(np.flatnonzero(chosen)).to(like.device)


def _numbers(drawn: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(drawn).to(like)


def excerpt(noises: Sequence[NDArray[np.float32]], length: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """That many samples from somewhere in one of the noises, which starts over where it is too short."""
    noise = noises[int(rng.integers(len(noises)))]
    start = int(rng.integers(len(noise)))
    return np.resize(np.roll(noise, -start) if len(noise) < length + start else noise[start:], length)
