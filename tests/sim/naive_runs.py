"""Every run of the naive simulator, written down: what properties say of it by their definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.sim.naive import Naive, World
from tests.sim.naive_policies import NaiveArrivals, NaiveBatches

Cost = tuple[int, int, int]
"""Faults, switches and steps."""


class Seen(NamedTuple):
    """What a reader sees: nothing of the handlers."""

    state: Any
    effects: tuple[str, ...]
    status: tuple[str, ...]
    ended: bool


Asked = Callable[[Seen], bool]


@dataclass
class Run:
    """One interleaving: what was seen at the beginning and after each step, and its cost there."""

    seen: list[Seen]
    costs: list[Cost]


class NaiveRuns(Naive):
    """A scenario on one instance, of which every run is walked."""

    def runs(self) -> Iterator[Run]:
        """Yield every run."""
        world = self._beginning()
        yield from self._runs(world, [self._seen(world)], [(0, 0, 0)], None)

    def _runs(
        self, world: World, seen: list[Seen], costs: list[Cost], last: object
    ) -> Iterator[Run]:
        if seen[-1].ended:
            yield Run(list(seen), list(costs))
        for act, *arguments in self._nexts(world):
            copy = deepcopy(world)
            actor = self._actor(world, act.__name__, arguments)
            act(copy, *arguments)
            faults, switches, steps = costs[-1]
            who = actor or last
            switched = None not in {actor, last} and last != actor
            fault = actor is None and act.__name__ != "_arrive"
            cost = faults + fault, switches + switched, steps + 1
            yield from self._runs(copy, [*seen, self._seen(copy)], [*costs, cost], who)

    def _actor(self, world: World, name: str, arguments: list[Any]) -> object:
        """Return whose step it is; None for a fault and for an arrival."""
        if name == "_receive":
            return arguments[0], world.receives[arguments[0]] + 1
        if name == "_go_on":
            handler = world.handlers[arguments[0]]
            return handler["message"], handler["token"]
        return None

    def _seen(self, world: World) -> Seen:
        effects = tuple(service.partition("@")[0] for service, _ in world.effects)
        return Seen(world.state, effects, tuple(world.status), self._may_end(world))


class ArrivalRuns(NaiveRuns, NaiveArrivals):
    """The same, where events arrive one after another."""


class BatchRuns(NaiveRuns, NaiveBatches):
    """The same with batches: a receive is the step of the first message, and so is the end."""

    def _actor(self, world: World, name: str, arguments: list[Any]) -> object:
        if name == "_receive_batch":
            first = arguments[0][0]
            return first, world.receives[first] + 1
        if name == "_go_on":
            handler = world.handlers[arguments[0]]
            at_end = handler["at"] == "end"
            return (
                handler["all"][0]
                if at_end
                else (handler["message"], dict(handler["all"])[handler["message"]])
            )
        return None


class Answer(NamedTuple):
    """What the definitions say."""

    holds: bool
    decided: int
    """Runs that break the property; for ``sometimes`` runs in which it happens."""
    tested: bool
    """Whether a state was judged."""
    cost: Cost | None
    """Of the shortest schedule that decides."""


def answer(runs: list[Run], kind: str, asked: Asked, when: Asked | None, at_end: bool) -> Answer:
    """Apply the definition of a kind of property to every run."""
    premise = when or (lambda seen: True)
    decided, tested, costs = 0, False, []
    for run in runs:
        places = range(len(run.seen))[-1:] if at_end else range(len(run.seen))
        judged = [place for place in places if premise(run.seen[place])]
        tested = tested or bool(judged)
        if kind == "eventually":
            starts = [0] if when is None else judged
            owed = [p for p in starts if not any(map(asked, run.seen[p:]))]
            decided += bool(owed)
            costs += [run.costs[-1]] * bool(owed)
            continue
        wrong = (lambda seen: not asked(seen)) if kind == "always" else asked
        found = [place for place in judged if wrong(run.seen[place])]
        decided += bool(found)
        costs += [run.costs[place] for place in found]
    holds = bool(decided) if kind == "sometimes" else not decided
    return Answer(holds, decided, tested, min(costs, default=None))
