"""The properties of a scenario as plain JSON for the page: a list, each with its verdict."""

from __future__ import annotations

from typing import Any

from settlesim.chart.report import Verdict
from settlesim.errors import SimulationError, shorten
from settlesim.sim import PropertyKind, PropertyResult
from settlesim.view.simulation.words import plural
from settlesim.widgets.race.search import State

__all__ = ["picked_property", "property_list"]


def property_list(state: State) -> list[dict[str, Any]]:
    """Return what is known about every property; empty if nothing was explored."""
    found = state.exploration
    return [] if found is None else [_row(each) for each in found.properties]


def _row(result: PropertyResult) -> dict[str, Any]:
    happens = result.about.kind is PropertyKind.SOMETIMES
    decided = result.verdict is (Verdict.PROVED if happens else Verdict.REFUTED)
    words = []
    if result.interleavings and decided:
        verb = "happens" if happens else "broken"
        words.append(f"{verb} in {result.interleavings:,} of {plural(result.of, 'interleaving')}")
    return {
        "word": result.verdict.value.upper(),
        "text": str(result.about),
        "more": "; ".join([*words, *([result.note] if result.note else [])]),
        "shows": ("witness" if happens else "counterexample") if decided else None,
    }


def picked_property(state: State, index: object) -> PropertyResult:
    """Return one of the properties.

    Raises
    ------
    SimulationError
        There is no such property.
    """
    found = () if state.exploration is None else state.exploration.properties
    if type(index) is not int or not 0 <= index < len(found):
        raise SimulationError(where="property", reason=f"{shorten(index)} is none of the list")
    return found[index]
