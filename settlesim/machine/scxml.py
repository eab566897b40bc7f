"""One microstep by the rules of SCXML 1.0: the transitions that fire, and the order of their work.

Theory of operation
-------------------
`transitions` holds and draws a chart with ``semantics="scxml"`` like every other one; what fires
is chosen here, as in appendix D, "Algorithm for SCXML interpretation":

1. *Collect* (``selectTransitions``): every active leaf takes, of the transitions of itself and
   then of the states around it, the first in document order whose guards hold.
2. *Pre-empt* (``removeConflictingTransitions``): of two transitions that would leave the same
   state, the one with the inner source wins, else the first (section 3.13).
3. *Execute* (``microstep``): states are left from the last to the first in document order, then
   the transitions' assigns run, then states are entered in document order.

The result of steps 2 and 3 depends only on the configuration, the transitions and what history
states stand for, so it is computed once for each combination and kept as a `_Plan`.

References
----------
W3C (2015): "State Chart XML (SCXML): State Machine Notation for Control Abstraction".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from settlesim.chart import EVENTLESS, Chart, Event, NodeKind, Transition, TransitionKind
from settlesim.chart.definition import ANY_EVENT, RESERVED_PREFIXES
from settlesim.chart.event import matches
from settlesim.chart.functions import asked_state, built_in_guard, takes_active
from settlesim.chart.strict_json import FrozenDict
from settlesim.chart.structure import HistoryStates, Structure
from settlesim.chart.validation import ancestors
from settlesim.errors import UnboundFunctionError
from settlesim.machine.builder import apply, holds, with_states, without_states
from settlesim.machine.fired import NO_HISTORY, Fired, History

__all__ = ["Ask", "ScxmlRules"]

Ask = Callable[[int, Transition, Event], bool]
"""Decides in place of its guards whether a transition may fire."""

_MOST_PLANS: Final = 10_000


class _Plan(NamedTuple):
    """What a microstep does, except for the changes that its assigns make to the context."""

    configuration: tuple[str, ...]
    edges: tuple[int, ...]
    exited: tuple[str, ...]
    entered: tuple[str, ...]
    history: History
    assigns: tuple[tuple[str, tuple[str, ...]], ...]
    """The functions that may change the context, in the order in which they run; each with the
    states that are active then."""


class ScxmlRules:
    """Chooses and executes the transitions of a chart with ``semantics="scxml"``.

    Parameters
    ----------
    chart
    ask : None for the chart's own guards
    """

    def __init__(self, chart: Chart, ask: Ask | None = None) -> None:
        self._chart = chart
        self._ask = ask
        self._structure: Structure = chart.structure
        self._moving = {name for name, each in chart.functions.items() if takes_active(each)}
        """The functions that look at the active states."""
        self._plans: dict[tuple[object, ...], _Plan] = {}
        self._candidates: dict[tuple[str, ...], dict[str, tuple[int, ...]]] = {}
        self._open = tuple(map(without_states, chart.edges))
        self._by_trigger: dict[str, list[int]] = {}
        for index, edge in enumerate(chart.edges):
            self._by_trigger.setdefault(edge.trigger, []).append(index)
        self._wildcards = [
            trigger
            for trigger in self._by_trigger
            if trigger == ANY_EVENT or trigger.endswith(f".{ANY_EVENT}")
        ]
        self.takes_any = ANY_EVENT in self._by_trigger
        """Whether a transition may take any event."""

    # --- events ---------------------------------------------------------------------------

    def descriptors(self, event: str) -> tuple[str, ...]:
        """Return the triggers of the chart that an event matches (section 3.12.1).

        ``*`` matches every event, ``a.*`` matches ``a`` and all whose name begins with ``a.``,
        every other trigger only the event of that name. An event may be named like a descriptor,
        such as ``a.*``: it then stands for all events that match no longer descriptor.
        """
        exact = [event] if event in self._by_trigger else []
        if event == EVENTLESS:
            return tuple(exact)
        wider = (each for each in self._wildcards if each != event and matches(event, each))
        return (*exact, *wider)

    def sources(self, event: str) -> dict[str, tuple[int, ...]]:
        """Return by source the transitions that an event may trigger, in document order.

        For the events of a state's own services, delays and end, exact triggers come first.
        """
        triggers = self.descriptors(event)
        found = self._candidates.get(triggers)
        if found is None:
            edges: dict[str, list[int]] = {}
            indices = [each for name in triggers for each in self._by_trigger[name]]
            if not event.startswith(RESERVED_PREFIXES):
                indices.sort()
            for index in indices:
                edges.setdefault(self._chart.edges[index].source, []).append(index)
            found = self._candidates[triggers] = {
                source: tuple(indices) for source, indices in edges.items()
            }
        return found

    # --- one microstep --------------------------------------------------------------------

    def fire(
        self,
        configuration: tuple[str, ...],
        context: FrozenDict,
        trigger: str,
        event: Event,
        history: History,
    ) -> Fired | None:
        """Run what `trigger` enables; None where nothing fires.

        Raises
        ------
        FunctionFailedError
            A guard or an assign failed.
        """
        sources = self.sources(trigger)
        if not sources:
            return None
        selected = self._select(configuration, context, sources, event)
        if not selected:
            return None
        return self._execute(self._plan(configuration, selected, history), context, event)

    def start(self, event: Event) -> Fired:
        """Enter the initial configuration of a new instance."""
        configuration = self._chart.initial_configuration
        entered = self._chart.active(configuration)
        assigns = tuple(self._entry_assigns(entered, entered))
        plan = _Plan(configuration, (), (), entered, NO_HISTORY, assigns)
        return self._execute(plan, self._chart.context, event)

    def _select(
        self,
        configuration: tuple[str, ...],
        context: FrozenDict,
        sources: dict[str, tuple[int, ...]],
        event: Event,
    ) -> tuple[int, ...]:
        """Return the enabled transitions, one for each active leaf (``selectTransitions``)."""
        active = self._chart.active(configuration)
        asked: dict[int, bool] = {}
        selected: dict[int, None] = {}
        for leaf in configuration:
            for index in (each for name in ancestors(leaf) for each in sources.get(name, ())):
                if index not in asked:
                    asked[index] = self._is_enabled(index, active, context, event)
                if asked[index]:
                    selected[index] = None
                    break
        return tuple(selected)

    def _is_enabled(
        self, index: int, active: tuple[str, ...], context: FrozenDict, event: Event
    ) -> bool:
        """Whether all guards of a transition hold."""
        edge = self._chart.edges[index]
        if not edge.guards:
            return True
        if self._ask is None:
            wanted = ((name, True) for name in edge.conditions)
            refused = ((name, False) for name in edge.unless)
            return all(
                self._holds(name, active, context, event) is value
                for name, value in (*wanted, *refused)
            )
        if any(_is_in(name, active) is False for name in edge.conditions):
            return False
        if any(_is_in(name, active) is True for name in edge.unless):
            return False
        asked = self._open[index]
        if not self._moving.isdisjoint(asked.guards):
            asked = with_states(asked, self._moving, self._structure.leaves(active))
        return not asked.guards or self._ask(index, asked, event)

    def _holds(self, name: str, active: tuple[str, ...], context: FrozenDict, event: Event) -> bool:
        found = _is_in(name, active)
        if found is not None:
            return found
        return holds(name, self._function(name), context, event, self._options(name, active))

    def _function(self, name: str) -> Callable[..., Any]:
        function = self._chart.functions.get(name) or built_in_guard(name)
        if function is None:
            raise UnboundFunctionError(chart=self._chart.name, names=[name])
        return function

    def _options(self, name: str, active: tuple[str, ...]) -> Mapping[str, Any]:
        return {"active": active} if name in self._moving else {}

    def _execute(self, plan: _Plan, context: FrozenDict, event: Event) -> Fired:
        for name, active in plan.assigns:
            options = self._options(name, active)
            context = apply(name, self._function(name), context, event, options)
        return Fired(
            plan.configuration, context, plan.edges, plan.exited, plan.entered, plan.history
        )

    # --- plans ----------------------------------------------------------------------------

    def _plan(
        self, configuration: tuple[str, ...], selected: tuple[int, ...], history: History
    ) -> _Plan:
        key = (configuration, selected, history)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            found = self._plans[key] = self._make_plan(configuration, selected, history)
        return found

    def _make_plan(
        self, configuration: tuple[str, ...], selected: tuple[int, ...], history: History
    ) -> _Plan:
        structure, chart = self._structure, self._chart
        active = chart.active(configuration)
        known = dict(history)
        fired, left = self._without_conflicts(selected, active, known)
        exited = tuple(reversed(structure.in_order(left)))
        remembered = structure.remember(exited, active, known)
        # A history state that is left and entered in one microstep stands for what was left.
        entered = structure.entry_set([chart.edges[index] for index in fired], remembered)
        stay = [name for name in active if name not in left]
        after = structure.in_order([*stay, *entered])
        edges = [chart.edges[index] for index in fired]
        assigns = [
            *self._exit_assigns(exited, active),
            *((each, tuple(stay)) for edge in edges for each in edge.before + edge.assign),
            *self._entry_assigns(entered, after),
            *((each, after) for edge in edges for each in edge.after),
        ]
        return _Plan(
            structure.leaves(after),
            fired,
            exited,
            entered,
            tuple((name, tuple(states)) for name, states in remembered.items()),
            tuple(assigns),
        )

    def _without_conflicts(
        self, selected: tuple[int, ...], active: tuple[str, ...], history: HistoryStates
    ) -> tuple[tuple[int, ...], frozenset[str]]:
        """Return the transitions that fire, and what they leave.

        Two that leave a common state are in conflict (``removeConflictingTransitions``).
        """
        chosen: dict[int, tuple[str, ...]] = {}
        left_by: dict[str, int] = {}
        for index in selected:
            left = self._structure.exit_set(self._chart.edges[index], active, history)
            rivals = dict.fromkeys(left_by[name] for name in left if name in left_by)
            if not all(self._is_inside(index, rival) for rival in rivals):
                continue
            for rival in rivals:
                for name in chosen.pop(rival):
                    del left_by[name]
            chosen[index] = left
            left_by |= dict.fromkeys(left, index)
        return tuple(chosen), frozenset(left_by)

    def _is_inside(self, index: int, other: int) -> bool:
        """Whether the source of a transition is inside that of another."""
        edges = self._chart.edges
        return edges[index].source.startswith(f"{edges[other].source}.")

    def _exit_assigns(
        self, exited: tuple[str, ...], active: tuple[str, ...]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the assigns of states that are left, each with the states active at that point."""
        left: set[str] = set()
        for name in exited:
            for each in self._chart.node(name).on_exit:
                yield each, self._without(active, left)
            left.add(name)

    def _entry_assigns(
        self, entered: tuple[str, ...], active: tuple[str, ...]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the assigns of states that are entered, and of the states that they finish."""
        later = set(entered)
        for name, finished in self._structure.finishing(entered, active):
            later.discard(name)
            node = self._chart.node(name)
            functions = list(node.on_enter)
            if node.kind is NodeKind.FINAL:
                functions += node.on_final
            for each in finished:
                functions += self._chart.node(each).on_final
            for function in functions:
                yield function, self._without(active, later)

    def _without(self, active: tuple[str, ...], others: set[str]) -> tuple[str, ...]:
        """Return the active states except some; none if no function of the chart looks at them."""
        return tuple(each for each in active if each not in others) if self._moving else ()

    def accepts(self, active: frozenset[str]) -> dict[str, tuple[Transition, ...]]:
        """Return the external events that active states take, innermost sources first."""
        edges = self._chart.edges
        found: dict[str, tuple[Transition, ...]] = {}
        for trigger, indices in self._by_trigger.items():
            if edges[indices[0]].kind is not TransitionKind.EXTERNAL:
                continue
            taken = [
                edges[index]
                for source, candidates in self.sources(trigger).items()
                if source in active
                for index in candidates
            ]
            if taken:
                found[trigger] = tuple(sorted(taken, key=lambda edge: -edge.source.count(".")))
        return found


def _is_in(guard: str, active: tuple[str, ...]) -> bool | None:
    """Return the answer of ``In(state)``; None for any other guard."""
    state = asked_state(guard)
    return None if state is None else state in active
