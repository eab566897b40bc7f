"""A sketch as Mermaid text (``stateDiagram-v2``).

Escaping
--------
Mermaid has no quoting that works for every character. So each character other than letters,
digits, spaces and underscores is written as its number, ``#58;``: no name can end a label, open
a directive (``%%{``), name a style, set a link (``click``) or begin another line. Identifiers
are generated (``n0``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from settlesim.chart import NodeKind
from settlesim.machine.sketch import REST_CLASSES, Arc, Icon, LabelRow, Rest, Sketch, Vertex
from settlesim.view.chart.highlights import Highlight
from settlesim.view.svg.palette import Palette

__all__ = ["escape_label", "mermaid_of"]

_SIGNS: Final[dict[Icon, str]] = {
    "gear": "\N{GEAR}",
    "alert": "\N{WARNING SIGN}",
    "finish": "\N{BULLSEYE}",
}
"""There is a character for the clock too, but few fonts have it; its row says "after" anyway."""
_REST: Final[dict[Rest, str]] = {
    "resolved": "\N{CHECK MARK}",
    "rejected": "\N{MULTIPLICATION X}",
    "final": "\N{BULLSEYE}",
}


def escape_label(text: str) -> str:
    """Escape `text`, so that Mermaid shows all of it as text."""
    return "".join(each if each.isalnum() or each in " _" else f"#{ord(each)};" for each in text)


def mermaid_of(
    sketch: Sketch, highlight: Highlight, palette: Palette, direction: str = "LR"
) -> str:
    """Return the text of a state diagram.

    Parameters
    ----------
    direction : ``LR`` or ``TB``
    """
    lines = ["stateDiagram-v2", f"    direction {direction}"]
    lines += _region(sketch, None, 1)
    if sketch.initial is not None:
        lines.append(f"    [*] --> {sketch.vertices[sketch.initial].id}")
    lines += [f"    state {arc.fork} <<fork>>" for arc in sketch.arcs if arc.more]
    for arc in (each for each in sketch.arcs if not each.internal):
        lines += [f"    {line}" for line in _arrows(sketch, arc, highlight)]
    for vertex in sketch.vertices.values():
        lines += [f"    {vertex.id} --> {sketch.vertices[name].id}" for name in vertex.default]
    lines += [f"    {line}" for line in _styles(sketch, highlight, palette)]
    return "\n".join(lines) + "\n"


def _region(sketch: Sketch, parent: str | None, depth: int) -> Iterator[str]:
    indent = "    " * depth
    parallel = parent is not None and sketch.vertices[parent].kind is NodeKind.PARALLEL
    first = True
    for vertex in sketch.vertices.values():
        if vertex.parent != parent:
            continue
        if vertex.kind is not NodeKind.HISTORY:  # it is no region of its own
            if parallel and not first:
                yield f"{indent}--"
            first = False
        yield f'{indent}state "{_label(sketch, vertex)}" as {vertex.id}'
        if vertex.children:
            yield f"{indent}state {vertex.id} {{"
            if vertex.initial is not None:
                yield f"{indent}    [*] --> {sketch.vertices[vertex.initial].id}"
            yield from _region(sketch, vertex.name, depth + 1)
            yield f"{indent}}}"


def _label(sketch: Sketch, vertex: Vertex) -> str:
    sign = f"{_REST[vertex.rest]} " if vertex.rest is not None else ""
    return sign + _rows(sketch.rows(vertex))


def _rows(rows: tuple[LabelRow, ...]) -> str:
    return " ".join(
        (f"{_SIGNS[row.icon]} " if row.icon in _SIGNS else "")
        + escape_label(" ".join(run.text for run in row.runs))
        for row in rows
    )


def _arrows(sketch: Sketch, arc: Arc, highlight: Highlight) -> Iterator[str]:
    to = arc.fork if arc.more else sketch.vertices[arc.dest].id
    ends = f"{sketch.vertices[arc.source].id} --> {to}"
    label = _rows(arc.rows)
    steps = highlight.steps(arc)
    if steps:  # Mermaid cannot style an arrow
        label = f"{label} {escape_label(f'(step {steps})')}".lstrip()
    yield f"{ends} : {label}" if label else ends
    for dest in arc.branches.values():
        yield f"{arc.fork} --> {sketch.vertices[dest].id}"


def _styles(sketch: Sketch, highlight: Highlight, palette: Palette) -> Iterator[str]:
    """Yield the classes that occur, and the leaves that have them; only leaves can have one."""
    leaves = [
        vertex
        for vertex in sketch.vertices.values()
        if not vertex.children and vertex.kind is not NodeKind.HISTORY
    ]
    for rest, name in REST_CLASSES.items():
        ids = [leaf.id for leaf in leaves if leaf.rest == rest]
        if ids:
            yield f"classDef {name} {_look(rest, palette)}"
            yield f"class {','.join(ids)} {name}"
    active = [leaf.id for leaf in leaves if leaf.name in highlight.active]
    if active:
        yield f"classDef active stroke:{palette.active},stroke-width:6px"
        yield f"class {','.join(active)} active"


def _look(rest: Rest | None, palette: Palette) -> str:
    if rest is None:
        return (
            f"fill:{palette.paper},stroke:{palette.line},color:{palette.ink},stroke-dasharray:5 4"
        )
    fill, line, ink = (getattr(palette, f"{rest}{part}") for part in ("_fill", "", "_ink"))
    return f"fill:{fill},stroke:{line},color:{ink},stroke-width:3px"
