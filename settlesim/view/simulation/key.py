"""The key below a picture: signs with their meanings, in lines of a given width."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.sim.terms import Kind, Step
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Point
from settlesim.view.simulation.judgement import MEANINGS, Sort, paint_sort
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import add, stroke, text
from settlesim.view.svg.text_fitting import in_lines

__all__ = ["Sign", "badge_sign", "key_height", "line_sign", "paint_key", "sort_signs", "step_signs"]

_SMALL: Final = 11.0
_LINE: Final = 20.0
_GAP: Final = 20.0

_KINDS: Final = {
    Kind.RECEIVE: "receive",
    Kind.LOAD: "load",
    Kind.CALL: "service done",
    Kind.EFFECT: "effect of a service that is not back yet",
    Kind.DELAY: "delay passed",
    Kind.FAIL: "service failed",
    Kind.TIMEOUT: "service out of time",
    Kind.SAVE: "save",
    Kind.SKIP: "ignored or rejected: nothing to save",
    Kind.RELEASE: "no settled state: released",
    Kind.CONFLICT: "save refused",
    Kind.DELETE: "delete",
    Kind.CRASH: "worker crashes",
    Kind.EXPIRE: "visibility time-out",
    Kind.DUE: "timer due: its message is sent",
    Kind.DEPLOY: "the later version takes over",
    Kind.DUPLICATE: "delivered twice",
    Kind.ARRIVE: "a new event arrives",
}
"""What the letters in the names of steps mean."""

_Paint = Callable[[ET.Element, Point, Palette], None]


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign and what it means."""

    words: str
    paint: _Paint
    """Paints the sign; the point is the middle of its left edge."""
    wide: float
    """The width of the sign without its words."""

    @property
    def width(self) -> float:
        """The width of the sign with its words."""
        return self.wide + 6 + text_width(self.words, _SMALL)


def line_sign(words: str, colour: str, width: float, dash: str | None = None) -> Sign:
    """Return a sign that is a piece of a line; `colour` is the name of a colour of `Palette`."""

    def paint(parent: ET.Element, at: Point, palette: Palette) -> None:
        look = {} if dash is None else {"stroke_dasharray": dash}
        path = f"M{at[0]:g},{at[1]:g}h24"
        stroke(parent, path, str(getattr(palette, colour)), width, **look)

    return Sign(words, paint, 24)


def badge_sign(words: str, paint: _Paint) -> Sign:
    """Return a sign that `paint` paints around its middle."""
    return Sign(words, lambda parent, at, palette: paint(parent, (at[0] + 8, at[1]), palette), 16)


def sort_signs(sorts: Collection[Sort], head: str = "") -> Iterator[Sign]:
    """Yield the badges of sorts of endings, the right one first.

    Parameters
    ----------
    head : words before each meaning
    """

    def painter(sort: Sort) -> _Paint:
        return lambda parent, at, palette: paint_sort(parent, at, sort, palette)

    for sort, words in MEANINGS.items():
        if sort in sorts:
            yield badge_sign(f"{head}{words}", painter(sort))


def step_signs(steps: Collection[Step]) -> Iterator[Sign]:
    """Yield the letters of steps in the order of `Kind`, then the numbers that may follow them."""
    kinds = {step.kind for step in steps}
    for kind in sorted(kinds, key=list(Kind).index):
        yield _letter(kind.value, _KINDS[kind])
    if any(step.delivery > 1 for step in steps):
        yield _letter(".2", "second delivery")
    if any(step.choice > 1 and step.kind is not Kind.RECEIVE for step in steps):
        yield _letter(":2", "second of those that run")
    if any(step.choice > 1 and step.kind is Kind.RECEIVE for step in steps):
        yield _letter("r1:2", "two messages are received together")


def _letter(letter: str, words: str) -> Sign:
    def paint(parent: ET.Element, at: Point, palette: Palette) -> None:
        text(parent, (at[0], at[1] + 4), letter, _SMALL, palette.ink, font_weight="bold")

    return Sign(words, paint, text_width(letter, _SMALL, bold=True))


def key_height(signs: Sequence[Sign], width: float) -> float:
    """Return the height of the key."""
    return _LINE * len(in_lines(signs, width, _GAP))


def paint_key(
    parent: ET.Element, signs: Sequence[Sign], at: Point, width: float, palette: Palette
) -> None:
    """Paint the key in lines of at most `width`; `at` is its upper left corner."""
    made = add(parent, "g", class_="legend")
    y = at[1] + _LINE / 2
    for line in in_lines(signs, width, _GAP):
        x = at[0]
        for sign in line:
            sign.paint(made, (x, y), palette)
            text(made, (x + sign.wide + 6, y + 4), sign.words, _SMALL, palette.quiet)
            x += sign.width + _GAP
        y += _LINE
