"""What a bundle is adapted with: synthetic speech, the person's own takes, and noise, separated by what each is for."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from asr.adaptation.work_folder import WorkFolder
from asr.errors import ManifestError
from asr.files import write_whole

if TYPE_CHECKING:
    from asr.commands.network.network import Network
    from asr.data.manifests.utterance import Utterance
    from asr.data.synthetic.voices import Split, Voice
    from asr.evaluation.attempts import AttemptAll

SPLITS: Final = ("train", "dev", "test")
SILENCE: Final = "silence"
"""The speaker of recordings in which there is nothing at all."""

_HELD_OUT = 3  # of the takes, one in so many
_SHARD = 200
_VOCABULARY = 4000
_NOISE_SECONDS = 8.0
_MADE_SHARE = 0.4  # of the noise; the rest is recorded, where there is any
_SILENT = 2


@dataclass(frozen=True)
class SyntheticSpeech:
    """What the voices of one split say: folders of shards, and the utterances in each; the commands come first."""

    folders: tuple[Path, ...]
    parts: "tuple[list[Utterance], ...]"


@dataclass(frozen=True)
class Takes:
    """A person's own recordings, to learn from and to measure with; ``unknown`` are texts outside the grammar."""

    train: "list[Utterance]"
    held_out: "list[Utterance]"
    unreadable: int
    digest: str


def read_takes(folder: Path, attempt_all: "AttemptAll") -> Takes:
    """The takes in a folder as `asr commands record` makes it; which are held out follows from their paths alone.

    What cannot be read is named and left out. Raises ManifestError where there is no list, or nothing can be read.
    """
    from asr.adaptation.take_folder import LIST
    from asr.data.manifests.manifest import read_manifest, read_utterance

    path = folder / LIST
    if not path.is_file():
        raise ManifestError(
            f"{folder}: found no {LIST}; wanted a folder as `asr commands record` makes it: "
            "a list with the columns path, speaker and text"
        )
    every = read_manifest(path, lenient=True)
    sound, _ = attempt_all(every, lambda each: bool(len(read_utterance(each))), "Reading your takes")
    good = [each for each in every if sound.get(each.id)]
    if not good:
        raise ManifestError(f"{path}: none of its {len(every)} recordings can be read; record them again")
    # By the path, so that a take stays where it is however many are added.
    held_out = [each for each in good if hashlib.sha256(each.id.encode()).digest()[0] % _HELD_OUT == 0]
    kept = {each.id for each in held_out}
    return Takes(
        [each for each in good if each.id not in kept],
        held_out,
        len(every) - len(good),
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def write_list(utterances: "Sequence[Utterance]", path: Path) -> Path:
    """Takes as a manifest; whoever speaks in them is none of the synthetic voices, whatever the name."""
    rows = ["path\tspeaker\ttext", *(f"{each.path.absolute()}\town {each.speaker}\t{each.text}" for each in utterances)]
    write_whole(path, "\n".join([*rows, ""]).encode())
    return path


def draw_texts(network: "Network", manifests: Sequence[Path], train: int, held_out: int, seed: int) -> dict[str, Any]:
    """By split, the commands that are to be spoken and the ``others`` that are to be rejected.

    No other sentence of dev or test is learnt from. ``manifests`` are lists whose words serve as well.
    """
    from asr.adaptation.lessons import lesson
    from asr.data.manifests.manifest import read_manifest
    from asr.data.texts.sentences import words_of

    words = words_of(each.text for path in manifests for each in read_manifest(path))
    words = random.Random(seed).sample(words, min(len(words), _VOCABULARY))
    counts = {"train": train, "dev": held_out, "test": held_out}
    drawn = {
        split: lesson(network, words, counts[split], counts[split], seed * len(SPLITS) + place)
        for place, split in enumerate(SPLITS)
    }
    learnt = set(drawn["train"].others)
    return {
        split: {
            "commands": made.commands,
            "others": made.others if split == "train" else [text for text in made.others if text not in learnt],
        }
        for split, made in drawn.items()
    }


def speak_texts(
    texts: dict[str, Any], voices: "dict[Split, list[Voice]]", work: WorkFolder, seed: int, jobs: int
) -> dict[str, SyntheticSpeech]:
    """Each split's texts by its own voices, into shards in the work folder.

    Raises AudioError where too much cannot be spoken.
    """
    from asr.data.manifests.manifest import read_manifest
    from asr.data.synthetic.synthesis import SynthesisPlan, synthesize

    made = {}
    for split, group in voices.items():
        folders = []
        for number, (part, lines) in enumerate(texts[split].items()):
            if lines:
                plan = SynthesisPlan(lines, group, seed=2 * seed + number, utterances=len(lines), shard=_SHARD)
                synthesize(plan, work.path(f"speech/{split}_{part}"), jobs=jobs)
                folders.append(work.path(f"speech/{split}_{part}"))
        made[str(split)] = SyntheticSpeech(tuple(folders), tuple(read_manifest(folder) for folder in folders))
    return made


def held_out_noise(manifests: Sequence[Path], work: WorkFolder, count: int, seed: int) -> "dict[str, list[Utterance]]":
    """``count`` pieces without speech for dev and as many for test, as files: recorded, made, and some silent.

    No recording is in both; the bundle was trained with them, though.
    """
    import numpy as np

    from asr.audio.encoding import encode
    from asr.audio.load import SAMPLE_RATE
    from asr.data.manifests.manifest import read_manifest, read_utterance
    from asr.data.manifests.utterance import Utterance
    from asr.data.synthetic.made_noise import made_noise

    found = [replace(each, id=f"{path}/{each.id}") for path in manifests for each in read_manifest(path)]
    random.Random(seed).shuffle(found)
    generator = np.random.default_rng([seed, len(found)])
    made = {}
    for half, split in enumerate(("dev", "test")):
        recorded = found[half::2][: round((1 - _MADE_SHARE) * count)]
        waves = {each.id: wave for each in recorded if (wave := read_utterance(each)).any()}
        for number in range(count - len(waves)):
            silent = number < _SILENT
            wave = made_noise(_NOISE_SECONDS, generator)
            waves[f"{SILENCE} {number}" if silent else f"made {number}"] = 0 * wave if silent else wave
        utterances = []
        for number, (name, wave) in enumerate(waves.items()):
            path = work.path(f"noise/{split}{number}.flac")
            if not path.is_file():
                write_whole(path, encode(wave[: round(_NOISE_SECONDS * SAMPLE_RATE)], "flac"))
            speaker = SILENCE if name.startswith(SILENCE) else name
            utterances.append(Utterance(f"noise {split}{number}", path, speaker, ""))
        made[split] = utterances
    return made
