"""Piper's voices: most by a toy, with the inputs that Piper's graphs have and noise inside; at the end by real ones."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from test_synthesis import files, fundamental

from asr.data.synthetic import piper
from asr.data.synthetic.speaking import SpeechRequest, speak, speak_all
from asr.data.synthetic.synthesis import SynthesisPlan, synthesize
from asr.data.synthetic.voices import Voice, find_voices, split_of, split_voices, version_of, voices_of
from asr.errors import AudioError, SettingsError
from asr.runtime.transcriber import Transcriber

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="wants the Debian package espeak-ng")

SYMBOLS = {symbol: [number] for number, symbol in enumerate("_^$ ,.abdefhijklmnopstuvwzæðŋɐɑɒɔəɚɛɜɡɪɹʃʊʌʒˈˌːθ")}
SAID = {
    "audio": {"sample_rate": 22_050},
    "espeak": {"voice": "en-us"},
    "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
    "phoneme_type": "espeak",
    "phoneme_id_map": SYMBOLS,
    "num_speakers": 1,
    "speaker_id_map": {},
}


def toy(path: Path, *, speakers: int = 1) -> None:
    """A graph that makes 400 samples of each symbol, as loud as its number and its speaker's, and noise by scale."""
    floats, integers = TensorProto.FLOAT, TensorProto.INT64
    inputs = [
        helper.make_tensor_value_info("input", integers, [1, "n"]),
        helper.make_tensor_value_info("input_lengths", integers, [1]),
        helper.make_tensor_value_info("scales", floats, [3]),
    ]
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=floats),
        helper.make_node("Mul", ["numbers", "hundredth"], ["quiet"]),
        helper.make_node("Gather", ["scales", "one"], ["length"]),
        helper.make_node("Mul", ["length", "samples"], ["exact"]),
        helper.make_node("Cast", ["exact"], ["whole"], to=integers),
        helper.make_node("Transpose", ["quiet"], ["column"], perm=[1, 0]),
        helper.make_node("Concat", ["rows", "whole"], ["times"], axis=0),
        helper.make_node("Tile", ["column", "times"], ["tiled"]),
        helper.make_node("RandomNormalLike", ["tiled"], ["random"]),
        helper.make_node("Gather", ["scales", "zero"], ["scale"]),
        helper.make_node("Mul", ["random", "scale"], ["noise"]),
        helper.make_node("Add", ["tiled", "noise"], ["mono"]),
    ]
    constants = [
        helper.make_tensor("hundredth", floats, [], [0.01]),
        helper.make_tensor("samples", floats, [1], [400.0]),
        helper.make_tensor("one", integers, [1], [1]),
        helper.make_tensor("zero", integers, [1], [0]),
        helper.make_tensor("rows", integers, [1], [1]),
        helper.make_tensor("flat", integers, [4], [1, 1, 1, -1]),
    ]
    last = "mono"
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", integers, [1]))
        nodes += [
            helper.make_node("Cast", ["sid"], ["who"], to=floats),
            helper.make_node("Mul", ["who", "hundredth"], ["louder"]),
            helper.make_node("Add", ["mono", "louder"], ["voiced"]),
        ]
        last = "voiced"
    nodes.append(helper.make_node("Reshape", [last, "flat"], ["output"]))
    output = helper.make_tensor_value_info("output", floats, [1, 1, 1, "t"])
    graph = helper.make_graph(nodes, "toy", inputs, [output], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)


class NotingGraph:
    """In place of a voice's graph: notes what it is given to say."""

    def __init__(self) -> None:
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, _outputs: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The same sound whatever is asked for."""
        self.given.append(inputs)
        return [np.ones((1, 1, 1, 5000), np.float32)]

    def get_inputs(self) -> list[onnx.ValueInfoProto]:
        """What noise_from_outside adds."""
        return [helper.make_tensor_value_info(piper._NOISE, TensorProto.FLOAT, ["drawn"])]


def write_voice(folder: Path, name: str, *, speakers: int = 1, **changes: Any) -> None:
    toy(folder / f"{name}.onnx", speakers=speakers)
    (folder / f"{name}.onnx.json").write_text(json.dumps(SAID | {"num_speakers": speakers} | changes))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the person's own, empty."""
    monkeypatch.setenv("ASR_PIPER", str(tmp_path))
    voices_of.cache_clear()
    yield tmp_path
    voices_of.cache_clear()


def test_voices_are_those_of_the_folder_that_speak_english(folder: Path) -> None:
    write_voice(folder, "en_GB-own-medium")
    write_voice(folder, "de_DE-own-low", espeak={"voice": "de"})
    write_voice(folder, "en_US-arctic-medium", speakers=2, speaker_id_map={"rms": 0, "ksp": 1})
    names = ("en_GB-own-medium", "en_US-arctic-medium:ksp", "en_US-arctic-medium:rms")
    found = find_voices(("piper",))
    assert tuple(voice.name for voice in found) == names
    assert [voice.speaker for voice in found] == ["en_GB-own-medium", "ksp", "rms"]
    assert [split_of(voice) for voice in found] == ["train", "train", "dev"], "rms is held out, whoever speaks"
    assert not any(voice.has_pitch for voice in found)


def test_the_symbols_go_in_as_piper_sends_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin, a pad, each symbol with a pad after it, and the end."""
    write_voice(folder, "en_US-own-low", inference={"length_scale": 1.5})
    graph = NotingGraph()
    monkeypatch.setattr(piper, "_graph", lambda path: graph)
    samples, sample_rate = piper.speak("see", "en_US-own-low", 1.25, 1.0)
    (given,) = graph.given
    assert (samples.size, sample_rate) == (5000, 22_050)
    assert given["input"].tolist() == [[SYMBOLS[symbol][0] for symbol in "^_s_ˈ_i_ː_$"]]
    assert given["input_lengths"].tolist() == [11]
    assert given["scales"].tolist() == pytest.approx([0.667, 1.2, 0.8])
    assert given[piper._NOISE].std() == pytest.approx(1, abs=0.02)
    assert set(given) == {"input", "input_lengths", "scales", piper._NOISE}


def test_the_same_is_spoken_the_same_whatever_came_before(folder: Path) -> None:
    write_voice(folder, "en_US-own-low")
    voice = Voice("piper", "en_US-own-low")
    takes = [
        SpeechRequest(text, voice, rate)
        for text, rate in (("stop it", 1.0), ("go on", 1.2), ("...", 1.0), ("stop it", 1.0))
    ]
    first, second, nothing, again = speak_all(takes)
    assert isinstance(nothing, AudioError)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_another_text_speaker_or_rate_has_another_noise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_voice(folder, "en_US-two-low", speakers=2, speaker_id_map={"p1": 0, "p2": 1})
    graph = NotingGraph()
    monkeypatch.setattr(piper, "_graph", lambda path: graph)
    for text, speaker, rate in (("see", "p1", 1.0), ("she", "p1", 1.0), ("see", "p2", 1.0), ("see", "p1", 1.1)):
        piper.speak(text, f"en_US-two-low:{speaker}", rate, 1.0)
    noises = [inputs[piper._NOISE][:1000] for inputs in graph.given]
    assert np.abs(np.corrcoef(noises) - np.eye(4)).max() < 0.15


def test_noise_from_outside_is_what_the_graph_drew(folder: Path) -> None:
    """By its scale and as far as it goes, then from its beginning; and nothing else of the graph changes."""
    write_voice(folder, "en_US-own-low")
    graph = (folder / "en_US-own-low.onnx").read_bytes()
    changed = onnxruntime.InferenceSession(piper.noise_from_outside(graph))
    given = {"input": np.full((1, 9), 5), "input_lengths": np.array([9])}
    noise = np.arange(1, 8, dtype=np.float32)

    def wave(session: onnxruntime.InferenceSession, scale: float, drawn: np.ndarray | None = None) -> np.ndarray:
        more = {} if drawn is None else {piper._NOISE: drawn}
        return np.ravel(session.run(None, {**given, "scales": np.array([scale, 1, 0.8], np.float32), **more})[0])

    before = onnxruntime.InferenceSession(graph)
    assert not np.array_equal(wave(before, 0.5), wave(before, 0.5)), "the toy draws as Piper's graphs do"
    plain = wave(before, 0)
    assert np.array_equal(wave(changed, 0, noise), plain)
    assert wave(changed, 0.5, noise) - plain == pytest.approx(0.5 * np.resize(noise, plain.size), abs=1e-5)
    assert piper.noise_from_outside(changed_graph := piper.noise_from_outside(graph)) == changed_graph


def test_rate_and_formants_are_obeyed_and_each_speaker_is_one(folder: Path) -> None:
    write_voice(folder, "en_US-two-low", speakers=2, speaker_id_map={"p1": 0, "p2": 20})
    one, two = (Voice("piper", f"en_US-two-low:{name}") for name in ("p1", "p2"))
    plain = speak("find my files", one)
    assert len(speak("find my files", one, rate=2.0)) == pytest.approx(len(plain) / 2, rel=0.15)
    assert len(speak("find my files", one, formants=1.25, pitch=1.25)) == pytest.approx(len(plain), rel=0.1)
    assert speak("find my files", two).mean() > plain.mean() + 0.1
    with pytest.raises(SettingsError, match="pitch of its own"):
        SpeechRequest("stop", one, pitch=1.2)


def test_another_file_is_another_version(folder: Path) -> None:
    write_voice(folder, "en_US-own-low")
    before = version_of("piper")
    write_voice(folder, "en_US-own-low", inference={"length_scale": 1.1})
    assert version_of("piper") != before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"phoneme_id_map": None}, "phoneme_id_map"),
        ({"espeak": {}}, "'voice'"),
        ({"audio": {"sample_rate": 1}}, "1 Hz"),
        ({"phoneme_id_map": {"a": [1]}}, "'\\^'"),
        ({"phoneme_type": "text"}, "text"),
        ({"inference": {"length_scale": 1e9}}, "length scale"),
        ({"inference": {"noise_scale": -0.1}}, "noise_scale -0.1"),
        ({"inference": {"noise_w": 1e3}}, "noise_w 1000"),
    ],
)
def test_what_piper_did_not_write_is_refused_by_name(folder: Path, changes: dict[str, Any], named: str) -> None:
    write_voice(folder, "en_US-own-low", **changes)
    with pytest.raises(SettingsError, match=rf"en_US-own-low\.onnx\.json: .*{named}"):
        find_voices(("piper",))


def test_a_graph_that_is_none_and_one_of_another_kind_are_named(folder: Path) -> None:
    write_voice(folder, "en_US-broken-low")
    (folder / "en_US-broken-low.onnx").write_bytes(b"nothing")
    write_voice(folder, "en_US-other-low")
    toy(folder / "en_US-other-low.onnx", speakers=2)
    with pytest.raises(SettingsError, match=r"broken.*no graph"):
        speak("stop", Voice("piper", "en_US-broken-low"))
    with pytest.raises(SettingsError, match=r"other.*cannot be run"):
        speak("stop", Voice("piper", "en_US-other-low"))


def test_without_a_folder_it_says_where_to_put_voices(folder: Path) -> None:
    with pytest.raises(SettingsError, match=rf"no voice of piper.*fetch piper.*\.onnx\.json .*{folder}"):
        find_voices(("piper",))


def test_without_onnx_it_says_what_brings_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_voice(folder, "en_US-own-low")
    monkeypatch.setattr(piper, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"no voice of piper.*the package onnx: pip install '\.\[voices\]'"):
        find_voices(("piper",))


# The readers of LibriTTS-R, for real


@pytest.mark.slow
def test_the_readers_are_904_people_of_whom_sixty_are_held_out(readers: Path) -> None:
    splits = split_voices(find_voices(("piper",)))
    assert {split: len(voices) for split, voices in splits.items()} == {"train": 844, "dev": 30, "test": 30}
    speakers = [{voice.speaker for voice in voices} for voices in splits.values()]
    assert len(set.union(*speakers)) == 904
    assert f"{piper.LIBRITTS}:r10" in speakers[1]
    assert f"{piper.LIBRITTS}:r25" in speakers[2]


@pytest.mark.slow
def test_a_reader_is_understood_and_sounds_like_one_person(readers: Path) -> None:
    """Readers held out from training say what they are asked to, and differ in pitch more than one of them varies."""
    texts = ("check whether the program ran please", "show me my photos please")
    voices = [Voice("piper", f"{piper.LIBRITTS}:r{number}") for number in range(25, 265, 30)]
    transcriber = Transcriber.from_bundle()
    pitches = []
    for voice in voices:
        waves = [speak(text, voice) for text in texts]
        pitches.append([fundamental(wave) for wave in waves])
        assert [transcriber.transcribe(wave).text for wave in waves] == list(texts), voice.name
    low, high = np.log(pitches).mean(1).min(), np.log(pitches).mean(1).max()
    assert high - low > 0.4, "men and women are among them"
    assert np.ptp(np.log(pitches), axis=1).mean() < 0.5 * (high - low)


@pytest.mark.slow
def test_shards_of_readers_are_the_same_by_two_processes(readers: Path, tmp_path: Path) -> None:
    voices = split_voices(find_voices(("piper",)))["train"]
    plan = SynthesisPlan(("stop", "go on"), voices, seed=1, utterances=3, shard=2)
    synthesize(plan, tmp_path / "one")
    synthesize(plan, tmp_path / "two", jobs=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
