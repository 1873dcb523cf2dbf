"""The bundle's two graphs on onnxruntime."""

from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from asr.bundle import DECODER, ENCODER, Bundle
from asr.errors import BundleError, SettingsError

Floats = NDArray[np.float32]
Past = tuple[Floats, Floats]


@dataclass(frozen=True)
class Heard:
    """What the encoder graph says of one utterance."""

    keys: Floats  # (L, 1, H, S, D/H), the memory as each decoder layer attends to it
    values: Floats  # (L, 1, H, S, D/H)
    ctc_log_probs: Floats  # (S, V)


class Graphs:
    """Sessions for the encoder (wave → memory and CTC) and for one step of the decoder."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load both graphs, to run on so many threads; on busy cores more than one mostly wait for each other.

        Raises BundleError if one does not load, SettingsError for less than one thread.
        """
        if threads < 1:
            raise SettingsError(f"threads is {threads}; wanted 1 or more")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that wait would keep their cores busy all the time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._encoder, self._decoder = (
                onnxruntime.InferenceSession(bundle.folder / name, options, providers=["CPUExecutionProvider"])
                for name in (ENCODER, DECODER)
            )
        # onnxruntime raises classes of its own, one for each cause, that share no base but Exception.
        except Exception as error:
            raise BundleError(f"{bundle.folder}: its graphs do not load ({error}); export the model again") from error
        layers, _, heads, _, width = self._decoder.get_inputs()[1].shape
        self._no_past = np.zeros((layers, 1, heads, 0, width), dtype=np.float32)

    def encode(self, wave: Floats) -> Heard:
        """Hear one wave (N,), float32 at the bundle's rate."""
        keys, values, ctc_log_probs = self._encoder.run(None, {"wave": wave[np.newaxis]})
        return Heard(keys, values, ctc_log_probs[0])

    def stepper(self, heard: Heard) -> "OnnxStepper":
        """The decoder over one utterance, for the search."""
        return OnnxStepper(self._decoder, heard, self._no_past)


class OnnxStepper:
    """Steps the decoder graph over one utterance, with cached keys and values."""

    def __init__(self, session: onnxruntime.InferenceSession, heard: Heard, no_past: Floats) -> None:
        self._session = session
        self._heard = heard
        self._no_past = no_past

    def start(self) -> Past:
        """The past of one hypothesis that has no token yet."""
        return self._no_past, self._no_past

    def step(self, state: Past, tokens: NDArray[np.int64], parents: NDArray[np.int64]) -> tuple[Floats, Past]:
        """Feed tokens (K,) to the rows ``parents`` (K,) of the past: log-probabilities (K, V) and the new past."""
        log_probs, keys, values = self._session.run(
            None,
            {
                "tokens": tokens[:, np.newaxis],
                "past_keys": state[0][:, parents],
                "past_values": state[1][:, parents],
                "memory_keys": self._heard.keys,
                "memory_values": self._heard.values,
            },
        )
        return log_probs, (keys, values)
