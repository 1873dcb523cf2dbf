"""From memory to the next token: the decoder."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from asr.model.attention import FeedForward, LayerNorm, MultiHeadAttention, sinusoidal_positions
from asr.model.settings import ModelSettings

Pair = tuple[Tensor, Tensor]  # keys and values (B, H, S, D/H)
ByLayer = tuple[Sequence[Tensor] | Tensor, Sequence[Tensor] | Tensor]  # those of each layer, in lists or (L, …)


class DecoderLayer(nn.Module):
    """Masked self-attention, cross-attention to the memory and feed-forward, each pre-norm with a residual."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(settings.d_model)
        self.attention = MultiHeadAttention(settings.d_model, settings.heads)
        self.cross_norm = LayerNorm(settings.d_model)
        self.cross = MultiHeadAttention(settings.d_model, settings.heads)
        self.feedforward_norm = LayerNorm(settings.d_model)
        self.feedforward = FeedForward(settings.d_model, settings.feedforward)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(
        self, x: Tensor, past: Pair | None, mask: Tensor, memory: Pair, memory_mask: Tensor | None
    ) -> tuple[Tensor, Pair]:
        """New positions x (B, U, D) after ``past`` keys and values (B, H, P, D/H) if any → x and the grown past."""
        normal = self.attention_norm(x)
        keys, values = self.attention.keys_values(normal)
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
        x = x + self.dropout(self.attention(normal, keys, values, mask))
        x = x + self.dropout(self.cross(self.cross_norm(x), *memory, memory_mask))
        return x + self.dropout(self.feedforward(self.feedforward_norm(x))), (keys, values)


class Decoder(nn.Module):
    """Embedded tokens through N layers that look back at themselves and across at the memory, then to logits."""

    def __init__(self, settings: ModelSettings, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(vocabulary, settings.d_model)
        # Multiplied by √D on the way in, so it starts at the size that makes the product of length √D.
        nn.init.normal_(self.embedding.weight, std=settings.d_model**-0.5)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(DecoderLayer(settings) for _ in range(settings.decoder_layers))
        self.norm = LayerNorm(settings.d_model)
        self.output = nn.Linear(settings.d_model, vocabulary)

    def cross_keys_values(self, memory: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Every layer's view of the memory (B, S, D), projected once: L keys and L values (B, H, S, D/H)."""
        pairs = [cast(DecoderLayer, layer).cross.keys_values(memory) for layer in self.layers]
        return [keys for keys, _ in pairs], [values for _, values in pairs]

    def forward(
        self, tokens: Tensor, past: ByLayer | None, memory: ByLayer, memory_mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[list[Tensor], list[Tensor]]]:
        """Logits (B, U, V) of the token after each of tokens (B, U), and the grown past.

        ``past`` holds each layer's keys and values (B, H, P, D/H) of the P tokens before these, None where these are
        the first; ``memory`` is what ``cross_keys_values`` gave; ``memory_mask`` (B, 1, 1, S) is true where the memory
        is real.
        """
        length, before = tokens.shape[1], 0 if past is None else past[0][0].shape[2]
        x = self.embedding(tokens) * math.sqrt(self.settings.d_model)
        x = self.dropout(x + sinusoidal_positions(before, length, self.settings.d_model, x.device))
        # A token sees itself and what came before it: the lower triangle, moved right by what is in the past.
        column = torch.arange(before + length, device=x.device)
        mask = column[None, :] <= column[before:, None]
        keys, values = [], []
        for number, layer in enumerate(self.layers):
            own = None if past is None else (past[0][number], past[1][number])
            x, grown = layer(x, own, mask, (memory[0][number], memory[1][number]), memory_mask)
            keys.append(grown[0])
            values.append(grown[1])
        return self.output(self.norm(x)), (keys, values)
