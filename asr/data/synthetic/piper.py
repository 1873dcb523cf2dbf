"""Piper: a person's own voices, the engine of Home Assistant. Each is a graph, ``NAME.onnx``, and ``NAME.onnx.json``.

A graph takes the numbers of a text's symbols, their count, three scales (noise, length, noise of the lengths) and,
where it has several voices, the number of one. The noise is drawn inside of the graph, by a generator that goes on from
text to text and that nothing outside can set back; so both noises are 0. A text is then spoken the same whatever was
spoken before, a little flatter than with noise.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asr.data.manifests.bounded import parse_json
from asr.data.synthetic import phonemes
from asr.data.synthetic.engines import engine_version
from asr.data.synthetic.voice_graphs import Sound, load_graph, runtime_version, sha256_of, sound_of
from asr.data.synthetic.voice_store import piper_folder
from asr.errors import AudioError, SettingsError

if TYPE_CHECKING:
    import onnxruntime

_BEGIN, _PAD, _END = "^", "_", "$"
_LONGEST_TEXT: Final = 2000  # symbols; more takes gigabytes


@dataclass(frozen=True)
class PiperModel:
    """What the JSON beside a graph says of it.

    ``symbols`` are numbers by symbol, ``length_scale`` is that of the voice's own speed, ``speakers`` are numbers by
    name, and empty for one voice.
    """

    graph: Path
    espeak_voice: str
    symbols: Mapping[str, tuple[int, ...]]
    sample_rate: int
    length_scale: float
    speakers: Mapping[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """The voices: the file's name, with a colon and the speaker's where there are several."""
        stem = self.graph.name.removesuffix(".onnx")
        return tuple(f"{stem}:{speaker}" for speaker in self.speakers) if self.speakers else (stem,)


def names() -> tuple[str, ...]:
    """The English voices in the folder. Raises SettingsError, which names a file that is not as Piper writes it."""
    return tuple(_models()) if phonemes.available() else ()


def missing() -> str:
    """What is wanted before it can speak, and how to get it; nothing where it can."""
    if not phonemes.available():
        return "espeak-ng, which tells how words are pronounced: apt-get install espeak-ng"
    return "" if _models() else f"voices of your own: put NAME.onnx and NAME.onnx.json of each into {piper_folder()}"


def version() -> str:
    """A digest of all voices, and what they depend on."""
    files = sorted({model.graph for model in _models().values()})
    digest = hashlib.sha256("".join(sha256_of(each) + sha256_of(_described(each)) for each in files).encode())
    return f"{digest.hexdigest()[:16]}, espeak-ng {engine_version('espeak-ng')}, {runtime_version()}"


def person_of(name: str) -> str:
    """Whom one hears. The speakers of the CMU Arctic recordings are those of other synthesisers."""
    stem, _, speaker = name.partition(":")
    return speaker if speaker and "arctic" in stem else name


def speak(text: str, name: str, rate: float, pitch: float) -> Sound:
    """The text by a voice; ``rate`` is 1 for its own speed, and so is ``pitch``, which cannot be moved.

    Raises SettingsError for a graph that is not one of Piper's, AudioError for a text that is too long.
    """
    model = _models()[name]
    symbols = [each for each in phonemes.piper_symbols(text, model.espeak_voice) if each in model.symbols]
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
        "scales": np.array([0, model.length_scale / rate, 0], np.float32),
    }
    if model.speakers:
        inputs["sid"] = np.array([model.speakers[name.partition(":")[2]]], np.int64)
    try:
        wave = _graph(model.graph).run(None, inputs)[0]
    except SettingsError:
        raise
    except Exception as error:  # onnxruntime's own have no class in common
        reason = " ".join(str(error).split())
        raise SettingsError(f"{model.graph}: cannot be run as Piper's are ({reason}); remove it") from error
    return sound_of(np.ravel(wave).astype(np.float32), model.sample_rate)


@cache
def _graph(path: Path) -> "onnxruntime.InferenceSession":
    return load_graph(path)


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
        model = PiperModel(
            graph,
            str(said["espeak"]["voice"]),
            {str(symbol): tuple(map(int, numbers)) for symbol, numbers in said["phoneme_id_map"].items()},
            int(said["audio"]["sample_rate"]),
            float(said.get("inference", {}).get("length_scale", 1.0)),
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
    if lacking := [symbol for symbol in (_BEGIN, _PAD, _END) if not model.symbols.get(symbol)]:
        raise SettingsError(f"{path}: found no number for {lacking[0]!r} in phoneme_id_map; get the file anew")
    return model
