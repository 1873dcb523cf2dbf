"""speechocean762: English sentences read by speakers of Mandarin; ``WAVE/SPEAKERnnnn/*.WAV`` and Kaldi's lists.

https://www.openslr.org/101, CC BY 4.0; J. Zhang et al., "speechocean762: An Open-Source Non-Native English Speech
Corpus for Pronunciation Assessment", Interspeech 2021 (arXiv:2104.01378).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asr.data.corpora.corpus import Archive, Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, find_recordings, find_root, pair, read_rows

DEV_SPEAKERS: Final = frozenset(
    {
        *("0001", "0056", "0482", "1027", "1203", "1419", "2061", "2242"),
        *("2450", "3046", "3837", "5424", "7001", "9600", "9615", "9639"),
    }
)
"""Every eighth of the speakers of the published training half, in the order of their numbers."""

_LAYOUT: Final = "WAVE/SPEAKER{nnnn}/*.WAV, train/ and test/, each with text and utt2spk"


def read_speechocean762(folder: Path) -> CorpusSplits:
    """The sentences of each split, in capitals as published: test is the published one, dev sixteen speakers of train.

    A partial copy will do, and any kind of audio file: what the lists name and the folder lacks is left out. Speakers
    are named ``so`` and their four digits.

    Raises:
        ManifestError: there are no lists, one is malformed, or none of their recordings is there.
    """
    root = find_root(folder, lambda root: any(_halves(root)), f"{_LAYOUT}, as in speechocean762")
    left_out: list[str] = []
    transcripts: dict[str, TranscriptLine] = {}
    for half in _halves(root):
        speakers = {key: speaker for _, key, speaker in _pairs(root / half / "utt2spk", root, left_out)}
        for place, key, text in _pairs(root / half / "text", root, left_out):
            speaker = speakers.get(key, "")
            split = "dev" if half == "train" and speaker in DEV_SPEAKERS else half
            add(transcripts, key, TranscriptLine(text, f"so{speaker}" if speaker else "", split, place), root)
    recordings = find_recordings(root, [root / "WAVE"])
    return pair(root, recordings, transcripts, left_out, _LAYOUT)


def _halves(root: Path) -> list[str]:
    return [half for half in ("train", "test") if all((root / half / name).is_file() for name in ("text", "utt2spk"))]


def _pairs(path: Path, root: Path, left_out: list[str]) -> Iterator[tuple[str, str, str]]:
    """The lines of a list as Kaldi writes it: where it stands, the key, and what belongs to it, which may be empty."""
    for place, line in read_rows(path, root, left_out):
        key, *rest = line.split(maxsplit=1)
        yield place, key, rest[0].strip() if rest else ""


SPEECHOCEAN762 = Corpus(
    title="speechocean762",
    url="https://www.openslr.org/101",
    licence="CC BY 4.0",
    layout=_LAYOUT,
    read=read_speechocean762,
    archives=(Archive("https://www.openslr.org/resources/101/speechocean762.tar.gz"),),
)
