"""What is highlighted, and the parts of a node: outline, badge, ring, the word "now", marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from xml.etree import ElementTree as ET

from settlesim.chart import NodeKind
from settlesim.machine.sketch import Arc, Icon, Vertex
from settlesim.view.graphviz.layout import Box, Point
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import SIGNS, Attribute, add, circle, octagon, rectangle, text

__all__ = [
    "MARK_SIGNS",
    "MARK_WORDS",
    "RADIUS",
    "Highlight",
    "Mark",
    "paint_badge",
    "paint_body",
    "paint_halo",
    "paint_mark_sign",
    "paint_now",
]

RADIUS: Final = 9.0
"""The radius of the corners of a node."""

Mark = Literal["added", "removed", "changed"]
"""What became of a state or a transition from one chart to another."""
MARK_WORDS: Final[Mapping[Mark, str]] = {"added": "new", "removed": "gone", "changed": "changed"}
MARK_SIGNS: Final[Mapping[Mark, Icon]] = {"added": "plus", "removed": "minus", "changed": "tilde"}


@dataclass(frozen=True, slots=True)
class Highlight:
    """What is active, which path was taken, and what differs between two charts."""

    active: frozenset[str] = frozenset()
    """The names of the active leaves and of all states around them."""
    path: tuple[str, ...] = ()
    """The ids of edges, in the order in which they were taken."""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """What became of vertices and arcs, by id, if two charts are compared."""

    def steps(self, arc: Arc) -> str:
        """Return the steps at which an arrow was taken, such as ``1, 3``."""
        return ", ".join(str(at) for at, id_ in enumerate(self.path, 1) if id_ in arc.ids)

    def has_taken(self, arc: Arc) -> bool:
        """Whether one of the transitions of an arrow was taken."""
        return not set(self.path).isdisjoint(arc.ids)


def paint_halo(parent: ET.Element, box: Box, palette: Palette) -> None:
    """Paint the ring around what is active."""
    rectangle(
        parent,
        box.grown(6),
        RADIUS + 5,
        fill=palette.active_fill,
        stroke=palette.active,
        stroke_width=3,
    )


def paint_body(parent: ET.Element, box: Box, vertex: Vertex, palette: Palette) -> None:
    """Paint the outline of a node; its colour, border and corners say how a state is settled."""
    fill, line, width, dash = palette.paper, palette.line, 1.3, "5 4"
    if vertex.rest is not None:
        fill, line = getattr(palette, f"{vertex.rest}_fill"), getattr(palette, vertex.rest)
        width, dash = 2.4, ""
    elif vertex.folded:
        fill, line, dash = palette.group, palette.group_line, ""
    look: dict[str, Attribute | None] = {
        "fill": fill,
        "stroke": line,
        "stroke_width": width,
        "stroke_dasharray": dash or None,
    }
    if vertex.kind is NodeKind.HISTORY:
        radius = max(box.width, box.height) / 2
        circle(parent, *box.centre, radius, fill=fill, stroke=line, stroke_width=1.3)
        return
    if vertex.folded:
        rectangle(parent, Box(box.x + 4, box.y + 4, box.width, box.height), RADIUS, **look)
    final = vertex.kind is NodeKind.FINAL
    if final:
        look["stroke_width"] = 1.6
    if vertex.rest == "rejected":
        octagon(parent, box, 9, **look)
        if final:
            octagon(parent, box.grown(-4), 7, fill="none", stroke=line, stroke_width=1.6)
        return
    rectangle(parent, box, RADIUS, **look)
    if final:
        rectangle(parent, box.grown(-4), RADIUS - 3, fill="none", stroke=line, stroke_width=1.6)


def paint_badge(parent: ET.Element, box: Box, vertex: Vertex, palette: Palette) -> None:
    """Paint the sign of a settled state on the upper right corner."""
    if vertex.rest is None:
        return
    sign = {"resolved": "check", "rejected": "cross", "final": "finish"}[vertex.rest]
    x, y = box.x + box.width - 4, box.y + 1
    colour = getattr(palette, vertex.rest)
    circle(parent, x, y, 8, fill=colour, stroke=palette.paper, stroke_width=1.6)
    SIGNS[sign](parent, x, y, palette.badge_ink)


def paint_now(parent: ET.Element, box: Box, palette: Palette) -> None:
    """Paint the word that says that a node is active, on the upper left corner."""
    pill = Box(box.x - 5, box.y - 15, 38, 16)
    rectangle(parent, pill, 8, fill=palette.active, stroke=palette.paper, stroke_width=1.6)
    y = pill.y + 8
    circle(parent, pill.x + 9, y, 2.4, fill=palette.active_ink)
    text(parent, (pill.x + 14, y + 3.6), "now", 10, palette.active_ink, font_weight="bold")


def paint_mark_sign(parent: ET.Element, at: Point, mark: Mark, palette: Palette) -> None:
    """Paint the sign of a mark in a circle around a point of an arrow."""
    made = add(parent, "g", class_=f"mark {mark}")
    circle(made, *at, 7.5, fill=getattr(palette, mark), stroke=palette.paper, stroke_width=1.5)
    SIGNS[MARK_SIGNS[mark]](made, *at, palette.badge_ink)
