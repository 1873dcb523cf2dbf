"""The words of the corpora as commands, and recordings drawn from their lists."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from asr.data.manifests.utterance import Utterance

CORPORA = Path("data")
"""Where the recipes put the corpora, a folder each."""


def list_of(corpora: Path, name: str, half: str) -> Path:
    """A corpus's list of a half as `asr prepare` writes it; a table of the half's name where there is none."""
    prepared = corpora / name / f"cuts_{half}.jsonl.gz"
    return prepared if prepared.exists() else corpora / name / f"{half}.tsv"


def texts(utterances: Sequence[Utterance]) -> list[str]:
    """What is said in them, each once."""
    return sorted({each.text for each in utterances})


def wake_phrases(utterances: Sequence[Utterance]) -> list[str]:
    """What is said in recordings of precise that are of wake phrases, each once."""
    return texts([each for each in utterances if not each.id.startswith("not-wake-words")])


def sample(utterances: Sequence[Utterance], count: int, generator: random.Random) -> list[Utterance]:
    """So many of them at most, in their order."""
    chosen = sorted(generator.sample(range(len(utterances)), min(count, len(utterances))))
    return [utterances[place] for place in chosen]


def commands_of(phrases: Sequence[str]) -> dict[str, str]:
    """A command for each phrase, by a name."""
    return {phrase.replace(" ", "_"): phrase for phrase in phrases}


def word_grammar(commands: Mapping[str, str]) -> dict[str, Any]:
    """A grammar of one sentence a command, as YAML holds it."""
    return {"language": "en", "commands": {name: [text] for name, text in commands.items()}}


def write_grammar(grammar: Mapping[str, Any], folder: Path) -> Path:
    """The grammar as a file in a folder."""
    path = folder / "grammar.yaml"
    path.write_text(yaml.safe_dump(grammar, sort_keys=False, width=120), encoding="utf-8")
    return path
