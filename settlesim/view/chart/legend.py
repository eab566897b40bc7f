"""The key to the signs of a picture: only those that occur in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.chart import NodeKind, TransitionKind
from settlesim.machine.sketch import Icon, Rest, Sketch, Vertex
from settlesim.view.chart.highlights import (
    MARK_WORDS,
    Highlight,
    Mark,
    paint_badge,
    paint_body,
    paint_halo,
    paint_mark_sign,
)
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Box, Point
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import (
    SIGNS,
    Attribute,
    add,
    circle,
    curve,
    polygon,
    rectangle,
    stroke,
    text,
)
from settlesim.view.svg.text_fitting import in_lines

__all__ = ["LegendEntry", "entries", "height_of", "paint_legend"]

_SWATCH: Final = 30.0
_GAP: Final = 22.0
_LINE: Final = 26.0
_SIZE: Final = 11

_Paint = Callable[[ET.Element, Point, Palette], None]


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A sign and what it means."""

    name: str
    words: str
    paint: _Paint

    @property
    def width(self) -> float:
        """The width of the sign with its words."""
        return _SWATCH + 6 + text_width(self.words, _SIZE)


def entries(sketch: Sketch, highlight: Highlight) -> list[LegendEntry]:
    """Return the signs that occur, in a fixed order."""
    return [
        *_diff_entries(sketch, highlight),
        *_node_entries(sketch),
        *_arc_entries(sketch),
        *_highlight_entries(highlight),
    ]


def _node_entries(sketch: Sketch) -> Iterator[LegendEntry]:
    vertices = sketch.vertices.values()
    leaves = [
        vertex for vertex in vertices if not vertex.children and vertex.kind is not NodeKind.HISTORY
    ]
    rests = {vertex.rest for vertex in vertices}
    if sketch.initial is not None:
        yield LegendEntry("start", "start", _dot)
    if "resolved" in rests:
        yield LegendEntry("settled", "settled: saved, may rest", _node("resolved"))
    if "rejected" in rests:
        yield LegendEntry("rejected", "rejected", _node("rejected"))
    if any(leaf.kind is NodeKind.FINAL for leaf in leaves):
        yield LegendEntry("final", "final", _node("final", NodeKind.FINAL))
    if any(leaf.rest is None and not leaf.folded for leaf in leaves):
        yield LegendEntry("passing", "passing: never saved", _node(None))
    yield from _history_entries(sketch)
    roles = {run.role for each in vertices for row in each.rows for run in row.runs}
    if "refuted" in roles:
        yield LegendEntry("refuted", "refuted by check: an event may end unsettled", _refuted)
    if "service" in roles:
        yield LegendEntry("service", "service runs", _sign("gear"))
    if any(leaf.folded for leaf in leaves):
        yield LegendEntry("folded", "states inside, not shown", _node(None, NodeKind.COMPOUND))
    if any(vertex.kind is NodeKind.PARALLEL and not vertex.folded for vertex in vertices):
        yield LegendEntry("region", "parallel region", _region)


def _history_entries(sketch: Sketch) -> Iterator[LegendEntry]:
    vertices = sketch.vertices.values()
    history = {vertex.label for vertex in vertices if vertex.kind is NodeKind.HISTORY}
    if "H" in history:
        yield LegendEntry("shallow", "history: the child that was active before", _history("H"))
    if "H*" in history:
        yield LegendEntry("deep", "history: all that was active inside before", _history("H*"))


def _arc_entries(sketch: Sketch) -> Iterator[LegendEntry]:
    kinds = {arc.kind for arc in sketch.arcs if not arc.internal}
    words: tuple[tuple[TransitionKind, str, Icon | None], ...] = (
        (TransitionKind.EXTERNAL, "event", None),
        (TransitionKind.EVENTLESS, "at once", None),
        (TransitionKind.DONE, "service done", "gear"),
        (TransitionKind.ERROR, "service failed", "alert"),
        (TransitionKind.AFTER, "after a while", "clock"),
        (TransitionKind.FINISHED, "all inside final", "finish"),
    )
    for kind, meaning, icon in words:
        if kind in kinds:
            yield LegendEntry(kind.value, meaning, _arrow(kind, icon))
    if any(arc.internal for arc in sketch.arcs):
        yield LegendEntry("internal", "the state is neither left nor entered", _internal)
    if any(arc.source == arc.dest and not arc.internal for arc in sketch.arcs):
        yield LegendEntry("self", "self-transition: left and entered again", _loop)


def _highlight_entries(highlight: Highlight) -> Iterator[LegendEntry]:
    if highlight.active:
        yield LegendEntry("active", "active now", _active)
    if highlight.path:
        yield LegendEntry("taken", "path just taken", _taken)


def _diff_entries(sketch: Sketch, highlight: Highlight) -> Iterator[LegendEntry]:
    marks = set(highlight.marks.values())
    for mark, word in MARK_WORDS.items():
        if mark in marks:
            yield LegendEntry(mark, word, _mark(mark))
    roles = {run.role for each in sketch.vertices.values() for row in each.rows for run in row.runs}
    if "stored" in roles:
        yield LegendEntry("stored", "stored instances", _stored)
    if "stranded" in roles:
        words = "stranded: the new chart cannot resume them"
        yield LegendEntry("stranded", words, _stranded)


def height_of(items: Sequence[LegendEntry], width: float) -> float:
    """Return the height of the legend below the chart."""
    return _LINE * len(in_lines(items, width, _GAP)) + 10 if items else 0.0


def paint_legend(
    parent: ET.Element, items: Sequence[LegendEntry], at: Point, width: float, palette: Palette
) -> None:
    """Paint the legend in lines of at most `width`, below a rule."""
    made = add(parent, "g", class_="legend")
    rule = f"M{at[0]:g},{at[1]:g}h{width:g}"
    add(made, "path", d=rule, stroke=palette.frame, stroke_width=1)
    y = at[1] + 8 + _LINE / 2
    for line in in_lines(items, width, _GAP):
        x = at[0]
        for item in line:
            entry = add(made, "g", class_=f"entry {item.name}")
            item.paint(entry, (x, y), palette)
            text(entry, (x + _SWATCH + 6, y + 4), item.words, _SIZE, palette.quiet)
            x += item.width + _GAP
        y += _LINE


# --- swatches: the point is the middle of the left edge -----------------------------------


def _dot(parent: ET.Element, at: Point, palette: Palette) -> None:
    circle(parent, at[0] + 15, at[1], 5, fill=palette.ink)


def _vertex(rest: Rest | None, kind: NodeKind = NodeKind.ATOMIC) -> Vertex:
    return Vertex("", "", "", kind, rest, None, (), None, ())


def _node(rest: Rest | None, kind: NodeKind = NodeKind.ATOMIC) -> _Paint:
    def paint(parent: ET.Element, at: Point, palette: Palette) -> None:
        small = add(parent, "g", transform=f"translate({at[0]:g} {at[1]:g}) scale(0.7)")
        box = Box(2, -11, 36, 24)
        paint_body(small, box, _vertex(rest, kind), palette)
        paint_badge(small, box, _vertex(rest, kind), palette)

    return paint


def _history(letter: str) -> _Paint:
    def paint(parent: ET.Element, at: Point, palette: Palette) -> None:
        circle(parent, at[0] + 15, at[1], 9, fill=palette.paper, stroke=palette.line)
        middle = (at[0] + 15, at[1] + 4)
        text(parent, middle, letter, 10, palette.ink, font_weight="bold", text_anchor="middle")

    return paint


def _active(parent: ET.Element, at: Point, palette: Palette) -> None:
    small = add(parent, "g", transform=f"translate({at[0]:g} {at[1]:g}) scale(0.7)")
    box = Box(6, -8, 30, 16)
    paint_halo(small, box, palette)
    paint_body(small, box, _vertex(None), palette)


def _region(parent: ET.Element, at: Point, palette: Palette) -> None:
    add(
        parent, "rect", x=at[0] + 2, y=at[1] - 8, width=26, height=16, rx=5, fill=palette.group,
        stroke=palette.group_line, stroke_width=1.2, stroke_dasharray="4 3",
    )  # fmt: skip


def _sign(name: str) -> _Paint:
    def paint(parent: ET.Element, at: Point, palette: Palette) -> None:
        SIGNS[name](parent, at[0] + 17, at[1], palette.quiet)

    return paint


def _arrow(kind: TransitionKind, icon: Icon | None) -> _Paint:
    def paint(parent: ET.Element, at: Point, palette: Palette) -> None:
        x, y = at
        colour = palette.rejected if kind is TransitionKind.ERROR else palette.line
        look: dict[str, Attribute] = {"stroke_linecap": "round"}
        dash = {TransitionKind.ERROR: "5 3", TransitionKind.AFTER: "0.1 4"}.get(kind)
        if dash is not None:
            look["stroke_dasharray"] = dash
        begin = x if icon is None else x + 13
        stroke(parent, f"M{begin:g},{y:g}H{x + 23:g}", colour, 1.5, **look)
        hollow = kind is TransitionKind.EVENTLESS
        polygon(
            parent, [(x + 22, y - 3.4), (x + 30, y), (x + 22, y + 3.4)],
            fill=palette.paper if hollow else colour, stroke=colour, stroke_width=1.2,
        )  # fmt: skip
        if icon is not None:
            SIGNS[icon](parent, x + 5, y, colour if icon == "alert" else palette.quiet)

    return paint


def _mark(mark: Mark) -> _Paint:
    def paint(parent: ET.Element, at: Point, palette: Palette) -> None:
        paint_mark_sign(parent, (at[0] + 17, at[1]), mark, palette)

    return paint


def _stored(parent: ET.Element, at: Point, palette: Palette) -> None:
    box = Box(at[0] + 5, at[1] - 8, 24, 16)
    rectangle(parent, box, 8, fill=palette.paper, stroke=palette.line)
    text(parent, (at[0] + 14, at[1] + 4), "n", 11, palette.ink, font_weight="bold")


def _stranded(parent: ET.Element, at: Point, palette: Palette) -> None:
    x, y = at
    rectangle(parent, Box(x + 5, y - 8, 24, 16), 8, fill=palette.removed)
    SIGNS["alert"](parent, x + 17, y, palette.badge_ink)


def _refuted(parent: ET.Element, at: Point, palette: Palette) -> None:
    x, y = at
    rectangle(parent, Box(x + 5, y - 8, 24, 16), 8, fill=palette.rejected)
    SIGNS["alert"](parent, x + 17, y, palette.badge_ink)


def _internal(parent: ET.Element, at: Point, palette: Palette) -> None:
    text(parent, (at[0], at[1] + 4), "stays", 12, palette.quiet)


def _loop(parent: ET.Element, at: Point, palette: Palette) -> None:
    x, y = at
    path = [(x, y - 4), (x + 34, y - 14), (x + 34, y + 13), (x + 8, y + 5)]
    stroke(parent, curve(path), palette.line, 1.5)
    polygon(parent, [(x + 8, y + 1), (x + 1, y + 3), (x + 7, y + 8)], fill=palette.line)


def _taken(parent: ET.Element, at: Point, palette: Palette) -> None:
    x, y = at
    stroke(parent, f"M{x:g},{y:g}H{x + 22:g}", palette.active, 3.2, stroke_linecap="round")
    polygon(parent, [(x + 19, y - 5.5), (x + 30, y), (x + 19, y + 5.5)], fill=palette.active)
