"""The endings of explorations as rows and columns of numbers, before anything is painted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from settlesim.chart.values import encode
from settlesim.sim.explore import Exploration
from settlesim.sim.values import Ending
from settlesim.view.sim_words import count_words, labels_of, plural, share_words

__all__ = ["MEANINGS", "Cell", "Row", "Table", "table_of", "table_words"]

Sort = Literal["right", "serial", "wrong", "unknown"]

MEANINGS: Final[dict[Sort, str]] = {
    "right": "as handled one by one, in order of arrival",
    "serial": "as handled one by one, in another order",
    "wrong": "what no order of one by one gives",
    "unknown": "not in order of arrival; the other orders are too many to be tried",
}
_DECADES: Final = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """How often one ending comes in one exploration."""

    count: int
    whole: int
    length: float
    """Of the bar, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One ending in every exploration."""

    rest: str
    ran: str
    sort: Sort
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All endings of all explorations, the right one first."""

    rows: tuple[Row, ...]
    more: tuple[tuple[int, int], ...]
    """Per exploration: how many further endings, and their interleavings."""
    decades: int
    """Over how many powers of ten the bars go; 0 where their length is the share itself."""


def table_of(explorations: Sequence[Exploration], limit: int) -> Table:
    """Put the same endings of all explorations into one row, in one order.

    Parameters
    ----------
    limit : how many rows there are at most; the rest is counted
    """
    found: dict[Any, list[Ending | None]] = {}
    for column, exploration in enumerate(explorations):
        for each in exploration.endings:
            lying = tuple((key, leaves, encode(context)) for key, leaves, context in each.store)
            identity = (lying, each.effects, each.dead)
            found.setdefault(identity, [None] * len(explorations))[column] = each
    ordered = sorted(found.values(), key=lambda row: _rank(row, explorations))
    events = [each.event for each in explorations[0].scenario.events] if explorations else []
    # all of them are named, also those beyond the limit: a name does not depend on it
    names = labels_of([_some(row) for row in ordered], events)
    decades = _decades(ordered, explorations)
    rows = tuple(
        _row(row, name, explorations, decades)
        for row, name in zip(ordered[:limit], names, strict=False)
    )
    more = []
    for column in range(len(explorations)):
        rest = [row[column] for row in ordered[limit:]]
        counts = [each.interleavings for each in rest if each is not None]
        more.append((len(counts), sum(counts)))
    return Table(rows, tuple(more), decades)


def _some(row: Sequence[Ending | None]) -> Ending:
    return next(each for each in row if each is not None)


def _sort(ending: Ending) -> Sort:
    if ending.fifo:
        return "right"
    if ending.serializable is None:
        return "unknown"
    return "serial" if ending.serializable else "wrong"


def _rank(row: Sequence[Ending | None], explorations: Sequence[Exploration]) -> tuple[int, float]:
    """Order by sort, then by the sum of the shares; a stable sort keeps ties in their order."""
    shares = sum(
        each.interleavings / max(whole.interleavings, 1)
        for each, whole in zip(row, explorations, strict=True)
        if each is not None
    )
    return list(MEANINGS).index(_sort(_some(row))), -shares


def _decades(rows: Sequence[Sequence[Ending | None]], wholes: Sequence[Exploration]) -> int:
    """Return over how many powers of ten the shares go, where that is more than three."""
    least = 0.0
    for row in rows:
        for each, whole in zip(row, wholes, strict=True):
            if each is not None and each.interleavings:
                share = math.log10(each.interleavings) - math.log10(whole.interleavings)
                least = min(least, share)
    return math.ceil(-least) if -least > _DECADES else 0


def _row(
    row: Sequence[Ending | None],
    name: tuple[str, str],
    wholes: Sequence[Exploration],
    decades: int,
) -> Row:
    cells: list[Cell | None] = []
    for each, exploration in zip(row, wholes, strict=True):
        whole = max(exploration.interleavings, 1)
        if each is None:
            cells.append(None)
            continue
        length = each.interleavings / whole
        if decades:
            size = math.log10(max(each.interleavings, 1)) - math.log10(whole)
            length = max(1 + size / decades, 0.0)
        cells.append(Cell(each.interleavings, whole, length))
    return Row(name[0], name[1], _sort(_some(row)), tuple(cells))


def table_words(table: Table, names: Sequence[str], explorations: Sequence[Exploration]) -> str:
    """Say in words what the bars show, exploration by exploration."""
    parts = []
    for column, (name, exploration) in enumerate(zip(names, explorations, strict=True)):
        least = "" if exploration.complete else "at least "
        words = (
            f"{name}: {exploration.verdict.value}, {least}"
            f"{plural(len(exploration.endings), 'ending')} "
            f"in {plural(exploration.interleavings, 'interleaving')}, "
            f"{plural(exploration.states, 'state')}"
        )
        said = []
        for row in table.rows:
            cell = row.cells[column]
            if cell is not None:
                share = share_words(cell.count, cell.whole)
                sort = "" if row.sort in {"wrong", "unknown"} else f", {MEANINGS[row.sort]}"
                said.append(f"{row.rest} ({row.ran}) {count_words(cell.count)} = {share}{sort}")
        more, count = table.more[column]
        if more:
            said.append(f"and {plural(more, 'more ending')}, together {count_words(count)}")
        parts.append(f"{words}: {'; '.join(said)}.")
    return " ".join(parts)
