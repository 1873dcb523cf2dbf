"""The bundle's two graphs on onnxruntime."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asr.bundle import DECODER, ENCODER, Bundle
from asr.errors import BundleError
from asr.runtime.graph_checks import check_graph, check_sessions
from asr.settings import check_number

Floats = NDArray[np.float32]
Past = tuple[Floats, Floats]

_MOST_THREADS = 1_024


@dataclass(frozen=True)
class EncoderOutput:
    """What the encoder graph says of one utterance."""

    keys: Floats  # (L, 1, H, S, D/H), the memory as each decoder layer attends to it
    values: Floats  # (L, 1, H, S, D/H)
    ctc_log_probs: Floats  # (S, V)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """How every graph is run: on so many threads, and saying nothing of its own accord."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait would keep their cores busy all the time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # it raises what it would write, coloured, to standard error
    return options


class Graphs:
    """Sessions for the encoder (wave → memory and CTC) and for one step of the decoder."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load both graphs, to run on so many threads; on busy cores more than one mostly wait for each other.

        Raises BundleError if one does not load, SettingsError for threads below 1 or above 1,024.
        """
        check_number("hearing", "threads", threads, 1, _MOST_THREADS, whole=True)
        for name in (ENCODER, DECODER):
            check_graph(bundle, name)
        options = session_options(threads)
        try:
            self._encoder, self._decoder = (
                onnxruntime.InferenceSession(
                    bundle.folder / name, options, providers=["CPUExecutionProvider"], enable_fallback=0
                )
                for name in (ENCODER, DECODER)
            )
            check_sessions(bundle, self._encoder, self._decoder)
        except BundleError:
            raise
        # onnxruntime raises classes of its own, one for each cause, that share no base but Exception.
        except Exception as error:
            raise BundleError(
                f"{bundle.folder}: its graphs do not load ({_line(error)}); export the model again"
            ) from error
        self._folder, self._vocabulary = bundle.folder, bundle.tokenizer.vocabulary
        layers, _, heads, _, width = self._decoder.get_inputs()[1].shape
        self._no_past = np.zeros((layers, 1, heads, 0, width), dtype=np.float32)

    def encode(self, wave: Floats) -> EncoderOutput:
        """Hear one wave (N,), float32 at the bundle's rate."""
        keys, values, ctc_log_probs = run(self._encoder, self._folder / ENCODER, {"wave": wave[np.newaxis]})
        if ctc_log_probs.shape != (1, keys.shape[3], self._vocabulary) or keys.shape != values.shape:
            raise BundleError(
                f"{self._folder / ENCODER}: gave outputs that do not fit each other; export the model again"
            )
        return EncoderOutput(keys, values, ctc_log_probs[0])

    def stepper(self, heard: EncoderOutput) -> "OnnxStepper":
        """The decoder over one utterance, for the search."""
        return OnnxStepper(self._decoder, heard, self._no_past, self._folder / DECODER)


class OnnxStepper:
    """Steps the decoder graph over one utterance, with cached keys and values."""

    def __init__(
        self, session: onnxruntime.InferenceSession, heard: EncoderOutput, no_past: Floats, path: Path
    ) -> None:
        self._session = session
        self._path = path
        self._heard = heard
        self._no_past = no_past

    def start(self) -> Past:
        """The past of one hypothesis that has no token yet."""
        return self._no_past, self._no_past

    def step(self, state: Past, tokens: NDArray[np.int64], parents: NDArray[np.int64]) -> tuple[Floats, Past]:
        """Feed tokens (K,) to the rows ``parents`` (K,) of the past: log-probabilities (K, V) and the new past."""
        log_probs, keys, values = run(
            self._session,
            self._path,
            {
                "tokens": tokens[:, np.newaxis],
                "past_keys": state[0][:, parents],
                "past_values": state[1][:, parents],
                "memory_keys": self._heard.keys,
                "memory_values": self._heard.values,
            },
        )
        if len(tokens) != keys.shape[1] or keys.shape != values.shape:
            raise BundleError(f"{self._path}: gave outputs that do not fit each other; export the model again")
        return log_probs, (keys, values)


def run(session: onnxruntime.InferenceSession, path: Path, inputs: Mapping[str, NDArray[Any]]) -> list[Floats]:
    """The three outputs of a graph. Raises BundleError, which names the file, for whatever stops it."""
    try:
        return list(session.run(None, dict(inputs)))
    except Exception as error:  # as above; memory that is not to be had is among the causes
        raise BundleError(f"{path}: the graph cannot be run ({_line(error)}); export the model again") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
