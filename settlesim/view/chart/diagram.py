"""``chart.draw()``: the picture of a chart, of where it is, and of the path that it took."""

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
    """Return the picture of a chart, or write it to a file as well.

    The places of everything depend on the chart, `direction`, `width`, `bundle` and `collapse`
    alone: pictures of one chart with different configurations lie exactly upon each other. What
    `Chart.check` refutes is marked.

    Parameters
    ----------
    target
        A file's path, of which the suffix is the format: svg, png, pdf, dot, mmd.
    format : the format of `target`, where its suffix does not say it
    configuration
        What is active: the names of leaves; of a state with children, what is entered with it.
    path
        The transitions just taken, in order: positions in ``chart.edges``.
    theme : ``"page"``, ``"light"`` or ``"dark"``; None for that of `settlesim.options`
    legend : whether the signs that occur are explained below
    title : a line above the chart
    scale : pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture
    renderer
        None for the best there is, ``"pygraphviz"``, ``"dot"`` or the path of a ``dot``.
    timeout : seconds after which the layout is stopped
    direction
        ``"LR"`` from left to right or ``"TB"`` from top to bottom; None for left to right, or
        top-down where the text can be read at `width` only so.
    width : pixels that the picture has room for; a text has at least 9 of them there, > 0
    bundle : whether transitions of a kind between the same two states share an arrow
    collapse : names of states of which the inside is not shown

    Raises
    ------
    RenderError
        An option is wrong, the chart cannot be laid out, or the file cannot be written.
    LayoutTimeoutError
        The layout took too long.
    RendererMissingError
        Nothing that lays out charts is installed; ``dot`` and ``mermaid`` need nothing.
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
    """Return the picture of a settlement's chart: its path, and where the instance is.

    After a rejected event that is not saved the instance is where it was before.

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
    """Refuse nodes that cannot be active together: two of them outside of a parallel state."""
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
        A position that is none.
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
