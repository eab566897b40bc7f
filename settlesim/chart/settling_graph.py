"""The settling graph: only the settled configurations, with every path between two as one edge."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.display import SettlingGraphOptions

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart
    from settlesim.display import Picture

__all__ = ["SettlingEdge", "SettlingGraph"]


@dataclass(frozen=True, slots=True)
class SettlingEdge:
    """One event from one settled configuration to another, by a shortest path."""

    source: tuple[str, ...]
    event: str
    """The event's name, or the reserved trigger of a delay of a state of `source`."""
    target: tuple[str, ...]
    services: tuple[tuple[str, bool], ...]
    """The services on the path, each with whether it failed."""
    guards: tuple[tuple[str, bool], ...]
    """The guards asked on the path, each with its answer."""
    edges: tuple[int, ...]
    """The transitions on the path: positions in ``chart.edges``."""


@dataclass(frozen=True, slots=True)
class SettlingGraph:
    """What a caller of a durable statechart sees: settled configurations and events."""

    chart: Chart = field(repr=False)
    start: tuple[tuple[str, ...], ...]
    """Where a new instance takes its first event."""
    nodes: tuple[tuple[str, ...], ...]
    """The settled configurations that can be reached, and those of `start`."""
    edges: tuple[SettlingEdge, ...]

    @takes_options(SettlingGraphOptions)
    def draw(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[SettlingGraphOptions]
    ) -> Picture:
        """Return the picture of this graph, and write it to `target` where that is given.

        Parameters
        ----------
        target : a file's path; its suffix is the format: svg, png, pdf, dot, mmd
        configuration : the settled configuration that is active: its leaves
        path : the edges just taken, in order: positions in ``graph.edges``
        title : a line above the graph
        legend : whether the signs that occur are explained below; False by default
        theme : ``"page"``, ``"light"`` or ``"dark"``; by default that of `settlesim.options`
        direction
            ``"LR"`` from left to right, ``"TB"`` from top to bottom; None, the default, for left to
            right, or top to bottom where only that keeps the text readable at `width`.
        width
            Pixels available to the picture, 900 by default; text is never smaller than 9 pixels.
        bundle
            Whether edges of a kind between the same two states share an arrow; True by default.
        format : of the file, if its suffix does not tell
        scale : pixels of a PNG per unit, in (0, 20]; 2 by default, less for a large picture
        renderer
            None for the best one installed, ``"pygraphviz"``, ``"dot"`` or the path of a ``dot``.
        timeout : seconds after which the layout is stopped; 20 by default

        Raises
        ------
        RenderError
            As `Chart.draw`.
        """
        picture: Picture = display.draw(self, target, **options)
        return picture

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
