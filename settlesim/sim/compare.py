"""`compare` and `protection_grid`: one chart under every discipline and every protection.

The grid supports this claim about events that do not commute: *FIFO per instance (or one FIFO for
all instances) is necessary; without it no combination of protections leaves a single ending. FIFO
alone is sufficient only without faults. With crashes and expiries add idempotent effects, an inbox,
and compare-and-set or fencing.*
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.chart import Chart
from settlesim.chart.report import Verdict
from settlesim.display import PictureOptions
from settlesim.errors import SimulationError, shorten
from settlesim.progress import Progress, ProgressCallback, Reporter, StopFlag, show_progress
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.disciplines import DISCIPLINES
from settlesim.sim.drawing import DrawsEndings
from settlesim.sim.explore import LIMIT, Exploration, check_progress, explore, unexplored
from settlesim.sim.model import table_for
from settlesim.sim.moves import PoisonError
from settlesim.sim.policies import BATCH_FAILURES, POLICIES
from settlesim.sim.scenario import Faults, Scenario
from settlesim.sim.scenario_options import (
    BatchOptions,
    ComparisonOptions,
    GridOptions,
    PolicyOptions,
)
from settlesim.sim.schedule import Schedule
from settlesim.sim.search import INTERRUPTED

if TYPE_CHECKING:
    from settlesim.display import Picture

__all__ = [
    "FAULT_ROWS",
    "Comparison",
    "GridCell",
    "ProtectionGrid",
    "compare",
    "compare_batch_failures",
    "compare_policies",
    "protection_grid",
]

FAULT_ROWS: Final[Mapping[str, Mapping[str, int]]] = {
    "none": {},
    "crash": {"crashes": 1},
    "expiry": {"expiries": 1},
    "both": {"crashes": 1, "expiries": 1},
}
"""The rows of the grid of `protection_grid`, unless others are given."""

_MARKS: Final = {Verdict.PROVED: "*", Verdict.REFUTED: " ", Verdict.UNDETERMINED: "?"}
_LETTERS: Final = {"C": "cas", "I": "inbox", "E": "idempotent"}


@dataclass(frozen=True, eq=False)
class Comparison(DrawsEndings):
    """One scenario under several queue disciplines, policies, or rules for batches."""

    explorations: tuple[Exploration, ...]
    """In the order of `names`."""
    left_out: Mapping[str, str]
    """The names that were not explored, each with the reason: the options make no sense with it, or
    a message that never settles would come back without end."""
    varied: str = "queue"
    """The argument of `Scenario` in which the explorations differ."""

    @property
    def names(self) -> tuple[str, ...]:
        """What was explored: names of disciplines, of policies, or of rules for batches."""
        return tuple(str(getattr(each.scenario, self.varied)) for each in self.explorations)

    def __getitem__(self, name: str) -> Exploration:
        for own, each in zip(self.names, self.explorations, strict=True):
            if own == name:
                return each
        raise KeyError(self.left_out.get(name, name))

    def __str__(self) -> str:
        width = max(map(len, self.names), default=0)
        pairs = zip(self.names, self.explorations, strict=True)
        return "\n".join(f"{name:{width}}  {each}" for name, each in pairs)


@dataclass(frozen=True, eq=False)
class GridCell:
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
        """How often each fault may happen."""
        return self.exploration.scenario.faults

    @property
    def endings(self) -> int:
        """How many endings were found."""
        return len(self.exploration.endings)

    @property
    def reason(self) -> str:
        """Why the search stopped early; empty if it is complete."""
        return self.exploration.reason

    @property
    def right(self) -> bool:
        """Whether it is proved that only the right ending is reached."""
        return self.exploration.verdict is Verdict.PROVED

    @property
    def counterexample(self) -> Schedule | None:
        """The shortest schedule to a wrong ending; None if none was found."""
        return self.exploration.counterexample


@dataclass(frozen=True, eq=False)
class ProtectionGrid:
    """The grid: rows are faults, columns are combinations of protections."""

    chart: Chart
    rows: tuple[str, ...]
    """The names of the rows, such as ``none``, ``crash``, ``expiry``, ``both``."""
    columns: tuple[str, ...]
    """Such as ``----`` or ``F-IE``: F(IFO group), C(AS), I(nbox), E(ffects idempotent)."""
    cells: tuple[tuple[GridCell, ...], ...]
    """One tuple per row."""
    _limit: int = LIMIT

    def __getitem__(self, place: tuple[str, str]) -> GridCell:
        row, column = place
        return self.cells[self.rows.index(row)][self.columns.index(column)]

    @cached_property
    def commute(self) -> bool | None:
        """Whether every serial order of the events has the same ending.

        None if that is not known: the search stopped early, or an event may reach no settled
        state.
        """
        scenario = self.cells[0][0].exploration.scenario.replace(
            queue="mutex", protections=(), faults=Faults()
        )
        try:
            mutex = explore(scenario, self._limit, by_instance=False)
        except PoisonError:
            return None
        if len(mutex.endings) > 1:
            return False
        return True if mutex.complete else None

    @property
    def summary(self) -> str:
        """What the grid says, in a sentence or two."""
        verdicts = {
            column: [cells[index].exploration.verdict for cells in self.cells]
            for index, column in enumerate(self.columns)
            if "F" not in column
        }
        right = {
            column: [each is Verdict.PROVED for each in rows] for column, rows in verdicts.items()
        }
        unknown = sum(rows.count(Verdict.UNDETERMINED) for rows in verdicts.values())
        cells = sum(map(len, verdicts.values()))
        always = [column for column, rows in right.items() if all(rows)]
        head = {
            True: "These events commute: their order makes no difference.",
            False: "These events do not commute.",
            None: "Whether these events commute was not found out.",
        }[self.commute]
        if always:
            tail = f"Without FIFO the right ending is certain in every row with {', '.join(always)}"
        elif any(map(any, right.values())):
            tail = "Without FIFO the right ending is certain in some of the rows only"
        elif unknown == cells:
            return f"{head} Whether one can do without FIFO was not found out."
        else:
            tail = "No combination without FIFO is certain to reach the right ending"
        if not unknown:
            return f"{head} {tail}."
        return (
            f"{head} {tail}, as far as was found out: {unknown} of {cells} cells are undetermined."
        )

    @takes_options(PictureOptions)
    def draw(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[PictureOptions]
    ) -> Picture:
        """Return the picture of the grid; also write it to `target` if one is given.

        Parameters
        ----------
        target : a file's path; its suffix says the format: svg or png
        title : the line above the picture; by default one that names the chart
        theme : ``"page"``, ``"light"`` or ``"dark"``; by default that of `settlesim.options`
        format : the format of `target`, where its suffix does not say it
        scale : pixels of a PNG per unit, in (0, 20]; 2 by default, less for a large picture

        Raises
        ------
        RenderError
            An option is wrong, or the file cannot be written.
        """
        picture: Picture = display.draw(self, target, **options)
        return picture

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)

    def __str__(self) -> str:
        lines = ["        " + " ".join(f"{column:>6}" for column in self.columns)]
        for row, cells in zip(self.rows, self.cells, strict=True):
            marks = [f"{cell.endings}{_MARKS[cell.exploration.verdict]}" for cell in cells]
            lines.append(f"{row:8}" + " ".join(f"{mark:>6}" for mark in marks))
        return "\n".join(lines)


@takes_options(ComparisonOptions, refused=("queue",))
def compare(
    chart: Chart,
    events: Sequence[Any],
    disciplines: Iterable[str] | None = None,
    *,
    limit: int = LIMIT,
    progress: ProgressCallback | bool = True,
    stop: StopFlag | None = None,
    **options: Unpack[ComparisonOptions],
) -> Comparison:
    """Explore one scenario under several queue disciplines.

    Parameters
    ----------
    chart, events
        As `Scenario`.
    disciplines
        Names in `DISCIPLINES`; None for all with which the options make sense.
    limit : as `explore`
    progress, stop
        As `explore`; the progress counts disciplines. Those that were not started before a stop are
        undetermined.
    workers, protections, faults, start, keys, max_receives, criterion
        As `Scenario`.
    monitors, results, timing, durations, errors, timers, old, properties
        As `Scenario`.
    batch, batch_failures, while_running
        As `Scenario`.

    Raises
    ------
    SimulationError
        As `Scenario`, for a discipline that was asked for by name; as `explore`, if no discipline
        can be explored; and if `queue` is given, since `compare` varies it.

    Examples
    --------
    >>> from settlesim.gallery import counter
    >>> print(compare(counter(0), ["INC", "INC"], ["mutex", "fifo_group"]))
    mutex       proved: 1 ending, 2 interleavings, 16 states
    fifo_group  proved: 1 ending, 1 interleaving, 9 states
    """
    _check_options(options, ("queue",))
    check_progress(progress)
    scenarios: list[Scenario] = []
    left_out: dict[str, str] = {}
    for queue in DISCIPLINES if disciplines is None else _names_of(disciplines):
        try:
            scenarios.append(Scenario(chart, events, queue=queue, **options))
        except SimulationError as error:
            if disciplines is not None or queue in {"standard", "mutex"}:
                raise
            left_out[queue] = str(error)
    if not scenarios:
        raise SimulationError(where="disciplines", reason="are none; name one or more")
    with show_progress(progress) as callback:
        explorer = _Explorer(limit, len(scenarios), Reporter(callback, stop))
        return _compared(scenarios, "queue", explorer, left_out)


@takes_options(PolicyOptions, refused=("while_running",))
def compare_policies(
    chart: Chart,
    events: Sequence[Any],
    policies: Iterable[str] | None = None,
    *,
    limit: int = LIMIT,
    progress: ProgressCallback | bool = True,
    stop: StopFlag | None = None,
    **options: Unpack[PolicyOptions],
) -> Comparison:
    """Explore one scenario under several policies for events that arrive at a busy instance.

    Parameters
    ----------
    chart, events
        As `Scenario`.
    policies : names in `POLICIES`; None for all
    limit, progress, stop : as `compare`
    queue, workers, protections, faults, start, keys, max_receives, criterion
        As `Scenario`.
    monitors, results, timing, durations, errors, timers, old, properties
        As `Scenario`.
    batch, batch_failures
        As `Scenario`.

    Raises
    ------
    SimulationError
        As `Scenario` and `compare`; and if `while_running` is given, since it is varied here.

    Examples
    --------
    >>> from settlesim.gallery import counter
    >>> print(compare_policies(counter(0), ["INC", "INC"], ["enqueue", "reject"], queue="direct"))
    enqueue  refuted: 2 endings, 6 interleavings, 12 states
    reject   proved: 2 endings, both allowed, 3 interleavings, 10 states
    """
    chosen = POLICIES if policies is None else _names_of(policies)
    _check_options(options, ("while_running",))
    scenarios = [Scenario(chart, events, while_running=each, **options) for each in chosen]
    return _explored("while_running", scenarios, limit, progress, stop)


@takes_options(BatchOptions, refused=("batch_failures",))
def compare_batch_failures(
    chart: Chart,
    events: Sequence[Any],
    rules: Iterable[str] | None = None,
    *,
    batch: int,
    limit: int = LIMIT,
    progress: ProgressCallback | bool = True,
    stop: StopFlag | None = None,
    **options: Unpack[BatchOptions],
) -> Comparison:
    """Explore one scenario under several rules for a batch in which a message fails.

    Parameters
    ----------
    chart, events, batch
        As `Scenario`.
    rules : names in `BATCH_FAILURES`; None for all
    limit, progress, stop : as `compare`
    queue : as `Scenario`; ``"fifo_group"`` by default
    workers, protections, faults, start, keys, max_receives, criterion
        As `Scenario`.
    monitors, results, timing, durations, errors, timers, old, properties, while_running
        As `Scenario`.

    Raises
    ------
    SimulationError
        As `Scenario` and `compare`; and if `batch_failures` is given, since it is varied here.
    """
    chosen = BATCH_FAILURES if rules is None else _names_of(rules)
    _check_options(options, ("batch_failures",))
    given: BatchOptions = {"queue": "fifo_group", **options}
    scenarios = [
        Scenario(chart, events, batch=batch, batch_failures=each, **given) for each in chosen
    ]
    return _explored("batch_failures", scenarios, limit, progress, stop)


def _explored(
    varied: str,
    scenarios: Sequence[Scenario],
    limit: int,
    progress: ProgressCallback | bool,
    stop: StopFlag | None,
) -> Comparison:
    """Explore scenarios that differ in one argument."""
    check_progress(progress)
    if not scenarios:
        raise SimulationError(where=varied, reason="has no names; give one or more")
    with show_progress(progress) as callback:
        explorer = _Explorer(limit, len(scenarios), Reporter(callback, stop))
        return _compared(scenarios, varied, explorer, {})


def _compared(
    scenarios: Sequence[Scenario], varied: str, explorer: _Explorer, left_out: dict[str, str]
) -> Comparison:
    """Explore scenarios one after another; those without an end are left out."""
    found: list[Exploration] = []
    endless: PoisonError | None = None
    for each in scenarios:
        name = str(getattr(each, varied))
        try:
            found.append(explorer.explore(each, name))
        except PoisonError as error:
            left_out[name] = str(error)
            endless = error
    if not found and endless is not None:
        raise endless
    return Comparison(tuple(found), left_out, varied)


class _Explorer:
    """Explores one scenario after another until Ctrl-C; the rest is left undetermined.

    Parameters
    ----------
    limit : the limit of states for each scenario
    total : how many scenarios there are
    reporter : is told how many of them are done
    """

    def __init__(self, limit: int, total: int, reporter: Reporter) -> None:
        self._limit = limit
        self._total = total
        self._reporter = reporter
        self._begun = 0
        self._stopped = False
        self._tables: dict[int, CompiledChart] = {}

    def explore(self, scenario: Scenario, name: str) -> Exploration:
        """Explore a scenario with the table that it shares with others.

        Parameters
        ----------
        name : what the progress calls the scenario

        Raises
        ------
        PoisonError
            A message that never settles would come back without end.
        """
        failures = scenario.faults.service_failures
        if self._stopped:
            return unexplored(scenario, _STOPPED, self._tables.get(failures))
        done = self._begun
        self._begun += 1

        def tell(progress: Progress) -> None:
            text = f"{name}: {progress.done:,} {progress.text}"
            self._reporter.report(done, self._total, text)

        try:
            self._reporter.report(done, self._total, name)
            if failures not in self._tables:
                self._tables[failures] = table_for(scenario)
            found = explore(
                scenario, self._limit, tell, by_instance=False, table=self._tables[failures]
            )
        except KeyboardInterrupt:
            found = unexplored(scenario, INTERRUPTED, self._tables.get(failures))
        self._stopped = found.reason == INTERRUPTED
        return found

    def unsettled(self, scenario: Scenario, error: PoisonError) -> Exploration:
        """Return an empty exploration of a scenario in which a message comes back without end."""
        return unexplored(scenario, str(error), self._tables.get(scenario.faults.service_failures))


_STOPPED: Final = "it was not started: an earlier one was interrupted"


def _names_of(disciplines: object) -> list[Any]:
    if isinstance(disciplines, str) or not isinstance(disciplines, Iterable):
        raise SimulationError(
            where="disciplines", reason=f"is {shorten(disciplines)}; a list of names is needed"
        )
    return list(disciplines)


def _rows(fault_rows: object) -> Mapping[str, Mapping[str, int]]:
    if not isinstance(fault_rows, Mapping) or not fault_rows:
        raise SimulationError(
            where="fault_rows",
            reason=f"is {shorten(fault_rows)}; a mapping by name is needed, such as "
            "{'none': {}, 'crash': {'crashes': 1}}",
        )
    return fault_rows


def _check_options(options: Mapping[str, Any], varied: Iterable[str]) -> None:
    for name in varied:
        if name in options:
            raise SimulationError(where=name, reason="is what is varied; leave it out")


@takes_options(GridOptions, refused=("queue", "protections", "faults"))
def protection_grid(
    chart: Chart,
    events: Sequence[Any],
    workers: int = 2,
    fault_rows: Mapping[str, Mapping[str, int]] = FAULT_ROWS,
    *,
    limit: int = LIMIT,
    progress: ProgressCallback | bool = True,
    stop: StopFlag | None = None,
    **options: Unpack[GridOptions],
) -> ProtectionGrid:
    """Explore every combination of FIFO, CAS, inbox and idempotent effects under faults.

    Parameters
    ----------
    chart, events, workers
        As `Scenario`.
    fault_rows : the budgets of faults, by the name of the row
    limit : as `explore`, for each cell
    progress, stop : as `compare`; the progress counts cells
    start, keys, max_receives, criterion, monitors, results, timing, durations
        As `Scenario`.
    errors, timers, old, properties, batch, batch_failures, while_running
        As `Scenario`.

    Raises
    ------
    SimulationError
        As `Scenario`; and if `queue`, `protections` or `faults` is given, since they are varied.
    """
    _check_options(options, ("queue", "protections", "faults"))
    check_progress(progress)
    rows = _rows(fault_rows)
    columns = ["".join(letters) for letters in product("-F", "-C", "-I", "-E")]
    cells = []
    with show_progress(progress) as callback:
        explorer = _Explorer(limit, len(rows) * len(columns), Reporter(callback, stop))
        for faults in rows.values():
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
                try:
                    found = explorer.explore(scenario, column)
                except PoisonError as error:
                    found = explorer.unsettled(scenario, error)
                row.append(GridCell(found))
            cells.append(tuple(row))
    return ProtectionGrid(chart, tuple(rows), tuple(columns), tuple(cells), limit)
