"""The Graph classes that a `SettleMachine` plugs into `transitions`: a sketch as DOT.

Why not the Graph of `transitions`
----------------------------------
There a state's name is its identifier in the DOT text, and a label may be markup: a name can
break the picture, or put a node and a link into it. Here identifiers are made up (``n0``,
``cluster_n3``, ``e0``), names occur in escaped labels only, and every node, cluster and edge
has an ``id`` and a ``class``, so that a picture can be worked on afterwards. Every transition
is an edge of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from transitions.extensions.diagrams import GraphMachine
from transitions.extensions.diagrams_graphviz import Graph, NestedGraph

from settlesim.chart import Chart, NodeKind, TransitionKind
from settlesim.machine.labels import FONT, Colours, label_of, plain_label
from settlesim.machine.sketch import REST_CLASSES, Arc, LabelRow, Sketch, Vertex
from settlesim.machine.sketcher import sketch_of

if TYPE_CHECKING:  # needed only to draw: a server that settles events may run without it
    import graphviz

__all__ = ["NestedSettleGraph", "SettleGraph"]

_ARROWS: Final = {
    TransitionKind.EVENTLESS: ("empty", "solid"),
    TransitionKind.ERROR: ("normal", "dashed"),
    TransitionKind.AFTER: ("normal", "dotted"),
}
"""The head and the line of an edge, where they are not plain."""


class _SketchMixin(Graph):
    """Draws a sketch of the machine; styles that `transitions` sets by name are applied on top."""

    def __init__(self, machine: Any) -> None:
        self.taken: tuple[str, ...] = ()
        """The ids of the edges of the path just taken."""
        self.colours = Colours()
        self.direction: str | None = None
        """``LR`` or ``TB``; None for that of the machine."""
        self.signs = False
        """Whether labels are only measured, with room for the signs that are painted afterwards."""
        super().__init__(machine)

    def sketch(self) -> Sketch:
        """Return what is to be drawn."""
        machine = self.machine
        chart: Chart | None = getattr(machine, "chart", None)
        states, transitions = self._get_elements()
        initial = machine.initial if chart is None else chart.initial
        return sketch_of(
            states,
            transitions,
            initial=getattr(initial, "name", initial) if isinstance(initial, str) else None,
            separator=getattr(machine.state_cls, "separator", "."),
            chart=chart,
            conditions=chart is not None or machine.show_conditions,
            details=chart is not None or machine.show_state_attributes,
        )

    def get_graph(self, title: str | None = None, roi_state: Any = None) -> graphviz.Digraph:
        """Return the graph with the current styles.

        Parameters
        ----------
        title : text above the graph; by default the machine's title
        roi_state : the active states; only they and the targets of their transitions are drawn
        """
        sketch = self.sketch()
        if roi_state:
            sketch = sketch.narrowed(self._flatten(roi_state), filter(self._is_taken, sketch.arcs))
        return self.digraph(sketch, title=title or self.machine.title)

    def digraph(
        self, sketch: Sketch, *, title: str | None = None, labels: bool = True
    ) -> graphviz.Digraph:
        """Return the graph of a sketch.

        Parameters
        ----------
        labels : whether edges have labels; without, the layout has fewer ways to fail
        """
        attributes = dict(self.machine.machine_attributes)
        attributes.pop("directed", None)
        attributes.pop("strict", None)
        if self.direction is not None:
            attributes["rankdir"] = self.direction
        import graphviz

        graph = graphviz.Digraph(
            graph_attr={
                **attributes,
                "compound": "true",
                "newrank": "true",
                "nodesep": "0.4",
                "ranksep": "0.5",
                "fontname": FONT,
                "bgcolor": self.colours.paper,
                "fontcolor": self.colours.ink,
                "color": self.colours.line,
            },
            node_attr={"fontname": FONT, "shape": "box", "margin": "0.14,0.08"},
            edge_attr={"fontname": FONT, "arrowsize": "0.75", "color": self.colours.line},
        )
        if title:
            graph.graph_attr.update(label=plain_label(title), labelloc="t")
        self._vertices(sketch, None, graph)
        self._forks(sketch, None, graph)
        self._start(sketch, None, graph)
        for arc in (each for each in sketch.arcs if not each.internal):
            self._arc(sketch, arc, graph, labels)
        for vertex in sketch.vertices.values():
            self._defaults(sketch, vertex, graph)
        graph.draw = partial(self.draw, graph)  # as transitions does
        return graph

    def _label(self, rows: Iterable[LabelRow], padding: int = 1) -> str:
        return label_of(rows, self.colours, signs=self.signs, padding=padding)

    # --- vertices -------------------------------------------------------------------------

    def _vertices(self, sketch: Sketch, parent: str | None, graph: graphviz.Digraph) -> None:
        for vertex in sketch.vertices.values():
            if vertex.parent != parent:
                continue
            style = str(self.custom_styles["node"][vertex.name])
            shared = {"label": self._label(sketch.rows(vertex)), "id": vertex.id}
            classes = " ".join(["node", *_classes(vertex, style)])
            if not vertex.children:
                attributes = {**shared, **self._look(vertex, style), "class": classes}
                graph.node(vertex.id, **attributes)
                continue
            with graph.subgraph(name=f"cluster_{vertex.id}") as inside:
                inside.graph_attr.update(shared, **self._group_look(vertex, sketch, style))
                inside.graph_attr["class"] = "group " + classes
                self._vertices(sketch, vertex.name, inside)
                if vertex.kind is NodeKind.COMPOUND and vertex.initial is not None:
                    self._start(sketch, vertex, inside)
                if vertex.kind is NodeKind.PARALLEL:
                    self._align(sketch, vertex, inside)
                self._forks(sketch, vertex.name, inside)
                if any(
                    _from_inside(sketch, arc) for arc in sketch.arcs if arc.source == vertex.name
                ):
                    self._point(f"{vertex.id}_port", "port", inside)

    def _look(self, vertex: Vertex, style: str) -> dict[str, str]:
        """Return shape and colours of a leaf: rounded is settled, dashed is passing."""
        colours = self.colours
        if vertex.kind is NodeKind.HISTORY:
            return {
                "shape": "circle", "style": "filled", "fillcolor": colours.paper,
                "color": colours.line, "margin": "0.02", **self._state_style(style),
            }  # fmt: skip
        if vertex.folded and vertex.rest is None:
            look = {"style": "rounded,filled", "fillcolor": colours.group, "color": colours.line}
            return {**look, **self._state_style(style)}
        look = {"style": "rounded,dashed,filled", "fillcolor": colours.paper, "color": colours.line}
        if vertex.rest is not None:
            corner = "" if vertex.rest == "rejected" else "rounded,"
            look = {
                "style": f"{corner}filled",
                "fillcolor": getattr(colours, f"{vertex.rest}_fill"),
                "color": getattr(colours, vertex.rest),
                "penwidth": "2",
            }
        if vertex.kind is NodeKind.FINAL:
            look["peripheries"] = "2"
        return {**look, **self._state_style(style)}

    def _group_look(self, vertex: Vertex, sketch: Sketch, style: str) -> dict[str, str]:
        region = vertex.parent is not None and (
            sketch.vertices[vertex.parent].kind is NodeKind.PARALLEL
        )
        look = {
            "style": "rounded,filled,dashed" if region else "rounded,filled",
            "fillcolor": self.colours.group,
            "color": self.colours.line,
            "labeljust": "l",
            "margin": "14",
        }
        if vertex.rest is not None:
            look["color"] = getattr(self.colours, vertex.rest)
            look["penwidth"] = "2"
        return {**look, **self._state_style(style)}

    def _state_style(self, style: str) -> dict[str, str]:
        """Return what a style of `transitions` adds; a machine's own styles win."""
        if not style:
            return {}
        known: Any = GraphMachine.style_attributes  # transitions declares it as flat
        machine: Any = self.machine
        own: dict[str, str] = machine.style_attributes.get("node", {}).get(style, {})
        if own != known["node"].get(style):
            return own
        looks = {
            "active": {"color": self.colours.active, "penwidth": "4"},
            "previous": {"color": self.colours.active, "penwidth": "2"},
        }
        return looks.get(style, {})

    # --- starts ---------------------------------------------------------------------------

    def _start(self, sketch: Sketch, vertex: Vertex | None, graph: graphviz.Digraph) -> None:
        """Draw the dot that points at the initial state of a compound state or of the chart."""
        initial = sketch.initial if vertex is None else vertex.initial
        if initial is None:
            return
        id_ = "start" if vertex is None else f"{vertex.id}_start"
        self._point(id_, "start", graph)
        ends = {"lhead": _cluster(sketch, initial)} if sketch.vertices[initial].children else {}
        graph.edge(
            id_,
            sketch.entry(initial),
            id=f"{id_}_edge",
            weight="8",
            **{"class": "edge start"},
            **ends,
        )

    def _align(self, sketch: Sketch, vertex: Vertex, graph: graphviz.Digraph) -> None:
        """Put the first states of a parallel state's regions on one rank."""
        with graph.subgraph() as aligned:
            aligned.graph_attr["rank"] = "same"
            for child in vertex.children:
                aligned.node(sketch.entry(child))

    def _point(self, id_: str, kind: str, graph: graphviz.Digraph) -> None:
        width = "0.15" if kind == "start" else "0.08"
        colour = self.colours.line
        graph.node(
            id_, id=id_, label="", shape="circle", style="filled", width=width, fixedsize="true",
            color=colour, fillcolor=colour, **{"class": kind},
        )  # fmt: skip

    def _defaults(self, sketch: Sketch, vertex: Vertex, graph: graphviz.Digraph) -> None:
        """Draw the arrows from a history state to what it stands for at first."""
        for index, name in enumerate(vertex.default):
            ends = {"lhead": _cluster(sketch, name)} if sketch.vertices[name].children else {}
            graph.edge(
                vertex.id,
                sketch.entry(name),
                id=f"{vertex.id}_default_{index}",
                **{"class": "edge default"},
                **ends,
            )

    def _forks(self, sketch: Sketch, parent: str | None, graph: graphviz.Digraph) -> None:
        """Draw the points where arrows fork, in the state around source and destinations."""
        for arc in sketch.arcs:
            if arc.more and _around(sketch, arc) == parent:
                self._point(arc.fork, "fork", graph)

    # --- arcs -----------------------------------------------------------------------------

    def _is_taken(self, arc: Arc) -> bool:
        edges: Any = self.custom_styles["edge"]
        return not set(self.taken).isdisjoint(arc.ids) or bool(edges[arc.source][arc.dest])

    def _arc(self, sketch: Sketch, arc: Arc, graph: graphviz.Digraph, labels: bool) -> None:
        tail, head, ends = _ends(sketch, arc)
        arrow, line = _ARROWS.get(arc.kind, ("normal", "solid"))
        attributes = {"id": arc.id, "arrowhead": arrow, "style": line, **ends}
        if ends:  # a part of the arrow is hidden below the cluster: leave room for the rest
            attributes["minlen"] = "2"
        attributes["class"] = " ".join(["edge", arc.kind.value, *["taken"] * self._is_taken(arc)])
        if labels and arc.rows:
            attributes["label"] = self._label(arc.rows, 2)
        if arc.kind is TransitionKind.ERROR:
            attributes["color"] = self.colours.rejected
        if self._is_taken(arc):
            attributes.update(color=self.colours.active, penwidth="2.5")
        if not arc.more:
            graph.edge(tail, head, **attributes)
            return
        attributes.pop("lhead", None)
        graph.edge(tail, arc.fork, **{**attributes, "arrowhead": "none"})
        shared = {"arrowhead": arrow, "style": line, "class": attributes["class"]}
        shared |= {key: attributes[key] for key in ("color", "penwidth") if key in attributes}
        for id_, dest in arc.branches.items():
            ends = {"lhead": _cluster(sketch, dest)} if sketch.vertices[dest].children else {}
            graph.edge(arc.fork, sketch.entry(dest), id=id_, **shared, **ends)


class SettleGraph(_SketchMixin):
    """The graph of a flat machine."""


class NestedSettleGraph(_SketchMixin, NestedGraph):
    """The graph of a nested machine."""


# --- ends of an arc -----------------------------------------------------------------------


def _around(sketch: Sketch, arc: Arc) -> str | None:
    """Return the innermost state around all ends of an arc; None where there is none."""
    others = [set(sketch.above(end)) for end in (arc.dest, *arc.more)]
    return next((each for each in sketch.above(arc.source) if all(each in o for o in others)), None)


def _from_inside(sketch: Sketch, arc: Arc) -> bool:
    """Whether an arc of a state with children leads to itself or into it."""
    return (
        not arc.internal
        and bool(sketch.vertices[arc.source].children)
        and arc.source in sketch.above(arc.dest)
    )


def _ends(sketch: Sketch, arc: Arc) -> tuple[str, str, dict[str, str]]:
    """Return tail, head and where they are clipped: dot's edges join leaves only."""
    source, dest = sketch.vertices[arc.source], sketch.vertices[arc.dest]
    if _from_inside(sketch, arc):
        port = f"{source.id}_port"
        return port, sketch.entry(dest.name), {}
    ends = {}
    tail = source
    if source.children:
        leaves = [sketch.vertices[name] for name in sketch.leaves(source.name)]
        final = [leaf for leaf in leaves if leaf.kind is NodeKind.FINAL]
        tail = final[0] if final and arc.kind is TransitionKind.FINISHED else leaves[-1]
        ends["ltail"] = _cluster(sketch, source.name)
    if dest.children and dest.name not in sketch.above(source.name):
        ends["lhead"] = _cluster(sketch, dest.name)
    return tail.id, sketch.entry(dest.name), ends


def _cluster(sketch: Sketch, name: str) -> str:
    return f"cluster_{sketch.vertices[name].id}"


def _classes(vertex: Vertex, style: str) -> Iterable[str]:
    yield vertex.kind.value
    yield REST_CLASSES[vertex.rest]
    if style in {"active", "previous"}:
        yield style
