"""What processes and threads do that want the same store at once.

``python -m tests.chaos.contending TASK PATH NAME RIVALS`` is one of the processes. It says
``ready``, waits for a line on its input, so that all begin together, does its task and
prints what it did as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.errors import VersionConflictError
from settlesim.ports import Transaction
from settlesim.store import FifoQueue, TinyStore

__all__ = ["GROUPS", "MESSAGES", "OWN", "SHARED", "TASKS", "increment"]

SHARED = 240
"""To this revision the processes bring one instance together."""
OWN = 60
"""To this revision each brings an instance of its own."""
GROUPS = 8
MESSAGES = 20
"""In each group."""


def increment(store: TinyStore, key: str, by: str) -> int:
    """Add one and note who did it, if nobody else was faster; return the new revision.

    Raises
    ------
    VersionConflictError
        Somebody else was.
    """
    found = store.load(key)
    revision = 0 if found is None else found.revision
    log = [] if found is None else list(found.context["log"])
    context = freeze_object({"log": [*log, by]}, where="context")
    store.commit(Transaction(key, Snapshot("counter", 1, ("on",), context, revision + 1), revision))
    return revision + 1


def one_key(store: TinyStore, name: str) -> dict[str, Any]:
    """Increment one instance with the others until it is where it should be."""
    acknowledged = conflicts = revision = 0
    while revision < SHARED:
        try:
            revision = increment(store, "hot", name)
            acknowledged += 1
        except VersionConflictError as error:
            conflicts += 1
            revision = error.actual
    return {"acknowledged": acknowledged, "conflicts": conflicts}


def own_key(store: TinyStore, name: str) -> dict[str, Any]:
    """Increment an instance that nobody else has."""
    while increment(store, f"own {name}", name) < OWN:
        pass
    return {"acknowledged": OWN, "conflicts": 0}


def consume(store: TinyStore, name: str) -> dict[str, Any]:
    """Receive and delete messages until none is left."""
    queue = FifoQueue(store, "work", visibility_timeout=300.0)
    got: list[int] = []
    while queue.status().depth:
        for message in queue.receive(1):
            queue.delete(message.receipt)
            got.append(message.id)
        time.sleep(0)  # a thread that finds nothing lets the others go on
    return {"acknowledged": len(got), "got": got, "conflicts": 0}


TASKS: dict[str, Callable[[TinyStore, str], dict[str, Any]]] = {
    "one key": one_key,
    "own keys": own_key,
    "one queue": consume,
}


if __name__ == "__main__":
    _, _task, _path, _name = sys.argv
    with TinyStore(_path) as _store:
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(TASKS[_task](_store, _name)), flush=True)
