"""Writes a chart as the mapping that reads as an equal chart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from settlesim.chart.definition import Invocation, Node, NodeKind, Retry, Transition
from settlesim.chart.strict_json import thaw

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = ["chart_to_dict"]

_DEFAULT_SEMANTICS: Final[str] = "transitions"
_PLAIN_RETRY: Final = Retry()
_LISTS = ("conditions", "unless", "prepare", "before", "assign", "after")


def chart_to_dict(chart: Chart) -> dict[str, Any]:
    """Return the chart as plain JSON; `Chart.from_dict` reads it as an equal chart."""
    tags = chart.settling_tags
    record: dict[str, Any] = {
        "name": chart.name,
        "version": chart.version,
        "initial": chart.initial,
        "context": thaw(chart.context),
        "on_reject": chart.on_reject,
        "settling_tags": {"resolved": list(tags.resolved), "rejected": list(tags.rejected)},
        "states": [_state(chart, node) for node in chart.states if node.parent is None],
        "transitions": [
            {"trigger": each.trigger, "source": each.source, **_target(each)}
            for each in chart.transitions
        ],
    }
    if chart.semantics != _DEFAULT_SEMANTICS:
        record["semantics"] = chart.semantics
    if chart.secret:
        record["secret"] = list(chart.secret)
    if chart.provenance:
        record["provenance"] = thaw(chart.provenance)
    return record


def _state(chart: Chart, node: Node) -> dict[str, Any]:
    if node.kind is NodeKind.HISTORY:
        return _history(node)
    record: dict[str, Any] = {
        "name": node.local_name,
        "tags": list(node.tags),
        "final": node.kind is NodeKind.FINAL,
        "label": node.label,
        "on_enter": list(node.on_enter),
        "on_exit": list(node.on_exit),
        "on_final": list(node.on_final),
        "invoke": [_invocation(each) for each in node.invoke],
        "after": {_seconds(each.seconds): _targets(each.transitions) for each in node.after},
        "on_done": _targets(node.on_done),
    }
    children = [_state(chart, chart.node(child)) for child in node.children]
    record["parallel" if node.kind is NodeKind.PARALLEL else "children"] = children
    if node.initial_states:
        record["initial"] = list(node.initial_states)
    elif node.initial is not None:
        record["initial"] = chart.node(node.initial).local_name
    return {key: value for key, value in record.items() if value}


def _history(node: Node) -> dict[str, Any]:
    record: dict[str, Any] = {"name": node.local_name, "history": node.history}
    if node.default:
        record["default"] = list(node.default)
    if node.label is not None:
        record["label"] = node.label
    return record


def _invocation(invocation: Invocation) -> dict[str, Any]:
    record: dict[str, Any] = {
        "src": invocation.src,
        "input": thaw(invocation.input),
        "on_done": _targets(invocation.on_done),
        "on_error": _targets(invocation.on_error),
        "timeout": invocation.timeout,
    }
    if not invocation.effect:
        record["effect"] = False
    if invocation.retry:
        record["retry"] = [_retry(each) for each in invocation.retry]
    return record


def _retry(retry: Retry) -> dict[str, Any]:
    """Return the fields that differ from their defaults, and always ``attempts``."""
    record = {field.name: getattr(retry, field.name) for field in fields(retry)}
    record["errors"] = list(retry.errors)
    default = {field.name: getattr(_PLAIN_RETRY, field.name) for field in fields(retry)}
    return {
        key: value
        for key, value in record.items()
        if key == "attempts" or (tuple(value) if key == "errors" else value) != default[key]
    }


def _seconds(seconds: float) -> str:
    return str(int(seconds)) if seconds.is_integer() else repr(seconds)


def _targets(transitions: Iterable[Transition]) -> list[dict[str, Any]]:
    return [_target(each) for each in transitions]


def _target(transition: Transition) -> dict[str, Any]:
    dests = transition.dests
    record: dict[str, Any] = {"dest": list(dests) if transition.more else transition.dest}
    if transition.internal:
        record["internal"] = True
    for key in _LISTS:
        if getattr(transition, key):
            record[key] = list(getattr(transition, key))
    if transition.label is not None:
        record["label"] = transition.label
    return record
