"""How values show themselves, without knowing who draws.

A value below calls a hook (``chart.draw()`` calls `draw`), a layer above registers the
function that does it (``settlesim.view`` for pictures, ``settlesim.check`` for the check).
So a chart can draw itself, and imports still only go down. The layers above are loaded when
a hook is called for a value of which none has registered anything yet.

The options of pictures and panels are named and typed here, once for values, which take them,
and for the layers above, which do something with them. For the same reason this module alone
knows types of layers above, when types are checked and not when it runs.
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
    """Of the file, where its suffix does not say it: svg, png; of a diagram also pdf, dot, mmd."""
    theme: Theme | None
    """``"page"``, ``"light"`` or ``"dark"``; None for that of ``settlesim.options``."""
    title: str | None
    """A line above the picture."""
    scale: float | None
    """Pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture."""


class DiagramOptions(PictureOptions, total=False):
    """The options of a picture that Graphviz lays out."""

    legend: bool
    """Whether the signs that occur are explained below."""
    renderer: str | None
    """None for the best there is, ``"pygraphviz"``, ``"dot"`` or the path of a ``dot``."""
    timeout: float
    """Seconds after which the layout is stopped; 20 by default."""
    direction: Direction | None
    """``"LR"`` from left to right, ``"TB"`` from top to bottom; None for what fits `width`."""
    width: float
    """Pixels that the picture has room for, 900 by default; a text has at least 9 of them."""


class ChartPictureOptions(DiagramOptions, total=False):
    """The options of a chart's picture."""

    configuration: str | Iterable[str] | Snapshot | None
    """What is active: the names of leaves; of a state with children, what is entered with it."""
    path: Iterable[int] | None
    """The transitions just taken, in order: positions in ``chart.edges``."""
    bundle: bool
    """Whether transitions of a kind between the same two states share an arrow; True by default."""
    collapse: Iterable[str]
    """Names of states of which the inside is not shown."""


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
    """The step that is shown as now, from 0; nothing after it is shown. None for all."""
    notes: bool
    """Whether a sentence and the key stand below."""


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
    """Where services take their time; then `speed` is not used."""
    direction: Direction | None
    """``"LR"`` or ``"TB"``; None for left to right, or top-down where only that fits `width`."""
    width: float
    """Pixels of the cell that the chart has room in, 900 by default."""


class StepPanelOptions(TypedDict, total=False):
    """The options of a panel of one event."""

    chart: Chart | None
    """The chart, where the settlement was read without it."""
    answers: Mapping[str, Any] | None
    """Your initial answer for each service, by service name."""


# --- hooks --------------------------------------------------------------------------------


def _nobody(name: str, what: str) -> Callable[..., Any]:
    """Return what a hook does with a value of which no layer above knows anything."""

    def refuse(value: object, *args: object, **options: object) -> Any:
        if _layers_were_loaded():
            raise TypeError(f"a {type(value).__name__} cannot {what}")
        return globals()[name](value, *args, **options)

    return refuse


def _layers_were_loaded() -> bool:
    """Load the layers above; say whether they were loaded before."""
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
"""``settling_graph(value)``: only the settled configurations and the ways between them."""

count_instances = singledispatch(_nobody("count_instances", "count the instances of a store"))
"""``count_instances(diff, store)``: how many instances are in which state of a diff's charts."""

panel = singledispatch(_nobody("panel", "be shown live"))
"""``panel(value, **options)``: a live view of a value, for a notebook."""


@singledispatch
def mimebundle(value: object) -> dict[str, Any]:
    """Return what a notebook shows of `value`, by media type."""
    if not _layers_were_loaded():
        found: dict[str, Any] = mimebundle(value)
        return found
    return {"text/plain": repr(value)}
