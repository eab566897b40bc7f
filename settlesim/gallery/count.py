"""``count``: the chart of serverless-xstate, the project that the idea is from.

The first COUNT only enters ``even``; each further one runs two services and adds 2. The
original says nothing about a service that fails; here the count goes back to what it was.
"""

from __future__ import annotations

from typing import Any

from settlesim.chart import Chart, Event

__all__ = ["count"]


async def wait(call: Any) -> None:
    """Take one second."""
    await call.sleep(1.0)


def add_one(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Count one up."""
    return {"count": context["count"] + 1}


def take_one_back(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Undo the first half of a count of which the second half failed."""
    return {"count": context["count"] - 1}


count = Chart(
    name="count",
    context={"count": 0},
    initial="idle",
    states=[
        "idle",
        {"name": "even", "tags": ["resolve"]},
        {
            "name": "counting_even",
            "invoke": {
                "src": "wait",
                "on_done": {"dest": "odd", "assign": "add_one"},
                "on_error": "even",
            },
        },
        {
            "name": "odd",
            "invoke": {
                "src": "wait",
                "on_done": {"dest": "even", "assign": "add_one"},
                "on_error": {"dest": "even", "assign": "take_one_back"},
            },
        },
    ],
    transitions=[
        ["COUNT", "idle", "even"],
        ["COUNT", "even", "counting_even"],
    ],
).bind({"wait": wait, "add_one": add_one, "take_one_back": take_one_back})
