"""A folder that holds ``train.tsv``, ``dev.tsv`` and ``test.tsv``, some of them, or ``all.tsv`` with nothing split."""

from pathlib import Path

from asr.data.corpora.corpus import Corpus, Reading
from asr.data.lists.manifest import check_disjoint, read_manifest
from asr.errors import ManifestError

SPLITS = ("train", "dev", "test", "all")


def read_lists(folder: Path) -> Reading:
    """The utterances of each list that is there.

    Raises:
        ManifestError: there is none of the lists, one is malformed, or two share a speaker.
    """
    lists = {split: folder / f"{split}.tsv" for split in SPLITS if (folder / f"{split}.tsv").is_file()}
    if not lists:
        raise ManifestError(
            f"{folder}: found no list in it; wanted train.tsv, dev.tsv, test.tsv or all.tsv "
            "with the header path, speaker, text"
        )
    splits = {split: read_manifest(path) for split, path in lists.items()}
    try:
        check_disjoint(splits)
    except ManifestError as error:
        raise ManifestError(f"{folder}: {error}") from error
    return Reading(splits)


LISTS = Corpus(
    title="A corpus of one's own",
    url="",
    licence="its owner's",
    layout="train.tsv, dev.tsv and test.tsv, some of them, or all.tsv, with the header path, speaker, text",
    read=read_lists,
)
