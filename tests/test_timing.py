"""When words are said: laws of their times, and the alignment beside torchaudio's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as some
from numpy.typing import NDArray
from torchaudio.functional import forced_align, merge_tokens

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.audio.speech import BLOCK, CHUNK
from asr.commands.grammar.form import read_grammars
from asr.commands.grammar.ready import find_grammar
from asr.commands.network.network import compile_network
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.data.manifests.utterance import Utterance
from asr.errors import AsrError
from asr.runtime.commander import Listener
from asr.runtime.timing import ONSET_SECONDS, PAUSE_SECONDS, REACH_SECONDS, token_spans
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import Transcript, Word
from asr.runtime.utterances import SpeechPart, find_utterance, find_utterances
from asr.search.alignment import align
from asr.text.special import PAD

SAMPLES = ROOT / "recipes" / "commands" / "samples"
CORPORA = ROOT / "tests" / "data"


def in_samples(words: tuple[Word, ...]) -> list[tuple[str, int, int]]:
    return [(word.text, round(word.start * SAMPLE_RATE), round(word.end * SAMPLE_RATE)) for word in words]


def check_times(heard: Transcript) -> None:
    """Words and segments follow one another within the recording, and each segment reaches over its words."""
    for parts in (heard.words, heard.segments):
        edges = [0.0, *(edge for part in parts for edge in (part.start, part.end)), heard.seconds]  # type: ignore[attr-defined]
        assert edges == sorted(edges)
    assert all(word.start < word.end for word in heard.words)
    assert [word for segment in heard.segments for word in segment.words] == list(heard.words)
    for segment in heard.segments:
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
    assert " ".join(segment.text for segment in heard.segments) == heard.text


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.from_bundle()


@pytest.fixture(scope="module")
def sentences() -> list[NDArray[np.float32]]:
    return [load_audio(path) for path in sorted((CORPORA / "librispeech_dev").rglob("*.opus"))[:4]]


def test_times_are_in_order_and_inside_the_recording(
    transcriber: Transcriber, tiny_bundle: Path, sentences: list[NDArray[np.float32]], words: list[NDArray[np.float32]]
) -> None:
    untrained = Transcriber.from_bundle(tiny_bundle, width=1)  # tells stories of many words about anything
    decoder_alone = replace(untrained.bundle, decoding=replace(untrained.decoding, ctc_weight=0.0))
    told = 0
    for each in (transcriber, untrained, Transcriber(decoder_alone)):
        for wave in (*words, sentences[0], sentences[0][9_000:20_000]):
            heard = each.transcribe(wave)
            check_times(heard)
            told += len(heard.words)
    assert told > 50


def test_silence_before_shifts_all_times_by_its_length(
    transcriber: Transcriber, sentences: list[NDArray[np.float32]]
) -> None:
    for wave in sentences[:2]:
        heard = transcriber.transcribe(wave)
        assert len(heard.words) > 3
        for blocks in (1, 7, 100):
            delay = blocks * BLOCK
            later = transcriber.transcribe(np.concatenate([np.zeros(delay, np.float32), wave]))
            assert in_samples(later.words) == [(t, a + delay, b + delay) for t, a, b in in_samples(heard.words)]
            assert [round(each.start * SAMPLE_RATE) for each in later.segments] == [
                round(each.start * SAMPLE_RATE) + delay for each in heard.segments
            ]
        after = transcriber.transcribe(np.concatenate([wave, np.zeros(5_000, np.float32)]))
        assert after.words == heard.words


def test_words_of_joined_recordings_are_those_of_the_parts_shifted(
    transcriber: Transcriber, sentences: list[NDArray[np.float32]]
) -> None:
    part = np.concatenate(sentences[:2] * 2)[: 18 * SAMPLE_RATE]
    alone = transcriber.transcribe(part)
    # Both grids, of blocks and of chunks, then lie the same in both parts, and 30 s are two utterances.
    whole = int(np.lcm(BLOCK, CHUNK))
    delay = -(-(len(part) + 4 * SAMPLE_RATE) // whole) * whole
    both = np.concatenate([part, np.zeros(delay - len(part), np.float32), part])
    heard = transcriber.transcribe(both)
    check_times(heard)
    assert len(alone.segments) < len(heard.segments)
    first = in_samples(alone.words)
    # A part's last word ends with the part, which is cut off in it, or a little later in the silence that follows here.
    ends = {False: len(part), True: delay + len(part)}
    found = [(text, begin, min(end, ends[begin >= delay])) for text, begin, end in in_samples(heard.words)]
    assert found == [*first, *((text, begin + delay, end + delay) for text, begin, end in first)]


def test_words_stand_where_somebody_speaks(transcriber: Transcriber, words: list[NDArray[np.float32]]) -> None:
    """Three words recorded apart and joined with a second of silence: each is found where it was put."""
    gap = np.zeros(SAMPLE_RATE, np.float32)
    wave = np.concatenate([each for word in words for each in (gap, word / np.abs(word).max() * 0.5)])
    places, at = [], 0
    for word in words:
        at += len(gap)
        places.append((at / SAMPLE_RATE, (at + len(word)) / SAMPLE_RATE))
        at += len(word)
    heard = transcriber.transcribe(wave)
    assert len(heard.words) == 3
    for found, (start, end) in zip(heard.words, places, strict=True):
        assert start - 0.05 <= found.start < found.end <= end + 0.05
        assert found.end - found.start > 0.15  # the word, not the step of it that CTC names


def test_the_words_of_a_command_have_times_too(transcriber: Transcriber) -> None:
    network = compile_network(read_grammars([find_grammar("computer")]), transcriber.bundle.normaliser)
    listener = Listener(transcriber, network)
    wave = load_audio(SAMPLES / "find_my_files.flac")
    heard = listener.hear([wave]).constrained
    assert heard is not None
    assert heard.words
    assert heard.seconds == len(wave) / SAMPLE_RATE
    check_times(heard)
    later = listener.hear([np.pad(wave, (10 * BLOCK, 0))]).constrained
    assert later is not None
    assert in_samples(later.words) == [(t, a + 10 * BLOCK, b + 10 * BLOCK) for t, a, b in in_samples(heard.words)]


# How the sound between tokens is shared out


STEP = 640


def utterance_of(own: tuple[int, int], pieces: list[tuple[int, int]], start: int = 0) -> SpeechPart:
    return SpeechPart(np.zeros(own[1] - start, np.float32), 1.0, start, own, tuple(pieces))


def said_at(steps: list[int], count: int) -> NDArray[np.float64]:
    """CTC that is sure of token 1 + u at step ``steps[u]`` and of the blank elsewhere."""
    log_probs = np.full((count, len(steps) + 1), -20.0)
    labels = np.full(count, PAD)
    labels[steps] = np.arange(1, len(steps) + 1)
    log_probs[np.arange(count), labels] = 0.0
    return log_probs


def test_a_pause_belongs_to_no_word() -> None:
    quiet = round(PAUSE_SECONDS * SAMPLE_RATE)
    utterance = utterance_of((0, 32_000), [(1_000, 8_000), (8_000 + quiet, 20_000)])
    first, second = token_spans(utterance, said_at([5, 25], 50), [1, 2], ["▁one", "▁two"], STEP)
    assert first == (1_000, 8_000)
    assert second == (8_000 + quiet, 20_000)
    shorter = utterance_of((0, 32_000), [(1_000, 8_000), (8_000 + quiet - 1, 20_000)])
    first, second = token_spans(shorter, said_at([5, 19], 50), [1, 2], ["▁one", "▁two"], STEP)
    assert first[1] == second[0]


def test_the_longer_spelling_takes_more_of_the_sound_between() -> None:
    utterance = utterance_of((0, 32_000), [(3_000, 17_000)])
    log_probs = said_at([5, 8], 50)
    first, second = token_spans(utterance, log_probs, [1, 2], ["▁longest", "▁a"], STEP)
    assert first[1] == second[0] == 8 * STEP - 2 * STEP // 8
    first, second = token_spans(utterance, log_probs, [1, 2], ["▁a", "▁long"], STEP)
    assert first[1] == second[0] == 8 * STEP - 2 * STEP * 4 // 5


def test_a_token_begins_shortly_before_it_is_named() -> None:
    """However long the sound between two tokens is: all but the onset of the later one is the earlier's."""
    utterance = utterance_of((0, 32_000), [(3_000, 17_000)])
    for spellings in (["▁longest", "▁long"], ["▁a", "▁longest"]):
        first, second = token_spans(utterance, said_at([5, 16], 50), [1, 2], spellings, STEP)
        assert first[1] == second[0] == 16 * STEP - round(ONSET_SECONDS * SAMPLE_RATE)


def test_far_sound_belongs_to_no_word() -> None:
    reach, onset = (round(each * SAMPLE_RATE) for each in (REACH_SECONDS, ONSET_SECONDS))
    utterance = utterance_of((0, 64_000), [(0, 64_000)])
    spans = token_spans(utterance, said_at([30, 70], 100), [1, 2], ["▁one", "▁two"], STEP)
    assert spans == [(30 * STEP - reach, 31 * STEP + reach), (70 * STEP - onset, 71 * STEP + reach)]
    paused = utterance_of((0, 64_000), [(0, 20_000), (30_000, 64_000)])
    spans = token_spans(paused, said_at([29, 70], 100), [1, 2], ["▁one", "▁two"], STEP)
    assert spans == [(29 * STEP - reach, 20_000), (70 * STEP - reach, 71 * STEP + reach)]


@given(
    some.lists(some.integers(0, 3), min_size=1, max_size=12),
    some.integers(1, 30),
    some.integers(-5_000, 5_000),
    some.integers(0, 2**32 - 1),
)
def test_spans_follow_one_another_within_what_is_the_utterances_own(
    tokens: list[int], steps: int, start: int, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    log_probs = np.log(chance.dirichlet(np.ones(5), steps))
    first = max(start, 0)
    last = max(first + len(tokens) + 1, start + steps * STEP - int(chance.integers(0, STEP)))
    edges = np.sort(chance.choice(np.arange(first, last + 1), 2, replace=False))
    utterance = utterance_of((first, last), [(int(edges[0]), int(edges[1]))], start)
    spans = token_spans(utterance, log_probs, [token + 1 for token in tokens], ["▁a"] * len(tokens), STEP)
    assert len(spans) == len(tokens)
    flat = [first, *(edge for span in spans for edge in span), last]
    assert flat == sorted(flat)


def test_tokens_without_an_alignment_are_spread_over_the_speech() -> None:
    utterance = utterance_of((0, 4 * STEP), [(STEP, 3 * STEP)])
    impossible = np.full((4, 3), -np.inf)
    impossible[:, PAD] = 0.0
    with pytest.raises(AsrError):
        align(impossible, [1, 2])
    assert token_spans(utterance, impossible, [1, 2], ["▁a", "▁b"], STEP) == [(STEP, 2 * STEP), (2 * STEP, 3 * STEP)]
    assert token_spans(utterance, impossible, [], [], STEP) == []


def test_parts_share_no_sample(sentences: list[NDArray[np.float32]]) -> None:
    wave = np.concatenate([each[6_000:-6_000] for each in sentences * 2])
    parts = list(find_utterances([wave], 0.25))
    assert len(parts) > 1
    edges = [edge for part in parts for edge in part.own]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(wave)
    for part in parts:
        inside = [edge for piece in part.pieces for edge in piece]
        assert part.own[0] <= inside[0]
        assert inside[-1] <= part.own[1]
        assert inside == sorted(inside)
        # The wave of the part is the recording's own, from the sample that it says.
        first, last = part.own
        np.testing.assert_array_equal(part.wave[first - part.start : last - part.start], wave[first:last])


# Beside torchaudio


def spoken_sentences() -> list[Utterance]:
    lists = [CORPORA / name / "dev.tsv" for name in ("speech_commands", "speechocean762", "common_voice")]
    return [each for path in [*lists, CORPORA / "librispeech_dev" / "dev.tsv"] for each in read_manifest(path)]


def test_the_alignment_is_torchaudios(transcriber: Transcriber) -> None:
    """The same log-probabilities and texts: both find the likeliest path, and part only where two are as likely.

    torchaudio's own aligner for English would have to be downloaded, so it is its search that is compared, not its
    model; LOG.md has how far times are from those that a synthesiser knows.
    """
    tokenizer, normaliser = transcriber.bundle.tokenizer, transcriber.bundle.normaliser
    moved = []
    for recording in spoken_sentences():
        utterance = find_utterance(read_utterance(recording), transcriber.decoding.margin_seconds)
        if utterance is None:
            continue
        log_probs = transcriber.hear(utterance).ctc_log_probs
        tokens = tokenizer.encode(normaliser(recording.text))
        ours = align(log_probs, tokens)
        labels, scores = forced_align(torch.from_numpy(log_probs)[None], torch.tensor([tokens]), blank=PAD)
        theirs = merge_tokens(labels[0], scores[0].exp(), blank=PAD)
        assert [span.token for span in theirs] == list(tokens)
        assert ours.log_probs.sum() == pytest.approx(float(scores.sum()), abs=1e-2)
        moved += [abs(a - b.start) for (a, _), b in zip(ours.spans, theirs, strict=True)]
        moved += [abs(a - b.end) for (_, a), b in zip(ours.spans, theirs, strict=True)]
    assert len(moved) > 500
    assert np.median(moved) == 0
    assert np.quantile(moved, 0.95) == 0
