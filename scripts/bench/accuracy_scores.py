"""How right both recognisers are on the same waves: as recorded, in rooms and in noise, and where nobody speaks."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from accuracy_sets import QuietSet, SpeechSet
from forked import attempt_all_in_forks
from recognisers import OURS, PEER, CommandEars, Ear, Heard, Said, outcome
from sphinx import Wave

from asr.audio.load import SAMPLE_RATE
from asr.commands.network.network import Network
from asr.data.manifests.manifest import read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import ManifestError
from asr.evaluation.command_scoring import CommandRates, OtherSound, score_commands
from asr.evaluation.intervals import BoundedRate, Rate, poisson_interval, resample, wider, wilson_interval
from asr.evaluation.noise import Noises
from asr.evaluation.outcome import Outcome
from asr.evaluation.scoring import Report, score

Found = TypeVar("Found")
Condition = float | None
"""The ratio in dB of noise that is mixed in; None for a recording as it is."""


@dataclass(frozen=True)
class Ladder:
    """Noises to mix in, and the ratios in dB, in turn; none where nothing is mixed in.

    ``rooms`` are impulse responses (K,), in one of which each utterance is heard; as recorded where there are none.
    """

    noises: Noises | None
    ratios: tuple[float, ...]
    rooms: tuple[Wave, ...] = ()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Without noise, and then at each ratio."""
        return (None, *(() if self.noises is None else self.ratios))

    def waves(self, wave: Wave, id: str) -> dict[Condition, Wave]:
        """An utterance's wave (N,) without noise, and in its noise at each ratio; its room hangs on ``id`` alone."""
        if self.rooms:
            wave = in_room(wave, self.rooms[random.Random(id).randrange(len(self.rooms))])
        found: dict[Condition, Wave] = {None: wave}
        if self.noises is not None:
            found |= {ratio: self.noises.under(wave, id, ratio) for ratio in self.ratios}
        return found


@dataclass(frozen=True)
class FreeRow:
    """One recogniser under one condition.

    ``beside`` is how many word errors ours makes for each of PocketSphinx's; None where that makes none or is not
    there. ``pace`` is the real-time factor.
    """

    recogniser: str
    snr: Condition
    report: Report
    beside: Rate | None
    pace: Rate


@dataclass(frozen=True)
class FreeResult:
    """Free transcription of a set; ``failures`` says what was wrong with recordings left out, by id."""

    speech: SpeechSet
    rows: tuple[FreeRow, ...]
    failures: Mapping[str, str]

    @property
    def ours(self) -> dict[Condition, FreeRow]:
        """The rows of ours by condition."""
        return {row.snr: row for row in self.rows if row.recogniser == OURS}


@dataclass(frozen=True)
class CommandRow:
    """One recogniser under one condition.

    ``free`` is the share of recordings that ours transcribes without an error when it has no grammar, ``lost`` by how
    much exact acceptance is lower than without noise.
    """

    recogniser: str
    snr: Condition
    rates: CommandRates
    free: Rate | None
    lost: Rate | None
    pace: Rate


@dataclass(frozen=True)
class CommandResult:
    """Commands of a set. PocketSphinx has no pronunciation for the words ``missing``; the ``unsayable`` recordings
    that have one are left out for both, and so are the ``failures``, by id.
    """

    speech: SpeechSet
    rows: tuple[CommandRow, ...]
    missing: frozenset[str]
    unsayable: int
    failures: Mapping[str, str]

    @property
    def ours(self) -> dict[Condition, CommandRow]:
        """The rows of ours by condition."""
        return {row.snr: row for row in self.rows if row.recogniser == OURS}


@dataclass(frozen=True)
class QuietRow:
    """One recogniser where nobody speaks: the share of ``clips`` in which it hears no word, the words that it hears in
    an hour, and what it takes for commands.
    """

    recogniser: str
    clips: int
    seconds: float
    wordless: BoundedRate
    words_per_hour: BoundedRate
    accepts: OtherSound
    pace: Rate


@dataclass(frozen=True)
class QuietResult:
    """Sounds of a set in which nobody speaks; ``failures`` are by id."""

    quiet: QuietSet
    rows: tuple[QuietRow, ...]
    failures: Mapping[str, str]

    @property
    def ours(self) -> QuietRow:
        """The row of ours."""
        return next(row for row in self.rows if row.recogniser == OURS)


def in_room(wave: Wave, response: Wave) -> Wave:
    """A wave (N,) heard in the room of an impulse response (K,): (N + K - 1,), of the same energy."""
    size = len(wave) + len(response) - 1
    heard = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(response, size), size)
    energy = np.linalg.norm(heard)
    louder = np.linalg.norm(wave) / energy if energy else 0.0
    rung: Wave = np.clip(heard * louder, -1, 1).astype(np.float32)
    return rung


def score_free(
    speech: SpeechSet,
    ears: Mapping[str, Ear[Said]],
    normaliser: Callable[[str], str],
    ladder: Ladder,
    jobs: int = 1,
) -> FreeResult:
    """Free transcription by each recogniser, the words of all in the same normal form, by ``jobs`` processes.

    Raises ManifestError where no recording can be read.
    """
    hearings, failures = hear_under(speech, speech.utterances, ears, ladder, jobs)
    found = {
        (name, snr): (_score(hearings, [each.text for each in column], normaliser), _pace(hearings, column))
        for snr, name, column in _columns(hearings, ears, ladder)
    }
    rows = []
    for (name, snr), (report, pace) in found.items():
        peer, _ = found.get((PEER, snr), (None, None))
        beside = _errors_beside(report, peer) if name == OURS and peer is not None else None
        rows.append(FreeRow(name, snr, report, beside, pace))
    return FreeResult(speech, tuple(rows), failures)


def score_understanding(
    speech: SpeechSet, ears: CommandEars, normaliser: Callable[[str], str], ladder: Ladder, jobs: int = 1
) -> CommandResult:
    """Commands by each recogniser, by ``jobs`` processes.

    Raises ManifestError for a recording of what is no sentence of the grammar, and where none can be read.
    """
    check_sentences(speech, ears.network)
    sayable = [each for each in speech.utterances if not set(normaliser(each.text).split()) & ears.missing]
    hearings, failures = hear_under(speech, sayable, ears.hear, ladder, jobs)
    rows: list[CommandRow] = []
    clean: dict[str, list[Outcome]] = {}
    for snr, name, column in _columns(hearings, ears.hear, ladder):
        outcomes = [
            outcome(each.utterance, "command", each.seconds, heard, ears.network, snr)
            for each, heard in zip(hearings, column, strict=True)
        ]
        free = _score(hearings, [each.free for each in column], normaliser).sentence_accuracy if name == OURS else None
        lost = None if snr is None else _lost(clean[name], outcomes)
        clean.setdefault(name, outcomes)
        rates = score_commands(outcomes).overall
        rows.append(CommandRow(name, snr, rates, free, lost, _pace(hearings, column)))
    unsayable = len(speech.utterances) - len(sayable)
    return CommandResult(speech, tuple(rows), ears.missing, unsayable, failures)


def check_sentences(speech: SpeechSet, network: Network) -> None:
    """Raises ManifestError for a recording of what is no sentence of the grammar."""
    for each in speech.utterances:
        if network.parse(each.text) is None:
            raise ManifestError(
                f"{speech.name}: {each.id!r} says {each.text!r}, wanted a sentence of the grammar; take it out"
            )


def score_quiet(
    quiet: QuietSet,
    ears: Mapping[str, Ear[Said]],
    commands: CommandEars,
    normaliser: Callable[[str], str],
    jobs: int = 1,
) -> QuietResult:
    """What each recogniser hears where nobody speaks, without a grammar and by one, by ``jobs`` processes.

    Raises ManifestError where no recording can be read.
    """

    def attempt(utterance: Utterance) -> list[tuple[float, dict[str, tuple[Said, Heard]]]]:
        return [
            (len(wave) / SAMPLE_RATE, {name: (hear(wave), commands.hear[name](wave)) for name, hear in ears.items()})
            for wave in quiet.read(utterance)
        ]

    found, failures = attempt_all_in_forks(quiet.utterances, attempt, f"Listening to {quiet.name}", jobs)
    _check_any(quiet.name, found, quiet.utterances)
    clips = [
        # A recording's pieces belong together as a speaker's utterances do.
        (replace(each, id=f"{each.id}, part {number}", speaker=each.id), seconds, heard)
        for each in quiet.utterances
        for number, (seconds, heard) in enumerate(found.get(each.id, ()), start=1)
    ]
    utterances, lengths = [each for each, _, _ in clips], [seconds for _, seconds, _ in clips]
    rows = []
    for name in ears:
        said, heard = ([each[name][place] for _, _, each in clips] for place in (0, 1))
        words = [len(normaliser(each.text).split()) for each in said]
        outcomes = [
            outcome(each, "noise", seconds, one, commands.network)
            for each, seconds, one in zip(utterances, lengths, heard, strict=True)
        ]
        accepts = score_commands(outcomes).overall.noise
        assert accepts is not None, "there is a clip"
        per_hour = _rate(utterances, words, [seconds / 3600 for seconds in lengths])
        wordless = _rate(utterances, [not count for count in words], [1] * len(words))
        # A bootstrap of no event is sure that there is never one.
        rows.append(
            QuietRow(
                recogniser=name,
                clips=len(clips),
                seconds=sum(lengths),
                wordless=wider(wordless, *wilson_interval(words.count(0), len(words))),
                words_per_hour=wider(per_hour, *(3600 * e / sum(lengths) for e in poisson_interval(sum(words)))),
                accepts=accepts,
                pace=_rate(utterances, [each.seconds for each in said], lengths),
            )
        )
    return QuietResult(quiet, tuple(rows), failures)


@dataclass(frozen=True)
class Hearing(Generic[Found]):
    """An utterance of so many seconds, and what each recogniser found in it under each condition."""

    utterance: Utterance
    seconds: float
    found: Mapping[tuple[str, Condition], Found]


def hear_under(
    speech: SpeechSet, utterances: Sequence[Utterance], ears: Mapping[str, Ear[Found]], ladder: Ladder, jobs: int
) -> tuple[list[Hearing[Found]], dict[str, str]]:
    """What each recogniser finds in each utterance as it is and at each ratio, and what is wrong with others, by id.

    Raises ManifestError where no recording can be read.
    """

    def attempt(utterance: Utterance) -> Hearing[Found]:
        wave = read_utterance(utterance)
        waves = ladder.waves(wave, utterance.id)
        found = {(name, snr): hear(waves[snr]) for snr in waves for name, hear in ears.items()}
        return Hearing(utterance, len(wave) / SAMPLE_RATE, found)

    hearings, failures = attempt_all_in_forks(utterances, attempt, f"Hearing {speech.name}", jobs)
    _check_any(speech.name, hearings, utterances)
    return list(hearings.values()), failures


def _check_any(name: str, found: Mapping[str, object], utterances: Sequence[Utterance]) -> None:
    if not found:
        raise ManifestError(f"{name}: found none of {len(utterances)} recordings that can be used, wanted one or more")


def _columns(
    hearings: Sequence[Hearing[Found]], ears: Mapping[str, object], ladder: Ladder
) -> Iterator[tuple[Condition, str, list[Found]]]:
    """What each recogniser found under each condition, in the order of the hearings."""
    for snr in ladder.conditions:
        for name in ears:
            yield snr, name, [each.found[name, snr] for each in hearings]


def _score(hearings: Sequence[Hearing[Any]], texts: Sequence[str], normaliser: Callable[[str], str]) -> Report:
    ids = [each.utterance.id for each in hearings]
    return score(
        {each.utterance.id: each.utterance.text for each in hearings},
        dict(zip(ids, texts, strict=True)),
        normaliser=normaliser,
        speakers={each.utterance.id: each.utterance.speaker for each in hearings},
    )


def _errors_beside(ours: Report, peer: Report) -> Rate | None:
    rows = [[one.errors, other.errors] for one, other in zip(ours.utterances, peer.utterances, strict=True)]
    return resample(
        [each.id for each in ours.utterances], [each.speaker for each in ours.utterances], np.array(rows)
    ).rate(0, 1)


def _lost(clean: Sequence[Outcome], noisy: Sequence[Outcome]) -> Rate | None:
    """By how much exact acceptance is lower in noise, recording by recording."""
    taken = ([each.understood and each.right for each in outcomes] for outcomes in (clean, noisy))
    rows = [[int(before) - int(after), 1] for before, after in zip(*taken, strict=True)]
    return resample([each.id for each in clean], [each.speaker for each in clean], np.array(rows)).rate(0, 1)


def _pace(hearings: Sequence[Hearing[Any]], column: Sequence[Said] | Sequence[Heard]) -> Rate:
    return _rate([each.utterance for each in hearings], [e.seconds for e in column], [e.seconds for e in hearings])


def _rate(utterances: Sequence[Utterance], above: Sequence[float], below: Sequence[float]) -> Rate:
    counts = np.array([above, below], np.float64).T
    found = resample([each.id for each in utterances], [each.speaker for each in utterances], counts).rate(0, 1)
    assert found is not None, "recordings have a length"
    return found
