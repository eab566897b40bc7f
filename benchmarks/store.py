"""What one event costs in a store: load an instance, and save it under a check of its revision.

    python -m benchmarks.store

`TinyStore` is set beside stock TinyDB, sqlite3 (WAL, synchronous=FULL) and the least that a
durable event needs, which is to append its text to a file and to sync it. All sizes of all
rivals are open at once and take turns, so that what else the machine does meets all of them;
the figures to look at are the ratios. Documents have about a kilobyte.

There are two ways to take turns: batches of events, in which a rival has the disk for itself
("in a loop of its own"), and one event of each after the other ("interleaved"). Their order
changes each time, as one event leaves work to the system that the next one waits for. The exit
status is 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tinydb import TinyDB

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.ports import Transaction
from settlesim.store import TinyStore

SIZES = (10, 1_000, 10_000, 100_000)
ROUNDS = 24
BATCH = 25
STOCK = {10: 100, 1_000: 20, 10_000: 3}
"""How many events stock TinyDB is asked for; with 100,000 instances each takes many seconds."""
TEXT = "x" * 900


def context(count: int) -> dict[str, Any]:
    """Return the context of an instance."""
    return {"count": count, "text": TEXT}


def document(number: int, revision: int) -> dict[str, Any]:
    """Return the document of an instance, as every rival keeps it."""
    head = {"key": f"key-{number}", "chart": "count", "version": 1, "revision": revision}
    return {**head, "configuration": ["odd"], "context": context(revision)}


class Rival(Protocol):
    """A store that is asked for events."""

    def event(self, number: int) -> None:
        """Load an instance and save its next revision, durably."""
        ...


class Tiny:
    """A `TinyStore`."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / f"tiny-{size}.json"
        with TinyStore(self.path) as store:
            for start in range(0, size, 1000):
                with store.database.writing() as changes:
                    for number in range(start, min(start + 1000, size)):
                        changes.insert("instances", document(number, 1))
            store.compact()
        self.store = TinyStore(self.path)

    def event(self, number: int) -> None:
        """Load and commit."""
        key = f"key-{number}"
        found = self.store.load(key)
        assert found is not None
        revision = found.revision + 1
        frozen = freeze_object(context(revision), where="context")
        new = Snapshot("count", 1, ("odd",), frozen, revision)
        self.store.commit(Transaction(key, new, found.revision))


class Sqlite:
    """The same in sqlite3: one row for each instance, all of it durable."""

    def __init__(self, folder: Path, size: int) -> None:
        self.database = sqlite3.connect(folder / f"sqlite-{size}.db", isolation_level=None)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=FULL")
        self.database.execute(
            "CREATE TABLE instances(key TEXT PRIMARY KEY, revision INT, document TEXT)"
        )
        self.database.execute("BEGIN")
        self.database.executemany(
            "INSERT INTO instances VALUES(?, 1, ?)",
            ((f"key-{number}", json.dumps(document(number, 1))) for number in range(size)),
        )
        self.database.execute("COMMIT")

    def event(self, number: int) -> None:
        """Select, and update where the revision is the same."""
        key = f"key-{number}"
        select = "SELECT document FROM instances WHERE key = ?"
        found = json.loads(self.database.execute(select, (key,)).fetchone()[0])
        revision = found["revision"]
        text = json.dumps(document(number, revision + 1))
        self.database.execute("BEGIN IMMEDIATE")
        done = self.database.execute(
            "UPDATE instances SET revision = ?, document = ? WHERE key = ? AND revision = ?",
            (revision + 1, text, key, revision),
        )
        assert done.rowcount == 1
        self.database.execute("COMMIT")


class Stock:
    """TinyDB as it comes: not safe, and no check of the revision between two processes."""

    def __init__(self, folder: Path, size: int) -> None:
        self.table = TinyDB(folder / f"stock-{size}.json").table("instances")
        self.table.insert_multiple([document(number, 1) for number in range(size)])

    def event(self, number: int) -> None:
        """Get and update by document id."""
        found: Any = self.table.get(doc_id=number + 1)
        self.table.update(document(number, found["revision"] + 1), doc_ids=[number + 1])


class Bare:
    """The least: the text of the document at the end of a file, and a sync."""

    def __init__(self, folder: Path, size: int) -> None:
        path = folder / f"bare-{size}"
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.sync = getattr(os, "fdatasync", os.fsync)

    def event(self, number: int) -> None:
        """Append and sync."""
        os.write(self.descriptor, json.dumps(document(number, 1)).encode() + b"\n")
        self.sync(self.descriptor)


KINDS: dict[str, Callable[[Path, int], Rival]] = {"TinyStore": Tiny, "sqlite": Sqlite, "bare": Bare}

Cell = tuple[str, int]
Times = dict[Cell, list[float]]


class Picker:
    """Spreads the events over the instances, the same way for every rival."""

    def __init__(self) -> None:
        self._next: dict[Cell, int] = defaultdict(int)

    def __call__(self, cell: Cell) -> int:
        """Return the number of the next instance."""
        self._next[cell] += 7919
        return self._next[cell] % cell[1]


def batches(rivals: dict[Cell, Rival], rounds: int) -> Times:
    """Give each rival the disk for a batch of events, again and again."""
    times: Times = defaultdict(list)
    pick = Picker()
    for _ in range(rounds):
        for cell, rival in rivals.items():
            for _ in range(BATCH):
                number = pick(cell)
                began = time.perf_counter()
                rival.event(number)
                times[cell].append(time.perf_counter() - began)
    return times


def interleaved(rivals: dict[Cell, Rival], rounds: int) -> Times:
    """Let the rivals take turns after each event, in all orders."""
    times: Times = defaultdict(list)
    pick = Picker()
    orders = list(itertools.permutations(KINDS))
    for turn, (number, size) in enumerate(itertools.product(range(rounds * BATCH), SIZES)):
        for kind in orders[(turn + number) % len(orders)]:
            cell = kind, size
            instance = pick(cell)
            began = time.perf_counter()
            rivals[cell].event(instance)
            times[cell].append(time.perf_counter() - began)
    return times


def stock(folder: Path) -> dict[int, float]:
    """Return what an event costs in stock TinyDB, in seconds, where it can be waited for."""
    found = {}
    for size, events in STOCK.items():
        rival, pick, times = Stock(folder, size), Picker(), []
        for _ in range(events):
            number = pick(("stock", size))
            began = time.perf_counter()
            rival.event(number)
            times.append(time.perf_counter() - began)
        found[size] = statistics.median(times)
    return found


OPENING = """
import sys, time, resource
from settlesim.store import TinyStore
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
try:
    before = memory()
except OSError:
    memory = lambda: 0
    before = 0
began = time.perf_counter()
store = TinyStore(sys.argv[1])
store.load("key-0")
print(time.perf_counter() - began, (memory() - before) / 1e6)
"""


def opening(path: Path) -> tuple[float, float]:
    """Return the seconds until a process has its first instance, and the megabytes it needs."""
    command = [sys.executable, "-c", OPENING, str(path)]
    runs = []
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(tuple(map(float, done.stdout.split())))
    return min(run[0] for run in runs), min(run[1] for run in runs)


def medians(times: Times) -> dict[Cell, float]:
    """Return the median of each cell."""
    return {cell: statistics.median(each) for cell, each in times.items()}


def table(title: str, found: dict[Cell, float]) -> None:
    """Print microseconds and ratios of one way to take turns."""
    print(f"\n{title}, median microseconds of one event")
    heads = ("instances", *KINDS)
    print("".join(f"{head:>11}" for head in heads), "  TinyStore / sqlite, bare")
    for size in SIZES:
        ours, sql, bare = (found[kind, size] for kind in KINDS)
        print(
            f"{size:11,} {ours * 1e6:10,.0f} {sql * 1e6:10,.0f} {bare * 1e6:10,.0f}   "
            f"{ours / sql:8.2f}x {ours / bare:8.2f}x"
        )


def targets(own: dict[Cell, float], turns: dict[Cell, float]) -> bool:
    """Print what is asked for and what is so."""
    kinds = ("TinyStore", "sqlite", "bare")
    worst = {
        (name, kind): max(found["TinyStore", size] / found[kind, size] for size in SIZES)
        for name, found in (("own", own), ("turns", turns))
        for kind in kinds
    }
    flat = own["TinyStore", SIZES[-1]] / own["TinyStore", SIZES[0]]
    wanted = [
        ("100,000 instances / 10 instances", flat, 1.5),
        ("TinyStore / bare append and sync, worst size", worst["own", "bare"], 2.0),
        ("TinyStore / sqlite, in a loop of its own, worst size", worst["own", "sqlite"], 2.5),
        ("TinyStore / sqlite, interleaved, worst size", worst["turns", "sqlite"], 1.0),
    ]
    print()
    for name, ratio, limit in wanted:
        verdict = "met" if ratio <= limit else "MISSED"
        print(f"{name:54} {ratio:6.2f}x   at most {limit}x   {verdict}")
    return all(ratio <= limit for _, ratio, limit in wanted)


def main() -> int:
    """Measure, print, and say whether the targets are met."""
    parser = argparse.ArgumentParser(description="What one event costs in a store.")
    parser.add_argument("--folder", help="on the disk to measure; the system's temporary one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        rivals = {
            (kind, size): make(folder, size) for size in SIZES for kind, make in KINDS.items()
        }
        batches(rivals, 1)  # to warm up
        own = medians(batches(rivals, options.rounds))
        turns = medians(interleaved(rivals, options.rounds))
        table("In a loop of its own", own)
        table("Interleaved", turns)
        print("\nstock TinyDB, which syncs the whole file and is not safe:")
        for size, seconds in stock(folder).items():
            ratio = seconds / own["TinyStore", size]
            print(f"{size:10,} {seconds * 1e6:10,.0f} microseconds, {ratio:8,.1f}x TinyStore")
        print(f"{SIZES[-1]:10,} not measured: it takes longer than anybody waits")
        print("\nopening a TinyStore and loading one instance:")
        for size in SIZES:
            seconds, megabytes = opening(folder / f"tiny-{size}.json")
            print(f"{size:10,} {seconds * 1e3:10,.1f} ms {megabytes:8,.1f} MB")
        return 0 if targets(own, turns) else 1


if __name__ == "__main__":
    sys.exit(main())
