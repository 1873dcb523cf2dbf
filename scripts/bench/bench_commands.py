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
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from corpus_words import CORPORA, commands_of, list_of, sample, texts, wake_phrases
from grammar_costs import SIZES, cost_table
from markdown_tables import heading, number, table
from recognisers import OURS, PEER, outcome, word_ears

from asr.audio.load import SAMPLE_RATE
from asr.bundle import DEFAULT_BUNDLE
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import AsrError
from asr.evaluation.command_scoring import CommandRates, OtherSound, score_commands
from asr.evaluation.intervals import Rate, resample
from asr.evaluation.outcome import Kind, Outcome
from asr.evaluation.report import per_cent

MANY = 20  # recordings a word must have to be one of the ten
TEN = 10


@dataclass(frozen=True)
class Task:
    """Commands by name, recordings of them, and recordings of what is none of them."""

    name: str
    commands: Mapping[str, str]
    said: tuple[Utterance, ...]
    other: tuple[Utterance, ...]


def tasks(corpora: Path, count: int, seed: int) -> list[Task]:
    """What is to be understood, with at most ``count`` recordings of commands and as many others."""

    def read(name: str, half: str) -> list[Utterance]:
        return read_manifest(list_of(corpora, name, half))

    def task(name: str, phrases: Sequence[str], said: list[Utterance], other: list[Utterance]) -> Task:
        inside = [each for each in said if each.text in set(phrases)]
        outside = [each for each in other if each.text not in set(phrases)]
        generator = random.Random(seed)
        return Task(name, commands_of(phrases), *(tuple(sample(each, count, generator)) for each in (inside, outside)))

    words, digits, phrases = read("speech_commands", "dev"), read("fsdd", "dev"), read("precise", "train")
    sentences = read("speechocean762", "dev")
    counts = Counter(each.text for each in words)
    often = sorted(word for word, many in counts.items() if many >= MANY)
    ten = sorted(random.Random(seed).sample(often, min(TEN, len(often))))
    return [
        task("digits (fsdd); others: speech_commands' other words", texts(digits), digits, words),
        task("all words of speech_commands; others: speechocean762's sentences", texts(words), words, sentences),
        task(f"{len(ten)} words of speech_commands; others: its other words", ten, words, words),
        task(
            "precise's phrases, the training half, which the default bundle learned from",
            wake_phrases(phrases),
            phrases,
            phrases,
        ),
    ]


def understand(task: Task, bundle: Path) -> tuple[str, list[str]]:
    """How many words PocketSphinx lacks, and a row of the table for each recogniser."""
    ears = word_ears(bundle, task.commands, apart=False)
    said = [each for each in task.said if not set(each.text.split()) & ears.missing]
    note = f"{task.name}: {len(task.commands)} commands."
    if ears.missing:
        note += (
            f" PocketSphinx has no pronunciation for {', '.join(sorted(ears.missing))}: "
            f"{len(task.said) - len(said)} of {len(task.said)} recordings of commands are left out."
        )
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ears.hear}
    times: dict[str, list[list[float]]] = {name: [] for name in ears.hear}
    everything: list[tuple[Utterance, Kind]] = [
        *((each, "command") for each in said),
        *((each, "speech") for each in task.other),
    ]
    for utterance, kind in everything:
        wave = read_utterance(utterance)
        for name, hear in ears.hear.items():
            heard = hear(wave)
            outcomes[name].append(outcome(utterance, kind, len(wave) / SAMPLE_RATE, heard, ears.network))
            times[name].append([heard.seconds, len(wave) / SAMPLE_RATE])
    ids, speakers = [each.id for each, _ in everything], [each.speaker for each, _ in everything]
    rates = {name: score_commands(each).overall for name, each in outcomes.items()}
    paces = {name: resample(ids, speakers, np.array(each)).rate(0, 1) for name, each in times.items()}
    if PEER in rates and (limit := rates[PEER].false_accepts_per_hour) is not None:
        best = rates[OURS].best_within(limit)
        share = 0.0 if best is None or best.exactly_accepted is None else best.exactly_accepted
        note += f" With at most as many false accepts as PocketSphinx, ours accepts {share:.1%} exactly."
    return note, [_rates_row(name, rates[name], paces[name]) for name in ears.hear]


def understanding_table(corpora: Path, bundle: Path, count: int, seed: int) -> str:
    """The Markdown table of how well commands are understood."""
    notes, rows = [], []
    for task in tasks(corpora, count, seed):
        note, found = understand(task, bundle)
        notes.append(f"{len(notes) + 1}. {note}")
        rows += [f"{len(notes)} | {row}" for row in found]
        print(f"| {rows[-1]} |", file=sys.stderr, flush=True)
    columns = (
        "task | recogniser | commands | right command | accepted exactly | accepted wrongly | other speech "
        "| refused | false accepts an hour | real-time factor"
    )
    return "\n".join([*notes, "", table(columns, rows)])


def _rates_row(name: str, rates: CommandRates, pace: Rate | None) -> str:
    cells = [
        name,
        str(rates.commands),
        per_cent(rates.command_accuracy),
        per_cent(rates.exactly_accepted),
        per_cent(rates.wrongly_accepted),
        *_other_cells(rates.speech),
        number(pace, 3),
    ]
    return " | ".join(cells)


def _other_cells(other: OtherSound | None) -> list[str]:
    if other is None:
        return ["0", "-", "-"]
    return [f"{other.count}, {other.seconds / 3600:.2f} h", per_cent(other.refused), number(other.per_hour, 0)]


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
            costs = cost_table(options.bundle, SIZES[: options.sizes], options.rounds, options.limit, options.seed)
            print(f"\n{costs}", flush=True)
        if options.utterances:
            print(f"\n{understanding_table(options.corpora, options.bundle, options.utterances, options.seed)}")
    except AsrError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
