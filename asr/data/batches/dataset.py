"""Batches of speech for training: waves, tokens, and phonemes where an auxiliary loss wants them."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from asr.audio.load import SAMPLE_RATE
from asr.data.augmentation.augmenter import Augmenter, excerpt
from asr.data.batches.batching import Example, rows_of
from asr.data.batches.targets import Targets
from asr.data.batches.waves import Waves
from asr.errors import AudioError, ManifestError

Wave = NDArray[np.float32]
Part = TypeVar("Part")

_MOMENT = SAMPLE_RATE // 4


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
    seeds: Tensor  # (B,) for the augmentation of each row
    again: bool = False  # rows that another process learns from too, at an epoch's end; they count nothing
    window: Tensor | None = None  # (2,) what counts in all batches of its update, where there are several
    left_out: Sequence[str] = ()  # what is wrong with recordings that should have been in it

    @property
    def counts(self) -> Tensor:
        """Tokens and phonemes that are asked for, with the end of each row: (2,)."""
        return torch.stack([self.token_lengths.sum(), self.phoneme_lengths.sum()]) + len(self.ids)

    @property
    def learnt(self) -> Tensor:
        """Those of its ``counts`` that an update is to learn from: all, or where the rows come again none: (2,)."""
        return torch.zeros_like(self.counts) if self.again else self.counts

    @property
    def twice(self) -> "Batch":
        """All rows, and all of them again below."""
        return self._replace(
            ids=self.ids * 2,
            texts=self.texts * 2,
            waves=self.waves.repeat(2, 1),
            wave_lengths=self.wave_lengths.repeat(2),
            tokens=self.tokens.repeat(2, 1),
            token_lengths=self.token_lengths.repeat(2),
            phonemes=self.phonemes.repeat(2, 1),
            phoneme_lengths=self.phoneme_lengths.repeat(2),
            seeds=self.seeds.repeat(2),
        )


@dataclass(frozen=True)
class Changes:
    """What happens to the rows of a batch before the model sees them, besides joining.

    ``margin_seconds`` are those that the model itself puts at either end of a row, on average.
    """

    augmenter: Augmenter
    strength: float
    margin_seconds: float = 0.0

    def __call__(self, batch: Batch) -> Batch:
        """The batch with its waves changed, on the device that they are on."""
        waves, lengths = self.augmenter(batch.waves, batch.wave_lengths, batch.seeds, self.strength)
        return batch._replace(waves=waves, wave_lengths=lengths)

    def heard(self, seconds: float, seed: int) -> float:
        """How many seconds a row of so many becomes, its margins counted."""
        changed = self.augmenter.lasting(round(seconds * SAMPLE_RATE), seed, self.strength) / SAMPLE_RATE
        return changed + self.margin_seconds * float(margin_shares(torch.tensor([seed])).sum())


def margin_shares(seeds: Tensor) -> Tensor:
    """How much of the usual margin each end of a row has in training, from 0 to 2: (B,) → (B, 2).

    By the row's own seed, so that a row is the same whichever process has it.
    """
    return ((seeds[:, None] >> torch.tensor([8, 24], device=seeds.device)) & 0xFFFF) / 0x8000


def make_batch(
    rows: Sequence[Example[Part]],
    wave_of: Callable[[Part], Wave | None],
    targets_of: Callable[[Part], Targets],
    noises: Sequence[Wave],
) -> Batch:
    """The batch of some examples. What is drawn for one is decided by its seed alone.

    So a row is the same whichever process makes it, and whatever else is in the batch. Parts without a wave are left
    out, and examples without any part that has one; where none is left, a moment of silence stands for all.
    """
    waves, seeds, targets = [], [], []
    for example in rows:
        spoken = [
            (part, gap, wave)
            for part, gap in zip(example.parts, (0.0, *example.gaps), strict=False)
            if (wave := wave_of(part)) is not None
        ]
        if example.parts and not spoken:
            continue
        seeds.append(example.seed)
        targets.append([targets_of(part) for part, _, _ in spoken])
        if spoken:
            waves.append(_joined([wave for _, _, wave in spoken], [gap for _, gap, _ in spoken[1:]]))
        else:
            waves.append(_background(round(example.seconds * SAMPLE_RATE), noises, example.seed))
    if not waves:
        seeds, waves, targets = [0], [np.zeros(_MOMENT, np.float32)], [[]]
    tokens = [[token for target in row for token in target.tokens] for row in targets]
    phonemes = [[phoneme for target in row for phoneme in target.phonemes] for row in targets]
    return Batch(
        ["+".join(target.id for target in row) for row in targets],
        [" ".join(target.text for target in row if target.text) for row in targets],
        *_padded(waves, torch.float32),
        *_padded(tokens, torch.int64),
        *_padded(phonemes, torch.int64),
        torch.tensor(seeds, dtype=torch.int64),
    )


@dataclass(eq=False)
class SpeechDataset(Dataset[Batch]):
    """One epoch's batches by number. The same number gives the same batch, whoever asks and when.

    Of several processes each gets its rows of every batch. Recordings that cannot be read are left out, and the batch
    says why. ``changes`` are for training; without them the recordings come as they are.
    """

    waves: Waves
    targets: Sequence[Targets]
    plan: Sequence[Sequence[Example[int]]]
    _: KW_ONLY
    noises: Sequence[Wave] = ()
    changes: Changes | None = None
    process: int = 0
    processes: int = 1

    def __len__(self) -> int:
        """Batches in this epoch."""
        return len(self.plan)

    def __getitem__(self, number: int) -> Batch:
        """The rows of batch ``number`` of the epoch that are this process's."""
        examples = self.plan[number]
        rows = rows_of(examples, self.process, self.processes)
        left_out: list[str] = []

        def wave_of(part: int) -> Wave | None:
            try:
                return self.waves[part]
            except (AudioError, ManifestError) as error:
                left_out.append(str(error))
                return None

        batch = make_batch(rows, wave_of, self.targets.__getitem__, self.noises)
        batch = batch._replace(again=self.process >= len(examples), left_out=left_out)
        return self.changes(batch) if self.changes else batch


def _joined(spoken: Sequence[Wave], gaps: Sequence[float]) -> Wave:
    """The waves one after the other, with so many seconds of silence before each but the first."""
    pieces = [spoken[0]]
    for gap, wave in zip(gaps, spoken[1:], strict=True):
        pieces += [np.zeros(int(gap * SAMPLE_RATE), dtype=np.float32), wave]
    return np.concatenate(pieces)


def _background(length: int, noises: Sequence[Wave], seed: int) -> Wave:
    """Noise, or now and then nothing at all, for which the right transcript is empty."""
    rng = np.random.default_rng((seed, 1))  # by the seed alone the changes are drawn
    if not noises or rng.random() < 0.3:
        return np.zeros(length, dtype=np.float32)
    return excerpt(noises, length, rng)


def _padded(rows: Sequence[Sequence[float] | Wave], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    padded = torch.zeros(len(rows), int(lengths.max()), dtype=dtype)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.as_tensor(row, dtype=dtype)
    return padded, lengths
