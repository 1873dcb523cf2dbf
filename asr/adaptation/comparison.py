"""What becomes of recordings when a bundle hears them, kept as JSON, and two bundles beside each other."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from asr.evaluation.noise import RATIOS
from asr.evaluation.outcome import outcome_of

if TYPE_CHECKING:
    from asr.commands.rejection import Rejection, Trial
    from asr.data.manifests.utterance import Utterance
    from asr.evaluation.attempts import AttemptAll
    from asr.evaluation.intervals import Rate
    from asr.evaluation.noise import Noises
    from asr.evaluation.outcome import Outcome
    from asr.runtime.commander import Listener
    from asr.runtime.transcriber import Transcriber

_SHARES: Final = (
    ("commands accepted exactly", "exactly_accepted"),
    ("commands accepted wrongly", "wrongly_accepted"),
    ("right command, rejected or not", "command_accuracy"),
)


@dataclass(frozen=True)
class Row:
    """A rate before and after, None where there is nothing that it could be of; ``percent``, or in an hour."""

    name: str
    before: "Rate | None"
    after: "Rate | None"
    percent: bool = True


def listen_all(
    listener: "Listener",
    rejection: "Rejection | None",
    utterances: Sequence["Utterance"],
    doing: str,
    attempt_all: "AttemptAll",
) -> list[dict[str, Any]]:
    """What becomes of each utterance, as ``outcomes`` reads it; what cannot be read is named and left out.

    Without a ``rejection`` everything is rejected.
    """
    from asr.data.manifests.manifest import read_utterance
    from asr.runtime.commander import decide

    def attempt(utterance: "Utterance") -> "Outcome":
        heard = listener.hear([read_utterance(utterance)])
        text = listener.transcriber.bundle.normaliser(utterance.text)
        # Without the grammar's help, to tell what the model itself has learnt.
        return replace(
            outcome_of(listener.network, utterance, text, decide(heard, rejection)), transcript=heard.free.text
        )

    heard, _ = attempt_all(utterances, attempt, doing)
    return [asdict(outcome) for outcome in heard.values()]


def outcomes(kept: Sequence[Mapping[str, Any]]) -> list["Outcome"]:
    """What ``listen_all`` found."""
    from asr.commands.reading import Reading
    from asr.evaluation.outcome import Outcome

    def reading(values: Mapping[str, Any] | None) -> Reading | None:
        return None if values is None else Reading(**values)

    return [
        Outcome(**{**each, "expected": reading(each["expected"]), "heard": reading(each["heard"])}) for each in kept
    ]


def transcribe_all(
    transcriber: "Transcriber", utterances: Sequence["Utterance"], doing: str, attempt_all: "AttemptAll"
) -> dict[str, str]:
    """What is heard in each utterance by id, without a grammar; what cannot be read is named and left out."""
    from asr.data.manifests.manifest import read_utterance

    return attempt_all(utterances, lambda each: transcriber.transcribe(read_utterance(each)).text, doing)[0]


def trials(
    listener: "Listener", utterances: Sequence["Utterance"], noises: "Noises", seed: int, attempt_all: "AttemptAll"
) -> list["Trial"]:
    """What speaks for the readings of utterances, and whether they are right, for calibration.

    Every other utterance with speech is heard in noise, at each of ``RATIOS`` in turn. Of every other command half is
    heard as well, and the whole beside another utterance.
    """
    from asr.adaptation.trials import LabelledWave, half_of, in_longer_speech, trial
    from asr.commands.rejection import HALF, LONGER
    from asr.data.manifests.manifest import read_utterance

    generator = random.Random(seed)
    place_of = {each.id: place for place, each in enumerate(utterances)}
    parse, spoken = listener.network.parse, [each for each in utterances if each.text]

    def said(utterance: "Utterance") -> LabelledWave:
        wave, place = read_utterance(utterance), place_of[utterance.id]
        if utterance.text and place % 2:
            wave = noises.under(wave, utterance.id, RATIOS[place // 2 % len(RATIOS)])
        return LabelledWave(wave, listener.transcriber.bundle.normaliser(utterance.text), utterance.speaker)

    def attempt(utterance: "Utterance") -> "list[Trial]":
        whole = said(utterance)
        found = [trial(listener, whole)]
        if place_of[utterance.id] // 2 % 2 and whole.text and parse(whole.text):
            half, longer = half_of(whole, generator), in_longer_speech(whole, said(generator.choice(spoken)), generator)
            for kind, changed in ((HALF, half), (LONGER, longer)):
                if changed is not None and parse(changed.text) is None:
                    found.append(trial(listener, changed, kind))
        return found

    return [trial for found in attempt_all(utterances, attempt, "Calibrating")[0].values() for trial in found]


def command_rows(before: Sequence["Outcome"], after: Sequence["Outcome"]) -> list[Row]:
    """How well commands were understood and everything else rejected; empty where there is nothing to compare."""
    from asr.evaluation.command_scoring import score_commands

    if not before or not after:
        return []
    was, now = score_commands(before).overall, score_commands(after).overall
    rows = [Row(name, getattr(was, key), getattr(now, key)) for name, key in _SHARES]
    for name, one, other in (("other speech", was.speech, now.speech), ("noise", was.noise, now.noise)):
        if one and other:
            rows.append(Row(f"{name} rejected", one.refused, other.refused))
            rows.append(Row(f"false accepts in an hour of {name}", one.per_hour, other.per_hour, percent=False))
    said = [
        {each.id: (each.text, each.transcript, each.speaker) for each in found if each.text}
        for found in (before, after)
    ]
    rows.append(word_row("word error rate without the grammar", *said))
    return [row for row in rows if row.before is not None or row.after is not None]


def word_row(name: str, before: Mapping[str, tuple[str, str, str]], after: Mapping[str, tuple[str, str, str]]) -> Row:
    """Word error rates of what both have, given as what was said, what was heard and the speaker by id."""
    from asr.evaluation.scoring import score

    common = [id for id in before if id in after]

    def rate(found: Mapping[str, tuple[str, str, str]]) -> "Rate | None":
        said, heard, speakers = ({id: found[id][place] for id in common} for place in range(3))
        return score(said, heard, normaliser=str, speakers=speakers).wer if common else None

    return Row(name, rate(before), rate(after))
