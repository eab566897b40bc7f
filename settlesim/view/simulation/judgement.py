"""How an ending is judged: its sort has the same sign, colour and meaning in every picture."""

from __future__ import annotations

from typing import Final, Literal
from xml.etree import ElementTree as ET

from settlesim.sim.terms import Ending
from settlesim.view.graphviz.layout import Point
from settlesim.view.svg.card import badge
from settlesim.view.svg.palette import Palette

__all__ = ["MEANINGS", "SIGN_OF", "Sort", "colour_of", "paint_sort", "sort_of"]

Sort = Literal["right", "serial", "wrong", "unknown"]

MEANINGS: Final[dict[Sort, str]] = {
    "right": "as handling one after another, in arrival order",
    "serial": "as handling one after another, in another order",
    "wrong": "no serial order gives this ending",
    "unknown": "whether a serial order gives this ending is not known",
}
SIGN_OF: Final[dict[Sort, str]] = {
    "right": "check",
    "serial": "swap",
    "wrong": "cross",
    "unknown": "alert",
}


def sort_of(ending: Ending) -> Sort:
    """Return the sort of an ending, which does not depend on the criterion of its scenario."""
    if ending.fifo:
        return "right"
    if ending.fifo is None or ending.serializable is None:
        return "unknown"
    return "serial" if ending.serializable else "wrong"


def colour_of(sort: Sort, palette: Palette) -> str:
    """Return the colour of a sort."""
    if sort == "right":
        return palette.resolved
    return palette.quiet if sort == "serial" else palette.rejected


def paint_sort(parent: ET.Element, at: Point, sort: Sort, palette: Palette) -> None:
    """Paint the badge of a sort around a point."""
    badge(parent, at, SIGN_OF[sort], colour_of(sort, palette), palette)
