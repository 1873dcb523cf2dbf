"""What the model is asked to make small."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from asr.errors import SettingsError
from asr.model.attention import length_mask
from asr.text.special import PAD


@dataclass(frozen=True)
class Loss:
    """A sum in nats and what it is over: ``count`` tokens or phonemes, the end of each utterance among them.

    Kept apart until it is known what to divide by: a mean of means would count a short batch's tokens for more.
    """

    total: Tensor
    count: Tensor

    @property
    def each(self) -> Tensor:
        """Nats per token."""
        return self.total / self.count


@dataclass(frozen=True)
class LossWeights:
    """Shares of the decoder's cross-entropy, the CTC on the memory and the phoneme CTC on a middle layer."""

    decoder: float
    """Weight of the decoder's cross-entropy."""
    ctc: float
    """Weight of CTC on the encoder's output."""
    phoneme: float
    """Weight of CTC on phonemes."""

    def __post_init__(self) -> None:
        """Refuse weights under which nothing would be learnt."""
        weights = (self.decoder, self.ctc, self.phoneme)
        if not (all(0 <= weight < math.inf for weight in weights) and sum(weights) > 0):
            raise SettingsError(f"loss: weights {self}; none may be below 0 and one must be above")

    def share(self, name: str) -> float:
        """The weight of the loss of that name."""
        return {"decoder": self.decoder, "ctc": self.ctc, "phoneme": self.phoneme}[name]

    def towards(self, end: "LossWeights", share: float) -> "LossWeights":
        """The weights ``share`` (0..1) of the way from these to ``end``."""
        share = min(max(share, 0.0), 1.0)
        return LossWeights(
            self.decoder + share * (end.decoder - self.decoder),
            self.ctc + share * (end.ctc - self.ctc),
            self.phoneme + share * (end.phoneme - self.phoneme),
        )


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Label-smoothed cross-entropy: logits (B, U, V), targets (B, U) → its sum in nats; pads do not count.

    In single precision at least. Szegedy et al., 2016; used so in "Attention Is All You Need", section 5.4.
    """
    return functional.cross_entropy(
        at_least_single(logits).flatten(0, 1),
        targets.flatten(),
        ignore_index=PAD,
        label_smoothing=smoothing,
        reduction="sum",
    )


def consistency(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """How far two hearings of the same utterances differ: log_probs (2B, S, V), the second ones below → nats in all.

    The mean of both divergences at each step, each from the one to the other as it stands (Yao et al., 2025, CR-CTC).
    """
    one, other = log_probs.chunk(2)
    inside = length_mask(lengths.chunk(2)[0], log_probs.shape[1])
    apart = functional.kl_div(one, other.detach(), reduction="none", log_target=True) + functional.kl_div(
        other, one.detach(), reduction="none", log_target=True
    )
    return (apart.sum(dim=-1) * inside).sum() / 2


def at_least_single(x: Tensor) -> Tensor:
    """The same in single precision if it is in a lower one; 65,000 summands of bf16 would have two digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def ctc(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """CTC loss: log_probs (B, S, V), targets (B, U) → its sum in nats (Graves et al., 2006).

    In single precision at least. A target too long for its audio counts nothing. Empty targets ask for blanks
    throughout.
    """
    return functional.ctc_loss(
        at_least_single(log_probs).transpose(0, 1),
        targets,
        lengths,
        target_lengths,
        blank=PAD,
        reduction="sum",
        zero_infinity=True,
    )
