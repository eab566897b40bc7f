"""Strips on a card: flags above, names of steps and a sentence below, a key at the end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.errors import RenderError
from settlesim.sim.values import Frame, Kind
from settlesim.view.card import MARGIN, TITLE, WIDTH, Look, badge, new_card
from settlesim.view.fitting import cut, wrapped
from settlesim.view.fonts import text_width
from settlesim.view.lane_grid import Grid, Strip, grid_of, kind_words
from settlesim.view.lane_paint import paint_strip
from settlesim.view.layout import Box
from settlesim.view.palette import Palette
from settlesim.view.picture import Picture
from settlesim.view.shapes import add, group, number, polygon, rectangle, stroke, text
from settlesim.view.tracks import tracks_of

__all__ = ["draw_strips", "strip_words"]

_LINE: Final = 18.0
_SMALL: Final = 11.0
_SENTENCE: Final = 13.0
_HEADING: Final = 24.0


def draw_strips(
    strips: Sequence[Strip],
    look: Look,
    target: str | os.PathLike[str] | None = None,
    *,
    title: str = "",
) -> Picture:
    """Return the picture of strips below each other, on one scale.

    Parameters
    ----------
    title : above all of them; a strip's own title stands above it where there are several

    Raises
    ------
    RenderError
        There is nothing to draw, or the file can not be written.
    """
    for strip in strips:
        if not strip.frames or not strip.messages:
            raise RenderError("this schedule has no frames with messages; nothing can be drawn")
        if strip.at is not None and not 0 <= strip.at < len(strip.frames):
            raise RenderError(
                f"at is {strip.at!r}; a step from 0 to {len(strip.frames) - 1} is needed"
            )
    title = look.title if look.title is not None else title
    words = " ".join(strip_words(strip) for strip in strips)
    alt = f"{title}. {words}" if title else words
    return look.picture(alt, lambda: _compose(strips, look, title, alt), target)


def _compose(strips: Sequence[Strip], look: Look, title: str, alt: str) -> ET.Element:
    columns = max(len(strip.frames) - 1 for strip in strips)
    several = len(strips) > 1
    grids = [grid_of(strip, columns=columns) for strip in strips]
    inner = max(*(grid.right for grid in grids), 560.0)
    feet = [_foot(strip, inner) for strip in strips]
    legends = [_legend(strips, inner)] if several else [_legend([strip], inner) for strip in strips]
    top = MARGIN + (TITLE + 4 if title else 0)
    heights = [
        (_HEADING if several else 0) + grid.names + 14 + (len(foot) * _LINE + 12 if foot else 0)
        for grid, foot in zip(grids, feet, strict=True)
    ]
    legend = legends[-1]
    height = top + sum(heights) + 26 * (len(strips) - 1) + 17 * len(legend) - 4 + MARGIN
    root = new_card(max(inner + 2 * MARGIN, 0), height, alt, look.palette, title)
    y = top
    for index, (strip, grid, foot) in enumerate(zip(strips, grids, feet, strict=True)):
        made = add(root, "g", class_="lanes", transform=f"translate({number(MARGIN)} {number(y)})")
        if several:
            made.set("id", f"strip-{index + 1}")
        _strip(made, strip, grid, foot, look.palette, several=several)
        y += heights[index] + 26
    y += -26 + 8
    for line in legend:
        text(root, (MARGIN, y + 4), line, _SMALL, look.palette.quiet, class_="legend")
        y += 17
    return root


def _strip(
    parent: ET.Element, strip: Strip, grid: Grid, foot: Sequence[str], palette: Palette, *,
    several: bool,
) -> None:  # fmt: skip
    """Paint one strip: its columns, rows, flag, the names of its steps, and its sentence."""
    if several:
        shown = cut(strip.title, 14, WIDTH - 2 * MARGIN, bold=True)
        text(parent, (0, 12), shown, 14, palette.ink, font_weight="bold")
    body = add(
        parent, "g", class_="strip", transform=f"translate(0 {number(_HEADING if several else 0)})"
    )
    _columns(body, strip, grid, palette)
    _pole(body, strip, grid, palette)
    paint_strip(body, strip, grid, palette)
    _step_names(body, strip, grid, palette)
    _flags(body, strip, grid, palette)
    y = grid.names + 14 + 16
    left = 0.0
    if foot and _judged(strip):
        sign, colour = ("check", palette.resolved) if strip.right else ("cross", palette.rejected)
        badge(body, (9, y - 5), sign, colour, palette)
        left = 26.0
    for line in foot:
        text(body, (left, y), line, _SENTENCE, palette.ink, class_="sentence")
        y += _LINE


def _foot(strip: Strip, width: float) -> list[str]:
    room = width - (26 if strip.right is not None else 0)
    whole = wrapped(strip.sentence, _SENTENCE, room)
    # as many lines whatever is shown: a sequence of pictures does not jump
    found = wrapped(_said(strip), _SENTENCE, room, lines=max(len(whole), 1))
    return [*found, *([""] * (len(whole) - len(found)))]


def _said(strip: Strip) -> str:
    """Return the sentence; in between, what the step does that is shown as now."""
    if strip.at is None or strip.at == len(strip.frames) - 1:
        return strip.sentence
    if not strip.at:
        return strip.frames[0].text
    return f"{strip.at}. {strip.frames[strip.at].text}"


def _judged(strip: Strip) -> bool:
    return strip.right is not None and strip.at in {None, len(strip.frames) - 1}


def _columns(parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
    """Paint a column for every step, which says in words what happens there."""
    for index in range(1, len(strip.frames)):
        frame = strip.frames[index]
        title = f"{index}. {frame.text}"
        if frame.anomalies:
            title += f" ({', '.join(frame.anomalies)})"
        column = group(parent, f"{strip.prefix}column-{index}", "column", title)
        box = Box(grid.x(index) - grid.dx / 2, grid.flags, grid.dx, grid.names - grid.flags + 8)
        rectangle(column, box, 0, fill=palette.paper, fill_opacity=0)


def _pole(parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
    """Paint what stands behind everything else: now, the flag's column, where two part."""
    if grid.shown < grid.steps:
        now = f"M{number(grid.now)},{number(grid.flags)}V{number(grid.names + 8)}"
        stroke(parent, now, palette.ink, 1.4, class_="now")
    index = grid.tracks.flag
    if index is not None:
        x, low = grid.x(index), grid.names - 14
        box = Box(x - grid.dx / 2 + 2, grid.flags, grid.dx - 4, low - grid.flags + 20)
        rectangle(parent, box, 5, fill=palette.active_fill, class_="flagged")
    if strip.mark is not None and strip.mark[0] != index:
        x, high = grid.x(strip.mark[0]), grid.marks
        line = f"M{number(x)},{number(high)}V{number(grid.names - 14)}"
        stroke(parent, line, palette.ink, 1.4, stroke_dasharray="3 3", class_="difference")


def _flags(parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
    """Paint the flag at the first anomaly, small ones at further ones, and the mark."""
    taken: list[tuple[float, float]] = []
    index = grid.tracks.flag
    if index is not None:
        names = ", ".join(strip.frames[index].anomalies)
        made = group(parent, f"{strip.prefix}flag", f"flag at-step-{index}", names)
        colours = (palette.active, palette.active_ink)
        taken.append(_flag(made, grid, (index, grid.flags), names, colours))
    if strip.mark is not None:
        at, words = strip.mark
        made = group(parent, f"{strip.prefix}difference", f"difference at-step-{at}", words)
        _flag(made, grid, (at, grid.marks), words, (palette.ink, palette.paper))
    for later, frame in enumerate(strip.frames[: grid.shown + 1]):
        if frame.anomalies and later != index:
            words = ", ".join(frame.anomalies)
            made = group(parent, None, f"later-flag at-step-{later}", words)
            taken.append(_small_flag(made, grid, later, words, palette=palette, taken=taken))


def _small_flag(
    parent: ET.Element, grid: Grid, index: int, words: str, *, palette: Palette,
    taken: Sequence[tuple[float, float]],
) -> tuple[float, float]:  # fmt: skip
    """Paint a pennant, with words where there is room; return what it takes."""
    x, y = grid.x(index), grid.flags
    width = text_width(words[:80], _SMALL)
    for left in (x + 12, x - width - 6):
        ends = (min(left, x) - 4, max(left + width, x + 9) + 4)
        free = all(ends[1] < one or other < ends[0] for one, other in taken)
        if free and left > 0 and left + width <= grid.right:
            text(parent, (left, y - 5), words[:80], _SMALL, palette.active_text)
            _pennant(parent, x, y, palette.active)
            return ends
    _pennant(parent, x, y, palette.active)
    return (x - 4, x + 13)


def _pennant(parent: ET.Element, x: float, y: float, colour: str) -> None:
    stroke(parent, f"M{number(x)},{number(y + 6)}V{number(y - 15)}", colour, 1.8)
    polygon(parent, [(x, y - 15), (x + 9, y - 10.5), (x, y - 6)], fill=colour)


def _flag(
    parent: ET.Element, grid: Grid, place: tuple[int, float], words: str, colours: tuple[str, str]
) -> tuple[float, float]:
    """Paint a filled flag, to the side where there is room; return what it takes."""
    x, y = grid.x(place[0]), place[1]
    shown = cut(words, 12, grid.right - 16, bold=True)
    width = text_width(shown, 12, bold=True) + 16
    left = x if x + width <= grid.right else max(x - width, 0.0)
    stroke(parent, f"M{number(x)},{number(y + 6)}V{number(y - 17)}", colours[0], 2.2)
    rectangle(parent, Box(left, y - 18, width, 19), 3, fill=colours[0])
    text(parent, (left + 8, y - 4.5), shown, 12, colours[1], font_weight="bold")
    return min(left, x) - 4, max(left + width, x) + 4


def _step_names(parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
    """Write the names of the steps along the bottom; faults and the flagged one stand out."""
    stroke(parent, f"M0,{number(grid.rules[-1])}H{number(grid.right)}", palette.frame, 1)
    text(parent, (0, grid.names), "step", _SMALL, palette.quiet)
    for index, frame in enumerate(strip.frames):
        if frame.step is None:
            continue
        colour, face = palette.quiet, "normal"
        if frame.step.kind.is_fault:
            colour, face = palette.rejected, "bold"
        if index == grid.tracks.flag:
            colour, face = palette.active_text, "bold"
        text(
            parent, (grid.x(index), grid.names), frame.step.name, 12, colour,
            font_weight=face, text_anchor="middle", class_=f"name at-step-{index}",
            opacity=0.45 if index > grid.shown else 1,
        )  # fmt: skip


def _legend(strips: Sequence[Strip], width: float) -> list[str]:
    """Say what the letters and lines mean, of those that occur."""
    kinds = {each.step.kind for strip in strips for each in strip.frames if each.step is not None}
    more = ["inner bar: from load to save", "dots in the queue: waits"]
    if Kind.EXPIRE in kinds:
        more.append("dashes: receipt out of time")
    return kind_words(kinds, width, more)


# --- in words -----------------------------------------------------------------------------


def strip_words(strip: Strip) -> str:
    """Say in sentences what a strip shows: steps, what was stored, the first anomaly."""
    names = " ".join(each.step.name for each in strip.frames if each.step is not None)
    parts = [f"{strip.title}: {len(strip.frames) - 1} steps, {names}"]
    partly = strip.at is not None and strip.at < len(strip.frames) - 1
    frames = strip.frames if strip.at is None else strip.frames[: strip.at + 1]
    stored: dict[str, list[str]] = {}
    for index, frame in enumerate(frames):
        for each in frame.store:
            words = " + ".join(each.configuration)
            line = stored.setdefault(each.key, [])
            if not line or not line[-1].startswith(f"{words} "):
                line.append(f"{words} {_when(index, frame)}")
    parts += [f"{key} holds {', '.join(line)}" for key, line in stored.items()]
    flag = tracks_of(frames).flag
    if flag is not None:
        anomalies = ", ".join(frames[flag].anomalies)
        parts.append(f"first anomaly: {anomalies} at step {_when(flag, frames[flag])}")
    if strip.mark is not None:
        parts.append(f"step {strip.mark[0]}: {strip.mark[1]}")
    if partly:
        parts.append(f"shown up to step {_said(strip)}" if strip.at else "shown at the beginning")
        return "; ".join(parts) + "."
    end = f" {strip.sentence}" if strip.sentence else ""
    return "; ".join(parts) + "." + end


def _when(index: int, frame: Frame) -> str:
    return "at first" if frame.step is None else f"{index} ({frame.step.name})"
