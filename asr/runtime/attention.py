"""Where encoder and decoder look: the weights of attention, which the graphs compute and do not give.

A message of protobuf that is appended to another is merged into it, so one more output is a few bytes behind the graph.
The outputs are those of the softmaxes among the nodes: in the encoder one a layer, in the decoder the last for its last
cross-attention. A graph that has none, or others in shape, shows nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asr.bundle import DECODER, ENCODER, Bundle
from asr.errors import BundleError
from asr.runtime.graph_checks import fields_of
from asr.runtime.graphs import EncoderOutput, session_options
from asr.text.special import BOS

Floats = NDArray[np.float32]

# Numbers of fields in onnx.proto: of a model; of a graph; of a node; of an output.
_GRAPH, _NODE, _GRAPH_OUTPUT, _NODE_OUTPUT, _OPERATION, _NAME = 7, 1, 12, 2, 4, 1
_MODEL_FOLDER: Final = "session.model_external_initializers_file_folder_path"


class AttentionGraph:
    """The decoder once more, with the weights of its last cross-attention as an output."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises BundleError for a graph that has no such weights."""
        self._path = bundle.folder / DECODER
        self._session = _showing(bundle, DECODER, slice(-1, None))
        self._inputs = {port.name: port for port in self._session.get_inputs()}

    def weights(self, heard: EncoderOutput, tokens: Sequence[int]) -> Floats:
        """How much of its attention each step gets for each token and for the end of the text: (U + 1, S).

        The mean over the heads; each row sums to 1. Raises BundleError where the graph gives something else.
        """
        shown: Floats = self.steps(heard, tokens)[1].mean(axis=1)
        return shown

    def steps(self, heard: EncoderOutput, tokens: Sequence[int]) -> tuple[Floats, Floats]:
        """What the decoder says and where it looks as it writes each token and the end of the text.

        Log-probabilities (U + 1, V), and how much of each head's attention each step gets (U + 1, H, S), which sums to
        1. Raises BundleError where the graph gives something else.
        """
        layers, _, heads, _, width = self._inputs["past_keys"].shape
        keys = values = np.zeros((layers, 1, heads, 0, width), np.float32)
        said, rows = [], []
        for token in (BOS, *tokens):
            given: dict[str, Any] = {
                "tokens": np.array([[token]], np.int64),
                "past_keys": keys,
                "past_values": values,
                "memory_keys": heard.keys,
                "memory_values": heard.values,
            }
            try:
                log_probs, keys, values, weights = self._session.run(None, given)
            except Exception as error:  # onnxruntime raises classes of its own that share no base but Exception
                raise BundleError(f"{self._path}: its attention cannot be shown") from error
            said.append(log_probs[0])
            rows.append(weights)
        shown: Floats = np.stack(rows).reshape(len(rows), -1, rows[0].shape[-1])
        if shown.shape[2] != heard.keys.shape[3]:
            raise BundleError(f"{self._path}: has no attention across the sound to be shown")
        return np.stack(said), shown


class SelfAttentionGraph:
    """The encoder once more, with the weights of its self-attention as outputs."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises BundleError for a graph that has no such weights."""
        self._path = bundle.folder / ENCODER
        self._session = _showing(bundle, ENCODER, slice(None))

    def weights(self, wave: Floats) -> Floats:
        """How each step of a wave (N,) looks at each, by layer and head: (L, H, S, S); each row sums to 1.

        Raises BundleError where the graph gives something else.
        """
        try:
            _, _, ctc_log_probs, *shown = self._session.run(None, {"wave": wave[np.newaxis]})
        except Exception as error:  # as above
            raise BundleError(f"{self._path}: its attention cannot be shown") from error
        steps = ctc_log_probs.shape[1]
        if any(each.ndim != 4 or each.shape[2:] != (steps, steps) for each in shown):
            raise BundleError(f"{self._path}: has no self-attention to be shown")
        weights: Floats = np.concatenate(shown)
        return weights


def _showing(bundle: Bundle, name: str, chosen: slice) -> onnxruntime.InferenceSession:
    """A graph of a bundle that gives what some of its softmaxes give, after its own outputs."""
    path = bundle.folder / name
    graph = path.read_bytes()
    shown = softmaxes(graph)[chosen]
    if not shown:
        raise BundleError(f"{path}: has no attention to be shown")
    options = session_options(1)
    options.add_session_config_entry(_MODEL_FOLDER, str(bundle.folder.resolve()))
    try:
        return onnxruntime.InferenceSession(
            graph + b"".join(map(_one_more_output, shown)),
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,
        )
    except Exception as error:  # as above
        raise BundleError(f"{path}: has no attention to be shown") from error


def softmaxes(model: bytes) -> list[str]:
    """The names of what the softmaxes of a graph give, in the order of its nodes."""
    found = []
    for number, graph in fields_of(model):
        if number != _GRAPH:
            continue
        for kind, node in fields_of(graph):
            if kind == _NODE:
                parts = list(fields_of(node))
                if (_OPERATION, b"Softmax") in parts:
                    found.append(next(content.decode() for at, content in parts if at == _NODE_OUTPUT))
    return found


def _one_more_output(name: str) -> bytes:
    """A graph with one output of floats and nothing else, to be appended to another."""
    number = b"\x12\x04\x0a\x02\x08\x01"  # type { tensor_type { elem_type: FLOAT } }
    return _field(_GRAPH, _field(_GRAPH_OUTPUT, _field(_NAME, name.encode()) + number))


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 0x80
    return bytes([number << 3 | 2, len(content)]) + content
