"""The model as the search wants it: the next token's log-probabilities for a handful of hypotheses."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.model.seq2seq import Seq2Seq

Past = tuple[list[Tensor], list[Tensor]] | None  # by layer, keys and values; None before the first token


class TorchStepper:
    """Steps the decoder over one utterance's memory (1, S, D), with cached keys and values."""

    def __init__(self, model: Seq2Seq, memory: Tensor) -> None:
        self.model = model
        with torch.inference_mode():
            self._memory = model.decoder.cross_keys_values(memory)

    def start(self) -> Past:
        """The past of one hypothesis that has no token yet."""
        return None

    def step(
        self, state: Past, tokens: NDArray[np.int64], parents: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], Past]:
        """Feed tokens (K,) to the rows ``parents`` (K,) of the past: log-probabilities (K, V) and the new past."""
        with torch.inference_mode():
            device = self._memory[0][0].device
            rows = torch.as_tensor(parents, device=device)
            past = state and ([keys[rows] for keys in state[0]], [values[rows] for values in state[1]])
            memory = (self._expand(0, len(tokens)), self._expand(1, len(tokens)))
            logits, grown = self.model.decoder(torch.as_tensor(tokens, device=device).unsqueeze(1), past, memory)
            log_probs: NDArray[np.float32] = logits[:, -1].float().log_softmax(dim=-1).cpu().numpy()
            return log_probs, grown

    def _expand(self, which: int, rows: int) -> list[Tensor]:
        return [layer.expand(rows, -1, -1, -1) for layer in self._memory[which]]
