"""Where somebody speaks, and that what lies around it makes no difference."""

from collections.abc import Iterator

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.audio.speech import BLOCK, MARGIN_SECONDS, excerpt, find_pieces, find_speech, speech_likelihoods
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.runtime.commander import Commander
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import Transcript
from asr.runtime.utterances import LONGEST_SECONDS, find_utterance, find_utterances

Wave = NDArray[np.float32]
CORPORA = ROOT / "tests" / "data"


def recordings(name: str) -> list[Wave]:
    return [read_utterance(each) for each in read_manifest(next((CORPORA / name).glob("*.tsv")))]


SPOKEN = {name: recordings(name)[:8] for name in ("speech_commands", "english_ccc", "librispeech_dev", "common_voice")}
SPEECH = [wave for waves in SPOKEN.values() for wave in waves[:2]]


def silence(seconds: float) -> Wave:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def sounds() -> Iterator[tuple[str, Wave]]:
    """What is no speech."""
    generator, times = np.random.default_rng(0), np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    yield "nothing", silence(0)
    yield "one sample", np.array([0.5], np.float32)
    yield "digital silence", silence(4)
    yield "the least sound of 16 bits", np.tile(np.array([0, 1, 0, -1], np.float32) / 2**15, SAMPLE_RATE)
    yield "a hiss", generator.normal(0, 0.1, len(times)).astype(np.float32)
    yield "a hum", (0.3 * np.sin(2 * np.pi * 50 * times)).astype(np.float32)
    yield "a tone", (0.3 * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    chord = sum(np.sin(2 * np.pi * each * times) for each in (261.6, 329.6, 392.0))
    yield "a chord", (0.2 * chord * (1 - times % 0.5)).astype(np.float32)
    clicks = silence(4)
    clicks[:: SAMPLE_RATE // 3] = 0.9
    yield "clicks", clicks


SOUNDS = dict(sounds())


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.from_bundle()


def told(heard: Transcript) -> tuple[object, ...]:
    """All but the times, which move with the sound (``test_timing.py``)."""
    return heard.text, heard.confidence, heard.tokens, [(word.text, word.confidence) for word in heard.words]


# Laws


@pytest.mark.parametrize("wave", SPEECH)
@settings(max_examples=8)
@given(before=st.integers(0, 8 * SAMPLE_RATE), after=st.integers(0, 8 * SAMPLE_RATE))
def test_the_speech_moves_with_the_sound_to_the_sample(wave: Wave, before: int, after: int) -> None:
    found = find_pieces(wave)
    assert found
    assert find_pieces(np.pad(wave, (before, after))) == [(start + before, end + before) for start, end in found]


@pytest.mark.parametrize("wave", SPEECH)
@settings(max_examples=2)
@given(before=st.integers(0, 8 * SAMPLE_RATE), after=st.integers(0, 8 * SAMPLE_RATE))
def test_digital_silence_around_changes_nothing(transcriber: Transcriber, wave: Wave, before: int, after: int) -> None:
    within = transcriber.transcribe(np.pad(wave, (before, after)))
    assert told(within) == told(transcriber.transcribe(wave))
    assert within.seconds == pytest.approx((before + len(wave) + after) / SAMPLE_RATE)


def test_nor_does_it_change_a_command() -> None:
    commander = Commander.from_bundle(None, ["digits"])
    for wave in SPOKEN["speech_commands"]:
        alone, within = commander.understand(wave), commander.understand(np.pad(wave, (123_457, 70_001)))
        assert (within.understood, within.reading, within.evidence) == (alone.understood, alone.reading, alone.evidence)
        assert told(within.transcript) == told(alone.transcript)


def test_the_end_of_one_recording_is_forgotten_in_the_next() -> None:
    waves = [*SPEECH, *SOUNDS.values()]
    alone = [find_pieces(wave) for wave in waves]
    assert [find_pieces(wave) for wave in waves[::-1]] == alone[::-1]
    loud = SPEECH[0]
    place = int(np.argmax(np.abs(loud)))
    first = speech_likelihoods(loud, place)
    speech_likelihoods(SPEECH[-1], 0)
    np.testing.assert_array_equal(speech_likelihoods(loud, place), first)


def test_hours_are_heard_as_moments_are(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = SPOKEN["librispeech_dev"][0]
    anchor = int(np.argmax(np.abs(wave)))
    at_once = speech_likelihoods(wave, anchor)
    monkeypatch.setattr("asr.audio.speech._AT_ONCE", 7)
    np.testing.assert_allclose(speech_likelihoods(wave, anchor), at_once, rtol=0, atol=1e-5)
    assert find_speech(wave) is not None


@pytest.mark.parametrize("gain", [0.03, 0.5])
def test_how_loud_it_was_recorded_makes_no_difference(gain: float) -> None:
    for wave in SPEECH:
        assert find_speech(wave * np.float32(gain)) == find_speech(wave)


# What is found


def test_in_every_recording_of_a_person_somebody_speaks() -> None:
    for name, waves in SPOKEN.items():
        for wave in waves:
            found = find_speech(wave)
            assert found is not None, name
            start, end = found
            # To be whole is to have nearly all of the energy.
            inside = excerpt(
                wave, start - round(MARGIN_SECONDS * SAMPLE_RATE), end + round(MARGIN_SECONDS * SAMPLE_RATE)
            )
            assert np.square(inside).sum() >= 0.98 * np.square(wave).sum(), name


@pytest.mark.parametrize("kind", SOUNDS)
def test_in_other_sounds_nobody_does(transcriber: Transcriber, kind: str) -> None:
    assert find_speech(SOUNDS[kind]) is None
    assert transcriber.transcribe(SOUNDS[kind]) == Transcript("", 0.0, len(SOUNDS[kind]) / SAMPLE_RATE, (), (), ())


def test_in_real_noise_hardly_anybody_does() -> None:
    noises = [wave for name in ("noise_esc10", "noise_mycroft") for wave in recordings(name)]
    assert sum(find_speech(wave) is not None for wave in noises) <= 1


@pytest.mark.parametrize("name", ["noise_mycroft/bg_noise6.opus", "noise_mycroft/bg_noise7.opus"])
def test_the_noise_of_a_room_around_hardly_moves_the_ends(name: str) -> None:
    room = load_audio(CORPORA / name)
    moved = 0
    for number, wave in enumerate(SPEECH):
        found = find_speech(wave)
        assert found is not None
        start, end = max(found[0], 0), min(found[1], len(wave))
        quiet = room * (np.sqrt(np.square(wave[start:end]).mean() / np.square(room).mean()) * 10 ** (-25 / 20))
        before = 30_000 + 777 * number
        within = find_speech(
            np.concatenate([np.resize(quiet, before), wave, np.resize(quiet, 40_000)]).astype(np.float32)
        )
        assert within is not None
        moved += within != (found[0] + before, found[1] + before)
    assert moved <= 1


def test_a_voice_far_below_the_speech_is_not_heard() -> None:
    near, far = SPOKEN["librispeech_dev"][0], SPOKEN["librispeech_dev"][1]
    found = find_speech(near)
    assert found is not None
    gap = silence(1)
    for gain, heard in ((0.5, True), (0.01, False)):
        both = find_speech(np.concatenate([near, gap, far * np.float32(gain)]))
        assert both is not None
        assert abs(both[0] - found[0]) < BLOCK  # the grid goes through the loudest sample, whosever it is
        assert (both[1] > len(near)) is heard


def test_ends_lie_on_a_grid_through_the_loudest_sample() -> None:
    for wave in SPEECH:
        loudest = int(np.argmax(np.abs(wave)))
        assert all((place - loudest) % BLOCK == 0 for piece in find_pieces(wave) for place in piece)


# What is heard of it


def test_speech_is_heard_with_a_margin_of_its_own_sound_in_silence() -> None:
    wave, margin = SPOKEN["librispeech_dev"][0], round(MARGIN_SECONDS * SAMPLE_RATE)
    start, end = find_speech(wave) or (0, 0)
    assert margin < start < end < len(wave) - margin
    utterance = find_utterance(wave, 0.25)
    assert utterance is not None
    np.testing.assert_array_equal(utterance.wave, np.pad(wave[start - margin : end + margin], SAMPLE_RATE // 4))
    assert utterance.seconds == pytest.approx((end - start + 2 * margin) / SAMPLE_RATE)
    short = find_utterance(wave[start + 2 * BLOCK :], 0.0)
    assert short is not None
    assert not short.wave[: margin - 4 * BLOCK].any(), "where the recording ends there is silence"


def test_long_recordings_are_cut_in_their_pauses() -> None:
    sentences = SPOKEN["librispeech_dev"][:4]
    wave = np.concatenate([each for sentence in sentences for each in (sentence, silence(3))])
    utterances = list(find_utterances([wave], 0.0))
    assert all(each.seconds <= LONGEST_SECONDS for each in utterances)
    assert len(utterances) > 1
    # None is lost, and none heard twice.
    places = [find_pieces(wave)[0][0], find_pieces(wave)[-1][1]]
    assert sum(each.seconds for each in utterances) <= (places[1] - places[0]) / SAMPLE_RATE + 2 * MARGIN_SECONDS
    loud = sum(float(np.square(each.wave).sum()) for each in utterances)
    assert loud >= 0.99 * float(np.square(wave).sum())


def test_speech_without_a_pause_is_cut_where_it_is_quietest(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 50 * SAMPLE_RATE).astype(np.float32)
    monkeypatch.setattr("asr.runtime.utterances.find_pieces", lambda _: [(640, len(wave) - 640)])
    utterances = list(find_utterances([wave], 0.0))
    np.testing.assert_array_equal(np.concatenate([each.wave for each in utterances]), wave[640:-640])
    assert all(each.seconds <= LONGEST_SECONDS for each in utterances)
