"""English with accents: what becomes of a text's sounds, and who speaks so."""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from test_piper import SYMBOLS, NotingGraph, write_voice
from test_piper import folder as folder  # a fixture

from asr.adaptation.lessons import ordinary_words
from asr.data.synthetic import accents, piper
from asr.data.synthetic.accents import ACCENTS, accented
from asr.data.synthetic.casting import ACCENTED_SHARE, Cast
from asr.data.synthetic.phonemes import piper_symbols
from asr.data.synthetic.voices import Voice, known, split_of

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="wants the Debian package espeak-ng")

MORE = ("button", "the week that this vine dove", "sing it", "zoo", "judge", "team", "a job of her own", "family of")

READERS = [Voice("piper", f"{piper.LIBRITTS}:{reader}") for reader in piper.LIBRITTS_READERS]


@pytest.fixture
def as_strong(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets how strong accents are."""
    return lambda share: monkeypatch.setattr(accents, "STRENGTHS", (share, share))


@pytest.fixture(scope="module")
def sounds() -> str:
    """American English, a thousand words of it."""
    return piper_symbols(" ".join([*ordinary_words()[::9], *MORE]), "en-us")


@needs_espeak
@pytest.mark.parametrize("name", ACCENTS)
def test_an_accent_is_made_of_sounds_that_american_voices_know(name: str, sounds: str, as_strong: Any) -> None:
    as_strong(1.0)
    accent = ACCENTS[name]
    text = "every part of the world, button, where were the girls' vague judges; poor old child. bath, why, thing"
    for given in (sounds, text) if not accent.voice else (text, " ".join(ordinary_words()[::50])):
        said = given if given is sounds else piper_symbols(given, accent.voice or "en-us")
        changed = accented(said, accent, random.Random(0))
        assert set(changed) <= set(sounds) | set(",.;")
        assert changed.count(",") == said.count(","), "what is between the words stays"


@needs_espeak
@pytest.mark.parametrize("name", ACCENTS)
def test_each_rule_of_an_accent_changes_something(name: str, sounds: str, as_strong: Any) -> None:
    as_strong(1.0)
    accent = ACCENTS[name]
    said = piper_symbols(" ".join([*ordinary_words()[::9], *MORE]), accent.voice) if accent.voice else sounds
    for rule in accent.rules:
        after = accented(said, accents.Accent((rule,)), random.Random(0))
        assert after != said, rule
        said = after


def test_no_more_is_changed_than_the_strength_says(as_strong: Any) -> None:
    accent = accents.Accent((("θ", "s"),))
    said = "θ" * 4000
    as_strong(0.0)
    assert accented(said, accent, random.Random(0)) == said
    as_strong(1.0)
    assert accented(said, accent, random.Random(0)) == "s" * 4000
    as_strong(0.3)
    assert accented(said, accent, random.Random(0)).count("s") / 4000 == pytest.approx(0.3, abs=0.03)
    assert accented(said, accent, random.Random(0)) == accented(said, accent, random.Random(0))
    place = accents.Accent((("θ", "s"),), "en-gb")
    assert accented(said, place, random.Random(0)) == "s" * 4000, "what another voice writes is always replaced"


@needs_espeak
def test_a_german_says_ze_vine_and_a_spaniard_espeaks(as_strong: Any) -> None:
    as_strong(1.0)

    def said(text: str, name: str) -> str:
        return accented(piper_symbols(text, "en-us"), ACCENTS[name], random.Random(0)).replace("ˈ", "").replace("ˌ", "")

    assert said("the wine", "german") == "zə vaɪn"
    assert said("bad dogs", "german") == "bɛt dɑːɡs"
    assert said("speak", "spanish") == "ɛspik"
    assert said("happy", "italian") == "api"
    assert said("rice", "japanese") == said("lice", "japanese")


# Who speaks so


def test_readers_for_training_have_an_accent_now_and_then_and_the_held_out_none() -> None:
    cast, generator = Cast(READERS), random.Random(3)
    drawn = [cast.choose(generator) for _ in range(8000)]
    with_accent = Counter(piper.parts_of(voice.name)[1] for voice in drawn if split_of(voice) == "train")
    assert set(with_accent) == {"", *ACCENTS}
    assert 1 - with_accent[""] / with_accent.total() == pytest.approx(ACCENTED_SHARE, abs=0.02)
    for voice in drawn:
        name, accent = piper.parts_of(voice.name)
        assert voice.speaker == name, "an accent makes nobody else"
        assert split_of(voice) == split_of(Voice("piper", name))
        assert not accent or split_of(voice) == "train"
    assert {split_of(voice) for voice in drawn} == {"train", "dev", "test"}


def test_a_voice_of_ones_own_stays_as_it_is() -> None:
    own = Voice("piper", "en_US-own-low")
    cast, generator = Cast([own]), random.Random(0)
    assert {cast.choose(generator) for _ in range(50)} == {own}


@needs_espeak
def test_what_a_voice_says_is_what_the_accent_makes_of_the_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch, as_strong: Any
) -> None:
    write_voice(folder, piper.LIBRITTS, speakers=2, speaker_id_map={"r0": 0, "r1": 1})
    graph = NotingGraph()
    monkeypatch.setattr(piper, "_graph", lambda path: graph)
    as_strong(1.0)
    name = f"{piper.LIBRITTS}:r1"
    for accent in ("", "german", "britain"):
        piper.speak("the car wall", piper.with_accent(name, accent) if accent else name, 1.0, 1.0)
    numbers = {number: symbol for symbol, (number,) in SYMBOLS.items()}
    said = [
        "".join(numbers[number] for number in each["input"][0]).replace("_", "").strip("^$") for each in graph.given
    ]
    assert said == ["ðə kˈɑːɹ wˈɔːl", "zə kˈɑː vˈɔːl", "ðə kˈɑː wˈɔːl"]
    assert [each["sid"].tolist() for each in graph.given] == [[1]] * 3
    assert known(Voice("piper", piper.with_accent(name, "german")))
    assert not known(Voice("piper", piper.with_accent(name, "martian")))
    assert not known(Voice("piper", piper.with_accent(f"{piper.LIBRITTS}:r2", "german")))
