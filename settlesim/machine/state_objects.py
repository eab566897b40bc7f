"""State objects of `transitions` as states of a chart.

``Chart([State("a", on_enter="note")], ...)`` takes them as a machine does. Their callbacks are
assigns of the chart: names, or functions ``(context, event)``.
"""

from __future__ import annotations

from typing import Any, Final

from transitions import State
from transitions.extensions.nesting import NestedState

from settlesim.chart.dialect import state_spec

__all__ = ["state_of_object"]

_KEYS: Final = ("on_enter", "on_exit", "on_final", "tags", "label", "timeout", "retries")


@state_spec.register(State)
def state_of_object(state: State) -> dict[str, Any]:
    """Return the mapping of a state; keys that a chart does not know are kept, to be refused."""
    record: dict[str, Any] = {"name": state.value, "final": bool(state.final)}
    for key in _KEYS:
        value = getattr(state, key, None)
        if value:
            record[key] = value
    if isinstance(state, NestedState):
        if state.states:
            record["children"] = list(state.states.values())
        if state.initial:
            record["initial"] = state.initial
        transitions = list(_transitions(state))
        if transitions:
            record["transitions"] = transitions
    return record


def _transitions(state: NestedState) -> list[dict[str, Any]]:
    """Return what is declared inside a state; names are joined by dots."""

    def dotted(name: Any) -> Any:
        return name.replace(state.separator, ".") if isinstance(name, str) else name

    return [
        {
            "trigger": trigger,
            "source": dotted(each.source),
            "dest": dotted(each.dest),
            "conditions": [condition.func for condition in each.conditions if condition.target],
            "unless": [condition.func for condition in each.conditions if not condition.target],
            "prepare": each.prepare,
            "before": each.before,
            "after": each.after,
        }
        for trigger, event in state.events.items()
        for found in event.transitions.values()
        for each in found
    ]
