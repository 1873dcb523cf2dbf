"""CMU AN4, the census database: spelled names, addresses and numbers, and control words.

http://www.speech.cs.cmu.edu/databases/an4, free for any use (a BSD-like licence); A. Acero, "Acoustical and
Environmental Robustness in Automatic Speech Recognition", 1993.
"""

import re
import zlib
from pathlib import Path
from typing import Final

from asr.data.corpora.corpus import Archive, Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, find_recordings, find_root, pair, read_rows
from asr.errors import ManifestError

_FOLDERS: Final = {"train": "an4_clstk", "test": "an4test_clstk"}
_LINE: Final = re.compile(r"(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\(\s*([^()\s]+)\s*\)")
_ID: Final = re.compile(r"[^-]+-([^-]+)-[^-]+")  # such as an406-fcaw-b: sentence, speaker, kind
_DEV_IN: Final = 8
_LAYOUT: Final = (
    "etc/an4_train.transcription, etc/an4_test.transcription, wav/an4_clstk/{speaker}/*.sph or .wav, "
    "and wav/an4test_clstk likewise"
)


def is_dev(speaker: str) -> bool:
    """Whether a speaker of the published training half is in dev: about one in eight, by a CRC-32 of the name."""
    return zlib.crc32(speaker.encode()) % _DEV_IN == 0


def read_an4(folder: Path) -> CorpusSplits:
    """The utterances of each split, in capitals as published: test is the published one, dev speakers out of train.

    A partial copy will do, and any kind of audio file. The samples of the archive of ``.raw`` files have no header, so
    neither rate nor byte order is known of them: they are left out. Speakers are named ``an4-`` and their letters.

    Raises:
        ManifestError: there is no transcription, one has a malformed line, or none of the recordings is there.
    """
    root = find_root(
        folder, lambda root: any(_listing(root, half).is_file() for half in _FOLDERS), f"{_LAYOUT}, as in AN4"
    )
    places = [root / "wav" / below for below in _FOLDERS.values()]
    left_out = [
        f"{raw.relative_to(root).as_posix()}: found samples without a header; wanted the archive of .sph or .wav files"
        for place in places
        for raw in sorted(place.glob("*/*.raw"))
    ]
    transcripts: dict[str, TranscriptLine] = {}
    for half in _FOLDERS:
        if _listing(root, half).is_file():
            for place, line in read_rows(_listing(root, half), root, left_out):
                key, speaker, text = _said(root / place, line)
                split = "dev" if half == "train" and is_dev(speaker) else half
                add(transcripts, key, TranscriptLine(text, f"an4-{speaker}", split, place), root)
    return pair(root, find_recordings(root, places), transcripts, left_out, _LAYOUT)


def _listing(root: Path, half: str) -> Path:
    return root / "etc" / f"an4_{half}.transcription"


def _said(place: Path, line: str) -> tuple[str, str, str]:
    """Id, speaker and text of a line such as ``<s> GO FORWARD </s> (an406-fcaw-b)``; those of test have no marks."""
    match = _LINE.fullmatch(line)
    parts = _ID.fullmatch(match[2]) if match else None
    if match is None or parts is None:
        raise ManifestError(f"{place}: found {line[:60]!r}; wanted TEXT (sentence-speaker-kind); mend the line")
    return match[2], parts[1], match[1]


AN4 = Corpus(
    title="CMU AN4",
    url="http://www.speech.cs.cmu.edu/databases/an4",
    licence="free for any use, with its notice (Carnegie Mellon University)",
    layout=_LAYOUT,
    read=read_an4,
    archives=(Archive("https://github.com/cmusphinx/an4/archive/HEAD.zip"),),
)
