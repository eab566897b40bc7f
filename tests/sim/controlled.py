"""Runs the real interpreter under a scheduler that decides whose step is next.

Every handler is a greenlet that stops at the points where others may come between: before the
load, before a service has its effect, before the save. One runs at a time, so a run is decided by
the choices alone. The store is the real memory store; without compare-and-set
a wrapper writes over whatever revision is there. The scheduler hands out messages by rules
of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from greenlet import getcurrent, greenlet

from settlesim import Interpreter, MemoryStore, SimulatedClock, Snapshot, Transaction
from settlesim.chart import Chart
from settlesim.chart.strict_json import encode
from settlesim.errors import VersionConflictError
from settlesim.sim import Arrival

Choice = tuple[str, int]
Ending = tuple[Any, ...]


class AbandonedError(BaseException):
    """Ends a handler of a run that is no longer wanted."""


def at_point(name: str) -> str:
    """Stop until the scheduler says how to go on; outside a controlled run, go on at once.

    Raises what a service raises that is to fail; returns ``time out`` for one that is not to
    come back in time.
    """
    handler = getattr(getcurrent(), "handler", None)
    if handler is None:
        return "go on"
    fate: str = handler.stop(name)
    if fate == "fail":
        raise RuntimeError("fails in the simulation")
    return fate


def note_effect(service: str) -> None:
    """Write down that a service had its effect."""
    handler = getattr(getcurrent(), "handler", None)
    if handler is not None:
        handler.world.effects.append((handler.message.key, service, handler.index + 1))


class GatedStore(MemoryStore):
    """The memory store, with a point before each load and each save."""

    def __init__(self, *, cas: bool) -> None:
        super().__init__()
        self.cas = cas

    def load(self, key: str) -> Snapshot | None:
        """Wait for the scheduler, then load."""
        at_point("load")
        snapshot = super().load(key)
        handler = getattr(getcurrent(), "handler", None)
        if handler is not None:
            handler.loaded = describe(snapshot)
        return snapshot

    def commit(self, transaction: Transaction) -> None:
        """Wait for the scheduler, then write; without CAS over whatever is there."""
        at_point("save")
        if not self.cas:
            now = super().load(transaction.key)
            revision = 0 if now is None else now.revision
            assert transaction.snapshot is not None  # nothing is saved without one here
            snapshot = replace(transaction.snapshot, revision=revision + 1)
            transaction = Transaction(transaction.key, snapshot, revision)
        super().commit(transaction)


def describe(snapshot: Snapshot | None) -> str:
    """Name a snapshot by its content."""
    return "" if snapshot is None else encode(snapshot.to_dict())


class Handler:
    """One call of `Interpreter.settle`, in a greenlet that stops at the points."""

    def __init__(self, world: World, index: int) -> None:
        self.world = world
        self.index = index
        self.message = world.messages[index]
        self.at = "start"
        self.loaded = ""
        self.conflict = False
        self.abandoned = False
        self.fates: list[str] = []
        self._strand = greenlet(self._run)
        self._strand.handler = self  # by which the code at the points finds it
        self._strand.switch()

    def _run(self) -> None:
        interpreter = Interpreter(self.world.chart, self.world.store, clock=SimulatedClock())
        key, event, data = self.message
        coroutine = interpreter.settle(key, event, data)
        try:
            if self.world.may_fail:
                asyncio.run(coroutine)  # one that is not to come back needs a clock that runs
            else:
                coroutine.send(None)  # services stop in their greenlet and never wait for a loop
        except StopIteration:
            pass
        except VersionConflictError:
            self.conflict = True
        except AbandonedError:
            pass
        self.at = "end"

    def stop(self, name: str) -> str:
        """Wait for the scheduler and return what it says; called in the handler's greenlet."""
        self.at = name
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)  # until it is this handler's turn again
        self._strand.parent.switch()
        asyncio._set_running_loop(loop)
        if self.abandoned:
            raise AbandonedError
        return self.fates[-1]

    def go_on(self, fate: str = "go on") -> None:
        """Run to the next point; called by the scheduler."""
        self.fates.append(fate)
        self._strand.switch()

    def abandon(self) -> None:
        """End the greenlet."""
        if self.at != "end":
            self.abandoned = True
            self.go_on()


class World:
    """One run: messages, handlers, store, effects."""

    def __init__(
        self,
        chart: Chart,
        messages: tuple[Arrival, ...],
        workers: int,
        queue: str,
        *,
        cas: bool,
        failures: int = 0,
    ) -> None:
        self.chart = chart
        self.messages = messages
        self.workers = workers
        self.queue = queue
        self.store = GatedStore(cas=cas)
        self.effects: list[tuple[str, str, int]] = []
        self.status = ["visible"] * len(messages)
        self.handlers: dict[int, Handler] = {}
        self.failures = failures
        self.may_fail = failures > 0

    def choices(self) -> list[Choice]:
        """What may happen next."""
        found: list[Choice] = []
        if self.queue == "direct" or len(self.handlers) < self.workers:
            found += [("receive", index) for index in self._receivable()]
        for index, handler in sorted(self.handlers.items()):
            found.append(("go on", index))
            if self.failures and handler.at not in {"start", "load", "save", "end"}:
                found += [("fail", index), ("time out", index)]
        return found

    def _receivable(self) -> list[int]:
        visible = [i for i, each in enumerate(self.status) if each == "visible"]
        flying = [i for i, each in enumerate(self.status) if each == "flying"]
        rules: dict[str, Callable[[int], bool]] = {
            "direct": lambda i: True,
            "standard": lambda i: True,
            "fifo_dispatch": lambda i: i == visible[0],
            "mutex": lambda i: not any(self._same(i, j) for j in flying),
            "fifo_global": lambda i: not flying and i == visible[0],
            "fifo_group": lambda i: (
                not any(self._same(i, j) for j in [*flying, *[v for v in visible if v < i]])
            ),
        }
        return [i for i in visible if rules[self.queue](i)]

    def _same(self, one: int, other: int) -> bool:
        return self.messages[one].key == self.messages[other].key

    def take(self, choice: Choice) -> None:
        """Let one thing happen."""
        kind, index = choice
        if kind == "receive":
            self.status[index] = "flying"
            self.handlers[index] = Handler(self, index)
            if self.queue != "direct":
                return
        handler = self.handlers[index]
        if handler.at == "end":
            self._end(index, "deleted")
            return
        self.failures -= kind in {"fail", "time out"}
        handler.go_on("go on" if kind == "receive" else kind)
        if handler.conflict:
            self._end(index, "visible")
        elif handler.at == "end" and self.queue == "direct":
            self._end(index, "deleted")

    def _end(self, index: int, status: str) -> None:
        self.handlers.pop(index).abandon()
        self.status[index] = status

    def fingerprint(self) -> str:
        """All that what comes next depends on."""
        handlers = [
            (index, each.at, each.loaded, [fate for fate in each.fates if fate != "go on"])
            for index, each in sorted(self.handlers.items())
        ]
        return repr((self.status, handlers, self.ending(), len(self.effects), self.failures))

    def ending(self) -> Ending:
        """Store and effects, as the simulator names them."""
        keys = list(dict.fromkeys(each.key for each in self.messages))
        store = []
        for key in keys:
            snapshot = MemoryStore.load(self.store, key)
            if snapshot is None:
                store.append((key, self.chart.initial_configuration, encode(self.chart.context)))
            else:
                store.append((key, snapshot.configuration, encode(snapshot.context)))
        effects = tuple(each for key in keys for each in self.effects if each[0] == key)
        revisions = tuple(
            0 if snapshot is None else snapshot.revision
            for snapshot in (MemoryStore.load(self.store, key) for key in keys)
        )
        return (tuple(store), effects), revisions


def every_ending(make: Callable[[], World], *, merge: bool) -> tuple[set[Any], int]:
    """Run every interleaving, depth first, each from the start.

    With `merge` a situation that was met before is not gone on from. Returns the endings
    and how many runs went to the end.
    """
    endings: set[Any] = set()
    seen: set[str] = set()
    runs = 0
    stack: list[list[Choice]] = [[]]
    while stack:
        prefix = stack.pop()
        world = make()
        for choice in prefix:
            world.take(choice)
        ended = True
        while choices := world.choices():
            if merge:
                here = world.fingerprint()
                if prefix and here in seen:
                    ended = False
                    break
                seen.add(here)
            stack += [[*prefix, other] for other in choices[1:]]
            world.take(choices[0])
            prefix = [*prefix, choices[0]]
        if ended:
            endings.add(world.ending()[0])
            runs += 1
        for handler in world.handlers.values():
            handler.abandon()
    return endings, runs
