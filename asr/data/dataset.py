"""Batches of speech for training: waves, tokens, and phonemes where an auxiliary loss wants them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation import AugmentationSettings, augment, excerpt
from asr.data.batching import Example, example_length
from asr.data.waves import Waves

_LONGEST_JOIN_GAP = 0.2  # seconds; the clips bring silence of their own
_LONE_BACKGROUND = 2 * SAMPLE_RATE  # samples, where no speech gives the measure


class Batch(NamedTuple):
    """A batch as the model takes it; rows are padded with zeros (which is also the pad token)."""

    ids: list[str]
    texts: list[str]
    waves: Tensor  # (B, N) float32
    wave_lengths: Tensor  # (B,)
    tokens: Tensor  # (B, U), without bos and eos
    token_lengths: Tensor  # (B,)
    phonemes: Tensor  # (B, P), 0 where there is no inventory
    phoneme_lengths: Tensor  # (B,)


@dataclass(frozen=True)
class Targets:
    """What is to be said for one utterance."""

    text: str
    tokens: tuple[int, ...]
    phonemes: tuple[int, ...]


class SpeechDataset(Dataset[Batch]):
    """One epoch's batches by number. The same seed, epoch and number give the same batch, whoever asks and when."""

    def __init__(
        self,
        waves: Waves,
        targets: Sequence[Targets],
        plan: Sequence[Sequence[Example]],
        *,
        noises: Sequence[NDArray[np.float32]] = (),
        augmentation: AugmentationSettings | None = None,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        self.waves = waves
        self.targets = targets
        self.plan = plan
        self.noises = noises
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches in this epoch."""
        return len(self.plan)

    def __getitem__(self, number: int) -> Batch:
        """Batch ``number`` of the epoch."""
        rng = np.random.default_rng([self.seed, self.epoch, number])
        examples = self.plan[number]
        room = max(example_length(example, self.waves.lengths) for example in examples) or _LONE_BACKGROUND
        waves = [self._wave(example, room, rng) for example in examples]
        texts = [" ".join(self.targets[i].text for i in example if self.targets[i].text) for example in examples]
        tokens = [[token for i in example for token in self.targets[i].tokens] for example in examples]
        phonemes = [[phoneme for i in example for phoneme in self.targets[i].phonemes] for example in examples]
        ids = ["+".join(self.waves.utterances[i].id for i in example) for example in examples]
        return Batch(
            ids, texts, *_padded(waves, torch.float32), *_padded(tokens, torch.int64), *_padded(phonemes, torch.int64)
        )

    def _wave(self, example: Example, room: int, rng: np.random.Generator) -> NDArray[np.float32]:
        if example:
            parts: list[NDArray[np.float32]] = []
            for index in example:
                gap = int(rng.uniform(0, _LONGEST_JOIN_GAP) * SAMPLE_RATE) if parts else 0
                parts += [np.zeros(gap, dtype=np.float32), self.waves[index]]
            wave = np.concatenate(parts)
        else:
            wave = self._background(room, rng)
        if self.augmentation is None:
            return wave
        return augment(wave, self.noises, self.augmentation, self.augmentation.strength(self.epoch), rng)

    def _background(self, room: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Noise, or now and then nothing at all, for which the right transcript is empty; at most ``room`` samples."""
        length = int(room * rng.uniform(0.25, 1.0))
        if not self.noises or rng.random() < 0.3:
            return np.zeros(length, dtype=np.float32)
        return excerpt(self.noises, length, rng)


def _padded(rows: Sequence[Sequence[float] | NDArray[np.float32]], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    padded = torch.zeros(len(rows), int(lengths.max()), dtype=dtype)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.as_tensor(row, dtype=dtype)
    return padded, lengths
