"""The frame around a painted chart: card, title, legend, and a stable text of the whole.

A notebook shows an SVG as an image, out of reach of the page's styles; on its dark pages
black lines on nothing can not be read. So every picture brings its own paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.engine.sketch import Sketch, printable
from settlesim.view.fonts import FAMILY, text_width
from settlesim.view.layout import Box, Layout
from settlesim.view.legend import entries, height_of, paint_legend
from settlesim.view.marks import Highlight
from settlesim.view.paint import paint
from settlesim.view.palette import Palette
from settlesim.view.shapes import add, number, rectangle, text

__all__ = ["Frame", "compose", "serialise"]

_MARGIN: Final = 22.0
_TITLE: Final = 30.0
_NAMESPACE: Final = "http://www.w3.org/2000/svg"


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around the chart."""

    palette: Palette
    title: str | None = None
    legend: bool = False
    alternative: str = ""


def compose(sketch: Sketch, layout: Layout, highlight: Highlight, frame: Frame) -> str:
    """Return the SVG of a chart on its card."""
    palette = frame.palette
    title = printable(frame.title) if frame.title else None
    items = entries(sketch, highlight) if frame.legend else []
    top = _MARGIN + (_TITLE if title else 0)
    inner = max(layout.width, text_width(title or "", 17, bold=True), 320.0 if items else 0.0)
    legend = height_of(items, inner)
    width = inner + 2 * _MARGIN
    height = top + layout.height + _MARGIN + legend
    root = ET.Element("svg")
    for name, value in {
        "xmlns": _NAMESPACE,
        "width": number(width),
        "height": number(height),
        "viewBox": f"0 0 {number(width)} {number(height)}",
        "role": "img",
        "aria-label": frame.alternative,
        "font-family": FAMILY,
        "style": "max-width:100%;height:auto",  # within HTML it shrinks with the page
    }.items():
        root.set(name, value)
    add(root, "title").text = frame.alternative
    card = Box(0.5, 0.5, width - 1, height - 1)
    rectangle(
        root, card, 12, fill=palette.paper, stroke=palette.frame, stroke_width=1, class_="card"
    )
    if title:
        text(root, (_MARGIN, _MARGIN + 14), title, 17, palette.ink, font_weight="bold")
    left = _MARGIN + (inner - layout.width) / 2
    chart = add(root, "g", class_="chart", transform=f"translate({number(left)} {number(top)})")
    paint(chart, sketch, layout, palette, highlight)
    if items:
        at = (_MARGIN, top + layout.height + 14)
        paint_legend(root, items, at, inner, palette)
    return serialise(root)


def serialise(root: ET.Element) -> str:
    """Return the text of an SVG: no declaration, no comments, the same bytes every time."""
    return printable(ET.tostring(root, encoding="unicode"))
