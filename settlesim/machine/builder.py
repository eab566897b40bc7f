"""Builds the machine of a chart.

The machine of a chart holds all of it. Guards and assigns become callbacks of `transitions`
that call the chart's functions with ``(context, event)`` and check what comes back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any

from transitions import EventData

from settlesim.chart import Chart, Event, Node, NodeKind, Transition
from settlesim.chart.functions import asked_state, built_in_guard, takes_active
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

__all__ = [
    "apply",
    "build_machine",
    "holds",
    "leaves_of",
    "machine_of",
    "with_states",
    "without_states",
]


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
        Decides in place of its guards whether a transition may fire; it is also given the
        transition's position in ``chart.edges``. None for the chart's own guards. It is not asked
        about ``In(state)``, which the machine knows. The names of guards that look at the active
        states are extended by these, so that `ask` may answer differently in other states.
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
            spec["conditions"], spec["unless"] = [adapters.asking(ask, index, edge)], []
        machine.add_transition(**spec, edge=f"e{index}")
    return machine


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
_NOTHING: Mapping[str, Any] = {}


class _Adapters:
    """Makes callbacks of `transitions` out of the functions of a chart, one for each name."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._chart_name = chart.name
        self._functions = chart.functions
        self._made: dict[str, Callable[[EventData], Any]] = {}
        self._active: dict[tuple[str, ...], tuple[str, ...]] = {}

    def guard(self, name: str) -> Callable[[EventData], bool]:
        """Return the callback that asks the guard `name`."""
        if name not in self._made:
            state = asked_state(name)
            if state is None:
                function = self._function(name)
                check = _guard(name, function, self._options(function))
            else:
                check = self._in_state(state)
            self._made[name] = _named(check, name)
        return self._made[name]

    def asking(
        self, ask: Callable[[int, Transition, Event], bool], index: int, edge: Transition
    ) -> Callable[[EventData], bool]:
        """Return a condition that asks for all guards of a transition except ``In(state)``."""
        wanted = [self.guard(name) for name in edge.conditions if asked_state(name)]
        refused = [self.guard(name) for name in edge.unless if asked_state(name)]
        open_ = without_states(edge)
        moving = {name for name in open_.guards if takes_active(self._functions.get(name))}

        def check(event_data: EventData) -> bool:
            if not all(each(event_data) for each in wanted):
                return False
            if any(each(event_data) for each in refused):
                return False
            it: Any = event_data.model
            asked = with_states(open_, moving, leaves_of(it.state)) if moving else open_
            return not asked.guards or ask(index, asked, it.event)

        return check

    def active(self, instance: Any) -> tuple[str, ...]:
        """Return the names of all active states, in document order."""
        leaves = tuple(leaves_of(instance.state))
        if leaves not in self._active:
            self._active[leaves] = self._chart.active(leaves)
        return self._active[leaves]

    def _in_state(self, state: str) -> Callable[[EventData], bool]:
        def check(event_data: EventData) -> bool:
            return state in self.active(event_data.model)

        return check

    def assigns(self, names: Iterable[str]) -> list[Callable[[EventData], None]]:
        """Return the callbacks that run the assigns `names`."""
        for name in names:
            if name not in self._made:
                function = self._function(name)
                run = _assign(name, function, self._options(function))
                self._made[name] = _named(run, name)
        return [self._made[name] for name in names]

    def _function(self, name: str) -> Callable[..., Any]:
        function = self._functions.get(name) or built_in_guard(name)
        chart_name = self._chart_name

        def unbound(context: FrozenDict, event: Event) -> Any:
            raise UnboundFunctionError(chart=chart_name, names=[name])

        return unbound if function is None else function

    def _options(self, function: object) -> Callable[[Any], Mapping[str, Any]]:
        if not takes_active(function):
            return _no_options
        return lambda instance: {"active": self.active(instance)}


def without_states(edge: Transition) -> Transition:
    """Return the transition without the guards ``In(state)``."""
    return replace(
        edge,
        conditions=tuple(name for name in edge.conditions if not asked_state(name)),
        unless=tuple(name for name in edge.unless if not asked_state(name)),
    )


def with_states(edge: Transition, moving: Container[str], leaves: Iterable[str]) -> Transition:
    """Return the transition with the active leaves added to the names of some guards.

    Parameters
    ----------
    moving : the guards that look at the active states
    """
    states = f" in {', '.join(leaves)}"

    def names(of: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name + states if name in moving else name for name in of)

    return replace(edge, conditions=names(edge.conditions), unless=names(edge.unless))


def _named(callback: Callable[[EventData], Any], name: str) -> Callable[[EventData], Any]:
    callback.__name__ = name  # the markup, and so the picture, shows it
    return callback


def _guard(
    name: str, function: Callable[..., Any], options: Callable[[Any], Mapping[str, Any]]
) -> Callable[[EventData], bool]:
    def check(event_data: EventData) -> bool:
        it: Any = event_data.model
        return holds(name, function, it.context, it.event, options(it))

    return check


def holds(
    name: str,
    function: Callable[..., Any],
    context: FrozenDict,
    event: Event,
    options: Mapping[str, Any],
) -> bool:
    """Return the answer of one guard; the options are those of `apply`.

    Raises
    ------
    FunctionFailedError
        The function raised, is a coroutine, or returned anything but True or False.
    """
    result = _call(name, "guard", function, context, event, options=options)
    if result is True or result is False:
        return result
    raise FunctionFailedError(
        function=name, role="guard", reason=f"returned {shorten(result, 40)}, not True or False"
    )


def _assign(
    name: str, function: Callable[..., Any], options: Callable[[Any], Mapping[str, Any]]
) -> Callable[[EventData], None]:
    def run(event_data: EventData) -> None:
        it: Any = event_data.model
        it.context = apply(name, function, it.context, it.event, options(it))

    return run


def _no_options(instance: object) -> Mapping[str, Any]:
    return _NOTHING


def apply(
    name: str,
    function: Callable[..., Any],
    context: FrozenDict,
    event: Event,
    options: Mapping[str, Any],
) -> FrozenDict:
    """Return the context after one assign.

    Parameters
    ----------
    options : ``{"active": names}`` for a function that has a parameter ``active``; else empty

    Raises
    ------
    FunctionFailedError
        The function raised, is a coroutine, or did not return a mapping of strict JSON.
    """
    changes = _call(name, "assign", function, context, event, options=options)
    if changes is None:
        return context
    try:
        return merge(context, changes, where="the result")
    except InvalidValueError as error:
        raise FunctionFailedError(
            function=name, role="assign", reason=f"returned no mapping of changes: {error}"
        ) from None


def _call(
    name: str,
    role: str,
    function: Callable[..., Any],
    context: FrozenDict,
    event: Event,
    *,
    options: Mapping[str, Any],
) -> Any:
    try:
        result = function(context, event, **options)
    except UnboundFunctionError:
        raise
    except Exception as error:
        raise FunctionFailedError(
            function=name,
            role=role,
            reason=f"raised {type(error).__name__}: {error_message(error)}{_hint(event, error)}",
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


def _hint(event: Event, error: Exception) -> str:
    """Say that the event came without data, where that may be why a function raised."""
    if event.data is None and "NoneType" in error_message(error):
        return f"; event {shorten(event.name, 60)} has no data"
    return ""


def leaves_of(state: Any) -> Iterable[str]:
    """Return the leaves of the nested lists that `transitions` makes of parallel states."""
    if isinstance(state, str):
        return (state,)
    return [leaf for region in state for leaf in leaves_of(region)]
