"""Sketches with less in them: folded states, and one arrow for several transitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from settlesim.argument_checks import nearest
from settlesim.chart import NodeKind
from settlesim.errors import RenderError, shorten
from settlesim.machine.sketch import Arc, LabelRow, LabelText, Sketch, Vertex

__all__ = ["bundled", "folded", "home"]


# --- one arrow for several transitions ----------------------------------------------------


def bundled(sketch: Sketch) -> Sketch:
    """Return a sketch with one arrow for all transitions of one kind between the same two states.

    Their labels stand below each other, in the order of the chart.
    """
    together: dict[tuple[object, ...], list[Arc]] = {}
    for arc in sketch.arcs:
        alone = arc.internal or bool(arc.more)
        key = (arc.id,) if alone else (arc.source, arc.dest, arc.kind)
        together.setdefault(key, []).append(arc)
    return replace(sketch, arcs=tuple(map(_bundle, together.values())))


def _bundle(arcs: list[Arc]) -> Arc:
    if len(arcs) == 1:
        return arcs[0]
    rows = (LabelRow(row.runs, row.icon, arc.id) for arc in arcs for row in arc.rows)
    return replace(arcs[0], rows=tuple(rows), bundle=tuple(arcs))


# --- folded states ------------------------------------------------------------------------


def home(sketch: Sketch, name: str, collapsed: Iterable[str]) -> str:
    """Return the state that is shown for a state: the outermost folded one around it, or itself."""
    return next((each for each in reversed([*sketch.above(name)]) if each in collapsed), name)


def folded(sketch: Sketch, collapsed: Iterable[str]) -> Sketch:
    """Return a sketch in which some states are folded: the states inside are not shown.

    An arrow from or to a state inside begins or ends at the folded one; if it begins inside, its
    label says where. Arrows between two states inside are left out.

    Parameters
    ----------
    collapsed : names of states with states inside

    Raises
    ------
    RenderError
        A name is unknown, or there are no states inside.
    """
    names = frozenset(collapsed)
    _check(sketch, names)
    homes = {name: home(sketch, name, names) for name in sketch.vertices}
    vertices = {
        name: _vertex(sketch, vertex, homes)
        for name, vertex in sketch.vertices.items()
        if homes[name] == name
    }
    arcs = tuple(_arc(arc, homes) for arc in sketch.arcs if not _is_inside(arc, homes))
    initial = None if sketch.initial is None else homes[sketch.initial]
    return Sketch(vertices, arcs, initial)


def _check(sketch: Sketch, names: frozenset[str]) -> None:
    inner = [name for name, vertex in sketch.vertices.items() if vertex.children]
    for name in sorted(names, key=str):
        if name in inner:
            continue
        if name in sketch.vertices:
            raise RenderError(f"collapse names {shorten(name)}, which has no states inside")
        close = nearest(name, inner)
        hint = f"did you mean {close!r}?" if close else f"possible are {', '.join(inner) or 'none'}"
        raise RenderError(f"collapse names {shorten(name)}, which is no state; {hint}")


def _vertex(sketch: Sketch, vertex: Vertex, homes: dict[str, str]) -> Vertex:
    default = tuple(dict.fromkeys(homes[name] for name in vertex.default))
    if not vertex.children or homes[vertex.children[0]] != vertex.name:
        return replace(vertex, default=default)
    inside = [
        sketch.vertices[name]
        for name in sketch.leaves(vertex.name)
        if sketch.vertices[name].kind is not NodeKind.HISTORY
    ]
    settled = sum(each.rest is not None for each in inside)
    words = f"{len(inside)} state{'' if len(inside) == 1 else 's'} inside, {settled} settled"
    rests = {each.rest for each in inside}
    return replace(
        vertex,
        children=(),
        initial=None,
        rest=rests.pop() if len(rests) == 1 else None,
        rows=(*vertex.rows, LabelRow((LabelText(words, "word"),))),
    )


def _is_inside(arc: Arc, homes: dict[str, str]) -> bool:
    """Whether an arc is hidden by a fold: both ends are in it, and it is not the state's own."""
    ends = {homes[end] for end in (arc.source, arc.dest, *arc.more)}
    own = arc.source == arc.dest == homes[arc.source] and not arc.more
    moved = any(homes[end] != end for end in (arc.source, arc.dest, *arc.more))
    return len(ends) == 1 and moved and not own


def _arc(arc: Arc, homes: dict[str, str]) -> Arc:
    dest, *more = dict.fromkeys(homes[end] for end in (arc.dest, *arc.more))
    return replace(
        arc,
        source=homes[arc.source],
        dest=dest,
        more=tuple(more),
        rows=(*arc.rows, *_origin(arc, homes)),
    )


def _origin(arc: Arc, homes: dict[str, str]) -> Iterator[LabelRow]:
    """Name the state inside that an arrow comes from."""
    around = homes[arc.source]
    if around != arc.source:
        yield LabelRow((LabelText(f"in {arc.source[len(around) + 1 :]}", "word"),))
