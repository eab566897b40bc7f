"""``chart.draw()``: the picture of a chart, with what is active and the path just taken."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Unpack

from settlesim import display
from settlesim.argument_checks import nearest, takes_options
from settlesim.chart import Chart, NodeKind, Snapshot
from settlesim.display import DiagramOptions, Direction, Theme
from settlesim.errors import RenderError, shorten
from settlesim.settling import Settlement
from settlesim.view.chart.chart_sketch import chart_sketch
from settlesim.view.chart.drawing import CELL, Drawing, Options
from settlesim.view.chart.reduced_sketch import folded, home
from settlesim.view.graphviz.render import TIMEOUT
from settlesim.view.svg.picture import Picture

__all__ = ["arc_ids", "draw", "draw_settlement"]


@display.draw.register
def draw(
    value: Chart,
    target: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,  # noqa: A002
    configuration: str | Iterable[str] | Snapshot | None = None,
    path: Iterable[int] | None = None,
    theme: Theme | None = None,
    legend: bool = False,
    title: str | None = None,
    scale: float | None = None,
    renderer: str | None = None,
    timeout: float = TIMEOUT,
    direction: Direction | None = None,
    width: float = CELL,
    bundle: bool = True,
    collapse: Iterable[str] = (),
) -> Picture:
    """Return the picture of a chart; with `target`, also write it to a file.

    The layout depends only on the chart, `direction`, `width`, `bundle` and `collapse`: in
    pictures of one chart with different configurations, everything has the same position. What
    `Chart.check` refutes is marked.

    Parameters
    ----------
    target
        A file's path, whose suffix is the format: svg, png, pdf, dot, mmd.
    format : the format of `target`, where its suffix does not say it
    configuration
        What is active: a snapshot, or names of leaves; the name of a state with children stands
        for the leaves that are entered with it.
    path
        The transitions just taken, in order: positions in ``chart.edges``.
    theme : ``"page"``, ``"light"`` or ``"dark"``; None for that of `settlesim.options`
    legend : whether the signs that occur are explained below
    title : a line above the chart
    scale : pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture
    renderer
        None for the best one installed, ``"pygraphviz"``, ``"dot"`` or the path of a ``dot``.
    timeout : seconds after which the layout is stopped
    direction
        ``"LR"`` from left to right or ``"TB"`` from top to bottom; None for left to right, or
        top to bottom if text would be too small at `width` otherwise.
    width : pixels that the picture has room for, > 0; text is at least 9 pixels high there
    bundle : whether transitions of the same kind between the same two states share an arrow
    collapse : names of states to be shown without the states inside

    Raises
    ------
    RenderError
        An option is wrong, the chart cannot be laid out, or the file cannot be written.
    LayoutTimeoutError
        The layout took too long.
    RendererMissingError
        Nothing that lays out charts is installed; the formats ``dot`` and ``mermaid`` need none.
    """
    options = Options(
        format, theme, legend, title, scale, renderer, timeout, direction, width, bundle
    )
    names = (collapse,) if isinstance(collapse, str) else tuple(collapse)
    whole = chart_sketch(value)
    leaves = _leaves(value, configuration)
    return Drawing(
        what=f"Chart {value.name!r}",
        chart=value,
        sketch=folded(whole, names) if names else whole,
        kept={} if names else value.cache,
        leaves=tuple(dict.fromkeys(home(whole, leaf, names) for leaf in leaves)),
        path=arc_ids(path, len(value.edges), "chart.edges"),
        options=options,
    ).picture(target)


@display.draw.register
@takes_options(DiagramOptions)
def draw_settlement(
    value: Settlement,
    target: str | os.PathLike[str] | None = None,
    **options: Unpack[DiagramOptions],
) -> Picture:
    """Return the picture of a settlement's chart, with its path and the instance's states.

    After a rejected event that is not saved, these are the states before the event.

    Parameters
    ----------
    target : as `draw`
    format, theme, legend, title, scale, renderer, timeout, direction, width
        As `draw`.

    Raises
    ------
    RenderError
        As `draw`, and where the settlement does not know its chart.
    """
    if value.chart is None:
        raise RenderError("this settlement was read without its chart, and cannot be drawn")
    now = value.after if value.saved else value.before
    return draw(value.chart, target, configuration=now.configuration, path=value.edges, **options)


@display.mimebundle.register
def _(value: Chart) -> dict[str, Any]:
    try:
        return draw(value)._repr_mimebundle_()
    except RenderError as error:
        text = f"{value!r}, not drawn: {error}"
        return {"text/vnd.mermaid": draw(value, format="mermaid").mermaid, "text/plain": text}


def _leaves(chart: Chart, configuration: str | Iterable[str] | Snapshot | None) -> tuple[str, ...]:
    """Return the active leaves in document order."""
    if configuration is None:
        return ()
    if isinstance(configuration, Snapshot):
        configuration = configuration.configuration
    names = [configuration] if isinstance(configuration, str) else list(configuration)
    found: set[str] = set()
    for name in names:
        if name not in chart:
            close = nearest(name, [node.name for node in chart.states])
            hint = f"did you mean {close!r}?" if close else "see chart.states"
            raise RenderError(f"configuration names {shorten(name)}, which is no state; {hint}")
        found.update(chart.enter(name))
    leaves = tuple(node.name for node in chart.states if node.name in found)
    _refuse_impossible(chart, leaves)
    return leaves


def _refuse_impossible(chart: Chart, leaves: tuple[str, ...]) -> None:
    """Refuse nodes that cannot be active together: two children of a state that is not parallel."""
    active = chart.active(leaves)
    inside: dict[str | None, str] = {}
    for name in active:
        parent = chart.node(name).parent
        if parent is not None and chart.node(parent).kind is NodeKind.PARALLEL:
            continue
        other = inside.setdefault(parent, name)
        if other != name:
            raise RenderError(
                f"configuration names {shorten(other)} and {shorten(name)}, which cannot be "
                "active together; name the leaves of one configuration"
            )


def arc_ids(path: Iterable[int] | None, count: int, where: str) -> tuple[str, ...]:
    """Return the ids of the arcs at these positions.

    Raises
    ------
    RenderError
        There is no such position.
    """
    found = []
    for index in path or ():
        if type(index) is not int or not 0 <= index < count:
            raise RenderError(
                f"path holds {shorten(index)}; a position in the chart's {count} "
                f"transitions ({where}), from 0, is needed"
            )
        found.append(f"e{index}")
    return tuple(found)
