"""What grammars of every size cost, ours and PocketSphinx's in turn, each in a process of its own."""

import multiprocessing
import random
import resource
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time
from typing import Any

from corpus_words import texts, word_grammar, write_grammar
from jsgf import write_jsgf
from sphinx import Sphinx, has_sphinx

from asr.audio.load import SAMPLE_RATE
from asr.bundle import read_bundle
from asr.commands.grammar.form import read_grammar
from asr.commands.network.automaton import TokenAutomaton
from asr.commands.network.network import compile_network
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.errors import AsrError
from asr.runtime.transcriber import Transcriber
from asr.text.normaliser import Normaliser

SAMPLES = Path(__file__).resolve().parents[2] / "recipes" / "commands" / "samples" / "transcripts.tsv"
SIZES = ((10, 1), (10, 2), (1000, 1), (10_000, 1), (1000, 2), (10_000, 2), (1000, 3), (10_000, 3))
CONSONANTS = {"b": "B", "d": "D", "f": "F", "g": "G", "k": "K", "l": "L", "m": "M", "n": "N"} | {
    **{"p": "P", "r": "R", "s": "S", "t": "T", "v": "V", "z": "Z"}
}
VOWELS = {"a": "AA", "e": "EH", "i": "IY", "o": "OW", "u": "UW"}


def size_grammar(said: Sequence[str], entries: int, lists: int, seed: int) -> dict[str, Any]:
    """A grammar of ``entries`` to the power of ``lists`` sentences or some more, what is said (in two words or more)
    among them, as YAML holds it.

    Of three lists the last may be left out, so that texts of two words are sentences too.
    """
    generator = random.Random(seed)
    held: dict[str, list[str]] = {}
    for number, name in enumerate("abc"[:lists]):
        parts = (text.split(maxsplit=lists - 1) for text in said)
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
    found = [each for each in map(transcriber.find_utterance, waves) if each is not None]
    heard = [(transcriber.hear(each), each.seconds) for each in found]

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
    sphinx.learn({word: phones(word) for word in write_jsgf(grammar, normaliser, sphinx.knows).missing})
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
