"""How right a bundle is on the dev sets, and PocketSphinx beside it on the same waves in the same run.

PocketSphinx (if it is installed) comes with its own model: its language model for free speech, the same grammar in
JSGF for commands, of which it accepts whatever it decodes. It gets the recordings as they are; ours sets its margins
of silence itself. Each recording is heard as it is and with noise of the corpora at each ratio of --snr, the same
excerpt for both. Words are counted after our normaliser on both sides. Times are of the processor, on one thread.

The parts: free (read sentences), words, digits and phrases (as commands: "right command" is the best reading, taken or
not), quiet (noise and silence alone: false words, and false accepts by the grammar of the words), founding (the lists
of --founding, as free speech and as commands of the ready grammar `computer`, as they are and in simulated rooms with
noise at 12 dB and without). A list of goals ends it.

--write puts the tables into a Markdown file, between the comments <!-- bench_accuracy: begin --> and
<!-- bench_accuracy: end -->. A recording that cannot be read is named and left out, and the exit status is 1.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from accuracy_goals import Results, goal_table, goals
from accuracy_scores import Ladder, check_sentences, score_free, score_quiet, score_understanding
from accuracy_sets import NOISES, digits, founding, noise_alone, noises, phrases, sentences, silence, single_words
from accuracy_tables import command_part, founding_part, free_part, quiet_part
from corpus_words import CORPORA
from markdown_tables import between_marks, heading, write_between
from recognisers import command_ears, free_ears, word_ears

from asr.apps.failures import complain
from asr.apps.listening import left_out
from asr.bundle import DEFAULT_BUNDLE, Bundle, read_bundle
from asr.data.augmentation.impulses import simulated
from asr.errors import AsrError
from asr.evaluation.noise import RATIOS, Noises

WORDS = {"words": ("Single words", single_words), "digits": ("Digits", digits), "phrases": ("Wake phrases", phrases)}
PARTS = ("free", *WORDS, "quiet", "founding")
FOUNDING_GRAMMAR = "computer"
FOUNDING_SNR = 12.0  # dB
ROOMS, ROOM_SEED = 20, 1000  # no training's seed: no model has been in these rooms
MARK = "bench_accuracy"


def measure(options: argparse.Namespace, parts: Sequence[str]) -> tuple[list[str], int]:
    """The sections of the report, printed as they are ready, and how many recordings could not be used."""
    bundle, drawing = read_bundle(options.bundle), (options.corpora, options.utterances, options.seed)
    normaliser, jobs = bundle.normaliser, options.jobs
    # All lists and grammars first: an hour of listening should not end with the news that one is missing.
    read = sentences(*drawing) if "free" in parts else []
    words = {name: make(*drawing) for name, (_, make) in WORDS.items() if name in parts}
    lists = [founding(each, options.utterances, options.seed) for each in options.founding]
    free = free_ears(options.bundle)
    ears = {name: word_ears(options.bundle, each.commands, apart=True) for name, each in words.items()}
    if "quiet" in parts and "words" not in ears:
        ears["words"] = word_ears(options.bundle, single_words(*drawing).commands, apart=True)
    if lists:
        ears["founding"] = command_ears(options.bundle, FOUNDING_GRAMMAR, apart=True)
    for each in lists:
        check_sentences(each, ears["founding"].network)

    mixed = options.snr if read or words else ()
    recordings, bad = noises(options.corpora) if mixed or lists or "quiet" in parts else ([], {})

    sections: list[str] = []

    def tell(section: str) -> None:
        sections.append(section)
        print(f"{section}\n", flush=True)

    tell(introduction(options, bundle, mixed, len(recordings), bad))
    ladder = Ladder(Noises(recordings) if mixed else None, tuple(mixed))
    said, understood, silent, found = [], {}, [], []
    for each in read:
        said.append(score_free(each, free, normaliser, ladder, jobs))
        tell(free_part(f"Free speech: {each.name}", said[-1]))
    for name, spoken in words.items():
        understood[name] = score_understanding(spoken, ears[name], normaliser, ladder, jobs)
        tell(command_part(WORDS[name][0], understood[name]))
    if "quiet" in parts:
        sounds = (noise_alone(recordings, *drawing[1:]), silence(*drawing[1:]))
        silent = [score_quiet(each, free, ears["words"], normaliser, jobs) for each in sounds]
        tell(quiet_part("Where nobody speaks", silent))
    if lists:
        in_rooms = Ladder(Noises(recordings), (FOUNDING_SNR,), tuple(simulated(ROOMS, ROOM_SEED)))
        heard = [(each, Ladder(None, ())) for each in lists]
        heard += [(replace(each, name=f"{each.name}, in rooms"), in_rooms) for each in lists]
        found = [
            (
                score_free(each, free, normaliser, where, jobs),
                score_understanding(each, ears["founding"], normaliser, where, jobs),
            )
            for each, where in heard
        ]
        tell(founding_part(f"The founding sentences, as commands of `{FOUNDING_GRAMMAR}` too", found))
    results = Results(said, understood, silent, found)
    tell(f"### Goals\n\n{goal_table(goals(results))}")
    return sections, len(bad) + results.failures


def introduction(
    options: argparse.Namespace, bundle: Bundle, mixed: Sequence[float], recordings: int, bad: Mapping[str, str]
) -> str:
    """On what it is measured, and how."""
    decoding = bundle.decoding
    most = f"at most {options.utterances} recordings of each set, seed {options.seed}" if options.utterances else "all"
    lines = [
        f"`scripts/bench/bench_accuracy.py`, {heading()}",
        f"Ours: {bundle.folder.resolve().name}, commit {str(bundle.provenance.get('commit', 'unknown'))[:12]}; "
        f"beam of {decoding.width} with CTC weight {decoding.ctc_weight:g}, among commands {decoding.command_width} "
        f"with {decoding.command_ctc_weight:g}. Recordings: {most}.",
    ]
    if recordings:
        lines.append(
            f"Noise: {recordings} recordings of {', '.join(NOISES)}, which the default bundle's training mixes in too"
            + ("; ratios by the mean squares of whole recordings." if mixed else ".")
        )
    lines += [f"{line}." for line in left_out(bad, recordings + len(bad), " recordings of noise")]
    return "\n".join(lines)


def ratios(text: str) -> tuple[float, ...]:
    """Decibels separated by commas; none of an empty text."""
    found = tuple(float(each) for each in text.split(",")) if text else ()
    if not all(map(math.isfinite, found)) or len(set(found)) < len(found):
        raise ValueError(text)
    return found


def main() -> int:
    """Measure, print and write; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=CORPORA, metavar="DIR", help="folder of the corpora")
    parser.add_argument("--utterances", type=int, default=400, metavar="N", help="most of each set; 0: all")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, metavar="DIR", help="folder of the model")
    parser.add_argument("--founding", type=Path, action="append", default=[], metavar="MANIFEST", help="repeatable")
    parser.add_argument("--snr", type=ratios, default=RATIOS, metavar="DB,DB", help="of noise; '' for none")
    parser.add_argument("--parts", nargs="+", choices=PARTS, metavar="PART", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that listen side by side")
    parser.add_argument("--seed", type=int, default=0, help="of which recordings are drawn")
    parser.add_argument("--write", type=Path, metavar="CARD", help="a Markdown file to put the tables into")
    options = parser.parse_args()
    parts = options.parts or [part for part in PARTS if part != "founding" or options.founding]
    if options.utterances < 0:
        parser.error("--utterances: wanted 0 or more")
    if options.jobs < 1:
        parser.error("--jobs: wanted 1 or more")
    if ("founding" in parts) != bool(options.founding):
        parser.error("the part `founding` wants --founding MANIFEST, and --founding that part")
    try:
        import_module("jiwer")  # which scoring needs
        if options.write:
            between_marks(options.write, MARK)
        sections, left = measure(options, parts)
        if options.write:
            write_between(options.write, MARK, "\n\n".join(sections))
    except (AsrError, ImportError) as error:
        complain(error)
        return 1
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
