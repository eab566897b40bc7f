"""Charts for the tests of the simulator."""

from __future__ import annotations

from typing import Any

from settlesim import Chart

__all__ = ["patient"]


async def work(call: Any) -> None:
    """Do nothing, at once."""


def was_late(context: dict[str, Any], event: Any) -> bool:
    """Whether the service ran out of time."""
    return bool(event.data["type"] == "TimeoutError")


patient = Chart(
    [
        {"name": "open", "tags": ["settled"]},
        {
            "name": "busy",
            "invoke": {
                "src": "work",
                "on_done": "done",
                "on_error": [{"dest": "waiting", "conditions": "was_late"}, {"dest": "broken"}],
            },
        },
        {"name": "waiting", "invoke": {"src": "again", "on_done": "done", "on_error": "broken"}},
        {"name": "done", "tags": ["settled"]},
        {"name": "broken", "tags": ["settled"]},
    ],
    [["GO", "open", "busy"]],
    "open",
    name="patient",
).bind({"work": work, "again": work, "was_late": was_late})
"""A time-out has another try; an error has none."""
