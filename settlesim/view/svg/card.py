"""The card that pictures of simulations stand on, and how they become a `Picture`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.display import Theme
from settlesim.machine.sketch import xml_text
from settlesim.view.fonts import FAMILY
from settlesim.view.graphviz.layout import Box, Point
from settlesim.view.svg.palette import Palette, follows_page, palette_of
from settlesim.view.svg.picture import Picture, format_of
from settlesim.view.svg.png import check_scale
from settlesim.view.svg.shapes import SIGNS, add, circle, number, rectangle, serialise, text
from settlesim.view.svg.text_fitting import wrapped

__all__ = ["MARGIN", "WIDTH", "Look", "badge", "new_card", "title_height"]

WIDTH: Final = 860.0
"""The width of a card, which fits into a notebook's cell."""
MARGIN: Final = 22.0
TITLE: Final = 30.0
"""The height of a title of one line."""
_TITLE_LINE: Final = 21.0
_TITLE_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Look:
    """The options that every picture of a simulation takes.

    Parameters
    ----------
    format : the format of a target, where its suffix does not say it
    theme : ``"page"``, ``"light"`` or ``"dark"``; None for that of `settlesim.options`
    title : a line above the picture; None for the default of the picture
    scale : pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture
    """

    format: str | None = None
    theme: Theme | None = None
    title: str | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        check_scale(self.scale)
        palette_of(self.theme)

    @property
    def palette(self) -> Palette:
        """The colours."""
        return palette_of(self.theme)

    def picture(
        self,
        alt: str,
        make: Callable[[], ET.Element],
        target: str | os.PathLike[str] | None = None,
    ) -> Picture:
        """Return the picture that `make` paints; with `target`, also write it to a file."""
        wanted = None if self.format is None else format_of(self.format)
        made = Picture(
            xml_text(alt),
            {"svg": lambda: serialise(make())},
            scale=self.scale,
            follows_page=follows_page(self.theme),
        )
        if target is not None:
            made.save(target, wanted)
        else:
            made.render(wanted or "svg")  # raises here, not when a notebook displays the picture
        return made


def _title_lines(title: str, width: float) -> list[str]:
    return wrapped(title, 17, width - 2 * MARGIN, lines=_TITLE_LINES, bold=True)


def title_height(title: str, width: float) -> float:
    """Return the height of a title on a card of this width; 0 without a title."""
    return TITLE + _TITLE_LINE * (len(_title_lines(title, width)) - 1) if title else 0.0


def new_card(
    width: float, height: float, alt: str, palette: Palette, title: str | None = None
) -> ET.Element:
    """Return an SVG with its paper and title; everything else stands below `title_height`."""
    root = ET.Element("svg")
    for name, value in {
        "xmlns": "http://www.w3.org/2000/svg",
        "width": number(width),
        "height": number(height),
        "viewBox": f"0 0 {number(width)} {number(height)}",
        "role": "img",
        "aria-label": alt,
        "font-family": FAMILY,
        "style": "max-width:100%;height:auto",
    }.items():
        root.set(name, value)
    add(root, "title").text = alt
    card = Box(0.5, 0.5, width - 1, height - 1)
    rectangle(
        root, card, 12, fill=palette.paper, stroke=palette.frame, stroke_width=1, class_="card"
    )
    for place, line in enumerate(_title_lines(title, width) if title else ()):
        y = MARGIN + 14 + place * _TITLE_LINE
        text(root, (MARGIN, y), line, 17, palette.ink, font_weight="bold")
    return root


def badge(parent: ET.Element, at: Point, sign: str, colour: str, palette: Palette) -> None:
    """Paint a sign in a filled circle around a point."""
    circle(parent, *at, 8, fill=colour)
    SIGNS[sign](parent, *at, palette.badge_ink)
