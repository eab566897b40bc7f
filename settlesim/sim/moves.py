"""What one message may do next: the rules of the model, in plain code.

Rules
-----
1. A handler loads the instance, runs the services of its program one by one, saves, and
   deletes the message. Under ``direct`` it starts with the load and ends with the save.
2. An event that was ignored or rejected saves nothing but a start that worked before it; its
   message is deleted all the same, and an inbox notes it.
3. With ``cas`` a save is refused where the instance is at another revision than was loaded,
   with ``fence`` where the message was received again since. A refused handler gives the
   message back; under ``direct`` the caller tries again.
4. With ``inbox`` a save and a skip note the message with the instance, in one write. A
   handler that loads an instance which has its message goes straight to the delete.
5. With ``idempotent`` a call has its effect once per event, invocation and number.
6. An event that comes to no settled node is given back; under ``direct`` the caller gets
   the error, and that is all.
7. A delete counts if its receipt is the newest. Under a FIFO queue the message has to be in
   flight still (SQS API, DeleteMessage).
8. A crash ends a handler at any point; the message comes back if the handler's receipt is
   good. A visibility time-out brings the message back while the handler goes on.
9. A message that comes back after `max_receives` receives is a dead letter.
10. The effect of a service shows when it comes back; a service that fails or runs out of
    time has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from settlesim.chart.outcome import Outcome
from settlesim.errors import SimulationError
from settlesim.sim.compiled import CompiledChart, ProgramNodeKind, TableNode
from settlesim.sim.disciplines import DEAD, DELETED, IN_FLIGHT, VISIBLE
from settlesim.sim.monitors import MONITORS
from settlesim.sim.scenario import Scenario
from settlesim.sim.terms import Kind, Step

__all__ = [
    "DONE",
    "START",
    "CallIdentity",
    "Delivery",
    "MessagePhase",
    "Moves",
    "PoisonError",
    "Shared",
]

START: Final = -1
"""Instead of a program's node: received, nothing loaded."""
DONE: Final = -2
"""Instead of a program's node: only the delete is left."""

_CRASH, _EXPIRE, _DUPLICATE, _FAIL = 1, 2, 4, 8  # the bits of a mask, in the order of Faults
_FAULTS: Final = {
    Kind.CRASH: 0,
    Kind.EXPIRE: 1,
    Kind.DUPLICATE: 2,
    Kind.FAIL: 3,
    Kind.TIMEOUT: 3,
}


class PoisonError(SimulationError):
    """A message may come back without end."""


class Delivery(NamedTuple):
    """One receive of a message that is being handled."""

    number: int
    """The how-manieth receive it is, from 1."""
    node: int
    """Where it is in its program, or `START`, or `DONE`."""
    version: int = 0
    """The revision that it loaded; 0 where nobody reads it."""


class MessagePhase(NamedTuple):
    """All that concerns one message."""

    message: int
    """From 0."""
    status: int
    receives: int
    deliveries: tuple[Delivery, ...]
    """In the order of their numbers."""


class Shared(NamedTuple):
    """One instance as it is stored, and what is kept with it."""

    key: int
    state: int
    version: int = 0
    """How often it was saved; 0 where nobody reads it."""
    handled: tuple[int, ...] = ()
    """The messages that were saved or skipped, sorted, where an inbox or a monitor reads it."""
    saved: tuple[int, ...] = ()
    """The messages that were saved, sorted, where a monitor reads it."""
    dead: tuple[int, ...] = ()
    """The dead letters, sorted, where a monitor reads it."""
    effects: tuple[int, ...] = ()
    """The calls that had an effect, in order: positions in `Moves.calls`."""
    seen: int = 0
    """The anomalies so far, a bit each."""


class CallIdentity(NamedTuple):
    """What makes two calls the same."""

    service: str
    message: int
    """From 0."""
    invocation: str = ""
    """The empty text where nobody reads it."""
    number: int = 0


Move: TypeAlias = tuple[Step, MessagePhase, Shared]


class Moves:
    """The rules, for one scenario."""

    def __init__(self, scenario: Scenario, table: CompiledChart, key_of: tuple[int, ...]) -> None:
        self.scenario = scenario
        self.table = table
        self.calls: list[CallIdentity] = []
        self.failing: dict[tuple[str, str], None] = {}
        """The services that were met which fail by themselves, with their errors."""
        self._call_numbers: dict[CallIdentity, int] = {}
        self._earlier = [
            tuple(other for other in range(index) if key_of[other] == key)
            for index, key in enumerate(key_of)
        ]
        self._direct = scenario.queue == "direct"
        self._fifo = scenario.queue.startswith("fifo_")
        cas, fence, inbox, idempotent = (
            name in scenario.protections for name in ("cas", "fence", "inbox", "idempotent")
        )
        self._cas, self._fence, self._inbox, self._idempotent = cas, fence, inbox, idempotent
        watched = set(scenario.monitors)
        self._watched = sum(MONITORS[name].bit for name in scenario.monitors)
        self._versions = cas or bool(watched & {"lost update", "stale read"})
        self._handled = inbox or bool(
            watched & {"reordering", "gap after dead letter", "ignored out of order"}
        )
        self._saved = "duplicate apply" in watched
        self._dead = "gap after dead letter" in watched
        self._identity = idempotent or "duplicate effect" in watched
        self._blocks = self._waiting(key_of) if watched else [False] * len(key_of)

    def _waiting(self, key_of: tuple[int, ...]) -> list[bool]:
        """Say for every message whether later ones wait for it."""
        size = len(key_of)
        if self.scenario.queue == "fifo_global":
            return [index + 1 < size for index in range(size)]
        if self.scenario.queue == "fifo_group":
            return [key_of[index] in key_of[index + 1 :] for index in range(size)]
        return [False] * size

    @staticmethod
    def fault_of(kind: Kind) -> int | None:
        """Return the position in `Faults` of the budget that a step takes from."""
        return _FAULTS.get(kind)

    def node_text(self, node: int) -> str:
        """Return a node of a program, as text that is the same in every process."""
        return {START: "start", DONE: "done"}.get(node) or self.table.node_text(node)

    # --- receive and load -----------------------------------------------------------------

    def receive(self, phase: MessagePhase, shared: Shared) -> Move:
        """Return what a receive does; under ``direct``, what the start of a handler does."""
        number = phase.receives + 1
        if number > 1 and self._blocks[phase.message]:
            shared = self._seen(shared, "head-of-line blocking")
        after = phase._replace(
            status=IN_FLIGHT,
            receives=number,
            deliveries=(*phase.deliveries, Delivery(number, START)),
        )
        if not self._direct:
            return Step(Kind.RECEIVE, phase.message + 1, number), after, shared
        return self._load(after, len(after.deliveries) - 1, shared)

    def _load(self, phase: MessagePhase, place: int, shared: Shared) -> Move:
        number = phase.deliveries[place].number
        step = Step(Kind.LOAD, phase.message + 1, number)
        if not self.table.may_begin(shared.state):
            shared = self._seen(shared, "dirty read")
        if self._inbox and phase.message in shared.handled:
            return step, self._at(phase, place, Delivery(number, DONE)), shared
        event = self.scenario.events[phase.message]
        node = self.table.program(shared.state, event.event, event.data)
        return step, self._at(phase, place, Delivery(number, node, shared.version)), shared

    # --- everything else ------------------------------------------------------------------

    def of(self, phase: MessagePhase, shared: Shared, mask: int) -> Iterator[Move]:
        """Return every move but a receive; `mask` says which faults are left."""
        message = phase.message + 1
        for place, delivery in enumerate(phase.deliveries):
            number = delivery.number
            if delivery.node == START:
                yield self._load(phase, place, shared)
            elif delivery.node == DONE:
                yield Step(Kind.DELETE, message, number), self._delete(phase, place), shared
            else:
                yield from self._run(phase, place, shared, mask)
            if mask & _CRASH:
                step = Step(Kind.CRASH, message, number)
                yield step, *self._back(phase, place, shared, lost=self._direct)
            if mask & _EXPIRE and self._owns(phase, delivery):
                status = self._status_after(phase)
                kept = self._buried(shared, phase.message, status)
                yield Step(Kind.EXPIRE, message, number), phase._replace(status=status), kept
        if mask & _DUPLICATE and phase.status == DELETED:
            yield Step(Kind.DUPLICATE, message), phase._replace(status=VISIBLE), shared

    def _run(self, phase: MessagePhase, place: int, shared: Shared, mask: int) -> Iterator[Move]:
        """Return the next step of a program."""
        delivery = phase.deliveries[place]
        node = self.table.node(delivery.node)
        message, number = phase.message + 1, delivery.number
        if node.kind is ProgramNodeKind.CALL:
            yield (
                Step(Kind.CALL, message, number),
                self._at(phase, place, delivery._replace(node=node.done)),
                self._called(phase, delivery, node, shared),
            )
            if not node.works:
                errors = self.table.errors(delivery.node)
                self.failing.update({(node.service, each): None for each in errors})
            ways = ((Kind.FAIL, node.error), (Kind.TIMEOUT, node.timeout))
            for kind, below in ways if mask & _FAIL else ():
                if below is not None:
                    after = self._at(phase, place, delivery._replace(node=below))
                    yield Step(kind, message, number), after, shared
        elif node.kind is ProgramNodeKind.SKIP:
            skipped = self._skipped(phase, delivery, node, shared)
            yield Step(Kind.SKIP, message, number), self._finish(phase, place), skipped
        elif node.kind is ProgramNodeKind.ERROR:
            self._check_poison(phase, node)
            step = Step(Kind.GIVE_BACK, message, number)
            yield step, *self._back(phase, place, shared, lost=self._direct)
        elif self._refused(phase, delivery, shared):
            yield Step(Kind.CONFLICT, message, number), *self._back(phase, place, shared)
        else:
            saved = self._save(phase, delivery, node, shared)
            yield Step(Kind.SAVE, message, number), self._finish(phase, place), saved

    def _check_poison(self, phase: MessagePhase, node: TableNode) -> None:
        if not self._direct and self.scenario.max_receives is None and not node.number:
            event = self.scenario.events[phase.message].event
            raise PoisonError(
                where=f"event {event}",
                reason=f"comes to no settled node where it may be handled ({node.text}); the "
                "message would come back as often as it is handled there. Give max_receives.",
            )

    def _refused(self, phase: MessagePhase, delivery: Delivery, shared: Shared) -> bool:
        return (self._cas and delivery.version != shared.version) or (
            self._fence and delivery.number != phase.receives
        )

    # --- the phase afterwards -------------------------------------------------------------

    @staticmethod
    def _at(phase: MessagePhase, place: int, delivery: Delivery) -> MessagePhase:
        kept = phase.deliveries
        return phase._replace(deliveries=(*kept[:place], delivery, *kept[place + 1 :]))

    @staticmethod
    def _without(phase: MessagePhase, place: int) -> MessagePhase:
        kept = phase.deliveries
        return phase._replace(deliveries=kept[:place] + kept[place + 1 :])

    def _finish(self, phase: MessagePhase, place: int) -> MessagePhase:
        if self._direct:
            return self._without(phase, place)._replace(status=DELETED)
        return self._at(phase, place, Delivery(phase.deliveries[place].number, DONE))

    @staticmethod
    def _owns(phase: MessagePhase, delivery: Delivery) -> bool:
        return phase.status == IN_FLIGHT and delivery.number == phase.receives

    def _delete(self, phase: MessagePhase, place: int) -> MessagePhase:
        delivery = phase.deliveries[place]
        after = self._without(phase, place)
        if self._owns(phase, delivery):
            return after._replace(status=DELETED)
        newest = delivery.number == phase.receives and phase.status == VISIBLE
        return after._replace(status=DELETED) if newest and not self._fifo else after

    def _status_after(self, phase: MessagePhase) -> int:
        most = self.scenario.max_receives
        return DEAD if most is not None and phase.receives >= most else VISIBLE

    def _back(
        self, phase: MessagePhase, place: int, shared: Shared, *, lost: bool = False
    ) -> tuple[MessagePhase, Shared]:
        """End a delivery; its message comes back if the receipt is good, or is `lost`."""
        after = self._without(phase, place)
        if not self._owns(phase, phase.deliveries[place]):
            return after, shared
        status = DELETED if lost else self._status_after(phase)
        return after._replace(status=status), self._buried(shared, phase.message, status)

    # --- the shared part afterwards -------------------------------------------------------

    def _seen(self, shared: Shared, name: str) -> Shared:
        bit = MONITORS[name].bit & self._watched
        return shared._replace(seen=shared.seen | bit) if bit & ~shared.seen else shared

    def _buried(self, shared: Shared, message: int, status: int) -> Shared:
        if status != DEAD or not self._dead:
            return shared
        return shared._replace(dead=_with(shared.dead, message))

    def _called(
        self, phase: MessagePhase, delivery: Delivery, node: TableNode, shared: Shared
    ) -> Shared:
        if delivery.version != shared.version:
            shared = self._seen(shared, "stale read")
        if not node.effect:
            return shared
        identity = CallIdentity(node.service, phase.message)
        if self._identity:
            identity = identity._replace(invocation=node.invocation, number=node.number)
        call = self._call_numbers.get(identity)
        if call is None:
            call = self._call_numbers[identity] = len(self.calls)
            self.calls.append(identity)
        if self._identity and call in shared.effects:
            if self._idempotent:
                return shared
            shared = self._seen(shared, "duplicate effect")
        return shared._replace(effects=(*shared.effects, call))

    def _skipped(
        self, phase: MessagePhase, delivery: Delivery, node: TableNode, shared: Shared
    ) -> Shared:
        if self._watched:
            if delivery.version != shared.version:
                shared = self._seen(shared, "stale read")
            if node.outcome is Outcome.IGNORED and not self._in_order(phase, shared):
                shared = self._seen(shared, "ignored out of order")
            shared = self._watch_gap(phase, shared)
        return self._handled_now(phase, shared)

    def _save(
        self, phase: MessagePhase, delivery: Delivery, node: TableNode, shared: Shared
    ) -> Shared:
        if self._watched:
            if delivery.version != shared.version:
                shared = self._seen(shared, "lost update")
            if delivery.number != phase.receives:
                shared = self._seen(shared, "zombie write")
            if phase.message in shared.saved and not node.only_start:
                shared = self._seen(shared, "duplicate apply")
            if node.outcome is Outcome.IGNORED and not self._in_order(phase, shared):
                shared = self._seen(shared, "ignored out of order")
            if any(other > phase.message for other in shared.handled):
                shared = self._seen(shared, "reordering")
            shared = self._watch_gap(phase, shared)
        shared = self._handled_now(phase, shared)._replace(state=node.state)
        if self._versions:
            shared = shared._replace(version=shared.version + 1)
        if self._saved and not node.only_start:
            shared = shared._replace(saved=_with(shared.saved, phase.message))
        return shared

    def _in_order(self, phase: MessagePhase, shared: Shared) -> bool:
        """Whether exactly the earlier events of the instance were handled before this one."""
        done = [other for other in shared.handled if other != phase.message]
        return tuple(done) == self._earlier[phase.message]

    def _watch_gap(self, phase: MessagePhase, shared: Shared) -> Shared:
        gaps = [
            other for other in shared.dead if other < phase.message and other not in shared.handled
        ]
        return self._seen(shared, "gap after dead letter") if gaps else shared

    def _handled_now(self, phase: MessagePhase, shared: Shared) -> Shared:
        if not self._handled:
            return shared
        return shared._replace(handled=_with(shared.handled, phase.message))


def _with(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return numbers if number in numbers else tuple(sorted((*numbers, number)))
