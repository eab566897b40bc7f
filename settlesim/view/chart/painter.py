"""A sketch on its layout, painted as SVG: nodes, groups, arrows, labels.

Theory of operation
-------------------
Graphviz decides where things are; this module decides what they look like. So a highlight does
not change any size, and signs that fonts lack are shapes. The order is groups, arrows, nodes,
labels. A label stands on a patch of paper, so no line runs through its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.chart import NodeKind, TransitionKind
from settlesim.machine.labels import SIZES
from settlesim.machine.sketch import Arc, Role, Sketch, Vertex
from settlesim.view.chart.description import arc_title, kind_words, vertex_title
from settlesim.view.chart.highlights import (
    RADIUS,
    Highlight,
    paint_badge,
    paint_body,
    paint_halo,
    paint_mark_sign,
    paint_now,
)
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Box, Layout, Line, Point
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.placing import Placed, along, on_the_middle, place
from settlesim.view.svg.shapes import (
    SIGNS,
    Attribute,
    circle,
    curve,
    group,
    number,
    polygon,
    rectangle,
    stroke,
    text,
)

__all__ = ["paint"]

_FACES: Final[dict[Role, dict[str, Attribute]]] = {
    "name": {"font_weight": "bold"},
    "event": {"font_weight": "bold"},
    "service": {"font_style": "italic"},
    "assign": {"font_style": "italic"},
}
_DASHES: Final = {TransitionKind.ERROR: "7 4", TransitionKind.AFTER: "0.1 5"}
"""The third sign of a kind, after the word and the shape."""
_PILLS: Final[dict[Role, str]] = {
    "added": "added", "removed": "removed", "changed": "changed",
    "stored": "line", "stranded": "removed", "refuted": "rejected",
}  # fmt: skip
"""The roles of texts that stand on a fill, and its colour; ``line`` is only an outline."""
_FADED: Final = 0.4


class _Painter:
    def __init__(
        self, sketch: Sketch, layout: Layout, palette: Palette, highlight: Highlight
    ) -> None:
        self.sketch = sketch
        self.layout = layout
        self.palette = palette
        self.highlight = highlight
        self.groups = [
            layout.boxes[vertex.id] for vertex in sketch.vertices.values() if vertex.children
        ]
        self.arrows = {arc.id for arc in sketch.arcs if not arc.internal}
        self.lines = {each.id: each for arc in sketch.arcs for each in arc.bundle or (arc,)}
        self.passed = {
            end
            for arc in sketch.arcs
            if highlight.has_taken(arc)
            for end in (arc.source, arc.dest, *arc.more)
        }

    # --- nodes ----------------------------------------------------------------------------

    def classes(self, vertex: Vertex) -> str:
        words = kind_words(vertex)
        if vertex.name in self.highlight.active:
            words.append("active")
        if vertex.name in self.passed:
            words.append("passed")
        if vertex.id in self.highlight.marks:
            words.append(self.highlight.marks[vertex.id])
        return " ".join(words)

    def node(self, parent: ET.Element, vertex: Vertex) -> None:
        box = self.layout.boxes[vertex.id]
        made = group(parent, vertex.id, f"node {self.classes(vertex)}", vertex_title(vertex))
        paint_body(made, box, vertex, self.palette)
        ink = self.palette.ink
        if vertex.rest is not None:
            ink = getattr(self.palette, f"{vertex.rest}_ink")
        gone = self.highlight.marks.get(vertex.id) == "removed"
        placed = place(self.sketch.rows(vertex), box.spots, box.middle)
        self.rows(made, placed, ink, struck=gone)
        paint_badge(made, box, vertex, self.palette)
        if vertex.name in self.highlight.active:
            paint_now(made, box, self.palette)

    def halo(self, parent: ET.Element, vertex: Vertex) -> None:
        """Paint the ring; it goes below the arrows, because it would hide their heads."""
        if vertex.name in self.highlight.active:
            made = group(parent, f"{vertex.id}_halo", "halo")
            paint_halo(made, self.layout.boxes[vertex.id], self.palette)

    def group(self, parent: ET.Element, vertex: Vertex) -> None:
        box = self.layout.boxes[vertex.id]
        palette = self.palette
        made = group(parent, vertex.id, f"group {self.classes(vertex)}", vertex_title(vertex))
        above = self.sketch.vertices.get(vertex.parent or "")
        region = above is not None and above.kind is NodeKind.PARALLEL
        colour, width = palette.group_line, 1.2
        if vertex.rest is not None:
            colour, width = getattr(palette, vertex.rest), 2.4
        if vertex.name in self.highlight.active:
            colour, width = palette.active, 2.4
        rectangle(
            made,
            box,
            RADIUS + 3,
            fill=palette.group,
            stroke=colour,
            stroke_width=width,
            stroke_dasharray="6 5" if region else None,
        )
        gone = self.highlight.marks.get(vertex.id) == "removed"
        placed = place(self.sketch.rows(vertex), box.spots, box.x + 14, left=True)
        self.rows(made, placed, palette.ink, struck=gone)
        paint_badge(made, box, vertex, palette)

    # --- text -----------------------------------------------------------------------------

    def rows(
        self, parent: ET.Element, placed: Iterable[Placed], ink: str, *, struck: bool = False
    ) -> None:
        """Write every piece of text, and the sign before it.

        Parameters
        ----------
        struck : whether a line is drawn through all of it
        """
        groups: dict[str, ET.Element] = {}
        for piece in placed:
            run, at, _, row = piece
            icon = row.icon if run is row.runs[0] else None
            if row.arc is not None and row.arc not in groups:
                groups[row.arc] = self.transition(parent, row.arc)
            strong = run.role in {"name", "event"}
            fill = ink if strong or ink != self.palette.ink else self.palette.quiet
            size = SIZES[run.role]
            look = dict(_FACES.get(run.role, {}))
            gone = self.highlight.marks.get(row.arc or "") == "removed"
            if run.role == "was" or (run.role not in _PILLS and (struck or gone)):
                look["text_decoration"] = "line-through"
            if row.arc in self.highlight.path:
                fill = self.palette.active_text
                look["text_decoration"] = "underline"
            into = groups.get(row.arc or "", parent)
            if run.role in _PILLS:
                self.pill(into, piece, _PILLS[run.role])
                continue
            if icon is not None:
                sign = self.palette.rejected if icon == "alert" else fill
                SIGNS[icon](into, at[0] - 10, at[1] - size * 0.34, sign)
            text(into, at, run.text, size, fill, **look)

    def pill(self, parent: ET.Element, piece: Placed, name: str) -> None:
        """Write a text on a fill of its own, with its sign."""
        run, (x, y), measured, row = piece
        icon = row.icon
        width = text_width(run.text, SIZES[run.role], bold=True)
        at = (x + (measured - width) / 2, y)
        left, right = (21, 7) if icon is not None else (7, 7)
        box = Box(at[0] - left, at[1] - 11.5, left + width + right, 15.5)
        plain = name == "line"
        fill = self.palette.paper if plain else getattr(self.palette, name)
        ink = self.palette.ink if plain else self.palette.badge_ink
        rectangle(parent, box, 7.75, fill=fill, stroke=getattr(self.palette, name))
        if icon is not None:
            SIGNS[icon](parent, at[0] - 11, at[1] - 3.9, ink)
        text(parent, at, run.text, SIZES[run.role], ink, font_weight="bold")

    def transition(self, parent: ET.Element, id_: str) -> ET.Element:
        """Add the group for the lines of text about one transition."""
        arc = self.lines[id_]
        taken = " taken" if id_ in self.highlight.path else ""
        place = "internal" if arc.internal else "bundled"
        classes = f"edge {arc.kind.value} {place}{taken}{self.mark_class(arc)}"
        own = None if id_ in self.arrows else id_  # an arrow has the id of its first transition
        return group(parent, own, classes, arc_title(arc, self.highlight.steps(arc)))

    def paper_at(self, point: Point) -> str:
        inside = any(box.holds(point) for box in self.groups)
        return self.palette.group if inside else self.palette.paper

    # --- arrows ---------------------------------------------------------------------------

    def look(self, arc: Arc) -> tuple[str, float, float | None]:
        """Return colour, width and opacity of an arrow."""
        if self.highlight.has_taken(arc):
            return self.palette.active, 3.2, None
        mark = self.highlight.marks.get(arc.id)
        if mark is not None:
            return getattr(self.palette, mark), 1.4 if mark == "removed" else 2.4, None
        faded = _FADED if self.highlight.path else None
        if arc.kind is TransitionKind.ERROR:
            return self.palette.rejected, 1.4, faded
        return self.palette.line, 1.4, faded

    def arrow(self, parent: ET.Element, arc: Arc) -> None:
        line = self.layout.lines[arc.id]
        taken = self.highlight.has_taken(arc)
        classes = f"edge {arc.kind.value}{' taken' if taken else ''}{self.mark_class(arc)}"
        made = group(parent, arc.id, classes, arc_title(arc, self.highlight.steps(arc)))
        colour, width, opacity = self.look(arc)
        if opacity is not None:
            made.set("opacity", number(opacity))
        dash = _DASHES.get(arc.kind)
        look: dict[str, Attribute] = {"stroke_linecap": "round"}
        if dash is not None:
            look["stroke_dasharray"] = dash
        if arc.kind is TransitionKind.AFTER and not taken:
            width = max(width, 2.0)  # thinner dots are hard to see
        stroke(made, curve(line.points), colour, width, **look)
        self.head(made, line, arc, colour, taken)
        for id_ in arc.branches:
            branch = self.layout.lines[id_]
            stroke(made, curve(branch.points), colour, width, **look)
            self.head(made, branch, arc, colour, taken)
        if arc.more:
            x, y = self.layout.boxes[arc.fork].centre
            circle(made, x, y, 4.5, fill=colour)

    def defaults(self, parent: ET.Element, vertex: Vertex) -> None:
        """Paint the arrows from a history state to its default targets."""
        for index, name in enumerate(vertex.default):
            id_ = f"{vertex.id}_default_{index}"
            line = self.layout.lines[id_]
            made = group(parent, id_, "edge default", f"at first: {vertex.name} to {name}")
            stroke(made, curve(line.points), self.palette.line, 1.2, stroke_dasharray="3 3")
            polygon(made, line.head, fill=self.palette.line)

    def mark_class(self, arc: Arc) -> str:
        mark = self.highlight.marks.get(arc.id)
        return "" if mark is None else f" {mark}"

    def head(self, parent: ET.Element, line: Line, arc: Arc, colour: str, taken: bool) -> None:
        if len(line.head) < 3:
            return
        tip = line.head[1]
        factor = 1.5 if taken else 1.0
        corners = [
            (tip[0] + (x - tip[0]) * factor, tip[1] + (y - tip[1]) * factor) for x, y in line.head
        ]
        hollow = arc.kind is TransitionKind.EVENTLESS
        middle = corners[0]
        polygon(
            parent,
            corners,
            fill=self.paper_at(middle) if hollow else colour,
            stroke=colour,
            stroke_width=1.3,
            stroke_linejoin="round",
        )

    def label(self, parent: ET.Element, arc: Arc) -> None:
        line = self.layout.lines[arc.id]
        taken = self.highlight.has_taken(arc)
        classes = f"label {arc.kind.value}{' taken' if taken else ''}"
        made = group(parent, f"{arc.id}_label", classes)
        _, _, opacity = self.look(arc)
        if opacity is not None:
            made.set("opacity", number(0.6))
        placed = (
            place(arc.rows, line.spots, line.middle)
            if line.spots
            else on_the_middle(arc.rows, line)
        )
        for run, (x, y), width, row in placed:
            left = x - (17 if row.icon and run is row.runs[0] else 2)
            patch = Box(
                left, y - SIZES[run.role] * 0.86, x + width + 2 - left, SIZES[run.role] * 1.12
            )
            at = (patch.x + patch.width / 2, patch.y + patch.height / 2)
            rectangle(made, patch, 3, fill=self.paper_at(at), fill_opacity=0.85)
        mark = self.highlight.marks.get(arc.id)
        self.rows(made, placed, self.palette.ink, struck=mark == "removed")
        if mark is not None:
            paint_mark_sign(made, _clear(line, placed), mark, self.palette)
        if taken and len(self.highlight.path) > 1:
            self.steps(made, line, self.highlight.steps(arc))

    def steps(self, parent: ET.Element, line: Line, steps: str) -> None:
        """Put the number of the step at the beginning of an arrow that was taken."""
        x, y = along(line.points, 26)  # clear of a badge on the corner
        width = max(15.0, 6.0 * len(steps) + 8)
        box = Box(x - width / 2, y - 7.5, width, 15)
        rectangle(
            parent,
            box,
            7.5,
            fill=self.palette.active,
            stroke=self.paper_at((x, y)),
            stroke_width=1.5,
        )
        ink = self.palette.active_ink
        text(parent, (x, y + 3.6), steps, 10, ink, font_weight="bold", text_anchor="middle")

    def port(self, parent: ET.Element, id_: str) -> None:
        box = self.layout.boxes.get(id_)
        if box is not None:
            made = group(parent, id_, "port")
            circle(made, *box.centre, 3, fill=self.palette.line)

    def start(self, parent: ET.Element, id_: str) -> None:
        box = self.layout.boxes.get(id_)
        if box is None:
            return
        dot = group(parent, id_, "start", "start")
        circle(dot, *box.centre, box.width / 2, fill=self.palette.ink)
        line = self.layout.lines.get(f"{id_}_edge")
        if line is not None:
            made = group(parent, f"{id_}_edge", "edge start")
            stroke(made, curve(line.points), self.palette.ink, 1.4, stroke_linecap="round")
            polygon(made, line.head, fill=self.palette.ink)


def _clear(line: Line, label: Iterable[Placed]) -> Point:
    """Return a point near the beginning of an arrow where a sign does not cover its label."""
    boxes = [
        Box(x - (17 if row.icon else 0), y - 12, width + 17, 16).grown(7)
        for _, (x, y), width, row in label
    ]
    places = [along(line.points, distance) for distance in (26, 12, 38, 50)]
    return next(
        (place for place in places if not any(box.holds(place) for box in boxes)), places[0]
    )


def paint(
    parent: ET.Element,
    sketch: Sketch,
    layout: Layout,
    palette: Palette,
    highlight: Highlight,
) -> None:
    """Paint everything into `parent`, in the layout's coordinates."""
    painter = _Painter(sketch, layout, palette, highlight)
    groups = [vertex for vertex in sketch.vertices.values() if vertex.children]
    leaves = [vertex for vertex in sketch.vertices.values() if not vertex.children]
    arcs = [arc for arc in sketch.arcs if not arc.internal]
    for vertex in groups:
        painter.group(parent, vertex)
    for vertex in leaves:
        painter.halo(parent, vertex)
    for id_ in ["start", *(f"{vertex.id}_start" for vertex in groups)]:
        painter.start(parent, id_)
    for vertex in groups:
        painter.port(parent, f"{vertex.id}_port")
    for vertex in leaves:
        painter.defaults(parent, vertex)
    for arc in sorted(arcs, key=highlight.has_taken):  # taken ones on top
        painter.arrow(parent, arc)
    for vertex in leaves:
        painter.node(parent, vertex)
    for arc in arcs:
        painter.label(parent, arc)
