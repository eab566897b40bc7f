"""What one event costs in a `SqliteStore`, and in the same statements by hand on sqlite3.

    python -m benchmarks.store
    python -m benchmarks.store --quick

An event is sent, received, its instance loaded, and the settlement committed. Both rivals work on
files with the same tables and take turns within one run, so that other work on the machine affects
both; the result is the median of the ratios of neighbouring turns. The printed tables are those of
the documentation. The exit status is 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from benchmarks.by_hand import ByHand
from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.ports import Transaction
from settlesim.store import FifoQueue, MemoryStore, SqliteStore

QUEUE = "c"
SMALL, LARGE = 10, 100_000
"""How many instances a small and a large store have."""
PROCESSES = (1, 2, 4)
ROUNDS, EVENTS = 100, 20
"""Turns of each rival, and events of each process in one turn."""
MOST = 1.3
"""The limit for the cost of an event, relative to the statements by hand."""
MOST_GROWTH = 1.1
"""The limit for the growth of that cost with the file, relative to the statements by hand."""
MOST_SECONDS, MOST_MEGABYTES = 0.050, 20.0
"""The limits for what opening a large store costs more than opening an empty one."""
TEXT = "x" * 200
RECORD = {"event": {"name": "E", "data": None}, "outcome": "resolved"}


class Rival(Protocol):
    """Something that handles events."""

    def event(self, key: str, number: int) -> None:
        """Send an event, receive one, and settle it."""
        ...


class Ours:
    """A `SqliteStore` and a `FifoQueue`."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path)
        self.queue = FifoQueue(self.store, QUEUE)

    def event(self, key: str, number: int) -> None:
        """Handle an event."""
        self.queue.send({"event": "E", "data": number}, key, f"{os.getpid()}-{number}")
        for message in self.queue.receive():
            found = self.store.load(message.group_id)
            revision = 0 if found is None else found.revision
            context = freeze_object({"count": revision + 1, "text": TEXT}, where="context")
            self.store.commit(
                Transaction(
                    message.group_id,
                    Snapshot("c", 1, ("on",), context, revision + 1),
                    revision,
                    consumed=message.receipt,
                    mark=message.deduplication_id,
                    record=freeze_object(RECORD, where="record"),
                )
            )


class Hand:
    """The same statements by hand."""

    def __init__(self, path: Path) -> None:
        self.store = ByHand(path, QUEUE)

    def event(self, key: str, number: int) -> None:
        """Handle an event."""
        self.store.send({"event": "E", "data": number}, key, f"{os.getpid()}-{number}")
        received = self.store.receive()
        if received is not None:
            revision, _ = self.store.load(received[2])
            context = {"count": revision + 1, "text": TEXT}
            self.store.commit(received, revision, context, RECORD)


KINDS: dict[str, type[Ours] | type[Hand]] = {"SqliteStore": Ours, "by hand": Hand}


def fill(path: Path, size: int) -> None:
    """Create a store with instances, and as many marks."""
    SqliteStore(path).close()
    connection, now = sqlite3.connect(path), time.time()
    connection.executemany(
        "INSERT INTO instances VALUES(?, 'c', 1, 1, '[\"on\"]', ?, 0, ?, NULL, NULL)",
        ((f"key-{n}", f'{{"count":1,"text":"{TEXT}"}}', now) for n in range(size)),
    )
    connection.executemany(
        "INSERT INTO marks VALUES(?, ?, 1, 'resolved', NULL, ?)",
        ((f"key-{n}", f"old-{n}", now + 86_400.0) for n in range(size)),
    )
    connection.commit()
    connection.close()


# --- processes -----------------------------------------------------------------------------------


def serve(paths: dict[str, Path], place: int, orders: Connection) -> None:
    """Run as one of the processes: handle `EVENTS` events with one rival for each order."""
    rivals: dict[str, Rival] = {kind: make(paths[kind]) for kind, make in KINDS.items()}
    number = 0
    orders.send(None)
    while (order := orders.recv()) is not None:
        kind, size = order
        for _ in range(EVENTS):
            number += 1
            rivals[kind].event(f"key-{(number * 7919 + place) % size}", number)
        orders.send(None)


@contextmanager
def serving(paths: dict[str, Path], processes: int) -> Iterator[list[Connection]]:
    """Start processes, and end them."""
    context = multiprocessing.get_context("spawn")
    orders, running = [], []
    for place in range(processes):
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(paths, place, theirs), daemon=True)
        process.start()
        ours.recv()
        orders.append(ours)
        running.append(process)
    yield orders
    for each, process in zip(orders, running, strict=True):
        each.send(None)
        process.join()


def turn(orders: list[Connection], kind: str, size: int) -> float:
    """Let all processes handle events with one rival; return the seconds of one event."""
    began = time.perf_counter()
    for each in orders:
        each.send((kind, size))
    for each in orders:
        each.recv()
    return (time.perf_counter() - began) / (EVENTS * len(orders))


def compare(
    orders: list[Connection], size: int, rounds: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Let both rivals take turns; return the seconds of each, and the ratios."""
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds + 1):
        for kind in sorted(KINDS, reverse=bool(number % 2)):
            times[kind].append(turn(orders, kind, size))
    times = {kind: each[1:] for kind, each in times.items()}  # the first one warms up
    pairs = zip(times["SqliteStore"], times["by hand"], strict=True)
    return times, [ours / hand for ours, hand in pairs]


def copies(folder: Path, size: int) -> dict[str, Path]:
    """Create the same file for each rival."""
    first = folder / f"{size}.db"
    fill(first, size)
    found = {kind: folder / f"{size} {kind}.db" for kind in KINDS}
    for path in found.values():
        shutil.copy(first, path)
    return found


def by_processes(folder: Path, rounds: int) -> bool:
    """Print what an event costs with one, two and four processes."""
    print(f"\nAn event with {SMALL} instances, microseconds:\n")
    print("| processes | SqliteStore | by hand | ratio | limit |")
    print("|--:|--:|--:|--:|--:|")
    good = True
    for processes in PROCESSES:
        place = folder / f"{processes}"
        place.mkdir()
        with serving(copies(place, SMALL), processes) as orders:
            times, ratios = compare(orders, SMALL, rounds)
        ours, hand = (statistics.median(times[kind]) * 1e6 for kind in KINDS)
        ratio = statistics.median(ratios)
        good = good and ratio <= MOST
        print(f"| {processes} | {ours:,.0f} | {hand:,.0f} | {ratio:.2f} | {MOST} |", flush=True)
    return good


def by_size(folder: Path, rounds: int) -> bool:
    """Print what an event costs in a large store, compared with a small one."""
    growth: dict[str, list[float]] = {kind: [] for kind in KINDS}
    times: dict[tuple[str, int], list[float]] = {}
    place = folder / "sizes"
    place.mkdir()
    small, large = copies(place, SMALL), copies(place, LARGE)
    with serving(small, 1) as few, serving(large, 1) as many:
        for number in range(rounds + 1):
            for kind in sorted(KINDS, reverse=bool(number % 2)):
                found = [turn(few, kind, SMALL), turn(many, kind, LARGE)]
                if number:
                    growth[kind].append(found[1] / found[0])
                    times.setdefault((kind, SMALL), []).append(found[0])
                    times.setdefault((kind, LARGE), []).append(found[1])
    print(f"\nAn event with {LARGE:,} instances and as many marks, microseconds:\n")
    print(f"| | {SMALL} instances | {LARGE:,} instances | ratio |")
    print("|---|--:|--:|--:|")
    for kind in KINDS:
        cells = (statistics.median(times[kind, size]) * 1e6 for size in (SMALL, LARGE))
        ratio = statistics.median(growth[kind])
        print(f"| {kind} | " + " | ".join(f"{cell:,.0f}" for cell in cells) + f" | {ratio:.2f} |")
    pairs = zip(growth["SqliteStore"], growth["by hand"], strict=True)
    quotient = statistics.median(ours / hand for ours, hand in pairs)
    print(f"\nThe first ratio divided by the second: {quotient:.2f}; limit {MOST_GROWTH}")
    return bool(quotient <= MOST_GROWTH)


# --- opening and memory -------------------------------------------------------------------------

OPENING = """
import resource, sys, time
from settlesim.store import SqliteStore

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6

before, began = memory(), time.perf_counter()
store = SqliteStore(sys.argv[1])
store.load("key-7")
print(time.perf_counter() - began, memory() - before)
"""


def opening(path: Path) -> tuple[float, float]:
    """Return the seconds until a process has loaded an instance, and the megabytes it needs."""
    runs = []
    for _ in range(5):
        command = [sys.executable, "-c", OPENING, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append([float(each) for each in done.stdout.split()])
    seconds, megabytes = zip(*runs, strict=True)
    return statistics.median(seconds), statistics.median(megabytes)


def by_opening(folder: Path) -> bool:
    """Print what opening a store costs, and the memory that it takes."""
    print("\nOpening a store and loading one instance:\n")
    print("| instances and marks | milliseconds | megabytes |")
    print("|--:|--:|--:|")
    found = []
    for size in (0, LARGE):
        path = folder / f"opening {size}.db"
        fill(path, size)
        found.append(opening(path))
        print(f"| {size:,} | {found[-1][0] * 1e3:.1f} | {found[-1][1]:.1f} |")
    seconds, megabytes = (large - empty for empty, large in zip(*found, strict=True))
    print(
        f"\nMore than an empty one: {seconds * 1e3:.1f} ms, limit {MOST_SECONDS * 1e3:.0f}; "
        f"{megabytes:.1f} MB, limit {MOST_MEGABYTES:.0f}"
    )
    return bool(seconds <= MOST_SECONDS and megabytes <= MOST_MEGABYTES)


class Dict:
    """What a dict does for a settlement: load, compare the revision, keep the snapshot."""

    def __init__(self) -> None:
        self.kept: dict[str, Snapshot] = {}

    def load(self, key: str) -> Snapshot | None:
        """Return what is kept."""
        return self.kept.get(key)

    def commit(self, transaction: Transaction) -> None:
        """Keep the snapshot."""
        found = self.kept.get(transaction.key)
        assert (0 if found is None else found.revision) == transaction.expected
        assert transaction.snapshot is not None
        self.kept[transaction.key] = transaction.snapshot


def settle(store: Any, events: int) -> float:
    """Return the seconds of one load and commit."""
    record = freeze_object(RECORD, where="record")
    began = time.perf_counter()
    for number in range(events):
        key = f"key-{number % SMALL}"
        found = store.load(key)
        revision = 0 if found is None else found.revision
        context = freeze_object({"count": revision + 1, "text": TEXT}, where="context")
        new = Snapshot("c", 1, ("on",), context, revision + 1)
        store.commit(Transaction(key, new, revision, record=record))
    return (time.perf_counter() - began) / events


def in_memory(rounds: int) -> None:
    """Print what a `MemoryStore` adds to a settlement."""
    stores = {"MemoryStore": MemoryStore(), "dict": Dict()}
    times: dict[str, list[float]] = {name: [] for name in stores}
    for _ in range(rounds):
        for name, store in stores.items():
            times[name].append(settle(store, 500))
    ours, plain = (statistics.median(times[name]) * 1e6 for name in stores)
    print("\nLoading an instance and committing its next revision in memory, microseconds:\n")
    print("| MemoryStore | a plain dict | more |")
    print("|--:|--:|--:|")
    print(f"| {ours:.0f} | {plain:.0f} | {ours - plain:.0f} |")


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description="What one event costs in a SqliteStore.")
    parser.add_argument("--folder", help="on the disk to measure; by default a temporary one")
    parser.add_argument("--quick", action="store_true", help="a quarter of the rounds")
    options = parser.parse_args()
    rounds = ROUNDS // 4 if options.quick else ROUNDS
    print(
        f"{rounds} turns of {EVENTS} events for each process; Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} "
        f"processors, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        kept = [by_processes(folder, rounds), by_size(folder, rounds), by_opening(folder)]
        in_memory(rounds)
    print("\nAll limits are kept." if all(kept) else "\nA LIMIT IS MISSED.")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
