"""SVG elements and the signs that fonts lack, such as check, cross, gear, clock and plus.

All styling is by presentation attributes, never CSS, so that renderers other than browsers and
pages that strip styles show the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.machine.sketch import xml_text
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Box, Point

__all__ = [
    "SIGNS",
    "Attribute",
    "add",
    "circle",
    "curve",
    "group",
    "number",
    "octagon",
    "polygon",
    "rectangle",
    "serialise",
    "stroke",
    "text",
]

Attribute = str | float
_SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"
_SPACES: Final = re.compile(r"^\s|\s\s|\s$")


def number(value: float) -> str:
    """Return a number with at most two decimals, and no minus zero."""
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def add(parent: ET.Element, tag: str, **attributes: Attribute | None) -> ET.Element:
    """Add an element; an underscore in an attribute's name stands for a hyphen."""
    made = {
        name.rstrip("_").replace("_", "-"): value if isinstance(value, str) else number(value)
        for name, value in attributes.items()
        if value is not None
    }
    return ET.SubElement(parent, tag, made)


def group(
    parent: ET.Element, id_: str | None, classes: str, title: str | None = None
) -> ET.Element:
    """Add a group; `title` is its tooltip and what a screen reader says."""
    made = add(parent, "g", id=id_, class_=classes)
    if title is not None:
        add(made, "title").text = title
    return made


def rectangle(parent: ET.Element, box: Box, radius: float, **look: Attribute | None) -> ET.Element:
    """Add a rectangle with round corners (the outline of what is settled or passing)."""
    return add(
        parent, "rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=radius, **look
    )


def octagon(parent: ET.Element, box: Box, cut: float, **look: Attribute | None) -> None:
    """Add a rectangle with cut corners (the outline of what is rejected)."""
    left, right, top, bottom = box.x, box.x + box.width, box.y, box.y + box.height
    corners = [
        (left + cut, top), (right - cut, top), (right, top + cut), (right, bottom - cut),
        (right - cut, bottom), (left + cut, bottom), (left, bottom - cut), (left, top + cut),
    ]  # fmt: skip
    polygon(parent, corners, **look)


def polygon(parent: ET.Element, corners: Iterable[Point], **look: Attribute | None) -> ET.Element:
    """Add a closed shape."""
    places = " ".join(f"{number(x)},{number(y)}" for x, y in corners)
    return add(parent, "polygon", points=places, **look)


def circle(
    parent: ET.Element, x: float, y: float, r: float, **look: Attribute | None
) -> ET.Element:
    """Add a circle around (x, y)."""
    return add(parent, "circle", cx=x, cy=y, r=r, **look)


def curve(points: Iterable[Point]) -> str:
    """Return the path of a chain of cubic Bezier curves."""
    first, *rest = (f"{number(x)},{number(y)}" for x, y in points)
    return f"M{first}C{' '.join(rest)}"


def stroke(
    parent: ET.Element, path: str, colour: str, width: float, **look: Attribute
) -> ET.Element:
    """Add a line."""
    return add(parent, "path", d=path, fill="none", stroke=colour, stroke_width=width, **look)


def text(
    parent: ET.Element, at: Point, content: str, size: float, fill: str, **look: Attribute
) -> ET.Element:
    """Add a line of text; `at` is the left end of its base line.

    Its width is pinned to the measured one: a different font on the reader's machine is stretched
    or condensed to it, and does not run into anything.
    """
    made = add(parent, "text", x=at[0], y=at[1], font_size=size, fill=fill, **look)
    width = text_width(content, size, bold=look.get("font_weight") == "bold")
    if width:
        made.set("textLength", number(width))
        made.set("lengthAdjust", "spacingAndGlyphs")
    if _SPACES.search(content):
        made.set(_SPACE, "preserve")
    made.text = content
    return made


# --- signs, around (x, y), in one colour --------------------------------------------------


def _check(parent: ET.Element, x: float, y: float, colour: str) -> None:
    path = f"M{number(x - 3.6)},{number(y + 0.2)}l2.5,2.6 4.6,-5.4"
    stroke(parent, path, colour, 2, stroke_linecap="round", stroke_linejoin="round")


def _cross(parent: ET.Element, x: float, y: float, colour: str) -> None:
    path = f"M{number(x - 2.8)},{number(y - 2.8)}l5.6,5.6m0,-5.6l-5.6,5.6"
    stroke(parent, path, colour, 2, stroke_linecap="round")


def _gear(parent: ET.Element, x: float, y: float, colour: str) -> None:
    teeth = []
    for tooth in range(8):
        for turn, radius in ((-0.30, 3.7), (-0.17, 5.2), (0.17, 5.2), (0.30, 3.7)):
            angle = math.pi * tooth / 4 + turn
            teeth.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    outside = "M" + "L".join(f"{number(a)},{number(b)}" for a, b in teeth) + "Z"
    hole = f"M{number(x - 1.7)},{number(y)}a1.7,1.7 0 1 0 3.4,0a1.7,1.7 0 1 0 -3.4,0Z"
    add(parent, "path", d=outside + hole, fill=colour, fill_rule="evenodd")


def _clock(parent: ET.Element, x: float, y: float, colour: str) -> None:
    circle(parent, x, y, 4.6, fill="none", stroke=colour, stroke_width=1.3)
    path = f"M{number(x)},{number(y - 2.8)}v3l2,1.2"
    stroke(parent, path, colour, 1.2, stroke_linecap="round", stroke_linejoin="round")


def _alert(parent: ET.Element, x: float, y: float, colour: str) -> None:
    corners = [(x, y - 5), (x + 5.4, y + 4.4), (x - 5.4, y + 4.4)]
    polygon(parent, corners, fill="none", stroke=colour, stroke_width=1.3, stroke_linejoin="round")
    stroke(parent, f"M{number(x)},{number(y - 1.8)}v2.8", colour, 1.3, stroke_linecap="round")
    circle(parent, x, y + 2.8, 0.75, fill=colour)


def _finish(parent: ET.Element, x: float, y: float, colour: str) -> None:
    circle(parent, x, y, 4.4, fill="none", stroke=colour, stroke_width=1.3)
    circle(parent, x, y, 2.2, fill=colour)


def _swap(parent: ET.Element, x: float, y: float, colour: str) -> None:
    path = f"M{number(x - 4)},{number(y - 1.8)}h7.4m-2.2,-2.2l2.4,2.2"
    back = f"M{number(x + 4)},{number(y + 1.8)}h-7.4m2.2,2.2l-2.4,-2.2"
    stroke(parent, path + back, colour, 1.5, stroke_linecap="round", stroke_linejoin="round")


def _plus(parent: ET.Element, x: float, y: float, colour: str) -> None:
    path = f"M{number(x - 3.8)},{number(y)}h7.6m-3.8,-3.8v7.6"
    stroke(parent, path, colour, 2, stroke_linecap="round")


def _minus(parent: ET.Element, x: float, y: float, colour: str) -> None:
    stroke(parent, f"M{number(x - 3.8)},{number(y)}h7.6", colour, 2, stroke_linecap="round")


def _tilde(parent: ET.Element, x: float, y: float, colour: str) -> None:
    path = f"M{number(x - 4)},{number(y + 1)}c1.6,-4 3,-3 4,-1c1,2 2.4,3 4,-1"
    stroke(parent, path, colour, 1.8, stroke_linecap="round")


SIGNS: Final[Mapping[str, Callable[[ET.Element, float, float, str], None]]] = {
    "alert": _alert,
    "check": _check,
    "clock": _clock,
    "cross": _cross,
    "finish": _finish,
    "gear": _gear,
    "minus": _minus,
    "plus": _plus,
    "swap": _swap,
    "tilde": _tilde,
}
"""Functions that paint a sign, about 10 units large, around a point of a parent."""


def serialise(root: ET.Element) -> str:
    """Return the text of an SVG: no declaration, no comments, the same bytes every time."""
    return xml_text(ET.tostring(root, encoding="unicode"))
