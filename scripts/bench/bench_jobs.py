"""How much faster many recordings are heard by several processes, with their starting; wants nothing but the core.

`asr transcribe` hears a folder by one process and by several, in turn, as often as is asked for. On a machine that does
other things too the wall clock says little; the processor time says how much the processes cost above one.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "recipes" / "commands" / "samples"


def copies(folder: Path, count: int) -> None:
    """Fill a folder with so many recordings: the samples, again and again."""
    samples = sorted(SAMPLES.glob("*.flac"))
    for number in range(count):
        shutil.copy(samples[number % len(samples)], folder / f"{number:05d}.flac")


def seconds(folder: Path, jobs: int, options: list[str]) -> tuple[float, float, bytes]:
    """Wall clock and processor time of one command in seconds, and what it printed."""
    before, begun = os.times(), perf_counter()
    command = [sys.executable, "-m", "asr", "transcribe", folder, "--jobs", str(jobs), *options]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    wall, after = perf_counter() - begun, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used, done.stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=480, metavar="N")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="to compare with one")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("options", nargs="*", help="for asr transcribe, after --")
    given = parser.parse_args()
    rows: dict[int, list[tuple[float, float]]] = {1: [], given.jobs: []}
    with tempfile.TemporaryDirectory() as name:
        copies(Path(name), given.recordings)
        printed = set()
        for _ in range(given.runs):
            for jobs, row in rows.items():
                wall, used, out = seconds(Path(name), jobs, given.options)
                row.append((wall, used))
                printed.add(out)
    load = f"; load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    same = "the same" if len(printed) == 1 else "NOT the same"
    print(f"{given.recordings} recordings, {given.runs} runs, {os.cpu_count()} cores{load}; {same} output")
    print("\n| jobs | seconds, median | least | processor seconds, median |\n| --- | --- | --- | --- |")
    for jobs, row in rows.items():
        walls, used = zip(*row, strict=True)
        print(f"| {jobs} | {statistics.median(walls):.2f} | {min(walls):.2f} | {statistics.median(used):.2f} |")
    gains = [one[0] / several[0] for one, several in zip(rows[1], rows[given.jobs], strict=True)]
    print(f"\ntimes as fast, pair by pair: {', '.join(f'{gain:.2f}' for gain in gains)}")


if __name__ == "__main__":
    main()
