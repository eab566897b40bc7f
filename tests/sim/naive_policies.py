"""The slow simulator, with batches, and with policies for events that arrive.

Written from the two sections of docs/simulator.md, and from nothing else of the library.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.sim.naive import Endings, Naive, World

POISON = "reaches no settled state"
"""Instead of what is saved: the event reaches no settled state."""


class Remembering(Naive):
    """The slow simulator, which remembers what comes of a situation that it has met before."""

    def endings(self) -> Endings:
        """Return the count and the probability of every ending."""
        return self._from(self._beginning(), {})

    def _from(self, world: World, known: dict[str, Endings]) -> Endings:
        met = repr(world)
        if met in known:
            return known[met]
        found: Endings = {}
        nexts, ends = self._nexts(world), self._may_end(world)
        if ends:
            found[self._ending(world)] = [1, Fraction(1, len(nexts) + 1)]
        for act, *arguments in nexts:
            after = deepcopy(world)
            act(after, *arguments)
            for ending, (count, chance) in self._from(after, known).items():
                total = found.setdefault(ending, [0, Fraction(0)])
                total[0] += count
                total[1] += chance / (len(nexts) + ends)
        known[met] = found
        return found


@dataclass
class NaiveBatches(Remembering):
    """One instance, whose messages are received in batches from a FIFO queue."""

    batch: int = 2
    batch_failures: str = "whole"

    def _nexts(self, world: World) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        if len(world.handlers) < self.workers:
            run = self._run_of_visible(world)
            found += [(self._receive_batch, run[:n]) for n in range(1, len(run) + 1)]
        for place, handler in enumerate(world.handlers):
            found.append((self._go_on, place))
            if world.left.get("service_failures") and handler["at"] == "runs":
                ways = self._failures(handler)
                found += [(self._fail, place, number) for number in range(len(ways))]
            if world.left.get("crashes"):
                found.append((self._crash, place))
            good = [each for each in handler["all"] if self._good(world, each)]
            if world.left.get("expiries") and good:
                found.append((self._expire, place))
        return found

    def _run_of_visible(self, world: World) -> list[int]:
        run: list[int] = []
        for index, status in enumerate(world.status):
            if status in {"deleted", "dead"}:
                continue
            if status != "visible" or len(run) == self.batch:
                break
            run.append(index)
        return run

    def _receivable(self, world: World) -> list[int]:
        return self._run_of_visible(world)[:1]

    def _receive_batch(self, world: World, run: list[int]) -> None:
        for index in run:
            world.status[index] = "flying"
            world.receives[index] += 1
        tokens = [(index, world.receives[index]) for index in run]
        world.handlers.append({"all": tokens, "todo": list(run), "handled": [], "at": "start"})
        world.handlers[-1]["message"] = run[0]

    def _good(self, world: World, ticket: tuple[int, int]) -> bool:
        index, token = ticket
        return world.status[index] == "flying" and world.receives[index] == token

    def _give_back(self, world: World, ticket: tuple[int, int]) -> None:
        if self._good(world, ticket):
            index = ticket[0]
            full = self.max_receives is not None and world.receives[index] >= self.max_receives
            world.status[index] = "dead" if full else "visible"

    def _go_on(self, world: World, place: int) -> None:
        handler = world.handlers[place]
        index = handler["message"]
        if handler["at"] == "end":
            world.handlers.remove(handler)
            for ticket in handler["all"]:
                if ticket[0] not in handler["handled"]:
                    self._give_back(world, ticket)
                elif self._good(world, ticket):
                    world.status[ticket[0]] = "deleted"
        elif handler["at"] == "start":
            handler["version"] = world.version
            if "inbox" in self.protections and index in world.inbox:
                self._next_one(handler, handled=True)
                return
            calls, saves = self.chart(world.state, self.events[index])
            handler.update(at="runs", calls=calls, saves=saves, state=world.state)
        elif handler["calls"]:
            service, *handler["calls"] = handler["calls"]
            again = (service, index) in world.effects and "idempotent" in self.protections
            if service and not again:
                world.effects.append((service, index))
        else:
            self._come_to_an_end(world, handler)

    def _come_to_an_end(self, world: World, handler: dict[str, Any]) -> None:
        index = handler["message"]
        token = dict(handler["all"])[index]
        stale = "cas" in self.protections and handler["version"] != world.version
        old = "fence" in self.protections and token != world.receives[index]
        saves = handler["saves"]
        if saves == POISON or (saves is not None and (stale or old)):
            if self.batch_failures == "whole":
                world.handlers.remove(handler)
                for ticket in handler["all"]:
                    self._give_back(world, ticket)
            elif self.batch_failures == "partial":
                self._next_one(handler, handled=False)
            else:
                handler["at"] = "end"
            return
        world.inbox.add(index)
        if saves is not None:
            world.state = saves
            world.version += 1
        self._next_one(handler, handled=True)

    def _next_one(self, handler: dict[str, Any], *, handled: bool) -> None:
        if handled:
            handler["handled"].append(handler["message"])
        handler["todo"].pop(0)
        handler["at"] = "start" if handler["todo"] else "end"
        if handler["todo"]:
            handler["message"] = handler["todo"][0]

    def _crash(self, world: World, place: int) -> None:
        world.left["crashes"] -= 1
        handler = world.handlers.pop(place)
        for ticket in handler["all"]:
            self._give_back(world, ticket)

    def _expire(self, world: World, place: int) -> None:
        world.left["expiries"] -= 1
        for ticket in world.handlers[place]["all"]:
            self._give_back(world, ticket)


@dataclass
class NaiveArrivals(Remembering):
    """One instance, whose events arrive one after another."""

    while_running: str = "reject"

    def _beginning(self) -> World:
        world = super()._beginning()
        world.status = ["not arrived"] * len(self.events)
        return world

    def _may_end(self, world: World) -> bool:
        return "not arrived" not in world.status and super()._may_end(world)

    def _nexts(self, world: World) -> list[tuple[Any, ...]]:
        found = super()._nexts(world)
        if "not arrived" in world.status:
            found.append((self._arrive, world.status.index("not arrived")))
        return found

    def _arrive(self, world: World, index: int) -> None:
        known = world.inbox if "inbox" in self.protections else set()
        busy = [
            i
            for i, status in enumerate(world.status)
            if status in {"visible", "flying"} and i not in known
        ]
        equal = [i for i in busy if self.events[i] == self.events[index]]
        if (self.while_running == "reject" and busy) or (
            self.while_running == "drop_duplicate" and equal
        ):
            world.status[index] = "refused"
            world.excluded.add(index)
            return
        if self.while_running in {"interrupt", "rollback"}:
            for each in busy:
                world.handlers = [
                    handler
                    for handler in world.handlers
                    if handler["message"] != each or not self._owner(world, handler)
                ]
                world.status[each] = "deleted"
                world.excluded.add(each)
                if self.while_running == "interrupt":
                    world.inbox.add(each)
        world.status[index] = "visible"

    def _duplicate(self, world: World, index: int) -> None:
        super()._duplicate(world, index)
        if self.while_running == "rollback":
            world.excluded.discard(index)

    def _go_on(self, world: World, place: int) -> None:
        handler = world.handlers[place]
        if handler["at"] == "runs" and not handler["calls"] and handler["saves"] == POISON:
            world.handlers.remove(handler)
            if self.queue == "direct":
                world.status[handler["message"]] = "deleted"
            else:
                self._back(world, handler)
            return
        super()._go_on(world, place)
