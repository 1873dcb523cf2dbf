"""`asr calibrate`: the confidence from which a bundle accepts a command, found by trials."""

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
        list[Path], typer.Argument(metavar="MANIFEST", help="Recordings of speech that the bundle was not trained on.")
    ],
    noise: Annotated[
        list[Path] | None,
        typer.Option("--noise", metavar="MANIFEST", help="Recordings without speech; may be repeated."),
    ] = None,
    bundle: BundleFolder = None,
    grammars: Annotated[
        int, typer.Option(min=2, metavar="N", help="How many grammars to make of each manifest's texts.")
    ] = 16,
    false_accepts: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="Maximum false-accept rate: the share of other speech and noise that may be accepted as a command.",
        ),
    ] = 0.02,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of the grammars.")] = 0,
) -> None:
    """Find a bundle's threshold for accepting commands.

    It is the confidence from which a command is accepted, for any grammar, and it is kept in the bundle. Grammars are
    made of the texts of the manifests: some of their sentences, or all strings of some of their words. With each, the
    bundle hears commands, and sounds that are no command: other sentences of the same manifest and of the others, half
    commands, commands within longer speech, noise and silence; half of the speech in one of the noises. From what it
    hears follow the confidence of a reading, and the threshold from which a reading is accepted. Halves and longer
    speech, which hold a command or most of one, do not count in the false-accept rate.

    A recording that cannot be read is named and left out, and the exit status is 1.
    """
    from asr.adaptation.calibration import calibrate as find

    found = find(
        manifests,
        noise or (),
        bundle=bundle,
        grammars=grammars,
        false_accepts=false_accepts,
        seed=seed,
        attempt_all=attempt_all,
    )
    say(*describe_point(found.rejection), f"recorded in {found.folder}")
    if found.unread:
        say(*left_out(found.unread, found.recordings))
        raise typer.Exit(1)


def describe_point(rejection: "Rejection") -> list[str]:
    """What a calibration comes to, in lines to print."""
    from asr.commands.rejection import LIMITS

    point = rejection.point
    return [
        f"threshold: a command is accepted from a confidence of {rejection.threshold:.2f} on; "
        f"of {point.commands} commands {100 * point.accepted:.1f} % are accepted and right, "
        f"of {point.others} other sounds {100 * point.false_accepts:.1f} % are accepted (false-accept rate)",
        *(f"  {kind}: {100 * share:.1f} % accepted" for kind, share in point.by_kind.items()),
        *(
            f"--false-accepts {limit:g}: threshold {each.threshold:.2f}, {100 * each.accepted:.1f} % accepted and right"
            for limit, each in zip(LIMITS, rejection.points, strict=False)  # an older calibration has none
        ),
    ]
