"""A run's data for a look ahead: its own batches or a few of them."""

from collections.abc import Sequence
from typing import Any

from torch.utils.data import DataLoader

from asr.data.dataset import Batch
from asr.training.data_module import SpeechData


class ProbeData(SpeechData):
    """The same data, with ``train`` in place of its epochs if that is given, and ``dev`` in place of its dev set."""

    def __init__(self, data: SpeechData, train: Sequence[Batch] | None = None, dev: Sequence[Batch] = ()) -> None:
        # It is the other in all but its loaders: what was read and decoded is not read and decoded again.
        self.__dict__.update(data.__dict__)
        self._given = train, dev

    def train_dataloader(self) -> Any:
        """The batches, in their order."""
        train, _ = self._given
        return super().train_dataloader() if train is None else _loader(train)

    def val_dataloader(self) -> Any:
        """Those of the dev set; there may be none."""
        _, dev = self._given
        return _loader(dev) if dev else []


def _loader(batches: Sequence[Batch]) -> DataLoader[Batch]:
    return DataLoader(batches, batch_size=None, shuffle=False)  # type: ignore[arg-type]
