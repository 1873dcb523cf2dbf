"""Going through recordings to be measured: each as it is, and again in noise; a bad one is named and left out."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from asr.apps.failures import tell
from asr.apps.output import say
from asr.errors import SettingsError
from asr.failures import Failure
from asr.files import write_whole
from asr.printable import printable

if TYPE_CHECKING:
    from asr.data.manifests.utterance import Utterance
    from asr.runtime.commander import Commander
    from asr.runtime.live import LiveSession
    from asr.runtime.transcriber import Transcriber

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

    def commander(self) -> "Commander":
        """What hears commands."""
        from asr.runtime.commander import Commander

        return Commander.from_bundle(
            self.bundle, self.commands, width=self.width, threads=self.threads, false_accepts=self.false_accepts
        )

    def session(self) -> "LiveSession":
        """What hears a stream, as any speech or as commands."""
        from asr.runtime.live import LiveSession

        if not self.commands:
            return LiveSession(self.transcriber())
        commander = self.commander()
        return LiveSession(commander.transcriber, commander)


@dataclass(frozen=True)
class Shown:
    """What is said of an evaluation: in lines, in JSON, as a picture, and what a bundle keeps of it."""

    heading: str
    lines: list[str]
    values: dict[str, Any]
    draw: Callable[[Path], None]
    kept: dict[str, Any]


def chosen_ratios(noise: Path | None, snr: str | None) -> tuple[float, ...]:
    """The ratios of speech to noise in dB that the options --noise and --snr ask for."""
    from asr.evaluation.noise import RATIOS, check_ratios

    if noise is None and snr is not None:
        raise typer.BadParameter("--snr says how loud noise is; give the noise with --noise DIR")
    if snr is None:
        return RATIOS
    try:
        ratios = tuple(float(each) for each in snr.split(","))
    except ValueError:
        ratios = ()
    try:
        check_ratios(ratios)
    except SettingsError as error:
        raise typer.BadParameter(f"--snr {snr!r}: {error}") from error
    return ratios


def attempt_all(
    utterances: Sequence["Utterance"], attempt: Callable[["Utterance"], Result], doing: str
) -> tuple[dict[str, Result], dict[str, str]]:
    """What comes of each utterance, and what was wrong with the others, both by id, with a bar that shows progress."""
    from asr.evaluation.attempts import outcomes_of

    return gather(utterances, outcomes_of(utterances, attempt), doing)


def gather(
    utterances: Sequence["Utterance"], outcomes: Iterable[Result | Failure], doing: str
) -> tuple[dict[str, Result], dict[str, str]]:
    """What came of the utterances and what was wrong with others, by id; the latter is said, too."""
    from asr.progress_bars import track

    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    for utterance, outcome in track(zip(utterances, outcomes, strict=True), doing, len(utterances)):
        if isinstance(outcome, Failure):
            tell(outcome)
            failures[utterance.id] = outcome.message
        else:
            results[utterance.id] = outcome
    return results, failures


def write_results(
    folder: Path, text: str, values: Mapping[str, object], draw: Callable[[Path], None], page: str
) -> None:
    """Keep a report as text, as JSON, as a picture and as a page, and say where."""
    write_whole(folder / "report.json", f"{json.dumps(values, indent=1, allow_nan=False)}\n".encode())
    write_whole(folder / "report.txt", f"{text}\n".encode())
    draw(folder / "report.png")
    write_whole(folder / "report.html", page.encode())
    say(f"written: report.html, report.json, report.png and report.txt in {folder}")


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
