"""How often silence, or a quiet room, put before and after a recording changes its text.

    scripts/bench/bench_silence.py MANIFEST... --noise MANIFEST... [--utterances 60] [--seconds 2,8] [--db 25]

Each recording is heard as it is, and again with stretches of each length before and after it: of digital silence, and
of a noise so many decibels below the recording's mean square. The table has the share of recordings with the same text.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from accuracy_sets import drawn
from bench_accuracy import ratios
from forked import attempt_all_in_forks
from markdown_tables import heading, table
from sphinx import Wave

from asr.apps.failures import complain
from asr.audio.load import SAMPLE_RATE
from asr.bundle import DEFAULT_BUNDLE
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import AsrError
from asr.evaluation.intervals import resample
from asr.evaluation.report import per_cent
from asr.runtime.transcriber import Transcriber


def surrounded(wave: Wave, noise: Wave | None, seconds: float, below_db: float, generator: random.Random) -> Wave:
    """The wave (N,) between two stretches of so many seconds: of zeros, or of a noise so far below its mean square."""
    count = round(seconds * SAMPLE_RATE)
    before, after = np.zeros(count, np.float32), np.zeros(count, np.float32)
    if noise is not None:
        loop = np.tile(noise, -(-2 * count // len(noise)) + 1)
        start = generator.randrange(len(loop) - 2 * count + 1)
        room = loop[start : start + 2 * count]
        power = float(np.mean(room**2))
        gain = np.sqrt(float(np.mean(wave**2)) * 10 ** (-below_db / 10) / power) if power else 0.0
        before, after = np.split((gain * room).astype(np.float32), 2)
    return np.concatenate([before, wave, after])


def measure(options: argparse.Namespace) -> tuple[str, int]:
    """The table, and how many recordings could not be used."""
    transcriber = Transcriber.from_bundle(options.bundle, threads=1)
    noises = [read_utterance(each) for path in options.noise for each in read_manifest(path)]
    kinds: list[tuple[str, float]] = [("digital silence", each) for each in options.seconds]
    if noises:
        kinds += [(f"noise {options.db:g} dB below", each) for each in options.seconds]
    rows, failed = [], 0
    for path in options.manifests:
        utterances = drawn(read_manifest(path), options.utterances, options.seed)

        def attempt(utterance: Utterance) -> list[int]:
            wave, generator = read_utterance(utterance), random.Random(f"{options.seed} {utterance.id}")
            text = transcriber.transcribe(wave).text
            same = []
            for kind, seconds in kinds:
                noise = generator.choice(noises) if kind.startswith("noise") else None
                around = surrounded(wave, noise, seconds, options.db, generator)
                same.append(int(transcriber.transcribe(around).text == text))
            return same

        found, failures = attempt_all_in_forks(utterances, attempt, f"Hearing {path}", options.jobs)
        failed += len(failures)
        heard = [each for each in utterances if each.id in found]
        rows.append(_row(path, heard, np.array([found[each.id] for each in heard])))
    columns = " | ".join(["list", "recordings", *(f"{kind}, {seconds:g} s" for kind, seconds in kinds)])
    return f"`scripts/bench/bench_silence.py`, {heading()}\n\n{table(columns, rows)}", failed


def _row(path: Path, heard: Sequence[Utterance], same: "np.ndarray[tuple[int, int], np.dtype[np.int64]]") -> str:
    counts = np.column_stack([same, np.ones(len(heard))])
    rates = resample([each.id for each in heard], [each.speaker for each in heard], counts)
    shares = [per_cent(rates.share(place, counts.shape[1] - 1)) for place in range(same.shape[1])]
    return " | ".join([path.parent.name if path.is_file() else path.name, str(len(heard)), *shares])


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--noise", type=Path, action="append", default=[], metavar="MANIFEST", help="repeatable")
    parser.add_argument("--seconds", type=ratios, default=(2.0, 8.0), metavar="S,S", help="before, and as many after")
    parser.add_argument("--db", type=float, default=25.0, help="by how much the noise is below the recording")
    parser.add_argument("--utterances", type=int, default=60, metavar="N", help="most of each list; 0: all")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, metavar="DIR", help="folder of the model")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that listen side by side")
    parser.add_argument("--seed", type=int, default=0, help="of recordings and noises")
    options = parser.parse_args()
    if options.utterances < 0 or options.jobs < 1 or not all(each > 0 for each in options.seconds):
        parser.error("wanted --utterances of 0 or more, --jobs of 1 or more and --seconds above 0")
    try:
        report, failed = measure(options)
    except AsrError as error:
        complain(error)
        return 1
    print(report)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
