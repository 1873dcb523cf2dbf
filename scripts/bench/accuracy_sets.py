"""What accuracy is measured on: the dev halves of the corpora, their noises, silence made here, and lists given."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from corpus_words import commands_of, list_of, sample, texts, wake_phrases
from sphinx import Wave

from asr.apps.listening import gather
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.utterance import NOBODY, Utterance
from asr.evaluation.noise import pieces, usable_noises

NOISES = ("noise_esc10", "noise_ccc_maskers", "noise_mycroft", "noise_speechbrain")
SENTENCES = ("librispeech_dev", "common_voice", "speechocean762")
WORDS = ("speech_commands", "speech_commands_more")
SILENCE_SECONDS = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
HISS_DB = (-80, -70, -60)  # root mean square beside full scale: from a very good microphone to a laptop's
HISSES = 3  # of each length and loudness


@dataclass(frozen=True)
class SpeechSet:
    """Recordings of speech by the ``name`` of what they are."""

    name: str
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True)
class WordSet(SpeechSet):
    """Recordings of ``commands``, by name what is said for each."""

    commands: Mapping[str, str]


@dataclass(frozen=True)
class QuietSet:
    """Sounds in which nobody speaks, and how the waves of one are had, none longer than a command is waited for."""

    name: str
    utterances: tuple[Utterance, ...]
    read: Callable[[Utterance], list[Wave]]


def drawn(utterances: Sequence[Utterance], count: int, seed: int) -> tuple[Utterance, ...]:
    """``count`` of them at most, evenly and in their order; all where it is 0."""
    return tuple(sample(utterances, count or len(utterances), random.Random(seed)))


def sentences(corpora: Path, count: int, seed: int) -> list[SpeechSet]:
    """Read sentences, for free transcription: by native readers, by anybody, by learners and children."""
    return [
        SpeechSet(f"{name} dev", drawn(read_manifest(list_of(corpora, name, "dev")), count, seed)) for name in SENTENCES
    ]


def single_words(corpora: Path, count: int, seed: int) -> WordSet:
    """Recordings of the dev half; its commands are the words of both halves."""
    halves = {half: [read_manifest(list_of(corpora, name, half)) for name in WORDS] for half in ("train", "dev")}
    words = texts([each for lists in halves.values() for found in lists for each in found])
    dev = [
        replace(each, id=f"{name}/{each.id}")
        for name, found in zip(WORDS, halves["dev"], strict=True)
        for each in found
    ]
    return WordSet(f"{' and '.join(WORDS)} dev, {len(words)} words", drawn(dev, count, seed), commands_of(words))


def digits(corpora: Path, count: int, seed: int) -> WordSet:
    """Recordings of single digits."""
    dev = read_manifest(list_of(corpora, "fsdd", "dev"))
    words = texts(dev)
    return WordSet(f"fsdd dev, {len(words)} digits", drawn(dev, count, seed), commands_of(words))


def phrases(corpora: Path, count: int, seed: int) -> WordSet:
    """Recordings of wake phrases."""
    train = read_manifest(list_of(corpora, "precise", "train"))
    woken = wake_phrases(train)
    said = [each for each in train if each.text in set(woken)]
    name = f"precise train, {len(woken)} phrases (the default bundle learnt from these recordings)"
    return WordSet(name, drawn(said, count, seed), commands_of(woken))


def founding(manifest: Path, count: int, seed: int) -> SpeechSet:
    """A list given, by the name of its folder and its own."""
    name = manifest.name if manifest.is_dir() else f"{manifest.absolute().parent.name}/{manifest.name}"
    return SpeechSet(name, drawn(read_manifest(manifest), count, seed))


def noises(corpora: Path) -> tuple[list[Utterance], dict[str, str]]:
    """The recordings of noise of all corpora that can be used, and what is wrong with the others, by id."""
    usable: list[Utterance] = []
    failures: dict[str, str] = {}
    for name in NOISES:
        found, bad = usable_noises(list_of(corpora, name, "all"), gather)
        usable += [replace(each, id=f"{name}/{each.id}") for each in found]
        failures |= {f"{name}/{id}": reason for id, reason in bad.items()}
    return usable, failures


def noise_alone(recordings: Sequence[Utterance], count: int, seed: int) -> QuietSet:
    """Recordings of noise, to be listened to alone, piece by piece."""
    return QuietSet("noise", drawn(recordings, count, seed), lambda each: pieces(read_utterance(each)))


def silence(count: int, seed: int) -> QuietSet:
    """Digital silence and faint hiss of various lengths, made when they are read."""
    names = [f"digital/{length:g}" for length in SILENCE_SECONDS]
    names += [f"hiss/{length:g}/{level}/{n}" for length in SILENCE_SECONDS for level in HISS_DB for n in range(HISSES)]
    made = [Utterance(name, Path(name), NOBODY, "") for name in names]
    return QuietSet("silence", drawn(made, count, seed), lambda each: [silent_wave(each.id)])


def silent_wave(name: str) -> Wave:
    """The wave of a silence by its name: its kind and its seconds, and of hiss its decibels and which it is."""
    kind, length, *more = name.split("/")
    count = round(float(length) * SAMPLE_RATE)
    if kind == "digital":
        return np.zeros(count, np.float32)
    level, number = map(int, more)
    generator = np.random.default_rng([-level, number, count])
    hiss: Wave = generator.normal(0, 10 ** (level / 20), count).astype(np.float32)
    return hiss
