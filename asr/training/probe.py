"""A run's data for a look ahead: a few of its batches."""

from collections.abc import Sequence
from typing import Any

from torch.utils.data import DataLoader

from asr.data.batches.dataset import Batch
from asr.training.data_module import SpeechData


class ProbeData(SpeechData):
    """The same data, with ``train`` in place of its epochs and ``dev`` in place of its dev set."""

    def __init__(self, data: SpeechData, train: Sequence[Batch], dev: Sequence[Batch]) -> None:
        # It is the other in all but its loaders: what was read and decoded is not read and decoded again.
        self.__dict__.update(data.__dict__)
        self._given = train, dev

    def train_dataloader(self) -> Any:
        """The batches, in their order."""
        return DataLoader(self._given[0], batch_size=None)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Batch]:
        """Those of the dev set."""
        return DataLoader(self._given[1], batch_size=None)  # type: ignore[arg-type]
