"""Powers of n that costs follow, how sure that is, and whether it is faster than n log n.

A cost that is a power of n is a line where both axes are logarithmic; its slope is the exponent. Least squares give
the slope and, from how far points are off the line, an interval that holds it in 95 of 100 cases. Growth is judged by
what is left after division by n log n: if that still rises, the cost grows faster.

Small sizes cost what has nothing to do with n, and a cost that only begins to rise at the end is the one that matters:
so the upper half of the sizes is judged by itself, too. What the same size costs when it is measured again bounds what
can be called growth at all.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence

import msgspec

# Student's t at 97.5 %, by degrees of freedom from 1; beyond, the last.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
POINTS_MIN = 3
# The upper half has to be enough for an interval that says something.
UPPER_POINTS_MIN = 4


class Growth(enum.StrEnum):
    """Compared with n log n."""

    WITHIN = "within"
    FASTER = "faster"
    UNDECIDED = "undecided"


class Fit(msgspec.Struct, frozen=True):
    """A cost is about `factor` times n to the `exponent`, which lies between `low` and `high` in 95 of 100 cases."""

    exponent: float
    low: float
    high: float
    factor: float
    points: int

    def at(self, n: float) -> float:
        """The cost at this size."""
        return float(self.factor * n**self.exponent)


class Judged(msgspec.Struct, frozen=True):
    """What a cost follows over all sizes and over the upper half of them, and how that compares with n log n."""

    whole: Fit
    upper: Fit
    growth: Growth


Point = tuple[float, float]


def fitted(points: Sequence[Point]) -> Fit:
    """The power law through (n, cost), both positive. ValueError if there are fewer than POINTS_MIN points."""
    if len(points) < POINTS_MIN:
        raise ValueError(f"{len(points)} points: an interval needs {POINTS_MIN}")
    xs, ys = [math.log(n) for n, _ in points], [math.log(cost) for _, cost in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    left = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    freedom = len(points) - 2
    margin = _T[min(freedom, len(_T)) - 1] * math.sqrt(left / freedom / spread)
    return Fit(slope, slope - margin, slope + margin, math.exp(mean_y - slope * mean_x), len(points))


def upper_half(points: Sequence[Point]) -> Sequence[Point]:
    """The larger sizes, by the logarithm; at least so many that an interval can be told."""
    ordered = sorted(points)
    middle = math.sqrt(ordered[0][0] * ordered[-1][0])
    upper = [point for point in ordered if point[0] >= middle]
    return upper if len(upper) >= UPPER_POINTS_MIN else ordered[-UPPER_POINTS_MIN:]


def judged(points: Sequence[Point], noise: float = 0.0) -> Judged:
    """Compare with n log n. `noise`: by which part of itself a cost differs when it is measured again."""
    upper = upper_half(points)
    verdicts = [_growth(each, noise) for each in (points, upper)]
    growth = next((each for each in (Growth.FASTER, Growth.UNDECIDED) if each in verdicts), Growth.WITHIN)
    return Judged(fitted(points), fitted(upper), growth)


def _growth(points: Sequence[Point], noise: float) -> Growth:
    """FASTER only if the whole interval is above n log n by more than noise alone could tilt it."""
    excess = fitted(divided(points, n_log_n))
    sizes = [n for n, _ in points]
    tilt = math.log1p(noise) / math.log(max(sizes) / min(sizes))
    if excess.high <= tilt:
        return Growth.WITHIN
    return Growth.FASTER if excess.low > tilt else Growth.UNDECIDED


def divided(points: Sequence[Point], by: Callable[[float], float]) -> list[Point]:
    """Each cost divided by what a law says of its size."""
    return [(n, cost / by(n)) for n, cost in points]


def n_log_n(n: float) -> float:
    """What nothing is to grow faster than."""
    return n * math.log(n)
