"""The dimensions of the model, without torch in sight."""

from dataclasses import asdict, dataclass
from typing import Any

from asr.errors import SettingsError


@dataclass(frozen=True)
class ModelSettings:
    """The dimensions of the encoder-decoder; the widths of features and vocabulary are derived, never set here.

    ``stack`` feature frames make one step. ``convolution_kernel`` is how many steps (odd) a convolution in each encoder
    layer spans; 0, the pure transformer, has none.

    Raises SettingsError for a combination that makes no sense.
    """

    d_model: int = 256
    heads: int = 4
    feedforward: int = 1024
    encoder_layers: int = 6
    decoder_layers: int = 2
    stack: int = 4
    dropout: float = 0.1
    convolution_kernel: int = 0

    def __post_init__(self) -> None:
        """Refuse dimensions that cannot be built."""
        for name in ("d_model", "heads", "feedforward", "encoder_layers", "decoder_layers", "stack"):
            if getattr(self, name) < 1:
                raise SettingsError(f"model: {name} is {getattr(self, name)}; it must be at least 1")
        if self.d_model % self.heads or self.d_model % 2:
            raise SettingsError(
                f"model: d_model {self.d_model} cannot be divided into {self.heads} heads of equal size "
                "(and it must be even, for the positions)"
            )
        kernel = self.convolution_kernel
        if kernel < 0 or (kernel and kernel % 2 == 0):
            raise SettingsError(
                f"model: convolution_kernel is {kernel}; it is an odd number of steps, as many before as after, or 0"
            )
        if not 0 <= self.dropout < 1:
            raise SettingsError(f"model: dropout is {self.dropout}; it must be at least 0 and below 1")

    def steps(self, frames: int) -> int:
        """S, the length of the memory, for that many feature frames."""
        return -(-frames // self.stack)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the bundle."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelSettings":
        """The settings of a bundle; an unknown name is a SettingsError."""
        try:
            return cls(**values)
        except TypeError as error:
            raise SettingsError(f"model: {error}") from error
