"""Options that several commands share, and how their help is laid out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from asr.data.synthetic.voices import Engine

Beam = Annotated[
    int | None,
    typer.Option("--beam", min=1, metavar="N", help="Width of the beam search. [default: the bundle's]"),
]
Greedy = Annotated[
    bool, typer.Option("--greedy", help="Take the likeliest token at each step: fastest, but a little less accurate.")
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
        help="Threads for one recording. Two make long recordings a little faster, short ones not.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="How many recordings to hear at a time, each in its own process. [default: one for each core, where there "
        "are many recordings]",
    ),
]
Commands = Annotated[
    list[str] | None,
    typer.Option(
        "--commands",
        metavar="GRAMMAR",
        help="Understand the commands of this grammar (a .yaml, a folder of them, or the name of a ready one) and "
        "reject all other speech; may be repeated.",
    ),
]
FalseAccepts = Annotated[
    float | None,
    typer.Option(
        "--false-accepts",
        min=0.0,
        max=1.0,
        metavar="SHARE",
        help="False-accept rate: reject so much that at most this share of other speech and noise is accepted as a "
        "command. A bundle knows the thresholds for 0.05, 0.02, 0.01 and 0.005, or some of them. [default: the "
        "bundle's own threshold]",
    ),
]
Engines = Annotated[
    str | None,
    typer.Option(
        "--engines",
        metavar="NAME,NAME",
        help="The synthesisers to use, by the names that `asr voices` shows. [default: all that are installed]",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="NAME", help="The microphone, by its number or a part of its name. [default: the system's]"
    ),
]


class PlainCommand(TyperCommand):
    """A command whose help names its arguments without the types that Python has for them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for each in self.params:
            if each.param_type_name == "argument":  # what is asked for the type there
                vars(each)["display_type_rich"] = lambda ctx: None


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
