"""The key below lane diagrams: the signs that occur in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from settlesim.sim.policies import EXCLUDED_WORDS
from settlesim.sim.terms import Kind
from settlesim.view.graphviz.layout import Box, Point
from settlesim.view.schedule.rows_and_columns import Strip
from settlesim.view.schedule.spans import tracks_of
from settlesim.view.simulation.key import Sign, badge_sign, line_sign, sort_signs, step_signs
from settlesim.view.svg.card import badge
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import rectangle

__all__ = ["signs_of"]


def signs_of(strips: Sequence[Strip]) -> Iterator[Sign]:
    """Yield the letters, lines and badges that occur in any of the strips."""
    tracks = [tracks_of(strip.frames) for strip in strips]
    queued = any(strip.queued for strip in strips)
    yield from step_signs(
        {each.step for strip in strips for each in strip.frames if each.step is not None}
    )
    if any(
        call.how in {"failed", "lost"} for each in tracks for w in each.works for call in w.calls
    ):
        yield line_sign("service that failed or was lost", "line", 1.3, "4 3")
    yield Sign("inner bar: from load to save", _window, 26)
    waits = "waits in the queue" if queued else "not handled yet"
    yield line_sign(waits, "line", 1, "1.5 3")
    if any(work.expired is not None for each in tracks for work in each.works):
        yield line_sign("its receipt has expired", "rejected", 1.6, "5 4")
    statuses = {each.status for strip in strips for f in strip.frames for each in f.messages}
    if "deleted" in statuses:
        yield badge_sign("deleted from the queue" if queued else "its handler is done", _done)
    if statuses & set(EXCLUDED_WORDS.values()):
        out = [each for each in EXCLUDED_WORDS.values() if each in statuses]
        yield badge_sign(" or ".join(out), _out)
    if any(_late(strip) for strip in strips):
        yield badge_sign("deleted too late: nothing happens", _nothing)
    if any(value.overwritten for each in tracks for value in each.values):
        words = "overwritten by a handler that had not loaded it"
        yield line_sign(words, "rejected", 2)
    yield from sort_signs({strip.sort for strip in strips if strip.sort is not None}, "ending: ")


def _late(strip: Strip) -> bool:
    """Whether a delete changed nothing in the queue."""
    before = None
    for frame in strip.frames:
        step = frame.step
        if before is not None and step is not None and step.kind is Kind.DELETE:
            statuses = ({m.message: m.status for m in each.messages} for each in (before, frame))
            was, now = (each.get(step.message) for each in statuses)
            if was == now:
                return True
        before = frame
    return False


def _window(parent: ET.Element, at: Point, palette: Palette) -> None:
    colour = palette.series[0]
    box = Box(at[0], at[1] - 6, 26, 12)
    rectangle(parent, box, 4, fill=colour, fill_opacity=0.12, stroke=colour, stroke_width=1.2)
    inner = Box(at[0] + 6, at[1] - 3, 14, 6)
    rectangle(parent, inner, 1, fill=colour, fill_opacity=0.45)


def _done(parent: ET.Element, at: Point, palette: Palette) -> None:
    badge(parent, at, "check", palette.quiet, palette)


def _out(parent: ET.Element, at: Point, palette: Palette) -> None:
    badge(parent, at, "cross", palette.rejected, palette)


def _nothing(parent: ET.Element, at: Point, palette: Palette) -> None:
    badge(parent, at, "cross", palette.line, palette)
