"""English Consistent Confusion Corpus v1.2: single words in noise that listeners misheard alike.

http://spandh.dcs.shef.ac.uk/ECCC, CC BY 4.0; R. Marxer, J. Barker, M. Cooke, M. L. Garcia Lecumberri, "A corpus of
noise-induced word misperceptions for English", JASA 140 (5), 2016.
"""

from pathlib import Path
from typing import Final

from asr.data.corpora.corpus import Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, find_recordings, find_root, pair, read_table
from asr.data.manifests.utterance import NOBODY, Utterance

LISTING: Final = "confusionCorpus_v1.2.csv"
DEV_SPEAKERS: Final = frozenset({"s1"})
"""The one of the four that said the fewest words; four are too few for a test split as well."""

_TITLE: Final = "the English Consistent Confusion Corpus v1.2"
_COLUMNS: Final = ("ID", "Speaker", "Target")
_LAYOUT: Final = f"{LISTING}, confusionWavs/T_{{id}}.wav (or T_{{id}}.wav beside the list) and maskerWavs/*.wav"


def read_english_ccc(folder: Path) -> CorpusSplits:
    """The words that were spoken, dev by speaker, and the maskers as ``noise``.

    The published recordings have two channels, speech and masker; all channels of a recording are averaged when it is
    read, so that the word is heard in its noise. A copy that keeps the speech alone gives clean words. A partial copy
    will do, and any kind of audio file. Speakers are named ``ccc-s1`` to ``ccc-s4``.

    Raises:
        ManifestError: there is no list, it is malformed, or none of its recordings is there.
    """
    root = find_root(folder, lambda root: (root / LISTING).is_file(), f"{_LAYOUT}, as in {_TITLE}")
    left_out: list[str] = []
    transcripts: dict[str, TranscriptLine] = {}
    for place, (key, speaker, word) in read_table(root / LISTING, root, _COLUMNS, left_out, quoted=True):
        split = "dev" if speaker in DEV_SPEAKERS else "train"
        add(transcripts, f"T_{key}", TranscriptLine(word, f"ccc-{speaker}" if speaker else "", split, place), root)
    words = root / "confusionWavs"
    recordings = find_recordings(
        root, [words if words.is_dir() else root], lambda path: path.stem if path.stem.startswith("T_") else None
    )
    reading = pair(root, recordings, transcripts, left_out, _LAYOUT)
    maskers = find_recordings(root, [root / "maskerWavs"])
    noise = [Utterance(f"maskerWavs/{name}", path, NOBODY, "") for name, path in sorted(maskers.items())]
    return CorpusSplits({**reading.splits, **({"noise": noise} if noise else {})}, reading.left_out)


ENGLISH_CCC = Corpus(
    title="English Consistent Confusion Corpus v1.2",
    url="http://spandh.dcs.shef.ac.uk/ECCC",
    licence="CC BY 4.0",
    layout=_LAYOUT,
    read=read_english_ccc,
)
