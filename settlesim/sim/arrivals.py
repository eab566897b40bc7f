"""Policies for an event that arrives while another one of its instance is handled.

Rules
-----
1. The events arrive one after another, in the order in which the scenario names them. Each arrives
   in a step of its own, which may come at any point.
2. An instance is *busy* while one of its accepted events waits or is handled: until the event is
   deleted, is a dead letter or, with an inbox, is recorded there. What a policy does with an event
   that arrives at a busy instance is listed in `settlesim.sim.policies.POLICIES`; it happens in the
   step of the arrival.
3. Cancelling an event deletes its message and stops the handler whose receipt is good. Effects and
   saves that it had remain. A handler that continues after its visibility time-out is unknown to
   the queue and cannot be stopped.
4. With ``interrupt`` and an inbox, the id of a cancelled event is recorded with the instance, and a
   duplicate of it is only deleted. With ``rollback`` a duplicate is an event like any other.

Serial runs consist of the events that were accepted and not cancelled.

``enqueue`` is the plain model, in which all events are there at the beginning. That is enough: when
an event arrives only to wait, its time of arrival makes no further ending possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from settlesim.sim.disciplines import DELETED, IN_FLIGHT, REFUSED, UNSENT, VISIBLE
from settlesim.sim.group_model import (
    GroupModel,
    GroupMove,
    GroupMoves,
    Offered,
    Phases,
    with_phase,
)
from settlesim.sim.model import State
from settlesim.sim.moves import MessagePhase, Moves, Shared
from settlesim.sim.terms import Kind, Step

__all__ = ["ArrivalModel", "ArrivalMoves"]


class ArrivalMoves(GroupMoves):
    """The rules of events that arrive during the run."""

    def together(
        self, phases: Phases, shared: Shared, mask: int, offered: Offered
    ) -> Iterator[GroupMove]:
        """Yield the arrival of the next event, the receives, then all other moves."""
        if offered.arriving is not None:
            yield self._arrive(phases, shared, offered.arriving)
        for place, phase in enumerate(phases):
            if phase.message in offered.receivable:
                step, after, kept = self.receive(phase, shared)
                yield step, with_phase(phases, place, after), kept
        for place, phase in enumerate(phases):
            if phase.status == UNSENT:
                continue
            for step, after, kept in self.of(phase, shared, mask):
                if step.kind is Kind.DUPLICATE and self.scenario.while_running == "rollback":
                    left = tuple(each for each in kept.excluded if each != phase.message)
                    kept = kept._replace(excluded=left)  # noqa: PLW2901
                yield step, with_phase(phases, place, after), kept

    def _arrive(self, phases: Phases, shared: Shared, message: int) -> GroupMove:
        policy = self.scenario.while_running
        own = next(place for place, each in enumerate(phases) if each.message == message)
        busy = [place for place, each in enumerate(phases) if self._is_open(each, shared)]
        against = {
            "reject": busy,
            "drop_duplicate": [place for place in busy if self._equal(phases[place], message)],
        }
        status = VISIBLE
        if against.get(policy):
            status, shared = REFUSED, _exclude(shared, message)
        if policy in {"interrupt", "rollback"}:
            for place in busy:
                after, shared = self._cancel(phases[place], shared)
                phases = with_phase(phases, place, after)
        phases = with_phase(phases, own, phases[own]._replace(status=status))
        return Step(Kind.ARRIVE, message + 1), phases, shared

    def _is_open(self, phase: MessagePhase, shared: Shared) -> bool:
        """Whether an event was accepted and, as far as the queue and the inbox know, unfinished."""
        noted = self._inbox and phase.message in shared.handled
        return phase.status in {VISIBLE, IN_FLIGHT} and not noted

    def _equal(self, phase: MessagePhase, message: int) -> bool:
        """Whether two events have the same instance, name and data."""
        return self._messages[phase.message] == self._messages[message]

    def _cancel(self, phase: MessagePhase, shared: Shared) -> tuple[MessagePhase, Shared]:
        """Delete a message, and stop the handler whose receipt is good."""
        message = phase.message
        if message in shared.saved or any(self.calls[n].message == message for n in shared.effects):
            shared = self._seen(shared, "partly cancelled")
        if self._inbox and self.scenario.while_running == "interrupt":
            shared = self._handled_now(phase, shared)
        left = tuple(each for each in phase.deliveries if not self._owns(phase, each))
        return phase._replace(status=DELETED, deliveries=left), _exclude(shared, message)


class ArrivalModel(GroupModel):
    """The states and moves of a scenario in which it matters when events arrive."""

    status_bits: ClassVar[int] = 3

    def rules(self) -> Moves:
        """Return the rules of events that arrive during the run."""
        return ArrivalMoves(self.scenario, self.table, self.key_of)

    def first_status(self, message: int) -> int:
        """Return the status of a message at the beginning: none has arrived."""
        return UNSENT

    def in_order(self, queue: int) -> list[int]:
        """Return all messages in arrival order, including those that have not arrived."""
        return list(range(self.size))

    def arriving(self, queue: int) -> int | None:
        """Return the event that arrives next; None if all have arrived."""
        statuses = self.statuses(queue)
        return statuses.index(UNSENT) if UNSENT in statuses else None

    def may_end(self, state: State) -> bool:
        """Whether a run may end here, although a fault could still happen."""
        return self.arriving(state[self.size]) is None and super().may_end(state)


def _exclude(shared: Shared, message: int) -> Shared:
    return shared._replace(excluded=tuple(sorted({*shared.excluded, message})))
