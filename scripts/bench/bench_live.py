"""What a live session costs, how steady its partial results are, and what it takes for speech.

    scripts/bench/bench_live.py MANIFEST... [--noise MANIFEST...] [--utterances 30] [--seconds 240]

Tables:

* how late a final result is, for a command of three seconds, by processor time: from the end of speech, and from the
  moment when the pause has ended the utterance;
* partial results over recordings of speech, each between two pauses: how often they come and what they cost; of the
  words that were shown how many were changed afterwards, by the final result too, and how many of those called stable;
  and what is lost beside the recording heard whole;
* what is begun and what is decoded in noise, a minute of it, and how many words come of it;
* the same by class, which is the folder of a recording, and in how many of its recordings.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from accuracy_sets import drawn
from markdown_tables import heading, table
from sphinx import Wave

from asr.apps.failures import complain
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.bundle import DEFAULT_BUNDLE
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.errors import AsrError
from asr.evaluation.scoring import score
from asr.runtime.commander import Commander
from asr.runtime.endpoint import EndpointSettings
from asr.runtime.graphs import EncoderOutput
from asr.runtime.live import Dropped, Event, Final, LiveSession, Partial, Started
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import SpeechPart
from asr.text.normaliser import Normaliser

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / "recipes" / "commands" / "samples" / "check_the_battery_log.flac"
GRAMMAR = "computer"
BLOCK = SAMPLE_RATE // 20
PAUSE = np.zeros(SAMPLE_RATE, np.float32)
TRIES = 9
STEADY = (
    "speech | recordings | partials a second | their processor time a second | words shown | changed | words stable | "
    "changed in the final | word error rate, whole | live | same text"
)
NOISE = (
    "noise | recordings | begin an utterance | have words | minutes | begun a minute | decoded a minute | "
    "with words a minute | words a minute"
)


class Counting(Transcriber):
    """Counts how many utterances it is given to hear."""

    heard = 0

    def hear(self, utterance: SpeechPart) -> EncoderOutput:
        """What the encoder makes of an utterance."""
        self.heard += 1
        return super().hear(utterance)


def blocks_of(wave: Wave) -> Iterator[Wave]:
    """A wave as a microphone gives it."""
    for start in range(0, len(wave), BLOCK):
        yield wave[start : start + BLOCK]


def lateness(session: LiveSession, wave: Wave) -> float:
    """Milliseconds from the end of speech to the final result.

    The clock is that of the sound, and goes on by the processor time of this process while the session is at work.
    """
    now, heard = 0.0, 0
    for block in blocks_of(np.concatenate([PAUSE, wave, PAUSE])):
        heard += len(block)
        now = max(now, heard / SAMPLE_RATE)
        begun = time.process_time()
        events = session.feed(block)
        now += time.process_time() - begun
        for event in events:
            if isinstance(event, Final):
                return 1000 * (now - event.end)
    raise AsrError(f"{COMMAND}: found no words in it, wanted a bundle that hears some")


def late_rows(transcriber: Transcriber, commander: Commander) -> Iterator[str]:
    """How late final results are, as text and as commands."""
    wave = load_audio(COMMAND)
    wait = 1000 * EndpointSettings().hangover_seconds
    for name, commands in (("text", None), (f"command of `{GRAMMAR}`", commander)):
        found = sorted(lateness(LiveSession(transcriber, commands), wave) for _ in range(TRIES))
        median, worst = found[TRIES // 2], found[-1]
        yield f"{name} | {wait:.0f} ms | {median:.0f} ms | {median - wait:.0f} ms | {worst - wait:.0f} ms"


@dataclass
class Steadiness:
    """What partial results of a set of recordings came to."""

    seconds: float = 0.0  # of the recordings
    processor: float = 0.0  # seconds for partial results
    partials: int = 0
    shown: int = 0  # words
    changed: int = 0
    stable: int = 0
    broken: int = 0

    def add(self, events: Sequence[Event]) -> None:
        """Count the words of partial results, and those that the next one or the final one has not."""
        before: list[str] = []
        stable: list[str] = []
        for event in events:
            if isinstance(event, Started | Dropped):
                words: list[str] = []
            else:
                words = (event.text if isinstance(event, Partial) else event.transcript.text).split()
            kept = common(before, words)
            self.changed += len(before) - kept
            if isinstance(event, Partial):
                self.partials += 1
                self.shown += len(words) - kept
                stable = event.stable.split()
            else:
                self.stable += len(stable)
                self.broken += len(stable) - common(stable, words)
                words, stable = [], []
            before = words


def common(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words of the one are in the other, in order."""
    return sum(each.size for each in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks())


def events_of(session: LiveSession, wave: Wave, *, partials: bool) -> tuple[list[Event], float]:
    """The events of a recording between pauses, and the processor time for them."""
    begun = time.process_time()
    found = [e for b in blocks_of(np.concatenate([PAUSE, wave, PAUSE])) for e in session.feed(b, partials=partials)]
    return found + session.flush(), time.process_time() - begun


def steady_row(transcriber: Transcriber, path: Path, count: int, seed: int) -> str:
    """Partial results over the recordings of a manifest, and what is lost."""
    steady, session = Steadiness(), LiveSession(transcriber)
    said, whole, live = {}, {}, {}
    for utterance in drawn(read_manifest(path), count, seed):
        wave = read_utterance(utterance)
        events, taken = events_of(session, wave, partials=True)
        without, base = events_of(session, wave, partials=False)
        steady.seconds += len(wave) / SAMPLE_RATE
        steady.processor += taken - base
        steady.add(events)
        said[utterance.id] = utterance.text
        whole[utterance.id] = transcriber.transcribe(wave).text
        live[utterance.id] = " ".join(event.transcript.text for event in without if isinstance(event, Final))
    rates = [score(said, heard, normaliser=Normaliser(), speakers=None).wer for heard in (whole, live)]
    same = sum(whole[name] == live[name] for name in said)
    return " | ".join(
        [
            path.parent.name,
            f"{len(said)}",
            f"{steady.partials / steady.seconds:.1f}",
            f"{steady.processor / steady.seconds:.1%}",
            f"{steady.shown}",
            f"{steady.changed / max(steady.shown, 1):.1%}",
            f"{steady.stable}",
            f"{steady.broken / max(steady.stable, 1):.1%}",
            *(f"{rate.value:.1%}" if rate is not None else "-" for rate in rates),
            f"{same}",
        ]
    )


@dataclass
class Begun:
    """What came of noise."""

    recordings: int = 0
    opened: int = 0  # recordings that begin an utterance
    worded: int = 0  # recordings of which some becomes words
    seconds: float = 0.0
    begun: int = 0
    decoded: int = 0
    finals: int = 0
    words: int = 0

    def add(self, events: Sequence[Event], seconds: float, decoded: int) -> None:
        """Count a recording."""
        finals = [event for event in events if isinstance(event, Final)]
        begun = sum(isinstance(event, Started) for event in events)
        self.recordings += 1
        self.opened += begun > 0
        self.worded += bool(finals)
        self.seconds += seconds
        self.begun += begun
        self.decoded += decoded
        self.finals += len(finals)
        self.words += sum(len(event.transcript.words) for event in finals)

    def row(self, name: str) -> str:
        """Counts of recordings, and the rest by the minute."""
        minutes = self.seconds / 60
        rates = [f"{each / minutes:.2f}" for each in (self.begun, self.decoded, self.finals, self.words)]
        return " | ".join([name, f"{self.recordings}", f"{self.opened}", f"{self.worded}", f"{minutes:.1f}", *rates])


def noise_rows(transcriber: Counting, path: Path, seconds: float, seed: int) -> list[str]:
    """What comes of so much noise, each recording a stream of its own: of all, and where there are several by class."""
    total, classes = Begun(), defaultdict[str, Begun](Begun)
    recordings = read_manifest(path)
    for utterance in random.Random(seed).sample(recordings, len(recordings)):
        if total.seconds >= seconds:
            break
        wave = read_utterance(utterance)[: round((seconds - total.seconds) * SAMPLE_RATE)]
        before = transcriber.heard
        session = LiveSession(transcriber, partial_seconds=None)
        events = [e for block in blocks_of(wave) for e in session.feed(block)] + session.flush()
        for counted in (total, classes[utterance.path.parent.name]):
            counted.add(events, len(wave) / SAMPLE_RATE, transcriber.heard - before)
    each = [counted.row(f"{path.parent.name}/{name}") for name, counted in sorted(classes.items())]
    return [total.row(path.parent.name), *(each if len(each) > 1 else [])]


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="*", type=Path, help="of speech")
    parser.add_argument("--noise", type=Path, action="append", default=[], metavar="MANIFEST", help="repeatable")
    parser.add_argument("--utterances", type=int, default=30, metavar="N", help="most of each list; 0: all")
    parser.add_argument("--seconds", type=float, default=240.0, metavar="S", help="of each list of noise")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, metavar="DIR", help="folder of the model")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn from the lists")
    options = parser.parse_args()
    if options.utterances < 0 or not options.seconds > 0:
        parser.error("wanted --utterances of 0 or more and --seconds above 0")
    try:
        transcriber = Counting.from_bundle(options.bundle)
        assert isinstance(transcriber, Counting)
        late = late_rows(transcriber, Commander.from_bundle(options.bundle, GRAMMAR))
        print(f"`scripts/bench/bench_live.py`, {heading()}\n")
        print(table("three seconds, as | wait | final result | after the wait, median | worst of 9", list(late)))
        steady = [steady_row(transcriber, path, options.utterances, options.seed) for path in options.manifests]
        noise = [row for path in options.noise for row in noise_rows(transcriber, path, options.seconds, options.seed)]
        for columns, rows in ((STEADY, steady), (NOISE, noise)):
            if rows:
                print(f"\n{table(columns, rows)}")
    except AsrError as error:
        complain(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
