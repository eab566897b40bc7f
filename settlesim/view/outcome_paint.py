"""Endings painted: a row for every ending, a column of bars for every exploration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.sim.explore import Exploration
from settlesim.view.card import MARGIN, TITLE, WIDTH, badge, new_card
from settlesim.view.endings import MEANINGS, Cell, Row, Table
from settlesim.view.fitting import cut, widest, wrapped
from settlesim.view.fonts import text_width
from settlesim.view.layout import Box
from settlesim.view.palette import Palette
from settlesim.view.shapes import add, group, number, rectangle, stroke, text
from settlesim.view.sim_words import QUEUES, VERDICTS, count_words, plural, power_words, share_words

__all__ = ["compose"]

_INNER: Final = WIDTH - 2 * MARGIN
_ROW: Final = 42.0
_HEAD: Final = 76.0
_SMALL: Final = 11.0
_BESIDE: Final = 5
"""More columns than this stand in several blocks."""
_SIGNS: Final = {"right": "check", "serial": "swap", "wrong": "cross", "unknown": "alert"}


def _colours(palette: Palette) -> dict[str, str]:
    wrong = palette.rejected
    return {"right": palette.resolved, "serial": palette.quiet, "wrong": wrong, "unknown": wrong}


def compose(
    table: Table, names: Sequence[str], found: Sequence[Exploration], palette: Palette,
    *, title: str, alt: str,
) -> ET.Element:  # fmt: skip
    """Return the picture of a table of endings."""
    blocks = _blocks(len(found))
    rest = 30.0 if any(more for more, _ in table.more) else 0.0
    notes = _notes(table, found)
    top = MARGIN + (TITLE + 6 if title else 0)
    single = len(found) == 1
    head = 44.0 if single else _HEAD
    block = head + len(table.rows) * _ROW + (18 if table.decades else 0) + rest
    key = 24.0 + 17 * len(notes)
    height = top + len(blocks) * (block + 22) - 4 + key + MARGIN - 8
    root = new_card(WIDTH, height, alt, palette, title)
    y = top
    for columns in blocks:
        made = add(root, "g", transform=f"translate({number(MARGIN)} {number(y)})")
        _block(made, table, columns, names=names, found=found, palette=palette, head=head)
        y += block + 22
    _key(root, table, (MARGIN, y), palette)
    y += 22
    for line in notes:
        text(root, (MARGIN, y + 4), line, _SMALL, palette.quiet, class_="note")
        y += 17
    return root


def _blocks(count: int) -> list[range]:
    """Break columns into blocks of nearly the same width."""
    blocks = math.ceil(count / _BESIDE)
    wide = math.ceil(count / max(blocks, 1))
    return [range(start, min(start + wide, count)) for start in range(0, count, wide or 1)]


def _block(
    parent: ET.Element, table: Table, columns: range, *, names: Sequence[str],
    found: Sequence[Exploration], palette: Palette, head: float,
) -> None:  # fmt: skip
    """Paint the rows for some of the columns."""
    gutter = _gutter(table, len(columns))
    wide = (_INNER - gutter) / len(columns)
    for place, column in enumerate(columns):
        left = gutter + place * wide
        made = group(parent, f"panel-{column + 1}", f"panel {found[column].verdict.value}")
        if len(found) == 1:
            _single_head(made, found[column], palette)
        else:
            _head(
                made, (left, 0.0), wide - 14, name=names[column], found=found[column],
                palette=palette,
            )  # fmt: skip
        beside = _beside(table, column) if len(found) == 1 else 0.0
        room = wide - 14 - beside
        _axis(made, table, (left, head), room, palette)
        for at, row in enumerate(table.rows):
            cell = row.cells[column]
            spot = Box(left, head + at * _ROW, wide - 14, _ROW)
            if cell is not None:
                _bar(made, row, cell, spot, palette=palette, room=room)
            else:
                words = "never" if found[column].complete else "not seen"
                text(made, (left + 4, spot.y + 25), words, _SMALL, palette.quiet)
        more, count = table.more[column]
        if more:
            words = f"and {plural(more, 'more ending')}, together {count_words(count)}"
            y = head + len(table.rows) * _ROW + (34 if table.decades else 18)
            for line in wrapped(words, _SMALL, wide - 14, lines=2):
                text(made, (left, y), line, _SMALL, palette.quiet, class_="more")
                y += 14
    for at, row in enumerate(table.rows):
        y = head + at * _ROW
        if at:
            stroke(parent, f"M0,{number(y)}H{number(_INNER)}", palette.frame, 1)
        made = group(parent, None, f"ending {row.sort}", f"{row.rest}; {row.ran}")
        badge(made, (9, y + _ROW / 2), _SIGNS[row.sort], _colours(palette)[row.sort], palette)
        shown = cut(row.rest, 13, gutter - 44, bold=True)
        text(made, (26, y + 18), shown, 13, palette.ink, font_weight="bold")
        text(made, (26, y + 33), cut(row.ran, _SMALL, gutter - 44), _SMALL, palette.quiet)


def _gutter(table: Table, columns: int) -> float:
    """Return how wide the names of the endings are, where bars still have room."""
    names = max(
        widest((row.rest for row in table.rows), 13, bold=True),
        widest((row.ran for row in table.rows), _SMALL),
    )
    most = {1: 360.0, 2: 330.0, 3: 290.0, 4: 250.0}.get(columns, 210.0)
    return min(names + 48, most)


def _single_head(parent: ET.Element, found: Exploration, palette: Palette) -> None:
    """Say in one line what was searched and what came out."""
    sign = VERDICTS[found.verdict]
    colour = {"check": palette.resolved, "cross": palette.rejected}.get(sign, palette.quiet)
    badge(parent, (9, 16), sign, colour, palette)
    word = found.verdict.value.upper()
    text(parent, (26, 20.5), word, 13, colour, font_weight="bold")
    words = (
        f"{plural(len(found.endings), 'ending')}, {_interleavings(found)}, "
        f"{plural(found.states, 'state')}"
    )
    text(parent, (34 + text_width(word, 13, bold=True), 20.5), words, 13, palette.ink)


def _head(
    parent: ET.Element, at: tuple[float, float], wide: float, *, name: str, found: Exploration,
    palette: Palette,
) -> None:  # fmt: skip
    """Write a column's heading: discipline, verdict, states, interleavings."""
    x, y = at
    text(parent, (x, y + 12), cut(name, 13, wide, bold=True), 13, palette.ink, font_weight="bold")
    sign = VERDICTS[found.verdict]
    colour = {"check": palette.resolved, "cross": palette.rejected}.get(sign, palette.quiet)
    words = QUEUES.get(name, "")
    text(parent, (x, y + 26), cut(words, _SMALL, wide), _SMALL, palette.quiet)
    badge(parent, (x + 8, y + 40), sign, colour, palette)
    count = f"{found.verdict.value}: {plural(len(found.endings), 'ending')}"
    shown = cut(count, _SMALL, wide - 20, bold=True)
    text(parent, (x + 21, y + 44), shown, _SMALL, colour, font_weight="bold")
    facts = f"{_interleavings(found)}, {plural(found.states, 'state')}"
    if text_width(facts, _SMALL) > wide:
        facts = f"{_interleavings(found, 9)}"
    text(parent, (x, y + 62), cut(facts, _SMALL, wide), _SMALL, palette.quiet)


def _interleavings(found: Exploration, digits: int = 18) -> str:
    least = "" if found.complete else "at least "
    word = "interleaving" if found.interleavings == 1 else "interleavings"
    return f"{least}{count_words(found.interleavings, digits)} {word}"


def _beside(table: Table, column: int) -> float:
    """Return how much room the counts beside the bars take."""
    cells = (row.cells[column] for row in table.rows)
    return widest((_counted(cell) for cell in cells if cell is not None), 12) + 12


def _counted(cell: Cell) -> str:
    return f"{count_words(cell.count)}  ({share_words(cell.count, cell.whole)})"


def _axis(
    parent: ET.Element, table: Table, at: tuple[float, float], room: float, palette: Palette
) -> None:
    """Paint where the bars begin and, on a scale of powers of ten, a line for every power."""
    x, top = at
    low = top + len(table.rows) * _ROW
    stroke(parent, f"M{number(x)},{number(top)}V{number(low)}", palette.line, 1)
    if not table.decades:
        return
    # names of thousands need fewer letters than other powers
    fits = max(math.floor(room / 90), 1)
    every = 3 * math.ceil(table.decades / (3 * fits))
    left = math.inf
    for decade in range(0, table.decades + 1, every):
        at_x = x + room * (1 - decade / table.decades)
        line = f"M{number(at_x)},{number(top)}V{number(low)}"
        stroke(parent, line, palette.frame, 1, stroke_dasharray="2 3")
        words = "all" if decade == 0 else f"1 in {power_words(decade)}"
        width = text_width(words, _SMALL)
        begin = min(max(at_x - width / 2, x), x + room - width)
        if begin + width + 8 <= left:
            text(parent, (begin, low + 14), words, _SMALL, palette.quiet)
            left = begin


def _bar(
    parent: ET.Element, row: Row, cell: Cell, spot: Box, *, palette: Palette, room: float
) -> None:
    """Paint one bar with its exact count, beside it where there is one column only."""
    colour = _colours(palette)[row.sort]
    title = f"{row.rest}: {cell.count:,} of {cell.whole:,} interleavings"
    made = group(parent, None, f"bar {row.sort}", title)
    beside = room < spot.width
    length = max(cell.length * room, 2.0)
    high = 20.0 if beside else 12.0
    y = spot.y + (_ROW - high) / 2 if beside else spot.y + 7
    look = {"fill": colour} if row.sort != "serial" else {
        "fill": palette.paper, "stroke": colour, "stroke_width": 1.6,
    }  # fmt: skip
    rectangle(made, Box(spot.x, y, length, high), 2, **look)
    share = share_words(cell.count, cell.whole)
    if beside:
        _patched(made, (spot.x + length + 8, y + 14.5), _counted(cell), 12, palette)
        return
    words = f"{count_words(cell.count, 12)} \N{MIDDLE DOT} {share}"
    if text_width(words, _SMALL) > spot.width:
        words = f"{count_words(cell.count, 6)} \N{MIDDLE DOT} {share}"
    if text_width(words, _SMALL) > spot.width:
        words = count_words(cell.count, 9)
    _patched(made, (spot.x + 3, spot.y + 33), words, _SMALL, palette)


def _patched(
    parent: ET.Element, at: tuple[float, float], words: str, size: float, palette: Palette
) -> None:
    """Write on a patch of paper, so that no line of the scale runs through."""
    patch = Box(at[0] - 1, at[1] - size, text_width(words, size) + 2, size * 1.25)
    rectangle(parent, patch, 0, fill=palette.paper)
    text(parent, at, words, size, palette.ink)


def _key(parent: ET.Element, table: Table, at: tuple[float, float], palette: Palette) -> None:
    """Say what the signs mean, of those that occur."""
    x, y = at
    made = add(parent, "g", class_="legend")
    for sort, words in MEANINGS.items():
        if any(row.sort == sort for row in table.rows):
            badge(made, (x + 8, y), _SIGNS[sort], _colours(palette)[sort], palette)
            text(made, (x + 21, y + 4), words, _SMALL, palette.quiet)
            x += 21 + text_width(words, _SMALL) + 26


def _notes(table: Table, found: Sequence[Exploration]) -> list[str]:
    """Say what has to be known to read the bars."""
    notes = []
    if table.decades:
        notes.append("Bars: share of the interleavings, on a logarithmic scale.")
    else:
        notes.append("Bars: share of the interleavings.")
    if not any(row.sort == "right" for row in table.rows):
        notes.append("The right ending is never reached.")
    for each in found:
        if each.gaps:
            notes += wrapped(f"Not everything is known: {each.gaps}.", _SMALL, _INNER, lines=2)
            break
    return notes
