"""Distributions of durations, for samples with measured times.

A distribution is a frozen value without a random generator of its own: each draw inverts one
uniform number of the caller's, so samples with the same seed are equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final, Literal, TypeAlias

from settlesim.errors import SimulationError, shorten

__all__ = ["Distribution", "Seconds", "distribution_of", "distributions_of"]

Kind: TypeAlias = Literal["constant", "uniform", "exponential", "lognormal", "observed"]
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Distribution:
    """How long something takes, in seconds.

    Examples
    --------
    >>> Distribution.exponential(0.2)
    Distribution(kind='exponential', values=(0.2,))
    >>> Distribution.uniform(2, 4).draw(0.25)
    2.5
    """

    kind: Kind
    values: tuple[float, ...]

    @classmethod
    def constant(cls, seconds: float) -> Distribution:
        """Return a time that is always the same."""
        return cls("constant", _numbers(seconds))

    @classmethod
    def uniform(cls, least: float, most: float) -> Distribution:
        """Return a time between two bounds, all equally likely."""
        values = _numbers(least, most)
        if least > most:
            raise _refusal(f"is uniform from {least} to {most}; least <= most is needed")
        return cls("uniform", values)

    @classmethod
    def exponential(cls, mean: float) -> Distribution:
        """Return a memoryless time, such as that until the next of many independent requests."""
        return cls("exponential", _numbers(mean))

    @classmethod
    def lognormal(cls, median: float, spread: float) -> Distribution:
        """Return a skewed time, as most services take.

        About two thirds of the times lie within a factor exp(spread) of the median.

        Parameters
        ----------
        median : seconds, > 0
        spread : the standard deviation of the logarithm
        """
        if not median > 0:
            raise _refusal(f"is lognormal with the median {shorten(median)}; > 0 is needed")
        return cls("lognormal", _numbers(median, spread))

    @classmethod
    def observed(cls, seconds: Sequence[float]) -> Distribution:
        """Return one of the given times, all equally likely."""
        if not seconds:
            raise _refusal("has no times; one or more are needed")
        return cls("observed", _numbers(*seconds))

    def draw(self, chance: float) -> float:
        """Return a time in seconds; `chance` is a uniform number in [0, 1)."""
        first = self.values[0]
        if self.kind == "uniform":
            return first + chance * (self.values[1] - first)
        if self.kind == "exponential":
            return -first * math.log1p(-chance)
        if self.kind == "lognormal":
            middle = min(max(chance, 1e-300), 1 - 1e-16)
            return first * math.exp(self.values[1] * _NORMAL.inv_cdf(middle))
        if self.kind == "observed":
            return self.values[int(chance * len(self.values))]
        return first

    def __str__(self) -> str:
        if self.kind == "observed":
            return f"one of {len(self.values)} observed times"
        words = ", ".join(f"{each:g}" for each in self.values)
        return f"{self.kind} ({words} s)" if self.kind != "constant" else f"{words} s"


Seconds: TypeAlias = Distribution | float | tuple[float, float]
"""A distribution; a number of seconds for a constant one; two for a uniform one between them."""


def distribution_of(value: Any) -> Distribution:
    """Return the distribution that `Seconds` stands for.

    Raises
    ------
    SimulationError
        The value has another type.
    """
    if isinstance(value, Distribution):
        return value
    if type(value) in {int, float}:
        return Distribution.constant(value)
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return Distribution.uniform(*value)
    raise _refusal(f"is {shorten(value)}; a Distribution, seconds or (least, most) is needed")


def _numbers(*values: float) -> tuple[float, ...]:
    for each in values:
        if type(each) not in {int, float} or not math.isfinite(each) or each < 0:
            raise _refusal(f"has {shorten(each)}; a number of seconds, 0 or more, is needed")
    return tuple(map(float, values))


def _refusal(reason: str) -> SimulationError:
    return SimulationError(where="durations", reason=reason)


def distributions_of(given: Mapping[str, Any], known: Sequence[str]) -> dict[str, Distribution]:
    """Return distributions by name.

    Raises
    ------
    SimulationError
        A name is unknown, or a value stands for no distribution.
    """
    for name in given:
        if name not in known:
            raise _refusal(f"of {shorten(name)}: unknown name; known are {', '.join(known)}")
    return {name: distribution_of(value) for name, value in given.items()}
