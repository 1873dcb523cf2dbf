"""`asr adapt`: a bundle that knows a person's own commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.apps.options import Engines, chosen_engines
from asr.apps.output import say
from asr.printable import printable

if TYPE_CHECKING:
    from asr.adaptation.steps import Adapted
    from asr.evaluation.intervals import Rate


def adapt(
    grammars: Annotated[
        list[str], typer.Argument(metavar="GRAMMAR", help="A .yaml, a folder of them, or the name of a ready grammar.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the adapted bundle.")],
    bundle: Annotated[
        Path,
        typer.Option(
            metavar="BUNDLE", help="The bundle to start from: a folder, or `default` for the one in the package."
        ),
    ] = Path("default"),
    recordings: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of your own recordings, as `asr commands record` makes it."),
    ] = None,
    minutes: Annotated[
        float, typer.Option(metavar="MINUTES", help="How long to train; speaking and measuring take more time.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed of sentences and voices.")] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many voices speak at a time. [default: one for each core]"),
    ] = None,
    engines: Engines = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the work folder beside --out.")] = False,
) -> None:
    """Adapt a bundle to your own commands.

    All of it happens on this machine. Synthetic voices speak the commands, and similar sentences that the model has to
    reject. The model is trained with this speech, with your own recordings, and with its earlier training data where
    this machine has them. The threshold for accepting a command stays that of the bundle; other voices find one where
    it has none. A third set of voices, and a third of your own recordings, which the training did not use, give the
    table of rates before and after.

    If it is interrupted, run the same command again: it continues where it was.
    """
    from asr.adaptation.adapt import adapt
    from asr.apps.listening import attempt_all
    from asr.workers import cores

    show(
        adapt(
            grammars,
            out,
            bundle=bundle,
            recordings=recordings,
            minutes=minutes,
            seed=seed,
            jobs=jobs or cores(),
            engines=chosen_engines(engines),
            keep=keep,
            tell=say,
            attempt_all=attempt_all,
        )
    )


def show(adapted: "Adapted") -> None:
    """Print what was gained, when the bundle rejects, and where it is."""
    from asr.apps.calibrate import describe_point

    for name, rows in adapted.tables.items():
        lines = [(printable(name), "before", "after")]
        for row in rows:
            before, after = (_shown(rate, percent=row.percent) for rate in (row.before, row.after))
            lines.append((f"  {row.name}", before, after))
        first, second, third = (max(map(len, column)) for column in zip(*lines, strict=True))
        say(*(f"{line[0]:{first}}  {line[1]:>{second}}  {line[2]:>{third}}" for line in lines))
    say(*describe_point(adapted.rejection), f"written: {adapted.bundle}, after {adapted.updates} updates")


def _shown(rate: "Rate | None", *, percent: bool) -> str:
    """A rate with its interval."""
    from asr.evaluation.report import interval, per_cent

    if percent or rate is None:
        return per_cent(rate, "-")
    return f"{rate.value:.1f} ({interval(rate)})"
