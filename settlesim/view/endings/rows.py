"""The endings of explorations and samples as a table, before anything is painted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from settlesim.chart.report import Verdict
from settlesim.chart.strict_json import encode
from settlesim.sim.explore import Exploration
from settlesim.sim.sampling import Sample
from settlesim.sim.scenario import Scenario
from settlesim.sim.terms import Ending
from settlesim.view.simulation.judgement import MEANINGS, Sort, sort_of
from settlesim.view.simulation.words import (
    about_words,
    claim_words,
    count_words,
    labels_of,
    plural,
    share_words,
)

__all__ = [
    "EndingBar",
    "EndingColumn",
    "EndingRow",
    "EndingTable",
    "more_words",
    "panel_of",
    "sample_panel",
    "table_of",
    "table_words",
]

_DECADES: Final = 3


@dataclass(frozen=True, slots=True)
class EndingColumn:
    """One column of bars: the endings of an exploration or a sample."""

    name: str
    scenario: Scenario
    endings: tuple[Ending, ...]
    whole: int
    """The number of interleavings, or of runs of a sample."""
    states: int
    verdict: Verdict
    complete: bool
    note: str
    doubt: str = ""
    """What a sample says instead of a verdict; empty for an exploration."""

    measured: bool = False
    """Whether the services of a sample took durations that were given."""

    @property
    def walk(self) -> str:
        """The noun for one run of a sample."""
        return "run" if self.measured else "random walk"

    @property
    def sampled(self) -> bool:
        """Whether this is a sample: then all numbers are estimates."""
        return bool(self.doubt)

    @property
    def met(self) -> str:
        """The number of endings in words; "met" says that there may be more."""
        words = plural(len(self.endings), "ending")
        if self.verdict is Verdict.PROVED and len(self.endings) > 1:
            words += ", both allowed" if len(self.endings) == 2 else ", all allowed"
        return words if self.complete else f"{words} met"

    @property
    def unit(self) -> str:
        """What the number beside a bar counts."""
        if self.sampled:
            return f"estimated share of {self.walk}s"
        words = "interleavings with this ending"
        return f"{words} (share of interleavings)" if self.complete else words

    @property
    def searched(self) -> str:
        """The number of states in words."""
        return f"{'' if self.complete else 'at least '}{plural(self.states, 'state')}"

    def size(self, digits: int = 18) -> str:
        """Return the number of interleavings or runs in words."""
        if self.sampled:
            return f"sampled, {plural(self.whole, 'run')}"
        least = "" if self.complete else "at least "
        word = "interleaving" if self.whole == 1 else "interleavings"
        return f"{least}{count_words(self.whole, digits)} {word}"

    def without_keys(self) -> EndingColumn:
        """Return a column without the keys of instances, so that endings can be compared."""
        endings = tuple(
            replace(
                each,
                store=tuple(("", leaves, context) for _, leaves, context in each.store),
                effects=tuple(("", service, message) for _, service, message in each.effects),
            )
            for each in self.endings
        )
        return replace(self, endings=endings)

    def counted(self, cell: EndingBar, digits: int = 18) -> tuple[str, str]:
        """Return the count and the share of a cell in words; empty where one is not known.

        A sample has no count and a rounded share. A search that stopped early has a lower bound
        of the count and no share.
        """
        if self.sampled:
            return "", about_words(cell.count, cell.whole)
        if not self.complete:
            return f"at least {count_words(cell.count, digits)}", ""
        return count_words(cell.count, digits), share_words(cell.count, cell.whole)


def panel_of(name: str, found: Exploration) -> EndingColumn:
    """Return the column of an exploration."""
    return EndingColumn(
        name, found.scenario, found.endings, found.interleavings, found.states, found.verdict,
        found.complete, found.gaps,
    )  # fmt: skip


def sample_panel(name: str, found: Sample) -> EndingColumn:
    """Return the column of a sample."""
    least, most = (100 * each for each in found.interval())
    doubt = "a wrong ending was met" if found.wrong else "nothing is proved"
    doubt += f"; {least:.3g} to {most:.3g} % of such runs are wrong, at 95 % confidence"
    return EndingColumn(
        name, found.scenario, found.endings, found.runs, 0, found.verdict, False, found.note, doubt,
        measured=bool(found.times),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class EndingBar:
    """How often one ending occurs in one column."""

    count: int
    whole: int
    length: float
    """The length of the bar, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class EndingRow:
    """One ending, with its bar in each column."""

    rest: str
    ran: str
    sort: Sort
    cells: tuple[EndingBar | None, ...]


@dataclass(frozen=True, slots=True)
class EndingTable:
    """The endings of all columns, the right one first."""

    rows: tuple[EndingRow, ...]
    more: tuple[tuple[int, int], ...]
    """For each column, how many endings have no row, and the number of their interleavings."""
    decades: int
    """How many powers of ten the bars span; 0 on a linear scale."""


def table_of(panels: Sequence[EndingColumn], limit: int) -> EndingTable:
    """Return a table with one row for each distinct ending of the panels.

    Parameters
    ----------
    limit : the largest number of rows; the other endings are only counted
    """
    found: dict[Any, list[Ending | None]] = {}
    for column, panel in enumerate(panels):
        for each in panel.endings:
            lying = tuple((key, leaves, encode(fields)) for key, leaves, fields in each.rests)
            identity = (lying, each.effects, each.dead, each.excluded)
            found.setdefault(identity, [None] * len(panels))[column] = each
    ordered = sorted(found.values(), key=lambda row: _rank(row, panels))
    events = [each.words for each in panels[0].scenario.messages] if panels else []
    # name those beyond the limit as well, so that names do not depend on the limit
    names = labels_of([_some(row) for row in ordered], events)
    decades = _decades(ordered, panels)
    rows = tuple(
        _row(row, name, panels, decades) for row, name in zip(ordered[:limit], names, strict=False)
    )
    more = []
    for column in range(len(panels)):
        rest = [row[column] for row in ordered[limit:]]
        counts = [each.interleavings for each in rest if each is not None]
        more.append((len(counts), sum(counts)))
    return EndingTable(rows, tuple(more), decades)


def _some(row: Sequence[Ending | None]) -> Ending:
    return next(each for each in row if each is not None)


def _rank(row: Sequence[Ending | None], panels: Sequence[EndingColumn]) -> tuple[int, float]:
    """Order by sort, then by the sum of the shares; a stable sort keeps ties in their order."""
    shares = sum(
        each.interleavings / max(whole.whole, 1)
        for each, whole in zip(row, panels, strict=True)
        if each is not None
    )
    return list(MEANINGS).index(sort_of(_some(row))), -shares


def _decades(rows: Sequence[Sequence[Ending | None]], wholes: Sequence[EndingColumn]) -> int:
    """Return how many powers of ten the shares span; 0 for at most three."""
    least = 0.0
    for row in rows:
        for each, whole in zip(row, wholes, strict=True):
            if each is not None and each.interleavings:
                share = math.log10(each.interleavings) - math.log10(whole.whole)
                least = min(least, share)
    return math.ceil(-least) if -least > _DECADES else 0


def _row(
    row: Sequence[Ending | None],
    name: tuple[str, str],
    wholes: Sequence[EndingColumn],
    decades: int,
) -> EndingRow:
    cells: list[EndingBar | None] = []
    for each, panel in zip(row, wholes, strict=True):
        whole = max(panel.whole, 1)
        if each is None:
            cells.append(None)
            continue
        length = each.interleavings / whole
        if decades:
            size = math.log10(max(each.interleavings, 1)) - math.log10(whole)
            length = max(1 + size / decades, 0.0)
        cells.append(EndingBar(each.interleavings, whole, length))
    return EndingRow(name[0], name[1], sort_of(_some(row)), tuple(cells))


def table_words(table: EndingTable, panels: Sequence[EndingColumn]) -> str:
    """Say in words what the bars show, panel by panel."""
    return " ".join(_panel_words(table, column, panel) for column, panel in enumerate(panels))


def _panel_words(table: EndingTable, column: int, panel: EndingColumn) -> str:
    if panel.sampled:
        words = f"{panel.name}: {panel.size()}, {panel.met}; {panel.doubt}"
    else:
        claim = claim_words(panel.verdict, panel.scenario.criterion)
        words = (
            f"{panel.name}: {panel.verdict.value}: {claim}; {panel.met}, {panel.size()}, "
            f"{panel.searched}"
        )
    said = []
    for row in table.rows:
        cell = row.cells[column]
        if cell is not None:
            share = " = ".join(each for each in panel.counted(cell) if each)
            said.append(f"{row.rest} ({row.ran}) {share}, {MEANINGS[row.sort]}")
    more, count = table.more[column]
    if more:
        said.append(more_words(more, count, panel))
    if not said:
        return f"{words}."
    what = "interleavings"
    if panel.complete:
        what = "shares of the interleavings"
    elif panel.sampled:
        what = f"shares of the {panel.walk}s"
    return f"{words}; {what}: {'; '.join(said)}."


def more_words(more: int, count: int, panel: EndingColumn) -> str:
    """Say how many endings have no row of their own."""
    if panel.sampled:
        return f"and {plural(more, 'more ending')} met"
    return f"and {plural(more, 'more ending')}, together {plural(count, 'interleaving')}"
