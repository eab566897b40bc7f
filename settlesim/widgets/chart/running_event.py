"""An event on its way, driven by a clock or by a person.

Theory of operation
-------------------
Both drive the same engine, `settlesim.settling.Settling`. A `ClockedFlight` runs the services
as the interpreter does, as tasks on a clock whose speed the person chooses. A `ManualFlight` has
no tasks or timers: each service waits until the person says how it ended, or lets time pass.
Then time-outs and delays happen in the order in which they are due.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from settlesim.chart import Chart, Event, Snapshot
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import DeadlineExceededError, InvalidValueError
from settlesim.ports import Clock
from settlesim.runtime.asyncio_driver import AsyncioDriver
from settlesim.runtime.driver import drive
from settlesim.runtime.interpreter import DEADLINE, SERVICE_TIMEOUT
from settlesim.settling.settlement import Pending, PendingDelay
from settlesim.settling.settling import Settling
from settlesim.widgets.base.paced_clock import PacedClock

__all__ = ["Activity", "ClockedFlight", "Flight", "ManualFlight"]


@dataclass(frozen=True, slots=True)
class Activity:
    """A service or a delay that runs."""

    id: str
    number: int
    service: str | None
    """None for a delay."""
    node: str
    elapsed: float
    """Seconds since it was started."""
    limit: float
    """Seconds after which a service is out of time, or a delay has passed."""
    input: JSONValue = None


class _Told(Settling):
    """A `Settling` that calls `tell` after every answer, until it has settled."""

    tell: Callable[[], None] | None = None

    def done(self, *given: Any, **options: Any) -> None:
        super().done(*given, **options)
        self._told()

    def failed(self, *given: Any, **options: Any) -> None:
        super().failed(*given, **options)
        self._told()

    def elapsed(self, *given: Any, **options: Any) -> None:
        super().elapsed(*given, **options)
        self._told()

    def _told(self) -> None:
        if self.tell is not None and self.settlement is None:
            self.tell()


class Flight:
    """An event on its way: what is common to both ways of driving it.

    Parameters
    ----------
    chart, snapshot, event, key : as `settlesim.Settling`; None as the event for a start
    tell : is called whenever something has changed
    """

    manual = False

    def __init__(
        self,
        chart: Chart,
        snapshot: Snapshot | None,
        event: Event | None,
        key: str,
        tell: Callable[[], None],
    ) -> None:
        self.chart = chart
        self.tell = tell
        self.settling = _Told(chart, snapshot, event, key=key)
        self.settling.tell = self._moved
        self._started: dict[tuple[str, int, int], float] = {}
        self._nodes: dict[str, str] = {}
        for node in chart.states:
            self._nodes |= dict.fromkeys((each.id for each in node.invoke), node.name)
            self._nodes |= dict.fromkeys((each.id for each in node.after), node.name)

    def now(self) -> float:
        """Return the seconds on the flight's clock."""
        raise NotImplementedError

    @property
    def rate(self) -> float:
        """How many seconds pass by themselves in one real second."""
        return 0.0

    def _moved(self) -> None:
        self._note()
        self.tell()

    def _note(self) -> None:
        """Note when new services and delays were started."""
        now = self.now()
        for service in self.settling.pending:
            self._started.setdefault(_begun(service), now)
        for delay in self.settling.delays:
            self._started.setdefault(_begun(delay), now)

    def activities(self) -> list[Activity]:
        """Return what runs now, services first, in the order in which they were started."""
        now = self.now()
        found = []
        for each in self.settling.pending:
            since = now - self._started.get(_begun(each), now)
            found.append(_service(each, self._nodes[each.id], since))
        for delay in self.settling.delays:
            since = now - self._started.get(_begun(delay), now)
            node = self._nodes[delay.retries or delay.id]
            found.append(Activity(delay.id, delay.number, None, node, since, delay.seconds))
        return found


def _begun(each: Pending | PendingDelay) -> tuple[str, int, int]:
    """Return a key of one start of a service or a delay, unique within the event."""
    return each.id, each.number, each.attempt if isinstance(each, Pending) else 0


def _service(each: Pending, node: str, since: float) -> Activity:
    limit = SERVICE_TIMEOUT if each.timeout is None else each.timeout
    return Activity(each.id, each.number, each.service, node, since, limit, each.input)


class ClockedFlight(Flight):
    """An event whose services run by themselves, on a clock."""

    def __init__(self, *given: Any, clock: Clock) -> None:
        self.clock = clock
        super().__init__(*given)

    def now(self) -> float:
        """Return the seconds on the clock; 0 outside of the event loop."""
        try:
            return self.clock.now()
        except RuntimeError:
            return 0.0

    @property
    def rate(self) -> float:
        """How many seconds pass by themselves in one real second."""
        if isinstance(self.clock, PacedClock):
            return self.clock.speed
        return 0.0 if self.clock.simulated else 1.0

    def run(self) -> Coroutine[Any, Any, object]:
        """Return the coroutine that brings the event to its settled state."""
        self._note()
        driver = AsyncioDriver(
            self.chart.functions, self.clock, service_timeout=SERVICE_TIMEOUT, deadline=DEADLINE
        )
        return drive(self.settling, driver)


class ManualFlight(Flight):
    """An event for whose services a person answers."""

    manual = True

    def __init__(self, *given: Any) -> None:
        self.time = 0.0
        super().__init__(*given)
        self._note()

    def now(self) -> float:
        """Return the seconds that the person has let pass."""
        return self.time

    def done(self, id_: str, value: JSONValue = None) -> None:
        """Say that a service came back."""
        self.settling.done(id_, value, seconds=self._took(id_))

    def failed(self, id_: str, message: str) -> None:
        """Say that a service failed."""
        self.settling.failed(id_, message, seconds=self._took(id_))

    def _took(self, id_: str) -> float:
        pending = next((each for each in self.settling.pending if each.id == id_), None)
        if pending is None:
            raise InvalidValueError(where=f"service {id_!r}", reason="does not run (any more)")
        return round(self.time - self._started[_begun(pending)], 9)

    def due(self) -> list[tuple[float, Activity]]:
        """Return when services run out of time and delays pass, the earliest first."""
        found = [(self.time + each.limit - each.elapsed, each) for each in self.activities()]
        return sorted(found, key=lambda pair: pair[0])

    def wait(self, seconds: float | None = None) -> None:
        """Let time pass: `seconds`, or until the next thing is due.

        Raises
        ------
        DeadlineExceededError
            The event has taken longer than an event may.
        SettleError
            What was due led to an error.
        """
        due = self.due()
        until = self.time + seconds if seconds is not None else due[0][0] if due else self.time
        while self.settling.settlement is None:
            due = [pair for pair in self.due() if pair[0] <= until + 1e-9]
            if min(until, due[0][0] if due else until) >= DEADLINE:
                configuration = self.settling.configuration
                raise DeadlineExceededError(seconds=DEADLINE, configuration=configuration)
            if not due:
                break
            self.time = max(self.time, due[0][0])
            self._come(due[0][1])
        self.time = max(self.time, until)
        self._note()

    def _come(self, activity: Activity) -> None:
        if activity.service is None:
            self.settling.elapsed(activity.id)
        else:
            reason = f"did not end within {activity.limit:g} seconds"
            self.settling.failed(activity.id, reason, seconds=activity.limit, timeout=True)
