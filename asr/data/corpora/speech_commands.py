"""Google Speech Commands, v0.01 and v0.02: ``{word}/{speaker}_nohash_{n}.wav`` and ``_background_noise_``.

https://www.tensorflow.org/datasets/catalog/speech_commands, CC BY 4.0; P. Warden, "Speech Commands: A Dataset for
Limited-Vocabulary Speech Recognition", 2018 (arXiv:1804.03209). The split is the corpus's own: by a hash of the
speaker, so that a recording stays where it is when others are added.
"""

import hashlib
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import soundfile

from asr.data.corpora.corpus import Archive, Corpus, CorpusSplits
from asr.data.corpora.pairing import find_recordings, find_root, read_rows
from asr.data.manifests.utterance import NOBODY, Utterance
from asr.errors import ManifestError

CORE_WORDS: Final = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN: Final = "unknown"
BACKGROUND: Final = "_background_noise_"
LISTS: Final = {"validation_list.txt": "dev", "testing_list.txt": "test"}
SPLITS: Final = ("train", "dev", "test")

_MOST_OF_A_CLASS: Final = 2**27 - 1  # MAX_NUM_WAVS_PER_CLASS in the corpus's README
_DEV_PERCENT = _TEST_PERCENT = 10.0
_NAME: Final = re.compile(r"([^/]+)/([0-9a-zA-Z]+)_nohash_([0-9]+)")
_PARTS: Final = {"train": (0.0, 0.8), "dev": (0.8, 0.9), "test": (0.9, 1.0)}
_CLIP_SECONDS: Final = 1.0
_LAYOUT: Final = "{word}/{speaker}_nohash_{n}.wav, and _background_noise_/*.wav"


def split_of(speaker: str) -> str:
    """train, dev or test: ``which_set`` of the corpus's README, with a tenth each for dev and test."""
    hashed = int(hashlib.sha1(speaker.encode()).hexdigest(), 16)
    percentage = hashed % (_MOST_OF_A_CLASS + 1) * (100.0 / _MOST_OF_A_CLASS)
    if percentage < _DEV_PERCENT:
        return "dev"
    return "test" if percentage < _DEV_PERCENT + _TEST_PERCENT else "train"


def read_speech_commands(folder: Path) -> CorpusSplits:
    """The words of each split, and the background recordings as ``noise``.

    A partial copy will do, and any kind of audio file. Speakers are named ``sc`` and their eight digits. Where
    ``validation_list.txt`` and ``testing_list.txt`` are there, they must agree with the hash.

    Raises:
        ManifestError: there is no word's folder, a recording is there as two kinds of file, or a list disagrees.
    """
    folder = _root(folder)
    words, left_out = _words(folder)
    noise = [Utterance(_id(folder, path), path, NOBODY, "") for path in _background_files(folder)]
    splits = {**words, "noise": noise}
    return CorpusSplits({split: utterances for split, utterances in splits.items() if utterances}, tuple(left_out))


def read_speech_commands_12(folder: Path) -> CorpusSplits:
    """The ten core words, all other words with the text "unknown", and silence with an empty text.

    As in Warden's benchmark the silence is cut from the background recordings, a second each: as many clips in a split
    as it has recordings of a core word on average. Of each background recording the first 80 % give train, and
    ``noise`` too, the next 10 % dev, the last test. Unlike there, unknown words are not thinned to keep the classes of
    one size.

    Raises:
        ManifestError: as ``read_speech_commands``.
    """
    folder = _root(folder)
    words, left_out = _words(folder)
    backgrounds, unreadable = _backgrounds(folder)
    left_out += unreadable
    splits: dict[str, list[Utterance]] = {}
    for split, utterances in words.items():
        texts = [utterance.text if utterance.text in CORE_WORDS else UNKNOWN for utterance in utterances]
        counts = Counter(text for text in texts if text != UNKNOWN)
        wanted = math.ceil(counts.total() / len(CORE_WORDS))
        splits[split] = [
            Utterance(each.id, each.path, each.speaker, text) for each, text in zip(utterances, texts, strict=True)
        ]
        splits[split] += _silence(folder, backgrounds, split, wanted)
    share = _PARTS["train"][1]
    splits["noise"] = [
        Utterance(_id(folder, path), path, NOBODY, "", 0.0, round(share * seconds, 3)) for path, seconds in backgrounds
    ]
    if not backgrounds:
        left_out.append(f"{BACKGROUND}: found no recording that can be read; no split has silence")
    return CorpusSplits({split: utterances for split, utterances in splits.items() if utterances}, tuple(left_out))


def _root(folder: Path) -> Path:
    return find_root(folder, lambda root: any(root.glob("*/*_nohash_*")), f"{_LAYOUT}, as in Google Speech Commands")


def _words(folder: Path) -> tuple[dict[str, list[Utterance]], list[str]]:
    """The utterances of all three splits, in the order of their ids, and what has another name."""
    left_out: list[str] = []
    listed: dict[str, str] = {}
    for file, split in LISTS.items():
        if (folder / file).is_file():
            listed |= {line.rpartition(".")[0]: split for _, line in read_rows(folder / file, folder, left_out)}
    both_lists = all((folder / file).is_file() for file in LISTS)
    splits: dict[str, list[Utterance]] = {split: [] for split in SPLITS}
    recordings = find_recordings(folder, [folder], lambda path: _id(folder, path.with_suffix("")))
    for name, path in sorted(recordings.items()):
        match = _NAME.fullmatch(name)
        if match is None:
            if not name.startswith(f"{BACKGROUND}/"):
                left_out.append(f"{_id(folder, path)}: found another name than {{word}}/{{speaker}}_nohash_{{n}}")
            continue
        word, speaker = match[1], match[2]
        split = split_of(speaker)
        told = listed.get(name, "train" if both_lists else split)
        if told != split:
            raise ManifestError(
                f"{folder}: {name} is in {told} by {' and '.join(LISTS)}, in {split} by the hash of its speaker; "
                "wanted both to agree; put the published lists there, or remove them"
            )
        splits[split].append(Utterance(_id(folder, path), path, f"sc{speaker}", word))
    if not any(splits.values()):
        raise ManifestError(f"{folder}: found no recording of a word; wanted {_LAYOUT}; name the folder of the words")
    return splits, left_out


def _background_files(folder: Path) -> list[Path]:
    return [path for _, path in sorted(find_recordings(folder, [folder / BACKGROUND]).items())]


def _backgrounds(folder: Path) -> tuple[list[tuple[Path, float]], list[str]]:
    """The background recordings with their lengths in seconds, and those that cannot be read."""
    found, left_out = [], []
    for path in _background_files(folder):
        try:
            found.append((path, float(soundfile.info(path).duration)))
        except (soundfile.SoundFileError, OSError) as error:
            left_out.append(f"{_id(folder, path)}: cannot be read as audio: {error}")
    return found, left_out


def _silence(folder: Path, backgrounds: list[tuple[Path, float]], split: str, wanted: int) -> list[Utterance]:
    """So many clips of a second, spread evenly over the split's part of each background recording."""
    low, high = _PARTS[split]
    room = [(path, low * seconds, high * seconds - _CLIP_SECONDS) for path, seconds in backgrounds]
    room = [(path, first, last) for path, first, last in room if last > first]
    clips: dict[str, Utterance] = {}
    for number in range(wanted if room else 0):
        path, first, last = room[number % len(room)]
        turn, turns = number // len(room), math.ceil(wanted / len(room))
        start = round(first + (last - first) * turn / max(1, turns - 1), 3)
        name = f"{_id(folder, path)}@{start:.3f}"
        clips[name] = Utterance(name, path, NOBODY, "", start, _CLIP_SECONDS)
    return list(clips.values())


def _id(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


_ARCHIVES = (
    Archive(
        "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        "6b74f3901214cb2c2934e98196829835",
    ),
)

SPEECH_COMMANDS = Corpus(
    title="Google Speech Commands",
    url="https://www.tensorflow.org/datasets/catalog/speech_commands",
    licence="CC BY 4.0",
    layout=_LAYOUT,
    read=read_speech_commands,
    archives=_ARCHIVES,
)

SPEECH_COMMANDS_12 = replace(
    SPEECH_COMMANDS,
    title="Google Speech Commands, ten words with unknown ones and silence",
    read=read_speech_commands_12,
)
