"""A deeper encoder out of a trained one, which says the same until it has learnt more."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_ADDS = ("attention.output.", "convolution.output.", "feedforward.2.")  # what comes onto a residual is made by these


def deepened(weights: Mapping[str, Tensor], before: int, after: int) -> dict[str, Tensor]:
    """Weights of a ``Seq2Seq`` with ``before`` encoder layers → those of one with ``after``, at least as many.

    The new layers lie evenly between the old ones. Each is a copy of the one before it (Gong et al., 2019) that adds
    nothing yet, for the last product of its every part is zero: the function stays, as in Net2Net (Chen et al., 2016),
    and each layer learns from the first update on. No tensor is copied that stays as it is.
    """
    places = [layer * after // before for layer in range(before)]
    grown: dict[str, Tensor] = {}
    for name, weight in weights.items():
        found = _LAYER.fullmatch(name)
        if found is None:
            grown[name] = weight
            continue
        layer, part = int(found[1]), found[2]
        following = places[layer + 1] if layer + 1 < before else after
        grown[f"encoder.layers.{places[layer]}.{part}"] = weight
        for place in range(places[layer] + 1, following):
            grown[f"encoder.layers.{place}.{part}"] = torch.zeros_like(weight) if part.startswith(_ADDS) else weight
    return grown
