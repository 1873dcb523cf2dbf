"""Common Voice: ``clips/``, ``train.tsv``, ``dev.tsv`` and ``test.tsv`` of one language of a release.

Ardila et al., Common Voice: a massively-multilingual speech corpus, LREC 2020.
"""

from pathlib import Path, PurePosixPath
from typing import Final

from asr.data.corpora.corpus import Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, find_recordings, find_root, pair, read_table

LAYOUT: Final = (
    "a release with cv-corpus-*/en/ or the folder of one language, in it clips/ and train.tsv, dev.tsv and test.tsv, "
    "some of them, with client_id, path and sentence"
)

_SPLITS: Final = ("train", "dev", "test")
_OTHERS: Final = ("validated", "invalidated", "other")
_LANGUAGE: Final = "en"


# Not Lhotse's prepare_commonvoice: it wants to write its lists, stops where one of the three is missing or a clip is
# damaged, and passes over missing clips in silence.
def read_common_voice(folder: Path) -> CorpusSplits:
    """The utterances of each list that is there; ids are the names of the clips without their ending.

    Clips that only validated.tsv, invalidated.tsv or other.tsv name are no part of any split, and are not mentioned.

    Raises:
        ManifestError: there is no such list or no clips, a list has another header, nothing can be used, or a clip
            comes twice.
    """
    root = find_root(folder, lambda place: _holds(place) or _holds(place / _LANGUAGE), LAYOUT)
    root = root if _holds(root) else root / _LANGUAGE
    left_out: list[str] = []
    transcripts: dict[str, TranscriptLine] = {}
    for split in _SPLITS:
        if not (path := root / f"{split}.tsv").is_file():
            continue
        columns = ("client_id", "path", "sentence")
        for place, (speaker, clip, text) in read_table(path, folder, columns, left_out, quoted=False):
            add(transcripts, PurePosixPath(clip).stem, TranscriptLine(text, speaker, split, place), folder)
    elsewhere: set[str] = set()
    for name in _OTHERS:
        if (path := root / f"{name}.tsv").is_file():
            elsewhere |= {
                PurePosixPath(cells[0]).stem for _, cells in read_table(path, folder, ("path",), [], quoted=False)
            }
    elsewhere -= transcripts.keys()
    clips = find_recordings(folder, [root / "clips"], lambda path: None if path.stem in elsewhere else path.stem)
    return pair(folder, clips, transcripts, left_out, LAYOUT)


def _holds(place: Path) -> bool:
    return (place / "clips").is_dir() and any((place / f"{split}.tsv").is_file() for split in _SPLITS)


COMMON_VOICE = Corpus(
    title="Common Voice",
    url="https://commonvoice.mozilla.org/en/datasets",
    licence="CC0 1.0",
    layout=LAYOUT,
    read=read_common_voice,
)
