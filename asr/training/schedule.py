"""The learning rate over a run."""

import math


def warmup_cosine(step: int, warmup: int, total: int, floor: float = 0.02, hold: int = 0) -> float:
    """The share of the peak rate at an update: a straight climb over ``warmup``, then half a cosine down to ``floor``.

    The peak is at update ``warmup`` and for ``hold`` updates more; from ``total`` on it stays at the floor. With a hold
    nothing before the cosine depends on how long the run is to be (Hu et al., "MiniCPM", 2024, section 4).

    The climb is that of "Attention Is All You Need", section 5.3; the cosine (Loshchilov and Hutter, 2017) ends a run
    of known length lower than their inverse square root does.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = min(1.0, max(0, step - warmup - hold) / max(1, total - warmup - hold))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
