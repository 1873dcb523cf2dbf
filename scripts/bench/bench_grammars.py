"""How well grammars are understood that nothing was trained or chosen by, beside PocketSphinx with the same grammars.

    asr synthesize recipes/commands/unseen/car_radio.yaml data/unseen/car_radio --engines kokoro --voices test …
    scripts/bench/bench_grammars.py data/unseen --others data/common_voice/cuts_dev.jsonl.gz --noise data/noise_esc10/…

Each folder, or list, in the first argument holds spoken commands of the grammar of its name in --grammars. They are
heard as they are and in noise at each ratio of --snr; recordings of --others, and commands of the other grammars, are
heard by each grammar too, as many as there are commands, and should be refused. Recordings with a word for which
PocketSphinx has no pronunciation are left out for both. Nothing may be chosen by what this says.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from accuracy_scores import Condition, Hearing, Ladder, SpeechSet, check_sentences, hear_under
from bench_accuracy import ratios
from corpus_words import sample
from markdown_tables import heading, table
from recognisers import CommandEars, Heard, command_ears, outcome

from asr.apps.failures import complain
from asr.apps.listening import gather
from asr.bundle import DEFAULT_BUNDLE
from asr.data.manifests.manifest import read_manifest
from asr.data.manifests.utterance import Utterance
from asr.errors import AsrError, SettingsError
from asr.evaluation.command_scoring import score_commands
from asr.evaluation.noise import Noises, usable_noises
from asr.evaluation.outcome import Kind, Outcome
from asr.evaluation.report import per_cent

GRAMMARS = Path(__file__).resolve().parents[2] / "recipes" / "commands" / "unseen"
ALL = "all of them"


def outcomes_of(
    said: SpeechSet, others: SpeechSet, ears: CommandEars, ladder: Ladder, jobs: int
) -> tuple[dict[str, dict[Condition, list[Outcome]]], int]:
    """By recogniser and condition what became of commands and, as recorded, of other speech; how many were unusable."""
    found: dict[str, dict[Condition, list[Outcome]]] = {
        name: {snr: [] for snr in ladder.conditions} for name in ears.hear
    }

    def add(hearings: Sequence[Hearing[Heard]], kind: Kind, conditions: Sequence[Condition]) -> None:
        for each in hearings:
            for name in ears.hear:
                for snr in conditions:
                    heard = each.found[name, snr]
                    one = outcome(each.utterance, kind, each.seconds, heard, ears.network, snr)
                    found[name][snr].append(one)

    hearings, failures = hear_under(said, said.utterances, ears.hear, ladder, jobs)
    add(hearings, "command", ladder.conditions)
    as_recorded = Ladder(None, ())
    hearings, more = hear_under(others, others.utterances, ears.hear, as_recorded, jobs)
    add(hearings, "speech", as_recorded.conditions)
    return found, len(failures) + len(more)


def row(grammar: str, recogniser: str, found: Mapping[Condition, Sequence[Outcome]]) -> str:
    """A line of the table."""
    rates = {snr: score_commands(outcomes).overall for snr, outcomes in found.items()}
    clean = rates[None]
    refused = "-" if clean.speech is None else f"{clean.speech.count}: {per_cent(clean.speech.refused)}"
    cells = [grammar, recogniser, str(clean.commands), per_cent(clean.command_accuracy)]
    cells += [per_cent(each.exactly_accepted) for each in rates.values()]
    return " | ".join([*cells, per_cent(clean.wrongly_accepted), refused])


def spoken(folder: Path, count: int, seed: int) -> dict[str, list[Utterance]]:
    """Recordings of commands by the name of their grammar. Raises ManifestError or SettingsError."""
    found = {}
    for each in sorted(path for path in folder.glob("*") if path.is_dir() or path.suffix == ".tsv"):
        utterances = read_manifest(each)
        chosen = sample(utterances, count or len(utterances), random.Random(seed))
        found[each.stem] = [replace(one, id=f"{each.stem}/{one.id}") for one in chosen]
    if not found:
        raise SettingsError(f"{folder}: no recordings in it; wanted a folder or a .tsv of the name of each grammar")
    return found


def measure(options: argparse.Namespace) -> tuple[str, int]:
    """The table, and how many recordings could not be used."""
    commands = spoken(options.spoken, options.utterances, options.seed)
    elsewhere = [each for path in options.others for each in read_manifest(path)]
    noises, bad = [], {}
    for path in options.noise:
        usable, unusable = usable_noises(path, gather)
        noises += usable
        bad |= unusable
    ladder = Ladder(Noises(noises) if noises else None, options.snr)
    left, rows, missing = len(bad), [], []
    together: dict[str, dict[Condition, list[Outcome]]] = {}
    for grammar, utterances in commands.items():
        ears = command_ears(options.bundle, str(options.grammars / f"{grammar}.yaml"), apart=True)
        said = SpeechSet(grammar, tuple(each for each in utterances if not set(each.text.split()) & ears.missing))
        check_sentences(said, ears.network)
        if ears.missing:
            missing.append(f"{grammar}: {', '.join(sorted(ears.missing))} ({len(utterances) - len(said.utterances)})")
        outside = [each for name, found in commands.items() if name != grammar for each in found] + elsewhere
        outside = [each for each in outside if ears.network.parse(each.text) is None]
        others = SpeechSet(f"others of {grammar}", tuple(sample(outside, len(utterances), random.Random(options.seed))))
        found, unusable = outcomes_of(said, others, ears, ladder, options.jobs)
        left += unusable
        for name, by_condition in found.items():
            rows.append(row(grammar, name, by_condition))
            print(f"| {rows[-1]} |", file=sys.stderr, flush=True)
            for snr, outcomes in by_condition.items():
                # What one grammar refuses another hears too: told apart by the grammar.
                told_apart = [replace(each, id=f"{grammar}: {each.id}") for each in outcomes]
                together.setdefault(name, {}).setdefault(snr, []).extend(told_apart)
    rows += [row(ALL, name, found) for name, found in together.items()]
    noisy = [f"exactly at {ratio:g} dB" for ratio in ladder.conditions[1:]]
    columns = ["grammar", "recogniser", "commands", "right command", "accepted exactly", *noisy]
    lines = [f"`scripts/bench/bench_grammars.py`, {heading()}"]
    if missing:
        lines.append(f"PocketSphinx has no pronunciation for, and recordings left out: {'; '.join(missing)}.")
    return "\n".join([*lines, "", table(" | ".join([*columns, "accepted wrongly", "others refused"]), rows)]), left


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spoken", type=Path, help="folder of folders of recordings")
    parser.add_argument("--grammars", type=Path, default=GRAMMARS, metavar="DIR", help="folder of their grammars")
    parser.add_argument("--others", type=Path, action="append", default=[], metavar="MANIFEST", help="repeatable")
    parser.add_argument("--noise", type=Path, action="append", default=[], metavar="MANIFEST", help="repeatable")
    parser.add_argument("--snr", type=ratios, default=(12.0, 6.0), metavar="DB,DB", help="of noise")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, metavar="DIR", help="folder of the model")
    parser.add_argument("--utterances", type=int, default=0, metavar="N", help="most of each grammar; 0: all")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that listen side by side")
    parser.add_argument("--seed", type=int, default=0, help="of which recordings are drawn")
    options = parser.parse_args()
    if options.utterances < 0 or options.jobs < 1:
        parser.error("wanted --utterances of 0 or more and --jobs of 1 or more")
    try:
        report, left = measure(options)
    except AsrError as error:
        complain(error)
        return 1
    print(report)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
