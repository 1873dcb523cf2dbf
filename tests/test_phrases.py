"""Phrases of recorded utterances: all of the words once, in order, where they are said."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as some

from asr.apps import cli
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.phrases import AROUND_SECONDS, NEAR_SECONDS, phrases_of
from asr.data.manifests.utterance import Utterance
from asr.errors import SettingsError
from asr.runtime.known_text import find_words
from asr.runtime.transcriber import Transcriber

SAMPLES = ROOT / "recipes" / "commands" / "samples"
WHOLE = Utterance("a", Path("a.wav"), "ann", "as it was written", start=1.5)


def divide(*arguments: object) -> int:
    return cli.run(cli.app, ["data", "phrases", *map(str, arguments)], "asr")


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.from_bundle()


@given(
    some.lists(some.tuples(some.integers(1, 8000), some.integers(0, 8000)), max_size=40),
    some.integers(1, 6),
    some.integers(0, 6),
    some.integers(0, 2**32),
)
def test_each_word_is_in_one_phrase_with_all_of_its_sound(
    said: list[tuple[int, int]], least: int, more: int, seed: int
) -> None:
    spans = []
    end = 0
    for length, pause in said:
        spans.append((end, end + length))
        end += length + pause
    rng = np.random.default_rng(seed)
    wave = rng.standard_normal(end).astype(np.float32)
    words = [f"w{number}" for number in range(len(spans))]
    phrases = phrases_of(WHOLE, wave, words, spans, least=least, most=least + more, rng=rng)
    assert [word for phrase in phrases for word in phrase.text.split()] == words
    assert {(phrase.speaker, phrase.path) for phrase in phrases} <= {("ann", Path("a.wav"))}
    assert len({phrase.id for phrase in phrases}) == len(phrases)
    first = 0
    for number, phrase in enumerate(phrases):
        count = len(phrase.text.split())
        assert least <= count <= least + more or (number == len(phrases) - 1 and count < 2 * least + more)
        assert phrase.duration is not None
        assert phrase.duration == phrase.seconds
        begin = (phrase.start - WHOLE.start) * SAMPLE_RATE
        finish = begin + phrase.duration * SAMPLE_RATE
        start, end = spans[first][0], spans[first + count - 1][1]
        near = NEAR_SECONDS * SAMPLE_RATE + 1
        half, last_half = sum(spans[first]) / 2 + 1, sum(spans[first + count - 1]) / 2 - 1
        assert max(0, start - AROUND_SECONDS * SAMPLE_RATE) - 1 <= begin <= min(start + near, half)
        assert max(end - near, last_half) <= finish <= min(len(wave), end + AROUND_SECONDS * SAMPLE_RATE) + 1
        first += count
    for before, after in pairwise(phrases):
        assert before.duration is not None
        assert before.start + before.duration <= after.start + 1e-9


def test_words_that_meet_are_cut_where_it_is_quietest() -> None:
    wave = np.ones(SAMPLE_RATE, np.float32)
    wave[8_320:8_480] = 0.1  # 20 ms behind where they are said to meet
    first, second = phrases_of(
        WHOLE, wave, ["one", "two"], [(0, 8_000), (8_000, 16_000)], least=1, most=1, rng=np.random.default_rng(0)
    )
    assert first.duration is not None
    assert second.start == WHOLE.start + first.duration == WHOLE.start + 8_400 / SAMPLE_RATE


@pytest.mark.parametrize(("least", "most"), [(0, 3), (3, 2)])
def test_sizes_that_are_none_are_refused(least: int, most: int) -> None:
    with pytest.raises(SettingsError, match=f"from {least} to {most} words"):
        phrases_of(WHOLE, np.zeros(9, np.float32), [], [], least=least, most=most, rng=np.random.default_rng(0))


def test_words_of_a_known_text_are_where_a_transcript_has_them(transcriber: Transcriber) -> None:
    wave = load_audio(SAMPLES / "check_the_battery_log.flac")
    heard = transcriber.transcribe(wave)
    words, spans = find_words(transcriber, wave, heard.text.title())
    assert len(words) == 12
    assert words == [word.text for word in heard.words]
    np.testing.assert_allclose(
        np.array(spans) / SAMPLE_RATE, [(word.start, word.end) for word in heard.words], atol=1 / SAMPLE_RATE
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("the quick brown fox jumps over the lazy dog", 0),
        ("", 0),
        ("find my files " * 30, 0),
        ("Ωμέγα", 0),
        ("find my files", 25),
    ],
    ids=["another text", "no text", "more than there is time for", "no such letters", "too long"],
)
def test_a_text_that_is_not_there_is_not_found(transcriber: Transcriber, text: str, seconds: int) -> None:
    wave = load_audio(SAMPLES / "find_my_files.flac")
    assert find_words(transcriber, wave, "Find my files!")[0] == ["find", "my", "files"]
    if seconds:
        wave = np.concatenate([wave, np.zeros(seconds * SAMPLE_RATE, np.float32), wave])
    assert find_words(transcriber, wave, text) == ([], [])


def test_phrases_of_a_list_are_heard_as_what_they_say(
    transcriber: Transcriber, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "phrases.jsonl.gz"
    assert divide(SAMPLES / "transcripts.tsv", out, "--times", 2, "--most", 4, "--jobs", 1) == 0
    assert "of 8 utterances" in capsys.readouterr().out
    phrases = read_manifest(out)
    whole = {each.id: each for each in read_manifest(SAMPLES / "transcripts.tsv")}
    for turn in ("/0", "/1"):
        said: dict[str, str] = {}
        for phrase in phrases:
            if phrase.id.endswith(turn):
                said[phrase.id.partition("#")[0]] = f"{said.get(phrase.id.partition('#')[0], '')} {phrase.text}".strip()
        assert said == {name: each.text for name, each in whole.items()}
    longest = [each for each in phrases if len(each.text.split()) > 2]
    right = [transcriber.transcribe(read_utterance(each)).text == each.text for each in longest]
    assert sum(right) > len(right) / 2 > 7
    before = read_utterance(whole[phrases[0].id.partition("#")[0]])
    start = round(phrases[0].start * SAMPLE_RATE)
    wave = read_utterance(phrases[0])
    np.testing.assert_array_equal(wave, before[start : start + len(wave)])


def test_others_of_the_list_and_processes_change_nothing(tmp_path: Path) -> None:
    lines = (SAMPLES / "transcripts.tsv").read_text().splitlines()
    for name in [line.partition("\t")[0] for line in lines[1:]]:
        (tmp_path / name).symlink_to(SAMPLES / name)
    (tmp_path / "some.tsv").write_text("\n".join([lines[0], *lines[:4:-1]]) + "\n")
    (tmp_path / "all.tsv").write_text("\n".join(lines) + "\n")
    made = []
    for number, (name, jobs) in enumerate((("some", 1), ("all", 2))):
        out = tmp_path / f"{number}.jsonl"
        assert divide(tmp_path / f"{name}.tsv", out, "--jobs", jobs, "--seed", 3) == 0
        made.append({each.id: each for each in read_manifest(out)})
    assert made[0]
    assert made[0].items() < made[1].items()


def test_what_cannot_be_read_or_found_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.flac").write_bytes(b"no sound")
    for name in ("find_my_files.flac", "five_five.flac"):
        (tmp_path / name).symlink_to(SAMPLES / name)
    listed = (
        "bad.flac\tann\tfind it\nfind_my_files.flac\tann\tfind my files\nfive_five.flac\tbob\tanother text altogether\n"
    )
    (tmp_path / "all.tsv").write_text(f"path\tspeaker\ttext\n{listed}")
    out = tmp_path / "out.jsonl"
    assert divide(tmp_path / "all.tsv", out, "--jobs", 1) == 1
    shown = capsys.readouterr()
    assert "of 1 utterances" in shown.out
    assert "left out: 1 utterances" in shown.out
    assert "bad.flac" in shown.err
    assert {each.path.name for each in read_manifest(out)} == {"find_my_files.flac"}
    (tmp_path / "none.tsv").write_text(f"path\tspeaker\ttext\n{listed.splitlines()[2]}\n")
    kept = out.read_bytes()
    assert divide(tmp_path / "none.tsv", out, "--jobs", 1) == 1
    assert "no utterance has its text" in capsys.readouterr().err
    assert out.read_bytes() == kept


def test_shards_are_refused_before_anything_is_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(cli.app, ["data", "shard", str(SAMPLES / "transcripts.tsv"), str(tmp_path / "s")], "asr") == 0
    assert divide(tmp_path / "s", tmp_path / "out.jsonl") == 1
    assert "wanted recordings in files of their own" in capsys.readouterr().err
    assert divide(SAMPLES / "transcripts.tsv", tmp_path / "out.jsonl", "--least", 5, "--most", 2) == 2
    assert not (tmp_path / "out.jsonl").exists()
