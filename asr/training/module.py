"""The model in training: losses, learning rate, and what is looked at on the way."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from asr.audio.features import FeatureSettings
from asr.audio.mfcc import Mfcc
from asr.bundle import DecodingSettings, read_bundle
from asr.data.batches.dataset import Batch, margin_shares
from asr.data.synthetic.pronunciation import PHONEMES
from asr.errors import SettingsError
from asr.evaluation.scoring import score
from asr.model.saved import load_model
from asr.model.seq2seq import Encoded, Seq2Seq
from asr.model.settings import ModelSettings
from asr.model.torch_stepper import TorchStepper
from asr.search.ctc import ctc_greedy
from asr.search.greedy import greedy
from asr.search.limits import MINIMUM_TOKENS, TOKENS_PER_SECOND, max_tokens
from asr.text.normaliser import Normaliser
from asr.text.special import BOS, EOS, PAD
from asr.text.tokenizer import Tokenizer
from asr.training.data_module import SpeechData
from asr.training.growth import deepened
from asr.training.losses import Loss, at_least_single, consistency, cross_entropy, ctc
from asr.training.masks import hide, stretches
from asr.training.schedule import warmup_cosine
from asr.training.settings import LossSettings, OptimiserSettings, SpecAugmentSettings


class SpeechModule(lightning.LightningModule):
    """The sequence-to-sequence model with its losses.

    Every update draws from generators that are set by ``seed``, the update's number and the rank, so that a resumed
    run goes on as the straight one would.

    Args:
        tokenizer: File of the tokenizer that `asr tokenizer` made.
        decoded_at_most: How many utterances of the dev set are decoded by greedy search after an epoch, evenly chosen,
            which is the slow part; the losses and the CTC head's word error rate take in all of them.
        margin_seconds: Silence before and after every utterance, here and in the bundle; in training none to twice as
            much, drawn for each end, so that where an utterance begins is nothing to learn.
        seed: Random seed of weights, data and augmentation.
        start_from: Folder of a bundle whose weights the model begins with, in place of random ones; it must have the
            same features, dimensions and tokenizer. Only ``encoder_layers`` may be more than the bundle has: the new
            ones lie between its own and add nothing at first, so the model begins as the bundle and has room to learn.

    Raises:
        SettingsError: settings that do not go together.
        BundleError: a tokenizer or bundle that cannot be used.
    """

    def __init__(
        self,
        tokenizer: Path,
        features: FeatureSettings = FeatureSettings(),
        model: ModelSettings = ModelSettings(),
        optimiser: OptimiserSettings = OptimiserSettings(),
        loss: LossSettings = LossSettings(),
        spec_augment: SpecAugmentSettings = SpecAugmentSettings(),
        decoded_at_most: int = 200,
        margin_seconds: float = 0.25,
        seed: int = 0,
        start_from: Path | None = None,
    ) -> None:
        super().__init__()
        self.tokenizer = Tokenizer.load(tokenizer)
        self.normaliser = Normaliser()
        self.features = features
        self.settings = model
        self.optimiser = optimiser
        self.loss = loss
        self.spec_augment = spec_augment
        self.decoded_at_most = decoded_at_most
        self.margin_seconds = margin_seconds
        self.seed = seed
        if not 1 <= self.loss.phoneme_layer <= self.settings.encoder_layers:
            raise SettingsError(
                f"loss: phoneme_layer is {self.loss.phoneme_layer}; the encoder has layers 1 to "
                f"{self.settings.encoder_layers}"
            )
        if decoded_at_most < 1 or seed < 0:
            raise SettingsError(f"model: decoded_at_most is {decoded_at_most}, at least 1; seed is {seed}, from 0 up")
        DecodingSettings(margin_seconds=margin_seconds)  # refuses what the bundle would
        torch.manual_seed(seed)
        self.mfcc = Mfcc(self.features)
        self.model = Seq2Seq(self.settings, self.features.dimension, self.tokenizer.vocabulary)
        if start_from is not None:
            self._take_weights(start_from)
        self.phoneme_head: nn.Linear | None = None
        self._said: dict[str, str] = {}
        self._read: dict[str, str] = {}
        self._heard: dict[str, str] = {}
        self._dev_losses: dict[str, list[Tensor]] = {}

    def setup(self, stage: str) -> None:
        """Make the phoneme head if the data has phonemes."""
        data = cast(SpeechData, self.trainer.datamodule)  # type: ignore[attr-defined]
        if data.tokenizer.digest != self.tokenizer.digest:
            raise SettingsError("model.tokenizer and data.tokenizer are different files; name the same one")
        for weights in (self.loss.start, self.loss.end):
            if not data.with_phonemes and weights.decoder + weights.ctc == 0:
                raise SettingsError(
                    f"loss: {weights} leaves the phonemes alone, and there are none (data.phonemes is off, or "
                    "espeak-ng is not installed); raise decoder or ctc"
                )
        if data.with_phonemes and self.phoneme_head is None:
            self.phoneme_head = nn.Linear(self.settings.d_model, 1 + len(PHONEMES))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the generators for this batch: of an update from several batches, each has draws of its own."""
        draw = np.random.SeedSequence((self.seed, self.global_step, batch_idx, self.global_rank))
        torch.manual_seed(int(draw.generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The weighted loss of a batch."""
        rows = batch.twice if self.loss.consistency else batch
        masked = self.global_step >= self.spec_augment.from_update
        features, lengths = self._features(rows, drawn=True, masked=masked)
        if masked:
            features = hide(features, lengths, self.spec_augment)
        encoded, losses = self._losses(rows, features, lengths, self.loss.label_smoothing)
        weights = self.loss.start.towards(self.loss.end, self.global_step / max(1, self.loss.ramp_updates))
        shares = {name: weights.share(name) for name in losses}
        if self.loss.consistency:
            assert encoded.lengths is not None
            apart = consistency(encoded.ctc_log_probs, encoded.lengths)
            losses["consistency"] = Loss(2 * apart, losses["ctc"].count)  # of the tokens of both hearings
            shares["consistency"] = self.loss.consistency
        each = {name: loss.each.detach() for name, loss in losses.items()}
        shown = sum(shares[name] * value for name, value in each.items())
        size = len(batch.ids)
        self.log_dict({f"train/{name}": value for name, value in each.items()}, batch_size=size)
        self.log("loss", shown, prog_bar=True, batch_size=size)
        # The gradient is to be that of one batch with all rows of the update: of all processes, over which it is
        # averaged, and of all batches, for which Lightning divides by their number.
        counts = batch.learnt if batch.window is None else batch.window
        said, spoken = cast(Tensor, self.all_gather(counts)).view(-1, 2).to(losses["ctc"].total).mean(dim=0)
        heard = 2 if self.loss.consistency else 1
        parts = [
            shares[name] * loss.total / (heard * (spoken if name == "phoneme" else said))
            for name, loss in losses.items()
        ]
        batches = 1 if batch.window is None else self.trainer.accumulate_grad_batches
        # What counts nothing still takes part, for each process waits for the gradients of all.
        return torch.stack(parts).sum() * (0 if batch.again else batches)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Losses, and what greedy search and the CTC head read in each utterance."""
        features, lengths = self._features(batch)
        encoded, losses = self._losses(batch, features, lengths, smoothing=0.0)
        for name, loss in losses.items():
            self._dev_losses.setdefault(name, []).append(torch.stack([loss.total, loss.count.to(loss.total)]))
        assert encoded.lengths is not None
        data = cast(SpeechData, self.trainer.datamodule)  # type: ignore[attr-defined]
        every = -(-data.dev_size // self.decoded_at_most)
        for row, steps in enumerate(encoded.lengths.tolist()):
            name = f"{batch_idx}.{row} {batch.ids[row]}"  # two manifests may use the same ids
            self._said[name] = batch.texts[row]
            self._heard[name] = self.tokenizer.decode(ctc_greedy(encoded.ctc_log_probs[row, :steps].cpu().numpy()))
            if len(self._said) % every == 0:
                cap = max_tokens(
                    float(batch.wave_lengths[row]) / self.features.sample_rate, TOKENS_PER_SECOND, MINIMUM_TOKENS
                )
                stepper = TorchStepper(self.model, encoded.memory[row : row + 1, :steps])
                self._read[name] = self.tokenizer.decode(greedy(stepper, max_tokens=cap).tokens)

    def on_validation_epoch_end(self) -> None:
        """Losses per token and word error rates over the dev set, and a few transcripts in the log."""
        for name, pairs in self._dev_losses.items():
            # Divided once, after all batches and processes: batches hold utterances of a length, and a mean of theirs
            # would weigh the tokens of words and of sentences differently.
            total, count = self.trainer.strategy.reduce(torch.stack(pairs).sum(dim=0), reduce_op="sum").unbind()
            self.log(f"dev/{name}", total / count, sync_dist=True)
        for which, read in (("wer", self._read), ("ctc_wer", self._heard)):
            said = {name: self._said[name] for name in read}
            if any(said.values()):  # a dev set in which nothing is said has no rate
                report = score(said, read, normaliser=self.normaliser, bootstrap=1)
                assert report.wer is not None
                self.log(f"dev/{which}", report.wer.value, prog_bar=True, sync_dist=True)
        shown = "\n".join(f"    {self._said[name]} → {text}" for name, text in list(self._read.items())[:20])
        for logger in self.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("dev/transcripts", shown, self.global_step)
        for kept in (self._said, self._read, self._heard, self._dev_losses):
            kept.clear()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW and the schedule, stepped at every update; norms and biases do not decay."""
        o = self.optimiser
        trained = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": o.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        # Fused, an update of 4 million weights takes a quarter of the time. Where gradients are scaled (16-mixed) it
        # would undo that only after they were clipped.
        fused = getattr(self.trainer.precision_plugin, "scaler", None) is None
        adam = torch.optim.AdamW(groups, lr=o.peak_rate, betas=(0.9, 0.98), eps=1e-8, fused=fused)
        updates = o.total_updates or self.trainer.estimated_stepping_batches
        if updates == math.inf:
            raise SettingsError("optimiser: total_updates is 0, the run's, but the run has no end; set one of them")
        total = int(updates)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            adam, lambda step: warmup_cosine(step, o.warmup_updates, total, hold=o.hold_updates)
        )
        return {"optimizer": adam, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """As the trainer's settings say.

        Lightning refuses that to a fused optimiser in any mixed precision, since those undo the scaling of gradients
        themselves. In bf16 nothing is scaled, so what it does in single precision is right there too.
        """
        plugin = self.trainer.precision_plugin
        unscaled = isinstance(plugin, MixedPrecision) and plugin.scaler is None
        clip = partial(Precision.clip_gradients, plugin) if unscaled else plugin.clip_gradients
        clip(optimizer, gradient_clip_val or 0.0, GradClipAlgorithmType(gradient_clip_algorithm or "norm"))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """All that export needs goes into the checkpoint, as plain values."""
        checkpoint["asr"] = {
            "features": self.features.to_dict(),
            "model": self.settings.to_dict(),
            "normaliser": self.normaliser.to_dict(),
            "tokenizer": self.tokenizer.model,
            "margin_seconds": self.margin_seconds,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another model, of which a tokenizer of the same size would be the silent case."""
        saved = checkpoint.get("asr")
        if saved is None:
            raise SettingsError("the checkpoint is none of `asr train`'s; go on from one of a run's checkpoints")
        pairs = {
            "features": (FeatureSettings.from_dict(saved["features"]), self.features),
            # Dropout is no dimension: it may be another from here on.
            "model": (
                replace(ModelSettings.from_dict(saved["model"]), dropout=self.settings.dropout),
                self.settings,
            ),
            "tokenizer": (Tokenizer(saved["tokenizer"]).digest, self.tokenizer.digest),
            "margin_seconds": (saved["margin_seconds"], self.margin_seconds),
        }
        for name, (was, now) in pairs.items():
            if was != now:
                raise SettingsError(f"the checkpoint's {name} is {was}, the config's is {now}; they must be the same")

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As torch does, with a SettingsError of one line where the weights are of another model."""
        try:
            return super().load_state_dict(state_dict, strict=strict, assign=assign)
        except RuntimeError as error:
            reason = " ".join(str(error).strip().splitlines()[-1].split())
            raise SettingsError(
                f"the checkpoint's weights do not fit the config ({reason}); train with the settings, data.phonemes "
                "among them, that it was made with"
            ) from error

    def _take_weights(self, folder: Path) -> None:
        bundle = read_bundle(folder)
        dimensions = ModelSettings.from_dict(dict(bundle.model))
        layers = max(dimensions.encoder_layers, self.settings.encoder_layers)
        pairs = {
            "features": (bundle.features, self.features),
            "model": (
                replace(dimensions, dropout=self.settings.dropout, encoder_layers=layers),
                self.settings,
            ),
            "tokenizer": (bundle.tokenizer.digest, self.tokenizer.digest),
        }
        for name, (has, wanted) in pairs.items():
            if has != wanted:
                raise SettingsError(
                    f"model.start_from {folder}: the bundle's {name} is {has}, the config's is {wanted}; "
                    "give the bundle's, or start from another"
                )
        self.model.load_state_dict(deepened(load_model(bundle).state_dict(), dimensions.encoder_layers, layers))

    def _features(self, batch: Batch, *, drawn: bool = False, masked: bool = False) -> tuple[Tensor, Tensor]:
        """Features and their lengths, with the margin around each row, or ``drawn`` ones of up to twice as much.

        With tracts ``drawn`` too, and bands hidden where they are to be ``masked``.
        """
        shares = margin_shares(batch.seeds) if drawn else torch.ones(len(batch.ids), 2, device=batch.waves.device)
        margins = (shares * self.margin_seconds * self.features.sample_rate).long()
        lengths = batch.wave_lengths + margins.sum(dim=1)
        waves = batch.waves.new_zeros(len(batch.ids), int(lengths.max()))
        for row, wave, before, length in zip(
            waves, batch.waves, margins[:, 0].tolist(), batch.wave_lengths.tolist(), strict=True
        ):
            row[before : before + length] = wave[:length]
        s, tracts, hidden = self.spec_augment, None, None
        if drawn and s.tract:
            tracts = (1 + s.tract) ** (torch.rand(len(waves), device=waves.device) * 2 - 1)
        if masked and s.band_masks and s.bands:
            bands = self.features.mel_bands
            hidden = stretches(waves.new_full((len(waves),), bands), bands, s.band_masks, s.bands)
        features, frames = self.mfcc(waves, lengths, tracts, hidden)
        return features, frames

    def _losses(
        self, batch: Batch, features: Tensor, lengths: Tensor, smoothing: float
    ) -> tuple[Encoded, dict[str, Loss]]:
        tap = self.loss.phoneme_layer if self.phoneme_head is not None else None
        encoded = self.model.encode(features, lengths, tap)
        assert encoded.lengths is not None
        start = batch.tokens.new_full((len(batch.ids), 1), BOS)
        room = functional.pad(batch.tokens, (0, 1), value=PAD)
        targets = room.scatter(1, batch.token_lengths.unsqueeze(1), EOS)
        logits = self.model.decode(encoded, torch.cat([start, batch.tokens], dim=1))
        said, spoken = batch.counts
        losses = {
            "decoder": Loss(cross_entropy(logits, targets, smoothing), said),
            "ctc": Loss(ctc(encoded.ctc_log_probs, encoded.lengths, batch.tokens, batch.token_lengths), said),
        }
        if self.phoneme_head is not None and encoded.tapped is not None:
            log_probs = at_least_single(self.phoneme_head(encoded.tapped)).log_softmax(dim=-1)
            total = ctc(log_probs, encoded.lengths, batch.phonemes, batch.phoneme_lengths)
            losses["phoneme"] = Loss(total, spoken)
        return encoded, losses
