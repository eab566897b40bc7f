"""`engine_chart`: the chart of the contract suite for engines, and its services."""

from __future__ import annotations

import threading
from typing import Any

from settlesim.chart import Chart, Event

__all__ = ["Work", "engine_chart"]


class Work:
    """The services of `engine_chart`, and what they saw.

    Threads may share it, since an engine may run services in a thread of its own.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        """The service `hold` waits for it."""
        self.calls: list[tuple[str, Any, str | None]] = []
        """Of every call: the service, the event's data, and the idempotency key."""
        self.failures: dict[str, int] = {}
        """How often each service still fails."""

    async def _called(self, name: str, call: Any) -> Any:
        self.calls.append((name, call.event.data, call.idempotency_key))
        if self.failures.get(name, 0):
            self.failures[name] -= 1
            raise RuntimeError(f"no {name} today")
        return call.event.data

    async def first(self, call: Any) -> Any:
        """Return the event's data."""
        return await self._called("first", call)

    async def second(self, call: Any) -> Any:
        """Return the event's data."""
        return await self._called("second", call)

    async def hold(self, call: Any) -> Any:
        """Return the event's data when the gate is open."""
        while not self.gate.is_set():
            await call.sleep(0.01)
        return await self._called("hold", call)

    def called(self, name: str) -> list[Any]:
        """Return the event's data of each call of a service."""
        return [data for service, data, _ in self.calls if service == name]


def _note(context: dict[str, Any], event: Event) -> dict[str, Any]:
    return {"applied": [*context["applied"], event.data]}


def _note_result(context: dict[str, Any], event: Event) -> dict[str, Any]:
    return {"applied": [*context["applied"], event.data]}


def _mark_late(context: dict[str, Any], event: Event) -> dict[str, Any]:
    return {"applied": [*context["applied"], "late"]}


def _is_even(context: dict[str, Any], event: Event) -> bool:
    return bool(event.data % 2 == 0)  # raises for a text


def engine_chart(work: Work, *, name: str = "engine_contract", version: int = 1) -> Chart:
    """Return the chart of the suite, which records the data of its events in order.

    ``ADD`` only records; ``CALL`` calls two services one after another; ``HOLD`` calls a service
    that waits for a gate; ``EVEN`` has a guard; ``REFUSE`` is rejected; ``DELAY`` and
    ``LONG_DELAY`` enter a state that is left after a delay, or by ``CANCEL``; ``END`` finishes.
    """
    return Chart(
        name=name,
        version=version,
        context={"applied": []},
        initial="idle",
        states=[
            {"name": "idle", "tags": ["settled"]},
            {"name": "first", "invoke": {"src": "first", "on_done": "second"}},
            {
                "name": "second",
                "invoke": {"src": "second", "on_done": {"dest": "idle", "assign": "note_result"}},
            },
            {
                "name": "held",
                "invoke": {"src": "hold", "on_done": {"dest": "idle", "assign": "note_result"}},
            },
            {
                "name": "waiting",
                "tags": ["settled"],
                "after": {"0.2": {"dest": "idle", "assign": "mark_late"}},
            },
            {"name": "patient", "tags": ["settled"], "after": {"3600": "idle"}},
            {"name": "refused", "tags": ["reject"]},
            {"name": "over", "final": True},
        ],
        transitions=[
            {"trigger": "ADD", "source": "idle", "dest": "idle", "assign": "note"},
            ["CALL", "idle", "first"],
            ["HOLD", "idle", "held"],
            {"trigger": "EVEN", "source": "idle", "dest": "idle", "conditions": "is_even"},
            ["REFUSE", "idle", "refused"],
            ["DELAY", "idle", "waiting"],
            ["LONG_DELAY", "idle", "patient"],
            ["CANCEL", ["waiting", "patient"], "idle"],
            ["END", "idle", "over"],
        ],
    ).bind(
        {
            "first": work.first,
            "second": work.second,
            "hold": work.hold,
            "note": _note,
            "note_result": _note_result,
            "mark_late": _mark_late,
            "is_even": _is_even,
        }
    )
