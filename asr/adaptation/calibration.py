"""How a bundle learns when to reject: grammars drawn from manifests' texts, and what it makes of their recordings."""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeGuard

from asr.adaptation.trials import KINDS_OF_GRAMMAR, LabelledWave, half_of, in_longer_speech, trial
from asr.bundle import record_rejection
from asr.commands import rejection
from asr.commands.network.network import compile_network
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.errors import ManifestError, SettingsError
from asr.evaluation.attempts import attempt_silently
from asr.evaluation.noise import RATIOS, looped, mix
from asr.hub import check_own_folder
from asr.progress_bars import track
from asr.runtime.commander import Listener
from asr.runtime.transcriber import Transcriber

if TYPE_CHECKING:
    from asr.commands.grammar.grammar import Grammar
    from asr.data.manifests.utterance import Utterance
    from asr.evaluation.attempts import AttemptAll

GRAMMARS: Final = 16
"""Grammars that are drawn from each manifest's texts."""

_AT_MOST: Final = 500
"""Recordings that are drawn from a manifest."""
_COMMANDS: Final = 50
_OTHERS: Final = 25
_EACH: Final = 8
"""Trials of a grammar: commands, speech of the other manifests, half as much of its own that is no command, and each
other kind: what is said around a microphone is seldom a word away from a command."""


@dataclass(frozen=True)
class Calibration:
    """When a bundle rejects, its folder, on how many recordings that was found, and the ids of those not read."""

    rejection: rejection.Rejection
    folder: Path
    recordings: int
    unread: tuple[str, ...]


def calibrate(
    manifests: Sequence[str | os.PathLike[str]],
    noise: Sequence[str | os.PathLike[str]] = (),
    *,
    bundle: str | os.PathLike[str] | None = None,
    grammars: int = GRAMMARS,
    false_accepts: float = rejection.FALSE_ACCEPTS,
    seed: int = 0,
    attempt_all: "AttemptAll" = attempt_silently,
) -> Calibration:
    """Find from which confidence to accept a command, for any grammar, and keep it in the bundle, as `asr calibrate`.

    Args:
        manifests: speech that the bundle was not trained on.
        noise: manifests of recordings without speech.
        bundle: the folder of the one to calibrate, the one in the package when left out.
        grammars: how many to draw from each manifest's texts, at least 2.
        false_accepts: the share of other sounds that may be accepted, 0 to 1.
        seed: of recordings, grammars and trials.
        attempt_all: goes through recordings and leaves out those that cannot be read.

    Raises:
        SettingsError: fewer grammars, or too few commands or other sounds to tell them apart.
        ManifestError: a manifest that cannot be read, or has no recording that can.
        BundleError: a bundle that cannot be used or written; it stays as it was, as after any error.

    Examples:
        >>> found = calibrate(["data/mine/cuts_dev.jsonl.gz"], bundle="runs/mine/bundle")  # doctest: +SKIP
        >>> found.rejection.threshold  # doctest: +SKIP
    """
    if grammars < 2:
        raise SettingsError(f"grammars is {grammars}; wanted at least 2")
    if bundle is not None:
        check_own_folder(bundle)
    transcriber = Transcriber.from_bundle(bundle, threads=1)  # utterances are short: more threads mostly wait
    generator = random.Random(seed)
    unread: list[str] = []

    def heard(path: str | os.PathLike[str]) -> list[LabelledWave]:
        found, bad = _read(Path(path), transcriber, generator, attempt_all)
        unread.extend(bad)
        return found

    lists = [heard(path) for path in manifests]
    noises = [said for path in noise for said in heard(path)]
    trials: list[rejection.Trial] = []
    drawn = [(number, grammar) for number, said in enumerate(lists) for grammar in _drawn(said, grammars, generator)]
    for number, grammar in track(drawn, "Trying grammars"):
        listener = Listener(transcriber, compile_network([grammar], transcriber.bundle.normaliser))
        elsewhere = [said for other, found in enumerate(lists) if other != number for said in found]
        trials += _trials(listener, lists[number], elsewhere, noises, generator)
    found = rejection.calibrate(trials, false_accepts=false_accepts)
    folder = transcriber.bundle.folder
    record_rejection(folder, found.to_dict())
    return Calibration(found, folder, len(unread) + sum(map(len, lists)) + len(noises), tuple(unread))


def _read(
    path: Path, transcriber: Transcriber, generator: random.Random, attempt_all: "AttemptAll"
) -> tuple[list[LabelledWave], list[str]]:
    """Some recordings of a manifest, drawn where it is long, and the ids of those that cannot be read.

    Raises ManifestError where none of them can.
    """
    utterances = read_manifest(path, lenient=True)
    chosen = generator.sample(utterances, min(_AT_MOST, len(utterances)))

    def read(each: "Utterance") -> LabelledWave:
        return LabelledWave(read_utterance(each), transcriber.bundle.normaliser(each.text), f"{path}: {each.speaker}")

    found, bad = attempt_all(chosen, read, f"Reading {path.name}")
    if not found:
        raise ManifestError(f"{path}: none of {len(chosen)} recordings could be read; nothing to calibrate with")
    return list(found.values()), list(bad)


def _drawn(said: Sequence[LabelledWave], count: int, generator: random.Random) -> Iterator["Grammar"]:
    """Grammars of all kinds by turns."""
    texts = sorted({each.text for each in said if each.text})
    kinds = [draw(texts, generator) for draw in KINDS_OF_GRAMMAR] if len(texts) > 2 else []
    for number in range(count if kinds else 0):
        yield next(kinds[number % len(kinds)])


def _trials(
    listener: Listener,
    said: Sequence[LabelledWave],
    elsewhere: Sequence[LabelledWave],
    noises: Sequence[LabelledWave],
    generator: random.Random,
) -> Iterator[rejection.Trial]:
    """What a grammar makes of its commands and of what is none: other speech, noise, halves and longer speech.

    Half of the speech is heard in one of the noises, for there the right reading explains the sound less well too.
    """
    known = cache(lambda text: listener.network.parse(text) is not None)

    def outside(found: LabelledWave | None) -> TypeGuard[LabelledWave]:
        return found is not None and not known(found.text)

    spoken = [each for each in said if each.text]
    commands = [each for each in spoken if known(each.text)]
    others = [each for each in spoken if not known(each.text)]
    strangers = [each for each in generator.sample(elsewhere, min(_OTHERS, len(elsewhere))) if outside(each)]
    for chosen, most in ((commands, _COMMANDS), (others, _OTHERS // 2), (strangers, _OTHERS), (noises, _EACH)):
        for each in generator.sample(chosen, min(most, len(chosen))):
            yield trial(listener, _perhaps_in_noise(each, noises, generator))
    for each in generator.sample(commands, min(_EACH, len(commands))):
        if outside(half := half_of(each, generator)):
            yield trial(listener, _perhaps_in_noise(half, noises, generator), rejection.HALF)
        if strangers and outside(longer := in_longer_speech(each, generator.choice(strangers), generator)):
            yield trial(listener, _perhaps_in_noise(longer, noises, generator), rejection.LONGER)


def _perhaps_in_noise(said: LabelledWave, noises: Sequence[LabelledWave], generator: random.Random) -> LabelledWave:
    """Every second recording of speech in a noise, at one of ``RATIOS``; noises stay as they are."""
    if not (said.text and noises) or generator.random() < 0.5:
        return said
    noise = generator.choice(noises).wave
    excerpt = looped(noise, generator.randrange(len(noise)), len(said.wave))
    return replace(said, wave=mix(said.wave, excerpt, generator.choice(RATIOS)))
