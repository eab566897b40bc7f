"""Flags above a strip: where each has room for its words, and how they are painted.

The first step that goes wrong has a filled flag, later ones a pennant. A flag whose words do not
fit beside the others stands in a higher row, on a longer pole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.sim.terms import Frame
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Box
from settlesim.view.simulation.words import anomaly_words
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import group, number, polygon, rectangle, stroke, text
from settlesim.view.svg.text_fitting import cut

__all__ = ["FLAG_ROW", "Flag", "paint_banner", "paint_flags", "place_flags"]

FLAG_ROW: Final = 24.0
"""The distance from one row of flags to the next."""
_SMALL: Final = 11.0
_BIG: Final = 12.0
_ROWS: Final = 4


@dataclass(frozen=True, slots=True)
class Flag:
    """The anomalies of one step."""

    index: int
    """The step."""
    words: str
    main: bool
    """Whether it is the first step that makes something wrong."""
    row: int
    """0 for the one next to the steps."""
    left: float
    """Where its words begin."""


def place_flags(
    frames: Sequence[Frame], main: int | None, x: Callable[[int], float], right: float
) -> list[Flag]:
    """Find room for the anomalies of all frames, the first harmful one first.

    Parameters
    ----------
    main : the first step that makes something wrong; None where nothing does
    x : gives the middle of a step's column
    right : where the picture ends
    """
    steps = [index for index, frame in enumerate(frames) if frame.anomalies]
    poles = {index: x(index) for index in steps}
    found: list[Flag] = []
    taken: list[list[tuple[float, float]]] = [[] for _ in range(_ROWS)]
    for index in sorted(steps, key=lambda index: (index != main, index)):
        at, words = x(index), anomaly_words(frames[index].anomalies)
        if index == main:
            shown = cut(words, _BIG, right - 16, bold=True)
            width = text_width(shown, _BIG, bold=True) + 16
            left = at if at + width <= right else max(at - width, 0.0)
            ends = (min(left, at) - 4, max(left + width, at) + 4)
            found.append(Flag(index, shown, True, 0, left))
            taken[0].append(ends)
            continue
        shown = cut(words, _SMALL, max(at - 6, right - at - 12))
        # the pole of the filled flag reaches no higher than the first row
        others = [
            [
                each
                for other, each in poles.items()
                if other != index and (row == 0 or other != main)
            ]
            for row in range(_ROWS)
        ]
        row, left, ends = _room(shown, at, taken, others, right)
        found.append(Flag(index, shown, False, row, left))
        taken[row].append(ends)
    return found


def _room(
    words: str, at: float, taken: Sequence[list[tuple[float, float]]],
    poles: Sequence[list[float]], right: float,
) -> tuple[int, float, tuple[float, float]]:  # fmt: skip
    """Return the row and the left end of words beside a pole, and the range that they occupy."""
    width = text_width(words, _SMALL)
    for row in range(_ROWS):
        for left in (at + 12, at - width - 6):
            ends = (min(left, at) - 4, max(left + width, at + 9) + 4)
            free = all(ends[1] < low or high < ends[0] for low, high in taken[row])
            free = free and not any(ends[0] < each < ends[1] for each in poles[row])
            if left >= 0 and left + width <= right and (free or row == _ROWS - 1):
                return row, left, ends
    return _ROWS - 1, max(at - width - 6, 0.0), (at - 4, at + 13)


def paint_flags(
    parent: ET.Element, flags: Sequence[Flag], frames: Sequence[Frame], *,
    x: Callable[[int], float], foot: float, prefix: str, shown: int, palette: Palette,
) -> None:  # fmt: skip
    """Paint the flags up to the step shown, high rows first so that poles are behind the boxes."""
    for flag in sorted(flags, key=lambda each: -each.row):
        if flag.index > shown:
            continue
        words = anomaly_words(frames[flag.index].anomalies)
        at, y = x(flag.index), foot - flag.row * FLAG_ROW
        if flag.main:
            made = group(parent, f"{prefix}flag", f"flag at-step-{flag.index}", words)
            colours = (palette.active, palette.active_ink)
            _banner(made, (at, y), flag.left, flag.words, colours)
            continue
        made = group(parent, None, f"later-flag at-step-{flag.index}", words)
        stroke(made, f"M{number(at)},{number(foot + 6)}V{number(y - 15)}", palette.active, 1.8)
        polygon(made, [(at, y - 15), (at + 9, y - 10.5), (at, y - 6)], fill=palette.active)
        text(made, (flag.left, y - 5), flag.words, _SMALL, palette.active_text)


def paint_banner(
    parent: ET.Element, at: tuple[float, float], words: str, right: float,
    colours: tuple[str, str],
) -> None:  # fmt: skip
    """Paint a filled flag on a pole, to the side where there is room."""
    shown = cut(words, _BIG, right - 16, bold=True)
    width = text_width(shown, _BIG, bold=True) + 16
    left = at[0] if at[0] + width <= right else max(at[0] - width, 0.0)
    _banner(parent, at, left, shown, colours)


def _banner(
    parent: ET.Element, at: tuple[float, float], left: float, words: str, colours: tuple[str, str]
) -> None:
    x, y = at
    width = text_width(words, _BIG, bold=True) + 16
    stroke(parent, f"M{number(x)},{number(y + 6)}V{number(y - 17)}", colours[0], 2.2)
    rectangle(parent, Box(left, y - 18, width, 19), 3, fill=colours[0])
    text(parent, (left + 8, y - 4.5), words, _BIG, colours[1], font_weight="bold")
