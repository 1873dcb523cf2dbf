"""The batches of an epoch, and where in it a run stands."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol

import torch
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


def with_windows(batches: Iterator[Batch], every: int, first: int) -> Iterator[Batch]:
    """The batches with the counts of their windows: of ``first`` batches, then of ``every``, the last may be shorter.

    So many are read ahead, one for each that is given: what loads them need never hurry.
    """
    window = list(islice(batches, first))
    while window:
        counts = torch.stack([batch.learnt for batch in window]).sum(dim=0)
        following: list[Batch] = []
        wanted = every if len(window) == first else 0
        for place, batch in enumerate(window, start=1):
            yield batch._replace(window=counts)
            following += islice(batches, wanted * place // len(window) - len(following))
        window, first = following, every


class EpochLoader(DataLoader[Batch]):
    """The batches of one epoch, which a resumed run takes up where its checkpoint was written.

    Lightning keeps ``state_dict`` with each checkpoint and gives it back. ``done`` says how many batches of the epoch
    the run has learnt from: workers read ahead, so the loader itself does not know.

    Where an update is made of several batches (``accumulated`` says of how many, and of how many batches of the epoch
    at most), each has the counts of all of them in its ``window``, for the losses to be divided by.
    """

    def __init__(
        self,
        *args: Any,
        epoch: int,
        beginning: Beginning,
        done: Callable[[], int],
        accumulated: Callable[[], tuple[int, int]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.epoch = epoch
        self.beginning = beginning
        self.done = done
        self.accumulated = accumulated

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """The batches, from the first that is not done."""
        # Asked for when the epoch begins: a callback may change it from epoch to epoch.
        every, most = self.accumulated() if self.accumulated else (1, 0)
        if every == 1:
            yield from super().__iter__()
            return
        first = self.beginning.first
        yield from with_windows(islice(super().__iter__(), max(0, most - first)), every, every - first % every)

    def state_dict(self) -> dict[str, int]:
        """Which epoch this is, and how much of it is done."""
        return {"epoch": self.epoch, "batches": self.done()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin after the batches that were done; those of another epoch were done in that."""
        self.beginning.first = state["batches"] if state["epoch"] == self.epoch else 0
