"""The picture of a table of endings: a row for each ending, a column of bars for each panel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from settlesim.chart.report import Verdict
from settlesim.view.endings.rows import EndingBar, EndingColumn, EndingRow, EndingTable, more_words
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Box, Point
from settlesim.view.simulation.judgement import colour_of, paint_sort
from settlesim.view.simulation.key import key_height, paint_key, sort_signs
from settlesim.view.simulation.words import QUEUES, VERDICTS, claim_words, plural, power_words
from settlesim.view.svg.card import MARGIN, WIDTH, badge, new_card, title_height
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import add, group, number, rectangle, stroke, text
from settlesim.view.svg.text_fitting import cut, widest, wrapped

__all__ = ["paint_endings"]

_INNER: Final = WIDTH - 2 * MARGIN
_ROW: Final = 42.0
_HEAD: Final = 76.0
_SINGLE: Final = 72.0
_SMALL: Final = 11.0
_BESIDE: Final = 5
"""The most columns side by side; more are broken into several blocks."""


def paint_endings(
    table: EndingTable, panels: Sequence[EndingColumn], palette: Palette, *, title: str, alt: str,
) -> ET.Element:  # fmt: skip
    """Return the picture of a table of endings."""
    blocks = _blocks(len(panels))
    rest = 30.0 if any(more for more, _ in table.more) else 0.0
    notes = _notes(table, panels)
    top = MARGIN + (title_height(title, WIDTH) + 6 if title else 0)
    head = _SINGLE if len(panels) == 1 else _HEAD
    block = head + len(table.rows) * _ROW + (18 if table.decades else 0) + rest
    signs = list(sort_signs({row.sort for row in table.rows}))
    key = key_height(signs, _INNER)
    height = top + len(blocks) * (block + 22) - 6 + key + 17 * len(notes) + MARGIN
    root = new_card(WIDTH, height, alt, palette, title)
    y = top
    for columns in blocks:
        made = add(root, "g", transform=f"translate({number(MARGIN)} {number(y)})")
        _block(made, table, columns, panels=panels, palette=palette, head=head)
        y += block + 22
    paint_key(root, signs, (MARGIN, y - 12), _INNER, palette)
    y += key
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
    parent: ET.Element, table: EndingTable, columns: range, *, panels: Sequence[EndingColumn],
    palette: Palette, head: float,
) -> None:  # fmt: skip
    """Paint the rows for some of the columns."""
    gutter = _gutter(table, len(columns))
    wide = (_INNER - gutter) / len(columns)
    for place, column in enumerate(columns):
        left = gutter + place * wide
        panel = panels[column]
        made = group(parent, f"panel-{column + 1}", f"panel {panel.verdict.value}")
        if len(panels) == 1:
            _single_head(made, panel, palette)
            text(made, (left, head - 6), panel.unit, _SMALL, palette.quiet, class_="unit")
        else:
            _head(made, (left, 0.0), wide - 14, panel, palette)
        beside = _beside(table, column, panel) if len(panels) == 1 else 0.0
        room = wide - 14 - beside
        _axis(made, table, (left, head), room, palette)
        for at, row in enumerate(table.rows):
            cell = row.cells[column]
            spot = Box(left, head + at * _ROW, wide - 14, _ROW)
            if cell is not None:
                _bar(made, row, cell, spot, panel=panel, palette=palette, room=room)
            else:
                words = "never" if panel.complete else "not seen"
                text(made, (left + 4, spot.y + 25), words, _SMALL, palette.quiet)
        more, count = table.more[column]
        if more:
            words = more_words(more, count, panel)
            y = head + len(table.rows) * _ROW + (34 if table.decades else 18)
            for line in wrapped(words, _SMALL, wide - 14, lines=2):
                text(made, (left, y), line, _SMALL, palette.quiet, class_="more")
                y += 14
    for at, row in enumerate(table.rows):
        y = head + at * _ROW
        if at:
            stroke(parent, f"M0,{number(y)}H{number(_INNER)}", palette.frame, 1)
        made = group(parent, None, f"ending {row.sort}", f"{row.rest}; {row.ran}")
        paint_sort(made, (9, y + _ROW / 2), row.sort, palette)
        shown = cut(row.rest, 13, gutter - 44, bold=True)
        text(made, (26, y + 18), shown, 13, palette.ink, font_weight="bold")
        text(made, (26, y + 33), cut(row.ran, _SMALL, gutter - 44), _SMALL, palette.quiet)


def _gutter(table: EndingTable, columns: int) -> float:
    """Return the width of the names of the endings, limited so that the bars have room."""
    names = max(
        widest((row.rest for row in table.rows), 13, bold=True),
        widest((row.ran for row in table.rows), _SMALL),
    )
    most = {1: 360.0, 2: 330.0, 3: 290.0, 4: 250.0}.get(columns, 210.0)
    return min(names + 48, most)


def _verdict(parent: ET.Element, at: Point, verdict: Verdict, palette: Palette) -> str:
    """Paint the badge of a verdict; return its colour."""
    sign = VERDICTS[verdict]
    colour = {"check": palette.resolved, "cross": palette.rejected}.get(sign, palette.quiet)
    badge(parent, at, sign, colour, palette)
    return colour


def _single_head(parent: ET.Element, panel: EndingColumn, palette: Palette) -> None:
    """Write the heading of the only column: verdict, claim, endings, interleavings, states."""
    if panel.sampled:  # no verdict: walks prove nothing
        text(parent, (0, 20.5), "SAMPLED", 13, palette.quiet, font_weight="bold")
        words = f"{plural(panel.whole, 'run')}, {panel.met}; {panel.doubt}"
        text(parent, (6 + text_width("SAMPLED", 13, bold=True), 20.5), words, 13, palette.ink)
        return
    colour = _verdict(parent, (9, 16), panel.verdict, palette)
    word = f"{panel.verdict.value.upper()}:"
    text(parent, (26, 20.5), word, 13, colour, font_weight="bold")
    left = 30 + text_width(word, 13, bold=True)
    claim = cut(claim_words(panel.verdict, panel.scenario.criterion), 13, _INNER - left)
    text(parent, (left, 20.5), claim, 13, palette.ink)
    facts = f"{panel.met}, {panel.size()}, {panel.searched}"
    text(parent, (26, 38), facts, 12, palette.quiet)


def _head(
    parent: ET.Element, at: tuple[float, float], wide: float, panel: EndingColumn, palette: Palette
) -> None:
    """Write the heading of one of several columns: name, verdict, interleavings, states."""
    x, y = at
    name = cut(panel.name, 13, wide, bold=True)
    text(parent, (x, y + 12), name, 13, palette.ink, font_weight="bold")
    words = QUEUES.get(panel.name, "")
    text(parent, (x, y + 26), cut(words, _SMALL, wide), _SMALL, palette.quiet)
    colour = _verdict(parent, (x + 8, y + 40), panel.verdict, palette)
    shown = f"{panel.verdict.value}: {panel.met}"
    if text_width(shown, _SMALL, bold=True) > wide - 20:  # the rows show how many there are
        shown = cut(panel.verdict.value, _SMALL, wide - 20, bold=True)
    text(parent, (x + 21, y + 44), shown, _SMALL, colour, font_weight="bold")
    facts = f"{panel.size()}, {panel.searched}"
    if text_width(facts, _SMALL) > wide:
        facts = panel.size(9)
    text(parent, (x, y + 62), cut(facts, _SMALL, wide), _SMALL, palette.quiet)


def _beside(table: EndingTable, column: int, panel: EndingColumn) -> float:
    """Return the width of the counts beside the bars."""
    cells = (row.cells[column] for row in table.rows)
    return widest((_counted(panel, cell) for cell in cells if cell is not None), 12) + 12


def _counted(panel: EndingColumn, cell: EndingBar) -> str:
    count, share = panel.counted(cell)
    return f"{count}  ({share})" if count and share else count or share


def _axis(
    parent: ET.Element, table: EndingTable, at: tuple[float, float], room: float, palette: Palette
) -> None:
    """Paint the line where the bars begin and, on a logarithmic scale, lines for powers of ten."""
    x, top = at
    low = top + len(table.rows) * _ROW
    stroke(parent, f"M{number(x)},{number(top)}V{number(low)}", palette.line, 1)
    if not table.decades:
        return
    # every third power: "1 million" is shorter than "10 million" and "100 million"
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
    parent: ET.Element,
    row: EndingRow,
    cell: EndingBar,
    spot: Box,
    *,
    panel: EndingColumn,
    palette: Palette,
    room: float,
) -> None:
    """Paint one bar with its count: beside it if there is only one column, otherwise below it."""
    colour = colour_of(row.sort, palette)
    count, share = panel.counted(cell)
    title = f"{row.rest}: {count} of {cell.whole:,} interleavings"
    if panel.sampled:
        title = f"{row.rest}: {share} of the {panel.walk}s"
    made = group(parent, None, f"bar {row.sort}", title)
    beside = room < spot.width
    length = max(cell.length * room, 2.0)
    high = 20.0 if beside else 12.0
    y = spot.y + (_ROW - high) / 2 if beside else spot.y + 7
    look = {"fill": colour} if row.sort != "serial" else {
        "fill": palette.paper, "stroke": colour, "stroke_width": 1.6,
    }  # fmt: skip
    rectangle(made, Box(spot.x, y, length, high), 2, **look)
    if beside:
        words = _counted(panel, cell)
        _patched(made, (spot.x + length + 8, y + 14.5), words, 12, palette)
        return
    for digits in (12, 6):
        words = " \N{MIDDLE DOT} ".join(each for each in panel.counted(cell, digits) if each)
        if text_width(words, _SMALL) <= spot.width:
            break
    else:
        words = panel.counted(cell, 9)[0]
    _patched(made, (spot.x + 3, spot.y + 33), words, _SMALL, palette)


def _patched(
    parent: ET.Element, at: tuple[float, float], words: str, size: float, palette: Palette
) -> None:
    """Write on a patch of paper, so that no line of the scale runs through the words."""
    patch = Box(at[0] - 1, at[1] - size, text_width(words, size) + 2, size * 1.25)
    rectangle(parent, patch, 0, fill=palette.paper)
    text(parent, at, words, size, palette.ink)


def _notes(table: EndingTable, panels: Sequence[EndingColumn]) -> list[str]:
    """Explain how to read the bars."""
    first = panels[0]
    scale = ", on a logarithmic scale" if table.decades else ""
    if first.sampled:
        how = (
            ", with these durations."
            if first.measured
            else "; each possible step is equally likely."
        )
        notes = [
            f"Bars: estimated share of {plural(first.whole, first.walk)}{scale}{how}",
            "Endings that were not met may exist.",
        ]
    else:
        of = "interleavings" if all(each.complete for each in panels) else "those that were met"
        notes = [
            f"Bars: share of {of}{scale}. Each interleaving counts once: a share is no probability."
        ]
        if len(panels) > 1:
            claim = claim_words(Verdict.PROVED, first.scenario.criterion)
            notes.insert(0, f"The claim that is proved or refuted: {claim}.")
            notes.append(
                "Below each bar: how many interleavings have this ending, and their share."
            )
        if not any(row.sort == "right" for row in table.rows) and all(
            each.complete for each in panels
        ):
            notes.append("The right ending is never reached.")
    for each in panels:
        if each.note:
            notes += wrapped(f"Not everything is known: {each.note}.", _SMALL, _INNER, lines=2)
            break
    return notes
