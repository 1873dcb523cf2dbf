"""Parts of the features that an utterance goes without in training (SpecAugment: Park et al., 2019)."""

import torch
from torch import Tensor

from asr.training.settings import SpecAugmentSettings


def hide(features: Tensor, lengths: Tensor, settings: SpecAugmentSettings) -> Tensor:
    """Features (B, T, F) of lengths (B,) with places set to 0, the mean of a coefficient; other places in each row."""
    frames, wide = features.shape[1:]
    most = settings.time_share * lengths
    # As few masks as hide the share; each is as wide as it may be, or the share's part of one.
    number = (most / max(1, settings.frames)).ceil().clamp(1, max(1, settings.time_masks))
    widest = (most / number).clamp(max=settings.frames)
    hidden = stretches(lengths, frames, settings.time_masks, widest, number).unsqueeze(2)
    whole = torch.full_like(lengths, wide)
    hidden = hidden | stretches(whole, wide, settings.coefficient_masks, settings.coefficients).unsqueeze(1)
    return features.masked_fill(hidden, 0.0)


def stretches(lengths: Tensor, size: int, count: int, widest: float | Tensor, number: Tensor | None = None) -> Tensor:
    """Places inside lengths (B,) that up to ``count`` stretches, each of 0 to ``widest`` places, cover: (B, size).

    The first ``number`` (B,) of the stretches are drawn, without it all; none is longer than half of its row.
    """
    place = torch.arange(size, device=lengths.device)
    limit = torch.minimum(lengths / 2, torch.as_tensor(widest, device=lengths.device)).floor()
    covered = torch.zeros(len(lengths), size, dtype=torch.bool, device=lengths.device)
    for index in range(count):
        width = (torch.rand(len(lengths), device=lengths.device) * (limit + 1)).floor()
        begin = (torch.rand(len(lengths), device=lengths.device) * (lengths - width + 1)).floor()
        inside = (place >= begin.unsqueeze(1)) & (place < (begin + width).unsqueeze(1))
        if number is not None:
            inside &= (index < number).unsqueeze(1)
        covered |= inside
    return covered
