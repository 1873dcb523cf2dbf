"""What is known of a published corpus, and what reading a folder of it gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.data.manifests.utterance import Utterance


@dataclass(frozen=True)
class Archive:
    """A file that the publisher offers: fetched, checked and unpacked into the corpus's folder.

    ``md5`` is the publisher's own checksum, empty where none is published.
    """

    url: str
    md5: str = ""


@dataclass(frozen=True)
class CorpusSplits:
    """The utterances of each split, and a line for whatever lay in the folder and could not be used.

    Splits are named train, dev, test; ``all`` where nothing is split, ``noise`` for recordings without speech. One for
    which the folder holds nothing is left out. ``missing`` are lines on recordings that a list of the person's own
    names and that are not there.
    """

    splits: Mapping[str, Sequence[Utterance]]
    left_out: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """A corpus as it is published.

    ``layout`` tells in a line how the folder must look, ``read`` lists what is in such a folder or in a part of it and
    raises ManifestError where there is nothing of the corpus in it. ``archives`` are empty where the publisher wants to
    be asked first.
    """

    title: str
    url: str
    licence: str
    layout: str
    read: Callable[[Path], CorpusSplits]
    archives: tuple[Archive, ...] = field(default=())
