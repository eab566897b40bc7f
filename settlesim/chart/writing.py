"""From a chart back to the mapping that reads as the same chart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from settlesim.chart.definition import Node, NodeKind, Transition
from settlesim.chart.values import thaw

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = ["chart_to_dict"]

_LISTS = ("conditions", "unless", "prepare", "before", "assign", "after")


def chart_to_dict(chart: Chart) -> dict[str, Any]:
    """Return the chart as plain JSON; `Chart.from_dict` reads it as an equal chart."""
    tags = chart.settling_tags
    return {
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


def _state(chart: Chart, node: Node) -> dict[str, Any]:
    record: dict[str, Any] = {"name": node.local_name}
    if node.tags:
        record["tags"] = list(node.tags)
    if node.kind is NodeKind.FINAL:
        record["final"] = True
    if node.label is not None:
        record["label"] = node.label
    for key in ("on_enter", "on_exit", "on_final"):
        if getattr(node, key):
            record[key] = list(getattr(node, key))
    if node.invoke:
        record["invoke"] = [
            {
                "src": each.src,
                "input": thaw(each.input),
                "on_done": _targets(each.on_done),
                "on_error": _targets(each.on_error),
                "timeout": each.timeout,
            }
            for each in node.invoke
        ]
    if node.after:
        record["after"] = {_seconds(each.seconds): _targets(each.transitions) for each in node.after}
    if node.on_done:
        record["on_done"] = _targets(node.on_done)
    if node.children:
        key = "parallel" if node.kind is NodeKind.PARALLEL else "children"
        record[key] = [_state(chart, chart.node(child)) for child in node.children]
        if node.initial is not None:
            record["initial"] = chart.node(node.initial).local_name
    return record


def _seconds(seconds: float) -> str:
    return str(int(seconds)) if seconds.is_integer() else repr(seconds)


def _targets(transitions: Iterable[Transition]) -> list[dict[str, Any]]:
    return [_target(each) for each in transitions]


def _target(transition: Transition) -> dict[str, Any]:
    record: dict[str, Any] = {"dest": transition.dest}
    for key in _LISTS:
        if getattr(transition, key):
            record[key] = list(getattr(transition, key))
    if transition.label is not None:
        record["label"] = transition.label
    return record
