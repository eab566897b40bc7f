"""Writes a chart as an XState v5 configuration."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from settlesim.chart import DEFAULT_TAGS, EVENTLESS, Chart, Invocation, Node, NodeKind, Transition
from settlesim.chart.functions import asked_state
from settlesim.chart.strict_json import thaw
from settlesim.formats.losses import Losses

__all__ = ["chart_to_xstate", "note_settings"]

_TYPES = {NodeKind.FINAL: "final", NodeKind.PARALLEL: "parallel"}


def chart_to_xstate(chart: Chart, losses: Losses) -> dict[str, Any]:
    """Return the configuration that `createMachine` takes, with functions by name.

    Guards that are joined have the types ``and`` and ``not`` with the others as parameters:
    XState asks for an implementation of both.
    """
    return _Writer(chart, losses).config()


def note_settings(chart: Chart, losses: Losses) -> None:
    """Report settings of a chart that no other format has."""
    if chart.version != 1:
        losses.add("chart setting", f"version {chart.version}")
    if chart.on_reject != "discard":
        losses.add("chart setting", f"on_reject {chart.on_reject!r}")
    if chart.settling_tags != DEFAULT_TAGS:
        losses.add("chart setting", "settling_tags")
    if chart.semantics == "transitions" and any(node.children for node in chart.states):
        losses.add("chart setting", "semantics 'transitions'")
    if chart.secret:
        losses.add("chart setting", "secret")


class _Writer:
    def __init__(self, chart: Chart, losses: Losses) -> None:
        self.chart = chart
        self.losses = losses
        self.own: dict[str, list[Transition]] = {}
        for transition in chart.transitions:
            self.own.setdefault(transition.source, []).append(transition)

    def config(self) -> dict[str, Any]:
        chart = self.chart
        note_settings(chart, self.losses)
        first = chart.initial.split(".")[0]
        if chart.enter(first) != chart.initial_configuration:
            self.losses.add("deep initial", f"the root to {chart.initial}")
        config: dict[str, Any] = {"id": chart.name, "initial": first}
        if chart.context:
            config["context"] = thaw(chart.context)
        config["states"] = self._states(node for node in chart.states if node.parent is None)
        return config

    def _states(self, nodes: Iterable[Node]) -> dict[str, Any]:
        return {node.local_name: self._state(node) for node in nodes}

    def _state(self, node: Node) -> dict[str, Any]:
        if node.kind is NodeKind.HISTORY:
            return self._history(node)
        if node.initial_states:
            self.losses.add("deep initial", node.name)
        own = self.own.get(node.name, [])
        on: dict[str, Any] = {}
        for each in own:
            if each.trigger != EVENTLESS:
                on.setdefault(each.trigger, []).append(self._transition(each))
        self._note_wildcards(node, list(on))
        if node.label is not None:
            self.losses.add("description", f"label of {node.name}")
        for _ in node.on_final:
            self.losses.add("function order", f"on_final of {node.name}")
        state: dict[str, Any] = {
            "type": _TYPES.get(node.kind),
            "initial": None if node.initial is None else self.chart.node(node.initial).local_name,
            "tags": list(node.tags),
            "entry": list(node.on_enter),
            "exit": list(node.on_exit),
            "invoke": [self._invocation(each) for each in node.invoke],
            "on": on,
            "always": self._all(each for each in own if each.trigger == EVENTLESS),
            "after": {
                _milliseconds(each.seconds): self._all(each.transitions) for each in node.after
            },
            "onDone": self._all(node.on_done),
            "states": self._states(self.chart.node(child) for child in node.children),
        }
        return {key: value for key, value in state.items() if value}

    def _history(self, node: Node) -> dict[str, Any]:
        targets = [self._id_path(name) for name in node.default]
        found: dict[str, Any] = {"type": "history", "history": node.history}
        if targets:
            found["target"] = targets[0] if len(targets) == 1 else targets
        return found

    def _note_wildcards(self, node: Node, events: list[str]) -> None:
        """Report wildcards, which XState tries last, or not at all if the event is named."""
        if any("*" in event for event in events) and not all("*" in event for event in events):
            self.losses.add("wildcard order", node.name)

    def _invocation(self, invocation: Invocation) -> dict[str, Any]:
        where = f"{invocation.src} of {invocation.id.rpartition('.')[0]}"
        if invocation.timeout is not None:
            self.losses.add("time-out", where)
        if invocation.retry:
            self.losses.add("service detail", f"retry of {where}")
        if not invocation.effect:
            self.losses.add("service detail", f"effect of {where}")
        record = {
            "src": invocation.src,
            "input": thaw(invocation.input),
            "onDone": self._all(invocation.on_done),
            "onError": self._all(invocation.on_error),
        }
        return {key: value for key, value in record.items() if value not in (None, [])}

    def _all(self, transitions: Iterable[Transition]) -> list[dict[str, Any]]:
        return [self._transition(each) for each in transitions]

    def _transition(self, transition: Transition) -> dict[str, Any]:
        where = f"{transition.source} on {transition.trigger or 'nothing'}"
        record: dict[str, Any] = {}
        targets = [self._target(transition.source, dest) for dest in transition.dests]
        if targets:
            record["target"] = targets[0] if len(targets) == 1 else targets
            if self._reenters(transition):
                record["reenter"] = True
        guard = self._guard(transition)
        if guard is not None:
            record["guard"] = guard
        actions = [*transition.before, *transition.assign]
        if actions:
            record["actions"] = actions
        for key in ("prepare", "after"):
            if getattr(transition, key):
                self.losses.add("function order", f"{key} of {where}")
        if transition.label is not None:
            self.losses.add("description", f"label of {where}")
        return record

    def _reenters(self, transition: Transition) -> bool:
        """Whether a transition leaves its source, which XState does only with `reenter`."""
        source = transition.source
        if self.chart.semantics == "transitions":
            return transition.dest == source
        inside = all(dest == source or dest.startswith(f"{source}.") for dest in transition.dests)
        return inside and not transition.internal

    def _guard(self, transition: Transition) -> Any:
        guards = [self._one_guard(name) for name in transition.conditions]
        guards += [
            {"type": "not", "params": {"guards": [self._one_guard(name)]}}
            for name in transition.unless
        ]
        if len(guards) > 1:
            return {"type": "and", "params": {"guards": guards}}
        return guards[0] if guards else None

    def _one_guard(self, name: str) -> Any:
        state = asked_state(name)
        if state is None:
            return name
        return {"type": "xstate.stateIn", "params": {"state": self._id_path(state)}}

    def _id_path(self, name: str) -> str:
        return "#" + ".".join(map(_escaped, [self.chart.name, *name.split(".")]))

    def _target(self, source: str, dest: str) -> str:
        node = self.chart.node(dest)
        local = node.local_name
        if node.parent == self.chart.node(source).parent and local[0] not in "#.":
            return _escaped(local)
        if dest.startswith(f"{source}."):
            return "".join(f".{_escaped(part)}" for part in dest[len(source) + 1 :].split("."))
        return self._id_path(dest)


def _escaped(key: str) -> str:
    return key.replace("\\", "\\\\").replace(".", "\\.")


def _milliseconds(seconds: float) -> str:
    number = Decimal(repr(seconds)) * 1000
    return str(int(number)) if number == int(number) else str(number)
