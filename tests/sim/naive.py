"""A second, slow simulator: no memo, no numbers for states, every interleaving walked.

It shares no code with the library. A chart is a function from state and event to the names
of the services that run and the state that is saved, or None where nothing is.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Chart = Callable[[Any, str], tuple[list[str], Any]]
Failures = Callable[[Any, str, str], list[tuple[list[str], Any]]]
"""From state, event and service to the ways in which it may fail: what runs then, what is saved."""
Endings = dict[tuple[Any, ...], list[Any]]


def log_chart(services: int) -> Chart:
    """Append the event, after some services without effect."""

    def react(state: Any, event: str) -> tuple[list[str], Any]:
        return [""] * services, (*state, event)

    return react


def order_chart(state: Any, event: str) -> tuple[list[str], Any]:
    """Pay, ship, and cancel, with a refund if paid; label and charge follow from the state."""
    table: dict[tuple[str, str], tuple[list[str], Any]] = {
        ("new", "PAY"): (["charge_card"], "paid"),
        ("new", "CANCEL"): ([], "cancelled"),
        ("paid", "SHIP"): (["print_label"], "shipped"),
        ("paid", "CANCEL"): (["refund_card"], "refunded"),
    }
    return table.get((state, event), ([], None))


def order_failures(state: Any, event: str, service: str) -> list[tuple[list[str], Any]]:
    """A failed charge is rejected; a label and a refund that fail leave what was paid."""
    return [([], None if service == "charge_card" else "paid")]


def log_failures(state: Any, event: str, service: str) -> list[tuple[list[str], Any]]:
    """A failed service leaves the log as it is, and that is saved."""
    return [([], state)]


def patient_chart(state: Any, event: str) -> tuple[list[str], Any]:
    """One service; a time-out is followed by another one."""
    return (["work"], "done") if state == "open" else ([], None)


def patient_failures(state: Any, event: str, service: str) -> list[tuple[list[str], Any]]:
    """An error breaks it, a time-out has another try, which only breaks."""
    return [([], "broken"), (["again"], "done")] if service == "work" else [([], "broken")]


@dataclass
class World:
    """Everything, as plain data that is copied for every step."""

    status: list[str]
    receives: list[int]
    state: Any
    version: int = 0
    inbox: set[int] = field(default_factory=set)
    effects: list[tuple[str, int]] = field(default_factory=list)
    handlers: list[dict[str, Any]] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    excluded: set[int] = field(default_factory=set)


@dataclass
class Naive:
    """One scenario on one instance."""

    chart: Chart
    start: Any
    events: list[str]
    workers: int = 2
    queue: str = "standard"
    protections: tuple[str, ...] = ()
    faults: dict[str, int] = field(default_factory=dict)
    max_receives: int | None = None
    failures: Failures | None = None

    def endings(self) -> Endings:
        """Walk every interleaving; return its count and probability per ending."""
        found: Endings = {}
        self._walk(self._beginning(), Fraction(1), found)
        return found

    def _beginning(self) -> World:
        size = len(self.events)
        return World(["visible"] * size, [0] * size, self.start, left=dict(self.faults))

    def _may_end(self, world: World) -> bool:
        return not world.handlers and not self._receivable(world)

    def _ending(self, world: World) -> tuple[Any, ...]:
        dead = tuple(i for i, status in enumerate(world.status) if status == "dead")
        excluded = (tuple(sorted(world.excluded)),) if world.excluded else ()
        return (world.state, tuple(world.effects), dead, *excluded)

    def _walk(self, world: World, chance: Fraction, found: Endings) -> None:
        nexts = self._nexts(world)
        ends = self._may_end(world)
        if ends:
            total = found.setdefault(self._ending(world), [0, Fraction(0)])
            total[0] += 1
            total[1] += chance / (len(nexts) + 1)
        for act, *arguments in nexts:
            copy = deepcopy(world)
            act(copy, *arguments)
            self._walk(copy, chance / (len(nexts) + ends), found)

    def _nexts(self, world: World) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        if self.queue == "direct" or len(world.handlers) < self.workers:
            found += [(self._receive, index) for index in self._receivable(world)]
        for place, handler in enumerate(world.handlers):
            found.append((self._go_on, place))
            if world.left.get("service_failures") and handler["at"] == "runs":
                ways = self._failures(handler)
                found += [(self._fail, place, number) for number in range(len(ways))]
            if world.left.get("crashes"):
                found.append((self._crash, place))
            if world.left.get("expiries") and self._owner(world, handler):
                found.append((self._expire, place))
        if world.left.get("duplicates"):
            deleted = [i for i, status in enumerate(world.status) if status == "deleted"]
            found += [(self._duplicate, index) for index in deleted]
        return found

    def _receivable(self, world: World) -> list[int]:
        visible = [i for i, status in enumerate(world.status) if status == "visible"]
        flying = "flying" in world.status
        if self.queue == "fifo_dispatch":
            return visible[:1]
        if self.queue == "mutex":
            return [] if flying else visible
        if self.queue in {"fifo_global", "fifo_group"}:
            return [] if flying else visible[:1]
        return visible

    def _receive(self, world: World, index: int) -> None:
        world.status[index] = "flying"
        world.receives[index] += 1
        world.handlers.append({"message": index, "token": world.receives[index], "at": "start"})
        if self.queue == "direct":
            self._go_on(world, len(world.handlers) - 1)

    def _owner(self, world: World, handler: dict[str, Any]) -> bool:
        index = handler["message"]
        return bool(world.status[index] == "flying" and handler["token"] == world.receives[index])

    def _back(self, world: World, handler: dict[str, Any]) -> None:
        index = handler["message"]
        if self._owner(world, handler):
            full = self.max_receives is not None and world.receives[index] >= self.max_receives
            world.status[index] = "dead" if full else "visible"

    def _go_on(self, world: World, place: int) -> None:
        handler = world.handlers[place]
        index = handler["message"]
        if handler["at"] == "start":
            handler["version"] = world.version
            if "inbox" in self.protections and index in world.inbox:
                handler["at"] = "saved"
                return
            calls, saves = self.chart(world.state, self.events[index])
            handler.update(at="runs", calls=calls, saves=saves, state=world.state)
        elif handler["at"] == "runs" and handler["calls"]:
            service, *handler["calls"] = handler["calls"]
            again = (service, index) in world.effects and "idempotent" in self.protections
            if service and not again:
                world.effects.append((service, index))
        elif handler["at"] == "runs":
            self._save(world, handler)
        else:
            world.handlers.remove(handler)
            if self._may_delete(world, handler):
                world.status[index] = "deleted"

    def _save(self, world: World, handler: dict[str, Any]) -> None:
        index = handler["message"]
        old = "fence" in self.protections and handler["token"] != world.receives[index]
        stale = "cas" in self.protections and handler["version"] != world.version
        lost = "atomic" in self.protections and not self._may_delete(world, handler)
        if lost or (handler["saves"] is not None and (old or stale)):
            world.handlers.remove(handler)
            self._back(world, handler)
            return
        handler["at"] = "saved"
        world.inbox.add(index)
        if handler["saves"] is not None:
            world.state = handler["saves"]
            world.version += 1
        if self.queue == "direct" or "atomic" in self.protections:
            world.handlers.remove(handler)
            world.status[index] = "deleted"

    def _may_delete(self, world: World, handler: dict[str, Any]) -> bool:
        index = handler["message"]
        newest = handler["token"] == world.receives[index]
        stale_but_good = newest and world.status[index] == "visible"
        return self._owner(world, handler) or (
            stale_but_good and not self.queue.startswith("fifo_")
        )

    def _failures(self, handler: dict[str, Any]) -> list[tuple[list[str], Any]]:
        if self.failures is None or not handler["calls"]:
            return []
        event = self.events[handler["message"]]
        return self.failures(handler["state"], event, handler["calls"][0])

    def _fail(self, world: World, place: int, number: int) -> None:
        world.left["service_failures"] -= 1
        handler = world.handlers[place]
        calls, saves = self._failures(handler)[number]
        handler.update(calls=calls, saves=saves)

    def _crash(self, world: World, place: int) -> None:
        world.left["crashes"] -= 1
        handler = world.handlers.pop(place)
        if self.queue == "direct":
            world.status[handler["message"]] = "deleted"
        else:
            self._back(world, handler)

    def _expire(self, world: World, place: int) -> None:
        world.left["expiries"] -= 1
        self._back(world, world.handlers[place])

    def _duplicate(self, world: World, index: int) -> None:
        world.left["duplicates"] -= 1
        world.status[index] = "visible"
