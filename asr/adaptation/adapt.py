"""`asr.adapt`: a bundle that knows a person's own commands."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asr.adaptation.steps import Adaptation, Adapted, Request, Settings
from asr.bundle import DEFAULT_BUNDLE
from asr.data.synthetic.voices import engines_named
from asr.errors import SettingsError
from asr.evaluation.attempts import attempt_silently
from asr.extras import explained
from asr.settings import check_number, check_path, shown

if TYPE_CHECKING:
    from asr.evaluation.attempts import AttemptAll

# For each minute of training so many commands are spoken to learn from, so many to measure with, and so many noises;
# and the least and most of each.
_TRAIN: Final = (400, 80, 6000)
_HELD_OUT: Final = (40, 60, 400)
_NOISES: Final = (4, 10, 40)
_MOST_MINUTES: Final = 1_000_000


def adapt(
    grammars: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    bundle: str | os.PathLike[str] | None = None,
    recordings: str | os.PathLike[str] | None = None,
    minutes: float = 10.0,
    seed: int = 0,
    jobs: int = 1,
    engines: Sequence[str] | None = None,
    keep: bool = False,
    tell: Callable[[str], None] | None = None,
    attempt_all: "AttemptAll" = attempt_silently,
) -> Adapted:
    """Adapt a bundle to your own commands, on this machine, as `asr adapt` does, and measure what that gained.

    Synthetic voices speak the commands and what comes close to them; the model learns from these and from your own
    takes. Interrupted, the same call goes on.

    Examples:
        >>> import asr
        >>> adapted = asr.adapt("coffee.yaml", "mine", minutes=10)  # doctest: +SKIP
        >>> adapted.bundle, adapted.tables["synthetic test voices"][0].after.value  # doctest: +SKIP
        (PosixPath('mine'), 0.65)
        >>> model = asr.load(adapted.bundle)  # doctest: +SKIP

    Args:
        grammars: files or folders of grammars, or names of ready ones.
        out: the folder for the adapted bundle; a bundle that is there is replaced.
        bundle: the one to start from, the one in the package when left out.
        recordings: a folder of your own takes, as `asr commands record` files them; a third is held out.
        minutes: how long to train, above 0; speaking and measuring come on top.
        seed: of sentences and voices.
        jobs: how many voices speak at a time; above 1 each is a process, so the calling program needs its
            ``if __name__ == "__main__"``.
        engines: the synthesisers that speak, by the names of `asr voices`, all that are there when left out.
        keep: keep the work folder, ``out`` with ``.work`` after it.
        tell: is called with lines of progress, as `asr adapt` prints them.
        attempt_all: goes through recordings and leaves out those that cannot be read.

    Returns:
        The bundle's folder, the updates, the rates before and after (shares of 1, or events an hour) by what they were
        measured on, and when the bundle rejects.

    Raises:
        SettingsError: grammars that have mistakes, voices that are not there, minutes that are none.
        BundleError: a bundle that cannot be used, an ``out`` that is there and no bundle.
        ManifestError: takes that cannot be used.
        AsrError: a package of the extra ``train`` is not installed.
        KeyboardInterrupt: ctrl-C; what was done is kept.
    """
    named = [grammars] if isinstance(grammars, str | os.PathLike) else grammars
    if not isinstance(named, Sequence):
        raise SettingsError(f"adapt: grammars is {shown(grammars)}; it must be names or paths of grammars")
    for each in named:
        check_path("adapt", "grammars", each, "names or paths of grammars")
    check_path("adapt", "out", out, "the path of a folder for the bundle")
    if recordings is not None:
        check_path("adapt", "recordings", recordings, "the path of a folder of takes")
    check_number("adapt", "minutes", minutes, 0, _MOST_MINUTES, above=True)
    check_number("adapt", "seed", seed, 0, math.inf, whole=True)
    check_number("adapt", "jobs", jobs, 1, math.inf, whole=True)
    train, held_out, noises = (
        min(most, max(least, round(a_minute * minutes))) for a_minute, least, most in (_TRAIN, _HELD_OUT, _NOISES)
    )
    settings = Settings(
        minutes=minutes,
        train=train,
        held_out=held_out,
        noises=noises,
        seed=seed,
        engines=None if engines is None else engines_named(engines),
    )
    request = Request(
        tuple(os.fspath(name) for name in named),
        DEFAULT_BUNDLE if bundle is None else bundle,
        Path(out),
        None if recordings is None else Path(recordings),
        settings,
        jobs,
    )
    with explained("asr.adapt"):
        adaptation = Adaptation(request, attempt_all)
    return carry_out(adaptation, keep=keep, tell=tell or (lambda line: None))


def carry_out(adaptation: Adaptation, *, keep: bool, tell: Callable[[str], None]) -> Adapted:
    """Go through the steps and tell which; the work folder goes with the last, unless it is to be kept."""
    for line in adaptation.remarks():
        tell(line)
    steps = adaptation.steps()
    try:
        for number, (name, do) in enumerate(steps, start=1):
            tell(f"{number}/{len(steps)} {name}")
            do()
    except KeyboardInterrupt:
        tell(f"interrupted; the same command goes on from what is in {adaptation.work.folder}")
        raise
    adapted = adaptation.finish()
    if not keep:
        adaptation.work.remove()
    return adapted
