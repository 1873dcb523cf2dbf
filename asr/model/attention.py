"""The parts that encoder and decoder share: attention, feed-forward and positions ("Attention Is All You Need")."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention over H heads (section 3.2 of the paper)."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.output = nn.Linear(d_model, d_model)

    def keys_values(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """What is attended to, projected once: source (B, S, D) → keys and values (B, H, S, D/H)."""
        return self._split(self.key(source)), self._split(self.value(source))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each position of x (B, U, D) takes a weighted mean of the values: (B, U, D).

        ``mask`` is true where attention may go, and broadcasts to (B, H, U, S).
        """
        mixed = functional.scaled_dot_product_attention(self._split(self.query(x)), keys, values, attn_mask=mask)
        merged: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return merged

    def _split(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, -1)).transpose(1, 2)


class LayerNorm(nn.LayerNorm):
    """In the precision of its weights whatever it is given: autocast sees to that on a GPU, not on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        return super().forward(x.to(self.weight.dtype))


class FeedForward(nn.Sequential):
    """Two layers with a ReLU between, the same at every position (section 3.3)."""

    def __init__(self, d_model: int, feedforward: int) -> None:
        super().__init__(nn.Linear(d_model, feedforward), nn.ReLU(), nn.Linear(feedforward, d_model))


def sinusoidal_positions(start: int, length: int, d_model: int, device: torch.device | None = None) -> Tensor:
    """Positions start … start+length-1 as (length, D): sines in even columns, cosines in odd ones (section 3.5).

    Each pair of columns is a hand that turns at its own speed, so a step in time is a rotation of the pairs.
    """
    time = torch.arange(start, start + length, device=device, dtype=torch.float32).unsqueeze(1)
    pair = torch.arange(0, d_model, 2, device=device, dtype=torch.float32)
    angle = time * torch.exp(pair * (-math.log(10_000.0) / d_model))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """True inside each row's own length: lengths (B,) → (B, size)."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)
