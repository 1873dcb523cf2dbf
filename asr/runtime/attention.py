"""Where the decoder looks: the weights of its last cross-attention, which the graph computes and does not give.

A message of protobuf that is appended to another is merged into it, so one more output is a few bytes behind the graph.
It is the last softmax among the nodes; a graph that has none, or one of another shape, shows nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asr.bundle import DECODER, Bundle
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
        graph = self._path.read_bytes()
        name = last_softmax(graph)
        if name is None:
            raise BundleError(f"{self._path}: has no attention to be shown")
        options = session_options(1)
        options.add_session_config_entry(_MODEL_FOLDER, str(bundle.folder.resolve()))
        try:
            self._session = onnxruntime.InferenceSession(
                graph + _one_more_output(name), options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # onnxruntime raises classes of its own that share no base but Exception
            raise BundleError(f"{self._path}: has no attention to be shown") from error
        self._inputs = {port.name: port for port in self._session.get_inputs()}

    def weights(self, heard: EncoderOutput, tokens: Sequence[int]) -> Floats:
        """How much of its attention each step gets for each token and for the end of the text: (U + 1, S).

        The mean over the heads; each row sums to 1. Raises BundleError where the graph gives something else.
        """
        layers, _, heads, _, width = self._inputs["past_keys"].shape
        keys = values = np.zeros((layers, 1, heads, 0, width), np.float32)
        rows = []
        for token in (BOS, *tokens):
            given: dict[str, Any] = {
                "tokens": np.array([[token]], np.int64),
                "past_keys": keys,
                "past_values": values,
                "memory_keys": heard.keys,
                "memory_values": heard.values,
            }
            try:
                _, keys, values, weights = self._session.run(None, given)
            except Exception as error:  # as above
                raise BundleError(f"{self._path}: its attention cannot be shown") from error
            rows.append(weights)
        shown: Floats = np.stack(rows).reshape(len(rows), -1, rows[0].shape[-1]).mean(axis=1)
        if shown.shape[1] != heard.keys.shape[3]:
            raise BundleError(f"{self._path}: has no attention across the sound to be shown")
        return shown


def last_softmax(model: bytes) -> str | None:
    """The name of what the last softmax of a graph gives; None where there is none."""
    found = None
    for number, graph in fields_of(model):
        if number != _GRAPH:
            continue
        for kind, node in fields_of(graph):
            if kind == _NODE:
                parts = list(fields_of(node))
                if (_OPERATION, b"Softmax") in parts:
                    found = next(content.decode() for at, content in parts if at == _NODE_OUTPUT)
    return found


def _one_more_output(name: str) -> bytes:
    """A graph with one output of floats and nothing else, to be appended to another."""
    number = b"\x12\x04\x0a\x02\x08\x01"  # type { tensor_type { elem_type: FLOAT } }
    return _field(_GRAPH, _field(_GRAPH_OUTPUT, _field(_NAME, name.encode()) + number))


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 0x80
    return bytes([number << 3 | 2, len(content)]) + content
