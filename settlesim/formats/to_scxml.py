"""Writes a chart as SCXML; functions become calls, such as ``keep_score()``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from xml.etree import ElementTree as ET

from settlesim.chart import EVENTLESS, Chart, Invocation, Node, NodeKind, Transition
from settlesim.chart.functions import asked_state
from settlesim.formats.losses import Losses
from settlesim.formats.scxml import NAMESPACE, OWN
from settlesim.formats.to_xstate import note_settings
from settlesim.machine.sketch import xml_text

__all__ = ["chart_to_scxml"]

_TAGS: Final = {
    NodeKind.PARALLEL: "parallel",
    NodeKind.FINAL: "final",
    NodeKind.HISTORY: "history",
}
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_FUNCTION: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


def chart_to_scxml(chart: Chart, losses: Losses) -> str:
    """Return the text of an SCXML document."""
    root = _Writer(chart, losses).document()
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


class _Writer:
    def __init__(self, chart: Chart, losses: Losses) -> None:
        self.chart = chart
        self.losses = losses
        self.triggers = {each.trigger for each in chart.transitions}
        self.ids = self._ids()
        self.own: dict[str, list[Transition]] = {}
        for transition in chart.transitions:
            self.own.setdefault(transition.source, []).append(transition)

    def document(self) -> ET.Element:
        chart = self.chart
        note_settings(chart, self.losses)
        root = ET.Element("scxml", {"xmlns": NAMESPACE, "version": "1.0"})
        root.set("xmlns:settlesim", OWN)
        root.set("name", self._text(chart.name))
        root.set("initial", self.ids[chart.initial])
        root.set("datamodel", "ecmascript")
        if chart.context:
            data = ET.SubElement(root, "datamodel")
            for key, value in chart.context.items():
                ET.SubElement(data, "data", {"id": self._text(key), "expr": self._json(value)})
        for node in chart.states:
            if node.parent is None:
                self._state(root, node)
        return root

    def _ids(self) -> dict[str, str]:
        """Return an id for every state: its full name, where that can be one."""
        taken = {node.name for node in self.chart.states if _NAME.fullmatch(node.name)}
        found: dict[str, str] = {}
        for node in self.chart.states:
            if node.name in taken:
                found[node.name] = node.name
                continue
            id_ = base = "s_" + re.sub(r"[^\w.-]", "_", node.name, flags=re.ASCII)
            number = 2
            while id_ in taken:
                id_, number = f"{base}_{number}", number + 1
            taken.add(id_)
            found[node.name] = id_
        return found

    def _text(self, text: str) -> str:
        found = xml_text(text)
        if found != text or found != " ".join(found.split()):
            self.losses.add("ambiguous name", text)
        return found

    def _json(self, value: Any) -> str:
        return json.dumps(value)  # ASCII, so XML can carry every character

    # --- states ---------------------------------------------------------------------------

    def _state(self, parent: ET.Element, node: Node) -> None:
        element = ET.SubElement(parent, _TAGS.get(node.kind, "state"))
        element.set("id", self.ids[node.name])
        if self.ids[node.name] != node.name:
            element.set("settlesim:name", self._text(node.local_name))
        if node.label is not None:
            self.losses.add("description", f"label of {node.name}")
        if node.kind is NodeKind.HISTORY:
            element.set("type", node.history or "shallow")
            default = node.default or self._default(node)
            ET.SubElement(element, "transition", {"target": self._ids_of(default)})
            return
        self._attributes(element, node)
        self._callbacks(element, node)
        for invocation in node.invoke:
            self._invoke(element, invocation)
        for event, transition in self._routes(node):
            self._transition(element, transition, event)
        for child in node.children:
            self._state(element, self.chart.node(child))

    def _attributes(self, element: ET.Element, node: Node) -> None:
        starts = node.initial_states or ((node.initial,) if node.initial else ())
        if starts:
            element.set("initial", self._ids_of(starts))
        if node.tags:
            element.set("settlesim:tags", " ".join(map(self._text, node.tags)))
        for tag in node.tags:
            if len(tag.split()) != 1:
                self.losses.add("tag", f"{tag} of {node.name}")
        for _ in node.on_final:
            self.losses.add("function order", f"on_final of {node.name}")

    def _default(self, node: Node) -> tuple[str, ...]:
        """Return what is entered with the state around a history state."""
        assert node.parent is not None  # a chart refuses others
        parent = self.chart.node(node.parent)
        if parent.initial is not None:
            return parent.initial_states or (parent.initial,)
        regions = [self.chart.node(child) for child in parent.children]
        return tuple(each.name for each in regions if each.kind is not NodeKind.HISTORY)

    def _callbacks(self, element: ET.Element, node: Node) -> None:
        if node.on_enter or node.after:
            entry = ET.SubElement(element, "onentry")
            self._scripts(entry, node.on_enter)
            for delay in node.after:
                ET.SubElement(
                    entry, "send",
                    {"event": delay.trigger, "id": delay.trigger, "delay": f"{delay.seconds!r}s"},
                )  # fmt: skip
        if node.on_exit or node.after:
            exit_ = ET.SubElement(element, "onexit")
            self._scripts(exit_, node.on_exit)
            for delay in node.after:
                ET.SubElement(exit_, "cancel", {"sendid": delay.trigger})

    def _scripts(self, parent: ET.Element, names: Iterable[str]) -> None:
        for name in names:
            ET.SubElement(parent, "script").text = _call(name)

    def _invoke(self, element: ET.Element, invocation: Invocation) -> None:
        where = f"{invocation.src} of {invocation.id.rpartition('.')[0]}"
        if invocation.timeout is not None:
            self.losses.add("time-out", where)
        if invocation.retry:
            self.losses.add("service detail", f"retry of {where}")
        if not invocation.effect:
            self.losses.add("service detail", f"effect of {where}")
        made = ET.SubElement(
            element,
            "invoke",
            {"id": self._invoke_id(invocation), "src": self._text(invocation.src)},
        )
        if invocation.input is not None:
            ET.SubElement(made, "content").text = self._json(invocation.input)

    def _invoke_id(self, invocation: Invocation) -> str:
        node, _, index = invocation.id.rpartition(".")
        return f"{self.ids[node]}.{index}"

    # --- transitions ----------------------------------------------------------------------

    def _routes(self, node: Node) -> Iterator[tuple[str | None, Transition]]:
        """Yield every transition of a state with its event: eventless ones first."""
        own = self.own.get(node.name, [])
        yield from ((None, each) for each in own if each.trigger == EVENTLESS)
        yield from ((self._event(each), each) for each in own if each.trigger != EVENTLESS)
        for invocation in node.invoke:
            id_ = self._invoke_id(invocation)
            yield from ((f"done.invoke.{id_}", each) for each in invocation.on_done)
            yield from ((f"error.invoke.{id_}", each) for each in invocation.on_error)
        for delay in node.after:
            yield from ((delay.trigger, each) for each in delay.transitions)
        yield from ((f"done.state.{self.ids[node.name]}", each) for each in node.on_done)

    def _event(self, transition: Transition) -> str:
        event = transition.trigger
        name = "_".join(event.split())
        if name != event or xml_text(name) != name or event.endswith("."):
            self.losses.add("renamed event", f"{event} of {transition.source}")
        longer = (each for each in self.triggers if each.startswith(f"{event}."))
        if "*" not in event and any(longer):
            self.losses.add("event prefix", f"{event} of {transition.source}")
        return xml_text(name)

    def _transition(self, element: ET.Element, transition: Transition, event: str | None) -> None:
        where = f"{transition.source} on {transition.trigger or 'nothing'}"
        made = ET.SubElement(element, "transition")
        if event is not None:
            made.set("event", event)
        guards = [self._guard(name) for name in transition.conditions]
        guards += [f"!{self._guard(name)}" for name in transition.unless]
        if guards:
            made.set("cond", " && ".join(guards))
        if transition.dests:
            made.set("target", self._ids_of(transition.dests))
        if transition.internal:
            made.set("type", "internal")
            source = self.chart.node(transition.source)
            inside = all(each.startswith(f"{source.name}.") for each in transition.dests)
            if not inside or source.kind is NodeKind.PARALLEL:
                self.losses.add("internal transition", where)
        for key in ("prepare", "after"):
            if getattr(transition, key):
                self.losses.add("function order", f"{key} of {where}")
        if transition.label is not None:
            self.losses.add("description", f"label of {where}")
        self._scripts(made, (*transition.before, *transition.assign))

    def _guard(self, name: str) -> str:
        state = asked_state(name)
        return _call(name) if state is None else f"In('{self.ids[state]}')"

    def _ids_of(self, names: Iterable[str]) -> str:
        return " ".join(self.ids[name] for name in names)


def _call(name: str) -> str:
    plain = _FUNCTION.fullmatch(name) and name not in {"In", "call"}
    return f"{name}()" if plain else f"call({json.dumps(name)})"
