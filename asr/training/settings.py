"""What a training run may set about its optimiser, its losses and the masks on its features."""

import math
from dataclasses import dataclass, field

from asr.errors import SettingsError
from asr.training.losses import LossWeights


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW (Loshchilov and Hutter, 2019); the learning rate rises, holds and falls along a cosine."""

    peak_rate: float = 1e-3
    """The highest learning rate."""
    warmup_updates: int = 500
    """Updates in which the learning rate rises to its peak."""
    total_updates: int = 0
    """The update at which the learning rate has fallen to its end; 0 means the run's last."""
    hold_updates: int = 0
    """Updates after the warm-up in which it stays at its peak."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""

    def __post_init__(self) -> None:
        """Refuse what learns nothing."""
        if not 0 < self.peak_rate < math.inf:
            raise SettingsError(f"optimiser: peak_rate is {self.peak_rate}; it is a number above 0")
        for name in ("warmup_updates", "total_updates", "hold_updates", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"optimiser: {name} is {getattr(self, name)}; it is a number from 0 up")


@dataclass(frozen=True)
class LossSettings:
    """The weights move in a straight line from ``start`` to ``end`` over ``ramp_updates``.

    Attention does not find the audio in the first thousand updates, CTC on BPE pieces hardly sooner, CTC on phonemes
    at once; so phonemes lead the way.
    """

    start: LossWeights = field(default_factory=lambda: LossWeights(decoder=0.3, ctc=0.3, phoneme=1.0))
    """The weights at the first update."""
    end: LossWeights = field(default_factory=lambda: LossWeights(decoder=1.0, ctc=0.5, phoneme=0.2))
    """The weights after the ramp."""
    ramp_updates: int = 4000
    """Updates from the first weights to the last."""
    label_smoothing: float = 0.1
    """Label smoothing of the decoder's cross-entropy."""
    phoneme_layer: int = 4
    """The encoder layer (from 1) from which phonemes are read."""
    consistency: float = 0.0
    """Above 0 every utterance is heard twice, with tract and masks drawn anew, and so much counts what the CTC heads of
    both say that the other does not (CR-CTC: Yao et al., 2025). For few recordings that are heard many times."""

    def __post_init__(self) -> None:
        """Refuse what cannot be computed; that the layer exists is the module's to check."""
        if self.ramp_updates < 0:
            raise SettingsError(f"loss: ramp_updates is {self.ramp_updates}; it is a number from 0 up")
        if not 0 <= self.consistency < math.inf:
            raise SettingsError(f"loss: consistency is {self.consistency}; it is a number from 0 up")
        if not 0 <= self.label_smoothing < 1:
            raise SettingsError(f"loss: label_smoothing is {self.label_smoothing}; it is at least 0 and below 1")


@dataclass(frozen=True)
class SpecAugmentSettings:
    """Masks on the normalised MFCC, after SpecAugment (Park et al., 2019): how many, and how wide at most.

    They hide coefficients, stretches of time and mel bands. Masks on bands, as in the paper, reach every coefficient
    through the cosine transform: from scratch, with them neither CTC learnt digits in 500 updates, without them both
    did in 160. What hears already learns on with them.
    """

    coefficient_masks: int = 1
    """Masks that hide neighbouring coefficients, for each utterance."""
    coefficients: int = 6
    """The most coefficients that a mask hides."""
    time_masks: int = 2
    """Masks that hide a stretch of time, for each utterance."""
    frames: int = 8
    """The most frames that a mask hides."""
    time_share: float = 0.5
    """The most of an utterance that masks in time hide together; a short one has fewer of them, or narrower ones."""
    band_masks: int = 0
    """Masks that hide neighbouring mel bands, for each utterance."""
    bands: int = 12
    """The most mel bands that a mask hides."""
    from_update: int = 2000
    """The update at which masks begin, when there is something to make harder."""
    tract: float = 0.0
    """A share: each utterance is heard as from a speaker whose vocal tract is up to so much longer or shorter, from the
    first update on (``Mfcc.log_mel``)."""

    def __post_init__(self) -> None:
        """Refuse masks of negative number or size, and tracts of no throat."""
        if not 0 <= self.tract <= 0.25:
            raise SettingsError(f"spec_augment: tract is {self.tract}; it lies between 0 and 0.25")
        if not 0 <= self.time_share <= 1:
            raise SettingsError(f"spec_augment: time_share is {self.time_share}; it lies between 0 and 1")
        whole = ("coefficient_masks", "coefficients", "time_masks", "frames", "band_masks", "bands", "from_update")
        for name in whole:
            if getattr(self, name) < 0:
                raise SettingsError(f"spec_augment: {name} is {getattr(self, name)}; it is a number from 0 up")
