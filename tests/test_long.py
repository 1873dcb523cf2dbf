"""Recordings of hours: heard as their parts are each alone, in memory that does not grow, as the sound comes."""

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import asr
from asr.audio.load import SAMPLE_RATE, load_audio, open_audio
from asr.audio.speech import PAUSE_SECONDS, find_phrases, find_pieces
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.errors import AudioError
from asr.runtime import utterances
from asr.runtime.transcriber import Transcriber
from asr.runtime.utterances import LONGEST_SECONDS, SpeechPart, find_utterances

Wave = NDArray[np.float32]
CORPORA = Path(__file__).resolve().parent / "data"
MARGIN = 0.25


def recordings(*names: str) -> list[Wave]:
    lists = [next((CORPORA / name).glob("*.tsv")) for name in names]
    waves = [read_utterance(each) for path in lists for each in read_manifest(path)]
    np.random.default_rng(0).shuffle(waves)  # type: ignore[arg-type]
    return waves


def joined(waves: list[Wave], room: Wave | None = None, seed: int = 0) -> Wave:
    """Recordings with 0.3 to 1.5 s between them: of digital silence, or of a room 35 dB below the one before."""
    chance, parts = np.random.default_rng(seed), []
    for wave in waves:
        gap = np.zeros(round(chance.uniform(0.3, 1.5) * SAMPLE_RATE), np.float32)
        if room is not None:
            gap = np.resize(room, len(gap)) * np.float32(
                np.sqrt(np.square(wave).mean() / np.square(room).mean()) * 10 ** (-35 / 20)
            )
        parts += [wave, gap]
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.from_bundle(width=1)


@pytest.fixture(scope="module")
def talk() -> Wave:
    """Some minutes of people who read sentences one after the other."""
    return joined(recordings("librispeech_dev", "speechocean762"))


def sorted_parts(parts: list[SpeechPart]) -> list[tuple[int, tuple[int, int], bytes]]:
    return [(part.start, part.own, part.wave.tobytes()) for part in parts]


@pytest.mark.slow
@pytest.mark.parametrize("between", ["silence", "a room"])
def test_what_is_joined_is_heard_as_it_is_apart(transcriber: Transcriber, between: str) -> None:
    """At least 99 of 100 words, of people who do not pause for long within what they say."""
    everybody = recordings("librispeech_dev", "speechocean762", "common_voice", "english_ccc")
    waves = [wave for wave in everybody if len(find_phrases(wave)) == 1]
    assert len(waves) > 0.9 * len(everybody)
    room = None if between == "silence" else load_audio(CORPORA / "noise_mycroft" / "bg_noise6.opus")
    wave = joined(waves, room)
    assert len(wave) > 2 * utterances.WINDOW_SECONDS * SAMPLE_RATE
    apart = " ".join(filter(None, (transcriber.transcribe(each).text for each in waves)))
    heard = transcriber.transcribe(wave)
    assert jiwer.wer(apart, heard.text) <= 0.01
    edges = [edge for word in heard.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(wave) / SAMPLE_RATE


def test_short_recordings_are_heard_whole() -> None:
    one, other = recordings("librispeech_dev")[:2]
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    short, long = np.concatenate([one, pause, other]), np.concatenate([one, pause, other] * 3)
    assert len(short) < LONGEST_SECONDS * SAMPLE_RATE < len(long)
    assert len(list(find_utterances([short], MARGIN))) == 1
    assert len(list(find_utterances([long], MARGIN))) >= 6


@pytest.mark.parametrize("window", [25.0, 40.0])
def test_what_is_held_makes_no_difference(monkeypatch: pytest.MonkeyPatch, talk: Wave, window: float) -> None:
    """Sentences that are shorter than half of what is held."""
    at_once = list(find_utterances([talk], MARGIN))
    monkeypatch.setattr(utterances, "_WINDOW", round(2 * window * SAMPLE_RATE))
    in_parts = list(find_utterances([talk], MARGIN))
    assert len(in_parts) > 10
    same = set(sorted_parts(at_once)) & set(sorted_parts(in_parts))
    assert len(same) >= 0.95 * len(at_once)


@settings(max_examples=3)
@given(st.lists(st.integers(0, 40 * SAMPLE_RATE), min_size=1, max_size=20))
def test_how_sound_is_cut_into_blocks_makes_no_difference(talk: Wave, lengths: list[int]) -> None:
    cuts = np.cumsum(lengths)
    blocks = np.split(talk[: 60 * SAMPLE_RATE], cuts[cuts < 60 * SAMPLE_RATE])
    whole = list(find_utterances([talk[: 60 * SAMPLE_RATE]], MARGIN))
    assert sorted_parts(list(find_utterances(iter(blocks), MARGIN))) == sorted_parts(whole)


def test_a_loud_neighbour_makes_no_difference() -> None:
    one, other = recordings("librispeech_dev")[:2]
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    (alone,) = find_utterances([one], MARGIN)
    loud = other / np.abs(other).max()
    for gain in (1.0, 0.1):
        quiet = one * np.float32(gain * np.abs(one).max() ** -1)
        parts = list(find_utterances([np.concatenate([loud, pause, quiet, pause, loud])], MARGIN))
        same = [part for part in parts if len(part.wave) == len(alone.wave)]
        assert any(part.start == alone.start + len(loud) + len(pause) for part in same), gain


def test_a_phrase_has_no_long_pause(talk: Wave) -> None:
    wave = talk[: 60 * SAMPLE_RATE]
    phrases = find_phrases(wave)
    assert len(phrases) > 3
    assert all(after[0] - before[1] >= PAUSE_SECONDS * SAMPLE_RATE for before, after in pairwise(phrases))
    # All that is speech by itself lies in one of them, but for the blocks around it.
    near = 5 * 640
    for begin, end in find_pieces(wave):
        assert any(first - near <= begin and end <= last + near for first, last in phrases)


def test_who_never_pauses_is_heard_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sound is lost, none heard twice, and no more is held than before."""
    wave = np.random.default_rng(0).normal(0, 0.1, 400 * SAMPLE_RATE).astype(np.float32)
    monkeypatch.setattr(utterances, "find_phrases", lambda wave: [(0, len(wave))])
    monkeypatch.setattr(utterances, "find_pieces", lambda wave: [(0, len(wave))])
    parts = list(find_utterances([wave], 0.0))
    assert all(part.seconds <= LONGEST_SECONDS + 1 for part in parts)
    edges = [edge for part in parts for edge in part.own]
    assert edges[0] == 0
    assert edges[-1] == len(wave)
    assert edges[1:-1:2] == edges[2::2]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(talk: Wave) -> None:
    def sound(times: int) -> Iterator[Wave]:
        for _ in range(times):
            for place in range(0, len(talk), SAMPLE_RATE):
                yield talk[place : place + SAMPLE_RATE]

    peaks = []
    for times in (2, 2, 8):  # the first loads what stays
        tracemalloc.start()
        count = sum(1 for _ in find_utterances(sound(times), MARGIN))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count > 10 * times
    assert peaks[2] <= 1.1 * peaks[1]
    assert peaks[2] <= 16 * utterances.WINDOW_SECONDS * SAMPLE_RATE * 4


# Files


@pytest.fixture
def long_file(tmp_path: Path, talk: Wave) -> Path:
    soundfile.write(tmp_path / "talk.flac", talk, SAMPLE_RATE)
    return tmp_path / "talk.flac"


@pytest.mark.parametrize("kept", [0, 10_000])
def test_a_file_is_given_as_it_is_loaded(monkeypatch: pytest.MonkeyPatch, long_file: Path, kept: int) -> None:
    monkeypatch.setattr("asr.audio.load.KEPT_SECONDS", kept)
    wave = load_audio(long_file)
    with open_audio(long_file) as sound:
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(sound.blocks())), wave)
        assert sound.seconds == len(wave) / SAMPLE_RATE


@pytest.mark.parametrize("kept", [0, 10_000])
def test_channels_that_cancel_are_heard_in_blocks_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, talk: Wave, kept: int
) -> None:
    monkeypatch.setattr("asr.audio.load.KEPT_SECONDS", kept)
    short = talk[: 10 * SAMPLE_RATE]
    soundfile.write(tmp_path / "wired.wav", np.stack([short, -short], axis=1), SAMPLE_RATE, subtype="FLOAT")
    with open_audio(tmp_path / "wired.wav") as sound:
        np.testing.assert_allclose(np.concatenate(list(sound.blocks())), short, atol=1e-6)


def test_of_a_file_that_was_cut_nothing_is_heard(long_file: Path) -> None:
    whole = long_file.read_bytes()
    long_file.write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(AudioError, match="cut short"), open_audio(long_file):
        pytest.fail("something was given")
    with pytest.raises(AudioError, match="cut short"):
        next(asr.load(width=1).utterances(long_file))


def test_utterances_come_as_they_are_heard(monkeypatch: pytest.MonkeyPatch, long_file: Path) -> None:
    model = asr.load(width=1)
    decoded: list[float] = []
    decode = model.transcriber.decode
    monkeypatch.setattr(
        model.transcriber, "decode", lambda heard, seconds, **more: (decoded.append(seconds), decode(heard, seconds))[1]
    )
    coming = model.utterances(long_file)
    first = next(coming)
    assert len(decoded) == 1
    assert first.words
    rest = list(coming)
    whole = model.transcribe(long_file)
    assert whole.text == " ".join(each.text for each in [first, *rest] if each.text)
    assert whole.words == tuple(word for each in [first, *rest] for word in each.words)


PEAK = """
import resource, sys
import asr
model = asr.load(width=1)
count = sum(1 for _ in model.utterances(sys.argv[1]))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_process_that_hears_a_long_file_is_no_larger(tmp_path: Path, talk: Wave) -> None:
    resident = []
    for times in (2, 6):
        with soundfile.SoundFile(tmp_path / "long.flac", "w", SAMPLE_RATE, 1) as file:
            for _ in range(times):
                file.write(talk)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(tmp_path / "long.flac")], capture_output=True, text=True, check=True
        )
        count, kilobytes = map(int, done.stdout.split())
        assert count > 10 * times
        resident.append(kilobytes)
    wave = len(talk) * 4 / 1024
    assert resident[1] - resident[0] < wave, "four times as much more sound was heard"
