"""Rates with intervals that say how far to trust them.

The intervals are percentile bootstraps (Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR
performance evaluation", ICASSP 2004), Wilson's of shares that do not vary, and Byar's of events that are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asr.data.manifests.utterance import NOBODY
from asr.errors import SettingsError

CONFIDENCE: Final = 0.95
"""How often an interval made this way holds the true rate, if the utterances are a fair sample."""

_Z: Final = 1.959964  # standard deviations to either side that hold 95 % of a normal distribution
_DRAWN_AT_ONCE: Final = 2_000_000  # numbers held in memory while resampling


@dataclass(frozen=True)
class Rate:
    """A rate with the ends of its 95 % interval, which always holds the rate itself; 0.05 is five in a hundred.

    The ends are None where nothing says how far to trust the rate: of a single speaker or utterance, or where all err
    alike, every resampling is the same.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class BoundedRate(Rate):
    """A rate that always has an interval, as a share has."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Resampled:
    """Counts added up: ``total`` (K,) over all utterances, and ``drawn`` (B, K) over ``bootstrap`` resamplings of
    ``groups`` groups, which are the speakers if ``by_speaker`` and else the utterances.
    """

    total: NDArray[Any]
    drawn: NDArray[Any]
    bootstrap: int
    groups: int
    by_speaker: bool

    def rate(self, above: int, below: int) -> Rate | None:
        """The count in column ``above`` for each in column ``below`` with its interval; None where the latter is 0.

        It has no interval where the draws do not vary: that would be sure of what it cannot know.
        """
        if not self.total[below]:
            return None
        value = float(self.total[above] / self.total[below])
        drawn = self.drawn[self.drawn[:, below] > 0]  # a draw of nothing that counts has no rate
        rates = drawn[:, above] / drawn[:, below]
        tail = (1 - CONFIDENCE) / 2
        ends = np.quantile(rates, [tail, 1 - tail]).tolist() if len(rates) else []
        # In few and lopsided groups the quantiles may leave out the rate itself.
        low, high = min([*ends, value]), max([*ends, value])
        return BoundedRate(value, low, high) if low < high else Rate(value, None, None)

    def share(self, above: int, below: int) -> BoundedRate | None:
        """As ``rate``, of a column of whole numbers that are part of those of the other; where the draws do not vary,
        the interval is Wilson's.
        """
        rate = self.rate(above, below)
        if rate is None or isinstance(rate, BoundedRate):
            return rate
        return BoundedRate(rate.value, *wilson_interval(int(self.total[above]), int(self.total[below])))


def resample(
    ids: Sequence[str], speakers: Sequence[str], counts: NDArray[np.generic], *, bootstrap: int = 1000, seed: int = 0
) -> Resampled:
    """Adds up counts (N, K) of N utterances, and draws them anew as a bootstrap does.

    Whole speakers are drawn if more than one is named, else single utterances; rows of one id stay together. An
    utterance of nobody ("-") counts as a speaker of its own. Of whole numbers the result does not
    depend on the order of the rows.

    Raises:
        SettingsError: ``bootstrap`` is below 1.
    """
    if bootstrap < 1:
        raise SettingsError(f"scoring: found {bootstrap} bootstrap resamplings, wanted 1 or more")
    by_speaker = len(set(speakers) - {NOBODY}) > 1
    sums: dict[tuple[str, str], NDArray[Any]] = {}
    for id, speaker, row in zip(ids, speakers, counts, strict=True):
        key = ("speaker", speaker) if by_speaker and speaker != NOBODY else ("utterance", id)
        sums[key] = sums[key] + row if key in sums else row
    groups = np.stack([sums[key] for key in sorted(sums)])
    return Resampled(
        groups.sum(axis=0), _draw(groups, bootstrap, np.random.default_rng(seed)), bootstrap, len(groups), by_speaker
    )


def poisson_interval(count: int) -> tuple[float, float]:
    """The 95 % interval of how many events are to be expected where ``count`` were seen.

    Byar's approximation (Breslow and Day, "Statistical Methods in Cancer Research" II, 1987, equation 2.13).
    """
    low = count * (1 - 1 / (9 * count) - _Z / (3 * count**0.5)) ** 3 if count else 0.0
    more = count + 1
    return max(low, 0.0), more * (1 - 1 / (9 * more) + _Z / (3 * more**0.5)) ** 3


def wilson_interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share where ``count`` of ``of`` were seen (E. B. Wilson, JASA 22, 1927)."""
    middle = (count + _Z**2 / 2) / (of + _Z**2)
    aside = _Z * (count * (of - count) / of + _Z**2 / 4) ** 0.5 / (of + _Z**2)
    share = count / of  # which rounding may leave out
    return max(0.0, min(middle - aside, share)), min(1.0, max(middle + aside, share))


def wider(rate: Rate, low: float, high: float) -> BoundedRate:
    """The rate with the wider of its own interval, if it has one, and another that holds it."""
    if rate.low is None or rate.high is None:
        return BoundedRate(rate.value, low, high)
    return BoundedRate(rate.value, min(rate.low, low), max(rate.high, high))


def _draw(groups: NDArray[Any], bootstrap: int, random: np.random.Generator) -> NDArray[Any]:
    """The sums (B, K) of as many groups as there are, drawn with replacement from groups (G, K)."""
    count = len(groups)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    return np.concatenate(
        [
            groups[random.integers(count, size=(min(at_once, bootstrap - done), count))].sum(axis=1)
            for done in range(0, bootstrap, at_once)
        ]
    )
