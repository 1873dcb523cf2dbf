"""Free Spoken Digit Dataset: ``recordings/{digit}_{speaker}_{n}.wav``, or another kind of audio file.

https://github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0.
"""

import re
from pathlib import Path

from asr.audio.load import find_audio
from asr.data.corpora.corpus import Corpus, CorpusSplits
from asr.data.manifests.utterance import Utterance, some
from asr.errors import AudioError, ManifestError
from asr.text.english.numbers import DIGITS

# The corpus's own split is by number, with every speaker in both halves; this one measures new speakers.
SPLIT_OF_SPEAKER = {"theo": "dev", "george": "test", "yweweler": "test"}

_NAME = re.compile(r"([0-9])_([A-Za-z]+)_([0-9]+)")


def read_digits(folder: Path) -> CorpusSplits:
    """The spoken digits of each split: dev is theo, test is george and yweweler, train is everybody else.

    A partial copy will do. Ids are paths below ``folder``, such as ``recordings/7_theo_12.wav``.

    Raises:
        ManifestError: there is no folder ``recordings`` with audio in it, files have other names, or one recording is
            there twice, as two kinds of file.
    """
    recordings = folder / "recordings"
    wanted = "wanted recordings/{digit}_{speaker}_{n}.wav, as in the Free Spoken Digit Dataset"
    try:
        # Named first, since find_audio would take a file called recordings for a recording.
        paths = find_audio(recordings) if recordings.is_dir() else []
    except AudioError as error:
        raise ManifestError(f"{error}; {wanted}") from error
    if not paths:
        raise ManifestError(f"{folder}: found no folder {recordings.name} in it; {wanted}; name the folder above it")

    matches = {path: _NAME.fullmatch(path.stem) for path in paths}
    if strangers := [path.relative_to(folder).as_posix() for path, match in matches.items() if match is None]:
        raise ManifestError(f"{folder}: found {some(strangers)}; {wanted}; rename or remove them")

    found: dict[tuple[str, int, int], Utterance] = {}
    for path, match in matches.items():
        assert match is not None
        digit, speaker, number = int(match[1]), match[2], int(match[3])
        name = path.relative_to(folder).as_posix()
        if earlier := found.get((speaker, digit, number)):
            raise ManifestError(f"{folder}: found {earlier.id} and {name}; wanted each recording once; remove one")
        found[speaker, digit, number] = Utterance(name, path, speaker, DIGITS[digit])

    splits: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for _, utterance in sorted(found.items()):
        splits[SPLIT_OF_SPEAKER.get(utterance.speaker.lower(), "train")].append(utterance)
    return CorpusSplits({split: utterances for split, utterances in splits.items() if utterances})


SPOKEN_DIGITS = Corpus(
    title="Free Spoken Digit Dataset",
    url="https://github.com/Jakobovski/free-spoken-digit-dataset",
    licence="CC BY-SA 4.0",
    layout="recordings/{digit}_{speaker}_{n}.wav",
    read=read_digits,
)
