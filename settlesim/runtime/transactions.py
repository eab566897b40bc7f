"""What one settlement changes in a store: the state, the timers, and what is remembered of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from settlesim.chart.values import FrozenDict, freeze_object
from settlesim.engine.program import is_over, program_of
from settlesim.engine.settlement import Settlement
from settlesim.engine.stepping import activities_of
from settlesim.errors import InvalidValueError
from settlesim.ports import Timer, Timers, Transaction

if TYPE_CHECKING:
    from settlesim.runtime.driver import Answers

__all__ = ["Keeping", "record_of", "transaction_of"]

_MOST: Final = 1000
"""Characters of an event's id in a record that was too large."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a transaction has beside the new state."""

    timers: bool = False
    """Whether the store keeps timers."""
    unknown_delays: tuple[str, ...] = ()
    """The instance's timers whose delays the chart does not have: they are kept."""
    answers: bool = True
    """Whether the record has what services answered."""
    event_id: str | None = None
    """The same whenever the event is repeated."""
    consumed: str | None = None
    """The receipt of the message that brought the event."""
    mark: str | None = None
    """The id under which the store is to know a duplicate."""


def transaction_of(
    settlement: Settlement, keeping: Keeping, *, answers: Answers | None = None
) -> Transaction:
    """Return all that has to be written for a settlement, to be written as one.

    Parameters
    ----------
    answers : of the driver; None where somebody else drove the session, who is not asked
    """
    saved = settlement.saved
    return Transaction(
        settlement.key,
        settlement.after if saved else None,
        settlement.before.revision,
        final=saved and _is_final(settlement),
        consumed=keeping.consumed,
        mark=keeping.mark,
        timers=_timers_of(settlement, keeping, answers) if saved and keeping.timers else None,
        record=record_of(settlement, keeping, answers),
        before=settlement.before if settlement.before.revision else None,
    )


def _is_final(settlement: Settlement) -> bool:
    """Whether neither an event nor a delay leads on from here."""
    chart = settlement.chart
    assert chart is not None  # the engine's own settlements have it
    if settlement.timers or settlement.kept:
        return False
    return is_over(program_of(chart), settlement.after.configuration)


def _timers_of(
    settlement: Settlement, keeping: Keeping, answers: Answers | None
) -> Timers | None:
    """Return what becomes of the timers; None, which leaves them alone, for a chart without."""
    chart = settlement.chart
    assert chart is not None
    if not activities_of(program_of(chart)).delays:
        return None
    ran = {} if answers is None else answers.delays
    started = (
        Timer(delay.id, max(0.0, delay.seconds - ran.get((delay.id, delay.number), 0.0)))
        for delay in settlement.timers
    )
    return Timers(tuple(started), settlement.kept + keeping.unknown_delays)


def record_of(settlement: Settlement, keeping: Keeping, answers: Answers | None) -> FrozenDict:
    """Return what a store remembers of a settlement, beside the state that it saved.

    With `Keeping.answers` the record has what services answered, in order, so that the event can
    be run again. Where that is too large, the record leaves the answers out and says that it is
    ``cut``; where it is still too large, it has the event by its name and the beginning of its
    id alone.
    """
    calls = [
        {
            "service": call.service,
            "invocation": call.invocation,
            "status": call.status.value,
            "seconds": call.seconds,
            "error": _error(call.error, keeping),
        }
        for call in settlement.calls
    ]
    record: dict[str, Any] = {
        "event": settlement.event.to_dict(),
        "event_id": keeping.event_id,
        "outcome": settlement.outcome.value,
        "path": [list(leaves) for leaves in settlement.path],
        "edges": list(settlement.edges),
        "calls": calls,
    }
    given = {"answers": answers.given} if keeping.answers and answers is not None else {}
    short = {
        "event": {"name": settlement.event.name},
        "event_id": None if keeping.event_id is None else keeping.event_id[:_MOST],
        "outcome": settlement.outcome.value,
        "cut": True,
    }
    for each in (record | given, record | {"cut": True}):
        with contextlib.suppress(InvalidValueError):
            return freeze_object(each, where="record")
    return freeze_object(short, where="record")


def _error(text: str | None, keeping: Keeping) -> str | None:
    """Return an error as the record has it: its message is an answer, its type is not."""
    return text if text is None or keeping.answers else text.partition(":")[0]
