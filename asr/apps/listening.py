"""Going through recordings to be measured: each as it is, and again in noise; a bad one is named and left out."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from asr.apps.failures import Failure, failure_of
from asr.apps.output import say
from asr.apps.workers import in_order
from asr.files import write_whole
from asr.printable import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr.data.manifests.utterance import Utterance
    from asr.evaluation.noise import Noises
    from asr.runtime.commander import Commander, Understanding
    from asr.runtime.live import LiveSession
    from asr.runtime.transcriber import Transcriber
    from asr.runtime.transcript import Transcript

_NAMED_AT_MOST = 10

Result = TypeVar("Result")


@dataclass(frozen=True)
class Listening:
    """What a process needs to know to hear recordings."""

    bundle: Path | None
    commands: tuple[str, ...]
    width: int | None
    threads: int
    false_accepts: float | None = None

    def transcriber(self) -> "Transcriber":
        """What hears any speech."""
        from asr.runtime.transcriber import Transcriber

        return Transcriber.from_bundle(self.bundle, width=self.width, threads=self.threads)

    def begin(self) -> "Callable[[NDArray[np.float32]], tuple[Transcript, Understanding | None]]":
        """What hears a wave, as any speech or as a command."""
        if not self.commands:
            transcriber = self.transcriber()
            return lambda wave: (transcriber.transcribe(wave), None)
        commander = self._commander()

        def understand(wave: "NDArray[np.float32]") -> "tuple[Transcript, Understanding | None]":
            understanding = commander.understand(wave)
            return understanding.transcript, understanding

        return understand

    def session(self) -> "LiveSession":
        """What hears a stream."""
        from asr.runtime.live import LiveSession

        if not self.commands:
            return LiveSession(self.transcriber())
        commander = self._commander()
        return LiveSession(commander.transcriber, commander)

    def _commander(self) -> "Commander":
        from asr.runtime.commander import Commander

        return Commander.from_bundle(
            self.bundle, self.commands, width=self.width, threads=self.threads, false_accepts=self.false_accepts
        )


def chosen_ratios(noise: Path | None, snr: str | None) -> tuple[float, ...]:
    """The ratios of speech to noise in dB that the options --noise and --snr ask for, none without noise."""
    from asr.evaluation.noise import RATIOS

    if noise is None:
        if snr is not None:
            raise typer.BadParameter("--snr says how loud noise is; give the noise with --noise DIR")
        return ()
    if snr is None:
        return RATIOS
    try:
        ratios = tuple(float(each) for each in snr.split(","))
    except ValueError:
        ratios = ()
    if not ratios or not all(map(math.isfinite, ratios)):
        raise typer.BadParameter(f"--snr {snr!r}: wanted decibels separated by commas, as in 24,18,12,6")
    if len(set(ratios)) < len(ratios):
        raise typer.BadParameter(f"--snr {snr!r}: the same ratio stands there twice; give each once")
    return ratios


def hear_all(
    manifest: Path,
    utterances: Sequence["Utterance"],
    hear: "Callable[[NDArray[np.float32]], Result]",
    *,
    noises: "Noises | None" = None,
    ratios: Sequence[float] = (),
    spoken: Callable[["Utterance"], bool] = lambda utterance: True,
    listening: Listening | None = None,
    jobs: int = 1,
) -> tuple[dict[str, dict[float | None, Result]], dict[str, str]]:
    """What is heard in each utterance of a list, by its id and by the ratio of the noise (None: as recorded), and what
    was wrong with the others, by id. In noise only those are heard that are ``spoken``: where nobody speaks there is no
    ratio. With ``jobs`` above 1 so many processes hear them instead, as ``listening`` says.

    Raises:
        ManifestError: none of them could be read.
    """
    from asr.evaluation.attempts import check_any_read

    wanted = {each.id: ratios if noises is not None and spoken(each) else () for each in utterances}
    if jobs > 1 and listening is not None:
        things = [(each, wanted[each.id]) for each in utterances]
        with closing(in_order(_begin, (listening, noises), things, jobs)) as found:
            results, failures = _sorted(utterances, found, "Transcribing")
    else:
        results, failures = attempt_all(
            utterances, lambda each: _in_noises(each, wanted[each.id], hear, noises), "Transcribing"
        )
    check_any_read(manifest, len(utterances), len(results))
    return results, failures


def _begin(
    listening: Listening, noises: "Noises | None"
) -> "Callable[[tuple[Utterance, Sequence[float]]], dict[float | None, Any]]":
    """What hears an utterance, and in noise at these ratios, in a process of its own."""
    hear = listening.begin()

    def heard(wave: "NDArray[np.float32]") -> "Transcript | Understanding":
        transcript, understanding = hear(wave)
        return transcript if understanding is None else understanding

    return lambda thing: _in_noises(*thing, heard, noises)


def _in_noises(
    utterance: "Utterance",
    ratios: Sequence[float],
    hear: "Callable[[NDArray[np.float32]], Result]",
    noises: "Noises | None",
) -> dict[float | None, Result]:
    from asr.data.manifests.manifest import read_utterance

    wave = read_utterance(utterance)
    heard: dict[float | None, Result] = {None: hear(wave)}
    if noises is not None:
        heard.update({ratio: hear(noises.under(wave, utterance.id, ratio)) for ratio in ratios})
    return heard


def usable_noises(path: Path) -> tuple[list["Utterance"], dict[str, str]]:
    """The recordings of noise at a path that can be read and hold sound, and what is wrong with the others.

    Raises:
        AudioError: there is none.
    """
    from asr.data.manifests.manifest import read_utterance
    from asr.errors import AudioError
    from asr.evaluation.noise import find_noises

    def check(recording: "Utterance") -> None:
        if not read_utterance(recording).any():
            raise AudioError(f"{recording.path}: found nothing but zeros, wanted noise; take it out")

    found = find_noises(path)
    usable, failures = attempt_all(found, check, "Reading noise")
    if not usable:
        raise AudioError(f"{path}: none of its {len(found)} recordings can be used as noise")
    return [recording for recording in found if recording.id in usable], failures


def attempt_all(
    utterances: Sequence["Utterance"], attempt: Callable[["Utterance"], Result], doing: str
) -> tuple[dict[str, Result], dict[str, str]]:
    """What comes of each utterance, and what was wrong with the others, both by id, with a bar that shows progress."""

    def outcomes() -> Iterator[Result | Failure]:
        for utterance in utterances:
            try:
                outcome: Result | Failure = attempt(utterance)
            except Exception as error:  # whatever it is, the other recordings can still be measured
                outcome = failure_of(error)
            yield outcome

    return _sorted(utterances, outcomes(), doing)


def _sorted(
    utterances: Sequence["Utterance"], outcomes: Iterable[Result | Failure], doing: str
) -> tuple[dict[str, Result], dict[str, str]]:
    """What came of the utterances and what was wrong with others; the latter is said, too."""
    from asr.progress_bars import track

    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    both = zip(utterances, outcomes, strict=True)
    for utterance, outcome in track(both, doing, len(utterances)):
        if isinstance(outcome, Failure):
            outcome.tell()
            failures[utterance.id] = outcome.message
        else:
            results[utterance.id] = outcome
    return results, failures


def write_results(folder: Path, text: str, values: Mapping[str, object], draw: Callable[[Path], None]) -> None:
    """Keep a report as text, as JSON and as a picture, and say where."""
    write_whole(folder / "report.json", f"{json.dumps(values, indent=1, allow_nan=False)}\n".encode())
    write_whole(folder / "report.txt", f"{text}\n".encode())
    draw(folder / "report.png")
    say(f"written: report.json, report.txt and report.png in {folder}")


def to_record(path: Path) -> str:
    """A path as a bundle names it that goes to other machines: of one from the root only the folder and the file."""
    return f"{path.parent.name}/{path.name}" if path.is_absolute() else str(path)


def how_fast(sound: float, taken: float, processes: int) -> str:
    """A line on how many seconds so much sound took, by how many processes where it was several."""
    if not sound:
        return "no sound"
    by = f" by {processes} processes" if processes > 1 else ""
    return f"{sound:.0f} s of sound in {taken:.0f} s{by}: real-time factor {taken / sound:.3f}"


def left_out(failures: Iterable[str], total: int, what: str = "") -> list[str]:
    """A line that names what could not be read; none where all could."""
    names = list(failures)
    if not names:
        return []
    named = ", ".join(map(printable, names[:_NAMED_AT_MOST]))
    more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    return [f"{len(names)} of {total}{what} could not be read and are not counted: {named}{more}"]
