"""Every run of a chart, with its guards and services left open.

Theory of operation
-------------------
The context is ignored. A guard may answer yes or no; it has to repeat its answer only for the same
event, and only until an assign runs. A service may return, fail or run out of time; a delay may
pass before a service ends. What remains is a finite graph of resting configurations and the
positions between them. The steps are those of `settlesim.settling.macrostep`, which a real run
takes too.

The graph has every run that the chart has. It may have more, because two guards may exclude each
other; so a proof holds, and a refutation shows its path for you to judge.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, NamedTuple

from settlesim.chart import EVENTLESS, Chart, Event
from settlesim.chart.report import counted_noun
from settlesim.chart.trigger_words import trigger_words
from settlesim.check.guard_answers import (
    Answer,
    Oracle,
    OutOfWorkError,
    Refused,
    Valuation,
    WorkCount,
)
from settlesim.machine.fired import Fired
from settlesim.machine.program import Program
from settlesim.progress import Reporter
from settlesim.settling.macrostep import (
    FiredStep,
    Position,
    activities_of,
    after_firing,
    next_internal,
)

__all__ = ["LIMIT", "NESTED_LIMIT", "ChartRuns", "Hop", "RunPhase", "RunState", "all_runs"]

LIMIT: Final = 50_000
"""How many run states of a flat chart an exploration visits before it gives up."""
NESTED_LIMIT: Final = 5_000
"""The same for a nested chart, where `transitions` takes about thirty times as long."""
MAX_INTERNAL: Final = 100
"""How many internal events may wait at the same time before an exploration gives up."""
MAX_PATHS: Final = 100_000
"""How many lines the paths of one check may have together."""
MAX_WORK: Final = 1_000_000
"""How many steps an exploration takes before it gives up, which is after a few seconds. An answer
of a guard is one step, firing a trigger is several."""
_FIRING: Final = 5  # how many steps firing a trigger counts as, at least
_HOPS_PER_PLACE: Final = 10  # how many hops are followed for each run state of the limit


class RunPhase(enum.Enum):
    """What can happen in a run state."""

    REST = "rest"
    """An external event may come."""
    RUN = "run"
    """Eventless transitions and internal events may fire."""
    WAIT = "wait"
    """Stable: services and delays may end."""
    STALLED = "stalled"
    """Nothing can happen, and no tag says that an instance may be saved here."""
    FAILED = "failed"
    """A service failed and no ``on_error`` took it."""


class RunState(NamedTuple):
    """A vertex of the graph: a state of a run."""

    phase: RunPhase
    position: Position
    starting: bool = False
    """Whether a new instance has not received its first event yet."""
    worked: bool = False
    """Whether a starting instance has run a transition or a service and is in its initial states.
    In other states a starting instance always has, so this is False there."""


@dataclass(frozen=True, slots=True)
class Hop:
    """An edge of the graph."""

    to: RunState
    label: str
    """What happened, in words."""
    event: str | None = None
    """What ended a rest: an external event, or the reserved trigger of a delay."""
    service: str | None = None
    """The service that ended, if that was the cause."""
    failed: bool = False
    """Whether that service failed or ran out of time."""
    edges: tuple[int, ...] = ()
    """The transitions that fired, positions in ``chart.edges``."""
    answers: tuple[Answer, ...] = ()
    """What the guards were asked, and what they said."""
    refused: tuple[Refused, ...] = ()
    """Conjunctions of answers that did not hold, where guards were asked by transition."""
    changes: bool = False
    """Whether an assign ran, so that guards may say something else afterwards."""

    @property
    def guards(self) -> tuple[tuple[str, bool], ...]:
        """The guards that were asked, and what they said."""
        return tuple(dict.fromkeys((name, value) for (name, _), value in self.answers))


@dataclass(slots=True)
class ChartRuns:
    """The graph of all runs."""

    chart: Chart
    start: RunState
    hops: dict[RunState, list[Hop]] = field(default_factory=dict)
    """What can follow each run state, in the order in which it was found."""
    parents: dict[RunState, tuple[RunState, Hop]] = field(default_factory=dict)
    """How each run state was reached first, by a shortest path."""
    cut: str = ""
    """Why not everything was visited; empty where it was."""
    told: int = 0
    """How many lines the requested paths have."""

    @property
    def complete(self) -> bool:
        """Whether everything was visited."""
        return not self.cut

    def path(self, place: RunState) -> tuple[str, ...]:
        """Return a shortest path from a new instance to a run state, in words.

        It is empty once the paths requested before have more than `MAX_PATHS` lines.
        """
        if self.told > MAX_PATHS:
            return ()
        words: list[str] = []
        while place in self.parents:
            before, hop = self.parents[place]
            if hop.label:
                words.append(f"{hop.label} -> {names(place.position.configuration)}")
            place = before
        words.append(f"new instance in {names(self.chart.initial_configuration)}")
        self.told += len(words)
        return tuple(reversed(words))


def names(configuration: tuple[str, ...]) -> str:
    """Name a configuration."""
    return " + ".join(configuration)


class _Explorer:
    def __init__(self, chart: Chart, work: WorkCount) -> None:
        self.chart = chart
        self.oracle = Oracle(work)
        assigns = [name for name, role in chart.roles.items() if role == "assign"]
        open_ = chart.bind(dict.fromkeys(assigns, self.oracle.change))
        self.program = Program(open_, self.oracle.holds)
        self.activities = activities_of(self.program)

    def start(self) -> RunState:
        fired = self.program.start(Event("start"))
        position = after_firing(self.program, self.activities, Position(fired.configuration), fired)
        return RunState(RunPhase.RUN, position, starting=True)

    def hops(self, place: RunState) -> Iterator[Hop]:
        """Return everything that can happen in a run state."""
        if place.phase is RunPhase.REST:
            yield from self._events(place.position)
            if not place.starting:  # an instance that is not saved here has no timers
                yield from self._timers(place.position)
        elif place.phase is RunPhase.RUN:
            yield from self._internal(place)
        elif place.phase is RunPhase.WAIT:
            yield from self._completions(place)

    def _events(self, position: Position) -> Iterator[Hop]:
        for event in self.program.accepts(position.configuration):
            for found in self._fire(position, event):
                if found.result is not None:
                    yield self._hop(position, found.result, found, event, None, event=event)

    def _timers(self, position: Position) -> Iterator[Hop]:
        """Let the delays of the states in which an instance rests pass.

        Those of one state began together, so none passes after one that always leaves the state.
        """
        active = self.program.active(position.configuration)
        for node in (each for each in self.chart.states if each.after and each.name in active):
            for delay in sorted(node.after, key=lambda each: each.seconds):
                left = True
                for found in self._fire(position, delay.trigger):
                    fired = found.result
                    left = left and fired is not None and node.name in fired.exited
                    if fired is not None:
                        label = f"after {delay.seconds:g} s"
                        yield self._hop(position, fired, found, label, None, event=delay.trigger)
                if left:
                    break

    def _fire(self, position: Position, trigger: str) -> Iterator[Valuation[Fired | None]]:
        def run() -> Fired | None:
            fired = self.program.fire(
                position.configuration,
                self.chart.context,
                trigger,
                Event(trigger),
                position.history,
            )
            self._count(position, fired)
            return fired

        self._foresee(position, trigger)
        return self.oracle.valuations(run)

    def _count(self, position: Position, fired: Fired | None) -> None:
        """Count a microstep: a nested machine looks at all active states for each transition."""
        moved = 0 if fired is None else len(fired.edges)
        nodes = len(self.program.active(position.configuration)) if self.program.nested else 0
        running = len(position.invocations) + len(position.delays) + len(position.internal)
        self.oracle.work.spend(_FIRING + nodes * (1 + 2 * moved) + running)

    def _foresee(self, position: Position, trigger: str) -> None:
        """Give up before a microstep that alone may cost more than the whole budget."""
        if self.program.nested:
            active = self.program.active(position.configuration)
            moved = len(active.intersection(self.program.sources(trigger)))
            if len(active) * (1 + 2 * moved) > self.oracle.work.most:
                raise OutOfWorkError

    def _hop(
        self,
        position: Position,
        fired: Fired,
        valuation: Valuation[Any],
        label: str,
        before: RunState | None,
        **facts: Any,
    ) -> Hop:
        after = after_firing(self.program, self.activities, position, fired)
        return self._hop_to(after, fired, valuation, label, before, **facts)

    def _hop_to(
        self,
        position: Position,
        fired: Fired,
        valuation: Valuation[Any],
        label: str,
        before: RunState | None,
        **facts: Any,
    ) -> Hop:
        """Return the hop of transitions that fired; `before` is None after a rest."""
        place = RunState(RunPhase.RUN, position)
        if before is not None and before.starting:
            place = self._starting(RunPhase.RUN, position, worked=True)
        hop = Hop(
            place,
            label,
            edges=fired.edges,
            answers=valuation.answers,
            refused=valuation.refused,
            changes=valuation.changes,
            **facts,
        )
        said = [f", {name} is {'true' if value else 'false'}" for name, value in hop.guards]
        if hop.refused:
            others = counted_noun(len(hop.refused), "other transition")
            said.append(f", and the guards of {others} do not hold")
        return replace(hop, label=label + "".join(said))

    def _internal(self, place: RunState) -> Iterator[Hop]:
        def run() -> FiredStep | None:
            step = next_internal(
                self.program, self.activities, place.position, self.chart.context, Event("")
            )
            fired = None if step is None else step.fired
            self._count(place.position, fired)
            return step

        for trigger in (EVENTLESS, *place.position.internal):
            self._foresee(place.position, trigger)

        for found in self.oracle.valuations(run):
            step = found.result
            if step is None:
                for stable in self._stable(place):
                    yield Hop(stable, "", answers=found.answers, refused=found.refused)
            else:
                label = trigger_words(self.chart, step.trigger)
                yield self._hop_to(step.position, step.fired, found, label, place)

    def _starting(self, phase: RunPhase, position: Position, *, worked: bool) -> RunState:
        """Return a run state of a new instance; `worked` is kept only in its initial states."""
        worked = worked and self.chart.is_initial(position.configuration)
        return RunState(phase, position, starting=True, worked=worked)

    def _stable(self, place: RunState) -> Iterator[RunState]:
        """Return the run states that a stable position may be."""
        position = place.position._replace(internal=())
        configuration = position.configuration
        if position.invocations:
            yield place._replace(phase=RunPhase.WAIT, position=position)
            return
        rests = self.program.rests(configuration)
        at_rest = RunState(RunPhase.REST, Position(configuration, history=position.history))
        if place.starting and not place.worked and self.chart.is_initial(configuration):
            if not (rests or not position.delays):
                yield place._replace(phase=RunPhase.WAIT, position=position)
                return
            if rests and not _is_end(self.chart, configuration):
                yield at_rest
                return
            # The event is applied here, and the instance is never saved here.
            yield at_rest._replace(starting=self._is_told_apart(configuration))
            if not self._may_work_on_entry(configuration):
                return
        if rests:
            yield at_rest
        else:
            phase = RunPhase.WAIT if position.delays else RunPhase.STALLED
            yield place._replace(phase=phase, position=position)

    def _is_told_apart(self, configuration: tuple[str, ...]) -> bool:
        """Whether being saved makes a difference to what can happen in a configuration."""
        active = self.program.active(configuration)
        return _is_end(self.chart, configuration) or any(
            self.chart.node(name).after for name in active
        )

    def _may_work_on_entry(self, configuration: tuple[str, ...]) -> bool:
        """Whether a callback may change the context before anything else happens."""
        return any(self.chart.node(name).on_enter for name in self.program.active(configuration))

    def _completions(self, place: RunState) -> Iterator[Hop]:
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
                what: dict[str, Any] = {"service": invocation.src, "failed": failed}
                for found in self._fire(position, trigger):
                    fired = found.result
                    if fired is not None:
                        yield self._hop(ended, fired, found, label, place, **what)
                    else:
                        phase = RunPhase.FAILED if failed else RunPhase.RUN
                        to = place._replace(phase=phase, position=ended)
                        if place.starting:
                            to = self._starting(phase, ended, worked=True)
                        said = found.answers, found.refused
                        yield Hop(to, label, answers=said[0], refused=said[1], **what)
        yield from self._delays(place)

    def _delays(self, place: RunState) -> Iterator[Hop]:
        position = place.position
        for id_ in self._next_delays(position):
            delay = self.activities.delays[id_]
            left = tuple(each for each in position.delays if each != id_)
            ended = position._replace(delays=left)
            label = f"after {delay.seconds:g} s"
            for found in self._fire(position, delay.trigger):
                if found.result is not None:
                    yield self._hop(ended, found.result, found, label, place)
                else:
                    to = place._replace(phase=RunPhase.RUN, position=ended)
                    yield Hop(to, label, answers=found.answers, refused=found.refused)

    def _next_delays(self, position: Position) -> list[str]:
        """Return each state's delay that passes first; the delays of a state begin together."""
        first: dict[str, str] = {}
        for id_ in position.delays:
            node = self.activities.node_of(id_)
            other = first.get(node)
            delays = self.activities.delays
            if other is None or delays[id_].seconds < delays[other].seconds:
                first[node] = id_
        return list(first.values())


def all_runs(
    chart: Chart, *, limit: int | None = None, reporter: Reporter | None = None
) -> ChartRuns:
    """Visit everything that can happen to an instance of `chart`, breadth first.

    Parameters
    ----------
    limit : how many run states to explore before giving up; None for `LIMIT` or `NESTED_LIMIT`
    reporter : is told how many run states were explored

    Returns
    -------
    exploration : `complete` is False where a limit was reached, and `cut` says which
    """
    nested = any(node.children for node in chart.states)
    usual = NESTED_LIMIT if nested else LIMIT
    limit = usual if limit is None else limit
    work = WorkCount(MAX_WORK * max(1, limit // usual))
    explorer = _Explorer(chart, work)
    start = explorer.start()
    found = ChartRuns(chart, start)
    queue = deque([start])
    seen = {start}
    room = limit * _HOPS_PER_PLACE
    while queue:
        place = queue.popleft()
        if reporter is not None:
            reporter.report(len(found.hops), None, "run states")
        found.hops[place] = []
        at_rest = place.phase is RunPhase.REST and not place.starting
        if at_rest and _is_end(chart, place.position.configuration):
            continue
        try:
            for hop in islice(explorer.hops(place), room + 1):
                room -= 1
                found.hops[place].append(hop)
                flaw = ""
                if room < 0:
                    flaw = f"more than {limit * _HOPS_PER_PLACE} steps between run states"
                elif hop.to not in seen:
                    flaw = _too_much(hop.to, len(seen), limit)
                    if not flaw:
                        seen.add(hop.to)
                        found.parents[hop.to] = (place, hop)
                        queue.append(hop.to)
                found.cut = found.cut or flaw
        except OutOfWorkError:
            found.cut = found.cut or f"more than {work.most} steps of the search"
            room = -1  # run states in the queue are still counted, but not explored
    return found


def _too_much(place: RunState, seen: int, limit: int) -> str:
    """Say which limit a further run state would break; an empty text where none."""
    if seen >= limit:
        return f"more than {counted_noun(limit, 'run state')}"
    if len(place.position.internal) > MAX_INTERNAL:
        return f"more than {MAX_INTERNAL} internal events wait at the same time"
    return ""


def _is_end(chart: Chart, leaves: tuple[str, ...]) -> bool:
    """Whether no run continues from here: a rejected configuration is not saved."""
    if chart.on_reject == "persist":
        return False
    return any(chart.rest_of(leaf) == "rejected" for leaf in leaves)
