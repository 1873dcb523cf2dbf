"""The dimensions of the model, without torch in sight."""

from dataclasses import asdict, dataclass
from typing import Any

from asr.errors import SettingsError
from asr.settings import check_number, settings_from

_MOST = {
    **{"d_model": 16_384, "heads": 1_024, "feedforward": 131_072},
    **{"encoder_layers": 1_000, "decoder_layers": 1_000, "stack": 100},
}
"""Far beyond what a speech model is built with, and still something that can be computed with."""


@dataclass(frozen=True)
class ModelSettings:
    """The dimensions of the encoder-decoder; the widths of features and vocabulary are derived, never set here.

    Raises SettingsError for a combination that makes no sense.
    """

    d_model: int = 256
    """Width of the model; even, and a multiple of ``heads``."""
    heads: int = 4
    """Attention heads in each layer."""
    feedforward: int = 1024
    """Inner width of the feed-forward parts."""
    encoder_layers: int = 6
    """Number of encoder layers."""
    decoder_layers: int = 2
    """Number of decoder layers."""
    stack: int = 4
    """How many feature frames make one step of the encoder."""
    dropout: float = 0.1
    """Dropout probability in training."""
    convolution_kernel: int = 0
    """How many steps (odd) the convolution in each encoder layer spans; 0, the pure transformer, has none."""

    def __post_init__(self) -> None:
        """Refuse dimensions that cannot be built."""
        for name, most in _MOST.items():
            check_number("model", name, getattr(self, name), 1, most, whole=True)
        check_number("model", "convolution_kernel", self.convolution_kernel, 0, 10_000, whole=True)
        check_number("model", "dropout", self.dropout, 0, 1)
        if self.d_model % self.heads or self.d_model % 2:
            raise SettingsError(
                f"model: d_model {self.d_model} cannot be divided into {self.heads} heads of equal size "
                "(and it must be even, for the positions)"
            )
        kernel = self.convolution_kernel
        if kernel and kernel % 2 == 0:
            raise SettingsError(
                f"model: convolution_kernel is {kernel}; it is an odd number of steps, as many before as after, or 0"
            )
        if self.dropout == 1:
            raise SettingsError(f"model: dropout is {self.dropout}; it must be below 1, or nothing is left")

    def steps(self, frames: int) -> int:
        """S, the length of the memory, for that many feature frames."""
        return -(-frames // self.stack)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the bundle."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> "ModelSettings":
        """The settings of a bundle; a name or value that is none of them is a SettingsError."""
        return settings_from(cls, "model", values)
