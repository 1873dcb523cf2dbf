"""A folder that holds ``train.tsv``, ``dev.tsv`` and ``test.tsv``, some of them, or ``all.tsv`` with nothing split."""

from pathlib import Path

from asr.data.corpora.corpus import Corpus, CorpusSplits
from asr.data.manifests.manifest import check_disjoint, missing_audio, read_list
from asr.data.manifests.utterance import Utterance, some_lines
from asr.errors import ManifestError

SPLITS = ("train", "dev", "test", "all")


def read_lists(folder: Path) -> CorpusSplits:
    """The utterances of each list that is there, without those whose recordings are not.

    Raises:
        ManifestError: there is none of the lists, one is malformed, all recordings are missing, or two lists share a
            speaker.
    """
    lists = {split: folder / f"{split}.tsv" for split in SPLITS if (folder / f"{split}.tsv").is_file()}
    if not lists:
        raise ManifestError(
            f"{folder}: found no list in it; wanted train.tsv, dev.tsv, test.tsv or all.tsv "
            "with the header path, speaker, text"
        )
    splits: dict[str, list[Utterance]] = {}
    lost: list[str] = []
    for split, path in lists.items():
        utterances = read_list(path)
        missing = missing_audio(utterances)
        lost += (
            f"{path.name}: found {missing[each.path]} for {each.id}" for each in utterances if each.path in missing
        )
        if there := [each for each in utterances if each.path not in missing]:
            splits[split] = there
    if not splits:
        raise ManifestError(
            f"{folder}: {len(lost)} of {len(lost)} recordings are missing: {some_lines(lost)}; put them there or mend "
            "the paths"
        )
    try:
        check_disjoint(splits)
    except ManifestError as error:
        raise ManifestError(f"{folder}: {error}") from error
    return CorpusSplits(splits, missing=tuple(lost))


LISTS = Corpus(
    title="A corpus of one's own",
    url="",
    licence="its owner's",
    layout="train.tsv, dev.tsv and test.tsv, some of them, or all.tsv, with the header path, speaker, text",
    read=read_lists,
)
