"""A layout by Graphviz: its JSON read as boxes, lines and positions of text.

A layout does not depend on what is active or was taken. So it is the same for every configuration
of a chart, and a sequence of pictures does not jump.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from settlesim.errors import RenderError

__all__ = ["Box", "Layout", "Line", "Point", "Spot", "layout_of"]

Point = tuple[float, float]
"""x to the right, y down, in points."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a piece of text stands."""

    x: float
    """The left end."""
    y: float
    """The base line."""
    width: float


@dataclass(frozen=True, slots=True)
class Box:
    """The rectangle of a node or a cluster."""

    x: float
    y: float
    width: float
    height: float
    spots: tuple[Spot, ...] = ()
    middle: float = 0.0
    """The x of the middle of the label."""

    @property
    def centre(self) -> Point:
        """The point in the middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    def holds(self, point: Point) -> bool:
        """Whether a point lies inside."""
        inside = self.x <= point[0] <= self.x + self.width
        return inside and self.y <= point[1] <= self.y + self.height

    def grown(self, by: float) -> Box:
        """Return the rectangle with every side moved out."""
        return Box(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)


@dataclass(frozen=True, slots=True)
class Line:
    """An edge: a chain of cubic Bezier curves, and its head."""

    points: tuple[Point, ...]
    """One point, then three for every curve."""
    head: tuple[Point, ...]
    """The corners of the arrow's head; the second is its tip."""
    spots: tuple[Spot, ...] = ()
    middle: float = 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole picture, by id."""

    width: float
    height: float
    boxes: dict[str, Box]
    lines: dict[str, Line]


@lru_cache(maxsize=64)
def layout_of(body: bytes) -> Layout:
    """Read what ``dot -Tjson`` writes.

    Raises
    ------
    RenderError
        Graphviz left something out, as it does when its ranking fails.
    """
    try:
        found: dict[str, Any] = json.loads(body)
        _, _, width, height = _numbers(found["bb"])
        boxes, lines = {}, {}
        for each in found.get("objects", ()):
            if "pos" in each or each["name"].startswith("cluster_"):  # not a subgraph for a rank
                boxes[each["id"]] = _box(each, height)
        for each in found.get("edges", ()):
            lines[each["id"]] = _line(each, height)
    except (KeyError, ValueError, IndexError) as error:
        raise RenderError(
            f"Graphviz gave no whole layout ({type(error).__name__}: {error})"
        ) from None
    return Layout(width, height, boxes, lines)


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _box(item: dict[str, Any], height: float) -> Box:
    spots = tuple(_spots(item, height))
    if "bb" in item:
        left, bottom, right, top = _numbers(item["bb"])
        middle = _numbers(item["lp"])[0] if "lp" in item else left
        return Box(left, height - top, right - left, top - bottom, spots, middle)
    corners = [point for each in item["_draw_"] for point in _outline(each)]
    left, right = min(x for x, _ in corners), max(x for x, _ in corners)
    bottom, top = min(y for _, y in corners), max(y for _, y in corners)
    middle = (left + right) / 2
    return Box(left, height - top, right - left, top - bottom, spots, middle)


def _outline(drawn: dict[str, Any]) -> Iterable[Point]:
    if drawn["op"] in "eE":
        x, y, half_width, half_height = drawn["rect"]
        return ((x - half_width, y - half_height), (x + half_width, y + half_height))
    return [(x, y) for x, y in drawn.get("points", ())]


def _line(item: dict[str, Any], height: float) -> Line:
    curve = next(each for each in item["_draw_"] if each["op"] in "bB")["points"]
    heads = [each["points"] for each in item.get("_hdraw_", ()) if each["op"] in "pP"]
    return Line(
        points=tuple((x, height - y) for x, y in curve),
        head=tuple((x, height - y) for x, y in heads[0]) if heads else (),
        spots=tuple(_spots(item, height)),
        middle=_numbers(item["lp"])[0] if "lp" in item else 0.0,
    )


def _spots(item: dict[str, Any], height: float) -> Iterator[Spot]:
    for drawn in item.get("_ldraw_", ()):
        if drawn["op"] == "T":
            x, y = drawn["pt"]
            width = drawn["width"]
            yield Spot(
                x - {"l": 0.0, "c": width / 2, "r": width}[drawn["align"]], height - y, width
            )
