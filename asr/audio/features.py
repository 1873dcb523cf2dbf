"""The settings of the MFCC features, and the one function that counts their frames.

This file has no torch in it: the runtime, the training path and the exported graph all read the numbers from here.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from asr.errors import SettingsError
from asr.settings import check_number, settings_from, shown

_RATE = 16_000  # at which every recording is read: asr.audio.load.SAMPLE_RATE

LOUD_FRAMES = 10
"""With a ``speech_range_db`` levels are compared with that of the frame that has this place among the loudest."""
EDGE_DB = 2.0
"""Over which a frame goes from hardly counting to nearly all."""


@dataclass(frozen=True)
class FeatureSettings:
    """How a wave becomes mel-frequency cepstral coefficients (Davis and Mermelstein, 1980).

    The defaults are the field's: 25 ms Hann windows every 10 ms at 16 kHz, 80 triangular bands on the HTK mel scale,
    natural logarithm, orthonormal DCT-II, the first 40 coefficients. Each coefficient is normalised to mean 0 and
    variance 1 over the recording's own frames.

    Raises SettingsError for a combination that makes no sense.
    """

    sample_rate: int = 16_000
    """Samples a second; every recording is resampled to 16000."""
    window_seconds: float = 0.025
    """Length of the Hann window of a frame."""
    hop_seconds: float = 0.010
    """From the beginning of a frame to that of the next."""
    low_hz: float = 20.0
    """Where the lowest mel band begins."""
    high_hz: float = 8_000.0
    """Where the highest mel band ends."""
    mel_bands: int = 80
    """Number of triangular mel bands."""
    coefficients: int = 40
    """Number of cepstral coefficients, at most as many as bands."""
    deltas: int = 0
    """Orders of time derivatives appended to the coefficients: 0, 1 or 2."""
    log_floor: float = 1e-6
    """Added to the energy of a band before its logarithm."""
    variance_floor: float = 1e-2
    """The least variance that a coefficient is divided by."""
    speech_range_db: float = 0.0
    """Above 0, the mean and variance of coefficients are those of the frames that are at most about so many decibels
    fainter than the recording's loud ones, so that silence around speech has no part in them; with 0, of all frames."""

    def __post_init__(self) -> None:
        """Refuse settings that would give features of no meaning."""
        if self.sample_rate != _RATE or isinstance(self.sample_rate, float):
            raise SettingsError(
                f"features: sample_rate is {shown(self.sample_rate)}; it must be {_RATE}, to which every recording is "
                "resampled"
            )
        check_number("features", "window_seconds", self.window_seconds, 0, 1, above=True)
        check_number("features", "hop_seconds", self.hop_seconds, 0, 1, above=True)
        check_number("features", "low_hz", self.low_hz, 0, math.inf)
        check_number("features", "high_hz", self.high_hz, 0, math.inf)
        check_number("features", "mel_bands", self.mel_bands, 1, 1_000, whole=True)
        check_number("features", "coefficients", self.coefficients, 1, 1_000, whole=True)
        check_number("features", "deltas", self.deltas, 0, 2, whole=True)
        check_number("features", "log_floor", self.log_floor, 0, 1e30, above=True)
        check_number("features", "variance_floor", self.variance_floor, 0, 1e30, above=True)
        check_number("features", "speech_range_db", self.speech_range_db, 0, 200)
        if self.coefficients > self.mel_bands:
            raise SettingsError(
                f"features: {self.coefficients} coefficients of {self.mel_bands} mel bands; "
                "there are only as many as bands, so lower coefficients or raise mel_bands"
            )
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise SettingsError(
                f"features: the band {self.low_hz} to {self.high_hz} Hz does not lie within "
                f"0 to {self.sample_rate / 2} Hz, half the sample rate"
            )
        if self.hop_seconds > self.window_seconds:
            raise SettingsError(
                f"features: a hop of {self.hop_seconds} s steps over audio that no window of "
                f"{self.window_seconds} s sees; make it at most the window"
            )
        if self.hop_length < 1:
            raise SettingsError(
                f"features: a hop of {self.hop_seconds} s is less than one sample at {self.sample_rate} Hz; lengthen it"
            )
        if self.narrowest_band_hz < self.sample_rate / self.fft_length:
            raise SettingsError(
                f"features: {self.mel_bands} mel bands are too many for an FFT of {self.fft_length} points: the lowest "
                f"is {self.narrowest_band_hz:.1f} Hz wide and could hold no bin; lower mel_bands or lengthen the window"
            )

    @property
    def window_length(self) -> int:
        """Samples in a window."""
        return round(self.sample_rate * self.window_seconds)

    @property
    def hop_length(self) -> int:
        """Samples from one frame to the next."""
        return round(self.sample_rate * self.hop_seconds)

    @property
    def fft_length(self) -> int:
        """Points of the Fourier transform: the next power of two, the window centred in it."""
        return 1 << (self.window_length - 1).bit_length()

    @property
    def dimension(self) -> int:
        """F, the width of one feature vector."""
        return self.coefficients * (1 + self.deltas)

    @property
    def narrowest_band_hz(self) -> float:
        """Width in Hz of the lowest triangle, which is the narrowest on the mel scale."""
        low, high = mel(self.low_hz), mel(self.high_hz)
        return hertz(low + 2 * (high - low) / (self.mel_bands + 1)) - self.low_hz

    def frames(self, samples: int) -> int:
        """T for a wave of that many samples: a frame is centred on every hop, the first on sample 0."""
        return 1 + samples // self.hop_length

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the bundle."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> "FeatureSettings":
        """The settings of a bundle; a name or value that is none of them is a SettingsError."""
        return settings_from(cls, "features", values)


def mel(frequency: float) -> float:
    """A frequency in Hz on the mel scale of HTK."""
    return 2595.0 * math.log10(1.0 + frequency / 700.0)


def hertz(pitch: float) -> float:
    """The frequency in Hz of a place on the mel scale."""
    return float(700.0 * (10.0 ** (pitch / 2595.0) - 1.0))
