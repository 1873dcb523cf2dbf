"""The voices of the installed speech synthesisers, and which of them a model is trained on.

The voices fall into three fixed groups, so that a model is measured with voices that it never heard. A person whose
recordings went into voices of several synthesisers is one voice in this.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from asr.data.synthetic import hibari, kokoro, piper
from asr.data.synthetic.engines import INSTALL, engine_version, pico_version, run_engine
from asr.data.synthetic.neural import NEURAL, NeuralEngine
from asr.errors import SettingsError
from asr.text.languages import find_language, language_code
from asr.text.normaliser import LANGUAGE

Engine = Literal["espeak-ng", "flite", "festival", "pico"] | NeuralEngine
Split = Literal["train", "dev", "test"]

ENGINES: tuple[Engine, ...] = ("espeak-ng", "flite", "festival", "pico", "hibari", "kokoro", "piper")

# The voices kept out of training, chosen to sound unlike any that is trained on: variants of one family (steph, steph2,
# steph3) go together, and linda is made from f3, Mike from m3. Any voice not named here is for training.
HELD_OUT_ACCENTS: dict[str, Split] = {"en-gb-x-gbclan": "dev", "en-gb-x-gbcwmd": "test"}
HELD_OUT_VARIANTS: dict[str, Split] = {
    **dict.fromkeys(("f3", "linda", "m3", "Mike", "steph", "steph2", "steph3", "sandro", "victor"), "dev"),
    **dict.fromkeys(("f5", "m7", "Andrea", "grandma", "gustave", "marcelo", "pablo", "travis"), "test"),
}
HELD_OUT_PEOPLE: dict[str, Split] = {
    **{"rms": "dev", "awb": "test"},
    # Of Kokoro's, two women and two men of each English, and a woman and a man of other languages.
    **dict.fromkeys(("af_jessica", "am_liam", "bf_lily", "bm_daniel", "zf_xiaoyi", "em_alex"), "dev"),
    **dict.fromkeys(("af_nova", "am_eric", "bf_alice", "bm_lewis", "hf_beta", "im_nicola"), "test"),
    # Of the 904 readers of LibriTTS, two in thirty.
    **dict.fromkeys((f"{piper.LIBRITTS}:{reader}" for reader in piper.LIBRITTS_READERS[10::30]), "dev"),
    **dict.fromkeys((f"{piper.LIBRITTS}:{reader}" for reader in piper.LIBRITTS_READERS[25::30]), "test"),
}

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
# Women, whose names are not known.
PICO_PEOPLE = {"en-GB": "pico-gb", "en-US": "pico-us", "de-DE": "pico-de"}
_OF_LANGUAGES: tuple[Engine, ...] = ("espeak-ng", "pico")  # whose voices are named after the language that they speak
HIBARI_PEOPLE = {hibari.NAME: hibari.SAME_AS}
_PEOPLE: dict[Engine, dict[str, str]] = {
    "flite": FLITE_PEOPLE,
    "festival": FESTIVAL_PEOPLE,
    "pico": PICO_PEOPLE,
    "hibari": HIBARI_PEOPLE,
}


@dataclass(frozen=True, order=True)
class Voice:
    """One way of speaking: an espeak-ng accent with a variant (``en-gb+f3``), or a voice of another engine.

    ``af_bella+bm_fable@0.35`` is a mixture of two of Kokoro's, by so much the first, and ``...:r7~india`` is one of
    Piper's readers with an accent.
    """

    engine: Engine
    name: str

    @property
    def speaker(self) -> str:
        """Whom one hears: the same for all voices that were made from one person's recordings."""
        if self.engine == "piper":
            return piper.person_of(self.name)
        return _PEOPLE.get(self.engine, {}).get(self.name, self.name)

    @property
    def language(self) -> str:
        """The code of the language that the voice speaks."""
        named = self.name.partition("+")[0] if self.engine in _OF_LANGUAGES else LANGUAGE
        return language_code(named) or LANGUAGE

    @property
    def has_pitch(self) -> bool:
        """Whether the engine can raise or lower the voice."""
        return self.engine not in ("kokoro", "piper") and not (self.engine == "festival" and self.name.endswith("_hts"))


def find_voices(engines: Sequence[Engine] | None = None, language: str = LANGUAGE) -> tuple[Voice, ...]:
    """All voices of these synthesisers, or of all that are installed, sorted; mixtures are not listed.

    Other languages than English are spoken by espeak-ng and pico alone.

    Raises SettingsError if one that is named has none, or if there are none at all.
    """
    found = {engine: voices_of(engine, language) for engine in (ENGINES if engines is None else engines)}
    for engine, voices in found.items():
        if engines is not None and not voices:
            if language != LANGUAGE and engine not in _OF_LANGUAGES:
                raise SettingsError(
                    f"{engine} does not speak {find_language(language).NAME}; wanted {' or '.join(_OF_LANGUAGES)}"
                )
            raise SettingsError(f"no voice of {engine} is here; {how_to_get(engine)}")
    if not any(found.values()):
        wanted = ", ".join(ENGINES)
        raise SettingsError(
            f"no speech synthesiser found: wanted {wanted}; install some: {INSTALL}; neural ones: asr voices"
        )
    return tuple(sorted({voice for voices in found.values() for voice in voices}))


def engines_named(names: Sequence[str]) -> tuple[Engine, ...]:
    """The synthesisers of these names, in their own order. Raises SettingsError for another name."""
    unknown = [name for name in names if name not in ENGINES]
    if unknown:
        raise SettingsError(f"engines: found {unknown[0]!r}, wanted some of {', '.join(ENGINES)}")
    return tuple(engine for engine in ENGINES if engine in names)


def how_to_get(engine: Engine) -> str:
    """What a synthesiser lacks, in a few words, or what installs it."""
    return f"wanted: {NEURAL[engine].missing()}" if engine in NEURAL else f"install it: {INSTALL}"


def known(voice: Voice) -> bool:
    """Whether there is such a voice, or it is a mixture of such, or one with an accent."""
    if voice.engine == "kokoro":
        return all(Voice("kokoro", part) in voices_of("kokoro") for part in kokoro.parts_of(voice.name))
    if voice.engine == "piper":
        return Voice("piper", piper.parts_of(voice.name)[0]) in voices_of("piper")
    return voice in voices_of(voice.engine, voice.language)


def version_of(engine: Engine) -> str:
    """The version of an installed synthesiser: another may speak otherwise."""
    return NEURAL[engine].version() if engine in NEURAL else engine_version(engine)


@cache
def voices_of(engine: Engine, language: str = LANGUAGE) -> frozenset[Voice]:
    """The voices of a synthesiser for a language; none where it is not installed."""
    if language != LANGUAGE and engine not in _OF_LANGUAGES:
        return frozenset()
    return frozenset(Voice(engine, name) for name in _names_of(engine, language))


def _names_of(engine: Engine, language: str) -> Iterator[str]:
    if engine in NEURAL:
        yield from NEURAL[engine].names()
    elif engine == "pico":
        yield from (name for name in PICO_PEOPLE if pico_version() and language_code(name) == language)
    elif not shutil.which(engine):
        return
    elif engine == "flite":
        names = run_engine(["flite", "-lv"]).decode().partition(":")[2].split()
        yield from (name for name in names if name not in UNUSED_FLITE)
    elif engine == "festival":
        names = run_engine(["festival", "--pipe"], text="(print (voice.list))").decode().strip().strip("()").split()
        yield from (name for name in names if name in FESTIVAL_PEOPLE)
    else:
        # mb/ needs other programs, and !v/ are the variants.
        accents = [code for code, file in _espeak_voices(language) if not file.startswith(("mb/", "!v/"))]
        variants = [file.removeprefix("!v/") for _, file in _espeak_voices("variant") if file.startswith("!v/")]
        for accent in accents:
            yield accent
            yield from (f"{accent}+{name}" for name in variants if name not in UNUSED_VARIANTS)


def split_of(voice: Voice) -> Split | None:
    """Where a voice may be used; None for one that is half held out and so would blur the line.

    A training voice has neither a held-out accent nor a held-out variant. A dev voice has a dev variant and any
    accent but a test one, and the other way round. A recorded person is in one split, whichever engine speaks. A
    mixture is for training, as are both its voices, or for nothing.
    """
    parts = kokoro.parts_of(voice.name) if voice.engine == "kokoro" else ()
    if len(parts) > 1:
        return "train" if all(split_of(Voice("kokoro", part)) == "train" for part in parts) else None
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
