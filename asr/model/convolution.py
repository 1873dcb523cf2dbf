"""What an encoder layer makes of the steps next to each: the convolution module of the Conformer."""

from torch import Tensor, nn
from torch.nn import functional

from asr.model.attention import LayerNorm


class ConvolutionModule(nn.Module):
    """Gated projection, a convolution in time for each channel, norm, SiLU and projection (Gulati et al., 2020).

    With a LayerNorm where the paper has batch norm, so that a row is the same in any batch.
    """

    def __init__(self, d_model: int, kernel: int) -> None:
        """``kernel`` is odd: as many steps before as after the one in the middle."""
        super().__init__()
        self.gated = nn.Linear(d_model, 2 * d_model)
        self.depthwise = nn.Conv1d(d_model, d_model, kernel, padding=kernel // 2, groups=d_model)
        self.norm = LayerNorm(d_model)
        self.output = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, S, D) → (B, S, D); ``mask`` (B, S) is true where a step is real, and the others are not looked at."""
        x = functional.glu(self.gated(x), dim=-1)
        if mask is not None:
            x = x * mask.unsqueeze(-1)
        x = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = self.output(functional.silu(self.norm(x)))
        return mixed
