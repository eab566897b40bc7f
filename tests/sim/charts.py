"""Charts for the tests of the simulator."""

from __future__ import annotations

from typing import Any

from settlesim import Chart

__all__ = ["ending", "patient", "starting"]


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


def counted(context: dict[str, Any], event: Any) -> dict[str, Any]:
    """Count what was done, and keep the name of the event that did it."""
    return {"done": [*context["done"], event.name]}


def declined(context: dict[str, Any], event: Any) -> bool:
    """Whether the event says no."""
    return bool(event.data == "no")


def _hello() -> list[dict[str, Any]]:
    done = {"dest": "greeted", "assign": "counted"}
    return [
        {"name": "boot", "always": {"dest": "hello", "assign": "counted"}},
        {"name": "hello", "invoke": {"src": "work", "on_done": done, "on_error": "dumb"}},
        {"name": "greeted", "always": {"dest": "open", "assign": "counted"}},
        {"name": "open", "tags": ["settled"]},
        {"name": "dumb", "tags": ["reject"]},
        {"name": "busy", "invoke": {"src": "again", "on_done": "open", "on_error": "refused"}},
        {"name": "refused", "tags": ["reject"]},
        {"name": "closed", "tags": ["settled"]},
    ]


_GO = {"trigger": "GO", "source": "open", "assign": "counted"}

starting = Chart(
    _hello(),  # type: ignore[arg-type]
    [
        {**_GO, "dest": "refused", "conditions": "declined"},  # type: ignore[list-item]
        {**_GO, "dest": "busy"},  # type: ignore[list-item]
        ["END", "open", "closed"],
        ["LATER", "closed", "open"],
    ],
    "boot",
    context={"done": []},
    name="starting",
).bind({"work": work, "again": work, "counted": counted, "declined": declined})
"""Its first state works: eventless transitions, a service and assigns; LATER is ignored first."""

ending = Chart(
    [
        {"name": "boot", "invoke": {"src": "work", "on_done": "end", "on_error": "end"}},
        {"name": "end", "final": True},
    ],
    [["NEVER", "boot", "end"]],
    "boot",
    name="ending",
).bind({"work": work})
"""Its start leads to the end."""
