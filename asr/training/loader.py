"""The batches of an epoch, and where in it a run stands."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from torch.utils.data import DataLoader, Sampler

from asr.data.batches.dataset import Batch


class Beginning(Protocol):
    """What decides at which batch of an epoch its reading begins."""

    first: int


class Numbers(Sampler[int]):
    """The numbers of an epoch's batches in their order, from ``first`` on."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.first = 0

    def __len__(self) -> int:
        """Batches of the whole epoch, which is what Lightning counts to."""
        return self.count

    def __iter__(self) -> Iterator[int]:
        """Those that are not done yet."""
        return iter(range(self.first, self.count))


class EpochLoader(DataLoader[Batch]):
    """The batches of one epoch, which a resumed run takes up where its checkpoint was written.

    Lightning keeps ``state_dict`` with each checkpoint and gives it back. ``done`` says how many batches of the epoch
    the run has learnt from: workers read ahead, so the loader itself does not know.
    """

    def __init__(self, *args: Any, epoch: int, beginning: Beginning, done: Callable[[], int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epoch = epoch
        self.beginning = beginning
        self.done = done

    def state_dict(self) -> dict[str, int]:
        """Which epoch this is, and how much of it is done."""
        return {"epoch": self.epoch, "batches": self.done()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin after the batches that were done; those of another epoch were done in that."""
        self.beginning.first = state["batches"] if state["epoch"] == self.epoch else 0
