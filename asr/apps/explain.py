"""`asr explain`: one page that shows how a recording was heard."""

from pathlib import Path
from typing import Annotated

import typer

from asr.apps.options import (
    Beam,
    BundleFolder,
    Commands,
    FalseAccepts,
    Greedy,
    check_false_accepts,
    chosen_width,
)
from asr.apps.output import say


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording with at most 20 s of speech.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write the page. [default: the recording's name with .html, in this folder]"
        ),
    ] = None,
    commands: Commands = None,
    false_accepts: FalseAccepts = None,
    beam: Beam = None,
    greedy: Greedy = False,
    bundle: BundleFolder = None,
) -> None:
    """Write a page that shows how a recording is heard.

    It goes stage by stage from the sound to the text: wave and words, mel bands, MFCC, positions, the encoder's
    self-attention by layer and head, CTC, each step of the decoder and the tree of the search; with --commands also the
    search inside the grammar, and the command, or why it is rejected. The page holds the recording and needs no network
    and no other file.
    """
    from asr.api import Commands as Grammars
    from asr.api import load
    from asr.files import write_whole

    check_false_accepts(false_accepts, commands)
    chosen = None if not commands else Grammars.load(*commands)
    model = load(bundle, width=chosen_width(beam, greedy))
    told = model.explain(file, chosen, false_accepts=false_accepts)
    target = Path(f"{file.stem}.html") if out is None else out
    write_whole(target, told.html().encode())
    say(f"written: {target}")
