"""`asr calibrate`: when a bundle refuses a command, found by trials."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.listening import attempt_all, left_out
from asr.apps.options import BundleFolder
from asr.apps.output import say

if TYPE_CHECKING:
    from asr.commands.rejection import Rejection


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
    from asr.adaptation.calibration import calibrate as find
    from asr.bundle import DEFAULT_BUNDLE

    folder = bundle or DEFAULT_BUNDLE
    found = find(
        manifests,
        noise or (),
        bundle=folder,
        grammars=grammars,
        false_accepts=false_accepts,
        seed=seed,
        attempt_all=attempt_all,
    )
    say(*describe_point(found.rejection), f"recorded in {folder}")
    if found.unread:
        say(*left_out(found.unread, found.recordings))
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
