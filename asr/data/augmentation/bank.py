"""Many recordings in one piece of memory, from which training takes excerpts."""

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PEAK = 32767


class WaveBank:
    """Recordings end to end in one tensor of 16 bits, so that forked workers share them and a device takes them whole.

    Each is scaled to a peak of 32767, for whoever mixes one in sets its level by its power; that also lets 16 bits
    hold the quietest. Empty recordings are left out. ``len`` counts those kept.
    """

    def __init__(self, waves: Sequence[NDArray[np.float32]]) -> None:
        """Take in waves (N,) of any length and level."""
        kept = [_in_16_bits(wave) for wave in waves if len(wave)]
        self._samples = torch.from_numpy(np.concatenate(kept) if kept else np.zeros(0, dtype=np.int16))
        self._starts = np.concatenate([[0], np.cumsum([len(wave) for wave in kept], dtype=np.int64)])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def to(self, device: torch.device | str) -> Self:
        """The same bank with its samples on ``device``."""
        moved = copy.copy(self)
        moved._samples = self._samples.to(device)
        return moved

    def excerpt(self, which: float, where: float, length: int) -> Tensor:
        """``length`` samples (length,) int16; the recording starts over where it is too short.

        ``which`` chooses the recording and ``where`` the place in it to begin at, each as a share from 0 to below 1.
        """
        number = int(which * len(self))
        first, end = int(self._starts[number]), int(self._starts[number + 1])
        start = first + int(where * (end - first))
        pieces = [self._samples[start : min(start + length, end)]]
        missing = length - len(pieces[0])
        if missing > 0:
            whole, rest = divmod(missing, end - first)
            pieces += [self._samples[first:end]] * whole + [self._samples[first : first + rest]]
        return torch.cat(pieces) if len(pieces) > 1 else pieces[0]


def _in_16_bits(wave: NDArray[np.float32]) -> NDArray[np.int16]:
    peak = float(np.abs(wave).max())
    return np.rint(wave * (_PEAK / peak) if peak > 0 else wave).astype(np.int16)
