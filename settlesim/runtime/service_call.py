"""`ServiceCall`: what a service is given, and the idempotency key in it."""

from __future__ import annotations

from dataclasses import dataclass

from settlesim.argument_checks import check_text
from settlesim.chart import Event
from settlesim.chart.strict_json import FrozenDict, JSONValue
from settlesim.ports import Clock

__all__ = ["ServiceCall", "key_prefix"]


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """What a service is given."""

    service: str
    context: FrozenDict
    """The instance's context when the service was started."""
    event: Event
    """The event that is being settled."""
    input: JSONValue
    """What the chart's ``input`` says."""
    idempotency_key: str | None
    """The same whenever this call is repeated or retried; None where the event has no id."""
    clock: Clock
    attempt: int = 1
    """Counts the calls, from 1: more than one where it failed and the chart retries it."""

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on the interpreter's clock."""
        await self.clock.sleep(seconds)


def key_prefix(chart: str, key: str, event_id: str) -> str:
    """Return what the idempotency keys of one event's services begin with.

    The rest is the invocation's id and number. A colon within a part is escaped, so that no two
    events share a key.

    Raises
    ------
    InvalidValueError
        The id is no text, or empty.
    """
    check_text(event_id, where="event_id")
    parts = (chart, key, event_id)
    return ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)
