"""`growth`: the numbers of interleavings and of states over the number of events."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.display import Theme
from settlesim.errors import RenderError, shorten
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Box
from settlesim.view.simulation.words import count_words, plural, power_words
from settlesim.view.svg.card import MARGIN, Look, new_card, title_height
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.picture import Picture
from settlesim.view.svg.shapes import add, circle, group, number, rectangle, stroke, text

__all__ = ["growth"]

_WIDE: Final = 720.0
_HIGH: Final = 300.0
_AXIS: Final = 78.0
_NAMES: Final = 150.0
_SMALL: Final = 11.0

Point = tuple[int, int, int]
"""Events, states, interleavings."""


def growth(
    points: Sequence[Point],
    target: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,  # noqa: A002
    theme: Theme | None = None,
    title: str | None = "Interleavings grow much faster than states",
    scale: float | None = None,
) -> Picture:
    """Return interleavings and states over the number of events, on a logarithmic scale.

    Parameters
    ----------
    points : events, states and interleavings, each > 0
    target : a file's path, whose suffix is the format: svg, png
    format : the format of `target`, where its suffix does not say it
    theme : ``"page"``, ``"light"`` or ``"dark"``; None for that of `settlesim.options`
    title : a line above; None for none
    scale : pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture

    Raises
    ------
    RenderError
        An option is wrong, there are no points, one is not positive, or the file cannot be
        written.
    """
    look = Look(format, theme, title, scale)
    found = sorted(set(points))
    bad = next((each for each in found if min(each) < 1), None)
    if bad is not None or not found:
        said = "no points" if bad is None else f"the point {shorten(bad)}"
        raise RenderError(f"growth has {said}; (events, states, interleavings) > 0 are needed")
    if len({events for events, _, _ in found}) < len(found):
        raise RenderError("growth has two points for one number of events; one is needed")
    said = "; ".join(
        f"{plural(events, 'event')}: {_counted(interleavings, 'interleaving')}, "
        f"{_counted(states, 'state')}"
        for events, states, interleavings in found
    )
    alt = f"{title or 'Growth'}, on a logarithmic scale: {said}."
    return look.picture(alt, lambda: _compose(found, look.palette, title or "", alt), target)


def _counted(count: int, noun: str) -> str:
    return f"{count_words(count)} {noun}{'' if count == 1 else 's'}"


def _compose(points: Sequence[Point], palette: Palette, title: str, alt: str) -> ET.Element:
    width = _WIDE + 2 * MARGIN
    top = MARGIN + title_height(title, width) + 30
    root = new_card(width, top + _HIGH + 44 + MARGIN - 12, alt, palette, title)
    body = add(root, "g", transform=f"translate({number(MARGIN)} {number(top)})")
    powers = max(math.ceil(math.log10(max(max(each[1:]) for each in points))), 1)
    right = _WIDE - _NAMES
    # the lines end at the last points, because the names of the series stand right of these
    _axis(body, powers, right - 26, palette)
    words = "how many, on a logarithmic scale"
    text(body, (0, -18), words, _SMALL, palette.quiet, class_="scale")
    first, last = points[0][0], points[-1][0]

    def place(events: int, count: int) -> tuple[float, float]:
        along = 0.5 if first == last else (events - first) / (last - first)
        return _AXIS + 26 + along * (right - _AXIS - 52), _HIGH * (1 - math.log10(count) / powers)

    for events, _, _ in points:
        x, _ = place(events, 1)
        word = f"{events} event{'s' if events > 1 else ''}" if events == first else f"{events}"
        text(body, (x, _HIGH + 20), word, 12, palette.quiet, text_anchor="middle")
    lows = [(events, states) for events, states, _ in points]
    highs = [(events, interleavings) for events, _, interleavings in points]
    for name, series, colour, above in (
        ("states", lows, palette.resolved, False),
        ("interleavings", highs, palette.active_text, True),
    ):
        line = [place(*each) for each in series]
        made = group(body, name, f"series {name}", name)
        path = "M" + "L".join(f"{number(x)},{number(y)}" for x, y in line)
        dash = {} if above else {"stroke_dasharray": "7 4"}
        stroke(made, path, colour, 2.4, stroke_linejoin="round", **dash)
        others = lows if above else highs
        for (_, count), (_, other), (x, y) in zip(series, others, line, strict=True):
            circle(made, x, y, 4.2, fill=colour, stroke=palette.paper, stroke_width=1.4)
            if (x, y) != line[-1]:
                higher = count > other if count != other else above
                _value(made, count, (x, y), palette, above=higher)
        x, y = line[-1]
        crowded = abs(place(*highs[-1])[1] - place(*lows[-1])[1]) < 34
        y += (-17 if above else 17) if crowded else 0
        wide = max(text_width(name, 13, bold=True), text_width(count_words(series[-1][1]), 12))
        rectangle(made, Box(x + 10, y - 13, wide + 4, 32), 0, fill=palette.paper)
        text(made, (x + 12, y - 1), name, 13, colour, font_weight="bold")
        text(made, (x + 12, y + 14), count_words(series[-1][1]), 12, palette.ink)
    return root


def _value(
    parent: ET.Element, count: int, at: tuple[float, float], palette: Palette, *, above: bool
) -> None:
    words = count_words(count, 6)
    # both lines rise, so there is room above left of the upper one and below right of the lower
    x, y = at[0] + (5 if above else -5), at[1] + (-9 if above else 18)
    width = text_width(words, _SMALL)
    left = x - width if above else x
    if not above and count == 1:  # on the axis, whose labels are below
        left, y = at[0] - width - 9, at[1] - 6
    patch = Box(left - 1, y - 10, width + 2, 13)
    rectangle(parent, patch, 0, fill=palette.paper)
    text(parent, (left, y), words, _SMALL, palette.ink)


def _axis(parent: ET.Element, powers: int, right: float, palette: Palette) -> None:
    """Paint a line for each power of ten, or for some of them where there are many."""
    made = add(parent, "g", class_="axis")
    every = 1 if powers <= 4 else 3 * math.ceil(powers / 18)
    for power in range(0, powers + 1, every):
        y = _HIGH * (1 - power / powers)
        words = power_words(power)
        colour = palette.line if power == 0 else palette.frame
        stroke(made, f"M{number(_AXIS)},{number(y)}H{number(right)}", colour, 1)
        text(made, (_AXIS - 8, y + 4), words, _SMALL, palette.quiet, text_anchor="end")
