"""``counter``: INC adds one to a count that is read when INC begins and written when it ends.

The smallest chart that shows a lost update: two concurrent increments leave 1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from settlesim.chart import Chart, Event
from settlesim.gallery.append_log import check_number

__all__ = ["counter"]


async def _work(call: Any) -> None:
    """Do nothing, and take no time."""


def _add_one(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Count one up."""
    return {"count": context["count"] + 1}


@lru_cache
def counter(services: int = 1, effect: bool = False) -> Chart:
    """Return the chart.

    Parameters
    ----------
    services : how many services run one after the other for each event, 0 or more
    effect : whether a service changes the world outside

    Raises
    ------
    InvalidValueError
        No whole number, or too small.

    Examples
    --------
    >>> counter().context
    {'count': 0}
    """
    check_number("services", services, 0)
    nodes = [f"working_{step}" for step in range(1, services + 1)]
    last = {"dest": "resting", "assign": "add_one"}
    targets: list[Any] = [*({"dest": name} for name in nodes), last]
    states: list[Any] = [{"name": "resting", "tags": ["settled"]}]
    for name, target in zip(nodes, targets[1:], strict=True):
        invoke = {"src": "work", "on_done": target, "on_error": "resting", "effect": effect}
        states.append({"name": name, "invoke": invoke})
    starts: list[Any] = [{"trigger": "INC", "source": "resting", **targets[0]}]
    chart = Chart(
        states,
        starts,
        "resting",
        name="counter",
        context={"count": 0},
    )
    return chart.bind({"add_one": _add_one, "work": _work} if services else {"add_one": _add_one})
