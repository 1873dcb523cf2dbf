"""What the default bundle shall reach on the dev sets, and what of it is reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accuracy_scores import CommandResult, FreeResult, QuietResult
from markdown_tables import table

from asr.evaluation.intervals import Rate
from asr.evaluation.report import per_cent

LOUD = 6.0  # dB
WORD_ERRORS = {"librispeech_dev": 0.20, "common_voice": 0.35, "speechocean762": 0.28}
"""The most of each set of sentences."""


@dataclass(frozen=True)
class Goal:
    """A share that shall be at least, or ``at_most``, so large; None is reached where it was not measured."""

    name: str
    wanted: float
    reached: Rate | None
    at_most: bool = False

    @property
    def spare(self) -> float | None:
        """By how much it is more than met, negative where it is missed; None where it was not measured."""
        if self.reached is None:
            return None
        # Rounded, so that 0.5 - 0.46 is not short of 0.04.
        return round((self.reached.value - self.wanted) * (-1 if self.at_most else 1), 12)


@dataclass(frozen=True)
class Results:
    """What was measured, commands by the name of their part; None and nothing for parts that were not."""

    free: Sequence[FreeResult]
    commands: Mapping[str, CommandResult]
    quiet: Sequence[QuietResult]
    founding: Sequence[tuple[FreeResult, CommandResult]]

    @property
    def failures(self) -> int:
        """How many recordings could not be read."""
        found = (*self.free, *self.commands.values(), *self.quiet, *(each for pair in self.founding for each in pair))
        return sum(len(each.failures) for each in found)


def goals(results: Results) -> list[Goal]:
    """All goals with what is reached."""
    words, digits, phrases = map(results.commands.get, ("words", "digits", "phrases"))
    read = {each.speech.name.removesuffix(" dev"): each.ours[None].report.wer for each in results.free}
    found = [Goal(f"word error rate, {name}", most, read.get(name), at_most=True) for name, most in WORD_ERRORS.items()]
    for name, result in (("single words", words), ("digits", digits)):
        row = result and result.ours[None]
        found += [
            Goal(f"right command among the {name}", 0.98, row and row.rates.command_accuracy),
            Goal(f"right without a grammar, {name}", 0.98, row and row.free),
        ]
    for name, result in (("single words", words), ("digits", digits), ("phrases", phrases)):
        row = result and result.ours.get(LOUD)
        found.append(
            Goal(f"{name} at {LOUD:g} dB: accepted exactly, below clean", 0.04, row and row.lost, at_most=True)
        )
    quiet = {each.quiet.name: each.ours for each in results.quiet}
    for name in ("noise", "silence"):
        heard = quiet.get(name)
        found.append(Goal(f"clips of {name} without a word", 0.99, heard and heard.wordless))
    for said, understood in results.founding:
        for snr, row in said.ours.items():
            name = f"founding sentences, {said.speech.name}{'' if snr is None else f', noise at {snr:g} dB'}"
            found.append(Goal(f"{name}: right as free speech", 0.99, row.report.sentence_accuracy))
            found.append(Goal(f"{name}: accepted exactly", 1.0, understood.ours[snr].rates.exactly_accepted))
    if not results.founding:
        found.append(Goal("founding sentences", 1.0, None))
    return found


def goal_table(found: Sequence[Goal]) -> str:
    """The Markdown table of goals."""
    rows = []
    for goal in found:
        wanted = f"at {'most' if goal.at_most else 'least'} {100 * goal.wanted:g} %"
        rows.append(f"{goal.name} | {wanted} | {per_cent(goal.reached, '-')} | {_verdict(goal.spare)}")
    return table("goal | wanted | reached | ", rows)


def _verdict(spare: float | None) -> str:
    if spare is None:
        return "not measured"
    return f"met, by {100 * spare:.1f} points" if spare >= 0 else f"**missed** by {-100 * spare:.1f} points"
