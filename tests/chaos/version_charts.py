"""Two versions of a chart with a step between them, for processes that are killed."""

from __future__ import annotations

from typing import Any

from settlesim import Chart, Event, migration

__all__ = ["new", "old"]

_LATER = "100000"
"""Seconds of a delay whose timer is always there, and never due."""


async def serve(call: Any) -> None:
    """Take a while."""
    await call.sleep(call.event.data["seconds"])


def remember(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Keep the number of the event."""
    return {"now": event.data["number"]}


def note(context: dict[str, Any], event: Event) -> dict[str, Any]:
    """Add the number to the log."""
    return {"log": [*context["log"], context["now"]], "now": None}


def _version(number: int, rest: str, event: str, **context: Any) -> Chart:
    return Chart(
        name="chaos",
        version=number,
        context={"log": [], "now": None, **context},
        initial=rest,
        states=[
            {"name": rest, "tags": ["settled"], "after": {_LATER: rest}},
            {
                "name": "busy",
                "invoke": {"src": "serve", "on_done": {"dest": rest, "assign": "note"}},
            },
        ],
        transitions=[{"trigger": event, "source": rest, "dest": "busy", "assign": "remember"}],
    ).bind({"serve": serve, "remember": remember, "note": note})


def _step(context: dict[str, Any]) -> dict[str, Any]:
    """Count how often an instance was migrated."""
    return {**context, "steps": context.get("steps", 0) + 1}


old = _version(1, "resting", "ADD")
new = _version(2, "ready", "APPEND", steps=0).with_migrations(
    migration(old, states={"resting": "ready"}, events={"ADD": "APPEND"}, context=_step)
)
