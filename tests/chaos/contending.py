"""What processes and threads do that want the same store at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import VersionConflictError
from settlesim.ports import Transaction
from settlesim.store import FifoQueue, SqliteStore

__all__ = ["GROUPS", "MESSAGES", "OWN", "SHARED", "TASKS", "contend", "increment"]

SHARED = 200
"""To this revision the rivals bring one instance together, or on until each had a turn."""
OWN = 40
"""To this revision each brings an instance of its own."""
GROUPS = 8
MESSAGES = 15
"""In each group."""


def increment(store: SqliteStore, key: str, by: str) -> list[str]:
    """Add one and note who did it, if nobody else was faster; return all who did.

    Raises
    ------
    VersionConflictError
        Somebody else was.
    """
    found = store.load(key)
    log = [] if found is None else list(found.context["log"])
    revision = len(log)
    log.append(by)
    context = freeze_object({"log": log}, where="context")
    store.commit(Transaction(key, Snapshot("counter", 1, ("on",), context, revision + 1), revision))
    return log


def one_key(store: SqliteStore, name: str, rivals: int) -> dict[str, Any]:
    """Increment one instance with the others until it is where it should be.

    Who is kept from it for ever keeps all the others at work, and the test from its end.
    """
    acknowledged = conflicts = 0
    log: list[str] = []
    while len(log) < SHARED or len(set(log)) < rivals:
        try:
            log = increment(store, "hot", name)
            acknowledged += 1
        except VersionConflictError:
            conflicts += 1
    return {"acknowledged": acknowledged, "conflicts": conflicts}


def own_key(store: SqliteStore, name: str, rivals: int) -> dict[str, Any]:
    """Increment an instance that nobody else has."""
    while len(increment(store, f"own {name}", name)) < OWN:
        pass
    return {"acknowledged": OWN, "conflicts": 0}


def consume(store: SqliteStore, name: str, rivals: int) -> dict[str, Any]:
    """Receive and delete messages until none is left."""
    queue = FifoQueue(store, "work", visibility_timeout=300.0)
    got: list[int] = []
    while queue.status().depth:
        for message in queue.receive(1):
            queue.delete(message.receipt)
            got.append(message.id)
        time.sleep(0)  # a thread that finds nothing lets the others go on
    return {"acknowledged": len(got), "got": got, "conflicts": 0}


TASKS: dict[str, Callable[[SqliteStore, str, int], dict[str, Any]]] = {
    "one key": one_key,
    "own keys": own_key,
    "one queue": consume,
}


def contend(folder: Path, *, task: str, name: str, rivals: int) -> None:
    """Be one of the processes: say that it is there, wait for the others, do the task."""
    with SqliteStore(folder / "store.db") as store:
        (folder / f"{name} is ready").touch()
        while not (folder / "go").exists():
            time.sleep(0.001)
        found = TASKS[task](store, name, rivals)
    (folder / f"{name} is done").write_text(json.dumps(found))
