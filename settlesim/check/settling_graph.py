"""The settling graph: only the settled states, with every path between them as one edge."""

from __future__ import annotations

from collections import deque

from settlesim import display
from settlesim.chart import Chart
from settlesim.chart.settling_graph import SettlingEdge, SettlingGraph
from settlesim.check.runs import ChartRuns, Hop, RunPhase, RunState, all_runs

__all__ = ["settling_graph_of"]


@display.settling_graph.register
def settling_graph_of(chart: Chart, *, limit: int | None = None) -> SettlingGraph:
    """Return the settling graph of a chart; no service runs.

    Where a configuration is reached both with and without a failing service, there is an
    edge for each.

    Parameters
    ----------
    limit : how many run states to explore; beyond it the graph is incomplete
    """
    found = all_runs(chart, limit=limit)
    rests = [place for place in found.hops if place.phase is RunPhase.REST]
    start = Hop(found.start, "")
    return SettlingGraph(
        chart,
        tuple(dict.fromkeys(place.position.configuration for place, _ in _rests(found, [start]))),
        tuple(dict.fromkeys(place.position.configuration for place in rests)),
        tuple(dict.fromkeys(edge for rest in rests for edge in _edges_from(found, rest))),
    )


def _edges_from(found: ChartRuns, rest: RunState) -> list[SettlingEdge]:
    by_event: dict[str, list[Hop]] = {}
    for hop in found.hops[rest]:
        assert hop.event is not None  # only events and delays lead away from a rest
        by_event.setdefault(hop.event, []).append(hop)
    return [
        SettlingEdge(
            rest.position.configuration,
            event,
            target.position.configuration,
            tuple((hop.service, hop.failed) for hop in way if hop.service is not None),
            tuple(guard for hop in way for guard in hop.guards),
            tuple(edge for hop in way for edge in hop.edges),
        )
        for event, hops in by_event.items()
        for target, way in _rests(found, hops)
    ]


def _rests(found: ChartRuns, first: list[Hop]) -> list[tuple[RunState, list[Hop]]]:
    """Return the next resting states with a shortest path to each, without and with a failure."""
    ways: dict[tuple[RunState, bool], list[Hop]] = {}
    queue: deque[list[Hop]] = deque([hop] for hop in first)
    while queue:
        way = queue.popleft()
        place = way[-1].to
        key = (place, any(hop.failed for hop in way))
        if key in ways:
            continue
        ways[key] = way
        if place.phase is not RunPhase.REST:
            queue.extend([*way, hop] for hop in found.hops.get(place, ()))
    return [(place, way) for (place, _), way in ways.items() if place.phase is RunPhase.REST]
