"""Writes a chart as a Mermaid state diagram that `settlesim.formats.mermaid` reads back.

This is the chart as a text for people. The picture of a chart as Mermaid, with highlights, is
`settlesim.view.chart.mermaid`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from settlesim.chart import EVENTLESS, Chart, Node, NodeKind, Transition
from settlesim.chart.functions import asked_state
from settlesim.formats.losses import Losses
from settlesim.formats.mermaid import TAG_CLASSES
from settlesim.formats.to_xstate import note_settings

__all__ = ["chart_to_mermaid"]

_PLAIN_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS: Final = frozenset(
    ("state", "note", "end", "as", "class", "classdef", "click", "style", "direction", "default",
     "scale", "hide", "title", "acctitle", "accdescr", "linkstyle", "graph", "subgraph")
)  # fmt: skip
_ALLOWED: Final = frozenset(" _.,-[]()/!?+='|")
_AMBIGUOUS: Final = re.compile(r"[\[\],]| and |^not |^\s|\s$|\s\s|(^|\s)/\s")


def chart_to_mermaid(chart: Chart, losses: Losses) -> str:
    """Return the text of a state diagram."""
    return _Writer(chart, losses).text()


def _escaped(text: str) -> str:
    """Escape a text, so that Mermaid reads all of it as text: no character can end a line."""
    found = "".join(
        each if each.isalnum() or each in _ALLOWED else f"#{ord(each)};" for each in text
    )
    return found.replace("--", "-#45;")


class _Writer:
    def __init__(self, chart: Chart, losses: Losses) -> None:
        self.chart = chart
        self.losses = losses
        self.ids = self._ids()
        self.is_plain = chart.semantics == "transitions"

    def text(self) -> str:
        chart = self.chart
        note_settings(chart, self.losses)
        if chart.context:
            self.losses.add("initial context", "the root")
        lines = ["---", f"title: {_escaped(chart.name)}", "---", "stateDiagram-v2"]
        lines += self._scope(None, 1)
        lines.append(f"    [*] --> {self.ids[chart.initial]}")
        lines += [f"    {line}" for line in self._arrows()]
        lines += [f"    {line}" for line in self._classes()]
        return "\n".join(lines) + "\n"

    def _ids(self) -> dict[str, str]:
        """Return an id for every state; ids hold for the whole diagram, names for one level."""
        counts = Counter(node.local_name for node in self.chart.states)
        found: dict[str, str] = {}
        taken = {name for name, count in counts.items() if count == 1 and _is_id(name)}
        for node in self.chart.states:
            if node.local_name in taken and counts[node.local_name] == 1:
                found[node.name] = node.local_name
                continue
            id_ = base = re.sub(r"[^A-Za-z0-9_]", "_", f"s_{node.name}")
            number = 2
            while id_ in taken:
                id_, number = f"{base}_{number}", number + 1
            taken.add(id_)
            found[node.name] = id_
            self.losses.add("renamed state", node.name, f"(now {id_})")
        return found

    # --- states ---------------------------------------------------------------------------

    def _scope(self, parent: str | None, depth: int) -> Iterator[str]:
        indent = "    " * depth
        around = None if parent is None else self.chart.node(parent)
        regions = around is not None and around.kind is NodeKind.PARALLEL
        nodes = [node for node in self.chart.states if node.parent == parent]
        for node in nodes:
            if node.kind is NodeKind.HISTORY:
                self.losses.add("history", node.name)
        nodes = [node for node in nodes if node.kind is not NodeKind.HISTORY]
        for index, node in enumerate(nodes):
            if regions and index:
                yield f"{indent}--"
            yield from (f"{indent}{line}" for line in self._state(node))
            if node.children:
                yield f"{indent}state {self.ids[node.name]} {{"
                yield from self._scope(node.name, depth + 1)
                if node.initial_states:
                    self.losses.add("deep initial", node.name)
                if node.initial is not None:
                    yield f"{indent}    [*] --> {self.ids[node.initial]}"
                yield f"{indent}}}"
            elif node.kind is NodeKind.FINAL:
                yield f"{indent}{self.ids[node.name]} --> [*]"
        if around is not None and regions and len(nodes) == 1:
            self.losses.add("single region", around.name)  # Mermaid has no sign for one
            yield f"{indent}[*] --> {self.ids[nodes[0].name]}"

    def _state(self, node: Node) -> Iterator[str]:
        id_ = self.ids[node.name]
        lines = [f"entry / {', '.join(map(_escaped, node.on_enter))}"] if node.on_enter else []
        lines += [f"exit / {', '.join(map(_escaped, node.on_exit))}"] if node.on_exit else []
        lines += [f"do / {_escaped(each.src)}" for each in node.invoke]
        label = node.label if node.label is not None else node.local_name
        if label != id_ or lines:
            yield f'state "{_escaped(label)}" as {id_}'
        elif not node.children:  # those with children open a block
            yield id_
        yield from (f"{id_} : {line}" for line in lines)
        for name in (*node.on_enter, *node.on_exit, *(each.src for each in node.invoke)):
            self._note_name(name, node.name)
        for each in node.invoke:
            if each.timeout is not None:
                self.losses.add("time-out", f"{each.src} of {node.name}")
            if each.input is not None or each.retry or not each.effect:
                self.losses.add("service detail", f"{each.src} of {node.name}")
        for _ in node.on_final:
            self.losses.add("function order", f"on_final of {node.name}")

    def _note_name(self, name: str, where: str) -> None:
        if _AMBIGUOUS.search(name):
            self.losses.add("ambiguous name", f"{name} of {where}")

    def _classes(self) -> Iterator[str]:
        for tag in dict.fromkeys(TAG_CLASSES.values()):
            ids = [self.ids[node.name] for node in self.chart.states if tag in node.tags]
            if ids:
                yield f"class {','.join(ids)} {tag}"
        for node in self.chart.states:
            for tag in node.tags:
                if tag not in TAG_CLASSES.values():
                    self.losses.add("tag", f"{tag} of {node.name}")

    # --- arrows ---------------------------------------------------------------------------

    def _arrows(self) -> Iterator[str]:
        for transition in self.chart.transitions:
            yield from self._arrow(transition, transition.trigger)
        for node in self.chart.states:
            for invocation in node.invoke:
                for word, routes in (("done", invocation.on_done), ("error", invocation.on_error)):
                    for each in routes:
                        yield from self._arrow(each, f"{word} {invocation.src}")
            for delay in node.after:
                for each in delay.transitions:
                    yield from self._arrow(each, f"after {_number(delay.seconds)} s")
            for each in node.on_done:
                yield from self._arrow(each, "done")

    def _arrow(self, transition: Transition, trigger: str) -> Iterator[str]:
        where = f"{transition.source} on {trigger or 'nothing'}"
        for key in ("prepare", "after"):
            if getattr(transition, key):
                self.losses.add("function order", f"{key} of {where}")
        if transition.label is not None:
            self.losses.add("description", f"label of {where}")
        inside = transition.dest is not None and transition.dest.startswith(f"{transition.source}.")
        if transition.dest is None or transition.internal or (inside and self.is_plain):
            self.losses.add("internal transition", where)
        if transition.more:
            self.losses.add("several targets", where)
        if transition.dest is None:
            return
        if self.chart.node(transition.dest).kind is NodeKind.HISTORY:
            return  # reported already
        if trigger != EVENTLESS and transition.trigger == trigger:
            self._note_trigger(trigger, transition)
        for name in (*transition.guards, *transition.assigns):
            self._note_name(name, where)
        guards = [self._guard(name) for name in transition.conditions]
        guards += [f"not {self._guard(name)}" for name in transition.unless]
        actions = [*transition.before, *transition.assign]
        words = [_escaped(trigger)] if trigger else []
        words += [f"[{' and '.join(map(_escaped, guards))}]"] if guards else []
        words += [f"/ {', '.join(map(_escaped, actions))}"] if actions else []
        arrow = f"{self.ids[transition.source]} --> {self.ids[transition.dest]}"
        yield f"{arrow} : {' '.join(words)}" if words else arrow

    def _guard(self, name: str) -> str:
        state = asked_state(name)
        return name if state is None else f"In({self.ids[state]})"

    def _note_trigger(self, trigger: str, transition: Transition) -> None:
        """Report an event that would be read as a delay, an end, or a label with more parts."""
        special = re.match(r"(done|error|after)( |$)", trigger)
        if special or re.search(r"[\[\]]|^\s|\s$|\s\s|(^|\s)/(\s|$)", trigger):
            self.losses.add("ambiguous name", f"{trigger} of {transition.source}")


def _number(seconds: float) -> str:
    return str(int(seconds)) if seconds.is_integer() else repr(seconds)


def _is_id(name: str) -> bool:
    return _PLAIN_ID.fullmatch(name) is not None and name.lower() not in _WORDS
