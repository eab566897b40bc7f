"""`CompiledChart`: a chart compiled to whole numbers, for the simulator.

Theory of operation
-------------------
What an event does to an instance depends only on the instance's configuration and context, the
event, the answers of the services, and the order in which services and delays complete. So each
pair of configuration and context gets a number, its *state*, and the handling of an event from a
state is a small graph, its *program*: nodes that wait, with a branch for everything that may
complete there, and leaves that save. Equal programs are shared: two states in which an event does
the same have the same program.

A program is made by driving `settlesim.settling.Settling` itself, one completion at a time; each
branch is a copy of the session that gets another answer. There is no second engine.

Rules
-----
1. While several services and delays run, each of them may complete next, unless what is known about
   time forbids it (`settlesim.sim.timing`).
2. A service that raises is followed into ``on_error``. It counts as having had no effect.
   If the scenario has service failures, each call may also fail with each error that it may raise,
   and by running out of time. Failures after which the chart does the same are merged.
3. An event that reaches no settled state ends in a `ProgramNodeKind.ERROR` leaf: it stalls, a
   guard raises, a service fails without ``on_error``, or the deadline is certain to pass.
4. What the model cannot decide ends in a `ProgramNodeKind.UNKNOWN` leaf, or is one of the `doubts`
   of its program. Then nothing is proved.
5. A new instance is a state of its own, since entering the first states may run services and start
   delays. Only if starting does nothing is it the same as the state in which it begins. A start
   that worked is saved even if the event is ignored or rejected.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from settlesim.chart import Chart, Event, Snapshot, external_event
from settlesim.chart.strict_json import FrozenDict, JSONValue, freeze
from settlesim.errors import UnboundFunctionError
from settlesim.machine.program import Program, check_snapshot, program_of
from settlesim.runtime.interpreter import DEADLINE
from settlesim.settling.macrostep import activities_of
from settlesim.settling.settlement import START_EVENT, Answer, Elapsed, Pending
from settlesim.sim.assumptions import Assumptions
from settlesim.sim.program_builder import FAILURE, ProgramBuilder
from settlesim.sim.program_nodes import ProgramNodeKind, TableNode

__all__ = ["CompiledChart", "Perform", "durable_delays"]

_FOREVER: Final = 1e9
"""Seconds: the time-out of a service that is run only for its answer, its duration being given."""
_UNNAMED: Final = {"type": type(FAILURE.error).__name__, "message": str(FAILURE.error)}
"""What a chart sees of a failure whose error the scenario does not name."""

Perform = Callable[[Pending], Answer]
"""Runs a service for the simulator."""


def durable_delays(chart: Chart) -> tuple[str, ...]:
    """Return the ids of the delays that may keep running in a settled state."""
    return tuple(
        delay.id
        for node in chart.states
        if node.after
        and any(
            (each.name == node.name or each.name.startswith(f"{node.name}."))
            and each.is_leaf
            and chart.rest_of(each.name) is not None
            for each in chart.states
        )
        for delay in node.after
    )


class CompiledChart:
    """The programs of a chart, each made on first use.

    Parameters
    ----------
    chart
        Its guards and assigns have to be bound.
    results : what services return, by name; these services are not run
    perform
        Runs every other service, once per state, event and invocation.
    failures : how many service failures the programs have branches for
    service_timeout : the time-out in seconds of invocations that name none
    deadline : how many seconds one event may take
    assumptions : what is known about time and errors

    Raises
    ------
    UnboundFunctionError
        A guard or an assign is not bound; or a service is neither bound nor named in `results`.
    InvalidValueError
        A result is not strict JSON.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> results = {"charge_card": {"charge": 1}, "refund_card": None, "print_label": {"label": 2}}
    >>> table = CompiledChart(order, results=results)
    >>> [branch] = table.node(table.program(table.start(), "PAY")).branches
    >>> branch.service
    'charge_card'
    >>> table.configuration(table.node(branch.after).state)
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
        deadline: float = DEADLINE,
        assumptions: Assumptions | None = None,
    ) -> None:
        chart.require("guard", "assign")
        self.chart = chart
        self.failures = failures
        self.service_timeout = service_timeout
        self.deadline = deadline
        self.assumptions = Assumptions() if assumptions is None else assumptions
        self._results = {
            name: freeze(value, where=f"the result of {name!r}")
            for name, value in (results or {}).items()
        }
        self.perform = perform
        self._require_services()
        self._readers: dict[str, None] = {}
        """The functions that read the data of an error which the scenario does not name."""
        self._program: Program = program_of(self._watched() if failures else chart)
        self._effects = {each.id: each.effect for node in chart.states for each in node.invoke}
        self.durable = durable_delays(chart)
        """The ids of the delays that may keep running in a settled state."""
        self.activities = activities_of(self._program)
        self._states: list[Snapshot | None] = []
        self._state_texts: list[str] = []
        self._state_numbers: dict[str, int] = {}
        self._nodes: list[TableNode] = []
        self._node_texts: list[str | None] = []
        self._node_numbers: dict[TableNode, int] = {}
        self._programs: dict[tuple[int, str, str], int] = {}
        self._answers: dict[tuple[str, ...], Answer] = {}
        self._errors: dict[int, dict[tuple[str, str], None]] = {}
        self._doubts: dict[int, dict[str, None]] = {}

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

    def _watched(self) -> Chart:
        """Return the chart with functions that note when they read an unnamed error."""

        def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
            def call(context: FrozenDict, event: Event) -> Any:
                if event.data == _UNNAMED and event.name.startswith("error.invoke."):
                    event = _UnnamedError(event, lambda: self._readers.update({name: None}))
                return function(context, event)

            return call

        chart = self.chart
        return chart.bind(
            {
                name: watched(name, function)
                for name, function in chart.functions.items()
                if chart.roles[name] != "service"
            }
        )

    # --- states ---------------------------------------------------------------------------

    def start(self, snapshot: Snapshot | None = None, *, by_message: bool = False) -> int:
        """Return the state of a new instance, or of one that `snapshot` describes.

        Parameters
        ----------
        by_message
            Whether a message may start the instance. Then the start is saved even if it does
            nothing, so the new instance is a state of its own.

        Raises
        ------
        ChartMismatchError
            The chart cannot continue from the snapshot.
        """
        if snapshot is not None:
            check_snapshot(self._program, snapshot, "")
            return self._state(snapshot)
        if self._starts_at_rest() and not by_message:
            return self._state(self._first())
        found = self._state_numbers.get("new")
        return self._add_state("new", None) if found is None else found

    def _starts_at_rest(self) -> bool:
        """Whether entering the first states of a new instance does nothing at all."""
        chart, program = self.chart, self._program
        active = chart.active(chart.initial_configuration)
        nodes = [chart.node(name) for name in active]
        return (
            program.may_begin(chart.initial_configuration)
            and program.eventless_sources.isdisjoint(active)
            and not program.finished(chart.initial_configuration, active)
            and not any(
                node.on_enter or node.on_final or node.invoke or node.after for node in nodes
            )
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
        """Return the active leaves of a state; for a new instance, the initial ones."""
        snapshot = self._states[state]
        return self.chart.initial_configuration if snapshot is None else snapshot.configuration

    def context(self, state: int) -> FrozenDict:
        """Return the context of a state."""
        snapshot = self._states[state]
        return self.chart.context if snapshot is None else snapshot.context

    def history(self, state: int) -> FrozenDict:
        """Return what the history states remember in a state, by their names."""
        snapshot = self._states[state]
        return FrozenDict() if snapshot is None else snapshot.history_states

    def as_saved(self, state: int) -> int:
        """Return the state; for a new instance, the state that it has when saved unchanged."""
        if self._states[state] is not None:
            return state
        return self._state(self._first())

    def may_begin(self, state: int) -> bool:
        """Whether an event may find an instance in this state."""
        snapshot = self._states[state]
        return snapshot is None or self._program.may_begin(snapshot.configuration)

    def state_text(self, state: int) -> str:
        """Return text that identifies the state, the same in every process."""
        return self._state_texts[state]

    # --- timers ---------------------------------------------------------------------------

    @property
    def timers(self) -> tuple[str, ...]:
        """The ids of the delays for which an instance may have a timer, by position."""
        return self.durable

    def timers_of(self, snapshot: Snapshot) -> tuple[tuple[int, float], ...]:
        """Return the positions of the timers that run for a snapshot, with their seconds."""
        active = self.chart.active(snapshot.configuration)
        return tuple(
            (place, self.activities.delays[delay].seconds)
            for place, delay in enumerate(self.durable)
            if self.activities.node_of(delay) in active
        )

    # --- programs -------------------------------------------------------------------------

    def node(self, number: int) -> TableNode:
        """Return a node of a program."""
        return self._nodes[number]

    def node_text(self, number: int) -> str:
        """Return a digest of everything below a node, the same in every process."""
        stack = [number]
        while stack:
            node = self._nodes[stack[-1]]
            unknown = [
                branch.after for branch in node.branches if self._node_texts[branch.after] is None
            ]
            if unknown:
                stack.extend(unknown)
                continue
            branches = [
                [branch.kind.value, self._node_texts[branch.after], *branch[2:]]
                for branch in node.branches
            ]
            state = self._state_texts[node.state] if node.kind is ProgramNodeKind.SAVE else ""
            outcome = "" if node.outcome is None else node.outcome.value
            own = [state, outcome, node.text, node.started, node.kept]
            whole = _canonical([node.kind.value, own, branches]).encode()
            self._node_texts[stack.pop()] = hashlib.sha256(whole).hexdigest()
        return self._node_texts[number] or ""

    def program(self, state: int, event: str, data: JSONValue = None) -> int:
        """Return the first node of what `event` does to an instance in `state`.

        Raises
        ------
        InvalidEventError
            The name is not allowed for an external event, or the data is not strict JSON.
        """
        key = (state, event, "" if data is None else _canonical(data))
        if key not in self._programs:
            given = None if event == START_EVENT.name else external_event(event, data)
            self._programs[key] = self._made(state, given)
        return self._programs[key]

    def program_of_delay(self, state: int, delay: str) -> int:
        """Return the first node of the program that runs when a delay of a settled state is due."""
        elapsed = Elapsed(delay)
        key = (state, elapsed.event.name, "")
        if key not in self._programs:
            self._programs[key] = self._made(state, elapsed)
        return self._programs[key]

    def errors(self, number: int) -> tuple[tuple[str, str], ...]:
        """Return the services that fail by themselves at a node, with their errors."""
        return tuple(self._errors.get(number, ()))

    def doubts(self, number: int) -> tuple[str, ...]:
        """Return why a program proves nothing; `number` is its first node."""
        return tuple(self._doubts.get(number, ()))

    def _made(self, state: int, event: Event | Elapsed | None) -> int:
        self._readers.clear()
        builder = ProgramBuilder(self, state, event)
        number = builder.build()
        doubts = dict.fromkeys(builder.doubts)
        for name in self._readers:
            doubts[
                f"{name} looks at the error of a service, and which errors there are is not said: "
                "give errors={service: [...]}"
            ] = None
        if doubts:
            self._doubts.setdefault(number, {}).update(doubts)
        return number

    def _intern(self, node: TableNode) -> int:
        number = self._node_numbers.get(node)
        if number is None:
            number = self._node_numbers[node] = len(self._nodes)
            self._nodes.append(node)
            self._node_texts.append(None)
        return number

    def _answer(self, state: int, event: Event, pending: Pending) -> Answer:
        """Return what a service answers; it runs once for each state, event and call."""
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
            assert self.perform is not None  # the constructor has checked it
            if pending.service in self.assumptions.durations:
                pending = pending._replace(timeout=_FOREVER)
            found = self._answers[key] = self.perform(pending)
        return found


class _UnnamedError(Event):
    """An error event that notes when its data is read."""

    __slots__ = ("_told",)

    def __init__(self, event: Event, told: Callable[[], object]) -> None:
        super().__init__(event.name, event.data)
        object.__setattr__(self, "_told", told)

    def __getattribute__(self, name: str) -> Any:
        if name == "data":
            object.__getattribute__(self, "_told")()
        return super().__getattribute__(name)


def _canonical(value: JSONValue) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
