"""The program that is stopped everywhere: all that a store and its queue do, one step each.

It runs on a memory store first. What that holds after each step is what must be found on
the disk, every table and every document: a second implementation of `Database` is the
oracle for the first. That the steps themselves do what they should is written down by hand
in `test_every_point`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import FrozenDict, freeze_object
from settlesim.errors import StoreError
from settlesim.ports import Message, Send, Timer, Timers, Transaction
from settlesim.store import FifoQueue, MemoryStore, TinyStore
from settlesim.store.base import DatabaseStore
from settlesim.store.journal.files import FileSystem
from tests.crash.model_files import FOLDER

__all__ = ["STEPS", "Bench", "DurableProgram", "dump", "snapshot"]

TABLES = (
    "instances",
    "settlements",
    "marks",
    "messages",
    "deduplication",
    "dead_letters",
    "parked",
    "timers",
)
AnyStore = MemoryStore | TinyStore
PATH = f"{FOLDER}/store.json"
VISIBILITY = 30.0


def snapshot(revision: int, node: str = "even", **context: Any) -> Snapshot:
    """Return a state of the chart ``count``."""
    return Snapshot("count", 1, (node,), freeze_object(context, where="context"), revision)


def record(**fields: Any) -> FrozenDict:
    """Return what the list of settlements keeps of one."""
    return freeze_object(fields, where="record")


def dump(store: DatabaseStore) -> str:
    """Return everything that a store holds, as one text."""
    with store.database.reading() as reader:
        tables = {
            table: {number: dict(reader.get(table, number) or {}) for number in reader.ids(table)}
            for table in TABLES
        }
    return json.dumps(tables, sort_keys=True)


class Bench:
    """A store and its queue at a time, as the steps find them.

    Parameters
    ----------
    open_store : opens the store, or opens it again; gets where the time comes from
    """

    def __init__(self, open_store: Callable[[Callable[[], float]], AnyStore]) -> None:
        self._open_store = open_store
        self.now = 0.0
        self.open()

    def open(self) -> None:
        """Open the store, or open it again."""
        self.store = self._open_store(lambda: self.now)
        self.queue = FifoQueue(
            self.store, "count", visibility_timeout=VISIBILITY, max_failures=2, policy="halt"
        )

    def close(self) -> None:
        """Close the store; memory has nothing to close."""
        if isinstance(self.store, TinyStore):
            self.store.close()

    def close_and_open(self) -> None:
        """Close the store and open it again."""
        self.close()
        self.open()

    def compact(self) -> None:
        """Fold the journal into the snapshot; memory has neither."""
        if isinstance(self.store, TinyStore):
            self.store.compact()

    def compact_by_another(self) -> None:
        """Let another opening compact twice, and be closed, while this one stays open."""
        if isinstance(self.store, TinyStore):
            other = self._open_store(lambda: self.now)
            assert isinstance(other, TinyStore)
            other.compact()
            other.compact()
            other.close()

    def settle(
        self, key: str, expected: int, consumed: Message | None, text: str = "", **more: Any
    ) -> None:
        """Commit the settlement of a message."""
        new: dict[str, Any] = {
            "snapshot": snapshot(expected + 1, count=expected, text=text),
            "record": record(event="E", outcome="resolved"),
        }
        if consumed is not None:
            new |= {"consumed": consumed.receipt, "mark": f"message {consumed.id}"}
        self.store.commit(Transaction(key=key, expected=expected, **(new | more)))


Received = Mapping[str, Message]
"""Messages by the name of their group and how often the group was received from."""


@dataclass(frozen=True)
class Step:
    """One transaction of the program."""

    name: str
    run: Callable[[Bench, Received], object]
    seconds: float = 1.0
    """How much later it is than the step before."""
    durable: bool = True


def _send(group: str, event: str, deduplication_id: str | None = None) -> Step:
    body = {"event": event, "data": None}
    return Step(
        f"send {event} to {group}",
        lambda bench, got: bench.queue.send(body, group, deduplication_id),
    )


def _receive(seconds: float = 1.0) -> Step:
    # The oracle's receptions are what the later steps know: receipts are not random.
    return Step("receive", lambda bench, got: bench.queue.receive(10), seconds, durable=False)


def _fail(group: str, receives: int) -> Step:
    return Step(
        f"fail {group} for the {receives}. time",
        lambda bench, got: bench.queue.fail(
            got[f"{group} {receives}"].receipt, "ValueError: poison", retry_in=0.0
        ),
    )


_COMPACT_TWICE = [
    # All of them promise nothing by themselves, and change nothing that can be seen.
    Step("compact, nothing is new", lambda bench, got: bench.compact()),
    Step("another compacts twice", lambda bench, got: bench.compact_by_another()),
    Step("close and open, nothing is new", lambda bench, got: bench.close_and_open()),
    Step("another compacts again", lambda bench, got: bench.compact_by_another()),
    Step("close and open again", lambda bench, got: bench.close_and_open()),
]
"""After a compaction: all of it must be as if nothing were done."""

STEPS = [
    _send("a", "E1", "first"),
    _send("a", "E2", "second"),
    _send("b", "E1", "first"),
    _send("poison", "E1"),
    _receive(),
    Step(
        "settle a with all that a settlement can have",
        lambda bench, got: bench.settle(
            "a",
            0,
            got["a 1"],
            text="long" * 40,
            sends=(Send("count", {"event": "E3", "data": [1]}, "c", "from a"),),
            timers=Timers(started=(Timer("after.even.0", 60.0), Timer("after.even.1", 20.0))),
        ),
    ),
    Step("settle b", lambda bench, got: bench.settle("b", 0, got["b 1"], text="short")),
    _fail("poison", 1),
    Step("compact", lambda bench, got: bench.compact()),
    *_COMPACT_TWICE,
    _receive(),
    Step(
        "settle a again, one timer is kept",
        lambda bench, got: bench.settle("a", 1, got["a 2"], timers=Timers(kept=("after.even.0",))),
    ),
    _fail("poison", 2),
    Step("delete a message", lambda bench, got: bench.queue.delete(got["c 1"].receipt)),
    _send("poison", "E2"),
    _send("a", "E1", "first"),
    Step("move due timers", lambda bench, got: bench.queue.release_timers(), 60.0),
    # Promises nothing by itself: what was acknowledged before was durable before.
    Step("close and open", lambda bench, got: bench.close_and_open(), durable=False),
    _receive(),
    Step(
        "settle a by its timer",
        lambda bench, got: bench.settle("a", 2, got["a 3"], timers=Timers()),
    ),
    Step("put the dead letter back", lambda bench, got: bench.queue.redrive()),
    Step("let the parked group go on", lambda bench, got: bench.queue.resume("poison")),
    _receive(),
    Step(
        "give a message back",
        lambda bench, got: bench.queue.change_visibility(got["poison 3"].receipt, 0.0),
        durable=False,  # as a reception: after a power cut nobody has a message in his hands
    ),
    _receive(),
    Step("another folds it, twice", lambda bench, got: bench.compact_by_another()),
    _receive(),
    Step("compact again", lambda bench, got: bench.compact()),
    _receive(VISIBILITY + 1.0),
    Step(
        "an event that changes nothing",
        lambda bench, got: bench.settle("poison", 0, got["poison 5"], snapshot=None),
    ),
    Step("forget an instance", lambda bench, got: bench.store.delete("b", 1)),
    Step("settle without a message", lambda bench, got: bench.settle("d", 0, None)),
]


TIMES = list(itertools.accumulate((step.seconds for step in STEPS), initial=0.0))


def _probe(bench: Bench) -> None:
    bench.settle("probe", 0, None, sends=(Send("count", "probe", "probe", "probe"),))


class Oracle:
    """What a memory store holds after each step, and what was received."""

    def __init__(self) -> None:
        store = MemoryStore(now=lambda: 0.0, history=2)
        bench = Bench(lambda now: store)
        store.database.now = lambda: bench.now
        self.received: list[dict[str, Message]] = [{}]
        self.states = [dump(store)]
        for number, step in enumerate(STEPS):
            bench.now = TIMES[number + 1]
            self._note(step.run(bench, self.received[-1]))
            self.states.append(dump(store))
        self.store = store

    def _note(self, result: object) -> None:
        """Remember the messages that a step received, for the steps after it."""
        got = dict(self.received[-1])
        for message in result if isinstance(result, Sequence) else ():
            if isinstance(message, Message):
                times = sum(name.rpartition(" ")[0] == message.group_id for name in got) + 1
                got[f"{message.group_id} {times}"] = message
        self.received.append(got)


class DurableProgram:
    """The steps on a `TinyStore`, with a `MemoryStore` as the oracle.

    Parameters
    ----------
    name : in the report
    path : of the store, on the files that `open` gets
    steps : how many of the steps it does
    options : of the store
    """

    errors = (StoreError,)

    def __init__(
        self, name: str = "TinyStore", path: str = PATH, steps: int = len(STEPS), **options: Any
    ) -> None:
        self.name = name
        self.path = path
        self.durable = tuple(step.durable for step in STEPS[:steps])
        self.options = {"history": 2, **options}
        self.oracle = Oracle()
        self.states = self.oracle.states[: steps + 1]
        self.probed = [self._probed(done) for done in range(steps + 1)]

    def _probed(self, steps: int) -> str:
        store = MemoryStore(now=lambda: 0.0, history=2)
        bench = Bench(lambda now: store)
        store.database.now = lambda: bench.now
        for number, step in enumerate(STEPS[:steps]):
            bench.now = TIMES[number + 1]
            step.run(bench, self.oracle.received[number])
        bench.now = TIMES[-1]
        _probe(bench)
        return dump(store)

    def open(self, files: FileSystem) -> Bench:
        return Bench(lambda now: TinyStore(self.path, files=files, now=now, **self.options))

    def perform(self, running: Bench, step: int) -> Bench:
        running.now = TIMES[step + 1]
        result = STEPS[step].run(running, self.oracle.received[step])
        if STEPS[step].name == "receive":
            new = tuple(
                message
                for name, message in self.oracle.received[step + 1].items()
                if name not in self.oracle.received[step]
            )
            assert result == new, "other messages than those of the oracle"
        return running

    def state(self, running: Bench) -> str:
        return dump(running.store)

    def probe(self, running: Bench) -> None:
        running.now = TIMES[-1]
        _probe(running)
