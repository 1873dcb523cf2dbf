"""`asr adapt`: a bundle that knows a person's own commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from asr.apps.options import Engines, chosen_engines
from asr.apps.output import say
from asr.errors import SettingsError
from asr.printable import printable

if TYPE_CHECKING:
    from asr.adaptation.steps import Adaptation, Adapted
    from asr.evaluation.scoring import Rate

DEFAULT: Final = "default"
"""The name of the bundle in the package, where no folder is called so."""

# For each minute of training so many commands are spoken to learn from, so many to measure with, and so many noises;
# and the least and most of each.
_TRAIN: Final = (400, 80, 6000)
_HELD_OUT: Final = (40, 60, 400)
_NOISES: Final = (4, 10, 40)


def adapt(
    grammars: Annotated[
        list[str], typer.Argument(metavar="GRAMMAR...", help="Grammars of commands: .yaml, or names of ready ones.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the adapted bundle.")],
    bundle: Annotated[
        Path, typer.Option(metavar="DIR", help="The bundle to start from; `default` is the one in the package.")
    ] = Path(DEFAULT),
    recordings: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your own takes, as `asr commands record` files them.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long to train; speaking and measuring come on top.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of sentences and voices.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="How many voices speak at a time. [default: one a core]")
    ] = None,
    engines: Engines = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the work folder beside --out.")] = False,
) -> None:
    """Adapt a bundle to your own commands, on this machine, and show what that gained.

    Synthetic voices speak the commands, and sentences that come close to them and are to be refused. The model learns
    from these, your own takes, and what it was trained with where that is at hand. The threshold of refusal is found
    with voices that were not learnt from, and the table is of yet others and of a third of your takes.

    Interrupted, the same command goes on.
    """
    from asr.adaptation.steps import Adaptation, Request, Settings
    from asr.apps.listening import attempt_all
    from asr.apps.workers import cores
    from asr.bundle import DEFAULT_BUNDLE

    if not 0 < minutes < float("inf"):
        raise SettingsError(f"--minutes is {minutes:g}; wanted a number above 0")
    start = DEFAULT_BUNDLE if str(bundle) == DEFAULT and not bundle.exists() else bundle
    train, held_out, noises = (
        min(most, max(least, round(a_minute * minutes))) for a_minute, least, most in (_TRAIN, _HELD_OUT, _NOISES)
    )
    speakers = chosen_engines(engines)
    settings = Settings(minutes=minutes, train=train, held_out=held_out, noises=noises, seed=seed, engines=speakers)
    run(Adaptation(Request(tuple(grammars), start, out, recordings, settings, jobs or cores()), attempt_all), keep=keep)


def run(adaptation: "Adaptation", *, keep: bool = False) -> None:
    """Go through the steps, say which, and print what came of it."""
    for line in adaptation.remarks():
        say(line)
    steps = adaptation.steps()
    try:
        for number, (name, do) in enumerate(steps, start=1):
            say(f"{number}/{len(steps)} {name}")
            do()
    except KeyboardInterrupt:
        say(f"interrupted; the same command goes on from what is in {adaptation.work.folder}")
        raise
    adapted = adaptation.finish()
    _show(adapted)
    if not keep:
        adaptation.work.remove()
    say(f"written: {adapted.bundle}, after {adapted.updates} updates")


def _show(adapted: "Adapted") -> None:
    from asr.apps.calibrate import describe_point

    for name, rows in adapted.tables.items():
        lines = [(printable(name), "before", "after")]
        for row in rows:
            before, after = (_shown(rate, percent=row.percent) for rate in (row.before, row.after))
            lines.append((f"  {row.name}", before, after))
        first, second, third = (max(map(len, column)) for column in zip(*lines, strict=True))
        say(*(f"{line[0]:{first}}  {line[1]:>{second}}  {line[2]:>{third}}" for line in lines))
    say(*describe_point(adapted.rejection))


def _shown(rate: "Rate | None", *, percent: bool) -> str:
    """A rate with its interval."""
    from asr.evaluation.report import per_cent

    if percent or rate is None:
        return per_cent(rate, "-")
    return f"{rate.value:.1f} ({rate.low:.1f} to {rate.high:.1f})"
