"""A picture in words: tooltips, classes, and the text alternative of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from settlesim.chart import NodeKind
from settlesim.machine.sketch import REST_CLASSES, Arc, Sketch, Vertex

__all__ = ["alternative", "arc_title", "kind_words", "shortened_list", "vertex_title"]


def kind_words(vertex: Vertex) -> list[str]:
    """Return the classes that say what a vertex is."""
    if vertex.kind is NodeKind.HISTORY:
        return ["history"]
    words = [vertex.kind.value, REST_CLASSES[vertex.rest]]
    if any(run.role == "service" for row in vertex.rows for run in row.runs):
        words.append("service")
    return words


def vertex_title(vertex: Vertex) -> str:
    """Return the tooltip of a node: its full name, and what it is."""
    if vertex.kind is NodeKind.HISTORY:
        return f"{vertex.name}: {'deep' if vertex.label == 'H*' else 'shallow'} history"
    return f"{vertex.name}: {vertex.kind.value}, {REST_CLASSES[vertex.rest]}"


def arc_title(arc: Arc, steps: str = "") -> str:
    """Return the tooltip of an arrow: its label, source and targets, and when it was taken."""
    if arc.bundle:
        return "; ".join(arc_title(each) for each in arc.bundle)
    words = " ".join(run.text for row in arc.rows for run in row.runs)
    if arc.internal:
        title = f"{words}: {arc.source} is neither left nor entered"
        return f"{title}, step {steps}" if steps else title
    way = f"{arc.source} to {' and '.join((arc.dest, *arc.more))}"
    title = f"{words}: {way}" if words else way
    return f"{title}, step {steps}" if steps else title


def shortened_list(names: Iterable[str]) -> str:
    """Return names joined by commas, at most the first twelve."""
    found = list(names)
    shown = ", ".join(found[:12])
    return shown if len(found) <= 12 else f"{shown} and {len(found) - 12} more"


def alternative(
    what: str, sketch: Sketch, configuration: Sequence[str] = (), steps: Sequence[str] = ()
) -> str:
    """Return one sentence that says what a picture shows.

    Parameters
    ----------
    what : how the picture is introduced, such as ``chart 'count'``
    configuration : the active leaves
    steps : the titles of the transitions just taken
    """
    leaves = [vertex for vertex in sketch.vertices.values() if not vertex.children]
    states, arcs = len(sketch.vertices), len(sketch.arcs)
    parts = [
        f"{what}: {states} state{'' if states == 1 else 's'}, "
        f"{arcs} transition{'' if arcs == 1 else 's'}"
    ]
    for rest, word in (
        ("resolved", "settled in"),
        ("rejected", "rejected in"),
        ("final", "final in"),
    ):
        names = [leaf.name for leaf in leaves if leaf.rest == rest]
        if names:
            parts.append(f"{word} {shortened_list(names)}")
    refuted = [
        vertex.name
        for vertex in sketch.vertices.values()
        if any(run.role == "refuted" for row in vertex.rows for run in row.runs)
    ]
    if refuted:
        parts.append(f"refuted by check in {shortened_list(refuted)}")
    if configuration:
        parts.append(f"now in {shortened_list(configuration)}")
    if steps:
        parts.append(f"path {shortened_list(steps)}")
    return "; ".join(parts) + "."
