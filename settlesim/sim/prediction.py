"""Predicts how large a search will be.

Theory of operation
-------------------
A breadth-first search is started. If it is over after some ten thousand states, their number is
known. If not, the sizes of its first layers are known, a layer being the states with the same
least number of steps from the start, and a few random walks tell how many steps a run has. Layers
grow by a factor that falls as messages are used up, until most are handled and layers become
smaller. So the logarithm of the sizes is modelled as a parabola that continues the last complete
layers and has its maximum after four fifths of a run, which is about right for the scenarios that
were measured.

The estimate is good for the order of magnitude: for those scenarios it was between half and twice
the real number. Seconds and bytes are those of a typical machine, computed from how many states
each search explores in a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from settlesim.sim.model import Model
from settlesim.sim.search import Graph
from settlesim.sim.walks import lengths_of_walks

__all__ = ["Prediction", "predicted"]

_PLAIN: Final = (100_000, 450)
_SWEPT: Final = (500_000, 40)
_ALIKE: Final = (20_000, 700)
"""For each search: states in a second, and bytes for each state."""
_WALKS: Final = 10
_TOP: Final = 0.8
"""The share of a run after which the layers are largest."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """About how large a search will be."""

    states: int
    """The number of states: an estimate, unless it is `exact`."""
    seconds: float
    """How long a typical machine takes."""
    bytes: int
    """How much memory is needed at the peak."""
    exact: bool
    """Whether all states have been found already."""

    def __str__(self) -> str:
        number = f"{self.states:,}" if self.exact else f"about {_in_words(self.states)}"
        seconds, memory = max(1, round(self.seconds)), max(1, round(self.bytes / 1e6))
        noun = "state" if self.exact and self.states == 1 else "states"
        return f"{number} {noun}, {seconds:,} s, {memory:,} MB"


def _in_words(number: int) -> str:
    """Return a number with two significant digits.

    Examples
    --------
    >>> _in_words(5_897_203), _in_words(64_720)
    ('5.9 million', '65,000')
    """
    number = round(number, 2 - len(str(number)))
    return f"{number / 1e6:,g} million" if number >= 10**6 else f"{number:,}"


def predicted(model: Model, graph: Graph, *, swept: bool, alike: int = 1) -> Prediction:
    """Return about how large a search will be.

    Parameters
    ----------
    graph : what the search has found so far
    swept : whether a sweep will explore the rest
    alike
        In how many ways equal events can be exchanged; 1 if states are not merged by symmetry. Not
        every set of alike states has that many, so about twice the quotient is explored.
    """
    exact = graph.looked_at == len(graph.states)
    states = len(graph.states) if exact else _extrapolated(model, graph)
    rate, each = _SWEPT if swept and not exact else _PLAIN
    looked_at = states
    if alike > 1 and not exact:
        rate, each = _ALIKE
        looked_at = 2 * states // alike
    return Prediction(states, looked_at / rate, looked_at * each, exact)


def _extrapolated(model: Model, graph: Graph) -> int:
    """Return the number of states that the first layers suggest."""
    layers = _layers(graph)
    if len(layers) < 4:
        return 2 * len(graph.states)
    lengths = lengths_of_walks(model, _WALKS)
    run = sum(lengths) / len(lengths)
    growth = math.log(layers[-1] / layers[-3]) / 2
    top = max(1.0, _TOP * run - len(layers) + 1)
    left = range(1, max(2, round(run) - len(layers) + 2))
    return sum(layers) + round(
        sum(layers[-1] * math.exp(growth * steps * (1 - steps / (2 * top))) for steps in left)
    )


def _layers(graph: Graph) -> list[int]:
    """Return the sizes of the layers that are completely known: up to that of the next state."""
    starts = [*graph.layer_starts, graph.layer_end]
    if graph.looked_at == graph.layer_end:
        starts.append(len(graph.states))
    return [end - start for start, end in pairwise(starts)]
