"""The voices of the installed speech synthesisers, and which of them a model is trained on.

The voices fall into three fixed groups, so that a model is measured with voices that it never heard. A person whose
recordings went into voices of several synthesisers is one voice in this.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from asr.data.synthetic.engines import INSTALL, pico_version, run_engine
from asr.errors import SettingsError

Engine = Literal["espeak-ng", "flite", "festival", "pico"]
Split = Literal["train", "dev", "test"]

ENGINES: tuple[Engine, ...] = ("espeak-ng", "flite", "festival", "pico")

# The voices kept out of training, chosen to sound unlike any that is trained on: variants of one family (steph, steph2,
# steph3) go together, and linda is made from f3, Mike from m3. Any voice not named here is for training.
HELD_OUT_ACCENTS: dict[str, Split] = {"en-gb-x-gbclan": "dev", "en-gb-x-gbcwmd": "test"}
HELD_OUT_VARIANTS: dict[str, Split] = {
    **dict.fromkeys(("f3", "linda", "m3", "Mike", "steph", "steph2", "steph3", "sandro", "victor"), "dev"),
    **dict.fromkeys(("f5", "m7", "Andrea", "grandma", "gustave", "marcelo", "pablo", "travis"), "test"),
}
HELD_OUT_PEOPLE: dict[str, Split] = {"rms": "dev", "awb": "test"}

# A speed test, two that are klatt under other names, and a voice that speaks only the time of day.
UNUSED_VARIANTS = frozenset({"fast", "caleb", "klatt6"})
UNUSED_FLITE = frozenset({"awb_time"})

# The recorded people. festival has voices of other languages too and does not mark them alike, so its English ones are
# named here: pitch can be set for the diphone voices, not for those of hidden Markov models (hts).
FLITE_PEOPLE = {"kal16": "kal"}
FESTIVAL_PEOPLE = {
    **{f"{person}_diphone": person for person in ("kal", "ked", "rab", "don")},
    **{f"cmu_us_{person}_arctic_hts": person for person in ("slt", "awb", "rms", "bdl", "clb", "jmk")},
}
# Two women, whose names are not known.
PICO_PEOPLE = {"en-GB": "pico-gb", "en-US": "pico-us"}


@dataclass(frozen=True, order=True)
class Voice:
    """One way of speaking: an espeak-ng accent with a variant (``en-gb+f3``), or a voice of another engine."""

    engine: Engine
    name: str

    @property
    def speaker(self) -> str:
        """Whom one hears: the same for all voices that were made from one person's recordings."""
        people = {"flite": FLITE_PEOPLE, "festival": FESTIVAL_PEOPLE, "pico": PICO_PEOPLE}.get(self.engine, {})
        return people.get(self.name, self.name)

    @property
    def has_pitch(self) -> bool:
        """Whether the engine can raise or lower the voice."""
        return not (self.engine == "festival" and self.name.endswith("_hts"))


@cache
def find_voices() -> tuple[Voice, ...]:
    """All English voices of the installed synthesisers, sorted; SettingsError if there are none."""
    voices: list[Voice] = []
    if shutil.which("espeak-ng"):
        accents = [code for code, file in _espeak_voices("en") if file.startswith("gmw/")]  # mb/ needs other programs
        variants = [file.removeprefix("!v/") for _, file in _espeak_voices("variant") if file.startswith("!v/")]
        for accent in accents:
            voices.append(Voice("espeak-ng", accent))
            voices.extend(Voice("espeak-ng", f"{accent}+{name}") for name in variants if name not in UNUSED_VARIANTS)
    if shutil.which("flite"):
        names = run_engine(["flite", "-lv"]).decode().partition(":")[2].split()
        voices.extend(Voice("flite", name) for name in names if name not in UNUSED_FLITE)
    if shutil.which("festival"):
        names = run_engine(["festival", "--pipe"], text="(print (voice.list))").decode().strip().strip("()").split()
        voices.extend(Voice("festival", name) for name in names if name in FESTIVAL_PEOPLE)
    if pico_version():
        voices.extend(Voice("pico", language) for language in PICO_PEOPLE)
    if not voices:
        raise SettingsError(f"no speech synthesiser found: wanted {', '.join(ENGINES)}; install some: {INSTALL}")
    return tuple(sorted(set(voices)))


def split_of(voice: Voice) -> Split | None:
    """Where a voice may be used; None for one that is half held out and so would blur the line.

    A training voice has neither a held-out accent nor a held-out variant. A dev voice has a dev variant and any
    accent but a test one, and the other way round. A recorded person is in one split, whichever engine speaks.
    """
    if voice.engine != "espeak-ng":
        return HELD_OUT_PEOPLE.get(voice.speaker, "train")
    accent, _, variant = voice.name.partition("+")
    split = HELD_OUT_VARIANTS.get(variant, "train")
    return split if HELD_OUT_ACCENTS.get(accent, split) == split else None


def split_voices(voices: Sequence[Voice]) -> dict[Split, list[Voice]]:
    """The voices of each split, by fixed rule (see ``split_of``): the same voice is always in the same split."""
    splits: dict[Split, list[Voice]] = {"train": [], "dev": [], "test": []}
    for voice in sorted(voices):
        split = split_of(voice)
        if split is not None:
            splits[split].append(voice)
    return splits


def _espeak_voices(kind: str) -> Iterator[tuple[str, str]]:
    """Language code and file of each listed voice; names with blanks do not fit the table and are passed over."""
    for line in run_engine(["espeak-ng", f"--voices={kind}"]).decode().splitlines()[1:]:
        fields = line.split()
        name_ends = len(fields) == 5 or (len(fields) > 5 and fields[5].startswith("("))
        if name_ends:
            yield fields[1], fields[4]
