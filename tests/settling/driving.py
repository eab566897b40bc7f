"""Drives a `Settling` from a list of answers, as the interpreter does with real calls."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from settlesim.chart import Chart, Event, Snapshot
from settlesim.chart.strict_json import encode
from settlesim.settling import Settlement, Settling

__all__ = [
    "LOG",
    "add",
    "after",
    "chart_of",
    "finish",
    "finished",
    "no",
    "reload",
    "settled",
    "work",
]


def add(name: str) -> Any:
    """An assign that writes its name to the end of ``log``."""

    def note(context: dict[str, Any], event: Event) -> dict[str, Any]:
        return {"log": [*context["log"], f"{name}:{event.name}"]}

    note.__name__ = name
    return note


LOG: dict[str, Any] = {"log": []}


async def work(call: Any) -> Any:
    """A service that only its name is used of."""
    return None


def no(context: Any, event: Event) -> bool:
    """A guard that says no."""
    return False


def settled(name: str = "rest", **more: Any) -> dict[str, Any]:
    """A state where the chart may rest."""
    return {"name": name, "tags": ["settled"], **more}


def chart_of(
    states: list[Any], transitions: Iterable[Any] = (), initial: str | None = None, **more: Any
) -> Chart:
    """A chart that starts in its first state and takes functions where they stand."""
    first = states[0] if isinstance(states[0], str) else states[0]["name"]
    return Chart(states, list(transitions), initial or first, **more)


def finish(settling: Settling, *answers: object) -> Settlement:
    """Answer the oldest pending service, or the first delay, with each answer in turn.

    An exception is a failure, everything else a result; a delay is answered by None.
    """
    for answer in answers:
        if settling.pending:
            id_ = settling.pending[0].id
            if isinstance(answer, Exception):
                settling.failed(id_, answer)
            else:
                settling.done(id_, answer)
        else:
            settling.elapsed(settling.delays[0].id)
    assert settling.settlement is not None
    return settling.settlement


def finished(
    chart: Chart, event: Event | str | None, *answers: object, snapshot: Snapshot | None = None
) -> Settlement:
    """Begin a session and answer everything that it waits for."""
    return finish(Settling(chart, snapshot, event), *answers)


def after(chart: Chart, *events: Event | str) -> Snapshot:
    """The snapshot after events that need no answer."""
    snapshot: Snapshot | None = None
    for event in events:
        snapshot = finished(chart, event, snapshot=snapshot).after
    assert snapshot is not None
    return snapshot


def reload(snapshot: Snapshot | None) -> Snapshot | None:
    """Take a snapshot to JSON text and back."""
    if snapshot is None:
        return None
    return Snapshot.from_dict(json.loads(encode(snapshot.to_dict())))
