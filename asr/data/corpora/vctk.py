"""VCTK: 110 people with many accents of English, ``txt/{speaker}/{speaker}_{n}.txt`` and one folder of recordings.

Yamagishi, Veaux and MacDonald, CSTR VCTK Corpus 0.92, University of Edinburgh, 2019.
"""

import hashlib
from pathlib import Path
from typing import Final

from asr.data.corpora.corpus import Archive, Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, decoded, find_recordings, find_root, pair
from asr.data.manifests.bounded import LONGEST_LINE, is_file, whole
from asr.errors import ManifestError

LAYOUT: Final = (
    "txt/SPEAKER/SPEAKER_N.txt, and wav48_silence_trimmed/SPEAKER/SPEAKER_N_mic1.flac (0.92) "
    "or wav48/SPEAKER/SPEAKER_N.wav (before)"
)

# Newest first: a folder may hold both.
_FOLDERS: Final = ("wav48_silence_trimmed", "wav48")


def split_of(speaker: str) -> str:
    """Where a speaker belongs, by the name alone, so that a partial copy is split as the whole: about 90:5:5."""
    share = int.from_bytes(hashlib.sha256(speaker.encode()).digest()) % 20
    return {0: "dev", 1: "test"}.get(share, "train")


# Not Lhotse's prepare_vctk: it stops at a transcript without a recording and wants one kind of file a release.
def read_vctk(folder: Path) -> CorpusSplits:
    """The utterances of each split; of the two microphones of release 0.92, the first, which all speakers have.

    Ids are the names of the transcripts, such as p225_001. The recordings of p315 have no transcripts in any release.

    Raises:
        ManifestError: the folders are missing, nothing can be used, or an utterance comes twice.
    """
    root = find_root(
        folder, lambda place: (place / "txt").is_dir() and any((place / name).is_dir() for name in _FOLDERS), LAYOUT
    )
    left_out: list[str] = []
    transcripts: dict[str, TranscriptLine] = {}
    for path in sorted(filter(is_file, (root / "txt").rglob("*.txt"))):
        place = path.relative_to(folder).as_posix()
        try:
            with path.open("rb") as file:
                text = decoded(whole(file, str(path), LONGEST_LINE))
        except OSError as error:
            raise ManifestError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
        if text is None:
            left_out.append(f"{place}: found bytes that are not UTF-8")
            continue
        speaker = path.stem.partition("_")[0]
        add(transcripts, path.stem, TranscriptLine(" ".join(text.split()), speaker, split_of(speaker), place), folder)
    audio = next(root / name for name in _FOLDERS if (root / name).is_dir())
    return pair(folder, find_recordings(folder, [audio], _utterance), transcripts, left_out, LAYOUT)


def _utterance(path: Path) -> str | None:
    """What a recording is of, None for the second microphone's."""
    return None if path.stem.endswith("_mic2") else path.stem.removesuffix("_mic1")


VCTK = Corpus(
    title="CSTR VCTK Corpus 0.92",
    url="https://datashare.ed.ac.uk/handle/10283/3443",
    licence="CC BY 4.0",
    layout=LAYOUT,
    read=read_vctk,
    archives=(
        Archive(
            "https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
            "8a6ba2946b36fcbef0212cad601f4bfa",
        ),
    ),
)
