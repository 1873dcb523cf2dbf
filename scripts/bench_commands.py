"""What commands cost by the size of their grammar, and how well they are understood and all else is refused.

Beside it stands PocketSphinx (if it is installed), with the same grammar in JSGF on the same recordings in the same
run. All is measured on one thread, as processor time, so that other programs on the machine disturb little. The tables
are Markdown.

Sizes: grammars of 10 to 10^12 sentences, whose lists hold what is said in the samples of recipes/commands and words
made of syllables. Each size is measured in a process of its own. Memory is what the compiled grammar holds as Python
counts it, and of PocketSphinx how much the peak of the process grows. Search is without the encoder, divided by the
length of the recordings, and beside the bundle's search without a grammar on the same recordings (which may be
narrower); of PocketSphinx it is all that it does. "First" is with nothing known of the grammar yet.

Understanding: grammars of the corpora's own words, one command each, made here. PocketSphinx accepts whatever it
decodes. Recordings with a word that it has no pronunciation for are left out for both.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module, metadata, util
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import yaml
from jsgf import Jsgf, write_jsgf
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE
from asr.bundle import DEFAULT_BUNDLE, read_bundle
from asr.commands.grammar.grammar import read_grammar
from asr.commands.network.automaton import TokenAutomaton
from asr.commands.network.network import Network, compile_network
from asr.commands.reading import Reading
from asr.data.lists.manifest import read_manifest, read_utterance
from asr.data.lists.utterance import Utterance
from asr.errors import AsrError
from asr.evaluation.commands import CommandRates, Kind, OtherSound, Outcome, score_commands
from asr.evaluation.report import per_cent
from asr.evaluation.scoring import Rate, resample
from asr.runtime.commander import Commander
from asr.runtime.transcriber import Transcriber
from asr.text.normaliser import Normaliser

SCRIPTS = Path(__file__).resolve().parent
SAMPLES = SCRIPTS.parent / "recipes" / "commands" / "samples" / "transcripts.tsv"
CORPORA = SCRIPTS.parents[1] / "shared" / "corpora"
SIZES = ((10, 1), (10, 2), (1000, 1), (10_000, 1), (1000, 2), (10_000, 2), (1000, 3), (10_000, 3))
CONSONANTS = {"b": "B", "d": "D", "f": "F", "g": "G", "k": "K", "l": "L", "m": "M", "n": "N"} | {
    **{"p": "P", "r": "R", "s": "S", "t": "T", "v": "V", "z": "Z"}
}
VOWELS = {"a": "AA", "e": "EH", "i": "IY", "o": "OW", "u": "UW"}
MANY = 20  # recordings a word must have to be one of the ten
TEN = 10
Wave = NDArray[np.float32]


# Grammars and recordings


@dataclass(frozen=True)
class Task:
    """Commands by name, recordings of them, and recordings of what is none of them."""

    name: str
    commands: Mapping[str, str]
    said: tuple[Utterance, ...]
    other: tuple[Utterance, ...]


def size_grammar(texts: Sequence[str], entries: int, lists: int, seed: int) -> dict[str, Any]:
    """A grammar of ``entries`` to the power of ``lists`` sentences or some more, the texts (of two words or more)
    among them, as YAML holds it.

    Of three lists the last may be left out, so that texts of two words are sentences too.
    """
    generator = random.Random(seed)
    held: dict[str, list[str]] = {}
    for number, name in enumerate("abc"[:lists]):
        parts = (text.split(maxsplit=lists - 1) for text in texts)
        values = dict.fromkeys(part[number] for part in parts if len(part) > number)
        while len(values) < entries:
            values[" ".join(made_word(generator) for _ in range(generator.choice([1, 1, 2])))] = None
        held[name] = generator.sample(list(values), len(values))
    template = {1: "{a}", 2: "{a} {b}", 3: "{a} {b} [{c}]"}[lists]
    return {"language": "en", "lists": held, "commands": {"say": [template]}}


def made_word(generator: random.Random) -> str:
    """Two to four syllables of a consonant and a vowel."""
    return "".join(
        generator.choice(list(CONSONANTS)) + generator.choice(list(VOWELS)) for _ in range(generator.randint(2, 4))
    )


def phones(word: str) -> str:
    """How a made word is said, in the phones of PocketSphinx."""
    return " ".join((CONSONANTS | VOWELS)[letter] for letter in word)


def word_grammar(commands: Mapping[str, str]) -> dict[str, Any]:
    """A grammar of one sentence a command, as YAML holds it."""
    return {"language": "en", "commands": {name: [text] for name, text in commands.items()}}


def write_grammar(grammar: Mapping[str, Any], folder: Path) -> Path:
    """The grammar as a file in a folder."""
    path = folder / "grammar.yaml"
    path.write_text(yaml.safe_dump(grammar, sort_keys=False, width=120), encoding="utf-8")
    return path


def tasks(corpora: Path, count: int, seed: int) -> list[Task]:
    """What is to be understood, with at most ``count`` recordings of commands and as many others."""

    def read(name: str) -> list[Utterance]:
        return read_manifest(corpora / name)

    def task(name: str, phrases: Sequence[str], said: list[Utterance], other: list[Utterance]) -> Task:
        commands = {phrase.replace(" ", "_"): phrase for phrase in phrases}
        inside = [each for each in said if each.text in set(phrases)]
        outside = [each for each in other if each.text not in set(phrases)]
        generator = random.Random(seed)
        return Task(name, commands, *(tuple(sample(each, count, generator)) for each in (inside, outside)))

    words, digits, phrases = read("speech_commands/dev.tsv"), read("fsdd/dev.tsv"), read("precise/train.tsv")
    sentences = read("speechocean762/dev.tsv")
    counts = Counter(each.text for each in words)
    often = sorted(word for word, many in counts.items() if many >= MANY)
    ten = sorted(random.Random(seed).sample(often, min(TEN, len(often))))
    woken = sorted({each.text for each in phrases if not each.id.startswith("not-wake-words")})
    return [
        task("digits (fsdd); others: speech_commands' other words", texts(digits), digits, words),
        task("all words of speech_commands; others: speechocean762's sentences", texts(words), words, sentences),
        task(f"{len(ten)} words of speech_commands; others: its other words", ten, words, words),
        task("precise's phrases, train.tsv, which the default bundle learned from", woken, phrases, phrases),
    ]


def texts(utterances: Sequence[Utterance]) -> list[str]:
    """What is said in them, each once."""
    return sorted({each.text for each in utterances})


def sample(utterances: Sequence[Utterance], count: int, generator: random.Random) -> list[Utterance]:
    """So many of them at most, in their order."""
    chosen = sorted(generator.sample(range(len(utterances)), min(count, len(utterances))))
    return [utterances[place] for place in chosen]


# PocketSphinx


class Sphinx:
    """PocketSphinx with the model that comes with it, and a grammar."""

    def __init__(self) -> None:
        self._decoder = import_module("pocketsphinx").Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", lm=None)

    def knows(self, word: str) -> bool:
        """Whether it has a pronunciation."""
        return self._decoder.lookup_word(word) is not None

    def learn(self, words: Sequence[str]) -> None:
        """Add made words."""
        for word in words:
            if not self.knows(word):
                self._decoder.add_word(word, phones(word), False)

    def load(self, jsgf: Jsgf) -> None:
        """Listen for this grammar from now on."""
        self._decoder.add_jsgf_string("commands", jsgf.text)
        self._decoder.activate_search("commands")

    def hear(self, wave: Wave) -> str:
        """What is said; empty where nothing of the grammar is."""
        self._decoder.start_utt()
        self._decoder.process_raw((wave * 32767).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return "" if hypothesis is None else str(hypothesis.hypstr)


def has_sphinx() -> bool:
    """Whether it is installed."""
    return util.find_spec("pocketsphinx") is not None


# What a grammar costs


@dataclass(frozen=True)
class Cost:
    """Of one grammar in one recogniser: seconds to read and compile it and to decode all samples, memory in bytes."""

    sentences: int
    bytes: int
    read: float
    compiled: float
    memory: int
    right: int
    first: float
    decoded: float
    free: float


def seconds(work: Callable[[], object]) -> float:
    """Processor time of some work."""
    begin = process_time()
    work()
    return process_time() - begin


def peak() -> int:
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cost_of_ours(path: Path, bundle: Path, rounds: int) -> Cost:
    """Ours: first is the decoding that finds out what it needs of the grammar, free the beam without a grammar."""
    opened = read_bundle(bundle)
    normaliser, tokenizer = opened.normaliser, opened.tokenizer
    with tempfile.TemporaryDirectory() as folder:  # so that nothing is imported while it is measured
        small = read_grammar(write_grammar(word_grammar({"a": "a"}), Path(folder)))
        TokenAutomaton(compile_network([small], normaliser), tokenizer).start()
    begin = process_time()
    grammar = read_grammar(path)
    read = process_time() - begin
    network = compile_network([grammar], normaliser)
    automaton = TokenAutomaton(network, tokenizer)
    compiled = process_time() - begin - read
    # Once more, because counting takes time. The peak of the process shows nothing where it was higher before.
    tracemalloc.start()
    again = TokenAutomaton(compile_network([grammar], normaliser), tokenizer)
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del again, grammar

    transcriber = Transcriber(opened, threads=1)
    utterances = read_manifest(SAMPLES)
    waves = [read_utterance(each) for each in utterances]
    heard = [(transcriber.hear(wave), len(wave) / SAMPLE_RATE) for wave in waves]

    def decode(constraint: TokenAutomaton | None) -> list[str]:
        best = [transcriber.decode(each, length, constraint=constraint)[0] for each, length in heard]
        return [tokenizer.decode(each.tokens) for each in best]

    decode(None)
    first = seconds(lambda: decode(automaton))
    # Turn by turn, so that a disturbance meets both.
    times = [(seconds(lambda: decode(automaton)), seconds(lambda: decode(None))) for _ in range(rounds)]
    right = sum(text == each.text for text, each in zip(decode(automaton), utterances, strict=True))
    decoded, free = (min(column) for column in zip(*times, strict=True))
    return Cost(network.count(), path.stat().st_size, read, compiled, memory, right, first, decoded, free)


def cost_of_sphinx(path: Path, _bundle: Path, rounds: int) -> Cost:
    """PocketSphinx; reading is writing the JSGF and learning the words, free the length of the samples."""
    sphinx, normaliser = Sphinx(), Normaliser()
    utterances = read_manifest(SAMPLES)
    waves = [read_utterance(each) for each in utterances]
    begin = process_time()
    grammar = read_grammar(path)
    sphinx.learn(sorted(write_jsgf(grammar, normaliser, sphinx.knows).missing))
    jsgf = write_jsgf(grammar, normaliser, sphinx.knows)
    read = process_time() - begin
    before = peak()
    compiled = seconds(lambda: sphinx.load(jsgf))
    memory = peak() - before
    first = seconds(lambda: [sphinx.hear(wave) for wave in waves])
    decoded = min((seconds(lambda: [sphinx.hear(wave) for wave in waves]) for _ in range(rounds - 1)), default=first)
    right = sum(sphinx.hear(wave) == each.text for wave, each in zip(waves, utterances, strict=True))
    spoken = sum(len(wave) for wave in waves) / SAMPLE_RATE
    return Cost(0, len(jsgf.text), read, compiled, memory, right, first, min(first, decoded), spoken)


def alone(work: Callable[..., Cost], *arguments: object, limit: float) -> Cost | str:
    """The work's result from a process of its own, or why there is none."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        if not mine.poll(limit):
            return f"more than {limit:g} s"
        found: Cost | str = mine.recv()
    except EOFError:
        return "the process ended"
    finally:
        process.kill()
        process.join()
    return found


def _send(pipe: Connection, work: Callable[..., Cost], arguments: Sequence[object]) -> None:
    try:
        pipe.send(work(*arguments))
    except (AsrError, ValueError, RuntimeError, MemoryError) as error:
        pipe.send(" ".join(str(error).split()) or type(error).__name__)


def cost_table(bundle: Path, sizes: Sequence[tuple[int, int]], rounds: int, limit: float, seed: int) -> str:
    """The Markdown table of what grammars cost, ours and PocketSphinx's in turn."""
    said = texts(read_manifest(SAMPLES))
    lines = [
        "| lists | sentences | file, kB | recogniser | read, s | compile, s | memory, MB | samples right "
        "| search, first | search | of free beam, first | of free beam |",
        "| --- " * 12 + "|",
    ]
    spoken = sum(len(read_utterance(each)) for each in read_manifest(SAMPLES)) / SAMPLE_RATE
    with tempfile.TemporaryDirectory() as folder:
        for entries, lists in sizes:
            path = write_grammar(size_grammar(said, entries, lists, seed), Path(folder))
            shape = f"{lists} of {entries:,}"
            ours = alone(cost_of_ours, path, bundle, rounds, limit=limit)
            known = f"{ours.sentences:,} | {ours.bytes / 1000:,.0f}" if isinstance(ours, Cost) else " | "
            lines.append(f"| {shape} | {known} | ours | {_cost_cells(ours, spoken, len(said), beside_free=True)} |")
            if has_sphinx():
                other = alone(cost_of_sphinx, path, bundle, rounds, limit=limit)
                lines.append(f"| | | | PocketSphinx | {_cost_cells(other, spoken, len(said), beside_free=False)} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def _cost_cells(cost: Cost | str, spoken: float, samples: int, *, beside_free: bool) -> str:
    if isinstance(cost, str):
        return f"{cost} | | | | | | |"
    ratios = f"{cost.first / cost.free:.2f} | {cost.decoded / cost.free:.2f}" if beside_free else " | "
    return (
        f"{cost.read:.3f} | {cost.compiled:.3f} | {cost.memory / 1e6:.1f} | {cost.right} of {samples} | "
        f"{cost.first / spoken:.4f} | {cost.decoded / spoken:.4f} | {ratios}"
    )


# How well they are understood


@dataclass(frozen=True)
class Heard:
    """What one recogniser made of one recording, and the processor time that it took."""

    reading: Reading | None
    understood: bool
    confidence: float
    seconds: float


def understand(task: Task, bundle: Path) -> tuple[str, list[str]]:
    """How many words PocketSphinx lacks, and a row of the table for each recogniser."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_grammar(word_grammar(task.commands), Path(folder))
        commander = Commander.from_bundle(bundle, [str(path)], threads=1)
        sphinx, jsgf = None, None
        if has_sphinx():
            sphinx = Sphinx()
            jsgf = write_jsgf(read_grammar(path), commander.transcriber.bundle.normaliser, sphinx.knows)
            sphinx.load(jsgf)
    missing = jsgf.missing if jsgf else frozenset()
    said = [each for each in task.said if not set(each.text.split()) & missing]
    note = f"{task.name}: {len(task.commands)} commands."
    if missing:
        note += (
            f" PocketSphinx has no pronunciation for {', '.join(sorted(missing))}: "
            f"{len(task.said) - len(said)} of {len(task.said)} recordings of commands are left out."
        )
    ears: dict[str, Callable[[Wave], Heard]] = {"ours": lambda wave: by_commander(commander, wave)}
    if sphinx is not None:
        other = sphinx
        ears["PocketSphinx"] = lambda wave: by_sphinx(other, commander.network, wave)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ears}
    times: dict[str, list[list[float]]] = {name: [] for name in ears}
    everything: list[tuple[Utterance, Kind]] = [
        *((each, "command") for each in said),
        *((each, "speech") for each in task.other),
    ]
    for utterance, kind in everything:
        wave = read_utterance(utterance)
        for name, hear in ears.items():
            heard = hear(wave)
            outcomes[name].append(outcome(utterance, kind, len(wave) / SAMPLE_RATE, heard, commander.network))
            times[name].append([heard.seconds, len(wave) / SAMPLE_RATE])
    ids, speakers = [each.id for each, _ in everything], [each.speaker for each, _ in everything]
    rates = {name: score_commands(each).overall for name, each in outcomes.items()}
    paces = {name: resample(ids, speakers, np.array(each)).rate(0, 1) for name, each in times.items()}
    if sphinx is not None and (limit := rates["PocketSphinx"].false_accepts_per_hour) is not None:
        best = rates["ours"].best_within(limit)
        share = 0.0 if best is None or best.exactly_accepted is None else best.exactly_accepted
        note += f" With at most as many false accepts as PocketSphinx, ours accepts {share:.1%} exactly."
    return note, [_rates_row(name, rates[name], paces[name]) for name in ears]


def outcome(utterance: Utterance, kind: Kind, seconds: float, heard: Heard, network: Network) -> Outcome:
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
    )


def by_commander(commander: Commander, wave: Wave) -> Heard:
    """Ours, loaded already."""
    begin = process_time()
    found = commander.understand(wave)
    return Heard(found.reading, found.understood, found.confidence, process_time() - begin)


def by_sphinx(sphinx: Sphinx, network: Network, wave: Wave) -> Heard:
    """PocketSphinx, loaded already; the network tells what its words mean."""
    begin = process_time()
    text = sphinx.hear(wave)
    taken = process_time() - begin
    reading = network.parse(text) if text else None
    return Heard(reading, reading is not None, float(reading is not None), taken)


def understanding_table(corpora: Path, bundle: Path, count: int, seed: int) -> str:
    """The Markdown table of how well commands are understood."""
    notes, lines = [], []
    for task in tasks(corpora, count, seed):
        note, rows = understand(task, bundle)
        notes.append(f"{len(notes) + 1}. {note}")
        lines += [f"| {len(notes)} | {row} |" for row in rows]
        print(lines[-1], file=sys.stderr, flush=True)
    head = [
        "| task | recogniser | commands | right command | accepted exactly | accepted wrongly | other speech "
        "| refused | false accepts an hour | real-time factor |",
        "| --- " * 10 + "|",
    ]
    return "\n".join([*notes, "", *head, *lines])


def _rates_row(name: str, rates: CommandRates, pace: Rate | None) -> str:
    cells = [
        name,
        str(rates.commands),
        per_cent(rates.command_accuracy),
        per_cent(rates.exactly_accepted),
        per_cent(rates.wrongly_accepted),
        *_other_cells(rates.speech),
        _number(pace, 3),
    ]
    return " | ".join(cells)


def _other_cells(other: OtherSound | None) -> list[str]:
    if other is None:
        return ["0", "-", "-"]
    return [f"{other.count}, {other.seconds / 3600:.2f} h", per_cent(other.refused), _number(other.per_hour, 0)]


def _number(rate: Rate | None, digits: int) -> str:
    if rate is None:
        return "-"
    return f"{rate.value:.{digits}f} ({rate.low:.{digits}f} to {rate.high:.{digits}f})"


def heading() -> str:
    """On what it was measured."""
    beside = f"PocketSphinx {metadata.version('pocketsphinx')}" if has_sphinx() else "without PocketSphinx"
    return (
        f"{date.today()}, one thread of {os.cpu_count()}; onnxruntime {metadata.version('onnxruntime')}; {beside}. "
        "Intervals: 95 %, bootstrap over speakers or, where there is one, recordings."
    )


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=CORPORA, metavar="DIR", help="folder of the corpora")
    parser.add_argument("--utterances", type=int, default=400, metavar="N", help="most of each kind; 0: sizes alone")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, metavar="DIR", help="folder of the model")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 101), metavar="N", help="of decoding")
    parser.add_argument("--sizes", type=int, default=len(SIZES), choices=range(len(SIZES) + 1), metavar="N")
    parser.add_argument("--limit", type=float, default=120.0, metavar="SECONDS", help="most for one grammar")
    parser.add_argument("--seed", type=int, default=0, help="of the made words and the samples")
    options = parser.parse_args()
    try:
        print(heading(), flush=True)
        if options.sizes:
            table = cost_table(options.bundle, SIZES[: options.sizes], options.rounds, options.limit, options.seed)
            print(f"\n{table}", flush=True)
        if options.utterances:
            print(f"\n{understanding_table(options.corpora, options.bundle, options.utterances, options.seed)}")
    except AsrError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
