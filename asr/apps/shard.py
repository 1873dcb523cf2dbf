"""`asr data shard`: a manifest of recordings to shards, for corpora that are too large to be kept as single files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asr.apps.output import say


class Form(StrEnum):
    """How the audio is kept."""

    opus = "opus"
    flac = "flac"


def shard(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST", help="A .tsv, .jsonl or .jsonl.gz, or a folder of shards, which are packed again."
        ),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for the shards: empty, or as an interrupted run left it.")
    ],
    form: Annotated[
        Form,
        typer.Option(help="opus has a tenth of the size and sounds the same; flac keeps 16 bits a sample exactly."),
    ] = Form.opus,
    per_shard: Annotated[int, typer.Option(min=1, metavar="N", help="How many utterances to put into a shard.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed of the order.")] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many shards to write at a time. [default: one for each core]"),
    ] = None,
    bad_share: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, metavar="SHARE", help="Stop if more than this share of the utterances cannot be read."
        ),
    ] = 0.05,
) -> None:
    """Pack recordings into shards.

    The shards are in Lhotse's Shar format: tar files with a thousand recordings each, in random order. A training reads
    such a folder from front to back, from a disk, a web server or an object store. Recordings that cannot be read are
    left out, counted and listed in cuts.left_out.txt. An interrupted run continues where it was. The exit status is 0
    when all could be packed, and 1 when some were left out or when it had to stop.
    """
    from asr.data.manifests.manifest import read_manifest
    from asr.data.manifests.utterance import some_lines
    from asr.data.shards.packing import LEFT_OUT, pack

    utterances = read_manifest(manifest, lenient=True)
    packed = pack(utterances, out, form=form.value, per_shard=per_shard, seed=seed, jobs=jobs, bad_share=bad_share)
    made, lost = packed.folder, packed.left_out
    say(f"written: {out}, {made.utterances} utterances, {made.seconds / 3600:.2f} hours, {len(made.shards)} shards")
    if lost:
        say(
            f"asr: {len(lost)} of {made.utterances + len(lost)} utterances left out, they cannot be read: "
            f"{some_lines(lost)}; all are listed in {out / LEFT_OUT}",
            error=True,
        )
        raise typer.Exit(1)
