"""Types of keyword arguments that functions hand on to `Scenario`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from settlesim.chart import Chart, Snapshot
    from settlesim.chart.strict_json import JSONValue
    from settlesim.sim.properties import Property
    from settlesim.sim.scenario import Faults
    from settlesim.sim.terms import Criterion

__all__ = [
    "BatchOptions",
    "ComparisonOptions",
    "GridOptions",
    "PolicyOptions",
    "ScenarioChanges",
    "ScenarioOptions",
]


class _Assumptions(TypedDict, total=False):
    start: Snapshot | str | None
    keys: int
    max_receives: int | None
    criterion: Criterion | str
    monitors: Collection[str]
    results: Mapping[str, JSONValue] | None
    timing: str
    durations: Mapping[str, float | tuple[float, float]] | None
    errors: Mapping[str, Iterable[Any]] | None
    timers: int | None
    old: Chart | None
    properties: Iterable[Property]


class ScenarioOptions(_Assumptions, total=False):
    """Options that all comparisons of scenarios accept, except `protection_grid`."""

    workers: int
    protections: Collection[str]
    faults: Mapping[str, int] | Faults


class GridOptions(_Assumptions, total=False):
    """Options of `protection_grid`: all except the queue, the protections and the faults."""

    batch: int
    batch_failures: str
    while_running: str


class ComparisonOptions(ScenarioOptions, GridOptions, total=False):
    """Options of `compare`: all except the queue."""


class PolicyOptions(ScenarioOptions, total=False):
    """Options of `compare_policies`: all except ``while_running``."""

    queue: str
    batch: int
    batch_failures: str


class BatchOptions(ScenarioOptions, total=False):
    """Options of `compare_batch_failures`: all except ``batch`` and ``batch_failures``."""

    queue: str
    while_running: str


class ScenarioChanges(ComparisonOptions, total=False):
    """Options of `Scenario.replace`: every argument of `Scenario`."""

    chart: Chart
    events: Sequence[Any]
    queue: str
