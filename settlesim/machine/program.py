"""A chart made ready to run: its machine, and the tables around it.

`Program.fire` is one microstep as a pure function: it works on a light copy, so that a
guard that raises in the second region of a parallel state leaves nothing half done.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Final

from settlesim.chart import (
    EVENTLESS,
    Chart,
    Event,
    Node,
    NodeKind,
    Snapshot,
    Transition,
    TransitionKind,
)
from settlesim.chart.functions import takes_active
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import FrozenDict, FrozenList, freeze, freeze_object
from settlesim.errors import ChartMismatchError, SettleError, UnboundFunctionError, names_of
from settlesim.machine.builder import apply, build_machine, leaves_of, machine_of
from settlesim.machine.fired import NO_HISTORY, Fired, History
from settlesim.machine.machine import Instance, NestedSettleMachine
from settlesim.machine.scxml import Ask, ScxmlRules
from settlesim.machine.transitions_log import quietly

__all__ = [
    "Program",
    "check_snapshot",
    "frozen_history",
    "history_of",
    "is_over",
    "program_of",
]

_FINAL: Final = frozenset(("final",))


class Program:
    """The machine of a chart with everything that is looked up per microstep.

    Parameters
    ----------
    chart
        Only guards and assigns that are called have to be bound.
    ask
        Decides in place of its guards whether a transition may fire; it is also given the
        transition's position in ``chart.edges``. None for the chart's own guards.
    """

    def __init__(self, chart: Chart, ask: Ask | None = None) -> None:
        self.chart = chart
        self._scxml = ScxmlRules(chart, ask) if chart.semantics == "scxml" else None
        self._order = {node.name: index for index, node in enumerate(chart.states)}
        self._sources: dict[str, set[str]] = {}
        for edge in chart.edges:
            self._sources.setdefault(edge.trigger, set()).add(edge.source)
        self._edge_numbers = {f"e{index}": index for index in range(len(chart.edges))}
        self._flat = {
            f"e{index}": ((index,), None if edge.dest is None else (edge.dest,))
            for index, edge in enumerate(chart.edges)
        }
        self._active: dict[tuple[str, ...], frozenset[str]] = {}
        self._rest: dict[tuple[str, ...], frozenset[str | None]] = {}
        self._begins: dict[tuple[str, ...], bool] = {}
        self._leaves: dict[tuple[str, ...], FrozenList] = {}
        machine = None
        if self._scxml is None:
            machine = machine_of(chart) if ask is None else build_machine(chart, ask)
        if machine is None:
            self.nested = True
        elif isinstance(machine, NestedSettleMachine):
            self.nested = True
            self._machine = machine
            self._owner: int | None = None
            self._lock = threading.Lock()  # a nested machine stores its current scope in itself
        else:
            self.nested = False
            self._events = machine.events
        self.eventless_sources = frozenset(self._sources.get(EVENTLESS, ()))
        self.unguarded_sources = frozenset(
            edge.source for edge in chart.edges if edge.trigger == EVENTLESS and not edge.guards
        )
        """Sources of eventless transitions that always fire: no instance is saved there."""
        self.stable_leaves = frozenset(
            () if self.nested else {node.name for node in chart.states} - self.eventless_sources
        )
        """Leaves of a flat chart without an eventless transition: no microstep follows there."""

    # --- one microstep --------------------------------------------------------------------

    def fire(
        self,
        configuration: tuple[str, ...],
        context: FrozenDict,
        trigger: str,
        event: Event,
        history: History = NO_HISTORY,
    ) -> Fired | None:
        """Run what `trigger` enables in this configuration; None where nothing fires.

        Parameters
        ----------
        event : what guards and assigns see
        history : what the chart's history states stand for

        Raises
        ------
        FunctionFailedError
            A guard or an assign failed; nothing has changed.
        """
        if self._scxml is not None:
            return self._scxml.fire(configuration, context, trigger, event, history)
        sources = self._sources.get(trigger)
        if sources is None:
            return None
        if self.nested:
            if sources.isdisjoint(self.active(configuration)):
                return None
            return self._fire_nested(configuration, context, trigger, event)
        source = configuration[0]
        if source not in sources:
            return None
        instance = Instance(source, context, event)
        with quietly:
            self._events[trigger].trigger(instance)
        if not instance.fired:
            return None
        number, dest = self._flat[instance.fired[0]]
        if dest is None:
            return Fired(configuration, instance.context, number, (), ())
        return Fired(dest, instance.context, number, configuration, dest)

    def _fire_nested(
        self, configuration: tuple[str, ...], context: FrozenDict, trigger: str, event: Event
    ) -> Fired | None:
        state: str | list[str] = (
            configuration[0] if len(configuration) == 1 else list(configuration)
        )
        instance = Instance(state, context, event)
        with self._alone(), quietly:
            self._machine.trigger_event(instance, trigger)
        if not instance.fired:
            return None
        return Fired(
            tuple(sorted(leaves_of(instance.state), key=self._order.__getitem__)),
            instance.context,
            tuple(self._edge_numbers[edge] for edge in instance.fired),
            tuple(instance.exited),
            tuple(instance.entered),
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads out, and refuse a guard or an assign that settles the same chart."""
        me = threading.get_ident()
        if self._owner == me:
            raise SettleError("a guard or an assign of a nested chart cannot settle that chart")
        with self._lock:
            self._owner = me
            try:
                yield
            finally:
                self._owner = None

    def start(self, event: Event) -> Fired:
        """Enter the initial configuration of a new instance.

        The states' ``on_enter`` run, outermost first. `transitions` would not run them; here
        a new instance enters its first states as it enters all others (SCXML 1.0, 3.2).
        """
        if self._scxml is not None:
            return self._scxml.start(event)
        configuration = self.chart.initial_configuration
        entered = self.chart.active(configuration)
        context = self.chart.context
        for name in entered:
            for function in self.chart.node(name).on_enter:
                if function not in self.chart.functions:
                    raise UnboundFunctionError(chart=self.chart.name, names=[function])
                call = self.chart.functions[function]
                options = {"active": entered} if takes_active(call) else {}
                context = apply(function, call, context, event, options)
        return Fired(configuration, context, (), (), entered)

    def sources(self, trigger: str) -> frozenset[str]:
        """Return the states with a transition under this trigger."""
        if self._scxml is not None:
            return frozenset(self._scxml.sources(trigger))
        return frozenset(self._sources.get(trigger, ()))

    def raises_done(self, name: str) -> bool:
        """Whether finishing a state raises an internal event."""
        takes_any = self._scxml is not None and self._scxml.takes_any
        return takes_any or bool(self.chart.node(name).on_done)

    # --- questions ------------------------------------------------------------------------

    def active(self, configuration: tuple[str, ...]) -> frozenset[str]:
        """Return every active state of a configuration."""
        found = self._active.get(configuration)
        if found is None:
            found = self._active[configuration] = frozenset(self.chart.active(configuration))
        return found

    def leaves(self, configuration: tuple[str, ...]) -> FrozenList:
        """Return a configuration as strict JSON."""
        found = self._leaves.get(configuration)
        if found is None:
            found = self._leaves[configuration] = freeze(list(configuration))
        return found

    def rest_kinds(self, configuration: tuple[str, ...]) -> frozenset[str | None]:
        """Return how the active leaves are settled, with None for a leaf that is not."""
        found = self._rest.get(configuration)
        if found is None:
            found = frozenset(map(self.chart.rest_of, configuration))
            self._rest[configuration] = found
        return found

    def rests(self, configuration: tuple[str, ...]) -> bool:
        """Whether every active leaf is settled."""
        return None not in self.rest_kinds(configuration)

    def outcome(self, configuration: tuple[str, ...]) -> Outcome | None:
        """Return the outcome of an event that stops here; None where a leaf is not settled."""
        kinds = self.rest_kinds(configuration)
        if None in kinds:
            return None
        if "rejected" in kinds:
            return Outcome.REJECTED
        return Outcome.DONE if kinds == _FINAL else Outcome.RESOLVED

    def may_begin(self, configuration: tuple[str, ...]) -> bool:
        """Whether an event may find an instance in this configuration."""
        found = self._begins.get(configuration)
        if found is None:
            found = self.is_legal(configuration) and (
                self.rests(configuration)
                or (self.chart.is_initial(configuration) and not self._goes_on(configuration))
            )
            self._begins[configuration] = found
        return found

    def _goes_on(self, configuration: tuple[str, ...]) -> bool:
        """Whether a service, a delay or an eventless transition of an active state is pending."""
        active = self.active(configuration)
        return not self.eventless_sources.isdisjoint(active) or any(
            self.chart.node(name).invoke or self.chart.node(name).after for name in active
        )

    def accepts(self, configuration: tuple[str, ...]) -> dict[str, tuple[Transition, ...]]:
        """Return the external events that a configuration takes, with their transitions.

        Guards are not asked. Innermost sources come first, as they are tried.
        """
        active = self.active(configuration)
        if self._scxml is not None:
            return self._scxml.accepts(active)
        found: dict[str, list[Transition]] = {}
        for edge in self.chart.edges:
            if edge.source in active and edge.kind is TransitionKind.EXTERNAL:
                found.setdefault(edge.trigger, []).append(edge)
        return {
            trigger: tuple(sorted(edges, key=lambda edge: -edge.source.count(".")))
            for trigger, edges in found.items()
        }

    def is_legal(self, configuration: Iterable[str]) -> bool:
        """Whether these leaves can be active together (SCXML 1.0, section 3.11)."""
        leaves = tuple(configuration)
        if len(set(leaves)) != len(leaves) or any(leaf not in self.chart for leaf in leaves):
            return False
        if any(self.chart.node(leaf).kind is NodeKind.HISTORY for leaf in leaves):
            return False
        active = self.active(leaves)
        roots = [name for name in active if self.chart.node(name).parent is None]
        if len(roots) != 1 or leaves != tuple(sorted(leaves, key=self._order.__getitem__)):
            return False
        return all(self._is_legal_node(self.chart.node(name), active, leaves) for name in active)

    def _is_legal_node(self, node: Node, active: frozenset[str], leaves: tuple[str, ...]) -> bool:
        inside = sum(child in active for child in node.children)
        if node.kind is NodeKind.PARALLEL:
            regions = self.chart.structure.regions(node.name)
            return inside == len(regions) and node.name not in leaves
        if node.kind is NodeKind.COMPOUND:
            return inside == 1 if node.name not in leaves else node.initial is None and not inside
        return node.name in leaves

    def finished(self, configuration: tuple[str, ...], entered: Iterable[str]) -> tuple[str, ...]:
        """Return the states that newly entered final leaves finish.

        With the semantics of SCXML, a final child finishes a compound state (SCXML 1.0, section
        3.7), and states come in the order in which they finish. Otherwise a state is finished when
        all active leaves inside it are final, as for the ``on_final`` callbacks of `transitions`,
        and inner states come first.
        """
        chart = self.chart
        if self._scxml is not None:
            return chart.structure.finished(tuple(entered), self.active(configuration))
        final = {leaf for leaf in configuration if chart.node(leaf).kind is NodeKind.FINAL}
        found: dict[str, None] = {}
        for leaf in entered:
            if leaf not in final:
                continue
            parent = chart.node(leaf).parent
            while parent is not None:
                prefix = f"{parent}."
                if any(each.startswith(prefix) and each not in final for each in configuration):
                    break
                found[parent] = None
                parent = chart.node(parent).parent
        return tuple(found)


def program_of(chart: Chart) -> Program:
    """Return the program of a chart, built once."""
    program: Program | None = chart.cache.get("program")
    if program is None:
        program = chart.cache["program"] = Program(chart)
    return program


def flaw_of_rest(program: Program, configuration: tuple[str, ...]) -> str | None:
    """Say why no instance can be saved in a configuration; None where one can."""
    chart, leaves = program.chart, names_of(configuration)
    gone = [leaf for leaf in configuration if leaf not in chart]
    if gone:
        return f"state {names_of(gone)} is not in version {chart.version}"
    if not program.is_legal(configuration):
        return f"{leaves} cannot be active together in version {chart.version}"
    kinds = program.rest_kinds(configuration)
    if None in kinds or ("rejected" in kinds and chart.on_reject == "discard"):
        return f"{leaves} is not settled in version {chart.version}"
    left = program.unguarded_sources & program.active(configuration)
    if left:
        source = names_of(sorted(left)[:1])
        return f"{source} has an eventless transition without a guard in version {chart.version}"
    return None


def check_snapshot(program: Program, snapshot: Snapshot, key: str) -> None:
    """Refuse a snapshot that this chart cannot resume.

    Raises
    ------
    ChartMismatchError
        It is of another chart, version or definition, or in states that are not settled here.
    """
    chart = program.chart
    leaves = ", ".join(snapshot.configuration)
    if (snapshot.chart, snapshot.version) != (chart.name, chart.version):
        reason = "an instance stays with the chart and version that it began with, until a step of "
        reason += "the chart's migrations leads it on"
    elif snapshot.fingerprint not in (None, chart.fingerprint):
        reason = f"it was edited without a new version (fingerprint {snapshot.fingerprint}, now "
        reason += f"{chart.fingerprint})"
    elif snapshot.history_states and not _is_remembered(chart, snapshot):
        reason = "its history states remember what they cannot here"
    elif program.may_begin(snapshot.configuration):
        return
    elif program.is_legal(snapshot.configuration):
        reason = f"it rests in {leaves}, which is not settled here"
    else:
        reason = f"this chart cannot be in {' + '.join(snapshot.configuration) or 'no state'}"
    raise ChartMismatchError(
        key=key,
        stored=f"{snapshot.chart} version {snapshot.version}",
        current=f"{chart.name} version {chart.version}",
        reason=reason,
    )


def _is_remembered(chart: Chart, snapshot: Snapshot) -> bool:
    """Whether the history states of a chart can stand for what a snapshot says."""
    can_remember = chart.structure.can_remember
    return all(can_remember(name, states) for name, states in snapshot.history_states.items())


def history_of(snapshot: Snapshot) -> History:
    """Return what the history states of an instance stand for."""
    if not snapshot.history_states:
        return NO_HISTORY
    return tuple((name, tuple(states)) for name, states in snapshot.history_states.items())


_NO_STATES: Final = freeze_object({}, where="history_states")


def frozen_history(history: History) -> FrozenDict:
    """Return what history states stand for, as `Snapshot.history_states` holds it."""
    if not history:
        return _NO_STATES
    record = {name: list(states) for name, states in history}
    return freeze_object(record, where="history_states")


def is_over(program: Program, configuration: tuple[str, ...]) -> bool:
    """Whether an instance has finished here: all leaves are final, and no event is accepted."""
    nodes = map(program.chart.node, configuration)
    return all(node.kind is NodeKind.FINAL for node in nodes) and not program.accepts(configuration)
