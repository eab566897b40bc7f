"""Where pieces of text go, and where a point on a curve is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from settlesim.machine.labels import SIZES
from settlesim.machine.sketch import LabelRow, LabelText
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Line, Point, Spot

__all__ = ["Placed", "along", "on_the_middle", "place"]

_SPACE: Final = 5.0
"""The gap between two pieces of text in one row."""
_SIGN: Final = 17.0
"""The width of a sign before a text."""

Placed = tuple[LabelText, Point, float, LabelRow]
"""A piece of text, the left end of its base line, its width, and the row that it belongs to."""


def place(
    rows: Iterable[LabelRow], spots: Sequence[Spot], x: float, *, left: bool = False
) -> list[Placed]:
    """Place rows at the heights that Graphviz chose, centred on `x` or, with `left`, right of it.

    The horizontal positions are ours, because Graphviz centres only the columns of a table, and
    not the texts within them.
    """
    measured = iter(spots)
    found: list[Placed] = []
    for row in rows:
        line = [(run, spot) for run, spot in zip(row.runs, measured, strict=False)]
        sign = _SIGN if row.icon is not None else 0.0
        width = sign + sum(spot.width for _, spot in line) + _SPACE * (len(line) - 1)
        at = (x if left else x - width / 2) + sign
        for run, spot in line:
            found.append((run, (at, spot.y), spot.width, row))
            at += spot.width + _SPACE
    return found


def on_the_middle(rows: Sequence[LabelRow], line: Line) -> list[Placed]:
    """Place a label on the middle of its arrow, if the layout had to leave labels out."""
    x, y = along(line.points, None)
    spots = [
        Spot(x, y + 16 * index, text_width(run.text, SIZES[run.role], bold=True))
        for index, row in enumerate(rows)
        for run in row.runs
    ]
    return place(rows, spots, x)


def along(points: Sequence[Point], distance: float | None) -> Point:
    """Return the point at `distance` along a curve, at most a third of it; None for its middle."""
    walk = [points[0]]
    for at in range(0, len(points) - 3, 3):
        a, b, c, d = points[at : at + 4]
        for step in range(1, 17):
            t = step / 16
            weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t**3)
            walk.append(
                (
                    sum(w * p[0] for w, p in zip(weights, (a, b, c, d), strict=True)),
                    sum(w * p[1] for w, p in zip(weights, (a, b, c, d), strict=True)),
                )
            )
    lengths = [((q[0] - p[0]) ** 2 + (q[1] - p[1]) ** 2) ** 0.5 for p, q in pairwise(walk)]
    wanted = sum(lengths) / 2 if distance is None else min(distance, sum(lengths) / 3)
    for index, length in enumerate(lengths):
        if wanted <= length and length > 0:
            (px, py), (qx, qy) = walk[index], walk[index + 1]
            share = wanted / length
            return (px + (qx - px) * share, py + (qy - py) * share)
        wanted -= length
    return walk[-1]
