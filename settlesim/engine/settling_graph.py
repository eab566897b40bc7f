"""The settling graph: only the places of rest, with every way between them as one edge."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from settlesim import display
from settlesim.chart import Chart
from settlesim.engine.exploring import Exploration, Hop, Phase, Place, explore

__all__ = ["SettlingEdge", "SettlingGraph", "settling_graph_of"]


@dataclass(frozen=True, slots=True)
class SettlingEdge:
    """One event from one settled configuration to another, by a shortest way."""

    source: tuple[str, ...]
    event: str
    """The event's name, or the reserved trigger of a delay of a node of `source`."""
    target: tuple[str, ...]
    services: tuple[tuple[str, bool], ...]
    """The services on the way, each with whether it failed."""
    guards: tuple[tuple[str, bool], ...]
    """What the guards said on the way."""
    edges: tuple[int, ...]
    """The transitions on the way, positions in ``chart.edges``."""


@dataclass(frozen=True, slots=True)
class SettlingGraph:
    """What a caller of a durable statechart sees: settled configurations and events."""

    chart: Chart = field(repr=False)
    start: tuple[tuple[str, ...], ...]
    """Where a new instance takes its first event."""
    nodes: tuple[tuple[str, ...], ...]
    """The settled configurations that can be reached, and those of `start`."""
    edges: tuple[SettlingEdge, ...]

    def draw(self, target: object = None, **options: Any) -> Any:
        """Return the picture of this graph, or write it to the file `target`."""
        return display.draw(self, target, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the graph as plain JSON."""
        return {
            "chart": self.chart.name,
            "start": [list(each) for each in self.start],
            "nodes": [list(each) for each in self.nodes],
            "edges": [
                {
                    "source": list(each.source),
                    "event": each.event,
                    "target": list(each.target),
                    "services": [{"service": name, "failed": bad} for name, bad in each.services],
                    "guards": dict(each.guards),
                }
                for each in self.edges
            ],
        }

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)


@display.settling_graph.register
def settling_graph_of(chart: Chart, *, limit: int | None = None) -> SettlingGraph:
    """Return the settling graph of a chart; no service runs.

    Where a configuration is reached both with and without a failing service, there is an
    edge for each.

    Parameters
    ----------
    limit : how many places to visit; beyond it the graph is what was found
    """
    found = explore(chart, limit=limit)
    rests = [place for place in found.hops if place.phase is Phase.REST]
    start = Hop(found.start, "")
    return SettlingGraph(
        chart,
        tuple(dict.fromkeys(place.position.configuration for place, _ in _rests(found, [start]))),
        tuple(dict.fromkeys(place.position.configuration for place in rests)),
        tuple(dict.fromkeys(edge for rest in rests for edge in _edges_from(found, rest))),
    )


def _edges_from(found: Exploration, rest: Place) -> list[SettlingEdge]:
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


def _rests(found: Exploration, first: list[Hop]) -> list[tuple[Place, list[Hop]]]:
    """Return the next rests with a shortest way to each, without and with a failure."""
    ways: dict[tuple[Place, bool], list[Hop]] = {}
    queue: deque[list[Hop]] = deque([hop] for hop in first)
    while queue:
        way = queue.popleft()
        place = way[-1].to
        key = (place, any(hop.failed for hop in way))
        if key in ways:
            continue
        ways[key] = way
        if place.phase is not Phase.REST:
            queue.extend([*way, hop] for hop in found.hops.get(place, ()))
    return [(place, way) for (place, _), way in ways.items() if place.phase is Phase.REST]
