"""Every run of a chart, with its guards and services left open.

Theory of operation
-------------------
The context is forgotten. A guard may say yes or no, once per name within a microstep; a
service may come back, fail or run out of time; a delay may pass before a service does. What
is left is a finite graph: resting configurations, and positions on the way between them.
The steps are those of `settlesim.engine.stepping`, which a real run takes too.

The graph has every run that the chart has. It may have more, because the values of two
guards may exclude each other; so a proof holds, and a refutation shows its path.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from settlesim.chart import Chart, Event
from settlesim.chart.values import FrozenDict
from settlesim.engine.program import Fired, Program
from settlesim.engine.stepping import (
    Position,
    Step,
    activities_of,
    after_firing,
    next_internal,
)

__all__ = ["LIMIT", "Exploration", "Hop", "Phase", "Place", "explore"]

LIMIT: Final = 50_000
"""How many places an exploration visits before it gives up."""

T = TypeVar("T")


class Phase(enum.Enum):
    """What can happen at a place."""

    REST = "rest"
    """An external event may come."""
    RUN = "run"
    """Eventless transitions and internal events may fire."""
    WAIT = "wait"
    """Stable: services and delays may end."""
    STALLED = "stalled"
    """Nothing can happen, and no tag says that this is a place to rest."""
    FAILED = "failed"
    """A service failed and no ``on_error`` took it."""


class Place(NamedTuple):
    """A node of the graph."""

    phase: Phase
    position: Position
    starting: bool = False
    """Whether a new instance is still on its way to its first event."""


@dataclass(frozen=True, slots=True)
class Hop:
    """An edge of the graph."""

    to: Place
    label: str
    """What happened, in words."""
    event: str | None = None
    """The external event, where one did it."""
    service: str | None = None
    """The service that ended, where one did it."""
    failed: bool = False
    """Whether that service failed or ran out of time."""
    edges: tuple[int, ...] = ()
    """The transitions that fired, positions in ``chart.edges``."""
    guards: tuple[tuple[str, bool], ...] = ()
    """The guards that were asked, and what they said."""
    changes: bool = False
    """Whether an assign ran, so that guards may say something else afterwards."""


@dataclass(slots=True)
class Exploration:
    """The graph of all runs."""

    chart: Chart
    start: Place
    hops: dict[Place, list[Hop]] = field(default_factory=dict)
    """What can follow each place, in the order in which it was found."""
    parents: dict[Place, tuple[Place, Hop]] = field(default_factory=dict)
    """How each place was reached first, by a shortest path."""
    complete: bool = True
    """Whether everything was visited."""

    def path(self, place: Place) -> tuple[str, ...]:
        """Return a shortest path from a new instance to `place`, in words."""
        words: list[str] = []
        while place in self.parents:
            before, hop = self.parents[place]
            if hop.label:
                words.append(f"{hop.label} -> {names(place.position.configuration)}")
            place = before
        words.append(f"new instance in {names(self.chart.initial_configuration)}")
        return tuple(reversed(words))


def names(configuration: tuple[str, ...]) -> str:
    """Name a configuration."""
    return " + ".join(configuration)


class _Oracle:
    """Answers guards, and remembers what it was asked."""

    def __init__(self) -> None:
        self._script: list[tuple[str, bool]] = []
        self.asked: dict[str, bool] = {}

    def ask(self, name: str) -> bool:
        """Return the answer of this valuation; yes where the script says nothing."""
        if name not in self.asked:
            turn = len(self.asked)
            self.asked[name] = self._script[turn][1] if turn < len(self._script) else True
        return self.asked[name]

    def valuations(self, run: Callable[[], T]) -> Iterator[tuple[tuple[tuple[str, bool], ...], T]]:
        """Run once for every valuation of the guards that `run` really asks."""
        script: list[tuple[str, bool]] = []
        while True:
            self._script, self.asked = script, {}
            result = run()
            script = list(self.asked.items())
            yield tuple(script), result
            while script and not script[-1][1]:
                script.pop()
            if not script:
                return
            script[-1] = (script[-1][0], False)


def _no_change(context: FrozenDict, event: Event) -> None:
    return None


class _Explorer:
    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.oracle = _Oracle()
        functions: dict[str, Callable[..., Any]] = {}
        for name, role in chart.roles.items():
            if role == "guard":
                functions[name] = self._guard(name)
            elif role == "assign":
                functions[name] = _no_change
        self.program = Program(chart.bind(functions))
        self.activities = activities_of(self.program)
        self._changing_nodes = {
            node.name for node in chart.states if node.on_enter or node.on_exit or node.on_final
        }

    def _guard(self, name: str) -> Callable[[FrozenDict, Event], bool]:
        return lambda context, event: self.oracle.ask(name)

    def start(self) -> Place:
        fired = self.program.start(Event("start"))
        position = after_firing(self.program, self.activities, Position(fired.configuration), fired)
        return Place(Phase.RUN, position, starting=True)

    def hops(self, place: Place) -> Iterator[Hop]:
        """Return everything that can happen at a place."""
        if place.phase is Phase.REST:
            yield from self._events(place.position.configuration)
        elif place.phase is Phase.RUN:
            yield from self._internal(place)
        elif place.phase is Phase.WAIT:
            yield from self._completions(place)

    def _events(self, configuration: tuple[str, ...]) -> Iterator[Hop]:
        for event in self.program.accepts(configuration):
            for guards, fired in self._fire(Position(configuration), event):
                if fired is not None:
                    yield self._hop(
                        Position(configuration), fired, event, guards, starting=False, event=event
                    )

    def _fire(
        self, position: Position, trigger: str
    ) -> Iterator[tuple[tuple[tuple[str, bool], ...], Fired | None]]:
        return self.oracle.valuations(
            lambda: self.program.fire(
                position.configuration, self.chart.context, trigger, Event(trigger)
            )
        )

    def _hop(
        self,
        position: Position,
        fired: Fired,
        label: str,
        guards: tuple[tuple[str, bool], ...],
        *,
        starting: bool,
        **facts: Any,
    ) -> Hop:
        after = after_firing(self.program, self.activities, position, fired)
        return self._hop_to(after, fired, label, guards, starting, **facts)

    def _hop_to(
        self,
        position: Position,
        fired: Fired,
        label: str,
        guards: tuple[tuple[str, bool], ...],
        starting: bool,
        **facts: Any,
    ) -> Hop:
        said = "".join(f", {name} is {'true' if value else 'false'}" for name, value in guards)
        changes = any(self.chart.edges[edge].assigns for edge in fired.edges) or any(
            name in self._changing_nodes for name in fired.entered + fired.exited
        )
        return Hop(
            Place(Phase.RUN, position, starting),
            label + said,
            edges=fired.edges,
            guards=guards,
            changes=changes,
            **facts,
        )

    def _internal(self, place: Place) -> Iterator[Hop]:
        def run() -> Step | None:
            return next_internal(
                self.program, self.activities, place.position, self.chart.context, Event("")
            )

        for guards, step in self.oracle.valuations(run):
            if step is None:
                yield Hop(self._stable(place), "", guards=guards)
            else:
                label = "finished" if step.trigger else "eventless"
                yield self._hop_to(step.position, step.fired, label, guards, place.starting)

    def _stable(self, place: Place) -> Place:
        """Return the place that a stable position is."""
        position = place.position._replace(internal=())
        configuration = position.configuration
        if position.invocations:
            return Place(Phase.WAIT, position, place.starting)
        at_start = place.starting and not position.delays and self.chart.is_initial(configuration)
        if self.program.rests(configuration) or at_start:
            return Place(Phase.REST, Position(configuration))
        phase = Phase.WAIT if position.delays else Phase.STALLED
        return Place(phase, position, place.starting)

    def _completions(self, place: Place) -> Iterator[Hop]:
        position = place.position
        for id_ in position.invocations:
            invocation = self.activities.invocations[id_]
            left = tuple(each for each in position.invocations if each != id_)
            ended = position._replace(invocations=left)
            for trigger, failed in (
                (invocation.done_trigger, False),
                (invocation.error_trigger, True),
            ):
                word = "failed or out of time" if failed else "done"
                label = f"{invocation.src} {word}"
                for guards, fired in self._fire(position, trigger):
                    if fired is not None:
                        yield self._hop(
                            ended,
                            fired,
                            label,
                            guards,
                            starting=place.starting,
                            service=invocation.src,
                            failed=failed,
                        )
                    else:
                        phase = Phase.FAILED if failed else Phase.RUN
                        yield Hop(
                            Place(phase, ended, place.starting),
                            label,
                            service=invocation.src,
                            failed=failed,
                            guards=guards,
                        )
        yield from self._delays(place)

    def _delays(self, place: Place) -> Iterator[Hop]:
        position = place.position
        for id_ in self._next_delays(position):
            delay = self.activities.delays[id_]
            left = tuple(each for each in position.delays if each != id_)
            ended = position._replace(delays=left)
            label = f"after {delay.seconds:g} s"
            for guards, fired in self._fire(position, delay.trigger):
                if fired is not None:
                    yield self._hop(ended, fired, label, guards, starting=place.starting)
                else:
                    yield Hop(Place(Phase.RUN, ended, place.starting), label, guards=guards)

    def _next_delays(self, position: Position) -> list[str]:
        """Return of each node the delay that passes first; they began together."""
        first: dict[str, str] = {}
        for id_ in position.delays:
            node = self.activities.node_of(id_)
            other = first.get(node)
            delays = self.activities.delays
            if other is None or delays[id_].seconds < delays[other].seconds:
                first[node] = id_
        return list(first.values())


def explore(chart: Chart, *, limit: int = LIMIT) -> Exploration:
    """Visit everything that can happen to an instance of `chart`, breadth first.

    Parameters
    ----------
    limit : how many places to visit before giving up

    Returns
    -------
    exploration : `complete` is False where the limit was reached
    """
    explorer = _Explorer(chart)
    start = explorer.start()
    found = Exploration(chart, start)
    queue = deque([start])
    seen = {start}
    while queue:
        place = queue.popleft()
        found.hops[place] = []
        if _is_end(chart, place):
            continue
        for hop in explorer.hops(place):
            found.hops[place].append(hop)
            if hop.to not in seen:
                if len(seen) >= limit:
                    found.complete = False
                    continue
                seen.add(hop.to)
                found.parents[hop.to] = (place, hop)
                queue.append(hop.to)
    return found


def _is_end(chart: Chart, place: Place) -> bool:
    """Whether a rest is never gone on from: a rejected one that is not saved."""
    if place.phase is not Phase.REST or chart.on_reject == "persist":
        return False
    leaves = place.position.configuration
    return any(chart.rest_of(leaf) == "rejected" for leaf in leaves) and not chart.is_initial(
        leaves
    )
