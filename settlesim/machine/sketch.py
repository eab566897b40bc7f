"""What a picture of a machine shows, as values: vertices, arcs, and their rows of text.

`settlesim.machine.sketcher` reads a sketch from a machine; renderers (DOT, SVG, Mermaid) draw
sketches and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from settlesim.chart import NodeKind, TransitionKind

__all__ = [
    "REST_CLASSES",
    "Arc",
    "Icon",
    "LabelRow",
    "LabelText",
    "Rest",
    "Role",
    "Sketch",
    "Vertex",
    "xml_text",
]


_NO_XML: Final = re.compile("[^ -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Role = Literal[
    "name", "service", "limit", "event", "guard", "assign", "word",
    "was", "added", "removed", "changed", "stored", "stranded", "refuted",
]  # fmt: skip
"""The style of a piece of text. Those of the second line are for pictures of two charts: what no
longer holds, what became of a state, how many stored instances are in it; the last one is for
what a check refutes."""
Icon = Literal["gear", "clock", "alert", "finish", "plus", "minus", "tilde"]
Rest = Literal["resolved", "rejected", "final"]

REST_CLASSES: Final[Mapping[Rest | None, str]] = {
    "resolved": "settled",
    "rejected": "rejected",
    "final": "done",
    None: "passing",
}
"""The class in a picture that says how a vertex is settled."""


@dataclass(frozen=True, slots=True)
class LabelText:
    """A piece of text in one style."""

    text: str
    role: Role


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A line of a label: pieces of text behind an optional sign."""

    runs: tuple[LabelText, ...]
    icon: Icon | None = None
    arc: str | None = None
    """The id of the transition that a line is about: an internal one, or one of a bundle."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """One state."""

    id: str
    """``n`` and the position in document order."""
    name: str
    label: str
    kind: NodeKind
    rest: Rest | None
    """What makes it settled; leaves inherit it, states with children do not."""
    parent: str | None
    children: tuple[str, ...]
    initial: str | None
    rows: tuple[LabelRow, ...]
    default: tuple[str, ...] = ()
    """What a history state stands for at first."""

    @property
    def folded(self) -> bool:
        """Whether it has states inside that are not shown."""
        return not self.children and self.kind in (NodeKind.COMPOUND, NodeKind.PARALLEL)


@dataclass(frozen=True, slots=True)
class Arc:
    """One transition."""

    id: str
    """``e`` and the position in ``chart.edges``, or in the markup where there is no chart."""
    source: str
    dest: str
    internal: bool
    """Whether the transition leaves nothing: it is a line in its state, and `dest` is `source`."""
    kind: TransitionKind
    rows: tuple[LabelRow, ...]
    more: tuple[str, ...] = ()
    """Further destinations; the arrow forks then."""
    bundle: tuple[Arc, ...] = ()
    """The transitions that share this arrow, where it stands for several."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the transitions that the arrow stands for."""
        return tuple(each.id for each in self.bundle) or (self.id,)

    @property
    def fork(self) -> str:
        """The id of the point where the arrow forks."""
        return f"{self.id}_fork"

    @property
    def branches(self) -> dict[str, str]:
        """The destinations behind the fork, by the ids of their arrows; empty where it has none."""
        dests = (self.dest, *self.more) if self.more else ()
        return {f"{self.id}_{index}": dest for index, dest in enumerate(dests)}


@dataclass(frozen=True, slots=True)
class Sketch:
    """Everything that a picture shows, in document order."""

    vertices: Mapping[str, Vertex]
    arcs: tuple[Arc, ...]
    initial: str | None

    def above(self, name: str) -> Iterator[str]:
        """Yield the name and those of the vertices around it, innermost first."""
        current: str | None = name
        while current is not None:
            yield current
            current = self.vertices[current].parent

    def rows(self, vertex: Vertex) -> tuple[LabelRow, ...]:
        """Return the lines of a state, its internal transitions included (UML 2.5, 14.2.3.4)."""
        inside = (arc for arc in self.arcs if arc.internal and arc.source == vertex.name)
        more = (LabelRow(row.runs, row.icon, arc.id) for arc in inside for row in arc.rows)
        return (*vertex.rows, *more)

    def leaves(self, name: str) -> Iterator[str]:
        """Yield the leaves at or below a vertex."""
        children = self.vertices[name].children
        if not children:
            yield name
        for child in children:
            yield from self.leaves(child)

    def entry(self, name: str) -> str:
        """Return the id of the point that an arrow to this vertex points at.

        For a compound state it is the dot of its start, before everything inside it.
        """
        vertex = self.vertices[name]
        if not vertex.children:
            return vertex.id
        if vertex.initial is not None:
            return f"{vertex.id}_start"
        return self.entry(vertex.children[(len(vertex.children) - 1) // 2])

    def narrowed(self, active: Iterable[str], taken: Iterable[Arc]) -> Sketch:
        """Return the part around the active states: with their transitions and targets."""
        keep = {name for leaf in active if leaf in self.vertices for name in self.above(leaf)}
        keep.update(end for arc in taken for end in (arc.source, arc.dest, *arc.more))
        arcs = tuple(arc for arc in self.arcs if arc.source in keep)
        ends = [end for arc in arcs for end in (arc.dest, *arc.more)]
        keep.update(each for end in ends for each in self._shown_with(end))
        keep = {name for leaf in sorted(keep) for name in self.above(leaf)}
        return Sketch(
            {
                name: _without(vertex, keep)
                for name, vertex in self.vertices.items()
                if name in keep
            },
            arcs,
            self.initial if self.initial in keep else None,
        )

    def _shown_with(self, name: str) -> Iterator[str]:
        """Yield a destination and what is entered with it."""
        yield name
        vertex = self.vertices[name]
        for default in vertex.default:
            yield from self._shown_with(default)
        for child in vertex.children if vertex.initial is None else (vertex.initial,):
            yield from self._shown_with(child)


def _without(vertex: Vertex, keep: set[str]) -> Vertex:
    return Vertex(
        id=vertex.id,
        name=vertex.name,
        label=vertex.label,
        kind=vertex.kind,
        rest=vertex.rest,
        parent=vertex.parent,
        children=tuple(child for child in vertex.children if child in keep),
        initial=vertex.initial if vertex.initial in keep else None,
        rows=vertex.rows,
        default=vertex.default,
    )


def xml_text(text: str) -> str:
    """Return `text` with a replacement for every character that XML 1.0 cannot carry."""
    return _NO_XML.sub(lambda found: " " if found.group().isspace() else "\ufffd", text)
