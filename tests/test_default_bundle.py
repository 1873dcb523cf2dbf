"""The bundle that ships: that it is whole, small, says where it comes from, and obeys the founding sentences."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from asr.audio.load import SAMPLE_RATE, load_audio
from asr.bundle import DEFAULT_BUNDLE, STAMP, read_bundle
from asr.data.manifests.manifest import read_manifest
from asr.data.synthetic.speaking import speak
from asr.data.synthetic.voices import find_voices, split_voices
from asr.evaluation.scoring import score
from asr.model.settings import ModelSettings
from asr.runtime.transcriber import Transcriber

ROOT = Path(__file__).resolve().parents[1]
FOUNDING = (ROOT / "recipes" / "commands" / "founding.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return Transcriber.from_bundle()


def test_it_is_whole_small_and_says_where_it_comes_from() -> None:
    bundle = read_bundle(DEFAULT_BUNDLE)
    assert sum(path.stat().st_size for path in DEFAULT_BUNDLE.iterdir()) <= 25_000_000
    assert bundle.provenance["commit"]
    assert "data/speech_commands" in bundle.provenance["config"]
    assert (DEFAULT_BUNDLE / "MODEL_CARD.md").is_file()


def test_its_recipe_makes_one_like_it() -> None:
    """So `further.yaml` can begin with its weights."""
    bundle = read_bundle(DEFAULT_BUNDLE)
    recipe = yaml.safe_load((ROOT / "recipes" / "commands" / "train.yaml").read_text(encoding="utf-8"))["model"]
    assert replace(bundle.features, **recipe["features"]) == bundle.features
    assert ModelSettings(**recipe["model"]) == ModelSettings.from_dict(dict(bundle.model))
    assert recipe["margin_seconds"] == bundle.decoding.margin_seconds


def test_its_recipe_searches_as_it_does() -> None:
    decoding = read_bundle(DEFAULT_BUNDLE).decoding
    script = (ROOT / "recipes" / "commands" / "run.sh").read_text(encoding="utf-8")
    searches = f"--beam {decoding.width} --ctc-weight {decoding.ctc_weight} --length-penalty {decoding.length_penalty}"
    assert f" {searches}\n" in script
    assert f"--weight {decoding.language_model_weight} " in script


def test_its_recipe_knows_the_lists_that_it_trains_on() -> None:
    """It leaves out of ``train.yaml`` what is not there, and so has to find the names in it."""
    folder = ROOT / "recipes" / "commands"
    script = (folder / "run.sh").read_text(encoding="utf-8")
    finds = re.findall(r"grep -o '([^']+)'", script)
    assert len(finds) == 1
    pattern = finds[0].replace(r"\(", "(").replace(r"\)", ")").replace(r"\?", "?")
    lines = [line for line in (folder / "train.yaml").read_text(encoding="utf-8").splitlines() if "- " in line]
    named = [each["manifest"] if isinstance(each, dict) else each for (each,) in map(yaml.safe_load, lines)]
    assert len(named) > 30
    assert [re.search(pattern, line)[0] for line in lines] == named  # type: ignore[index]
    phrases = [name.split("/")[1] for name in named if name.endswith("phrases_train.jsonl.gz")]
    (divided,) = re.findall(r"for name in (.*); do\n  if .*\n    asr data phrases", script)
    assert sorted(phrases) == sorted(divided.split())


def test_it_says_which_tokenizer_it_was_made_with() -> None:
    graph = onnx.load(DEFAULT_BUNDLE / "decoder.onnx", load_external_data=False)
    told = {entry.key: entry.value for entry in graph.metadata_props}
    assert told == {STAMP: read_bundle(DEFAULT_BUNDLE).tokenizer.digest}


@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0, 5.0])
def test_silence_is_an_empty_transcript(transcriber: Transcriber, seconds: float) -> None:
    assert transcriber.transcribe(np.zeros(int(seconds * SAMPLE_RATE), np.float32)).text == ""


def test_the_founding_sentences_in_voices_never_trained_on(transcriber: Transcriber) -> None:
    voices = split_voices(find_voices())["test"]
    if not voices:
        pytest.skip("no speech synthesiser is installed: apt-get install espeak-ng flite")
    plain = [voice for voice in voices if voice.engine == "flite"] + [v for v in voices if v.name.startswith("en-us+")]
    assert len(FOUNDING) == 8
    said = {f"{voice.name}: {sentence}": sentence for sentence in FOUNDING for voice in plain[:3]}
    heard = {
        f"{voice.name}: {sentence}": transcriber.transcribe(speak(sentence, voice)).text
        for sentence in FOUNDING
        for voice in plain[:3]
    }
    report = score(said, heard, normaliser=transcriber.bundle.normaliser, bootstrap=1)
    assert report.wer is not None
    assert report.wer.value <= 0.01
    assert report.sentence_accuracy.value >= 0.95


def test_people_are_understood_better_than_not(transcriber: Transcriber) -> None:
    """Real recordings of strangers: the samples, five of them of people who say words that were hardly trained on."""
    utterances = read_manifest(ROOT / "recipes" / "commands" / "samples" / "transcripts.tsv")
    heard = {u.id: transcriber.transcribe(load_audio(u.path)).text for u in utterances}
    said = {u.id: u.text for u in utterances}
    report = score(said, heard, normaliser=transcriber.bundle.normaliser, bootstrap=1)
    assert report.wer is not None
    assert report.wer.value < 0.25
