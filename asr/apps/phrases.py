"""`asr data phrases`: the utterances of a manifest in phrases, for training."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.options import BundleFolder, Jobs
from asr.apps.output import say
from asr.errors import ManifestError
from asr.failures import Failure
from asr.workers import chosen_jobs, in_order

if TYPE_CHECKING:
    from asr.data.manifests.utterance import Utterance


def phrases(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A .tsv, .jsonl or .jsonl.gz.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .jsonl or .jsonl.gz to write.")],
    least: Annotated[int, typer.Option(min=1, metavar="N", help="Fewest words of a phrase.")] = 2,
    most: Annotated[int, typer.Option(min=1, metavar="N", help="Most words of a phrase.")] = 10,
    times: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many times to divide each utterance, each time otherwise.")
    ] = 3,
    bundle: BundleFolder = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed of the sizes.")] = 0,
    jobs: Jobs = None,
) -> None:
    """Divide utterances into phrases, for training.

    A phrase is a run of words, a cut of the same recording: no audio is copied. A model that is trained on them beside
    the utterances cannot learn these by heart. Where the words are said, a bundle finds out. Utterances in which it
    does not find their text, or which go on for longer than 20 s, are left out and counted. The exit status is 1 where
    a recording cannot be read.
    """
    from asr.data.manifests.cuts import write_cuts
    from asr.data.manifests.manifest import read_manifest
    from asr.data.manifests.utterance import some_lines
    from asr.progress_bars import track

    if least > most:
        raise typer.BadParameter(f"--least {least} is above --most {most}; give it the smaller number")
    utterances = [each for each in read_manifest(manifest, lenient=True) if each.text]
    if packed := next((each for each in utterances if each.packed is not None), None):
        raise ManifestError(
            f"{manifest}: utterance {packed.id!r} is packed in {packed.path}; wanted recordings in files of their own"
        )
    count = chosen_jobs(jobs, len(utterances))
    found: list[Utterance] = []
    unread: list[str] = []
    unfit = 0
    with closing(in_order(_begin, (bundle, least, most, times, seed), utterances, count)) as work:
        for divided in track(work, "Dividing", len(utterances)):
            if isinstance(divided, Failure):
                unread.append(divided.message)
            else:
                found += divided
                unfit += not divided
    if not found:
        raise ManifestError(
            f"{manifest}: no utterance has its text where the bundle looks for it"
            + (f" ({some_lines(unread)})" if unread else "")
            + "; wanted at least one: check that the texts belong to the recordings"
        )
    write_cuts(found, out)
    hours = sum(each.seconds or 0.0 for each in found) / 3600
    say(
        f"written: {out}, {len(found)} phrases, {hours:.2f} hours, of "
        f"{len(utterances) - unfit - len(unread)} utterances"
    )
    if unfit:
        say(f"left out: {unfit} utterances whose text the bundle does not find in them, or that are too long")
    if unread:
        say(f"asr: {len(unread)} utterances left out, they cannot be read: {some_lines(unread)}", error=True)
        raise typer.Exit(1)


def _begin(
    bundle: Path | None, least: int, most: int, times: int, seed: int
) -> "Callable[[Utterance], list[Utterance]]":
    """What each process does with an utterance."""
    import zlib
    from dataclasses import replace

    import numpy as np

    from asr.data.manifests.manifest import read_utterance
    from asr.data.manifests.phrases import phrases_of
    from asr.runtime.known_text import find_words
    from asr.runtime.transcriber import Transcriber

    transcriber = Transcriber.from_bundle(bundle)

    def divide(utterance: "Utterance") -> "list[Utterance]":
        wave = read_utterance(utterance)
        words, spans = find_words(transcriber, wave, utterance.text)
        # By its id, so that the others of the manifest change nothing.
        rng = np.random.default_rng([seed, zlib.crc32(utterance.id.encode())])
        return [
            replace(phrase, id=f"{phrase.id}/{time}")
            for time in range(times if words else 0)
            for phrase in phrases_of(utterance, wave, words, spans, least=least, most=most, rng=rng)
        ]

    return divide
