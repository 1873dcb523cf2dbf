"""Where a decoder looks in the sound: the weights of its cross-attention, and a picture of them after every epoch."""

import io
import math
from typing import Any, cast

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from asr.data.batches.dataset import Batch
from asr.model.decoder import DecoderLayer
from asr.model.seq2seq import Encoded, Seq2Seq
from asr.model.torch_stepper import TorchStepper
from asr.search.greedy import greedy
from asr.search.limits import MINIMUM_TOKENS, TOKENS_PER_SECOND, max_tokens
from asr.text.special import BOS
from asr.text.tokenizer import WORD_START
from asr.training.module import SpeechModule

ATTENTION, READ = "dev/attention", "dev/attention/transcript"
"""What the picture and the text are called in TensorBoard."""

_DOTS_PER_INCH = 100


def cross_attention(model: Seq2Seq, encoded: Encoded, tokens: Tensor) -> Tensor:
    """How much of its attention each head of the last decoder layer gives each step: tokens (1, U) → (H, U, S).

    The fused attention of torch keeps its weights to itself, so they are made again from its queries and keys. The
    memory of ``encoded`` (1, S, D) is real to its end.
    """
    cross = cast(DecoderLayer, model.decoder.layers[-1]).cross
    asked: list[Tensor] = []
    hook = cross.query.register_forward_hook(lambda _module, _inputs, output: asked.append(output))
    try:
        model.decode(encoded, tokens)
    finally:
        hook.remove()
    queries = torch.unflatten(asked[0], -1, (cross.heads, -1)).transpose(1, 2)
    keys, _ = cross.keys_values(encoded.memory)
    return (queries @ keys.mT / math.sqrt(keys.shape[-1])).softmax(dim=-1)[0]


class AttentionPicture(Callback):
    """After every epoch, shows in TensorBoard where the decoder looks in one utterance of the dev set.

    It is the longest text of the first batch, which is the same each time. The decoder is given what was said, so that
    the pictures of all epochs have the same rows: weights that are the same everywhere at first, and a diagonal once
    attention has found the sound. Beside it stands what greedy search reads.
    """

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw it after the first batch."""
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if batch_idx or trainer.sanity_checking or not trainer.is_global_zero or not boards or not batch.texts:
            return
        module = cast(SpeechModule, pl_module)
        row = max(range(len(batch.texts)), key=lambda row: len(batch.texts[row]))
        said = batch.tokens[row, : batch.token_lengths[row]]
        margin = round(module.margin_seconds * module.features.sample_rate)
        wave = functional.pad(batch.waves[row, : batch.wave_lengths[row]], (margin, margin))
        with trainer.precision_plugin.forward_context():
            features, _ = module.mfcc(wave[None], torch.tensor([len(wave)], device=wave.device))
            encoded = module.model.encode(features)
            weights = cross_attention(module.model, encoded, functional.pad(said, (1, 0), value=BOS)[None])
            cap = max_tokens(len(wave) / module.features.sample_rate, TOKENS_PER_SECOND, MINIMUM_TOKENS)
            read = greedy(TorchStepper(module.model, encoded.memory), max_tokens=cap).tokens
        pieces = [module.tokenizer.piece(token).replace(WORD_START, "_") for token in said.tolist()]
        step = module.settings.stack * module.features.hop_seconds
        picture = _picture(weights.mean(dim=0).float().cpu().numpy(), [*pieces, "end"], step)
        for board in boards:
            board.experiment.add_image(ATTENTION, picture, trainer.global_step, dataformats="HWC")
            told = f"    {batch.texts[row]} → {module.tokenizer.decode(read)}"
            board.experiment.add_text(READ, told, trainer.global_step)


def _picture(weights: NDArray[np.float32], pieces: list[str], step: float) -> NDArray[np.uint8]:
    """Weights (U, S) as an image (height, width, 3), a row for each piece, over steps of so many seconds."""
    from matplotlib.figure import Figure  # a second, which no other command waits for

    figure = Figure((7, 1.2 + 0.2 * len(pieces)), dpi=_DOTS_PER_INCH, layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow(weights, aspect="auto", extent=(0, weights.shape[1] * step, len(pieces) - 0.5, -0.5), vmin=0)
    axis.set_yticks(range(len(pieces)), pieces)
    axis.set(xlabel="time (s)", title="cross-attention of the last decoder layer, mean of its heads")
    figure.colorbar(shown, label="weight")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="rgba")
    return np.frombuffer(drawn.getvalue(), np.uint8).reshape(-1, 7 * _DOTS_PER_INCH, 4)[..., :3]
