"""AudioMNIST: sixty people say each digit fifty times, ``data/{speaker}/{digit}_{speaker}_{n}.wav``.

Becker, Ackermann, Lapuschkin, Müller and Samek, Interpreting and explaining deep neural networks for classification of
audio signals, 2018.
"""

import re
from pathlib import Path
from typing import Final

from asr.data.corpora.corpus import Archive, Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, find_recordings, find_root, pair
from asr.text.english.numbers import DIGITS

LAYOUT: Final = "data/NN/D_NN_R.wav with digit D, speaker NN and repetition R, such as data/07/3_07_12.wav"

# A tenth of the people each, one of the twelve women in either: the corpus itself has no split of its own for words.
_SPLIT_OF_LAST_FIGURE: Final = {"9": "dev", "0": "test"}
_NAME: Final = re.compile(r"([0-9])_([0-9]{2})_[0-9]+")


# Not Lhotse's prepare_audio_mnist: it wants the describing file of all sixty speakers, and .wav only.
def read_audiomnist(folder: Path) -> CorpusSplits:
    """The spoken digits: dev are the speakers whose number ends in 9, test those in 0, train all others.

    Ids are the names of the files, such as 3_07_12.

    Raises:
        ManifestError: there is no such recording, or one twice.
    """
    root = find_root(folder, lambda place: any((place / "data").glob("[0-9][0-9]")), LAYOUT)
    left_out: list[str] = []
    transcripts: dict[str, TranscriptLine] = {}
    recordings = find_recordings(folder, sorted((root / "data").glob("[0-9][0-9]")))
    for name, path in list(recordings.items()):
        place = path.relative_to(folder).as_posix()
        match = _NAME.fullmatch(name)
        if match is None or match[2] != path.parent.name:
            left_out.append(f"{place}: found a name that does not say digit, speaker and repetition")
            del recordings[name]
            continue
        split = _SPLIT_OF_LAST_FIGURE.get(match[2][-1], "train")
        add(transcripts, name, TranscriptLine(DIGITS[int(match[1])], match[2], split, place), folder)
    return pair(folder, recordings, transcripts, left_out, LAYOUT)


AUDIOMNIST = Corpus(
    title="AudioMNIST",
    url="https://github.com/soerenab/AudioMNIST",
    licence="MIT",
    layout=LAYOUT,
    read=read_audiomnist,
    archives=(Archive("https://github.com/soerenab/AudioMNIST/archive/master.tar.gz"),),
)
