"""The common result of all searches."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from settlesim.sim.model import EndingIdentity
from settlesim.sim.search import Graph

__all__ = ["NOTHING", "SearchResult"]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Every ending with the number of its interleavings, and how much was explored."""

    states: int
    transitions: int
    totals: dict[EndingIdentity, tuple[int, Fraction]]
    """The interleavings and the probability of each outcome."""
    reason: str
    """Why the search stopped early, so that all numbers are lower bounds; empty if it did not."""
    search: str = ""
    """Which search it was, and why."""
    longest_program: int = 0
    """For a sweep: how many steps the longest program has, on which the order of states depends."""
    standing: int = 0
    """For a search with symmetry: how many states were explored, each standing for its set."""
    graph: Graph | None = None
    """For a breadth-first search: the states and the steps between them."""


NOTHING: Final = SearchResult(1, 0, {}, "it was not searched", "none")
"""The result without a search."""
