"""The frame around a painted chart: card, title, notes and legend.

An SVG that is shown as an image is out of reach of the page's styles, and without a background
its dark lines could not be read on a dark page. So every picture brings its own paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.machine.sketch import Sketch, xml_text
from settlesim.view.chart.highlights import Highlight
from settlesim.view.chart.legend import entries, height_of, paint_legend
from settlesim.view.chart.painter import paint
from settlesim.view.fonts import FAMILY, text_width
from settlesim.view.graphviz.layout import Box, Layout
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import add, number, rectangle, serialise, text
from settlesim.view.svg.text_fitting import cut

__all__ = ["ChartFrame", "frame_chart"]

_MARGIN: Final = 22.0
_TITLE: Final = 30.0
_NOTE: Final = 18.0
_NOTE_SIZE: Final = 12.5
_LONGEST_NOTE: Final = 816.0
"""The width of a note that fits on a card in a notebook's cell."""
_NAMESPACE: Final = "http://www.w3.org/2000/svg"


@dataclass(frozen=True, slots=True)
class ChartFrame:
    """What is around the chart."""

    palette: Palette
    title: str | None = None
    legend: bool = False
    alternative: str = ""
    notes: tuple[str, ...] = ()
    """Lines below the title."""


def frame_chart(sketch: Sketch, layout: Layout, highlight: Highlight, frame: ChartFrame) -> str:
    """Return the SVG of a chart on its card."""
    palette = frame.palette
    title = xml_text(frame.title) if frame.title else None
    items = entries(sketch, highlight) if frame.legend else []
    notes = [cut(note, _NOTE_SIZE, _LONGEST_NOTE) for note in frame.notes]
    top = _MARGIN + (_TITLE if title else 0) + _NOTE * len(notes)
    inner = max(
        layout.width,
        text_width(title or "", 17, bold=True),
        320.0 if items else 0.0,
        *(text_width(note, _NOTE_SIZE) for note in notes),
    )
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
    for index, note in enumerate(notes):
        at = (_MARGIN, top - _NOTE * (len(notes) - index) + 6)
        text(root, at, note, _NOTE_SIZE, palette.quiet)
    left = _MARGIN + (inner - layout.width) / 2
    chart = add(root, "g", class_="chart", transform=f"translate({number(left)} {number(top)})")
    paint(chart, sketch, layout, palette, highlight)
    if items:
        at = (_MARGIN, top + layout.height + 14)
        paint_legend(root, items, at, inner, palette)
    return serialise(root)
