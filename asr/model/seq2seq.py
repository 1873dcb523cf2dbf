"""The whole model: features and the tokens so far → logits of the next token, with a CTC head on the encoder."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr.errors import SettingsError
from asr.model.attention import length_mask
from asr.model.decoder import Decoder
from asr.model.encoder import Encoder
from asr.model.settings import ModelSettings


@dataclass(frozen=True)
class Encoded:
    """What the encoder says of a batch."""

    memory: Tensor  # (B, S, D)
    lengths: Tensor | None  # (B,), or None where every step is real
    ctc_log_probs: Tensor  # (B, S, V)
    tapped: Tensor | None  # (B, S, D), the output of the layer asked for


class Seq2Seq(nn.Module):
    """The encoder-decoder transformer with audio as its source side."""

    def __init__(self, settings: ModelSettings, feature_dim: int, vocabulary: int) -> None:
        super().__init__()
        self.settings = settings
        self.feature_dim = feature_dim
        self.vocabulary = vocabulary
        self.encoder = Encoder(settings, feature_dim)
        self.decoder = Decoder(settings, vocabulary)
        self.ctc = nn.Linear(settings.d_model, vocabulary)

    def encode(self, features: Tensor, feature_lengths: Tensor | None = None, tap: int | None = None) -> Encoded:
        """Features (B, T, F) and their lengths (B,) → memory and CTC log-probabilities (blank is token 0)."""
        if features.ndim != 3 or features.shape[2] != self.feature_dim:
            raise SettingsError(f"features have the shape {tuple(features.shape)}; wanted (B, T, {self.feature_dim})")
        memory, lengths, tapped = self.encoder(features, feature_lengths, tap)
        single = torch.promote_types(
            memory.dtype, torch.float32
        )  # at least, also where autocast has the logits in half
        return Encoded(memory, lengths, self.ctc(memory).to(single).log_softmax(dim=-1), tapped)

    def decode(self, encoded: Encoded, tokens: Tensor) -> Tensor:
        """Teacher forcing: logits (B, U, V) of the token after each of tokens (B, U), which begin with bos."""
        mask = None
        if encoded.lengths is not None:
            mask = length_mask(encoded.lengths, encoded.memory.shape[1])[:, None, None, :]
        memory = self.decoder.cross_keys_values(encoded.memory)
        logits: Tensor = self.decoder(tokens, None, memory, mask)[0]
        return logits

    def forward(self, features: Tensor, feature_lengths: Tensor, tokens: Tensor) -> tuple[Tensor, Encoded]:
        """Encode and decode in one: logits (B, U, V) and what the encoder said."""
        encoded = self.encode(features, feature_lengths)
        return self.decode(encoded, tokens), encoded
