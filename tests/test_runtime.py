"""The bundle's graphs against the model in torch, and what the transcriber makes of them."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import TinyModel
from numpy.typing import NDArray

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.audio.mfcc import Mfcc
from asr.bundle import FILES, read_bundle
from asr.errors import AudioError, SettingsError
from asr.model.torch_stepper import TorchStepper
from asr.runtime.graphs import Graphs
from asr.runtime.transcriber import Transcriber
from asr.runtime.transcript import Transcript, TranscriptSegment, Word, join, transcript_of
from asr.runtime.utterances import LONGEST_SECONDS, find_utterance, find_utterances
from asr.search.beam import beam
from asr.search.hypothesis import Hypothesis

# Single precision, summed in another order.
CLOSE = {"rtol": 0, "atol": 2e-4}


def noise(samples: int, seed: int = 0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(samples) * 0.1).astype(np.float32)


def in_torch(tiny: TinyModel, wave: NDArray[np.float32]) -> tuple[TorchStepper, NDArray[np.float32]]:
    with torch.inference_mode():
        features, lengths = Mfcc(tiny.features)(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
        encoded = tiny.model.encode(features, lengths)
    return TorchStepper(tiny.model, encoded.memory), encoded.ctc_log_probs[0].numpy()


def check_equal(tiny: TinyModel, graphs: Graphs, wave: NDArray[np.float32]) -> None:
    stepper, ctc = in_torch(tiny, wave)
    heard = graphs.encode(wave)
    np.testing.assert_allclose(heard.ctc_log_probs, ctc, **CLOSE)
    onnx_stepper = graphs.stepper(heard)
    ours, theirs = onnx_stepper.start(), stepper.start()
    tokens, parents = np.array([2]), np.array([0])
    for following in ([5, 9, 7], [4, 4, 30], [8, 6, 5]):  # rows split, then change places
        log_probs, ours = onnx_stepper.step(ours, tokens, parents)
        expected, theirs = stepper.step(theirs, tokens, parents)
        np.testing.assert_allclose(log_probs, expected, **CLOSE)
        tokens = np.array(following)
        parents = np.zeros(3, dtype=np.int64) if len(parents) == 1 else np.array([2, 0, 1])


@pytest.mark.parametrize("samples", [1, 159, 160, 3_000, SAMPLE_RATE, 7 * SAMPLE_RATE + 11])
def test_graphs_equal_torch(tiny: TinyModel, samples: int) -> None:
    check_equal(tiny, Graphs(read_bundle(tiny.bundle)), noise(samples))


@pytest.mark.parametrize("samples", [1, 3_000, 7 * SAMPLE_RATE + 11])
def test_graphs_with_convolutions_equal_torch(tiny_with_convolutions: TinyModel, samples: int) -> None:
    check_equal(tiny_with_convolutions, Graphs(read_bundle(tiny_with_convolutions.bundle)), noise(samples))


def test_graphs_equal_torch_on_real_recordings(tiny: TinyModel, corpora: Path) -> None:
    graphs = Graphs(read_bundle(tiny.bundle))
    for name in ("speech_commands/bed/026290a7_nohash_0.opus", "librispeech_dev/2078/142845/2078-142845-0000.opus"):
        check_equal(tiny, graphs, load_audio(corpora / name))


def test_search_reads_the_same_through_both(tiny: TinyModel) -> None:
    wave = noise(2 * SAMPLE_RATE, seed=3)
    stepper, ctc = in_torch(tiny, wave)
    graphs = Graphs(read_bundle(tiny.bundle))
    heard = graphs.encode(wave)
    settings = {"width": 4, "max_tokens": 12, "length_penalty": 0.6, "ctc_weight": 0.3}
    expected = beam(stepper, ctc_log_probs=ctc, **settings)[0]
    found = beam(graphs.stepper(heard), ctc_log_probs=heard.ctc_log_probs, **settings)[0]
    assert found.tokens == expected.tokens
    assert found.score == pytest.approx(expected.score, abs=1e-3)


def test_the_weights_are_stored_once(tiny_bundle: Path) -> None:
    """The graphs hold references into weights.safetensors, and of their own only the features' tables."""
    for name in ("encoder.onnx", "decoder.onnx"):
        proto = onnx.load(tiny_bundle / name, load_external_data=False)
        outside = [t for t in proto.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
        assert outside
        assert all(t.data_type == onnx.TensorProto.FLOAT16 for t in outside)
        inside = [t.name for t in proto.graph.initializer if t not in outside and math.prod(t.dims) > 100]
        assert all(part.startswith("mfcc.") for part in inside), inside


def test_a_bundle_says_all_about_its_model(tiny: TinyModel) -> None:
    bundle = read_bundle(tiny.bundle)
    settings = json.loads((tiny.bundle / "bundle.json").read_text())
    assert sorted(settings["files"]) == sorted(FILES)
    assert bundle.features == tiny.features
    assert bundle.tokenizer.digest == tiny.tokenizer.digest == settings["files"]["tokenizer.model"]["sha256"]
    assert bundle.model == tiny.model.settings.to_dict()
    assert bundle.provenance["parameters"] == sum(p.numel() for p in tiny.model.parameters())


def spoken(corpora: Path) -> list[NDArray[np.float32]]:
    """Two sentences of people."""
    folder = corpora / "librispeech_dev"
    return [load_audio(path) for path in sorted(folder.rglob("*.opus"))[:2]]


def test_same_transcript_again_and_in_any_company(tiny_bundle: Path, corpora: Path) -> None:
    waves = [noise(0), noise(800), noise(24_000), *spoken(corpora)]
    one = Transcriber.from_bundle(tiny_bundle)
    forwards = [one.transcribe(wave) for wave in waves]
    backwards = [Transcriber.from_bundle(tiny_bundle, threads=1).transcribe(wave) for wave in waves[::-1]]
    assert forwards == backwards[::-1]
    assert forwards[-1].words


def test_nothing_is_an_empty_transcript(tiny_bundle: Path) -> None:
    assert Transcriber.from_bundle(tiny_bundle).transcribe(noise(0)) == Transcript("", 0.0, 0.0, (), (), ())


def test_long_recordings_are_heard_in_parts(tiny_bundle: Path, corpora: Path) -> None:
    transcriber = Transcriber.from_bundle(tiny_bundle, width=1)
    first, second = spoken(corpora)
    pause = np.zeros(3 * SAMPLE_RATE, np.float32)
    times = math.ceil(LONGEST_SECONDS * SAMPLE_RATE / (len(first) + len(second)))
    wave = np.concatenate([each for _ in range(times) for part in (first, second) for each in (part, pause)])
    transcript = transcriber.transcribe(wave)
    assert transcript.seconds == len(wave) / SAMPLE_RATE > LONGEST_SECONDS
    parts = [transcriber.decode(transcriber.hear(each), each.seconds)[0] for each in find_utterances([wave], 0.25)]
    assert len(parts) > 1
    pieces = [transcriber.bundle.tokenizer.piece(token) for part in parts for token in part.tokens]
    assert transcript.tokens == tuple(pieces)
    assert transcript.words


def test_an_utterance_is_heard_in_silence(tiny_bundle: Path, corpora: Path) -> None:
    """The silence is part of what the model hears, and not of how much text is allowed."""
    wave = spoken(corpora)[0]
    transcriber = Transcriber.from_bundle(tiny_bundle)
    graphs, bundle = Graphs(transcriber.bundle), transcriber.bundle
    bare = find_utterance(wave, 0.0)
    assert bare is not None
    margin = np.zeros(SAMPLE_RATE // 4, np.float32)
    heard = graphs.encode(np.concatenate([margin, bare.wave, margin]))
    best = beam(
        graphs.stepper(heard),
        width=bundle.decoding.width,
        max_tokens=math.ceil(15 * len(bare.wave) / SAMPLE_RATE),
        length_penalty=bundle.decoding.length_penalty,
        ctc_log_probs=heard.ctc_log_probs,
        ctc_weight=bundle.decoding.ctc_weight,
    )[0]
    found = transcriber.transcribe(wave)
    assert found.tokens == tuple(map(bundle.tokenizer.piece, best.tokens))
    assert found.seconds == len(wave) / SAMPLE_RATE
    none = replace(bundle, decoding=replace(bundle.decoding, margin_seconds=0.0))
    assert Transcriber(none).transcribe(wave) != found


def test_only_a_mono_float_wave_is_taken(tiny_bundle: Path) -> None:
    transcriber = Transcriber.from_bundle(tiny_bundle)
    for wrong in (np.zeros((2, 100), np.float32), np.zeros(100, np.float64)):
        with pytest.raises(AudioError, match="wanted"):
            transcriber.transcribe(wrong)  # type: ignore[arg-type]


def test_a_width_below_one_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(SettingsError, match="width"):
        Transcriber.from_bundle(tiny_bundle, width=0)


def test_words_take_their_weakest_piece(tiny: TinyModel) -> None:
    tokens = tuple(tiny.tokenizer.encode("show me jazz"))
    log_probs = [math.log(0.9)] * len(tokens) + [math.log(0.9)]
    log_probs[-2] = math.log(0.5)  # the last piece of the last word
    spans = [(place * 1600, place * 1600 + 800) for place in range(len(tokens))]
    heard = transcript_of(
        Hypothesis(tokens, tuple(log_probs), sum(log_probs), None, sum(log_probs), ended=True),
        tiny.tokenizer,
        spans,
        1.5,
    )
    assert heard.text == "show me jazz"
    assert [word.text for word in heard.words] == ["show", "me", "jazz"]
    assert [word.confidence for word in heard.words] == pytest.approx([0.9, 0.9, 0.5])
    # A word reaches from its first piece to its last, a segment from its first word to its last.
    firsts = [place for place, token in enumerate(tokens) if tiny.tokenizer.piece(token).startswith("\u2581")]
    assert [word.start for word in heard.words] == [spans[place][0] / SAMPLE_RATE for place in firsts]
    ends = [spans[place - 1][1] / SAMPLE_RATE for place in [*firsts[1:], len(spans)]]
    assert [word.end for word in heard.words] == ends
    (segment,) = heard.segments
    assert (segment.text, segment.start, segment.end) == (heard.text, 0.0, ends[-1])
    assert segment.words == heard.words
    expected = math.exp(sum(log_probs) / len(log_probs))
    assert heard.confidence == pytest.approx(expected)


def test_parts_join_by_their_tokens() -> None:
    first = Transcript(
        "a b",
        0.5,
        2.0,
        ("_a", "_b"),
        words := (Word("a", 0.5, 0.1, 0.2), Word("b", 0.5, 0.3, 0.4)),
        (TranscriptSegment("a b", 0.5, 0.1, 0.4, words),),
    )
    silent = Transcript("", 1.0, 1.0, (), (), ())
    joined = join([first, silent])
    assert joined.text == "a b"
    assert joined.seconds == 3.0
    assert joined.segments == first.segments
    assert joined.confidence == pytest.approx(0.5 ** (3 / 4))
