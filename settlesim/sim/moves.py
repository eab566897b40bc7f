"""What one message may do next: the rules of the model, in plain code.

Rules
-----
1. A handler loads the instance, waits for the services of its program, saves, and
   deletes the message. Under ``direct`` it starts with the load and ends with the save.
2. An event that is ignored or rejected saves nothing, except for a start of the instance that
   worked before it. Its message is deleted like any other, and an inbox records it.
3. With ``cas`` a save is refused if the instance is at another revision than was loaded, with
   ``fence`` if the message has been received again since. A refused handler releases the message;
   under ``direct`` the caller retries.
4. With ``inbox`` a save or a skip records the message with the instance, in one write. A handler
   that finds its message recorded when it loads the instance goes straight to the delete.
5. With ``idempotent`` a call has its effect once per event, invocation and number.
6. With ``atomic`` a save or a skip deletes the message in the same write, as `settlesim.Worker`
   does. The write is refused if the receipt is no longer good, so that a delete would do nothing.
7. The message of an event that reaches no settled state is released. Under ``direct`` the caller
   gets the error, and nothing else happens.
8. A delete counts if its receipt is the newest. Under a FIFO queue the message also has to be still
   in flight (SQS API, DeleteMessage).
9. A crash may end a handler at any point; the message becomes visible again if the handler's
   receipt is good. A visibility time-out makes it visible while the handler continues.
10. A message that would become visible again after `max_receives` receives becomes a dead letter.
11. A service has its effect when it comes back. One that fails or runs out of time has none, unless
    the scenario says that a time-out may come after the effect.
12. While several services and delays run in a handler, each of them may complete next. A service
    may also have its effect before it comes back; then its state may be left in between.
13. A save starts the delays of the state that it saves, and ends those of states that were left.
    A running one may be due at any point. Its message then enters the queue, before the events of
    its instance that were never received. If the delay has been ended since, the message is only
    deleted.
14. If a later version of the chart takes over, messages that were received before are handled to
    their end by the earlier version, and all others by the later one. Instances are independent, so
    the take-over is a step of each instance. The save that carries an instance to the later version
    carries its timers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from settlesim.chart import Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.chart.report import counted_noun
from settlesim.errors import SimulationError
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.disciplines import DEAD, DELETED, IN_FLIGHT, UNSENT, VISIBLE
from settlesim.sim.monitors import MONITORS
from settlesim.sim.program_nodes import Branch, ProgramNodeKind, TableNode
from settlesim.sim.scenario import Scenario
from settlesim.sim.terms import Kind, Step
from settlesim.sim.timing import nanoseconds
from settlesim.sim.two_versions import TwoVersionChart

__all__ = [
    "DONE",
    "START",
    "START_OLD",
    "CallIdentity",
    "Delivery",
    "MessagePhase",
    "Moves",
    "PoisonError",
    "RunningTimer",
    "Shared",
]

START: Final = -1
"""Instead of a program's node: the message was received, and nothing is loaded."""
DONE: Final = -2
"""Instead of a program's node: only the delete is left."""
START_OLD: Final = -3
"""As `START`, for a worker that has the earlier version of the chart."""
_UNREAD: Final = -1
"""Instead of the state of an instance, where no rule reads it."""

_CRASH, _EXPIRE, _DUPLICATE, _FAIL = 1, 2, 4, 8  # the bits of a mask, in the order of Faults
_FAULTS: Final = {
    Kind.CRASH: 0,
    Kind.EXPIRE: 1,
    Kind.DUPLICATE: 2,
    Kind.FAIL: 3,
    Kind.TIMEOUT: 3,
}


class PoisonError(SimulationError):
    """A message that never settles would come back without end."""


class Delivery(NamedTuple):
    """One receive of a message that is being handled."""

    number: int
    """The ordinal of the receive, from 1."""
    node: int
    """Where it is in its program, or `START`, or `DONE`."""
    version: int = 0
    """The revision that it loaded; 0 if no rule or monitor reads it."""
    batch: tuple[int, int] | None = None
    """The first delivery of its batch: message, from 0, and number. None for a message that was
    received alone."""


class MessagePhase(NamedTuple):
    """Everything about one message."""

    message: int
    """From 0."""
    status: int
    receives: int
    deliveries: tuple[Delivery, ...]
    """In the order of their numbers."""
    place: int = 0
    """For a timer's message: its position in the queue, see `Moves.place_of`."""


class RunningTimer(NamedTuple):
    """One delay of one instance."""

    status: int = 0
    """0: it does not run; 1: it runs; 2: its message was sent."""
    sent: int = 0
    """How many messages it has sent so far."""
    rank: int = 0
    """The order of starts: a timer with a lower rank was started earlier. 0 if time is not
    known."""
    least: int = 0
    """The least time from its start until it is due, in nanoseconds; 0 if time is not known."""
    most: int = 0
    """The most time until then."""
    becomes: int = -1
    """After a take-over while its message was on the way: the delay of the later version that it
    belongs to now. Else -1."""

    def parts(self) -> list[int]:
        """Return its fields as numbers; `becomes` only if it is set."""
        return list(self if self.becomes >= 0 else self[:-1])


class Shared(NamedTuple):
    """One instance as it is stored, and what is recorded with it.

    A field that no rule, monitor or property reads keeps its default, so that states that differ
    only in it are one state.
    """

    key: int
    state: int
    version: int = 0
    """How often it was saved."""
    handled: tuple[int, ...] = ()
    """The messages that were saved or skipped, sorted."""
    saved: tuple[int, ...] = ()
    """The messages that were saved, sorted."""
    dead: tuple[int, ...] = ()
    """The dead letters, sorted."""
    effects: tuple[int, ...] = ()
    """The calls that had an effect, in order: positions in `Moves.calls`."""
    seen: int = 0
    """The anomalies so far, one bit each."""
    timers: tuple[RunningTimer, ...] = ()
    """By the position of the delay in `CompiledChart.timers`."""
    received: int = 0
    """The last event that was received, from 1; recorded for timers of a FIFO queue."""
    deployed: bool = False
    """Whether the later version of the chart has taken over."""
    excluded: tuple[int, ...] = ()
    """The events that were refused, dropped, cancelled or rolled back, sorted."""


class CallIdentity(NamedTuple):
    """What identifies a call of a service."""

    service: str
    message: int
    """From 0."""
    invocation: str = ""
    """The id of the invocation; empty if neither protection nor monitor tells calls apart by it."""
    number: int = 0


Move: TypeAlias = tuple[Step, MessagePhase, Shared]


class Moves:
    """The rules for one scenario."""

    def __init__(self, scenario: Scenario, table: CompiledChart, key_of: tuple[int, ...]) -> None:
        self.scenario = scenario
        self.table = table
        self.calls: list[CallIdentity] = []
        self.failing: dict[tuple[str, str], None] = {}
        """The services and events that failed without a fault of the scenario, with the errors."""
        self.doubts: dict[str, None] = {}
        """Why nothing is proved: what the model met and cannot be sure of."""
        self.gaps: dict[str, None] = {}
        """Where the model could not continue, so that what comes after is not known at all."""
        self.size = len(scenario.events)
        """How many of the messages are events; those of timers come after them."""
        self._messages = scenario.messages
        self._timed = bool(table.timers)
        self._known_time = scenario.assumptions.known
        per_key = len(table.timers) * scenario.timers
        self.timer_of = [
            divmod(index % per_key, scenario.timers)
            for index in range(len(self._messages) - self.size)
        ]
        """For each timer's message: the position of its delay, and its ordinal, from 0."""
        self.width = per_key + 1
        self._call_numbers: dict[CallIdentity, int] = {}
        self._earlier = [
            tuple(other for other in range(index) if key_of[other] == key)
            for index, key in enumerate(key_of[: self.size])
        ]
        self._two = table if isinstance(table, TwoVersionChart) else None
        self.firsts = frozenset(key_of.index(key) for key in key_of) if self._two else frozenset()
        """The messages that the step of a deployment is named after: each instance's first one."""
        self._direct = scenario.queue == "direct"
        self._fifo = scenario.queue.startswith("fifo_")
        cas, fence, inbox, idempotent = (
            name in scenario.protections for name in ("cas", "fence", "inbox", "idempotent")
        )
        self._cas, self._fence, self._inbox, self._idempotent = cas, fence, inbox, idempotent
        self._atomic = "atomic" in scenario.protections
        watched = set(scenario.monitors)
        self._watched = sum(MONITORS[name].bit for name in scenario.monitors)
        asked = any(each.reads_revision for each in scenario.properties)
        self._versions = cas or asked or bool(watched & {"lost update", "stale read"})
        self._handled = inbox or bool(
            watched & {"reordering", "gap after dead letter", "ignored out of order"}
        )
        self._saved = bool(watched & {"duplicate apply", "partly cancelled"})
        self._dead = "gap after dead letter" in watched
        self._identity = idempotent or "duplicate effect" in watched
        self._blocks = self._waiting(key_of) if watched else [False] * len(key_of)

    def _waiting(self, key_of: tuple[int, ...]) -> list[bool]:
        """Return for every message whether later events wait for it."""
        size, timers = self.size, [False] * (len(key_of) - self.size)
        if self.scenario.queue == "fifo_global":
            return [index + 1 < size for index in range(size)] + timers
        if self.scenario.queue == "fifo_group":
            return [key_of[index] in key_of[index + 1 : size] for index in range(size)] + timers
        return [False] * len(key_of)

    @staticmethod
    def fault_of(kind: Kind) -> int | None:
        """Return the position in `Faults` of the budget that a step takes from."""
        return _FAULTS.get(kind)

    def node_text(self, node: int) -> str:
        """Return text that identifies a node of a program, the same in every process."""
        names = {START: "start", DONE: "done", START_OLD: "start old"}
        return names.get(node) or self.table.node_text(node)

    # --- what the rules read --------------------------------------------------------------

    def may_load(self, phase: MessagePhase) -> bool:
        """Whether one of the next moves of a message may load the instance."""
        if self._direct and phase.status == VISIBLE:  # its receive loads
            return True
        return any(each.node in {START, START_OLD} for each in phase.deliveries)

    def reduced(self, message: int, shared: Shared, *, with_state: bool) -> Shared:
        """Return what the moves of one message read of an instance.

        Parameters
        ----------
        with_state : whether a move may load the instance; no other reads its state
        """
        calls = self.calls
        own = tuple(each for each in shared.effects if calls[each].message == message)
        return shared._replace(
            state=shared.state if with_state else _UNREAD,
            effects=own if self._identity else (),
            seen=0,
        )

    @staticmethod
    def extended(shared: Shared, before: Shared, after: Shared) -> Shared:
        """Return an instance after a move that was worked out for the reduced instance.

        Parameters
        ----------
        before, after : the reduced instance before and after the move
        """
        effects = after.effects[len(before.effects) :]
        return after._replace(
            state=shared.state if after.state == before.state else after.state,
            effects=(*shared.effects, *effects),
            seen=shared.seen | after.seen,
        )

    # --- receive and load -----------------------------------------------------------------

    def receive(self, phase: MessagePhase, shared: Shared) -> Move:
        """Return what a receive does; under ``direct``, what the start of a handler does."""
        number = phase.receives + 1
        if number > 1 and self._blocks[phase.message]:
            shared = self._seen(shared, "head-of-line blocking")
        after = phase._replace(
            status=IN_FLIGHT,
            receives=number,
            deliveries=(*phase.deliveries, Delivery(number, self._begun(shared))),
        )
        if self._timed and self._fifo and shared.received <= phase.message < self.size:
            shared = shared._replace(received=phase.message + 1)
        if not self._direct:
            return Step(Kind.RECEIVE, phase.message + 1, number), after, shared
        return self._load(after, len(after.deliveries) - 1, shared)

    def _begun(self, shared: Shared) -> int:
        """Return the first node of a delivery, by the version of the chart that handles it."""
        return START_OLD if self._two is not None and not shared.deployed else START

    def _load(self, phase: MessagePhase, place: int, shared: Shared) -> Move:
        delivery = phase.deliveries[place]
        step = Step(Kind.LOAD, phase.message + 1, delivery.number)
        done = delivery._replace(node=DONE)
        if not self.table.may_begin(shared.state):
            shared = self._seen(shared, "dirty read")
        if self._inbox and phase.message in shared.handled:
            return step, self._at(phase, place, done), shared
        by_old = delivery.node == START_OLD
        node = self._program(phase.message, shared, by_old=by_old)
        if node is None:
            return step, self._at(phase, place, done), shared
        self.doubts.update(dict.fromkeys(self.table.doubts(node)))
        loaded = delivery._replace(node=node, version=shared.version)
        return step, self._at(phase, place, loaded), shared

    def _program(self, message: int, shared: Shared, *, by_old: bool) -> int | None:
        """Return the first node of a message's program; None if it is only deleted."""
        two, state = self._two, shared.state
        running = [place for place, each in enumerate(shared.timers) if each.status]
        if message < self.size:
            event = self._messages[message]
            if two is None:
                return self.table.program(state, event.event, event.data)
            return two.program_by(state, event.event, event.data, by_old=by_old, running=running)
        delay, turn = self.timer_of[message - self.size]
        timer = shared.timers[delay]
        stale = timer[:2] != (2, turn + 1)  # its state was left since
        if two is not None:
            return two.program_of_timer(
                state, delay, by_old=by_old, running=running, becomes=timer.becomes, stale=stale
            )
        return None if stale else self.table.program_of_delay(state, self.table.timers[delay])

    # --- everything else ------------------------------------------------------------------

    def of(self, phase: MessagePhase, shared: Shared, mask: int) -> Iterator[Move]:
        """Yield every move except a receive; `mask` has a bit for each kind of fault left."""
        message = phase.message + 1
        if phase.status == UNSENT:
            yield from self._due(phase, shared)
            return
        if phase.message in self.firsts and not shared.deployed:
            yield Step(Kind.DEPLOY, message), phase, shared._replace(deployed=True)
        for place, delivery in enumerate(phase.deliveries):
            number = delivery.number
            if delivery.node in {START, START_OLD}:
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
        """Yield what may come next in a program."""
        delivery = phase.deliveries[place]
        node = self.table.node(delivery.node)
        message, number = phase.message + 1, delivery.number
        if node.kind is ProgramNodeKind.WAIT:
            choices: dict[Kind, int] = {}
            for branch in node.branches:
                choices[branch.kind] = choices.get(branch.kind, 0) + 1
                if branch.kind.is_fault and not mask & _FAIL:
                    continue
                step = Step(branch.kind, message, number, choices[branch.kind])
                after = self._at(phase, place, delivery._replace(node=branch.after))
                yield step, after, self._completed(phase, delivery, branch, shared)
            self.failing.update(dict.fromkeys(self.table.errors(delivery.node)))
        elif node.kind is ProgramNodeKind.UNKNOWN:
            self.gaps[f"{self._messages[phase.message].words}: {node.text}"] = None
        elif node.kind is ProgramNodeKind.SKIP and not self._receipt_refused(phase, place):
            skipped = self._skipped(phase, delivery, node, shared)
            yield Step(Kind.SKIP, message, number), self._finish(phase, place), skipped
        elif node.kind is ProgramNodeKind.STRANDED:
            after, kept = self._back(phase, place, shared)
            if after.status == VISIBLE:  # no worker can handle it from now on
                after, kept = after._replace(status=DEAD), self._buried(kept, phase.message, DEAD)
            yield Step(Kind.RELEASE, message, number), after, kept
        elif node.kind is ProgramNodeKind.ERROR:
            self._note_failure(phase, node)
            step = Step(Kind.RELEASE, message, number)
            yield step, *self._back(phase, place, shared, lost=self._direct)
        elif self._receipt_refused(phase, place) or self._refused(phase, delivery, shared):
            yield Step(Kind.CONFLICT, message, number), *self._back(phase, place, shared)
        else:
            saved = self._save(phase, delivery, node, shared)
            yield Step(Kind.SAVE, message, number), self._finish(phase, place), saved

    def _note_failure(self, phase: MessagePhase, node: TableNode) -> None:
        """Note that an event fails without a fault; refuse it if it would come back forever."""
        if node.failures:
            return
        event = f"event {self._messages[phase.message].words}"
        if not self._direct and self.scenario.max_receives is None:
            raise PoisonError(
                where=event,
                reason=f"reaches no settled state where it may be handled ({node.text}); the "
                "message would come back as often as it is handled there. Give max_receives.",
            )
        self.failing[event, node.text] = None

    def _receipt_refused(self, phase: MessagePhase, place: int) -> bool:
        """Whether a write is refused that deletes the message as well (``atomic``)."""
        return self._atomic and not self._may_delete(phase, phase.deliveries[place])

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
        if self._atomic:
            return self._delete(phase, place)
        done = phase.deliveries[place]._replace(node=DONE, version=0)
        return self._at(phase, place, done)

    @staticmethod
    def _owns(phase: MessagePhase, delivery: Delivery) -> bool:
        return phase.status == IN_FLIGHT and delivery.number == phase.receives

    def _may_delete(self, phase: MessagePhase, delivery: Delivery) -> bool:
        """Whether a delete has an effect; it has none on a message that was deleted before."""
        newest = delivery.number == phase.receives and phase.status == VISIBLE
        return self._owns(phase, delivery) or (newest and not self._fifo)

    def _delete(self, phase: MessagePhase, place: int) -> MessagePhase:
        after = self._without(phase, place)
        if self._may_delete(phase, phase.deliveries[place]):
            return after._replace(status=DELETED)
        return after

    def _status_after(self, phase: MessagePhase) -> int:
        most = self.scenario.max_receives
        return DEAD if most is not None and phase.receives >= most else VISIBLE

    def _back(
        self, phase: MessagePhase, place: int, shared: Shared, *, lost: bool = False
    ) -> tuple[MessagePhase, Shared]:
        """End a delivery whose message was not handled.

        With a good receipt the message becomes visible again, or a dead letter; if it is `lost`, it
        is deleted instead.
        """
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

    def _completed(
        self, phase: MessagePhase, delivery: Delivery, branch: Branch, shared: Shared
    ) -> Shared:
        if branch.kind is Kind.CALL and delivery.version != shared.version:
            shared = self._seen(shared, "stale read")
        return self._effect(phase, branch, shared) if branch.effect else shared

    def _effect(self, phase: MessagePhase, done: Branch, shared: Shared) -> Shared:
        identity = CallIdentity(done.service, phase.message)
        if self._identity:
            identity = identity._replace(invocation=done.activity, number=done.number)
        call = self.number_of_call(identity)
        if self._identity and call in shared.effects:
            if self._idempotent:
                return shared
            shared = self._seen(shared, "duplicate effect")
        if phase.message in shared.excluded:
            shared = self._seen(shared, "partly cancelled")
        return shared._replace(effects=(*shared.effects, call))

    def number_of_call(self, identity: CallIdentity) -> int:
        """Return the position of a call in `calls`."""
        call = self._call_numbers.get(identity)
        if call is None:
            call = self._call_numbers[identity] = len(self.calls)
            self.calls.append(identity)
        return call

    def _skipped(
        self, phase: MessagePhase, delivery: Delivery, node: TableNode, shared: Shared
    ) -> Shared:
        if self._watched:
            if delivery.version != shared.version:
                shared = self._seen(shared, "stale read")
            if node.outcome is Outcome.IGNORED and not self._in_order(phase, shared):
                shared = self._seen(shared, "ignored out of order")
            shared = self._watch_gap(phase, shared)
        shared = self._timer_over(phase, shared)
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
            if self._is_late(phase, shared):
                shared = self._seen(shared, "reordering")
            if phase.message in shared.excluded:
                shared = self._seen(shared, "partly cancelled")
            shared = self._watch_gap(phase, shared)
        shared = self._handled_now(phase, shared)._replace(state=node.state)
        if self._versions:
            shared = shared._replace(version=shared.version + 1)
        if self._saved and not node.only_start:
            shared = shared._replace(saved=_with(shared.saved, phase.message))
        return self._timers_after(phase, node, shared) if self._timed else shared

    # --- timers ---------------------------------------------------------------------------

    def timers_at_first(self, start: Snapshot | None) -> tuple[RunningTimer, ...]:
        """Return the timers at the beginning; `start` is None for a new instance."""
        timers = [RunningTimer()] * len(self.table.timers)
        for place, seconds in () if start is None else self.table.timers_of(start):
            most = nanoseconds(seconds) if self._known_time else 0
            timers[place] = self._started(place, RunningTimer(), (0, 0, most))
        return tuple(timers)

    def _started(self, delay: int, before: RunningTimer, how: tuple[int, int, int]) -> RunningTimer:
        """Return a timer that runs from now on; `how` is its rank, least and most time."""
        if before.sent >= self.scenario.timers:
            name, most = self.table.timers[delay], counted_noun(self.scenario.timers, "time")
            self.gaps[f"the delay {name} may pass more than {most}: raise timers"] = None
        return RunningTimer(1, before.sent, *how)

    def place_of(self, phase: MessagePhase) -> tuple[int, int, int]:
        """Return a message's position in the queue, as a key to sort messages by."""
        if phase.message < self.size:
            return phase.message, 1, 0
        return phase.place // self.width, 0, phase.place % self.width

    def _due(self, phase: MessagePhase, shared: Shared) -> Iterator[Move]:
        """Yield the step in which a delay passes and its message is sent, if that is possible."""
        delay, turn = self.timer_of[phase.message - self.size]
        timer = shared.timers[delay]
        if timer[:2] != (1, turn) or self._another_first(timer, shared):
            return
        sent = sum(each.sent for each in shared.timers)
        after = phase._replace(status=VISIBLE, place=shared.received * self.width + sent)
        timers = list(shared.timers)
        timers[delay] = RunningTimer(2, turn + 1)
        kept = shared._replace(timers=_ranked(timers))
        yield Step(Kind.DUE, phase.message + 1), after, kept

    def _another_first(self, timer: RunningTimer, shared: Shared) -> bool:
        """Whether another timer of the instance is certain to be due before this one."""
        return any(
            each.status == 1 and each.rank <= timer.rank and each.most < timer.least
            for each in shared.timers
        )

    def _timer_over(self, phase: MessagePhase, shared: Shared) -> Shared:
        """Forget the timer whose message was handled and changed nothing."""
        if phase.message < self.size:
            return shared
        delay, turn = self.timer_of[phase.message - self.size]
        timers = list(shared.timers)
        if timers[delay][:2] == (2, turn + 1):
            timers[delay] = RunningTimer(0, turn + 1)
        return shared._replace(timers=tuple(timers))

    def _timers_after(self, phase: MessagePhase, node: TableNode, shared: Shared) -> Shared:
        timers = [
            each
            if (place if each.becomes < 0 else each.becomes) in node.kept
            else RunningTimer(0, each.sent)
            for place, each in enumerate(self._carried(shared.timers, node.moved))
        ]
        rank = 1 + max((each.rank for each in timers if each.status == 1), default=-1)
        for started in node.started:
            how = (rank if self._known_time else 0, started.least, started.most)
            before = timers[started.delay]
            timers[started.delay] = self._started(started.delay, before, how)
        return shared._replace(timers=_ranked(timers))

    def _carried(
        self, timers: tuple[RunningTimer, ...], moved: tuple[tuple[int, int], ...]
    ) -> tuple[RunningTimer, ...]:
        """Return the timers after they were carried to the delays of the later version."""
        found = list(timers)
        for before, after in moved:
            timer = timers[before]
            if timer.status == 1:
                how = timer.rank, timer.least, timer.most
                found[after] = self._started(after, timers[after], how)
                found[before] = RunningTimer(0, timer.sent)
            elif timer.status == 2:  # its message is on the way
                found[before] = timer._replace(becomes=after)
        return tuple(found)

    def _in_order(self, phase: MessagePhase, shared: Shared) -> bool:
        """Whether exactly the earlier events of the instance were handled before this one."""
        if phase.message >= self.size:
            return True
        rest = {phase.message, *shared.excluded}
        done = [other for other in shared.handled if other not in rest and other < self.size]
        return done == [other for other in self._earlier[phase.message] if other not in rest]

    def _is_late(self, phase: MessagePhase, shared: Shared) -> bool:
        """Whether a later event of the instance was handled."""
        return any(
            phase.message < other < self.size and other not in shared.excluded
            for other in shared.handled
        )

    def _watch_gap(self, phase: MessagePhase, shared: Shared) -> Shared:
        gaps = [
            other for other in shared.dead if other < phase.message and other not in shared.handled
        ]
        return self._seen(shared, "gap after dead letter") if gaps else shared

    def _handled_now(self, phase: MessagePhase, shared: Shared) -> Shared:
        if not self._handled:
            return shared
        return shared._replace(handled=_with(shared.handled, phase.message))


def _ranked(timers: list[RunningTimer]) -> tuple[RunningTimer, ...]:
    """Return timers whose ranks are consecutive from 0, in the same order as before."""
    ranks = sorted({each.rank for each in timers if each.status == 1})
    return tuple(
        each._replace(rank=ranks.index(each.rank) if each.status == 1 else 0) for each in timers
    )


def _with(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return numbers if number in numbers else tuple(sorted((*numbers, number)))
