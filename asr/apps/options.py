"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Beam = Annotated[
    int | None,
    typer.Option("--beam", min=1, metavar="N", help="Search with N hypotheses. [default: as the bundle says]"),
]
Greedy = Annotated[
    bool, typer.Option("--greedy", help="Take the likeliest token at each step: fastest, and a little less exact.")
]
BundleFolder = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="DIR", help="The model. [default: the one in the package]"),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Threads for one recording; long ones gain a little by 2, short ones nothing.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Hear N recordings at a time, each in a process of its own. [default: one a core where there are many]",
    ),
]
Commands = Annotated[
    list[str] | None,
    typer.Option(
        "--commands",
        metavar="GRAMMAR",
        help="Understand the commands of a .yaml, a folder of them, or a ready grammar, and refuse the rest; may be "
        "repeated.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="D", help="Number or part of the name. [default: the system's]"),
]


def chosen_width(beam: int | None, greedy: bool) -> int | None:
    """The width of the search; None leaves it to the bundle."""
    if greedy and beam is not None:
        raise typer.BadParameter("--beam and --greedy exclude each other; give one of them")
    return 1 if greedy else beam
