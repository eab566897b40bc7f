"""The picture of a chart for live panels: an event changes only the classes of its elements.

The layout is made once. The colours are variables of the page's style sheet, so that one picture
serves light and dark. Every leaf has a halo and the word "now", hidden until a class shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final
from xml.etree import ElementTree as ET

from settlesim.chart import Chart
from settlesim.display import Direction
from settlesim.machine.sketch import Sketch
from settlesim.view.chart.chart_sketch import chart_sketch
from settlesim.view.chart.description import alternative
from settlesim.view.chart.drawing import CELL, Drawing, Options
from settlesim.view.chart.highlights import Highlight, paint_halo, paint_now
from settlesim.view.chart.painter import paint
from settlesim.view.fonts import FAMILY
from settlesim.view.graphviz.layout import Layout
from settlesim.view.svg.page import LEAST_SCALE
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import add, group, number, serialise

__all__ = ["LivePicture", "fitting_picture", "live_picture"]

_SIDE: Final = 12.0
"""The margin at the left and at the right, with room for a halo."""
_MARGIN: Final = 18.0
"""The margin at the top, with room for the word "now", and at the bottom."""
_TALLEST: Final = 1500.0
"""The largest height of a chart that is shown whole, in pixels; the same as in ``chart.css``."""
_VARIABLES: Final[dict[str, Any]] = {
    each.name: f"var(--ss-{each.name.replace('_', '-')})"
    for each in fields(Palette)
    if each.name != "series"
}
_COLOURS: Final = Palette(**_VARIABLES)


@dataclass(frozen=True, slots=True)
class LivePicture:
    """A picture for the page, and what its elements stand for."""

    svg: str
    nodes: dict[str, str]
    """The ids of the nodes' elements, by name."""
    boxes: dict[str, tuple[float, float, float, float]]
    """x, y, width and height of every node, by id, in the picture's units."""

    size: tuple[float, float]
    """Width and height of the whole picture, in its units."""

    @property
    def width(self) -> float:
        """The right end of the rightmost node."""
        return max(x + width for x, _, width, _ in self.boxes.values())

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        boxes = {id_: list(box) for id_, box in self.boxes.items()}
        # pairs, because a name such as "__proto__" must not become a key of a script's object
        return {"svg": self.svg, "nodes": list(map(list, self.nodes.items())), "boxes": boxes}


def live_picture(chart: Chart, direction: Direction = "LR") -> LivePicture:
    """Return the picture of a chart, made once for each chart and direction.

    Raises
    ------
    RenderError
        The chart cannot be laid out.
    """
    made: LivePicture | None = chart.cache.get(f"live picture {direction}")
    if made is None:
        made = chart.cache[f"live picture {direction}"] = _make(chart, direction)
    return made


def fitting_picture(
    chart: Chart, direction: Direction | None = None, width: float = CELL
) -> LivePicture:
    """Return the picture of a chart that fits into a cell with legible text, if there is one.

    Parameters
    ----------
    direction : None for left to right, or top to bottom if only that fits
    width : the width of the cell, in pixels
    """
    picture = live_picture(chart, direction or "LR")
    if direction is None and picture.size[0] * LEAST_SCALE > width:
        down = live_picture(chart, "TB")
        if down.size[0] * LEAST_SCALE <= width and down.size[1] <= _TALLEST:
            return down
    return picture


def _make(chart: Chart, direction: Direction) -> LivePicture:
    sketch = chart_sketch(chart)
    what = f"Chart {chart.name!r}"
    options = Options(direction=direction, bundle=False)
    layout = Drawing(what, chart, sketch, chart.cache, (), (), options).layout
    root = _root(layout, alternative(what, sketch))
    inside = add(root, "g", class_="chart", transform=f"translate({_SIDE:g} {_MARGIN:g})")
    paint(inside, sketch, layout, _COLOURS, Highlight())
    _add_lights(inside, sketch, layout)
    return LivePicture(
        serialise(root),
        {name: vertex.id for name, vertex in sketch.vertices.items()},
        {
            vertex.id: (box.x + _SIDE, box.y + _MARGIN, box.width, box.height)
            for vertex in sketch.vertices.values()
            for box in (layout.boxes[vertex.id],)
        },
        (layout.width + 2 * _SIDE, layout.height + 2 * _MARGIN),
    )


def _root(layout: Layout, words: str) -> ET.Element:
    width, height = layout.width + 2 * _SIDE, layout.height + 2 * _MARGIN
    return ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": number(width),
            "height": number(height),
            "viewBox": f"0 0 {number(width)} {number(height)}",
            "role": "group",
            "aria-label": words,
            "font-family": FAMILY,
        },
    )


def _add_lights(inside: ET.Element, sketch: Sketch, layout: Layout) -> None:
    """Add the halo and the word "now" of every leaf; they are hidden until a class shows them."""
    leaves = [vertex for vertex in sketch.vertices.values() if not vertex.children]
    halos = ET.Element("g", {"class": "halos"})
    for vertex in leaves:
        halo = group(halos, f"{vertex.id}_halo", "halo")
        paint_halo(halo, layout.boxes[vertex.id], _COLOURS)
    after_groups = sum(each.get("class", "").startswith("group") for each in inside)
    inside.insert(after_groups, halos)
    found = {each.get("id"): each for each in inside}
    for vertex in leaves:
        paint_now(add(found[vertex.id], "g", class_="now"), layout.boxes[vertex.id], _COLOURS)
