"""What every search finds, whichever way it goes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from settlesim.sim.model import EndingIdentity
from settlesim.sim.search import Graph

__all__ = ["NOTHING", "SearchResult"]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Every ending with the number of its interleavings, and how much was looked at."""

    states: int
    transitions: int
    totals: dict[EndingIdentity, tuple[int, Fraction]]
    """For each outcome its interleavings, and its probability."""
    reason: str
    """Why the search stopped early, so that all numbers are lower bounds; empty where not."""
    search: str = ""
    """Which search it was, and why."""
    longest_program: int = 0
    """Of a sweep: how many steps the longest program has, on which the order of states depends."""
    standing: int = 0
    """Of a search that looks once at states that are alike: how many stand for all."""
    graph: Graph | None = None
    """Of a search breadth first: the states and the steps between them."""


NOTHING: Final = SearchResult(1, 0, {}, "nobody looked", "none")
"""Where there was no search."""
