"""Hooks by which values show themselves without importing what draws them.

A value in a lower layer calls a hook (``chart.draw()`` calls `draw`), and a higher layer has
registered the function that does the work (``settlesim.view`` for pictures, ``settlesim.check``
for the check). So a chart can draw itself, and imports still only go down. The higher layers are
loaded when a hook is called for a type for which none of them has registered a function yet.

The options of pictures and panels are named and typed here, both for the values that take them
and for the higher layers that use them. For that reason this module is the only one that imports
types from higher layers, and it does so for type checkers only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from settlesim.chart import Chart, Snapshot
    from settlesim.ports import Clock, Store
    from settlesim.view.svg.picture import Picture as Picture  # noqa: PLC0414
    from settlesim.widgets.chart.chart_panel import ChartPanel as ChartPanel  # noqa: PLC0414
    from settlesim.widgets.step.step_panel import StepPanel as StepPanel  # noqa: PLC0414

__all__ = [
    "ChartPanelOptions",
    "ChartPictureOptions",
    "DiagramOptions",
    "Direction",
    "EndingsOptions",
    "Paper",
    "PictureOptions",
    "ReplayOptions",
    "SettlingGraphOptions",
    "StepPanelOptions",
    "Theme",
    "check",
    "count_instances",
    "draw",
    "mimebundle",
    "panel",
    "settling_graph",
]

Paper = Literal["light", "dark"]
Theme = Literal["page", "light", "dark"]
Direction = Literal["LR", "TB"]

# --- options of pictures ------------------------------------------------------------------


class PictureOptions(TypedDict, total=False):
    """The options of every picture."""

    format: str | None
    """Of the file, if its suffix does not tell it: svg, png; for a diagram also pdf, dot, mmd."""
    theme: Theme | None
    """``"page"``, ``"light"`` or ``"dark"``; None for that of ``settlesim.options``."""
    title: str | None
    """A line above the picture."""
    scale: float | None
    """Pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture."""


class DiagramOptions(PictureOptions, total=False):
    """The options of a picture that Graphviz lays out."""

    legend: bool
    """Whether a legend below the picture explains its signs."""
    renderer: str | None
    """``"pygraphviz"``, ``"dot"`` or the path of a ``dot``; None for the best available."""
    timeout: float
    """Seconds after which the layout is stopped; 20 by default."""
    direction: Direction | None
    """``"LR"`` from left to right, ``"TB"`` from top to bottom; None for what fits `width`."""
    width: float
    """The available width in pixels, 900 by default; text is never smaller than 9 pixels."""


class ChartPictureOptions(DiagramOptions, total=False):
    """The options of a chart's picture."""

    configuration: str | Iterable[str] | Snapshot | None
    """Names of active leaves; a state with children stands for the leaves entered with it."""
    path: Iterable[int] | None
    """The transitions just taken, in order: positions in ``chart.edges``."""
    bundle: bool
    """Whether transitions of a kind between the same two states share an arrow; True by default."""
    collapse: Iterable[str]
    """Names of states whose inside is not shown."""


class SettlingGraphOptions(DiagramOptions, total=False):
    """The options of a settling graph's picture."""

    configuration: str | Iterable[str] | None
    """The settled configuration that is active: its leaves."""
    path: Iterable[int] | None
    """The edges just taken, in order: positions in ``graph.edges``."""
    bundle: bool
    """Whether edges of a kind between the same two states share an arrow; True by default."""


class EndingsOptions(PictureOptions, total=False):
    """The options of a picture of endings."""

    limit: int
    """How many endings have a row, > 0, 12 by default; the others are counted."""


class ReplayOptions(PictureOptions, total=False):
    """The options of a schedule's picture."""

    at: int | None
    """The step that is shown as the current one, from 0, without later ones; None for all."""
    notes: bool
    """Whether a sentence and the legend are shown below the picture."""


# --- options of panels --------------------------------------------------------------------


class ChartPanelOptions(TypedDict, total=False):
    """The options of a chart's panel."""

    store: Store | None
    """Where the instance is kept; in memory by default."""
    key: str | None
    """Names the instance; by default the chart's name and ``-1``."""
    data: Mapping[str, Any] | None
    """The initial data in the form of each event, by event name."""
    answers: Mapping[str, Any] | None
    """Your initial answer for each service, by service name."""
    speed: float | str
    """Seconds of the services per real second; ``"at once"`` for runs that take no time."""
    manual: bool
    """Whether services wait for your answers."""
    clock: Clock | None
    """The clock for the services' time; `speed` is not used then."""
    direction: Direction | None
    """``"LR"`` or ``"TB"``; None for left to right, or top-down where only that fits `width`."""
    width: float
    """The available width of the cell in pixels, 900 by default."""


class StepPanelOptions(TypedDict, total=False):
    """The options of a panel of one event."""

    chart: Chart | None
    """The chart, if the settlement was read without it."""
    answers: Mapping[str, Any] | None
    """Your initial answer for each service, by service name."""


# --- hooks --------------------------------------------------------------------------------


def _nobody(name: str, what: str) -> Callable[..., Any]:
    """Return a hook's function for all other types: load the higher layers and retry, or refuse."""

    def refuse(value: object, *args: object, **options: object) -> Any:
        if _layers_were_loaded():
            raise TypeError(f"a {type(value).__name__} cannot {what}")
        return globals()[name](value, *args, **options)

    return refuse


def _layers_were_loaded() -> bool:
    """Load the higher layers; return whether they were loaded before."""
    public = "settlesim._public"
    if public in sys.modules:
        return True
    import_module(public)
    return False


draw = singledispatch(_nobody("draw", "be drawn"))
"""``draw(value, target=None, **options)``: the picture of a value."""

check = singledispatch(_nobody("check", "be checked"))
"""``check(value)``: the settling contract of a value, proved or refuted."""

settling_graph = singledispatch(_nobody("settling_graph", "show a settling graph"))
"""``settling_graph(value)``: the settled configurations, and which event leads to which."""

count_instances = singledispatch(_nobody("count_instances", "count the instances of a store"))
"""``count_instances(diff, store)``: the number of instances in each state of a diff's charts."""

panel = singledispatch(_nobody("panel", "be shown live"))
"""``panel(value, **options)``: a live view of a value, for a notebook."""


@singledispatch
def mimebundle(value: object) -> dict[str, Any]:
    """Return what a notebook shows of `value`, by media type."""
    if not _layers_were_loaded():
        found: dict[str, Any] = mimebundle(value)
        return found
    return {"text/plain": repr(value)}
