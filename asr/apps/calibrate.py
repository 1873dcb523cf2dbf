"""`asr calibrate`: when a bundle refuses a command, found by trials."""

import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeGuard

import typer

from asr.apps.listening import attempt_all, left_out
from asr.apps.options import BundleFolder
from asr.apps.output import say
from asr.errors import ManifestError

if TYPE_CHECKING:
    from asr.adaptation.trials import LabelledWave
    from asr.commands.grammar.grammar import Grammar
    from asr.commands.rejection import Rejection, Trial
    from asr.data.manifests.utterance import Utterance
    from asr.runtime.commander import Listener
    from asr.runtime.transcriber import Transcriber

_AT_MOST: Final = 500
"""Recordings that are taken of a list."""
_COMMANDS: Final = 50
_OTHERS: Final = 25
_EACH: Final = 8
"""Trials of a grammar: commands, other texts of the list (and half as many of other lists), and each other kind."""


def calibrate(
    manifests: Annotated[
        list[Path], typer.Argument(metavar="MANIFEST", help="Speech that the bundle was not trained on.")
    ],
    noise: Annotated[
        list[Path] | None,
        typer.Option("--noise", metavar="MANIFEST", help="Recordings without speech; may be repeated."),
    ] = None,
    bundle: BundleFolder = None,
    grammars: Annotated[int, typer.Option(min=2, help="How many grammars to draw from each list's texts.")] = 16,
    false_accepts: Annotated[
        float, typer.Option(help="Maximum false-accept rate: the share of other sounds that may be accepted.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Random seed of the grammars.")] = 0,
) -> None:
    """Find when to refuse a command, for any grammar, and keep it in the bundle.

    Grammars are drawn from the texts of the lists: some of their sentences, or all strings of some of their words. For
    each the bundle hears commands and what is none: other sentences of the list and of the other lists, halves of
    commands, commands amid other speech, noise and silence. How sure it is of a reading, and from where on it is
    taken, follow from these.

    A recording that cannot be read is named and left out, and the exit status is 1.
    """
    from asr.bundle import record_rejection
    from asr.commands.network.network import compile_network
    from asr.commands.rejection import calibrate as fit
    from asr.hub import check_own_folder
    from asr.progress_bars import track
    from asr.runtime.commander import Listener
    from asr.runtime.transcriber import Transcriber

    failures: list[str] = []
    if bundle is not None:
        check_own_folder(bundle)
    transcriber = Transcriber.from_bundle(bundle, threads=1)  # utterances are short: more threads mostly wait
    generator = random.Random(seed)
    lists = [_read(path, transcriber, generator, failures) for path in manifests]
    noises = [said for path in noise or [] for said in _read(path, transcriber, generator, failures)]
    trials: list[Trial] = []
    drawn = [(number, grammar) for number, said in enumerate(lists) for grammar in _drawn(said, grammars, generator)]
    for number, grammar in track(drawn, "Trying grammars"):
        listener = Listener(transcriber, compile_network([grammar], transcriber.bundle.normaliser))
        elsewhere = [said for other, found in enumerate(lists) if other != number for said in found]
        trials += _trials(listener, lists[number], elsewhere, noises, generator)
    found = fit(trials, false_accepts=false_accepts)
    folder = transcriber.bundle.folder
    record_rejection(folder, found.to_dict())
    say(*describe_point(found), f"recorded in {folder}")
    if failures:
        say(*left_out(failures, len(failures) + sum(map(len, lists)) + len(noises)))
        raise typer.Exit(1)


def describe_point(rejection: "Rejection") -> list[str]:
    """What a calibration comes to, in lines to print."""
    from asr.commands.rejection import LIMITS

    point = rejection.point
    return [
        f"a reading is taken from a confidence of {rejection.threshold:.2f} on: of {point.commands} commands "
        f"{100 * point.accepted:.1f} % are taken and right, of {point.others} other sounds "
        f"{100 * point.false_accepts:.1f} % are taken",
        *(f"  {kind}: {100 * share:.1f} % taken" for kind, share in point.by_kind.items()),
        *(
            f"--false-accepts {limit:g}: from {each.threshold:.2f} on, {100 * each.accepted:.1f} % taken and right"
            for limit, each in zip(LIMITS, rejection.points, strict=False)  # an older calibration has none
        ),
    ]


def _read(
    path: Path, transcriber: "Transcriber", generator: random.Random, failures: list[str]
) -> list["LabelledWave"]:
    """Some recordings of a list, drawn where it is long; the ids of those that cannot be read go to ``failures``.

    Raises ManifestError where none of them can.
    """
    from asr.adaptation.trials import LabelledWave
    from asr.data.manifests.manifest import read_manifest, read_utterance

    utterances = read_manifest(path, lenient=True)
    chosen = generator.sample(utterances, min(_AT_MOST, len(utterances)))

    def read(each: "Utterance") -> LabelledWave:
        return LabelledWave(read_utterance(each), transcriber.bundle.normaliser(each.text), f"{path}: {each.speaker}")

    found, bad = attempt_all(chosen, read, f"Reading {path.name}")
    if not found:
        raise ManifestError(f"{path}: none of {len(chosen)} recordings could be read; nothing to calibrate with")
    failures += bad
    return list(found.values())


def _drawn(said: Sequence["LabelledWave"], count: int, generator: random.Random) -> Iterator["Grammar"]:
    """Grammars of all kinds by turns."""
    from asr.adaptation.trials import KINDS_OF_GRAMMAR

    texts = sorted({each.text for each in said if each.text})
    kinds = [draw(texts, generator) for draw in KINDS_OF_GRAMMAR] if len(texts) > 2 else []
    for number in range(count if kinds else 0):
        yield next(kinds[number % len(kinds)])


def _trials(
    listener: "Listener",
    said: Sequence["LabelledWave"],
    elsewhere: Sequence["LabelledWave"],
    noises: Sequence["LabelledWave"],
    generator: random.Random,
) -> Iterator["Trial"]:
    from asr.adaptation.trials import half_of, in_longer_speech, trial

    known = cache(lambda text: listener.network.parse(text) is not None)

    def outside(found: "LabelledWave | None") -> TypeGuard["LabelledWave"]:
        return found is not None and not known(found.text)

    spoken = [each for each in said if each.text]
    commands = [each for each in spoken if known(each.text)]
    others = [each for each in spoken if not known(each.text)]
    strangers = [each for each in generator.sample(elsewhere, min(_OTHERS, len(elsewhere))) if outside(each)]
    for chosen, most in ((commands, _COMMANDS), (others, _OTHERS), (strangers, _OTHERS // 2), (noises, _EACH)):
        for each in generator.sample(chosen, min(most, len(chosen))):
            yield trial(listener, each)
    for each in generator.sample(commands, min(_EACH, len(commands))):
        if outside(half := half_of(each, generator)):
            yield trial(listener, half, "half a command")
        if strangers and outside(longer := in_longer_speech(each, generator.choice(strangers), generator)):
            yield trial(listener, longer, "a command in longer speech")
