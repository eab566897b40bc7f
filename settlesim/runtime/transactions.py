"""What one settlement changes in a store: the state, the timers, and what is remembered of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from settlesim.chart import Chart, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.chart.secrets import hide
from settlesim.chart.strict_json import FrozenDict, freeze_object
from settlesim.errors import InvalidValueError
from settlesim.machine.program import is_over, program_of
from settlesim.ports import ChartDefinition, Timer, Timers, Transaction
from settlesim.settling.macrostep import activities_of
from settlesim.settling.settlement import Call, Settlement

if TYPE_CHECKING:
    from settlesim.runtime.driver import Passed
    from settlesim.versions import Carried

__all__ = ["Keeping", "record_of", "transaction_of"]

_MOST: Final = 1000
"""Characters of an event's id in a record that was too large."""


class Keeping(NamedTuple):
    """What a transaction has besides the new state."""

    timers: bool = False
    """Whether the store keeps timers."""
    unknown_delays: tuple[str, ...] = ()
    """The instance's timers whose delays the chart does not have: they are kept."""
    answers: bool = True
    """Whether the record has the results of services and the messages of their errors."""
    event_id: str | None = None
    """The same whenever the event is repeated."""
    consumed: str | None = None
    """The receipt of the message that brought the event."""
    mark: str | None = None
    """The id by which the store recognises a duplicate."""
    definition: ChartDefinition | None = None
    """The chart, for a store that keeps a list of charts."""
    stored: Snapshot | None = None
    """The state in the store, if the session began with a different one: it may be of an earlier
    version, or without a fingerprint."""
    carried: Carried | None = None
    """What the steps to this version of the chart made of `stored`."""


def transaction_of(
    settlement: Settlement, keeping: Keeping, passed: Passed | None = None
) -> Transaction:
    """Return everything that has to be written for a settlement, in one transaction.

    Parameters
    ----------
    passed : what `drive` returned; None where something else drove the session
    """
    chart = settlement.chart
    assert chart is not None  # the engine's own settlements have it
    saved = settlement.saved
    before = settlement.before if keeping.stored is None else keeping.stored
    return Transaction(
        settlement.key,
        settlement.after if saved else None,
        settlement.before.revision,
        final=saved and _is_final(settlement, chart),
        consumed=keeping.consumed,
        mark=keeping.mark,
        timers=_timers_of(settlement, chart, keeping, passed) if saved and keeping.timers else None,
        record=record_of(settlement, chart, keeping, passed),
        definition=keeping.definition if saved else None,
        before=before if before.revision else None,
        secret=chart.secret,
    )


def _is_final(settlement: Settlement, chart: Chart) -> bool:
    """Whether the instance is finished: no event or delay can change it."""
    if settlement.outcome is Outcome.RESOLVED or settlement.timers or settlement.kept:
        return False
    return is_over(program_of(chart), settlement.after.configuration)


def _timers_of(
    settlement: Settlement, chart: Chart, keeping: Keeping, passed: Passed | None
) -> Timers | None:
    """Return what happens to the timers; None leaves them alone, for a chart without delays."""
    carried = keeping.carried
    if carried is None and not activities_of(program_of(chart)).delays:
        return None
    ran = {} if passed is None else passed.seconds
    started = tuple(
        Timer(delay.id, max(0.0, delay.seconds - ran.get((delay.id, delay.number), 0.0)))
        for delay in settlement.timers
    )
    kept = settlement.kept + keeping.unknown_delays
    if carried is None:
        return Timers(started, kept)
    # Delays that no earlier version had begin now, if their state was not left.
    new = tuple(Timer(id_, carried.started[id_]) for id_ in kept if id_ in carried.started)
    kept = tuple(id_ for id_ in kept if id_ not in carried.started)
    return Timers(new + started, kept, carried.renamed)


def record_of(
    settlement: Settlement, chart: Chart, keeping: Keeping, passed: Passed | None
) -> FrozenDict:
    """Return what a store remembers of a settlement, besides the state that it saved.

    If the chart names fields as secret, their values are hidden, and so are the messages of errors,
    which may hold them.

    If the settlement has a start that did some work, `start` has its outcome and the number of the
    `calls` that belong to it.

    The `calls` are in the order in which they ended, and `delays` has the delays that passed
    meanwhile. With `Keeping.answers` each call has the service's `result`, so that the event can be
    replayed. If the record is too large, it leaves the results out and is marked as ``cut``; if it
    is still too large, only the event's name, the beginning of its id and the outcome are left.
    """
    secret = chart.secret
    record: dict[str, Any] = {
        "event": settlement.event.to_dict(),
        "event_id": keeping.event_id,
        "outcome": settlement.outcome.value,
        "path": list(map(program_of(chart).leaves, settlement.path)),
        "edges": list(settlement.edges),
        "calls": [_call(call, keeping.answers, errors=not secret) for call in settlement.calls],
    }
    start = settlement.start
    if start is not None and start.worked:
        record["start"] = {"outcome": start.outcome.value, "calls": len(start.calls)}
    if passed is not None and passed.delays:
        record["delays"] = [{"id": id_, "after": calls} for id_, calls in passed.delays]
    try:
        return freeze_object(hide(record, secret), where="record")
    except InvalidValueError:
        pass
    record |= {"calls": [_call(call, False) for call in settlement.calls], "cut": True}
    short = {
        "event": {"name": settlement.event.name},
        "event_id": None if keeping.event_id is None else keeping.event_id[:_MOST],
        "outcome": settlement.outcome.value,
        "cut": True,
    }
    try:
        return freeze_object(hide(record, secret), where="record")
    except InvalidValueError:
        return freeze_object(short, where="record")


def _call(call: Call, answers: bool, *, errors: bool = True) -> dict[str, Any]:
    """Return a call as the record has it; its result and its error's message are optional."""
    whole = call.error is None or (answers and errors)
    record: dict[str, Any] = {
        "service": call.service,
        "invocation": call.invocation,
        "status": call.status.value,
        "seconds": call.seconds,
        "error": call.error if whole else str(call.error).partition(":")[0],
    }
    if answers:
        record["result"] = call.result
    return record
