"""Piper: a person's own voices, the engine of Home Assistant. Each is a graph, ``NAME.onnx``, and ``NAME.onnx.json``.

A graph takes the numbers of a text's symbols, their count, three scales (noise, length, noise of the lengths) and,
where it has several voices, the number of one. The noise, without which speech is flat, is drawn inside of the graph by
a generator that goes on from text to text and that nothing outside can set back. So the nodes that draw it are replaced
by an input, and a text is spoken the same whatever was spoken before.
"""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from asr.data.manifests.bounded import parse_json
from asr.data.synthetic import phonemes
from asr.data.synthetic.accents import ACCENTS, accented
from asr.data.synthetic.engines import engine_version
from asr.data.synthetic.voice_graphs import Sound, load_graph, runtime_version, sha256_of, sound_of
from asr.data.synthetic.voice_store import piper_folder
from asr.errors import AudioError, SettingsError

if TYPE_CHECKING:
    import onnxruntime

FETCH: Final = "asr voices fetch piper"
LIBRITTS: Final = "en_US-libritts_r-medium"
"""What `asr voices fetch piper` brings: voices of readers of LibriTTS-R (Koizumi et al. 2023)."""

LIBRITTS_READERS: Final = tuple(f"r{number}" for number in range(904))
"""By their numbers in the graph; another list than this one may call them otherwise."""

_BEGIN, _PAD, _END = "^", "_", "$"
_ACCENT: Final = "~"
_LONGEST_TEXT: Final = 2000  # symbols; more takes gigabytes
_DRAWS, _NOISE = "RandomNormalLike", "noise_from_outside"
_DRAWN: Final = 1 << 18  # numbers, as many as some 16 seconds take


@dataclass(frozen=True)
class PiperModel:
    """What the JSON beside a graph says of it.

    ``symbols`` are numbers by symbol, ``length_scale`` is that of the voice's own speed, ``noise_scale`` and
    ``noise_w`` how freely it speaks and how freely it lengthens, ``speakers`` are numbers by name, and empty for one
    voice.
    """

    graph: Path
    espeak_voice: str
    symbols: Mapping[str, tuple[int, ...]]
    sample_rate: int
    length_scale: float
    noise_scale: float
    noise_w: float
    speakers: Mapping[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """The voices: the file's name, with a colon and the speaker's where there are several."""
        stem = self.graph.name.removesuffix(".onnx")
        return tuple(f"{stem}:{speaker}" for speaker in self.speakers) if self.speakers else (stem,)


def names() -> tuple[str, ...]:
    """The English voices in the folder. Raises SettingsError, which names a file that is not as Piper writes it."""
    return tuple(_models()) if find_spec("onnx") and phonemes.available() else ()


def missing() -> str:
    """What is wanted before it can speak, and how to get it; nothing where it can."""
    if find_spec("onnx") is None:
        return "the package onnx: pip install '.[voices]'"
    if not phonemes.available():
        return "espeak-ng, which tells how words are pronounced: apt-get install espeak-ng"
    return "" if _models() else f"voices: {FETCH}, or NAME.onnx and NAME.onnx.json of your own in {piper_folder()}"


def version() -> str:
    """A digest of all voices, and what they depend on."""
    files = sorted({model.graph for model in _models().values()})
    digest = hashlib.sha256("".join(sha256_of(each) + sha256_of(_described(each)) for each in files).encode())
    return f"{digest.hexdigest()[:16]}, espeak-ng {engine_version('espeak-ng')}, {runtime_version()}"


def with_accent(name: str, accent: str) -> str:
    """The name of a voice that speaks with one of ``ACCENTS``."""
    return f"{name}{_ACCENT}{accent}"


def parts_of(name: str) -> tuple[str, str]:
    """The voice that a name stands for, and its accent, which is empty where it speaks as it was taught to."""
    voice, _, accent = name.rpartition(_ACCENT)
    return (voice, accent) if accent in ACCENTS else (name, "")


def takes_accents(name: str) -> bool:
    """Whether a voice speaks with accents: the readers do, a voice of one's own stays as it is."""
    return name.startswith(f"{LIBRITTS}:")


def person_of(name: str) -> str:
    """Whom one hears. The speakers of the CMU Arctic recordings are those of other synthesisers."""
    name, _ = parts_of(name)
    stem, _, speaker = name.partition(":")
    return speaker if speaker and "arctic" in stem else name


def speak(text: str, name: str, rate: float, pitch: float) -> Sound:
    """The text by a voice; ``rate`` is 1 for its own speed, and so is ``pitch``, which cannot be moved.

    Raises SettingsError for a graph that is not one of Piper's, AudioError for a text that is too long.
    """
    voice, accent = parts_of(name)
    model = _models()[voice]
    symbols = [each for each in _sounds(text, model, f"{text}\t{name}", accent) if each in model.symbols]
    if not any(map(str.isalpha, symbols)):
        return np.zeros(0, np.int16), model.sample_rate
    if len(symbols) > _LONGEST_TEXT:
        raise AudioError(f"piper: found {len(symbols)} sounds in {text[:40]!r}..., wanted at most {_LONGEST_TEXT}")
    numbers = list(model.symbols[_BEGIN])
    for each in (_PAD, *(one for symbol in symbols for one in (symbol, _PAD)), _END):
        numbers += model.symbols[each]
    inputs: dict[str, Any] = {
        "input": np.array([numbers], np.int64),
        "input_lengths": np.array([len(numbers)], np.int64),
        "scales": np.array([model.noise_scale, model.length_scale / rate, model.noise_w], np.float32),
    }
    if model.speakers:
        inputs["sid"] = np.array([model.speakers[voice.partition(":")[2]]], np.int64)
    try:
        graph = _graph(model.graph)
        if _NOISE in {each.name for each in graph.get_inputs()}:
            inputs[_NOISE] = _noise(f"{text}\t{name}\t{rate}")
        wave = graph.run(None, inputs)[0]
    except SettingsError:
        raise
    except Exception as error:  # onnxruntime's own have no class in common
        reason = " ".join(str(error).split())
        raise SettingsError(f"{model.graph}: cannot be run as Piper's are ({reason}); remove it") from error
    return sound_of(np.ravel(wave).astype(np.float32), model.sample_rate)


def _sounds(text: str, model: PiperModel, key: str, accent: str) -> str:
    """How it is said; with an accent more or less so, which is the same for the same key."""
    if not accent:
        return phonemes.piper_symbols(text, model.espeak_voice)
    manner = ACCENTS[accent]
    return accented(phonemes.piper_symbols(text, manner.voice or model.espeak_voice), manner, random.Random(key))


@cache
def _graph(path: Path) -> "onnxruntime.InferenceSession":
    return load_graph(path, noise_from_outside)


def _noise(key: str) -> NDArray[np.float32]:
    """The same for the same key."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal(_DRAWN, np.float32)


def noise_from_outside(graph: bytes) -> bytes:
    """The graph with an input ``noise_from_outside`` (N,) in place of what draws.

    Where more is wanted than N, it goes on at the beginning. A graph that draws nothing stays as it is. Of bytes that
    are no graph it raises what protobuf does.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_model_from_string(graph)
    if not any(node.op_type == _DRAWS for node in model.graph.node):
        return graph
    nodes = []
    for node in model.graph.node:
        if node.op_type != _DRAWS:
            nodes.append(node)
            continue
        (like,), (drawn,) = node.input, node.output
        shape, size, length, count, place, flat = (
            f"{drawn}/{each}" for each in ("shape", "size", "length", "count", "place", "flat")
        )
        nodes += [
            helper.make_node("Shape", [like], [shape]),
            helper.make_node("Size", [like], [size]),
            helper.make_node("Size", [_NOISE], [length]),
            helper.make_node("Range", [f"{_NOISE}/0", size, f"{_NOISE}/1"], [count]),
            helper.make_node("Mod", [count, length], [place]),
            helper.make_node("Gather", [_NOISE, place], [flat]),
            helper.make_node("Reshape", [flat, shape], [drawn]),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.input.append(helper.make_tensor_value_info(_NOISE, TensorProto.FLOAT, ["drawn"]))
    model.graph.initializer.extend(
        helper.make_tensor(f"{_NOISE}/{value}", TensorProto.INT64, [], [value]) for value in (0, 1)
    )
    changed: bytes = model.SerializeToString()
    return changed


def _models() -> dict[str, PiperModel]:
    folder = piper_folder()
    return _models_in(folder, tuple(sorted(folder.glob("*.onnx"))))


@cache
def _models_in(folder: Path, graphs: tuple[Path, ...]) -> dict[str, PiperModel]:
    """The English voices by name."""
    models = [_read(graph) for graph in graphs]
    return {name: model for model in models if model.espeak_voice.startswith("en") for name in model.names}


def _described(graph: Path) -> Path:
    return graph.with_name(f"{graph.name}.json")


def _read(graph: Path) -> PiperModel:
    path = _described(graph)
    try:
        said = parse_json(path.read_text(encoding="utf-8"))
        several = int(said.get("num_speakers", 1)) > 1
        inference = said.get("inference", {})
        model = PiperModel(
            graph,
            str(said["espeak"]["voice"]),
            {str(symbol): tuple(map(int, numbers)) for symbol, numbers in said["phoneme_id_map"].items()},
            int(said["audio"]["sample_rate"]),
            float(inference.get("length_scale", 1.0)),
            float(inference.get("noise_scale", 0.667)),
            float(inference.get("noise_w", 0.8)),
            {str(name): int(number) for name, number in said["speaker_id_map"].items()} if several else {},
        )
        if said.get("phoneme_type", "espeak") != "espeak":
            raise ValueError(f"phoneme_type {said['phoneme_type']!r}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        found = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise SettingsError(
            f"{path}: found {found}, wanted what Piper writes beside a voice: phoneme_id_map, espeak.voice, "
            "audio.sample_rate; mend it, or remove the voice"
        ) from error
    if not 8_000 <= model.sample_rate <= 48_000 or not 0.1 <= model.length_scale <= 10:
        raise SettingsError(
            f"{path}: found {model.sample_rate} Hz and the length scale {model.length_scale:g}, wanted 8000 to 48000 "
            "and 0.1 to 10; mend it, or remove the voice"
        )
    if not all(0 <= noise <= 2 for noise in (model.noise_scale, model.noise_w)):
        raise SettingsError(
            f"{path}: found the noise_scale {model.noise_scale:g} and the noise_w {model.noise_w:g}, wanted 0 to 2 for "
            "both; mend it, or remove the voice"
        )
    if lacking := [symbol for symbol in (_BEGIN, _PAD, _END) if not model.symbols.get(symbol)]:
        raise SettingsError(f"{path}: found no number for {lacking[0]!r} in phoneme_id_map; get the file anew")
    return model
