"""An epoch of training that is read from shards as it goes, for corpora that no memory holds."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from asr.data.batches.batching import BatchSettings, batches, join, unchanged
from asr.data.batches.dataset import Batch, Changes, make_batch
from asr.data.batches.targets import TargetMaker
from asr.data.manifests.utterance import NOBODY
from asr.data.shards.index import ShardFolder
from asr.data.shards.stream import Clip, part_size, stream
from asr.errors import ManifestError

Wave = NDArray[np.float32]


@dataclass(eq=False)
class StreamedEpoch(IterableDataset[Batch]):
    """``updates`` batches for each process; the same seed and epoch give the same, for as many processes and workers.

    Each worker of each process reads a part of its own of every folder. An epoch goes on about where the last one
    stopped, so that in time everything is read; it begins at batch ``first``, before which nothing is decoded.
    Utterances of the speakers ``kept_out`` are refused. ``look_ahead`` examples, undecoded, are held to be grouped.
    """

    folders: Sequence[ShardFolder]
    weights: Sequence[float]
    speller: TargetMaker
    settings: BatchSettings
    _: KW_ONLY
    updates: int
    join_strength: float = 1.0
    kept_out: frozenset[str] = frozenset()
    noises: Sequence[Wave] = ()
    changes: Changes | None = None
    seed: int = 0
    epoch: int = 0
    process: int = 0
    processes: int = 1
    look_ahead: int = 1000
    first: int = field(default=0, init=False)

    def __len__(self) -> int:
        """Batches of the whole epoch for one process."""
        return self.updates

    def __iter__(self) -> Iterator[Batch]:
        """The batches of one worker; the loader takes one of each worker in turn."""
        info = get_worker_info()
        workers = info.num_workers if info else 1
        # The loader begins with its first worker, the epoch with the one whose turn it was.
        worker = ((info.id if info else 0) + self.first) % workers
        part, parts = self.process * workers + worker, self.processes * workers
        rng = np.random.default_rng([self.seed, self.epoch, part])
        examples = join(
            self._clips(part, parts),
            lambda clip: clip.utterance.duration or 0.0,
            lambda clip: clip.utterance.path.parent,
            self.settings,
            self.join_strength,
            rng,
            self.changes.heard if self.changes else unchanged,
        )
        for number, batch in enumerate(batches(examples, self.settings, rng, look_ahead=self.look_ahead)):
            turn = number * workers + worker
            if turn >= self.updates:
                return
            if turn >= self.first:
                made = make_batch(batch, Clip.wave, lambda clip: self.speller(clip.utterance), self.noises)
                yield self.changes(made) if self.changes else made

    def _clips(self, part: int, parts: int) -> Iterator[Clip]:
        whole = sum(weight * folder.seconds for weight, folder in zip(self.weights, self.folders, strict=True))
        share = self.updates * self.settings.seconds * self.processes / whole
        an_epoch = round(share * part_size(self.folders, self.weights, part=part, parts=parts))
        for clip in stream(
            self.folders,
            self.weights,
            seed=self.seed,
            part=part,
            parts=parts,
            skip=self.epoch * an_epoch,
            endless=True,
        ):
            speaker = clip.utterance.speaker
            if speaker in self.kept_out and speaker != NOBODY:
                raise ManifestError(
                    f"{clip.utterance.path}: utterance {clip.utterance.id!r} is by {speaker}, who is heard in the dev "
                    "set too; wanted each speaker in one of them only"
                )
            yield clip
