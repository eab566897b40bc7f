"""What runs beside the nodes of one session: services, delays, and the calls that have ended.

Rules
-----
1. Entering a node starts its services and delays, leaving it ends them.
2. A delay of a node in which the instance rests goes on between events, and while an event
   that does not leave the node is settled. It is no part of the session then: it passes
   outside, as an event of its own after this one.
3. A delay that is started while an event is settled passes in the session for as long as
   something else keeps the session going, and outside from then on.
"""

from __future__ import annotations

from copy import copy

from settlesim.chart import Event
from settlesim.chart.strict_json import FrozenDict, JSONValue
from settlesim.machine.program import Fired, Program
from settlesim.settling.macrostep import Activities, Position, activities_of
from settlesim.settling.settlement import Call, CallStatus, Pending, PendingDelay

__all__ = ["Running"]


class Running:
    """The services and delays of one session.

    Parameters
    ----------
    program
        Of the session's chart.
    event
        The external event, for services to see.
    """

    __slots__ = ("_event", "activities", "calls", "delays", "pending", "resting", "starts")

    def __init__(self, program: Program, event: Event) -> None:
        self.activities: Activities = activities_of(program)
        self.pending: dict[str, Pending] = {}
        """The services that run, in the order in which they were started."""
        self.delays: dict[str, PendingDelay] = {}
        """The delays that run in the session, in the order in which they were started."""
        self.resting: dict[str, PendingDelay | None] = {}
        """The delays that run outside of it; None for one that an earlier event started."""
        self.calls: list[Call] = []
        self._event = event
        self.starts: dict[str, int] = {}
        """How often each service and each delay's trigger has been started."""

    def copy(self) -> Running:
        """Return the same services, delays and calls, to go on from here by themselves."""
        other = copy(self)
        for name in ("pending", "delays", "resting", "calls", "starts"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def rest_in(self, active: frozenset[str], passed: str | None) -> None:
        """Begin with an instance that rests: the delays of its nodes go on outside.

        Parameters
        ----------
        active : every active node
        passed : the delay that has just passed
        """
        node_of = self.activities.node_of
        self.resting = {
            id_: None for id_ in self.activities.delays if id_ != passed and node_of(id_) in active
        }

    def rest(self) -> None:
        """Let the delays that run in the session go on outside of it; it ends, or begins anew."""
        self.resting.update(self.delays)
        self.delays.clear()

    def update(self, position: Position, fired: Fired, context: FrozenDict) -> None:
        """Start and end services and delays after transitions have fired."""
        if self.pending or self.delays or self.resting:
            self._end_left(fired.exited)
        for id_ in position.invocations:
            if id_ not in self.pending:
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
        """End the services and delays of nodes that were left."""
        node_of = self.activities.node_of
        for id_ in [each for each in self.pending if node_of(each) in exited]:
            self.end(self.pending.pop(id_), CallStatus.CANCELLED, 0.0)
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

    def stop(self) -> None:
        """Forget what runs in the session; it has ended."""
        self.pending.clear()
        self.delays.clear()

    def started(self) -> tuple[PendingDelay, ...]:
        """Return the delays that were started in it and go on outside of it."""
        return tuple(delay for delay in self.resting.values() if delay is not None)

    def kept(self) -> tuple[str, ...]:
        """Return the ids of the delays that it found and left alone."""
        return tuple(id_ for id_, delay in self.resting.items() if delay is None)
