"""What runs in processes of its own: ``python -m tests.store.tiny_children NAME PATH ...``.

Each function prints one JSON value.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import VersionConflictError
from settlesim.ports import Transaction
from settlesim.store import whole_file
from settlesim.store.tinydb import TinyStore
from tests.store.watched_os import Killing

__all__ = ["count", "save"]


def save(store: TinyStore, key: str, number: int, revision: int = 1, **options: Any) -> None:
    """Save an instance with `number` in its context, and a record of it."""
    new = Snapshot(
        "count", 1, ("odd",), freeze_object({"count": number}, where="context"), revision
    )
    record = freeze_object({"event": {"name": "COUNT"}, "turn": number}, where="record")
    store.commit(Transaction(key, new, revision - 1, record=record, **options))


def count(store: TinyStore, key: str) -> int:
    """Return the number that `save` saved last, 0 where it saved none."""
    found = store.load(key)
    return 0 if found is None else int(found.context["count"])


def race(path: str, name: str, rounds: str, keys: str) -> list[tuple[str, int]]:
    """Count up each key `rounds` times against all others; return what was won."""
    won = []
    with TinyStore(path, lock_timeout=120.0, history=1) as store:
        for number in range(int(rounds)):
            key = f"k{number % int(keys)}"
            while True:
                found = store.load(key)
                revision = 0 if found is None else found.revision
                try:
                    save(store, key, count(store, key) + 1, revision + 1)
                except VersionConflictError:
                    continue
                won.append((key, revision + 1))
                break
    return won


def kill(folder: str, first: str, half: str) -> list[dict[str, Any]]:
    """Save, killed before each system call of the save in turn; tell what was found then.

    Parameters
    ----------
    first : ``"first"`` for the save that makes the file, else for one that replaces it
    half : ``"half"`` where half of what a write was given is written first
    """
    found = []
    for at in range(1, 100):
        path = os.path.join(folder, str(at), "store.json")
        os.mkdir(os.path.dirname(path))
        old = 0 if first == "first" else 1
        if old:
            save(TinyStore(path), "a", 1)
        child = os.fork()
        if not child:
            store = TinyStore(path)
            vars(whole_file)["os"] = Killing(at, half=half == "half")
            save(store, "a", old + 1, old + 1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        left = sorted(os.listdir(os.path.dirname(path)))
        store = TinyStore(path)
        held = count(store, "a")
        numbers = [past.record["turn"] for past in store.settlements("a")]
        save(store, "a", held + 1, held + 1)
        found.append(
            {
                "killed": status != 0,
                "new": held - old,
                "whole": numbers == list(range(1, held + 1)),
                "next": count(TinyStore(path), "a") - held,
                "left": left,
                "left_then": sorted(os.listdir(os.path.dirname(path))),
            }
        )
        if not status:
            break
    return found


def fork(path: str) -> list[Any]:
    """Save with one store object on both sides of a fork."""
    store = TinyStore(path)
    save(store, "a", 1)
    child = os.fork()
    if not child:
        save(store, "a", 2, 2)
        os._exit(0)
    os.waitpid(child, 0)
    save(store, "a", 3, 3)
    return [count(store, "a"), count(TinyStore(path), "a")]


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
