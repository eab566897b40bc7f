"""Which states of a chart in another format are settled.

A document says it with tags, a person with a list of names. Without either, a rule assumes that a
state in which nothing happens by itself is settled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from settlesim.argument_checks import nearest
from settlesim.chart import DEFAULT_TAGS, EVENTLESS, Chart, NodeKind
from settlesim.errors import ReadError, shorten

__all__ = ["REJECTED", "SETTLED", "has_settling_tags", "named_states", "resting_leaves", "tagged"]

SETTLED: Final = DEFAULT_TAGS.resolved[0]
REJECTED: Final = DEFAULT_TAGS.rejected[0]


def has_settling_tags(chart: Chart) -> bool:
    """Whether the document itself tags a state that is not final as settled or rejected."""
    return any(
        node.kind is not NodeKind.FINAL and not chart.settling_tags.all.isdisjoint(node.tags)
        for node in chart.states
    )


def resting_leaves(chart: Chart) -> list[str]:
    """Return every leaf in which nothing happens by itself.

    Nothing happens by itself where neither the leaf nor a state around it runs a service, and
    the leaf has neither an eventless transition nor a delay.
    """
    passing = {edge.source for edge in chart.transitions if edge.trigger == EVENTLESS}
    busy = {node.name for node in chart.states if node.invoke}
    found = []
    for node in chart.states:
        if not node.is_leaf or node.kind in (NodeKind.FINAL, NodeKind.HISTORY):
            continue
        if node.after or node.name in passing:
            continue
        if busy.isdisjoint(chart.active((node.name,)) if busy else ()):
            found.append(node.name)
    return found


def named_states(chart: Chart, names: Iterable[str], source: str) -> list[str]:
    """Return the full names of the states that a person named.

    Parameters
    ----------
    names : full names, or last parts or labels that only one state has
    source : how an error names the document

    Raises
    ------
    ReadError
        A name that no state has, or several have.
    """
    return [_named_state(chart, name, source) for name in names]


def _named_state(chart: Chart, name: str, source: str) -> str:
    if name in chart:
        return name
    ends = [
        node.name for node in chart.states if name == node.label or node.name.endswith(f".{name}")
    ]
    if len(ends) == 1:
        return ends[0]
    known = [node.name for node in chart.states]
    if ends:
        reason = f"{shorten(name)} is ambiguous: {', '.join(ends[:5])}; write one of these"
    else:
        close = nearest(name, known)
        hint = f"did you mean {close!r}?" if close else f"it has {', '.join(known[:8])}"
        reason = f"has no state {shorten(name)}; {hint}"
    raise ReadError(source=source, reason=reason)


def tagged(record: dict[str, Any], tags: dict[str, list[str]]) -> dict[str, Any]:
    """Add tags to the mapping of a chart, by the full names of states, and return the mapping."""
    waiting = [("", state) for state in record["states"]]
    while waiting:
        prefix, state = waiting.pop()
        name = f"{prefix}{state['name']}"
        more = tags.get(name)
        if more:
            state["tags"] = [*dict.fromkeys([*state.get("tags", ()), *more])]
        for key in ("children", "parallel"):
            waiting.extend((f"{name}.", child) for child in state.get(key, ()))
    return record
