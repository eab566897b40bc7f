"""`grid`: which protections are needed against which faults, and how many endings are left."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

from settlesim import display
from settlesim.chart.report import Verdict
from settlesim.display import Theme
from settlesim.errors import RenderError
from settlesim.sim.compare import GridCell, ProtectionGrid
from settlesim.sim.scenario import Faults
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Box
from settlesim.view.simulation.words import (
    LETTERS,
    claim_words,
    conditions_words,
    events_words,
    fault_words,
    plural,
)
from settlesim.view.svg.card import MARGIN, WIDTH, Look, badge, new_card, title_height
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.picture import Picture
from settlesim.view.svg.shapes import add, circle, group, number, rectangle, stroke, text
from settlesim.view.svg.text_fitting import cut, widest, wrapped

__all__ = ["grid"]

_INNER: Final = WIDTH - 2 * MARGIN
_DOTS: Final = 22.0
_ROW: Final = 46.0
_SMALL: Final = 11.0
_GROUP_GAP: Final = 22.0


@display.draw.register
def grid(
    value: ProtectionGrid,
    target: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,  # noqa: A002
    theme: Theme | None = None,
    title: str | None = None,
    scale: float | None = None,
) -> Picture:
    """Return a grid of how many endings each combination of protections leaves under each fault.

    The columns are combinations of protections; those that include FIFO stand together. Filled
    dots above a column show its protections. A filled cell with a check mark has exactly one
    ending, the right one.

    Parameters
    ----------
    target : a file's path, whose suffix is the format: svg, png
    format : the format of `target`, where its suffix does not say it
    theme : ``"page"``, ``"light"`` or ``"dark"``; None for that of `settlesim.options`
    title : a line above; None for one that names the chart
    scale : pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture

    Raises
    ------
    RenderError
        An option is wrong, there are no cells, or the file cannot be written.
    """
    look = Look(format, theme, title, scale)
    if not value.columns or not value.rows:
        raise RenderError("this grid has no cells; nothing can be drawn")
    title = title if title is not None else _title(value)
    sentences = _sentences(value)
    alt = _words(value, title, sentences)
    return look.picture(alt, lambda: _compose(value, look.palette, title, alt, sentences), target)


@display.mimebundle.register
def _(value: ProtectionGrid) -> dict[str, Any]:
    try:
        return grid(value)._repr_mimebundle_()
    except RenderError as error:
        return {"text/plain": f"{value!r}, not drawn: {error}"}


# --- in words -----------------------------------------------------------------------------


def _title(value: ProtectionGrid) -> str:
    scenario = value.cells[0][0].exploration.scenario
    shared = conditions_words(scenario.replace(protections=(), faults=Faults()))
    return f"{value.chart.name}, {events_words(scenario)}, {shared}: how many endings there are"


def _key(value: ProtectionGrid) -> str:
    """Explain the check mark and the numbers."""
    claim = claim_words(Verdict.PROVED, value.cells[0][0].exploration.scenario.criterion)
    key = f"proved: {claim}; a number is how many endings there are, right and wrong ones"
    return key if _known(value, value.columns) else f"{key}; ?: neither proved nor refuted"


def _rows(value: ProtectionGrid) -> list[str]:
    return [fault_words(row[0].faults) if row else "" for row in value.cells]


def _sentences(value: ProtectionGrid) -> list[str]:
    """Return the conclusions that the cells of the grid support."""
    right = {
        column: [row[index].right for row in value.cells]
        for index, column in enumerate(value.columns)
    }
    found = []
    without = [column for column in value.columns if "F" not in column]
    if value.commute:
        found.append("The order of these events makes no difference to where they end.")
    elif (
        without
        and _ever(right)
        and not _ever({each: right[each] for each in without})
        and _known(value, without)
    ):
        found.append("Without FIFO nothing here ever has exactly the right ending.")
    alone = next((each for each in value.columns if each.strip("-") == "F"), None)
    if alone is not None and any(right[alone]) and not all(right[alone]):
        rows = [name for name, fine in zip(_rows(value), right[alone], strict=True) if fine]
        without_faults = rows == [fault_words(Faults())]
        enough = "only without faults" if without_faults else f"for {'; '.join(rows)}"
        found.append(f"FIFO alone is enough {enough}.")
    always = [column for column, cells in right.items() if all(cells)]
    if always and len(value.rows) > 1:
        found.append(f"Right under all faults here: {', '.join(always)}.")
    return found


def _ever(right: Mapping[str, Sequence[bool]]) -> bool:
    return any(any(cells) for cells in right.values())


def _known(value: ProtectionGrid, columns: Sequence[str]) -> bool:
    """Whether every cell of these columns is proved or refuted."""
    return all(
        cell.exploration.verdict is not Verdict.UNDETERMINED
        for row in value.cells
        for column, cell in zip(value.columns, row, strict=True)
        if column in columns
    )


def _words(value: ProtectionGrid, title: str, sentences: Sequence[str]) -> str:
    parts = [f"{title}."]
    for name, row in zip(_rows(value), value.cells, strict=True):
        cells = [
            f"{column} {_count(cell)}{_worth(cell)}"
            for column, cell in zip(value.columns, row, strict=True)
        ]
        parts.append(f"{name}: {', '.join(cells)}.")
    return " ".join([*parts, *sentences])


def _count(cell: GridCell) -> str:
    if cell.reason and not cell.endings:
        return "not known"
    return f"{'' if cell.exploration.complete else 'at least '}{cell.endings:,}"


def _worth(cell: GridCell) -> str:
    if cell.right:
        return " right"
    undetermined = cell.exploration.verdict is Verdict.UNDETERMINED
    return " undetermined" if undetermined and cell.endings else ""


# --- painted ------------------------------------------------------------------------------


def _compose(
    value: ProtectionGrid, palette: Palette, title: str, alt: str, sentences: Sequence[str]
) -> ET.Element:
    order = sorted(range(len(value.columns)), key=lambda at: "F" in value.columns[at])
    letters = _letters(value)
    rows = _rows(value)
    gutter = min(max(widest([*rows, *(LETTERS.get(each, each) for each in letters)], 12) + 20,
                     140.0), 230.0)  # fmt: skip
    fifo = [at for at in order if "F" in value.columns[at]]
    split = _GROUP_GAP if 0 < len(fifo) < len(order) else 0.0
    wide = min((_INNER - gutter - split) / len(order), 84.0)
    places = {
        at: gutter + place * wide + (split if at in fifo else 0.0) for place, at in enumerate(order)
    }
    cells = 26 + len(letters) * _DOTS + 24
    width = max(gutter + len(order) * wide + split, 420.0) + 2 * MARGIN
    top = MARGIN + (title_height(title, width) + 8 if title else 0)
    low = top + cells + len(rows) * _ROW
    lines = [line for each in sentences for line in wrapped(each, 13, width - 2 * MARGIN)]
    key = wrapped(_key(value), _SMALL, width - 2 * MARGIN - 24)
    height = low + 24 + 16 * len(key) + 19 * len(lines) + MARGIN - 8
    root = new_card(width, height, alt, palette, title)
    body = add(root, "g", transform=f"translate({number(MARGIN)} {number(top)})")
    for members, words in (
        ([at for at in order if at not in fifo], "any order"), (fifo, "FIFO per key"),
    ):  # fmt: skip
        if members:
            _heading(body, [places[at] for at in members], wide, words, palette)
    _matrix(body, value, letters, places=places, wide=wide, palette=palette)
    for row, name in enumerate(rows):
        y = cells + row * _ROW
        text(body, (0, y + 26), cut(name, 12, gutter - 12), 12, palette.ink)
        for at in order:
            _cell(body, value, (row, at), Box(places[at], y, wide, _ROW), palette)
    y = cells + len(rows) * _ROW + 20
    badge(body, (9, y), "check", palette.resolved, palette)
    for line in key:
        text(body, (23, y + 4), line, _SMALL, palette.quiet, class_="legend")
        y += 16
    y += 18
    for line in lines:
        text(body, (0, y), line, 13, palette.ink, class_="sentence")
        y += 19
    return root


def _letters(value: ProtectionGrid) -> list[str]:
    found = dict.fromkeys(each for column in value.columns for each in column if each != "-")
    return sorted(found, key=lambda each: list(LETTERS).index(each) if each in LETTERS else 99)


def _heading(
    parent: ET.Element, lefts: Sequence[float], wide: float, words: str, palette: Palette
) -> None:
    """Write the heading of a group of columns, above a line as wide as the group."""
    left, right = min(lefts) + 3, max(lefts) + wide - 3
    shown = cut(words, 12, right - left, bold=True)
    text(
        parent, ((left + right) / 2, 10), shown, 12, palette.ink, font_weight="bold",
        text_anchor="middle",
    )  # fmt: skip
    stroke(parent, f"M{number(left)},17H{number(right)}", palette.line, 1.2)


def _matrix(
    parent: ET.Element, value: ProtectionGrid, letters: Sequence[str], *, places: dict[int, float],
    wide: float, palette: Palette,
) -> None:  # fmt: skip
    """Paint a dot for each protection and combination, filled if the combination has it."""
    for place, letter in enumerate(letters):
        y = 26 + place * _DOTS + _DOTS / 2
        words = LETTERS.get(letter, letter)
        text(parent, (0, y + 4), words, 12, palette.quiet)
        for at, left in places.items():
            x = left + wide / 2
            if letter in value.columns[at]:
                circle(parent, x, y, 5.5, fill=palette.ink)
            else:
                circle(parent, x, y, 2.6, fill=palette.paper, stroke=palette.line, stroke_width=1)
    y = 26 + len(letters) * _DOTS + 13
    for at, left in places.items():
        code = cut(value.columns[at], _SMALL, wide - 2)
        text(parent, (left + wide / 2, y), code, _SMALL, palette.quiet, text_anchor="middle")


def _cell(
    parent: ET.Element, value: ProtectionGrid, place: tuple[int, int], box: Box, palette: Palette
) -> None:
    row, at = place
    cell = value.cells[row][at]
    unknown = bool(cell.reason) and not cell.endings
    found = f"not known ({cell.reason})" if unknown else plural(cell.endings, "ending")
    words = f"{value.rows[row]}, {value.columns[at]}: {found}"
    if cell.right:
        words += ", exactly the right one"
    elif cell.exploration.verdict is Verdict.UNDETERMINED and not unknown:
        words += ", neither proved nor refuted"
    made = group(parent, f"cell-{row}-{at}", f"cell {'right' if cell.right else 'wrong'}", words)
    fill, line, width = palette.group, palette.frame, 1.0
    if cell.right:
        fill, line, width = palette.resolved_fill, palette.resolved, 2.0
    rectangle(made, box.grown(-3), 6, fill=fill, stroke=line, stroke_width=width)
    least = "" if cell.exploration.complete else "\N{GREATER-THAN OR EQUAL TO}"
    shown = "?" if unknown else f"{least}{cell.endings:,}"
    if cell.exploration.verdict is Verdict.UNDETERMINED and not unknown:
        shown += " ?"
    size = 15.0 if text_width(shown, 15, bold=True) <= box.width - 12 else 11.0
    x = box.x + box.width / 2
    ink = palette.resolved_ink if cell.right else palette.ink
    y = box.y + _ROW / 2 + 5
    text(made, (x, y), shown, size, ink, font_weight="bold", text_anchor="middle")
    if cell.right:  # on the corner, as on a settled state
        corner = (box.x + box.width - 7, box.y + 6)
        badge(made, corner, "check", palette.resolved, palette)
