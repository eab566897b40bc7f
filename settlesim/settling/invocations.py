"""What a session runs for its states: services, delays, and the calls that have ended.

Rules
-----
1. Entering a state starts its services and delays, leaving it ends them.
2. A delay of a state in which the instance rests keeps running between events, and during events
   that do not leave the state. Such a delay is not part of the session: when it has passed, it is
   settled as an event of its own, after this one.
3. A service that failed and is to be retried counts as running until it is called again: the
   wait is a delay of the session. The call is repeated with the same input, context and event.
4. A delay that starts during a session runs in it for as long as something else keeps the session
   going, and outside from then on.
"""

from __future__ import annotations

from copy import copy

from settlesim.chart import Event
from settlesim.chart.retry import wait_before
from settlesim.chart.strict_json import FrozenDict, JSONValue
from settlesim.machine.fired import Fired
from settlesim.machine.program import Program
from settlesim.settling.macrostep import Activities, Position, activities_of
from settlesim.settling.settlement import Call, CallStatus, Pending, PendingDelay

__all__ = ["Running"]


def _wait_id(invocation: str) -> str:
    """Return the id of the wait before a service is called again.

    The ids of states' delays end in a number, so it is free.
    """
    return f"{invocation}.retry"


class Running:
    """The services and delays of one session.

    Parameters
    ----------
    program : of the session's chart
    event : the external event, for services to see
    """

    __slots__ = (
        "_event",
        "_retried",
        "activities",
        "calls",
        "delays",
        "pending",
        "resting",
        "starts",
        "waiting",
    )

    def __init__(self, program: Program, event: Event) -> None:
        self.activities: Activities = activities_of(program)
        self.pending: dict[str, Pending] = {}
        """The services that run, in the order in which they were started."""
        self.delays: dict[str, PendingDelay] = {}
        """The delays that run in the session, in the order in which they were started."""
        self.resting: dict[str, PendingDelay | None] = {}
        """The delays that run outside of it; None for one that an earlier event started."""
        self.waiting: dict[str, tuple[PendingDelay, Pending]] = {}
        """The services that are called again when a delay has passed, by its id."""
        self.calls: list[Call] = []
        self._event = event
        self._retried: dict[tuple[str, int], int] = {}
        self.starts: dict[str, int] = {}
        """How often each service and each delay's trigger has been started."""

    def copy(self) -> Running:
        """Return an independent copy that continues from here."""
        other = copy(self)
        for name in ("pending", "delays", "resting", "waiting", "calls", "starts", "_retried"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def may_pass(self, id_: str, active: frozenset[str]) -> bool:
        """Whether there is such a delay, and it belongs to an active state."""
        return id_ in self.activities.delays and self.activities.node_of(id_) in active

    def rest_in(self, active: frozenset[str], passed: str | None) -> None:
        """Begin with an instance that rests: the delays of its states keep running outside.

        Parameters
        ----------
        active : every active state
        passed : the delay that has just passed
        """
        node_of = self.activities.node_of
        self.resting = {
            id_: None for id_ in self.activities.delays if id_ != passed and node_of(id_) in active
        }

    def rest(self) -> None:
        """Move the session's delays outside, where they keep running: it or its start has ended."""
        self.resting.update(self.delays)
        self.delays.clear()

    def update(self, position: Position, fired: Fired, context: FrozenDict) -> None:
        """Start and end services and delays after transitions have fired."""
        if self.pending or self.delays or self.resting or self.waiting:
            self._end_left(fired.exited)
        for id_ in position.invocations:
            if id_ not in self.pending and _wait_id(id_) not in self.waiting:
                invocation = self.activities.invocations[id_]
                self.pending[id_] = Pending(
                    id_,
                    self._count(id_),
                    invocation.src,
                    invocation.input,
                    invocation.timeout,
                    context,
                    self._event,
                )
        for id_ in position.delays:
            if id_ not in self.delays:
                delay = self.activities.delays[id_]
                self.delays[id_] = PendingDelay(id_, self._count(delay.trigger), delay.seconds)

    def _end_left(self, exited: tuple[str, ...]) -> None:
        """End the services and delays of states that were left."""
        node_of = self.activities.node_of
        for id_ in [each for each in self.pending if node_of(each) in exited]:
            self.end(self.pending.pop(id_), CallStatus.CANCELLED, 0.0)
        for id_ in [id_ for id_, (_, each) in self.waiting.items() if node_of(each.id) in exited]:
            del self.waiting[id_]
        for delays in (self.delays, self.resting):
            for id_ in [each for each in delays if node_of(each) in exited]:
                del delays[id_]

    def _count(self, activity: str) -> int:
        self.starts[activity] = self.starts.get(activity, 0) + 1
        return self.starts[activity]

    def end(
        self,
        pending: Pending,
        status: CallStatus,
        seconds: float,
        *,
        result: JSONValue = None,
        error: str | None = None,
    ) -> None:
        """Record how a service has ended."""
        self.calls.append(
            Call(pending.service, pending.id, pending.input, status, result, error, seconds)
        )

    def retry(self, pending: Pending, kind: str, session: str) -> bool:
        """Have a failed service called again, now or after a wait; False where no retry allows it.

        Parameters
        ----------
        kind : the type of the error, as ``on_error`` sees it
        session : identifies the session, for the random share of the wait
        """
        for index, retry in enumerate(self.activities.invocations[pending.id].retry):
            if retry.errors and kind not in retry.errors:
                continue
            if pending.attempt == 1:
                self._retried = {
                    key: count for key, count in self._retried.items() if key[0] != pending.id
                }
            number = self._retried.get((pending.id, index), 0) + 1
            if number >= retry.attempts:
                return False
            self._retried[pending.id, index] = number
            again = pending._replace(attempt=pending.attempt + 1)
            call = f"{session} {pending.id} {pending.number} {again.attempt}"
            seconds = wait_before(retry, number, call)
            if seconds:
                id_ = _wait_id(pending.id)
                delay = PendingDelay(id_, self._count(id_), seconds, retries=pending.id)
                self.waiting[id_] = (delay, again)
            else:
                self.pending[pending.id] = again
            return True
        return False

    def retries(self) -> tuple[object, ...]:
        """Return everything that further retries depend on."""
        waiting = tuple((id_, each.number, each.attempt) for id_, (_, each) in self.waiting.items())
        return (tuple(sorted(self._retried.items())), waiting)

    def call_again(self, id_: str) -> bool:
        """Call the service that has waited for this delay; False where none has."""
        if id_ not in self.waiting:
            return False
        _, pending = self.waiting.pop(id_)
        self.pending[pending.id] = pending
        return True

    def stop(self) -> None:
        """Forget what runs in the session; it has ended."""
        self.pending.clear()
        self.waiting.clear()
        self.delays.clear()

    def started(self) -> tuple[PendingDelay, ...]:
        """Return the delays that were started in the session and keep running outside."""
        return tuple(delay for delay in self.resting.values() if delay is not None)

    def kept(self) -> tuple[str, ...]:
        """Return the ids of the delays that may run since earlier events: their states stayed."""
        return tuple(id_ for id_, delay in self.resting.items() if delay is None)
