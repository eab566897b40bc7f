"""The settling graph: only the settled configurations, with every path between two as one edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from settlesim import display

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = ["SettlingEdge", "SettlingGraph"]


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
