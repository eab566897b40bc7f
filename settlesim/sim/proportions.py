"""Confidence intervals for a share that was counted in a sample, by Clopper and Pearson.

Theory of operation
-------------------
Of n independent runs k had a property. The interval consists of every probability p under which k
is surprising neither as too many nor as too few: the binomial tails ``P(X >= k)`` and
``P(X <= k)`` are both at least (1 - confidence) / 2. It is exact: it never covers the true
probability less often than stated. Each bound is found by bisection, since the tails are monotonic
in p.

References
----------
Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26, 1934.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Interval", "clopper_pearson"]


class Interval(NamedTuple):
    """The bounds of a probability."""

    least: float
    most: float


def clopper_pearson(count: int, runs: int, confidence: float = 0.95) -> Interval:
    """Return the interval for the probability of an event that happened `count` times in `runs`.

    Parameters
    ----------
    count : from 0 to `runs`
    runs : 1 or more
    confidence : how often at least such an interval covers the probability; in (0, 1)

    Examples
    --------
    >>> interval = clopper_pearson(0, 200)
    >>> interval.least, round(interval.most, 4)
    (0.0, 0.0183)
    """
    tail = (1 - confidence) / 2
    least = 0.0 if count == 0 else _where(lambda p: _at_least(count, runs, p) >= tail)
    most = 1.0 if count == runs else 1 - _where(lambda q: _at_least(runs - count, runs, q) >= tail)
    return Interval(least, most)


def _where(holds: Callable[[float], bool]) -> float:
    """Return the smallest probability at which a monotonic condition begins to hold."""
    low, high = 0.0, 1.0
    while (middle := (low + high) / 2) not in {low, high}:
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


def _at_least(count: int, runs: int, p: float) -> float:
    """Return the probability of at least `count` successes in `runs`, each with probability p."""
    if not 0 < p < 1:
        return float(p >= 1)
    chances = (math.log(p), math.log1p(-p))
    if count > runs * p:
        return math.fsum(_exactly(k, runs, chances) for k in range(count, runs + 1))
    return 1 - math.fsum(_exactly(k, runs, chances) for k in range(count))


def _exactly(count: int, runs: int, chances: tuple[float, float]) -> float:
    ways = math.lgamma(runs + 1) - math.lgamma(count + 1) - math.lgamma(runs - count + 1)
    return math.exp(ways + count * chances[0] + (runs - count) * chances[1])
