"""Loops in the runs of one event, and the longest run where there are none.

Theory of operation
-------------------
A run that never rests eventually stays in one strongly connected component of the graph without
its resting states. If nothing in a component changes the context or waits, every guard gives the
same answer in each round, and the component can be searched for a cycle on which the guards agree.
In all other components every cycle counts as possible.

References
----------
S. R. Kosaraju (1978), as in Aho, Hopcroft, Ullman, "Data Structures and Algorithms", 6.7.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final, TypeAlias

from settlesim.check.guard_answers import OutOfWorkError, Question, Refused, WorkCount, agree
from settlesim.check.runs import ChartRuns, Hop, RunPhase, RunState

__all__ = ["Loop", "find_loops", "longest_run"]

_MAX_LOOPS: Final = 20  # how many loops are reported
_MAX_CYCLES: Final = 200  # how many cycles of one component are looked at
_MAX_WALK: Final = 20_000  # how many hops the search for an endless cycle follows
_MAX_WORK: Final = 3_000_000  # how many answers and hops the search for all loops looks at

_Graph: TypeAlias = Mapping[RunState, list[Hop]]


@dataclass(frozen=True, slots=True)
class Loop:
    """A cycle of run states between two rests."""

    places: tuple[RunState, ...]
    """The run states in order, starting with the one that shortest paths reach first."""
    endless: bool
    """Whether nothing can end it, neither a service nor a delay nor a guard."""


def _inner(found: ChartRuns) -> dict[RunState, list[Hop]]:
    """Return the graph without resting, stalled and failed states."""
    return {
        place: [hop for hop in hops if hop.to.phase in {RunPhase.RUN, RunPhase.WAIT}]
        for place, hops in found.hops.items()
        if place.phase in {RunPhase.RUN, RunPhase.WAIT}
    }


def _components(graph: _Graph) -> list[list[RunState]]:
    """Return the strongly connected components that hold a cycle, in the graph's order."""
    back: dict[RunState, list[RunState]] = {place: [] for place in graph}
    for place, hops in graph.items():
        for hop in hops:
            if hop.to in graph:
                back[hop.to].append(place)
    order = {place: index for index, place in enumerate(graph)}
    assigned: set[RunState] = set()
    components = []
    for start in reversed(list(_finished(graph))):
        if start in assigned:
            continue
        component, stack = [], [start]
        assigned.add(start)
        while stack:
            component.append(stack.pop())
            fresh = [place for place in back[component[-1]] if place not in assigned]
            assigned.update(fresh)
            stack.extend(dict.fromkeys(fresh))
        if len(component) > 1 or start in back[start]:
            components.append(sorted(component, key=order.__getitem__))
    return sorted(components, key=lambda component: order[component[0]])


def _finished(graph: _Graph) -> Iterator[RunState]:
    """Yield run states in depth-first postorder: except for cycles, successors come first."""
    seen: set[RunState] = set()
    for start in graph:
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(graph[start]))]
        while stack:
            place, hops = stack[-1]
            to = next((hop.to for hop in hops if hop.to in graph and hop.to not in seen), None)
            if to is None:
                stack.pop()
                yield place
            else:
                seen.add(to)
                stack.append((to, iter(graph[to])))


# --- loops --------------------------------------------------------------------------------


def find_loops(found: ChartRuns) -> list[Loop]:
    """Return loops, endless ones first; an empty list means that every run stops."""
    graph = _inner(found)
    order = {place: index for index, place in enumerate(found.hops)}
    work = WorkCount(_MAX_WORK)
    loops: list[Loop] = []
    for component in _components(graph):
        members = frozenset(component)
        inside = {place: [hop for hop in graph[place] if hop.to in members] for place in component}
        loops.extend(_loops_in(inside, order, work))
    return sorted(loops, key=lambda loop: not loop.endless)[:_MAX_LOOPS]


def _loops_in(graph: _Graph, order: Mapping[RunState, int], work: WorkCount) -> Iterator[Loop]:
    """Yield the loops of one component."""
    known: set[frozenset[tuple[str, ...]]] = set()

    def loop_of(cycle: list[RunState], *, endless: bool) -> Iterator[Loop]:
        key = frozenset(place.position.configuration for place in cycle)
        if key not in known:
            known.add(key)
            yield Loop(_rotated(cycle, order), endless)

    endless, sure = _endless(graph, work)
    for cycle in endless:
        yield from loop_of(cycle, endless=True)
    open_hop = _open_hop(graph, sure)
    if open_hop is None:
        return
    for cycle in _cycles(graph, work):
        if _can_happen(cycle, graph):
            yield from loop_of(cycle, endless=False)
    if not known:
        yield from loop_of(_cycle_through(graph, *open_hop), endless=False)


def _rotated(cycle: list[RunState], order: Mapping[RunState, int]) -> tuple[RunState, ...]:
    first = min(range(len(cycle)), key=lambda index: order[cycle[index]])
    return tuple(cycle[first:] + cycle[:first])


def _open_hop(graph: _Graph, sure: bool) -> tuple[RunState, Hop] | None:
    """Return a hop after which a guard may say something else; any hop where `sure` is false."""
    for place, hops in graph.items():
        for hop in hops:
            if not sure or hop.changes or place.phase is RunPhase.WAIT:
                return place, hop
    return None


def _cycle_through(graph: _Graph, place: RunState, hop: Hop) -> list[RunState]:
    """Return a shortest cycle that contains one hop of a component."""
    came_from: dict[RunState, RunState] = {}
    queue = deque([hop.to])
    while place != hop.to and place not in came_from:
        at = queue.popleft()
        for each in graph[at]:
            if each.to != hop.to and each.to not in came_from:
                came_from[each.to] = at
                queue.append(each.to)
    cycle = [place]
    while cycle[-1] != hop.to:
        cycle.append(came_from[cycle[-1]])
    return cycle[::-1]


def _cycles(graph: _Graph, work: WorkCount) -> Iterator[list[RunState]]:
    """Yield cycles in forward order; the hop that closes each one is not used again."""
    ways = {place: {hop.to: None for hop in hops} for place, hops in graph.items()}
    size = len(graph) + sum(map(len, graph.values()))
    for _ in range(_MAX_CYCLES):
        try:
            work.spend(size)
        except OutOfWorkError:
            return
        sorter = TopologicalSorter(_predecessors(ways))
        try:
            sorter.prepare()
            return
        except CycleError as error:
            cycle: list[RunState] = error.args[1][:-1]
        del ways[cycle[-1]][cycle[0]]
        yield cycle


def _predecessors(ways: Mapping[RunState, Iterable[RunState]]) -> dict[RunState, list[RunState]]:
    found: dict[RunState, list[RunState]] = {place: [] for place in ways}
    for place, targets in ways.items():
        for target in targets:
            found[target].append(place)
    return found


def _can_happen(cycle: list[RunState], graph: _Graph) -> bool:
    """Whether something on a cycle may change what its guards say."""
    return any(
        place.phase is RunPhase.WAIT or any(hop.changes for hop in graph[place] if hop.to == after)
        for place, after in zip(cycle, cycle[1:] + cycle[:1], strict=True)
    )


def _endless(graph: _Graph, work: WorkCount) -> tuple[list[list[RunState]], bool]:
    """Return cycles that nothing ends, and whether these are all of them.

    On such a cycle no guard is asked, or nothing changes the context, so that every guard gives
    the same answer in each round.
    """
    found: dict[frozenset[RunState], list[RunState]] = {}
    running = {place: hops for place, hops in graph.items() if place.phase is RunPhase.RUN}
    steps = _MAX_WALK
    for start in running:
        for frozen in (False, True):
            walk = _Walk(start, running, frozen, work)
            try:
                cycle, steps = walk.back(steps)
            except OutOfWorkError:
                return list(found.values()), False
            if cycle is not None:
                found.setdefault(frozenset(cycle), cycle)
    return list(found.values()), steps > 0


class _Walk:
    """The search for a cycle through a run state, under one valuation of the guards.

    Parameters
    ----------
    frozen : whether to search without hops that change the context; else without guards
    """

    def __init__(self, start: RunState, graph: _Graph, frozen: bool, work: WorkCount) -> None:
        self._start = start
        self._graph = graph
        self._frozen = frozen
        self._work = work
        self._way = {start: None}
        self._said: dict[Question, bool] = {}
        self._refused: list[Refused] = []

    def back(self, steps: int) -> tuple[list[RunState] | None, int]:
        """Return the cycle, if one is found, and how many of the steps are left.

        The search is depth first, and finds nothing if it runs out of steps.
        """
        ways = [self._onward(self._start)]
        undo: list[tuple[list[Question], int]] = []
        while ways and steps > 0:
            steps -= 1
            if self._closes(next(reversed(self._way))):
                return list(self._way), steps
            while ways:
                hop = next(ways[-1], None)
                if hop is not None:
                    undo.append(self._go(hop))
                    ways.append(self._onward(hop.to))
                    break
                ways.pop()
                if undo:
                    self._return(*undo.pop())
        return None, steps

    def _closes(self, place: RunState) -> bool:
        return any(hop.to == self._start and self._agrees(hop) for hop in self._graph[place])

    def _onward(self, place: RunState) -> Iterator[Hop]:
        for hop in self._graph[place]:
            if hop.to in self._graph and hop.to not in self._way and self._agrees(hop):
                yield hop

    def _agrees(self, hop: Hop) -> bool:
        """Whether a hop may follow: its answers have to agree with those on the path so far."""
        self._work.spend(1 + len(hop.answers) + len(hop.refused))
        if hop.changes if self._frozen else hop.answers or hop.refused:
            return False
        said = self._said
        if any(said.get(question, value) is not value for question, value in hop.answers):
            return False
        refused = [*self._refused, *hop.refused]
        return not refused or agree({**said, **dict(hop.answers)}, refused, self._work)

    def _go(self, hop: Hop) -> tuple[list[Question], int]:
        fresh = [question for question, _ in hop.answers if question not in self._said]
        before = len(self._refused)
        self._way[hop.to] = None
        self._said.update(hop.answers)
        self._refused.extend(hop.refused)
        return fresh, before

    def _return(self, fresh: list[Question], refused: int) -> None:
        self._way.popitem()
        for question in fresh:
            del self._said[question]
        del self._refused[refused:]


# --- the longest run ----------------------------------------------------------------------


def longest_run(found: ChartRuns) -> int:
    """Return how many microsteps one event takes at most, in a graph without loops.

    The first event of a new instance includes the microsteps of its start. Cycles may be left
    that can never run, as their guards exclude each other; each of their run states is counted
    once, and the number is then an upper bound.
    """
    graph = _inner(found)
    for place, hops in found.hops.items():
        if place.phase is RunPhase.REST:
            graph[place] = hops
        elif place.starting:
            graph[place] = hops  # including those to the resting state where the event arrives
    members = {place: [place] for place in graph}
    for component in _components(graph):
        members |= dict.fromkeys(component, component)
    sorter: TopologicalSorter[RunState] = TopologicalSorter()
    for place, hops in graph.items():
        head = members[place][0]
        sorter.add(
            head, *(members[to][0] for to in _leading(hops, graph) if members[to][0] != head)
        )
    longest: dict[RunState, int] = {}
    for head in sorter.static_order():  # targets come before their sources
        component = members[head]
        longest[head] = (
            len(component)
            - 1
            + max(
                (
                    bool(hop.edges) + (longest[members[hop.to][0]] if hop.to in graph else 0)
                    for place in component
                    for hop in graph[place]
                    if hop.to not in graph or members[hop.to] is not component
                ),
                default=0,
            )
        )
    return max(longest.values())


def _leading(hops: Iterable[Hop], graph: _Graph) -> Iterator[RunState]:
    return (hop.to for hop in hops if hop.to in graph)
