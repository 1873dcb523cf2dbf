"""Options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asr.data.synthetic.voices import Engine

Beam = Annotated[
    int | None,
    typer.Option("--beam", min=1, metavar="N", help="Search with N hypotheses. [default: as the bundle says]"),
]
Greedy = Annotated[
    bool, typer.Option("--greedy", help="Take the likeliest token at each step: fastest, and a little less exact.")
]
BundleFolder = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        metavar="BUNDLE",
        help="The model: a folder, or hf:owner/name[@revision] on the Hub. [default: `default`, in the package]",
    ),
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
FalseAccepts = Annotated[
    float | None,
    typer.Option(
        "--false-accepts",
        min=0.0,
        max=1.0,
        metavar="SHARE",
        help="Reject so much that at most this share of other speech and noise is accepted as a command: 0.05, 0.02, "
        "0.01 or 0.005, as far as the bundle's calibration goes. [default: the bundle's threshold]",
    ),
]
Engines = Annotated[
    str | None,
    typer.Option(
        "--engines",
        metavar="NAME,NAME",
        help="Synthesisers that speak, as `asr voices` names them. [default: all that are there]",
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


def check_false_accepts(share: float | None, commands: Sequence[str] | None) -> None:
    """Raises BadParameter where ``--false-accepts`` is given without commands to accept."""
    if share is not None and not commands:
        raise typer.BadParameter("--false-accepts says how readily commands are accepted; give some with --commands")


def chosen_engines(named: str | None) -> "tuple[Engine, ...] | None":
    """The synthesisers that ``--engines`` names; None leaves it to what is installed. Raises SettingsError."""
    from asr.data.synthetic.voices import engines_named

    return None if named is None else engines_named([name.strip() for name in named.split(",")])
