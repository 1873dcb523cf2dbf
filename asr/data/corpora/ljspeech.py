"""LJ Speech: one reader of public domain books, ``metadata.csv`` and ``wavs/{id}.wav``. Ito and Johnson, 2017."""

from pathlib import Path
from typing import Final

from asr.data.corpora.corpus import Archive, Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, find_recordings, find_root, pair, read_rows

LAYOUT: Final = "metadata.csv with lines ID|text|text with numbers spelled out, and wavs/ID.wav"

_SPEAKER: Final = "LJ"


# Not Lhotse's prepare_ljspeech: it reads .wav only, stops at a line without two bars, and keeps figures in its texts.
def read_ljspeech(folder: Path) -> CorpusSplits:
    """The utterances, all by one speaker and so in one split, ``all``, with numbers and abbreviations spelled out.

    Ids are the corpus's own, such as LJ001-0001.

    Raises:
        ManifestError: metadata.csv is missing or not UTF-8, nothing can be used, or an id comes twice.
    """
    root = find_root(folder, lambda place: (place / "metadata.csv").is_file(), LAYOUT)
    left_out: list[str] = []
    transcripts: dict[str, TranscriptLine] = {}
    for place, line in read_rows(root / "metadata.csv", folder, left_out):
        key, *texts = (cell.strip() for cell in line.split("|"))
        if len(texts) not in (1, 2):
            left_out.append(f"{place}: found {len(texts)} bars, wanted ID|text|text with numbers spelled out")
            continue
        add(transcripts, key, TranscriptLine(texts[-1] or texts[0], _SPEAKER, "all", place), folder)
    return pair(folder, find_recordings(folder, [root / "wavs"]), transcripts, left_out, LAYOUT)


LJSPEECH = Corpus(
    title="LJ Speech 1.1",
    url="https://keithito.com/LJ-Speech-Dataset",
    licence="public domain",
    layout=LAYOUT,
    read=read_ljspeech,
    archives=(
        Archive("https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2", "c4763be9595ddfa79c2fc6eaeb3b6c8e"),
    ),
)
