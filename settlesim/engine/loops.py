"""Loops on the way of one event, and the longest way without one."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from settlesim.engine.exploring import Exploration, Hop, Phase, Place

__all__ = ["Loop", "find_loops", "longest_run"]

_MAX_LOOPS: Final = 20  # how many loops are reported
_MAX_WALK: Final = 20_000  # how many hops the search for an endless cycle follows


@dataclass(frozen=True, slots=True)
class Loop:
    """A cycle of places between two rests."""

    places: tuple[Place, ...]
    """In order; the first is the one that a shortest path reaches first."""
    endless: bool
    """Whether nothing can end it: no event, service or guard is in the way."""


def _inner(found: Exploration) -> dict[Place, list[Hop]]:
    """Return the graph between two rests: hops that lead to no rest."""
    return {
        place: [hop for hop in hops if hop.to.phase in {Phase.RUN, Phase.WAIT}]
        for place, hops in found.hops.items()
        if place.phase in {Phase.RUN, Phase.WAIT}
    }


def find_loops(found: Exploration) -> list[Loop]:
    """Return loops: the endless ones, then one for every way back that closes another."""
    graph = _inner(found)
    order = {place: index for index, place in enumerate(found.hops)}
    loops = [Loop(_rotated(each, order), True) for each in _endless(graph)]
    known = {frozenset(_configurations(loop.places)) for loop in loops}
    ways = {place: {hop.to: None for hop in hops} for place, hops in graph.items()}
    while len(loops) < _MAX_LOOPS:
        cycle = _a_cycle(ways)
        if cycle is None:
            break
        del ways[cycle[-1]][cycle[0]]
        loop = Loop(_rotated(cycle, order), False)
        key = frozenset(_configurations(loop.places))
        if key not in known and _can_happen(cycle, graph):
            known.add(key)
            loops.append(loop)
    return loops


def _configurations(places: tuple[Place, ...]) -> list[tuple[str, ...]]:
    return [place.position.configuration for place in places]


def _rotated(cycle: list[Place], order: dict[Place, int]) -> tuple[Place, ...]:
    first = min(range(len(cycle)), key=lambda index: order[cycle[index]])
    return tuple(cycle[first:] + cycle[:first])


def _a_cycle(ways: dict[Place, dict[Place, None]]) -> list[Place] | None:
    """Return one cycle in forward order, or None where there is none."""
    sorter: TopologicalSorter[Place] = TopologicalSorter()
    for place, targets in ways.items():
        sorter.add(place)
        for target in targets:
            sorter.add(target, place)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle: list[Place] = error.args[1][:-1]
        return cycle if cycle[(1) % len(cycle)] in ways[cycle[0]] else cycle[::-1]
    return None


def _can_happen(cycle: list[Place], graph: dict[Place, list[Hop]]) -> bool:
    """Whether the guards on a cycle agree, or something on it may change what they say."""
    said: dict[str, set[bool]] = {}
    for place, after in zip(cycle, cycle[1:] + cycle[:1], strict=True):
        hops = [hop for hop in graph[place] if hop.to == after]
        if place.phase is Phase.WAIT or any(hop.changes for hop in hops):
            return True
        for name in {name for hop in hops for name, _ in hop.guards}:
            values = {value for hop in hops for each, value in hop.guards if each == name}
            said.setdefault(name, {True, False}).intersection_update(values)
    return all(said.values())


def _endless(graph: dict[Place, list[Hop]]) -> list[list[Place]]:
    """Return cycles that nothing ends.

    Either no guard is asked on the whole cycle; or nothing on it changes the context, so
    that every guard says the same each time round.
    """
    found: dict[frozenset[Place], list[Place]] = {}
    internal = {place: hops for place, hops in graph.items() if place.phase is Phase.RUN}
    for start in internal:
        for frozen in (False, True):
            cycle = _walk_back(start, internal, frozen)
            if cycle is not None:
                found.setdefault(frozenset(cycle), cycle)
    return list(found.values())[:_MAX_LOOPS]


def _walk_back(start: Place, graph: dict[Place, list[Hop]], frozen: bool) -> list[Place] | None:
    """Return a way from `start` back to it, depth first, under one valuation of guards."""
    stack: list[tuple[list[Place], dict[str, bool]]] = [([start], {})]
    for _ in range(_MAX_WALK):
        if not stack:
            return None
        way, said = stack.pop()
        for hop in reversed(graph[way[-1]]):
            if hop.changes if frozen else hop.guards:
                continue
            if any(said.get(name, value) is not value for name, value in hop.guards):
                continue
            if hop.to == start:
                return way
            if hop.to in graph and hop.to not in way:
                stack.append(([*way, hop.to], {**said, **dict(hop.guards)}))
    return None


def longest_run(found: Exploration) -> int:
    """Return the most microsteps between two rests of a graph without loops."""
    graph = _inner(found)
    sorter: TopologicalSorter[Place] = TopologicalSorter()
    for place, hops in graph.items():
        sorter.add(place, *(hop.to for hop in hops))
    longest: dict[Place, int] = {}
    for place in sorter.static_order():  # targets come before their sources
        longest[place] = max(
            (bool(hop.edges) + longest.get(hop.to, 0) for hop in found.hops.get(place, ())),
            default=0,
        )
    rests = [found.start, *(place for place in found.hops if place.phase is Phase.REST)]
    return max(
        (
            bool(hop.edges) + longest.get(hop.to, 0)
            for rest in rests
            for hop in found.hops.get(rest, ())
        ),
        default=0,
    )
