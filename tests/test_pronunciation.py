"""Phonemes of words: a small closed set, no stress, one pronunciation a word whatever else is asked."""

import re
from pathlib import Path

import pytest

from asr.data.synthetic import pronunciation
from asr.data.synthetic.engines import run_engine
from asr.data.synthetic.pronunciation import PHONEMES, available, pronounce
from asr.errors import AudioError, SettingsError

ROOT = Path(__file__).resolve().parents[1]

needs_espeak = pytest.mark.skipif(not available(), reason="espeak-ng is not installed: apt-get install espeak-ng")


def test_phonemes_are_distinct() -> None:
    assert len(PHONEMES) == len(set(PHONEMES)) == 41


@needs_espeak
@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("judge", "dʒ ʌ dʒ"),
        ("church", "tʃ ɜː tʃ"),
        ("show", "ʃ oʊ"),
        ("fire", "f aɪ ɚ"),  # espeak-ng writes one sound
        ("little", "l ɪ t ə l"),  # a flap, and a vowel joined with l
        ("button", "b ʌ t ə n"),  # a glottal stop and a syllabic n
        ("door", "d ɔː ɹ"),
        ("o'clock", "ə k l ɑː k"),
        ("a", "ə"),
        ("b", "b i"),
    ],
)
def test_pronunciations(word: str, phonemes: str) -> None:
    assert pronounce([word]) == {word: tuple(phonemes.split())}


@needs_espeak
def test_a_word_is_pronounced_the_same_in_any_company_and_order() -> None:
    words = ["show", "me", "my", "files", "please", "don't", "the", "a", "show"]
    together = pronounce(words)
    assert together == pronounce(words[::-1])
    assert together == {word: pronounce([word])[word] for word in words}


@needs_espeak
def test_every_word_of_the_texts_has_phonemes_and_no_sound_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*ROOT.glob("asr/data/texts/templates/*.txt"), *ROOT.glob("recipes/*/*.txt")]
    words = {word for path in texts for word in re.findall("[a-z]+", path.read_text(encoding="utf-8").lower())}
    spelt: list[str] = []

    def listening(command: list[str], *, text: str) -> bytes:
        output = run_engine(command, text=text)
        spelt.append(output.decode())
        return output

    monkeypatch.setattr(pronunciation, "run_engine", listening)
    monkeypatch.setattr(pronunciation, "WORDS_PER_CALL", 1000)
    pronounced = pronounce(sorted(words))
    assert len(spelt) == -(-len(words) // 1000) > 1
    assert set(pronounced) == words
    assert all(pronounced.values())
    assert {phoneme for phonemes in pronounced.values() for phoneme in phonemes} == set(PHONEMES)

    rest = pronunciation._SOUND.sub("", "".join(spelt))
    assert set(rest) <= set("_ \nˈˌ"), "a sound that espeak-ng gives is not in the table"


@pytest.mark.parametrize("word", ["", "two words", "Upper", "new\nline", "'", "9", "café"])
def test_what_is_no_normalised_word_is_refused(word: str) -> None:
    with pytest.raises(SettingsError, match="normalise"):
        pronounce(["fine", word])


def test_a_letter_that_a_language_lacks_is_sent_to_its_module() -> None:
    with pytest.raises(SettingsError, match=r"'één': found other letters than a-zäöüß .* asr\.text\.german .* LETTERS"):
        pronounce(["één"], "de")


def test_lost_lines_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pronunciation, "run_engine", lambda command, text: b"w_\xcb\x88\xca\x8c_n\n")
    with pytest.raises(AudioError, match="1 pronunciations for 2 words"):
        pronounce(["one", "two"])


def test_missing_engine_is_named_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not available()
    with pytest.raises(SettingsError, match="apt-get install"):
        pronounce(["stop"])
