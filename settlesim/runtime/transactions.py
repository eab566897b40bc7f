"""What one settlement changes in a store: the state, the timers, and what is remembered of it."""

from __future__ import annotations

from typing import Any, Final

from settlesim.chart.values import FrozenDict, freeze_object
from settlesim.engine.settlement import Settlement
from settlesim.errors import InvalidValueError
from settlesim.ports import Timer, Timers, Transaction
from settlesim.runtime.running import Run

__all__ = ["record_of", "transaction_of"]

_MOST: Final = 1000
"""Characters of an event's id in a record that was too large."""


def transaction_of(
    settlement: Settlement,
    run: Run | None,
    *,
    history: int,
    event_id: str | None = None,
    consumed: str | None = None,
    mark: str | None = None,
) -> Transaction:
    """Return all that has to be written for a settlement, to be written as one.

    Parameters
    ----------
    run : what drove the session; None where nothing was pending
    history : how many settlements of an instance the store remembers
    event_id : the same for every repetition of the event
    consumed : the receipt of the message that brought it
    mark : the id under which the store is to know a repetition
    """
    saved = settlement.saved
    return Transaction(
        settlement.key,
        settlement.after if saved else None,
        settlement.before.revision,
        consumed=consumed,
        mark=mark,
        timers=_timers_of(settlement, run) if saved else None,
        record=record_of(settlement, event_id) if history else None,
        before=settlement.before if settlement.before.revision else None,
    )


def _timers_of(settlement: Settlement, run: Run | None) -> Timers | None:
    """Return what becomes of the timers; None for a chart that has none."""
    chart = settlement.chart
    assert chart is not None  # the engine's own settlements have it
    has_delays: bool | None = chart.cache.get("has_delays")
    if has_delays is None:
        has_delays = chart.cache["has_delays"] = any(node.after for node in chart.states)
    if not has_delays:
        return None
    started = (
        Timer(delay.id, delay.seconds if run is None else run.seconds_left(delay))
        for delay in settlement.timers
    )
    return Timers(tuple(started), settlement.kept)


def record_of(settlement: Settlement, event_id: str | None) -> FrozenDict:
    """Return what a store remembers of a settlement, beside the state that it saved.

    Where that is too large, the event is remembered by its name and the beginning of its id.
    """
    calls = [
        {
            "service": call.service,
            "invocation": call.invocation,
            "status": call.status.value,
            "seconds": call.seconds,
            "error": call.error,
        }
        for call in settlement.calls
    ]
    record: dict[str, Any] = {
        "event": settlement.event.to_dict(),
        "event_id": event_id,
        "outcome": settlement.outcome.value,
        "path": [list(leaves) for leaves in settlement.path],
        "edges": list(settlement.edges),
        "calls": calls,
    }
    try:
        return freeze_object(record, where="record")
    except InvalidValueError:
        short = {
            "event": {"name": settlement.event.name},
            "event_id": None if event_id is None else event_id[:_MOST],
            "outcome": settlement.outcome.value,
            "cut": True,
        }
        return freeze_object(short, where="record")
