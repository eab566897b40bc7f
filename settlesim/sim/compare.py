"""`compare` and `necessity`: one chart under every discipline and every protection.

The claim that the grid of `necessity` bears out, for events that do not commute: *FIFO per
instance (or one FIFO for all) is necessary; no other protection reaches one ending. It is
sufficient alone only without faults. With crashes and expiries add idempotent effects, an
inbox, and compare-and-set or fencing.*
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Final

from settlesim import display
from settlesim.chart import Chart
from settlesim.engine.table import Table
from settlesim.errors import SimulationError
from settlesim.sim.disciplines import DISCIPLINES
from settlesim.sim.explore import LIMIT, Exploration, explore
from settlesim.sim.model import table_for
from settlesim.sim.scenario import Faults, Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.values import Verdict

__all__ = ["FAULT_ROWS", "Cell", "Comparison", "Necessity", "compare", "necessity"]

FAULT_ROWS: Final[Mapping[str, Mapping[str, int]]] = {
    "none": {},
    "crash": {"crashes": 1},
    "expiry": {"expiries": 1},
    "both": {"crashes": 1, "expiries": 1},
}
"""The rows of the grid of `necessity`, unless others are given."""

_LETTERS: Final = {"C": "cas", "I": "inbox", "E": "idempotent"}


@dataclass(frozen=True, eq=False)
class Comparison:
    """One scenario under several queue disciplines."""

    explorations: tuple[Exploration, ...]
    """In the order of `disciplines`."""
    left_out: Mapping[str, str]
    """The disciplines that the options make no sense for, with the reason."""

    @property
    def disciplines(self) -> tuple[str, ...]:
        """The names of the disciplines that were explored."""
        return tuple(each.scenario.queue for each in self.explorations)

    def __getitem__(self, discipline: str) -> Exploration:
        for each in self.explorations:
            if each.scenario.queue == discipline:
                return each
        raise KeyError(self.left_out.get(discipline, discipline))

    def draw(self, target: object = None, **options: Any) -> Any:
        """Return the picture of the comparison, or write it to the file `target`."""
        return display.draw(self, target, **options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)

    def __str__(self) -> str:
        width = max(map(len, self.disciplines), default=0)
        return "\n".join(f"{each.scenario.queue:{width}}  {each}" for each in self.explorations)


@dataclass(frozen=True, eq=False)
class Cell:
    """One combination of protections under one row of faults."""

    exploration: Exploration

    @property
    def fifo(self) -> bool:
        """Whether the queue is FIFO per instance."""
        return self.exploration.scenario.queue == "fifo_group"

    @property
    def protections(self) -> tuple[str, ...]:
        """The names of the protections."""
        return self.exploration.scenario.protections

    @property
    def faults(self) -> Faults:
        """Which faults may happen."""
        return self.exploration.scenario.faults

    @property
    def endings(self) -> int:
        """How many endings there are."""
        return len(self.exploration.endings)

    @property
    def right(self) -> bool:
        """Whether exactly the right ending is reached, and that is proved."""
        return self.exploration.verdict is Verdict.PROVED

    @property
    def counterexample(self) -> Schedule | None:
        """The shortest way to a wrong ending; None where there is none."""
        return self.exploration.counterexample


@dataclass(frozen=True, eq=False)
class Necessity:
    """The grid: rows are faults, columns are combinations of protections."""

    chart: Chart
    rows: tuple[str, ...]
    """The names of the rows, such as ``none``, ``crash``, ``expiry``, ``both``."""
    columns: tuple[str, ...]
    """Such as ``----`` or ``F-IE``: F(IFO group), C(AS), I(nbox), E(ffects idempotent)."""
    cells: tuple[tuple[Cell, ...], ...]
    """One tuple per row."""

    def __getitem__(self, place: tuple[str, str]) -> Cell:
        row, column = place
        return self.cells[self.rows.index(row)][self.columns.index(column)]

    @cached_property
    def commute(self) -> bool:
        """Whether every serial order of the events comes to the same ending."""
        scenario = self.cells[0][0].exploration.scenario.replace(
            queue="mutex", protections=(), faults=Faults()
        )
        mutex = explore(scenario)
        return mutex.complete and len(mutex.endings) == 1

    @property
    def summary(self) -> str:
        """What the grid says, in a sentence or two."""
        rights = {
            column: [cells[index].right for cells in self.cells]
            for index, column in enumerate(self.columns)
            if "F" not in column
        }
        always = [column for column, rows in rights.items() if all(rows)]
        head = (
            "These events commute: their order makes no difference."
            if self.commute
            else "These events do not commute."
        )
        if always:
            tail = (
                f" Without FIFO the right ending is certain in every row with {', '.join(always)}."
            )
        elif any(map(any, rights.values())):
            tail = " Without FIFO the right ending is certain in some of the rows only."
        else:
            tail = " No combination without FIFO is certain to reach the right ending."
        return head + tail

    def draw(self, target: object = None, **options: Any) -> Any:
        """Return the picture of the grid, or write it to the file `target`."""
        return display.draw(self, target, **options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)

    def __str__(self) -> str:
        lines = ["        " + " ".join(f"{column:>6}" for column in self.columns)]
        for row, cells in zip(self.rows, self.cells, strict=True):
            marks = [f"{cell.endings}{'*' if cell.right else ' '}" for cell in cells]
            lines.append(f"{row:8}" + " ".join(f"{mark:>6}" for mark in marks))
        return "\n".join(lines)


def compare(
    chart: Chart,
    events: Sequence[Any],
    disciplines: Iterable[str] | None = None,
    *,
    limit: int = LIMIT,
    **options: Any,
) -> Comparison:
    """Explore one scenario under several queue disciplines.

    Parameters
    ----------
    chart, events
        As `Scenario`.
    disciplines
        Names; None for all that the options make sense for.
    limit : as `explore`
    options : the further arguments of `Scenario`

    Raises
    ------
    SimulationError
        As `Scenario`, for a discipline that was asked for by name.

    Examples
    --------
    >>> from settlesim.gallery import counter
    >>> print(compare(counter(0), ["INC", "INC"], ["mutex", "fifo_group"]))
    mutex       proved: 1 ending, 2 interleavings, 16 states
    fifo_group  proved: 1 ending, 1 interleaving, 9 states
    """
    scenarios: list[Scenario] = []
    left_out: dict[str, str] = {}
    for queue in DISCIPLINES if disciplines is None else disciplines:
        try:
            scenarios.append(Scenario(chart, events, queue=queue, **options))
        except SimulationError as error:
            if disciplines is not None or queue in {"standard", "mutex"}:
                raise
            left_out[queue] = str(error)
    if not scenarios:
        raise SimulationError(where="disciplines", reason="are none; name one or more")
    table = table_for(scenarios[0])
    found = tuple(explore(each, limit, table=table) for each in scenarios)
    return Comparison(found, left_out)


def necessity(
    chart: Chart,
    events: Sequence[Any],
    workers: int = 2,
    fault_rows: Mapping[str, Mapping[str, int]] = FAULT_ROWS,
    *,
    limit: int = LIMIT,
    **options: Any,
) -> Necessity:
    """Explore every combination of FIFO, CAS, inbox and idempotent effects under faults.

    Parameters
    ----------
    chart, events, workers
        As `Scenario`.
    fault_rows : budgets of faults by the name of the row
    limit : as `explore`, for each cell
    options : the further arguments of `Scenario`

    Raises
    ------
    SimulationError
        As `Scenario`; also for `queue` and `protections`, which are what is varied.
    """
    for name in ("queue", "protections", "faults"):
        if name in options:
            raise SimulationError(where=name, reason="is what the grid varies; leave it out")
    if not fault_rows:
        raise SimulationError(where="fault_rows", reason="is empty; a mapping by name is needed")
    columns = ["".join(letters) for letters in product("-F", "-C", "-I", "-E")]
    tables: dict[int, Table] = {}
    cells = []
    for faults in fault_rows.values():
        row = []
        for column in columns:
            scenario = Scenario(
                chart,
                events,
                workers=workers,
                queue="fifo_group" if "F" in column else "standard",
                protections=tuple(_LETTERS[each] for each in column if each in _LETTERS),
                faults=faults,
                **options,
            )
            failures = scenario.faults.service_failures
            if failures not in tables:
                tables[failures] = table_for(scenario)
            row.append(Cell(explore(scenario, limit, table=tables[failures])))
        cells.append(tuple(row))
    return Necessity(chart, tuple(fault_rows), tuple(columns), tuple(cells))
