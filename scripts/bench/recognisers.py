"""Ours and PocketSphinx, listening to the same waves: what each hears, and the processor time that it takes."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import TypeVar

from corpus_words import word_grammar, write_grammar
from jsgf import write_jsgf
from sphinx import Sphinx, Wave, has_sphinx

from asr.commands.grammar.form import read_grammar
from asr.commands.grammar.ready import find_grammar
from asr.commands.network.network import Network
from asr.commands.reading import Reading
from asr.commands.rejection import Rejection
from asr.data.manifests.utterance import Utterance
from asr.evaluation.outcome import Kind, Outcome
from asr.runtime.commander import Commander, Listener, decide
from asr.runtime.transcriber import Transcriber

Found = TypeVar("Found")
Ear = Callable[[Wave], Found]

OURS = "ours"
PEER = "PocketSphinx"


@dataclass(frozen=True)
class Said:
    """The words that one recogniser heard in one recording without a grammar, and the seconds that it took."""

    text: str
    seconds: float


@dataclass(frozen=True)
class Heard:
    """What one recogniser made of one recording by a grammar, and the seconds that it took.

    ``free`` is what ours heard without the grammar, on the way; PocketSphinx hears nothing beside its grammar.
    """

    reading: Reading | None
    understood: bool
    confidence: float
    seconds: float
    free: str = ""


@dataclass(frozen=True)
class CommandEars:
    """Recognisers by name that listen for the ``network`` of one grammar; PocketSphinx can say none of ``missing``."""

    network: Network
    missing: frozenset[str]
    hear: Mapping[str, Ear[Heard]]


def free_ears(bundle: Path) -> dict[str, Ear[Said]]:
    """Recognisers by name that listen for any words, each with its own model and settings."""
    transcriber = Transcriber.from_bundle(bundle, threads=1)
    found = {OURS: _timed(lambda wave: transcriber.transcribe(wave).text)}
    if has_sphinx():
        found[PEER] = _timed(Sphinx(free=True, apart=True).hear)
    return found


def _timed(hear: Ear[str]) -> Ear[Said]:
    def timed(wave: Wave) -> Said:
        begin = process_time()
        text = hear(wave)
        return Said(text, process_time() - begin)

    return timed


def word_ears(bundle: Path, commands: Mapping[str, str], *, apart: bool) -> CommandEars:
    """Recognisers that listen for one sentence a command; see ``command_ears``."""
    with tempfile.TemporaryDirectory() as folder:
        return command_ears(bundle, str(write_grammar(word_grammar(commands), Path(folder))), apart=apart)


def command_ears(bundle: Path, grammar: str, *, apart: bool) -> CommandEars:
    """Recognisers that listen for a grammar, a file or the name of a ready one; ``apart`` is PocketSphinx's.

    Raises BundleError for a bundle that cannot be used or was never calibrated, SettingsError for the grammar.
    """
    commander = Commander.from_bundle(bundle, [grammar], threads=1)
    listener, network = Listener(commander.transcriber, commander.network), commander.network
    hear: dict[str, Ear[Heard]] = {OURS: lambda wave: by_ours(listener, commander.rejection, wave)}
    missing: frozenset[str] = frozenset()
    if has_sphinx():
        sphinx = Sphinx(apart=apart)
        jsgf = write_jsgf(read_grammar(find_grammar(grammar)), commander.transcriber.bundle.normaliser, sphinx.knows)
        sphinx.load(jsgf)
        missing = jsgf.missing
        hear[PEER] = lambda wave: by_sphinx(sphinx, network, wave)
    return CommandEars(network, missing, hear)


def by_ours(listener: Listener, rejection: Rejection, wave: Wave) -> Heard:
    """Ours, loaded already."""
    begin = process_time()
    heard = listener.hear([wave])
    found = decide(heard, rejection)
    taken = process_time() - begin
    return Heard(found.reading, found.understood, found.confidence, taken, heard.free.text)


def by_sphinx(sphinx: Sphinx, network: Network, wave: Wave) -> Heard:
    """PocketSphinx, loaded already, which takes whatever it decodes; the network tells what its words mean."""
    begin = process_time()
    text = sphinx.hear(wave)
    taken = process_time() - begin
    reading = network.parse(text) if text else None
    return Heard(reading, reading is not None, float(reading is not None), taken)


def outcome(
    utterance: Utterance, kind: Kind, seconds: float, heard: Heard, network: Network, snr: float | None = None
) -> Outcome:
    """One recording, as it is scored."""
    return Outcome(
        id=f"{kind} {utterance.id}",
        speaker=utterance.speaker,
        text=utterance.text,
        seconds=seconds,
        expected=network.parse(utterance.text) if kind == "command" else None,
        heard=heard.reading,
        understood=heard.understood,
        confidence=heard.confidence,
        kind=kind,
        snr=snr,
        transcript=heard.free,
    )
