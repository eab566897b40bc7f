"""The picture of a settling graph: only the settled states, services on the arrows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.chart import Chart, NodeKind, TransitionKind
from settlesim.chart.settling_graph import SettlingEdge, SettlingGraph
from settlesim.chart.trigger_words import trigger_words
from settlesim.display import DiagramOptions
from settlesim.errors import RenderError
from settlesim.machine.sketch import Arc, Icon, LabelRow, LabelText, Rest, Sketch, Vertex
from settlesim.view.chart.diagram import arc_ids
from settlesim.view.chart.drawing import Drawing, Options
from settlesim.view.svg.picture import Picture

__all__ = ["draw_settling_graph"]


@display.draw.register
@takes_options(DiagramOptions)
def draw_settling_graph(
    value: SettlingGraph,
    target: str | os.PathLike[str] | None = None,
    *,
    configuration: str | Iterable[str] | None = None,
    path: Iterable[int] | None = None,
    bundle: bool = True,
    **options: Unpack[DiagramOptions],
) -> Picture:
    """Return the picture of a settling graph; with `target`, also write it to a file.

    Parameters
    ----------
    target : as `settlesim.view.draw`
    configuration : the leaves of the settled configuration that is active
    path : the edges just taken, positions in ``graph.edges``
    bundle : as `settlesim.view.draw`
    format, theme, legend, title, scale, renderer, timeout, direction, width
        As `settlesim.view.draw`.

    Raises
    ------
    RenderError
        As `settlesim.view.draw`.
    """
    sketch = _sketch(value)
    active: tuple[str, ...] = ()
    if configuration is not None:
        leaves = (configuration,) if isinstance(configuration, str) else tuple(configuration)
        active = (_name(leaves),)
        if active[0] not in sketch.vertices:
            raise RenderError(f"configuration {active[0]} is no state of this settling graph")
    return Drawing(
        what=f"Settling graph of {value.chart.name!r}",
        chart=value.chart,
        sketch=sketch,
        kept={},
        leaves=active,
        path=arc_ids(path, len(value.edges), "graph.edges"),
        options=Options(**options, bundle=bundle),
    ).picture(target)


@display.mimebundle.register
def _(value: SettlingGraph) -> dict[str, Any]:
    try:
        return draw_settling_graph(value)._repr_mimebundle_()
    except RenderError as error:
        return {"text/plain": f"{value!r}, not drawn: {error}"}


def _name(leaves: Iterable[str]) -> str:
    return " + ".join(leaves)


def _sketch(graph: SettlingGraph) -> Sketch:
    leaves = dict.fromkeys((*graph.start, *graph.nodes))
    vertices = {_name(each): _vertex(graph.chart, index, each) for index, each in enumerate(leaves)}
    arcs = tuple(_arc(graph.chart, index, edge) for index, edge in enumerate(graph.edges))
    return Sketch(vertices, arcs, _name(graph.start[0]) if graph.start else None)


def _vertex(chart: Chart, index: int, leaves: tuple[str, ...]) -> Vertex:
    kinds = {chart.rest_of(leaf) for leaf in leaves}
    rest: Rest | None = "resolved"
    if "rejected" in kinds:
        rest = "rejected"
    elif None in kinds:
        rest = None
    elif kinds == {"final"}:
        rest = "final"
    return Vertex(
        id=f"n{index}",
        name=_name(leaves),
        label=_name(leaves),
        kind=NodeKind.FINAL if rest == "final" else NodeKind.ATOMIC,
        rest=rest,
        parent=None,
        children=(),
        initial=None,
        rows=tuple(LabelRow((LabelText(leaf, "name"),)) for leaf in leaves),
    )


def _stays(chart: Chart, edge: SettlingEdge) -> bool:
    """Whether an event is handled by transitions that leave no state."""
    taken = [chart.edges[each] for each in edge.edges]
    inside = all(each.dest is None or each.internal for each in taken)
    return edge.source == edge.target and inside


def _failed(edge: SettlingEdge) -> bool:
    return any(bad for _, bad in edge.services)


def _arc(chart: Chart, index: int, edge: SettlingEdge) -> Arc:
    internal = _stays(chart, edge)
    kind = TransitionKind.ERROR if _failed(edge) else TransitionKind.EXTERNAL
    if _is_delay(edge) and kind is not TransitionKind.ERROR:
        kind = TransitionKind.AFTER
    return Arc(
        id=f"e{index}",
        source=_name(edge.source),
        dest=_name(edge.target),
        internal=internal,
        kind=kind,
        rows=(_line(chart, edge),) if internal else tuple(_rows(chart, edge)),
    )


def _is_delay(edge: SettlingEdge) -> bool:
    return edge.event.startswith("after.")  # a reserved name


def _event(chart: Chart, edge: SettlingEdge) -> LabelText:
    return LabelText(trigger_words(chart, edge.event), "event")


def _rows(chart: Chart, edge: SettlingEdge) -> Iterator[LabelRow]:
    yield LabelRow((_event(chart, edge),), "clock" if _is_delay(edge) else None)
    guards = [name if value else f"not {name}" for name, value in dict(edge.guards).items()]
    if guards:
        yield LabelRow((LabelText(f"[{' and '.join(guards)}]", "guard"),))
    for service, bad in edge.services:
        yield LabelRow((LabelText(service, "service"),), "alert" if bad else "gear")


def _line(chart: Chart, edge: SettlingEdge) -> LabelRow:
    """Return an edge as one line in its node."""
    words = ", ".join(dict.fromkeys(service for service, _ in edge.services))
    icon: Icon | None = "alert" if _failed(edge) else "gear" if edge.services else None
    runs = [_event(chart, edge), *([LabelText(words, "service")] if words else [])]
    return LabelRow((*runs, LabelText("stays", "word")), icon)
