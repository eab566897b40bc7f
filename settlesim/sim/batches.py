"""Batches: a worker receives several messages of a group together, as Lambda does from SQS.

Rules
-----
1. A receive takes the oldest message of a group and any number of the visible messages that follow
   it directly in the group, up to the size of a batch. Each number is a step of its own.
2. One worker handles them one after another: load, services, save. None is deleted meanwhile.
3. A message *fails* when its event reaches no settled state, or when its save is refused.
4. At its end a batch deletes what was handled and releases the rest, in one step.
5. A crash or a visibility time-out concerns the whole batch.

`settlesim.sim.policies.BATCH_FAILURES` lists what a failure does to the rest of the batch.

References
----------
AWS Lambda Developer Guide, "Handling errors for an SQS event source": partial batch responses.
Amazon SQS Developer Guide, "FIFO queue delivery logic": what one receive of a group returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Final, NamedTuple

from settlesim.sim.disciplines import DEAD, DELETED, VISIBLE
from settlesim.sim.group_model import (
    GroupModel,
    GroupMove,
    GroupMoves,
    Offered,
    Phases,
    with_phase,
)
from settlesim.sim.moves import DONE, START, Delivery, MessagePhase, Moves, Shared
from settlesim.sim.terms import Kind, Step

__all__ = ["FAILED", "BatchModel", "BatchMoves"]

FAILED: Final = -4
"""Instead of a program's node: the message has failed, and waits for the end of its batch."""
_CRASH, _EXPIRE, _FAIL = 1, 2, 8  # the bits of a mask, in the order of Faults


class _Member(NamedTuple):
    """One message of a batch, and its delivery."""

    place: int
    """Its position among the phases."""
    at: int
    """The position of the delivery in its phase."""
    delivery: Delivery


class BatchMoves(GroupMoves):
    """The rules of batches."""

    def together(
        self, phases: Phases, shared: Shared, mask: int, offered: Offered
    ) -> Iterator[GroupMove]:
        """Yield the receives of a group, then the moves of its batches."""
        for message in offered.receivable:
            yield from self._receives(phases, shared, message)
        batches: dict[tuple[int, int] | None, list[_Member]] = {}
        for place, phase in enumerate(phases):
            for at, each in enumerate(phase.deliveries):
                batches.setdefault(each.batch, []).append(_Member(place, at, each))
        for batch in batches.values():
            yield from self._of_batch(phases, shared, mask, batch)

    def _receives(self, phases: Phases, shared: Shared, message: int) -> Iterator[GroupMove]:
        """Yield a receive for each number of messages that the oldest may bring along."""
        left = [place for place, each in enumerate(phases) if each.status not in {DELETED, DEAD}]
        visible = takewhile(lambda place: phases[place].status == VISIBLE, left)
        leader: tuple[int, int] | None = None
        for number, place in enumerate(visible, 1):
            if number > self.scenario.batch:
                break
            _, after, shared = self.receive(phases[place], shared)
            leader = leader or (message, after.receives)
            *older, newest = after.deliveries
            after = after._replace(deliveries=(*older, newest._replace(batch=leader)))
            phases = with_phase(phases, place, after)
            yield Step(Kind.RECEIVE, message + 1, leader[1], number), phases, shared

    def _of_batch(
        self, phases: Phases, shared: Shared, mask: int, batch: list[_Member]
    ) -> Iterator[GroupMove]:
        first = batch[0]
        message, number = phases[first.place].message + 1, first.delivery.number
        current = self._current(batch)
        if current is None:
            yield Step(Kind.DELETE, message, number), *self._end(phases, shared, batch)
        else:
            yield from self._one(phases, shared, mask, batch, current)
        if mask & _CRASH:
            yield Step(Kind.CRASH, message, number), *self._release(phases, shared, batch)
        if mask & _EXPIRE and any(self._owns(phases[m.place], m.delivery) for m in batch):
            yield Step(Kind.EXPIRE, message, number), *self._expire(phases, shared, batch)

    def _current(self, batch: list[_Member]) -> _Member | None:
        """Return the message that is handled now; None if the batch is over."""
        failed = any(each.delivery.node == FAILED for each in batch)
        if failed and self.scenario.batch_failures == "stop_at_first":
            return None
        left = (each for each in batch if each.delivery.node not in {DONE, FAILED})
        return next(left, None)

    def _one(
        self, phases: Phases, shared: Shared, mask: int, batch: list[_Member], current: _Member
    ) -> Iterator[GroupMove]:
        """Yield the moves of the message that is handled now."""
        phase = phases[current.place]
        if current.delivery.node == START:
            step, after, kept = self._load(phase, current.at, shared)
            yield step, with_phase(phases, current.place, after), kept
            return
        for step, after, kept in self._run(phase, current.at, shared, mask & _FAIL):
            if step.kind not in {Kind.RELEASE, Kind.CONFLICT}:
                yield step, with_phase(phases, current.place, after), kept
            elif self.scenario.batch_failures == "whole":
                yield step, *self._release(phases, shared, batch)
            else:
                failed = current.delivery._replace(node=FAILED, version=0)
                marked = self._at(phase, current.at, failed)
                yield step, with_phase(phases, current.place, marked), shared

    def _end(self, phases: Phases, shared: Shared, batch: list[_Member]) -> tuple[Phases, Shared]:
        """Delete what was handled, and release the rest."""
        for place, at, delivery in batch:
            if delivery.node == DONE:
                phases = with_phase(phases, place, self._delete(phases[place], at))
            else:
                after, shared = self._back(phases[place], at, shared)
                phases = with_phase(phases, place, after)
        return phases, shared

    def _release(
        self, phases: Phases, shared: Shared, batch: list[_Member]
    ) -> tuple[Phases, Shared]:
        """Release the whole batch, including the messages that were handled."""
        for place, at, _ in batch:
            after, shared = self._back(phases[place], at, shared)
            phases = with_phase(phases, place, after)
        return phases, shared

    def _expire(
        self, phases: Phases, shared: Shared, batch: list[_Member]
    ) -> tuple[Phases, Shared]:
        """Make the messages visible for which the batch still has a good receipt."""
        for place, _, delivery in batch:
            phase = phases[place]
            if self._owns(phase, delivery):
                status = self._status_after(phase)
                shared = self._buried(shared, phase.message, status)
                phases = with_phase(phases, place, phase._replace(status=status))
        return phases, shared

    def node_text(self, node: int) -> str:
        """Return a node of a program, as text that is the same in every process."""
        return "failed" if node == FAILED else super().node_text(node)


class BatchModel(GroupModel):
    """The states and moves of a scenario with batches."""

    def rules(self) -> Moves:
        """Return the rules of batches."""
        return BatchMoves(self.scenario, self.table, self.key_of)

    def handlers_of(self, phase: MessagePhase) -> int:
        """Return how many workers a message keeps busy: only the first of a batch counts."""
        return sum(each.batch == (phase.message, each.number) for each in phase.deliveries)
