"""The arguments of `Scenario`, as functions take them that make several scenarios or change one."""

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
    """What every comparison of scenarios takes."""

    workers: int
    protections: Collection[str]
    faults: Mapping[str, int] | Faults


class GridOptions(_Assumptions, total=False):
    """What `protection_grid` takes: neither queue nor protections nor faults."""

    batch: int
    batch_failures: str
    while_running: str


class ComparisonOptions(ScenarioOptions, GridOptions, total=False):
    """What `compare` takes: all but the queue."""


class PolicyOptions(ScenarioOptions, total=False):
    """What `compare_policies` takes: all but ``while_running``."""

    queue: str
    batch: int
    batch_failures: str


class BatchOptions(ScenarioOptions, total=False):
    """What `compare_batch_failures` takes: all but ``batch_failures``."""

    queue: str
    while_running: str


class ScenarioChanges(ComparisonOptions, total=False):
    """What can be other in a scenario made from one: everything."""

    chart: Chart
    events: Sequence[Any]
    queue: str
