"""Pictures of a report as SVG, whose colours the page chooses by their classes; they hold numbers and fixed words."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from asr.evaluation.command_scoring import CommandRates
from asr.evaluation.intervals import Rate
from asr.evaluation.reliability import ReliabilityBin

_SIDE: Final = 320  # of a picture, in its own units
_LEFT, _BELOW, _ABOVE = 46, 44, 22  # what the axes take
_DASHES: Final = ("", "6 3", "2 3", "9 3 2 3", "1 5", "12 4", "4 4 1 4")


def interval_bar(rate: Rate, limit: float) -> str:
    """A bar as long as the rate is of ``limit``, with its interval where it has one."""
    drawn = f'<rect class="value" width="{100 * min(1.0, rate.value / limit):.1f}" height="10"/>'
    return _bar(drawn, rate, lambda share: 100 * min(1.0, share / limit))


def difference_bar(rate: Rate, limit: float) -> str:
    """A bar from the middle, to the right where the difference is above 0, as long as it is of ``limit``."""

    def across(share: float) -> float:
        return 50 + 50 * max(-1.0, min(1.0, share / limit))

    start, end = sorted((50.0, across(rate.value)))
    drawn = (
        f'<rect class="value" x="{start:.1f}" width="{end - start:.1f}" height="10"/><path class="zero" d="M50 0V10"/>'
    )
    return _bar(drawn, rate, across)


def _bar(drawn: str, rate: Rate, across: Callable[[float], float]) -> str:
    if rate.low is not None and rate.high is not None:
        low, high = across(rate.low), across(rate.high)
        drawn += f'<path class="interval" d="M{low:.1f} 2V8M{low:.1f} 5H{high:.1f}M{high:.1f} 2V8"/>'
    return f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'


def reliability_chart(table: Sequence[ReliabilityBin], name: str) -> str:
    """The share right at each mean confidence, with its interval and count, beside the diagonal."""
    drawn = [f'<path class="ideal" d="M{_x(0):.1f} {_y(0):.1f}L{_x(1):.1f} {_y(1):.1f}"/>']
    for each in table:
        x, right = _x(each.confidence), each.right
        drawn.append(
            f'<path class="interval" d="M{x:.1f} {_y(right.low):.1f}V{_y(right.high):.1f}"/>'
            f'<circle class="point" cx="{x:.1f}" cy="{_y(right.value):.1f}" r="4">'
            f"<title>confidence {each.confidence:.3f}, right {100 * right.value:.1f} % "
            f"({100 * right.low:.1f} to {100 * right.high:.1f}) of {each.count}</title></circle>"
        )
    # A count has no place to the right of the last point.
    drawn += [
        f'<text class="count" text-anchor="end" x="{_x(each.confidence) - 6:.1f}" y="{_y(each.right.value) - 5:.1f}">'
        f"{each.count}</text>"
        for each in table
    ]
    ticks = [(share, f"{100 * share:.0f}") for share in (0, 0.25, 0.5, 0.75, 1)]
    label = f"Share of {name} that are right, by their confidence; the numbers are in the table"
    return _picture("".join(drawn), ticks, f"confidence of {name}, %", "right, %", label)


def acceptance_chart(conditions: Sequence[CommandRates]) -> str:
    """What is accepted exactly against the false accepts an hour as the threshold moves, a line for each condition; ""
    where there are no commands or nothing else.
    """
    lines = [each for each in conditions if each.commands and each.false_accepts_per_hour is not None]
    if not lines:
        return ""
    rates = [point.per_hour for each in lines for point in each.curve if point.per_hour]
    # On a logarithmic axis the lowest power of ten stands for none.
    bottom = math.floor(math.log10(min(rates))) - 1 if rates else 0
    top = max(bottom + 1, math.ceil(math.log10(max(rates)))) if rates else 1

    def across(per_hour: float | None) -> float:
        return _x((math.log10(per_hour) - bottom) / (top - bottom)) if per_hour else _x(0)

    drawn = []
    for number, each in enumerate(lines):
        points = each.curve[::-1]
        path = f"M{across(points[0].per_hour):.1f} {_y(points[0].exactly_accepted or 0):.1f}" + "".join(
            f"H{across(point.per_hour):.1f}V{_y(point.exactly_accepted or 0):.1f}" for point in points[1:]
        )
        dashes = _DASHES[number % len(_DASHES)]
        drawn.append(f'<path class="curve" stroke-dasharray="{dashes}" d="{path}"><title>{each.name}</title></path>')
        if each.exactly_accepted is not None:
            x, y = across(each.false_accepts_per_hour), _y(each.exactly_accepted.value)
            drawn.append(
                f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{each.name}: as the bundle decides'
                "</title></circle>"
            )
        y = _y(0) - 8 - 14 * (len(lines) - 1 - number)
        drawn.append(
            f'<path class="curve" stroke-dasharray="{dashes}" d="M{_x(1) - 100} {y - 4:.1f}h30"/>'
            f'<text x="{_x(1) - 64}" y="{y:.1f}">{each.name}</text>'
        )
    steps = max(1, math.ceil((top - bottom) / 5))
    ticks = [((power - bottom) / (top - bottom), f"{10.0**power:g}") for power in range(bottom, top + 1, steps)]
    ticks[0] = (0, "0")
    label = "Commands accepted exactly by false accepts an hour, as the threshold moves"
    return _picture("".join(drawn), ticks, "false accepts an hour", "accepted exactly, %", label)


def _picture(drawn: str, ticks: Sequence[tuple[float, str]], below: str, beside: str, label: str) -> str:
    """What is drawn within axes: that to the right has ``ticks``, the one upward goes from 0 to 100 %."""
    grid = "".join(
        f'<path class="grid" d="M{_x(0)} {_y(share):.1f}H{_x(1)}"/>'
        f'<text text-anchor="end" x="{_x(0) - 5}" y="{_y(share) + 4:.1f}">{100 * share:.0f}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    grid += "".join(
        f'<path class="grid" d="M{_x(place):.1f} {_y(0)}V{_y(1)}"/>'
        f'<text text-anchor="middle" x="{_x(place):.1f}" y="{_y(0) + 15}">{name}</text>'
        for place, name in ticks
    )
    middle = (_y(0) + _y(1)) / 2
    return (
        f'<svg class="chart" viewBox="0 0 {_SIDE} {_SIDE}" role="img" aria-label="{label}">{grid}'
        f'<text text-anchor="middle" x="{(_x(0) + _x(1)) / 2}" y="{_SIDE - 8}">{below}</text>'
        f'<text text-anchor="middle" transform="translate(12 {middle}) rotate(-90)">{beside}</text>{drawn}</svg>'
    )


def _x(share: float) -> float:
    return _LEFT + share * (_SIDE - _LEFT - _ABOVE)


def _y(share: float) -> float:
    return _SIDE - _BELOW - share * (_SIDE - _BELOW - _ABOVE)
