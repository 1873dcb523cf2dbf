"""Kokoro, its mixtures, and hibari: how texts are pronounced, whose voice is whose, and that they obey and repeat."""

import shutil
from collections import Counter
from itertools import product
from pathlib import Path

import librosa
import numpy as np
import pytest
from test_synthesis import envelope, files, fundamental

from asr.data.manifests.manifest import read_manifest
from asr.data.synthetic import hibari, kokoro, speaking
from asr.data.synthetic.casting import ENGLISH_SHARE, MIXED, MIXED_SHARE, SHARES, Cast, slow_parts
from asr.data.synthetic.phonemes import kokoro_symbols
from asr.data.synthetic.speaking import SpeechRequest, speak, speak_all
from asr.data.synthetic.synthesis import DRAWN_FORMANTS, DRAWN_RATES, SynthesisPlan, draw, synthesize
from asr.data.synthetic.voices import (
    ENGINES,
    Voice,
    find_voices,
    known,
    split_of,
    split_voices,
    version_of,
    voices_of,
)
from asr.errors import AudioError, SettingsError
from asr.runtime.transcriber import Transcriber

DEV = {"af_jessica", "am_liam", "bf_lily", "bm_daniel", "zf_xiaoyi", "em_alex"}
TEST = {"af_nova", "am_eric", "bf_alice", "bm_lewis", "hf_beta", "im_nicola"}
OF_KOKORO = [Voice("kokoro", name) for name in kokoro.pins().voices]
HEART = Voice("hibari", "heart")
TEXT = "are we going to check the battery log and find out whether it ran down"

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="wants the Debian package espeak-ng")
needs_hibari = pytest.mark.skipif(bool(hibari.missing()), reason="wants the package hibari-tts")


# How texts are pronounced


@needs_espeak
@pytest.mark.parametrize(
    ("text", "american", "british"),
    [
        ("go now", "ɡˌO nˈW", "ɡˌQ nˈW"),
        ("say my toy", "sˈA mI tˈY", "sˈA mI tˈY"),
        ("check the judge", "ʧˈɛk ðə ʤˈʌʤ", "ʧˈɛk ðə ʤˈʌʤ"),
        ("a bird", "ə bˈɜɹd", "ə bˈɜːd"),
        ("yes, no. stop", "jˈɛs, nˈO. stˈɑp", "jˈɛs, nˈQ. stˈɒp"),
    ],
)
def test_texts_become_the_symbols_that_kokoro_knows(text: str, american: str, british: str) -> None:
    assert kokoro_symbols(text, british=False) == american
    assert kokoro_symbols(text, british=True) == british


@needs_espeak
def test_every_symbol_of_the_lesson_is_known_to_kokoro() -> None:
    from asr.adaptation.lessons import ordinary_words

    text = " ".join(ordinary_words()[::7])
    for british in (False, True):
        assert set(kokoro_symbols(text, british=british)) <= set(kokoro.pins().symbols)


# Whose voice is whose


def test_the_held_out_voices_of_kokoro_are_these_and_no_mixture_has_one() -> None:
    assert len(OF_KOKORO) == 54
    splits = split_voices(OF_KOKORO)
    assert {voice.name for voice in splits["dev"]} == DEV
    assert {voice.name for voice in splits["test"]} == TEST
    assert len(splits["train"]) == 42
    for one, other in product(OF_KOKORO, OF_KOKORO):
        mixed = Voice("kokoro", kokoro.mixture(one.name, other.name, 0.4))
        assert kokoro.parts_of(mixed.name) == (one.name, other.name)
        held_out = {one.name, other.name} & (DEV | TEST)
        assert split_of(mixed) == (None if held_out else "train")


def test_hibari_speaks_as_the_woman_of_kokoro_who_taught_it() -> None:
    assert HEART.speaker == Voice("kokoro", "af_heart").speaker
    assert split_of(HEART) == "train"
    assert (HEART.has_pitch, Voice("kokoro", "af_heart").has_pitch) == (True, False)


# Who speaks


def drawn(voices: list[Voice], count: int = 3000) -> list[SpeechRequest]:
    return draw(SynthesisPlan(("one", "two"), voices, seed=2, utterances=count, shard=count), 0)


def test_kokoro_is_drawn_in_mixtures_of_training_voices_and_held_out_ones_as_they_are() -> None:
    splits = split_voices(OF_KOKORO)
    takes = drawn(splits["train"])
    mixed = [take.voice for take in takes if len(kokoro.parts_of(take.voice.name)) == 2]
    assert len(mixed) / len(takes) == pytest.approx(MIXED_SHARE, abs=0.04)
    assert {split_of(voice) for voice in mixed} == {"train"}
    shares = [float(voice.name.partition("@")[2]) for voice in mixed]
    assert (min(shares), max(shares)) == MIXED
    english = sum(kokoro.is_english(take.voice.name) for take in takes) / len(takes)
    assert english == pytest.approx(ENGLISH_SHARE, abs=0.03)
    seconds = [kokoro.parts_of(voice.name)[1] for voice in mixed]
    assert sum(map(kokoro.is_english, seconds)) / len(seconds) == pytest.approx(ENGLISH_SHARE, abs=0.04)
    assert {part for voice in mixed for part in kokoro.parts_of(voice.name)} == {v.name for v in splits["train"]}
    assert takes == drawn(splits["train"])
    for split in ("dev", "test"):
        assert {take.voice for take in drawn(splits[split], 300)} == set(splits[split])
    # A list that has voices of several splits mixes those of training only.
    assert all(split_of(take.voice) for take in drawn(OF_KOKORO))


def test_each_kind_of_voice_speaks_its_share() -> None:
    voices = [Voice("espeak-ng", "en-us"), Voice("flite", "slt"), HEART, *OF_KOKORO]
    counts = Counter(take.voice.engine for take in drawn(voices))
    cast = Cast(voices)
    for engine, kind in {"espeak-ng": "computed", "flite": "people", "hibari": "hibari", "kokoro": "kokoro"}.items():
        assert counts[engine] / 3000 == pytest.approx(cast.share(kind), abs=0.03)
    assert cast.share("piper") == 0
    assert cast.share("kokoro") == pytest.approx(SHARES["kokoro"] / (sum(SHARES.values()) - SHARES["piper"]))
    assert Cast(OF_KOKORO).share("kokoro") == 1


def test_what_is_slow_is_said_before_it_begins() -> None:
    (line,) = slow_parts([Voice("espeak-ng", "en-us"), *OF_KOKORO], 34, 2)
    assert line.startswith("kokoro is slow: it speaks about 10.0 of 34.0 hours, in some 5.0 hours by 2 processes")
    assert slow_parts(OF_KOKORO, 0.1, 2) == []
    assert slow_parts([HEART], 100, 1) == []


# How hibari speaks


@needs_hibari
@pytest.mark.parametrize("pitch", [0.7, 0.81, 1.2, 1.38])
def test_hibaris_pitch_moves_and_nothing_else_does(pitch: float) -> None:
    plain, moved = speak(TEXT, HEART), speak(TEXT, HEART, pitch=pitch)
    assert len(moved) == pytest.approx(len(plain), rel=0.01)
    assert fundamental(moved) / fundamental(plain) == pytest.approx(pitch, rel=0.05)
    assert stretch(plain, moved) == pytest.approx(1, abs=0.04)
    # Between the harmonics the spectrum is anything: taken as it is, this is two or three.
    assert 0.6 < np.sqrt(np.square(moved).mean() / np.square(plain).mean()) < 1.3


@needs_hibari
@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_hibaris_formants_move_and_its_pitch_stays(factor: float) -> None:
    """Nearly: asked to be faster, it speaks a little higher too, and it counts in frames, of which a sound has few."""
    plain, moved = speak(TEXT, HEART), speak(TEXT, HEART, formants=factor)
    assert stretch(plain, moved) == pytest.approx(factor, abs=0.06)
    assert fundamental(moved) == pytest.approx(fundamental(plain), rel=0.12)
    assert len(moved) == pytest.approx(len(plain), rel=0.13)


def stretch(plain: np.ndarray, moved: np.ndarray) -> float:
    """By how much the spectrum of one is that of the other stretched."""
    hertz = np.linspace(0, 8000, 513)
    inside = (hertz > 300) & (hertz < 3200)
    misfit = {
        factor: np.std((envelope(moved) - np.interp(hertz / factor, hertz, envelope(plain)))[inside])
        for factor in np.arange(0.7, 1.4, 0.02)
    }
    return float(min(misfit, key=lambda factor: misfit[factor]))


@needs_hibari
def test_little_silence_is_left_at_the_ends() -> None:
    loud = np.flatnonzero(np.abs(speak("stop", HEART)) > 0.01)
    wave = speak("stop", HEART)
    assert loud[0] / 16_000 == pytest.approx(0.1, abs=0.01)
    assert (len(wave) - loud[-1]) / 16_000 == pytest.approx(0.15, abs=0.01)


@needs_hibari
def test_a_plan_knows_the_version_that_speaks() -> None:
    kept = SynthesisPlan(("one",), [HEART], utterances=1).to_dict()["engines"]
    assert isinstance(kept, dict)
    assert kept["hibari"].startswith("0.2.")
    assert "onnxruntime" in kept["hibari"]


# What is not there


def test_what_is_missing_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    voices_of.cache_clear()
    monkeypatch.setenv("ASR_VOICES", str(tmp_path))
    monkeypatch.setattr(hibari, "PACKAGE", "no-such-package")
    for engine, way in (("kokoro", "asr voices fetch kokoro"), ("hibari", "asr voices fetch hibari")):
        with pytest.raises(SettingsError, match=rf"no voice of {engine} is here; .*{way}"):
            find_voices((engine,))
    with pytest.raises(SettingsError, match=r"'heart' of hibari.*fetch hibari"):
        speak("stop", HEART)
    voices_of.cache_clear()


def test_a_list_of_engines_gives_their_voices_alone() -> None:
    if not voices_of("flite"):
        pytest.skip("flite is not installed")
    assert {voice.engine for voice in find_voices(("flite",))} == {"flite"}
    assert {voice.engine for voice in find_voices()} == {engine for engine in ENGINES if voices_of(engine)}


# How Kokoro speaks: a second of it takes a second


@pytest.mark.slow
def test_kokoro_is_found_and_says_what_it_is(kokoro: Path) -> None:
    assert set(find_voices(("kokoro",))) == set(OF_KOKORO)
    assert "kokoro-v1.0.int8" in version_of("kokoro")
    assert known(Voice("kokoro", "af_bella+bm_lewis@0.35"))
    for name in ("nobody", "af_bella+nobody@0.35", "af_bella+bm_lewis", "af_bella+bm_lewis@1.5"):
        assert not known(Voice("kokoro", name)), name
        with pytest.raises(SettingsError, match="no voice"):
            speak("stop", Voice("kokoro", name))


@pytest.mark.slow
def test_kokoro_obeys_and_repeats_whatever_it_spoke_before(kokoro: Path) -> None:
    bella, george = Voice("kokoro", "af_bella"), Voice("kokoro", "bm_george")
    text = "find my files"
    takes = [
        SpeechRequest(text, bella),
        SpeechRequest("...", bella),
        SpeechRequest(text, bella, rate=1.4),
        SpeechRequest(text, bella, 1.0, 1.2, 1.2),
        SpeechRequest(text, george),
        SpeechRequest("find " * 300, bella),
    ]
    plain, nothing, fast, higher, man, endless = spoken = list(speak_all(takes))
    assert isinstance(nothing, AudioError)
    assert isinstance(endless, AudioError)
    assert "510" in str(endless)
    assert not any(isinstance(wave, AudioError) for wave in (plain, fast, higher, man))
    assert len(fast) < 0.85 * len(plain)
    assert len(higher) == pytest.approx(len(plain), rel=0.1)
    assert fundamental(higher) / fundamental(plain) == pytest.approx(1.2, rel=0.1)
    assert fundamental(man) < 0.8 * fundamental(plain)
    for wave, again in zip(spoken[:3:2], list(speak_all(takes[2::-2]))[::-1], strict=True):
        assert np.array_equal(wave, again)


@pytest.mark.slow
def test_a_mixture_lies_between_its_voices_and_is_understood(kokoro: Path) -> None:
    """In pitch; and the recogniser, which learnt from none of them, hears what each says."""
    text = "check the battery log and find out whether it ran down please"
    names = ("am_michael", "am_michael+af_heart@0.50", "af_heart")
    waves = [speak(text, Voice("kokoro", name)) for name in names]
    man, between, woman = (mean_pitch(wave) for wave in waves)
    assert 1.15 * man < between < woman / 1.15
    transcriber = Transcriber.from_bundle()
    assert [transcriber.transcribe(wave).text for wave in waves] == [text] * 3


def mean_pitch(wave: np.ndarray) -> float:
    """In Hz, over the voiced frames, on a logarithmic scale."""
    hertz, voiced, _ = librosa.pyin(wave, fmin=60, fmax=500, sr=16_000, hop_length=512)
    return float(np.exp(np.log(hertz[voiced]).mean()))


@pytest.mark.slow
def test_the_corners_of_what_is_drawn_can_be_spoken(kokoro: Path) -> None:
    corners = list(product(DRAWN_RATES, DRAWN_FORMANTS))
    takes = [SpeechRequest("stop now", OF_KOKORO[0], rate, formants, formants) for rate, formants in corners]
    for take, wave in zip(takes, speak_all(takes), strict=True):
        assert not isinstance(wave, AudioError), take


@pytest.mark.slow
def test_shards_of_kokoro_are_the_same_by_two_processes(kokoro: Path, tmp_path: Path) -> None:
    voices = [*split_voices(find_voices(("kokoro",)))["train"]]
    plan = SynthesisPlan(("stop", "go on"), voices, seed=1, utterances=3, shard=2)
    synthesize(plan, tmp_path / "one")
    synthesize(plan, tmp_path / "two", jobs=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    expected = [take.voice.name for number in range(2) for take in draw(plan, number)]
    assert [utterance.speaker for utterance in read_manifest(tmp_path / "one")] == expected


@pytest.mark.slow
def test_a_file_that_is_another_is_refused(kokoro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(kokoro, tmp_path / "voices")
    monkeypatch.setenv("ASR_VOICES", str(tmp_path / "voices"))
    damaged = tmp_path / "voices" / "kokoro" / "af_bella.bin"
    damaged.write_bytes(damaged.read_bytes()[:-4] + b"none")
    with pytest.raises(SettingsError, match=r"af_bella\.bin: found the SHA-256 .*asr voices fetch kokoro"):
        speak("stop", Voice("kokoro", "af_bella"))
    damaged.unlink()
    voices_of.cache_clear()
    with pytest.raises(SettingsError, match="1 of 55 files"):
        speaking.speak("stop", Voice("kokoro", "af_bella"))
