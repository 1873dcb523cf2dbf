"""A stream as it is spoken: events in order, the same whatever the blocks, the final text that of a recording."""

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.audio.speech import find_pieces
from asr.errors import AudioError, SettingsError
from asr.runtime.commander import Commander
from asr.runtime.endpoint import EndpointSettings
from asr.runtime.live import Dropped, Event, Final, LiveSession, Partial, StableWords, Started
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import Word

SAMPLES = ROOT / "recipes" / "commands" / "samples"


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.from_bundle()


@pytest.fixture(scope="module")
def commander() -> Commander:
    return Commander.from_bundle(None, "computer")


@pytest.fixture(scope="module")
def sentences() -> list[np.ndarray]:
    return [load_audio(SAMPLES / f"{name}.flac") for name in ("find_my_files", "show_me_my_photos_please")]


@pytest.fixture(scope="module")
def stream(sentences: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([silence(1.234), sentences[0], silence(1.5), sentences[1]])


def events(session: LiveSession, stream: np.ndarray, size: int = 800, *, partials: bool = True) -> list[Event]:
    found = [
        event for at in range(0, len(stream), size) for event in session.feed(stream[at : at + size], partials=partials)
    ]
    return found + session.flush()


def test_events_come_in_order(transcriber: Transcriber, commander: Commander, stream: np.ndarray) -> None:
    for commands in (None, commander):
        found = events(LiveSession(transcriber, commands), stream)
        finals = [event for event in found if isinstance(event, Final)]
        assert [final.transcript.text for final in finals] == ["find my files", "show me my photos please"]
        assert [final.understanding is not None for final in finals] == [commands is not None] * 2
        ended = 0.0
        for final in finals:
            own = [event for event in found if event.start == final.start]
            assert isinstance(own[0], Started)
            assert isinstance(own[-1], Final)
            assert all(isinstance(event, Partial) for event in own[1:-1])
            assert len(own) > 2
            assert ended < final.start < final.end
            ended = final.end
            for before, after in pairwise(event for event in own if isinstance(event, Partial)):
                assert after.stable.startswith(before.stable)
                assert after.text.startswith(after.stable)
                assert after != before
            assert all(final.start - 0.5 < word.start < word.end < final.end + 0.5 for word in final.transcript.words)


def test_a_final_is_what_a_recording_gives(
    transcriber: Transcriber, commander: Commander, sentences: list[np.ndarray]
) -> None:
    for wave in sentences:
        (final,) = (e for e in events(LiveSession(transcriber), np.concatenate([silence(2), wave])) if type(e) is Final)
        expected = transcriber.transcribe(wave)
        assert final.transcript.text == expected.text
        assert final.transcript.confidence == pytest.approx(expected.confidence, abs=1e-4)
        starts = [word.start + 2 for word in expected.words]
        assert [word.start for word in final.transcript.words] == pytest.approx(starts, abs=1e-3)
        (final,) = (e for e in events(LiveSession(transcriber, commander), wave) if type(e) is Final)
        understood = commander.understand(wave)
        assert final.understanding is not None
        assert final.understanding.understood
        assert final.understanding.reading == understood.reading
        assert final.understanding.confidence == pytest.approx(understood.confidence, abs=1e-4)


def test_a_pause_of_the_hangover_parts_what_a_file_hears_as_one(
    transcriber: Transcriber, sentences: list[np.ndarray]
) -> None:
    first, second = sentences
    between = (len(first) - find_pieces(first)[-1][1] + find_pieces(second)[0][0]) / SAMPLE_RATE
    assert between < EndpointSettings().hangover_seconds < between + 0.5
    for pause, parted in ((0.0, False), (0.5, True)):
        spoken = np.concatenate([first, silence(pause), second])
        (file,) = transcriber.transcribe_blocks([spoken])
        found = events(LiveSession(transcriber), spoken, partials=False)
        finals = [event.transcript.text for event in found if isinstance(event, Final)]
        assert finals == ([transcriber.transcribe(each).text for each in sentences] if parted else [file.text])


@settings(max_examples=6)
@given(data=st.data())
def test_the_cut_into_blocks_makes_no_difference(
    transcriber: Transcriber, stream: np.ndarray, data: st.DataObject
) -> None:
    expected = events(LiveSession(transcriber), stream)
    edges = data.draw(st.lists(st.integers(0, len(stream)), max_size=40))
    session = LiveSession(transcriber)
    found = [e for a, b in pairwise([0, *sorted(edges), len(stream)]) for e in session.feed(stream[a:b])]
    assert found + session.flush() == expected


def test_without_partials_the_rest_is_the_same(transcriber: Transcriber, stream: np.ndarray) -> None:
    expected = [event for event in events(LiveSession(transcriber), stream) if not isinstance(event, Partial)]
    assert events(LiveSession(transcriber, partial_seconds=None), stream) == expected
    assert events(LiveSession(transcriber), stream, partials=False) == expected


def test_flush_begins_a_new_stream(transcriber: Transcriber, stream: np.ndarray) -> None:
    session = LiveSession(transcriber)
    assert events(session, stream) == events(session, stream)
    assert session.flush() == []


def test_where_no_words_are_nothing_is_final(transcriber: Transcriber, monkeypatch: pytest.MonkeyPatch) -> None:
    word = load_audio(SAMPLES / "five_five.flac")
    nothing = transcriber.transcribe(silence(1))
    monkeypatch.setattr(transcriber, "transcribe", lambda wave: nothing)
    started, *partials, dropped = events(LiveSession(transcriber), np.concatenate([word, silence(1)]))
    assert isinstance(started, Started)
    assert isinstance(dropped, Dropped)
    assert dropped.start == started.start < dropped.end
    assert all(isinstance(event, Partial) for event in partials)


def test_nothing_is_heard_in_silence(transcriber: Transcriber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Transcriber, "hear")
    assert events(LiveSession(transcriber), silence(20)) == []
    hiss = np.random.default_rng(0).normal(0, 0.01, 20 * SAMPLE_RATE).astype(np.float32)
    assert events(LiveSession(transcriber), hiss) == []


def test_a_keyboard_and_this_dog_are_no_utterances(transcriber: Transcriber, corpora: Path) -> None:
    dog = load_audio(next((corpora / "noise_esc10" / "001-Dogbark").iterdir()))
    generator = np.random.default_rng(0)
    keyboard = generator.normal(0, 1e-3, 10 * SAMPLE_RATE)
    for start in np.cumsum(generator.integers(1_300, 5_000, 40)):
        length = generator.integers(150, 600)
        blow = generator.normal(0, 0.3, length) * np.exp(-np.arange(length) / (length / 5))
        keyboard[start : start + length] += blow[: max(len(keyboard) - start, 0)]
    for noise in (dog, keyboard.astype(np.float32)):
        assert np.abs(noise).max() > 0.1
        assert events(LiveSession(transcriber), noise) == []


def test_few_dogs_are_utterances(transcriber: Transcriber) -> None:
    """At most a quarter of the recordings of dogs begins one, and a tenth is heard as words."""
    folder = Path(os.environ.get("ASR_CORPORA", ROOT.parent / "shared" / "corpora"), "noise_esc10", "001-Dogbark")
    if not folder.is_dir():
        pytest.skip(f"the dogs of ESC-10 are not in {folder}")
    barks = [load_audio(path) for path in sorted(folder.iterdir())]
    assert len(barks) == 40
    found = [events(LiveSession(transcriber), bark, partials=False) for bark in barks]
    begun = [dog for dog in found if any(isinstance(event, Started) for event in dog)]
    worded = [dog for dog in found if any(isinstance(event, Final) for event in dog)]
    assert len(begun) <= len(barks) / 4
    assert len(worded) <= len(barks) / 10


def test_what_is_no_mono_sound_is_refused(transcriber: Transcriber) -> None:
    session = LiveSession(transcriber)
    for block in (np.zeros((10, 2), np.float32), np.zeros(10), [0.0]):
        with pytest.raises(AudioError, match="wanted mono sound at 16 kHz"):
            session.feed(block)  # type: ignore[arg-type]
    for bad in (np.nan, np.inf):
        with pytest.raises(AudioError, match="no finite numbers"):
            session.feed(np.full(10, bad, np.float32))
    with pytest.raises(SettingsError, match=r"partial_seconds: found 0.01, wanted 0.1 or more"):
        LiveSession(transcriber, partial_seconds=0.01)


# Words that stay


@given(
    hearings=st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 1), st.floats(0, 0.5), st.floats(0, 1)), max_size=6),
        max_size=8,
    )
)
def test_stable_words_stay(hearings: Sequence[Sequence[tuple[str, float, float, float]]]) -> None:
    words, before = StableWords(), ""
    for hearing in hearings:
        heard, now = [], 0.0
        for text, length, gap, confidence in hearing:
            heard.append(Word(text, confidence, now + gap, now + gap + length))
            now = heard[-1].end
        changed = (words.text, words.stable)
        assert words.add(heard, now + 0.1) == ((words.text, words.stable) != changed)
        assert words.stable.startswith(before)
        assert words.text.startswith(words.stable)
        before = words.stable


def test_what_two_hearings_agree_in_is_stable() -> None:
    def heard(text: str) -> list[Word]:
        likely = {"maybe": 0.2}
        return [Word(word, likely.get(word, 0.9), place, place + 1.0) for place, word in enumerate(text.split())]

    words = StableWords()
    for text, shown, stable in [
        ("set the", "set the", ""),
        ("set a time", "set a time", "set"),
        ("set a timer for maybe ten", "set a timer for", "set a"),
        ("let a timer for maybe", "set a timer for maybe", "set a timer for maybe"),
        ("", "set a timer for maybe", "set a timer for maybe"),
    ]:
        words.add(heard(text), 20.0)
        assert (words.text, words.stable) == (shown, stable)


def test_a_word_that_may_not_be_finished_is_not_shown() -> None:
    words = StableWords()
    words.add([Word("set", 0.9, 0.0, 0.5), Word("a", 0.9, 0.5, 0.95)], 1.0)
    assert words.text == "set"
