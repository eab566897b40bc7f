"""Reads the sketch of a picture from a machine of `transitions`.

The states and transitions come from the machine's markup. If the machine was built from a chart,
what the markup cannot say (services, delays, what fires a transition) comes from the chart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from settlesim.chart import (
    DEFAULT_TAGS,
    Chart,
    Invocation,
    Node,
    NodeKind,
    SettlingTags,
    Transition,
    TransitionKind,
)
from settlesim.chart.report import counted_noun
from settlesim.machine.sketch import (
    Arc,
    Icon,
    LabelRow,
    LabelText,
    Rest,
    Role,
    Sketch,
    Vertex,
    xml_text,
)

__all__ = ["sketch_of", "text_rows"]

MAX_LINE: Final = 40
"""How many characters of a name fit on one line."""
_PARTS: Final = re.compile(rf"[^ _.,-]{{0,{MAX_LINE - 1}}}[ _.,-]|[^ _.,-]{{1,{MAX_LINE}}}")
"""The parts of a long name between which a line may end."""


def sketch_of(
    states: Iterable[Mapping[str, Any]],
    transitions: Iterable[Mapping[str, Any]],
    *,
    initial: str | None,
    separator: str = ".",
    chart: Chart | None = None,
    conditions: bool = True,
    details: bool = True,
) -> Sketch:
    """Read the markup of a machine.

    Parameters
    ----------
    states, transitions : as ``_get_elements`` of a Graph of `transitions` returns them
    initial : the state in which the machine starts
    separator : what joins parent and child in a name
    chart : the chart that the machine was built from
    conditions : whether guards are shown
    details : whether callbacks of states and transitions are shown
    """
    reader = _Reader(separator, chart, conditions, details)
    reader.read(states, None)
    # transitions adds an arc for every initial child: it has no trigger, and no edge
    real = [each for each in transitions if each["trigger"] != "" or "edge" in each]
    arcs = [reader.arc(each) for each in real]
    known = len(chart.edges) if chart is not None else 0
    own = [arc for arc in arcs if arc.id]
    own.sort(key=lambda arc: int(arc.id[1:]))
    added = [
        Arc(f"e{known + index}", arc.source, arc.dest, arc.internal, arc.kind, arc.rows)
        for index, arc in enumerate(arc for arc in arcs if not arc.id)
    ]
    found = [arc for arc in own + added if {arc.source, arc.dest} <= reader.vertices.keys()]
    return Sketch(reader.vertices, tuple(found), initial if initial in reader.vertices else None)


class _Reader:
    """Turns markup into vertices and arcs."""

    def __init__(
        self, separator: str, chart: Chart | None, conditions: bool, details: bool
    ) -> None:
        self.vertices: dict[str, Vertex] = {}
        self._separator = separator
        self._chart = chart
        self._conditions = conditions
        self._details = details
        self._tags: SettlingTags = DEFAULT_TAGS if chart is None else chart.settling_tags
        by_rule = None if chart is None else chart.provenance.get("settled_by_rule")
        names = by_rule if isinstance(by_rule, list) else ()
        self._assumed = frozenset(name for name in names if isinstance(name, str))

    def read(
        self, states: Iterable[Mapping[str, Any]], parent: str | None, rest: Rest | None = None
    ) -> tuple[str, ...]:
        names = []
        for state in states:
            local = str(state["name"])
            name = local if parent is None else f"{parent}{self._separator}{local}"
            names.append(name)
            self._vertex(state, name, parent, rest)
        return tuple(names)

    def _vertex(
        self, state: Mapping[str, Any], name: str, parent: str | None, inherited: Rest | None
    ) -> None:
        node = self._chart.node(name) if self._chart is not None and name in self._chart else None
        own = self._own_rest(state.get("tags", ()))
        id_ = f"n{len(self.vertices)}"
        label = (node.label if node is not None else state.get("label")) or str(state["name"])
        if node is not None and node.history is not None:
            self._history(node, id_, parent)
            return
        rows = (*text_rows(label, "name"), *self._rows(state, node))
        if name in self._assumed:
            rows += (LabelRow((LabelText("settled by rule", "word"),)),)
        inside = state.get("children") or ()
        initial = state.get("initial")
        kind = NodeKind.FINAL if state.get("final") else NodeKind.ATOMIC
        if inside:
            kind = NodeKind.PARALLEL if isinstance(initial, list) else NodeKind.COMPOUND
        first = getattr(initial, "name", initial) if kind is NodeKind.COMPOUND else None
        rest = own if inside else (own or inherited)
        if kind is NodeKind.FINAL and rest != "rejected":
            rest = "final"
        start = f"{name}{self._separator}{first}" if first else None
        self.vertices[name] = Vertex(id_, name, label, kind, rest, parent, (), start, rows)
        if inside:
            children = self.read(inside, name, own or inherited)
            self.vertices[name] = Vertex(
                id_, name, label, kind, rest, parent, children, start, rows
            )

    def _history(self, node: Node, id_: str, parent: str | None) -> None:
        """Note a history state: an H, with an asterisk if it is deep (UML 2.5, 14.2.3.7)."""
        letter = "H*" if node.history == "deep" else "H"
        rows = [LabelRow((LabelText(letter, "name"),))]
        if node.label is not None:
            rows += text_rows(node.label, "word")
        self.vertices[node.name] = Vertex(
            id_, node.name, letter, node.kind, None, parent, (), None, tuple(rows), node.default
        )

    def _own_rest(self, tags: Iterable[object]) -> Rest | None:
        names = [str(tag) for tag in tags]
        if any(name in self._tags.rejected for name in names):
            return "rejected"
        return "resolved" if any(name in self._tags.resolved for name in names) else None

    def _rows(self, state: Mapping[str, Any], node: Node | None) -> Iterator[LabelRow]:
        for invocation in node.invoke if node is not None else ():
            first, *others = text_rows(invocation.src, "service", "gear")
            limits = list(_limits(invocation))
            if len(limits) == 1 and not others:
                first = LabelRow((*first.runs, LabelText(limits.pop(), "limit")), first.icon)
            yield first
            yield from others
            if limits:
                yield LabelRow((LabelText(", ".join(limits), "limit"),))
        if not self._details:
            return
        if node is None and state.get("timeout"):
            yield LabelRow((LabelText(f"timeout {state['timeout']} s", "limit"),), "clock")
        for key, word in (("on_enter", "enter"), ("on_exit", "exit"), ("on_final", "final")):
            names = getattr(node, key) if node is not None else state.get(key, ())
            if names:
                yield from text_rows(f"{word} / {', '.join(map(str, names))}", "assign")

    def arc(self, transition: Mapping[str, Any]) -> Arc:
        """Return an arc; one that is not in the chart has no id yet."""
        source = str(transition["source"])
        edge = transition.get("edge")
        if edge is not None and self._chart is not None:
            made = self._chart.edges[int(edge[1:])]
        else:
            edge = ""
            made = Transition(
                trigger=str(transition["trigger"]),
                source=source,
                dest=transition.get("dest"),
                conditions=tuple(map(str, transition.get("conditions", ()))),
                unless=tuple(map(str, transition.get("unless", ()))),
                label=transition.get("label"),
            )
        dest = transition.get("dest")
        rows = tuple(self._arc_rows(made))
        return Arc(edge, source, str(dest or source), dest is None, made.kind, rows, made.more)

    def _arc_rows(self, made: Transition) -> Iterator[LabelRow]:
        head = list(self._trigger_rows(made))
        if made.dest is None and head:
            last = head[-1]
            head[-1] = LabelRow((*last.runs, LabelText("stays", "word")), last.icon)
        guard = ""
        if self._conditions and made.guards:
            parts = [*made.conditions, *(f"not {name}" for name in made.unless)]
            guard = f"[{' and '.join(parts)}]"
        joins = len(head) == 1 and len(head[0].runs[0].text) + len(guard) <= MAX_LINE // 2
        if guard and joins:
            yield LabelRow((*head[0].runs, *text_rows(guard, "guard")[0].runs), head[0].icon)
        else:
            yield from head
            yield from text_rows(guard, "guard")
        if made.internal and made.dest is not None:
            yield LabelRow((LabelText(f"stays in {made.source.rpartition('.')[2]}", "word"),))
        if self._details and made.assigns:
            yield from text_rows(f"/ {', '.join(made.assigns)}", "assign")

    def _trigger_rows(self, made: Transition) -> Iterator[LabelRow]:
        icons: dict[TransitionKind, Icon] = {
            TransitionKind.DONE: "gear",
            TransitionKind.ERROR: "alert",
            TransitionKind.AFTER: "clock",
            TransitionKind.FINISHED: "finish",
        }
        icon = icons.get(made.kind)
        if made.label is not None:
            yield from text_rows(made.label, "event", icon)
        elif made.kind is TransitionKind.EXTERNAL:
            yield from text_rows(made.trigger, "event")
        elif made.kind is TransitionKind.EVENTLESS:
            if not made.guards or not self._conditions:
                yield LabelRow((LabelText("always", "word"),))
        else:
            yield from text_rows(self._reserved_word(made), "word", icon)

    def _reserved_word(self, made: Transition) -> str:
        if made.kind is TransitionKind.FINISHED or self._chart is None:
            return "all final" if made.kind is TransitionKind.FINISHED else made.trigger
        node = self._chart.node(made.source)
        if made.kind is TransitionKind.AFTER:
            seconds = next(each.seconds for each in node.after if each.trigger == made.trigger)
            return f"after {seconds:g} s"
        word = "done" if made.kind is TransitionKind.DONE else "error"
        if len(node.invoke) == 1:
            return word
        triggers = {each.done_trigger: each.src for each in node.invoke}
        triggers.update((each.error_trigger, each.src) for each in node.invoke)
        return f"{triggers[made.trigger]} {word}"


def _limits(invocation: Invocation) -> Iterator[str]:
    """Yield how long a service may take, and how often it is called."""
    if invocation.timeout is not None:
        yield f"≤ {invocation.timeout:g} s"
    if invocation.retry:
        calls = 1 + sum(each.attempts - 1 for each in invocation.retry)
        yield f"≤ {counted_noun(calls, 'call')}"


def text_rows(text: str, role: Role, icon: Icon | None = None) -> list[LabelRow]:
    """Return rows of at most `MAX_LINE` characters; the first one has the sign."""
    text = xml_text(text)
    lines = [""]
    for part in _PARTS.findall(text):
        if lines[-1] and len(lines[-1]) + len(part) > MAX_LINE:
            lines.append("")
        lines[-1] += part
    lines = [line.strip() if len(lines) > 1 else line for line in lines if line]
    return [
        LabelRow((LabelText(line, role),), icon if not index else None)
        for index, line in enumerate(lines)
    ]
