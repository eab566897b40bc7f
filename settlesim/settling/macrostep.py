"""The position of a running event, and the microsteps from there to the next stable position.

Rules
-----
1. An eventless transition goes before an internal event (SCXML 1.0, section 3.13).
2. The internal events are those of finished compound states, in the order they finished.
3. Entering a state starts its services and delays, leaving it ends them; a state that is left and
   entered in one microstep restarts them.
4. Stable: no eventless transition is enabled and no internal event is left.

`Position` holds no counts and no results, so `settlesim.check.runs` can keep positions in a set;
`settlesim.settling.settling` keeps what else one run needs.
"""

from __future__ import annotations

from typing import NamedTuple

from settlesim.chart import EVENTLESS, Delay, Event, Invocation
from settlesim.chart.strict_json import FrozenDict
from settlesim.machine.fired import NO_HISTORY, Fired, History
from settlesim.machine.program import Program

__all__ = [
    "Activities",
    "FiredStep",
    "Position",
    "activities_of",
    "after_firing",
    "cycle_of",
    "next_internal",
]


class Position(NamedTuple):
    """The abstract state of a run: everything except the context."""

    configuration: tuple[str, ...]
    invocations: tuple[str, ...] = ()
    """The ids of the services that run, in the order in which they were started."""
    delays: tuple[str, ...] = ()
    """The ids of the delays that have not passed."""
    internal: tuple[str, ...] = ()
    """Reserved triggers that wait, oldest first."""
    history: History = NO_HISTORY
    """What the history states stand for."""

    def without(self, invocation: str) -> Position:
        """Return the position after a service has ended."""
        left = tuple([each for each in self.invocations if each != invocation])
        return Position(self.configuration, left, self.delays, self.internal, self.history)


class FiredStep(NamedTuple):
    """One microstep: what triggered it, what fired, where it led."""

    trigger: str
    fired: Fired
    position: Position


class Activities:
    """The services and delays of a chart, by id and by state."""

    def __init__(self, program: Program) -> None:
        self.invocations: dict[str, Invocation] = {}
        self.delays: dict[str, Delay] = {}
        self._node_of: dict[str, str] = {}
        self._started_by: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        for node in program.chart.states:
            self.invocations |= {each.id: each for each in node.invoke}
            self.delays |= {each.id: each for each in node.after}
            ids = tuple(each.id for each in node.invoke), tuple(each.id for each in node.after)
            self._node_of |= dict.fromkeys(ids[0] + ids[1], node.name)
            self._started_by[node.name] = ids
        self.on_entry = {
            leaf: Position((leaf,), *started) for leaf, started in self._started_by.items()
        }
        """For a flat chart: the position after each leaf was entered."""

    def kept(self, ids: tuple[str, ...], exited: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of `ids` whose state was not left."""
        return tuple(each for each in ids if self._node_of[each] not in exited)

    def invocations_of(self, entered: tuple[str, ...]) -> tuple[str, ...]:
        """Return the services that entering these states starts."""
        return tuple(each for name in entered for each in self._started_by[name][0])

    def delays_of(self, entered: tuple[str, ...]) -> tuple[str, ...]:
        """Return the delays that entering these states starts."""
        return tuple(each for name in entered for each in self._started_by[name][1])

    def node_of(self, activity: str) -> str:
        """Return the state that a service or a delay belongs to."""
        return self._node_of[activity]


def after_firing(
    program: Program, activities: Activities, position: Position, fired: Fired
) -> Position:
    """Return the position after transitions have fired."""
    entered = fired.entered
    if not entered and not fired.exited:
        return position
    if not program.nested:  # one leaf: leaving it ends everything, entering one starts all
        return activities.on_entry[entered[0]]
    finished = program.finished(fired.configuration, entered)
    return Position(
        fired.configuration,
        activities.kept(position.invocations, fired.exited) + activities.invocations_of(entered),
        activities.kept(position.delays, fired.exited) + activities.delays_of(entered),
        position.internal
        + tuple(f"done.state.{name}" for name in finished if program.raises_done(name)),
        fired.history,
    )


def next_internal(
    program: Program, activities: Activities, position: Position, context: FrozenDict, event: Event
) -> FiredStep | None:
    """Return the next microstep that needs nothing from outside; None where it is stable.

    Parameters
    ----------
    event : the event that was handled last, for guards and assigns to see
    """
    configuration = position.configuration
    if not program.eventless_sources.isdisjoint(program.active(configuration)):
        fired = program.fire(configuration, context, EVENTLESS, event, position.history)
        if fired is not None:
            return FiredStep(EVENTLESS, fired, after_firing(program, activities, position, fired))
    while position.internal:
        trigger, *rest = position.internal
        position = position._replace(internal=tuple(rest))
        fired = program.fire(
            position.configuration, context, trigger, Event(trigger), position.history
        )
        if fired is not None:
            return FiredStep(trigger, fired, after_firing(program, activities, position, fired))
    return None


def activities_of(program: Program) -> Activities:
    """Return the services and delays of a program's chart, looked up once."""
    activities: Activities | None = program.chart.cache.get("activities")
    if activities is None:
        activities = program.chart.cache["activities"] = Activities(program)
    return activities


def cycle_of(configurations: list[tuple[str, ...]]) -> list[str]:
    """Return the shortest cycle that the last configurations repeat; empty if there is none."""
    for period in range(1, len(configurations) // 2 + 1):
        if configurations[-period:] == configurations[-2 * period : -period]:
            return [" + ".join(leaves) for leaves in configurations[-period:]]
    return []
