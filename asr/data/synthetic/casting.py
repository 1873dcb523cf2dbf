"""Which voice speaks next: of each kind of synthesiser so much, of its people each as likely."""

import random
from collections.abc import Sequence
from typing import Final, Literal

from asr.data.synthetic import kokoro, piper
from asr.data.synthetic.accents import ACCENTS
from asr.data.synthetic.neural import NEURAL, NeuralEngine
from asr.data.synthetic.voices import Voice, split_of

Kind = Literal["people", "computed"] | NeuralEngine

# espeak-ng's hundreds of voices are computed from formants, the few of flite, festival and pico are cut or modelled
# from recorded people. Drawn evenly, the people would be one utterance in fifty. They sound more like those who will
# speak to the model, but they are about ten, and what only these have in common is not to be learnt either: so less
# than half of both.
#
# Neural voices are nearer still to people. hibari costs nothing and is one person; Piper's readers are many hundred
# and cost little. Kokoro is fifty people and any number between them, and takes a core as long to speak as it takes to
# hear. So it is less than it deserves: 12 in 100 where all are there, which makes 50 hours of speech six of a core;
# whoever has the time names it alone.
SHARES: Final[dict[Kind, float]] = {"people": 0.4, "computed": 0.6, "hibari": 0.4, "kokoro": 0.25, "piper": 0.4}
"""How much each kind speaks, in proportion to the others that are there."""

MIXED_SHARE: Final = 0.7
"""Of what Kokoro speaks with voices for training, the share of mixtures: many people are better than a few."""

MIXED: Final = (0.3, 0.7)
"""How much of a mixture is its first voice."""

ACCENTED_SHARE: Final = 0.4
"""Of what Piper's readers speak for training, the share with an accent: they are American, most others are not."""

ENGLISH_SHARE: Final = 0.7
"""Of Kokoro's voices, the share of those that are of speakers of English; the others have strong accents."""

REAL_TIME: Final[dict[Kind, float]] = {"kokoro": 1.0}
"""Seconds of a core for a second of speech, of what is slow enough to be said before one begins."""


_WORTH_SAYING: Final = 0.1  # hours


def slow_parts(voices: Sequence[Voice], hours: float, jobs: int) -> list[str]:
    """What a person should know before so much is spoken: a line for each kind of voice that takes long."""
    cast = Cast(voices)
    lines = []
    for kind, cost in REAL_TIME.items():
        spoken = cast.share(kind) * hours
        if (takes := spoken * cost / jobs) > _WORTH_SAYING:
            lines.append(
                f"{kind} is slow: it speaks about {spoken:.1f} of {hours:.1f} hours, in some {takes:.1f} hours by "
                f"{jobs} processes; --engines chooses others"
            )
    return lines


class Cast:
    """Voices that speak by turns, by chance."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        self._voices: dict[Kind, list[Voice]] = {
            kind: [voice for voice in voices if _kind_of(voice) == kind] for kind in SHARES
        }
        self._kinds = [kind for kind, group in self._voices.items() if group]
        self._persons = {kind: sorted({voice.speaker for voice in self._voices[kind]}) for kind in self._kinds}
        group = self._voices["kokoro"]
        self._accents = [
            [voice for voice in group if kokoro.is_english(voice.name) is english] for english in (True, False)
        ]
        self._mixed = [[voice for voice in part if split_of(voice) == "train"] for part in self._accents]

    def share(self, kind: Kind) -> float:
        """How much of all is spoken by this kind, by expectation."""
        return SHARES[kind] / sum(map(SHARES.__getitem__, self._kinds)) if kind in self._kinds else 0.0

    def choose(self, generator: random.Random) -> Voice:
        """A voice. Of recorded people each is as likely, and then each of the voices made from that person."""
        kind = self._kinds[0]
        if len(self._kinds) > 1:
            (kind,) = generator.choices(self._kinds, [SHARES[each] for each in self._kinds])
        if kind == "kokoro":
            return self._of_kokoro(generator)
        if kind == "computed":
            return generator.choice(self._voices[kind])
        person = generator.choice(self._persons[kind])
        voice = generator.choice([voice for voice in self._voices[kind] if voice.speaker == person])
        return _maybe_with_accent(voice, generator) if kind == "piper" else voice

    def _of_kokoro(self, generator: random.Random) -> Voice:
        """A voice, or a mixture of two for training."""
        one = _one_of(self._accents, generator)
        if split_of(one) == "train" and generator.random() < MIXED_SHARE:
            other = _one_of(self._mixed, generator)
            share = generator.uniform(*MIXED)
            if other != one:
                return Voice("kokoro", kokoro.mixture(one.name, other.name, share))
        return one


def _maybe_with_accent(voice: Voice, generator: random.Random) -> Voice:
    """Readers for training have one now and then; held-out ones are measured as they are."""
    if piper.takes_accents(voice.name) and split_of(voice) == "train" and generator.random() < ACCENTED_SHARE:
        return Voice("piper", piper.with_accent(voice.name, generator.choice(tuple(ACCENTS))))
    return voice


def _kind_of(voice: Voice) -> Kind:
    if voice.engine in NEURAL:
        return voice.engine
    return "computed" if voice.engine == "espeak-ng" else "people"


def _one_of(accents: Sequence[Sequence[Voice]], generator: random.Random) -> Voice:
    """One of the voices of speakers of English, or of the others."""
    english, others = accents
    group = english if english and (not others or generator.random() < ENGLISH_SHARE) else others
    return generator.choice(group)
