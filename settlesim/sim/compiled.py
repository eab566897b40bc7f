"""`Table`: a chart compiled to whole numbers, for the simulator.

Theory of operation
-------------------
What an event does to an instance depends on nothing but the instance's configuration and
context, the event, and what the services answer. So each pair of configuration and context
is given a number, a *state*, and each handling of an event from a state is a small tree, a
*program*: services to call, then one leaf. Trees are shared wherever they are equal, so two
states in which an event does the same have the same program.

A program is made by driving `settlesim.settling.Settling` itself, one answer at a time; a
branch is made by replaying the answers so far. There is no second engine.

Rules
-----
1. Services that run side by side come back in the order in which they were started.
2. Delays take simulated time and services none, so a delay passes only where no service is
   pending, the earliest deadline first.
3. A service that raises is followed into ``on_error``. It counts as having had no effect.
   Where failures from outside are looked at, each call may fail in two ways: with an error,
   and by running out of time. Ways in which the chart does the same are one.
4. An event that comes to no settled node (stalled, a guard that raises, a service that
   failed without ``on_error``) ends in a `NodeKind.ERROR` leaf.
5. A new instance is a state of its own unless starting it does nothing: entering the first
   states may run services. A start that worked is saved even if the event is ignored or
   rejected.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from settlesim.chart import Chart, Event, Snapshot, external_event
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import FrozenDict, JSONValue, freeze
from settlesim.errors import FunctionFailedError, SettleError, UnboundFunctionError, error_message
from settlesim.machine.program import Program, check_snapshot, program_of
from settlesim.settling.settlement import Answer, Pending, Settlement
from settlesim.settling.settling import Settling

__all__ = [
    "FAILURE",
    "CompiledChart",
    "Perform",
    "ProgramNodeKind",
    "TableNode",
    "merged",
]


class ProgramNodeKind(enum.Enum):
    """What a program does next."""

    CALL = "call"
    """A service runs."""
    SAVE = "save"
    """The instance is saved in `TableNode.state`."""
    SKIP = "skip"
    """Ignored or rejected, and no start to keep: there is nothing to save."""
    ERROR = "error"
    """The event comes to no settled node; `TableNode.text` says why."""


class TableNode(NamedTuple):
    """One node of a program."""

    kind: ProgramNodeKind
    service: str = ""
    invocation: str = ""
    """The id of the invocation."""
    number: int = 0
    """The how-manieth start of this invocation for this event, from 1. Of an error: how many
    failures from outside led to it."""
    effect: bool = False
    """Whether the call changes the world outside."""
    works: bool = True
    """Whether the service comes back, and does not raise."""
    done: int = -1
    """The node after the service came back, or raised by itself."""
    error: int | None = None
    """The node after an error from outside; None where none is looked at, or where it leads
    to the same as an error of the service itself."""
    timeout: int | None = None
    """The node after a time-out; None where none is looked at, or where it leads to the same
    as an error."""
    state: int = -1
    """What is saved."""
    outcome: Outcome | None = None
    text: str = ""
    """The message of an error."""
    only_start: bool = False
    """Whether the event was ignored or rejected, and the start of a new instance is saved."""


Perform = Callable[[Pending], Answer]
"""Runs a service for the simulator."""

FAILURE: Final = Answer(error=RuntimeError("fails in the simulation"))
"""A failure that the simulation brings about; the other is a time-out."""


def merged(nodes: Sequence[TableNode], call: TableNode) -> TableNode:
    """Return a call without the failures that lead to the same as another way out of it.

    `nodes` has the trees below it.
    """
    error, timeout, done = call.error, call.timeout, call.done
    if timeout is not None and error is not None and _alike(nodes, timeout, error):
        timeout = None
    if not call.works:
        if timeout is not None and _alike(nodes, timeout, done):
            timeout = None
        if error is not None and _alike(nodes, error, done):
            error = None
    return call._replace(error=error, timeout=timeout)


def _alike(nodes: Sequence[TableNode], one: int, other: int) -> bool:
    """Whether two trees do the same, but for the words of their errors."""
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if one == other:
            continue
        if min(one, other) < 0:
            return False
        first, second = nodes[one], nodes[other]
        if first.kind is ProgramNodeKind.ERROR is second.kind:
            if bool(first.number) is not bool(second.number):
                return False
            continue
        if _bare(first) != _bare(second):
            return False
        for left, right in (
            (first.done, second.done),
            (first.error, second.error),
            (first.timeout, second.timeout),
        ):
            pairs.append((-1 if left is None else left, -1 if right is None else right))
    return True


def _bare(node: TableNode) -> TableNode:
    """Return a node without the numbers of those below it."""
    return node._replace(done=-1, error=None, timeout=None)


class CompiledChart:
    """The programs of a chart, made when they are asked for.

    Parameters
    ----------
    chart
        Its guards and assigns have to be bound.
    results : what services return, by name; no such service is run
    perform
        Runs every other service, once per state, event and invocation.
    failures : how many failures of services a program has branches for
    service_timeout : seconds, the time-out of invocations that name none

    Raises
    ------
    UnboundFunctionError
        A guard or an assign is not bound; or a service that `results` does not name.
    InvalidValueError
        A result that strict JSON can not carry.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> results = {"charge_card": {"charge": 1}, "refund_card": None, "print_label": {"label": 2}}
    >>> table = CompiledChart(order, results=results)
    >>> call = table.node(table.program(table.start(), "PAY"))
    >>> call.service
    'charge_card'
    >>> table.configuration(table.node(call.done).state)
    ('paid',)
    """

    def __init__(
        self,
        chart: Chart,
        results: Mapping[str, JSONValue] | None = None,
        perform: Perform | None = None,
        *,
        failures: int = 0,
        service_timeout: float = 60.0,
    ) -> None:
        chart.require("guard", "assign")
        self.chart = chart
        self.failures = failures
        self._service_timeout = service_timeout
        self._results = {
            name: freeze(value, where=f"the result of {name!r}")
            for name, value in (results or {}).items()
        }
        self.perform = perform
        self._require_services()
        self._program: Program = program_of(chart)
        self._effects = {each.id: each.effect for node in chart.states for each in node.invoke}
        self._states: list[Snapshot | None] = []
        self._state_texts: list[str] = []
        self._state_numbers: dict[str, int] = {}
        self._nodes: list[TableNode] = []
        self._node_texts: list[str | None] = []
        self._node_numbers: dict[TableNode, int] = {}
        self._programs: dict[tuple[int, str, str], int] = {}
        self._answers: dict[tuple[str, ...], Answer] = {}
        self._errors: dict[int, dict[str, None]] = {}

    def _require_services(self) -> None:
        chart = self.chart
        bound = chart.functions if self.perform is not None else {}
        missing = [
            name
            for name, role in chart.roles.items()
            if role == "service" and name not in self._results and name not in bound
        ]
        if missing:
            raise UnboundFunctionError(chart=chart.name, names=missing)

    # --- states ---------------------------------------------------------------------------

    def start(self, snapshot: Snapshot | None = None) -> int:
        """Return the state of an instance that is new, or is as `snapshot` says.

        Raises
        ------
        ChartMismatchError
            The chart can not go on from there.
        """
        if snapshot is not None:
            check_snapshot(self._program, snapshot, "")
            return self._state(snapshot)
        if self._starts_at_rest():
            return self._state(self._first())
        found = self._state_numbers.get("new")
        return self._add_state("new", None) if found is None else found

    def _starts_at_rest(self) -> bool:
        """Whether entering the first nodes of a new instance does nothing at all."""
        chart, program = self.chart, self._program
        active = chart.active(chart.initial_configuration)
        nodes = [chart.node(name) for name in active]
        return (
            program.may_begin(chart.initial_configuration)
            and program.eventless_sources.isdisjoint(active)
            and not program.finished(chart.initial_configuration, active)
            and not any(node.on_enter or node.on_final or node.invoke for node in nodes)
        )

    def _first(self) -> Snapshot:
        chart = self.chart
        return Snapshot(chart.name, chart.version, chart.initial_configuration, chart.context)

    def _state(self, snapshot: Snapshot) -> int:
        parts: list[JSONValue] = [list(snapshot.configuration), snapshot.context]
        if snapshot.history_states:
            parts.append(snapshot.history_states)
        text = _canonical(parts)
        found = self._state_numbers.get(text)
        return self._add_state(text, replace(snapshot, revision=1)) if found is None else found

    def _add_state(self, text: str, snapshot: Snapshot | None) -> int:
        number = self._state_numbers[text] = len(self._states)
        self._states.append(snapshot)
        self._state_texts.append(text)
        return number

    def configuration(self, state: int) -> tuple[str, ...]:
        """Return the active leaves of a state; of a new instance, where it begins."""
        snapshot = self._states[state]
        return self.chart.initial_configuration if snapshot is None else snapshot.configuration

    def context(self, state: int) -> FrozenDict:
        """Return the context of a state."""
        snapshot = self._states[state]
        return self.chart.context if snapshot is None else snapshot.context

    def as_saved(self, state: int) -> int:
        """Return the state; for a new instance, that of one which was saved where it begins."""
        if self._states[state] is not None:
            return state
        return self._state(self._first())

    def may_begin(self, state: int) -> bool:
        """Whether an event may find an instance in this state."""
        snapshot = self._states[state]
        return snapshot is None or self._program.may_begin(snapshot.configuration)

    def state_text(self, state: int) -> str:
        """Return what the state is, as text that is the same in every process."""
        return self._state_texts[state]

    # --- programs -------------------------------------------------------------------------

    def node(self, number: int) -> TableNode:
        """Return a node of a program."""
        return self._nodes[number]

    def node_text(self, number: int) -> str:
        """Return a digest of the whole tree below a node, the same in every process."""
        stack = [number]
        while stack:
            node = self._nodes[stack[-1]]
            ways = (node.done, node.error, node.timeout)
            below = [each for each in ways if each is not None and each >= 0]
            unknown = [each for each in below if self._node_texts[each] is None]
            if unknown:
                stack.extend(unknown)
                continue
            texts = [self._node_texts[each] for each in below]
            if node.timeout is not None:
                texts[-1] = f"timeout {texts[-1]}"
            state = self._state_texts[node.state] if node.kind is ProgramNodeKind.SAVE else ""
            outcome = "" if node.outcome is None else node.outcome.value
            own = [*node[1:6], state, outcome, node.text]
            whole = _canonical([node.kind.value, own, texts]).encode()
            self._node_texts[stack.pop()] = hashlib.sha256(whole).hexdigest()
        return self._node_texts[number] or ""

    def program(self, state: int, event: str, data: JSONValue = None) -> int:
        """Return the first node of what `event` does to an instance in `state`.

        Raises
        ------
        InvalidEventError
            A name that no external event may have, or data that is no strict JSON.
        """
        key = (state, event, "" if data is None else _canonical(data))
        found = self._programs.get(key)
        if found is None:
            built = self._build(state, external_event(event, data), (), self.failures, {})
            found = self._programs[key] = built
        return found

    def errors(self, number: int) -> tuple[str, ...]:
        """Return the errors that the service of a call raises by itself."""
        return tuple(self._errors.get(number, ()))

    def _build(
        self,
        state: int,
        event: Event,
        answers: tuple[Answer, ...],
        left: int,
        known: dict[tuple[object, ...], int],
    ) -> int:
        """Make the tree that follows `answers`; `left` failures may still happen in it.

        `known` has the trees of the event so far: an error and a time-out mostly lead to the
        same, and would double the work at every call.
        """
        calls: list[tuple[TableNode, Answer]] = []
        here: tuple[object, ...] | None = None
        try:
            session = _Session(self._program, self._states[state], event)
            for each in answers:
                session.give(each)
            if session.settlement is None:
                here = (left, *session.situation())
                if here in known:
                    return known[here]
            while session.settlement is None:
                pending = session.pending[0]
                answer = self._answer(state, event, pending)
                call = self._call(pending, answer)
                if left:
                    limit = self._service_timeout if pending.timeout is None else pending.timeout
                    error, timeout = (
                        self._build(state, event, (*answers, each), left - 1, known)
                        for each in (FAILURE, Answer.late(limit))
                    )
                    call = call._replace(error=error, timeout=timeout)
                calls.append((call, answer))
                answers = (*answers, answer)
                session.give(answer)
            leaf = self._leaf(session)
        except SettleError as error_:
            failed = self.failures - left
            leaf = TableNode(ProgramNodeKind.ERROR, number=failed, text=str(error_))
        number = self._intern(leaf)
        for call, answer in reversed(calls):
            number = self._intern(merged(self._nodes, call._replace(done=number)))
            if answer.error is not None:
                self._errors.setdefault(number, {})[_told(answer.error)] = None
        if here is not None:
            known[here] = number
        return number

    def _call(self, pending: Pending, answer: Answer) -> TableNode:
        works = answer.error is None
        return TableNode(
            ProgramNodeKind.CALL,
            pending.service,
            pending.id,
            pending.number,
            effect=works and self._effects[pending.id],
            works=works,
        )

    def _leaf(self, session: _Session) -> TableNode:
        settlement = session.settlement
        assert settlement is not None
        if not settlement.saved:
            return TableNode(ProgramNodeKind.SKIP, outcome=settlement.outcome)
        state = self._state(settlement.after)
        return TableNode(
            ProgramNodeKind.SAVE,
            state=state,
            outcome=settlement.outcome,
            only_start=settlement.only_start_saved,
        )

    def _intern(self, node: TableNode) -> int:
        number = self._node_numbers.get(node)
        if number is None:
            number = self._node_numbers[node] = len(self._nodes)
            self._nodes.append(node)
            self._node_texts.append(None)
        return number

    def _answer(self, state: int, event: Event, pending: Pending) -> Answer:
        """Return what a service answers; it runs once for each place where it is called."""
        if pending.service in self._results:
            return Answer(self._results[pending.service])
        key = (
            self._state_texts[state],
            event.name,
            _canonical(event.data),
            pending.id,
            str(pending.number),
            str(pending.attempt),
            _canonical(pending.context),
        )
        found = self._answers.get(key)
        if found is None:
            assert self.perform is not None  # the constructor has refused everything else
            found = self._answers[key] = self.perform(pending)
        return found


class _Session:
    """A `Settling` whose delays pass by themselves, where nothing else is pending."""

    def __init__(self, program: Program, snapshot: Snapshot | None, event: Event) -> None:
        self._settling = Settling(program, snapshot, event)
        self._now = 0.0
        self._deadlines: dict[tuple[str, int], float] = {}
        self._wait()

    @property
    def settlement(self) -> Settlement | None:
        return self._settling.settlement

    @property
    def pending(self) -> tuple[Pending, ...]:
        return self._settling.pending

    def situation(self) -> tuple[object, ...]:
        """Return all that what comes next depends on, but for what services answer."""
        settling = self._settling
        start = settling.start
        return (
            settling._applied,
            None if start is None else _canonical([start.outcome.value, start.snapshot.to_dict()]),
            bool(settling.calls),
            settling._position,
            _canonical(settling.context),
            tuple(sorted(settling._running.starts.items())),
            tuple(
                (each.id, each.number, each.attempt, _canonical(each.context))
                for each in settling.pending
            ),
            settling._running.retries(),
            tuple((*key, deadline - self._now) for key, deadline in self._deadlines.items()),
            len(settling.microsteps),
        )

    def give(self, answer: Answer) -> None:
        """Answer the first pending service, and let pass what delays follow."""
        first = self._settling.pending[0].id
        if answer.error is None:
            self._settling.done(first, answer.value)
        elif isinstance(answer.error, FunctionFailedError):
            raise answer.error
        else:
            self._settling.failed(first, answer.error, timeout=answer.timed_out)
        self._wait()

    def _wait(self) -> None:
        settling = self._settling
        while True:
            running = {}
            for each in settling.delays:
                key = (each.id, each.number)
                running[key] = self._deadlines.get(key, self._now + each.seconds)
            self._deadlines = running
            if settling.settlement is not None or settling.pending:
                return
            first = min(running, key=running.__getitem__)
            self._now = running[first]
            settling.elapsed(first[0])


def _told(error: Exception) -> str:
    """Name an error, with its message where it has one."""
    text = error_message(error)
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__


def _canonical(value: JSONValue) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
