"""`asr export`: a run's last checkpoints, averaged, become a bundle that needs no torch."""

import json
import logging
import struct
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from asr.audio.features import FeatureSettings
from asr.audio.mfcc import Mfcc, MfccGraph
from asr.bundle import (
    DECODER,
    ENCODER,
    STAMP,
    TOKENIZER,
    WEIGHTS,
    Bundle,
    DecodingSettings,
    cannot_write,
    write_bundle,
    write_language_model,
)
from asr.errors import AsrError, BundleError, SettingsError
from asr.files import folder_for
from asr.model.seq2seq import Seq2Seq
from asr.model.settings import ModelSettings
from asr.search.language_model import LanguageModel
from asr.text.normaliser import Normaliser
from asr.text.tokenizer import Tokenizer
from asr.training.checkpoints import CHECKPOINTS, read_checkpoint

_OPSET = 18
_PREFIX = "model."  # of the model's weights among a checkpoint's


class EncoderGraph(nn.Module):
    """Wave (1, N) → the memory's keys and values for each decoder layer (L, 1, H, S, D/H), CTC (1, S, V)."""

    def __init__(self, model: Seq2Seq, features: FeatureSettings) -> None:
        super().__init__()
        self.mfcc = MfccGraph(Mfcc(features))
        self.model = model

    def forward(self, wave: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One utterance has no padding, so the graph needs no lengths."""
        encoded = self.model.encode(self.mfcc(wave))
        keys, values = self.model.decoder.cross_keys_values(encoded.memory)
        return torch.stack(keys), torch.stack(values), encoded.ctc_log_probs


class DecoderGraph(nn.Module):
    """One step: tokens (K, 1) and the past (L, K, H, P, D/H) → log-probabilities (K, V) and the grown past."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: Tensor, past_keys: Tensor, past_values: Tensor, memory_keys: Tensor, memory_values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All K rows look at the one memory (L, 1, H, S, D/H)."""
        rows = tokens.shape[0]
        memory = (memory_keys.expand(-1, rows, -1, -1, -1), memory_values.expand(-1, rows, -1, -1, -1))
        logits, (keys, values) = self.model.decoder(tokens, (past_keys, past_values), memory)
        return logits[:, -1].log_softmax(dim=-1), torch.stack(keys), torch.stack(values)


def export_run(
    run: Path,
    out: Path,
    *,
    average: int = 5,
    half: bool = True,
    decoding: DecodingSettings | None = None,
    provenance: Mapping[str, Any] | None = None,
    language_model: LanguageModel | None = None,
) -> Path:
    """Write the bundle of a run's last ``average`` checkpoints, weights in half precision unless ``half`` is off.

    Averaging the weights of the last checkpoints: section 6.1 of "Attention Is All You Need". Half precision halves
    the file; the arithmetic stays single. ``provenance`` is added to what is known of the run, or takes its place.
    A ``language_model`` of the run's tokenizer goes along.
    Raises BundleError for a run without checkpoints.
    """
    paths = last_checkpoints(run, average)
    try:
        checkpoints = [read_checkpoint(path) for path in paths]
    except SettingsError as error:
        raise BundleError(str(error)) from error
    plain = checkpoints[-1]["asr"]
    try:
        features, settings = FeatureSettings.from_dict(plain["features"]), ModelSettings.from_dict(plain["model"])
        normaliser, margin = Normaliser.from_dict(plain["normaliser"]), plain["margin_seconds"]
        tokenizer = Tokenizer(plain["tokenizer"], name=str(paths[-1]))
        model = Seq2Seq(settings, features.dimension, tokenizer.vocabulary).eval()
        chosen = replace(decoding or DecodingSettings(), margin_seconds=margin)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, SettingsError) as error:
        reason = f"no checkpoint of `asr train`, or not of this version ({_reason(error)})"
        raise BundleError(f"{paths[-1]}: {reason}; give the folder of a run") from error
    try:
        weights = average_weights([checkpoint["state_dict"] for checkpoint in checkpoints])
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        if len(paths) > 1:
            raise BundleError(f"{paths[0].parent}: its checkpoints are of different models; average fewer") from error
        raise BundleError(f"{paths[0]}: found no weights ({_reason(error)}); train again") from error
    if half:
        weights = {name: weight.half() for name, weight in weights.items()}
    try:
        model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    except RuntimeError as error:
        raise BundleError(
            f"{paths[-1]}: its weights do not fit its own settings ({_reason(error)}); train again"
        ) from error
    bundle = Bundle(
        folder=out,
        features=features,
        model=settings.to_dict(),
        normaliser=normaliser,
        tokenizer=tokenizer,
        decoding=chosen,
        provenance={
            "checkpoints": [path.name for path in paths],
            "updates": checkpoints[-1]["global_step"],
            "parameters": sum(weight.numel() for weight in weights.values()),
            "config": _text(newest(run.glob("tensorboard/*/config.yaml"))),
            "commit": _commit(),
            "asr": version("asr"),
            "torch": torch.__version__,
            **(provenance or {}),
        },
        language_model=language_model,
    )
    try:
        with folder_for(out) as made:
            stored = {name: weight.contiguous() for name, weight in weights.items()}
            save_file(stored, made / WEIGHTS, metadata={STAMP: tokenizer.digest})
            (made / TOKENIZER).write_bytes(tokenizer.model)
            if language_model is not None:
                write_language_model(language_model, made, tokenizer)
            write_graphs(model, features, made, tokenizer)
            made.chmod(0o755)
            for file in made.iterdir():
                file.chmod(0o644)
            write_bundle(bundle, made)
    except OSError as error:
        raise BundleError(cannot_write(out, error)) from error
    except SafetensorError as error:  # of what the system said it keeps only the words
        raise BundleError(
            f"{out}: the weights cannot be written ({error}); make room, or name another folder"
        ) from error
    return out


def _reason(error: Exception) -> str:
    """The last line of what an error says; torch's begin with a heading."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


def last_checkpoints(run: Path, count: int) -> list[Path]:
    """The run's last checkpoints, oldest first. Raises BundleError where there is none."""
    if count < 1:
        raise BundleError(f"{run}: asked for the last {count} checkpoints; wanted at least 1")
    found = sorted((run / CHECKPOINTS).glob("step=*.ckpt"), key=lambda path: int(path.stem.partition("=")[2]))
    if not found:
        raise BundleError(f"{run}: no checkpoints in its folder {CHECKPOINTS}; give the folder of an `asr train --run`")
    return found[-count:]


def average_weights(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the model's weights over state dicts of the training module; other entries are left out."""
    names = [name for name in states[-1] if name.startswith(_PREFIX)]
    return {name.removeprefix(_PREFIX): torch.stack([s[name].float() for s in states]).mean(dim=0) for name in names}


def write_graphs(model: Seq2Seq, features: FeatureSettings, folder: Path, tokenizer: Tokenizer) -> None:
    """Write both ONNX graphs into a folder that holds the weights; they point into that file, so there is one copy.

    Both are stamped with the tokenizer whose tokens they speak of.
    """
    s = model.settings
    width = (s.decoder_layers, 2, s.heads, 3, s.d_model // s.heads)
    free = torch.export.Dim.DYNAMIC
    grown, memory = {1: free, 3: free}, {3: free}
    _write_graph(
        EncoderGraph(model, features).eval(),
        (torch.randn(1, features.sample_rate) * 0.1,),
        folder / ENCODER,
        ["wave"],
        ["memory_keys", "memory_values", "ctc_log_probs"],
        {"wave": {1: free}},
        tokenizer.digest,
    )
    _write_graph(
        DecoderGraph(model).eval(),
        (
            torch.full((2, 1), 5),
            torch.randn(width),
            torch.randn(width),
            torch.randn(s.decoder_layers, 1, s.heads, 7, s.d_model // s.heads),
            torch.randn(s.decoder_layers, 1, s.heads, 7, s.d_model // s.heads),
        ),
        folder / DECODER,
        ["tokens", "past_keys", "past_values", "memory_keys", "memory_values"],
        ["log_probs", "keys", "values"],
        {
            "tokens": {0: free},
            "past_keys": grown,
            "past_values": grown,
            "memory_keys": memory,
            "memory_values": memory,
        },
        tokenizer.digest,
    )


def _write_graph(
    graph: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    dynamic: dict[str, dict[int, Any]],
    stamp: str,
) -> None:
    # The exporter warns of its own library's future, and that torchvision is absent: nothing a person could mend.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(
            graph,
            example,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=dynamic,
            opset_version=_OPSET,
            dynamo=True,
            # The optimiser would fold transposed copies of the weights into the graph; onnxruntime does so on loading.
            optimize=False,
            verbose=False,
        )
    if program is None:
        raise AsrError(f"{path.name}: torch exported no graph")
    proto = program.model_proto
    _point_into_weights(proto, path.with_name(WEIGHTS))
    for node in proto.graph.node:
        node.ClearField("metadata_props")  # stack traces of this machine
        node.ClearField("doc_string")
    proto.metadata_props.add(key=STAMP, value=stamp)
    onnx.save_model(proto, path)


def _point_into_weights(proto: onnx.ModelProto, weights: Path) -> None:
    """Replace the model's weights in the graph by references into the safetensors file, and casts to single."""
    with weights.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    types = {"F16": onnx.TensorProto.FLOAT16, "F32": onnx.TensorProto.FLOAT}
    casts = []
    for tensor in proto.graph.initializer:
        stored = header.get(tensor.name.removeprefix(_PREFIX))
        if stored is None or list(tensor.dims) != stored["shape"]:
            continue
        begin, end = stored["data_offsets"]
        single = tensor.name
        tensor.Clear()
        tensor.name = single if stored["dtype"] == "F32" else f"{single}.stored"
        tensor.data_type = types[stored["dtype"]]
        tensor.dims.extend(stored["shape"])
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", weights.name), ("offset", 8 + size + begin), ("length", end - begin)):
            tensor.external_data.add(key=key, value=str(value))
        if tensor.name != single:
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [single], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(proto.graph.node)
    proto.graph.ClearField("node")
    proto.graph.node.extend(nodes)


def newest(paths: Any) -> Path | None:
    """The file written last."""
    return max(paths, key=lambda path: path.stat().st_mtime, default=None)


def _text(path: Path | None) -> str | None:
    return path.read_text(encoding="utf-8") if path else None


def _commit() -> str | None:
    """The commit of the checkout this runs in, if it is one."""
    try:
        shown = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return shown.stdout.strip()
