"""From features to memory: the encoder."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.model.attention import FeedForward, LayerNorm, MultiHeadAttention, length_mask, sinusoidal_positions
from asr.model.convolution import ConvolutionModule
from asr.model.settings import ModelSettings


class EncoderLayer(nn.Module):
    """Self-attention, a convolution if there is to be one, and feed-forward, each on a normalised copy and added back.

    Pre-norm: Xiong et al., 2020.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.attention_norm = LayerNorm(settings.d_model)
        self.attention = MultiHeadAttention(settings.d_model, settings.heads)
        if settings.convolution_kernel:
            self.convolution_norm = LayerNorm(settings.d_model)
            self.convolution = ConvolutionModule(settings.d_model, settings.convolution_kernel)
        self.feedforward_norm = LayerNorm(settings.d_model)
        self.feedforward = FeedForward(settings.d_model, settings.feedforward)
        # On the residuals only: inside attention and feed-forward it cost more on a CPU than the products themselves.
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, S, D) → (B, S, D); ``mask`` (B, S) is true where a step is real."""
        normal = self.attention_norm(x)
        seen = None if mask is None else mask[:, None, None, :]
        x = x + self.dropout(self.attention(normal, *self.attention.keys_values(normal), seen))
        if self.settings.convolution_kernel:
            x = x + self.dropout(self.convolution(self.convolution_norm(x), mask))
        layer: Tensor = x + self.dropout(self.feedforward(self.feedforward_norm(x)))
        return layer


class Encoder(nn.Module):
    """Stacked frames, projected and scaled, with positions, through N layers."""

    def __init__(self, settings: ModelSettings, feature_dim: int) -> None:
        super().__init__()
        self.settings = settings
        self.projection = nn.Linear(feature_dim * settings.stack, settings.d_model)
        self.input_norm = LayerNorm(settings.d_model)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(EncoderLayer(settings) for _ in range(settings.encoder_layers))
        self.norm = LayerNorm(settings.d_model)

    def forward(
        self, features: Tensor, feature_lengths: Tensor | None = None, tap: int | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Encode features (B, T, F), zero beyond their lengths (B,); without lengths every frame counts.

        Returns memory (B, S, D), its lengths (B,), and the output of layer number ``tap`` for an auxiliary loss.
        """
        stack = self.settings.stack
        whole = functional.pad(features, (0, 0, 0, -features.shape[1] % stack))
        stacked = torch.unflatten(whole, 1, (-1, stack)).flatten(2)
        # Without the factor the positions, of length √(D/2), drown what was said.
        x = self.projection(stacked) * math.sqrt(self.settings.d_model)
        # In single precision, also where the projection is not: bf16 has three digits, and neighbours differ there.
        x = x + sinusoidal_positions(0, x.shape[1], self.settings.d_model, x.device)
        # And without this norm the sum is so long that what the layers add to it hardly counts at first: on digits the
        # phoneme loss after 150 updates was 2.5 without it and 2.0 with it.
        x = self.dropout(self.input_norm(x))
        lengths = mask = tapped = None
        if feature_lengths is not None:
            lengths = (feature_lengths + stack - 1) // stack
            mask = length_mask(lengths, x.shape[1])
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x, mask)
            tapped = x if number == tap else tapped
        return self.norm(x), lengths, tapped
