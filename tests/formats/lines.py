"""A chart in a few lines of text, so that a test can say what it expects."""

from __future__ import annotations

from typing import Any

from settlesim import Chart
from settlesim.chart import NodeKind, Transition

__all__ = ["edge_lines", "state_lines", "tree"]


def edge_lines(chart: Chart) -> list[str]:
    """Return every transition: ``source -EVENT[guards]-> dest / assigns``; ``~>`` is internal."""
    return [_edge(each) for each in chart.edges]


def _edge(edge: Transition) -> str:
    guards = " and ".join([*edge.conditions, *(f"not {name}" for name in edge.unless)])
    trigger = edge.trigger + (f"[{guards}]" if guards else "")
    actions = f" / {', '.join(edge.assigns)}" if edge.assigns else ""
    arrow = "~>" if edge.internal else "->"
    dests = " & ".join(edge.dests) or "None"
    return f"{edge.source} -{trigger}{arrow} {dests}{actions}"


def state_lines(chart: Chart) -> list[str]:
    """Return every state with its kind and initial child where they are not plain."""
    found = []
    for node in chart.states:
        words = [node.name]
        if node.kind is not NodeKind.ATOMIC:
            words.append(node.kind.value)
        if node.initial is not None:
            words.append(f"-> {node.initial}")
        found.append(" ".join(words))
    return found


def tree(**states: Any) -> dict[str, Any]:
    """Return a configuration with these states; the first is initial."""
    return {"id": "m", "initial": next(iter(states)), "states": states}
