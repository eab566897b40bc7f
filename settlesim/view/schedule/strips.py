"""Strips on a card: flags above, names of steps and a sentence below, a key at the end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.errors import RenderError
from settlesim.sim.terms import Frame
from settlesim.view.graphviz.layout import Box
from settlesim.view.schedule.flags import paint_banner, paint_flags
from settlesim.view.schedule.painter import paint_strip
from settlesim.view.schedule.rows_and_columns import Grid, Strip, grid_of
from settlesim.view.schedule.schedule_key import signs_of
from settlesim.view.schedule.spans import tracks_of
from settlesim.view.simulation.judgement import MEANINGS, paint_sort
from settlesim.view.simulation.key import key_height, paint_key
from settlesim.view.simulation.words import anomaly_words
from settlesim.view.svg.card import MARGIN, Look, new_card, title_height
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.picture import Picture
from settlesim.view.svg.shapes import add, group, number, rectangle, stroke, text
from settlesim.view.svg.text_fitting import wrapped

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
    notes: bool = True,
) -> Picture:
    """Return the picture of strips below each other, on one scale.

    Parameters
    ----------
    title : of the whole picture; if there are several strips, each also has its own title
    notes : whether the sentences and the key stand below; the text alternative has them anyway

    Raises
    ------
    RenderError
        There is nothing to draw, or the file cannot be written.
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
    said = len(strips) == 1 and title == strips[0].title  # `words` begin with it
    alt = f"{title}. {words}" if title and not said else words
    return look.picture(alt, lambda: _compose(strips, look, title, alt, notes=notes), target)


def _compose(
    strips: Sequence[Strip], look: Look, title: str, alt: str, *, notes: bool
) -> ET.Element:
    columns = max(len(strip.frames) - 1 for strip in strips)
    several = len(strips) > 1
    grids = [grid_of(strip, columns=columns) for strip in strips]
    inner = max(*(grid.right for grid in grids), 560.0)
    feet = [_foot(strip, inner) if notes else [] for strip in strips]
    heads = [_head(strip, inner) if several else [] for strip in strips]
    signs = list(signs_of(strips)) if notes else []
    width = inner + 2 * MARGIN
    top = MARGIN + (title_height(title, width) + 4 if title else 0)
    heights = [
        len(head) * _HEADING + grid.names + 14 + (len(foot) * _LINE + 12 if foot else 0)
        for head, grid, foot in zip(heads, grids, feet, strict=True)
    ]
    key = key_height(signs, inner)
    height = top + sum(heights) + 26 * (len(strips) - 1) + key + 2 + MARGIN
    root = new_card(width, height, alt, look.palette, title)
    y = top
    for index, strip in enumerate(strips):
        made = add(root, "g", class_="lanes", transform=f"translate({number(MARGIN)} {number(y)})")
        if several:
            made.set("id", f"strip-{index + 1}")
        _strip(made, strip, grids[index], feet[index], look.palette, head=heads[index])
        y += heights[index] + 26
    paint_key(root, signs, (MARGIN, y - 26), inner, look.palette)
    return root


def _head(strip: Strip, width: float) -> list[str]:
    return wrapped(strip.title, 14, width, lines=2, bold=True)


def _strip(
    parent: ET.Element, strip: Strip, grid: Grid, foot: Sequence[str], palette: Palette, *,
    head: Sequence[str],
) -> None:  # fmt: skip
    """Paint one strip: its columns, rows, flag, the names of its steps, and its sentence."""
    for place, line in enumerate(head):
        at = (0, 12 + place * _HEADING)
        text(parent, at, line, 14, palette.ink, font_weight="bold")
    low = number(len(head) * _HEADING)
    body = add(parent, "g", class_="strip", transform=f"translate(0 {low})")
    _columns(body, strip, grid, palette)
    _pole(body, strip, grid, palette)
    paint_strip(body, strip, grid, palette)
    _step_names(body, strip, grid, palette)
    _flags(body, strip, grid, palette)
    y = grid.names + 14 + 16
    left = 0.0
    if foot and strip.sort is not None and _ended(strip):
        paint_sort(body, (9, y - 5), strip.sort, palette)
        left = 26.0
    for line in foot:
        text(body, (left, y), line, _SENTENCE, palette.ink, class_="sentence")
        y += _LINE


def _foot(strip: Strip, width: float) -> list[str]:
    room = width - (26 if strip.sort is not None else 0)
    whole = wrapped(strip.sentence, _SENTENCE, room)
    # the same number of lines at every step, so that a sequence of pictures does not jump
    found = wrapped(_said(strip), _SENTENCE, room, lines=max(len(whole), 1))
    return [*found, *([""] * (len(whole) - len(found)))]


def _said(strip: Strip) -> str:
    """Return the sentence about the ending or, before the last step, what the current one does."""
    if strip.at is None or strip.at == len(strip.frames) - 1:
        return strip.sentence
    if not strip.at:
        return strip.frames[0].text
    return f"{strip.at}. {strip.frames[strip.at].text}"


def _ended(strip: Strip) -> bool:
    return strip.at in {None, len(strip.frames) - 1}


def _columns(parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
    """Paint a column for every step, which says in words what happens there."""
    for index in range(1, len(strip.frames)):
        frame = strip.frames[index]
        title = f"{index}. {frame.text}"
        if frame.anomalies:
            title += f" ({anomaly_words(frame.anomalies)})"
        column = group(parent, f"{strip.prefix}column-{index}", "column", title)
        box = Box(grid.x(index) - grid.dx / 2, grid.flags, grid.dx, grid.names - grid.flags + 8)
        rectangle(column, box, 0, fill=palette.paper, fill_opacity=0)


def _pole(parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
    """Paint what is behind the rest: the line of now, the flag's column, the line of the mark."""
    if grid.shown < grid.steps:
        now = f"M{number(grid.now)},{number(grid.flags)}V{number(grid.names + 8)}"
        stroke(parent, now, palette.ink, 1.4, class_="now")
    index = grid.tracks.flag
    if index is not None:
        x, low = grid.x(index), grid.names - 14
        box = Box(x - grid.dx / 2 + 2, grid.flags, grid.dx - 4, low - grid.flags + 20)
        rectangle(parent, box, 5, fill=palette.active_fill, class_="flagged")
    if strip.mark is not None:
        x, high = _border(grid, strip.mark[0]), grid.marks
        line = f"M{number(x)},{number(high)}V{number(grid.names - 14)}"
        stroke(parent, line, palette.ink, 1.4, stroke_dasharray="3 3", class_="difference")


def _border(grid: Grid, index: int) -> float:
    """Return the left edge of a step's column, which no arrow touches."""
    return grid.x(index) - grid.dx / 2


def _flags(parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
    """Paint the flag at the first anomaly, small ones at further ones, and the mark."""
    paint_flags(
        parent, grid.flag_places, strip.frames, x=grid.x, foot=grid.flags, prefix=strip.prefix,
        shown=grid.shown, palette=palette,
    )  # fmt: skip
    if strip.mark is not None:
        at, words = strip.mark
        made = group(parent, f"{strip.prefix}difference", f"difference at-step-{at}", words)
        place = (_border(grid, at), grid.marks)
        paint_banner(made, place, words, grid.right, (palette.ink, palette.paper))


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


# --- in words -----------------------------------------------------------------------------


def strip_words(strip: Strip) -> str:
    """Say in sentences what a strip shows: steps, what was stored, the first anomaly."""
    names = [each.step.name for each in strip.frames if each.step is not None]
    steps = f"{len(names)} step{'' if len(names) == 1 else 's'}, {' '.join(names)}"
    parts = [f"{strip.title}: {steps if names else 'no step yet'}"]
    partly = strip.at is not None and strip.at < len(strip.frames) - 1
    frames = strip.frames if strip.at is None else strip.frames[: strip.at + 1]
    tracks = tracks_of(frames)
    stored: dict[str, list[str]] = {}
    for value in tracks.values:
        line = stored.setdefault(value.key, [])
        line.append(f"{value.words} {_when(value.begin, frames[value.begin])}")
    parts += [f"{key} holds {', '.join(line)}" for key, line in stored.items()]
    flag = tracks.flag
    if flag is not None:
        anomalies = anomaly_words(frames[flag].anomalies)
        parts.append(f"first anomaly: {anomalies} at step {_when(flag, frames[flag])}")
    if strip.mark is not None:
        parts.append(f"step {strip.mark[0]}: {strip.mark[1]}")
    if partly:
        parts.append(f"shown up to step {_said(strip)}" if strip.at else "shown at the beginning")
        return "; ".join(parts) + "."
    if strip.sort is not None:
        parts.append(f"ending: {MEANINGS[strip.sort]}")
    end = f" {strip.sentence}" if strip.sentence else ""
    return "; ".join(parts) + "." + end


def _when(index: int, frame: Frame) -> str:
    return "at first" if frame.step is None else f"{index} ({frame.step.name})"
