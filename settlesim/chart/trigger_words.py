"""Reserved triggers, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from settlesim.chart.definition import EVENTLESS

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = ["trigger_words"]


def trigger_words(chart: Chart, trigger: str) -> str:
    """Say what a trigger is: an event by its name, everything else in words.

    Examples
    --------
    >>> from settlesim.gallery import count
    >>> trigger_words(count, "done.invoke.odd.0")
    'wait done'
    >>> trigger_words(count, "COUNT")
    'COUNT'
    """
    if trigger == EVENTLESS:
        return "eventless"
    for node in chart.states:
        for invocation in node.invoke:
            if trigger == invocation.done_trigger:
                return f"{invocation.src} done"
            if trigger == invocation.error_trigger:
                return f"{invocation.src} failed"
        for delay in node.after:
            if trigger == delay.trigger:
                return f"after {delay.seconds:g} s"
        if trigger == f"done.state.{node.name}":
            return f"{node.name} finished"
    return trigger
