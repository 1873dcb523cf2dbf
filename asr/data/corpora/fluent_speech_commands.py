"""Fluent Speech Commands: ``data/{train,valid,test}_data.csv`` and ``wavs/speakers/{speaker}/{name}.wav``.

Lugosch, Ravanelli, Ignoto, Tomar and Bengio, Speech model pre-training for end-to-end spoken language understanding,
Interspeech 2019.
"""

from pathlib import Path, PurePosixPath
from typing import Final

from asr.data.corpora.corpus import Corpus, CorpusSplits
from asr.data.corpora.pairing import TranscriptLine, add, find_recordings, find_root, pair, read_table

LAYOUT: Final = (
    "data/train_data.csv, data/valid_data.csv and data/test_data.csv, some of them, with path, speakerId and "
    "transcription, and wavs/speakers/SPEAKER/NAME.wav"
)

_LISTS: Final = {"train": "train_data.csv", "dev": "valid_data.csv", "test": "test_data.csv"}


# Not Lhotse's prepare_slu: it returns nothing, forgets the speakers, and stops at a missing list or recording.
def read_fluent_speech_commands(folder: Path) -> CorpusSplits:
    """The commands of each list; ids are paths without their ending, such as wavs/speakers/2BqVo8kVB2Skwgyb/0a3129c0.

    Raises:
        ManifestError: there is no list, one has another header, nothing can be used, or a path comes twice.
    """
    root = find_root(folder, lambda place: any((place / "data" / name).is_file() for name in _LISTS.values()), LAYOUT)
    left_out: list[str] = []
    transcripts: dict[str, TranscriptLine] = {}
    for split, name in _LISTS.items():
        if not (path := root / "data" / name).is_file():
            continue
        columns = ("path", "speakerId", "transcription")
        for place, (wav, speaker, text) in read_table(path, folder, columns, left_out, quoted=True):
            add(
                transcripts,
                PurePosixPath(wav).with_suffix("").as_posix(),
                TranscriptLine(text, speaker, split, place),
                folder,
            )
    recordings = find_recordings(
        folder, [root / "wavs"], lambda path: path.relative_to(root).with_suffix("").as_posix()
    )
    return pair(folder, recordings, transcripts, left_out, LAYOUT)


FLUENT_SPEECH_COMMANDS = Corpus(
    title="Fluent Speech Commands",
    url="https://fluent.ai/fluent-speech-commands-a-dataset-for-spoken-language-understanding-research/",
    licence="Fluent Speech Commands Public License: for academic research only",
    layout=LAYOUT,
    read=read_fluent_speech_commands,
)
