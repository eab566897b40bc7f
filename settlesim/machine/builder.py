"""From a chart to its machine: every function by name, every trigger a transition.

The machine of a chart holds all of it. Guards and assigns become callbacks of `transitions`
that call the chart's functions with ``(context, event)`` and check what comes back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from transitions import EventData

from settlesim.chart import Chart, Event, Node, NodeKind, Transition
from settlesim.chart.strict_json import FrozenDict, merge
from settlesim.errors import (
    FunctionFailedError,
    InvalidValueError,
    UnboundFunctionError,
    error_message,
    shorten,
)
from settlesim.machine.machine import ATTRIBUTE, NestedSettleMachine, SettleMachine
from settlesim.machine.transitions_log import quietly

__all__ = ["apply", "build_machine", "holds", "machine_of"]


def machine_of(chart: Chart) -> SettleMachine | NestedSettleMachine:
    """Return the machine of a chart, built once.

    Guards and assigns that are not bound raise `UnboundFunctionError` when they are called,
    so that a chart without functions can be drawn.
    """
    machine: SettleMachine | NestedSettleMachine | None = chart.cache.get("machine")
    if machine is None:
        machine = chart.cache["machine"] = build_machine(chart)
    return machine


def build_machine(
    chart: Chart, ask: Callable[[int, Transition, Event], bool] | None = None
) -> SettleMachine | NestedSettleMachine:
    """Return a new machine of a chart.

    Parameters
    ----------
    ask
        Says in place of its guards whether a transition may fire; it is given its position in
        ``chart.edges`` as well. None for the chart's own guards.
    """
    with quietly:
        return _build(chart, ask)


def _build(
    chart: Chart, ask: Callable[[int, Transition, Event], bool] | None
) -> SettleMachine | NestedSettleMachine:
    nested = any(node.children for node in chart.states)
    machine_type = NestedSettleMachine if nested else SettleMachine
    adapters = _Adapters(chart)
    machine = machine_type(
        model=None,
        states=[
            _state(chart, node, adapters, nested) for node in chart.states if node.parent is None
        ],
        initial=chart.initial,
        auto_transitions=False,
        send_event=True,
        title=chart.name,
        model_attribute=ATTRIBUTE,
    )
    machine.chart = chart
    for index, edge in enumerate(chart.edges):
        spec = _transition(edge, adapters)
        if ask is not None and edge.guards:
            spec["conditions"], spec["unless"] = [_asking(ask, index, edge)], []
        machine.add_transition(**spec, edge=f"e{index}")
    return machine


def _asking(
    ask: Callable[[int, Transition, Event], bool], index: int, edge: Transition
) -> Callable[[EventData], bool]:
    def check(event_data: EventData) -> bool:
        instance: Any = event_data.model
        return ask(index, edge, instance.event)

    return check


def _state(chart: Chart, node: Node, adapters: _Adapters, nested: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": node.local_name,
        "tags": list(node.tags),
        "final": node.kind is NodeKind.FINAL,
        "on_enter": adapters.assigns(node.on_enter),
        "on_exit": adapters.assigns(node.on_exit),
    }
    if nested:
        spec["on_final"] = adapters.assigns(node.on_final)
    elif node.kind is NodeKind.FINAL:  # a flat State knows no on_final of its own
        spec["on_enter"] = adapters.assigns(node.on_enter + node.on_final)
    if node.children:
        children = [_state(chart, chart.node(child), adapters, nested) for child in node.children]
        spec["parallel" if node.kind is NodeKind.PARALLEL else "children"] = children
        if node.initial is not None:
            spec["initial"] = chart.node(node.initial).local_name
    return spec


def _transition(edge: Transition, adapters: _Adapters) -> dict[str, Any]:
    return {
        "trigger": edge.trigger,
        "source": edge.source,
        "dest": edge.dest,
        "conditions": [adapters.guard(name) for name in edge.conditions],
        "unless": [adapters.guard(name) for name in edge.unless],
        "prepare": adapters.assigns(edge.prepare),
        "before": adapters.assigns(edge.before + edge.assign),
        "after": adapters.assigns(edge.after),
        "label": edge.label,
    }


_PLAIN = frozenset((bool, dict, type(None)))


class _Adapters:
    """Makes callbacks of `transitions` out of the functions of a chart, one for each name."""

    def __init__(self, chart: Chart) -> None:
        self._chart_name = chart.name
        self._functions = chart.functions
        self._made: dict[str, Callable[[EventData], Any]] = {}

    def guard(self, name: str) -> Callable[[EventData], bool]:
        """Return the callback that asks the guard `name`."""
        if name not in self._made:
            self._made[name] = _named(_guard(name, self._function(name)), name)
        return self._made[name]

    def assigns(self, names: Iterable[str]) -> list[Callable[[EventData], None]]:
        """Return the callbacks that run the assigns `names`."""
        for name in names:
            if name not in self._made:
                self._made[name] = _named(_assign(name, self._function(name)), name)
        return [self._made[name] for name in names]

    def _function(self, name: str) -> Callable[..., Any]:
        function = self._functions.get(name)
        chart_name = self._chart_name

        def unbound(context: FrozenDict, event: Event) -> Any:
            raise UnboundFunctionError(chart=chart_name, names=[name])

        return unbound if function is None else function


def _named(callback: Callable[[EventData], Any], name: str) -> Callable[[EventData], Any]:
    callback.__name__ = name  # the markup, and so the picture, shows it
    return callback


def _guard(name: str, function: Callable[..., Any]) -> Callable[[EventData], bool]:
    def check(event_data: EventData) -> bool:
        instance: Any = event_data.model
        return holds(name, function, instance.context, instance.event)

    return check


def holds(name: str, function: Callable[..., Any], context: FrozenDict, event: Event) -> bool:
    """Return what one guard says.

    Raises
    ------
    FunctionFailedError
        The function raised, is a coroutine, or returned anything but True or False.
    """
    result = _call(name, "guard", function, context, event)
    if result is True or result is False:
        return result
    raise FunctionFailedError(
        function=name, role="guard", reason=f"returned {shorten(result, 40)}, not True or False"
    )


def _assign(name: str, function: Callable[..., Any]) -> Callable[[EventData], None]:
    def run(event_data: EventData) -> None:
        instance: Any = event_data.model
        instance.context = apply(name, function, instance.context, instance.event)

    return run


def apply(name: str, function: Callable[..., Any], context: FrozenDict, event: Event) -> FrozenDict:
    """Return the context after one assign.

    Raises
    ------
    FunctionFailedError
        The function raised, is a coroutine, or returned what is no mapping of strict JSON.
    """
    changes = _call(name, "assign", function, context, event)
    if changes is None:
        return context
    try:
        return merge(context, changes, where="the result")
    except InvalidValueError as error:
        raise FunctionFailedError(
            function=name, role="assign", reason=f"returned no mapping of changes: {error}"
        ) from None


def _call(
    name: str, role: str, function: Callable[..., Any], context: FrozenDict, event: Event
) -> Any:
    try:
        result = function(context, event)
    except UnboundFunctionError:
        raise
    except Exception as error:
        raise FunctionFailedError(
            function=name,
            role=role,
            reason=f"raised {type(error).__name__}: {error_message(error)}",
        ) from error
    if type(result) not in _PLAIN and inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise FunctionFailedError(
            function=name,
            role=role,
            reason="is asynchronous: only a service may wait; make it a plain function",
        )
    return result
