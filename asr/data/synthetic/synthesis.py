"""A corpus of synthetic speech: texts spoken by many voices, packed into shards.

A model for one's own commands needs nobody to record them: every text is spoken by many voices, at many speeds and
pitches and by speakers of many sizes. What is spoken in a shard follows from the plan and the shard's number alone, so
shards can be made in any order, by any number of processes, and after an interruption.
"""

import hashlib
import json
import math
import os
import random
import signal
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from asr.audio.encoding import Form
from asr.audio.load import SAMPLE_RATE
from asr.claim import claim
from asr.data.manifests.bounded import lines_of, parse_json
from asr.data.manifests.shard import audio_name, cuts_name, finished_shards, remove_unfinished, write_shard
from asr.data.manifests.utterance import Utterance
from asr.data.synthetic.casting import Cast
from asr.data.synthetic.speaking import SpeechRequest, check_text, speak_all
from asr.data.synthetic.voices import Voice, version_of
from asr.errors import AudioError, ManifestError, SettingsError
from asr.files import write_whole
from asr.progress_bars import progress_bar
from asr.workers import deaf_to_ctrl_c

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

PLAN = "cuts.plan.json"  # lhotse takes other files beside the shards for parts of them, unless they begin with cuts

VERSION = 4  # raised whenever the same plan would come out differently

DRAWN_RATES = (0.7, 1.45)
DRAWN_PITCHES = (0.81, 1.38)
DRAWN_FORMANTS = (0.85, 1.2)

MOST_FAILED = 0.02
"""The share of a shard's utterances that may fail; beyond it something is wrong with the machine or the texts."""


@dataclass(frozen=True)
class SynthesisPlan:
    """What is to be made: all that decides about the bytes of the shards.

    Either ``utterances`` or ``hours`` is given: how many to speak, or how much speech to end up with. A shard holds
    ``shard`` utterances, the last one fewer.
    """

    texts: Sequence[str] = field(repr=False)
    voices: Sequence[Voice] = field(repr=False)
    seed: int = 0
    utterances: int | None = None
    hours: float | None = None
    form: Form = "flac"
    shard: int = 500

    def __post_init__(self) -> None:
        if (self.utterances is None) == (self.hours is None):
            raise SettingsError(
                f"utterances {self.utterances} and hours {self.hours}: wanted one of the two, how much to speak"
            )
        if self.utterances is not None and self.utterances < 1:
            raise SettingsError(f"utterances {self.utterances}: wanted at least 1")
        if self.hours is not None and not (math.isfinite(self.hours) and self.hours > 0):
            raise SettingsError(f"hours {self.hours}: wanted more than 0")
        if self.shard < 1:
            raise SettingsError(f"shard {self.shard}: wanted at least 1 utterance in each")
        if not self.texts or not self.voices:
            raise SettingsError(f"{len(self.texts)} texts and {len(self.voices)} voices: wanted at least 1 of each")
        for text in self.texts:
            check_text(text)

    def to_dict(self) -> dict[str, object]:
        """The plan as it is kept beside the shards, with digests in place of the texts and voices."""
        engines = sorted({voice.engine for voice in self.voices})
        return {
            "version": VERSION,
            "seed": self.seed,
            "utterances": self.utterances,
            "hours": self.hours,
            "form": self.form,
            "shard": self.shard,
            "texts": {"count": len(self.texts), "sha256": _digest(self.texts)},
            "voices": {"count": len(self.voices), "sha256": _digest(f"{v.engine}\t{v.name}" for v in self.voices)},
            "engines": {engine: version_of(engine) for engine in engines},
        }


@dataclass(frozen=True)
class Synthesis:
    """What was made: whole shards in ``folder``. ``left_out`` names what could not be spoken."""

    folder: Path
    utterances: int
    hours: float
    left_out: Sequence[str]


def draw(plan: SynthesisPlan, number: int) -> list[SpeechRequest]:
    """What a shard is to hold: texts as evenly as can be, voices, rates, pitches and formants by chance.

    Which voices, and mixtures of them, says ``Cast``.
    """
    generator = random.Random(f"{plan.seed}/{number}")
    cast = Cast(plan.voices)
    first, end = number * plan.shard, (number + 1) * plan.shard
    if plan.utterances is not None:
        end = min(end, plan.utterances)
    takes = []
    for index in range(first, end):
        round_, place = divmod(index, len(plan.texts))
        text = plan.texts[_order(plan.seed, round_, len(plan.texts))[place]]
        voice = cast.choose(generator)
        rate, pitch, formants = (
            round(math.exp(generator.uniform(math.log(low), math.log(high))), 2)
            for low, high in (DRAWN_RATES, DRAWN_PITCHES, DRAWN_FORMANTS)
        )
        takes.append(SpeechRequest(text, voice, rate, pitch if voice.has_pitch else formants, formants))
    return takes


def synthesize(plan: SynthesisPlan, out: Path, *, jobs: int = 1) -> Synthesis:
    """Speaks what the plan says into shards in ``out``, by ``jobs`` processes.

    Shards that are there from an earlier, interrupted run of the same plan are kept. With ``hours`` the last shard ends
    with the utterance that completes them. The same plan gives the same files, by however many processes.

    Raises:
        SettingsError: ``out`` holds what was made by another plan, or something else.
        AudioError: of a shard, more than ``MOST_FAILED`` could not be spoken, or a process was killed.
        ManifestError: a shard cannot be written.
    """
    if jobs < 1:
        raise SettingsError(f"jobs {jobs}: wanted at least 1")
    claim(out, PLAN, plan.to_dict())
    remove_unfinished(out)
    plan_digest = _digest([json.dumps(plan.to_dict())])
    finished = finished_shards(out)
    begun: dict[int, Future[dict[int, float]]] = {}
    number, utterances, seconds = 0, 0, 0.0
    left_out: list[str] = []
    with progress_bar() as progress, _processes(jobs, plan, out, plan_digest) as pool:
        bar = progress.add_task("Speaking", total=1.0)
        try:
            while _share(plan, number, seconds) < 1:
                # Later shards are begun as well, unless those before them will probably do.
                a_shard = seconds / number if number else _guessed_seconds(plan)
                needed = _seconds_needed(plan, seconds)
                for ahead in range(number, number + jobs):
                    wanted = _share(plan, ahead, seconds + (ahead - number) * a_shard) < 1
                    if wanted and ahead not in begun and ahead not in finished:
                        with deaf_to_ctrl_c() if jobs > 1 else nullcontext():  # the pool starts processes
                            begun[ahead] = pool.submit(_make, ahead, needed)
                made = begun.pop(number).result() if number in begun else _read(out, number)
                keep = _places_needed(made, needed)
                if keep is not None and keep <= max(made):  # begun when more was needed
                    made = pool.submit(_make, number, needed).result()
                takes = draw(plan, number)[:keep]
                missing = (place for place in range(len(takes)) if place not in made)
                left_out += [f"{takes[place].voice.name}: {takes[place].text}" for place in missing]
                utterances += len(made)
                seconds += sum(made.values())
                number += 1
                progress.update(bar, completed=min(1.0, _share(plan, number, seconds)))
        except BrokenExecutor as error:
            raise AudioError(
                f"{out}: a process that speaks was killed; go on with the same command, or with fewer --jobs"
            ) from error
        except (KeyboardInterrupt, SystemExit):  # a shard takes a minute, and is made again
            for process in active_children():
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            remove_unfinished(out)
    for surplus in (shard for shard in finished_shards(out) if shard >= number):
        (out / cuts_name(surplus)).unlink()
        (out / audio_name(surplus)).unlink()
    counts = {"shards": number, "utterances": utterances, "seconds": round(seconds, 3), "left_out": left_out}
    write_whole(out / PLAN, f"{json.dumps({**plan.to_dict(), 'made': counts}, indent=1)}\n".encode())
    return Synthesis(out, utterances, seconds / 3600, left_out)


def _share(plan: SynthesisPlan, shards: int, seconds: float) -> float:
    """How much of the plan so many shards with so much speech are."""
    if plan.hours is not None:
        return seconds / 3600 / plan.hours
    assert plan.utterances is not None
    return shards * plan.shard / plan.utterances


def guessed_hours(plan: SynthesisPlan) -> float:
    """About how much speech it will be."""
    return plan.hours or (plan.utterances or 0) * _guessed_seconds(plan) / plan.shard / 3600


def _guessed_seconds(plan: SynthesisPlan) -> float:
    """About how much speech a shard will hold, before one is there."""
    letters = sum(len(text) for text in plan.texts) / len(plan.texts)
    return plan.shard * (0.6 + letters / 14)


def _seconds_needed(plan: SynthesisPlan, seconds: float) -> float:
    """How much is still to be spoken to fill the hours; without end where none are given."""
    return math.inf if plan.hours is None else plan.hours * 3600 - seconds


def _places_needed(made: Mapping[int, float], needed: float) -> int | None:
    """How many places of a shard it takes until it has the seconds that are needed; None if it has less."""
    total = 0.0
    for place in sorted(made):
        total += made[place]
        if total >= needed:
            return place + 1
    return None


# What the processes that speak need to know, given once to each instead of with every shard.
_work: tuple[SynthesisPlan, Path, str] | None = None


class _Here(Executor):
    """Does in this process what it is given, at once; what interrupts that, interrupts who gives it."""

    def submit(
        self, do: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        done: Future[Result] = Future()
        try:
            done.set_result(do(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


def _processes(jobs: int, plan: SynthesisPlan, out: Path, plan_digest: str) -> Executor:
    if jobs == 1:
        _begin(plan, out, plan_digest)
        return _Here()
    # Not forked: threads run here, and what they hold at that moment would be held in the new process for ever.
    return ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin, initargs=(plan, out, plan_digest))


def _begin(plan: SynthesisPlan, out: Path, plan_digest: str) -> None:
    global _work
    _work = plan, out, plan_digest
    if parent_process() is not None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ctrl-C ends it without a word
        threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when its parent was killed; it would wait for work for ever."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _make(number: int, needed: float) -> dict[int, float]:
    """Speaks a shard, or as much of it as fills the seconds needed, and writes it; see ``_read``.

    Raises AudioError if too many utterances fail.
    """
    assert _work is not None
    plan, out, plan_digest = _work
    prefix = f"{plan_digest[:8]}-{number:06d}"
    write_shard(out, number, _spoken(draw(plan, number), prefix, out, needed), form=plan.form)
    return _read(out, number)


def _spoken(
    takes: Sequence[SpeechRequest], prefix: str, out: Path, needed: float
) -> Iterator[tuple[Utterance, NDArray[np.float32]]]:
    failures: list[str] = []
    total = 0.0
    for place, (take, wave) in enumerate(zip(takes, speak_all(takes), strict=True)):
        if isinstance(wave, AudioError):
            failures.append(str(wave))
            if len(failures) > MOST_FAILED * len(takes):
                raise AudioError(
                    f"{out}: {len(failures)} of {place + 1} utterances could not be spoken: {'; '.join(failures[:3])}"
                )
            continue
        yield Utterance(f"{prefix}-{place:04d}", out, take.voice.speaker, take.text), wave
        total += len(wave) / SAMPLE_RATE
        if total >= needed:
            return


def _read(out: Path, number: int) -> dict[int, float]:
    """The seconds of each utterance of a finished shard, by its place among those that were to be spoken."""
    try:
        with lines_of(out / cuts_name(number)) as lines:
            cuts = [parse_json(line) for line in lines]
        return {int(cut["id"].rpartition("-")[2]): float(cut["duration"]) for cut in cuts}
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(
            f"{out / cuts_name(number)}: cannot be read ({error}); remove it, and it is made again"
        ) from error


@lru_cache(maxsize=4)
def _order(seed: int, round_: int, count: int) -> list[int]:
    """The order of the texts the so-many-th time that all are spoken."""
    return random.Random(f"{seed}/texts/{round_}").sample(range(count), count)


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
