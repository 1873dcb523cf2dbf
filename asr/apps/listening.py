"""Going through recordings to be measured: each as it is, and again in noise; a bad one is named and left out."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from asr.apps.failures import complain, describe
from asr.apps.output import say
from asr.files import write_whole
from asr.text.printable import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asr.data.lists.utterance import Utterance
    from asr.evaluation.noise import Noises

RATIOS = (24.0, 18.0, 12.0, 6.0)
"""Decibels at which noise is mixed in unless others are asked for: from a quiet room to one where people raise their
voices."""

_NAMED_AT_MOST = 10

Heard = TypeVar("Heard")


def chosen_ratios(noise: Path | None, snr: str | None) -> tuple[float, ...]:
    """The ratios of speech to noise in dB that the options --noise and --snr ask for, none without noise."""
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
        raise typer.BadParameter(f"--snr {snr!r}: wanted decibels parted by commas, as in 24,18,12,6")
    if len(set(ratios)) < len(ratios):
        raise typer.BadParameter(f"--snr {snr!r}: the same ratio stands there twice; give each once")
    return ratios


def hear_all(
    manifest: Path,
    utterances: Sequence["Utterance"],
    hear: "Callable[[NDArray[np.float32]], Heard]",
    *,
    noises: "Noises | None" = None,
    ratios: Sequence[float] = (),
    spoken: Callable[["Utterance"], bool] = lambda utterance: True,
) -> tuple[dict[str, dict[float | None, Heard]], dict[str, str]]:
    """What is heard in each utterance of a list, by its id and by the ratio of the noise (None: as recorded), and what
    was wrong with the others, by id. In noise only those are heard that are ``spoken``: where nobody speaks there is no
    ratio.

    Raises:
        ManifestError: none of them could be read.
    """
    from asr.data.lists.manifest import read_utterance
    from asr.errors import ManifestError

    def in_all_noises(utterance: "Utterance") -> dict[float | None, Heard]:
        wave = read_utterance(utterance)
        heard: dict[float | None, Heard] = {None: hear(wave)}
        if noises is not None and spoken(utterance):
            heard.update({ratio: hear(noises.under(wave, utterance.id, ratio)) for ratio in ratios})
        return heard

    results, failures = attempt_all(utterances, in_all_noises, "Transcribing")
    if not results:
        raise ManifestError(f"{manifest}: none of its {len(utterances)} recordings could be read; nothing to score")
    return results, failures


def usable_noises(path: Path) -> tuple[list["Utterance"], dict[str, str]]:
    """The recordings of noise at a path that can be read and hold sound, and what is wrong with the others.

    Raises:
        AudioError: there is none.
    """
    from asr.data.lists.manifest import read_utterance
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
    utterances: Sequence["Utterance"], attempt: Callable[["Utterance"], Heard], doing: str
) -> tuple[dict[str, Heard], dict[str, str]]:
    """What comes of each utterance, and what was wrong with the others, both by id, with a bar that shows progress."""
    from rich.console import Console
    from rich.progress import track

    results: dict[str, Heard] = {}
    failures: dict[str, str] = {}
    console = Console(stderr=True)
    for utterance in track(utterances, doing, console=console, disable=not console.is_terminal):
        try:
            results[utterance.id] = attempt(utterance)
        except Exception as error:  # whatever it is, the other recordings can still be measured
            complain(error)
            failures[utterance.id] = describe(error)
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


def left_out(failures: Iterable[str], total: int, what: str = "") -> list[str]:
    """A line that names what could not be read; none where all could."""
    names = list(failures)
    if not names:
        return []
    named = ", ".join(map(printable, names[:_NAMED_AT_MOST]))
    more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    return [f"{len(names)} of {total}{what} could not be read and are not counted: {named}{more}"]
